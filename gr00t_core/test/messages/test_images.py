# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
from array import array
import io
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from gr00t_core.errors import ObservationError
from gr00t_core.messages import images
from gr00t_core.messages.image_header import read_picture
from gr00t_core.messages.images import compressed_to_rgb, decode_image, ENCODINGS, image_to_rgb


def message(pixels, encoding, padding=0, bigendian=0, container=array):
    """Build an Image of (H, W, bytes) uint8 with `padding` bytes of rubbish after each row."""
    height, width, depth = pixels.shape
    rubbish = np.full((height, padding), 0xAB, np.uint8)
    rows = np.concatenate((pixels.reshape(height, width * depth), rubbish), axis=1)
    data = {
        array: lambda: array('B', rows.tobytes()),
        bytes: rows.tobytes,
        np.ndarray: lambda: rows.reshape(-1),
    }[container]()
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=bigendian,
        step=width * depth + padding,
        data=data,
    )


@st.composite
def raw_images(draw, depth, even=False):
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    width += width % 2 if even else 0
    seed = draw(st.integers(0, 2**32 - 1))
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, depth), np.uint8)
    return pixels, draw(st.integers(0, 7)), draw(st.sampled_from((array, bytes, np.ndarray)))


@pytest.mark.parametrize(
    ('encoding', 'channels'),
    [
        ('rgb8', (0, 1, 2)),
        ('bgr8', (2, 1, 0)),
        ('rgba8', (0, 1, 2)),
        ('bgra8', (2, 1, 0)),
        ('mono8', (0, 0, 0)),
    ],
)
@given(data=st.data())
def test_interleaved_encodings(encoding, channels, data):
    pixels, padding, container = data.draw(raw_images(ENCODINGS[encoding]))
    rgb = image_to_rgb(message(pixels, encoding, padding, container=container))
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, pixels[..., channels])


@given(data=st.data(), bigendian=st.sampled_from((0, 1)))
def test_mono16_maps_the_whole_range(data, bigendian):
    pixels, padding, container = data.draw(raw_images(2))
    rgb = image_to_rgb(message(pixels, 'mono16', padding, bigendian, container))
    values = pixels.copy().view('>u2' if bigendian else '<u2')
    np.testing.assert_array_equal(rgb, np.rint(values / 257).astype(np.uint8).repeat(3, axis=2))


@pytest.mark.parametrize('container', [array, bytes, np.ndarray])
@pytest.mark.parametrize('padding', [0, 5])
def test_rgb8_is_a_view(container, padding):
    image = message(
        np.arange(60, dtype=np.uint8).reshape(4, 5, 3), 'rgb8', padding, container=container
    )
    source = image.data if container is np.ndarray else np.frombuffer(image.data, np.uint8)
    assert np.shares_memory(image_to_rgb(image), source)


def bayer_reference(raw, pattern):
    """Average, per pixel and colour, the nearest samples of that colour in the mirrored mosaic."""
    height, width = raw.shape
    rgb = np.zeros((height, width, 3), np.uint8)
    beside, over = [(0, -1), (0, 1)], [(-1, 0), (1, 0)]
    rings = ([(0, 0)], beside + over, beside, over, [(-1, -1), (-1, 1), (1, -1), (1, 1)])

    def mirror(i, n):
        return -i if i < 0 else 2 * (n - 1) - i if i >= n else i

    def colour(y, x):
        return pattern[2 * (y % 2) + x % 2]

    for y in range(height):
        for x in range(width):
            for channel, wanted in enumerate('rgb'):
                ring = next(r for r in rings if all(colour(y + j, x + i) == wanted for j, i in r))
                total = sum(int(raw[mirror(y + j, height), mirror(x + i, width)]) for j, i in ring)
                rgb[y, x, channel] = (total + len(ring) // 2) // len(ring)
    return rgb


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
@settings(max_examples=20)
@given(data=st.data())
def test_bayer(pattern, data):
    pixels, padding, container = data.draw(raw_images(1))
    rgb = image_to_rgb(message(pixels, f'bayer_{pattern}8', padding, container=container))
    np.testing.assert_array_equal(rgb, bayer_reference(pixels[..., 0], pattern))


@pytest.mark.parametrize('encoding', ['yuv422', 'uyvy', 'yuv422_yuy2', 'yuyv'])
@given(data=st.data())
def test_yuv422(encoding, data):
    pixels, padding, container = data.draw(raw_images(2, even=True))
    rgb = image_to_rgb(message(pixels, encoding, padding, container=container))
    luma = 0 if encoding in {'yuyv', 'yuv422_yuy2'} else 1
    y = 1.164 * np.maximum(pixels[..., luma].astype(float) - 16, 0)
    chroma = pixels[..., 1 - luma].astype(float) - 128
    u, v = chroma[:, 0::2].repeat(2, axis=1), chroma[:, 1::2].repeat(2, axis=1)
    exact = np.stack((y + 1.596 * v, y - 0.813 * v - 0.391 * u, y + 2.018 * u), axis=-1)
    assert np.abs(rgb - np.clip(exact, 0, 255)).max() <= 0.501


def test_yuv422_primary_colours():
    """White, black and a mid grey, as every camera sends them."""
    for luma, level in ((235, 255), (16, 0), (126, 128)):
        pixels = np.empty((2, 4, 2), np.uint8)
        pixels[..., 0], pixels[..., 1] = 128, luma
        assert (image_to_rgb(message(pixels, 'yuv422')) == level).all()


def picture(height=48, width=64):
    rng = np.random.default_rng(7)
    smooth = np.cumsum(rng.normal(0, 5, (height, width, 3)), axis=1) + 128
    return np.clip(smooth, 0, 255).astype(np.uint8)


def encoded(pixels, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def compressed(data, name):
    return SimpleNamespace(format=name, data=array('B', data))


def test_png_is_exact():
    rgb = picture()
    np.testing.assert_array_equal(compressed_to_rgb(compressed(encoded(rgb, 'PNG'), 'png')), rgb)
    grey = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    decoded = compressed_to_rgb(compressed(encoded(grey, 'PNG'), '16UC1; png compressed'))
    np.testing.assert_array_equal(decoded[..., 1], np.rint(grey / 257))


@pytest.mark.parametrize('subsampling', [0, 1, 2])
@pytest.mark.parametrize('progressive', [False, True])
def test_jpeg_decoders_agree_bit_for_bit(subsampling, progressive):
    simplejpeg = pytest.importorskip('simplejpeg')
    data = encoded(picture(51, 67), 'JPEG', subsampling=subsampling, progressive=progressive)
    expected = simplejpeg.decode_jpeg(data, 'RGB')
    np.testing.assert_array_equal(compressed_to_rgb(compressed(data, 'jpeg')), expected)
    header = read_picture(data)
    np.testing.assert_array_equal(images._by_pillow(header), expected)
    if images._has_opencv():
        np.testing.assert_array_equal(images._by_opencv(header), expected)


@pytest.mark.skipif(not images._has_opencv(), reason='OpenCV is not installed')
def test_opencv_decodes_png():
    header = read_picture(encoded(picture(), 'PNG'))
    np.testing.assert_array_equal(images._by_opencv(header), picture())


def test_grey_jpeg_has_three_channels():
    data = encoded(picture()[..., 0], 'JPEG')
    assert compressed_to_rgb(compressed(data, 'mono8; jpeg compressed')).shape == (48, 64, 3)


def test_decode_image_tells_the_types_apart():
    rgb = picture()
    np.testing.assert_array_equal(decode_image(message(rgb, 'rgb8')), rgb)
    np.testing.assert_array_equal(decode_image(compressed(encoded(rgb, 'PNG'), 'png')), rgb)
    with pytest.raises(ObservationError, match='no image message'):
        decode_image(SimpleNamespace(position=[0.0]))


def broken(**changes):
    image = message(picture(4, 6), 'rgb8')
    for name, value in changes.items():
        setattr(image, name, value)
    return image


@pytest.mark.parametrize(
    ('image', 'text'),
    [
        (broken(encoding='32FC1'), "'32FC1' is not supported; allowed: rgb8, bgr8"),
        (broken(data=b'\0' * 71), '71 bytes of data, expected 72'),
        (broken(step=17), 'step 17, expected at least 18'),
        (broken(height=0), 'no pixels'),
        (broken(data=np.zeros(72)), 'dtype float64, expected uint8'),
        (broken(encoding='yuv422', width=5, step=18), 'expected an even width'),
        (compressed(b'', 'jpeg'), "0 bytes, format 'jpeg', starts with nothing"),
        (compressed(b'RIFF....WEBP', 'webp'), 'neither JPEG nor PNG'),
        (compressed(encoded(picture(), 'JPEG')[:500], 'jpeg'), '500 bytes.*damaged'),
        (compressed(encoded(picture(), 'PNG')[:500], 'png'), '500 bytes.*damaged'),
    ],
)
def test_errors_name_what_is_wrong(image, text):
    with pytest.raises(ObservationError, match=text):
        decode_image(image)


def test_cv_bridge_is_opt_in():
    with pytest.raises(ObservationError, match=r'ros-.*-cv-bridge'):
        image_to_rgb(broken(encoding='32FC1'), use_cv_bridge=True)


def test_rosbags_messages_decode_like_rclpy_ones():
    typesys = pytest.importorskip('rosbags.typesys')
    types = typesys.get_typestore(typesys.Stores.ROS2_JAZZY).types
    header = types['std_msgs/msg/Header'](types['builtin_interfaces/msg/Time'](0, 0), '')
    rgb = picture()
    image = types['sensor_msgs/msg/Image'](header, 48, 64, 'bgr8', 0, 192, rgb.reshape(-1))
    np.testing.assert_array_equal(decode_image(image), rgb[..., ::-1])
    data = np.frombuffer(encoded(rgb, 'PNG'), np.uint8)
    image = types['sensor_msgs/msg/CompressedImage'](header, 'png', data)
    np.testing.assert_array_equal(decode_image(image), rgb)
