# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parse a robot file strictly: every unknown key, wrong type or contradiction is an error.

All mistakes of a file are told at once, one line each.
"""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from gr00t_core.errors import RobotFileError
from gr00t_core.robot.checks import check, measured
from gr00t_core.robot.description import (
    ActionGroup,
    Camera,
    Limits,
    NANOSECONDS,
    Robot,
    StateGroup,
    Stream,
    Workspace,
)
from gr00t_core.robot.keys import (
    ACTION,
    CAMERA,
    INSTRUCTION,
    MAX_LIMIT,
    MIN_RATE,
    NORMALIZATIONS,
    POSITION_LIMITS,
    RANGE_LIMITS,
    ROTATION_LIMITS,
    ROTATION_WIDTH,
    STATE,
    TOP,
    WORKSPACE,
)
from gr00t_core.robot.strict_mapping import Findings, is_to_fill_in, read_limits, Section
from gr00t_core.robot.units import unit_hint, UNITS
from gr00t_core.robot.yaml_file import read

# Of a row's time, in the default of max_age_s: stamps are rounded, and jitter.
_ROW_SLACK = 0.1


def shipped_robots() -> dict[str, Path]:
    """Return name → file of the robot descriptions inside the package."""
    folder = Path(__file__).parent / 'shipped'
    return {path.stem: path for path in sorted(folder.glob('*.yaml'))}


def find(name_or_path: str | Path) -> Path:
    """Return the file of a shipped robot by name, or the path itself.

    Raises:
        RobotFileError: Neither a file nor a shipped robot; near matches are named.
    """
    shipped = shipped_robots()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    if not str(name_or_path):
        raise RobotFileError(f'no robot is named; give one of {", ".join(shipped)}, or a file')
    path = Path(name_or_path)
    if not path.is_file():
        near = get_close_matches(str(name_or_path), shipped, n=3)
        hint = f'; did you mean {" or ".join(near)}?' if near else ''
        raise RobotFileError(
            f'no robot {str(name_or_path)!r}: neither a file nor one of {", ".join(shipped)}{hint}'
        )
    return path


def load_robot(name_or_path: str | Path) -> Robot:
    """Load a shipped robot by name or any robot file by path.

    Raises:
        RobotFileError: No such robot, or the file is malformed; the message names file, key,
            value and near matches.
    """
    path = find(name_or_path)
    return parse(read(path), path)


def parse(data: Any, source: Path) -> Robot:
    """Build a Robot from the parsed YAML of `source`.

    Raises:
        RobotFileError: Every mistake on a line of its own: file, key, value seen, values allowed.
    """
    findings = Findings()
    top = Section(findings, '', data)
    values = top.read(TOP)
    instruction = values['instruction'].read(INSTRUCTION) if 'instruction' in values else {}
    cameras = [_camera(section) for section in values.get('cameras', ())]
    state = [_state_group(section) for section in values.get('state', ())]
    action = [_action_group(section) for section in values.get('action', ())]
    names = {kind: tuple(s.name for s in values.get(kind, ())) for kind in ('cameras', 'state')}
    check(
        findings,
        reference_camera=values.get('reference_camera'),
        names=names,
        cameras=[camera for camera in cameras if camera is not None],
        state=[group for group, _ in state if group is not None],
        action=[group for group, _ in action if group is not None],
        joints={
            f'{kind}.{group.name}'
            for kind, groups in (('state', state), ('action', action))
            for group, joints in groups
            if group is not None and joints
        },
    )
    whole = len(findings) == 0  # else a missing group may be one with a mistake
    boxes = [
        _workspace(section, [g for g, _ in action if g], [g for g, _ in state if g], whole=whole)
        for section in values.get('workspace', ())
    ]
    if findings:
        raise RobotFileError('\n'.join(f'{source}: {line}' for line in findings.lines))
    groups = tuple(group for group, _ in state if group is not None)
    commanded, joined = measured(groups, tuple(group for group, _ in action if group is not None))
    robot = Robot(
        name=values['robot'],
        description=values['description'],
        embodiment=values['embodiment'],
        rate_hz=values['rate_hz'],
        instruction=instruction['default'],
        instruction_key=instruction['key'],
        reference_camera=values['reference_camera'],
        cameras=tuple(camera for camera in cameras if camera is not None),
        state=groups,
        action=commanded,
        source=source,
        workspace=tuple(box for box in boxes if box is not None),
        joined=joined,
    )
    return _patient(robot, data)


def _patient(robot: Robot, data: Any) -> Robot:
    """Make the default `max_age_s` no stricter than one row of a dataset, with a tenth to spare.

    Else a sensor whose messages come more slowly than its rate says would cut an episode into
    pieces.
    """
    row_ns = round((1.0 + _ROW_SLACK) * NANOSECONDS / robot.rate_hz)

    def lengthened(kind: str, part: Any) -> Any:
        if 'max_age_s' in data[kind][part.name]:
            return part
        longest_ns = max(part.stream.max_age_ns, row_ns)
        return replace(part, stream=replace(part.stream, max_age_ns=longest_ns))

    return replace(
        robot,
        cameras=tuple(lengthened('cameras', camera) for camera in robot.cameras),
        state=tuple(lengthened('state', group) for group in robot.state),
        action=tuple(lengthened('action', group) for group in robot.action),
    )


def _camera(section: Section) -> Camera | None:
    before = len(section.findings)
    values = section.read(CAMERA)
    if len(section.findings) > before or not section.is_mapping:
        return None
    return Camera(
        name=section.name,
        stream=_stream(values, 'nearest'),
        width=values['width'],
        height=values['height'],
    )


def _state_group(section: Section) -> tuple[StateGroup | None, bool]:
    before = len(section.findings)
    values = section.read(STATE)
    shared = _group(section, values, 'interpolate')
    if len(section.findings) > before or not section.is_mapping:
        return None, False
    return StateGroup(**shared), bool(values['joints'])


def _action_group(section: Section) -> tuple[ActionGroup | None, bool]:
    before = len(section.findings)
    values = section.read(ACTION)
    shared = _group(section, values, 'hold')
    normalization, absolute = values.get('normalization'), values.get('absolute', True)
    if normalization == 'sin_cos':
        section.wrong(
            'normalization', 'sin_cos', 'an action must be invertible', NORMALIZATIONS[:-1]
        )
    default_kind = 'binary' if normalization == 'binary' else 'continuous'
    default_kind = 'rotation' if values.get('rotation') and absolute else default_kind
    kind = values.get('kind', '') or default_kind
    command = values.get('command', '') or ('position' if absolute else 'delta')
    limits = None
    if {'limits', 'kind', 'command', 'rotation', 'absolute'} <= set(values) and shared['names']:
        rotation = values['rotation'] if command == 'position' else ''
        limits = _limits(values['limits'], shared['names'], command, kind, rotation)
    if limits is None or len(section.findings) > before:
        return None, False
    group = ActionGroup(**shared, kind=kind, command=command, state=values['state'], limits=limits)
    return group, bool(values['joints'])


def _group(section: Section, values: Mapping[str, Any], pairing: str) -> dict[str, Any]:
    """Return the attributes that state and action groups share; incomplete after a finding."""
    names = values.get('joints', ()) or values.get('axes', ())
    if not names and {'joints', 'axes'} <= set(values):
        section.findings.note(f'{section.where("joints")}: missing; give `joints` or `axes`')
    if values.get('joints') and values.get('axes'):
        section.wrong('axes', list(values['axes']), 'the group has `joints` already; give one')
    rotation = values.get('rotation', '')
    width = ROTATION_WIDTH.get(rotation, 3)
    if rotation and names and len(names) != width:
        section.wrong('rotation', rotation, f'it has {width} elements', names)
    units: list[Any] = []
    if 'unit' in values and names:
        units = section.per_name(
            'unit', values['unit'], names, 'unit', lambda where, unit: _unit(section, where, unit)
        )
    complete = bool(names) and len(units) == len(names) and None not in units
    continuous: tuple[str, ...] = ()
    if complete and 'continuous' in values:
        continuous = _continuous_names(section, values, names, tuple(units))
    # `rate_hz` and what else may be missing has been noted; the stream of such a group is unused.
    has_stream = {'topic', 'type', 'rate_hz', 'stamp', 'offset_s', 'max_age_s', 'pairing'} <= set(
        values
    )
    binary = values.get('normalization') == 'binary'
    return {
        'name': section.name,
        'stream': _stream(values, 'hold' if binary else pairing) if has_stream else None,
        'field': values.get('field'),
        'names': names,
        'offset': values.get('offset'),
        'by_place': not values.get('joints') or 'offset' in section.data,
        'unit': ' and '.join(dict.fromkeys(units)) if complete else '',
        'units': tuple(units),
        'rotation': rotation or None,
        'rotation_target': values.get('rotation_target') or None,
        'absolute': values.get('absolute'),
        'normalization': values.get('normalization'),
        'continuous': continuous,
    }


def _unit(section: Section, where: str, unit: Any) -> str | None:
    if isinstance(unit, str) and unit in UNITS:
        return unit
    if is_to_fill_in(unit):
        section.findings.fill_in(where, unit)
        return None
    several = isinstance(unit, str) and ' and ' in unit
    hint = 'give every element its unit: unit: {name: rad, ...}' if several else unit_hint(unit)
    section.findings.add(where, unit, 'the unit is not known', UNITS, hint)
    return None


def _continuous_names(
    section: Section, values: Mapping[str, Any], names: tuple[str, ...], units: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the names of the joints that turn without end."""
    asked = values['continuous']
    if asked is None:
        # Their sine and cosine are all that the model sees: so is the circle all that they are.
        circle = values.get('normalization') == 'sin_cos' and set(units) == {'rad'}
        return names if circle else ()
    if asked is False:
        return ()
    chosen: tuple[str, ...] = names if asked is True else asked
    for name in chosen:
        if name not in names:
            section.wrong('continuous', name, 'no such element in this group', names)
        elif units[names.index(name)] != 'rad':
            unit = units[names.index(name)]
            section.wrong('continuous', name, f'its unit is {unit!r}', ['rad'])
    absolute = values.get('absolute', True) and values.get('command', '') in ('', 'position')
    if values.get('rotation') or not absolute or values.get('kind', '') in ('gripper', 'binary'):
        section.wrong(
            'continuous',
            asked,
            'only positions of joints turn without end: no rotation, delta, velocity or switch',
            ['false'],
        )
    return tuple(name for name in names if name in chosen)


def _stream(values: Mapping[str, Any], pairing: str) -> Stream:
    rate_hz = values['rate_hz']
    # Three periods: two lost messages in a row are tolerated, a third is a gap.
    max_age_s = 3.0 / rate_hz if values['max_age_s'] is None else values['max_age_s']
    return Stream(
        topic=values['topic'],
        type=values['type'],
        rate_hz=rate_hz,
        stamp=values['stamp'],
        offset_ns=round(values['offset_s'] * NANOSECONDS),
        max_age_ns=round(max_age_s * NANOSECONDS),
        pairing=values['pairing'] or pairing,
    )


def _limits(
    section: Section, names: tuple[str, ...], command: str, kind: str, rotation: str
) -> Limits | None:
    """Read the limits that fit what a group commands; None after a finding."""
    if command != 'position' or kind == 'binary':
        table = RANGE_LIMITS  # a binary group switches: it has no velocity to limit
    elif rotation:
        table = ROTATION_LIMITS
    else:
        table = POSITION_LIMITS
    data = dict(section.data)
    if rotation and 'position' in data:
        section.wrong(
            'position',
            data.pop('position'),
            'a rotation has no position limits: nothing would enforce them',
            hint='remove the key; velocity and acceleration (rad/s, rad/s²) limit the rotation',
        )
    values = Section(section.findings, section.path, data).read(table)
    read = {}
    for key, value in values.items():
        pair = key in ('position', 'range')
        read[key] = read_limits(
            section, key, value, names, pair=pair, bound=MAX_LIMIT, least=MIN_RATE
        )
    if set(read) != set(table) or any(limits is None for limits in read.values()):
        return None
    bounds = next((read[key] for key in ('position', 'range') if read.get(key) is not None), None)
    lower, upper = (None, None) if bounds is None else (bounds[:, 0], bounds[:, 1])
    for array in (lower, upper, read.get('velocity'), read.get('acceleration')):
        if isinstance(array, np.ndarray):
            array.setflags(write=False)
    return Limits(lower, upper, read.get('velocity'), read.get('acceleration'))


def _workspace(
    section: Section, action: list[ActionGroup], state: list[StateGroup], *, whole: bool
) -> Workspace | None:
    """Read the box of one delta group, which the section is named after; None after a finding."""
    before = len(section.findings)
    values = section.read(WORKSPACE)
    deltas = {g.name: g for g in action if g.command == 'delta' and g.kind != 'binary'}
    poses = {g.name: g for g in state if g.rotation is None}
    if len(section.findings) > before or not whole:
        return None
    if section.name not in deltas:
        why = 'it is no action group of deltas'
        section.findings.add(section.path, section.name, why, deltas)
        return None
    if values['state'] not in poses:
        section.wrong('state', values['state'], 'it is no state group of positions', poses)
        return None
    moved, pose = deltas[section.name], poses[values['state']]
    names = moved.names[: pose.width]
    chosen = tuple(name for name in names if name in values['limits'].data)
    unknown = [name for name in values['limits'].data if name not in names]
    if unknown or not chosen:
        section.wrong('limits', unknown, 'no such element', names)
        return None
    data = dict(values['limits'].data)
    bounds = read_limits(
        section, 'limits', data, chosen, pair=True, bound=MAX_LIMIT, least=MIN_RATE
    )
    if bounds is None:
        return None
    return Workspace(
        action=moved.name,
        state=pose.name,
        elements=tuple(moved.names.index(name) for name in chosen),
        lower=bounds[:, 0],
        upper=bounds[:, 1],
        same_unit=moved.units[: len(names)] == pose.units[: len(names)],
    )
