# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say how a bag is played to a policy, and whether it holds what the policy observes."""

from pathlib import Path

import yaml

from gr00t_core.errors import BagError
from gr00t_core.robot.file import load_robot

# The player discovers the node's subscriptions in this time, before its first message (s).
DELAY_S = 3


def play_command(bag: str, robot: str, namespace: str = '') -> list[str]:
    """Return the command that plays what a policy observes out of a bag, with /clock.

    Commands in the bag stay there: the topics are those of cameras and state alone. Their names
    are absolute, because rosbag2 compares them with those in the bag (Humble) or puts the player's
    own namespace before relative ones (Jazzy).

    Args:
        bag: Folder or file of the bag.
        robot: Shipped robot or robot file.
        namespace: Of the policy node, '' or e.g. /left; the bag must have been recorded in it.
    """
    options = ['--clock', '100', '--delay', str(DELAY_S), '--disable-keyboard-controls']
    return ['ros2', 'bag', 'play', bag, *options, '--topics', *played_topics(robot, namespace)]


def played_topics(robot: str, namespace: str) -> list[str]:
    """Return the absolute names of what a policy observes."""
    streams = load_robot(robot).observation_streams
    return [f'{namespace}/{stream.topic}' for stream in streams]


def check_bag(bag: Path, topics: list[str]) -> None:
    """Check that a bag has the topics; `ros2 bag play` does not say that it plays nothing.

    Raises:
        BagError: The bag is missing, its metadata.yaml is malformed, or it lacks a topic.
    """
    if not bag.exists():
        raise BagError(f'bag {bag}: there is no such file or folder')
    metadata = bag / 'metadata.yaml'
    if not metadata.is_file():  # a single MCAP file
        return
    try:
        tree = yaml.safe_load(metadata.read_text(encoding='utf-8'))
        entries = tree['rosbag2_bagfile_information']['topics_with_message_count']
        found = [each['topic_metadata']['name'] for each in entries]
    except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise BagError(f'{metadata}: not the metadata of a bag: {error!r}') from None
    missing = [topic for topic in topics if topic not in found]
    if missing:
        raise BagError(
            f'bag {bag} has no {", ".join(missing)}; it has {", ".join(sorted(found))}; give the '
            'robot that it was recorded with, and its namespace (namespace:=left for /left/...)'
        )
