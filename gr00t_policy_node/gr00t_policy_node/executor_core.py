# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn action chunks into commands at the control rate, without ROS.

`ExecutorCore` is told what came in and asked once per control period what to command. It alone
decides whether the robot moves: the node around it only carries messages.

A action width. Times are integer nanoseconds of one clock, which may jump.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from gr00t_core.robot import NANOSECONDS, Robot
from gr00t_core.transforms.rotation import convert
from gr00t_policy_node.admission import malformed, ReceivedChunk, Rejection, untimely, valid_until
from gr00t_policy_node.handover import Plan, sample
from gr00t_policy_node.layout import Array, layout_of
from gr00t_policy_node.modes import Mode, next_mode, Situation
from gr00t_policy_node.motion import Motion

# A stop is commanded for at least so many periods, so that a controller that misses a message
# still gets it.
STOP_PERIODS = 10
# A clock that falls back by no more is being set right; time stands still meanwhile.
LARGEST_SLEW_NS = NANOSECONDS // 10


@dataclass(frozen=True)
class Settings:
    """What a user may choose; times in s. `executor_parameters` says what it means."""

    control_rate_hz: float = 100.0
    handover: str = 'crossfade'
    blend_s: float = 0.2
    ensemble_decay: float = 0.01
    position_margin: float = 0.01
    max_jump_s: float = 0.5
    chunk_timeout_s: float = 1.0
    max_future_s: float = 0.1
    state_timeout_s: float = 0.2
    takeover_timeout_s: float = 0.3
    soft_start_s: float = 1.0
    on_timeout: str = 'hold'
    e_stop_required: bool = False


@dataclass(frozen=True)
class Command:
    """What to command now.

    Attributes:
        stamp_ns: Time of the command.
        values: (A,) in the groups' units.
        velocity: (A,) velocity of the position columns, per s; 0 elsewhere.
        step: A policy step begins: groups with deltas are due.
    """

    stamp_ns: int
    values: Array
    velocity: Array
    step: bool


class ExecutorCore:
    """What the executor knows, and what it makes of it."""

    def __init__(self, robot: Robot, settings: Settings) -> None:
        """Derive everything from the robot description.

        Raises:
            RobotFileError: A group is measured in another unit than it is commanded in.
        """
        self.robot = robot
        self.settings = settings
        self.layout = layout_of(robot)
        self.period_ns = round(NANOSECONDS / settings.control_rate_hz)
        self.motion = Motion(self.layout, settings.position_margin, 1.0 / settings.control_rate_hz)
        self.plan = Plan(
            self.layout,
            settings.handover,
            round(settings.blend_s * NANOSECONDS),
            settings.ensemble_decay,
            self.period_ns,
        )
        # Action groups that start from, and are compared with, a measured state group.
        self.measured_by = {
            group.name: group.state
            for group in robot.action
            if group.state is not None and group.command == 'position' and group.kind != 'binary'
        }
        self.mode = Mode.WAITING
        self.reason = 'started'
        self.rejections: Counter[Rejection] = Counter()
        self.accepted = 0
        self.clock_jumps = 0
        self._measured = np.full(self.layout.width, np.nan)
        self._measured_ns: dict[str, int] = {}
        self._teleop = np.zeros(self.layout.width)
        self._teleop_ns: dict[str, int] = {}
        self._teleop_is_new = False
        self.unheard = ''  # a command topic that nobody listens to; the node keeps it up to date
        self._button: bool | None = None
        self._e_stopped = False
        self._halted = self._refused = ''
        self._resume_ns: int | None = None
        self._newest_ns: int | None = None
        self._valid_until_ns = 0
        self._last_ns: int | None = None
        self._soft_ns = 0
        self._next_step_ns = 0
        self._braking = 0

    # What comes in.

    def measure(self, state_group: str, values: Array, now_ns: int) -> None:
        """Take the measured values (D,) of a state group."""
        measured = self.robot.state_group(state_group)
        for name, state in self.measured_by.items():
            if state == state_group:
                group = self.robot.action_group(name)
                row = values
                if measured.rotation and group.rotation and measured.rotation != group.rotation:
                    row = convert(values, measured.rotation, group.rotation)
                self._measured[self.layout.slices[name]] = row
                self._measured_ns[name] = now_ns

    def offer(self, received: ReceivedChunk, now_ns: int) -> Rejection | None:
        """Take a chunk if it may be followed; else return, and count, why not."""
        rejection = self._refusal(received, now_ns)
        if rejection is not None:
            self.rejections[rejection] += 1
            self._refused = f' (the newest was rejected: {rejection.value})'
            return rejection
        self.accepted += 1
        self._refused = ''
        self._newest_ns = received.stamp_ns
        self._valid_until_ns = valid_until(
            received.stamp_ns, received.step_ns, received.horizon, self._max_age_ns
        )
        self.plan.add(received.chunk(), now_ns)
        return None

    def teleoperate(self, group: str, values: Array, now_ns: int) -> None:
        """Take the values (D,), finite, that a person commands for an action group."""
        self._teleop[self.layout.slices[group]] = values
        self._teleop_ns[group] = now_ns
        self._teleop_is_new = True

    def e_stop(self, pressed: bool) -> None:
        """Take the state of the e-stop button; pressed latches."""
        self._button = pressed
        if pressed:
            self.latch('e-stop')

    def latch(self, reason: str) -> None:
        """Stop within the limits, forget the plan, and stay so until re-armed."""
        if not self._e_stopped:
            self._e_stopped = True
            self._enter(Mode.ESTOPPED, reason)

    def rearm(self, now_ns: int) -> str | None:
        """Release the latch; return why not when it stays.

        The robot moves again after a chunk that answers an observation later than now.
        """
        if self._button:
            return 'the e-stop is still pressed: release it first'
        if not self._e_stopped:
            return None
        if not self._at_rest:
            return 'the robot is still braking: try again'
        self._e_stopped = False
        self._resume_ns = now_ns
        return None

    def halt(self, reason: str) -> None:
        """Stop within the limits and never start again: the node ends."""
        self._halted = reason

    # What goes out.

    def tick(self, now_ns: int) -> Command | None:
        """Return the command of this control period; None when nothing is to be commanded."""
        if self._last_ns is not None and now_ns < self._last_ns:
            if self._last_ns - now_ns > LARGEST_SLEW_NS:
                self._clock_jumped_back(now_ns)
            else:
                now_ns = self._last_ns
        self._last_ns = now_ns
        self._decide(now_ns)
        if self.mode is Mode.WAITING or (self.mode is Mode.ESTOPPED and self._at_rest):
            return None
        step = self._is_step(now_ns)
        if self.mode is Mode.RUNNING:
            previous, target = self.plan.sample(now_ns)
            self.motion.follow(previous, target, self._scale(now_ns), None)
        elif self.mode is Mode.TAKEOVER:
            live = np.zeros(self.layout.width, bool)
            for name in self._teleop_live(now_ns):
                live[self.layout.slices[name]] = True
            step, self._teleop_is_new = self._teleop_is_new, False
            self.motion.follow(self._teleop, self._teleop, self._scale(now_ns), live)
        else:
            self.motion.brake()
            self._braking += 1
        return Command(now_ns, self.motion.values, self.motion.velocity, step)

    def state_ages_s(self, now_ns: int) -> dict[str, float | None]:
        """Return state group → age in s of its last values; None before the first."""
        return {
            state: (now_ns - self._measured_ns[name]) * 1e-9 if name in self._measured_ns else None
            for name, state in self.measured_by.items()
        }

    def following_error_s(self) -> float | None:
        """Return how far the robot is from its command, in s at the velocity limit."""
        if self.mode is Mode.WAITING:
            return None
        return float(self.motion.distance(self.motion.values, self._measured).max(initial=0.0))

    # Inside.

    @property
    def _max_age_ns(self) -> int:
        return round(self.settings.chunk_timeout_s * NANOSECONDS)

    @property
    def _at_rest(self) -> bool:
        return self._braking >= STOP_PERIODS and self.motion.resting

    def _refusal(self, received: ReceivedChunk, now_ns: int) -> Rejection | None:
        rejection = malformed(received, self.layout, self.robot.embodiment)
        if rejection is not None:
            return rejection
        if self._e_stopped:
            return Rejection.E_STOPPED
        if self.mode is Mode.TAKEOVER:
            return Rejection.TAKEN_OVER
        rejection = untimely(
            received,
            now_ns,
            newest_ns=self._newest_ns,
            resume_ns=self._resume_ns,
            max_age_ns=self._max_age_ns,
            max_future_ns=round(self.settings.max_future_s * NANOSECONDS),
        )
        if rejection is None and self._state_fault(now_ns) is not None:
            return Rejection.NO_STATE
        if rejection is None:
            wanted = sample([received.chunk()], (now_ns,), self.layout)[0, 0]
            ways = self.motion.distance(wanted, self._measured)
            rejection = Rejection.JUMP if (ways > self.settings.max_jump_s).any() else None
        return rejection

    def _decide(self, now_ns: int) -> None:
        """Change the mode by what is known now."""
        fault = self._fault(now_ns)
        planned = self.plan.newest is not None and now_ns <= self._valid_until_ns
        lost = None if planned else 'no fresh action chunk' + self._refused
        mode = next_mode(
            self.mode,
            Situation(
                e_stopped=self._e_stopped,
                sound=fault is None,
                planned=planned,
                teleoperated=bool(self._teleop_live(now_ns)),
                resting=self._at_rest,
                holds=self.settings.on_timeout == 'hold',
            ),
        )
        if mode is self.mode:
            if mode is Mode.WAITING:  # say what is being waited for
                self.reason = fault or lost or self.reason
            return
        reasons = {
            Mode.RUNNING: 'following the policy',
            Mode.TAKEOVER: 'teleoperated',
            Mode.STOPPING: fault
            or ('teleoperation ended' if self.mode is Mode.TAKEOVER else lost),
            Mode.WAITING: 're-armed' if self.mode is Mode.ESTOPPED else fault,
        }
        self._enter(mode, reasons.get(mode) or self.reason, now_ns)

    def _enter(self, mode: Mode, reason: str, now_ns: int = 0) -> None:
        before, self.mode, self.reason = self.mode, mode, reason
        if mode in (Mode.STOPPING, Mode.ESTOPPED):
            # From rest nothing needs to brake: then the e-stop is silent from the start.
            self._braking = STOP_PERIODS if before is Mode.WAITING else 0
            self._next_step_ns = now_ns
            self.plan.clear()
            self._valid_until_ns = 0
        if before is Mode.TAKEOVER or mode is Mode.TAKEOVER:
            self.plan.clear()
            self._valid_until_ns = 0
            self._resume_ns = now_ns if before is Mode.TAKEOVER else self._resume_ns
        if mode in (Mode.RUNNING, Mode.TAKEOVER):
            self._soft_ns = self._next_step_ns = now_ns
            if before is Mode.WAITING:
                self._start(now_ns)

    def _start(self, now_ns: int) -> None:
        """Begin at the measured state; where nothing measures, at what is asked for first."""
        wanted = self._teleop if self.mode is Mode.TAKEOVER else self.plan.sample(now_ns)[1]
        clamped = np.clip(wanted, self.layout.lower, self.layout.upper)
        self.motion.place(np.where(np.isnan(self._measured), clamped, self._measured))

    def _fault(self, now_ns: int) -> str | None:
        """Return why the robot must not move at all, None when it may."""
        if self._halted:
            return self._halted
        if self.settings.e_stop_required and self._button is None:
            return 'nothing came on e_stop, which is required'
        if self.mode is Mode.WAITING and self.unheard:
            return f'nobody listens to {self.unheard}'
        stale = self._state_fault(now_ns)
        if stale is None and self.mode is not Mode.WAITING:
            ways = self.motion.distance(self.motion.values, self._measured)
            if (ways > self.settings.max_jump_s).any():
                worst = self.layout.names[int(ways.argmax())]
                return f'the robot is not where it was commanded: {worst}'
        return stale

    def _state_fault(self, now_ns: int) -> str | None:
        for name, state in self.measured_by.items():
            topic = self.robot.state_group(state).stream.topic
            if name not in self._measured_ns:
                return f'no measured state: nothing came on {topic}'
            if (now_ns - self._measured_ns[name]) * 1e-9 > self.settings.state_timeout_s:
                return f'measured state is stale: nothing comes on {topic}'
        return None

    def _teleop_live(self, now_ns: int) -> list[str]:
        limit_ns = round(self.settings.takeover_timeout_s * NANOSECONDS)
        return [name for name, t in self._teleop_ns.items() if now_ns - t <= limit_ns]

    def _scale(self, now_ns: int) -> float:
        soft_ns = self.settings.soft_start_s * NANOSECONDS
        return min((now_ns - self._soft_ns) / soft_ns, 1.0) if soft_ns else 1.0

    def _is_step(self, now_ns: int) -> bool:
        """Return whether a policy step begins: at most one per step duration, on a fixed grid."""
        if now_ns < self._next_step_ns:
            return False
        chunk = self.plan.newest
        step_ns = chunk.step_ns if chunk is not None else self.robot.step_ns
        due_ns = self._next_step_ns + step_ns
        self._next_step_ns = due_ns if due_ns > now_ns else now_ns + step_ns
        return True

    def _clock_jumped_back(self, now_ns: int) -> None:
        """Forget everything that carries a time of the old clock, and stop."""
        self.clock_jumps += 1
        self._measured_ns.clear()
        self._teleop_ns.clear()
        self.plan.clear()
        self._valid_until_ns = 0
        self._newest_ns = None
        self._next_step_ns = now_ns
        self._resume_ns = None if self._resume_ns is None else now_ns
        if self.mode in (Mode.RUNNING, Mode.TAKEOVER, Mode.HOLDING):
            self._enter(Mode.STOPPING, 'the clock jumped back', now_ns)
