# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot of deltas from bag to dataset: each delta counts once, live rows are the dataset's."""

from converted import gr00t
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
import simplejpeg
from truth_bag import START_NS, STORE

from gr00t_core.alignment.timeline import Timeline
from gr00t_core.dataset.reader import Dataset
from gr00t_core.robot.description import NANOSECONDS
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag, header_ns

STEPS = 40  # of 50 ms
STEP_NS = 50_000_000
T = STORE.types


def write(path):
    """Write an episode of the Panda at 20 Hz; return its deltas (N, 6) and gripper (N,)."""
    rng = np.random.default_rng(3)
    deltas = rng.uniform(-1.0, 1.0, (STEPS, 6))
    grip = (np.arange(STEPS) % 7 < 4).astype(np.float64)
    places = np.cumsum(deltas * 0.01, axis=0)
    robot = load_robot('libero_panda')
    jpeg = simplejpeg.encode_jpeg(np.full((256, 256, 3), 90, np.uint8), quality=90)
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {
            topic: writer.add_connection(f'/{topic}', kind, typestore=STORE)
            for topic, kind in robot.topics.items()
        }

        def put(topic, message, log_ns):
            raw = STORE.serialize_cdr(message, robot.topics[topic])
            writer.write(known[topic], log_ns, raw)

        for k in range(STEPS):
            now = START_NS + k * STEP_NS
            header = T['std_msgs/msg/Header'](
                T['builtin_interfaces/msg/Time'](*divmod(now, NANOSECONDS)), ''
            )
            x, y, z, roll, pitch, yaw = places[k]
            vector = T['geometry_msgs/msg/Vector3']
            joints = T['sensor_msgs/msg/JointState']
            none = np.zeros(0)
            put('eef_pose', T['geometry_msgs/msg/PoseStamped'](header, T['geometry_msgs/msg/Pose'](
                T['geometry_msgs/msg/Point'](x, y, z),
                T['geometry_msgs/msg/Quaternion'](1.0, 0.0, 0.0, 0.0))), now)  # fmt: skip
            rotation = T['geometry_msgs/msg/Vector3Stamped'](header, vector(roll, pitch, yaw))
            put('eef_rotation_vector', rotation, now)
            fingers = joints(
                header, ['panda_finger_joint1', 'panda_finger_joint2'],
                np.array([0.04, -0.04]) * grip[k], none, none,
            )  # fmt: skip
            put('gripper/joint_states', fingers, now)
            image = T['sensor_msgs/msg/CompressedImage'](
                header, 'jpeg', np.frombuffer(jpeg, np.uint8)
            )
            for camera in ('wrist_image', 'image'):
                put(f'camera/{camera}/image_raw/compressed', image, now)
            twist = T['geometry_msgs/msg/Twist'](vector(*deltas[k, :3]), vector(*deltas[k, 3:]))
            put('eef_delta', T['geometry_msgs/msg/TwistStamped'](header, twist), now + 1_000_000)
            command = joints(header, ['panda_gripper'], grip[k : k + 1], none, none)
            put('gripper_command', command, now + 1_000_000)
    return deltas, grip


@pytest.mark.parametrize('name', ['libero_panda', 'libero_panda_10hz'])
def test_no_delta_is_lost_and_live_rows_are_the_dataset(tmp_path, name):
    deltas, grip = write(tmp_path / 'bag')
    words = [str(tmp_path / 'bag'), '--robot', name, '--output', str(tmp_path / 'dataset')]
    assert gr00t('convert', [*words, '--workers', '1']) == 0
    assert gr00t('validate', [str(tmp_path / 'dataset')]) == 0
    dataset = Dataset.open(tmp_path / 'dataset')
    action, state = dataset.column('action'), dataset.column('observation.state')
    stamps = dataset.column('observation.stamp_ns').reshape(-1)
    robot = load_robot(name)
    per_row = round(20 / robot.rate_hz)
    assert len(action) == STEPS // per_row
    summed = deltas.reshape(-1, per_row, 6).sum(axis=1)
    np.testing.assert_array_equal(action[:, :6], summed.astype(np.float32))
    np.testing.assert_array_equal(action[:, 6], grip[::per_row])

    timeline, waiting, live = Timeline(robot, history_ns=NANOSECONDS), [], {}
    with Bag(tmp_path / 'bag') as read:
        for message in read.messages([f'/{topic}' for topic in timeline.topics]):
            topic = message.topic.lstrip('/')
            payload = message.log_ns if 'camera' in topic else read.deserialize(message)
            stamp = timeline.add(topic, payload, header_ns(message.raw), message.log_ns)
            if topic == robot.reference.stream.topic:
                waiting.append(stamp)
            while waiting and not timeline.waiting(waiting[0]):
                row = timeline.row(waiting.pop(0))
                live[row.stamp_ns] = row
    for stamp, values in zip(stamps, state):
        row = live[int(stamp)]
        found = np.concatenate([row.state[group.name] for group in robot.state])
        np.testing.assert_array_equal(found.astype(np.float32), values)
