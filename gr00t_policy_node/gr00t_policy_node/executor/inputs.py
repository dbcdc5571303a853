# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the newest measurements and teleoperation that passed the door, with their stamps.

A value is as old as its measurement: its stamp counts, not its arrival. A action width, D width
of a group.
"""

from collections import Counter

import numpy as np

from gr00t_core.robot.description import ActionGroup, Robot
from gr00t_core.transforms.rotation import convert
from gr00t_policy_node.executor.entrance import (
    Array,
    disordered,
    MEASURED_MARGIN,
    mistimed,
    Plausible,
    Refusal,
    Rejection,
    unfit,
)
from gr00t_policy_node.executor.layout import Layout
from gr00t_policy_node.executor.motion import travel_s


class Measurements:
    """The newest measured values of the state groups that the executor looks at."""

    def __init__(
        self,
        robot: Robot,
        layout: Layout,
        max_age_ns: int,
        max_future_ns: int,
        max_leap_s: float = np.inf,
    ) -> None:
        """Know nothing yet.

        Args:
            robot: Its state groups.
            layout: Its action columns.
            max_age_ns: Greatest age of a measurement.
            max_future_ns: How far a stamp may lie ahead.
            max_leap_s: How far two measurements may lie apart, in s at the velocity limit, beyond
                what the time between their stamps permits.
        """
        self._layout = layout
        self._max_leap_s = max_leap_s
        # State group → stamp and rows (by action group) of what came last, dropped or not.
        self._seen: dict[str, tuple[int, dict[str, Array]]] = {}
        # State group → until when nothing is believed (node clock), and why.
        self._doubted: dict[str, tuple[int, Refusal]] = {}
        self._max_age_ns, self._max_future_ns = max_age_ns, max_future_ns
        # Action groups that start from, and are compared with, a measured state group.
        self.measured_by = {
            group.name: group.state
            for group in robot.action
            if group.state is not None and group.command == 'position' and group.kind != 'binary'
        }
        # Every state group without which the robot does not move.
        boxed = [box.state for box in robot.workspace]
        self.needed = tuple(dict.fromkeys([*self.measured_by.values(), *boxed]))
        # Prepared once: measurements come at up to 1000 Hz.
        self._groups = {state: robot.state_group(state) for state in self.needed}
        self._bounds: dict[str, list[Plausible]] = {state: [] for state in self.needed}
        self._measures: dict[str, list[ActionGroup]] = {state: [] for state in self.needed}
        for name, state in self.measured_by.items():
            bound = layout.plausible(name, MEASURED_MARGIN)
            self._bounds[state].extend([] if bound is None else [bound])
            self._measures[state].append(robot.action_group(name))
        self.values = np.full(layout.width, np.nan)  # of the action columns that are measured
        self.states: dict[str, Array] = {}
        self._stamps: dict[str, int] = {}
        self._refusals: dict[str, Refusal] = {}  # state group → why its newest value was dropped
        self.dropped: Counter[tuple[str, Rejection]] = Counter()

    def take(self, state: str, values: Array, now_ns: int, stamp_ns: int) -> Refusal | None:
        """Take the values (D,) of a state group; else return, and count, why they are dropped."""
        if state not in self.needed:
            return None
        values = np.array(values, np.float64)
        refusal = self._examine(state, values, now_ns, stamp_ns)
        if refusal is not None:
            self.dropped[state, refusal.reason] += 1
            self._refusals[state] = refusal
            return refusal
        self._refusals.pop(state, None)
        self._stamps[state] = stamp_ns
        self.states[state] = values
        for name, row in self._seen[state][1].items():
            self.values[self._layout.slices[name]] = row
        return None

    def fault(self, now_ns: int) -> str | None:
        """Return which measurement is missing or stale, None when all are fresh."""
        for state in self.needed:
            why = self._refusals.get(state)
            topic = self._groups[state].stream.topic
            if state not in self._stamps:
                return f'no measured state: {why or "nothing came"} on {topic}'
            until_ns, doubt = self._doubted.get(state, (now_ns, None))
            if now_ns < until_ns:
                return f'measured state is in doubt on {topic}: {doubt}'
            late = mistimed(self._stamps[state], now_ns, self._max_age_ns, self._max_future_ns)
            if late is not None:
                said = f'dropped {state}, {why}' if why else f'nothing comes, {state} is {late}'
                return f'measured state is stale on {topic}: {said}'
        return None

    def ages_s(self, now_ns: int) -> dict[str, float | None]:
        """Return state group → age in s of its last values; None before the first."""
        return {
            state: (now_ns - self._stamps[state]) * 1e-9 if state in self._stamps else None
            for state in self.needed
        }

    def believe_leaps(self) -> None:
        """Let measurements lie anywhere: a simulator may set its robot elsewhere at once."""
        self._max_leap_s = np.inf

    def forget(self) -> None:
        """Forget the stamps: they are of another clock."""
        self._stamps.clear()
        self._refusals.clear()
        self._doubted.clear()

    def _leap(self, state: str, values: Array, now_ns: int, stamp_ns: int) -> Refusal | None:
        """Return a refusal of a measurement that cannot follow the one seen before it.

        Two nodes that publish different places of one robot, such as a forgotten
        joint_state_publisher, must not make it start at a place where it is not. So neither is
        believed until no measurement has leapt for as long as one stays fresh.
        """
        measured, rows = self._groups[state], {}
        before_ns, before = self._seen.get(state, (stamp_ns, {}))
        elapsed_ns = min(abs(stamp_ns - before_ns), self._max_age_ns)
        allowed_s = self._max_leap_s + elapsed_ns * 1e-9
        found = None
        for group in self._measures[state]:
            row = values
            if measured.rotation and group.rotation and measured.rotation != group.rotation:
                row = convert(row, measured.rotation, group.rotation)
            rows[group.name] = row
            if group.name not in before or found is not None:
                continue
            ways = travel_s(self._layout, group.name, row, before[group.name])
            if not (ways <= allowed_s).all():
                worst = int(ways.argmax())
                column = self._layout.slices[group.name].start + worst
                speed = self._layout.speed[column]
                found = Refusal(
                    Rejection.LEAP,
                    f'{self._layout.names[column]} {ways[worst] * speed:.3g} away from'
                    f' the measurement before, allowed {allowed_s * speed:.3g} (max_jump_s); do'
                    f' two nodes publish {measured.stream.topic}?',
                )
        self._seen[state] = (stamp_ns, rows)
        if found is not None:
            self._doubted[state] = (now_ns + self._max_age_ns, found)
        until_ns, why = self._doubted.get(state, (now_ns, None))
        return why if now_ns < until_ns else None

    def _examine(self, state: str, values: Array, now_ns: int, stamp_ns: int) -> Refusal | None:
        measured = self._groups[state]
        row = values[np.newaxis]
        bounds = self._bounds[state]
        found = unfit(row, measured.names, measured.rotation, bounds[0] if bounds else None)
        for bound in bounds[1:]:
            found = found or unfit(row, measured.names, None, bound)
        found = found or mistimed(stamp_ns, now_ns, self._max_age_ns, self._max_future_ns)
        found = found or self._leap(state, values, now_ns, stamp_ns)
        newest_ns = self._stamps.get(state)
        return found or disordered(stamp_ns, newest_ns, now_ns, self._max_future_ns)


class Teleoperation:
    """The newest values that a person commands."""

    def __init__(self, robot: Robot, layout: Layout, max_age_ns: int, max_future_ns: int) -> None:
        self._robot, self._layout = robot, layout
        self._max_age_ns, self._max_future_ns = max_age_ns, max_future_ns
        self._values = np.full(layout.width, np.nan)
        self._stamps: dict[str, int] = {}
        self._pending: dict[str, Array] = {}  # delta group → sum of what was not sent yet
        self.dropped: Counter[tuple[str, Rejection]] = Counter()

    def take(
        self, group: str, values: Array, now_ns: int, stamp_ns: int, resume_ns: int | None
    ) -> Refusal | None:
        """Take the values (D,) for an action group; else return, and count, why not."""
        refusal = self._examine(group, np.asarray(values, np.float64), now_ns, stamp_ns, resume_ns)
        if refusal is not None:
            self.dropped[group, refusal.reason] += 1
            return refusal
        row = np.array(values, np.float64)
        self._values[self._layout.slices[group]] = row
        self._stamps[group] = stamp_ns
        if self._robot.action_group(group).command == 'delta':
            self._pending[group] = self._pending.get(group, 0.0) + row
        return None

    def live(self, now_ns: int) -> list[str]:
        """Return the groups that a person commands now."""
        return [
            name
            for name, stamp_ns in self._stamps.items()
            if mistimed(stamp_ns, now_ns, self._max_age_ns, self._max_future_ns) is None
        ]

    def peek(self) -> Array:
        """Return the values (A,) asked for, nan where no source asked yet."""
        return self._values.copy()

    def target(self) -> tuple[Array, frozenset[str]]:
        """Return the values (A,) asked for, and the delta groups that have something to send.

        A delta counts once: it is zero in the next answer.
        """
        values = self._values.copy()
        values[self._layout.delta] = 0.0
        for name, row in self._pending.items():
            values[self._layout.slices[name]] = row
        due = frozenset(self._pending)
        self._pending.clear()
        return values, due

    def drop_pending(self) -> None:
        """Forget the deltas that were asked for while the robot could not be teleoperated."""
        self._pending.clear()

    def forget(self) -> None:
        """Forget everything: a person must ask anew."""
        self._stamps.clear()
        self._pending.clear()

    def _examine(
        self, name: str, values: Array, now_ns: int, stamp_ns: int, resume_ns: int | None
    ) -> Refusal | None:
        group = self._robot.action_group(name)
        row = values[np.newaxis]
        found = unfit(row, group.names, group.rotation, self._layout.asked[name])
        found = found or mistimed(stamp_ns, now_ns, self._max_age_ns, self._max_future_ns)
        if found is None and resume_ns is not None and stamp_ns <= resume_ns:
            found = Refusal(Rejection.BEFORE_RESUME, '')
        newest_ns = self._stamps.get(name)
        return found or disordered(stamp_ns, newest_ns, now_ns, self._max_future_ns)
