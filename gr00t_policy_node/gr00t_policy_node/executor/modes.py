# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The modes of the executor and the one function that changes them."""

from dataclasses import dataclass
from enum import Enum


class Mode(str, Enum):
    """What the executor does.

    WAITING commands nothing, until measured state and a chunk (or teleoperation) are there.
    RUNNING follows the plan, slowly at first. STOPPING brakes at the full rate within the limits.
    HOLDING repeats the last position. ESTOPPED brakes, then commands nothing until re-armed.
    TAKEOVER follows the teleoperation topic.
    """

    WAITING = 'waiting'
    RUNNING = 'running'
    STOPPING = 'stopping'
    HOLDING = 'holding'
    ESTOPPED = 'e-stopped'
    TAKEOVER = 'takeover'


@dataclass(frozen=True)
class Situation:
    """What a decision depends on.

    Attributes:
        e_stopped: The e-stop is latched.
        sound: The measured state is fresh, and the robot is where it was commanded to be.
        planned: A plan covers this instant.
        teleoperated: Teleoperation is live.
        resting: The last command does not move any more.
        holds: After a stop the last position is to be repeated.
    """

    e_stopped: bool
    sound: bool
    planned: bool
    teleoperated: bool
    resting: bool
    holds: bool


def next_mode(mode: Mode, now: Situation) -> Mode:
    """Return the mode of the coming control period."""
    if now.e_stopped:
        return Mode.ESTOPPED
    if mode is Mode.ESTOPPED:  # re-armed
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
