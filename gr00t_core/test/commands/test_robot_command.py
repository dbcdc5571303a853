# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t robot` tells every way in which a file does not fit, and writes a file to start with."""

from copy import deepcopy
from dataclasses import replace
import json
from pathlib import Path
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.commands.robot import main
from gr00t_core.dataset.write.writer import DatasetWriter
from gr00t_core.errors import CheckpointError, RobotFileError
from gr00t_core.models import FAMILIES
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.draft import draft
from gr00t_core.robot.file import load_robot, parse, shipped_robots
from gr00t_core.robot.sight import compare, SeenTopic, Sight
from gr00t_core.robot.strict_mapping import FILL_IN

SO101 = load_robot('so101')
JOINTS = [name for group in SO101.state for name in group.names]


def written(folder, change) -> str:
    """Write the SO-101's file with a change; return its path."""
    data = deepcopy(yaml.safe_load(SO101.source.read_text()))
    change(data)
    path = folder / 'my_arm.yaml'
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return str(path)


@pytest.mark.parametrize('name', shipped_robots())
def test_shipped_robots_have_no_mistake(name, capsys):
    assert main(['check', name]) == 0
    assert '0 errors, 0 warnings' in capsys.readouterr().out


def test_check_tells_all_mistakes(tmp_path, capsys):
    def change(data):
        data['cameras']['front']['topic'] = '/front'
        data['state']['gripper']['unit'] = 'deg'
        data['action']['single_arm']['limits']['velocity'] = 1e308

    assert main(['check', written(tmp_path, change)]) == 1
    told = capsys.readouterr().out
    for text in ('write it without the leading /', "'deg'", 'limits.velocity', '3 errors in'):
        assert text in told


def test_a_family_that_a_robot_does_not_fit_is_named_and_refuses_it(tmp_path, capsys):
    most = FAMILIES['n1_5'].numbers.state_width

    def change(data):
        data['state']['gripper']['joints'] = [f'finger{i}' for i in range(most)]
        data['action']['gripper']['state'] = 'none'

    wide = written(tmp_path, change)
    assert main(['check', wide]) == 0
    said = f'its state has {most + 5} elements, at most {most} fit'
    assert f'not for N1.5: {said}' in capsys.readouterr().out
    with pytest.raises(CheckpointError, match=f'N1.5 does not fit: {said}'):
        init_checkpoint('tiny', load_robot(wide), tmp_path / 'n1_5')
    assert main(['check', 'gr1_arms_only']) == 0
    assert "not for N1.7: no slot for embodiment 'gr1'; it has" in capsys.readouterr().out


@pytest.fixture(scope='module')
def dataset(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('data') / 'set'
    writer = DatasetWriter(path, SO101, 'v2.1')
    image = np.zeros((240, 320, 3), np.uint8)
    for k in range(12):
        values = {
            'observation.state': 0.1 * np.sin(np.arange(6) + k),
            'action': 0.1 * np.cos(np.arange(6) + k),
            'observation.stamp_ns': 10**18 + k,
        }
        writer.add(values, {'front': image, 'wrist': image}, 'push')
    writer.finish_episode()
    writer.finalize()
    return path


def test_check_a_dataset(dataset, tmp_path, capsys):
    assert main(['check', 'so101', '--dataset', str(dataset)]) == 0

    def change(data):
        data['rate_hz'] = 10
        data['cameras']['front']['width'] = 640
        arm = data['action']['single_arm']
        arm['joints'] = data['state']['single_arm']['joints'] = arm['joints'][::-1]
        for limits in arm['limits']['position'].values():
            limits[:] = [-0.01, 0.01]

    assert main(['check', written(tmp_path, change), '--dataset', str(dataset)]) == 1
    told = capsys.readouterr().out
    for text in (
        'error: rate_hz: the dataset has 30 Hz, the robot file 10',
        'error: cameras.front: 320×240 in the dataset, the robot file says 640×240',
        'error: action.single_arm: its elements are shoulder_pan, ',
        'error: state.single_arm: its elements are shoulder_pan, ',
        '% of action.single_arm lies outside its limits',
    ):
        assert text in told, told


def test_check_a_dataset_without_modality(dataset, tmp_path, capsys):
    plain = Path(shutil.copytree(dataset, tmp_path / 'plain'))
    (plain / 'meta/modality.json').unlink()
    (plain / 'meta/robot.yaml').unlink()
    assert main(['check', 'so101', '--dataset', str(plain)]) == 0
    info = json.loads((plain / 'meta/info.json').read_text())
    info['features']['observation.state']['shape'] = [7]
    (plain / 'meta/info.json').write_text(json.dumps(info))
    assert main(['check', 'so101', '--dataset', str(plain)]) == 1
    assert 'its shape is (7,) in the dataset, the robot file gives (6,)' in capsys.readouterr().out
    assert main(['check', 'gr1_arms_only', '--dataset', str(plain)]) == 1  # wider than the data
    told = capsys.readouterr().out
    assert 'its shape is (7,) in the dataset, the robot file gives (26,)' in told
    assert 'error: cameras.ego_view: ' in told


def test_check_a_checkpoint(tmp_path, capsys):
    folder = tmp_path / 'checkpoint'
    write_metadata(folder, metadata_from_limits(SO101))
    shutil.copy(SO101.source, folder / 'robot.yaml')
    assert main(['check', 'so101', '--checkpoint', str(folder)]) == 0

    def change(data):
        data['cameras']['front']['rate_hz'] = 60
        data['rate_hz'] = 60
        data['cameras']['wrist']['width'] = 640
        arm = data['action']['single_arm']
        arm['joints'] = data['state']['single_arm']['joints'] = arm['joints'][::-1]

    assert main(['check', written(tmp_path, change), '--checkpoint', str(folder)]) == 1
    told = capsys.readouterr().out
    for text in (
        'video.front: fps is 60.0, the checkpoint',
        'video.wrist: resolution is [640, 240], the checkpoint',
        'action.single_arm: its elements are wrist_roll, ',
    ):
        assert text in told, told
    assert main(['check', 'droid', '--checkpoint', str(folder)]) == 1
    assert "no entry for embodiment 'oxe_droid'" in capsys.readouterr().out
    assert main(['check', 'so101', '--checkpoint', str(tmp_path / 'none')]) == 1


def state_message(**changes):
    fields = {'name': JOINTS, 'position': np.zeros(6), 'velocity': np.zeros(6)}
    return SimpleNamespace(**(fields | changes))


def picture(width=320, height=240):
    return SimpleNamespace(
        encoding='rgb8', width=width, height=height, step=3 * width, is_bigendian=0,
        data=np.zeros(3 * width * height, np.uint8),
    )  # fmt: skip


def sight(live=False, **changes):
    """Return what a bag of the SO-101 with raw images would show."""
    joint_state = SeenTopic('sensor_msgs/msg/JointState', 300, 100.0, (state_message(),))
    image = SeenTopic('sensor_msgs/msg/Image', 90, 30.0, (picture(),))
    topics = {
        '/front': image,
        '/wrist': image,
        '/joint_states': joint_state,
        '/joint_commands': joint_state,
    }
    changed = {f'/{name}': topic for name, topic in changes.items()}
    found = {name: topic for name, topic in (topics | changed).items() if topic is not None}
    return Sight('bag', live, found)


def raw_so101():
    data = deepcopy(yaml.safe_load(SO101.source.read_text()))
    for name, camera in data['cameras'].items():
        camera |= {'topic': name, 'type': 'sensor_msgs/msg/Image'}
    return parse(data, Path('raw.yaml'))


RAW = raw_so101()
JOINT = SeenTopic('sensor_msgs/msg/JointState', 300, 100.0, (state_message(),))


@pytest.mark.parametrize(
    ('changes', 'where', 'text'),
    [
        ({'wrist': None}, 'wrist', 'it is not there; topics: /front'),
        ({'front': replace(JOINT)}, 'front', 'its type is sensor_msgs/msg/JointState'),
        ({'joint_states': replace(JOINT, messages=0)}, 'joint_states', 'no messages'),
        ({'joint_states': replace(JOINT, rate_hz=50.0)}, 'joint_states', '50.0 Hz, the robot'),
        (
            {'front': SeenTopic('sensor_msgs/msg/Image', 9, 30.0, (picture(640, 480),))},
            'cameras.front',
            '640×480, the robot file says 320×240',
        ),
        (
            {'joint_states': replace(JOINT, samples=(state_message(name=list('abcdef')),))},
            'state.single_arm',
            'not among the names of the message (found: a, b',
        ),
        (
            {'joint_commands': replace(JOINT, samples=(state_message(position=[90.0] * 6),))},
            'action.single_arm',
            'are these degrees',
        ),
        (
            {'joint_states': replace(JOINT, samples=(SimpleNamespace(name=JOINTS),))},
            'state.gripper',
            'the message has no such field',
        ),
    ],
)
def test_topics_that_do_not_fit_are_named(changes, where, text):
    assert compare(RAW, sight()) == []
    found = compare(RAW, sight(**changes))
    assert any(each.where == where and text in each.what for each in found), found


def test_a_faster_stream_is_welcome():
    assert compare(RAW, sight(joint_states=replace(JOINT, rate_hz=500.0))) == []


def test_joints_that_come_in_several_messages():
    parts = (
        state_message(name=JOINTS[:5], position=np.zeros(5)),
        state_message(name=JOINTS[5:], position=np.zeros(1)),
    )
    assert compare(RAW, sight(joint_states=replace(JOINT, samples=parts))) == []


def test_live_commands_need_a_driver_and_no_one_else():
    quiet = SeenTopic('sensor_msgs/msg/JointState', subscribers=('/driver',))
    assert compare(RAW, sight(live=True, joint_commands=quiet)) == []
    (found,) = compare(
        RAW, sight(live=True, joint_commands=replace(quiet, publishers=('/other',)))
    )
    assert 'already published by /other' in found.what
    (found,) = compare(RAW, sight(live=True, joint_commands=replace(quiet, subscribers=())))
    assert 'no node reads it' in found.what


def test_namespaces_are_told_apart():
    seen = sight().topics
    both = {f'/{side}{name}': seen[name] for side in ('left', 'right') for name in seen}
    found = compare(RAW, Sight('bag', False, both))
    assert all('give --namespace' in each.what for each in found)
    assert len(found) == 4
    assert compare(RAW, Sight('bag', False, both), 'left') == []


def test_a_draft_loads_once_it_is_filled_in():
    names = ['joint:1', 'no', 'joint 3', '7', 'e', 'f']
    joints = replace(JOINT, samples=(state_message(name=names),))
    text = draft(sight(joint_states=joints, joint_commands=joints))
    with pytest.raises(RobotFileError) as error:
        parse(yaml.safe_load(text), Path('new.yaml'))
    lines = str(error.value).splitlines()
    assert all('fill this in' in line for line in lines)
    assert len(lines) == sum(FILL_IN in line for line in text.splitlines() if line[0:1] != '#')
    data = yaml.safe_load(text)
    for kind in ('state', 'action'):
        for group in data[kind].values():
            group['unit'] = 'rad'
    (command,) = data['action'].values()
    command['limits'] = {'position': [-1, 1], 'velocity': 1, 'acceleration': 1}
    data |= {'robot': 'mine', 'description': 'mine'}
    data['instruction']['default'] = 'pick'
    robot = parse(data, Path('new.yaml'))
    assert robot.action[0].names == tuple(names)
    assert robot.action[0].state == 'joint_states'
    assert {c.name: (c.width, c.height) for c in robot.cameras} == {
        'front': (320, 240),
        'wrist': (320, 240),
    }
    assert compare(robot, sight(joint_states=joints, joint_commands=joints)) == []


def test_a_draft_of_nothing_says_what_is_missing():
    with pytest.raises(RobotFileError, match='fill this in'):
        parse(yaml.safe_load(draft(Sight('bag', False, {}))), Path('new.yaml'))


def test_without_ros_the_other_findings_are_told(dataset, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'rclpy', None)  # as on a training machine
    monkeypatch.delitem(sys.modules, 'gr00t_policy_node.person.robot_source', raising=False)
    assert main(['check', 'so101', '--live', '--dataset', str(dataset)]) == 1
    told = capsys.readouterr().out
    assert 'running topics cannot be read here: ' in told
    assert '1 error, 0 warnings' in told


def test_new_keeps_an_existing_file(tmp_path, capsys):
    path = tmp_path / 'mine.yaml'
    path.write_text('precious')
    assert main(['new', str(path), '--from-bag', 'nowhere']) == 1
    assert path.read_text() == 'precious'
    assert 'exists' in capsys.readouterr().err
