# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The modes of the executor and the one function that changes them."""

from dataclasses import dataclass
from enum import Enum


class Mode(str, Enum):
    """What the executor does.

    WAITING commands nothing, until measured state and a chunk (or teleoperation) are there.
    RUNNING follows the plan, slowly at first. STOPPING brakes at the full rate within the limits.
    HOLDING repeats the last position. STOPPED and ESTOPPED brake, then command nothing until
    re-armed: the first by `~/stop`, another commanding node or an internal error, the second by an
    e-stop (decision 0115).
    TAKEOVER follows the teleoperation topic.
    """

    WAITING = 'waiting'
    RUNNING = 'running'
    STOPPING = 'stopping'
    HOLDING = 'holding'
    STOPPED = 'stopped'
    ESTOPPED = 'e-stopped'
    TAKEOVER = 'takeover'


# Modes that last until a person re-arms.
LATCHED = (Mode.STOPPED, Mode.ESTOPPED)


@dataclass(frozen=True)
class Situation:
    """What a decision depends on.

    Attributes:
        latched: The mode of the stop that is latched, None for none.
        sound: The measured state is fresh, and the robot is where it was commanded to be.
        planned: A plan covers this instant.
        teleoperated: Teleoperation is live.
        resting: The last command does not move any more.
        holds: After a stop the last position is to be repeated.
    """

    latched: Mode | None
    sound: bool
    planned: bool
    teleoperated: bool
    resting: bool
    holds: bool


def next_mode(mode: Mode, now: Situation) -> Mode:
    """Return the mode of the coming control period."""
    if now.latched is not None:
        return now.latched
    if mode in LATCHED:  # re-armed
        return Mode.WAITING
    if mode is Mode.STOPPING:
        if not now.resting:
            return Mode.STOPPING
        return Mode.HOLDING if now.holds and now.sound else Mode.WAITING
    moving = mode in (Mode.RUNNING, Mode.TAKEOVER)
    if not now.sound:
        return Mode.STOPPING if moving else Mode.WAITING
    if now.teleoperated:
        return Mode.TAKEOVER
    if mode is Mode.TAKEOVER:
        return Mode.STOPPING
    if now.planned:
        return Mode.RUNNING
    return Mode.STOPPING if moving else mode
