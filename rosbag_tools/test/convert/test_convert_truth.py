# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert bags whose truth is known: pixels carry their time, joints are functions of time."""

import re

import av
from converted import convert
import numpy as np
import pytest
from truth_bag import Fault, joint_truth, TruthBag

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.checks.findings import ERROR
from gr00t_core.dataset.checks.validate import validate
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag

FRONT = 'camera/front/image_raw/compressed'
WRIST = 'camera/wrist/image_raw/compressed'
STREAMS = (FRONT, WRIST, 'joint_states', 'joint_commands')


def everywhere(**fault):
    return {topic: Fault(**fault) for topic in STREAMS}


FAULTS = {
    'none': {},
    'jitter': everywhere(jitter_s=0.003),
    'camera jitter': {FRONT: Fault(jitter_s=0.006), WRIST: Fault(jitter_s=0.006)},
    'drops': everywhere(drop=0.01),
    'many drops': {FRONT: Fault(drop=0.1)},
    'latency': {FRONT: Fault(latency_s=0.12), WRIST: Fault(latency_s=0.03)},
    'slow joints': {'joint_states': Fault(latency_s=0.08)},
    'clock offset': everywhere(offset_s=4.0),
    'clock behind': everywhere(offset_s=-0.3),
    'everything': everywhere(jitter_s=0.002, drop=0.01, latency_s=0.02, offset_s=1.5),
}


@pytest.mark.parametrize('name', FAULTS)
def test_rows_are_exact_whatever_happens_on_the_way(tmp_path, name):
    faults = FAULTS[name]
    truth = convert(tmp_path, TruthBag(seconds=4, faults=faults, seed=4))
    assert truth.rows == 120
    skew = np.abs(truth.skew_ms)
    repeated = np.diff(truth.image_s['front']) == 0
    lost = 120 - truth.report['bags'][0]['streams'][FRONT]['messages']
    # A lost frame's row has the state of its own time, not of the frame that is shown again.
    good = ~np.r_[False, repeated]
    assert np.median(skew) < 0.1
    assert skew[good].max() < 0.2
    if not lost:
        assert np.percentile(skew, 95) < 0.2
        assert (np.diff(truth.image_s['front']) > 0).all()
    rows = truth.report['bags'][0]['rows']
    assert rows['repeated'] == rows['repeated_frames']['front'] == repeated.sum() == lost
    # The other camera's frames are those nearest in time.
    wrist_lost = 120 - truth.report['bags'][0]['streams'][WRIST]['messages']
    if name != 'camera jitter':
        assert rows['repeated_frames']['wrist'] == wrist_lost
        assert np.abs(truth.image_s['wrist'] - truth.joint_s).max() < 0.040
    # Commands hold: the newest one at or before the row.
    command_s = (truth.dataset.column('action')[:, 0] - 0.01) / 0.1
    age = truth.joint_s - command_s
    assert age.min() > -1e-4
    assert age.max() < 0.045
    width = load_robot('so101').state_width
    expected = joint_truth(truth.joint_s, width)
    np.testing.assert_allclose(truth.dataset.column('observation.state'), expected, atol=1e-5)


@pytest.mark.parametrize(
    ('camera_hz', 'fps', 'rows'),
    [(60, 30, 90), (30, 10, 30), (29.97, 30, 90), (30, 15, 45), (25, 10, 30), (100, 30, 90)],
)
@pytest.mark.parametrize('jitter_s', [0.0, 0.0015])
def test_any_camera_rate_gives_rows_at_the_asked_rate(tmp_path, camera_hz, fps, rows, jitter_s):
    faults = {topic: Fault(jitter_s=jitter_s) for topic in (FRONT, WRIST)}
    bag = TruthBag(seconds=3, camera_hz=camera_hz, faults=faults)
    truth = convert(tmp_path, bag, '--fps', str(fps))
    assert truth.rows == rows
    assert np.abs(truth.skew_ms).max() < 0.2
    assert (np.diff(truth.image_s['front']) > 0).all()
    assert (np.diff(truth.image_s['wrist']) > 0).all()
    # The rows' label is their rate.
    seconds = truth.stamp_s[-1] - truth.stamp_s[0]
    assert (rows - 1) / seconds == pytest.approx(fps, rel=0.02)
    stamps = truth.dataset.column('timestamp').reshape(-1)
    np.testing.assert_allclose(stamps, np.arange(rows) / fps, atol=1e-5)


def test_a_camera_that_is_too_slow_is_refused(tmp_path, capsys):
    bag = TruthBag(seconds=2, camera_hz=17).write(tmp_path / 'bag')
    words = [str(bag), '--robot', 'so101', '--output', str(tmp_path / 'd')]
    assert gr00t('convert', words) == 1
    assert '--fps 17' in capsys.readouterr().err
    assert not (tmp_path / 'd').exists()
    assert convert(tmp_path, bag, '--fps', '17').rows == 34


@pytest.mark.parametrize('image', ['jpeg', 'png', 'raw', 'h264', 'hevc', 'video', 'ffmpeg'])
@pytest.mark.parametrize('version', ['v2.1', 'v3.0'])
def test_every_encoding_and_version(tmp_path, image, version):
    bag = TruthBag(
        seconds=2, image=image, faults=everywhere(jitter_s=0.002), robot=robot_for(tmp_path, image)
    )
    options = ['--robot', str(bag.robot.source), '--version', version]
    truth = convert(tmp_path, bag, *options)
    assert truth.rows == 60
    assert np.abs(truth.skew_ms).max() < 0.2
    assert (np.diff(truth.image_s['wrist']) > 0).all()
    assert [f for f in validate(truth.path, bag.robot) if f.level == ERROR] == []


TYPES = {
    'raw': 'sensor_msgs/msg/Image',
    'video': 'foxglove_msgs/msg/CompressedVideo',
    'ffmpeg': 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket',
}


def robot_for(folder, image):
    """Return the SO-101 with cameras of the message type of an encoding."""
    text = load_robot('so101').source.read_text()
    path = folder / 'robot.yaml'
    path.write_text(
        text.replace(
            'sensor_msgs/msg/CompressedImage', TYPES.get(image, 'sensor_msgs/msg/CompressedImage')
        )
    )
    return load_robot(path)


@pytest.mark.parametrize('image', ['h264', 'hevc', 'video', 'ffmpeg', 'jpeg'])
def test_copied_video_is_the_recorded_bitstream(tmp_path, image):
    robot = robot_for(tmp_path, image)
    bag = TruthBag(seconds=2, image=image, robot=robot)
    truth = convert(tmp_path, bag, '--robot', str(robot.source), '--video', 'copy')
    assert truth.rows == 60
    assert np.abs(truth.skew_ms).max() < 0.2
    assert recorded_packets(tmp_path / 'bag', FRONT) == video_packets(truth.path, 'front')
    assert [f for f in validate(truth.path, robot) if f.level == ERROR] == []


def recorded_packets(bag, topic):
    """Return what each message holds: the JPEG, or the NAL units of the access unit."""
    with Bag(bag) as read:
        packets = [bytes(read.deserialize(m).data) for m in read.messages([f'/{topic}'])]
    if packets[0].startswith(b'\xff\xd8'):
        return packets
    return [[unit for unit in re.split(b'\x00{2,3}\x01', p) if unit] for p in packets]


def video_packets(dataset, camera):
    """Return the same of a video; in mp4 a NAL unit follows its length."""
    file = next(dataset.glob(f'videos/**/observation.images.{camera}/**/*.mp4'))
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
        is_jpeg = stream.codec_context.name == 'mjpeg'
    return packets if is_jpeg else [list(units(packet)) for packet in packets]


def units(packet):
    while packet:
        size = int.from_bytes(packet[:4], 'big')
        yield packet[4 : 4 + size]
        packet = packet[4 + size :]
