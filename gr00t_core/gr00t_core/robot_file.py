# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parse a robot file strictly: every unknown key, wrong type or contradiction is an error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
import math
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
import yaml

from gr00t_core.embodiment import PROJECTOR_INDEX
from gr00t_core.errors import RobotFileError
from gr00t_core.robot import (
    ActionGroup,
    Camera,
    Limits,
    MAX_ACTION_WIDTH,
    MAX_STATE_WIDTH,
    NANOSECONDS,
    Robot,
    StateGroup,
    Stream,
    Workspace,
)

NORMALIZATIONS = ('none', 'min_max', 'q99', 'mean_std', 'binary', 'sin_cos')
ROTATIONS = (
    'axis_angle',
    'quaternion',
    'rotation_6d',
    'matrix',
    'euler_angles_rpy',
    'euler_angles_ryp',
    'euler_angles_pry',
    'euler_angles_pyr',
    'euler_angles_yrp',
    'euler_angles_ypr',
)
ROTATION_WIDTH = {'quaternion': 4, 'rotation_6d': 6, 'matrix': 9}  # the others: 3
KINDS = ('continuous', 'rotation', 'gripper', 'binary')
COMMANDS = ('position', 'velocity', 'delta')
STAMPS = ('header', 'log')
PAIRINGS = ('interpolate', 'nearest', 'hold')
CAMERA_TYPES = (
    'sensor_msgs/msg/Image',
    'sensor_msgs/msg/CompressedImage',
    'foxglove_msgs/msg/CompressedVideo',
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket',
)


def shipped_robots() -> dict[str, Path]:
    """Return name → file of the robot descriptions inside the package."""
    folder = Path(__file__).parent / 'robots'
    return {path.stem: path for path in sorted(folder.glob('*.yaml'))}


def load(name_or_path: str | Path) -> Robot:
    """Load a shipped robot by name or any robot file by path; see `robot.load_robot`."""
    shipped = shipped_robots()
    path = Path(name_or_path)
    if str(name_or_path) in shipped:
        path = shipped[str(name_or_path)]
    elif not str(name_or_path):
        raise RobotFileError(f'no robot is named; give one of {", ".join(shipped)}, or a file')
    elif not path.is_file():
        near = get_close_matches(str(name_or_path), shipped, n=3)
        hint = f'; did you mean {" or ".join(near)}?' if near else ''
        raise RobotFileError(
            f'no robot {str(name_or_path)!r}: neither a file nor one of {", ".join(shipped)}{hint}'
        )
    try:
        data = yaml.load(path.read_text(encoding='utf-8'), _UniqueKeyLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RobotFileError(f'{path}: not valid YAML: {error}') from None
    return parse(data, path)


def parse(data: Any, source: Path) -> Robot:
    """Build a Robot from the parsed YAML of `source`.

    Raises:
        RobotFileError: Names file, key, value seen and values allowed.
    """
    top = _Section(source, '', data)
    instruction = top.section('instruction')
    robot = Robot(
        name=top.text('robot'),
        description=top.text('description'),
        embodiment=top.choice('embodiment', PROJECTOR_INDEX),
        rate_hz=top.positive('rate_hz'),
        instruction=instruction.text('default'),
        instruction_key=instruction.text('key'),
        reference_camera=top.text('reference_camera'),
        cameras=tuple(_camera(section) for section in top.sections('cameras')),
        state=tuple(_state_group(section) for section in top.sections('state')),
        action=tuple(_action_group(section) for section in top.sections('action')),
        source=source,
    )
    boxes = top.sections('workspace') if top.has('workspace') else []
    workspace = tuple(_workspace(section, robot) for section in boxes)
    instruction.finish()
    top.finish()
    _check(robot, top)
    state = {group.name: group for group in robot.state}
    action = tuple(_measured_by(group, state, top) for group in robot.action)
    return replace(robot, action=action, workspace=workspace)


def _camera(section: '_Section') -> Camera:
    camera = Camera(
        name=section.name,
        stream=_stream(section, 'nearest', CAMERA_TYPES),
        width=section.integer('width'),
        height=section.integer('height'),
    )
    section.finish()
    return camera


def _state_group(section: '_Section') -> StateGroup:
    shared = _group(section, 'interpolate')
    section.finish()
    return StateGroup(**shared)


def _action_group(section: '_Section') -> ActionGroup:
    shared = _group(section, 'hold')
    if shared['normalization'] == 'sin_cos':
        section.fail(
            'normalization', 'sin_cos', 'an action must be invertible', NORMALIZATIONS[:-1]
        )
    default_kind = 'binary' if shared['normalization'] == 'binary' else 'continuous'
    default_kind = 'rotation' if shared['rotation'] and shared['absolute'] else default_kind
    kind = section.choice('kind', KINDS, default_kind)
    command = section.choice('command', COMMANDS, 'position' if shared['absolute'] else 'delta')
    # A binary group switches: it has no velocity to limit.
    needs_rates = command == 'position' and kind != 'binary'
    group = ActionGroup(
        **shared,
        kind=kind,
        command=command,
        state=section.text('state', ''),  # '' = the state group of the same name; see _measured_by
        limits=_limits(section.section('limits'), shared['names'], needs_rates=needs_rates),
    )
    section.finish()
    return group


def _group(section: '_Section', pairing: str) -> dict[str, Any]:
    names = section.names('joints') if section.has('joints') else section.names('axes')
    rotation = section.choice('rotation', ROTATIONS, '') or None
    if rotation is not None and len(names) != ROTATION_WIDTH.get(rotation, 3):
        section.fail(
            'rotation', rotation, f'it has {ROTATION_WIDTH.get(rotation, 3)} elements', names
        )
    normalization = section.choice('normalization', NORMALIZATIONS)
    return {
        'name': section.name,
        'stream': _stream(section, 'hold' if normalization == 'binary' else pairing),
        'field': section.text('field'),
        'names': names,
        'offset': section.integer('offset', 0),
        'unit': section.text('unit'),
        'rotation': rotation,
        'rotation_target': section.choice('rotation_target', ROTATIONS, '') or None,
        'absolute': section.flag('absolute', True),
        'normalization': normalization,
    }


def _stream(section: '_Section', pairing: str, types: Iterable[str] | None = None) -> Stream:
    rate_hz = section.positive('rate_hz')
    kind = section.choice('type', types) if types else section.text('type')
    if kind.count('/') != 2 or '/msg/' not in kind:
        section.fail('type', kind, 'it must be a full ROS 2 type name', ['package/msg/Name'])
    topic = section.text('topic')
    if topic.startswith('/'):
        section.fail(
            'topic', topic, 'topics are relative, so that a namespace applies', [topic[1:]]
        )
    return Stream(
        topic=topic,
        type=kind,
        rate_hz=rate_hz,
        stamp=section.choice('stamp', STAMPS, 'header'),
        offset_ns=round(section.number('offset_s', 0.0) * NANOSECONDS),
        # Three periods: two lost messages in a row are tolerated, a third is a gap.
        max_age_ns=round(section.positive('max_age_s', 3.0 / rate_hz) * NANOSECONDS),
        pairing=section.choice('pairing', PAIRINGS, pairing),
    )


def _limits(section: '_Section', names: tuple[str, ...], *, needs_rates: bool) -> Limits:
    bounds = section.per_name('position' if needs_rates else 'range', names, pair=True)
    velocity = section.per_name('velocity', names) if needs_rates else None
    acceleration = section.per_name('acceleration', names) if needs_rates else None
    section.finish()
    return Limits(bounds[:, 0], bounds[:, 1], velocity, acceleration)


def _workspace(section: '_Section', robot: Robot) -> Workspace:
    """Read the box of one delta group, named by the section; element i moves element i."""
    deltas = {g.name: g for g in robot.action if g.command == 'delta' and g.kind != 'binary'}
    if section.name not in deltas:
        section.fail_here(section.name, 'it is no action group of deltas', deltas)
    action = deltas[section.name]
    poses = {g.name: g for g in robot.state if g.rotation is None}
    state = poses[section.choice('state', poses)]
    names = section.keys('limits')
    unknown = [name for name in names if name not in action.names[: state.width]]
    if unknown or not names:
        section.fail('limits', unknown, 'no such element', action.names[: state.width])
    bounds = section.per_name('limits', names, pair=True)
    section.finish()
    return Workspace(
        action=action.name,
        state=state.name,
        elements=tuple(action.names.index(name) for name in names),
        lower=bounds[:, 0],
        upper=bounds[:, 1],
        same_unit=action.unit == state.unit,
    )


def _check(robot: Robot, top: '_Section') -> None:
    """Reject what only shows when the whole description is seen."""
    cameras = [camera.name for camera in robot.cameras]
    if robot.reference_camera not in cameras:
        top.fail(
            'reference_camera', robot.reference_camera, 'it is not one of the cameras', cameras
        )
    if not robot.instruction_key.startswith('annotation.'):
        top.fail('instruction.key', robot.instruction_key, 'it must start with "annotation."', [])
    for kind, names in (('state', robot.state_names), ('action', robot.action_names)):
        elements = [name.split('/', 1)[1] for name in names]
        if kind == 'state' and robot.state_width > MAX_STATE_WIDTH:
            top.fail(
                kind, robot.state_width, 'the state is too wide', [f'at most {MAX_STATE_WIDTH}']
            )
        if kind == 'action' and robot.action_width > MAX_ACTION_WIDTH:
            top.fail(
                kind, robot.action_width, 'the action is too wide', [f'<= {MAX_ACTION_WIDTH}']
            )
        groups = robot.state if kind == 'state' else robot.action
        joints = [(g.stream.topic, g.field, n) for g in groups if g.unit == 'rad' for n in g.names]
        repeated = sorted(
            {name for topic, field, name in joints if joints.count((topic, field, name)) > 1}
        )
        if repeated and len(elements) != len(set(elements)):
            top.fail(kind, repeated, 'a joint stands in more than one group', ['each joint once'])
    types: dict[str, str] = {}
    for stream in (*robot.observation_streams, *(group.stream for group in robot.action)):
        if types.setdefault(stream.topic, stream.type) != stream.type:
            top.fail(stream.topic, stream.type, 'one topic has two types', [types[stream.topic]])


def _measured_by(
    action: ActionGroup, state: dict[str, StateGroup], top: '_Section'
) -> ActionGroup:
    """Resolve the state group that measures an action: the named one, else of its own name.

    It must have the action's width and unit; a group that only shares the name measures nothing.
    """
    measured = state.get(action.state or action.name)
    if action.state and measured is None:
        top.fail(f'action.{action.name}.state', action.state, 'no such state group', state)
    if action.state and measured is not None and measured.width != action.width:
        top.fail(f'action.{action.name}.state', action.state, 'its width differs', [action.width])
    if action.state and measured is not None and measured.unit != action.unit:
        top.fail(f'action.{action.name}.state', measured.unit, 'its unit differs', [action.unit])
    if measured is None or (measured.width, measured.unit) != (action.width, action.unit):
        return replace(action, state=None)
    return replace(action, state=measured.name)


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuse a key that stands twice in one mapping; PyYAML keeps the last silently.

    Looked for before `<<` merges other mappings in, whose keys may be repeated.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = [(key.tag, key.value) for key, _ in node.value]
        for (key, _), name in zip(node.value, keys, strict=True):
            if keys.count(name) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f'key {key.value!r} stands twice', problem_mark=key.start_mark
                )
        return node


@dataclass
class _Section:
    """One mapping of the file; remembers its path and which keys were read."""

    source: Path
    path: str
    data: Any

    def __post_init__(self) -> None:
        self.used: list[str] = []
        if not isinstance(self.data, Mapping):
            self._raise(self.path or 'file', self.data, 'it must be a mapping', ['key: value'])

    @property
    def name(self) -> str:
        return self.path.rsplit('.', 1)[-1]

    def fail(self, key: str, value: Any, why: str, allowed: Iterable[Any]) -> NoReturn:
        self._raise(f'{self.path}.{key}'.lstrip('.'), value, why, allowed)

    def _raise(self, where: str, value: Any, why: str, allowed: Iterable[Any]) -> NoReturn:
        choices = [str(choice) for choice in allowed]
        near = get_close_matches(str(value), choices, n=2)
        text = f'{self.source}: {where}: {value!r}: {why}'
        text += f'; allowed: {", ".join(choices)}' if choices else ''
        text += f'; did you mean {" or ".join(near)}?' if near and len(choices) > 1 else ''
        raise RobotFileError(text)

    def fail_here(self, value: Any, why: str, allowed: Iterable[Any]) -> NoReturn:
        self._raise(self.path, value, why, allowed)

    def keys(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            self.fail(key, value, 'it must be a mapping by element', ['x: [lower, upper]'])
        return tuple(value)

    def has(self, key: str) -> bool:
        return key in self.data

    def _get(self, key: str, default: Any = None) -> Any:
        self.used.append(key)
        if key in self.data:
            return self.data[key]
        if default is None:
            near = get_close_matches(key, [str(name) for name in self.data], n=1)
            hint = f'; found {near[0]!r}, is it misspelled?' if near else ''
            where = f'{self.path}.{key}'.lstrip('.')
            raise RobotFileError(f'{self.source}: {where}: missing{hint}')
        return default

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or (default is None and not value):
            self.fail(key, value, 'it must be a text', [])
        return value

    def number(self, key: str, default: float | None = None) -> float:
        value = self._get(key, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            self.fail(key, value, 'it must be a finite number', [])
        return float(value)

    def positive(self, key: str, default: float | None = None) -> float:
        value = self.number(key, default)
        if value <= 0:
            self.fail(key, self.data.get(key), 'it must be greater than 0', [])
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < (default is None):
            self.fail(key, value, 'it must be a whole number, not negative', [])
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            self.fail(key, value, 'it must be a truth value', ['true', 'false'])
        return value

    def choice(self, key: str, allowed: Iterable[str], default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or (value not in allowed and value != default):
            self.fail(key, value, 'it is not known', allowed)
        return str(value)

    def names(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            self.fail(key, value, 'it must be a list of names', [])
        repeated = sorted({name for name in value if value.count(name) > 1})
        if repeated:
            self.fail(key, repeated, 'a name stands twice', ['each name once'])
        return tuple(value)

    def per_name(
        self, key: str, names: tuple[str, ...], *, pair: bool = False
    ) -> NDArray[np.float64]:
        """Return (D,) bounds or (D, 2) pairs, from one value for all or a mapping by name."""
        value = self._get(key)
        if isinstance(value, Mapping):
            for name in value:
                if name not in names:
                    self.fail(f'{key}.{name}', name, 'no such element in this group', names)
            missing = [name for name in names if name not in value]
            if missing:
                self.fail(key, missing, 'these elements have no limit', ['one value for each'])
            values = [value[name] for name in names]
        else:
            values = [value] * len(names)
        for name, entry in zip(names, values, strict=True):
            parts = entry if pair and isinstance(entry, list) and len(entry) == 2 else [entry]
            numeric = all(
                isinstance(p, int | float) and not isinstance(p, bool) and math.isfinite(p)
                for p in parts
            )
            if not numeric or (pair and (len(parts) != 2 or parts[0] >= parts[1])):
                self.fail(
                    f'{key}.{name}', entry, 'not a limit', ['[lower, upper]' if pair else 'number']
                )
            if not pair and entry <= 0:
                self.fail(f'{key}.{name}', entry, 'it must be greater than 0', [])
        return np.asarray(values, dtype=np.float64)

    def section(self, key: str) -> '_Section':
        return _Section(self.source, f'{self.path}.{key}'.lstrip('.'), self._get(key))

    def sections(self, key: str) -> list['_Section']:
        outer = self.section(key)
        if not outer.data:
            self.fail(key, outer.data, 'it must name at least one', [])
        for name in outer.data:
            if not isinstance(name, str) or not name.isidentifier():
                self.fail(key, name, 'a name is of letters, digits and _', ['e.g. left_arm'])
        return [outer.section(name) for name in outer.data]

    def finish(self) -> None:
        """Reject keys that nobody read."""
        for key in self.data:
            if key not in self.used:
                allowed = sorted(set(self.used))
                self._raise(f'{self.path}.{key}'.lstrip('.'), key, 'unknown key', allowed)
