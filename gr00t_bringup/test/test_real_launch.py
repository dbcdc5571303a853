# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every launch file with the real `ros2 launch`: namespaces, wrong files, dead nodes, signals.

Opt-in (`--with launch`). It takes the `ros2` of the environment, or builds it once out of the
clones in the folder GR00T_LAUNCH_SOURCES by setup/launch_from_sources.sh.
"""

import json
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest

pytest.importorskip('rclpy', reason='no ROS')

import rclpy

from gr00t_bringup.replay import wait_until_active
from gr00t_ros.start import process_began

pytestmark = [pytest.mark.launch, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / 'gr00t_bringup' / 'launch').glob('*.launch.py'))
FAKE_SERVER = ROOT / 'gr00t_policy_node' / 'test' / 'fake_server.py'
# What `ros2 bag play --topics` selects, by Humble's rule: the names as they are in the bag.
PLAYER = """
import sys, yaml
arguments = sys.argv[3:]
tree = yaml.safe_load(open(arguments[0] + '/metadata.yaml'))
found = [each['topic_metadata']['name']
         for each in tree['rosbag2_bagfile_information']['topics_with_message_count']]
asked = arguments[arguments.index('--topics') + 1:]
print('player: publishing', sorted(set(asked) & set(found)), flush=True)
"""


@pytest.fixture(scope='session')
def ros2():
    """Give the words that run `ros2` with launch."""
    if installed := shutil.which('ros2'):
        return [installed]
    sources = os.environ.get('GR00T_LAUNCH_SOURCES')
    if not sources:
        pytest.skip('no ros2 here, and GR00T_LAUNCH_SOURCES names no folder with its sources')
    place = Path(tempfile.gettempdir()) / f'gr00t_launch_{os.getuid()}_{os.environ["ROS_DISTRO"]}'
    folder = os.environ.get('GR00T_LAUNCH_FOLDER', str(place))
    script = ROOT / 'setup' / 'launch_from_sources.sh'
    subprocess.run([str(script), sources, folder], check=True)
    source = f'before=$PATH; source {folder}/install/local_setup.bash; PATH=$before:$PATH'
    source += f'; export PYTHONPATH={folder}/python:$PYTHONPATH'
    program = f'{folder}/install/ros2cli/bin/ros2'
    return ['bash', '-c', f'{source}; exec "$@"', 'ros2', program]


class Launch:
    """A running `ros2 launch` and what it wrote."""

    def __init__(self, ros2, environment, *arguments):
        words = [*ros2, 'launch', *map(str, arguments)]
        self.process = subprocess.Popen(
            words,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self._reader.start()

    @property
    def output(self):
        return ''.join(self.lines)

    @property
    def pids(self):
        return [int(pid) for pid in re.findall(r'process started with pid \[(\d+)\]', self.output)]

    def until(self, text, limit_s=60.0):
        end = time.monotonic() + limit_s
        while text not in self.output:
            assert time.monotonic() < end, f'no {text!r}:\n{self.output}'
            assert self.process.poll() is None or text in self.output, self.output
            time.sleep(0.05)

    def end(self, limit_s=30.0):
        """Return the exit code."""
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f'still running after {limit_s:g} s:\n{self.output}')
        self._reader.join(10.0)  # ends when the last node has closed its output
        return status

    def gone(self, limit_s=10.0):
        """Return whether all nodes end within some time."""
        end = time.monotonic() + limit_s
        while any(process_began(pid) for pid in self.pids) and time.monotonic() < end:
            time.sleep(0.05)
        return not any(process_began(pid) for pid in self.pids)


@pytest.fixture
def launch(ros2, ros_domain):
    """Start launches that end with the test."""
    started = []

    def start(*arguments, **environment):
        started.append(Launch(ros2, ros_domain | environment, *arguments))
        return started[-1]

    yield start
    for each in started:
        for pid in [each.process.pid, *each.pids]:
            if process_began(pid):
                os.kill(pid, signal.SIGKILL)
        each.process.wait()


@pytest.fixture
def fake(tmp_path):
    """Give arguments that run policy and executor with a fake server, for any namespace."""
    (tmp_path / 'config.json').write_text('{}')
    file = tmp_path / 'parameters.yaml'
    file.write_text(
        '/**/policy_node:\n  ros__parameters:\n'
        f"    server_program: '{sys.executable} {FAKE_SERVER}'\n"
        '/left/chunk_executor:\n  ros__parameters: {blend_s: 1}\n'
    )
    return ['robot:=so101', f'checkpoint:={tmp_path}', f'params_file:={file}', 'shadow:=true']


ROBOT = ('gr00t_bringup', 'robot.launch.py')


@pytest.mark.parametrize('name', FILES)
def test_arguments_are_shown(launch, name):
    shown = launch('gr00t_bringup', name, '--show-args')
    assert shown.end() == 0
    assert "'robot':" in shown.output
    assert "'params_file':" in shown.output


def test_two_robots_in_two_namespaces_from_one_parameter_file(launch, fake):
    left = launch(*ROBOT, *fake, 'namespace:=left')
    right = launch(*ROBOT, *fake, 'namespace:=/right/', 'log_level:=error')
    left.until('[left.policy_node]: active')
    left.until('[left.chunk_executor]: parameters given: ')
    assert 'blend_s: 1.0' in left.output
    rclpy.init()
    try:
        wait_until_active('/right/policy_node', print)
    finally:
        rclpy.try_shutdown()
    for each in (left, right):
        each.process.send_signal(signal.SIGINT)
        assert each.end() == 0, each.output
        assert each.gone()
    assert '[INFO] [1' not in right.output  # of a node; launch's own lines have no time
    assert '/right' not in left.output


@pytest.mark.parametrize(
    ('kind', 'inner', 'name'),
    [('py', '', 'cell'), ('py', 'arm', 'cell.arm'), ('xml', 'arm', 'cell.arm')],
)
def test_an_outer_namespace_composes(launch, fake, tmp_path, kind, inner, name):
    file = ROOT / 'gr00t_bringup' / 'launch' / 'robot.launch.py'
    arguments = dict(word.split(':=') for word in fake) | {'namespace': inner}
    outer = tmp_path / f'outer.launch.{kind}'
    if kind == 'xml':
        words = [f'<arg name="{key}" value="{value}"/>' for key, value in arguments.items()]
        outer.write_text(
            '<launch><group><push_ros_namespace namespace="cell"/>'
            f'<include file="{file}">{"".join(words)}</include></group></launch>'
        )
    else:
        outer.write_text(
            'from launch import LaunchDescription\n'
            'from launch.actions import GroupAction, IncludeLaunchDescription\n'
            'from launch.launch_description_sources import PythonLaunchDescriptionSource\n'
            'from launch_ros.actions import PushRosNamespace\n'
            'def generate_launch_description():\n'
            f'    source = PythonLaunchDescriptionSource({str(file)!r})\n'
            f'    arguments = {list(arguments.items())!r}\n'
            '    inner = IncludeLaunchDescription(source, launch_arguments=arguments)\n'
            "    return LaunchDescription([GroupAction([PushRosNamespace('cell'), inner])])\n"
        )
    running = launch(outer)
    running.until(f'[{name}.policy_node]: active')
    running.until(f'[{name}.chunk_executor]: so101')
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0, running.output


WRONG = [
    (['robot:=nobot'], "no robot 'nobot'", 0),
    (['robot:=so101', 'params_file:=nosuch.yaml'], 'nosuch.yaml: cannot be read: No such file', 0),
    (['robot:=so101', 'params_file:=flat.yaml'], 'shadow: True is not in the ros__parameters', 0),
    (['robot:=so101', 'params_file:=node.yaml'], 'did you mean chunk_executor?', 0),
    (['robot:=so101', 'params_file:=other.yaml'], 'no section is for /policy_node', 0),
    (['robot:=so101', 'params_file:=name.yaml'], 'did you mean e_stop_required?', 2),
    (['robot:=so101', 'checkpoint:=nowhere'], "'nowhere' is no checkpoint folder", 2),
    (['robot:=so101', 'backend:=pytorch'], 'pytorch', 0),
]
PARAMETER_FILES = {
    'flat.yaml': 'shadow: true\n',
    'node.yaml': 'chunk_executer:\n  ros__parameters: {shadow: true}\n',
    'other.yaml': 'recorder:\n  ros__parameters: {zstd: true}\n',
    'name.yaml': 'chunk_executor:\n  ros__parameters: {e_stop_requird: true}\n',
}


@pytest.mark.parametrize(('arguments', 'said', 'started'), WRONG)
def test_what_is_wrong_is_said_and_ends_with_status_1(
    launch, tmp_path, monkeypatch, arguments, said, started
):
    monkeypatch.chdir(tmp_path)
    for name, text in PARAMETER_FILES.items():
        (tmp_path / name).write_text(text)
    refused = launch(*ROBOT, *arguments)
    assert refused.end() == 1
    assert said in refused.output
    assert 'Traceback' not in refused.output
    assert len(refused.pids) == started, refused.output
    assert refused.gone()


def test_a_node_that_dies_ends_everything_with_status_1(launch, fake):
    running = launch(*ROBOT, *fake)
    running.until('[policy_node]: active')
    os.kill(running.pids[1], signal.SIGKILL)
    assert running.end() == 1
    assert '/chunk_executor ended with status -9: stopping the others' in running.output
    assert running.gone()


@pytest.mark.parametrize(
    ('number', 'status'), [(signal.SIGINT, 0), (signal.SIGTERM, None), (signal.SIGKILL, -9)]
)
def test_a_stopped_launch_leaves_no_node(launch, fake, number, status):
    running = launch(*ROBOT, *fake)
    running.until('[policy_node]: active')
    running.until('[chunk_executor]: so101')
    running.process.send_signal(number)
    code = running.end()
    assert code == status if status is not None else code != 0
    assert len(running.pids) == 2
    assert running.gone(), f'still there: {running.pids}\n{running.output}'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_replay_leaves_no_player(launch, fake, tmp_path, number):
    bag = tmp_path / 'cut.mcap'  # nothing of it is read before the policy is active
    bag.touch()
    arguments = [*fake[:3], 'autostart:=false', f'bag:={bag}']
    running = launch('gr00t_bringup', 'replay.launch.py', *arguments)
    running.until('waiting until /policy_node is active')
    running.process.send_signal(number)
    running.end()
    assert len(running.pids) == 3
    assert running.gone(), running.output


def test_the_shipped_policy_runs_on_so101_and_in_the_simulator(launch):
    checkpoint = f'checkpoint:={ROOT / "reproduce" / "checkpoint"}'
    for arguments in ((*ROBOT, 'robot:=so101'), ('gr00t_bringup', 'sim.launch.py')):
        running = launch(*arguments, checkpoint)
        running.until('[policy_node]: active', 120.0)
        if 'sim.launch.py' in arguments:
            running.until('[chunk_executor]: running: following the policy')
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 0, running.output
        assert running.output.count('the files differ in rates only') == 1


def test_the_recorder_takes_output_and_instruction(launch, tmp_path):
    output, words = tmp_path / 'bags', 'instruction:=pick up the cup'
    running = launch(
        'gr00t_bringup', 'record.launch.py', 'robot:=so101', f'output:={output}', words
    )
    running.until(f'[recorder]: ready to record so101 to {output}')
    assert "instruction: 'pick up the cup'" in running.output
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0, running.output


@pytest.mark.parametrize('namespace', ['', 'left'])
def test_a_replay_plays_when_the_policy_is_active(launch, fake, tmp_path, namespace):
    """With a player that obeys rosbag2's rule and publishes nothing: rosbag2 needs rclcpp."""
    prefix = f'/{namespace}' if namespace else ''
    topics = ['camera/front/image_raw/compressed', 'camera/wrist/image_raw/compressed']
    names = [f'{prefix}/{topic}' for topic in (*topics, 'joint_states', 'joint_commands')]
    bag = tmp_path / 'bag'
    bag.mkdir()
    entries = ''.join(f'  - topic_metadata: {{name: {name}}}\n' for name in names)
    text = f'rosbag2_bagfile_information:\n  topics_with_message_count:\n{entries}'
    (bag / 'metadata.yaml').write_text(text)
    programs = tmp_path / 'bin'
    programs.mkdir()
    (programs / 'player.py').write_text(PLAYER)
    (programs / 'ros2').write_text(f'#!/bin/sh\nexec {sys.executable} {programs}/player.py "$@"\n')
    (programs / 'ros2').chmod(0o755)
    place = [f'namespace:={namespace}'] if namespace else []
    replay = ('gr00t_bringup', 'replay.launch.py', f'bag:={bag}')
    # launch itself runs by its full path; only the player is looked up.
    path = f'{programs}:{os.environ["PATH"]}'
    running = launch(*replay, *fake[:3], *place, PATH=path)
    assert running.end(90.0) == 0, running.output
    wanted = sorted(names[:3])
    assert f'player: publishing {wanted}' in running.output
    dot = f'{namespace}.' if namespace else ''
    assert running.output.index(f'[{dot}policy_node]: active') < running.output.index('publishing')


def test_a_replay_of_a_bag_of_another_namespace_is_refused(launch, fake, tmp_path):
    (tmp_path / 'metadata.yaml').write_text(
        'rosbag2_bagfile_information:\n  topics_with_message_count:\n'
        '  - topic_metadata: {name: /left/joint_states}\n'
    )
    refused = launch('gr00t_bringup', 'replay.launch.py', f'bag:={tmp_path}', *fake[:3])
    assert refused.end() == 1
    assert 'it has /left/joint_states; give the robot' in refused.output
    assert refused.pids == []


@pytest.fixture
def arms(tmp_path, monkeypatch):
    """Give an emulated follower and leader, calibrated in the user's folder."""
    monkeypatch.syspath_prepend(str(ROOT / 'gr00t_so101' / 'test'))
    from so101_emulator import CALIBRATION, Emulator

    folder = tmp_path / 'config' / 'gr00t' / 'so101'
    folder.mkdir(parents=True)
    found = {}
    for name in ('follower', 'leader'):
        (folder / f'{name}.json').write_text(json.dumps(CALIBRATION))
        found[name] = Emulator(tmp_path / name)
        found[name].calibrate(CALIBRATION)
    yield found
    for arm in found.values():
        arm.close()


def test_an_so101_comes_up_follows_its_leader_and_is_limp_at_the_end(launch, arms, tmp_path):
    ports = [f'port:={arms["follower"].port}', f'leader_port:={arms["leader"].port}']
    place = ['namespace:=left', 'record:=true', f'output:={tmp_path / "bags"}']
    config = str(tmp_path / 'config')
    running = launch('gr00t_bringup', 'so101.launch.py', *ports, *place, XDG_CONFIG_HOME=config)
    running.until('[left.so101_follower]: active: torque is on')
    running.until("[left.so101_leader]: the follower has the leader's pose: it follows now")
    running.until('[left.recorder]: ready to record so101')
    assert 'policy_node' not in running.output
    arms['leader'].move('wrist_roll', arms['leader']['wrist_roll'].position + 200)
    end = time.monotonic() + 20.0
    while abs(arms['follower']['wrist_roll'].position - arms['leader']['wrist_roll'].position) > 9:
        assert time.monotonic() < end, running.output
        time.sleep(0.05)
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0, running.output
    assert not any(arms['follower'].torques)
    assert running.gone()


def test_the_ros2_control_launch_starts_or_names_what_is_not_installed(launch, fake):
    running = launch('gr00t_bringup', 'so101_ros2_control.launch.py', *fake[1:])
    prefixes = os.environ['AMENT_PREFIX_PATH'].split(os.pathsep)
    index = 'share/ament_index/resource_index/packages/robot_state_publisher'
    if any((Path(prefix) / index).exists() for prefix in prefixes):
        running.until('[policy_node]: active')
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 0
    else:
        assert running.end() == 1
        assert "package 'robot_state_publisher' not found" in running.output
        assert running.pids == []
    assert running.gone()
