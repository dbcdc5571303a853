# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What keeps an episode from being useful is named: what of the robot file, where, and why."""

from dataclasses import replace

import numpy as np
import pytest
from truth_bag import header, still_message, STORE, T, time_image

from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.message_definitions import deserialize
from rosbag_tools.record.readiness import complaints, Heard, streams_of, users_of

ROBOT = load_robot('so101')
JOINTS = [name.split('/')[1] for name in ROBOT.state_names]
CAMERAS = [camera.stream.topic for camera in ROBOT.cameras]


def joints(names=JOINTS, **fields):
    kind = 'sensor_msgs/msg/JointState'
    given = {'position': np.zeros(len(names)), 'velocity': np.zeros(0), **fields}
    message = T[kind](header=header(1), name=list(names), effort=np.zeros(0), **given)
    return bytes(STORE.serialize_cdr(message, kind))


def picture(size=(320, 240)):
    return still_message(time_image(1000, size), 'jpeg', 1)[1]


def heard(**changed):
    """Everything in order, but for some topics; `_` stands for `/`."""
    found = {
        topic: Heard(1, (), 0.01, (picture() if topic in CAMERAS else joints(),))
        for topic in streams_of(ROBOT)
    }
    names = {topic.replace('/', '_'): topic for topic in found}
    return found | {names[name]: each for name, each in changed.items()}


def found(robot=ROBOT, published=(), **changed):
    read = lambda kind, raw: deserialize(STORE, raw, kind)  # noqa: E731
    return complaints(robot, heard(**changed), read, published)


def test_nothing_is_said_when_everything_can_be_read():
    assert found() == []


def test_every_silent_topic_is_named_with_what_is_read_from_it():
    for topic in streams_of(ROBOT):
        (text,) = found(**{topic.replace('/', '_'): Heard(0, (), None, ())})
        assert text.startswith(users_of(ROBOT, topic) + ': ')
        assert f'nothing publishes {topic}' in text
    everything = {t.replace('/', '_'): Heard(0, (), None, ()) for t in streams_of(ROBOT)}
    assert len(found(**everything)) == len(streams_of(ROBOT))


@pytest.mark.parametrize('age_s', [0.9, 1.1, 60.0])
def test_a_topic_is_there_for_a_second(age_s):
    texts = found(joint_states=Heard(2, (), age_s, (joints(),)))
    assert bool(texts) == (age_s > 1)
    assert all('silent' in text and '2 publisher' in text for text in texts)


def test_a_slow_topic_is_there_for_three_periods():
    slow = replace(ROBOT.cameras[1].stream, rate_hz=0.5)
    cameras = (ROBOT.cameras[0], replace(ROBOT.cameras[1], stream=slow))
    robot = replace(ROBOT, cameras=cameras)
    for age_s in (5.9, 6.1):
        texts = found(robot, camera_wrist_image_raw_compressed=Heard(1, (), age_s, (picture(),)))
        assert bool(texts) == (age_s > 6)


def test_a_misspelled_topic_and_a_wrong_type_are_told_apart():
    silent = Heard(0, (), None, ())
    wrist = 'camera_wrist_image_raw_compressed'
    near = ['camera/wrst/image_raw/compressed', 'joint_states']
    (text,) = found(published=near, **{wrist: silent})
    assert 'did you mean camera/wrst/image_raw/compressed?' in text
    (text,) = found(**{wrist: Heard(0, ('sensor_msgs/msg/Image',), None, ())})
    assert 'published as sensor_msgs/msg/Image' in text
    assert 'sensor_msgs/msg/CompressedImage' in text


def test_a_joint_or_field_that_is_not_in_the_message_is_named():
    names = ['elbow' if name == 'elbow_flex' else name for name in JOINTS]
    (text,) = found(joint_commands=Heard(1, (), 0.01, (joints(names),)))
    assert text.startswith('action.single_arm: ')
    assert 'elbow_flex' in text
    (text,) = found(joint_states=Heard(1, (), 0.01, (joints(position=np.zeros(3)),)))[:1]
    assert 'state.single_arm' in text
    group = replace(ROBOT.state[1], field='positions')
    (text,) = found(replace(ROBOT, state=(ROBOT.state[0], group)))
    assert text.startswith('state.gripper: ')
    assert 'positions' in text
    nan = np.full(len(JOINTS), np.nan)
    assert len(found(joint_states=Heard(1, (), 0.01, (joints(position=nan),)))) == 2


def test_joints_may_come_from_several_publishers():
    arm, gripper = joints(JOINTS[:-1]), joints(JOINTS[-1:])
    both = Heard(2, (), 0.01, (gripper, arm, arm, arm))
    assert found(joint_states=both) == []
    (text,) = found(joint_states=Heard(1, (), 0.01, (arm, arm)))
    assert text.startswith('state.gripper: joint_states names none of gripper')
    assert 'elbow_flex' in text


def test_a_picture_of_another_size_or_none_is_named():
    front = 'camera_front_image_raw_compressed'
    (text,) = found(**{front: Heard(1, (), 0.01, (picture((160, 120)),))})
    assert 'camera front' in text
    assert '160×120' in text
    assert '320×240' in text
    broken = still_message(time_image(1000, (320, 240)), 'jpeg', 1)[1][:400]
    (text,) = found(**{front: Heard(1, (), 0.01, (broken + bytes(8),))})
    assert text.startswith('camera front: ')
    (text,) = found(**{front: Heard(1, (), 0.01, (b'rubbish',))})
    assert 'camera front' in text
