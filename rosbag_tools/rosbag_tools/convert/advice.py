# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what a user can do about a warning of the conversion report."""

import re

# Pattern in the warning → the next step. The first that is found counts.
_STEPS = (
    (
        'inspect --repair|two clocks; if|from a copy',
        '',  # the warning itself says it
    ),
    (
        'nothing is kept',
        'Look at the other warnings of this bag: the stream that the rows lack is named there.',
    ),
    (
        'its clock was set back',
        'Let the clocks settle (chrony, NTP) before you record. Both parts are kept.',
    ),
    ('read as JPEG', 'Nothing to do. The robot file may name this topic itself.'),
    (
        'images cannot be decoded',
        'A few are harmless: the pictures beside them are shown. Many: check cable and driver.',
    ),
    (
        'messages cannot be used',
        'Correct the publisher, or what the robot file says of this topic.',
    ),
    (
        r'(\d|#) Hz, expected',
        'Raise the rate of the publisher, or correct rate_hz in the robot file.',
    ),
    (
        'true rate',
        'Convert with the true rate: --fps. A policy learns the speed that the label says.',
    ),
    (
        'recorded before its header stamp',
        'Synchronise the clocks of the hosts (chrony), or set offset_s in the robot file.',
    ),
    (
        'not in stamp order',
        'A few are harmless: they are left out. Many: two publishers may share the topic.',
    ),
    (
        'without a header stamp',
        'Let the publisher stamp its messages; else their time of receipt is used.',
    ),
    (
        r'gaps?, the longest',
        'Rows in a gap are dropped. Check network and load of the recording machine; a longer'
        ' max_age_s in the robot file bridges more.',
    ),
    ('nothing moves', 'Shorten the idle ends with --trim-idle.'),
    (
        'the action equals the state',
        'The command topic may be an echo of the state. Try --action-from next_state.',
    ),
    ('is frozen', 'Look at the pictures below, restart the camera and record this episode again.'),
    (
        'does not change, but action',
        'The joint was stuck or its sensor is not read. Look at its curve below.',
    ),
    (
        'the file itself counts|not read: metadata|belong to no topic|is damaged: the files',
        'Messages may be lost. Copy the whole bag again from the machine that recorded it.',
    ),
)


def next_step(warning: str) -> str:
    """Return what to do about a warning, '' where it says so itself or nothing is known."""
    return next((step for pattern, step in _STEPS if re.search(pattern, warning)), '')
