# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a picture declares is checked before it is decoded, and whole pictures are decoded."""

from array import array
import io
import re
import struct
import subprocess
import sys
from types import SimpleNamespace
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from gr00t_core.errors import ObservationError
from gr00t_core.messages import images
from gr00t_core.messages.image_header import MAX_PIXELS, read_picture
from gr00t_core.messages.images import decode_for_encoder, decode_image, plain_jpeg

HEIGHT, WIDTH = 72, 96
SIZE = (WIDTH, HEIGHT)
COLOURS = np.stack(
    [
        np.tile(np.linspace(0, 255, WIDTH), (HEIGHT, 1)),
        np.tile(np.linspace(0, 255, HEIGHT)[:, None], (1, WIDTH)),
        np.full((HEIGHT, WIDTH), 90.0),
    ],
    axis=-1,
).astype(np.uint8)


def encoded(pixels, kind='JPEG', **options):
    buffer = io.BytesIO()
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


PLAIN = encoded(COLOURS, quality=92)
RESTARTS = encoded(COLOURS, quality=92, restart_marker_blocks=6)
PNG = encoded(COLOURS, 'PNG')


def compressed(data, name='jpeg'):
    return SimpleNamespace(format=name, data=array('B', data))


def is_encoded_as(message):
    """Return whether the converter takes a picture without asking `decode_image`."""
    picture = plain_jpeg(message, size=SIZE)
    return picture is not None and decode_for_encoder(picture, np.empty((HEIGHT, WIDTH, 3), 'u1'))


def claims(data, width, height):
    """Return the picture with another declared size."""
    if data.startswith(b'\x89PNG'):
        header = data[12:16] + struct.pack('>II', width, height) + data[24:29]
        return data[:12] + header + struct.pack('>I', zlib.crc32(header)) + data[33:]
    at = re.search(rb'\xff[\xc0\xc2]', data).start() + 5
    return data[:at] + struct.pack('>HH', height, width) + data[at + 4 :]


def large_png(width, height):
    """Return a true PNG of black pixels, whose data are small."""
    rows = zlib.compressobj(9)
    body = b''.join(rows.compress(bytes(1 + 3 * width)) for _ in range(height)) + rows.flush()
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)), (b'IDAT', body)]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in [*chunks, (b'IEND', b'')]
    )


def stray(data, marker, count):
    """Put bytes before each such marker of the scan."""
    scan = data.index(b'\xff\xda')
    return data[:scan] + re.sub(marker, lambda m: b'\x35' * count + m[0], data[scan:])


BOMB = """
from pathlib import Path
import resource, sys, time
from types import SimpleNamespace
import numpy, simplejpeg, PIL.Image, PIL.PngImagePlugin, PIL.JpegImagePlugin
from gr00t_core.errors import ObservationError
from gr00t_core.messages.images import decode_image
if sys.argv[1] == 'pillow':
    sys.modules['simplejpeg'] = sys.modules['cv2'] = None
used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**25, used + 2**25))
for file in sys.argv[2:]:
    data = numpy.frombuffer(Path(file).read_bytes(), numpy.uint8)
    began = time.process_time()
    for size in ((640, 480), None):
        try:
            decode_image(SimpleNamespace(format='', data=data), size=size)
        except ObservationError as error:
            print(error)
    assert time.process_time() - began < 0.2
"""


@pytest.mark.parametrize('decoder', ['first', 'pillow'])
def test_a_declared_size_costs_nothing(tmp_path, decoder):
    """Within 32 MB of memory above what the process holds before."""
    bombs = {
        '65500x65500': claims(PLAIN, 65500, 65500),
        '60000x60000': claims(encoded(COLOURS, progressive=True), 60000, 60000),
        '2147483647x2147483647': claims(PNG, 2**31 - 1, 2**31 - 1),
        '8000x8000': large_png(8000, 8000),
    }
    for seen, data in bombs.items():
        (tmp_path / seen).write_bytes(data)
    files = [str(tmp_path / seen) for seen in bombs]
    done = subprocess.run(
        [sys.executable, '-c', BOMB, decoder, *files], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = done.stdout.splitlines()
    for index, seen in enumerate(bombs):
        assert told[2 * index] == (
            f'frames are {seen}, the robot file says 640x480; correct either'
        )
        assert f'{seen}; at most {MAX_PIXELS} pixels' in told[2 * index + 1]


def test_a_second_header_is_not_believed():
    header = PNG[8:33]
    other = claims(PNG, WIDTH * 2, HEIGHT)[8:33]
    with pytest.raises(ObservationError, match='declares its size twice'):
        decode_image(compressed(PNG[:8] + header + other + PNG[33:]))
    frame = re.search(rb'\xff\xc0.{17}', PLAIN, re.DOTALL)[0]
    with pytest.raises(ObservationError, match='declares its size twice'):
        decode_image(compressed(PLAIN.replace(frame, frame + frame)))


WHOLE = {
    'plain': PLAIN,
    'with restart markers': RESTARTS,
    'one byte before each restart': stray(RESTARTS, rb'\xff[\xd0-\xd7]', 1),
    'four bytes before each restart': stray(RESTARTS, rb'\xff[\xd0-\xd7]', 4),
    '651 bytes before the end': stray(PLAIN, rb'\xff\xd9', 651),
    'bytes in the header': PLAIN.replace(b'\xff\xdb', b'\0\0\xff\xdb', 1),
    'fill bytes': PLAIN.replace(b'\xff\xdb', b'\xff\xff\xff\xdb', 1),
    'padding behind the end': PLAIN + bytes(4096),
    'progressive': encoded(COLOURS, quality=92, progressive=True),
    'without Huffman tables': re.sub(rb'\xff\xc4\x00.[^\xff]*', b'', PLAIN, flags=re.DOTALL),
}
LOST = {
    'truncated': PLAIN[:-300],
    'truncated and ended': PLAIN[:-300] + b'\xff\xd9',
    'no end': PLAIN[:-2],
    'a lost restart marker': re.sub(rb'\xff\xd3', b'', RESTARTS),
    'a lost restart marker among stray bytes': re.sub(
        rb'\xff\xd3', b'', stray(RESTARTS, rb'\xff[\xd0-\xd7]', 1)
    ),
    'a lost interval': re.sub(rb'\xff\xd2.*?(?=\xff\xd3)', b'', RESTARTS, flags=re.DOTALL),
    'CMYK': encoded(Image.fromarray(COLOURS).convert('CMYK')),
    'header only': PLAIN[:40],
    '2000 segments': PLAIN[:2] + b'\xff\xfe\0\2' * 2000 + PLAIN[2:],
    'truncated PNG': PNG[:-200],
}


@pytest.mark.parametrize('data', WHOLE.values(), ids=WHOLE)
def test_whole_pictures_are_decoded(data):
    rgb = decode_image(compressed(data), size=SIZE)
    assert np.abs(rgb.astype(int) - COLOURS).mean() < 2


@pytest.mark.parametrize('data', LOST.values(), ids=LOST)
def test_pictures_that_lost_a_part_are_refused(data):
    with pytest.raises(ObservationError):
        decode_image(compressed(data), size=SIZE)
    assert not is_encoded_as(compressed(data))


def test_scans_are_bounded():
    data = encoded(COLOURS, progressive=True)
    scans = data[data.index(b'\xff\xda') : -2]
    with pytest.raises(ObservationError, match='more than 64 scans'):
        decode_image(compressed(data[:-2] + scans * 40 + data[-2:]))


def test_odd_pngs():
    rgb16 = (COLOURS.astype(np.uint16) * 257).astype('>u2')
    body = zlib.compress(b''.join(b'\0' + row.tobytes() for row in rgb16))
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', WIDTH, HEIGHT, 16, 2, 0, 0, 0)), (b'IDAT', body)]
    deep = PNG[:8] + b''.join(
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in [*chunks, (b'IEND', b'')]
    )
    np.testing.assert_array_equal(decode_image(compressed(deep, 'png'), size=SIZE), COLOURS)
    grey = encoded(Image.fromarray(COLOURS[..., 0]).convert('LA'), 'PNG')
    assert (decode_image(compressed(grey, 'png')) == COLOURS[..., :1]).all()
    palette = encoded(Image.fromarray(COLOURS).quantize(256), 'PNG')
    assert np.abs(decode_image(compressed(palette, 'png')).astype(int) - COLOURS).mean() < 10


MOSAIC = np.full((HEIGHT, WIDTH), 20, np.uint8)
MOSAIC[0::2, 0::2] = 220  # the red places of rggb


@pytest.mark.parametrize('kind', ['JPEG', 'PNG'])
@pytest.mark.parametrize(
    ('name', 'colour'),
    [
        ('bayer_rggb8; {} compressed ', (220, 20, 20)),
        ('bayer_bggr8; {} compressed ', (20, 20, 220)),
        ('bayer_rggb8; {}', (220, 20, 20)),
        ('bayer_rggb8; {} compressed mono8', None),
        ('mono8; {} compressed ', None),
        ('{}', None),
    ],
)
def test_format_says_whether_one_channel_is_a_mosaic(kind, name, colour):
    data = encoded(MOSAIC, kind, **({'quality': 98} if kind == 'JPEG' else {}))
    rgb = decode_image(compressed(data, name.format(kind.lower())), size=SIZE).astype(int)
    if colour is None:
        assert (rgb[..., 0] == rgb[..., 2]).all()
        assert np.abs(rgb[..., 0] - MOSAIC).max() < 5
    else:
        assert np.abs(rgb - colour).mean() < 5


def test_a_colour_picture_of_a_bayer_camera_is_no_mosaic():
    message = compressed(PNG, 'bayer_rggb8; png compressed bgr8')
    np.testing.assert_array_equal(decode_image(message), COLOURS)
    np.testing.assert_array_equal(decode_image(compressed(PNG, 'bayer_rggb8; png')), COLOURS)


@pytest.mark.parametrize(
    ('name', 'told'),
    [
        ('bayer_rggb16; png compressed ', 'bayer_rggb8, bayer_bggr8'),
        ('16UC1; compressedDepth png', 'depth image'),
        ('x' * 10_000_000, 'neither JPEG nor PNG'),
    ],
)
def test_a_format_that_cannot_be_followed_is_named(name, told):
    with pytest.raises(ObservationError, match=told) as caught:
        decode_image(compressed(b'\0' * 12 + PNG, name))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize('encoding', ['nv21', 'nv12', '8UC3', 'x' * 1_000_000])
def test_an_unknown_encoding_is_named_with_the_list(encoding):
    message = SimpleNamespace(
        encoding=encoding, width=4, height=4, step=12, is_bigendian=0, data=bytes(48)
    )
    with pytest.raises(ObservationError, match='not supported; allowed: rgb8, bgr8') as caught:
        decode_image(message)
    assert encoding[:4] in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_raw_image_of_another_size_is_refused():
    message = SimpleNamespace(
        encoding='bayer_rggb8', width=8, height=6, step=8, is_bigendian=0, data=bytes(48)
    )
    with pytest.raises(ObservationError, match='frames are 8x6, the robot file says 6x8'):
        decode_image(message, size=(6, 8))
    assert decode_image(message, size=(8, 6)).shape == (6, 8, 3)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_never_raises_anything_else(data):
    """Any damage gives a picture of the declared size or an ObservationError, on both sides."""
    base = data.draw(st.sampled_from([PLAIN, RESTARTS, PNG, encoded(COLOURS, progressive=True)]))
    damaged = bytearray(base)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(['change', 'insert', 'remove'])):
            case 'change':
                damaged[at] = data.draw(st.integers(0, 255))
            case 'insert':
                damaged[at:at] = data.draw(st.binary(max_size=9))
            case _:
                del damaged[at : at + data.draw(st.integers(0, 9))]
    message = compressed(bytes(damaged))
    try:
        rgb = decode_image(message, size=SIZE)
    except ObservationError:
        assert not is_encoded_as(message)
    else:
        assert rgb.shape == (HEIGHT, WIDTH, 3)


def test_the_fallbacks_refuse_what_lost_a_part(monkeypatch):
    """Without simplejpeg: the structure decides, and whole pictures give the same pixels."""
    expected = {name: decode_image(compressed(data)) for name, data in WHOLE.items()}
    monkeypatch.setitem(sys.modules, 'simplejpeg', None)
    monkeypatch.setattr(images, '_has_opencv', lambda: False)
    for name, data in WHOLE.items():
        np.testing.assert_array_equal(decode_image(compressed(data)), expected[name], name)
    for name in set(LOST) - {'truncated and ended'}:  # Pillow paints over this one
        with pytest.raises(ObservationError):
            decode_image(compressed(LOST[name]))
    assert read_picture(b'neither') is None
