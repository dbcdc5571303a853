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
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
import numpy as np

from gr00t_core.dataset.video.writer import is_keyframe
from gr00t_core.errors import BagError
from gr00t_core.messages.image_header import CompressedPicture, MAX_PIXELS
from gr00t_core.messages.images import (
    decode_for_encoder,
    decode_image,
    JPEG_END,
    JPEG_START,
    plain_jpeg,
    Size,
)

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
    """Decode still images; JPEGs once, by the robot's decoder, to what a video encoder takes.

    Which pictures are damaged is decided by `gr00t_core.messages.images`, as on the robot.
    """

    def __init__(self, size: Size | None = None) -> None:
        """Take the width and height that pictures must have; None: any."""
        self._size = size
        self._reformatter = VideoReformatter()
        self._rgb: av.VideoFrame | None = None

    def decode(self, message: Any) -> Any:
        """Return PyAV's yuv420p frame of a JPEG without any fault, else (H, W, 3) uint8 RGB.

        Raises:
            ObservationError: It cannot be decoded.
        """
        picture = plain_jpeg(message, size=self._size)
        frame = None if picture is None else self._jpeg(picture)
        return decode_image(message, size=self._size) if frame is None else frame

    def _jpeg(self, picture: CompressedPicture) -> av.VideoFrame | None:
        """Return the picture; None where `decode_image` must decode or refuse it."""
        width, height = picture.width, picture.height
        rgb = self._rgb
        if rgb is None or (rgb.width, rgb.height) != (width, height):
            rgb = self._rgb = av.VideoFrame(width, height, 'rgb24')
        plane = rgb.planes[0]
        if plane.line_size == 3 * width:
            if not decode_for_encoder(picture, plane):
                return None
        else:
            pixels = np.empty((height, width, 3), np.uint8)
            if not decode_for_encoder(picture, pixels):
                return None
            rgb = av.VideoFrame.from_ndarray(pixels, format='rgb24')
        return self._reformatter.reformat(
            rgb,
            format='yuv420p',
            dst_color_range=ColorRange.MPEG,
            # Where 2 x 2 pixels share a colour, the first one's is that of all.
            interpolation=Interpolation.POINT if picture.shared == (2, 2) else Interpolation.AREA,
            threads=1,
        )


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
