# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Attack the executor's core: random robots, random events, and a checker of every command.

The checker shares nothing with the limiter or the gate: it knows the robot file, the messages that
went out, and what was measured. A stream is one robot, one list of events and one random seed.

`python gr00t_policy_node/test/attack_streams.py FIRST COUNT` plays streams and prints counts.
"""

from collections import Counter
import json
from pathlib import Path
import sys
import time

import numpy as np

from gr00t_core.errors import RobotFileError
from gr00t_core.robot import file as robot_file
from gr00t_core.robot.file import load_robot
from gr00t_core.transforms.rotation import convert
from gr00t_policy_node.executor.admission import ReceivedChunk
from gr00t_policy_node.executor.core import ExecutorCore, STOP_PERIODS
from gr00t_policy_node.executor.modes import LATCHED
from gr00t_policy_node.executor.settings import Settings

SECOND = 1_000_000_000
SHIPPED = [load_robot(name) for name in robot_file.shipped_robots()]
SHIPPED.append(load_robot(Path(__file__).with_name('everything.yaml')))
ROTATIONS = {
    'axis_angle': 3,
    'quaternion': 4,
    'rotation_6d': 6,
    'matrix': 9,
    'euler_angles_rpy': 3,
    'euler_angles_ypr': 3,
}
EXTREMES = (np.nan, np.inf, -np.inf, 0.0, 1e308, -1e308, 3e38, -1e30, 1e-300, np.pi, -np.pi)
EVENTS = {  # how often each comes
    'pass': 4,
    'chunk': 6,
    'bad chunk': 2,
    'measure': 1,
    'bad measure': 2,
    'lose state': 0.5,
    'state back': 1,
    'teleop': 3,
    'bad teleop': 1,
    'teleop ends': 1,
    'press': 0.5,
    'release': 1,
    'rearm': 3,
    'bounce': 0.5,
    'button gone': 0.5,
    'clock': 0.5,
    'rival': 0.3,
    'rival ends': 1,
    'pushed': 1,
    'unheard': 0.5,
    'latch': 0.3,
}
_SHARES = np.array(list(EVENTS.values())) / sum(EVENTS.values())


def random_robot(rng):
    """Return a robot whose file loads, with any mix of kinds of groups."""
    state, action, workspace = {}, {}, {}
    for index in range(rng.integers(1, 4)):
        kind = rng.choice(
            ['joints', 'endless', 'unmeasured', 'gripper', 'binary', 'speed', 'delta', 'rotation']
        )
        name = f'{kind}{index}'
        width = int(rng.integers(1, 4))
        array = {
            'type': 'std_msgs/msg/Float64MultiArray',
            'field': 'data',
            'axes': [f'{name}_{i}' for i in range(width)],
            'rate_hz': 100,
            'unit': 'rad',
            'normalization': 'none',
        }
        # Some groups share one topic: they are commanded together.
        shared = rng.random() < 0.3
        topic = {'topic': 'shared' if shared else f'c{index}', 'offset': 10 * index * shared}
        lower = float(rng.uniform(-4, 1))
        limits = {
            'position': [lower, lower + float(10.0 ** rng.uniform(-1, 1.5))],
            'velocity': float(10.0 ** rng.uniform(-1, 1)),
            'acceleration': float(10.0 ** rng.uniform(-0.5, 3)),
        }
        group = {**array, **topic, 'limits': limits}
        if kind in ('joints', 'endless', 'gripper'):
            state[name] = {**array, 'topic': f's{index}'}
        if kind == 'endless':
            state[name]['continuous'] = group['continuous'] = True
        elif kind == 'unmeasured':
            group['state'] = 'none'
        elif kind == 'gripper':
            group['kind'] = 'gripper'
        elif kind == 'binary':
            group |= {'normalization': 'binary', 'unit': '1', 'limits': {'range': [0, 1]}}
            group['state'] = 'none'
        elif kind == 'speed':
            group |= {'command': 'velocity', 'unit': 'rad/s', 'limits': {'range': [-1.0, 2.0]}}
        elif kind == 'delta':
            group |= {'absolute': False, 'limits': {'range': [-0.05, 0.02]}}
            if rng.random() < 0.5:
                state[f'pose{index}'] = {**array, 'topic': f's{index}'}
                box = {array['axes'][0]: [-0.3, 0.3]}
                workspace[name] = {'state': f'pose{index}', 'limits': box}
        elif kind == 'rotation':
            rotation = str(rng.choice(list(ROTATIONS)))
            axes = [f'{name}_{i}' for i in range(ROTATIONS[rotation])]
            unit = 'rad' if ROTATIONS[rotation] == 3 else '1'
            group |= {'axes': axes, 'rotation': rotation, 'unit': unit}
            del limits['position']
            if rng.random() < 0.7:
                state[name] = {
                    **array,
                    'topic': f's{index}',
                    'axes': axes,
                    'rotation': rotation,
                    'unit': unit,
                }
            else:
                group['state'] = 'none'
        action[name] = group
    state = state or {'spare': {**array, 'topic': 'spare'}}
    camera = {'topic': 'c', 'type': 'sensor_msgs/msg/Image', 'width': 8, 'height': 8}
    data = {
        'robot': 'random',
        'description': 'random',
        'embodiment': 'new_embodiment',
        'rate_hz': float(rng.choice([5, 20, 33.3])),
        'instruction': {'key': 'annotation.human.t', 'default': 'x'},
        'reference_camera': 'c',
        'cameras': {'c': {**camera, 'rate_hz': 10}},
        'state': state,
        'action': action,
    }
    if workspace:
        data['workspace'] = workspace
    return robot_file.parse(data, Path('random.yaml'))


def any_robot(rng):
    """Return a shipped robot or a random one; a file that does not load is tried anew."""
    if rng.random() < 0.3:
        return SHIPPED[rng.integers(len(SHIPPED))]
    for _ in range(20):
        try:
            return random_robot(rng)
        except RobotFileError:  # e.g. wider than the model's action
            continue
    return SHIPPED[0]


def any_settings(rng):
    """Return settings of every hand-over and any combination of the rest."""
    return Settings(
        control_rate_hz=float(rng.choice([50, 100, 250])),
        handover=str(rng.choice(['crossfade', 'ensemble', 'rtc', 'replace'])),
        soft_start_s=float(rng.choice([0.0, 0.1, 1.0])),
        max_jump_s=float(rng.choice([0.1, 0.5, 10.0])),
        chunk_timeout_s=float(rng.choice([0.2, 1.0])),
        on_timeout=str(rng.choice(['hold', 'silent'])),
        e_stop_required=bool(rng.random() < 0.3),
        position_margin=float(rng.choice([0.0, 0.01, 0.1])),
        e_stop_topics=('e_stop', '/cell/e_stop'),
    )


def any_events(rng, most=16):
    """Return a list of events: kind and a number that means something to some kinds."""
    kinds = rng.choice(list(EVENTS), int(rng.integers(4, most)), p=_SHARES)
    return [(str(kind), int(rng.integers(0, 1000))) for kind in kinds]


class Checker:
    """Hold every command against the robot file and what was sent before."""

    def __init__(self, core):
        self.layout, self.dt = core.layout, 1.0 / core.settings.control_rate_hz
        self.last = {}  # group → values of the last message, absent after silence
        self.speed = {}

    def look(self, command, told):
        """Raise AssertionError when a command breaks a promise.

        Args:
            command: What went out, None for nothing.
            told: Action group → values measured last.
        """
        if command is None:
            self.last.clear()
            self.speed.clear()
            return
        assert command.due <= command.groups
        for group in self.layout.groups:
            if group.name not in command.groups:
                self.last.pop(group.name, None)
                self.speed.pop(group.name, None)
                continue
            values = command.values[self.layout.slices[group.name]].copy()
            assert np.isfinite(values).all(), f'{group.name} is {values}'
            if group.kind == 'binary':
                assert set(values) <= {0.0, 1.0}, f'{group.name} is {values}'
            elif group.command != 'position':
                inside = (values >= group.limits.lower) & (values <= group.limits.upper)
                assert (inside | (values == 0.0)).all(), f'{group.name} is {values}'
            elif group.rotation is not None:
                self._rotation(group, values, told)
            else:
                self._position(group, values, told)
            self.last[group.name] = values

    def _position(self, group, values, told):
        limits, name = group.limits, group.name
        # Rounding of a difference of two commands, as a velocity.
        noise = 1e-9 + 4e-16 * np.abs(values).max() / self.dt
        most = limits.acceleration * self.dt * (1 + 1e-6) + 1e-9 / self.dt + 2 * noise
        before = self.last.get(name, told.get(name))
        known = before is not None
        if before is None:  # nothing is known of the first place but the limits
            before = np.clip(values, limits.lower, limits.upper)
        out = np.maximum(limits.lower - values, values - limits.upper)
        was = np.maximum(limits.lower - before, before - limits.upper)
        assert ((out <= 1e-12) | (out <= was + 1e-12)).all(), f'{name} at {values} after {before}'
        speed = (values - before) / self.dt
        assert (np.abs(speed) <= limits.velocity * (1 + 1e-6) + noise).all(), f'{name}: {speed}'
        change = np.abs(speed - self.speed.get(name, np.zeros(len(values))))
        assert not (change > most).any(), f'{name}: velocity changes by {change}, allowed {most}'
        # One that nothing measures: its first command has moved already, from an unknown place.
        self.speed[name] = speed if known else np.full(len(values), np.nan)

    def _rotation(self, group, values, told):
        name, limits = group.name, group.limits
        matrix = convert(values, group.rotation, 'matrix').reshape(3, 3)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-6)
        before = self.last.get(name, told.get(name))
        if before is None:
            return
        first = convert(np.asarray(before, np.float64), group.rotation, 'matrix').reshape(3, 3)
        turned = matrix @ first.T
        # ‖R - 1‖ = 2√2 sin(angle / 2)
        sine = np.linalg.norm(turned - np.eye(3)) / np.sqrt(8)
        angle = 2 * np.arcsin(min(sine, 1.0))
        allowed = float(limits.velocity.min()) * self.dt
        # A measured matrix may be a thousandth off; Euler angles lose digits at their singularity.
        slack = 1e-6 if name in self.last else 5e-3
        assert angle <= allowed + slack, f'{name} turns by {angle} rad, allowed {allowed}'


class Attack:
    """A robot, a policy, buttons and a person, all of them out of order."""

    def __init__(self, robot, settings, seed, counts):
        self.rng = np.random.default_rng(seed)
        self.core = ExecutorCore(robot, settings)
        self.robot, self.layout = robot, self.core.layout
        self.checker = Checker(self.core)
        self.counts = counts
        self.now_ns = int(self.rng.choice([0, 1_000 * SECOND, 1_700_000_000 * SECOND]))
        self.state_comes = True
        self.teleop = {}
        self.pressed = set()  # buttons that said so last
        self.present = True  # required buttons go on speaking
        self.latched = False  # as a person sees it
        self.released_ns = None  # re-armed, and nothing fresh came yet
        self.silent = True
        self.braked = 0  # periods with a command since the latch
        paced = [g for g in robot.action if g.command == 'position' and g.kind != 'binary']
        ways = [float(g.limits.velocity.max() / g.limits.acceleration.min()) for g in paced]
        self.longest = max(ways, default=0.0) * settings.control_rate_hz + STOP_PERIODS + 3
        self.body = {}
        for group in robot.action:
            self.body[group.name] = self.somewhere(group)
        self.told = {}

    def somewhere(self, group):
        """Return a place of an action group inside its limits."""
        if group.rotation is not None:
            quaternion = self.rng.normal(size=4)
            quaternion /= np.linalg.norm(quaternion)
            return convert(quaternion, 'quaternion', group.rotation)
        lower, upper = (self.layout.lower, self.layout.upper)
        columns = self.layout.slices[group.name]
        return self.rng.uniform(lower[columns], upper[columns])

    def near(self, group, size):
        """Return a place at some distance of the body's."""
        body = self.body[group.name]
        if group.rotation is None:
            span = (self.layout.upper - self.layout.lower)[self.layout.slices[group.name]]
            return body + self.rng.normal(0, size, len(body)) * span
        quaternion = convert(body, group.rotation, 'quaternion')
        quaternion = quaternion + self.rng.normal(0, size, 4)
        quaternion /= max(np.linalg.norm(quaternion), 1e-6)
        return convert(quaternion, 'quaternion', group.rotation)

    def spoiled(self, values):
        """Return values with something in them that no driver should send."""
        values = np.array(values, np.float64)
        how = self.rng.integers(6)
        if how == 0:
            values[:] = 0.0
        elif how == 1:
            values = values[:-1]
        elif how == 2:
            values = values * 1e30
        elif how == 3:
            values = np.stack([values, values])
        else:
            values[self.rng.integers(len(values))] = self.rng.choice(EXTREMES)
        return values

    def stamp(self):
        """Return the stamp of a good message: a bit old."""
        return self.now_ns - int(self.rng.integers(0, 20_000_000))

    def measure(self, spoil=False):
        """Let the drivers tell where the robot is; or, spoiled, something else."""
        for group in self.robot.action:
            state = self.core.measured_by.get(group.name)
            if state is None:
                continue
            measured = self.robot.state_group(state)
            values = self.body[group.name].copy()
            if group.rotation is not None and measured.rotation != group.rotation:
                values = convert(values, group.rotation, measured.rotation)
            elif group.rotation is None and group.turning.any() and self.rng.random() < 0.5:
                lower, upper = group.limits.lower, group.limits.upper
                wrapped = (values + np.pi) % (2 * np.pi) - np.pi
                values = np.where((wrapped >= lower) & (wrapped <= upper), wrapped, values)
            stamp_ns = self.stamp()
            if spoil:
                values = self.spoiled(values)
                if self.rng.random() < 0.3:
                    stamp_ns = self.now_ns + int(self.rng.integers(-(10**12), 10**12))
            refused = self.core.measure(state, values, self.now_ns, stamp_ns)
            self.counts['measurements' if refused is None else 'measurements dropped'] += 1
            if refused is None:
                row = np.asarray(values, np.float64)
                if group.rotation is not None and measured.rotation != group.rotation:
                    row = convert(row, measured.rotation, group.rotation)
                self.told[group.name] = row
        for box in self.robot.workspace:
            pose = self.rng.normal(0, 0.3, self.robot.state_group(box.state).width)
            self.core.measure(box.state, self.spoiled(pose) if spoil else pose, self.now_ns)

    def chunk(self, spoil, number):
        """Offer a chunk."""
        horizon = int(self.rng.integers(1, 17))
        size = self.rng.choice([0.0, 0.005, 0.02, 0.5])
        rows = np.zeros((horizon, self.layout.width))
        for group in self.robot.action:
            columns = self.layout.slices[group.name]
            places = [self.near(group, size) for _ in range(min(horizon, 3))]
            rows[:, columns] = np.resize(places, (horizon, columns.stop - columns.start))
        age_ns = int(self.rng.integers(0, 100_000_000))
        names, width = self.layout.names, self.layout.width
        if spoil:
            how = number % 6
            if how == 0:
                rows[self.rng.integers(horizon), self.rng.integers(width)] = self.rng.choice(
                    EXTREMES
                )
            elif how == 1:
                rows[:] = 0.0
            elif how == 2:
                rows = rows * 1e30
            elif how == 3:
                age_ns = int(self.rng.integers(-2_000_000_000, 3_000_000_000))
            elif how == 4:
                width += 1
            else:
                names = names[::-1]
        with np.errstate(over='ignore', invalid='ignore'):
            data = rows.astype(np.float32).ravel()
        stamp_ns = self.now_ns - age_ns
        offered = ReceivedChunk(
            stamp_ns, self.robot.step_ns, self.robot.embodiment, names, horizon, width, data, 0
        )
        refused = self.core.offer(offered, self.now_ns)
        self.counts['chunks' if refused is None else 'chunks rejected'] += 1
        if refused is None:
            assert not self.latched, 'a chunk was followed while latched'
            if self.released_ns is not None:
                assert stamp_ns > self.released_ns, 'a chunk from before the re-arm was followed'
                self.released_ns = None

    def person(self):
        """Let the person send what they ask for."""
        for name, values in self.teleop.items():
            refused = self.core.teleoperate(name, values, self.now_ns, self.stamp())
            self.counts['teleop' if refused is None else 'teleop dropped'] += 1
            if refused is None:
                self.released_ns = None

    def button(self, number, pressed):
        """Let one of three buttons speak."""
        topic = self.core.settings.e_stop_topics[number % 2]
        who = f'button{number % 3}'
        self.core.e_stop(pressed, self.now_ns, topic, who)
        if pressed:
            self.pressed.add((topic, who))
            self.latched = True
        else:
            self.pressed.discard((topic, who))

    def tick(self):
        """Let one control period pass, and look at what comes out."""
        self.now_ns += self.core.period_ns + int(self.rng.integers(-1_000_000, 1_000_000))
        if self.state_comes:
            self.measure()
        self.person()
        if self.present and self.core.settings.e_stop_required:
            for topic in self.core.settings.e_stop_topics:
                pressed = (topic, 'first') in self.pressed
                self.core.e_stop(pressed, self.now_ns, topic, 'first')
        self.counts['periods'] += 1
        fast = {name: np.abs(speed) for name, speed in self.checker.speed.items()}
        was_latched, was_silent = self.latched, self.silent
        command = self.core.tick(self.now_ns)
        assert self.core.breaches == 0, f'the gate fired: {self.core.reason}'
        self.checker.look(command, self.told)
        self.silent = command is None
        self.counts['commands'] += command is not None
        self.latched = self.latched or self.core.mode in LATCHED
        if self.latched:
            self.teleop = {}
        if was_latched and was_silent:
            assert command is None, 'a command out of silence while latched'
        self.braked = self.braked + 1 if was_latched and command is not None else 0
        assert self.braked <= self.longest, 'it goes on commanding after the stop'
        if was_latched and command is not None:
            assert not command.values[self.layout.direct].any() or not set(
                self.layout.direct
            ) & set(np.flatnonzero(self.layout.mask(command.groups)))
            for name, speed in self.checker.speed.items():
                assert not (np.abs(speed) > fast.get(name, np.inf) + 1e-6).any(), 'it sped up'
        if not self.latched and was_silent and self.released_ns is not None:
            assert command is None, 'a command after the re-arm, before anything fresh'
        if command is not None:
            for group in self.robot.action:
                if group.name in command.groups and group.command == 'position':
                    self.body[group.name] = command.values[self.layout.slices[group.name]].copy()

    def do(self, kind, number):
        """Let one event happen."""
        robot, core = self.robot, self.core
        group = robot.action[number % len(robot.action)]
        if kind == 'pass':
            for _ in range(number % 10):
                self.tick()
        elif kind in ('chunk', 'bad chunk'):
            self.chunk(kind == 'bad chunk', number)
        elif kind in ('measure', 'bad measure'):
            self.measure(spoil=kind == 'bad measure')
        elif kind in ('lose state', 'state back'):
            self.state_comes = kind == 'state back'
        elif kind in ('teleop', 'bad teleop'):
            if not self.latched:
                values = self.near(group, self.rng.choice([0.01, 1.0]))
                self.teleop[group.name] = self.spoiled(values) if kind != 'teleop' else values
        elif kind == 'teleop ends':
            self.teleop = {}
        elif kind in ('press', 'release', 'bounce'):
            self.button(number, kind != 'release')
            if kind == 'bounce':
                self.button(number, False)
        elif kind == 'rearm':
            if number % 4:  # most people release the buttons first
                for topic, who in sorted(self.pressed):
                    core.e_stop(False, self.now_ns, topic, who)
                self.pressed.clear()
            refused = core.rearm(self.now_ns)
            if refused is None:
                assert not self.pressed, 're-armed while a button is pressed'
                if self.latched:
                    self.latched, self.released_ns = False, self.now_ns
                    self.braked = 0  # another press is another stop
                    if number % 3 == 0:
                        self.button(number, True)
                        self.button(number, False)
        elif kind == 'button gone':
            self.present = number % 2 == 0
            core.interlock.buttons.present('e_stop', [], self.now_ns)
        elif kind == 'clock':
            self.now_ns += int(self.rng.choice([-3600, -1, -0.05, 0.05, 1, 3600]) * SECOND)
            if self.released_ns is not None:
                self.released_ns = min(self.released_ns, self.now_ns)
        elif kind in ('rival', 'rival ends'):
            core.interlock.see_rival(
                'another node publishes joint_commands' if kind == 'rival' else ''
            )
        elif kind == 'pushed':
            self.body[group.name] = self.near(group, 0.3)
        elif kind == 'unheard':
            core.interlock.see_listeners('joint_commands' if number % 2 else '')
        elif kind == 'latch':
            core.latch('a person said so', self.now_ns)
            self.latched = True
            self.teleop = {}


def play(robot, settings, events, seed, counts):
    """Play one stream; an AssertionError or any other exception is a fault."""
    attack = Attack(robot, settings, seed, counts)
    for topic in settings.e_stop_topics:
        attack.core.e_stop(False, attack.now_ns, topic, 'first')
    attack.tick()
    attack.chunk(False, 0)
    for _ in range(3):
        attack.tick()
    for kind, number in events:
        attack.do(kind, number)
        attack.tick()
    counts['streams'] += 1
    counts[f'ended {attack.core.mode.value}'] += 1


def play_seed(seed, counts):
    """Play the stream that a seed stands for."""
    rng = np.random.default_rng([seed, 1])
    play(any_robot(rng), any_settings(rng), any_events(rng), seed, counts)


def main(first, count):
    """Play streams and print the counts; stop at the first fault, whose seed is told."""
    counts, start, faults = Counter(), time.monotonic(), 0
    for seed in range(first, first + count):
        try:
            play_seed(seed, counts)
        except Exception as error:
            faults += 1
            sys.stdout.write(f'seed {seed}: {type(error).__name__}: {str(error)[:300]}\n')
        if seed % 500 == 499:
            seconds = round(time.monotonic() - start)
            line = json.dumps(
                {'seconds': seconds, 'faults': faults, **dict(sorted(counts.items()))}
            )
            sys.stdout.write(line + '\n')
            sys.stdout.flush()


if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]))
