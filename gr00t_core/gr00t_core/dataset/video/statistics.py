# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image statistics of videos that are there already, from a few of their keyframes."""

import numpy as np

from gr00t_core.dataset.statistics import IMAGE_SAMPLES, ImageStatistics, Statistics
from gr00t_core.dataset.video.index import index_video
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.video.remux import VideoSlice


def video_statistics(reader: VideoReader, video: VideoSlice) -> Statistics:
    """Return the statistics of keyframes that are about evenly spaced; each costs one decoding.

    Args:
        reader: What to read with.
        video: The frames of one episode.

    Raises:
        DatasetError: The file cannot be read or is too short.
    """
    index = index_video(video.path)
    spaced = np.linspace(0, video.frames - 1, min(video.frames, IMAGE_SAMPLES // 2)).round()
    keys = {max(index.key_before(video.first + int(number)), video.first) for number in spaced}
    statistics = ImageStatistics()
    for key in sorted(keys):
        statistics.add(reader.frames(video.path, [key])[0])
    return statistics.result()
