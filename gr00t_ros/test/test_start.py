# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A node program ends with its starter and checks its arguments; with real processes."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy')

from gr00t_ros.start import parameter_file_arguments, process_began, STARTER_VARIABLE

NODE = """
import signal, sys, time
from gr00t_ros.start import initialize
initialize('tester')
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print('ready', flush=True)
while True:
    time.sleep(0.1)  # one long sleep may begin just after a signal, and is not ended by it
"""
# Starts a node as `gr00t up` does and then waits; prints the node's process id.
STARTER = f"""
import os, subprocess, sys, time
node = subprocess.Popen([sys.executable, '-c', {NODE!r}], start_new_session=True,
                        env=os.environ | {{'{STARTER_VARIABLE}': str(os.getpid())}})
print(node.pid, flush=True)
time.sleep(30)
"""


def wait_until(done, limit_s=10.0):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.02)
    return False


def node(environment, *arguments, code=NODE, **more):
    return subprocess.Popen(
        [sys.executable, '-c', code, *arguments],
        env=environment | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def is_ready(process):
    """Wait for the node's word; before it, it may log what others left in /dev/shm."""
    return 'ready\n' in iter(process.stdout.readline, '')


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
def test_a_node_ends_with_its_killed_starter(ros_domain, number):
    starter = node(ros_domain, code=STARTER)
    pid = int(starter.stdout.readline())
    assert is_ready(starter)
    starter.send_signal(number)  # and not waited for: a zombie has ended, too
    began = time.monotonic()
    assert wait_until(lambda: process_began(pid) is None)
    assert time.monotonic() - began < 5.0
    assert 'has ended: stopping' in starter.stdout.read()
    starter.wait()


def test_a_node_outlives_an_intermediate_process_and_ends_with_the_named_one(ros_domain):
    """`ros2 launch --launch-prefix` puts another process between starter and node."""
    starter = subprocess.Popen(['sleep', '30'])
    watched = node(ros_domain, **{STARTER_VARIABLE: str(starter.pid)})
    assert is_ready(watched)
    time.sleep(0.3)
    assert watched.poll() is None
    starter.kill()
    assert watched.wait(5.0) == 7
    starter.wait()
    watched.stdout.close()


def test_a_node_whose_starter_has_ended_does_not_start(ros_domain):
    gone = subprocess.Popen(['true'])
    gone.wait()
    late = node(ros_domain, **{STARTER_VARIABLE: str(gone.pid)})
    output = late.communicate(timeout=10.0)[0]
    assert late.returncode == 1
    assert 'has ended: this node does not start' in output
    assert 'Traceback' not in output


def test_a_process_that_got_the_number_of_the_starter_is_not_the_starter(ros_domain):
    code = NODE.replace(
        'import signal',
        'import os, signal, subprocess\n'
        "younger = subprocess.Popen(['sleep', '2'])\n"
        f"os.environ['{STARTER_VARIABLE}'] = str(younger.pid)\n"
        'import signal',
        1,
    )
    # A clock tick is 10 ms: importing rclpy takes longer, so begin the sleep after the node.
    late = node(ros_domain, code='import time\ntime.sleep(0.05)\n' + code)
    output = late.communicate(timeout=10.0)[0]
    assert late.returncode == 1, output
    assert 'has ended: this node does not start' in output


def test_a_node_that_nobody_named_a_starter_for_starts(ros_domain):
    ros_domain.pop(STARTER_VARIABLE, None)
    alone = node(ros_domain)
    assert is_ready(alone)
    alone.terminate()
    assert alone.wait(5.0) == 7
    alone.stdout.close()


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--params-file', 'nosuch.yaml'], 'nosuch.yaml: cannot be read: No such file'),
        (['--params-file', 'flat.yaml'], "robot: 'so101' is not in the ros__parameters"),
        (['-p', 'x'], 'ROS refuses the arguments'),
        (['--no-such-flag'], 'ROS refuses the arguments'),
        (['-p', 'use_sim_time:=1'], 'arguments: parameter use_sim_time: 1 is not true or false'),
        (['--param', 'a:use_sim_time:=never'], "use_sim_time: 'never' is not true or false"),
    ],
)
def test_bad_arguments_are_one_line(ros_domain, tmp_path, arguments, said):
    (tmp_path / 'flat.yaml').write_text('robot: so101\n')
    words = [str(tmp_path / w) if w.endswith('.yaml') else w for w in arguments]
    refused = node(ros_domain, '--ros-args', *words)
    output = refused.communicate(timeout=10.0)[0]
    assert refused.returncode == 1
    assert said in output
    assert 'Traceback' not in output
    assert len([line for line in output.splitlines() if 'FATAL' in line]) == 1


def test_only_ros_arguments_name_parameter_files():
    words = ['node', '--params-file', 'a', '--ros-args', '--params-file', 'b', '-r', 'x:=y']
    words += ['--', '--params-file', 'c', '--ros-args', '--params-file', 'd', '--params-file']
    assert parameter_file_arguments(words) == [Path('b'), Path('d')]


def test_a_running_process_has_a_begin_that_stays():
    assert process_began(os.getpid()) == process_began(os.getpid()) is not None
