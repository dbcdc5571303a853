# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn the list of nodes into launch descriptions; what the launch files have in common."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
import sys
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, LogInfo, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from gr00t_bringup.nodes import check, nodes, NodeSpec
from gr00t_bringup.play import check_bag, play_command, played_topics
from gr00t_bringup.usb_cam import is_installed, usb_cam_nodes
from gr00t_core.errors import Gr00tError
from gr00t_ros.running import refuse_second

SWITCH = ('true', 'false')
# Name → (default, meaning, choices). Empty: the parameter file or the node's own default decides.
ARGUMENTS: dict[str, tuple[str, str, tuple[str, ...] | None]] = {
    'robot': ('', 'shipped robot, or path of a robot file', None),
    'checkpoint': ('', 'checkpoint folder', None),
    'backend': ('', 'where the model runs', ('', 'server', 'torch', 'onnxruntime', 'tensorrt')),
    'server_address': ('', 'a running policy server, e.g. tcp://gpu-host:5555', None),
    'namespace': ('', 'namespace of all nodes, below that of an outer launch file', None),
    'use_sim_time': ('false', 'follow /clock', SWITCH),
    'params_file': ('', 'ROS parameter file for all nodes', None),
    'log_level': ('info', 'level of the nodes', ('debug', 'info', 'warn', 'error')),
    'autostart': ('true', 'the policy node configures and activates without being asked', SWITCH),
    'shadow': ('false', 'command ~/shadow/<topic> only', SWITCH),
    'console': ('false', 'serve the web page of gr00t_console on 127.0.0.1', SWITCH),
    'teleop': ('', 'gamepad: a person moves the joints by messages of joy_node', ('', 'gamepad')),
    'use_default_instruction': ('false', "follow the robot file's instruction", SWITCH),
}
RECORDER_ARGUMENTS: dict[str, tuple[str, str, tuple[str, ...] | None]] = {
    'output': ('', 'folder that gets one bag per episode', None),
    'instruction': ('', 'what the episodes demonstrate', None),
}
# Put before programs that do not watch their starter (gr00t_ros.start): the kernel sends them
# SIGTERM when launch ends. util-linux has it.
END_WITH_LAUNCH = 'setpriv --pdeathsig TERM'
ARM_ARGUMENTS: dict[str, tuple[str, str, tuple[str, ...] | None]] = {
    'port': ('', 'serial port of the SO-101, e.g. /dev/ttyACM0', None),
    'leader_port': ('', 'serial port of its leader arm; empty: none', None),
    'cameras': ('', "USB cameras, e.g. 'front=/dev/video0 wrist=/dev/video2'", None),
    'camera_driver': (
        'auto',
        'usb_cam of the distribution, usb_cameras of gr00t_so101, auto: usb_cam if installed',
        ('auto', 'usb_cam', 'usb_cameras'),
    ),
    'record': ('false', 'start the recorder, too', SWITCH),
}
EVERY_ARGUMENT = ARGUMENTS | RECORDER_ARGUMENTS | ARM_ARGUMENTS


class NodeEndedError(Gr00tError):
    """A node ended though nothing asked it to; `ros2 launch` ends with status 1 then."""


def declared(*names: str, **defaults: str) -> list[DeclareLaunchArgument]:
    """Declare launch arguments by name; `defaults` replaces the default of some."""
    found = []
    for name in names:
        default, meaning, choices = EVERY_ARGUMENT[name]
        found.append(
            DeclareLaunchArgument(
                name,
                default_value=defaults.get(name, default),
                description=meaning,
                choices=None if choices is None else list(choices),
            )
        )
    return found


def description(
    *names: str,
    defaults: dict[str, str] | None = None,
    first: Sequence[Any] = (),
    then: Callable[[list[NodeSpec], LaunchContext], list[Any]] | None = None,
    **fixed: Any,
) -> Any:
    """Return a launch description of `gr00t_bringup.nodes.nodes`.

    Nothing is started before all arguments, the parameter file and the robot file are checked.

    Args:
        names: Arguments that the user may give; all of `ARGUMENTS` when there are none.
        defaults: Other defaults for some of them.
        first: Actions before those of the nodes.
        then: Gives the actions after those of the nodes.
        fixed: What this launch file decides, as keywords of `nodes`.
    """
    offered = names or tuple(name for name in ARGUMENTS if name not in fixed)

    def start(context: LaunchContext) -> list[Any]:
        asked = {name: LaunchConfiguration(name).perform(context) for name in offered}
        switches = {n: v == 'true' for n, v in asked.items() if EVERY_ARGUMENT[n][2] == SWITCH}
        said: list[str] = []
        keywords: dict[str, Any] = {**asked, **switches, **fixed}
        driver = keywords.pop('camera_driver', 'usb_cameras')
        devices = keywords.get('cameras', '')
        is_usb_cam = driver == 'usb_cam' or (driver == 'auto' and is_installed())
        if devices and is_usb_cam:
            keywords['cameras'] = ''
        specs = nodes(**keywords, say=said.append)
        # As PushRosNamespace of an outer launch file left it: what launch_ros puts in front.
        outer = context.launch_configurations.get('ros_namespace', '').strip('/')
        outer = f'/{outer}' if outer else ''
        specs = [replace(spec, namespace=f'{outer}{spec.namespace}') for spec in specs]
        check(specs)
        refuse_second([spec.full_name for spec in specs])
        last = then(specs, context) if then is not None else []
        ours = [launched(spec, outer) for spec in specs]
        if devices and is_usb_cam:
            robot = specs[0].parameters.get('robot', '')
            shared = {'namespace': specs[0].namespace, 'log_level': specs[0].log_level}
            last += [
                launched(spec, outer, prefix=END_WITH_LAUNCH)
                for spec in usb_cam_nodes(devices, robot, shared)
            ]
        return [*(LogInfo(msg=line) for line in said), *first, *ours, *last]

    return LaunchDescription(
        [*declared(*offered, **(defaults or {})), OpaqueFunction(function=start)]
    )


def launched(spec: NodeSpec, outer: str = '', prefix: str = '') -> Node:
    """Return the launch action of a node; when it ends, everything ends, as with `gr00t up`.

    Args:
        spec: The node, with its whole namespace.
        outer: The part of the namespace that launch_ros puts in front, '' or e.g. /cell.
        prefix: Put before the program.
    """
    return Node(
        package=spec.package,
        executable=spec.executable,
        name=spec.name,
        namespace=spec.namespace.removeprefix(outer).lstrip('/'),
        parameters=[f for f in (spec.defaults_file, spec.params_file) if f] + [spec.parameters],
        remappings=list(spec.remappings.items()),
        additional_env=spec.environment,
        prefix=prefix or None,
        ros_arguments=['--log-level', spec.log_argument],
        output='screen',
        sigterm_timeout='10',
        sigkill_timeout='3',
        on_exit=lambda event, context: ended(spec.full_name, event, context),
    )


def ended(name: str, event: Any, context: LaunchContext) -> None:
    """Let `ros2 launch` stop everything and end with status 1, unless the end was asked for.

    Args:
        name: Of the node, for the message.
        event: launch's ProcessExited.
        context: Of the launch.

    Raises:
        NodeEndedError: A process ended before a shutdown, or failed during it.
    """
    if not context.is_shutdown:
        raise NodeEndedError(f'{name} ended with status {event.returncode}: stopping the others')
    if event.returncode > 0:
        raise NodeEndedError(f'{name} failed while stopping: status {event.returncode}')


def player(specs: list[NodeSpec], context: LaunchContext) -> list[Any]:
    """Return the action that plays the bag of the argument `bag` once the policy node is active.

    Raises:
        BagError: The bag lacks a topic of the robot.
    """
    policy = next(spec for spec in specs if spec.name == 'policy_node')
    bag = LaunchConfiguration('bag').perform(context)
    robot = policy.parameters.get('robot', '')
    check_bag(Path(bag), played_topics(robot, policy.namespace))
    command = play_command(bag, robot, policy.namespace)

    def finished(event: Any, context: LaunchContext) -> Shutdown | None:
        if event.returncode == 0 and not context.is_shutdown:
            return Shutdown(reason='the bag has been played')
        ended('the player', event, context)
        return None

    return [
        ExecuteProcess(
            cmd=[sys.executable, '-m', 'gr00t_bringup.replay', policy.full_name, *command],
            name='player',
            prefix=END_WITH_LAUNCH,
            output='screen',
            on_exit=finished,
        )
    ]
