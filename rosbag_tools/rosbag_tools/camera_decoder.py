# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a camera's recorded messages into frames.

A still image (raw, JPEG, PNG) is decoded only if a row uses it. A video stream (H.264, H.265, AV1,
VP9 as CompressedImage, CompressedVideo or FFMPEGPacket) must be decoded in order from a key frame
on; packets and frames are matched by presentation time, not by counting.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import BagError
from gr00t_core.images import decode_image

# Substrings of `format`/`encoding` fields seen in the field → PyAV decoder.
VIDEO_CODECS = {
    'h264': 'h264',
    'avc': 'h264',
    '264': 'h264',
    'h265': 'hevc',
    'hevc': 'hevc',
    'av1': 'av1',
    'vp9': 'vp9',
}
# NAL unit types that begin a decodable picture or its parameter sets (ITU-T H.264 table 7-1, H.265
# table 7-1).
_H264_KEYS = {5, 7}
_HEVC_KEYS = {*range(16, 22), 32, 33}


@dataclass(frozen=True)
class DecodedFrame:
    """A frame of a video stream with the time of the packet that carried it."""

    stamp_ns: int
    log_ns: int
    frame: av.VideoFrame


def video_codec(message: Any) -> str | None:
    """Return the video codec of a camera message, None when it is a still image."""
    text = (
        getattr(message, 'encoding', '')
        if hasattr(message, 'pts')
        else getattr(message, 'format', '')
    )
    text = str(text).lower()
    return next((codec for name, codec in VIDEO_CODECS.items() if name in text), None)


def payload_to_rgb(payload: Any) -> NDArray[np.uint8]:
    """Return (H, W, 3) uint8 RGB of an image message or of a decoded video frame."""
    if isinstance(payload, av.VideoFrame):
        return cast('NDArray[np.uint8]', payload.to_ndarray(format='rgb24'))
    return decode_image(payload)


class VideoStream:
    """Decode one camera's video packets in order.

    Attributes:
        before_key: Packets dropped because no key frame had come yet.
        damaged: Packets that the decoder rejected.
    """

    def __init__(self, topic: str, codec: str) -> None:
        self.topic = topic
        self.codec = codec
        self.before_key = 0
        self.damaged = 0
        self._started = False
        self._times: dict[int, tuple[int, int]] = {}
        self._context = cast('av.VideoCodecContext', av.CodecContext.create(codec, 'r'))
        # One thread: frames come out as soon as they can, and the pool over bags uses the cores.
        self._context.thread_count = 1

    def decode(self, message: Any, stamp_ns: int, log_ns: int) -> Iterator[DecodedFrame]:
        """Decode a packet; yield the frames that it completes, in presentation order.

        Args:
            message: CompressedImage, CompressedVideo or FFMPEGPacket.
            stamp_ns: Time of the packet's picture.
            log_ns: Time at which it was recorded.
        """
        data = bytes(memoryview(message.data))
        if not self._started:
            self._started = is_key(data, self.codec, getattr(message, 'flags', None))
            if not self._started:
                self.before_key += 1
                return
        packet = av.Packet(data)
        packet.pts = packet.dts = stamp_ns
        self._times[stamp_ns] = (stamp_ns, log_ns)
        try:
            frames = self._context.decode(packet)
        except av.error.InvalidDataError:
            self.damaged += 1
            return
        yield from self._dated(frames)

    def finish(self) -> Iterator[DecodedFrame]:
        """Yield the frames that the decoder still holds."""
        if self._started:
            yield from self._dated(self._context.decode(None))

    def _dated(self, frames: list[av.VideoFrame]) -> Iterator[DecodedFrame]:
        for frame in frames:
            times = self._times.pop(cast('int', frame.pts), None)
            if times is None:
                raise BagError(
                    f'{self.topic}: the {self.codec} decoder returned an unknown frame time'
                )
            for older in [pts for pts in self._times if pts < times[0]]:
                del self._times[older]
            yield DecodedFrame(*times, frame)


def is_key(data: bytes, codec: str, flags: int | None) -> bool:
    """Return whether decoding can begin at this packet."""
    if flags is not None:
        return bool(flags & 1)  # AV_PKT_FLAG_KEY, as ffmpeg_image_transport stores it
    if codec not in ('h264', 'hevc'):
        return True
    position = data.find(b'\x00\x00\x01')
    while position >= 0 and position + 3 < len(data):
        header = data[position + 3]
        kind = header & 0x1F if codec == 'h264' else header >> 1 & 0x3F
        if kind in (_H264_KEYS if codec == 'h264' else _HEVC_KEYS):
            return True
        position = data.find(b'\x00\x00\x01', position + 3)
    return False
