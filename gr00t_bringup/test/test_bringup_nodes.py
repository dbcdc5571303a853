# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The list of nodes and the files that go with it."""

import json
import os
from pathlib import Path
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from gr00t_bringup.nodes import check, dds_environment, nodes, share, STARTER_VARIABLE
from gr00t_bringup.play import check_bag, play_command, played_topics
from gr00t_bringup.up import command
from gr00t_bringup.usb_cam import is_installed, usb_cam_nodes
from gr00t_core.dds_profile import FAST_DDS_2, FAST_DDS_3
from gr00t_core.errors import BagError, Gr00tError, ParameterError, RobotFileError
from gr00t_core.robot.copies import write_robot_files
from gr00t_core.robot.file import load_robot

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


def test_robots_of_deltas_get_defaults_that_the_users_file_wins_over(tmp_path):
    (tmp_path / 'mine.yaml').write_text('{}')
    for robot, wanted in (('libero_panda', True), ('panda_bimanual', True), ('so101', False)):
        found = named(nodes(robot=robot, params_file=str(tmp_path / 'mine.yaml')))
        executor = found['chunk_executor']
        assert bool(executor.defaults_file) is wanted, robot
        words = command(executor)
        files = [words[i + 1] for i, word in enumerate(words) if word == '--params-file']
        assert files[-1] == str(tmp_path / 'mine.yaml')
        if wanted:
            values = yaml.safe_load(Path(files[0]).read_text())['/**/chunk_executor']
            assert values['ros__parameters'] == {'handover': 'replace', 'soft_start_s': 0.0}


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
        'success_detector': 'gr00t_sim.detector:make',
    }
    assert found['sim'].parameters == {'robot': 'so101', 'lock_step': True}
    assert named(nodes(sim=True))['policy_node'].parameters['robot'] == 'so101'
    assert [spec.name for spec in nodes(policy=False, record=True)] == ['recorder']


def test_a_person_moves_the_arm_with_or_without_a_policy(tmp_path):
    found = named(nodes(sim=True, teleop='keyboard', use_sim_time=True, namespace='left'))
    assert list(found) == ['sim', 'chunk_executor', 'teleop']
    teleop = found['teleop']
    assert teleop.parameters == {'robot': 'so101', 'use_sim_time': True, 'device': 'keyboard'}
    assert teleop.terminal
    assert teleop.full_name == '/left/teleop'
    found = named(nodes(robot='so101', checkpoint=str(tmp_path), teleop='gamepad'))
    assert list(found) == ['policy_node', 'chunk_executor', 'teleop']
    assert not any(spec.terminal for spec in found.values())
    with pytest.raises(Gr00tError, match='--expert and --teleop'):
        nodes(sim=True, expert=True, teleop='keyboard')
    with pytest.raises(Gr00tError, match='through the executor'):
        nodes(robot='so101', policy=False, teleop='keyboard')


def test_the_console_is_one_more_node_on_request():
    found = named(nodes(robot='so101', namespace='left', use_sim_time=True, console=True))
    assert list(found) == ['policy_node', 'chunk_executor', 'console']
    assert found['console'].parameters == {'robot': 'so101', 'use_sim_time': True}
    assert found['console'].full_name == '/left/console'
    # A person at the page begins: the simulated arm waits, where it moves at once otherwise.
    simulated = [named(nodes(sim=True, console=console)) for console in (False, True)]
    assert [
        each['policy_node'].parameters.get('use_default_instruction') for each in simulated
    ] == [True, None]


def test_the_expert_commands_the_simulated_arm_alone():
    found = named(nodes(sim=True, expert=True, record=True))
    assert list(found) == ['sim', 'recorder']
    assert found['sim'].parameters['expert'] is True
    assert found['sim'].parameters['next_after_s'] > 0
    with pytest.raises(Gr00tError, match='give --sim'):
        nodes(robot='so101', expert=True)
    for other in ({'checkpoint': 'run'}, {'server_address': 'tcp://host:5555'}):
        with pytest.raises(Gr00tError, match='both command the arm'):
            nodes(sim=True, expert=True, **other)


def test_an_arm_brings_its_drivers_cameras_and_executor(tmp_path):
    (tmp_path / 'run').mkdir()
    cameras = 'front=/dev/video0 wrist=/dev/video2'
    arm = {'port': '/dev/ttyACM0', 'leader_port': '/dev/ttyACM1', 'cameras': cameras}
    taught = named(nodes(**arm, record=True, namespace='left'))
    drivers = ['so101_follower', 'so101_leader', 'usb_cameras']
    assert list(taught) == [*drivers, 'chunk_executor', 'recorder']
    assert taught['so101_leader'].parameters == {
        'robot': 'so101',
        'port': '/dev/ttyACM1',
        'lead': True,  # there is no policy: a person shows how
    }
    assert taught['usb_cameras'].parameters['devices'] == cameras.split()
    assert "devices:=['front=/dev/video0', 'wrist=/dev/video2']" in command(taught['usb_cameras'])
    run = named(nodes(**arm, checkpoint=str(tmp_path / 'run')))
    assert list(run) == [*drivers, 'policy_node', 'chunk_executor']
    assert 'lead' not in run['so101_leader'].parameters
    assert list(named(nodes(port='/dev/ttyACM0'))) == ['so101_follower', 'chunk_executor']
    for found in (taught, run):
        file = found['chunk_executor'].defaults_file
        values = yaml.safe_load(Path(file).read_text())['/**/chunk_executor']['ros__parameters']
        assert values == {'e_stop_topics': ['e_stop', 'so101_follower/fault']}


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ({'sim': True, 'port': '/dev/ttyACM0'}, 'leave out --sim'),
        ({'robot': 'so101', 'leader_port': '/dev/ttyACM1'}, 'give --port as well'),
        ({'port': '/dev/ttyACM0', 'leader_port': '/dev/ttyACM0'}, 'each arm has its own'),
    ],
)
def test_arms_that_contradict_each_other_are_refused(arguments, said):
    with pytest.raises(Gr00tError, match=said):
        nodes(**arguments)


def test_usb_cam_gets_the_namespace_that_makes_the_robots_topic(tmp_path, monkeypatch):
    shared = {'namespace': '/left', 'log_level': 'warn'}
    front, wrist = usb_cam_nodes('front=/dev/video0 wrist=/dev/video2', 'so101', shared)
    assert front.full_name == '/left/camera/front/usb_cam'
    assert f'{wrist.namespace}/image_raw/compressed' == '/left/camera/wrist/image_raw/compressed'
    assert front.parameters['video_device'] == '/dev/video0'
    size = front.parameters['image_width'], front.parameters['image_height']
    assert size == (320, 240)
    for words in ('/dev/video0', 'left=/dev/video0'):
        with pytest.raises(Gr00tError, match='the cameras of so101 are front, wrist'):
            usb_cam_nodes(words, 'so101', shared)
    index = tmp_path / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    for package, there in (('usb_cam', False), ('compressed_image_transport', True)):
        (index / package).touch()
        assert is_installed() is there


def test_paths_are_made_absolute_and_names_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'so101').mkdir()  # a folder that happens to be called like the robot
    (tmp_path / 'robots').mkdir()
    (tmp_path / 'robots' / 'mine.yaml').touch()
    assert nodes(robot='so101')[0].parameters['robot'] == 'so101'
    path = str(tmp_path / 'robots' / 'mine.yaml')
    assert nodes(robot='robots/mine.yaml')[0].parameters['robot'] == path


def test_a_profile_of_the_user_is_kept(monkeypatch):
    for name in (FAST_DDS_2, FAST_DDS_3):
        monkeypatch.delenv(name, raising=False)
    profile = str(share() / 'config' / 'fastdds_shm.xml')
    for distribution, read in (
        ('humble', FAST_DDS_2),
        ('jazzy', FAST_DDS_2),
        ('kilted', FAST_DDS_3),
    ):
        monkeypatch.setenv('ROS_DISTRO', distribution)
        assert dds_environment() == {read: profile}  # Kilted warns of the older variable
    # Kilted reads both, Jazzy one.
    monkeypatch.setenv(FAST_DDS_3, '/mine.xml')
    assert dds_environment() == {}
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    assert dds_environment() == {FAST_DDS_2: profile}
    monkeypatch.setenv(FAST_DDS_2, '/mine.xml')
    assert dds_environment() == {}
    monkeypatch.delenv(FAST_DDS_3)
    monkeypatch.setenv('ROS_DISTRO', 'kilted')
    assert dds_environment() == {}


def test_command_line_quotes_strings():
    (policy, _) = nodes(robot='so101', checkpoint='/a folder/7', namespace='/left/')
    words = command(policy)
    assert words[1:3] == ['-m', 'gr00t_policy_node.policy.node']
    assert "checkpoint:='/a folder/7'" in words
    assert '__ns:=/left' in words


def test_a_replay_plays_observations_and_no_commands():
    for namespace in ('', '/left'):
        words = play_command('bag', 'so101', namespace)
        assert words[words.index('--topics') + 1 :] == [
            f'{namespace}/camera/front/image_raw/compressed',
            f'{namespace}/camera/wrist/image_raw/compressed',
            f'{namespace}/joint_states',
        ]


def bag_with(folder, *topics):
    entries = ''.join(f'  - topic_metadata: {{name: {topic}}}\n' for topic in topics)
    text = f'rosbag2_bagfile_information:\n  topics_with_message_count:\n{entries}'
    (folder / 'metadata.yaml').write_text(text)
    return folder


def test_a_bag_without_the_topics_of_the_replay_is_refused(tmp_path):
    topics = played_topics('so101', '/left')
    check_bag(bag_with(tmp_path, *topics, '/left/joint_commands'), topics)
    with pytest.raises(BagError, match=r'has no /camera.* it has /left.*namespace:=left'):
        check_bag(tmp_path, played_topics('so101', ''))
    with pytest.raises(BagError, match='no such file'):
        check_bag(tmp_path / 'nowhere', topics)
    (tmp_path / 'metadata.yaml').write_text('bag: 1\n')
    with pytest.raises(BagError, match='not the metadata of a bag'):
        check_bag(tmp_path, topics)


def test_all_nodes_get_the_robot_file_of_the_checkpoint_where_only_rates_differ(capsys):
    checkpoint = CONFIG.parents[1] / 'reproduce' / 'checkpoint'
    found = nodes(robot='so101', checkpoint=str(checkpoint), sim=True, record=True)
    assert {spec.parameters['robot'] for spec in found} == {str(checkpoint / 'robot.yaml')}
    said = capsys.readouterr().out
    assert said.count('\n') == 1
    assert 'the files differ in rates only' in said
    assert 'robot' not in named(nodes(checkpoint=str(checkpoint)))['policy_node'].parameters
    with pytest.raises(RobotFileError, match='contradicts the robot file of the check'):
        nodes(robot='droid', checkpoint=str(checkpoint))


def test_one_checkpoint_runs_two_robots_each_by_its_own_file(tmp_path):
    so101 = load_robot(CONFIG.parents[1] / 'reproduce' / 'so101_10hz.yaml')
    write_robot_files(tmp_path, [so101, load_robot('libero_panda_10hz')])
    checkpoint = {'checkpoint': str(tmp_path), 'sim': True, 'use_sim_time': True}
    for asked, taken, defaults in (
        ('so101', str(tmp_path / 'robot.yaml'), ''),  # they differ in rates only
        ('libero_panda_10hz', 'libero_panda_10hz', 'deltas.yaml'),
    ):
        found = nodes(robot=asked, **checkpoint, say=lambda _: None)
        assert {spec.parameters['robot'] for spec in found} == {taken}
        assert Path(named(found)['chunk_executor'].defaults_file).name == defaults
    with pytest.raises(RobotFileError, match=r'one of its robots, .*libero_panda_10hz \(oxe_dr'):
        nodes(robot='libero_panda', **checkpoint)


def test_the_log_level_is_that_of_the_namespaced_logger():
    for namespace, logger in (('', 'policy_node'), ('/cell/arm', 'cell.arm.policy_node')):
        spec = nodes(robot='so101', namespace=namespace, log_level='warn')[0]
        assert spec.log_argument == f'{logger}:=warn'
        assert f'{logger}:=warn' in command(spec)


def test_files_are_checked_before_a_node_starts(tmp_path):
    file = tmp_path / 'parameters.yaml'
    file.write_text('/**/policy_node:\n  ros__parameters: {rtc: true}\n')
    check(nodes(robot='so101', params_file=str(file), namespace='left'))
    with pytest.raises(ParameterError, match='no section is for /recorder'):
        check(nodes(robot='so101', params_file=str(file), policy=False, record=True))
    with pytest.raises(ParameterError, match='cannot be read: No such file'):
        check(nodes(robot='so101', params_file=str(tmp_path / 'none.yaml')))
    with pytest.raises(RobotFileError, match="no robot 'so102'"):
        check(nodes(robot='so102'))


def test_the_recorder_gets_folder_and_instruction(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (recorder,) = nodes(robot='so101', policy=False, record=True, output='bags', instruction='go')
    assert recorder.parameters['output'] == str(tmp_path / 'bags')
    assert recorder.parameters['instruction'] == 'go'


def test_nodes_are_told_who_started_them():
    start = pytest.importorskip('gr00t_ros.start')
    for spec in nodes(robot='so101', sim=True, record=True):
        assert spec.environment[STARTER_VARIABLE] == str(os.getpid())
    assert start.STARTER_VARIABLE == STARTER_VARIABLE


def test_parameter_file_lists_every_parameter_with_its_default():
    pytest.importorskip('rclpy')
    pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')
    from gr00t_console.parameters import DECLARATIONS as console_parameters
    from gr00t_policy_node.executor import parameters as executor_parameters
    from gr00t_policy_node.policy import parameters
    from gr00t_policy_node.teleop import node as teleop_node
    from gr00t_so101 import parameters as so101_parameters
    from rosbag_tools.record import node as recorder_node

    written = yaml.safe_load((CONFIG / 'parameters.yaml').read_text())
    policy = written['/**/policy_node']['ros__parameters']
    assert policy == {name: each[0] for name, each in parameters.DECLARATIONS.items()}
    executor = written['/**/chunk_executor']['ros__parameters']
    assert executor == {name: each[0] for name, each in executor_parameters.DECLARATIONS.items()}
    console = written['/**/console']['ros__parameters']
    assert console == {name: each[0] for name, each in console_parameters.items()}
    for name, table in (
        ('so101_follower', so101_parameters.FOLLOWER),
        ('so101_leader', so101_parameters.LEADER),
        ('usb_cameras', so101_parameters.CAMERAS),
    ):
        values = written[f'/**/{name}']['ros__parameters']
        assert values == {key: each[0] for key, each in table.items()}
    teleop = written['/**/teleop']['ros__parameters']
    assert teleop == {name: each[0] for name, each in teleop_node.DECLARATIONS.items()}
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
