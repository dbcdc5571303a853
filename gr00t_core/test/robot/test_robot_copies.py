# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One checkpoint for several robots: each runs with its own file, in its own slot."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import embodiment_metadata
from gr00t_core.errors import CheckpointError, RobotFileError
from gr00t_core.models.init_checkpoint import init_checkpoint, main
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.compare import robot_for
from gr00t_core.robot.copies import only_robot_file, robot_file_of, robot_files
from gr00t_core.robot.file import load_robot
from gr00t_core.robot.fit import compare_checkpoint

TAGS = {'n1_5': 'oxe_droid', 'n1_7': 'libero_sim'}  # of the second robot
SO101_10HZ = Path(__file__).resolve().parents[3] / 'reproduce' / 'so101_10hz.yaml'


@pytest.fixture(scope='module')
def panda(family, tmp_path_factory):
    """Give the second robot, in a slot that the family has."""
    text = load_robot('libero_panda_10hz').source.read_text()
    file = tmp_path_factory.mktemp('robot') / 'panda.yaml'
    file.write_text(text.replace('embodiment: oxe_droid', f'embodiment: {TAGS[family]}'))
    return load_robot(file)


@pytest.fixture(scope='module', params=list(TAGS))
def family(request):
    return request.param


@pytest.fixture(scope='module')
def both(family, panda, tmp_path_factory):
    folder = tmp_path_factory.mktemp(family) / 'both'
    words = [str(folder), '--size', 'tiny', '--family', family]
    assert main([*words, '--robot', 'so101', '--robot', str(panda.source)]) == 0
    return folder


@pytest.mark.parametrize('first', [True, False])
def test_every_robot_of_a_checkpoint_runs_with_it(both, panda, first):
    robot = load_robot('so101') if first else panda
    assert robot_for(robot, both) == (robot, '')
    assert list(compare_checkpoint(robot, both)) == []
    policy = Gr00tPolicy(both, robot, seed=0)
    observation = {
        f'video.{camera.name}': np.zeros((1, camera.height, camera.width, 3), np.uint8)
        for camera in robot.cameras
    }
    observation |= {f'state.{group.name}': np.zeros((1, group.width)) for group in robot.state}
    action = policy.get_action(observation | {robot.instruction_key: [robot.instruction]})
    widths = {key: values.shape[1] for key, values in action.items()}
    assert widths == {f'action.{group.name}': group.width for group in robot.action}


def test_which_robot_is_said_where_there_are_several(both, panda):
    tag = panda.embodiment
    assert [file.name for file in robot_files(both)] == ['robot.yaml', f'{tag}.yaml']
    for refused in (Gr00tPolicy, only_robot_file):
        with pytest.raises(CheckpointError, match=rf'so101 \(new_.*, libero_panda_10hz \({tag}'):
            refused(both)


def test_a_robot_of_no_slot_is_told_which_robots_there_are(both):
    with pytest.raises(RobotFileError, match=r"embodiment 'gr1'; it was made for so101 \(new_"):
        robot_for(load_robot('gr1_arms_only'), both)
    # Its slot is there, and another robot is in it.
    with pytest.raises(RobotFileError, match=r'one of its robots, so101 \(new.*, libero_panda_10'):
        robot_for(load_robot('libero_panda'), both)
    found = compare_checkpoint(load_robot('gr1_arms_only'), both)
    assert any('libero_panda_10hz' in str(each) for each in found)


def test_the_rate_is_that_of_the_robots_own_file(tmp_path):
    panda, so101 = load_robot('libero_panda_10hz'), load_robot(SO101_10HZ)
    init_checkpoint('tiny', panda, tmp_path / 'both', further=[so101])
    taken, said = robot_for(load_robot('so101'), tmp_path / 'both')
    own = robot_file_of(tmp_path / 'both', 'new_embodiment')
    assert (taken.source, taken.rate_hz) == (own, 10.0)
    assert str(own) in said
    assert own.read_bytes() == SO101_10HZ.read_bytes()
    for robot in (panda, so101):
        source = embodiment_metadata(tmp_path / 'both', robot.embodiment)['statistics_source']
        assert robot.source.name in source


def test_two_robots_do_not_share_a_slot(tmp_path):
    with pytest.raises(CheckpointError, match=r"have one embodiment, 'new_embodiment'"):
        init_checkpoint(
            'tiny', load_robot('so101'), tmp_path / 'x', further=[load_robot('libero_panda')]
        )
    assert not list(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match='give --robot'):
        main(['--size', 'tiny', str(tmp_path / 'x')])
