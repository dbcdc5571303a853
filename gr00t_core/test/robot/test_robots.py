# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for every shipped robot, and for the data configs that they follow."""

import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import metadata_from_limits
from gr00t_core.embodiments import DATA_CONFIGS
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.robot.file import load_robot, shipped_robots
from gr00t_core.transforms.state_action import group_transform, INVERTIBLE, NORMALIZATIONS

CONFIG_OF = {
    'agibot_genie1': 'agibot_genie1',
    'droid': 'oxe_droid',
    'gr1_arms_only': 'fourier_gr1_arms_only',
    'gr1_arms_waist': 'fourier_gr1_arms_waist',
    'gr1_full_upper_body': 'fourier_gr1_full_upper_body',
    'panda_bimanual': 'bimanual_panda_gripper',
    'so101': 'so100_dualcam',
    'unitree_g1': 'unitree_g1',
}
# LIBERO's is not among the twelve data configs that NVIDIA ships.
ROBOTS = [*CONFIG_OF, 'libero_panda', 'libero_panda_10hz']


def test_every_shipped_robot_is_tested_here():
    assert set(shipped_robots()) == set(ROBOTS)


@pytest.mark.parametrize('name', CONFIG_OF)
def test_robot_follows_its_data_config(name):
    robot = load_robot(name)
    assert robot.name == name
    assert robot.data_config == DATA_CONFIGS[CONFIG_OF[name]]


@pytest.mark.parametrize('name', ROBOTS)
def test_robot_can_be_transformed(name):
    robot = load_robot(name)
    entry = metadata_from_limits(robot)
    state = [group_transform('state', t, entry) for t in robot.data_config.state]
    action = [group_transform('action', t, entry) for t in robot.data_config.action]
    assert sum(group.model_width for group in state) <= NUMBERS.state_width
    for group, limits in zip(action, [g.limits for g in robot.action]):
        middle = ((limits.lower + limits.upper) / 2)[None]
        back = group.unapply(group.apply(middle))
        np.testing.assert_allclose(
            back, 0 if group.normalization == 'binary' else middle, atol=1e-6
        )


@pytest.mark.parametrize('name', ROBOTS)
def test_modality_slices_cover_the_vectors(name):
    robot = load_robot(name)
    modality = robot.modality()
    for kind, width in (('state', robot.state_width), ('action', robot.action_width)):
        spans = [(entry['start'], entry['end']) for entry in modality[kind].values()]
        starts, ends = zip(*spans)
        assert (*starts, width) == (0, *ends)
    assert set(modality['video']) == set(robot.data_config.video)
    assert list(modality['annotation']) == [robot.instruction_key.removeprefix('annotation.')]


@pytest.mark.parametrize('name', ROBOTS)
def test_limits_are_sane(name):
    for group in load_robot(name).action:
        assert (group.limits.lower < group.limits.upper).all()
        if group.command == 'position' and group.kind != 'binary':
            # From the fastest speed a joint stops within its range.
            braking = group.limits.velocity**2 / (2 * group.limits.acceleration)
            assert (braking < group.limits.upper - group.limits.lower).all()
        else:
            assert group.limits.velocity is None


def test_projector_slots():
    slots = {'gr1': 24, 'oxe_droid': 17, 'agibot_genie1': 26, 'new_embodiment': 31}
    assert slots == NUMBERS.slots


def test_data_configs_are_the_twelve():
    assert len(DATA_CONFIGS) == 12
    for config in DATA_CONFIGS.values():
        assert config.language.startswith('annotation.')
        assert all(t.normalization in NORMALIZATIONS for t in config.state)
        assert all(t.normalization in INVERTIBLE for t in config.action)
        for groups in (config.video, config.state, config.action):
            assert len(set(groups)) == len(groups) > 0
