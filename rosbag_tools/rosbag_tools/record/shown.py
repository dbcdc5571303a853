# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a screen shows of the recorder, besides its topics."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """The state of the recorder.

    Attributes:
        instruction: Of the episode being recorded, else of the next one.
        number: Of this episode in the folder, from 0 as in the dataset (decision 0116).
        recording: Name of the episode being recorded, '' for none.
        seconds: How long it has been recorded (s).
        bytes, dropped: Of the episode being recorded.
        good, bad: Episodes in the folder that are marked as a success, as a failure.
        not_convertible: Episodes of this session that the converter would refuse.
        judging: Episodes whose judgement is under way.
        asking: Name of the saved episode that may go to the trash, '' for none.
        stores_jpeg: Raw camera images are stored as JPEG.
        free_bytes: Space left before recording stops.
    """

    instruction: str
    number: int
    recording: str
    seconds: float
    bytes: int
    dropped: int
    good: int
    bad: int
    not_convertible: int
    judging: int
    asking: str
    stores_jpeg: bool
    free_bytes: int
