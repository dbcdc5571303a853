# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Join and cut videos by copying packets, in one pass over each input."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from gr00t_core.dataset.video.index import index_video, VideoIndex
from gr00t_core.dataset.video.writer import check_frames
from gr00t_core.errors import DatasetError


@dataclass(frozen=True)
class VideoSlice:
    """Consecutive frames of a file.

    Attributes:
        path: The file.
        first: Number of the first frame.
        frames: How many.
    """

    path: Path
    first: int
    frames: int

    def covers_file(self) -> bool:
        """Tell whether the slice is the whole file."""
        return self.first == 0 and self.frames == index_video(self.path).frames

    def size(self) -> int:
        """Return the bytes of its packets."""
        index = index_video(self.path)
        inside = (index.order >= self.first) & (index.order < self.first + self.frames)
        return int(index.sizes[inside].sum(dtype=np.int64))


def joinable(one: VideoIndex, other: VideoIndex) -> bool:
    """Tell whether the packets of two files may stand in one stream."""
    return (one.codec, one.width, one.height, one.pix_fmt, one.extradata) == (
        other.codec,
        other.width,
        other.height,
        other.pix_fmt,
        other.extradata,
    )


def remux(slices: Sequence[VideoSlice], output: Path, fps: Fraction) -> None:
    """Write slices one after the other into one mp4; frame k of it has the stamp k/fps.

    Args:
        slices: At least one; all joinable.
        output: File to write.
        fps: Its rate, whatever the stamps of the inputs were.

    Raises:
        DatasetError: A slice does not start at a keyframe, or the files cannot be joined.
    """
    indices = [index_video(piece.path) for piece in slices]
    for piece, index in zip(slices, indices, strict=True):
        if not joinable(index, indices[0]):
            raise DatasetError(
                f'{piece.path} cannot be joined to {slices[0].path}: other encoding'
            )
        if piece.first + piece.frames > index.frames:
            raise DatasetError(
                f'{piece.path}: frames {piece.first} to {piece.first + piece.frames - 1} asked'
                ' for,'
                f' it has {index.frames}'
            )
        if not index.keyframe[piece.first]:
            raise DatasetError(
                f'{piece.path}: frame {piece.first} is no keyframe, so the video cannot be cut'
                ' there'
            )
    # Decoding order runs ahead of display order by the same amount in the whole file.
    delay = max(_delay(piece, index) for piece, index in zip(slices, indices, strict=True))
    with av.open(str(output), 'w', format='mp4') as container:
        stream = None
        total = 0
        for piece, index in zip(slices, indices, strict=True):
            with av.open(str(piece.path)) as source:
                if stream is None:
                    stream = container.add_stream_from_template(
                        source.streams.video[0],
                        opaque=True,  # no encoder is needed, nor there for all
                    )
                    stream.time_base = 1 / fps
                for decoded, (packet, number) in enumerate(_packets(source, piece, index)):
                    packet.stream = stream
                    packet.pts = total + number
                    packet.dts = total + decoded - delay
                    packet.duration = 1
                    packet.time_base = 1 / fps
                    container.mux_one(packet)
            total += piece.frames
    check_frames(output, total, fps)


def _delay(piece: VideoSlice, index: VideoIndex) -> int:
    numbers = index.order - piece.first
    numbers = numbers[(numbers >= 0) & (numbers < piece.frames)]
    return int(np.max(np.arange(len(numbers)) - numbers))


def _packets(source: Any, piece: VideoSlice, index: VideoIndex) -> Iterator[tuple[Any, int]]:
    """Yield the slice's packets with their frame numbers, counted from the slice's first frame."""
    stream = source.streams.video[0]
    if piece.first:
        source.seek(int(index.pts[piece.first]), stream=stream)
    left = piece.frames
    for packet in source.demux(stream):
        if not packet.size or packet.is_discard:
            continue
        number = int(np.searchsorted(index.pts, packet.pts)) - piece.first
        if 0 <= number < piece.frames:
            yield packet, number
            left -= 1
            if not left:
                return
    raise DatasetError(f'{piece.path}: {left} of {piece.frames} frames were not found')
