# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `make setup build` leaves behind: a ROS 2 environment with pip and colcon both at home."""

import importlib.util
from pathlib import Path
import subprocess
import sys
import textwrap

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / '.venv'
needs_wheels = pytest.mark.skipif(
    not list(VENV.glob('lib/python3.*/site-packages/ros_*_rclpy-*')),
    reason='ROS 2 is not from wheels here',
)


def in_clean_shell(code: str) -> str:
    """Run Python code in a shell that knows nothing but the two setup files."""
    script = 'source .venv/setup.bash && source install/setup.bash && python -'
    done = subprocess.run(
        ['env', '-i', 'bash', '-ec', script],
        cwd=ROOT,
        input=textwrap.dedent(code),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_relocation_points_cmake_exports_into_the_environment(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location('ros_wheels', ROOT / 'setup' / 'ros_wheels.py')
    assert spec is not None
    assert spec.loader is not None
    ros_wheels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ros_wheels)

    export = tmp_path / 'share' / 'std_msgs' / 'cmake' / 'export.cmake'
    export.parent.mkdir(parents=True)
    built = '/opt/python/cp312-cp312'
    numpy = f'{built}/lib/python3.12/site-packages/numpy/_core/include'
    export.write_text(f'set(dirs "{built}/include/python3.12;{numpy};/opt/python")')
    cached = tmp_path / 'cache.cmake'
    cached.hardlink_to(export)

    assert ros_wheels.relocate_cmake_exports(tmp_path) == 1
    assert built not in export.read_text()
    assert f'{sys.prefix}/lib' in export.read_text()
    assert built in cached.read_text(), "an installer's cache was written to"
    assert ros_wheels.relocate_cmake_exports(tmp_path) == 0


@needs_wheels
def test_clean_shell_has_ros_without_the_second_exec() -> None:
    out = in_clean_shell("""
        import os, sys
        before = os.environ['LD_LIBRARY_PATH']
        import rclpy, gr00t_msgs.msg
        # The wheels' hook would have re-executed Python with a path of its own.
        assert os.environ['_ROS_WHEELS_BOOTSTRAP_COMPLETE'] == '1'
        assert before.split(':')[1] == sys.prefix + '/lib', before
        assert before.split(':')[0].endswith('install/gr00t_msgs/lib'), before
        print(os.environ['ROS_DISTRO'], os.environ['ROS_VERSION'])
    """)
    assert out.split() in (['jazzy', '2'], ['kilted', '2'])


def test_sourced_shell_finds_each_entry_point_once() -> None:
    out = in_clean_shell("""
        from importlib.metadata import entry_points
        names = [e.name for g in ('gr00t.verbs', 'console_scripts') for e in entry_points(group=g)]
        print(names.count('doctor'), names.count('gr00t'))
    """)
    assert out.split() == ['1', '1']


def test_action_chunk_travels_between_processes(ros_domain: dict[str, str]) -> None:
    send = """
        import time, rclpy
        from gr00t_msgs.msg import ActionChunk
        rclpy.init()
        node = rclpy.create_node('sender')
        publisher = node.create_publisher(ActionChunk, 'action_chunk', 1)
        deadline = time.monotonic() + 20
        while publisher.get_subscription_count() == 0 and time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=0.05)
        publisher.publish(ActionChunk(horizon=2, width=3, data=[float(k) for k in range(6)]))
        publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=10))
        node.destroy_node()
        rclpy.try_shutdown()
    """
    rclpy = pytest.importorskip('rclpy')
    messages = pytest.importorskip('gr00t_msgs.msg')
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('receiver', context=context)
    received = rclpy.Future()
    node.create_subscription(messages.ActionChunk, 'action_chunk', received.set_result, 1)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    code = textwrap.dedent(send)
    with subprocess.Popen([sys.executable, '-c', code], env=ros_domain) as sender:
        executor.spin_until_future_complete(received, timeout_sec=30)
        assert sender.wait(timeout=30) == 0
    executor.shutdown()
    node.destroy_node()
    rclpy.try_shutdown(context=context)
    assert received.done(), 'no chunk arrived within 30 s'
    chunk = received.result()
    assert (chunk.horizon, chunk.width, list(chunk.data)) == (2, 3, [0, 1, 2, 3, 4, 5])
