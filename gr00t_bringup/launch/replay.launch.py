# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the policy; the commands go to ~/shadow/<topic>. Needs ros2 bag."""

from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration

from gr00t_bringup.launching import description
from gr00t_bringup.nodes import play_command


def play(context):
    bag, robot = (LaunchConfiguration(name).perform(context) for name in ('bag', 'robot'))
    return [ExecuteProcess(cmd=play_command(bag, robot), on_exit=Shutdown(reason='bag ended'))]


def generate_launch_description():
    nodes = description(use_sim_time=True, shadow=True, use_default_instruction=True)
    nodes.add_action(DeclareLaunchArgument('bag', description='bag to play'))
    nodes.add_action(OpaqueFunction(function=play))
    return nodes
