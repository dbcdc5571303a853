# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Watch a policy as a person beside the robot would, and say when to take over, and why.

The supervisor knows what the simulator knows; it is a function of that alone. What takes over is
the scene's scripted expert, as teleoperation: its commands go through the chunk executor.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WRONG, DROPPED, STALLED, LATE = 'wrong object', 'dropped', 'no progress', 'late'


@dataclass(frozen=True)
class Sight:
    """What can be seen of an episode at one time.

    Attributes:
        time_s: Simulated time since the episode began, s.
        distance_m: From the gripper to the object that the instruction names, m.
        lift_m: How far that object is above where it rests, m.
        other_lift_m: The same of the other object that is highest, m.
    """

    time_s: float
    distance_m: float
    lift_m: float
    other_lift_m: float


@dataclass(frozen=True)
class Patience:
    """How much a supervisor lets happen before it takes over.

    Attributes:
        other_lift_m: Another object is lifted by so much, m.
        held_m: The named object counts as held from this height on, m.
        lost_m: Once held, it counts as dropped below this height, m.
        closer_m: Progress: the gripper is so much nearer, or the object so much higher, m.
        stall_s: Longest time without progress, s.
        late_s: Longest time that the policy gets, s.
    """

    other_lift_m: float = 0.01
    held_m: float = 0.02
    lost_m: float = 0.008
    closer_m: float = 0.008
    stall_s: float = 2.5
    late_s: float = 7.0


def verdict(seen: Sequence[Sight], patience: Patience) -> str:
    """Return why a person would take over now; '' while the policy may go on.

    Args:
        seen: The episode so far, oldest first.
        patience: What the supervisor lets happen.
    """
    if not seen:
        return ''
    now = seen[-1]
    if now.other_lift_m > patience.other_lift_m:
        return WRONG
    if max(sight.lift_m for sight in seen) > patience.held_m and now.lift_m < patience.lost_m:
        return DROPPED
    if now.time_s - last_progress_s(seen, patience.closer_m) > patience.stall_s:
        return STALLED
    return LATE if now.time_s > patience.late_s else ''


def last_progress_s(seen: Sequence[Sight], step_m: float) -> float:
    """Return when the gripper last came nearer than ever, or the object higher, by a step, s."""
    nearest, highest, when_s = seen[0].distance_m, seen[0].lift_m, seen[0].time_s
    for sight in seen:
        if sight.distance_m < nearest - step_m:
            nearest, when_s = sight.distance_m, sight.time_s
        if sight.lift_m > highest + step_m:
            highest, when_s = sight.lift_m, sight.time_s
    return when_s
