# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t up` with processes that are no nodes, and once with the real ones."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time

import pytest

from gr00t_bringup import up
from gr00t_bringup.nodes import NodeSpec

OBEDIENT = 'print("hello", flush=True)\nimport time\ntime.sleep(60)'
STUBBORN = (
    'import signal, time\n'
    'signal.signal(signal.SIGINT, signal.SIG_IGN)\n'
    'print("ready", flush=True)\n'
    'time.sleep(60)'
)


@pytest.fixture
def programs(monkeypatch):
    """Let a node's `executable` be the code that its process runs."""
    monkeypatch.setattr(up, 'command', lambda spec: [sys.executable, '-c', spec.executable])
    monkeypatch.setattr(
        up, 'STOP', ((signal.SIGINT, 1.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 1.0))
    )


def test_stops_all_when_told(programs, capsys):
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    specs = [NodeSpec('p', OBEDIENT, 'one', '/left'), NodeSpec('p', STUBBORN, 'two')]
    assert up.run(specs, stop) == 0
    output = capsys.readouterr().out
    assert '[left/one] hello' in output
    assert '[two     ] ready' in output
    assert 'two did not end in time: SIGTERM' in output


def test_names_the_node_that_died(programs, capsys):
    dying = 'import sys\nsys.exit("out of luck")'
    specs = [NodeSpec('p', OBEDIENT, 'one'), NodeSpec('p', dying, 'two')]
    assert up.run(specs, threading.Event()) == 1
    output = capsys.readouterr().out
    assert '[two] out of luck' in output
    assert 'two ended by itself with status 1' in output


def test_says_what_is_not_installed():
    with pytest.raises(up.UpError, match="gr00t_sim has no executable 'simm'"):
        up.run([NodeSpec('gr00t_sim', 'simm', 'sim')], threading.Event())


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_policy_and_executor_come_up_and_go(ros_domain, tmp_path, number):
    pytest.importorskip('rclpy')
    fake = Path(__file__).parents[2] / 'gr00t_policy_node' / 'test' / 'fake_server.py'
    (tmp_path / 'config.json').write_text('{}')
    parameters = tmp_path / 'parameters.yaml'
    parameters.write_text(
        '/**/policy_node:\n  ros__parameters:\n    robot: no_such_robot\n'
        f"    server_program: '{sys.executable} {fake}'\n"
    )
    words = [sys.executable, '-m', 'gr00t_core.cli', 'up', '--robot', 'so101', '--namespace', 'a']
    words += ['--checkpoint', str(tmp_path), '--params-file', str(parameters)]
    process = subprocess.Popen(
        words,
        env=ros_domain,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()
    end = time.monotonic() + 20.0
    while not any(line.endswith('active\n') for line in lines) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait(20.0) == 0, ''.join(lines)
    reader.join(5.0)
    output = ''.join(lines)
    assert '[a/policy_node   ] ' in output
    assert 'a.policy_node]: active' in output
    started = [line for line in lines if ' started (pid ' in line]
    assert len(started) == 2
    for line in started:
        with pytest.raises(ProcessLookupError):
            os.kill(int(line.rpartition(' ')[2].rstrip(')\n')), 0)
