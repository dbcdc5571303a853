# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert one bag into shards, one per episode, of which `dataset.write.assemble` makes a dataset.

First the stamps and numbers decide which rows there are (`survey`, `alignment`, `plan`); then the
cameras are read once, in log order, and each image goes straight to its encoder. Memory is bounded
by the encoders' queues whatever the bag's length.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.decisions import cut
from gr00t_core.errors import BagError
from gr00t_core.robot.description import NANOSECONDS, Robot
from rosbag_tools.bags.bag import Bag
from rosbag_tools.convert.alignment import align, Alignment
from rosbag_tools.convert.camera_rows import CameraRows
from rosbag_tools.convert.derived_actions import check_action_source
from rosbag_tools.convert.episode_plan import Plan, plan
from rosbag_tools.convert.episode_shards import EpisodeShards
from rosbag_tools.convert.episodes import find_episodes
from rosbag_tools.convert.options import ConvertOptions
from rosbag_tools.convert.pictures import find_unusable, Unusable, UnusableError
from rosbag_tools.convert.sources import read_sources, sources_at
from rosbag_tools.convert.survey import StreamSurvey, Survey, survey


@dataclass(frozen=True)
class Converted:
    """What became of a bag.

    Attributes:
        unusable: Camera topic → its messages that are no pictures, as if they were not sent.
        sources: Per episode (R,) who decided each row; None where that is not asked for.
    """

    survey: Survey
    alignment: Alignment
    plan: Plan
    shards: tuple[Path, ...]
    unusable: Mapping[str, Unusable]
    warnings: tuple[str, ...]
    sources: tuple[NDArray[np.int64], ...] | None = None


def convert_bag(
    path: Path,
    robot: Robot,
    options: ConvertOptions,
    folder: Path,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Converted:
    """Write the episodes of a bag as shards `folder/episode_000`, `folder/episode_001`, ….

    Args:
        path: The bag.
        robot: The robot it was recorded on.
        options: How it is converted.
        folder: Where the shards go; it must not hold any.
        on_rows: Called with the number of rows whose reference frame was written.

    Raises:
        BagError: The bag cannot be converted; no shard of it is left.
    """
    check_action_source(robot, options.action_from)
    with_action = options.action_from == 'command'
    with Bag(path, options.definitions) as bag:
        surveyed = survey(bag, robot, with_action=with_action, namespace=options.namespace)
        episodes = find_episodes(bag, surveyed, options.split)
        unusable = {
            camera.stream.topic: surveyed.streams[camera.stream.topic].unusable
            for camera in robot.cameras
        }
        is_checked = False
        while True:
            numbers = {topic: found.keys() for topic, found in unusable.items()}
            aligned = align(
                bag, robot, surveyed, options.rate_hz, with_action=with_action, unusable=numbers
            )
            planned = plan(
                aligned,
                episodes,
                robot,
                options.rate_hz,
                action_from=options.action_from,
                instruction=options.instruction,
                trim_idle_s=options.trim_idle_s,
                only_success=options.only_success,
                decisions=options.decisions,
                begin_ns=surveyed.begin_ns,
            )
            sources = None
            if options.corrections:
                said = read_sources(bag, options.namespace)
                sources = tuple(sources_at(each.stamp_ns, *said) for each in planned.episodes)
            shards = EpisodeShards(robot, planned.episodes, sources, options, folder)
            try:
                _write_frames(bag, robot, surveyed, planned, options, shards, numbers, on_rows)
                folders = shards.finish()
                break
            except UnusableError as error:
                # As if the message had not been sent. All pictures are looked at once, and the
                # rows planned anew without those that are none.
                shards.discard()
                if is_checked:
                    raise BagError(f'{path}: {error}') from None
                unusable = find_unusable(bag, robot, surveyed, copy=options.video is None)
                is_checked = True
            except BaseException:
                shards.discard()
                raise
        return Converted(
            surveyed,
            aligned,
            planned,
            tuple(folders),
            {
                topic: _sum_up(surveyed.streams[topic], found)
                for topic, found in unusable.items()
                if found
            },
            (*bag.warnings, *surveyed.losses, *_not_met(options, aligned, surveyed)),
            sources,
        )


def _not_met(options: ConvertOptions, aligned: Alignment, surveyed: Survey) -> list[str]:
    """Return a warning for each decision that no row of the bag follows."""
    seconds = (aligned.stamp_ns - surveyed.begin_ns) / NANOSECONDS
    met = [part.decision for part in cut(seconds, options.decisions)]
    return [
        f'a decision about {decision.where} meets no row of the bag'
        for decision in options.decisions
        if decision not in met
    ]


def _sum_up(stream: StreamSurvey, found: Mapping[int, str]) -> Unusable:
    first = min(found)
    return Unusable(len(found), int(stream.log_ns[first]), found[first])


def _write_frames(
    bag: Bag,
    robot: Robot,
    surveyed: Survey,
    planned: Plan,
    options: ConvertOptions,
    shards: EpisodeShards,
    unusable: Mapping[str, Set[int]],
    on_rows: Callable[[int], None],
) -> None:
    """Read the cameras' topics once and hand every frame that a row shows to its episode."""
    by_topic = {
        surveyed.streams[camera.stream.topic].topic.name: CameraRows(
            camera,
            index,
            planned,
            shards,
            surveyed,
            unusable.get(camera.stream.topic, frozenset()),
            copy=options.video is None,
        )
        for index, camera in enumerate(robot.cameras)
    }
    for message in bag.messages(by_topic):
        rows = by_topic[message.topic]
        written = rows.add(partial(bag.deserialize, message))
        if written and rows.camera.name == robot.reference_camera:
            on_rows(written)
    for rows in by_topic.values():
        rows.finish()
