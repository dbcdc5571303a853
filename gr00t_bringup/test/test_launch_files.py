# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files: what they list, and with real `launch` and `launch_ros` where installed."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest

from gr00t_bringup.nodes import nodes, PROGRAMS
from gr00t_core.robot.file import shipped_robots

FOLDER = Path(__file__).resolve().parents[1] / 'launch'
FILES = sorted(FOLDER.glob('*.launch.py'))
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessIO
from launch.launch_description_sources import PythonLaunchDescriptionSource
path, *arguments = sys.argv[1:]
def heard(event):
    text = event.text.decode()
    print(text, end='', flush=True)
    return [Shutdown(reason='the test is done')] if 'active\\n' in text else None
service = LaunchService(noninteractive=True)
service.include_launch_description(LaunchDescription([
    RegisterEventHandler(OnProcessIO(on_stdout=heard, on_stderr=heard)),
    IncludeLaunchDescription(
        PythonLaunchDescriptionSource(path),
        launch_arguments=[tuple(word.split(':=', 1)) for word in arguments],
    ),
]))
sys.exit(service.run())
"""


# Action of gr00t_bringup.launching → node that it starts.
ACTIONS = {
    'policy_node': 'policy_node',
    'chunk_executor': 'chunk_executor',
    'console': 'console',
    'recorder': 'recorder',
    'simulator': 'sim',
    'teleop': 'teleop',
    'so101_follower': 'so101_follower',
    'so101_leader': 'so101_leader',
    'usb_cameras': 'usb_cameras',
}
# Node that starts only when asked for → arguments that do.
OPTIONAL = {
    'console': {'console': True},
    'teleop': {'teleop': 'gamepad', 'server_address': 'tcp://host:5555'},
    'recorder': {'record': True},
    'so101_follower': {'port': '/dev/ttyACM0', 'server_address': 'tcp://host:5555'},
    'so101_leader': {'leader_port': '/dev/ttyACM1'},
    'usb_cameras': {'cameras': 'front=/dev/video0'},
}


def calls(path):
    """Return the calls in a launch file's description, in their order."""
    tree = ast.parse(path.read_text('utf-8'))
    (description,) = (
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == 'generate_launch_description'
    )
    found = [node for node in ast.walk(description) if isinstance(node, ast.Call)]
    found = [node for node in found if isinstance(node.func, ast.Name)]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_launch_file_lists_what_it_starts_after_its_check(path):
    """The nodes of the file are those of the one list, for the same decisions of the file."""
    found = calls(path)
    names = [call.func.id for call in found]
    (check,) = (call for call in found if call.func.id == 'checked')
    fixed = {word.arg: ast.literal_eval(word.value) for word in check.keywords}
    started = [ACTIONS[name] for name in names if name in ACTIONS]
    asked = {}
    for name in started:
        asked |= OPTIONAL.get(name, {})
    specs = nodes(**asked | fixed)
    assert started == [spec.name for spec in specs]
    processes = (*ACTIONS, 'Node', 'spawner', 'player', 'usb_cams')
    first = next(k for k, name in enumerate(names) if name in processes)
    assert names.index('checked') < first
    for spec in specs:
        assert (spec.package, spec.executable) == PROGRAMS[spec.name]
    (declared,) = (call for call in found if call.func.id == 'arguments')
    if not declared.args:  # then the user may give all
        assert {'console', 'teleop'} <= set(started)


def test_every_shipped_robot_has_its_launch_file():
    for robot in shipped_robots():
        path = FOLDER / f'{robot}.launch.py'
        given = [
            {word.arg: ast.literal_eval(word.value) for word in call.keywords}
            for call in calls(path)
            if call.func.id == 'arguments'
        ]
        assert given == [{'robot': robot}]


def load(path):
    pytest.importorskip('launch_ros')
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    return PythonLaunchDescriptionSource(str(path)).get_launch_description


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_launch_file_describes_its_nodes(path):
    describe = load(path)
    from launch import LaunchContext

    context = LaunchContext()
    description = describe(context)
    arguments = [argument.name for argument in description.get_launch_arguments()]
    assert {'robot', 'namespace', 'params_file', 'log_level'} <= set(arguments)
    if path.name == 'robot.launch.py':
        wanted = 'robot checkpoint backend namespace use_sim_time params_file log_level autostart'
        assert {*wanted.split(), 'shadow'} <= set(arguments)


@pytest.mark.parametrize('namespace', ['', 'left'])
def test_robot_launch_runs_for_real(ros_domain, tmp_path, namespace):
    pytest.importorskip('launch_ros')
    fake = Path(__file__).parents[2] / 'gr00t_policy_node' / 'test' / 'fake_server.py'
    (tmp_path / 'config.json').write_text('{}')
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text(
        '/**/policy_node:\n  ros__parameters:\n    robot: no_such_robot\n'
        f"    server_program: '{sys.executable} {fake}'\n"
    )
    words = [sys.executable, '-c', RUN, str(FOLDER / 'robot.launch.py'), 'robot:=so101']
    words += [f'checkpoint:={tmp_path}', f'params_file:={parameters}', 'shadow:=true']
    words += [f'namespace:={namespace}'] if namespace else []
    done = subprocess.run(words, env=ros_domain, capture_output=True, text=True, timeout=60)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    logger = f'{namespace}.policy_node' if namespace else 'policy_node'
    assert f'[{logger}]: active' in output
