# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""List the parameters of the recorder."""

from gr00t_ros.parameters import Table

DECLARATIONS: Table = {
    'robot': ('', 'name of a shipped robot description, or the path of one; required', None),
    'output': ('episodes', 'folder that gets one bag per episode', None),
    'instruction': ('', "where StartEpisode gives none; empty: the robot file's", None),
    'tags': ([''], 'of episodes that are started by key or button', None),
    'extra_topics': ([''], 'recorded beside the topics of the robot file', None),
    'allow_missing': (
        False,
        'start episodes although something that the robot file names is missing or unreadable;'
        ' may change while the node runs',
        None,
    ),
    'allow_second': (False, 'stay although another recorder records this robot', None),
    'judge': (True, 'say after each episode whether it can be converted', None),
    'jpeg': (0, 'store raw camera images as JPEG of this quality; 0: as they come', (0, 100)),
    'zstd': (False, 'compress the messages', None),
    'bag_version': (9, 'rosbag2 metadata version: 9, or 8 for Humble and Iron', (8, 9)),
    'min_free_gb': (1.0, 'free disk space in GB below which an episode is ended', (0.0, 1e6)),
    'joy_topic': ('', 'sensor_msgs/Joy topic whose buttons start and end episodes', None),
    'joy_start': (0, 'button that starts an episode', (0, 63)),
    'joy_success': (1, 'button that ends it as a success', (0, 63)),
    'joy_failure': (2, 'button that ends it as a failure', (0, 63)),
    'joy_discard': (
        3,
        'button that discards it; press it again to confirm when the episode is saved',
        (0, 63),
    ),
}
# All others are read once, when the node starts.
CHANGEABLE = ('allow_missing',)
