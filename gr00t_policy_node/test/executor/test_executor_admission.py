# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every reason for which a chunk is not followed, and that no other chunk is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gr00t_core.robot.file import load_robot
from gr00t_policy_node.executor.admission import malformed, ReceivedChunk, untimely
from gr00t_policy_node.executor.entrance import Rejection
from gr00t_policy_node.executor.layout import layout_of

ROBOT = load_robot('so101')
LAYOUT = layout_of(ROBOT)
STEP_NS = ROBOT.step_ns
NOW_NS = 50_000_000_000
SECOND = 1_000_000_000


def chunk(**changes):
    received = ReceivedChunk(
        stamp_ns=NOW_NS - 50_000_000,
        step_ns=STEP_NS,
        embodiment=ROBOT.embodiment,
        names=ROBOT.action_names,
        horizon=16,
        width=6,
        data=np.zeros(96, np.float32),
        sequence=0,
    )
    return replace(received, **changes)


def reason(refusal):
    return None if refusal is None else refusal.reason


def with_value(value):
    data = np.zeros(96, np.float32)
    data[95] = value
    return data


@pytest.mark.parametrize(
    ('changes', 'why'),
    [
        ({}, None),
        ({'horizon': 1, 'data': np.zeros(6, np.float32)}, None),
        ({'embodiment': 'gr1'}, Rejection.WRONG_EMBODIMENT),
        ({'names': ROBOT.action_names[::-1]}, Rejection.WRONG_NAMES),
        ({'names': ROBOT.action_names[:5], 'width': 5}, Rejection.WRONG_NAMES),
        ({'names': ()}, Rejection.WRONG_NAMES),
        ({'width': 5}, Rejection.WRONG_WIDTH),
        ({'horizon': 15}, Rejection.WRONG_WIDTH),
        ({'horizon': 0, 'data': np.zeros(0, np.float32)}, Rejection.WRONG_WIDTH),
        ({'data': np.zeros(95, np.float32)}, Rejection.WRONG_WIDTH),
        ({'step_ns': 0}, Rejection.BAD_STEP),
        ({'step_ns': -STEP_NS}, Rejection.BAD_STEP),
        ({'data': with_value(np.nan)}, Rejection.NOT_FINITE),
        ({'data': with_value(-np.inf)}, Rejection.NOT_FINITE),
    ],
)
def test_form(changes, why):
    assert reason(malformed(chunk(**changes), LAYOUT, ROBOT.embodiment)) is why


@pytest.mark.parametrize(
    ('changes', 'why'),
    [
        ({}, None),
        ({'stamp_ns': NOW_NS + SECOND // 10}, None),
        ({'stamp_ns': NOW_NS + SECOND // 10 + 1}, Rejection.FUTURE_STAMP),
        ({'stamp_ns': NOW_NS - 16 * STEP_NS}, None),  # its last step ends now
        ({'stamp_ns': NOW_NS - 16 * STEP_NS - 1}, Rejection.OLD_STAMP),
        ({'stamp_ns': NOW_NS - SECOND - 1, 'step_ns': SECOND}, Rejection.OLD_STAMP),
        ({'stamp_ns': 0}, Rejection.OLD_STAMP),
    ],
)
def test_time(changes, why):
    verdict = untimely(
        chunk(**changes),
        NOW_NS,
        newest_ns=None,
        resume_ns=None,
        max_age_ns=SECOND,
        max_future_ns=SECOND // 10,
    )
    assert reason(verdict) is why


@pytest.mark.parametrize(
    ('newest_ns', 'resume_ns', 'why'),
    [
        (chunk().stamp_ns - 1, None, None),
        (chunk().stamp_ns, None, Rejection.REPEATED),
        (chunk().stamp_ns + 1, None, Rejection.OUT_OF_ORDER),
        (None, chunk().stamp_ns - 1, None),
        (None, chunk().stamp_ns, Rejection.BEFORE_RESUME),
    ],
)
def test_order(newest_ns, resume_ns, why):
    verdict = untimely(
        chunk(),
        NOW_NS,
        newest_ns=newest_ns,
        resume_ns=resume_ns,
        max_age_ns=SECOND,
        max_future_ns=SECOND // 10,
    )
    assert reason(verdict) is why


@pytest.mark.parametrize('quaternion', [(0, 0, 0, 0), (2, 0, 0, 0), (1e-20, 0, 0, 0)])
def test_what_is_no_rotation(quaternion):
    robot = load_robot(Path(__file__).parents[1].joinpath('everything.yaml'))
    layout = layout_of(robot)
    row = np.zeros(layout.width, np.float32)
    row[layout.slices['wrist']] = quaternion
    received = chunk(names=layout.names, width=layout.width, horizon=1, data=row)
    assert reason(malformed(received, layout, robot.embodiment)) is Rejection.NOT_A_ROTATION
    row[layout.slices['wrist']] = (0.6, 0, -0.8, 0)
    assert malformed(replace(received, data=row), layout, robot.embodiment) is None
