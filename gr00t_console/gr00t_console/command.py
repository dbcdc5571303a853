# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t console`: the page of a robot, for those who type verbs and not ROS arguments."""

import argparse

from gr00t_console.parameters import DECLARATIONS


def main(argv: list[str]) -> int:
    """Serve a web page of a robot: cameras, joints, modes; goals, stop, recording, take over."""
    parser = argparse.ArgumentParser(
        prog='gr00t console', description=main.__doc__, allow_abbrev=False
    )
    parser.add_argument('--robot', required=True, help='shipped robot, or path of a robot file')
    parser.add_argument('--namespace', default='', help='namespace of the robot')
    for name in ('host', 'port', 'token_file', 'bags'):
        default, meaning, _ = DECLARATIONS[name]
        parser.add_argument(
            f'--{name.replace("_", "-")}', default=default, type=type(default), help=meaning
        )
    parser.add_argument(
        '--instruction', action='append', default=[], help='one for the list; may be repeated'
    )
    parser.add_argument('--use-sim-time', action='store_true', help='follow /clock')
    asked = parser.parse_args(argv)
    space = asked.namespace.strip('/')
    return run(
        f'/{space}' if space else '',
        {
            'robot': asked.robot,
            'host': asked.host,
            'port': asked.port,
            'token_file': asked.token_file,
            'bags': asked.bags,
            'instructions': asked.instruction or [''],
            'use_sim_time': asked.use_sim_time,
        },
    )


def run(namespace: str, parameters: dict[str, object]) -> int:
    """Run the console with these parameters until Ctrl-C."""
    from gr00t_console.program import run as run_program  # rclpy and NiceGUI take a second

    return run_program(['console'], namespace, parameters)
