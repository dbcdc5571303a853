# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every program of the suite refuses parameters that it does not have, as a process of its own."""

import subprocess

import pytest

from gr00t_bringup.nodes import NodeSpec
from gr00t_bringup.up import command
from gr00t_core.errors import ParameterError
from gr00t_ros.parameter_files import NODES

pytest.importorskip('rclpy')
pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')

import rclpy
from rclpy.parameter import Parameter

from gr00t_console import parameters as console_parameters
from gr00t_policy_node.executor import parameters as executor_parameters
from gr00t_policy_node.policy import parameters as policy_parameters
from gr00t_policy_node.teleop import node as teleop_node
from gr00t_ros.parameters import declare
from gr00t_sim import node as sim_node
from gr00t_so101 import parameters as so101_parameters
from rosbag_tools.record import parameters as recorder_parameters

PACKAGES = {'console': 'gr00t_console', 'recorder': 'rosbag_tools', 'sim': 'gr00t_sim'}
PACKAGES |= dict.fromkeys(('so101_follower', 'so101_leader', 'usb_cameras'), 'gr00t_so101')
TABLES = {
    'console': console_parameters.DECLARATIONS,
    'policy_node': policy_parameters.DECLARATIONS,
    'chunk_executor': executor_parameters.DECLARATIONS,
    'recorder': recorder_parameters.DECLARATIONS,
    'teleop': teleop_node.DECLARATIONS,
    'sim': sim_node.PARAMETERS,
    'so101_follower': so101_parameters.FOLLOWER,
    'so101_leader': so101_parameters.LEADER,
    'usb_cameras': so101_parameters.CAMERAS,
}
WRONG = {
    'console': ('prt:=8080', 'did you mean port?'),
    'policy_node': ('use_default_instrution:=true', 'did you mean use_default_instruction?'),
    'chunk_executor': ('e_stop_requird:=true', 'did you mean e_stop_required?'),
    'recorder': ('outputt:=bags', 'did you mean output?'),
    'teleop': ('devise:=gamepad', 'did you mean device?'),
    'sim': ('lockstep:=true', 'did you mean lock_step?'),
    'so101_follower': ('stall_sec:=1.0', 'did you mean stall_s'),
    'so101_leader': ('led:=true', 'did you mean lead'),
    'usb_cameras': ('jpeg_qualty:=90', 'did you mean jpeg_quality?'),
}


def has_floats(name):
    return any(type(default) is float for default, _, _ in TABLES[name].values())


def run(name, *arguments):
    words = command(NodeSpec(PACKAGES.get(name, 'gr00t_policy_node'), name, name))
    done = subprocess.run([*words, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_the_names_of_the_nodes_are_those_of_the_programs():
    assert set(NODES) == set(WRONG) == set(TABLES)


@pytest.mark.parametrize('name', [name for name in NODES if has_floats(name)])
@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
def test_no_number_of_any_node_is_nan_or_infinite(ros_domain, name, value):
    """All of a node at once: each is named with its value and what is allowed."""
    table = TABLES[name]
    floats = {
        key: allowed for key, (default, _, allowed) in table.items() if type(default) is float
    }
    context = rclpy.Context()
    context.init(args=[])
    given = [Parameter(key, value=value) for key in floats]
    node = rclpy.create_node('arm', context=context, parameter_overrides=given)
    try:
        with pytest.raises(ParameterError) as caught:
            declare(node, table)
    finally:
        node.destroy_node()
        context.shutdown()
    for key, allowed in floats.items():
        low, high = allowed
        text = f'parameter {key}: {value!r} is not finite; allowed: {low:g} to {high:g}'
        assert text in str(caught.value)


@pytest.mark.parametrize('name', NODES)
def test_a_misspelled_parameter_is_refused_by_name(ros_domain, tmp_path, name):
    argument, said = WRONG[name]
    status, output = run(name, '-p', 'robot:=so101', '-p', argument)
    assert status == 1, output
    wrong = argument.partition(':=')[0]
    assert f"unknown parameter '{wrong}'; {said}" in output
    assert 'Traceback' not in output
    file = tmp_path / 'parameters.yaml'
    file.write_text(f'/**/{name}:\n  ros__parameters: {{{argument.replace(":=", ": ")}}}\n')
    status, from_file = run(name, '-p', 'robot:=so101', '--params-file', str(file))
    assert status == 1
    assert f"unknown parameter '{wrong}'; {said}" in from_file


@pytest.mark.parametrize('name', NODES)
def test_a_flat_parameter_file_is_one_line(ros_domain, tmp_path, name):
    file = tmp_path / 'flat.yaml'
    file.write_text('robot: so101\nshadow: true\n')
    status, output = run(name, '--params-file', str(file))
    assert status == 1
    assert "robot: 'so101' is not in the ros__parameters of a node" in output
    assert 'Traceback' not in output
    assert len(output.strip().splitlines()) == 1, output
