# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images for another machine are small, what that does to pixels is bounded, and doors hold."""

from collections.abc import Iterator
import json
from pathlib import Path
import subprocess
import sys
import threading
from typing import Any

import msgpack
import numpy as np
import pytest

from gr00t_core.errors import ServingError
from gr00t_core.serving import link_images, wire
from gr00t_core.serving.client import PolicyClient
from gr00t_core.serving.server import PolicyServer
from gr00t_core.serving.service import PolicyService

REMOTE, LOCAL = 'tcp://gpu-host:5555', 'tcp://127.0.0.1:5555'
TASK = 'annotation.human.task_description'


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return a picture with soft shading, edges and a little noise, as cameras give."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / height
    base = np.stack([0.5 + 0.3 * np.sin(5 * rows), 0.4 + 0.3 * columns, 0.6 - 0.2 * rows], -1)
    base[height // 4 : height // 2, width // 3 : width // 2] = (0.8, 0.1, 0.1)
    noisy = 255 * base + generator.normal(0, 2.0, base.shape)
    return noisy.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ('asked', 'address', 'nested', 'reads_jpeg', 'chosen'),
    [
        ('auto', LOCAL, False, True, 'raw'),
        ('auto', 'ipc:///run/policy', False, True, 'raw'),
        ('auto', 'tcp://[::1]:5555', True, False, 'raw'),
        ('auto', REMOTE, False, True, 'jpeg'),
        ('auto', REMOTE, False, False, 'raw'),  # N1.5's own server
        ('auto', REMOTE, True, False, 'small'),
        ('raw', REMOTE, True, False, 'raw'),
        ('raw', REMOTE, False, True, 'raw'),
        ('jpeg', LOCAL, False, True, 'jpeg'),
        ('small', LOCAL, True, False, 'small'),
        ('jpeg', REMOTE, True, False, None),
        ('jpeg', REMOTE, False, False, None),
        ('small', REMOTE, False, True, None),
        ('png', REMOTE, False, True, None),
    ],
)
def test_the_link_and_the_server_choose_the_form(asked, address, nested, reads_jpeg, chosen):
    def choose() -> str:
        return link_images.chosen_form(asked, address, nested=nested, reads_jpeg=reads_jpeg)

    if chosen is None:
        with pytest.raises(ServingError, match=r'choose|expected'):
            choose()
    else:
        assert choose() == chosen


def test_who_asks_for_a_form_that_nobody_knows_is_told():
    with pytest.raises(ServingError, match='expected auto, raw, jpeg, small'):
        PolicyClient(LOCAL, images='png')


@pytest.mark.parametrize(
    ('shape', 'result'),
    [
        ((480, 640), (256, 341)),
        ((720, 1280), (256, 455)),
        ((320, 300), (273, 256)),
        ((512, 512), (256, 256)),
        ((256, 300), (256, 300)),
        ((240, 320), (240, 320)),
    ],
)
def test_small_frames_are_means_over_areas(shape, result):
    image = scene(*shape)
    shrunk = link_images.small(image[None, None])
    assert shrunk.shape == (1, 1, *result, 3)
    assert shrunk.dtype == np.uint8
    # Each output as the mean of what it covers, in float64.
    for axis, size in enumerate(result):
        length = image.shape[axis]
        scale = length / size
        edges = np.arange(size + 1) * scale
        covered = np.minimum(edges[1:, None], np.arange(1, length + 1)) - np.maximum(
            edges[:-1, None], np.arange(length)
        )
        image = np.moveaxis(
            np.tensordot(covered.clip(0) / scale, np.moveaxis(image, axis, 0), 1), 0, axis
        )
    assert np.abs(shrunk[0, 0] - image).max() <= 0.51  # rounding
    # The server's first step finds nothing to do.
    assert link_images.small(shrunk) is shrunk


def test_small_frames_are_opencvs():
    """N1.7's first step is OpenCV's INTER_AREA."""
    cv2 = pytest.importorskip('cv2')
    for shape in ((480, 640), (720, 1280), (300, 333), (512, 768)):
        image = scene(*shape)
        ours = link_images.small(image)
        theirs = cv2.resize(image, ours.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_jpeg_changes_pixels_by_about_a_grey_level():
    images = np.stack([scene(480, 640, seed) for seed in range(2)])[:, None]
    sent = link_images.to_jpeg(images)
    message = wire.pack({'video.front': sent})
    assert len(message) < images.nbytes / 5
    back = wire.read(message).content['video.front']
    assert back == sent
    pixels = link_images.decoded(back)
    assert pixels.shape == images.shape
    difference = np.abs(pixels.astype(int) - images)
    assert difference.mean() < 2.0
    assert difference.max() <= 16


def jpeg_message(**changes: Any) -> bytes:
    fields = link_images.jpeg_fields(link_images.to_jpeg(scene(32, 48)[None]))
    return msgpack.packb({'video.front': fields | changes})


@pytest.mark.parametrize(
    ('message', 'told'),
    [
        (jpeg_message(shape=[1, 32, 48, 4]), 'h, w, 3'),
        (jpeg_message(shape=[1, 48, 32, 3]), 'its shape says'),
        (jpeg_message(shape=[2, 32, 48, 3]), 'one JPEG per frame'),
        (jpeg_message(shape=[1, 2**20, 2**20, 3]), 'bytes of pixels'),
        (jpeg_message(shape=[True, 32, 48, 3]), 'h, w, 3'),
        (jpeg_message(shape='1'), 'h, w, 3'),
        (jpeg_message(frames=[b'']), 'its shape says'),
        (jpeg_message(frames=['text']), 'h, w, 3'),
        (jpeg_message(frames=[b'\x89PNG\r\n\x1a\n' + bytes(40)]), 'refused'),
        (jpeg_message(frames=[b'\xff\xd8\xff\xd9']), 'refused'),
    ],
)
def test_hostile_frames_are_refused_before_they_are_decoded(message, told):
    with pytest.raises(ServingError, match=told):
        wire.read(message)


class Policy:
    """Remembers the frames that it saw."""

    seen: np.ndarray

    def get_action(self, observation: dict[str, Any]) -> dict[str, Any]:
        self.seen = observation['video.front']
        return {'action.arm': np.zeros((16, 6), np.float32)}

    def get_modality_config(self) -> dict[str, Any]:
        keys = {'video': 'video.front', 'state': 'state.arm', 'language': TASK}
        return {name: {'delta_indices': [0], 'modality_keys': [key]} for name, key in keys.items()}


@pytest.fixture
def served() -> Iterator[tuple[str, Policy]]:
    policy, ready = Policy(), threading.Event()
    service = PolicyService(lambda: (policy, {}), None, ready.set)
    server = PolicyServer(service, 'tcp://127.0.0.1:*')
    service.start()
    thread = threading.Thread(target=server.serve)
    thread.start()
    assert ready.wait(10)
    yield server.address, policy
    server.stop()
    thread.join(10)
    service.stop(5)


def observation(image: np.ndarray) -> dict[str, Any]:
    return {'video.front': image[None], 'state.arm': np.zeros((1, 6)), TASK: ['pick']}


def test_our_server_decodes_what_our_client_encoded(served):
    address, policy = served
    image = scene(480, 640)
    for form in ('raw', 'jpeg', 'auto'):
        with PolicyClient(address, 10, images=form) as client:
            client.get_action(observation(image))
            assert client.images == ('jpeg' if form == 'jpeg' else 'raw')
        assert policy.seen.shape == (1, 480, 640, 3)
        difference = np.abs(policy.seen[0].astype(int) - image)
        assert (difference.mean() < 2.0) if form == 'jpeg' else not difference.any()
    with (
        PolicyClient(address, 10, images='small') as client,
        pytest.raises(ServingError, match="the camera's size"),
    ):
        client.get_action(observation(image))


def test_frames_that_together_are_too_large_or_damaged_are_errors(served):
    address, _ = served
    big = link_images.JpegFrames((), (2000, 4000, 3))
    with pytest.raises(ServingError, match='at most'):
        link_images.check_decoded([big, big, big])
    good = link_images.to_jpeg(scene(64, 64)[None])
    cut = good.frames[0][: len(good.frames[0]) // 2] + b'\xff\xd9'
    damaged = link_images.JpegFrames((cut,), good.shape)
    sent = observation(scene(64, 64)) | {'video.front': damaged}
    with PolicyClient(address, 10) as client, pytest.raises(ServingError, match='damaged'):
        client.get_action(sent)


def test_a_policy_server_gets_small_frames():
    script = Path(__file__).parents[1].joinpath('stand_in_policy_server.py')
    server = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    sent = {
        'video.front': scene(480, 640)[None],
        'video.wrist': scene(240, 320)[None],
        'state.single_arm': np.zeros((1, 5)),
        'state.gripper': np.zeros((1, 1)),
        TASK: ['pick'],
    }
    try:
        address = server.stdout.readline().split()[1]
        with PolicyClient(address, 30, images='small') as client:
            assert client.get_action(sent)['action.single_arm'].shape == (40, 5)
        video = json.loads(server.stdout.readline())['video']
        assert video == {'front': [1, 1, 256, 341, 3], 'wrist': [1, 1, 240, 320, 3]}
    finally:
        server.kill()
        server.communicate(timeout=10)
