# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of the nodes."""

from typing import Any

from gr00t_ros.parameters import Allowed

_ARM: dict[str, tuple[Any, str, Allowed]] = {
    'robot': ('so101', 'shipped robot, or path of a robot file', ()),
    'port': ('', 'serial port of the arm, e.g. /dev/ttyACM0; required', ()),
    'calibration': (
        '',
        "calibration file, LeRobot's are read as well; empty: ~/.config/gr00t/so101/ARM.json",
        (),
    ),
    'rate_hz': (100.0, 'how often all servos are read, and commanded (Hz)', (1.0, 200.0)),
    'answer_timeout_s': (
        0.02,
        'how long the servos may take to answer while the arm may move (s)',
        (0.002, 1.0),
    ),
    'lost_s': (
        0.15,
        'without a complete read of all servos for so long, the arm has a fault (s)',
        (0.02, 5.0),
    ),
}
FOLLOWER: dict[str, tuple[Any, str, Allowed]] = {
    **_ARM,
    'autostart': (True, 'configure and activate without a lifecycle manager', ()),
    'command_timeout_s': (
        0.5,
        'a command with an older stamp is dropped; without a new one for so long the arm holds'
        ' its goal and the diagnostics say so (s)',
        (0.02, 60.0),
    ),
    'max_lead_rad': (
        0.5,
        'how far a goal may be ahead of where the joint is measured (rad)',
        (0.05, 3.0),
    ),
    'stall_rad': (0.2, 'a joint that stays so far from its goal is stuck (rad)', (0.02, 3.0)),
    'stall_s': (1.0, 'for how long, before that is a fault (s)', (0.1, 60.0)),
}
LEADER: dict[str, tuple[Any, str, Allowed]] = {
    **_ARM,
    'lead': (False, 'lead from the start; false: the service ~/take_over begins it', ()),
    'approach_speed': (
        0.2,
        "how fast the follower goes to the leader's pose when the leader begins to lead, as share"
        ' of the velocity limits',
        (0.01, 1.0),
    ),
}
CAMERAS: dict[str, tuple[Any, str, Allowed]] = {
    'robot': ('so101', 'shipped robot, or path of a robot file', ()),
    'devices': (
        [''],
        'camera of the robot file and its device, e.g. front=/dev/video0; or a video file, which'
        ' is played again and again',
        (),
    ),
    'jpeg_quality': (90, 'of frames that the camera does not compress itself', (1, 100)),
}
