# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record episodes on the robot: one bag each, started and stopped by services, keys or a joystick.

Messages are never read but written as they came; a thread of the bag's writes them. One message
of each topic is looked into at the start of an episode, and rates and clocks are watched all the
time, so that a wrong setup is seen before an hour of it is recorded.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
import signal
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from sensor_msgs.msg import Joy

from gr00t_core.errors import BagError, Gr00tError
from gr00t_core.robot import load_robot, NANOSECONDS, Stream
from gr00t_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from gr00t_ros.parameters import Allowed, declare
from gr00t_ros.start import initialize
from rosbag_tools.bag import header_ns
from rosbag_tools.definitions import deserialize, has_header, installed_types
from rosbag_tools.episode_bag import RecordedTopic
from rosbag_tools.session import Session
from rosbag_tools.stream_watch import check_message, StreamWatch, Watched

# Parameter → (default, what it does, range of numbers or None).
DECLARATIONS: dict[str, tuple[Any, str, Allowed]] = {
    'robot': ('', 'name of a shipped robot description, or the path of one; required', None),
    'output': ('episodes', 'folder that gets one bag per episode', None),
    'instruction': ('', "where StartEpisode gives none; empty: the robot file's", None),
    'tags': ([''], 'of episodes that are started by key or button', None),
    'extra_topics': ([''], 'recorded beside the topics of the robot file', None),
    'zstd': (False, 'compress the messages', None),
    'bag_version': (9, 'rosbag2 metadata version: 9, or 8 for Humble and Iron', (8, 9)),
    'min_free_gb': (1.0, 'free disk space in GB below which an episode is ended', (0.0, 1e6)),
    'joy_topic': ('', 'sensor_msgs/Joy topic whose buttons start and end episodes', None),
    'joy_start': (0, 'button that starts an episode', (0, 63)),
    'joy_success': (1, 'button that ends it as a success', (0, 63)),
    'joy_failure': (2, 'button that ends it as a failure', (0, 63)),
    'joy_discard': (3, 'button that discards it', (0, 63)),
}
# A queue holds what comes while the executor is busy; a simulation in lock-step runs ahead.
QUEUE_S = 4.0
SMALLEST_QUEUE = 50
EXTRA_QUEUE = 200
MATCH_S = 0.25
# A topic that brought a message within this time is there.
RECENT_S = 1.0


class Recorder(Node):
    """The recorder: subscribed from the start, writing while an episode is under way."""

    def __init__(self, **overrides: Any) -> None:
        """Subscribe and offer the services; `overrides` are values of parameters."""
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        super().__init__('recorder', parameter_overrides=given)
        self.listener: Callable[[str, str], None] = lambda level, text: None
        p = declare(self, DECLARATIONS)
        self.robot = load_robot(p['robot'])
        self.tags = [tag for tag in p['tags'] if tag]
        self._instruction = p['instruction']
        self._use_sim_time = bool(self.get_parameter('use_sim_time').value)
        self.session = Session(
            Path(p['output']).expanduser(),
            self.robot,
            bag_version=p['bag_version'],
            zstd=p['zstd'],
            min_free_bytes=round(p['min_free_gb'] * 1e9),
        )
        streams = [*self.robot.observation_streams, *(g.stream for g in self.robot.action)]
        self._feeds: dict[str, _Feed] = {
            stream.topic: _Feed(stream.topic, stream.type, stream) for stream in streams
        }
        self._extra = [topic for topic in p['extra_topics'] if topic]
        self._store = installed_types(tuple(self.robot.topics.values()))
        for kind, name, answer in (
            (StartEpisode, 'start_episode', self._on_start),
            (StopEpisode, 'stop_episode', self._on_stop),
            (DiscardEpisode, 'discard_episode', self._on_discard),
        ):
            self.create_service(kind, f'~/{name}', answer)
        self._pressed: tuple[int, ...] = ()
        self._buttons = {
            p[f'joy_{name}']: name for name in ('start', 'success', 'failure', 'discard')
        }
        if p['joy_topic']:
            self.create_subscription(Joy, p['joy_topic'], self._on_joy, 10)
        self._match()
        self.create_timer(MATCH_S, self._match)
        self.create_timer(1.0, self._every_second)
        self._say(
            'info',
            f'ready to record {self.robot.name} to {self.session.output.resolve()};'
            f' {self.session.free_bytes / 1e9:.0f} GB left',
        )

    def start(self, instruction: str, tags: Sequence[str]) -> str:
        """Begin an episode; return a remark, '' when there is nothing to say.

        Raises:
            BagError: A camera frame or state is missing, or see `Session.start`.
        """
        self._match()
        missing = [f.topic for f in self._feeds.values() if not f.is_alive(self.now_ns())]
        state = {group.stream.topic for group in self.robot.state}
        needed = {self.robot.reference.stream.topic, *state}
        if self._use_sim_time and not self.now_ns():
            raise BagError('use_sim_time is set, but there is no /clock')
        if refused := [topic for topic in missing if topic in needed]:
            raise BagError(f'nothing comes on {", ".join(refused)}; start its publishers')
        remarks = [f'nothing comes on {topic}' for topic in missing]
        for feed in self._feeds.values():
            remarks += feed.check(self.robot, self._store)
            feed.watch.begin()
        name = self.session.start(instruction or self._instruction, tags)
        self._say('info', f'recording {name}')
        for remark in remarks:
            self._say('warning', remark)
        return '; '.join(remarks)

    def stop(self, success: bool | None, note: str = '') -> Path:
        """Complete the episode, log its summary and return its folder; see `Session.stop`."""
        bag = self.session.bag
        path = self.session.stop(success, note)
        assert bag is not None
        outcome = {True: 'success', False: 'failure', None: 'no outcome'}[success]
        lines = [f'{path}: {outcome}, {bag.written} messages, {bag.bytes / 1e6:.1f} MB']
        for seen in self.report():
            gap = f', longest gap {seen.longest_gap_s * 1e3:.0f} ms' if seen.messages > 1 else ''
            expected = '' if seen.expected_hz is None else f' of {seen.expected_hz:g}'
            lines.append(
                f'  {seen.topic}: {seen.messages} messages, {seen.rate_hz:g}{expected} Hz{gap}'
            )
        self._say('info', '\n'.join(lines))
        if bag.dropped:
            self._say('error', f'{bag.dropped} messages dropped: the disk is too slow')
        return path

    def discard(self, reason: str) -> Path:
        """Move the episode to the trash; see `Session.discard`."""
        path = self.session.discard(reason)
        self._say('info', f'discarded: {path}')
        return path

    def command(self, name: str) -> None:
        """Do what a key or button stands for: start, success, failure or discard."""
        actions: dict[str, Callable[[], Any]] = {
            'start': lambda: self.start('', self.tags),
            'success': lambda: self.stop(True),
            'failure': lambda: self.stop(False),
            'discard': lambda: self.discard('by key or button'),
        }
        self._attempt(actions[name])

    def report(self) -> list[Watched]:
        """Return how each topic does."""
        return [feed.watch.report(self.now_ns()) for feed in self._feeds.values()]

    def now_ns(self) -> int:
        """Return the node's time: of the system, or of the simulation."""
        return int(self.get_clock().now().nanoseconds)

    def close(self) -> None:
        """Keep what is being recorded: the node ends."""
        if self.session.bag is not None:
            self.stop(None, 'the recorder was stopped')

    def _every_second(self) -> None:
        reason = self.session.out_of_space()
        if reason is not None:
            self._say('error', f'recording stops: {reason}')
            self._attempt(lambda: self.stop(None, reason))
        for feed in self._feeds.values():
            trouble = feed.watch.report(self.now_ns()).trouble
            if trouble != feed.trouble:
                if trouble:
                    self._say('warning', f'{feed.topic}: {trouble}')
                elif feed.trouble is not None:
                    self._say('info', f'{feed.topic}: well again')
                feed.trouble = trouble

    def _match(self) -> None:
        """Subscribe to every topic, and anew where its publishers changed.

        Not while an episode is recorded: messages are lost meanwhile.
        """
        if self.session.bag is not None:
            return
        self._find_extra()
        for feed in self._feeds.values():
            topic = self.resolve_topic_name(feed.topic)
            offered = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
            if feed.recorded is None or offered:
                definition, _ = self._store.generate_msgdef(feed.type, ros_version=2)
                digest = self._store.hash_rihs01(feed.type)
                qos = tuple(_recorded_qos(each) for each in offered)
                feed.recorded = RecordedTopic(topic, feed.type, definition, digest, qos)
            profile = _matched(offered, feed.stream)
            asked = (profile.reliability, profile.durability)
            if feed.subscription is not None and (not offered or asked == feed.asked):
                continue
            if feed.subscription is not None:
                self.destroy_subscription(feed.subscription)
                feed.last = None  # it is there when a message comes by the new one
            feed.asked = asked
            feed.stamped = has_header(self._store, feed.type)
            feed.subscription = self.create_subscription(
                _message_class(feed.type), feed.topic, self._taker(feed), profile, raw=True
            )

    def _find_extra(self) -> None:
        """Add extra topics once somebody publishes them: only then is their type known."""
        if not self._extra:
            return
        types = dict(self.get_topic_names_and_types())
        for topic in list(self._extra):
            kinds = types.get(self.resolve_topic_name(topic), [])
            if len(kinds) == 1:
                self._extra.remove(topic)
                self._feeds.setdefault(topic, _Feed(topic, kinds[0], None))
                self._store = installed_types(tuple({f.type for f in self._feeds.values()}))

    def _taker(self, feed: '_Feed') -> Callable[[bytes, Any], None]:
        def take(raw: bytes, info: Any) -> None:
            # When the middleware received it: a busy executor does not make it later.
            log_ns = self.now_ns() if self._use_sim_time else int(info['received_timestamp'])
            assert feed.recorded is not None
            self.session.put(feed.recorded, log_ns, raw)
            feed.last = raw
            feed.last_ns = log_ns
            feed.watch.add(log_ns, header_ns(raw) if feed.stamped else None)

        return take

    def _on_start(self, request: Any, response: Any) -> Any:
        def start() -> str:
            return self.start(request.instruction, request.tags)

        response.success, response.message = self._attempt(start)
        response.episode = self.session.bag.path.name if self.session.bag else ''
        return response

    def _on_stop(self, request: Any, response: Any) -> Any:
        bag = self.session.bag
        response.ok, response.message = self._attempt(
            lambda: self.stop(request.success, request.note)
        )
        response.episode = bag.path.name if bag else ''
        return response

    def _on_discard(self, request: Any, response: Any) -> Any:
        done: list[Path] = []
        response.ok, response.message = self._attempt(
            lambda: done.append(self.discard(request.reason))
        )
        response.episode = done[0].name if done else ''
        return response

    def _on_joy(self, message: Any) -> None:
        pressed = [
            number
            for number, value in enumerate(message.buttons)
            if value and number not in self._pressed
        ]
        self._pressed = tuple(number for number, value in enumerate(message.buttons) if value)
        for number in pressed:
            if number in self._buttons:
                self.command(self._buttons[number])

    def _say(self, level: str, text: str) -> None:
        # rclpy ties a place that logs to one level.
        if level == 'error':
            self.get_logger().error(text)
        elif level == 'warning':
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)
        self.listener(level, text)

    def _attempt(self, action: Callable[[], Any]) -> tuple[bool, str]:
        try:
            remark = action()
        except (Gr00tError, OSError) as error:
            self._say('error', str(error))
            return False, str(error)
        return True, remark if isinstance(remark, str) else ''


class _Feed:
    """One topic: its subscription and the last message."""

    def __init__(self, topic: str, kind: str, stream: Stream | None) -> None:
        self.topic = topic
        self.type = kind
        self.stream = stream
        self.watch = StreamWatch(topic, stream)
        self.subscription: Subscription | None = None
        self.asked: Any = None
        self.recorded: RecordedTopic | None = None
        self.stamped = False
        self.trouble: str | None = None  # not looked at yet
        self.last: bytes | None = None
        self.last_ns = 0

    def is_alive(self, now_ns: int) -> bool:
        """Return whether a message came lately; an extra topic need not have."""
        periods_ns = 0 if self.stream is None else 3 * NANOSECONDS / self.stream.rate_hz
        recent_ns = max(RECENT_S * NANOSECONDS, periods_ns)
        return self.stream is None or (
            self.last is not None and now_ns - self.last_ns <= recent_ns
        )

    def check(self, robot: Any, store: Any) -> list[str]:
        """Return what is wrong with the last message."""
        if self.last is None or self.stream is None:
            return []
        return check_message(robot, self.topic, deserialize(store, self.last, self.type))


def _matched(offered: Sequence[QoSProfile], stream: Stream | None) -> QoSProfile:
    """Return a profile that all the publishers match; best effort while there are none."""
    reliable = bool(offered) and all(
        profile.reliability == ReliabilityPolicy.RELIABLE for profile in offered
    )
    latched = bool(offered) and all(
        profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for profile in offered
    )
    depth = EXTRA_QUEUE if stream is None else max(round(stream.rate_hz * QUEUE_S), SMALLEST_QUEUE)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _recorded_qos(profile: QoSProfile) -> Qos:
    return Qos(
        QosHistory(int(profile.history)),
        int(profile.depth),
        QosReliability(int(profile.reliability)),
        QosDurability(int(profile.durability)),
        _qos_time(profile.deadline),
        _qos_time(profile.lifespan),
        QosLiveliness(int(profile.liveliness)),
        _qos_time(profile.liveliness_lease_duration),
        bool(profile.avoid_ros_namespace_conventions),
    )


def _qos_time(duration: Duration) -> QosTime:
    return QosTime(*divmod(int(duration.nanoseconds), NANOSECONDS))


def _message_class(type_name: str) -> Any:
    package, kind, name = type_name.split('/')
    try:
        return getattr(import_module(f'{package}.{kind}'), name)
    except (ImportError, AttributeError) as error:
        raise BagError(
            f'{type_name} is not installed: {error}; install {package} or leave out its topic'
        ) from None


def run(
    overrides: Mapping[str, Any] | None = None,
    front_end: Callable[[Recorder], None] | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the node until it is stopped.

    Args:
        overrides: Values of parameters, and `use_sim_time`.
        front_end: Called with the node before it spins.
        arguments: ROS arguments, None for those of the process.
    """
    initialize('recorder', None if arguments is None else list(arguments))
    # Own handlers, that let a message be written to its end: those of rclpy end the context first,
    # in which nothing can be waited for or said any more.
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: signals.append(number))
    executor = SingleThreadedExecutor()
    node = None
    try:
        node = Recorder(**(overrides or {}))
        if front_end is not None:
            front_end(node)
        executor.add_node(node)
        while not signals:
            executor.spin_once(timeout_sec=0.2)
    except KeyboardInterrupt:  # the front end is told to quit
        pass
    finally:
        executor.shutdown()
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def main() -> None:
    """Run the recorder as a node of its own."""
    try:
        run()
    except Gr00tError as error:
        raise SystemExit(f'recorder: {error}') from None


if __name__ == '__main__':
    main()
