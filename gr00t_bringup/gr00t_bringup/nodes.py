# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""List the nodes of a robot: the one list that the launch files and `gr00t up` start from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
import os
from pathlib import Path
import sys
from typing import Any

from gr00t_core.dds_profile import profile_environment
from gr00t_core.errors import Gr00tError, RobotFileError
from gr00t_core.robot.compare import robot_for
from gr00t_core.robot.copies import robot_files
from gr00t_core.robot.file import load_robot
from gr00t_ros import parameter_files

PACKAGE = 'gr00t_bringup'
SIMULATED_ROBOT = 'so101'  # what gr00t_sim simulates
SIMULATED_DETECTOR = 'gr00t_sim.detector:make'  # ends a goal as the simulated episode ends
# Node → package and executable, as in `ros2 run`: what launch files and `gr00t up` start.
PROGRAMS = {
    'sim': ('gr00t_sim', 'sim'),
    'so101_follower': ('gr00t_so101', 'so101_follower'),
    'so101_leader': ('gr00t_so101', 'so101_leader'),
    'usb_cameras': ('gr00t_so101', 'usb_cameras'),
    'policy_node': ('gr00t_policy_node', 'policy_node'),
    'chunk_executor': ('gr00t_policy_node', 'chunk_executor'),
    'teleop': ('gr00t_policy_node', 'teleop'),
    'recorder': ('rosbag_tools', 'recorder'),
    'console': ('gr00t_console', 'console'),
}
RECORDED = 'episodes'  # the recorder's default output
# Between two scenes of the expert (s): time to press a key, and to look.
PAUSE_S = 3.0
# The nodes end with the process that it names; see gr00t_ros.start.
STARTER_VARIABLE = 'GR00T_STARTER_PID'


@dataclass(frozen=True)
class NodeSpec:
    """One node as a process.

    Attributes:
        package, executable: As in `ros2 run`.
        name, namespace: Of the node; namespace is '' or starts with '/'.
        parameters: What was asked for explicitly; wins over the parameter file.
        params_file: Parameter file, '' for none.
        defaults_file: Parameter file that it wins over, '' for none.
        remappings: From → to.
        environment: Variables to add to the process's environment.
        log_level: Of the node's logger.
        terminal: The node reads the keys of the terminal that `gr00t up` runs in.
    """

    package: str
    executable: str
    name: str
    namespace: str = ''
    parameters: dict[str, Any] = field(default_factory=dict)
    params_file: str = ''
    defaults_file: str = ''
    remappings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    log_level: str = 'info'
    terminal: bool = False

    @property
    def full_name(self) -> str:
        """Return namespace and name, e.g. /left/policy_node."""
        return f'{self.namespace}/{self.name}'

    @property
    def log_argument(self) -> str:
        """Return the value of --log-level: a logger has the node's namespace in its name."""
        return f'{self.full_name.strip("/").replace("/", ".")}:={self.log_level}'


def nodes(
    *,
    robot: str = '',
    checkpoint: str = '',
    backend: str = '',
    server_address: str = '',
    namespace: str = '',
    use_sim_time: bool = False,
    params_file: str = '',
    log_level: str = 'info',
    autostart: bool = True,
    shadow: bool = False,
    sim: bool = False,
    policy: bool = True,
    record: bool = False,
    use_default_instruction: bool = False,
    expert: bool = False,
    console: bool = False,
    teleop: str = '',
    output: str = '',
    instruction: str = '',
    port: str = '',
    leader_port: str = '',
    cameras: str = '',
    say: Callable[[str], None] = print,
) -> list[NodeSpec]:
    """Return the nodes to start.

    Where the checkpoint's own robot file differs from `robot` in rates only, all nodes get it.

    Args:
        robot: Shipped robot or robot file; '' leaves it to the parameter file, or is the
            simulated one with `sim`.
        checkpoint: Checkpoint folder, likewise.
        backend: server or one of `gr00t_core.engines.ENGINES`, likewise.
        server_address: A running policy server, e.g. tcp://gpu-host:5555; '' for a local one.
        namespace: Put before every relative topic; robots in different ones do not meet.
        use_sim_time: Follow /clock. With `sim` the simulator then keeps in lock-step.
        params_file: ROS parameter file for all nodes.
        log_level: debug, info, warn or error.
        autostart: The policy node configures and activates itself.
        shadow: The executor publishes to `~/shadow/<topic>` only: nothing moves.
        sim: Start the simulated arm.
        policy: Start policy and executor.
        record: Start the recorder.
        use_default_instruction: The policy follows the robot file's instruction until another
            one is given; with `sim` it always does, unless a `console` is there to give one.
        expert: A scripted expert moves the simulated arm, one scene after the other, through the
            robot's command topics; policy and executor, which would command it too, are left out.
        console: Serve the web page (gr00t_console).
        teleop: A person moves the arm by `keyboard` or `gamepad`; '' for neither. Without a
            checkpoint or a server the policy node is left out.
        output: Folder of the recorder's episodes; '' leaves it to the parameter file.
        instruction: What the recorder's episodes demonstrate, likewise.
        port: Serial port of an SO-101: start its driver (gr00t_so101). Without a checkpoint or
            server there is no policy node then, and the leader leads from the start.
        leader_port: Serial port of the leader arm.
        cameras: USB cameras, e.g. 'front=/dev/video0 wrist=/dev/video2'; '' for none.
        say: Called with one line when the checkpoint's robot file is taken in place of `robot`.

    Raises:
        Gr00tError: `expert` without `sim`, or with a policy or a person who moves the arm; an arm
            and `sim`; a leader without an arm to lead; a port twice.
        RobotFileError: The robot contradicts the robot file of the checkpoint.
    """
    if expert and not sim:
        raise Gr00tError('--expert moves the simulated arm only: give --sim as well')
    if expert and (checkpoint or server_address):
        raise Gr00tError(
            '--expert and a policy would both command the arm: leave out --expert, or'
            ' --checkpoint and --server-address'
        )
    _check_arms(port, leader_port, cameras, sim=sim)
    if expert and teleop:
        raise Gr00tError('--expert and --teleop would both move the arm: leave out one of them')
    if teleop and not policy:
        raise Gr00tError('--teleop goes through the executor: leave out --no-policy')
    shared: dict[str, Any] = {
        'namespace': f'/{namespace.strip("/")}' if namespace.strip('/') else '',
        'params_file': params_file and str(Path(params_file).expanduser().resolve()),
        'environment': dds_environment() | {STARTER_VARIABLE: str(os.getpid())},
        'log_level': log_level,
    }
    clock: dict[str, Any] = {'use_sim_time': True} if use_sim_time else {}
    # A path is read by processes with other working folders.
    robot = robot or (SIMULATED_ROBOT if sim or port else '')
    known = {'robot': _chosen(robot, checkpoint, say)} if robot else {}
    found = []
    if sim:
        parameters: dict[str, Any] = known | ({'lock_step': True} if use_sim_time else {})
        parameters |= {'expert': True, 'next_after_s': PAUSE_S} if expert else {}
        found.append(_spec('sim', parameters, shared))
    has_policy = bool(checkpoint or server_address)
    if port:
        found += _arms(port, leader_port, has_policy=has_policy, known=known, shared=shared)
    if cameras:
        found.append(_spec('usb_cameras', known | {'devices': cameras.split()}, shared))
    if policy and not expert and (has_policy or not port):
        asked: dict[str, Any] = {
            'checkpoint': checkpoint and _resolved(checkpoint),
            'backend': backend,
            'server_address': server_address,
        }
        parameters = {name: value for name, value in asked.items() if value}
        parameters |= {} if autostart else {'autostart': False}
        # Beside a console a person begins and ends; nothing else moves the arm in between.
        follows = use_default_instruction or (sim and not console)
        parameters |= {'use_default_instruction': True} if follows else {}
        parameters |= {'success_detector': SIMULATED_DETECTOR} if sim else {}
        if has_policy or params_file or not teleop:
            found.append(_spec('policy_node', known | clock | parameters, shared))
    if policy and not expert:
        defaults = _config('so101.yaml') if port else executor_defaults(known.get('robot', ''))
        parameters = known | clock | ({'shadow': True} if shadow else {})
        found.append(_spec('chunk_executor', parameters, shared | {'defaults_file': defaults}))
    if teleop:
        more = shared | {'terminal': teleop == 'keyboard'}
        found.append(_spec('teleop', known | clock | {'device': teleop}, more))
    if record:
        parameters = {'output': str(Path(output).expanduser().resolve())} if output else {}
        parameters |= {'instruction': instruction} if instruction else {}
        found.append(_spec('recorder', known | clock | parameters, shared))
    if console:
        # The recorder's own default is a folder of the place where both are started.
        bags = Path(output or RECORDED).expanduser().resolve() if record else ''
        parameters = known | clock | ({'bags': str(bags)} if bags else {})
        found.append(_spec('console', parameters, shared))
    return found


def check(specs: Sequence[NodeSpec]) -> None:
    """Check what all nodes would refuse, before one of them starts.

    Raises:
        ParameterError: The parameter file is missing, malformed, or for none of the nodes.
        RobotFileError: There is no such robot, or its file has an error.
    """
    for file in dict.fromkeys(spec.params_file for spec in specs if spec.params_file):
        parameter_files.check(Path(file), [spec.full_name for spec in specs])
    for robot in dict.fromkeys(spec.parameters.get('robot', '') for spec in specs):
        if robot:
            load_robot(robot)


def executor_defaults(robot: str) -> str:
    """Return the executor's parameter file for a robot of deltas and switches only, else ''.

    A robot that cannot be read has none: `check` tells what is wrong with it.
    """
    try:
        groups = load_robot(robot).action if robot else ()
    except RobotFileError:
        return ''
    moving = [group for group in groups if group.kind not in ('binary', 'gripper')]
    deltas = bool(moving) and all(group.command == 'delta' for group in moving)
    return _config('deltas.yaml') if deltas else ''


def dds_environment() -> dict[str, str]:
    """Return the variable of the shared-memory profile, unless the user has set one himself."""
    return profile_environment(share() / 'config' / 'fastdds_shm.xml')


def share() -> Path:
    """Return the folder with `config` and `launch`: of the workspace, the sources or pip's prefix.

    Raises:
        FileNotFoundError: It is in none of them.
    """
    prefixes = [p for p in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if p]
    places = [Path(prefix) / 'share' / PACKAGE for prefix in (*prefixes, sys.prefix)]
    places.insert(len(prefixes), Path(__file__).resolve().parents[1])
    for place in places:
        if (place / 'config' / 'fastdds_shm.xml').is_file():
            return place
    raise FileNotFoundError(
        f'no config/fastdds_shm.xml in {", ".join(map(str, places))}; source install/setup.bash'
    )


def _check_arms(port: str, leader_port: str, cameras: str, *, sim: bool) -> None:
    """Refuse arguments of arms and cameras that contradict each other."""
    if sim and (port or leader_port or cameras):
        raise Gr00tError(
            'the simulated arm and a real one, or real cameras, would publish the same topics:'
            ' leave out --sim, or --port, --leader-port and --cameras'
        )
    if leader_port and not port:
        raise Gr00tError('a leader needs an arm that follows: give --port as well')
    if leader_port and os.path.realpath(leader_port) == os.path.realpath(port):
        raise Gr00tError(f'--port and --leader-port are both {port}: each arm has its own')


def _arms(
    port: str,
    leader_port: str,
    *,
    has_policy: bool,
    known: dict[str, Any],
    shared: dict[str, Any],
) -> list[NodeSpec]:
    """Return the drivers of an SO-101; without a policy the leader leads from the start."""
    found = [_spec('so101_follower', known | {'port': port}, shared)]
    if leader_port:
        parameters = known | {'port': leader_port} | ({} if has_policy else {'lead': True})
        found.append(_spec('so101_leader', parameters, shared))
    return found


def _spec(name: str, parameters: dict[str, Any], shared: dict[str, Any]) -> NodeSpec:
    return NodeSpec(*PROGRAMS[name], name, parameters=parameters, **shared)


def _config(name: str) -> str:
    return str(share() / 'config' / name)


def _chosen(robot: str, checkpoint: str, say: Callable[[str], None]) -> str:
    """Return the robot that all nodes get: the one that was asked for, or the checkpoint's."""
    folder = Path(checkpoint).expanduser()
    if not checkpoint or not robot_files(folder):
        return _resolved(robot)
    asked = load_robot(_resolved(robot))
    taken, remark = robot_for(asked, folder)
    if remark:
        say(remark)
    return _resolved(robot) if taken is asked else str(taken.source.resolve())


def _resolved(name: str) -> str:
    """Make an existing path absolute; a robot's name stays as it is."""
    path = Path(name).expanduser()
    return str(path.resolve()) if path.exists() and os.sep in str(path) else name
