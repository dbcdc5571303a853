# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t up` with processes that are no nodes, and once with the real ones."""

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
    assert 'two ended early with status 1' in output


def test_a_node_that_fails_while_stopping_is_named(programs, capsys):
    failing = (
        'import signal, sys, time\n'
        'signal.signal(signal.SIGINT, lambda *_: sys.exit(3))\n'
        'time.sleep(60)'
    )
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    assert up.run([NodeSpec('p', OBEDIENT, 'one'), NodeSpec('p', failing, 'two')], stop) == 1
    assert 'two failed while stopping: status 3' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--params-file', 'nosuch.yaml'], 'cannot be read: No such file'),
        (['--params-file', 'flat.yaml'], 'shadow: True is not in the ros__parameters'),
        (['--robot', 'so1001'], "no robot 'so1001'"),
    ],
)
def test_what_is_wrong_is_one_line_before_a_node_starts(tmp_path, arguments, said):
    (tmp_path / 'flat.yaml').write_text('shadow: true\n')
    words = [
        sys.executable,
        '-m',
        'gr00t_core',
        'up',
        '--robot',
        'so101',
        *arguments,
    ]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert said in done.stderr
    assert 'Traceback' not in done.stderr
    assert 'started' not in done.stdout


def test_says_what_is_not_installed():
    with pytest.raises(up.UpError, match="gr00t_sim has no executable 'simm'"):
        up.run([NodeSpec('gr00t_sim', 'simm', 'sim')], threading.Event())


def come_up(environment, folder, namespace='a'):
    """Start `gr00t up` for real, with a server that has no model; return it and its lines."""
    fake = Path(__file__).parents[2] / 'gr00t_policy_node' / 'test' / 'fake_server.py'
    (folder / 'config.json').write_text('{}')
    parameters = folder / 'parameters.yaml'
    parameters.write_text(
        '/**/policy_node:\n  ros__parameters:\n    robot: no_such_robot\n'
        f"    server_program: '{sys.executable} {fake}'\n"
    )
    words = [sys.executable, '-m', 'gr00t_core', 'up', '--robot', 'so101']
    words += ['--namespace', namespace, '--checkpoint', str(folder)]
    process = subprocess.Popen(
        [*words, '--params-file', str(parameters)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout), daemon=True)
    reader.start()
    return process, lines, reader


def wait_for(condition, lines, limit_s=20.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, ''.join(lines)
        time.sleep(0.05)


def test_a_second_one_for_the_same_robot_stops_and_names_the_first(ros_domain, tmp_path):
    pytest.importorskip('rclpy')
    first, lines, _ = come_up(ros_domain, tmp_path)
    try:
        wait_for(lambda: any(line.endswith('active\n') for line in lines), lines)
        second, said, reader = come_up(ros_domain, tmp_path)
        assert second.wait(20.0) == 1
        reader.join(5.0)
        (line,) = said
        assert 'already in ROS domain' in line
        assert '/a/chunk_executor' in line or '/a/policy_node' in line
        other, others, _ = come_up(ros_domain, tmp_path, namespace='b')
        wait_for(lambda: any(each.endswith('active\n') for each in others), others)
        other.send_signal(signal.SIGTERM)
        assert other.wait(20.0) == 0
        assert first.poll() is None
        assert not [each for each in lines if 'is also published by' in each]
    finally:
        first.send_signal(signal.SIGTERM)
        assert first.wait(20.0) == 0


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_policy_and_executor_come_up_and_go(ros_domain, tmp_path, number):
    pytest.importorskip('rclpy')
    from gr00t_ros.start import process_began

    process, lines, reader = come_up(ros_domain, tmp_path)
    wait_for(lambda: any(line.endswith('active\n') for line in lines), lines)
    process.send_signal(number)
    assert process.wait(20.0) == (-9 if number == signal.SIGKILL else 0), ''.join(lines)
    reader.join(5.0)
    output = ''.join(lines)
    assert '[a/policy_node   ] ' in output
    assert 'a.policy_node]: active' in output
    started = [line for line in lines if ' started (pid ' in line]
    assert len(started) == 2
    pids = [int(line.rpartition(' ')[2].rstrip(')\n')) for line in started]
    end = time.monotonic() + 10.0  # killed, it has not waited for its nodes
    while any(process_began(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(process_began(pid) for pid in pids)
