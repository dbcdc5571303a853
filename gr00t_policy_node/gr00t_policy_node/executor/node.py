# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Follow action chunks with the robot: the only node of the suite that commands it.

The node carries messages; what to command is decided by `ExecutorCore`. One thread does all, and
nothing slow. `run` calls `control` once per period of the steady clock, which reads all topics and
commands; rclpy's executor gets its turn for services and diagnostics only now and then, because
each turn costs more than a command (decision 0017). With `use_sim_time` a timer on `/clock` calls
`control`, so that commands are in step with the simulation, and messages wake the node.
"""

from collections.abc import Callable
import contextlib
import functools
import gc
import os
from pathlib import Path
import time
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.context import Context
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_srvs.srv import Trigger

from gr00t_core.errors import Gr00tError
from gr00t_core.messages.stamps import nanoseconds
from gr00t_core.robot.description import NANOSECONDS
from gr00t_core.robot.file import load_robot
from gr00t_msgs.msg import CommandSource
from gr00t_policy_node.executor import command_source, report
from gr00t_policy_node.executor import parameters as executor_parameters
from gr00t_policy_node.executor.admission import ReceivedChunk
from gr00t_policy_node.executor.command import Command
from gr00t_policy_node.executor.complaints import Complaints
from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.leaving import LeavingContext
from gr00t_policy_node.executor.lines import lines
from gr00t_policy_node.executor.modes import LATCHED, Mode
from gr00t_policy_node.executor.outputs import outputs_of, to_time
from gr00t_policy_node.executor.pace import Pace
from gr00t_policy_node.executor.rivals import Rivals
from gr00t_policy_node.executor.topics import Topics
from gr00t_ros import diagnostics
from gr00t_ros.start import initialize
from gr00t_ros.stopping import count_signals

# In simulated time a step of /clock may span several control periods; no more are made up for.
MOST_PERIODS = 100
# How often services, diagnostics and discovery get their turn.
SERVING_NS = NANOSECONDS // 20


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
        self._complaints = Complaints(self.get_logger())
        self._last_sequence: int | None = None
        self._jitter_ms = diagnostics.Window()
        self._pace = Pace(self.core.period_ns)
        self._latency_ms = diagnostics.Window(256)
        outputs = [output for output, _ in self._outputs]
        buttons = {
            topic: self.resolve_topic_name(topic) for topic in self.core.settings.e_stop_topics
        }
        self._topics = Topics(
            self,
            self.core,
            outputs,
            buttons,
            self._complaints,
            wakes=self.sim_time,
            on_chunk=self._on_chunk,
            on_values=self._start_in_step,
        )
        self._rivals = Rivals(
            self,
            self.core,
            [] if self.shadow else [output.topic for output in outputs],
            buttons,
            allowed=bool(self.get_parameter('allow_other_publishers').value),
            is_settled=self.sim_time,
        )
        self.create_service(Trigger, '~/rearm', self._on_rearm)
        for mode, name in ((Mode.STOPPED, '~/stop'), (Mode.ESTOPPED, '~/e_stop')):
            self.create_service(Trigger, name, functools.partial(self._on_stop, mode, name))
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

    def _on_chunk(self, message: Any) -> None:
        received = ReceivedChunk(
            stamp_ns=nanoseconds(message.header.stamp),
            step_ns=nanoseconds(message.step),
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
            self._complaints.warn(
                'action_chunk',
                f'chunk {received.sequence} rejected: {self.core.refusal}'
                f' ({refused} of {refused + offered} so far)',
            )
        self._start_in_step()

    def _read_buttons(self) -> None:
        self._topics.read_buttons()
        self._log()

    def _on_rearm(self, _: Any, response: Any) -> Any:
        self._read_buttons()
        refusal = self.core.rearm(self.now_ns)
        response.success = refusal is None
        response.message = refusal or 're-armed: the next fresh chunk moves the robot'
        return response

    def _on_stop(self, mode: Mode, name: str, _: Any, response: Any) -> Any:
        self.core.latch(f'{mode.value} by the service {name}', self.now_ns, mode)
        self._log()
        response.success = True
        response.message = f'{self.core.mode.value}; re-arm releases it'
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
        self._topics.read_values()
        self._topics.read_chunks(self._rivals.senders.heard)
        wall_ns = time.monotonic_ns()
        if self._last_wall_ns is not None:
            late_ns = wall_ns - self._last_wall_ns - self.core.period_ns
            self._jitter_ms.add(abs(late_ns) * 1e-6)
        self._last_wall_ns = wall_ns
        self._command()
        self._rivals.look()

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
            self.core.interlock.see_listeners(next(unheard, ''))
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
        if self.core.mode in (Mode.STOPPING, *LATCHED):
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
            'chunks lost on the way': self._lost_chunks,
            **report.values_of(core, now_ns),
            'other publishers': self._rivals.found or None,
            'unreadable messages': self._complaints.unreadable.total(),
            **{f'unreadable: {why}': n for why, n in self._complaints.unreadable.items()},
            'last dropped message': self._complaints.last or None,
        }
        status = diagnostics.status(
            f'{self.get_fully_qualified_name()}: commands',
            self.robot.name,
            report.level_of(core.mode),
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
        now_ns = self._last_tick_ns or 0
        self.core.halt(reason, now_ns)
        deadline = time.monotonic() + self.longest_stop_s + 0.5
        while time.monotonic() < deadline:
            now_ns += self.core.period_ns
            command = self.core.brake(now_ns)
            if command is None:
                return
            self._publish(command, publish=True)
            self._log()
            time.sleep(self.core.period_ns / NANOSECONDS)


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
    signals = count_signals()
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


if __name__ == '__main__':
    raise SystemExit(main())
