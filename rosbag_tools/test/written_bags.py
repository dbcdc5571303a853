# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write given messages as bags, of ROS 2 and ROS 1."""

from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
from truth_bag import STORE

JOINTS = '/joint_states'
FRONT = '/camera/front/image_raw/compressed'
JOINT_STATE = 'sensor_msgs/msg/JointState'


def write(path, topics, messages, storage=StoragePlugin.MCAP, store=STORE):
    """Write (topic, log time, raw) in the given order."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        known = {n: writer.add_connection(n, kind, typestore=store) for n, kind in topics.items()}
        for topic, log_ns, raw in messages:
            writer.write(known[topic], log_ns, raw)
    return path


def kinds(topics):
    return {name: topic.type for name, topic in topics.items()}


def ros_1_bag(path, content, compression=None):
    """Write the messages as a ROS 1 recorder does."""
    topics, messages = content
    store = get_typestore(Stores.ROS1_NOETIC)
    writer = Ros1Writer(path)
    if compression:
        writer.set_compression(compression)
    with writer:
        known = {n: writer.add_connection(n, t.type, typestore=store) for n, t in topics.items()}
        for number, m in enumerate(messages):
            kind = topics[m.topic].type
            read = STORE.deserialize_cdr(m.raw, kind)
            head = store.types['std_msgs/msg/Header'](number, read.header.stamp, '')
            if kind == JOINT_STATE:
                made = store.types[kind](
                    head, read.name, read.position, read.velocity, read.effort
                )
            else:
                made = store.types[kind](head, read.format, read.data)
            writer.write(known[m.topic], m.log_ns, bytes(store.serialize_ros1(made, kind)))
    return path
