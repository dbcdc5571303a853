# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say in words how a goal of ExecuteInstruction goes and ends; for the verbs and the console."""

from typing import NamedTuple

from gr00t_msgs.action import ExecuteInstruction

Result = ExecuteInstruction.Result
WAITING: str = ExecuteInstruction.Feedback.WAITING


class Ending(NamedTuple):
    """How `gr00t do` tells an outcome: a word, and its exit status."""

    word: str
    status: int


# Exit status 1 is for what could not begin, 130 for Ctrl-C.
ENDINGS = {
    Result.SUCCEEDED: Ending('succeeded', 0),
    Result.TIME_LIMIT: Ending('time limit', 3),
    Result.CANCELED: Ending('canceled', 4),
    Result.FAULT: Ending('fault', 5),
    Result.FAILED: Ending('failed', 6),
}


def ending_of(outcome: int) -> Ending:
    """Return word and exit status of an outcome; an unknown one is a fault."""
    unknown = Ending(f'outcome {outcome}', ENDINGS[Result.FAULT].status)
    return ENDINGS.get(outcome, unknown)
