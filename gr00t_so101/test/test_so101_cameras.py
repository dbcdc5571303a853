# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cameras: sizes, stamps, and devices that are not there; video files are the cameras."""

from itertools import islice
import time

import av
import numpy as np
import pytest
import simplejpeg

from gr00t_core.errors import ParameterError
from gr00t_core.robot.file import load_robot
from gr00t_so101.frames import _stamped, CameraError, frames

pytest.importorskip('rclpy', reason='needs ROS')
from sensor_msgs.msg import CompressedImage

from gr00t_so101.cameras import devices_of

ROBOT = load_robot('so101')


def video(path, codec='mjpeg', size=(320, 240), count=15):
    """Write a short video whose frame k has the brightness 10 k."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = size
        stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        for k in range(count):
            picture = np.full((size[1], size[0], 3), 10 * k, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format='rgb24')))
        container.mux(stream.encode(None))
    return path


def some(camera, device, count):
    return list(islice(frames(camera, str(device), 90, lambda: False), count))


@pytest.mark.parametrize(('codec', 'suffix'), [('mjpeg', 'avi'), ('mpeg4', 'mp4')])
def test_frames_come_at_their_pace_and_jpeg_is_passed_on_as_it_is(tmp_path, codec, suffix):
    file = video(tmp_path / f'camera.{suffix}', codec)
    began = time.monotonic()
    found = some(ROBOT.camera('front'), file, 10)
    assert time.monotonic() - began > 0.25
    for k, frame in enumerate(found):
        picture = simplejpeg.decode_jpeg(frame.data)
        assert picture.shape == (240, 320, 3)
        assert abs(picture.mean() - 10 * k) < 6
    if codec == 'mjpeg':
        with av.open(str(file)) as container:
            packets = [bytes(p) for p in container.demux(video=0) if p.size]
        assert [frame.data for frame in found] == packets[:10]
    stamps = [frame.stamp_ns for frame in found]
    assert stamps == sorted(stamps)
    assert abs(time.time_ns() - stamps[-1]) < 10**9


def test_a_time_of_the_driver_counts_only_while_it_can_be_true():
    now_s = time.time()
    assert _stamped(b'', now_s - 0.03).believed
    for at_s in (None, 12.5, now_s + 5.0, now_s - 3.0):  # none, since boot, ahead, old
        frame = _stamped(b'', at_s)
        assert not frame.believed
        assert abs(frame.stamp_ns * 1e-9 - now_s) < 1.0


def test_cameras_that_do_not_fit_say_so(tmp_path):
    camera = ROBOT.camera('front')
    wide = video(tmp_path / 'wide.avi', size=(640, 480), count=2)
    for device, said in (
        (wide, 'gives 640x480, the robot file asks for 320x240'),
        (tmp_path / 'none.avi', 'there is no such device'),
        ('/dev/video77', 'there is no such device; cameras here'),
    ):
        with pytest.raises(CameraError, match='camera front') as caught:
            some(camera, device, 1)
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ([''], 'empty; write e.g. [front=/dev/video0]'),
        (['/dev/video0'], 'write e.g. front=/dev/video0'),
        (['left=/dev/video0'], "no camera 'left'; it has front, wrist"),
        (['front=/dev/video0', 'wrist=/dev/video0'], 'comes twice'),
    ],
)
def test_words_that_name_no_camera_are_refused(words, said):
    with pytest.raises(ParameterError) as caught:
        devices_of(ROBOT, words)
    assert said in str(caught.value)


def test_the_node_publishes_both_cameras_and_tells_which_one_is_gone(world, tmp_path):
    front, wrist = video(tmp_path / 'front.avi'), tmp_path / 'wrist.avi'
    heard = {'front': [], 'wrist': []}
    for name, messages in heard.items():
        topic = f'camera/{name}/image_raw/compressed'
        world.node.create_subscription(CompressedImage, topic, messages.append, 10)
    world.start(
        'cameras',
        'gr00t_so101.cameras',
        robot='so101',
        devices=[f'front={front}', f'wrist={wrist}'],
    )
    level, _ = world.says('camera wrist', 'no such device', name='usb_cameras: wrist')
    assert level == b'\2'
    video(tmp_path / 'new.avi').rename(wrist)
    world.until(lambda: len(heard['wrist']) > 5 and len(heard['front']) > 30, 'frames of both')
    world.says('frames come', name='usb_cameras: wrist')
    message = heard['wrist'][-1]
    assert message.format == 'jpeg'
    assert message.header.frame_id == 'wrist_camera_optical_frame'
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in heard['front'][-20:]]
    assert abs(time.time() - stamps[-1]) < 1.0
    assert np.diff(stamps).min() > 0.0
    assert world.end('cameras') == 0
