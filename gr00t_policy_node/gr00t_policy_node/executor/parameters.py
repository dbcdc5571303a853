# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Declare and read the parameters of the chunk executor."""

from dataclasses import fields
from typing import Any

from rclpy.node import Node

from gr00t_core.errors import ParameterError
from gr00t_policy_node.executor.handover import METHODS
from gr00t_policy_node.executor.settings import Settings
from gr00t_ros import parameters
from gr00t_ros.parameters import Allowed

ON_TIMEOUT = ('hold', 'silent')
_DEFAULTS = Settings()
# name: (default, what it does, range of numbers or choices of texts)
DECLARATIONS: dict[str, tuple[Any, str, Allowed]] = {
    'robot': ('', 'name of a shipped robot description, or the path of one; required', ()),
    'shadow': (False, 'publish to ~/shadow/<topic> only: the robot is not commanded', ()),
    'realtime_priority': (
        20,
        'priority of the node under SCHED_FIFO where the system permits it, so that commands are '
        'on time on a busy machine; 0: none',
        (0, 99),
    ),
    'control_rate_hz': (_DEFAULTS.control_rate_hz, 'commands per second', (1.0, 1000.0)),
    'handover': (_DEFAULTS.handover, 'how a new chunk takes over', METHODS),
    'blend_s': (_DEFAULTS.blend_s, 'crossfade: duration of a hand-over in s', (0.0, 5.0)),
    'ensemble_decay': (
        _DEFAULTS.ensemble_decay,
        'ensemble: a chunk counts exp(-decay) times as much as the next older one',
        (-10.0, 10.0),
    ),
    'position_margin': (
        _DEFAULTS.position_margin,
        'share of each position range kept free at either end (not for grippers)',
        (0.0, 0.4),
    ),
    'max_jump_s': (
        _DEFAULTS.max_jump_s,
        'a chunk further from the measured state than the joint travels in this time (s) at its '
        'velocity limit is rejected; a robot further from its command is stopped',
        (0.01, 60.0),
    ),
    'chunk_timeout_s': (
        _DEFAULTS.chunk_timeout_s,
        'age in s of the observation behind a chunk up to which the chunk is followed; then, or '
        'at the end of its last step, comes the declared stop',
        (0.02, 600.0),
    ),
    'max_future_s': (
        _DEFAULTS.max_future_s,
        'how far a stamp may lie ahead of the clock (s)',
        (0.0, 10.0),
    ),
    'state_timeout_s': (
        _DEFAULTS.state_timeout_s,
        'greatest age of the measured state, by its stamps; then the robot is stopped (s)',
        (0.01, 60.0),
    ),
    'takeover_timeout_s': (
        _DEFAULTS.takeover_timeout_s,
        'greatest age of a teleoperation message; then teleoperation has ended (s)',
        (0.02, 60),
    ),
    'soft_start_s': (
        _DEFAULTS.soft_start_s,
        's over which the speed limit rises to full after each start',
        (0.0, 60.0),
    ),
    'on_timeout': (
        _DEFAULTS.on_timeout,
        'after the declared stop: "hold" repeats the last position, "silent" sends nothing',
        ON_TIMEOUT,
    ),
    'e_stop_required': (
        _DEFAULTS.e_stop_required,
        'do not move before each of e_stop_topics said that it is released; one that falls silent '
        'or whose publisher ends counts as pressed',
        (),
    ),
    'e_stop_timeout_s': (
        _DEFAULTS.e_stop_timeout_s,
        'with e_stop_required: longest silence of an e-stop publisher; 0: none, for buttons that '
        'publish only when they change (s)',
        (0.0, 60.0),
    ),
    'e_stop_topics': (
        list(_DEFAULTS.e_stop_topics),
        'topics of e-stop buttons (std_msgs/Bool, true: pressed); absolute names such as /e_stop '
        'are heard in every namespace',
        (),
    ),
    'allow_other_publishers': (
        False,
        'move although another node publishes a command topic, or several publish action_chunk; '
        'by default the executor does not start, or brakes and latches',
        (),
    ),
}


def declare(node: Node) -> Settings:
    """Declare all parameters; return those of the core.

    Raises:
        ParameterError: See `gr00t_ros.parameters.declare`.
    """
    values = parameters.declare(node, DECLARATIONS)
    chosen = {field.name: values[field.name] for field in fields(Settings)}
    topics = tuple(values['e_stop_topics'])
    if not topics or not all(topics) or len(set(topics)) != len(topics):
        raise ParameterError(
            f'parameter e_stop_topics: {list(topics)}: name at least one topic, each once'
        )
    return Settings(**{**chosen, 'e_stop_topics': topics})
