# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write mp4 files by encoding frames or copying packets; frame k has the stamp k/fps."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
import io
import os
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import ColorRange, VideoReformatter
import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.video.index import index_video, VideoIndex
from gr00t_core.errors import DatasetError

ENCODERS = ('libx264', 'libsvtav1', 'h264_nvenc')
COPIED = ('mjpeg', 'h264', 'hevc')
MP4_CODEC_NAME = {'libx264': 'h264', 'h264_nvenc': 'h264', 'libsvtav1': 'av1'}

H264_IDR = 5  # NAL unit types at which decoding can start
HEVC_IRAP = range(16, 22)


@dataclass(frozen=True)
class VideoOptions:
    """How frames are encoded.

    Attributes:
        encoder: One of ENCODERS.
        crf: Quality; lower is better and larger. Constant QP for NVENC.
        gop: Frames from keyframe to keyframe; 2 makes random access cheap.
        size: (width, height) to scale to, None to keep the camera's.
    """

    encoder: str = 'libx264'
    crf: int = 23
    gop: int = 2
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise DatasetError(
                f'video encoder {self.encoder!r}: expected one of {", ".join(ENCODERS)}'
            )
        if self.size is not None and (min(self.size) < 2 or any(side % 2 for side in self.size)):
            raise DatasetError(f'video size {self.size}: width and height must be even')


class VideoWriter:
    """Encode frames into one mp4, with one thread and bounded memory.

    The first frame opens the file: its size is the file's, unless the options name another one.
    """

    def __init__(self, path: Path, fps: Fraction, options: VideoOptions) -> None:
        if not encoder_works(options.encoder):
            raise DatasetError(
                f'video encoder {options.encoder} does not work on this machine; use libx264'
            )
        self.path = path
        self.frames = 0
        self._fps = fps
        self._options = options
        self._size: tuple[int, int] = (0, 0)  # of the frames given
        self._reformatter = VideoReformatter()
        self._container: Any = None
        self._stream: Any = None

    def write(self, frame: 'NDArray[np.uint8] | av.VideoFrame') -> None:
        """Append one frame: (H, W, 3) uint8 RGB, or a decoded PyAV frame of any pixel format.

        Raises:
            DatasetError: Wrong shape or dtype, or another size than the first frame.
        """
        if isinstance(frame, np.ndarray):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
                raise DatasetError(
                    f'{self.path}: frame {self.frames}: {frame.dtype} {frame.shape}, expected'
                    ' uint8 (H, W, 3)'
                )
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format='rgb24')
        if self._container is None:
            self._open(frame)
        if (frame.width, frame.height) != self._size:
            raise DatasetError(
                f'{self.path}: frame {self.frames} is {frame.width}×{frame.height},'
                f' the first one {self._size[0]}×{self._size[1]}'
            )
        picture = self._reformatter.reformat(
            frame,
            width=self._stream.width,
            height=self._stream.height,
            format='yuv420p',
            dst_color_range=ColorRange.MPEG,  # JPEG's full range would be read back too bright
            threads=1,
        )
        picture.pts = self.frames
        picture.time_base = 1 / self._fps
        picture.pict_type = 0  # a decoded frame brings the type it had; the encoder decides here
        for packet in self._stream.encode(picture):
            self._container.mux_one(packet)
        self.frames += 1

    def close(self) -> VideoIndex:
        """Finish the file and return its index.

        Raises:
            DatasetError: No frames were written, or the file does not hold as many as were.
        """
        if self._container is None:
            raise DatasetError(f'{self.path}: no frames were written')
        for packet in self._stream.encode(None):
            self._container.mux_one(packet)
        self._container.close()
        return check_frames(self.path, self.frames, self._fps)

    def abort(self) -> None:
        """Close and remove the file, unfinished as it is."""
        if self._container is not None:
            self._container.close()
        self.path.unlink(missing_ok=True)

    def _open(self, frame: av.VideoFrame) -> None:
        self._size = (frame.width, frame.height)
        width, height = self._options.size or self._size
        if width % 2 or height % 2:
            raise DatasetError(
                f'{self.path}: {width}×{height}: yuv420p needs even sides; give a target size'
            )
        self._container = av.open(str(self.path), 'w', format='mp4')
        self._stream = self._container.add_stream(
            self._options.encoder, rate=self._fps, options=_encoder_options(self._options)
        )
        _configure(self._stream.codec_context, width, height, self._options.gop)
        self._stream.codec_context.time_base = 1 / self._fps


class PacketWriter:
    """Put encoded frames into one mp4 without touching them; packet k becomes frame k.

    Args:
        path: File to write.
        fps: Its rate.
        codec: One of COPIED. H.264 and H.265 come as Annex B access units, parameter sets in the
            first.
    """

    def __init__(self, path: Path, fps: Fraction, codec: str) -> None:
        if codec not in COPIED:
            raise DatasetError(
                f'{path}: {codec!r} cannot be copied into mp4, only {", ".join(COPIED)}; encode'
                ' instead'
            )
        self.path = path
        self.frames = 0
        self._fps = fps
        self._codec = codec
        self._container: Any = None
        self._stream: Any = None

    def write(self, data: bytes) -> None:
        """Append one encoded frame.

        Raises:
            DatasetError: The first one is no keyframe, has no parameter sets, or belongs to a
                stream with B-frames.
        """
        keyframe = is_keyframe(data, self._codec)
        if self._container is None:
            if not keyframe:
                raise DatasetError(
                    f'{self.path}: the first packet is no keyframe; start the copy at one, or'
                    ' encode'
                )
            self._open(data)
        packet = av.Packet(data)
        packet.stream = self._stream
        packet.pts = packet.dts = self.frames
        packet.duration = 1
        packet.time_base = 1 / self._fps
        packet.is_keyframe = keyframe
        self._container.mux_one(packet)
        self.frames += 1

    def close(self) -> VideoIndex:
        """Finish the file and return its index; see `VideoWriter.close`."""
        if self._container is None:
            raise DatasetError(f'{self.path}: no frames were written')
        self._container.close()
        return check_frames(self.path, self.frames, self._fps)

    def abort(self) -> None:
        """Close and remove the file, unfinished as it is."""
        if self._container is not None:
            self._container.close()
        self.path.unlink(missing_ok=True)

    def _open(self, data: bytes) -> None:
        try:
            with av.open(io.BytesIO(data), format=self._codec) as probe:
                source = probe.streams.video[0]
                if not source.codec_context.width:
                    raise DatasetError(
                        f'{self.path}: the first {self._codec} packet does not say its size;'
                        ' it is damaged, or its parameter sets are missing'
                    )
                if source.codec_context.has_b_frames:
                    raise DatasetError(
                        f'{self.path}: the stream has B-frames, so packets are not in display'
                        ' order; encode instead'
                    )
                self._container = av.open(str(self.path), 'w', format='mp4')
                self._stream = self._container.add_stream_from_template(source, opaque=True)
        except (av.FFmpegError, IndexError) as error:
            raise DatasetError(
                f'{self.path}: the first {self._codec} packet cannot be read: {error}'
            ) from None
        self._stream.time_base = 1 / self._fps


def is_keyframe(data: bytes, codec: str) -> bool:
    """Tell whether decoding can start at this packet (Annex B for H.264 and H.265)."""
    if codec == 'mjpeg':
        return True
    start = data.find(b'\x00\x00\x01')
    while 0 <= start < len(data) - 3:
        header = data[start + 3]
        if codec == 'h264' and header & 0x1F == H264_IDR:
            return True
        if codec == 'hevc' and header >> 1 & 0x3F in HEVC_IRAP:
            return True
        start = data.find(b'\x00\x00\x01', start + 3)
    return False


def check_frames(path: Path, frames: int, fps: Fraction) -> VideoIndex:
    """Return the index of a file that has `frames` frames, frame k with the stamp k/fps.

    Raises:
        DatasetError: The file holds another number of frames, or stamps that are not k/fps.
    """
    index = index_video(path)
    if index.frames != frames:
        raise DatasetError(f'{path}: {frames} frames were written, the file holds {index.frames}')
    step = 1 / fps / index.time_base
    if step.denominator != 1 or np.any(index.pts != np.arange(frames) * step.numerator):
        raise DatasetError(f'{path}: the stamps of the frames are not multiples of 1/{fps} s')
    return index


@lru_cache
def encoder_works(encoder: str) -> bool:
    """Tell whether an encoder takes a frame here; NVENC needs a GPU that has the unit."""
    try:
        context = av.CodecContext.create(encoder, 'w')
        _configure(context, 256, 256, 2)
        context.time_base = Fraction(1, 30)
        context.options = _encoder_options(VideoOptions(encoder))
        picture = av.VideoFrame(256, 256, 'yuv420p')
        picture.pts = 0
        return bool(context.encode(picture) + context.encode(None))
    except (av.FFmpegError, ValueError):  # ValueError: no such codec in this build
        return False


def _configure(context: Any, width: int, height: int, gop: int) -> None:
    context.width, context.height, context.pix_fmt = width, height, 'yuv420p'
    context.gop_size = gop
    context.max_b_frames = 0
    context.thread_count = 1


def _encoder_options(options: VideoOptions) -> dict[str, str]:
    if options.encoder == 'h264_nvenc':
        return {'preset': 'p4', 'rc': 'constqp', 'qp': str(options.crf), 'bf': '0'}
    if options.encoder == 'libsvtav1':
        os.environ.setdefault('SVT_LOG', '1')  # errors only; otherwise it logs verbosely
        return {'preset': '10', 'crf': str(options.crf), 'svtav1-params': 'lp=1'}
    # At the same quality four times as fast to encode as veryfast and twice to decode, +40 % size.
    return {'preset': 'ultrafast', 'crf': str(options.crf), 'bf': '0'}
