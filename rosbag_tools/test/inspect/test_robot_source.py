# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t robot` looks into real bags: what does not fit is named, and a draft fits its bag."""

import re

import pytest
from truth_bag import Fault, TruthBag

from gr00t_core.commands.robot import main
from gr00t_core.robot.file import load_robot
from gr00t_core.robot.strict_mapping import FILL_IN

SO101 = load_robot('so101')


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bags')
    slow = {'joint_states': Fault(drop=0.6)}
    return {
        'good': TruthBag(seconds=1.0).write(folder / 'good'),
        'slow': TruthBag(seconds=2.0, faults=slow).write(folder / 'slow'),
        'small': TruthBag(seconds=0.5, size=(160, 120)).write(folder / 'small'),
        'left': TruthBag(seconds=0.5, namespace='left').write(folder / 'left'),
    }


@pytest.mark.parametrize(
    ('which', 'status', 'text'),
    [
        ('good', 0, '0 errors, 0 warnings'),
        ('left', 0, '0 errors, 0 warnings'),
        ('slow', 0, 'Hz, the robot file says 100 (rate_hz)'),
        ('small', 1, 'error: cameras.front: 160×120, the robot file says 320×240'),
    ],
)
def test_a_bag_is_compared_with_the_robot_file(bag, which, status, text, capsys):
    assert main(['check', 'so101', '--bag', str(bag[which])]) == status
    assert text in capsys.readouterr().out


def test_several_findings_at_once(bag, capsys):
    assert main(['check', 'gr1_arms_only', '--bag', str(bag['good'])]) == 1
    told = capsys.readouterr().out
    for text in ('error: state.left_arm: ', 'error: state.right_hand: ', 'it is not there'):
        assert text in told, told


def test_no_bag_is_an_error_without_a_traceback(tmp_path, capsys):
    (tmp_path / 'broken.mcap').write_bytes(b'\x89MCAP0\r\nnot really')
    for name in ('missing', 'broken.mcap'):
        assert main(['check', 'so101', '--bag', str(tmp_path / name)]) == 1
        assert f'error: {tmp_path / name}: ' in capsys.readouterr().out


def test_a_draft_of_a_bag_fits_it_once_filled_in(bag, tmp_path, capsys):
    path = tmp_path / 'mine.yaml'
    assert main(['new', str(path), '--from-bag', str(bag['good'])]) == 0
    assert main(['check', str(path)]) == 1
    assert 'fill this in' in capsys.readouterr().out
    text = path.read_text()
    text = re.sub(rf"unit: '{FILL_IN}[^']*'", 'unit: rad', text)
    text = re.sub(rf"position: '{FILL_IN}[^']*'", 'position: [-10, 10]', text)
    text = re.sub(rf"'{FILL_IN}[^']*'", '5.0', text)
    text = re.sub(rf': {FILL_IN}.*', ': something', text)
    path.write_text(text)
    assert main(['check', str(path), '--bag', str(bag['good'])]) == 0
    drafted = load_robot(path)
    assert set(drafted.topics) == set(SO101.topics)
    assert drafted.action[0].state is not None
    assert set(drafted.action[0].names) == {n for g in SO101.action for n in g.names}
