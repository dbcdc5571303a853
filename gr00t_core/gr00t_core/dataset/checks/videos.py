# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check the videos of a dataset: number of frames, rate, size, and that each can be decoded."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter
import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.checks.conspicuous import Conspicuous, frozen
from gr00t_core.dataset.checks.findings import error, Finding, warning
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import INFO, V30
from gr00t_core.dataset.video.index import index_video, VideoIndex
from gr00t_core.dataset.write.numbering import TIMESTAMP_TOLERANCE
from gr00t_core.errors import DatasetError

SMALL = 16  # blocks a side in which pictures are compared
LONG_GOP = 30  # frames between keyframes from which a finding calls random access slow


def check_videos(dataset: Dataset, decode: bool) -> Iterator[Finding]:
    """Yield what is wrong with the videos.

    Args:
        dataset: The dataset.
        decode: Decode every frame, rather than look at the packets only.
    """
    files: dict[Path, tuple[str, int]] = {}  # file → feature, frames that its episodes take
    for episode in dataset.episodes:
        for key, video in episode.videos.items():
            used = files.get(video.path, (key, 0))[1]
            files[video.path] = (key, max(used, video.first + video.frames))
            if dataset.info.version == V30:
                yield from _check_start(video.path, video.first, episode.index)
    present = {key for key, _ in files.values()}
    for key in dataset.info.video_keys:
        if key not in present:
            yield warning(dataset.path / INFO, f'{key}: declared, but has no files')
    slow = 0
    for path, (key, frames) in files.items():
        try:
            index = index_video(path)
        except DatasetError as problem:
            yield error(path, str(problem))
            continue
        if index.frames != frames:
            yield error(path, f'{index.frames} frames, its episodes have {frames} steps')
        yield from _check_format(dataset, path, key, index)
        slow += int(np.diff(np.flatnonzero(index.keyframe), append=index.frames).max() > LONG_GOP)
        if decode:
            small: list[NDArray[np.uint8]] = []
            yield from _check_decoding(path, index, small)
            yield from _check_frozen(dataset, path, key, small)
    if slow:
        yield warning(
            dataset.path / 'videos',
            f'{slow} of {len(files)} files have keyframes more than {LONG_GOP} frames apart:'
            ' random access is slow',
        )


def _check_start(path: Path, first: int, episode: int) -> Iterator[Finding]:
    try:
        index = index_video(path)
    except DatasetError:
        return  # told once, for the file
    if first < index.frames and not index.keyframe[first]:
        yield warning(
            path, f'episode {episode} does not begin at a keyframe, so it cannot be cut out'
        )


def _check_format(dataset: Dataset, path: Path, key: str, index: VideoIndex) -> Iterator[Finding]:
    feature = dataset.info.features[key]
    if (index.height, index.width) != feature.shape[:2]:
        yield error(
            path,
            f'{index.width}×{index.height} pixels, meta/info.json says'
            f' {feature.shape[1]}×{feature.shape[0]}',
        )
    seconds = index.seconds()
    off = np.abs(seconds - seconds[0] - np.arange(index.frames) / float(dataset.info.fps))
    if off.max() > TIMESTAMP_TOLERANCE:
        frame = int(np.argmax(off > TIMESTAMP_TOLERANCE))
        yield error(
            path,
            f'frame {frame} is at {seconds[frame]:.4f} s, at {float(dataset.info.fps):g} fps it'
            f' should be at {seconds[0] + frame / float(dataset.info.fps):.4f} s',
        )
    if feature.codec and feature.codec != index.codec:
        yield warning(path, f'codec {index.codec}, meta/info.json says {feature.codec}')


def _check_frozen(
    dataset: Dataset, path: Path, key: str, small: list[NDArray[np.uint8]]
) -> Iterator[Finding]:
    """Find where the picture of a file stays the same though the robot moves."""
    names = dataset.modality.state if has_modality(dataset) else {}
    if not names:
        return  # told by the check of modality.json
    state = np.concatenate([dataset.group(f'state.{name}') for name in names], axis=1)
    span = np.ptp(state, axis=0)
    for number, episode in enumerate(dataset.episodes):
        video = episode.videos.get(key)
        if video is None or video.path != path or len(small) < video.first + video.frames:
            continue
        rows = state[episode.start : episode.start + episode.length]
        seen = np.stack(small[video.first : video.first + video.frames])
        for first, end in frozen(seen[: len(rows)], rows, span, float(dataset.info.fps)):
            seconds = (end - first) / float(dataset.info.fps)
            what = f'{key}: the picture stays the same for {seconds:.1f} s while the robot moves'
            stretch = Conspicuous(number, first, end, what)
            at = stretch.at(float(dataset.info.fps))
            yield warning(f'episode {episode.index}', stretch.text, at)


def has_modality(dataset: Dataset) -> bool:
    """Return whether it is known which columns make which group."""
    try:
        return bool(dataset.modality.state)
    except DatasetError:
        return False


def _check_decoding(
    path: Path, index: VideoIndex, small: list[NDArray[np.uint8]]
) -> Iterator[Finding]:
    """Decode a file; put each picture, small and grey, into `small`."""
    decoded = 0
    reformatter = VideoReformatter()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                decoded += not frame.is_corrupt
                grey = reformatter.reformat(frame, SMALL, SMALL, 'gray', interpolation='AREA')
                small.append(np.asarray(grey.to_ndarray(), np.uint8))
    except av.FFmpegError as problem:
        yield error(path, f'cannot be decoded after frame {decoded}: {problem}')
        return
    if decoded != index.frames:
        yield error(path, f'{decoded} of {index.frames} frames can be decoded')
