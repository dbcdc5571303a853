# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the executor needs of a robot file: every column has bounds, rotations need none there."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import yaml

from gr00t_core.robot.file import load_robot, parse
from gr00t_policy_node.executor.layout import layout_of

EVERYTHING = Path(__file__).parents[1] / 'everything.yaml'


def test_rotations_have_rates_but_no_position_limits():
    robot = load_robot(EVERYTHING)
    layout = layout_of(robot)
    wrist = layout.columns('wrist')
    assert robot.action_group('wrist').limits.lower is None
    assert (layout.turning[0].velocity, layout.turning[0].acceleration) == (2.0, 10.0)
    np.testing.assert_array_equal(layout.lower[wrist], -np.ones(4))
    np.testing.assert_array_equal(layout.upper[wrist], np.ones(4))
    assert np.isfinite(layout.lower).all()
    assert not set(range(wrist.start, wrist.stop)) & set(layout.paced)


def test_joints_without_end_are_marked():
    data = deepcopy(yaml.safe_load(EVERYTHING.read_text()))
    for kind in ('state', 'action'):
        data[kind]['arm']['continuous'] = ['b']
    robot = parse(data, EVERYTHING)
    layout = layout_of(robot)
    assert [layout.names[i] for i in np.flatnonzero(layout.continuous)] == ['arm/b']
    assert not layout_of(load_robot(EVERYTHING)).continuous.any()
