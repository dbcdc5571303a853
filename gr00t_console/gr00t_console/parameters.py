# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""List the parameters of the console."""

from gr00t_policy_node.teleop.guide import FRAMES
from gr00t_ros.parameters import Table

DECLARATIONS: Table = {
    'robot': ('', 'name of a shipped robot description, or the path of one; required', None),
    'host': ('127.0.0.1', 'address that the page is served at; another one needs a token', None),
    'port': (8765, 'TCP port of the page', (1, 65535)),
    'token_file': (
        '',
        'file that holds the token which a browser must give; empty: on 127.0.0.1 none is needed,'
        ' elsewhere one is made and printed',
        None,
    ),
    'instructions': ([''], "what the list of instructions offers, besides the robot file's", None),
    'bags': (
        '',
        'folder that the recorder writes bags to; the page of episodes shows them; empty: no such'
        ' page',
        None,
    ),
    'jog_speed': (
        0.2,
        'speed of the buttons that move a joint, as share of its velocity limit',
        (0.01, 1.0),
    ),
    'linear_speed': (
        0.05,
        'speed of the buttons that lead the tip of an arm, where robot_description describes it'
        ' (m/s)',
        (0.001, 1.0),
    ),
    'angular_speed': (0.4, 'speed of the buttons that turn it (rad/s)', (0.01, 3.0)),
    **FRAMES,
}
