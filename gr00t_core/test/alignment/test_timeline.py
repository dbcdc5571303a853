# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stamp pairing holds its promises for any arrival order, and invents nothing."""

from dataclasses import replace
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.actions.rotation_blend import slerp
from gr00t_core.alignment.timeline import MOST_REASONS, NO_PICTURE, OTHER_REASONS, Timeline
from gr00t_core.errors import ObservationError
from gr00t_core.robot.description import NANOSECONDS
from gr00t_core.robot.file import load_robot

ROBOT = load_robot('so101')
JOINTS = [name for group in ROBOT.state for name in group.names]
FRONT, WRIST = (camera.stream.topic for camera in ROBOT.cameras)
MS = NANOSECONDS // 1000
FRAME = NANOSECONDS // 30
START = 1_700_000_000 * NANOSECONDS


def joint_state(stamp_ns, function=lambda t: t, joints=JOINTS):
    """Return a message whose joint j is at function(seconds since START) + j."""
    seconds = (stamp_ns - START) / NANOSECONDS
    position = [function(seconds) + JOINTS.index(joint) for joint in joints]
    return SimpleNamespace(name=list(joints), position=position)


def fill(timeline, messages):
    """Add (log_ns, topic, payload, stamp_ns) tuples in log order."""
    for log_ns, topic, payload, stamp_ns in sorted(messages, key=lambda m: m[0]):
        timeline.add(topic, payload, stamp_ns, log_ns)


def stream(topic, payload, period_ns, count, latency_ns, offset_ns=0):
    stamps = [START + offset_ns + k * period_ns for k in range(count)]
    return [(s + latency_ns, topic, payload(s), s) for s in stamps]


def test_state_is_interpolated_at_the_reference_stamp():
    timeline = Timeline(ROBOT)
    fill(timeline, stream('joint_states', joint_state, 10 * MS, 20, 2 * MS))
    fill(timeline, stream(FRONT, str, FRAME, 5, 5 * MS, offset_ns=3 * MS))
    row = timeline.row(START + 3 * MS + FRAME)
    seconds = (row.stamp_ns - START) / NANOSECONDS
    expected = seconds + np.arange(5)
    np.testing.assert_allclose(row.state['single_arm'], expected, atol=1e-9)
    assert row.frames['front'].payload == str(row.stamp_ns)
    assert row.gaps.keys() == {'wrist'}
    assert not row.held


def test_a_gap_is_named_and_not_filled():
    timeline = Timeline(ROBOT)
    fill(timeline, stream('joint_states', joint_state, 10 * MS, 5, 0))
    timeline.add(FRONT, b'', START + 200 * MS, START + 200 * MS)
    row = timeline.row(START + 200 * MS)
    assert row.gaps['state.single_arm'] == 160 * MS
    assert row.gaps['wrist'] is None
    assert not row.state


def test_no_interpolation_across_a_gap():
    timeline = Timeline(ROBOT)
    for stamp in (0, 100 * MS):
        timeline.add('joint_states', joint_state(START + stamp), START + stamp, START + stamp)
    assert 'state.gripper' in timeline.row(START + 50 * MS).gaps


def test_the_last_state_holds_and_is_marked():
    timeline = Timeline(ROBOT)
    timeline.add('joint_states', joint_state(START), START, START)
    timeline.add(FRONT, b'', START + 8 * MS, START + 8 * MS)
    assert set(timeline.waiting(START + 8 * MS)) == {'single_arm', 'gripper', 'wrist'}
    row = timeline.row(START + 8 * MS)
    assert row.held == ('single_arm', 'gripper')
    np.testing.assert_array_equal(row.state['gripper'], [5.0])


def test_commands_hold_and_the_future_is_never_used():
    timeline = Timeline(ROBOT, with_action=True)
    fill(timeline, stream('joint_commands', joint_state, 10 * MS, 10, 0))
    row = timeline.row(START + 29 * MS)
    np.testing.assert_allclose(row.action['gripper'], [5.02])


def test_camera_gives_its_nearest_frame():
    timeline = Timeline(ROBOT)
    fill(timeline, stream(WRIST, lambda s: (s - START) // MS, FRAME, 4, 0, offset_ns=5 * MS))
    picked = {
        at: timeline.row(START + at * MS).frames['wrist'].payload for at in (5, 20, 22, 30, 40)
    }
    assert picked == {5: 5, 20: 5, 22: 38, 30: 38, 40: 38}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_row_does_not_depend_on_arrival_order(data):
    """Whatever the latencies, a row asked for when no stream is awaited equals the offline row."""
    jitter = st.integers(0, 30 * MS)
    messages = []
    for topic, payload, period, count in (
        ('joint_states', joint_state, 10 * MS, 30),
        (FRONT, str, FRAME, 9),
        (WRIST, str, FRAME, 9),
    ):
        phase = data.draw(st.integers(0, period))
        logs = sorted(data.draw(jitter) + k * period for k in range(count))
        stamps = [START + phase + k * period for k in range(count)]
        messages += [
            (START + phase + log, topic, payload(stamp), stamp)
            for log, stamp in zip(logs, stamps, strict=True)
        ]
    offline = Timeline(ROBOT)
    fill(offline, messages)
    live = Timeline(ROBOT, history_ns=NANOSECONDS)
    pending, compared = [], 0
    for log_ns, topic, payload, stamp in sorted(messages, key=lambda m: m[0]):
        live.add(topic, payload, stamp, log_ns)
        if topic == FRONT:
            pending.append(stamp)
        while pending and not live.waiting(pending[0]):
            row, truth = live.row(pending[0]), offline.row(pending.pop(0))
            assert row.frames == truth.frames
            assert row.gaps.keys() == truth.gaps.keys()
            for name, values in truth.state.items():
                np.testing.assert_array_equal(row.state[name], values)
            compared += 1
    assert compared > 3


def test_late_messages_and_clock_jumps_are_counted():
    timeline = Timeline(ROBOT)
    for stamp in (0, 10, 5, 10, 20):
        timeline.add('joint_states', joint_state(START), START + stamp * MS, START)
    assert timeline.health['joint_states'].late == 2
    timeline.add('joint_states', joint_state(START), START - 2 * NANOSECONDS, START)
    assert timeline.health['joint_states'].jumps == 1
    assert timeline.row(START).gaps['state.gripper'] == 2 * NANOSECONDS


def test_two_publishers_may_share_joint_states():
    timeline = Timeline(ROBOT)
    for stamp, joints in ((0, JOINTS[:5]), (1, ['gripper']), (10, JOINTS[:5]), (11, ['gripper'])):
        message = joint_state(START + stamp * MS, joints=joints)
        timeline.add('joint_states', message, START + stamp * MS, START + stamp * MS)
    row = timeline.row(START + 5 * MS)
    np.testing.assert_allclose(row.state['gripper'], [5.005])
    np.testing.assert_allclose(row.state['single_arm'][0], 0.005)


def test_log_stamps_offsets_and_skew():
    streams = {'stamp': 'log', 'offset_ns': -4 * MS}
    group = ROBOT.state[0]
    robot = replace(ROBOT, state=(replace(group, stream=replace(group.stream, **streams)),))
    timeline = Timeline(robot)
    placed = timeline.add('joint_states', joint_state(START), START - NANOSECONDS, START)
    assert placed == START - 4 * MS
    assert timeline.health['joint_states'].skewed


def test_unstamped_messages_are_counted():
    timeline = Timeline(ROBOT)
    assert timeline.add('joint_states', joint_state(START), None, START) == START
    assert timeline.health['joint_states'].unstamped == 1


def test_forget_keeps_what_a_later_row_needs():
    kept, pruned = Timeline(ROBOT), Timeline(ROBOT)
    for timeline in (kept, pruned):
        fill(timeline, stream('joint_states', joint_state, 10 * MS, 50, 0))
        fill(timeline, stream(FRONT, str, FRAME, 15, 0))
    at = START + 9 * FRAME
    pruned.forget(at)
    np.testing.assert_array_equal(kept.row(at).state['gripper'], pruned.row(at).state['gripper'])
    assert pruned.row(at).frames == kept.row(at).frames


@given(st.floats(0, 1), st.floats(-3, 3))
def test_slerp_turns_at_constant_speed(weight, angle):
    first = np.array([1.0, 0, 0, 0])
    second = np.array([np.cos(angle / 2), np.sin(angle / 2), 0, 0])
    expected = [np.cos(weight * angle / 2), np.sin(weight * angle / 2), 0, 0]
    np.testing.assert_allclose(slerp(first, second, weight), expected, atol=1e-7)
    np.testing.assert_allclose(slerp(first, -second, weight), expected, atol=1e-7)


def test_unknown_joint_is_an_error_that_names_it():
    timeline = Timeline(ROBOT)
    with pytest.raises(Exception, match=r'wrist_roll.*not among the names'):
        timeline.add('joint_states', joint_state(START, joints=JOINTS[:4]), START, START)


def trajectory(group, values, times):
    points = [
        SimpleNamespace(positions=list(v), time_from_start=SimpleNamespace(sec=0, nanosec=t))
        for v, t in zip(values, times, strict=True)
    ]
    return SimpleNamespace(joint_names=list(group.names), points=points)


def planned(group, values):
    """Return what a plan gives for each ms of its 10 ms between its two points."""
    robot = replace(ROBOT, action=(group,))
    timeline = Timeline(robot, with_action=True)
    timeline.add(group.stream.topic, trajectory(group, values, (0, 10 * MS)), START, START)
    return [timeline.row(START + k * MS).action[group.name] for k in range(11)]


def test_a_plan_turns_the_short_way_round():
    """Between 3 and -3 rad a joint that turns without end passes π, and never 0."""
    arm = replace(ROBOT.action[0], field='positions', continuous=('wrist_roll',))
    values = np.array(planned(arm, [(3.0,) * 5, (-3.0,) * 5]))
    np.testing.assert_allclose(values[:, 0], np.linspace(3, -3, 11), atol=1e-12)
    roll = values[:, 4]
    assert (np.abs(roll) >= 3 - 1e-12).all()
    expected = np.linspace(3, 2 * np.pi - 3, 11)
    np.testing.assert_allclose(np.cos(roll), np.cos(expected), atol=1e-12)
    np.testing.assert_allclose(np.sin(roll), np.sin(expected), atol=1e-12)


def test_a_plan_comes_from_the_command_before_it_the_short_way_round():
    arm = replace(ROBOT.action[0], field='positions', continuous=('wrist_roll',))
    timeline = Timeline(replace(ROBOT, action=(arm,)), with_action=True)
    topic = arm.stream.topic
    timeline.add(topic, trajectory(arm, [(3.0,) * 5], (0,)), START - MS, START)
    plan = trajectory(arm, [(-3.0,) * 5, (-3.0,) * 5], (10 * MS, 20 * MS))
    timeline.add(topic, plan, START, START)
    assert abs(abs(timeline.row(START + 5 * MS).action['single_arm'][4]) - np.pi) < 0.1
    assert abs(timeline.row(START + 5 * MS).action['single_arm'][0]) < 1e-12


def test_a_plan_of_rotations_stays_on_the_sphere_and_a_switch_switches():
    rotation = replace(
        ROBOT.action[0], field='positions', names=('w', 'x', 'y', 'z'), rotation='quaternion'
    )
    half = np.sqrt(0.5)
    values = planned(rotation, [(1.0, 0, 0, 0), (-half, -half, 0, 0)])
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(values[5], [np.cos(np.pi / 8), np.sin(np.pi / 8), 0, 0], atol=1e-9)
    switch = replace(ROBOT.action[1], field='positions', normalization='binary', kind='binary')
    assert [v[0] for v in planned(switch, [(0.0,), (1.0,)])] == [0.0] * 10 + [1.0]


def test_a_picture_that_is_none_is_as_if_not_sent():
    timeline = Timeline(ROBOT)
    fill(timeline, stream(WRIST, lambda s: (s - START) // MS, FRAME, 4, 0))
    frame = timeline.row(START + FRAME).frames['wrist']
    for _ in range(2):  # counted once
        timeline.refuse_picture('wrist', frame, START, 'no JPEG')
    (bad,) = timeline.health[WRIST].bad.items()
    assert (bad[0], bad[1].count, bad[1].example) == (NO_PICTURE, 1, 'no JPEG')
    assert timeline.row(START + FRAME).frames['wrist'].payload in (0, 66)


def test_reasons_are_counted_but_not_without_end():
    """A message may have any number of values: each is a reason of its own."""
    timeline = Timeline(ROBOT)
    for count in range(7, 100):
        message = SimpleNamespace(name=JOINTS, position=[0.0] * count)
        with pytest.raises(ObservationError):
            timeline.add('joint_states', message, START, START)
    health = timeline.health['joint_states']
    assert health.bad_count == 93
    assert len(health.bad) == MOST_REASONS + 1
    assert health.bad[OTHER_REASONS].count == 93 - MOST_REASONS
