# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold what a user chose about how bags become episodes."""

from dataclasses import dataclass
from pathlib import Path

from gr00t_core.dataset.decisions import Decision
from gr00t_core.dataset.video.writer import VideoOptions


@dataclass(frozen=True)
class ConvertOptions:
    """How bags become episodes.

    Attributes:
        rate_hz: Rate of the rows.
        video: How frames are encoded; None copies the recorded bitstream where that can be.
        split: `bag`, `gap:<seconds>`, `event:<topic>` or `services`.
        action_from: `command`, `next_state` or `delta`.
        instruction: Used where the bag names none.
        trim_idle_s: Idle time kept at both ends of an episode, None keeps all.
        only_success: Leave out episodes that are not marked as a success.
        namespace: Namespace of the robot's topics in the bag.
        definitions: `.msg` files for types that the bag does not define.
        corrections: Write who decided each row, and its episode's outcome.
        decisions: What a person decided about the bag.
    """

    rate_hz: float
    video: VideoOptions | None
    split: str = 'bag'
    action_from: str = 'command'
    instruction: str | None = None
    trim_idle_s: float | None = None
    only_success: bool = False
    namespace: str = ''
    definitions: tuple[Path, ...] = ()
    corrections: bool = False
    decisions: tuple[Decision, ...] = ()
