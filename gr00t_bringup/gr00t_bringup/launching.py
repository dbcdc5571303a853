# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the launch files are made of: their arguments, one check of all, and an action per node.

A launch file lists what it starts. What each node is given comes from `gr00t_bringup.nodes`, the
list that `gr00t up` starts from, too (decision 0072).
"""

import atexit
from dataclasses import replace
import os
from pathlib import Path
import sys
import tempfile
from typing import Any

from launch import conditions, LaunchContext
from launch.actions import DeclareLaunchArgument, ExecuteProcess, LogInfo, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
import yaml

from gr00t_bringup.nodes import (
    check,
    dds_environment,
    nodes,
    NodeSpec,
    PROGRAMS,
    share,
    STARTER_VARIABLE,
)
from gr00t_bringup.play import check_bag, played_topics
from gr00t_bringup.usb_cam import is_installed, usb_cam_nodes
from gr00t_core.engines import ENGINES
from gr00t_core.errors import Gr00tError
from gr00t_ros.running import refuse_second

SWITCH = ('true', 'false')
# Name → (default, meaning, choices). Empty: the parameter file or the node's own default decides.
ARGUMENTS: dict[str, tuple[str | None, str, tuple[str, ...] | None]] = {
    'robot': ('', 'shipped robot, or path of a robot file', None),
    'checkpoint': ('', 'checkpoint folder', None),
    'backend': ('', 'where the model runs', ('', 'server', *ENGINES)),
    'server_address': ('', 'a running policy server, e.g. tcp://gpu-host:5555', None),
    'namespace': ('', 'namespace of all nodes, below that of an outer launch file', None),
    'use_sim_time': ('false', 'follow /clock', SWITCH),
    'params_file': ('', 'ROS parameter file for all nodes', None),
    'log_level': ('info', 'level of the nodes', ('debug', 'info', 'warn', 'error')),
    'autostart': ('true', 'the policy node configures and activates without being asked', SWITCH),
    'shadow': ('false', 'command ~/shadow/<topic> only', SWITCH),
    'console': ('false', 'serve the web page of gr00t_console on 127.0.0.1', SWITCH),
    'teleop': ('', 'gamepad: a person moves the arm by messages of joy_node', ('', 'gamepad')),
    'use_default_instruction': ('false', "follow the robot file's instruction", SWITCH),
}
RECORDER_ARGUMENTS: dict[str, tuple[str | None, str, tuple[str, ...] | None]] = {
    'output': ('', 'folder that gets one bag per episode', None),
    'instruction': ('', 'what the episodes demonstrate', None),
}
SO101_ARGUMENTS: dict[str, tuple[str | None, str, tuple[str, ...] | None]] = {
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
# None: must be given.
BAG_ARGUMENT: dict[str, tuple[str | None, str, tuple[str, ...] | None]] = {
    'bag': (None, 'bag to play, with the topics of the namespace', None),
}
EVERY_ARGUMENT = ARGUMENTS | RECORDER_ARGUMENTS | SO101_ARGUMENTS | BAG_ARGUMENT
# Put before programs that do not watch their starter (gr00t_ros.start): the kernel sends them
# SIGTERM when launch ends. util-linux has it.
END_WITH_LAUNCH = 'setpriv --pdeathsig TERM'
# Every parameter with its default: what the nodes get first.
DEFAULT_PARAMETERS = 'parameters.yaml'


class NodeEndedError(Gr00tError):
    """A node ended though nothing asked it to; `ros2 launch` ends with status 1 then."""


def arguments(*names: str, **defaults: str) -> list[DeclareLaunchArgument]:
    """Declare launch arguments.

    Args:
        names: Which ones; all of `ARGUMENTS` when there are none.
        defaults: Other defaults for some of them, e.g. robot='droid'.
    """
    return [
        DeclareLaunchArgument(
            name,
            default_value=defaults.get(name, EVERY_ARGUMENT[name][0]),
            description=EVERY_ARGUMENT[name][1],
            choices=None if (choices := EVERY_ARGUMENT[name][2]) is None else list(choices),
        )
        for name in names or ARGUMENTS
    ]


def checked(*names: str, **fixed: Any) -> OpaqueFunction:
    """Check all arguments and files before anything starts; the actions below it need it.

    It leaves what each node is given in launch configurations: see `node`.

    Args:
        names: Arguments that the launch file declares; all of `ARGUMENTS` when there are none.
        fixed: What the launch file decides, as keywords of `gr00t_bringup.nodes.nodes`.

    Raises:
        Gr00tError: When launched: names the argument or file, and what is allowed.
    """

    def check_all(context: LaunchContext) -> list[LogInfo]:
        given = {name: context.launch_configurations[name] for name in names or ARGUMENTS}
        bag = given.pop('bag', '')
        for_usb_cam = _take_usb_cam(given)
        switches = {n: v == 'true' for n, v in given.items() if EVERY_ARGUMENT[n][2] == SWITCH}
        remarks: list[str] = []
        specs = nodes(**{**given, **switches, **fixed}, say=remarks.append)
        outer = _outer(context.launch_configurations)
        specs = [
            replace(spec, namespace=f'/{outer}{spec.namespace}') if outer else spec
            for spec in specs
        ]
        check(specs)
        if bag:
            robot = next(spec.parameters.get('robot', '') for spec in specs)
            check_bag(Path(bag), played_topics(robot, specs[0].namespace))
        refuse_second([spec.full_name for spec in specs])
        folder = tempfile.TemporaryDirectory(prefix='gr00t_launch_')
        atexit.register(folder.cleanup)
        found = context.launch_configurations
        listed = {spec.name for spec in specs}
        found.update({f'{name}.starts': str(name in listed).lower() for name in PROGRAMS})
        for spec in specs:
            found.update(configurations(spec, Path(folder.name)))
        found['namespace'] = found.get('namespace', '').strip('/')
        found['usb_cam.cameras'] = for_usb_cam
        found['usb_cam.robot'] = specs[0].parameters.get('robot', '')
        _usb_cams(found)  # for its check
        return [LogInfo(msg=remark) for remark in remarks]

    return OpaqueFunction(function=check_all)


def configurations(spec: NodeSpec, folder: Path) -> dict[str, str]:
    """Return what `node` looks up for one node, by the names of launch configurations.

    The arguments become a parameter file in `folder`. The user may give no file, and a robot may
    have no defaults: then the file before is given again, which changes nothing.
    """
    defaults = spec.defaults_file or str(share() / 'config' / DEFAULT_PARAMETERS)
    # rcl lets a section of the full name win over wildcards, so the arguments have it, too.
    tree = {spec.full_name: {'ros__parameters': spec.parameters}}
    file = folder / f'{spec.name}.yaml'
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding='utf-8')
    return {
        f'{spec.name}.robot_defaults': defaults,
        f'{spec.name}.params_file': spec.params_file or defaults,
        f'{spec.name}.arguments': str(file),
        f'{spec.name}.logger': spec.log_argument,
        f'{spec.name}.full_name': spec.full_name,
        f'{spec.name}.robot': spec.parameters.get('robot', ''),
    }


def node(name: str, action: type[Node] = Node, **more: Any) -> Node:
    """Return the launch action of a node of the suite; when it ends, everything ends.

    The arguments can leave a node out (`console:=false`, say): then the action does nothing.

    Args:
        name: As in `gr00t_bringup.nodes.PROGRAMS`.
        action: Node or LifecycleNode.
        more: Further arguments of the action.
    """
    package, executable = PROGRAMS[name]
    files = ('robot_defaults', 'params_file', 'arguments')  # the later one wins
    return action(
        package=package,
        executable=executable,
        name=name,
        namespace=LaunchConfiguration('namespace'),
        parameters=[
            str(share() / 'config' / DEFAULT_PARAMETERS),
            *(LaunchConfiguration(f'{name}.{file}') for file in files),
        ],
        ros_arguments=['--log-level', LaunchConfiguration(f'{name}.logger')],
        additional_env=dds_environment() | {STARTER_VARIABLE: str(os.getpid())},
        condition=conditions.IfCondition(LaunchConfiguration(f'{name}.starts')),
        output='screen',
        sigterm_timeout='10',
        sigkill_timeout='3',
        on_exit=ended,
        **more,
    )


def policy_node() -> Node:
    """Return the policy node: observations in, action chunks out."""
    return node('policy_node', LifecycleNode)


def chunk_executor() -> Node:
    """Return the executor: action chunks in, commands out."""
    return node('chunk_executor')


def recorder() -> Node:
    """Return the recorder, whose services cut episodes."""
    return node('recorder')


def simulator() -> Node:
    """Return the simulated arm behind the real arm's topics."""
    return node('sim')


def teleop() -> Node:
    """Return what moves the joints as a person asks, where the argument `teleop` names a way."""
    return node('teleop')


def console() -> Node:
    """Return the web page, where the argument `console` asks for it."""
    return node('console')


def so101_follower() -> Node:
    """Return the driver of the SO-101 on the serial port of the argument `port`."""
    return node('so101_follower')


def so101_leader() -> Node:
    """Return the driver of its leader arm, where the argument `leader_port` names a port."""
    return node('so101_leader')


def usb_cameras() -> Node:
    """Return our driver of the argument `cameras`, where `camera_driver` chooses it."""
    return node('usb_cameras')


def usb_cams() -> OpaqueFunction:
    """Return the distribution's driver, one node per camera, where `camera_driver` chooses it."""

    def start(context: LaunchContext) -> list[Node]:
        outer = _outer(context.launch_configurations)
        return [
            Node(
                package=spec.package,
                executable=spec.executable,
                name=spec.name,
                namespace=spec.namespace.removeprefix(f'/{outer}').lstrip('/'),
                parameters=[spec.parameters],
                ros_arguments=['--log-level', spec.log_argument],
                prefix=END_WITH_LAUNCH,
                output='screen',
                sigterm_timeout='10',
                sigkill_timeout='3',
                on_exit=ended,
            )
            for spec in _usb_cams(context.launch_configurations)
        ]

    return OpaqueFunction(function=start)


def player() -> ExecuteProcess:
    """Return what plays the bag of the argument `bag` once the policy node is active."""
    words = [LaunchConfiguration(f'policy_node.{word}') for word in ('full_name', 'robot')]
    return ExecuteProcess(
        cmd=[sys.executable, '-m', 'gr00t_bringup.replay', *words, LaunchConfiguration('bag')],
        name='player',
        prefix=END_WITH_LAUNCH,
        output='screen',
        on_exit=played,
    )


def ended(event: Any, context: LaunchContext) -> None:
    """Let `ros2 launch` stop everything and end with status 1, unless the end was asked for.

    Args:
        event: launch's ProcessExited.
        context: Of the launch.

    Raises:
        NodeEndedError: A process ended before a shutdown, or failed during it.
    """
    name = event.action.node_name if isinstance(event.action, Node) else event.process_name
    if not context.is_shutdown:
        raise NodeEndedError(f'{name} ended with status {event.returncode}: stopping the others')
    if event.returncode > 0:
        raise NodeEndedError(f'{name} failed while stopping: status {event.returncode}')


def played(event: Any, context: LaunchContext) -> Shutdown | None:
    """End the launch in order when the bag has been played."""
    if event.returncode == 0 and not context.is_shutdown:
        return Shutdown(reason='the bag has been played')
    ended(event, context)
    return None


def _outer(found: dict[str, str]) -> str:
    """Return what launch_ros puts in front: PushRosNamespace of an outer launch file left it."""
    return found.get('ros_namespace', '').strip('/')


def _take_usb_cam(given: dict[str, str]) -> str:
    """Take the cameras that usb_cam drives, and the choice of a driver, out of the arguments."""
    driver = given.pop('camera_driver', 'usb_cameras')
    if driver == 'usb_cam' or (driver == 'auto' and is_installed()):
        return given.pop('cameras', '')
    return ''


def _usb_cams(found: dict[str, str]) -> list[NodeSpec]:
    """Return the nodes of usb_cam that the check left, with their whole namespaces."""
    if not found['usb_cam.cameras']:
        return []
    places = _outer(found), found['namespace']
    namespace = ''.join(f'/{each}' for each in places if each)
    shared = {'namespace': namespace, 'log_level': found['log_level']}
    return usb_cam_nodes(found['usb_cam.cameras'], found['usb_cam.robot'], shared)
