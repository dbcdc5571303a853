# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import json
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed (make setup)')

from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CompressedImage, JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from gr00t_core.messages.fields import stamp_ns  # noqa: E402
from gr00t_core.robot.file import load_robot  # noqa: E402
from gr00t_sim.messages import message_class  # noqa: E402
from gr00t_sim.scenes.so101.expert import Expert  # noqa: E402
from gr00t_sim.scenes.so101.scene import HOME, JOINTS  # noqa: E402
from gr00t_sim.scenes.so101.simulation import Outcome, Simulation  # noqa: E402
from gr00t_sim.scenes.so101.task import make_task  # noqa: E402

pytestmark = pytest.mark.usefixtures('gl')

FRAME_NS = 1e9 / 30
# Best effort as live consumers do, but deep: lock-step runs faster than this listener at times.
SENSOR = QoSProfile(depth=500, reliability=ReliabilityPolicy.BEST_EFFORT)
LIMIT = 20.0  # s, for anything to happen


class Listener:
    """Everything that the simulator publishes, in a node of the test's own."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('listener', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.got: dict[str, list[Any]] = defaultdict(list)
        self.robot = load_robot('so101')
        for stream in self.robot.observation_streams:
            self._listen(message_class(stream.type), stream.topic, SENSOR)
        self._listen(Clock, '/clock', SENSOR)
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._listen(String, 'sim/episode', latched)
        self._listen(String, 'robot_description', latched)
        self.command_topic = self.robot.action[0].stream.topic
        self.state_topic = self.robot.state[0].stream.topic
        self.camera_topics = [camera.stream.topic for camera in self.robot.cameras]
        self.commander: Any = None

    def _listen(self, kind: Any, topic: str, qos: Any) -> None:
        self.node.create_subscription(kind, topic, self.got[topic].append, qos)

    def until(self, condition: Callable[[], Any], limit: float = LIMIT) -> Any:
        end = time.monotonic() + limit
        while not (result := condition()):
            assert time.monotonic() < end, {topic: len(m) for topic, m in self.got.items()}
            self.executor.spin_once(timeout_sec=0.05)
        return result

    def spin(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=min(left, 0.05))

    def stamps(self, topic: str) -> list[int]:
        return [stamp_ns(message) or 0 for message in self.got[topic]]

    def clock(self) -> int:
        last = self.got['/clock'][-1].clock if self.got['/clock'] else None
        return last.sec * 10**9 + last.nanosec if last else 0

    def command(self, positions: Any, stamp: int) -> None:
        message = JointState(name=list(JOINTS), position=[float(value) for value in positions])
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
        self.commander.publish(message)

    def connect(self) -> None:
        self.commander = self.node.create_publisher(JointState, self.command_topic, 10)
        self.until(lambda: self.commander.get_subscription_count())

    def call(self, kind: Any, name: str, request: Any) -> Any:
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()

    def episodes(self, outcome: str) -> list[dict[str, Any]]:
        reports = [json.loads(message.data) for message in self.got['sim/episode']]
        return [report for report in reports if report['outcome'] == outcome]


@contextmanager
def running(environment: dict[str, str], **parameters: Any) -> Iterator[Listener]:
    """Run the node in a process of its own, and stop it as Ctrl-C does."""
    listener = Listener()
    process = start(environment, **parameters)
    try:
        yield listener
        assert process.poll() is None, process.communicate()[0]
    finally:
        process.send_signal(signal.SIGINT)
        try:
            output = process.communicate(timeout=10)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            output = process.communicate()[0]
        listener.node.destroy_node()
        rclpy.shutdown(context=listener.context)
    assert process.returncode == 0, output


def start(environment: dict[str, str], **parameters: Any) -> 'subprocess.Popen[str]':
    arguments = [part for name, value in parameters.items() for part in ('-p', f'{name}:={value}')]
    return subprocess.Popen(
        [sys.executable, '-m', 'gr00t_sim.node', '--ros-args', *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_real_time_rates_stamps_and_motion(ros_domain: dict[str, str]) -> None:
    with running(ros_domain) as sim:
        sim.connect()
        sim.until(lambda: all(sim.got[topic] for topic in sim.camera_topics))
        sim.spin(0.5)  # the queues of the start
        sim.spin(2.0)
        for topic in sim.camera_topics:
            steps = np.diff(sim.stamps(topic)) / FRAME_NS
            np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
            assert (steps > 0.5).all()
            assert np.median(steps) < 6.5, steps  # a busy machine skips pictures
        front, wrist = (set(sim.stamps(topic)) for topic in sim.camera_topics)
        assert len(front & wrist) > 0.8 * len(front)
        assert set(np.diff(sim.stamps(sim.state_topic))) == {10_000_000}
        assert abs(sim.stamps(sim.state_topic)[-1] - time.time_ns()) < 1e9
        frame: CompressedImage = sim.got[sim.camera_topics[0]][-1]
        assert frame.format == 'jpeg'
        assert frame.header.frame_id == 'front_camera_optical_frame'
        assert not sim.got['/clock']
        target = np.array(HOME) + np.array([0.4, 0.0, 0.0, 0.0, 0.3, -0.4])
        sim.command(target, time.time_ns())
        sim.until(
            lambda: np.allclose(sim.got[sim.state_topic][-1].position, target, atol=0.03), 5.0
        )


def test_lock_step_waits_for_the_command_of_each_tick(ros_domain: dict[str, str]) -> None:
    with running(ros_domain, lock_step=True, command_timeout_s=30.0) as sim:
        sim.until(lambda: sim.episodes('running'))
        sim.spin(0.5)
        assert not sim.got['/clock'], 'no node commands yet'
        sim.connect()
        topics = (*sim.camera_topics, sim.state_topic)
        now = 0
        for tick in range(5):
            sim.until(lambda before=now: sim.clock() > before)
            now = sim.clock()
            assert {sim.stamps(topic)[tick] for topic in topics} == {now}
            sim.command(HOME, now - 1)  # too old: of the tick before
            sim.spin(0.2)
            assert sim.clock() == now
            assert all(len(sim.got[topic]) == tick + 1 for topic in topics)
            sim.command(HOME, now)
        sim.until(lambda: sim.clock() > now)
        steps = np.diff(sorted({*sim.stamps(sim.state_topic)}))
        assert set(steps.tolist()) <= {33_333_333, 33_333_334}
        request = SetParameters.Request(
            parameters=[
                Parameter('seed', value=9).to_parameter_msg(),
                Parameter('instruction', value='lift the blue cube').to_parameter_msg(),
            ]
        )
        assert all(
            r.successful for r in sim.call(SetParameters, 'sim/set_parameters', request).results
        )
        before = sim.clock()
        assert sim.call(Trigger, 'sim/reset', Trigger.Request()).message == 'scene 2'
        (report,) = sim.until(lambda: [r for r in sim.episodes('running') if r['episode'] == 2])
        assert (report['seed'], report['color']) == (9, 'blue')
        sim.until(lambda: sim.clock() > before)
        assert (np.diff(sim.stamps(sim.state_topic)) > 0).all(), 'the clock goes on over a reset'
        request.parameters[1].value.string_value = 'lift both'
        sim.call(SetParameters, 'sim/set_parameters', request)
        refused = sim.call(Trigger, 'sim/reset', Trigger.Request())
        assert not refused.success
        assert 'exactly one' in refused.message


def test_lock_step_counts_time_outs(ros_domain: dict[str, str]) -> None:
    with running(ros_domain, lock_step=True, command_timeout_s=0.1, episode_limit_s=0.3) as sim:
        sim.connect()
        (report,) = sim.until(lambda: sim.episodes('none'))
        assert report['command_timeouts'] == report['ticks'] == 9
        assert report['duration_s'] == pytest.approx(0.3)
        # A late subscriber hears what the arm is made of: keys lead its tip by it.
        (description,) = sim.until(lambda: sim.got['robot_description'])
        assert all(f'<joint name="{name}"' in description.data for name in JOINTS)


def test_lock_step_waits_for_an_executor_that_is_slow_to_follow_the_first_chunk(
    ros_domain: dict[str, str],
) -> None:
    """A busy machine must not change the outcome: a late start would be a jump, and be refused."""
    from gr00t_msgs.msg import ActionChunk

    limits = {'command_timeout_s': 30.0, 'chunk_timeout_s': 30.0, 'silence_s': 0.05}
    with running(ros_domain, lock_step=True, chunk_period_s=0.2, **limits) as sim:
        policy = sim.node.create_publisher(ActionChunk, 'action_chunk', 5)
        sim.until(policy.get_subscription_count)
        sim.connect()
        frames = sim.until(lambda: sim.stamps(sim.camera_topics[0]))
        chunk = ActionChunk()
        chunk.header.stamp.sec, chunk.header.stamp.nanosec = divmod(frames[0], 10**9)
        policy.publish(chunk)
        sim.until(lambda: sim.clock() == frames[0])
        sim.spin(0.5)  # the executor takes its time
        assert sim.clock() == frames[0]
        sim.command(HOME, frames[0])
        sim.until(lambda: sim.clock() > frames[0])


def test_lock_step_over_ros_equals_lock_step_without(ros_domain: dict[str, str]) -> None:
    with running(ros_domain, lock_step=True, expert=True, seed=3, disturbance=0.02) as sim:
        sim.until(lambda: sim.episodes('success') and sim.got[sim.state_topic])
        sim.call(Trigger, 'sim/reset', Trigger.Request())  # now everybody listens
        report = sim.until(lambda: [r for r in sim.episodes('success') if r['episode'] == 2])[0]
        ticks = [
            round((stamp - report['start_ns']) / FRAME_NS) for stamp in sim.stamps(sim.state_topic)
        ]
        states = dict(zip(ticks, sim.got[sim.state_topic]))
    assert report['command_timeouts'] == 0
    simulation = Simulation(disturbance=0.02)
    simulation.reset(3, make_task('red'))
    expert = Expert(simulation, 3, 1.0 / 30.0)
    seen = 0
    for tick in range(round(report['duration_s'] * 30)):
        assert simulation.outcome is Outcome.NONE
        state = states.get(tick)
        if state is not None:  # best effort: one may be lost
            assert list(state.position) == simulation.joint_positions().tolist(), tick
            seen += 1
        simulation.step(expert.act())
    assert simulation.outcome is Outcome.SUCCESS
    assert seen > 0.9 * tick


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({'instruction': '"pick up the green cube"'}, 'name exactly one of the colors'),
        ({'lock_step': True, 'tick_hz': 50}, 'no multiple of the camera rate'),
        ({'use_sim_time': True}, 'use_sim_time:=false'),
        ({'robot': 'so102'}, 'so101'),
    ],
)
def test_what_does_not_fit_ends_the_node_with_a_reason(
    ros_domain: dict[str, str], parameters: dict[str, Any], message: str
) -> None:
    process = start(ros_domain, **parameters)
    output, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, output
    assert message in output
    assert 'Traceback' not in output


@pytest.mark.parametrize('lock_step', [False, True])
def test_the_expert_goes_from_scene_to_scene(ros_domain: dict[str, str], lock_step: bool) -> None:
    """Short episodes stand for whole ones: each ends, and the next seed's begins."""
    parameters = {'expert': True, 'next_after_s': 0.5, 'episode_limit_s': 1.0, 'seed': 7}
    with running(ros_domain, lock_step=lock_step, **parameters) as sim:
        sim.until(lambda: sim.episodes('running')[2:])
        seeds = [report['seed'] for report in sim.episodes('running')]
        assert seeds == list(range(7, 7 + len(seeds)))
        ended = [report['seed'] for report in sim.episodes('none')]
        assert ended == seeds[: len(ended)]

        def moved() -> bool:
            seen = [message.position for message in sim.got[sim.state_topic]]
            return len(seen) > 1 and bool(np.ptp(seen, axis=0).max() > 0.05)

        sim.until(moved)  # the joint states may be discovered seconds after the episodes


INTERRUPTED = """
import ctypes, os, signal, sys, time
from gr00t_sim import node
from gr00t_sim.scenes.so101 import simulation
class Converted:
    @classmethod
    def from_param(cls, value):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)  # here a handler runs; ctypes makes an ArgumentError of what it raises
        return ctypes.c_int(value)
function = ctypes.CDLL(None).abs
function.argtypes = [Converted]
render = simulation.Simulation.render
def interrupted(self, camera):
    function(1)
    return render(self, camera)
simulation.Simulation.render = interrupted
sys.exit(node.main())
"""


def test_ctrl_c_inside_a_call_to_opengl_ends_the_node_in_order(ros_domain: dict[str, str]) -> None:
    words = [sys.executable, '-c', INTERRUPTED, '--ros-args']
    words += ['-p', 'lock_step:=true', '-p', 'expert:=true']
    done = subprocess.run(words, env=ros_domain, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, done.stderr
    assert 'Traceback' not in done.stderr
