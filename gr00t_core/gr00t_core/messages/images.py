# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decode ROS image messages to RGB arrays, without ROS.

Messages are duck-typed: rclpy's classes and those of `rosbags` both work, and give the same
pixels. Rows may be padded (`step`), 16-bit values may be big-endian (`is_bigendian`).

Formulas, the same for recordings and for the robot:

* mono16: round(v / 257), the whole range onto 0..255.
* bayer: bilinear; a missing colour is the rounded mean of its 2 or 4 nearest samples, borders are
mirrored.
* yuv422: BT.601, limited range, in 20-bit fixed point (the integers that OpenCV uses).
* JPEG: by simplejpeg, else OpenCV, else Pillow. All three run libjpeg-turbo with the accurate DCT
and smooth chroma
  upsampling, so they give the same bits (a test compares them); the order only picks the quickest.
* PNG: by Pillow, else OpenCV; lossless. 16-bit colour keeps its upper 8 bits.

Which pictures are refused (decision 0027): declared size and structure are checked first, see
`image_header`, whatever the decoder. A JPEG that simplejpeg warns about is damaged, unless it only
has stray bytes before a marker, as common webcams send: its picture is whole. OpenCV and Pillow
do not warn of wrong codes inside a scan; install simplejpeg where that matters.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ObservationError
from gr00t_core.messages.image_header import CompressedPicture, MAX_PIXELS, read_picture
from gr00t_core.messages.image_header import JPEG_END as JPEG_END
from gr00t_core.messages.image_header import JPEG_START as JPEG_START

RGB = NDArray[np.uint8]

# Encoding → bytes per pixel (sensor_msgs/image_encodings.hpp).
ENCODINGS = {
    'rgb8': 3,
    'bgr8': 3,
    'rgba8': 4,
    'bgra8': 4,
    'mono8': 1,
    'mono16': 2,
    'bayer_rggb8': 1,
    'bayer_bggr8': 1,
    'bayer_gbrg8': 1,
    'bayer_grbg8': 1,
    'uyvy': 2,
    'yuv422': 2,
    'yuyv': 2,
    'yuv422_yuy2': 2,
}
# Width and height that a camera has, pixels.
Size = tuple[int, int]

# What simplejpeg says of a picture that is whole.
_STRAY_BYTES = 'extraneous bytes before marker'
_SHOWN = 60  # characters of a text that came in a message

# BT.601, limited range: Y·1.164, V→R 1.596, V→G −0.813, U→G −0.391, U→B 2.018, as integers over
# 2^20.
_SHIFT = 20
_Y, _VR, _VG, _UG, _UB = (round(c * 2**_SHIFT) for c in (1.164, 1.596, -0.813, -0.391, 2.018))


def decode_image(message: Any, *, use_cv_bridge: bool = False, size: Size | None = None) -> RGB:
    """Decode a `sensor_msgs/Image` or `CompressedImage`, told apart by their fields.

    Args:
        message: The message.
        use_cv_bridge: As for `image_to_rgb`.
        size: Width and height that the robot file declares, pixels; another size is refused before
            anything is decoded. None takes any size up to `image_header.MAX_PIXELS`.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ObservationError: Neither type, another size, or as `image_to_rgb` and `compressed_to_rgb`.
    """
    if hasattr(message, 'encoding'):
        return image_to_rgb(message, use_cv_bridge=use_cv_bridge, size=size)
    if hasattr(message, 'format'):
        return compressed_to_rgb(message, size=size)
    raise ObservationError(
        f'a {type(message).__name__} is no image message;'
        ' allowed: sensor_msgs/msg/Image, sensor_msgs/msg/CompressedImage'
    )


def image_to_rgb(message: Any, *, use_cv_bridge: bool = False, size: Size | None = None) -> RGB:
    """Convert a `sensor_msgs/Image`.

    Args:
        message: Any object with height, width, encoding, is_bigendian, step and data.
        use_cv_bridge: Hand encodings that are not in `ENCODINGS` to apt's cv_bridge. Its builds
            need numpy 1.
        size: As for `decode_image`.

    Returns:
        (H, W, 3) uint8 RGB. For rgb8 a view of the message's data (read-only where that is), else
        a new array.

    Raises:
        ObservationError: Unknown encoding, no pixels, another size, or fewer bytes than
            height · step.
    """
    encoding = message.encoding
    check_size(int(message.width), int(message.height), size)
    if encoding not in ENCODINGS:
        if use_cv_bridge:
            return _by_cv_bridge(message)
        raise ObservationError(
            f'image encoding {encoding[:_SHOWN]!r} is not supported;'
            f' allowed: {", ".join(ENCODINGS)}.'
            ' Set the camera driver to one of them, or opt in to cv_bridge'
        )
    pixels = _pixels(message, ENCODINGS[encoding])
    if encoding == 'rgb8':
        return pixels
    if encoding in {'bgr8', 'bgra8'}:
        return np.ascontiguousarray(pixels[..., 2::-1])
    if encoding == 'rgba8':
        return np.ascontiguousarray(pixels[..., :3])
    if encoding == 'mono8':
        return np.repeat(pixels, 3, axis=2)
    if encoding == 'mono16':
        low, high = (1, 0) if message.is_bigendian else (0, 1)
        values = pixels[..., high].astype(np.uint32) << 8 | pixels[..., low]
        return np.repeat(_eight_bits(values)[..., None], 3, axis=2)
    if encoding.startswith('bayer'):
        return _demosaic(pixels[..., 0], encoding[len('bayer_') : -1])
    return _yuv422_to_rgb(pixels, luma=0 if encoding in {'yuyv', 'yuv422_yuy2'} else 1)


def compressed_to_rgb(message: Any, *, size: Size | None = None) -> RGB:
    """Decode a `sensor_msgs/CompressedImage`: JPEG or PNG, as its first bytes say.

    Its `format` says whether the one channel of a picture is a Bayer mosaic
    (`bayer_rggb8; jpeg compressed `), which is then interpolated as a raw one is.

    Args:
        message: Any object with format and data.
        size: As for `decode_image`.

    Returns:
        (H, W, 3) uint8 RGB; alpha is dropped, EXIF orientation is not applied.

    Raises:
        ObservationError: Another format or size, or damaged or truncated data.
    """
    data = _buffer(message.data).tobytes()
    what = f'compressed image of {len(data)} bytes, format {message.format[:_SHOWN]!r}'
    pattern = _mosaic(message.format, what)
    try:
        picture = read_picture(data)
    except ValueError as error:
        raise ObservationError(f'{what}: {error}') from None
    if picture is None:
        raise ObservationError(
            f'{what}, starts with {data[:8].hex(" ") or "nothing"}: neither JPEG nor PNG.'
            ' Set the image transport to one of them'
        )
    _check_claim(picture, size)
    try:
        rgb = _decode_jpeg(picture) if picture.kind == 'JPEG' else _decode_png(picture)
    except (ValueError, OSError, SyntaxError) as error:  # as simplejpeg and Pillow raise
        raise ObservationError(f'{what}: damaged: {error}') from None
    if pattern is not None and picture.channels == 1:
        return _demosaic(np.ascontiguousarray(rgb[..., 0]), pattern)
    return rgb


def plain_jpeg(message: Any, *, size: Size | None = None) -> CompressedPicture | None:
    """Return the JPEG of a `CompressedImage` if `decode_for_encoder` may decode it.

    None says that `decode_image` must decode or refuse the message, as it does on the robot.

    Args:
        message: Any message.
        size: As for `decode_image`.
    """
    if hasattr(message, 'encoding') or not hasattr(message, 'format'):
        return None
    try:
        if _mosaic(message.format, '') is not None:
            return None
        picture = read_picture(_buffer(message.data).tobytes())
        if picture is None or picture.kind != 'JPEG':
            return None
        _check_claim(picture, size)
    except (ValueError, ObservationError):
        return None
    return picture


def decode_for_encoder(picture: CompressedPicture, into: Any) -> bool:
    """Decode a JPEG of `plain_jpeg` for a video encoder; return whether it is without any fault.

    The same decoder as `decode_image` reads it, so both refuse the same pictures. Only colours
    that pixels share are repeated instead of smoothed: an encoder joins the same pixels again.

    Args:
        picture: A picture of `plain_jpeg`.
        into: A writable buffer for (height, width, 3) uint8 RGB.
    """
    try:
        import simplejpeg

        simplejpeg.decode_jpeg(picture.data, 'RGB', fastupsample=True, buffer=into)
    except (ImportError, ValueError):
        return False
    return True


def check_size(width: int, height: int, size: Size | None) -> None:
    """Refuse an image of another size than the robot file declares.

    Raises:
        ObservationError: Names both sizes.
    """
    if size is not None and (width, height) != size:
        raise ObservationError(
            f'frames are {width}x{height}, the robot file says {size[0]}x{size[1]}; correct either'
        )


def _check_claim(picture: CompressedPicture, size: Size | None) -> None:
    """Refuse a compressed picture whose declared size is another, or more than is ever decoded."""
    check_size(picture.width, picture.height, size)
    if picture.width * picture.height > MAX_PIXELS:
        raise ObservationError(
            f'a {picture.kind} declares {picture.width}x{picture.height};'
            f' at most {MAX_PIXELS} pixels are decoded'
        )


def _mosaic(text: str, what: str) -> str | None:
    """Return the Bayer pattern of a `format` whose grey picture is a mosaic, else None.

    image_transport writes `<encoding>; jpeg compressed <encoding in the picture>`; the second is
    empty where the values were not converted.
    """
    if 'compressedDepth' in text:
        raise ObservationError(
            f'{what}: a depth image; the policy takes colour images. Name the colour topic'
        )
    source, _, rest = text.partition(';')
    source = source.strip().lower()
    if not source.startswith('bayer_') or rest.partition('compressed')[2].strip():
        return None
    if source not in ENCODINGS:
        allowed = ', '.join(name for name in ENCODINGS if name.startswith('bayer_'))
        raise ObservationError(f'{what}: the mosaic is not supported; allowed: {allowed}')
    return source[len('bayer_') : -1]


def _buffer(data: Any) -> NDArray[np.uint8]:
    """Return the bytes of `array.array`, bytes or ndarray as (N,) uint8, without a copy."""
    array = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    if array.dtype != np.uint8:
        raise ObservationError(f'image data have dtype {array.dtype}, expected uint8')
    return array.reshape(-1)


def _pixels(message: Any, pixel_bytes: int) -> NDArray[np.uint8]:
    """Return (H, W, pixel_bytes) uint8, a view that leaves out the padding of each row."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    data = _buffer(message.data)
    what = f'{message.encoding} image of {width} x {height}'
    if height < 1 or width < 1:
        raise ObservationError(f'{what}: no pixels')
    if step < width * pixel_bytes:
        raise ObservationError(
            f'{what}: step {step}, expected at least {width * pixel_bytes} bytes'
        )
    if len(data) < height * step:
        raise ObservationError(f'{what}: {len(data)} bytes of data, expected {height * step}')
    rows = data[: height * step].reshape(height, step)
    return rows[:, : width * pixel_bytes].reshape(height, width, pixel_bytes)


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Map 0..65535 onto 0..255: v / 257, rounded (257 is odd: there are no ties)."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _demosaic(raw: NDArray[np.uint8], pattern: str) -> RGB:
    """Interpolate a Bayer mosaic (H, W) bilinearly; `pattern` is its first 2 x 2 pixels by row."""
    height, width = raw.shape
    if height < 2 or width < 2:
        raise ObservationError(
            f'bayer image of {width} x {height}: expected at least 2 x 2 pixels'
        )
    padded = np.pad(raw, 1, mode='reflect').astype(np.uint16)
    middle, above, below = (slice(start, start + height) for start in (1, 0, 2))
    centre, left, right = (slice(start, start + width) for start in (1, 0, 2))
    beside = padded[middle, left] + padded[middle, right]
    over = padded[above, centre] + padded[below, centre]
    corners = padded[above, left] + padded[above, right]
    corners += padded[below, left] + padded[below, right]
    horizontal, vertical = (beside + 1) >> 1, (over + 1) >> 1
    cross, diagonal = (beside + over + 2) >> 2, (corners + 2) >> 2
    red, green, blue = np.empty((3, height, width), np.uint8)
    planes = {'r': red, 'g': green, 'b': blue}
    for index, colour in enumerate(pattern):
        site = (slice(index // 2, None, 2), slice(index % 2, None, 2))
        planes[colour][site] = raw[site]
        if colour == 'g':
            row_colour = pattern[index ^ 1]  # the other colour of this row: red or blue
            planes[row_colour][site] = horizontal[site]
            planes['b' if row_colour == 'r' else 'r'][site] = vertical[site]
        else:
            green[site] = cross[site]
            planes['b' if colour == 'r' else 'r'][site] = diagonal[site]
    return np.stack((red, green, blue), axis=-1)


def _yuv422_to_rgb(pixels: NDArray[np.uint8], luma: int) -> RGB:
    """Convert (H, W, 2) with luma in one byte and U, V by turns in the other."""
    height, width, _ = pixels.shape
    if width % 2:
        raise ObservationError(f'yuv422 image of {width} x {height}: expected an even width')
    chroma = pixels[..., 1 - luma].astype(np.int32) - 128
    u, v = np.repeat(chroma[:, 0::2], 2, axis=1), np.repeat(chroma[:, 1::2], 2, axis=1)
    y = np.maximum(pixels[..., luma].astype(np.int32) - 16, 0) * _Y + (1 << (_SHIFT - 1))
    rgb = np.stack((y + _VR * v, y + _VG * v + _UG * u, y + _UB * u), axis=-1) >> _SHIFT
    clipped: RGB = np.clip(rgb, 0, 255).astype(np.uint8)
    return clipped


def _decode_jpeg(picture: CompressedPicture) -> RGB:
    try:
        import simplejpeg
    except ImportError:
        return _by_opencv(picture) if _has_opencv() else _by_pillow(picture)
    rgb: RGB
    try:
        rgb = simplejpeg.decode_jpeg(picture.data, 'RGB')
    except ValueError as error:
        if _STRAY_BYTES not in str(error):
            raise
        rgb = simplejpeg.decode_jpeg(picture.data, 'RGB', strict=False)
    return rgb


def _decode_png(picture: CompressedPicture) -> RGB:
    try:
        return _by_pillow(picture)
    except ImportError:
        return _by_opencv(picture)


def _has_opencv() -> bool:
    try:
        import cv2  # noqa: F401
    except ImportError:
        return False
    return True


def _by_opencv(picture: CompressedPicture) -> RGB:
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = cv2.imdecode(np.frombuffer(picture.data, np.uint8), flags)
    if bgr is None:
        raise ValueError('OpenCV cannot decode it')
    return np.ascontiguousarray(bgr[..., ::-1])


def _by_pillow(picture: CompressedPicture) -> RGB:
    from PIL import Image

    with Image.open(io.BytesIO(picture.data), formats=[picture.kind]) as image:
        # A second header may say something else, and pixels are allocated only now.
        if image.size != (picture.width, picture.height):
            raise ValueError(f'it declares its size twice, then as {image.size}')
        if image.mode.startswith('I'):  # 16-bit greyscale, which convert() would clip at 255
            return np.repeat(_eight_bits(np.asarray(image))[..., None], 3, axis=2)
        return np.array(image.convert('RGB'))


def _by_cv_bridge(message: Any) -> RGB:
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise ObservationError(
            f'image encoding {message.encoding!r} needs cv_bridge, which is not usable here:'
            f' {error}. Install ros-$ROS_DISTRO-cv-bridge with apt (not from PyPI), with numpy 1'
        ) from None
    rgb: RGB = CvBridge().imgmsg_to_cv2(message, desired_encoding='rgb8')
    return rgb
