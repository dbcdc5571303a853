# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a camera's recorded messages into frames.

A still image (raw, JPEG, PNG) is decoded only if a row uses it. A video stream (H.264, H.265, AV1,
VP9 as CompressedImage, CompressedVideo or FFMPEGPacket) must be decoded in order from a key frame
on; packets and frames are matched by presentation time, not by counting.
"""

from collections.abc import Iterator
from typing import Any, cast

import av
import numpy as np

from gr00t_core.dataset.video.writer import is_keyframe
from gr00t_core.errors import BagError
from gr00t_core.messages.image_header import MAX_PIXELS
from gr00t_core.messages.images import decode_image, faultless_jpeg, JPEG_END, JPEG_START, Size

# Names seen in `format` and `encoding` fields → PyAV decoder.
VIDEO_CODECS = {
    'h264': 'h264',
    'avc': 'h264',
    '264': 'h264',  # also libx264, h264_nvenc, ...
    'h265': 'hevc',
    'hevc': 'hevc',
    '265': 'hevc',
    'av1': 'av1',
    'vp9': 'vp9',
}

# FFmpeg's own AV1 decoder needs a graphics card.
_DECODERS = {'av1': 'libdav1d'}
_BLOCK = 128  # pixels; AV1's largest block, and more than the alignment of FFmpeg's rows


def video_codec(message: Any) -> str | None:
    """Return the video codec of a camera message, None when it is a still image."""
    is_packet = hasattr(message, 'pts')  # FFMPEGPacket says `encoding`, the others `format`
    text = str(getattr(message, 'encoding' if is_packet else 'format', '')).lower()
    return next((codec for name, codec in VIDEO_CODECS.items() if name in text), None)


def starts_decoding(message: Any, codec: str | None) -> bool:
    """Return whether a camera's frames can be decoded from this message on."""
    if codec is None:
        return True
    if hasattr(message, 'flags'):
        return bool(message.flags & 1)  # AV_PKT_FLAG_KEY, as ffmpeg_image_transport stores it
    return codec not in ('h264', 'hevc') or is_keyframe(bytes(memoryview(message.data)), codec)


def is_whole_jpeg(data: bytes | memoryview) -> bool:
    """Return whether bytes begin and end as a JPEG does."""
    return bytes(data[:3]) == JPEG_START and JPEG_END in bytes(data[-64:])


def size_of(image: Any) -> tuple[int, int]:
    """Return width and height of a decoded frame: an array (H, W, 3) or PyAV's frame."""
    if isinstance(image, np.ndarray):
        return image.shape[1], image.shape[0]
    return image.width, image.height


class StillDecoder:
    """Decode still images; JPEGs to their own planes.

    That is half the work of going through RGB, and closer to them.

    Which pictures are damaged is decided by `gr00t_core.messages.images`, as on the robot.
    """

    def __init__(self, size: Size | None = None) -> None:
        """Take the width and height that pictures must have; None: any."""
        self._size = size
        self._context = cast('av.VideoCodecContext', av.CodecContext.create('mjpeg', 'r'))
        self._context.thread_count = 1
        self._context.options = {'err_detect': 'explode', 'max_pixels': str(MAX_PIXELS)}

    def decode(self, message: Any) -> Any:
        """Return PyAV's frame of a JPEG without any fault, else (H, W, 3) uint8 RGB.

        Raises:
            ObservationError: It cannot be decoded.
        """
        return self._jpeg(message) or decode_image(message, size=self._size)

    def _jpeg(self, message: Any) -> av.VideoFrame | None:
        """Return the picture of a CompressedImage; None unless it is a JPEG without any fault.

        `gr00t_core.messages.images.decode_image` then decodes or refuses it, as on the robot.
        """
        data = faultless_jpeg(message, size=self._size)
        if data is None:
            return None
        try:
            frames = self._context.decode(av.Packet(data))
        except av.error.FFmpegError:
            return None
        return frames[0] if len(frames) == 1 and not frames[0].is_corrupt else None


class VideoStream:
    """Decode one camera's video packets in order, from a key frame on."""

    def __init__(self, topic: str, codec: str, size: Size | None = None) -> None:
        """Begin; width and height of the camera bound what a packet may have allocated."""
        self.topic = topic
        self._codec, self._size = codec, size
        self.restart()

    def restart(self) -> None:
        """Forget what came before; the next packet is one that decoding can start at."""
        self._numbers: set[int] = set()
        self._context = cast(
            'av.VideoCodecContext',
            av.CodecContext.create(_DECODERS.get(self._codec, self._codec), 'r'),
        )
        # One thread: frames come out as soon as they can; the pool over bags uses the cores.
        self._context.thread_count = 1
        # Codecs pad to whole blocks: a picture may have one row and column of them more.
        width, height = (side + _BLOCK for side in self._size) if self._size else (MAX_PIXELS, 1)
        # Damage is an error: by default the decoder paints over it.
        self._context.options = {'err_detect': 'explode', 'max_pixels': str(width * height)}

    def decode(self, data: bytes, number: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decode packet `number`; yield (number, frame) for the frames that it completes.

        Raises:
            av.error.InvalidDataError: The packet is damaged, or larger than the camera's pictures.
        """
        packet = av.Packet(data)
        packet.pts = packet.dts = number
        self._numbers.add(number)
        try:
            frames = self._context.decode(packet)
        except av.error.InvalidDataError:
            raise
        except av.error.FFmpegError as error:  # what decoders say of a size that is not allowed
            raise av.error.InvalidDataError(error.errno or 0, str(error)) from None
        yield from self._numbered(frames)

    def finish(self) -> Iterator[tuple[int, av.VideoFrame]]:
        """Yield the frames that the decoder still holds."""
        yield from self._numbered(self._context.decode(None))

    def _numbered(self, frames: list[av.VideoFrame]) -> Iterator[tuple[int, av.VideoFrame]]:
        for frame in frames:
            number = cast('int', frame.pts)
            if number not in self._numbers:
                raise BagError(f'{self.topic}: the decoder returned a frame of an unknown packet')
            self._numbers = {other for other in self._numbers if other > number}
            yield number, frame
