# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say in lines what the executor does with a robot: printed once when it starts."""

from gr00t_core.robot.description import ActionGroup
from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.entrance import MEASURED_MARGIN
from gr00t_policy_node.executor.layout import Array


def lines(core: ExecutorCore, shadow: bool) -> list[str]:
    """Return one line for the whole and one per action group."""
    chosen = core.settings
    required = chosen.e_stop_required
    heartbeat = f' within {chosen.e_stop_timeout_s:g} s' if chosen.e_stop_timeout_s else ''
    first = (
        f'{core.robot.name}: {chosen.control_rate_hz:g} Hz, hand-over by {chosen.handover},'
        f' on_timeout {chosen.on_timeout}, e_stop_required {str(required).lower()}'
        f' ({", ".join(chosen.e_stop_topics)}{heartbeat if required else ""}),'
        f' shadow {str(shadow).lower()}' + (': the robot is not commanded' if shadow else '')
    )
    return [first, *(_group_line(core, group) for group in core.robot.action)]


def _group_line(core: ExecutorCore, group: ActionGroup) -> str:
    layout, columns = core.layout, core.layout.slices[group.name]
    said = [f'{group.name} ({group.command}, {group.unit})']
    state = core.measured_by.get(group.name)
    if group.command == 'position' and group.kind != 'binary':
        said.append(f'measured by {state}' if state else 'measured by NOTHING (state: none)')
    if state is not None and group.kind != 'gripper':
        reach = core.layout.speed[columns] * core.settings.max_jump_s
        said.append(f'jump at most {_span(reach)}')
    if columns.start in layout.paced:
        said.append(
            f'position {_span(layout.lower[columns])} to {_span(layout.upper[columns])}'
            + (f' (measured: {MEASURED_MARGIN:.0%} of the range outside)' if state else '')
        )
    elif columns.start in layout.direct:
        said.append(f'range {_span(layout.lower[columns])} to {_span(layout.upper[columns])}')
    if group.command == 'position' and group.kind != 'binary':
        velocity = core.layout.speed[columns]
        said.append(f'velocity {_span(velocity)}')
        said.append(f'acceleration {_span(layout.acceleration[columns])}')
    boxes = [box.state for box in core.robot.workspace if box.action == group.name]
    said += [f'workspace by {name}' for name in boxes]
    said.append(f'hand-over {_rule(core, group)}')
    return '  ' + ', '.join(said)


def _rule(core: ExecutorCore, group: ActionGroup) -> str:
    if group.command == 'delta':
        return 'none: each row once'
    if group.kind in ('gripper', 'binary'):
        return 'switch'
    return core.settings.handover


def _span(values: Array) -> str:
    low, high = float(values.min()), float(values.max())
    return f'{low:g}' if low == high else f'[{", ".join(f"{value:g}" for value in values)}]'
