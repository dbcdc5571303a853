# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's observations of a replayed bag are the rows of its converted dataset, bit for bit.

The messages go into the node's own callbacks in the order in which they were recorded; only the
middleware is left out. The dataset copies the JPEGs, so that pixels can be compared exactly.
"""

import time
from types import SimpleNamespace

import av
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS')

from rclpy.serialization import deserialize_message

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.reader import Dataset
from gr00t_core.messages.images import decode_image
from gr00t_core.robot.file import load_robot
from gr00t_policy_node.policy.observing import observation_of, Observer

ROBOT = load_robot('so101')


class ReplayedNode:
    """Stands in for the node: its clock shows the time of the message being replayed."""

    now_ns = 0

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=self.now_ns))

    def get_logger(self):
        return SimpleNamespace(error=pytest.fail)


def observations(path):
    """Return stamp → observation for every reference frame whose row is decided in the bag."""
    from rosbag_tools.bags.bag import Bag

    node = ReplayedNode()
    waiting, found = [], {}
    observer = Observer(node, ROBOT, lambda stamp, _: waiting.append(stamp))
    with Bag(path) as bag:
        for message in bag.messages([f'/{topic}' for topic in observer._feeds]):
            topic = message.topic.lstrip('/')
            node.now_ns = message.log_ns
            raw = bytes(message.raw)
            feed = observer._feeds[topic]
            message = raw if feed.camera else deserialize_message(raw, feed.message_class)
            observer._receive(feed, message, {'received_timestamp': 0})
            while waiting and not observer._timeline.waiting(waiting[0]):
                row = observer.row(waiting.pop(0), time.monotonic_ns())
                images = {name: observer.decode(name, f) for name, f in row.frames.items()}
                if not row.gaps:
                    assert not row.held
                    found[row.stamp_ns] = observation_of(ROBOT, row, images, 'wave')
    return found


@pytest.mark.parametrize(
    'fault', [{}, {'jitter_s': 0.003}, {'latency_s': 0.03, 'drop': 0.01}, {'offset_s': 1.5}]
)
def test_the_node_sees_what_the_dataset_holds(tmp_path, fault):
    from truth_bag import Fault, TruthBag

    faults = dict.fromkeys(ROBOT.topics, Fault(**fault))
    bag = TruthBag(seconds=3, faults=faults).write(tmp_path / 'bag')
    output = tmp_path / 'dataset'
    words = ['--robot', 'so101', '--output', str(output), '--video', 'copy']
    assert gr00t('convert', [str(bag), *words]) == 0
    live = observations(bag)
    dataset = Dataset.open(output)
    pictures = {camera.name: jpegs(output, camera.dataset_key) for camera in ROBOT.cameras}
    stamps = dataset.column('observation.stamp_ns').reshape(-1)
    compared = 0
    for index, stamp in enumerate(stamps.tolist()):
        if stamp not in live:
            continue  # the row of a lost frame, or the last ones
        seen = live[stamp]
        for camera in ROBOT.cameras:
            expected = decode_image(pictures[camera.name][index])
            np.testing.assert_array_equal(seen[f'video.{camera.name}'][0], expected)
        for group in ROBOT.state:
            expected = dataset.group(f'state.{group.name}')[index]
            found = seen[f'state.{group.name}'][0].astype(np.float32)
            np.testing.assert_array_equal(found, expected)
        compared += 1
    assert compared >= 84


def jpegs(output, key):
    """Return the JPEGs of a copied video as messages."""
    file = next(output.glob(f'videos/**/{key}/**/*.mp4'))
    with av.open(str(file)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return [SimpleNamespace(format='jpeg', data=np.frombuffer(p, np.uint8)) for p in packets]
