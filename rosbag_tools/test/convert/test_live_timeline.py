# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A timeline driven as on the robot gives the rows of the converted dataset, bit for bit."""

from converted import convert
import numpy as np
import pytest
from truth_bag import Fault, TruthBag

from gr00t_core.alignment.timeline import Timeline
from gr00t_core.robot.description import NANOSECONDS
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag, header_ns

ROBOT = load_robot('so101')
FAULTS = {
    'none': Fault(),
    'jitter': Fault(jitter_s=0.003),
    'latency': Fault(latency_s=0.03, jitter_s=0.001),
    'offset': Fault(offset_s=2.0),
}


@pytest.mark.parametrize('name', FAULTS)
def test_live_rows_are_the_dataset(tmp_path, name):
    bag = TruthBag(seconds=3, faults=dict.fromkeys(ROBOT.topics, FAULTS[name]))
    truth = convert(tmp_path, bag)
    live = {}
    timeline = Timeline(ROBOT, history_ns=NANOSECONDS)  # forgets old samples, as on the robot
    waiting = []
    with Bag(tmp_path / 'bag') as read:
        for message in read.messages([f'/{topic}' for topic in timeline.topics]):
            topic = message.topic.lstrip('/')
            payload = message.log_ns if 'camera' in topic else read.deserialize(message)
            stamp = timeline.add(topic, payload, header_ns(message.raw), message.log_ns)
            if topic == ROBOT.reference.stream.topic:
                waiting.append(stamp)
            while waiting and not timeline.waiting(waiting[0]):
                row = timeline.row(waiting.pop(0))
                live[row.stamp_ns] = row
    assert len(live) >= 88
    state = truth.dataset.column('observation.state')
    stamps = truth.dataset.column('observation.stamp_ns').reshape(-1)
    compared = 0
    for stamp, values in zip(stamps, state):
        if int(stamp) in live:
            row = live[int(stamp)]
            assert not row.held
            found = np.concatenate([row.state[group.name] for group in ROBOT.state])
            np.testing.assert_array_equal(found.astype(np.float32), values)
            compared += 1
    assert compared >= 88
