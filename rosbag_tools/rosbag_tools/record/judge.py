# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge an episode by the converter's own code: which rows would a dataset get of it?

`python -m rosbag_tools.record.judge BAG` prints the verdict as JSON. The recorder runs it as a
process of low priority, so that a long episode does not hold up the next one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import sys

import numpy as np
import yaml

from gr00t_core.errors import BagError, Gr00tError, ObservationError
from gr00t_core.messages.images import decode_image
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import parse
from rosbag_tools.bags.bag import Bag
from rosbag_tools.convert.alignment import align
from rosbag_tools.convert.derived_actions import check_action_source
from rosbag_tools.convert.episode_plan import Plan, plan
from rosbag_tools.convert.episodes import find_episodes, ROBOT_KEY
from rosbag_tools.convert.survey import recorded_topic, Survey, survey
from rosbag_tools.record.readiness import streams_of, users_of

# So many pictures of each camera are decoded.
SAMPLED_PICTURES = 8
NICE = 10


@dataclass(frozen=True)
class Verdict:
    """What the converter would make of an episode.

    Attributes:
        convertible: Whether `gr00t convert` makes rows of it, with its default options; None
            when that could not be found out.
        rows: How many.
        text: For people, e.g. `convertible: 812 rows` or `NOT convertible: no camera wrist`.
    """

    convertible: bool | None
    rows: int
    text: str


def judge(path: Path) -> Verdict:
    """Judge the bag of an episode with the robot file that it carries."""
    try:
        with Bag(path) as bag:
            robot = _robot_inside(bag)
            reason = _missing(bag, robot)
            try:
                if not reason:
                    return _verdict(bag, robot, 'command')
            except Gr00tError as error:
                reason = str(error).removeprefix(f'{path}: ')
            return Verdict(False, 0, f'NOT convertible: {reason}{_way_out(bag, robot)}')
    except Gr00tError as error:
        return Verdict(False, 0, f'NOT convertible: {error}')


def _robot_inside(bag: Bag) -> Robot:
    text = bag.custom_data.get(ROBOT_KEY)
    if text is None:
        raise BagError('it carries no robot file; was it made by the recorder?')
    return parse(yaml.safe_load(text), bag.path / 'the robot file inside')


def _missing(bag: Bag, robot: Robot, with_action: bool = True) -> str:
    """Return what of the robot file the bag lacks altogether, '' when nothing."""
    observed = {stream.topic for stream in robot.observation_streams}
    lacking = []
    for topic, stream in streams_of(robot).items():
        found = recorded_topic(bag, stream)
        if (found is None or not found.count) and (with_action or topic in observed):
            lacking.append(f'no {users_of(robot, topic)} (nothing came on {topic})')
    return '; '.join(lacking)


def _verdict(bag: Bag, robot: Robot, action_from: str) -> Verdict:
    """Judge a bag that has every topic.

    Raises:
        Gr00tError: It cannot be converted.
    """
    check_action_source(robot, action_from)
    with_action = action_from == 'command'
    surveyed = survey(bag, robot, with_action=with_action)
    planned = plan(
        align(bag, robot, surveyed, robot.rate_hz, with_action=with_action),
        find_episodes(bag, surveyed, 'bag'),
        robot,
        robot.rate_hz,
        action_from=action_from,
        instruction=None,
        trim_idle_s=None,
        only_success=False,
    )
    rows = sum(len(episode.stamp_ns) for episode in planned.episodes)
    why = ', '.join(f'{count} {reason}' for reason, count in planned.dropped.items())
    if not rows:
        raise BagError(f'no row is complete: {why or "the reference camera has no frames"}')
    text = f'convertible: {rows} rows'
    if len(planned.episodes) > 1:
        text += f' in {len(planned.episodes)} pieces'
    if why:
        text += f'; dropped: {why}'
    pictures = _pictures(bag, robot, surveyed, planned)
    return Verdict(True, rows, text + ''.join(f'; {each}' for each in pictures))


def _way_out(bag: Bag, robot: Robot) -> str:
    """Return which other label of the actions the bag could be converted with."""
    for source in ('next_state', 'delta'):
        try:
            if not _missing(bag, robot, with_action=False):
                rows = _verdict(bag, robot, source).rows
                return f'; with --action-from {source}: {rows} rows'
        except Gr00tError:
            continue  # not with this one either
    return ''


def _pictures(bag: Bag, robot: Robot, surveyed: Survey, planned: Plan) -> list[str]:
    """Decode some still pictures of each camera and return what is odd about them.

    Raises:
        BagError: Not one of a camera's can be decoded, or their size changes.
    """
    odd = []
    for index, camera in enumerate(robot.cameras):
        stream = surveyed.streams[camera.stream.topic]
        if stream.codec is not None:
            continue
        numbers = np.concatenate([episode.frames[:, index] for episode in planned.episodes])
        wanted = {int(n) for n in numbers[:: max(1, len(numbers) // SAMPLED_PICTURES)]}
        sizes, bad = set[tuple[int, int]](), list[str]()
        for number, message in enumerate(bag.messages([stream.topic.name])):
            if number in wanted:
                try:
                    height, width, _ = decode_image(bag.deserialize(message)).shape
                    sizes.add((width, height))
                except (ObservationError, BagError) as error:
                    bad.append(str(error))
        if not sizes:
            raise BagError(f'camera {camera.name}: no picture can be decoded: {bad[0]}')
        if len(sizes) > 1:
            shown = ', '.join(f'{width}×{height}' for width, height in sorted(sizes))
            raise BagError(f'camera {camera.name}: its pictures change their size: {shown}')
        if sizes != {(camera.width, camera.height)}:
            (width, height) = sizes.pop()
            odd.append(
                f'camera {camera.name} is {width}×{height}, the robot file says'
                f' {camera.width}×{camera.height}'
            )
        if bad:
            odd.append(f'camera {camera.name}: {len(bad)} of {len(wanted)} pictures: {bad[0]}')
    return odd


def main(argv: Sequence[str] | None = None) -> int:
    """Print the verdict on one bag as JSON."""
    (path,) = sys.argv[1:] if argv is None else argv
    os.nice(NICE)
    print(json.dumps(asdict(judge(Path(path)))))
    return 0


if __name__ == '__main__':
    sys.exit(main())
