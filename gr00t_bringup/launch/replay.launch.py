# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag through the policy; the commands go to ~/shadow/<topic>. Needs ros2 bag."""

from launch.actions import DeclareLaunchArgument

from gr00t_bringup.launching import description, player


def generate_launch_description():
    nodes = description(use_sim_time=True, shadow=True, use_default_instruction=True, then=player)
    bag = DeclareLaunchArgument('bag', description='bag to play, with the topics of the namespace')
    nodes.entities.insert(0, bag)
    return nodes
