# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Advance the simulation in time: paced by the wall clock, or in lock-step with the commands.

Time is a whole number of physics steps or ticks since a start, so no rounded period accumulates.
It goes on over a reset and never jumps back.
"""

from enum import Enum
import queue
import threading
import time
from typing import Any, TYPE_CHECKING

import numpy as np
from rclpy.clock import Clock, ClockType
from rosgraph_msgs.msg import Clock as ClockMessage

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.alignment.timeline import tick_ns
from gr00t_core.errors import Gr00tError
from gr00t_core.messages.stamps import nanoseconds, put_nanoseconds
from gr00t_core.robot.description import NANOSECONDS

if TYPE_CHECKING:
    from gr00t_sim.node import SimNode

CHUNK_HORIZON = 16  # steps of a chunk that the simulator gives in a policy's place
_LARGEST_LAG_S = 0.5  # a longer lag is skipped, not made up for
# Lock-step: how often waits are looked at, and how often time moves on between two episodes, s.
_WATCH_S = 0.02


class RealTimePace:
    """Follow the system clock: physics and joint states on a timer, frames in their own thread."""

    def __init__(self, node: 'SimNode') -> None:
        self._node = node
        if node.value('use_sim_time'):
            raise Gr00tError(
                'use_sim_time is true, but in real time the simulator follows the system clock;'
                ' set use_sim_time:=false, or lock_step:=true'
            )
        self._frames = _FrameThread(node)
        self._start_ns = 0
        self._step = 0
        self._skips = 0
        self._hz = node.kind.steps_hz
        self.expert_period_s = node.binding.frame_steps / self._hz

    def start(self) -> None:
        """Start the physics and the frames."""
        self._frames.start()
        self._start_ns = self.now_ns()
        period = self._node.binding.state_steps / self._hz
        self._node.create_timer(
            period, self._catch_up, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def now_ns(self) -> int:
        """Return the system time."""
        return int(self._node.get_clock().now().nanoseconds)

    def begin_episode(self) -> int:
        """Return the stamp before which nothing belongs to the episode."""
        return self.now_ns()

    def observe(self) -> None:
        """Nothing to do: the timer goes on."""

    def commanded(self, topic: str, stamp: int | None) -> None:
        """Nothing to do: the newest targets are followed from the next physics step on."""

    def expect(self) -> None:
        """Nothing to do: no command is waited for."""

    def counts(self) -> dict[str, int]:
        """Return the counters of the episode report."""
        return {'frames_dropped': self._frames.dropped, 'time_skips': self._skips}

    def close(self) -> None:
        """Stop the frame thread."""
        self._frames.close()

    def _catch_up(self) -> None:
        self._frames.check()
        binding = self._node.binding
        due = (self.now_ns() - self._start_ns) * self._hz // NANOSECONDS
        if abs(due - self._step) > _LARGEST_LAG_S * self._hz:
            self._skips += 1
            self._start_ns += (due - self._step) * NANOSECONDS // self._hz
            self._node.get_logger().warning(
                f'{(due - self._step) / self._hz:.2f} s skipped:'
                ' the machine stalled or its clock jumped; use_sim_time waits instead'
            )
            return
        while True:
            step = min(
                _next_multiple(self._step, binding.state_steps),
                _next_multiple(self._step, binding.frame_steps),
            )
            if step > due:
                return
            self._node.advance(step - self._step)
            self._step = step
            stamp = tick_ns(self._start_ns, step, self._hz)
            if step % binding.state_steps == 0:
                self._node.publish_states(stamp)
            if step % binding.frame_steps == 0:
                self._frames.offer(stamp, self._node.scene.snapshot())
                self._node.publish_expert(stamp)
                self._node.publish_takeover(stamp)


class _FrameThread:
    """Render and publish the newest offered state; drop and count one not taken in time."""

    def __init__(self, node: 'SimNode') -> None:
        self._node = node
        self._offered: queue.Queue[tuple[int, Any] | None] = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._run, name='frames', daemon=True)
        self._ready = threading.Event()
        self._error: Exception | None = None
        self.dropped = 0

    def start(self) -> None:
        """Start, and return once frames can be rendered."""
        self._thread.start()
        self._ready.wait()
        self.check()

    def offer(self, stamp: int, snapshot: Any) -> None:
        self.dropped += self._replace((stamp, snapshot))

    def check(self) -> None:
        """Raise in the calling thread what ended this one."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        if self._thread.is_alive():
            self._replace(None)
            self._thread.join()

    def _replace(self, item: tuple[int, Any] | None) -> bool:
        # Only one thread puts, so there is room once the queue was emptied: this never blocks.
        try:
            self._offered.get_nowait()
        except queue.Empty:
            self._offered.put_nowait(item)
            return False
        self._offered.put_nowait(item)
        return True

    def _run(self) -> None:
        try:
            binding = self._node.binding
            renderer = self._node.scene.frame_renderer()
            self._ready.set()
            while (offered := self._offered.get()) is not None:
                stamp, snapshot = offered
                frames = {name: renderer.render(snapshot, name) for name in binding.camera_topics}
                self._node.publish_images(self._node.frame_publishers, frames, stamp)
            renderer.close()
        except Exception as error:
            self._error = error
            self._ready.set()


class _Awaiting(Enum):
    """What a tick waits for."""

    COMMANDER = 'a publisher on every command topic'
    CHUNK = 'an action chunk'
    COMMAND = 'a command'
    NOTHING = 'nothing: no episode runs'


class LockStepPace:
    """Advance tick by tick: observe, let the clock reach the tick, wait for its command, step.

    With `chunk_period_s` there are frames only so often, and their tick waits for the action chunk
    that answers them before the clock reaches it: then the outcome depends neither on how fast the
    policy is nor on how fast this machine is. Every wait is bounded (`command_timeout_s`,
    `chunk_timeout_s`); a time-out is counted and logged. An executor that follows no chunk
    commands nothing: while it is silent, only the tick after a chunk waits: `command_timeout_s`
    for the first chunk of an episode, `silence_s` for the later ones.

    Between two episodes nothing is waited for: time moves on by a timer, slowly.
    """

    _START_NS = NANOSECONDS  # a clock of zero means "not set" to ROS

    def __init__(self, node: 'SimNode') -> None:
        self._node = node
        hz = node.kind.steps_hz
        self._tick_hz = node.value('tick_hz') or node.binding.tick_hz
        self._steps = hz // self._tick_hz
        if hz % self._tick_hz:
            raise Gr00tError(f'tick_hz={self._tick_hz} does not divide {hz} Hz, the rate of steps')
        if node.binding.frame_steps % self._steps:
            raise Gr00tError(
                f'tick_hz={self._tick_hz} is no multiple of the camera rate'
                f' {hz // node.binding.frame_steps} Hz, so frames would fall between ticks'
            )
        self._frame_ticks = node.binding.frame_steps // self._steps
        frames = round(node.value('chunk_period_s') * hz / node.binding.frame_steps)
        self._chunk_ticks = frames * self._frame_ticks
        self._chunks: Any = None
        if node.value('chunk_period_s') > 0:
            self._chunk_ticks = max(self._chunk_ticks, self._frame_ticks)
            self._subscribe_chunks()
        elif node.value('expert_chunks'):
            raise Gr00tError('expert_chunks:=true needs chunk_period_s:=0.05 or another period')
        self._episode_tick = 0
        self._ticks = 0
        self._silent = self._first = False  # the executor commands nothing; no chunk came yet
        self._silent_ticks = 0
        self._limits = {
            _Awaiting.COMMAND: node.value('command_timeout_s'),
            _Awaiting.CHUNK: node.value('chunk_timeout_s'),
        }
        self._clock = node.create_publisher(ClockMessage, '/clock', 10)
        self._tick = 0
        self._awaiting = _Awaiting.COMMANDER
        self._pending: set[str] = set()
        self._deadline = 0.0
        self._timeouts = dict.fromkeys(_Awaiting, 0)
        self.expert_period_s = 1.0 / self._tick_hz

    def start(self) -> None:
        """Begin the first tick once every command topic has a publisher."""
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        topics = ', '.join(self._node.binding.command_groups)
        self._node.get_logger().info(f'waiting for a publisher of {topics}')
        self._node.create_timer(_WATCH_S, self._watch, clock=steady)

    def now_ns(self) -> int:
        """Return the stamp of the current tick."""
        return tick_ns(self._START_NS, self._tick, self._tick_hz)

    def begin_episode(self) -> int:
        """Move to a fresh tick, on which a frame falls, and return its stamp."""
        self._tick += self._frame_ticks - self._tick % self._frame_ticks
        self._episode_tick = self._tick
        self._ticks = self._silent_ticks = 0
        self._silent = self._first = bool(self._chunk_ticks)
        self._timeouts = dict.fromkeys(_Awaiting, 0)
        return self.now_ns()

    def observe(self) -> None:
        """Publish what the current tick sees, and begin to wait."""
        if self._awaiting is _Awaiting.COMMANDER:
            return  # the watch begins the first tick
        node, stamp = self._node, self.now_ns()
        node.publish_states(stamp)  # first: a frame finds the state of its stamp already there
        due = self._tick % self._frame_ticks == 0
        asks = bool(self._chunk_ticks) and node.running
        asks = asks and (self._tick - self._episode_tick) % self._chunk_ticks == 0
        if due and (asks or not self._chunk_ticks) and self._chunks is None:
            node.publish_frames(stamp)
        if due and node.value('view'):
            node.publish_view(stamp)
        if asks:
            self._await(_Awaiting.CHUNK)
            if self._chunks is not None:
                self._publish_chunk(stamp)
        elif node.running:
            self._reach()
        else:
            self._awaiting = _Awaiting.NOTHING
            self._announce()

    def commanded(self, topic: str, stamp: int | None) -> None:
        """Step when the tick's command is complete; commands of earlier ticks do not count."""
        if self._awaiting is _Awaiting.COMMAND and (stamp is None or stamp >= self.now_ns()):
            self._pending.discard(topic)
            if not self._pending:
                self._silent = False
                self._finish()

    def expect(self) -> None:
        """Wait for commands again, also of an executor that was silent: a person drives now."""
        self._silent = False

    def counts(self) -> dict[str, int]:
        """Return the counters of the episode report."""
        return {
            'ticks': self._ticks,
            'silent_ticks': self._silent_ticks,
            'command_timeouts': self._timeouts[_Awaiting.COMMAND],
            'chunk_timeouts': self._timeouts[_Awaiting.CHUNK],
        }

    def close(self) -> None:
        """Nothing to stop: everything runs in the executor."""

    def _subscribe_chunks(self) -> None:
        # Only this option needs the built interfaces.
        from gr00t_msgs.msg import ActionChunk as ChunkMessage

        self._node.create_subscription(ChunkMessage, 'action_chunk', self._on_chunk, 10)
        if self._node.value('expert_chunks'):
            self._chunks = self._node.create_publisher(ChunkMessage, 'action_chunk', 10)

    def _publish_chunk(self, stamp: int) -> None:
        from gr00t_ros.chunk_messages import to_message

        robot = self._node.robot
        rows = self._node.expert_rows(CHUNK_HORIZON).astype(np.float32)
        chunk = ActionChunk(stamp, robot.step_ns, robot.action_names, rows, self._tick)
        instruction = self._node.episode.instruction
        self._chunks.publish(to_message(chunk, robot.embodiment, instruction))

    def _on_chunk(self, message: Any) -> None:
        stamp = nanoseconds(message.header.stamp)
        if self._awaiting is _Awaiting.CHUNK and stamp >= self.now_ns():
            self._reach(answered=True)

    def _reach(self, answered: bool = False) -> None:
        """Let the clock reach the tick: timers that were due fire, and a command is awaited."""
        self._pending = set(self._node.binding.command_groups)
        self._await(_Awaiting.COMMAND)
        self._announce()
        if self._silent:
            self._silent_ticks += 1
            if not answered:
                self._finish()
                return
            # A busy machine may take long to follow the first chunk. A late start is a jump: the
            # executor would refuse this chunk and all that follow.
            if not self._first:
                self._deadline = time.monotonic() + self._node.value('silence_s')
            self._first = False

    def _announce(self) -> None:
        # Before the clock: the executor finds it there when it commands this tick.
        self._node.publish_takeover(self.now_ns())
        self._clock.publish(clock_message(self.now_ns()))
        self._node.publish_expert(self.now_ns())

    def _finish(self) -> None:
        self._ticks += 1
        self._node.advance(self._steps)
        self._tick += 1
        self.observe()

    def _await(self, what: _Awaiting) -> None:
        self._awaiting = what
        self._deadline = time.monotonic() + self._limits[what]

    def _watch(self) -> None:
        if self._awaiting is _Awaiting.COMMANDER:
            if all(map(self._has_publisher, self._node.binding.command_groups)):
                self._awaiting = _Awaiting.NOTHING
                self.observe()
        elif self._awaiting is _Awaiting.NOTHING or (
            self._awaiting is _Awaiting.COMMAND and self._silent and self._late
        ):
            self._finish()
        elif self._late:
            self._timeouts[self._awaiting] += 1
            what, count = self._awaiting.value, self._timeouts[self._awaiting]
            self._node.get_logger().warning(
                f'tick {self._tick} waited {self._limits[self._awaiting]} s for {what}: timed out'
                f' ({count} so far); going on without',
                throttle_duration_sec=5.0,
            )
            if self._awaiting is _Awaiting.CHUNK:
                self._reach()
            else:
                self._silent = bool(self._chunk_ticks)
                self._finish()
        elif self._awaiting is _Awaiting.COMMAND:
            self._clock.publish(
                clock_message(self.now_ns())
            )  # subscribers of /clock are best effort

    @property
    def _late(self) -> bool:
        return time.monotonic() > self._deadline

    def _has_publisher(self, topic: str) -> bool:
        return bool(self._node.count_publishers(self._node.resolve_topic_name(topic)))


def clock_message(value_ns: int) -> ClockMessage:
    """Return a clock message."""
    message = ClockMessage()
    put_nanoseconds(message.clock, value_ns)
    return message


def _next_multiple(value: int, of: int) -> int:
    return (value // of + 1) * of
