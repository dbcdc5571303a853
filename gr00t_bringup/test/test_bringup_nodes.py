# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The list of nodes and the files that go with it."""

import json
from pathlib import Path
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from gr00t_bringup.nodes import dds_environment, nodes, share
from gr00t_bringup.play import play_command
from gr00t_bringup.up import command
from gr00t_core.robot import load_robot

CONFIG = Path(__file__).resolve().parents[1] / 'config'


def named(specs):
    return {spec.name: spec for spec in specs}


def test_one_argument_reaches_every_node():
    found = named(nodes(robot='droid', sim=True, record=True, namespace='left', log_level='debug'))
    assert list(found) == ['sim', 'policy_node', 'chunk_executor', 'recorder']
    for spec in found.values():
        assert spec.parameters['robot'] == 'droid'
        assert spec.namespace == '/left'
        assert spec.log_level == 'debug'


def test_another_checkpoint_is_one_argument(tmp_path):
    for name in 'ab':
        (tmp_path / name).mkdir()
    a, b = (nodes(robot='so101', checkpoint=str(tmp_path / name)) for name in 'ab')
    different = [(x.name, x.parameters, y.parameters) for x, y in zip(a, b) if x != y]
    assert len(different) == 1
    (name, first, second) = different[0]
    assert name == 'policy_node'
    assert first | second == second
    assert second['checkpoint'] == str(tmp_path / 'b')


def test_what_was_not_asked_for_is_left_to_the_parameter_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'mine.yaml').touch()
    for spec in nodes(params_file='mine.yaml'):
        assert spec.parameters == {}
        assert spec.params_file == str(tmp_path / 'mine.yaml')


def test_switches():
    found = named(nodes(robot='so101', shadow=True, autostart=False, use_sim_time=True, sim=True))
    assert found['chunk_executor'].parameters == {
        'robot': 'so101',
        'shadow': True,
        'use_sim_time': True,
    }
    assert found['policy_node'].parameters == {
        'robot': 'so101',
        'autostart': False,
        'use_sim_time': True,
        'use_default_instruction': True,
    }
    assert found['sim'].parameters == {'robot': 'so101', 'lock_step': True}
    assert named(nodes(sim=True))['policy_node'].parameters['robot'] == 'so101'
    assert [spec.name for spec in nodes(policy=False, record=True)] == ['recorder']


def test_paths_are_made_absolute_and_names_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'so101').mkdir()  # a folder that happens to be called like the robot
    (tmp_path / 'robots').mkdir()
    (tmp_path / 'robots' / 'mine.yaml').touch()
    assert nodes(robot='so101')[0].parameters['robot'] == 'so101'
    path = str(tmp_path / 'robots' / 'mine.yaml')
    assert nodes(robot='robots/mine.yaml')[0].parameters['robot'] == path


def test_a_profile_of_the_user_is_kept(monkeypatch):
    monkeypatch.delenv('FASTRTPS_DEFAULT_PROFILES_FILE', raising=False)
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', '/mine.xml')
    assert list(dds_environment()) == ['FASTRTPS_DEFAULT_PROFILES_FILE']
    assert (share() / 'config' / 'fastdds_shm.xml').is_file()


def test_command_line_quotes_strings():
    (policy, _) = nodes(robot='so101', checkpoint='/a folder/7', namespace='/left/')
    words = command(policy)
    assert words[1:3] == ['-m', 'gr00t_policy_node.policy_node']
    assert "checkpoint:='/a folder/7'" in words
    assert '__ns:=/left' in words


def test_a_replay_plays_observations_and_no_commands():
    words = play_command('bag', 'so101')
    assert words[-3:] == [
        'camera/front/image_raw/compressed',
        'camera/wrist/image_raw/compressed',
        'joint_states',
    ]


def test_parameter_file_lists_every_parameter_with_its_default():
    pytest.importorskip('rclpy')
    pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')
    from gr00t_policy_node import executor_parameters, parameters
    from rosbag_tools import recorder_node

    written = yaml.safe_load((CONFIG / 'parameters.yaml').read_text())
    policy = written['/**/policy_node']['ros__parameters']
    assert policy == {name: each[0] for name, each in parameters.DECLARATIONS.items()}
    executor = written['/**/chunk_executor']['ros__parameters']
    assert executor == {name: each[0] for name, each in executor_parameters.DECLARATIONS.items()}
    recorder = written['/**/recorder']['ros__parameters']
    assert recorder == {name: each[0] for name, each in recorder_node.DECLARATIONS.items()}


def test_ros2_control_example_agrees_with_the_robot_file():
    robot = load_robot(CONFIG / 'so101_ros2_control.yaml')
    shipped = load_robot('so101')
    assert robot.action_names == shipped.action_names
    assert robot.state == shipped.state
    joints = [name.split('/')[1] for name in robot.action_names]
    controllers = yaml.safe_load((CONFIG / 'so101_controllers.yaml').read_text())
    controller = controllers['joint_trajectory_controller']['ros__parameters']
    assert controller['joints'] == joints
    assert {group.stream.topic for group in robot.action} == {
        'joint_trajectory_controller/joint_trajectory'
    }
    urdf = ElementTree.parse(CONFIG / 'so101.ros2_control.urdf').getroot()
    assert [each.get('name') for each in urdf.findall('ros2_control/joint')] == joints
    limits = {
        joint.get('name'): (float(limit.get('lower')), float(limit.get('upper')))
        for joint in urdf.findall('joint')
        for limit in joint.findall('limit')
    }
    for group, ours in zip(robot.action, shipped.action):
        for k, joint in enumerate(group.names):
            assert limits[joint] == (group.limits.lower[k], group.limits.upper[k])
            assert limits[joint] == (ours.limits.lower[k], ours.limits.upper[k])


def test_foxglove_layout_shows_topics_of_the_robot():
    layout = json.loads((CONFIG / 'foxglove_layout.json').read_text())
    placed = json.dumps(layout['layout'])
    assert all(panel in placed for panel in layout['configById'])
    topics = {f'/{topic}' for topic in load_robot('so101').topics}
    panels = layout['configById']
    assert panels['Image!front']['imageMode']['imageTopic'] in topics
    assert panels['Image!wrist']['imageMode']['imageTopic'] in topics
    assert {path['value'].partition('.')[0] for path in panels['Plot!joints']['paths']} <= topics
