# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn the list of nodes into launch descriptions; what the launch files have in common."""

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from gr00t_bringup.nodes import nodes, NodeSpec

SWITCH = ('true', 'false')
# Name → (default, meaning, choices). Empty: the parameter file or the node's own default decides.
ARGUMENTS: dict[str, tuple[str, str, tuple[str, ...] | None]] = {
    'robot': ('', 'shipped robot, or path of a robot file', None),
    'checkpoint': ('', 'checkpoint folder', None),
    'backend': ('', 'where the model runs', ('', 'server', 'torch', 'onnxruntime', 'tensorrt')),
    'server_address': ('', 'a running policy server, e.g. tcp://gpu-host:5555', None),
    'namespace': ('', 'namespace of all nodes', None),
    'use_sim_time': ('false', 'follow /clock', SWITCH),
    'params_file': ('', 'ROS parameter file for all nodes', None),
    'log_level': ('info', 'level of the nodes', ('debug', 'info', 'warn', 'error')),
    'autostart': ('true', 'the policy node becomes active by itself', SWITCH),
    'shadow': ('false', 'command ~/shadow/<topic> only', SWITCH),
    'use_default_instruction': ('false', "follow the robot file's instruction", SWITCH),
}


def declared(*names: str, **defaults: str) -> list[DeclareLaunchArgument]:
    """Declare launch arguments by name; `defaults` replaces the default of some."""
    found = []
    for name in names:
        default, meaning, choices = ARGUMENTS[name]
        found.append(
            DeclareLaunchArgument(
                name,
                default_value=defaults.get(name, default),
                description=meaning,
                choices=None if choices is None else list(choices),
            )
        )
    return found


def description(*names: str, defaults: dict[str, str] | None = None, **fixed: Any) -> Any:
    """Return a launch description of `gr00t_bringup.nodes.nodes`.

    Args:
        names: Arguments that the user may give; all of `ARGUMENTS` when there are none.
        defaults: Other defaults for some of them.
        fixed: What this launch file decides, as keywords of `nodes`.
    """
    offered = names or tuple(name for name in ARGUMENTS if name not in fixed)

    def start(context: LaunchContext) -> list[Node]:
        asked = {name: LaunchConfiguration(name).perform(context) for name in offered}
        switches = {n: v == 'true' for n, v in asked.items() if ARGUMENTS[n][2] == SWITCH}
        return [launched(spec) for spec in nodes(**{**asked, **switches, **fixed})]

    return LaunchDescription(
        [*declared(*offered, **(defaults or {})), OpaqueFunction(function=start)]
    )


def launched(spec: NodeSpec) -> Node:
    """Return the launch action of a node; when it ends, everything ends, as with `gr00t up`."""
    return Node(
        package=spec.package,
        executable=spec.executable,
        name=spec.name,
        namespace=spec.namespace,
        parameters=([spec.params_file] if spec.params_file else []) + [spec.parameters],
        remappings=list(spec.remappings.items()),
        additional_env=spec.environment,
        arguments=['--ros-args', '--log-level', f'{spec.name}:={spec.log_level}'],
        output='screen',
        sigterm_timeout='10',
        sigkill_timeout='3',
        on_exit=Shutdown(reason=f'{spec.name} ended'),
    )
