# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What once moved the arm unchecked, as promises: one door in, one door out, silence is kept."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from attack_streams import ROTATIONS
import numpy as np
import pytest
from test_executor_core import EVERYTHING, PERIOD_NS, SECOND, SO101, World
import yaml

from gr00t_core.errors import ParameterError
from gr00t_core.robot.file import load_robot, parse
from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.entrance import Rejection
from gr00t_policy_node.executor.handover import Plan, sample
from gr00t_policy_node.executor.layout import layout_of
from gr00t_policy_node.executor.modes import Mode
from gr00t_policy_node.executor.settings import Settings

FILE = Path(__file__).parents[1].joinpath('everything.yaml')
PANDA = load_robot('panda_bimanual')
BAD_QUATERNIONS = [[0, 0, 0, 0], [1, 1, 1, 1], [np.nan, 0, 0, 1], [1e308, 0, 0, 0]]


def endless(limits=(-20.0, 20.0), joints=('a',)):
    """Return `everything` whose joint a turns without end."""
    data = deepcopy(yaml.safe_load(FILE.read_text()))
    for kind in ('state', 'action'):
        data[kind]['arm']['continuous'] = list(joints) or False
    data['action']['arm']['limits']['position']['a'] = list(limits)
    return parse(data, FILE)


def running(robot, **changes):
    world = World(robot, **changes)
    world.tick()
    world.run(0.3)
    assert world.core.mode is Mode.RUNNING
    return world


# A1: nothing degenerate becomes a command.


@pytest.mark.parametrize('values', BAD_QUATERNIONS)
def test_a_degenerate_measured_rotation_starts_nothing_and_accepts_no_chunk(values):
    world = World(EVERYTHING)
    world.state_comes = False
    world.core.measure('arm', np.array([0.0, 1.0]), world.now_ns)
    world.core.measure('gripper', np.array([0.04]), world.now_ns)
    refusal = world.core.measure('wrist', np.array(values, float), world.now_ns)
    assert refusal is not None
    assert world.offer() is Rejection.NO_STATE
    assert world.tick() is None


@pytest.mark.parametrize('values', BAD_QUATERNIONS)
def test_a_degenerate_teleoperated_rotation_changes_nothing_and_the_e_stop_still_ends_in_silence(
    values,
):
    world = running(EVERYTHING)
    for _ in range(20):
        assert world.core.teleoperate('wrist', np.array(values, float), world.now_ns) is not None
        world.tick()
    assert world.core.mode is Mode.RUNNING
    world.core.e_stop(True, world.now_ns)
    world.tick(60)
    assert world.last is None
    world.core.e_stop(False, world.now_ns)
    assert world.core.rearm(world.now_ns) is None
    assert world.core.breaches == 0


@pytest.mark.parametrize('rotation', sorted(ROTATIONS))
def test_zeros_and_extremes_on_any_rotation_type_never_become_a_command(rotation):
    data = deepcopy(yaml.safe_load(FILE.read_text()))
    unit = 'rad' if ROTATIONS[rotation] == 3 else '1'
    axes = [f'r{i}' for i in range(ROTATIONS[rotation])]
    array = {'type': 'std_msgs/msg/Float64MultiArray', 'field': 'data', 'topic': 'w'}
    for kind in ('state', 'action'):
        changes = {**array, 'topic': f'{kind}_w', 'axes': axes, 'rotation': rotation, 'unit': unit}
        data[kind]['wrist'].update(changes)
    robot = parse(data, FILE)
    core = ExecutorCore(robot, Settings())
    now = SECOND
    for value in (0.0, np.nan, np.inf, 1e308, -1e308, 1e30):
        for _ in range(5):
            now += PERIOD_NS
            core.measure('arm', np.array([0.0, 1.0]), now)
            core.measure('gripper', np.array([0.04]), now)
            core.measure('wrist', np.full(len(axes), value), now)
            core.teleoperate('wrist', np.full(len(axes), value), now)
            command = core.tick(now)
            assert (
                command is None
                or np.isfinite(command.values[core.layout.mask(command.groups)]).all()
            )
    assert core.breaches == 0


# A2: zeros that no source sent.


def panda(**changes):
    core = ExecutorCore(PANDA, Settings(**changes))
    grippers = [n for n in core.layout.slices if 'gripper' in n]
    arms = [n for n in core.layout.slices if 'gripper' not in n]
    return World(PANDA, **changes), grippers, arms


@pytest.mark.parametrize('silenced_by', ['e-stop', 'timeout'])
def test_takeover_of_one_arm_never_opens_a_gripper_that_holds_something(silenced_by):
    world, grippers, arms = panda(on_timeout='silent')
    world.tick()
    target = world.body.copy()
    target[world.layout.mask(grippers)] = 1.0
    for _ in range(5):
        assert world.offer(target) is None
        world.tick(5)
    assert (world.last[world.layout.mask(grippers)] == 1.0).all()
    if silenced_by == 'e-stop':
        world.core.latch('test', world.now_ns)
        world.tick(60)
        assert world.core.rearm(world.now_ns) is None
    world.tick(200)
    assert world.last is None
    asked = arms[0]
    for _ in range(20):
        world.now_ns += PERIOD_NS
        zeros = np.zeros(PANDA.action_group(asked).width)
        world.core.teleoperate(asked, zeros, world.now_ns)
        command = world.core.tick(world.now_ns)
        assert asked in command.groups
        for gripper in grippers:  # silent, or holding as before
            held = command.values[world.layout.slices[gripper]]
            assert gripper not in command.groups or (held == 1.0).all()


@pytest.mark.parametrize('asked', ['arm', 'gripper', 'suction', 'base', 'mount', 'reach'])
def test_takeover_commands_only_what_is_teleoperated_and_holds_or_leaves_the_rest(asked):
    world = World(EVERYTHING)
    world.tick(3)
    group = EVERYTHING.action_group(asked)
    values = world.body[world.layout.slices[asked]]
    mates = {each.name for each in EVERYTHING.action if each.stream.topic == group.stream.topic}
    heard = False
    for _ in range(20):
        world.now_ns += PERIOD_NS
        world.measure()
        world.core.teleoperate(asked, values, world.now_ns)
        command = world.core.tick(world.now_ns)
        if command is None:
            continue
        heard = True
        assert asked in command.groups
        assert command.groups <= mates
        sent = command.values[world.layout.mask(command.groups)]
        assert np.isfinite(sent).all()
        for name in command.groups - {asked}:  # at the measured place
            columns = world.layout.slices[name]
            np.testing.assert_allclose(command.values[columns], world.body[columns], atol=1e-9)
    # `lift` shares the gripper's topic, and nothing says where it is
    assert heard is (asked != 'gripper')
    if asked == 'gripper':
        assert 'lift' in world.core.reason


def test_an_unmeasured_group_starts_at_what_is_asked_for_and_never_at_zero():
    world = World(EVERYTHING)
    world.tick()
    target = world.body.copy()
    target[world.layout.slices['reach']] = (0.5, -0.4, 0.3)
    world.offer(target)
    values = world.tick().values
    np.testing.assert_allclose(values[world.layout.slices['reach']], (0.5, -0.4, 0.3), atol=1e-3)


# A3: silence stays silence.


@pytest.mark.parametrize(
    'again', ['button bounce', 'stop service', 'rival', 'halt', 'clock', 'none']
)
def test_nothing_is_commanded_between_a_latch_and_a_fresh_chunk_once_the_robot_is_silent(again):
    world = running(SO101)
    world.core.e_stop(True, world.now_ns)
    world.core.e_stop(False, world.now_ns)
    world.tick(60)
    assert world.last is None
    world.body[:5] -= 1.0  # a person moves the arm
    world.tick(10)
    for _ in range(3):
        assert world.core.rearm(world.now_ns) is None
        if again == 'button bounce':
            world.core.e_stop(True, world.now_ns)
            world.core.e_stop(False, world.now_ns)
        elif again == 'stop service':
            world.core.latch('stopped by a person', world.now_ns)
        elif again == 'rival':
            world.core.interlock.see_rival('node /other publishes joint_commands too')
        elif again == 'halt':
            world.core.halt('the node ends', world.now_ns)
        elif again == 'clock':
            world.now_ns -= 3600 * SECOND
        assert world.tick(20) is None
        world.core.interlock.see_rival('')
    if again in ('clock', 'none'):
        world.tick(5)
        assert world.offer(age_ns=0) is None
        assert world.tick() is not None
        assert world.core.mode is Mode.RUNNING


def test_the_way_out_of_the_process_brakes_and_says_nothing_where_the_robot_was_silent():
    silent = World(SO101)
    silent.tick()
    assert silent.core.brake(silent.now_ns + PERIOD_NS) is None
    world = running(SO101)
    world.run(0.3, world.shifted(0.4))
    assert world.moving
    commands = 0
    while True:  # no input is looked at any more
        world.now_ns += PERIOD_NS
        command = world.core.brake(world.now_ns)
        world.check(command)
        if command is None:
            break
        commands += 1
        assert commands < 100
    assert commands >= 10


def test_an_internal_error_is_not_published_it_brakes_and_latches(monkeypatch):
    world = running(SO101)
    follow = world.core.motion.follow

    def broken(*args):
        follow(*args)
        world.core.motion.values = world.core.motion.values + 0.5

    monkeypatch.setattr(world.core.motion, 'follow', broken)
    world.offer(world.shifted(0.2))
    assert world.tick() is not None  # checked by `World`: within all limits
    assert world.core.breaches == 1
    assert world.core.mode is Mode.STOPPED
    assert 'internal error' in world.core.reason
    world.tick(60)
    assert world.last is None


def test_a_stop_and_an_e_stop_are_two_words_and_the_e_stop_goes_first():
    world = running(SO101)
    world.core.latch('stopped by a person', world.now_ns)
    world.tick()
    assert world.core.mode is Mode.STOPPED
    assert world.offer(world.shifted(0.2)) is Rejection.STOPPED
    world.core.e_stop(True, world.now_ns)
    world.tick(60)
    assert world.core.mode is Mode.ESTOPPED
    assert world.offer(world.shifted(0.2)) is Rejection.E_STOPPED
    assert world.last is None
    world.core.latch('stopped by a person', world.now_ns)
    world.tick()
    assert (world.core.mode, world.core.reason) == (Mode.ESTOPPED, 'e-stop pressed on e_stop')
    world.core.e_stop(False, world.now_ns)
    assert world.core.rearm(world.now_ns) is None
    world.tick()
    assert (world.core.mode, world.core.reason) != (Mode.ESTOPPED, 'e-stop pressed on e_stop')
    # What no person presses is no e-stop.
    world = running(SO101)
    world.core.interlock.see_rival('node /other publishes joint_commands too')
    world.tick()
    assert (world.core.mode, world.core.reason) == (Mode.STOPPED, world.core.interlock.rival)


# A5: a measured value far outside the limits.


@pytest.mark.parametrize('value', [50.0, 1e308, -1e308])
@pytest.mark.parametrize('by', ['teleoperation', 'policy'])
def test_a_glitched_measurement_far_outside_the_limits_is_never_a_start(value, by):
    world = World(SO101)
    world.tick()
    world.state_comes = False
    for _ in range(40):
        world.now_ns += PERIOD_NS
        glitched = world.body[:5].copy()
        glitched[2] = value
        refusal = world.core.measure('single_arm', glitched, world.now_ns)
        assert refusal.reason is Rejection.IMPLAUSIBLE
        world.core.measure('gripper', world.body[5:], world.now_ns)
        if by == 'teleoperation':
            world.core.teleoperate('single_arm', world.body[:5], world.now_ns)
        else:
            world.offer()
        command = world.core.tick(world.now_ns)
        # the last good measurement may serve while it is fresh, never the glitch
        assert command is None or abs(command.values[2]) < 2.0
    assert world.core.tick(world.now_ns + PERIOD_NS) is None
    assert 'elbow_flex' in world.core.reason


FLOATS = [name for name, value in vars(Settings()).items() if isinstance(value, float)]


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('name', FLOATS)
def test_no_setting_is_nan_or_infinite(name, value):
    with pytest.raises(ParameterError, match=f'parameter {name}: {value} is not finite'):
        Settings(**{name: float(value)})


# A9: the age of the measurement.


def test_a_frozen_header_stamp_stops_the_robot_though_messages_come():
    world = running(SO101)
    frozen_ns = world.now_ns
    world.state_comes = False
    for _ in range(60):
        world.now_ns += PERIOD_NS
        for name, columns in world.layout.slices.items():
            world.core.measure(name, world.body[columns], world.now_ns, frozen_ns)
        world.offer()
        world.check(world.core.tick(world.now_ns))
    assert world.core.mode is not Mode.RUNNING
    assert 'stale' in world.core.reason


def test_a_teleoperation_message_that_waited_in_a_queue_starts_no_takeover():
    world = World(SO101)
    world.tick()
    sent_ns = world.now_ns
    world.tick(100)
    refusal = world.core.teleoperate('single_arm', world.body[:5], world.now_ns, sent_ns)
    assert refusal.reason is Rejection.OLD_STAMP
    assert world.tick() is None


def test_state_received_ahead_of_a_clock_that_fell_back_is_not_fresh_and_shuts_nothing_out():
    world = running(SO101)
    ahead_ns = world.now_ns + 500 * SECOND
    for name, columns in world.layout.slices.items():
        world.core.measure(name, world.body[columns], ahead_ns)
    world.core.offer(replace(world.received(), stamp_ns=ahead_ns), ahead_ns)
    world.state_comes = False
    world.tick(40)
    assert world.core.mode is not Mode.RUNNING
    world.state_comes = True
    world.tick(20)
    assert world.offer(age_ns=0) is None
    world.tick()
    assert world.core.mode is Mode.RUNNING


# A10: checks at admission hold when a chunk is used.


def test_ensemble_forgets_chunks_older_than_the_timeout():
    world = World(SO101, handover='ensemble', chunk_timeout_s=0.3, soft_start_s=0.1)
    world.tick()
    old = world.shifted(0.4)
    assert world.offer(old, step_ns=SECOND, age_ns=0) is None
    new = world.body.copy()
    for _ in range(30):
        world.tick(10)
        world.offer(new, age_ns=0)
    np.testing.assert_allclose(world.body, new, atol=1e-6)


# Joints that turn without end.


def test_a_joint_without_end_near_the_seam_is_not_rejected_as_a_jump():
    for robot, verdict in ((endless(), None), (endless(joints=()), Rejection.JUMP)):
        world = World(robot)
        world.body[0] = 3.1
        world.tick()
        target = world.body.copy()
        target[0] = -3.1
        assert world.offer(target) is verdict


@pytest.mark.parametrize('by', ['policy', 'teleoperation'])
def test_a_joint_without_end_goes_the_short_way_round(by):
    world = World(endless(), soft_start_s=0.1)
    world.body[0] = 3.1
    world.tick()
    target = world.body.copy()
    target[0] = -3.1
    if by == 'teleoperation':
        world.offer()
        world.tick(5)
        world.teleop = {'arm': target[:2]}
    for _ in range(20):
        world.offer(target)
        world.tick(10)
        assert 3.1 - 1e-9 <= world.body[0] <= 2 * np.pi - 3.1 + 1e-6
    assert world.body[0] == pytest.approx(2 * np.pi - 3.1, abs=1e-6)  # as -3.1, turns counted


def test_a_driver_that_writes_the_angle_on_the_other_side_of_the_seam_is_no_following_error():
    world = World(endless(), soft_start_s=0.1)
    world.body[0] = 3.1
    world.tick()
    target = world.body.copy()
    target[0] = -3.0
    measure = world.core.measure

    def wrapped(state, values, now_ns, stamp_ns=None):
        values = np.array(values)
        if state == 'arm':
            values[0] = (values[0] + np.pi) % (2 * np.pi) - np.pi
        return measure(state, values, now_ns, stamp_ns)

    world.core.measure = wrapped
    for _ in range(10):
        world.offer(target)
        world.tick(10)
        assert world.core.mode is Mode.RUNNING
        assert world.core.following_error_s() < 0.05
    assert world.body[0] == pytest.approx(2 * np.pi - 3.0, abs=1e-6)


def test_a_joint_without_end_stops_at_its_limit_and_never_turns_back_the_long_way():
    world = World(endless(limits=(-np.pi, np.pi)), soft_start_s=0.1)
    world.body[0] = 3.1
    world.tick()
    target = world.body.copy()
    target[0] = -3.1
    for _ in range(20):
        world.offer(target)
        world.tick(10)
        assert 3.0 <= world.body[0] <= np.pi


@pytest.mark.parametrize('method', ['crossfade', 'ensemble', 'rtc', 'replace'])
def test_chunks_of_a_joint_without_end_are_interpolated_and_joined_across_the_seam(method):
    robot = endless()
    layout = layout_of(robot)
    world = World(robot)
    place = layout.slices['arm'].start
    plan = Plan(layout, method, 100_000_000, 0.01, PERIOD_NS)
    chunks = []
    for index, angles in enumerate(([3.1, -3.1, 3.1, -3.1], [-3.1, 3.1, -3.1, 3.1])):
        rows = np.tile(world.body, (4, 1)).astype(np.float32)
        rows[:, place] = angles
        received = world.received(horizon=4, age_ns=0)
        chunk = replace(received, data=rows.ravel(), stamp_ns=world.now_ns + index).chunk()
        chunks.append(chunk)
        plan.add(chunk, world.now_ns + index * 50_000_000)
    for late_ns in range(0, 150_000_000, 3_000_000):
        now_ns = world.now_ns + late_ns
        rows = [sample([chunks[0]], [now_ns], layout)[0, 0], *plan.sample(now_ns)]
        for row in rows:
            assert abs(np.cos(row[place]) + 1.0) < 0.002  # within 3.1 and -3.1 past the seam
