# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chunks become one plan: indexed by time, joined smoothly, each kind of group by its own rule."""

from pathlib import Path

import numpy as np
import pytest

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.robot.file import load_robot
from gr00t_policy_node.executor.handover import join, Plan, sample, smooth
from gr00t_policy_node.executor.layout import layout_of
from gr00t_policy_node.policy.rtc import options

ROBOT = load_robot(Path(__file__).parents[1].joinpath('everything.yaml'))
LAYOUT = layout_of(ROBOT)
STEP_NS = 50_000_000
PERIOD_NS = 10_000_000
BLEND_NS = 150_000_000
ARM, WRIST, GRIPPER, SUCTION, MOUNT = (
    LAYOUT.slices[name] for name in ('arm', 'wrist', 'gripper', 'suction', 'mount')
)


def about_z(angle):
    return np.array([np.cos(angle / 2), 0, 0, np.sin(angle / 2)])


def chunk(stamp_ns, arm, horizon=16, angles=None, **columns):
    """Make a chunk whose arm column 0 follows `arm(k)`, and other groups' first column a list."""
    values = np.zeros((horizon, LAYOUT.width), np.float32)
    values[:, ARM.start] = [arm(k) for k in range(horizon)]
    values[:, WRIST] = [about_z(a) for a in (angles or [0.0] * horizon)]
    for name, column in columns.items():
        values[:, LAYOUT.slices[name].start] = column
    return ActionChunk(stamp_ns, STEP_NS, LAYOUT.names, values, 0)


def plan(method='crossfade', decay=0.01):
    return Plan(LAYOUT, method, BLEND_NS, decay, PERIOD_NS)


def at(chunk_, time_ns):
    return sample([chunk_], [time_ns], LAYOUT)[0, 0]


def arm_at(plan_, time_ns):
    return plan_.sample(time_ns)[1][ARM.start]


def test_a_chunk_is_indexed_by_time():
    line = chunk(0, lambda k: 0.1 * k)
    for time_ns in (0, 60_000_000, 333_333_333, 749_999_999):
        expected = 0.1 * min(time_ns / STEP_NS, 15)
        assert at(line, time_ns)[ARM.start] == pytest.approx(expected, abs=1e-6)
    # before its first and after its last step it stands still
    assert at(line, -STEP_NS)[ARM.start] == 0.0
    assert at(line, 10**12)[ARM.start] == pytest.approx(1.5)


def test_grippers_binaries_and_deltas_hold_rotations_slerp():
    steps = chunk(
        0,
        lambda k: 0.0,
        horizon=2,
        angles=[0.0, 2.0],
        gripper=[0.01, 0.07],
        suction=[0.2, 0.6],
        mount=[0.001, 0.002],
    )
    early, late = at(steps, 49_000_000), at(steps, 51_000_000)
    assert early[GRIPPER.start] == pytest.approx(0.01)
    assert late[GRIPPER.start] == pytest.approx(0.07)
    assert (early[SUCTION.start], late[SUCTION.start]) == (0.0, 1.0)
    assert early[MOUNT.start] == pytest.approx(0.001)
    middle = at(steps, 25_000_000)[WRIST]
    np.testing.assert_allclose(middle, about_z(1.0), atol=1e-6)


def test_taking_over_goes_by_kind():
    chunks = [
        chunk(0, lambda k: 0.0, angles=[0.0] * 16, gripper=[0.0] * 16),
        chunk(0, lambda k: 1.0, angles=[3.0] * 16, gripper=[0.08] * 16, suction=[1.0] * 16),
    ]
    rows = sample(chunks, [0], LAYOUT)
    for weight in (0.0, 0.3, 0.5, 0.9, 1.0):
        (taken,) = join(rows, np.array([[1.0], [weight]]), LAYOUT)
        assert taken[ARM.start] == pytest.approx(weight)
        np.testing.assert_allclose(taken[WRIST], about_z(3.0 * weight), atol=1e-6)
        newer = weight >= 0.5
        assert taken[GRIPPER.start] == pytest.approx(0.08 * newer)
        assert taken[SUCTION.start] == float(newer)


def test_crossfade_is_smooth_and_ends_on_the_new_chunk():
    joined = plan()
    joined.add(chunk(0, lambda k: 0.1 * k), 0)
    joined.add(chunk(100_000_000, lambda k: 1.0 - 0.05 * k), 200_000_000)
    times = np.arange(150, 420, dtype=np.int64) * 1_000_000
    values = np.array([arm_at(joined, int(t)) for t in times])
    old = np.array([0.1 * t / STEP_NS for t in times])
    new = np.array([1.0 - 0.05 * (t - 100_000_000) / STEP_NS for t in times])
    before, after = times <= 200_000_000, times >= 350_000_000
    np.testing.assert_allclose(values[before], old[before], atol=1e-6)
    np.testing.assert_allclose(values[after], new[after], atol=1e-6)
    velocity = np.diff(values) / 1e-3
    # No kink: velocity changes no faster than the blend's second derivative (at most 5.78·gap/T²)
    # and twice its first (at most 1.875/T) times the difference of the plans' velocities allow.
    gap, slopes, blend_s = np.abs(new - old).max(), 3.0, BLEND_NS * 1e-9
    curvature = 5.78 * gap / blend_s**2 + 2 * 1.875 * slopes / blend_s
    assert np.abs(np.diff(velocity)).max() < curvature * 1e-3
    assert smooth(-1) == 0.0
    assert smooth(0.5) == 0.5
    assert smooth(2) == 1.0


def test_replace_steps_where_crossfade_does_not():
    jump = {}
    for method in ('replace', 'crossfade'):
        joined = plan(method)
        joined.add(chunk(0, lambda k: 0.0), 0)
        before = arm_at(joined, 200_000_000)
        joined.add(chunk(0 + 1, lambda k: 1.0), 200_000_000)
        jump[method] = abs(arm_at(joined, 200_000_000) - before)
    assert jump == {'replace': pytest.approx(1.0), 'crossfade': 0.0}


def test_many_chunks_within_one_blend_stay_continuous_and_are_forgotten():
    joined = plan()
    rng = np.random.default_rng(0)
    last = None
    for now_ns in range(0, 2_000_000_000, 1_000_000):
        if now_ns % 33_000_000 == 0:
            level = rng.uniform(-1, 1)
            joined.add(chunk(now_ns, lambda k, level=level: level), now_ns)
        value = arm_at(joined, now_ns)
        # no faster than all blends that are under way at once
        assert last is None or abs(value - last) < 6 * 2 * 1.875 / 150
        last = value
    assert len(joined._layers) < 8


def test_ensemble_is_the_weighted_mean_of_the_covering_chunks():
    joined = plan('ensemble', decay=0.5)
    for index in range(3):
        start = index * 100_000_000
        joined.add(chunk(start, lambda k, index=index: float(index), horizon=11), start)
    weights = np.exp(-0.5 * np.arange(3))
    assert arm_at(joined, 250_000_000) == pytest.approx(np.arange(3) @ weights / weights.sum())
    # the first chunk ends at 500 ms
    assert arm_at(joined, 550_000_000) == pytest.approx(
        np.array([1, 2]) @ weights[:2] / weights[:2].sum()
    )
    assert arm_at(joined, 5_000_000_000) == pytest.approx(2.0)  # the newest holds


def test_rtc_takes_over_at_once_where_the_plans_meet_and_fades_where_they_do_not():
    joined = plan('rtc')
    joined.add(chunk(0, lambda k: 0.01 * k), 0)
    # continued by the policy: the same path until step 4, another one after it
    joined.add(chunk(STEP_NS, lambda k: 0.01 * (k + 1) if k < 4 else 0.8), 2 * STEP_NS)
    assert joined.unmet == 0
    assert len(joined._layers) == 1
    assert arm_at(joined, 2 * STEP_NS) == pytest.approx(0.02)
    joined.add(chunk(2 * STEP_NS, lambda k: -1.0), 3 * STEP_NS)
    assert joined.unmet == 1
    assert arm_at(joined, 3 * STEP_NS) == pytest.approx(0.03)
    assert arm_at(joined, 3 * STEP_NS + BLEND_NS) == pytest.approx(-1.0)


@pytest.mark.parametrize('method', ['crossfade', 'ensemble', 'rtc', 'replace'])
def test_the_planned_velocity_has_no_spike_when_a_chunk_comes(method):
    joined = plan(method)
    joined.add(chunk(0, lambda k: 0.0), 0)
    joined.add(chunk(STEP_NS, lambda k: 1.0), 4 * STEP_NS)
    previous, now = joined.sample(4 * STEP_NS)
    assert abs(now[ARM.start] - previous[ARM.start]) < 1e-9


def test_rtc_plans_meet_where_one_rotation_is_written_in_two_ways():
    joined = plan('rtc')
    joined.add(chunk(0, lambda k: 0.0, angles=[1.0] * 16), 0)
    other = chunk(STEP_NS, lambda k: 0.0, angles=[1.0] * 16)
    other.values[:, WRIST] *= -1.0  # the same attitude
    joined.add(other, 2 * STEP_NS)
    assert joined.unmet == 0
    joined.add(chunk(2 * STEP_NS, lambda k: 0.0, angles=[1.5] * 16), 3 * STEP_NS)
    assert joined.unmet == 1


def test_the_rtc_prefix_follows_the_kinds_of_the_columns():
    running = chunk(
        0,
        lambda k: 0.1 * k,
        horizon=2,
        angles=[0.0, 2.0],
        gripper=[0.01, 0.07],
        suction=[0.2, 0.6],
        mount=[0.001, 0.002],
    )
    prefix = options(running, ROBOT, STEP_NS // 2, 0.0)['prefix']
    assert prefix['action.arm'][0, 0] == pytest.approx(0.05)
    assert prefix['action.gripper'][0, 0] == pytest.approx(0.01)
    assert prefix['action.suction'][0, 0] == pytest.approx(0.2)  # as the policy gave it, held
    assert prefix['action.mount'][0, 0] == pytest.approx(0.001)
    np.testing.assert_allclose(prefix['action.wrist'][0], about_z(1.0), atol=1e-6)
