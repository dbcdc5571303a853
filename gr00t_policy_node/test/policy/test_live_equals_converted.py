# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's observations of a replayed bag are the rows of its converted dataset, bit for bit.

The messages go into the node's own callbacks in the order in which they were recorded; only the
middleware is left out. The dataset copies the JPEGs, so that pixels can be compared exactly.
"""

import json
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
from gr00t_policy_node.policy.observing import observation_of, Observer, PictureError

ROBOT = load_robot('so101')


class ReplayedNode:
    """Stands in for the node: its clock shows the time of the message being replayed."""

    def __init__(self):
        self.now_ns = 0
        self.errors = []

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=self.now_ns))

    def get_logger(self):
        return SimpleNamespace(error=lambda text, **_: self.errors.append(text))


def observations(path):
    """Return what the node makes of a bag.

    Returns:
        Stamp → observation for every reference frame whose row is decided in the bag; and what
        the observer reports at the end.
    """
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
                row = observer.row(waiting[0], time.monotonic_ns())
                try:
                    images = {name: observer.decode(name, f) for name, f in row.frames.items()}
                except PictureError as error:
                    if error.camera == ROBOT.reference_camera:
                        del waiting[0]
                    continue  # without that frame; another one may have to come first
                del waiting[0]
                if not row.gaps:
                    assert not row.held
                    found[row.stamp_ns] = observation_of(ROBOT, row, images, 'wave')
    return found, observer.report()


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
    live, reports = observations(bag)
    assert [report.bad for report in reports] == [{}] * len(reports)
    compare(live, output, at_least=84)


def compare(live, output, at_least):
    """Compare the observations with the dataset's rows of the same stamps."""
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
    assert compared >= at_least


def test_bad_samples_are_as_if_not_sent_for_both_and_counted_in_the_same_words(tmp_path):
    """Every seventh wrist picture is no JPEG, and some joint states are not finite or nameless."""
    from test_foreign_bags import kinds, serialized, write
    from truth_bag import TruthBag

    from rosbag_tools.bags.bag import Bag

    wrist = ROBOT.camera('wrist').stream.topic
    count, events = dict.fromkeys(ROBOT.topics, 0), []
    with Bag(TruthBag(seconds=3).write(tmp_path / 'source')) as source:
        topics = kinds(source.topics)
        for message in source.messages(topics):
            topic, raw = message.topic.lstrip('/'), message.raw
            count[topic] += 1
            if topic == wrist and count[topic] % 7 == 3:
                raw = raw[:-9] + bytes(9)
            elif topic == 'joint_states' and count[topic] % 20 in (3, 11):
                content = source.deserialize(message)
                if count[topic] % 20 == 3:
                    content.position = np.where(np.arange(6) == 2, np.nan, content.position)
                else:
                    content.name = []
                raw = serialized(content, topics[message.topic])
            events.append((message.topic, message.log_ns, raw))
    bag, output = write(tmp_path / 'bag', topics, events), tmp_path / 'dataset'
    words = ['--robot', 'so101', '--output', str(output), '--video', 'copy']
    assert gr00t('convert', [str(bag), *words, '--max-pieces', '100']) == 0
    live, reports = observations(bag)
    compare(live, output, at_least=80)
    report = json.loads((output / 'meta' / 'conversion_report.json').read_text())['bags'][0]
    offline = {(bad['topic'], bad['reason']): bad['count'] for bad in report['bad_samples']}
    assert offline.keys() == {
        (wrist, 'no picture'), ('joint_states', 'not finite'), ('joint_states', 'no names')
    }  # fmt: skip
    seen = {(r.stream.topic, reason): n for r in reports for reason, n in r.bad.items()}
    # The robot decodes the frames that it uses: the last one may not be among them.
    assert offline[wrist, 'no picture'] - seen.pop((wrist, 'no picture')) in (0, 1)
    assert seen == {key: n for key, n in offline.items() if key[0] == 'joint_states'}


def test_diagnostics_name_bad_samples_by_reason(tmp_path):
    from gr00t_policy_node.policy.stream_diagnostics import stream_status

    observer = Observer(node := ReplayedNode(), ROBOT, lambda *_: None)
    feed = observer._feeds['joint_states']
    names = [name for group in ROBOT.state for name in group.names]
    good = {'name': names, 'position': [0.0] * 6}

    def send(**fields):
        message = feed.message_class(**(good | fields))
        observer._receive(feed, message, {'received_timestamp': 0})

    def status():
        (report,) = (r for r in observer.report() if r.stream.topic == 'joint_states')
        found = stream_status(report, '/policy_node', 'so101')
        return found, {pair.key: pair.value for pair in found.values}

    for _ in range(3):
        send(name=[])
    send(position=[float('nan')] * 6)
    found, values = status()
    assert found.level == b'\2'
    assert found.message.startswith('every sample is bad: joint_states: position of group')
    assert values['bad samples'] == '4'
    assert values['bad samples: no names'] == '3'
    assert values['bad samples: not finite'] == '1'
    assert 'not finite' in values['last bad sample']
    assert len(node.errors) == 2  # once each
    send()
    send(position=[0.0] * 5)
    found, values = status()
    assert 'samples are bad' in found.message or 'Hz' in found.message
    assert values['bad samples: position: 5 values for 6 names'] == '1'
    send()
    found, values = status()
    assert 'bad' not in found.message
    assert values['bad samples'] == '5'


def jpegs(output, key):
    """Return the JPEGs of a copied video as messages."""
    file = next(output.glob(f'videos/**/{key}/**/*.mp4'))
    with av.open(str(file)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    return [SimpleNamespace(format='jpeg', data=np.frombuffer(p, np.uint8)) for p in packets]
