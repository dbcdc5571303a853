# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read stamps and images from serialized messages without copying their pixels.

rclpy's deserialization copies an image twice, which for a 640×480 one costs more than all else
that is done to it before inference. Layout (OMG DDSI-RTPS, plain CDR): 4 bytes that name the
encoding, then the fields in order, each aligned to its size, counted from behind those 4 bytes; a
text is its length with the final NUL as uint32, and its bytes; a sequence its length and elements.
"""

from dataclasses import dataclass
import struct
from typing import Literal

from gr00t_core.errors import ObservationError
from gr00t_core.robot.description import NANOSECONDS

HEADER_BYTES = 4
# Second byte of the encoding: plain CDR, big or little endian.
BIG, LITTLE = 0, 1


@dataclass(frozen=True)
class RawImage:
    """The fields of `sensor_msgs/msg/Image`; `data` is a view of the message."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


@dataclass(frozen=True)
class RawCompressedImage:
    """The fields of `sensor_msgs/msg/CompressedImage`; `data` is a view of the message."""

    format: str
    data: memoryview


def stamp_ns(message: bytes) -> int | None:
    """Return the stamp in ns at the start of a serialized message, None when it is 0.

    The first field must be a `std_msgs/Header` or a `builtin_interfaces/Time`: sec (int32) and
    nanosec (uint32).

    Raises:
        ObservationError: It is shorter than that.
    """
    if len(message) < HEADER_BYTES + 8:
        raise ObservationError(
            f'a serialized message has {len(message)} bytes, at least 12 expected'
        )
    order: Literal['<', '>'] = '<' if message[1] & 1 else '>'
    sec, nanosec = struct.unpack_from(f'{order}iI', message, HEADER_BYTES)
    return int(sec) * NANOSECONDS + int(nanosec) or None


def read_image(message: bytes, type_name: str) -> RawImage | RawCompressedImage:
    """Read a serialized image.

    Args:
        message: As DDS delivered it.
        type_name: `sensor_msgs/msg/Image` or `sensor_msgs/msg/CompressedImage`.

    Raises:
        ObservationError: It is not in plain CDR, ends too early, or its data do.
    """
    try:
        fields = _Fields(message)
        fields.number('i'), fields.number('I'), fields.text()  # stamp, frame_id
        if type_name.endswith('/CompressedImage'):
            return RawCompressedImage(fields.text(), fields.data())
        height, width, encoding = fields.number('I'), fields.number('I'), fields.text()
        return RawImage(
            height, width, encoding, fields.number('B'), fields.number('I'), fields.data()
        )
    except (struct.error, ValueError) as error:
        raise ObservationError(
            f'{type_name}: a serialized message of {len(message)} bytes is damaged: {error}'
        ) from error


class _Fields:
    """Reads one field after the other."""

    def __init__(self, message: bytes) -> None:
        if len(message) < HEADER_BYTES or message[0] or message[1] not in (BIG, LITTLE):
            raise ValueError(f'it begins with {message[:HEADER_BYTES].hex(" ")}, not plain CDR')
        self._body = memoryview(message)[HEADER_BYTES:]
        self._order = '<' if message[1] == LITTLE else '>'
        self._at = 0

    def number(self, kind: str) -> int:
        size = struct.calcsize(kind)
        self._at += -self._at % size
        (value,) = struct.unpack_from(self._order + kind, self._body, self._at)
        self._at += size
        return int(value)

    def text(self) -> str:
        return str(self.data()[:-1], 'utf-8')

    def data(self) -> memoryview:
        size = self.number('I')
        end = self._at + size
        if end > len(self._body):
            raise ValueError(f'{size} bytes are announced, {len(self._body) - self._at} follow')
        data, self._at = self._body[self._at : end], end
        return data
