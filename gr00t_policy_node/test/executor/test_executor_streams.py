# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in, in whatever order: every command keeps the limits, and silence is kept."""

from collections import Counter
from dataclasses import replace

import attack_streams as streams
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_policy_node.executor.core import ExecutorCore

EVENTS = st.lists(
    st.tuples(st.sampled_from(list(streams.EVENTS)), st.integers(0, 999)), max_size=12
)
SOAK_STREAMS = 20_000


@settings(max_examples=250)
@given(seed=st.integers(0, 2**32 - 1), events=EVENTS)
def test_no_stream_of_inputs_makes_the_gate_fire_breaks_a_limit_or_a_silence(seed, events):
    rng = np.random.default_rng([seed, 1])
    robot, chosen = streams.any_robot(rng), streams.any_settings(rng)
    streams.play(robot, chosen, events, seed, Counter())


def test_the_streams_reach_what_they_are_to_attack():
    counts = Counter()
    for seed in range(60):
        streams.play_seed(seed, counts)
    for kind in ('commands', 'chunks', 'chunks rejected', 'teleop', 'teleop dropped'):
        assert counts[kind] > 10, counts
    for mode in ('stopped', 'e-stopped', 'running', 'takeover'):
        assert counts[f'ended {mode}'], counts


@pytest.mark.parametrize('fault', ['nan', 'jump', 'fast', 'outside', 'not silent'])
def test_the_checker_of_the_streams_sees_a_broken_promise(fault, monkeypatch):
    tick = ExecutorCore.tick

    def broken(self, now_ns):
        command = tick(self, now_ns)
        self.count = getattr(self, 'count', 0) + 1
        if command is None:  # out of silence, now and then
            again = fault == 'not silent' and self.count % 2
            return getattr(self, 'last', None) if again else None
        values, paced = command.values.copy(), self.layout.paced
        if paced.size and fault != 'not silent':
            place = paced[0]
            values[place] = {
                'nan': np.nan,
                'jump': values[place] + 1.0,
                'fast': values[place] * 1.1 + 0.1 * (self.accepted % 2),
                'outside': self.layout.upper[place] + 1e-6,
            }[fault]
        self.last = replace(command, values=values)
        return self.last

    monkeypatch.setattr(ExecutorCore, 'tick', broken)
    caught = 0
    for seed in range(40):
        try:
            streams.play_seed(seed, Counter())
        except AssertionError:
            caught += 1
    assert caught >= 3


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_many_streams():
    counts = Counter()
    for seed in range(SOAK_STREAMS):
        streams.play_seed(seed, counts)
    assert counts['streams'] == SOAK_STREAMS
