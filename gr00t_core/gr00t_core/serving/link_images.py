# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make images small for a server on another machine (decision 0042).

Three forms, chosen by the link and by what the server reads:

* `raw`: all pixels. On the same machine, and for a server that reads nothing else.
* `jpeg`: quality 95 without chroma subsampling, for `gr00t serve`. Pixels change by 0.5 to 2 grey
  levels on average.
* `small`: the shorter side resized to 256 pixels as a mean over areas, for PolicyServer. That is
  the first step of N1.7's own image path, which the server then skips; what is smaller already is
  sent as it is.

Shapes: N frames · h, w pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError, ServingError
from gr00t_core.messages.image_header import read_picture

AUTO, RAW, JPEG, SMALL = 'auto', 'raw', 'jpeg', 'small'
FORMS = (AUTO, RAW, JPEG, SMALL)
QUALITY = 95
SHORTER_SIDE = 256  # `shortest_image_edge` of the public N1.7 checkpoints
MAX_DECODED_BYTES = 64 * 1024 * 1024  # of one message, as for raw pixels

_HERE = re.compile(r'(ipc|inproc)://.*|tcp://(127(\.\d+){3}|localhost|\[::1\]):.*')
_KEY = '__jpeg_frames__'


@dataclass(frozen=True)
class JpegFrames:
    """Frames of one camera as JPEGs.

    Attributes:
        frames: One JPEG per frame, in C order of the leading axes.
        shape: Of the array that they stand for: leading axes, then h, w, 3.
    """

    frames: tuple[bytes, ...]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Return the bytes of the decoded pixels."""
        return math.prod(self.shape)


def is_remote(address: str) -> bool:
    """Tell whether a ZMQ address leads to another machine."""
    return _HERE.fullmatch(address) is None


def chosen_form(asked: str, address: str, *, nested: bool, reads_jpeg: bool) -> str:
    """Return `raw`, `jpeg` or `small`.

    Args:
        asked: One of `FORMS`.
        address: Of the server.
        nested: The server is a PolicyServer.
        reads_jpeg: The server says that it reads JPEG.

    Raises:
        ServingError: The form is unknown, or this server cannot read it.
    """
    if asked not in FORMS:
        raise ServingError(f'images is {asked!r}, expected {", ".join(FORMS)}')
    if asked == JPEG and (nested or not reads_jpeg):
        raise ServingError(
            f"images is 'jpeg', but the server at {address} does not read JPEG; choose"
            f" {SMALL if nested else RAW!r} or 'auto'"
        )
    if asked == SMALL and not nested:
        raise ServingError(
            f"images is 'small', but the server at {address} takes frames of the camera's size"
            " only; choose 'jpeg', 'raw' or 'auto'"
        )
    if asked != AUTO:
        return asked
    if not is_remote(address):
        return RAW
    if nested:
        return SMALL
    return JPEG if reads_jpeg else RAW


def small(images: NDArray[np.uint8], side: int = SHORTER_SIDE) -> NDArray[np.uint8]:
    """Shrink frames (…, h, w, 3) until the shorter side has `side` pixels; never enlarge."""
    height, width = images.shape[-3:-1]
    factor = side / min(height, width)
    if factor >= 1.0:
        return images
    rows, columns = round(height * factor), round(width * factor)
    shrunk = np.empty((math.prod(images.shape[:-3]), rows, columns, 3), np.uint8)
    for image, target in zip(images.reshape(-1, height, width, 3), shrunk):
        lower = _means(image.reshape(height, -1), rows).reshape(rows, width, 3)
        turned = np.ascontiguousarray(lower.transpose(1, 0, 2)).reshape(width, -1)
        whole = np.rint(_means(turned, columns)).clip(0, 255).astype(np.uint8)
        target[:] = whole.reshape(columns, rows, 3).transpose(1, 0, 2)
    return shrunk.reshape(*images.shape[:-3], rows, columns, 3)


def _means(lines: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Return (size, …) means over areas of the lines (length, …); whole lines are contiguous."""
    means = np.zeros((size, lines.shape[1]), np.float32)
    for index, weight in zip(*_area(len(lines), size)):
        means += lines[index] * weight[:, None]
    return means


@lru_cache(maxsize=32)
def _area(length: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return (K, size) input indices and weights: each output is the mean of what it covers."""
    edges = np.arange(size + 1) * (length / size)
    taps = math.ceil(length / size) + 1
    indices = np.floor(edges[:-1]).astype(np.intp) + np.arange(taps)[:, None]
    covered = np.minimum(edges[1:], indices + 1) - np.maximum(edges[:-1], indices)
    weights = np.clip(covered, 0.0, None)
    weights[weights < 1e-3] = 0.0
    weights /= weights.sum(axis=0)
    return np.minimum(indices, length - 1), weights.astype(np.float32)


def to_jpeg(images: NDArray[np.uint8]) -> JpegFrames:
    """Encode frames (…, h, w, 3).

    Raises:
        ServingError: The encoder is not installed.
    """
    try:
        import simplejpeg
    except ImportError as error:
        raise ServingError(
            "images is 'jpeg', but simplejpeg is not installed: pip install simplejpeg, or choose"
            " 'raw'"
        ) from error
    frames = np.ascontiguousarray(images).reshape(-1, *images.shape[-3:])
    encoded = tuple(
        bytes(simplejpeg.encode_jpeg(frame, QUALITY, 'RGB', '444')) for frame in frames
    )
    return JpegFrames(encoded, images.shape)


def jpeg_fields(images: JpegFrames) -> dict[str, Any]:
    """Return how JPEG frames travel."""
    return {_KEY: True, 'shape': list(images.shape), 'frames': list(images.frames)}


def is_jpeg(value: dict[Any, Any]) -> bool:
    """Tell whether a map of a message stands for JPEG frames."""
    return _KEY in value


def jpeg_frames(fields: dict[Any, Any]) -> JpegFrames:
    """Check what came in a message by its headers alone, and return it.

    Raises:
        ServingError: A field is missing or malformed, a frame is no JPEG of the shape that was
            said, or the pixels are more than a message may hold.
    """
    shape, frames = fields.get('shape'), fields.get('frames')
    if (
        not isinstance(shape, list)
        or not 3 <= len(shape) <= 8
        or not all(type(size) is int and 0 < size <= MAX_DECODED_BYTES for size in shape)
        or shape[-1] != 3
        or not isinstance(frames, list)
        or not all(isinstance(frame, bytes) for frame in frames)
        or len(frames) != math.prod(shape[:-3])
        or math.prod(shape) > MAX_DECODED_BYTES
    ):
        raise ServingError(
            'JPEG frames are a shape (…, h, w, 3) and one JPEG per frame, together of at most'
            f' {MAX_DECODED_BYTES} bytes of pixels'
        )
    for frame in frames:
        try:
            picture = read_picture(frame)
        except ValueError as error:
            raise ServingError(f'a JPEG frame is refused: {error}') from None
        size = None if picture is None else (picture.kind, picture.height, picture.width)
        if size != ('JPEG', shape[-3], shape[-2]):
            raise ServingError(f'a JPEG frame is {size}, its shape says {shape[-3:]}')
    return JpegFrames(tuple(frames), tuple(shape))


def check_decoded(values: Sequence[object]) -> None:
    """Refuse JPEG frames that together have more pixels than a message may hold.

    Raises:
        ServingError: See above.
    """
    total = sum(value.nbytes for value in values if isinstance(value, JpegFrames))
    if total > MAX_DECODED_BYTES:
        raise ServingError(
            f'the JPEG frames have {total} bytes of pixels; at most {MAX_DECODED_BYTES} are'
            ' allowed'
        )


def decoded(images: JpegFrames) -> NDArray[np.uint8]:
    """Decode frames.

    Raises:
        ServingError: A frame is damaged.
    """
    from gr00t_core.messages.images import compressed_to_rgb

    size = (images.shape[-2], images.shape[-3])
    try:
        frames = [
            compressed_to_rgb(SimpleNamespace(format='jpeg', data=frame), size=size)
            for frame in images.frames
        ]
    except ObservationError as error:
        raise ServingError(str(error)) from None
    return np.stack(frames).reshape(images.shape)
