# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Follow action chunks with the robot: the only node of the suite that commands it.

The node carries messages; what to command is decided by `ExecutorCore`. One thread does all, and
nothing slow. `run` calls `control` once per period of the steady clock, which reads all topics and
commands; rclpy's executor gets its turn for services and diagnostics only now and then, because
each turn costs more than a command (decision 0017). With `use_sim_time` a timer on `/clock` calls
`control`, so that commands are in step with the simulation, and messages wake the node.
"""

from collections import Counter
from collections.abc import Callable
import contextlib
import functools
import gc
from itertools import islice
import os
from pathlib import Path
import signal
from threading import current_thread, Event, main_thread
import time
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from gr00t_core.errors import Gr00tError, ObservationError
from gr00t_core.messages.fields import read_carried, single, stamp_ns
from gr00t_core.robot.description import ActionGroup, NANOSECONDS, StateGroup, Stream
from gr00t_core.robot.file import load_robot
from gr00t_msgs.msg import ActionChunk, CommandSource
from gr00t_policy_node.executor import command_source
from gr00t_policy_node.executor import parameters as executor_parameters
from gr00t_policy_node.executor.admission import ReceivedChunk
from gr00t_policy_node.executor.core import Command, ExecutorCore
from gr00t_policy_node.executor.entrance import Refusal
from gr00t_policy_node.executor.lines import lines
from gr00t_policy_node.executor.modes import Mode
from gr00t_policy_node.executor.outputs import message_class, outputs_of, to_time
from gr00t_policy_node.executor.ownership import beside, Names, Senders
from gr00t_policy_node.executor.pace import Pace
from gr00t_policy_node.executor.senders import gid_of, Queue
from gr00t_ros import diagnostics
from gr00t_ros.polling import take_all, Unwaited
from gr00t_ros.start import initialize

# In simulated time a step of /clock may span several control periods; no more are made up for.
MOST_PERIODS = 100
# Several publishers may share a topic: a fast one must not push out what a slow one sent.
STREAM = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)
# How often services, diagnostics and discovery get their turn.
SERVING_NS = NANOSECONDS // 20
# How often the graph is looked at: counts, which cost little, and the names behind them.
COUNTING_NS, NAMING_NS = NANOSECONDS // 10, NANOSECONDS
# After its start the executor waits so long for other nodes to be discovered before it commands:
# DDS needs 10 ms or up to 3 s. For the names of the nodes behind publishers it waits longer.
DISCOVERY_NS, NAMES_NS = 3 * NANOSECONDS, 6 * NANOSECONDS
DISCOVERING = 'looking for other nodes that command the robot'
# How long another thread that ends the ROS context waits for the robot to be stopped.
LONGEST_WAIT_S = 30.0
# Warnings of one topic's messages come this seldom, and so many reasons are counted apart.
COMPLAINT_NS, MOST_REASONS = 5 * NANOSECONDS, 20
# A flood of messages must not keep the robot from being commanded.
MOST_BUTTONS, MOST_CHUNKS, MOST_MESSAGES = 2000, 20, 200


class ExecutorNode(Node):
    """The node `chunk_executor`."""

    def __init__(self, context: Context | None = None) -> None:
        super().__init__('chunk_executor', context=context)
        settings = executor_parameters.declare(self)
        self.robot = load_robot(self.get_parameter('robot').value)
        self.core = ExecutorCore(self.robot, settings)
        self.shadow = bool(self.get_parameter('shadow').value)
        self.sim_time = bool(self.get_parameter('use_sim_time').value)
        if self.sim_time:
            self.core.measured.believe_leaps()
        self._outputs = [
            (
                output,
                self.create_publisher(
                    output.message_class,
                    f'~/shadow/{output.topic}' if self.shadow else output.topic,
                    QoSProfile(depth=1),
                    event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
                ),
            )
            for output in outputs_of(self.robot, self.core.layout, self.core.period_ns)
        ]
        topic = f'~/shadow/{command_source.TOPIC}' if self.shadow else command_source.TOPIC
        self._source = self.create_publisher(CommandSource, topic, 10)
        self._said = CommandSource()  # reused: one is published per control period
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._logged = self.core.mode
        self._last_tick_ns: int | None = None  # node clock
        self._last_wall_ns: int | None = None
        self._last_report_ns = time.monotonic_ns()
        self._ticks = self._sent = self._chunks = 0
        self._lost_chunks = 0
        self._unreadable: Counter[str] = Counter()  # topic and reason → messages
        self._complained_ns: dict[str, int] = {}
        self._last_sequence: int | None = None
        self._last_error = ''
        self._jitter_ms = diagnostics.Window()
        self._pace = Pace(self.core.period_ns)
        self._latency_ms = diagnostics.Window(256)
        self._polled: list[Subscription] = []
        self._buttons: list[tuple[str, Queue]] = []
        self._senders, self._names = Senders(), Names(NAMES_NS)
        self._allowed = bool(self.get_parameter('allow_other_publishers').value)
        # Topics on which another publisher counts, as they are called after remapping.
        commands = [] if self.shadow else [output.topic for output, _ in self._outputs]
        self._chunk_topic, *self._command_topics = map(
            self.resolve_topic_name, ['action_chunk', *commands]
        )
        self._button_topics = {
            topic: self.resolve_topic_name(topic) for topic in self.core.settings.e_stop_topics
        }
        self._counts: list[int] = []
        self._counted_ns = self._named_ns = self._began_ns = time.monotonic_ns()
        self._rival = ''
        self._has_unnamed = self._has_settled = False
        self._subscribe()
        self._watch_graph()
        self.create_service(Trigger, '~/rearm', self._on_rearm)
        self.create_service(Trigger, '~/stop', self._on_stop)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        if self.sim_time:
            self.create_timer(self.core.period_ns / NANOSECONDS, self.control)
        self.create_timer(1.0, self._on_report, clock=steady)
        for line in lines(self.core, self.shadow):
            self.get_logger().info(line)
        if self.sim_time:
            self.get_logger().info(
                'use_sim_time: limits hold per second of /clock; do not use it with a real robot'
            )

    @property
    def now_ns(self) -> int:
        """Return the time of the node's clock."""
        return int(self.get_clock().now().nanoseconds)

    @property
    def silent(self) -> bool:
        """Return whether nothing is commanded any more."""
        return self.core.silent

    def _subscribe(self) -> None:
        # In the order in which they are read: a chunk is held against the newest state.
        states: dict[tuple[str, str], list[StateGroup]] = {}
        for name in sorted(self.core.measured.needed):
            group = self.robot.state_group(name)
            states.setdefault((group.stream.topic, group.stream.type), []).append(group)
        for (topic, kind), groups in states.items():
            message = message_class(kind, f'{self.robot.source}: {topic}')
            self._poll(message, topic, self._reader(groups, self._measure), STREAM)
        for output, _ in self._outputs:
            take = self._reader(output.groups, self._teleoperate)
            self._poll(output.message_class, f'teleop/{output.topic}', take, STREAM)
        if self.sim_time:
            # This one wakes the node. It does not tell who sent a chunk: the queue below does.
            take = QoSProfile(depth=5)
            self._poll(ActionChunk, 'action_chunk', lambda m, _: self._on_chunk(m), take)
        self._chunk_queue = self._queue(ActionChunk, 'action_chunk', QoSProfile(depth=20))
        self._button_qos: set[tuple[str, ReliabilityPolicy, DurabilityPolicy]] = set()
        self._listen_to_buttons()

    def _listen_to_buttons(self, _: Any = None) -> None:
        """Hear the e-stop whatever its publishers offer, and a value latched before the start.

        A transient-local subscription gets the latched value but nothing from a volatile
        publisher, a reliable one nothing from a best-effort publisher: so there is one for each
        kind that is found. They keep all messages: a short press must not be pushed out.
        """
        events = SubscriptionEventCallbacks(
            matched=self._listen_to_buttons, incompatible_qos=self._listen_to_buttons
        )
        for topic, resolved in self._button_topics.items():
            wanted = {(topic, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)}
            for found in self.get_publishers_info_by_topic(resolved):
                wanted.add((topic, found.qos_profile.reliability, found.qos_profile.durability))
            for key in sorted(wanted - self._button_qos):
                self._button_qos.add(key)
                qos = QoSProfile(
                    history=HistoryPolicy.KEEP_ALL, reliability=key[1], durability=key[2]
                )
                self._buttons.append((topic, self._queue(Bool, topic, qos, events)))

    def _queue(self, kind: Any, topic: str, qos: QoSProfile, events: Any = None) -> Queue:
        """Subscribe to a topic whose queue is read together with the senders."""
        return Queue(
            self.create_subscription(
                kind,
                topic,
                lambda _: None,
                qos,
                callback_group=Unwaited(),
                event_callbacks=events or SubscriptionEventCallbacks(use_default_callbacks=False),
            )
        )

    def _poll(
        self, kind: Any, topic: str, callback: Callable[[Any, Any], None], qos: QoSProfile
    ) -> None:
        """Subscribe to a topic that `control` reads; in simulated time it also wakes the node."""
        self._polled.append(
            self.create_subscription(
                kind,
                topic,
                callback,
                qos,
                callback_group=None if self.sim_time else Unwaited(),
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            )
        )

    def _reader(
        self,
        groups: list[StateGroup] | tuple[ActionGroup, ...],
        take: Callable[[Any, Any, Any, dict[str, Any], int], Refusal | None],
    ) -> Callable[[Any, Any], None]:
        """Return a callback that reads each group that a message carries."""

        def read(message: Any, info: dict[str, Any]) -> None:
            now_ns = self.now_ns
            for group in groups:
                try:
                    sample = read_carried(message, group)
                    if sample is None:
                        continue  # another publisher's joints
                    values = single(sample, group)
                except ObservationError as error:
                    self._count_unreadable(f'{group.stream.topic}: {error.reason}')
                    self._last_error = str(error)
                    self._complain(group.stream.topic, f'unreadable: {error}')
                    continue
                refusal = take(group, values, message, info, now_ns)
                if refusal is not None:
                    self._last_error = f'{group.stream.topic}: {group.name}: {refusal}'
                    self._complain(group.stream.topic, f'dropped: {self._last_error}')
            self._start_in_step()

        return read

    def _count_unreadable(self, reason: str) -> None:
        is_kept = reason in self._unreadable or len(self._unreadable) < MOST_REASONS
        self._unreadable[reason if is_kept else 'other reasons'] += 1

    def _complain(self, topic: str, text: str) -> None:
        """Warn about a topic's messages, seldom: rclpy's throttle costs 0.3 ms per message."""
        now_ns = time.monotonic_ns()
        if now_ns - self._complained_ns.get(topic, -COMPLAINT_NS) >= COMPLAINT_NS:
            self._complained_ns[topic] = now_ns
            self.get_logger().warning(text)

    def _measure(
        self, group: StateGroup, values: Any, message: Any, info: dict[str, Any], now_ns: int
    ) -> Refusal | None:
        placed_ns = _placed_ns(message, group.stream, now_ns, info['received_timestamp'])
        return self.core.measure(group.name, values, now_ns, placed_ns + group.stream.offset_ns)

    def _teleoperate(
        self, group: ActionGroup, values: Any, message: Any, info: dict[str, Any], now_ns: int
    ) -> Refusal | None:
        # A person's wish counts from when it was sent: one that waited in a queue is old.
        key = 'received_timestamp' if group.stream.stamp == 'log' else 'source_timestamp'
        placed_ns = _placed_ns(message, group.stream, now_ns, info[key])
        return self.core.teleoperate(group.name, values, now_ns, placed_ns)

    def _on_chunk(self, message: Any) -> None:
        stamp, step = message.header.stamp, message.step
        received = ReceivedChunk(
            stamp_ns=stamp.sec * NANOSECONDS + stamp.nanosec,
            step_ns=step.sec * NANOSECONDS + step.nanosec,
            embodiment=message.embodiment,
            names=tuple(message.names),
            horizon=message.horizon,
            width=message.width,
            data=np.array(message.data, np.float32),
            sequence=message.sequence,
        )
        now_ns = self.now_ns
        self._chunks += 1
        self._latency_ms.add((now_ns - received.stamp_ns) * 1e-6)
        if self._last_sequence is not None and received.sequence > self._last_sequence:
            self._lost_chunks += received.sequence - self._last_sequence - 1
        self._last_sequence = received.sequence
        if self.core.offer(received, now_ns) is not None:
            refused, offered = self.core.rejections.total(), self.core.accepted
            self._complain(
                self._chunk_topic,
                f'chunk {received.sequence} rejected: {self.core.refusal}'
                f' ({refused} of {refused + offered} so far)',
            )
        self._start_in_step()

    def _read_buttons(self) -> None:
        for topic, queue in self._buttons:
            for message, _, sender in queue.take(MOST_BUTTONS):
                self.core.e_stop(bool(message.data), self.now_ns, topic, sender)
        self._log()

    def _watch_graph(self) -> None:
        """Look now and then who else publishes what only this node, or one policy, may."""
        wall_ns = time.monotonic_ns()
        limit_ns = NAMES_NS if self._has_unnamed else DISCOVERY_NS
        self._has_settled |= self.sim_time or wall_ns - self._began_ns >= limit_ns
        settling = not self._has_settled
        if self._counts and wall_ns - self._counted_ns < COUNTING_NS:
            return
        self._counted_ns = wall_ns
        topics = [self._chunk_topic, *self._command_topics, *self._button_topics.values()]
        counts = [self.count_publishers(topic) for topic in topics]
        naming_ns = COUNTING_NS if self._has_unnamed else NAMING_NS
        if counts != self._counts or wall_ns - self._named_ns >= naming_ns:
            self._counts, self._named_ns = counts, wall_ns
            self._rival = self._find_rival()
            for topic, resolved in self._button_topics.items():
                listed = self.get_publishers_info_by_topic(resolved)
                self.core.buttons.present(topic, {gid_of(p) for p in listed}, self.now_ns)
        rival = '' if self._allowed else self._rival or (DISCOVERING if settling else '')
        if rival != self.core.rival:
            self.core.rival = rival
            if self._rival:
                self.get_logger().error(f'{rival}; the robot is not commanded')
            elif not settling:
                self.get_logger().info('no other node commands the robot')

    def _find_rival(self) -> str:
        own = self.get_fully_qualified_name()
        self._has_unnamed = False
        for topic in (self._chunk_topic, *self._command_topics):
            endpoints = self.get_publishers_info_by_topic(topic)
            found, waits = self._names.publishers(endpoints, time.monotonic_ns())
            self._has_unnamed |= waits
            if topic == self._chunk_topic:
                nodes = self._senders.rivals(found)
                if nodes:
                    return f'{topic} is published by {" and ".join(nodes)}: end all but one'
                continue
            others = beside(own, found)
            if others:
                return (
                    f'{topic} is also published by {" and ".join(others)}: end it (a killed node'
                    ' stays known for some seconds), or set allow_other_publishers'
                )
        return ''

    def _on_rearm(self, _: Any, response: Any) -> Any:
        self._read_buttons()
        refusal = self.core.rearm(self.now_ns)
        response.success = refusal is None
        response.message = refusal or 're-armed: the next fresh chunk moves the robot'
        return response

    def _on_stop(self, _: Any, response: Any) -> Any:
        self.core.latch('stopped by the service ~/stop')
        self._log()
        response.success, response.message = True, 'stopped; ~/rearm releases'
        return response

    def _start_in_step(self) -> None:
        """In simulated time, start at this instant: /clock may wait for the first command."""
        if self.sim_time and self.core.mode is Mode.WAITING and self._last_tick_ns is not None:
            self._tick(self._last_tick_ns)

    def control(self) -> None:
        """Read what came and command the robot; once per control period.

        What can wait is done after the command: it must not come between the clock and the robot.
        """
        self._pace.begin(time.monotonic_ns())
        self._read_buttons()
        for subscription in self._polled:
            for message, info in islice(take_all(subscription), MOST_MESSAGES):
                subscription.callback(message, info)
        for message, _, sender in self._chunk_queue.take(MOST_CHUNKS):
            self._senders.heard(sender)
            if not self.sim_time:
                self._on_chunk(message)
        wall_ns = time.monotonic_ns()
        if self._last_wall_ns is not None:
            late_ns = wall_ns - self._last_wall_ns - self.core.period_ns
            self._jitter_ms.add(abs(late_ns) * 1e-6)
        self._last_wall_ns = wall_ns
        self._command()
        self._watch_graph()

    def _command(self) -> None:
        now_ns = self.now_ns
        last_ns, self._last_tick_ns = self._last_tick_ns, now_ns
        if not self.sim_time:
            self._tick(now_ns)
            return
        # A step of /clock that spans several control periods moves the robot by as many.
        spanned = 1 if last_ns is None else round((now_ns - last_ns) / self.core.period_ns)
        for ahead in range(min(max(spanned, 1), MOST_PERIODS) - 1, -1, -1):
            self._tick(now_ns - ahead * self.core.period_ns, publish=ahead == 0)

    def _tick(self, now_ns: int, publish: bool = True) -> None:
        if self.core.mode is Mode.WAITING and not self.shadow:
            unheard = (o.topic for o, p in self._outputs if not p.get_subscription_count())
            self.core.unheard = next(unheard, '')
        command = self.core.tick(now_ns)
        self._ticks += 1
        if command is not None:
            self._publish(command, publish)
        self._log()

    def _publish(self, command: Command, publish: bool) -> None:
        if not self.sim_time:
            time.sleep(self._pace.wait_ns(time.monotonic_ns()) * 1e-9)
        for output, publisher in self._outputs:
            names = {group.name for group in output.groups}
            due = not command.due.isdisjoint(names) if output.per_step else publish
            if due and names <= command.groups:
                publisher.publish(output.fill(command))
                self._sent += 1
        if publish:
            self._said.header.stamp = to_time(command.stamp_ns)
            self._said.source = command_source.source_of(self.core.mode)
            self._source.publish(self._said)

    def _log(self) -> None:
        """Log and report a change of the mode, once."""
        if self.core.mode is self._logged:
            return
        self._logged = self.core.mode
        text = f'{self.core.mode.value}: {self.core.reason}'
        if self.core.mode in (Mode.STOPPING, Mode.ESTOPPED):
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)
        self._report()

    def _on_report(self) -> None:
        gc.collect()  # 1 ms after main() froze what was there; it switched off all other ones
        self._report()
        self._ticks = self._sent = self._chunks = 0
        self._last_report_ns = time.monotonic_ns()

    def _report(self) -> None:
        """Publish what happened, on `/diagnostics`."""
        core = self.core
        now_ns = self.now_ns
        seconds = max((time.monotonic_ns() - self._last_report_ns) * 1e-9, 1e-3)
        newest = core.plan.newest
        values: dict[str, object] = {
            'mode': core.mode.value,
            'reason': core.reason,
            'shadow': self.shadow,
            'control rate (Hz)': self._ticks / seconds,
            'command messages (Hz)': self._sent / seconds,
            'tick jitter p99 (ms)': self._jitter_ms.percentile(99),
            'chunk rate (Hz)': self._chunks / seconds,
            'chunk latency p50 (ms)': self._latency_ms.percentile(50),
            'chunk latency p99 (ms)': self._latency_ms.percentile(99),
            'age of the plan (s)': newest and (now_ns - newest.stamp_ns) * 1e-9,
            'chunks accepted': core.accepted,
            'chunks lost on the way': self._lost_chunks,
            **{f'rejected: {why.value}': count for why, count in core.rejections.items()},
            **{f'age of state {name} (s)': age for name, age in core.state_ages_s(now_ns).items()},
            'following error (s at the velocity limit)': core.following_error_s(),
            **{f'periods clamped: {limit}': count for limit, count in core.motion.clamps.items()},
            'hand-overs that did not meet': core.plan.unmet,
            'clock jumps': core.clock_jumps,
            'internal errors (commands held back)': core.breaches,
            'other publishers': self._rival or None,
            'last delta held back by the workspace': core.boxed_out or None,
            **{
                f'dropped: state {name}: {why.value}': count
                for (name, why), count in core.measured.dropped.items()
            },
            **{
                f'dropped: teleoperation {name}: {why.value}': count
                for (name, why), count in core.teleop.dropped.items()
            },
            'unreadable messages': self._unreadable.total(),
            **{f'unreadable: {reason}': count for reason, count in self._unreadable.items()},
            'last dropped message': self._last_error or None,
        }
        level = {
            Mode.RUNNING: DiagnosticStatus.OK,
            Mode.TAKEOVER: DiagnosticStatus.OK,
            Mode.ESTOPPED: DiagnosticStatus.ERROR,
        }.get(core.mode, DiagnosticStatus.WARN)
        status = diagnostics.status(
            f'{self.get_fully_qualified_name()}: commands',
            self.robot.name,
            level,
            f'{core.mode.value}: {core.reason}',
            values,
        )
        self._diagnostics.publish(diagnostics.array(self.get_clock().now(), [status]))

    def prefer(self) -> None:
        """Let the scheduler prefer all threads of this process, if it permits."""
        priority = self.get_parameter('realtime_priority').value
        if not priority:
            return
        try:
            for task in Path('/proc/self/task').iterdir():
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(priority))
        except OSError as error:
            self.get_logger().info(
                f'no real-time priority ({error.strerror}): commands may be late when the machine'
                ' is busy; permit it by `rtprio` in /etc/security/limits.conf or'
                ' --cap-add=SYS_NICE'
            )

    @functools.cached_property
    def longest_stop_s(self) -> float:
        """Return how long a stop from full speed takes."""
        layout = self.core.layout
        times = layout.velocity[layout.paced] / layout.acceleration[layout.paced]
        turns = [turning.velocity / turning.acceleration for turning in layout.turning]
        return max([float(times.max(initial=0.0)), *turns])

    def brake(self, reason: str) -> None:
        """Stop the robot within its limits, from whatever state, and end in silence.

        For every way out of the process. It reads nothing any more, and counts its own time: the
        clock may be what failed.
        """
        self.core.halt(reason)
        now_ns = self._last_tick_ns or 0
        deadline = time.monotonic() + self.longest_stop_s + 0.5
        while time.monotonic() < deadline:
            now_ns += self.core.period_ns
            command = self.core.brake(now_ns)
            if command is None:
                return
            self._publish(command, publish=True)
            self._log()
            time.sleep(self.core.period_ns / NANOSECONDS)


class LeavingContext(Context):
    """A ROS context of this program alone, which is not ended before the robot was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving, self.stopped = Event(), Event()

    def shutdown(self) -> None:
        """End the context once the main thread has stopped the robot."""
        self._leave()
        super().shutdown()

    def try_shutdown(self) -> None:
        """End the context if it is valid, once the main thread has stopped the robot."""
        self._leave()
        super().try_shutdown()

    def _leave(self) -> None:
        self.leaving.set()
        if current_thread() is not main_thread():
            self.stopped.wait(LONGEST_WAIT_S)


def run(node: ExecutorNode, executor: SingleThreadedExecutor, ended: Callable[[], bool]) -> None:
    """Control once per period, and let the executor serve, until it is ended."""
    due_ns = served_ns = time.monotonic_ns()
    while not ended():
        if node.sim_time:
            executor.spin_once(timeout_sec=0.05)
            continue
        node.control()
        now_ns = time.monotonic_ns()
        if now_ns - served_ns >= SERVING_NS:
            executor.spin_once(timeout_sec=0)
            now_ns = served_ns = time.monotonic_ns()
        due_ns = max(due_ns + node.core.period_ns, now_ns)  # what was missed is not made up for
        time.sleep((due_ns - now_ns) / NANOSECONDS)


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; then stop the robot, and end with 0.

    Whatever else ends it, an exception or an end of its context, the robot is stopped first; 1.
    """
    context = LeavingContext()
    initialize('chunk_executor', args, context)
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: signals.append(number))
    node = None
    executor = SingleThreadedExecutor(context=context)
    reason = 'the node is being stopped'
    try:
        node = ExecutorNode(context)
        executor.add_node(node)
        node.prefer()
        # No garbage collection at an arbitrary moment of a control period: `_on_report` does it.
        gc.collect()
        gc.freeze()
        gc.disable()
        run(node, executor, lambda: bool(signals) or context.leaving.is_set())
        return 0 if signals else 1
    except Gr00tError as error:
        reason = str(error)
        rclpy.logging.get_logger('chunk_executor').fatal(reason)
        return 1
    except BaseException as error:
        reason = f'{type(error).__name__}: {error}'
        rclpy.logging.get_logger('chunk_executor').fatal(traceback.format_exc())
        return 1
    finally:
        if node is not None:
            with contextlib.suppress(Exception):  # nothing may keep the process from ending
                node.brake(reason)
        context.stopped.set()
        gc.enable()
        executor.shutdown()
        if node is not None:
            node.destroy_node()
        context.try_shutdown()


def _placed_ns(message: Any, stream: Stream, now_ns: int, wall_ns: int | None) -> int:
    """Return the time of a message on the node's clock (now_ns): its stamp, if that counts.

    Without one it is as old as `wall_ns`, when it was sent or received, says on the system clock.
    """
    header_ns = stamp_ns(message) if stream.stamp == 'header' else None
    if header_ns is not None:
        return header_ns
    return now_ns - max(time.time_ns() - wall_ns, 0) if wall_ns else now_ns


if __name__ == '__main__':
    raise SystemExit(main())
