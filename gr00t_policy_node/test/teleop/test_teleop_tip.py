# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tip of an arm goes along the asked line, within every limit, or it stands."""

import math
from pathlib import Path
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent))
from tip_arms import ARM, drawn, so101, so101_folder

from gr00t_core.errors import ParameterError
from gr00t_core.robot.file import load_robot
from gr00t_policy_node.teleop.chain import read_chain
from gr00t_policy_node.teleop.steering import ASTRAY_RAD, Bounds, SHIFT_M, steer

GROUP = load_robot('so101').action[0]
LOWER, UPPER = GROUP.limits.lower, GROUP.limits.upper
HOME = np.array([0.0, -1.2, 1.05, 1.25, 0.0])  # in front of the arm, the gripper down
TICK_S = 0.05
BOUNDS = Bounds(LOWER, UPPER, np.full(5, 1.2))


@pytest.fixture(scope='module')
def chain():
    """Give the chain of the SO-101."""
    return read_chain(so101(), ARM)


def directions():
    """Give unit vectors."""
    numbers = st.floats(-1, 1, allow_subnormal=False)
    vectors = st.tuples(numbers, numbers, numbers).map(np.array)
    return vectors.filter(lambda v: np.linalg.norm(v) > 0.1).map(lambda v: v / np.linalg.norm(v))


def inside():
    """Give positions within the limits of the SO-101."""
    shares = st.lists(st.floats(0, 1), min_size=5, max_size=5).map(np.array)
    return shares.map(lambda share: LOWER + share * (UPPER - LOWER))


def led(chain, positions, twist, seconds, bounds=BOUNDS):
    """Lead the tip; return the positions after each tick, and the last reason to stand."""
    rows, reason = [positions], ''
    for _ in range(round(seconds / TICK_S)):
        steered = steer(chain, rows[-1], twist, bounds, TICK_S)
        rows.append(rows[-1] + steered.velocity * TICK_S)
        reason = steered.reason or reason
    return np.array(rows), reason


def tips(chain, rows):
    return np.array([chain.look(row)[0][:3, 3] for row in rows])


def test_the_so101_is_where_mujoco_has_it():
    """The chain of the URDF against the other model of the wheel, by another program."""
    mujoco = pytest.importorskip('mujoco')
    model = mujoco.MjModel.from_xml_path(str(so101_folder() / 'so101_new_calib.xml'))
    data = mujoco.MjData(model)
    found = read_chain(so101(), ARM)
    assert (found.base, found.tip, found.joints) == ('base_link', 'gripper_frame_link', ARM)
    generator = np.random.default_rng(0)
    for positions in generator.uniform(LOWER, UPPER, (20, 5)):
        data.qpos[:5] = positions
        mujoco.mj_forward(model, data)
        expected = np.zeros((6, model.nv))
        mujoco.mj_jacSite(model, data, expected[:3], expected[3:], model.site('gripperframe').id)
        pose, jacobian = found.look(positions)
        np.testing.assert_allclose(pose[:3, 3], data.site('gripperframe').xpos, atol=1e-5)
        np.testing.assert_allclose(jacobian, expected[:, :5], atol=1e-4)


@pytest.mark.parametrize('seed', range(6))
def test_drawn_arms_are_where_mujoco_has_them(seed):
    mujoco = pytest.importorskip('mujoco')
    kinds = np.random.default_rng(seed).choice(
        ['revolute', 'continuous', 'prismatic', 'fixed'], 3 + seed, p=[0.5, 0.2, 0.2, 0.1]
    )
    kinds[0], tip = 'revolute', f'l{len(kinds)}'
    urdf = drawn(kinds, seed)
    moving = [f'j{number}' for number, kind in enumerate(kinds) if kind != 'fixed']
    chain = read_chain(urdf, moving[::-1], tip=tip)
    whole = '<mujoco><compiler fusestatic="false"/></mujoco></robot>'
    model = mujoco.MjModel.from_xml_string(urdf.replace('</robot>', whole))
    data = mujoco.MjData(model)
    positions = np.random.default_rng(seed).uniform(-2, 2, len(moving))
    for name, position in zip(chain.joints, positions, strict=True):
        data.joint(name).qpos[:] = position
    mujoco.mj_forward(model, data)
    expected = np.zeros((6, model.nv))
    mujoco.mj_jacBody(model, data, expected[:3], expected[3:], model.body(tip).id)
    columns = [model.joint(name).dofadr[0] for name in chain.joints]
    pose, jacobian = chain.look(positions)
    np.testing.assert_allclose(pose[:3, 3], data.body(tip).xpos, atol=1e-9)
    np.testing.assert_allclose(pose[:3, :3], data.body(tip).xmat.reshape(3, 3), atol=1e-9)
    np.testing.assert_allclose(jacobian, expected[:, columns], atol=1e-9)


@pytest.mark.parametrize('axis', range(3))
@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_the_tip_goes_along_the_axis_of_the_base_as_fast_as_asked(chain, axis, sign):
    twist = np.zeros(6)
    twist[axis] = 0.05 * sign
    rows, reason = led(chain, HOME, twist, 0.6)
    assert reason == ''
    way = tips(chain, rows)[-1] - tips(chain, rows)[0]
    np.testing.assert_allclose(way[axis], sign * 0.03, rtol=0.01)
    assert np.abs(np.delete(way, axis)).max() < 3e-4
    if axis != 1:  # aside, five joints cannot hold the attitude
        before, after = (chain.look(row)[0][:3, :3] for row in rows[[0, -1]])
        np.testing.assert_allclose(before, after, atol=5e-3)
    assert not steer(chain, rows[-1], np.zeros(6), BOUNDS, TICK_S).velocity.any()  # let go


@pytest.mark.parametrize('axis', [4, 5])
def test_the_gripper_turns_about_its_tip(chain, axis):
    down = np.array([0.0, -0.9, 0.9, math.pi / 2, 0.0])
    twist = np.zeros(6)
    twist[axis] = 0.5
    rows, reason = led(chain, down, twist, 0.2)
    assert reason == ''
    assert np.linalg.norm(tips(chain, rows)[-1] - tips(chain, rows)[0]) < 1e-3
    before, after = (chain.look(row)[0][:3, :3] for row in rows[[0, -1]])
    turn = after @ before.T
    about = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    np.testing.assert_allclose(about[axis - 3] / 2, math.sin(0.1), rtol=0.02)


@settings(max_examples=60, deadline=None)
@given(inside(), directions(), directions(), st.floats(0, 0.5), st.floats(0, 2.0))
def test_no_joint_passes_its_limits_or_its_speed(positions, along, about, linear, angular):
    twist = np.concatenate([along * linear, about * angular])
    chain = read_chain(so101(), ARM)
    rows, _ = led(chain, positions, twist, 0.5)
    assert np.isfinite(rows).all()
    assert (rows >= LOWER - 1e-9).all()
    assert (rows <= UPPER + 1e-9).all()
    assert np.abs(np.diff(rows, axis=0)).max() <= (BOUNDS.speed * TICK_S).max() + 1e-9


@settings(max_examples=60, deadline=None)
@given(inside(), directions())
def test_the_tip_never_leaves_the_line(positions, along):
    """From any place it goes the asked way or not at all, at limits and singular places too."""
    chain = read_chain(so101(), ARM)
    rows, reason = led(chain, positions, np.concatenate([along * 0.08, np.zeros(3)]), 0.5)
    steps = np.diff(tips(chain, rows), axis=0)
    forward = steps @ along
    aside = np.linalg.norm(steps - forward[:, None] * along, axis=1)
    # A tick is up to 4 mm: the Jacobian's change over a part of it adds a little.
    assert (aside <= math.tan(ASTRAY_RAD) * forward + 2e-4).all()
    assert (forward <= 0.08 * TICK_S * 1.1).all()
    assert reason or forward.min() > 0


@settings(max_examples=60, deadline=None)
@given(inside(), directions())
def test_a_turn_leaves_the_tip_where_it_is(positions, about):
    chain = read_chain(so101(), ARM)
    rows, _ = led(chain, positions, np.concatenate([np.zeros(3), about * 0.8]), 0.3)
    way = np.linalg.norm(np.diff(tips(chain, rows), axis=0), axis=1)
    assert way.max() <= SHIFT_M * 0.8 * TICK_S * 5 + 2e-4


def test_a_stretched_arm_stands_instead_of_whirling():
    """Two joints of one plane, stretched: nothing can lead the tip further out."""
    rod = '<joint name="j{0}" type="revolute"><parent link="l{0}"/><child link="l{1}"/>'
    rod += '<origin xyz="{2} 0 0"/><axis xyz="0 0 1"/></joint>'
    tip = '<joint name="end" type="fixed"><parent link="l2"/><child link="tip"/>'
    tip += '<origin xyz="0.3 0 0"/></joint>'
    arm = read_chain(
        f'<robot name="rods">{rod.format(0, 1, 0)}{rod.format(1, 2, 0.3)}{tip}</robot>',
        ('j0', 'j1'),
    )
    bounds = Bounds(np.full(2, -3.0), np.full(2, 3.0), np.full(2, 2.0))
    out = np.array([0.1, 0, 0, 0, 0, 0])
    for bend in (0.0, 1e-9, 1e-4, 0.01, 0.1, 0.5):
        steered = steer(arm, np.array([-bend / 2, bend]), out, bounds, TICK_S)
        assert np.abs(steered.velocity).max() <= 2.0
        if bend < 1e-3:
            assert not steered.velocity.any()
            assert steered.reason == 'the arm cannot move that way here'
    aside = steer(arm, np.zeros(2), np.array([0, 0.1, 0, 0, 0, 0]), bounds, TICK_S)
    assert aside.velocity.any()
    assert steer(arm, np.zeros(2), np.array([0, 0, 0.1, 0, 0, 0]), bounds, TICK_S).reason
    at_limit = Bounds(np.array([0.0, -3.0]), np.array([3.0, 0.5]), np.full(2, 2.0))
    steered = steer(arm, np.array([0.0, 0.5]), np.array([0, -0.1, 0, 0, 0, 0]), at_limit, TICK_S)
    assert 'j0' in steered.reason
    assert 'at its limit' in steered.reason


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_what_is_not_finite_moves_nothing(chain, value):
    twist = np.array([value, 0, 0, 0, 0, 0])
    assert not steer(chain, HOME, twist, BOUNDS, TICK_S).velocity.any()
    assert not steer(chain, np.full(5, value), np.ones(6), BOUNDS, TICK_S).velocity.any()


TWO = ['revolute', 'revolute']


@pytest.mark.parametrize(
    ('urdf', 'joints', 'frames', 'said'),
    [
        ('no xml', ['j0'], (), 'is no XML'),
        ('<sdf/>', ['j0'], (), 'begins with <sdf>'),
        (drawn(TWO, 0), ['j0', 'j7'], (), 'has no joint j7'),
        (drawn(TWO, 0), ['j0'], ('', 'lx'), "no link 'lx'; it has l0, l1, l2"),
        (drawn(TWO, 0), ['j0', 'j1'], ('l1', ''), "'l1' is not before the joints"),
        (drawn(TWO, 0), ['j0', 'j1'], ('', 'l1'), 'j1 does not move l1'),
        (drawn(TWO, 0), ['j1'], (), 'set base_frame to a link behind it, such as l1'),
        (drawn(['floating', 'revolute'], 0), ['j0', 'j1'], (), 'joint j0 is floating'),
        (drawn(TWO, 0).replace('axis xyz="', 'axis xyz="a '), ['j0'], (), 'three numbers'),
        (drawn(TWO, 0).replace('child link="l2"', 'child link="l1"'), ['j0'], (), 'two joints'),
        (drawn(TWO, 0).replace('parent link="l0"', 'parent link="l2"'), ['j0'], (), 'a circle'),
        (drawn(TWO, 0).replace('<limit', '<mimic joint="x"/><limit'), ['j0'], (), 'mimics'),
    ],
)
def test_what_is_no_arm_is_refused_by_name(urdf, joints, frames, said):
    with pytest.raises(ParameterError, match='robot_description: ') as refused:
        read_chain(urdf, joints, *frames)
    assert said in str(refused.value)


def test_a_base_behind_other_joints_is_one(chain):
    arm = read_chain(drawn(['revolute'] * 3, 1), ['j1', 'j2'], base='l1')
    assert (arm.base, arm.tip, arm.joints) == ('l1', 'l3', ('j1', 'j2'))
    assert read_chain(so101(), ARM, tip='gripper_link').tip == 'gripper_link'


def test_the_arms_of_a_robot_are_found():
    pytest.importorskip('rclpy', reason='needs ROS')
    from gr00t_policy_node.teleop.arms import arms_of

    robot = load_robot('so101')
    (arm,), why = arms_of(robot, range(6), so101())
    assert (arm.name, arm.columns.tolist(), why) == ('single_arm', [0, 1, 2, 3, 4], '')
    none, why = arms_of(robot, range(6), drawn(TWO, 0))
    assert none == ()
    assert why.startswith('single_arm: robot_description: has no joint shoulder_pan')
    roll = 'name="wrist_roll" type="revolute"'
    assert roll in so101()
    _, why = arms_of(robot, range(6), so101().replace(roll, roll.replace('revolute', 'prismatic')))
    assert 'wrist_roll is commanded in rad, and a URDF counts in m' in why
    assert arms_of(load_robot('libero_panda'), (), so101())[1].startswith('no group')


class Onlooker:
    """Stands in for a node: it publishes nothing."""

    def create_publisher(self, *_):
        return None


def test_targets_wait_for_the_robot():
    """Until the executor follows, and when it stops; else the arm would leap after them."""
    pytest.importorskip('rclpy', reason='needs ROS')
    from gr00t_policy_node.teleop.arms import arms_of
    from gr00t_policy_node.teleop.jog import AHEAD_S, Jog

    robot = load_robot('so101')
    jog = Jog(Onlooker(), robot, 0.4)
    (arm,), _ = arms_of(robot, jog.columns, so101())
    begin = np.append(HOME, 0.8)
    assert jog.begin(begin, begin) == ''

    def hold(commanded, ticks):
        for _ in range(ticks):
            led, reason = arm.lead(jog, np.array([0.1, 0, 0, 0, 0, 0]), TICK_S)
            assert reason == ''
            jog.move(led | {5: 1.0}, TICK_S, commanded)

    hold(np.full(6, np.nan), 10)
    assert (jog.target == begin).all()
    hold(begin, 100)
    assert (np.abs(jog.target - begin) <= AHEAD_S * jog.speed + 1e-9).all()
    assert (jog.target != begin)[[1, 2, 5]].all()
    # What waits waits together: the tip is still on its line.
    way = arm.chain.look(jog.target[:5])[0] - arm.chain.look(begin[:5])[0]
    assert way[0, 3] > 0.005
    assert np.abs(way[1:3, 3]).max() < 0.1 * way[0, 3]
    waited = jog.target.copy()
    hold(waited, 2)  # the executor follows: on it goes
    assert (jog.target != waited)[[1, 2, 5]].all()
    # Back towards the robot is always free.
    before = jog.target.copy()
    jog.move({5: -1.0}, TICK_S, begin)
    assert jog.target[5] < before[5]
