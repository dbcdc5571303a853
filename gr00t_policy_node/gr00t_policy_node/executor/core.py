# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn action chunks into commands at the control rate, without ROS.

`ExecutorCore` is told what came in and asked once per control period what to command. It alone
decides whether the robot moves: the node around it only carries messages. Everything comes in
through `entrance` and goes out through `gate`.

A action width. Times are integer nanoseconds of one clock, which may jump.
"""

from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np

from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_policy_node.executor.admission import ReceivedChunk
from gr00t_policy_node.executor.chunks import Chunks
from gr00t_policy_node.executor.command import Command
from gr00t_policy_node.executor.deltas import boxed
from gr00t_policy_node.executor.entrance import Refusal, Rejection
from gr00t_policy_node.executor.gate import nothing_sent, passed, started
from gr00t_policy_node.executor.inputs import Measurements, Teleoperation
from gr00t_policy_node.executor.interlock import Interlock
from gr00t_policy_node.executor.layout import Array, layout_of
from gr00t_policy_node.executor.modes import LATCHED, Mode, next_mode, Situation
from gr00t_policy_node.executor.motion import Motion, too_far
from gr00t_policy_node.executor.settings import Settings, to_ns
from gr00t_policy_node.executor.starts import Starts

# A stop is commanded for at least so many periods, so that a controller that misses a message
# still gets it.
STOP_PERIODS = 10
# A clock that falls back by no more is being set right; time stands still meanwhile.
LARGEST_SLEW_NS = NANOSECONDS // 10
_REFUSED = {
    Mode.STOPPED: Rejection.STOPPED,
    Mode.ESTOPPED: Rejection.E_STOPPED,
    Mode.TAKEOVER: Rejection.TAKEN_OVER,
}


class ExecutorCore:
    """State machine of the executor: chunks, measurements and teleoperation in, commands out."""

    def __init__(self, robot: Robot, settings: Settings) -> None:
        """Derive everything from the robot description.

        Raises:
            RobotFileError: A group is measured in another unit than it is commanded in.
        """
        self.robot = robot
        self.settings = settings
        self.layout = layout_of(robot)
        self._dt = 1.0 / settings.control_rate_hz
        self.period_ns = round(NANOSECONDS / settings.control_rate_hz)
        self.motion = Motion(self.layout, settings.position_margin, self._dt)
        future_ns = to_ns(settings.max_future_s)
        self.measured = Measurements(
            robot,
            self.layout,
            to_ns(settings.state_timeout_s),
            future_ns,
            settings.max_jump_s,
        )
        self.teleop = Teleoperation(
            robot, self.layout, to_ns(settings.takeover_timeout_s), future_ns
        )
        self.interlock = Interlock(settings)
        self.measured_by = self.measured.measured_by
        self.chunks = Chunks(
            robot, self.layout, settings, self.period_ns, self.measured, self.motion
        )
        self.plan = self.chunks.plan
        self.mode = Mode.WAITING
        self.reason = 'started'
        self.clock_jumps = 0
        self.breaches = 0
        self.boxed_out = ''  # the last delta that the workspace stopped
        self._starts = Starts(robot, self.layout, self.measured_by)
        self._sent = nothing_sent(self.layout)
        self._deltas = frozenset(
            g.name for g in robot.action if g.command == 'delta' and g.kind != 'binary'
        )
        self._commanded: frozenset[str] = frozenset()  # by the last tick; empty: silent
        self._latched: Mode | None = None
        self._resume_ns: int | None = None
        self._last_ns: int | None = None
        self._soft_ns = 0
        self._next_step_ns: int | None = None  # of a stop; None: at once
        self._braking = 0

    # What comes in.

    def measure(
        self, state_group: str, values: Array, now_ns: int, stamp_ns: int | None = None
    ) -> Refusal | None:
        """Take the measured values (D,) of a state group, or return why they do not count.

        They were measured at `stamp_ns`; without it, now.
        """
        return self.measured.take(
            state_group, values, now_ns, now_ns if stamp_ns is None else stamp_ns
        )

    def offer(self, received: ReceivedChunk, now_ns: int) -> Rejection | None:
        """Take a chunk if it may be followed; else return, and count, why not."""
        closed = _REFUSED.get(self._latched or self.mode)
        return self.chunks.offer(received, now_ns, closed, self._resume_ns)

    def teleoperate(
        self, group: str, values: Array, now_ns: int, stamp_ns: int | None = None
    ) -> Refusal | None:
        """Take the values (D,) that a person commands for an action group, or return why not.

        They were asked for at `stamp_ns`; without it, now.
        """
        return self.teleop.take(
            group, values, now_ns, now_ns if stamp_ns is None else stamp_ns, self._resume_ns
        )

    def e_stop(self, pressed: bool, now_ns: int, topic: str = '', publisher: str = '') -> None:
        """Take what an e-stop button says; pressed latches."""
        topic = topic or self.settings.e_stop_topics[0]
        self.interlock.buttons.hear(topic, publisher, pressed, now_ns)
        if pressed:
            self.latch(f'e-stop pressed on {topic}', now_ns, Mode.ESTOPPED)

    def latch(self, reason: str, now_ns: int, mode: Mode = Mode.STOPPED) -> None:
        """Stop within the limits and stay so until re-armed; ESTOPPED goes before STOPPED."""
        if self._latched not in (mode, Mode.ESTOPPED):
            self._latched = mode
            self._enter(mode, reason, now_ns)

    def rearm(self, now_ns: int) -> str | None:
        """Release the latch; return why not when it stays.

        The robot moves again after a chunk that answers an observation later than now.
        """
        refusal = self.interlock.refuses_rearm(now_ns)
        if refusal is not None or self._latched is None:
            return refusal
        if self.interlock.rival:
            return f'{self.interlock.rival}: end it first'
        if not self._at_rest:
            return 'the robot is still braking: try again'
        self._latched = None
        self._resume_ns = now_ns
        self.teleop.forget()
        return None

    def halt(self, reason: str, now_ns: int) -> None:
        """Stop within the limits and never start again: the node ends."""
        self.interlock.end(reason)
        if self._commanded and self.mode not in (Mode.STOPPING, *LATCHED):
            self._enter(Mode.STOPPING, reason, now_ns)

    # What goes out.

    def tick(self, now_ns: int) -> Command | None:
        """Return the command of this control period; None when nothing is to be commanded."""
        if self._last_ns is not None and now_ns < self._last_ns:
            if self._last_ns - now_ns > LARGEST_SLEW_NS:
                self._clock_jumped_back(now_ns)
            else:
                now_ns = self._last_ns
        self._last_ns = now_ns
        if pressed := self.interlock.pressed(now_ns):
            self.latch(pressed, now_ns, Mode.ESTOPPED)
        elif self._commanded and self.interlock.rival:
            self.latch(self.interlock.rival, now_ns)
        before, sent = self.motion.snapshot(), self._sent
        self._decide(now_ns)
        if self.mode is not Mode.TAKEOVER:
            self.teleop.drop_pending()
        stopped = self.mode is Mode.WAITING or (self.mode in LATCHED and self._at_rest)
        if stopped or not self.motion.active.any():
            self._fall_silent()
            return None
        due = self._move(now_ns)
        command = self._send(now_ns, due)
        if isinstance(command, Command):
            return command
        # An internal error: what was planned is not sent. Brake from what was sent last.
        self.breaches += 1
        self.motion.restore(before)
        self._sent = sent
        self.latch(f'internal error, please report it: {command}', now_ns)
        return self.brake(now_ns)

    def brake(self, now_ns: int) -> Command | None:
        """Return a command that only brakes, whatever is known; None when the robot rests.

        For the way out of the process: it looks at no input.
        """
        if not self._commanded or self._at_rest:
            self._fall_silent()
            return None
        self.motion.brake()
        self._braking += 1
        command = self._send(now_ns, self._deltas)
        if isinstance(command, Command):
            return command
        self._fall_silent()  # nothing that could be sent is safe
        return None

    def state_ages_s(self, now_ns: int) -> dict[str, float | None]:
        """Return state group → age in s of its last values; None before the first."""
        return self.measured.ages_s(now_ns)

    def following_error_s(self) -> float | None:
        """Return how far the robot is from its command, in s at the velocity limit."""
        if not self._commanded:
            return None
        return float(self._ways().max(initial=0.0))

    @property
    def rejections(self) -> Counter[Rejection]:
        """Return how many chunks were refused, by reason."""
        return self.chunks.rejections

    @property
    def refusal(self) -> Refusal | None:
        """Return why the newest chunk is not followed; None when it is."""
        return self.chunks.refusal

    @property
    def accepted(self) -> int:
        """Return how many chunks were taken."""
        return self.chunks.accepted

    @property
    def silent(self) -> bool:
        """Return whether the last control period commanded nothing."""
        return not self._commanded

    # Inside.

    @property
    def _at_rest(self) -> bool:
        return not self._commanded or (self._braking >= STOP_PERIODS and self.motion.resting)

    def _move(self, now_ns: int) -> frozenset[str]:
        """Move by one control period; return the delta groups that are due."""
        if self.mode is Mode.RUNNING:
            previous, target = self.plan.sample(now_ns)
            row = self.chunks.row(now_ns) if self._deltas else None
            target[self.layout.delta] = 0.0 if row is None else row[self.layout.delta]
            self.motion.follow(previous, self._boxed(target), self._scale(now_ns), None)
            return frozenset() if row is None else self._deltas
        if self.mode is Mode.TAKEOVER:
            target, due = self.teleop.target()
            live = self.layout.mask(self._driven(now_ns)[0])
            target = self._boxed(target)
            self.motion.follow(target, target, self._scale(now_ns), live)
            return due
        self.motion.brake()
        self._braking += 1
        return self._deltas if self._is_step(now_ns) else frozenset()

    def _boxed(self, target: Array) -> Array:
        if not self.robot.workspace:
            return target
        kept, stopped = boxed(target, self.robot, self.layout, self.measured.states)
        if stopped:
            self.motion.clamps['workspace'] += 1
            self.boxed_out = stopped
        return kept

    def _send(self, now_ns: int, due: frozenset[str]) -> Command | str:
        """Return the command as it is published; or the limit that it would break."""
        motion = self.motion
        coming, broken = passed(self.layout, self._sent, motion.values, motion.active, self._dt)
        if broken is not None:
            return broken
        self._sent = coming
        self._commanded = frozenset(
            name for name, columns in self.layout.slices.items() if motion.active[columns.start]
        )
        return Command(
            now_ns, motion.values, motion.velocity, self._commanded, due & self._commanded
        )

    def _fall_silent(self) -> None:
        self._commanded = frozenset()
        self.motion.silence()

    def _ways(self) -> Array:
        """Return how far (A,) each commanded column is from the measured place, in s."""
        ways = self.motion.distance(self.motion.values, self.measured.values)
        return np.where(self.motion.active, ways, 0.0)

    def _too_far(self) -> str | None:
        return too_far(self.layout, self._ways(), self.settings.max_jump_s)

    def _decide(self, now_ns: int) -> None:
        """Change the mode by what is known now."""
        fault = self._fault(now_ns)
        planned = self.chunks.cover(now_ns)
        lost = None
        if not planned:
            why = self.chunks.refusal
            lost = 'no fresh action chunk' + (f' (the newest was rejected: {why})' if why else '')
        driven, unheld = self._driven(now_ns)
        mode = next_mode(
            self.mode,
            Situation(
                latched=self._latched,
                sound=fault is None,
                planned=planned,
                teleoperated=bool(driven),
                resting=self._at_rest,
                holds=self.settings.on_timeout == 'hold',
            ),
        )
        if mode is self.mode:
            if mode is Mode.WAITING:  # say what is being waited for
                self.reason = fault or unheld or lost or self.reason
            elif mode is Mode.TAKEOVER:
                self._start(driven, now_ns)
            return
        reasons = {
            Mode.RUNNING: 'following the policy',
            Mode.TAKEOVER: 'teleoperated',
            Mode.STOPPING: fault
            or ('teleoperation ended' if self.mode is Mode.TAKEOVER else lost),
            Mode.WAITING: 're-armed' if self.mode in LATCHED else fault,
        }
        self._enter(mode, reasons.get(mode) or self.reason, now_ns, driven)

    def _enter(self, mode: Mode, reason: str, now_ns: int, driven: Collection[str] = ()) -> None:
        before, self.mode, self.reason = self.mode, mode, reason
        self._braking = 0
        if mode in (Mode.STOPPING, *LATCHED):
            # Silence stays silence (`_at_rest`): only what was commanded needs to brake.
            self._next_step_ns = None
            self.chunks.forget()
        if before is Mode.TAKEOVER or mode is Mode.TAKEOVER:
            self.chunks.forget()
            self._resume_ns = now_ns if before is Mode.TAKEOVER else self._resume_ns
        if mode in (Mode.RUNNING, Mode.TAKEOVER):
            self._soft_ns, self._next_step_ns = now_ns, None
            self._start(driven if mode is Mode.TAKEOVER else self.layout.slices, now_ns)

    def _driven(self, now_ns: int) -> tuple[list[str], str | None]:
        live = self.teleop.live(now_ns)
        return self._starts.driven(live, self._commanded, self.motion.values)

    def _start(self, driven: Iterable[str], now_ns: int) -> None:
        """Begin to command groups, and those that share their topics, which were silent so far."""
        asked = set(driven)
        columns = self._starts.columns(asked, self.motion.active)
        if not columns.any():
            return
        if self.mode is Mode.TAKEOVER:
            wanted = self.teleop.peek()
        else:
            wanted = self.plan.sample(now_ns)[1]
        place = self._starts.place(asked, wanted, self.motion.values, self.measured.values)
        self.motion.place(place, columns)
        self._sent = started(self.layout, self._sent, place, columns)

    def _fault(self, now_ns: int) -> str | None:
        """Return why the robot must not move at all, None when it may."""
        blocked = self.interlock.blocks(self.mode is Mode.WAITING)
        if blocked is not None:
            return blocked
        stale = self.measured.fault(now_ns)
        if stale is None and self._commanded:
            far = self._too_far()
            return far and f'the robot is not where it was commanded: {far}'
        return stale

    def _scale(self, now_ns: int) -> float:
        soft_ns = self.settings.soft_start_s * NANOSECONDS
        return min(max((now_ns - self._soft_ns) / soft_ns, 0.0), 1.0) if soft_ns else 1.0

    def _is_step(self, now_ns: int) -> bool:
        """Return whether the zeros of a stop are due: once per policy step."""
        due_ns = now_ns if self._next_step_ns is None else self._next_step_ns
        if now_ns < due_ns:
            return False
        due_ns += self.robot.step_ns
        self._next_step_ns = due_ns if due_ns > now_ns else now_ns + self.robot.step_ns
        return True

    def _clock_jumped_back(self, now_ns: int) -> None:
        """Forget everything that carries a time of the old clock, and stop."""
        self.clock_jumps += 1
        self.measured.forget()
        self.teleop.forget()
        self.interlock.buttons.rebase(now_ns)
        self.chunks.restart()
        self._next_step_ns = None
        self._resume_ns = None if self._resume_ns is None else now_ns
        if self.mode in (Mode.RUNNING, Mode.TAKEOVER, Mode.HOLDING):
            self._enter(Mode.STOPPING, 'the clock jumped back', now_ns)
