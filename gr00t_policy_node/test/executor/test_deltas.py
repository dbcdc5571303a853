# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Delta actions: each row is sent once, unscaled and unmixed, and inside the workspace."""

from copy import deepcopy
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import yaml

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.robot.file import parse
from gr00t_policy_node.executor.admission import ReceivedChunk
from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.deltas import DeltaRows
from gr00t_policy_node.executor.modes import Mode
from gr00t_policy_node.executor.settings import Settings

EVERYTHING = Path(__file__).parents[1].joinpath('everything.yaml')
SECOND = 1_000_000_000
NOW = 1_000 * SECOND


def delta_robot(rate_hz=20.0, workspace=False, unit='m'):
    """Return a robot of one delta group, one axis in m, whose pose is measured."""
    data = deepcopy(yaml.safe_load(EVERYTHING.read_text()))
    data['rate_hz'] = rate_hz
    mount = {**data['action']['mount'], 'unit': unit, 'limits': {'range': [-1.0, 1.0]}}
    data['action'] = {'mount': mount}
    pose = {'topic': 'rail', 'type': 'geometry_msgs/msg/Vector3', 'field': 'x', 'axes': ['x']}
    data['state'] = {'rail': {**pose, 'unit': 'm', 'rate_hz': 100, 'normalization': 'none'}}
    if workspace:
        data['workspace'] = {'mount': {'state': 'rail', 'limits': {'dx': [-0.1, 0.1]}}}
    return parse(data, EVERYTHING)


class Rig:
    """The core, a policy that numbers its rows, and a list of what was sent."""

    def __init__(self, robot, **changes):
        self.core = ExecutorCore(robot, Settings(**changes))
        self.robot, self.now_ns, self.sent = robot, NOW, []
        self.pose, self.pose_stamp_ns = 0.0, None

    def offer(self, rows, stamp_ns=None):
        data = np.asarray(rows, np.float32)
        return self.core.offer(
            ReceivedChunk(
                self.now_ns if stamp_ns is None else stamp_ns,
                self.robot.step_ns,
                self.robot.embodiment,
                self.core.layout.names,
                len(data),
                1,
                data,
                0,
            ),
            self.now_ns,
        )

    def tick(self, late_ns=0):
        self.now_ns += self.core.period_ns + late_ns
        stamp_ns = self.now_ns if self.pose_stamp_ns is None else self.pose_stamp_ns
        self.core.measure('rail', np.array([self.pose]), self.now_ns, stamp_ns)
        command = self.core.tick(self.now_ns)
        if command is not None and command.due and self.core.mode in (Mode.RUNNING, Mode.TAKEOVER):
            self.sent.append(float(command.values[0]))
        return command

    def pass_(self, seconds, rng=None):
        end_ns = self.now_ns + round(seconds * SECOND)
        while self.now_ns < end_ns:
            late = 0 if rng is None else int(rng.integers(-(self.core.period_ns // 2), 3_000_000))
            self.tick(late)


@settings(max_examples=40)
@example(seed=449501, horizon=2, rate_hz=33.3, control_hz=50.0, handover='crossfade')
@given(
    seed=st.integers(0, 2**32 - 1),
    horizon=st.integers(1, 20),
    rate_hz=st.sampled_from([5.0, 20.0, 30.0, 33.3]),
    control_hz=st.sampled_from([50.0, 100.0, 125.0, 250.0, 333.0]),
    handover=st.sampled_from(['crossfade', 'ensemble', 'rtc', 'replace']),
)
def test_a_chunk_of_h_rows_sends_h_deltas_each_once_at_any_control_rate_and_jitter(
    seed, horizon, rate_hz, control_hz, handover
):
    rng = np.random.default_rng(seed)
    rig = Rig(
        delta_robot(rate_hz), control_rate_hz=control_hz, handover=handover, chunk_timeout_s=10.0
    )
    rig.tick()
    rows = (rng.permutation(horizon) + 1.0) / 32.0  # exact in float32
    assert rig.offer(rows) is None
    rig.pass_((horizon + 2) / rate_hz, rng)
    assert rig.sent == rows.tolist()  # also unscaled, from the first: no soft start


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    every=st.integers(1, 8),
    handover=st.sampled_from(['crossfade', 'ensemble', 'rtc', 'replace']),
)
def test_overlapping_chunks_neither_repeat_leave_out_nor_mix_a_delta(seed, every, handover):
    """Row k of the world's plan is sent at its time, whichever chunk it comes in."""
    rng = np.random.default_rng(seed)
    rig = Rig(delta_robot(), handover=handover, chunk_timeout_s=10.0, blend_s=0.2)
    rig.tick()
    step_ns, start_ns = rig.robot.step_ns, rig.now_ns
    plan = (rng.permutation(120) + 1.0) / 128.0
    next_ns, first = start_ns, True
    while rig.now_ns < start_ns + 60 * step_ns:
        if rig.now_ns >= next_ns:
            index = (rig.now_ns - start_ns) // step_ns
            jitter = 0 if first else int(rng.integers(-step_ns // 8, step_ns // 8))
            rig.offer(plan[index : index + 16], start_ns + index * step_ns + jitter)
            next_ns, first = next_ns + every * step_ns, False
        rig.tick(int(rng.integers(-4_000_000, 4_000_000)))
    assert len(rig.sent) >= 58
    assert rig.sent == plan[: len(rig.sent)].tolist()


def test_soft_start_and_cross_fade_do_not_scale_deltas():
    rig = Rig(delta_robot(), soft_start_s=5.0, blend_s=1.0)
    rig.tick()
    rig.offer([0.5] * 16)
    rig.pass_(0.3)
    rig.offer([-0.25] * 16)
    rig.pass_(0.3)
    assert set(rig.sent) == {0.5, -0.25}


def test_a_stop_sends_zeros_once_per_step_and_the_rest_of_the_chunk_is_gone():
    rig = Rig(delta_robot())
    rig.tick()
    rig.offer([0.5] * 16)
    rig.pass_(0.12)
    count = len(rig.sent)
    rig.core.e_stop(True, rig.now_ns)
    while (command := rig.tick()) is not None:
        assert command.values[0] == 0.0
    assert len(rig.sent) == count


@pytest.mark.parametrize('ahead_ns', [0, SECOND // 20, -NOW])
def test_a_stop_sends_its_first_zero_at_once_whatever_the_clock_says_of_its_moment(ahead_ns):
    rig = Rig(delta_robot())
    rig.tick()
    rig.offer([0.5] * 16)
    rig.pass_(0.12)
    rig.core.latch('test', rig.now_ns + ahead_ns)  # the clock is set back, or begins, after it
    command = rig.tick()
    assert command.values[0] == 0.0
    assert command.due == {'mount'}


def test_a_delta_that_leads_out_of_the_workspace_is_cut_at_its_edge():
    rig = Rig(delta_robot(workspace=True))
    rig.tick()
    rig.pose = 0.08
    rig.tick()
    rig.offer([0.5] * 8)
    rig.pass_(0.1)
    assert rig.sent
    np.testing.assert_allclose(rig.sent, 0.02)
    assert 'workspace' in rig.core.boxed_out
    assert rig.core.motion.clamps['workspace'] == len(rig.sent)
    rig.pose = 0.3  # outside: nothing further out, and the whole way back in
    rig.pass_(0.1)
    assert rig.sent[-1] == 0.0
    rig.sent.clear()
    rig.offer([-0.05] * 8)
    rig.pass_(0.1)
    np.testing.assert_allclose(rig.sent, -0.05)


def test_a_share_of_a_controllers_step_is_zero_at_the_edge_and_whole_inside():
    rig = Rig(delta_robot(workspace=True, unit='1'))
    rig.tick()
    rig.offer([0.5] * 16)
    rig.pass_(0.1)
    assert set(rig.sent) == {0.5}
    rig.pose = 0.1
    rig.sent.clear()
    rig.pass_(0.1)
    assert set(rig.sent) == {0.0}


@pytest.mark.parametrize('frozen', [True, False])
def test_a_stale_pose_stops_a_robot_that_a_workspace_limits(frozen):
    rig = Rig(delta_robot(workspace=True))
    rig.tick()
    assert rig.offer([0.01] * 16) is None
    rig.pass_(0.1)
    assert rig.core.mode is Mode.RUNNING
    rig.pose_stamp_ns = rig.now_ns if frozen else 0
    rig.pass_(0.35)
    assert rig.core.mode is not Mode.RUNNING
    assert 'rail' in rig.core.reason
    assert rig.tick() is None


def test_teleoperated_deltas_are_sent_once_each_and_none_from_during_a_stop():
    rig = Rig(delta_robot())
    for _ in range(5):
        rig.tick()
        rig.core.teleoperate('mount', np.array([0.25]), rig.now_ns)
    rig.pass_(0.2)
    assert [value for value in rig.sent if value] == [0.25] * 5
    rig.pass_(1.0)
    rig.sent.clear()
    rig.core.latch('test', rig.now_ns)
    for _ in range(20):
        rig.core.teleoperate('mount', np.array([0.25]), rig.now_ns)
        rig.tick()
    rig.core.rearm(rig.now_ns)
    rig.pass_(0.5)
    assert not any(rig.sent)


def test_rows_that_came_too_late_are_left_out():
    rows = DeltaRows(SECOND // 100)
    values = np.arange(8, dtype=np.float32)[:, None]
    chunk = ActionChunk(0, 50_000_000, ('mount/dx',), values, 0)
    assert rows.take(chunk, 120_000_000)[0] == 2.0  # latency is compensated: 0 and 1 are over
    assert rows.take(chunk, 130_000_000) is None
