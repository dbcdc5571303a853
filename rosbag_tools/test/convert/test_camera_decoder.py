# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The converter refuses and decodes the pictures that the robot refuses and decodes."""

from fractions import Fraction
import io
import re
from types import SimpleNamespace

import av
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from gr00t_core.errors import ObservationError
from gr00t_core.messages.images import decode_image
from rosbag_tools.convert.camera_decoder import StillDecoder, VideoStream

WIDTH, HEIGHT = 96, 72
COLOURS = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
COLOURS[..., 0] = np.linspace(0, 255, WIDTH)
COLOURS[..., 1] = np.linspace(0, 255, HEIGHT)[:, None]
_file = io.BytesIO()
Image.fromarray(COLOURS).save(_file, 'JPEG', quality=92, restart_marker_blocks=6)
RESTARTS = _file.getvalue()
STRAY = re.sub(rb'(\xff[\xd0-\xd7])', b'\x35\x35\\1', RESTARTS)


def message(data):
    return SimpleNamespace(format='jpeg', data=np.frombuffer(bytes(data), np.uint8))


def converted(decoder, data):
    """Return what the converter makes of a message, as RGB."""
    image = decoder.decode(message(data))
    return image if isinstance(image, np.ndarray) else image.to_ndarray(format='rgb24')


@pytest.mark.parametrize('data', [RESTARTS, STRAY, RESTARTS + bytes(4096)])
def test_whole_pictures_are_the_robots(data):
    live = decode_image(message(data), size=(WIDTH, HEIGHT))
    assert np.abs(converted(StillDecoder((WIDTH, HEIGHT)), data).astype(int) - live).mean() < 2


@pytest.mark.parametrize('width', [96, 82])  # rows without and with padding
@pytest.mark.parametrize('subsampling', ['4:2:0', '4:2:2', '4:4:4', None])
def test_the_encoder_gets_the_pictures_own_colours(width, subsampling):
    """A picture whose colours change every two pixels comes out as it is: none is smoothed."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(40, 215, (HEIGHT // 2, width // 2, 1 if subsampling is None else 3))
    pixels = np.repeat(np.repeat(blocks, 2, 0), 2, 1).astype(np.uint8)
    file = io.BytesIO()
    how = {} if subsampling is None else {'subsampling': subsampling}
    Image.fromarray(pixels.squeeze()).save(file, 'JPEG', quality=100, **how)
    decoder = StillDecoder((width, HEIGHT))
    for _ in range(2):  # the decoder keeps its buffer
        frame = decoder.decode(message(file.getvalue()))
        assert (frame.format.name, frame.width, frame.height) == ('yuv420p', width, HEIGHT)
        seen = frame.to_ndarray(format='rgb24').astype(int)[::2, ::2]
        error = np.abs(seen - blocks)
        assert error.mean() < 4, error.mean()


@settings(max_examples=150, deadline=None)
@given(
    data=st.sampled_from([RESTARTS, STRAY]),
    places=st.lists(st.integers(2, len(RESTARTS) - 1), min_size=1, max_size=4),
    values=st.lists(st.integers(0, 255), min_size=4, max_size=4),
)
def test_damage_is_judged_alike(data, places, values):
    damaged = bytearray(data)
    for place, value in zip(places, values):
        damaged[place] = value
    try:
        decode_image(message(damaged), size=(WIDTH, HEIGHT))
    except ObservationError:
        with pytest.raises(ObservationError):
            converted(StillDecoder((WIDTH, HEIGHT)), damaged)
    else:
        assert converted(StillDecoder((WIDTH, HEIGHT)), damaged).shape == (HEIGHT, WIDTH, 3)


def packets(encoder, width, height):
    context = av.CodecContext.create(encoder, 'w')
    context.width, context.height, context.pix_fmt = width, height, 'yuv420p'
    context.framerate, context.time_base = Fraction(30), Fraction(1, 30)
    context.options = {
        'libx264': {'preset': 'ultrafast', 'tune': 'zerolatency'},
        'libx265': {'preset': 'ultrafast', 'x265-params': 'log-level=none'},
        'libsvtav1': {'preset': '12'},
    }[encoder]
    frame = av.VideoFrame.from_ndarray(np.zeros((height, width, 3), np.uint8), format='rgb24')
    frame.pts = 0
    return [bytes(p) for p in [*context.encode(frame), *context.encode(None)]]


@pytest.mark.parametrize(
    ('encoder', 'codec'), [('libx264', 'h264'), ('libx265', 'hevc'), ('libsvtav1', 'av1')]
)
def test_a_video_larger_than_the_camera_is_refused_before_a_picture_is_made(encoder, codec):
    for width, height in ((96, 72), (322, 242)):
        video = VideoStream('camera', codec, (width, height))
        found = [
            *(
                f
                for n, p in enumerate(packets(encoder, width, height))
                for f in video.decode(p, n)
            ),
            *video.finish(),
        ]
        assert [(f.width, f.height) for _, f in found] == [(width, height)]
    video = VideoStream('camera', codec, (96, 72))
    large = b''.join(packets(encoder, 1024, 768))
    with pytest.raises(av.error.InvalidDataError):
        list(video.decode(large, 0))
