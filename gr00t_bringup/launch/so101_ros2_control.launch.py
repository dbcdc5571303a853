# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run policy and executor on an SO-101 behind ros2_control, here with mock hardware.

Needs what PyPI does not have: apt install ros-$ROS_DISTRO-ros2-control
ros-$ROS_DISTRO-ros2-controllers ros-$ROS_DISTRO-robot-state-publisher. Cameras are not part of
it: start your camera drivers.
"""

from launch import LaunchDescription
from launch_ros.actions import Node

from gr00t_bringup.launching import (
    arguments,
    checked,
    chunk_executor,
    console,
    END_WITH_LAUNCH,
    policy_node,
    teleop,
)
from gr00t_bringup.nodes import share


def spawner(controller):
    return Node(package='controller_manager', executable='spawner', arguments=[controller])


def generate_launch_description():
    config = share() / 'config'
    urdf = (config / 'so101.ros2_control.urdf').read_text()
    return LaunchDescription(
        [
            *arguments(robot=str(config / 'so101_ros2_control.yaml')),
            checked(),
            # First what may not be installed: launch leaves running what it started when it fails.
            Node(
                package='robot_state_publisher',
                executable='robot_state_publisher',
                parameters=[{'robot_description': urdf}],
                prefix=END_WITH_LAUNCH,
            ),
            Node(
                package='controller_manager',
                executable='ros2_control_node',
                parameters=[str(config / 'so101_controllers.yaml')],
                output='screen',
                prefix=END_WITH_LAUNCH,
            ),
            spawner('joint_state_broadcaster'),
            spawner('joint_trajectory_controller'),
            policy_node(),
            chunk_executor(),
            teleop(),
            console(),
        ]
    )
