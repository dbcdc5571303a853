# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executor's decisions: what it commands, whatever comes in, and when it commands nothing."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.robot.file import load_robot
from gr00t_policy_node.executor.admission import ReceivedChunk
from gr00t_policy_node.executor.core import ExecutorCore, LARGEST_SLEW_NS, STOP_PERIODS
from gr00t_policy_node.executor.entrance import Rejection
from gr00t_policy_node.executor.modes import Mode
from gr00t_policy_node.executor.settings import Settings

SO101 = load_robot('so101')
EVERYTHING = load_robot(Path(__file__).parents[1].joinpath('everything.yaml'))
PERIOD_NS = 10_000_000
SECOND = 1_000_000_000
EPS = 1e-7


class World:
    """A robot that follows its commands exactly, and a policy beside it; checks every command."""

    def __init__(self, robot, **changes):
        self.core = ExecutorCore(robot, Settings(**changes))
        self.robot, self.layout = robot, self.core.layout
        self.now_ns = 1_000 * SECOND
        self.sequence = 0
        self.state_comes = True
        self.teleop = None
        middle = (self.layout.lower + self.layout.upper) / 2
        self.body = self.layout.zeroed(middle)
        for turning in self.layout.turning:
            self.body[turning.columns] = (1, 0, 0, 0)
        self.told = np.full(self.layout.width, np.nan)  # what was measured last
        self.last = None  # last command, None after silence
        self.sent = self.new = np.zeros(self.layout.width, bool)
        self.speed = np.zeros(self.layout.width)

    def tick(self, count=1):
        """Let control periods pass; return the last command."""
        command = None
        for _ in range(count):
            self.now_ns += PERIOD_NS
            if self.state_comes:
                self.measure()
            if self.teleop is not None:
                for name, values in self.teleop.items():
                    self.core.teleoperate(name, values, self.now_ns)
            command = self.core.tick(self.now_ns)
            self.check(command)
        return command

    def measure(self):
        for group in self.robot.action:
            if group.name in self.core.measured_by:
                values = self.body[self.layout.slices[group.name]]
                if self.core.measure(group.state, values, self.now_ns) is None:
                    self.told[self.layout.slices[group.name]] = values

    def check(self, command):
        """Hold the command against the robot file's limits and the one before."""
        if command is None:
            self.last, self.speed = None, np.zeros(self.layout.width)
            return
        layout, paced, dt = self.layout, self.layout.paced, PERIOD_NS * 1e-9
        sent = layout.mask(command.groups)  # the other topics are silent
        values = np.where(sent, command.values, self.body)
        assert np.isfinite(values).all()
        assert (values[paced] >= layout.lower[paced]).all()
        assert (values[paced] <= layout.upper[paced]).all()
        assert (values[layout.direct] >= layout.lower[layout.direct]).all()
        assert (values[layout.direct] <= layout.upper[layout.direct]).all()
        assert set(values[layout.binary][sent[layout.binary]]) <= {0.0, 1.0}
        if self.last is None:  # the first command is where the robot was measured
            at = layout.paced[(~np.isnan(self.told) & sent)[layout.paced]]
            np.testing.assert_allclose(values[at], self.told[at], atol=EPS)
            self.speed = np.zeros(layout.width)
        else:
            # A group that was silent starts anew.
            speed = np.where(sent & self.sent, (values - self.last) / dt, 0.0)
            assert (np.abs(speed[paced]) <= layout.velocity[paced] + EPS).all()
            change = np.abs(speed - self.speed)[paced]
            # One that nothing measures has moved already when it is first seen.
            most = layout.acceleration * np.where(self.new, 2.0, 1.0) * dt
            assert (change <= most[paced] + EPS).all()
            self.speed = speed
            for turning in [t for t in layout.turning if (sent & self.sent)[t.columns.start]]:
                cosine = min(abs(values[turning.columns] @ self.last[turning.columns]), 1.0)
                assert 2 * np.arccos(cosine) <= turning.velocity * dt + 1e-6
        self.new = sent & ~self.sent if self.last is not None else np.zeros_like(sent)
        self.last, self.sent = values, sent
        still = np.isin(np.arange(layout.width), layout.direct) | ~sent
        self.body = np.where(still, self.body, values)

    def received(self, target=None, age_ns=50_000_000, horizon=16, **changes):
        """Make a chunk that stays at `target` (A,) or where the robot is."""
        row = (self.body if target is None else target).astype(np.float32)
        self.sequence += 1
        chunk = ReceivedChunk(
            stamp_ns=self.now_ns - age_ns,
            step_ns=self.robot.step_ns,
            embodiment=self.robot.embodiment,
            names=self.layout.names,
            horizon=horizon,
            width=self.layout.width,
            data=np.tile(row, horizon),
            sequence=self.sequence,
        )
        return replace(chunk, **changes)

    def offer(self, *args, **changes):
        return self.core.offer(self.received(*args, **changes), self.now_ns)

    def run(self, seconds, target=None):
        """Let the policy answer every 100 ms for a while."""
        for _ in range(round(seconds * 10)):
            self.offer(target)
            self.tick(10)

    @property
    def moving(self):
        return bool(np.abs(self.speed).max() > EPS)

    def shifted(self, by):
        """Return the robot's place with the continuous positions moved by `by`."""
        target = self.body.copy()
        target[self.layout.compared] += by
        return target


def test_nothing_is_commanded_before_state_and_chunk():
    world = World(SO101)
    assert world.tick(20) is None
    world = World(SO101)
    world.state_comes = False
    assert world.tick() is None
    assert world.offer() is Rejection.NO_STATE
    assert world.tick(20) is None
    assert world.core.mode is Mode.WAITING
    assert 'joint_states' in world.core.reason
    world.state_comes = True
    world.tick()
    assert world.offer() is None
    assert world.tick() is not None


def test_nothing_is_commanded_that_nobody_hears_or_before_a_required_e_stop_came():
    world = World(SO101, e_stop_required=True)
    world.core.interlock.see_listeners('joint_commands')
    world.tick()
    world.run(0.3)
    assert 'e_stop' in world.core.reason
    world.core.e_stop(False, world.now_ns)
    world.run(0.3)
    assert world.core.reason == 'no node subscribes to joint_commands'
    assert world.last is None
    world.core.interlock.see_listeners('')
    world.run(0.3)
    assert world.core.mode is Mode.RUNNING


def test_it_starts_softly_at_the_measured_state_and_arrives():
    world = World(SO101, soft_start_s=1.0)
    world.tick()
    target = world.shifted(0.4)
    world.offer(target)
    fastest = []
    for _ in range(30):
        world.offer(target)
        world.tick(5)
        fastest.append(np.abs(world.speed / world.layout.velocity).max())
    assert fastest[0] <= 0.05 + EPS
    assert fastest[5] <= 0.30 + EPS
    np.testing.assert_allclose(world.body[:5], target[:5], atol=1e-6)


def test_without_fresh_chunks_it_stops_in_time_and_resumes_by_itself():
    world = World(SO101)
    world.tick()
    start, moved = world.shifted(0.0), world.shifted(0.6)
    for _ in range(10):
        world.offer(moved, horizon=4)  # it ends 83 ms later
        world.tick(3)
    assert world.moving
    ended_ns = world.core.chunks._valid_until_ns
    while world.moving:
        world.tick()
    limits = world.layout
    longest_s = float((limits.velocity / limits.acceleration)[limits.paced].max())
    assert (world.now_ns - ended_ns) * 1e-9 <= longest_s + 0.03
    world.tick(STOP_PERIODS + 1)
    assert world.core.mode is Mode.HOLDING
    assert world.core.reason == 'no fresh action chunk'
    held = world.tick().values
    assert (world.tick(100).values == held).all()  # never zeros, never drifting
    assert not np.allclose(held[:5], start[:5])
    world.run(2.0, moved)
    assert world.core.mode is Mode.RUNNING
    np.testing.assert_allclose(world.body[:5], moved[:5], atol=1e-6)


def test_the_timeout_counts_from_the_observation():
    world = World(SO101, chunk_timeout_s=0.3)
    world.tick()
    assert world.offer(horizon=100) is None
    world.tick(24)
    assert world.core.mode is Mode.RUNNING
    world.tick(3)
    assert world.core.mode is Mode.STOPPING


def test_silent_after_a_timeout_when_asked_for():
    world = World(SO101, on_timeout='silent')
    world.tick()
    world.run(0.3)
    assert world.tick(200) is None


def test_stale_state_stops_and_then_nothing_is_commanded():
    world = World(SO101)
    world.tick()
    target = world.shifted(0.8)
    for _ in range(10):
        world.offer(target)
        world.tick(3)
    assert world.moving
    world.state_comes = False
    for _ in range(20):
        world.offer(target)
        world.tick(4)
    assert world.core.mode is Mode.WAITING
    assert 'joint_states' in world.core.reason
    # it was moved meanwhile: the next start is from where it is
    world.body[:5] += 0.1
    world.state_comes = True
    world.tick()
    world.offer(world.body)
    world.tick()
    assert world.core.mode is Mode.RUNNING


def test_a_robot_that_does_not_follow_is_stopped():
    world = World(SO101, max_jump_s=0.1)
    world.tick()
    world.run(0.5)
    world.body[0] += 0.4  # 0.13 s at 3 rad/s
    world.now_ns += PERIOD_NS
    world.measure()
    assert world.core.tick(world.now_ns) is not None
    assert world.core.mode is Mode.STOPPING
    assert 'single_arm/shoulder_pan' in world.core.reason


def test_a_chunk_that_jumps_is_rejected():
    world = World(SO101, max_jump_s=0.1)
    world.tick()
    assert world.offer(world.shifted(0.31)) is Rejection.JUMP
    gripper = world.body.copy()
    gripper[5] += 0.9  # grippers open and close at once
    assert world.offer(gripper) is None


def test_e_stop_latches_and_only_rearm_and_a_fresh_chunk_move_again():
    world = World(SO101)
    world.tick()
    target = world.shifted(0.8)
    for _ in range(10):
        world.offer(target)
        world.tick(3)
    queued = world.received(target, age_ns=0)
    world.core.e_stop(True, world.now_ns)
    speeds = []
    while world.tick() is not None:
        speeds.append(np.abs(world.speed).max())
    assert speeds == sorted(speeds, reverse=True)
    assert len(speeds) <= 3.0 / 20.0 * 100 + STOP_PERIODS + 2
    world.core.e_stop(False, world.now_ns)  # releasing the button is not enough
    assert world.offer(target) is Rejection.E_STOPPED
    assert world.tick(50) is None
    assert world.core.rearm(world.now_ns) is None
    assert world.tick(50) is None  # re-armed, but nothing fresh came
    assert world.core.offer(queued, world.now_ns) is Rejection.BEFORE_RESUME
    assert world.offer(target, age_ns=51 * PERIOD_NS) is Rejection.BEFORE_RESUME
    assert world.tick(5) is None
    assert world.offer(target, age_ns=PERIOD_NS) is None
    assert world.tick() is not None
    assert world.core.mode is Mode.RUNNING


def test_rearm_is_refused_while_the_button_is_pressed():
    world = World(SO101)
    world.core.e_stop(True, world.now_ns)
    assert 'pressed' in world.core.rearm(world.now_ns)
    world.core.e_stop(False, world.now_ns)
    assert world.core.rearm(world.now_ns) is None


def test_teleoperation_has_priority_and_hands_back_softly():
    world = World(SO101)
    world.tick()
    world.run(0.5)
    aim = world.body[:5] + 0.3
    world.teleop = {'single_arm': aim}
    gripper = world.body[5]
    for _ in range(20):
        world.offer(world.shifted(-0.5))
        world.tick(10)
    assert world.core.mode is Mode.TAKEOVER
    assert world.core.rejections[Rejection.TAKEN_OVER] >= 19
    np.testing.assert_allclose(world.body[:5], aim, atol=1e-6)
    assert world.body[5] == pytest.approx(gripper)  # no source commands it: it holds
    world.teleop = None
    world.tick(60)
    assert world.core.mode is Mode.HOLDING
    ended_ns = world.now_ns - 25 * PERIOD_NS
    assert world.offer(age_ns=world.now_ns - ended_ns + SECOND // 2) is Rejection.BEFORE_RESUME
    world.offer(world.shifted(-0.5), age_ns=0)
    world.tick(5)
    assert world.core.mode is Mode.RUNNING
    assert np.abs(world.speed / world.layout.velocity).max() <= 0.05 + EPS


def test_no_takeover_from_the_e_stop():
    world = World(SO101)
    world.tick()
    world.core.e_stop(True, world.now_ns)
    world.teleop = {'single_arm': world.body[:5] + 0.3}
    assert world.tick(50) is None


def test_a_clock_that_jumps_back_stops_once_and_recovers():
    world = World(SO101)
    world.tick()
    target = world.shifted(0.8)
    for _ in range(10):
        world.offer(target)
        world.tick(3)
    late = world.received(target)
    world.now_ns -= 100 * SECOND
    world.tick()
    assert world.core.mode is Mode.STOPPING
    assert world.core.reason == 'the clock jumped back'
    assert world.core.clock_jumps == 1
    assert world.core.offer(late, world.now_ns) is Rejection.FUTURE_STAMP
    world.tick(60)
    assert world.core.mode is Mode.HOLDING
    world.offer(target)
    world.tick()
    assert world.core.mode is Mode.RUNNING
    # being set right by a little is no jump
    world.now_ns -= PERIOD_NS + LARGEST_SLEW_NS // 2
    world.tick()
    assert world.core.mode is Mode.RUNNING
    assert world.core.clock_jumps == 1


def test_halt_ends_in_silence():
    world = World(SO101)
    world.tick()
    for _ in range(10):
        world.offer(world.shifted(0.5))
        world.tick(3)
    world.core.halt('the node is being stopped', world.now_ns)
    for _ in range(30):
        world.offer(world.shifted(0.5))
        world.tick(3)
    assert world.tick() is None


def test_velocities_and_deltas_stop_at_zero_positions_hold():
    world = World(EVERYTHING, soft_start_s=0.0)
    world.tick()
    layout = world.layout
    target = world.body.copy()
    target[layout.slices['base']] = 0.4
    target[layout.slices['turn']] = 5.0  # beyond its range
    target[layout.slices['mount']] = 0.005
    target[layout.slices['suction']] = 0.7
    world.offer(target)
    values = world.tick().values
    assert values[layout.slices['base']] == pytest.approx(0.4)
    assert values[layout.slices['turn']] == 1.0
    assert values[layout.slices['suction']] == 1.0
    world.tick(200)
    values = world.last
    assert world.core.mode is Mode.HOLDING
    assert not values[layout.direct].any()
    assert values[layout.slices['suction']] == 1.0
    np.testing.assert_allclose(values[layout.slices['arm']], target[layout.slices['arm']])


def test_a_delta_is_sent_once_per_policy_step():
    world = World(EVERYTHING)
    world.tick()
    steps = []
    for index in range(200):
        if index % 10 == 0:
            world.offer()
        steps.append(world.tick().step)
    assert sum(steps) == 200 * PERIOD_NS // world.robot.step_ns
    assert np.diff(np.flatnonzero(steps)).tolist() == [5] * (sum(steps) - 1)


EVENTS = st.one_of(
    st.tuples(st.just('pass'), st.integers(1, 40)),
    st.tuples(
        st.sampled_from(['near', 'wild', 'nan', 'huge', 'narrow', 'misnamed', 'short', 'again']),
        st.integers(-400, 1500),  # age of the observation in ms; negative: from the future
    ),
    st.tuples(
        st.sampled_from(['state lost', 'state back', 'press', 'release', 'rearm']), st.just(0)
    ),
    st.tuples(st.sampled_from(['teleop', 'teleop ends']), st.just(0)),
    st.tuples(st.just('clock'), st.sampled_from([-3600, -1, 1, 3600])),
    st.tuples(st.just('pushed'), st.just(0)),
)


@pytest.mark.parametrize('robot_name', ['so101', 'everything'])
@pytest.mark.parametrize('handover', ['crossfade', 'ensemble', 'rtc', 'replace'])
@settings(max_examples=15)
@given(events=st.lists(EVENTS, max_size=60), seed=st.integers(0, 2**32 - 1))
def test_no_stream_of_events_breaks_a_limit_or_outwits_the_e_stop(
    robot_name, handover, events, seed
):
    rng = np.random.default_rng(seed)
    robot = {'so101': SO101, 'everything': EVERYTHING}[robot_name]
    world = World(robot, handover=handover, soft_start_s=0.1, max_jump_s=rng.choice([0.1, 10.0]))
    world.tick()
    world.run(0.5)
    released_ns = None  # None: e-stop never used, or a chunk seen after the re-arm was taken
    latched = False
    for kind, number in [event for event in events for event in (event, ('pass', 5))]:
        if kind == 'pass':
            for _ in range(number):
                fast = np.abs(world.speed)
                command = world.tick()
                if latched:  # positions only slow down, all else is zero, until silence
                    paced = world.layout.paced
                    assert (np.abs(world.speed) <= fast + EPS)[paced].all()
                    assert command is None or not command.values[world.layout.direct].any()
                elif released_ns is not None:
                    assert command is None
            continue
        accepted = world.core.accepted
        age_ns = number * 1_000_000
        offered = event_chunk(world, kind, age_ns, rng)
        if offered is not None:
            world.core.offer(offered, world.now_ns)
            if released_ns is not None and world.core.accepted > accepted and not latched:
                assert offered.stamp_ns > released_ns
                released_ns = None
        elif kind.startswith('state'):
            world.state_comes = kind == 'state back'
        elif kind in ('press', 'release'):
            world.core.e_stop(kind == 'press', world.now_ns)
            latched = latched or kind == 'press'
            world.teleop = None if kind == 'press' else world.teleop
        elif kind == 'rearm' and latched and world.core.rearm(world.now_ns) is None:
            latched, released_ns = False, world.now_ns
        elif kind == 'teleop' and not latched and released_ns is None:
            world.teleop = {
                group.name: rng.normal(0, 2, group.width)
                for group in robot.action
                if group.kind != 'rotation'
            }
        elif kind == 'teleop ends':
            world.teleop = None
        elif kind == 'clock':
            world.now_ns += number * SECOND
            if released_ns is not None:
                released_ns = min(released_ns, world.now_ns)
        elif kind == 'pushed':
            pushed = world.layout.compared
            world.body[pushed] = rng.uniform(world.layout.lower, world.layout.upper)[pushed]


def event_chunk(world, kind, age_ns, rng):
    """Return the chunk of an event; None for other events."""
    layout = world.layout
    if kind == 'again':
        newest = world.core.plan.newest
        stamp = {} if newest is None else {'stamp_ns': newest.stamp_ns}
        return world.received(**stamp)
    if kind not in ('near', 'wild', 'nan', 'huge', 'narrow', 'misnamed', 'short'):
        return None
    received = world.received(age_ns=age_ns)
    rows = received.data.reshape(16, layout.width).astype(np.float64)
    for columns, _ in layout.rotations:
        rows[:, columns] = rng.normal(size=(16, 4))
        rows[:, columns] /= np.linalg.norm(rows[:, columns], axis=1, keepdims=True)
    turning = [np.arange(layout.width)[columns] for columns, _ in layout.rotations]
    free = np.setdiff1d(np.arange(layout.width), turning)
    size = {'near': 0.05, 'wild': 3.0, 'huge': 1e30}.get(kind, 0.1)
    rows[:, free] += rng.normal(0, size, (16, len(free)))
    if kind == 'nan':
        rows[rng.integers(16), rng.integers(layout.width)] = rng.choice([np.nan, np.inf, -np.inf])
    data = rows.astype(np.float32).ravel()
    if kind == 'narrow':
        return replace(received, width=layout.width - 1, data=data)
    if kind == 'misnamed':
        return replace(received, names=('x', *layout.names[1:]), data=data)
    if kind == 'short':
        return replace(received, data=data[:-1])
    return replace(received, data=data)
