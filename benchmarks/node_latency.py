# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure what the ROS side adds to the policy: observation to chunk, drops, CPU, command jitter.

A robot process publishes three 640x480 cameras at 30 Hz (JPEG, then raw) and joints at 100 Hz;
policy node, policy server (tiny random checkpoint) and chunk executor run as on a robot, each in
its own process over real DDS. Per chunk:

    latency  = time of publication - stamp of the reference frame  (same machine, same clock)
    overhead = time of publication - stamp at which the observation is complete - get_action

The state is interpolated at the frame's stamp, so an observation is complete with the joint sample
after the frame: up to 10 ms later at 100 Hz, whatever the software does. `get_action` is the time
that `Gr00tPolicy.get_action` took for this very chunk. So overhead is transport, decoding,
request, reply and publication, and the time that a frame waits for the chunk before it.
`from_frame` counts the wait for the joint sample as well; `against_bare` subtracts, instead of
this chunk's, the median get_action of the same server process before robot and nodes were started,
at the same rate: it counts as overhead also that the model itself is slower beside them. `floor`
is the overhead without DDS, nodes and any waiting: one process decodes the images on both cores
and asks, before robot and nodes were started. Command jitter is how far the time between two
commands is from 10 ms. The last line is JSON.

    source .venv/setup.bash && source install/setup.bash && python benchmarks/node_latency.py
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import contextlib
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

import numpy as np
import yaml

from gr00t_core.dds_profile import profile_variable

WIDTH, HEIGHT, CAMERAS = 640, 480, ('front', 'wrist', 'top')
ROBOT_FOLDER = Path(__file__).resolve().parents[1] / 'gr00t_core/gr00t_core/robot/shipped'
CONTROL_MS = 10.0
FRAME_HZ = 29.97
JOINT_PERIOD_MS = 10.0
SETTLE_S = 3.0
START_LIMIT_S = 120.0
WARM_UP_CALLS, BARE_CALLS, FLOOR_CALLS = 50, 150, 150


def robot_file(folder: Path, kind: str) -> Path:
    """Write the SO-101 with three large cameras of a message type; return the file."""
    robot = yaml.safe_load((ROBOT_FOLDER / 'so101.yaml').read_text())
    suffix = '/compressed' if kind == 'CompressedImage' else ''
    robot['cameras'] = {
        name: {
            'topic': f'camera/{name}/image_raw{suffix}',
            'type': f'sensor_msgs/msg/{kind}',
            'width': WIDTH,
            'height': HEIGHT,
            'rate_hz': 30,
        }
        for name in CAMERAS
    }
    # A random policy asks for places far outside: the executor must follow it all the same.
    for group in robot['action'].values():
        limits = group['limits']
        position = limits['position'].items()
        limits['position'] = {joint: [100 * edge for edge in pair] for joint, pair in position}
    path = folder / f'{kind}.yaml'
    path.write_text(yaml.safe_dump(robot))
    return path


def scene() -> np.ndarray:
    """Return a picture that compresses as a camera's does, (HEIGHT, WIDTH, 3) uint8."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    smooth = np.stack([rows / 2, columns / 3, (rows + columns) / 5], axis=-1)
    noise = np.random.default_rng(0).normal(0, 4, smooth.shape)
    return np.clip(smooth + noise, 0, 255).astype(np.uint8)


def jpeg(pixels: np.ndarray) -> bytes:
    """Encode a picture."""
    import simplejpeg

    return simplejpeg.encode_jpeg(pixels, quality=85)


def publish(robot_path: str, stamps_path: str) -> None:
    """Be the robot: publish cameras and joints until stopped; then save the joints' stamps, ns."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.signals import SignalHandlerOptions
    from sensor_msgs.msg import CompressedImage, Image, JointState

    from gr00t_core.robot.file import load_robot

    robot = load_robot(robot_path)
    # Its handlers would end the context under a publication.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('robot')
    pixels = scene()
    outputs, stamps = [], []
    for camera in robot.cameras:
        if camera.stream.type.endswith('CompressedImage'):
            message = CompressedImage(format='jpeg', data=jpeg(pixels))
            kind = CompressedImage
        else:
            message = Image(width=WIDTH, height=HEIGHT, step=3 * WIDTH, encoding='rgb8')
            message.data = pixels.tobytes()
            kind = Image
        topic = camera.stream.topic
        outputs.append((node.create_publisher(kind, topic, qos_profile_sensor_data), message))
    joints = node.create_publisher(JointState, 'joint_states', qos_profile_sensor_data)
    state = JointState(name=[name.split('/')[1] for name in robot.state_names])

    def frames() -> None:
        stamp = node.get_clock().now().to_msg()
        for publisher, message in outputs:
            message.header.stamp = stamp
            publisher.publish(message)

    def measured() -> None:
        now = node.get_clock().now()
        state.header.stamp = now.to_msg()
        state.position = (0.2 * np.sin(now.nanoseconds / 1e9 + np.arange(6))).tolist()
        joints.publish(state)
        stamps.append(now.nanoseconds)

    # Threads that sleep: an executor would take more of the two cores than all its callbacks.
    # Not commensurate on purpose: the phase between frames and joints takes every value.
    threading.Thread(target=repeat, args=(1 / FRAME_HZ, frames), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        repeat(JOINT_PERIOD_MS / 1000, measured)
    np.save(stamps_path, np.array(stamps))


def repeat(period_s: float, action: Callable[[], None]) -> None:
    """Act once per period, for ever."""
    due = time.monotonic()
    while True:
        action()
        due += period_s
        time.sleep(max(due - time.monotonic(), 0.0))


def serve(robot_path: str, checkpoint: str, address: str, log: str) -> None:
    """Serve the checkpoint; write per call when it ended and how long get_action took, in ns."""
    import torch

    from gr00t_core.malloc_tuning import keep_freed_memory
    from gr00t_core.policy import Gr00tPolicy
    from gr00t_core.serving.server import PolicyServer
    from gr00t_core.serving.service import PolicyService

    torch.set_num_threads(1)
    keep_freed_memory()
    file = Path(log).open('w', buffering=1)  # noqa: SIM115 - for the life of the process

    class Timed(Gr00tPolicy):
        def get_action(self, *arguments, **options):
            began = time.monotonic_ns()
            action = super().get_action(*arguments, **options)
            ended = time.monotonic_ns()
            file.write(f'{ended} {ended - began}\n')
            return action

    def load():
        policy = Timed(checkpoint, robot_path, seed=0)
        observation = policy.observation_example()
        for call in range(WARM_UP_CALLS + BARE_CALLS):
            began = time.monotonic()
            policy.get_action(observation)
            # Paced: without pauses, caches and clock are in a state that no robot sees.
            if call >= WARM_UP_CALLS:
                time.sleep(max(began + 1 / FRAME_HZ - time.monotonic(), 0.0))
        return policy, {'model': checkpoint}

    service = PolicyService(load)
    server = PolicyServer(service, address)
    signal.signal(signal.SIGINT, lambda *_: server.stop())
    service.start()
    server.serve()
    service.stop(5.0)


def read_calls(log: Path) -> np.ndarray:
    """Return what `serve` wrote: (N, 2) int64, end on the monotonic clock and duration, ns."""
    lines = log.read_text().splitlines() if log.exists() else []
    return np.array([[int(n) for n in line.split()] for line in lines]).reshape(-1, 2)


def floor(address: str, kind: str, log: Path) -> np.ndarray:
    """Decode and ask at the cameras' rate; return per call what was more than get_action, ms."""
    from gr00t_core.malloc_tuning import keep_freed_memory
    from gr00t_core.messages.images import compressed_to_rgb
    from gr00t_core.robot.file import load_robot
    from gr00t_core.serving.client import PolicyClient

    keep_freed_memory()
    pixels = scene()
    message = SimpleNamespace(format='jpeg', data=np.frombuffer(jpeg(pixels), np.uint8))
    state = {
        f'state.{group.name}': np.zeros((1, group.width)) for group in load_robot('so101').state
    }
    before, took = len(read_calls(log)), []
    due = time.monotonic()
    with PolicyClient(address, START_LIMIT_S) as client, ThreadPoolExecutor() as decoders:
        for _ in range(FLOOR_CALLS):
            began = time.perf_counter()
            images = [pixels] * len(CAMERAS)
            if kind == 'CompressedImage':
                others = [decoders.submit(compressed_to_rgb, message) for _ in CAMERAS[1:]]
                images = [compressed_to_rgb(message), *(other.result() for other in others)]
            videos = {f'video.{name}': image[None] for name, image in zip(CAMERAS, images)}
            client.get_action(videos | state | {'annotation.human.task_description': ['wave']})
            took.append((time.perf_counter() - began) * 1e3)
            due += 1 / FRAME_HZ
            time.sleep(max(due - time.monotonic(), 0.0))
    return np.array(took) - read_calls(log)[before : before + FLOOR_CALLS, 1] / 1e6


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


class Watch:
    """Collect chunks, commands and diagnostics while the nodes run.

    It takes what came ten times a second: to be woken by each message costs the nodes their cores.
    """

    def __init__(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        import rclpy
        from sensor_msgs.msg import JointState

        from gr00t_msgs.msg import ActionChunk

        rclpy.init()
        self.rclpy = rclpy
        self.node = rclpy.create_node('bench')
        self.chunks: list[tuple[int, int, int]] = []  # sequence, stamp, published: ns
        self.commands: list[int] = []
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.subscriptions = [
            self.node.create_subscription(kind, topic, take, 200)
            for kind, topic, take in (
                (ActionChunk, 'action_chunk', self._chunk),
                (JointState, 'joint_commands', self._command),
                (DiagnosticArray, '/diagnostics', self._diagnosed),
            )
        ]

    def _chunk(self, message, info) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self.chunks.append((message.sequence, stamp, info['source_timestamp']))

    def _command(self, message, info) -> None:
        self.commands.append(info['source_timestamp'])

    def _diagnosed(self, message, info) -> None:
        for status in message.status:
            self.diagnostics[status.name] = {pair.key: pair.value for pair in status.values}

    def watch(self, seconds: float) -> None:
        """Listen for a while."""
        from gr00t_ros.polling import take_all

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.1)
            for subscription in self.subscriptions:
                for message, info in take_all(subscription):
                    subscription.callback(message, info)

    def close(self) -> None:
        """Leave the graph."""
        self.node.destroy_node()
        self.rclpy.shutdown()


def measure(kind: str, folder: Path, checkpoint: Path, seconds: float) -> dict:
    """Run all processes for one kind of image; return the figures."""
    robot = str(robot_file(folder, kind))
    this, address = [sys.executable, __file__], f'ipc://{folder}/{kind}'
    log, stamps = folder / f'{kind}.calls', folder / f'{kind}.npy'
    commands = {
        'policy server': [*this, '--role', 'serve', robot, str(checkpoint), address, str(log)],
        'robot': [*this, '--role', 'publish', robot, str(stamps)],
        'policy_node': [
            *(sys.executable, '-m', 'gr00t_policy_node.policy.node', '--ros-args'),
            *('-p', f'robot:={robot}', '-p', f'server_address:={address}'),
            *('-p', 'use_default_instruction:=true'),
        ],
        # The random policy's chunks must be followed, or there is no command to time.
        'chunk_executor': [
            *(sys.executable, '-m', 'gr00t_policy_node.executor.node', '--ros-args'),
            *('-p', f'robot:={robot}', '-p', 'max_jump_s:=60.0'),
        ],
    }
    processes = {}
    watch = Watch()
    try:
        output = (folder / f'{kind}.log').open('w')
        end = time.monotonic() + START_LIMIT_S
        for name, words in commands.items():
            processes[name] = subprocess.Popen(words, stdout=output, stderr=output)
            # The server comes first and is alone until it has made its own calls.
            while len(read_calls(log)) < WARM_UP_CALLS + BARE_CALLS and time.monotonic() < end:
                time.sleep(0.2)
            if name == 'policy server':
                least = floor(address, kind, log)
        alone = read_calls(log)[WARM_UP_CALLS : WARM_UP_CALLS + BARE_CALLS, 1] / 1e6
        while len(watch.chunks) < 10 or len(watch.commands) < 10:
            watch.watch(0.2)
            if time.monotonic() > end:
                sys.exit((folder / f'{kind}.log').read_text())
        watch.watch(SETTLE_S)
        before = watch.diagnostics['/policy_node: policy'].copy()
        watch.chunks.clear()
        watch.commands.clear()
        used = {name: cpu_seconds(process.pid) for name, process in processes.items()}
        began = time.monotonic()
        watch.watch(seconds)
        elapsed = time.monotonic() - began
        used = {name: cpu_seconds(processes[name].pid) - used[name] for name in used}
        chunks, times = list(watch.chunks), np.array(watch.commands)
        watch.watch(1.2)
        after = watch.diagnostics['/policy_node: policy']
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGINT)
        for process in processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10.0)
            process.kill()
        watch.close()
    # One call per chunk, one at a time: a chunk's call is the last that ended before it came out.
    offset = time.time_ns() - time.monotonic_ns()
    calls, joints = read_calls(log), np.load(stamps)
    latency, wait, policy = [], [], []
    for _, stamp, published in chunks:
        call = np.searchsorted(calls[:, 0] + offset, published) - 1
        latency.append((published - stamp) / 1e6)
        policy.append(calls[call, 1] / 1e6)
        # One period is waited for; past that the last sample is held.
        after_frame = joints[np.searchsorted(joints, stamp)] - stamp
        wait.append(min(after_frame / 1e6, JOINT_PERIOD_MS))
    latency, wait, policy = np.array(latency), np.array(wait), np.array(policy)
    lost = int(chunks[-1][0]) - int(chunks[0][0]) + 1 - len(chunks)
    counters = ('frames without observation', 'requests failed')
    dropped = lost + sum(int(after[name]) - int(before[name]) for name in counters)
    jitter = np.abs(np.diff(times) / 1e6 - CONTROL_MS)
    distributions = {
        'latency': latency,
        'wait_for_joint_sample': wait,
        'get_action': policy,
        'bare_get_action': alone,
        'floor': least,
        'overhead': latency - wait - policy,
        'overhead_from_frame': latency - policy,
        'overhead_against_bare': latency - wait - float(np.median(alone)),
        'jitter': jitter,
    }
    return {
        'images': kind,
        'chunks': len(chunks),
        'chunk_rate_hz': len(chunks) / elapsed,
        **{
            f'{name}_p{percent}_ms': float(np.percentile(values, percent))
            for name, values in distributions.items()
            for percent in (50, 99)
        },
        'dropped': dropped,
        'command_rate_hz': len(times) / elapsed,
        **{f'cpu_{name}_percent': 100 * share / elapsed for name, share in used.items()},
        **{f'node: {k}': after[k] for k in after if k.endswith('(ms)')},
    }


def main() -> int:
    """Run one role, or the whole benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0], allow_abbrev=False)
    parser.add_argument('--seconds', type=float, default=20.0, help='per kind of image')
    parser.add_argument('--role', choices=['publish', 'serve'], help='internal')
    parser.add_argument('rest', nargs='*', help='internal')
    arguments = parser.parse_args()
    if arguments.role:
        {'publish': publish, 'serve': serve}[arguments.role](*arguments.rest)
        return 0
    os.environ['ROS_DOMAIN_ID'] = '97'
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'
    profile = Path(__file__).resolve().parents[1] / 'gr00t_bringup/config/fastdds_shm.xml'
    os.environ[profile_variable()] = str(profile)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ['ROS_LOG_DIR'] = str(folder / 'ros')
        robot, checkpoint = robot_file(folder, 'CompressedImage'), folder / 'checkpoint'
        words = [
            sys.executable,
            '-m',
            'gr00t_core',
            'init-checkpoint',
            '--size',
            'tiny',
        ]
        subprocess.run([*words, '--robot', str(robot), str(checkpoint)], check=True)
        results = [
            measure(kind, folder, checkpoint, arguments.seconds)
            for kind in ('CompressedImage', 'Image')
        ]
    load = os.getloadavg()[0]
    print(f'\n{os.cpu_count()} cores, load average of the last minute {load:.1f}\n')
    for key in results[0]:
        values = [result[key] for result in results]
        texts = [f'{v:.2f}' if isinstance(v, float) else str(v) for v in values]
        print(f'{key:32} {texts[0]:>16} {texts[1]:>16}')
    keys = ('overhead_p50_ms', 'overhead_p99_ms', 'dropped', 'jitter_p99_ms')
    for kind in ('floor', 'overhead_against_bare', 'overhead_from_frame'):
        keys += (f'{kind}_p50_ms', f'{kind}_p99_ms')
    summary = {key: results[0][key] for key in keys}
    summary |= {f'raw_{key}': results[1][key] for key in keys}
    print(json.dumps({k: round(v, 2) for k, v in summary.items()}))
    return 0


if __name__ == '__main__':
    sys.exit(main())
