# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files with real `launch` and `launch_ros`, where they are installed."""

from pathlib import Path
import subprocess
import sys

import pytest

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
