# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the chunks that the robot follows: each is taken or refused, all are forgotten together."""

from collections import Counter

from gr00t_core.robot.description import Robot
from gr00t_policy_node.executor.admission import malformed, ReceivedChunk, untimely, valid_until
from gr00t_policy_node.executor.deltas import DeltaRows
from gr00t_policy_node.executor.entrance import Refusal, Rejection
from gr00t_policy_node.executor.handover import Plan, sample
from gr00t_policy_node.executor.inputs import Measurements
from gr00t_policy_node.executor.layout import Array, Layout
from gr00t_policy_node.executor.motion import Motion, too_far
from gr00t_policy_node.executor.settings import Settings, to_ns


class Chunks:
    """The chunks that the robot follows.

    Attributes:
        plan: What they say, as one action over time.
        refusal: Why the newest chunk is not followed; None when it is.
        rejections: How many were refused, by reason.
        accepted: How many were taken.
    """

    def __init__(
        self,
        robot: Robot,
        layout: Layout,
        settings: Settings,
        period_ns: int,
        measured: Measurements,
        motion: Motion,
    ) -> None:
        """Begin without chunks; `measured` and `motion` say how far a chunk is from the robot."""
        self._embodiment = robot.embodiment
        self._layout = layout
        self._measured = measured
        self._motion = motion
        self._max_age_ns = to_ns(settings.chunk_timeout_s)
        self._max_future_ns = to_ns(settings.max_future_s)
        self._max_jump_s = settings.max_jump_s
        self.plan = Plan(
            layout,
            settings.handover,
            to_ns(settings.blend_s),
            settings.ensemble_decay,
            period_ns,
            self._max_age_ns,
        )
        self._newest_ns: int | None = None
        self.refusal: Refusal | None = None
        self.rejections: Counter[Rejection] = Counter()
        self.accepted = 0
        self._rows = DeltaRows(period_ns)
        self._valid_until_ns = 0

    def offer(
        self,
        received: ReceivedChunk,
        now_ns: int,
        closed: Rejection | None,
        resume_ns: int | None,
    ) -> Rejection | None:
        """Take a chunk if it may be followed; else return, and count, why not.

        Args:
            received: The chunk.
            now_ns: Time of the decision.
            closed: Why no chunk is followed now; None when chunks are.
            resume_ns: A person released the robot at this time; what the policy saw before it does
                not count.
        """
        self.refusal = self._refusal(received, now_ns, closed, resume_ns)
        if self.refusal is not None:
            self.rejections[self.refusal.reason] += 1
            return self.refusal.reason
        self.accepted += 1
        self._newest_ns = received.stamp_ns
        self._valid_until_ns = valid_until(
            received.stamp_ns, received.step_ns, received.horizon, self._max_age_ns
        )
        self.plan.add(received.chunk(), now_ns)
        return None

    def cover(self, now_ns: int) -> bool:
        """Return whether there is a plan for this instant."""
        return self.plan.newest is not None and now_ns <= self._valid_until_ns

    def row(self, now_ns: int) -> Array | None:
        """Return the deltas (A,) of the newest chunk that are due now, None when none are."""
        chunk = self.plan.newest
        return None if chunk is None else self._rows.take(chunk, now_ns)

    def forget(self) -> None:
        """Forget every chunk; those older than the newest one still count as late."""
        self.plan.clear()
        self._rows.forget()
        self._valid_until_ns = 0

    def restart(self) -> None:
        """Forget every chunk, and that any came: stamps from before a clock jump say nothing."""
        self.forget()
        self._newest_ns = None

    def _refusal(
        self,
        received: ReceivedChunk,
        now_ns: int,
        closed: Rejection | None,
        resume_ns: int | None,
    ) -> Refusal | None:
        refusal = malformed(received, self._layout, self._embodiment)
        if refusal is not None:
            return refusal
        if closed is not None:
            return Refusal(closed, '')
        refusal = untimely(
            received,
            now_ns,
            newest_ns=self._newest_ns,
            resume_ns=resume_ns,
            max_age_ns=self._max_age_ns,
            max_future_ns=self._max_future_ns,
        )
        if refusal is not None:
            return refusal
        fault = self._measured.fault(now_ns)
        if fault is not None:
            return Refusal(Rejection.NO_STATE, fault)
        wanted = sample([received.chunk()], (now_ns,), self._layout)[0, 0]
        ways = self._motion.distance(wanted, self._measured.values)
        far = too_far(self._layout, ways, self._max_jump_s)
        return None if far is None else Refusal(Rejection.JUMP, far)
