# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Index a video file without decoding: the stamps of its frames, and the keyframes."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.formats.tables import refuse_pipe, unreadable
from gr00t_core.errors import DatasetError


@dataclass(frozen=True)
class VideoIndex:
    """The frames of one file; frame k is the k-th in display order.

    Attributes:
        pts: (N,) int64, increasing, in units of `time_base`.
        keyframe: (N,) bool; decoding can start at these frames.
        order: (N,) int32, frame number of each packet in the order of the file.
        sizes: (N,) int32, bytes of each packet in the order of the file.
        time_base: Seconds per unit.
        width, height: Pixels.
        codec, pix_fmt: FFmpeg's names.
        extradata: Codec configuration; files with different ones cannot be joined.
    """

    pts: NDArray[np.int64]
    keyframe: NDArray[np.bool_]
    order: NDArray[np.int32]
    sizes: NDArray[np.int32]
    time_base: Fraction
    width: int
    height: int
    codec: str
    pix_fmt: str
    extradata: bytes

    @property
    def frames(self) -> int:
        """Return the number of frames."""
        return len(self.pts)

    def seconds(self) -> NDArray[np.float64]:
        """Return (N,) float64 stamps in seconds."""
        return np.asarray(self.pts * float(self.time_base), np.float64)

    def key_before(self, frame: int) -> int:
        """Return the last keyframe at or before a frame.

        Raises:
            DatasetError: There is none.
        """
        keys = np.flatnonzero(self.keyframe[: frame + 1])
        if not len(keys):
            raise DatasetError(f'frame {frame} has no keyframe before it')
        return int(keys[-1])


def index_video(path: Path) -> VideoIndex:
    """Index a file by reading its packets; the result is kept as long as the file does not change.

    Raises:
        DatasetError: It is missing, is not a video, or has packets without a stamp or with the
            same one.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DatasetError(f'{path}: no such video file') from None
    refuse_pipe(path)
    return _index(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=16384)  # about 6 KB for 300 frames
def _index(path: Path, _mtime_ns: int, _size: int) -> VideoIndex:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DatasetError(f'{path}: holds no video stream')
            stream = container.streams.video[0]
            context = stream.codec_context
            # The packet without a size only marks the end; a discarded one is cut off by the edit
            # list.
            packets = [
                (packet.pts, packet.is_keyframe, packet.size)
                for packet in container.demux(stream)
                if packet.size and not packet.is_discard
            ]
            return _sorted(path, packets, stream, context)
    except av.FFmpegError as error:
        raise unreadable(path, 'not readable as a video', error) from None


def _sorted(
    path: Path,
    packets: list[tuple[int | None, bool, int]],
    stream: 'av.VideoStream',
    context: 'av.VideoCodecContext',
) -> VideoIndex:
    if not packets:
        raise DatasetError(f'{path}: holds no frames')
    if any(pts is None for pts, _, _ in packets):
        raise DatasetError(f'{path}: has packets without a time stamp; expected mp4')
    stamps = np.array([pts for pts, _, _ in packets], np.int64)
    display = np.argsort(stamps, kind='stable')
    pts = stamps[display]
    if np.any(np.diff(pts) == 0):
        raise DatasetError(f'{path}: two frames have the same time stamp')
    order = np.empty(len(pts), np.int32)
    order[display] = np.arange(len(pts))
    return VideoIndex(
        pts=pts,
        keyframe=np.array([key for _, key, _ in packets], np.bool_)[display],
        order=order,
        sizes=np.array([size for _, _, size in packets], np.int32),
        time_base=Fraction(stream.time_base),
        width=context.width,
        height=context.height,
        codec=context.codec.canonical_name,
        pix_fmt=context.pix_fmt or '',
        extradata=bytes(context.extradata or b''),
    )
