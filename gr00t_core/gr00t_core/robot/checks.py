# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find what only a whole robot file shows: what measures what, and which groups collide."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gr00t_core.messages.message_types import elements, fitting_units
from gr00t_core.models import FAMILIES
from gr00t_core.robot.description import (
    ActionGroup,
    Camera,
    StateGroup,
)
from gr00t_core.robot.keys import NO_STATE
from gr00t_core.robot.strict_mapping import Findings
from gr00t_core.robot.units import FORCES, PLAIN, RATES, UNITS

WAY_OUT = (
    'name the state group that measures it, or write `state: none`: then nothing checks starts and'
    ' jumps against the robot'
)


def check(
    findings: Findings,
    *,
    reference_camera: str | None,
    names: Mapping[str, Sequence[str]],
    cameras: Sequence[Camera],
    state: Sequence[StateGroup],
    action: Sequence[ActionGroup],
    joints: Collection[str],
) -> None:
    """Note every contradiction between the parts of a robot file.

    Args:
        findings: Where to note them.
        reference_camera: Its name; None when the file gives none.
        names: Names of all `cameras` and `state` groups, also of those with mistakes of their own.
        cameras: Those without a mistake of their own.
        state: The same of state groups.
        action: The same of action groups.
        joints: `state.<group>` or `action.<group>` of those whose elements are joints.
    """
    if reference_camera is not None and reference_camera not in names['cameras']:
        findings.add(
            'reference_camera', reference_camera, 'it is not one of the cameras', names['cameras']
        )
    if NO_STATE in names['state']:
        findings.add(f'state.{NO_STATE}', NO_STATE, f'`state: {NO_STATE}` means no state group')
    _check_widths(findings, state, action)
    _check_elements(findings, 'state', state, joints)
    _check_elements(findings, 'action', action, joints)
    for kind, groups in (('state', state), ('action', action)):
        for group in groups:
            _check_units(findings, f'{kind}.{group.name}.unit', group)
    for group in action:
        asked = group.state or group.name
        if asked not in names['state'] or asked in {each.name for each in state}:
            _check_measured(findings, group, state)
    types: dict[str, str] = {}
    streams = [camera.stream for camera in cameras]
    streams += [group.stream for group in (*state, *action)]
    for stream in streams:
        if types.setdefault(stream.topic, stream.type) != stream.type:
            findings.add(
                stream.topic, stream.type, 'one topic has two types', [types[stream.topic]]
            )


def measured(
    state: tuple[StateGroup, ...], action: tuple[ActionGroup, ...]
) -> tuple[tuple[ActionGroup, ...], tuple[StateGroup, ...]]:
    """Resolve `state` of every action group of a file without mistakes.

    Returns:
        The action groups, `state` being the measuring group's name or None; and the groups that
        had to be joined from several state groups to measure one action group.
    """
    found = [_measuring(group, state) for group in action]
    resolved = tuple(
        replace(group, state=None if each is None else each.name)
        for group, each in zip(action, found, strict=True)
    )
    names = {group.name for group in state}
    return resolved, tuple(each for each in found if each is not None and each.name not in names)


def _check_widths(
    findings: Findings, state: Sequence[StateGroup], action: Sequence[ActionGroup]
) -> None:
    """Note vectors that are too wide for every family; a narrower family refuses them itself."""
    families = [family.numbers for family in FAMILIES.values()]
    for kind, width, most in (
        ('state', sum(g.width for g in state), max(each.state_width for each in families)),
        ('action', sum(g.width for g in action), max(each.action_width for each in families)),
    ):
        if width > most:
            findings.add(kind, width, f'the {kind} is too wide', [f'at most {most} elements'])


def _check_elements(
    findings: Findings,
    kind: str,
    groups: Sequence[StateGroup] | Sequence[ActionGroup],
    joints: Collection[str],
) -> None:
    """Note what two groups share: a joint, or a place of an array."""
    owner: dict[tuple[str, str, str], str] = {}
    for group in groups:
        shared: dict[str, list[str]] = {}
        where = elements(
            group.stream.type,
            group.field,
            group.names,
            group.offset,
            joints=f'{kind}.{group.name}' in joints,
        )
        for field, element in where:
            first = owner.setdefault((group.stream.topic, field, element), group.name)
            if first != group.name:
                shared.setdefault(first, []).append(element)
        for first, names in shared.items():
            findings.add(
                kind,
                sorted(names),
                f'a joint or element is in more than one group: {first} and {group.name} overlap'
                f' in {group.field!r} of {group.stream.topic}',
                ['each once; correct `joints` or `offset`'],
            )


def _check_units(findings: Findings, where: str, group: StateGroup | ActionGroup) -> None:
    """Note units that do not fit the field, the rotation or the command of a group."""
    allowed = fitting_units(group.stream.type, group.field, tuple(UNITS))
    why = f'it does not fit the field {group.field!r} of a {group.stream.type}'
    if group.rotation in ('quaternion', 'rotation_6d', 'matrix'):
        allowed = ('1', 'quaternion') if group.rotation == 'quaternion' else ('1',)
        why = f'it does not fit a {group.rotation}'
    elif group.rotation is not None:
        allowed = ('rad',) if group.absolute else ('rad', *PLAIN)
        why = f'it does not fit {group.rotation}'
    elif isinstance(group, ActionGroup) and group.command == 'velocity':
        allowed = tuple(unit for unit in allowed if unit in RATES + PLAIN)
        why = 'it does not fit `command: velocity`'
    elif isinstance(group, ActionGroup):
        allowed = tuple(unit for unit in allowed if unit not in RATES + FORCES)
        why = f'it does not fit `command: {group.command}`' if group.unit in RATES else why
    for unit in dict.fromkeys(group.units):
        if unit not in allowed:
            findings.add(where, unit, why, allowed)


def _check_measured(findings: Findings, group: ActionGroup, state: Sequence[StateGroup]) -> None:
    """Note an action group that nothing measures without saying so, or that does not fit."""
    where = f'action.{group.name}.state'
    if group.state == NO_STATE:
        return
    fitting = [each.name for each in state if not _misfit(group, each)]
    asked = next((each for each in state if each.name == (group.state or group.name)), None)
    if asked is None:
        if group.state:
            near = [each.name for each in state]
            findings.add(where, group.state, 'no such state group', [*near, NO_STATE])
        elif group.command == 'position':
            why = f'no state group is called {group.name!r}, so nothing measures this position'
            choices = ', '.join([*fitting, NO_STATE])
            findings.note(f'{where}: missing: {why}; allowed: {choices}; {WAY_OUT}')
        return
    misfit = _misfit(group, asked)
    if misfit and _joined(group, [asked] if group.state else state) is None:
        why = f'state.{asked.name} does not measure it: {misfit}'
        findings.add(where, asked.name, why, [*fitting, NO_STATE], WAY_OUT)
    elif not misfit:
        _check_continuous(findings, group, asked)


def _check_continuous(findings: Findings, group: ActionGroup, measures: StateGroup) -> None:
    turning = [n in group.continuous for n in group.names]
    seen = [n in measures.continuous for n in measures.names]
    by_default = measures.normalization == 'sin_cos'
    for name, ours, theirs in zip(group.names, turning, seen, strict=True):
        if ours != theirs and not (theirs and by_default):
            findings.add(
                f'action.{group.name}.continuous',
                ours,
                f'state.{measures.name}, which measures {name}, says {str(theirs).lower()}',
                [str(theirs).lower()],
                'let both say the same',
            )
            return


def _measuring(group: ActionGroup, state: Sequence[StateGroup]) -> StateGroup | None:
    """Return the state group that measures an action group, None when nothing does."""
    if group.state == NO_STATE:
        return None
    asked = next((each for each in state if each.name == (group.state or group.name)), None)
    if asked is not None and _misfit(group, asked):
        return _joined(group, [asked] if group.state else state)
    return asked


def _misfit(group: ActionGroup, measures: StateGroup) -> str:
    """Return why a state group does not measure an action group, '' when it does."""
    if measures.width != group.width:
        return f'its width differs: {measures.width} elements, the action has {group.width}'
    # Both units of a quaternion mean the same.
    quaternions = measures.rotation == group.rotation == 'quaternion'
    if measures.units != group.units and not quaternions:
        return f'its unit differs: {measures.unit!r}, the action has {group.unit!r}'
    if measures.rotation != group.rotation:
        return f'its rotation differs: {measures.rotation}, the action has {group.rotation}'
    if set(measures.names) & set(group.names) and measures.names != group.names:
        return (
            f'its elements differ: {", ".join(measures.names)}, the action has'
            f' {", ".join(group.names)}'
        )
    return ''


def _joined(group: ActionGroup, state: Sequence[StateGroup]) -> StateGroup | None:
    """Return a group that measures all joints of an action group, whatever groups they are in.

    Only if each joint is found by name, in the same unit, in the same field of the same topic.
    """
    owners = [next((each for each in state if n in each.names), None) for n in group.names]
    sources = [owner for owner in owners if owner is not None]
    if group.rotation is not None or len(sources) < group.width:
        return None
    units = tuple(o.units[o.names.index(n)] for o, n in zip(sources, group.names, strict=True))
    places = {(o.stream.topic, o.stream.type, o.stream.offset_ns, o.field) for o in sources}
    if len(places) != 1 or units != group.units or any(o.rotation for o in sources):
        return None
    if any(owner.offset or not owner.absolute for owner in sources):
        return None
    return replace(
        sources[0],
        name=f'{group.name}.joints',  # no group of a file can have a dot in its name
        names=group.names,
        unit=group.unit,
        units=group.units,
        by_place=False,
        rotation_target=None,
        normalization='none',
        continuous=tuple(
            n for o, n in zip(sources, group.names, strict=True) if n in o.continuous
        ),
    )
