# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert one bag into shards, one per episode, of which `dataset.write.assemble` makes a dataset.

First the stamps and numbers decide which rows there are (`survey`, `alignment`, `plan`); then the
cameras are read once, in log order, and each image goes straight to its encoder. Memory is bounded
by the encoders' queues whatever the bag's length.
"""

from array import array
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
import shutil
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.corrections import COLUMNS, row_values
from gr00t_core.dataset.decisions import cut, Decision
from gr00t_core.dataset.schema import STAMP_COLUMN
from gr00t_core.dataset.video.writer import VideoOptions
from gr00t_core.dataset.write.shard import EpisodeWriter, robot_features
from gr00t_core.errors import BagError, ObservationError
from gr00t_core.robot.description import Camera, NANOSECONDS, Robot
from rosbag_tools.bags.bag import Bag
from rosbag_tools.convert.alignment import align, Alignment
from rosbag_tools.convert.camera_decoder import is_whole_jpeg, size_of, StillDecoder, VideoStream
from rosbag_tools.convert.derived_actions import check_action_source
from rosbag_tools.convert.episode_plan import Plan, plan, PlannedEpisode
from rosbag_tools.convert.episodes import find_episodes
from rosbag_tools.convert.pictures import find_unusable, Unusable, UnusableError
from rosbag_tools.convert.sources import read_sources, sources_at
from rosbag_tools.convert.survey import StreamSurvey, Survey, survey


@dataclass(frozen=True)
class ConvertOptions:
    """How bags become episodes.

    Attributes:
        rate_hz: Rate of the rows.
        video: How frames are encoded; None copies the recorded bitstream where that can be.
        split: `bag`, `gap:<seconds>`, `event:<topic>` or `services`.
        action_from: `command`, `next_state` or `delta`.
        instruction: Used where the bag names none.
        trim_idle_s: Idle time kept at both ends of an episode, None keeps all.
        only_success: Leave out episodes that are not marked as a success.
        namespace: Namespace of the robot's topics in the bag.
        definitions: `.msg` files for types that the bag does not define.
        corrections: Write who decided each row, and its episode's outcome.
        decisions: What a person decided about the bag.
    """

    rate_hz: float
    video: VideoOptions | None
    split: str = 'bag'
    action_from: str = 'command'
    instruction: str | None = None
    trim_idle_s: float | None = None
    only_success: bool = False
    namespace: str = ''
    definitions: tuple[Path, ...] = ()
    corrections: bool = False
    decisions: tuple[Decision, ...] = ()


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
            writers = _Writers(robot, planned.episodes, sources, options, folder)
            try:
                _write_frames(bag, robot, surveyed, planned, options, writers, numbers, on_rows)
                shards = writers.finish()
                break
            except UnusableError as error:
                # As if the message had not been sent. All pictures are looked at once, and the
                # rows planned anew without those that are none.
                writers.discard()
                if is_checked:
                    raise BagError(f'{path}: {error}') from None
                unusable = find_unusable(bag, robot, surveyed, copy=options.video is None)
                is_checked = True
            except BaseException:
                writers.discard()
                raise
        return Converted(
            surveyed,
            aligned,
            planned,
            tuple(shards),
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
    writers: '_Writers',
    unusable: Mapping[str, Set[int]],
    on_rows: Callable[[int], None],
) -> None:
    """Read the cameras' topics once and hand every frame that a row shows to its episode."""
    by_topic = {
        surveyed.streams[camera.stream.topic].topic.name: _CameraRows(
            camera,
            index,
            planned,
            writers,
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


class _CameraRows:
    """The rows of one camera, over all episodes, in order."""

    def __init__(
        self,
        camera: Camera,
        index: int,
        planned: Plan,
        writers: '_Writers',
        surveyed: Survey,
        unusable: Set[int],
        *,
        copy: bool,
    ) -> None:
        self.camera = camera
        self._writers = writers
        self._skipped = unusable
        self._stream = surveyed.streams[camera.stream.topic]
        # Message number and episode of each row; flat, for an hour has 100,000 of them.
        self._numbers, self._episodes = array('q'), array('q')
        for episode, made in enumerate(planned.episodes):
            self._numbers.extend(made.frames[:, index].tolist())
            self._episodes.extend([episode] * len(made.frames))
        self._next = 0
        self._number = -1
        self._copy = copy and all(
            _can_copy(made.frames[:, index], self._stream) for made in planned.episodes
        )
        self._size: tuple[int, int] | None = None
        self._still = StillDecoder()
        codec = self._stream.codec
        self._video = (
            VideoStream(camera.stream.topic, codec, (camera.width, camera.height))
            if codec and not self._copy
            else None
        )

    def add(self, read: Callable[[], Any]) -> int:
        """Take the topic's next message; return how many rows were written."""
        self._number += 1
        if self._done or self._number < self._stream.first_usable or self._number in self._skipped:
            return 0
        if self._video is not None:
            return self._add_packet(self._video, self._read(read))
        if self._numbers[self._next] != self._number:
            return 0
        message = self._read(read)
        data = bytes(memoryview(message.data)) if self._copy else b''
        if self._copy and (self._stream.codec or is_whole_jpeg(data)):
            codec = self._stream.codec or 'mjpeg'
            return self._write(
                self._number, lambda e: self._writers.add_packet(e, self.camera, codec, data)
            )
        try:
            image = self._still.decode(message)
        except ObservationError as error:
            raise self._unusable(self._number, error) from None
        self._check_size(self._number, image)
        return self._write(self._number, lambda e: self._writers.add_frame(e, self.camera, image))

    def _read(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except BagError as error:
            raise self._unusable(self._number, error) from None

    def finish(self) -> None:
        """Write the frames that a video decoder still holds."""
        if self._video is not None and not self._done:
            for number, frame in self._video.finish():
                self._write_frame(number, frame)
        if not self._done:
            raise self._unusable(self._numbers[self._next], 'it gave no picture')

    @property
    def _done(self) -> bool:
        return self._next == len(self._numbers)

    def _unusable(self, number: int, why: object) -> UnusableError:
        return UnusableError(f'{self.camera.stream.topic}: image {number} cannot be used: {why}')

    def _add_packet(self, video: VideoStream, message: Any) -> int:
        written = 0
        if self._number - 1 in self._skipped and self._number in self._stream.key_frames:
            # What was left out is no reference for what follows: decoding begins anew.
            written = sum(self._write_frame(number, frame) for number, frame in video.finish())
            video.restart()
        try:
            frames = list(video.decode(bytes(memoryview(message.data)), self._number))
        except av.error.FFmpegError as error:
            raise self._unusable(self._number, error) from None
        if any(frame.is_corrupt for _, frame in frames):
            raise self._unusable(self._number, 'it is damaged')
        return written + sum(self._write_frame(number, frame) for number, frame in frames)

    def _check_size(self, number: int, image: Any) -> None:
        size = size_of(image)
        self._size = self._size or size
        if size != self._size:
            raise self._unusable(number, f'{size[0]}×{size[1]}, those before it are others')

    def _write_frame(self, number: int, frame: av.VideoFrame) -> int:
        self._check_size(number, frame)
        if not self._done and self._numbers[self._next] < number:
            raise self._unusable(self._numbers[self._next], 'it gave no picture')
        return self._write(number, lambda e: self._writers.add_frame(e, self.camera, frame))

    def _write(self, number: int, put: Callable[[int], None]) -> int:
        start = self._next
        while not self._done and self._numbers[self._next] == number:
            put(self._episodes[self._next])
            self._next += 1
        return self._next - start


def _can_copy(numbers: NDArray[np.int64], stream: StreamSurvey) -> bool:
    """Return whether packets can be copied: JPEGs always, video in one run from a key frame on."""
    if stream.codec is None:
        return True
    return int(numbers[0]) in stream.key_frames and bool((np.diff(numbers) == 1).all())


class _Writers:
    """One EpisodeWriter per episode; cameras may be in different episodes at the same time."""

    def __init__(
        self,
        robot: Robot,
        episodes: tuple[PlannedEpisode, ...],
        sources: tuple[NDArray[np.int64], ...] | None,
        options: ConvertOptions,
        folder: Path,
    ) -> None:
        self._robot = robot
        self._episodes = episodes
        self._sources = sources
        self._options = options
        self._folder = folder
        self._fps = Fraction(options.rate_hz).limit_denominator(1001)
        self._open: dict[int, EpisodeWriter] = {}
        self._left: dict[int, int] = {}
        self._finished: dict[int, Path] = {}

    def add_frame(self, episode: int, camera: Camera, frame: Any) -> None:
        """Encode a frame as the next one of a camera in an episode."""
        self._writer(episode).add_frame(camera.dataset_key, frame)
        self._count(episode)

    def add_packet(self, episode: int, camera: Camera, codec: str, data: bytes) -> None:
        """Copy a packet as the next frame of a camera in an episode."""
        self._writer(episode).add_packet(camera.dataset_key, codec, data)
        self._count(episode)

    def finish(self) -> list[Path]:
        """Return the shards in order."""
        return [self._finished[index] for index in range(len(self._episodes))]

    def discard(self) -> None:
        """Remove every shard of the bag."""
        for writer in self._open.values():
            writer.discard()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _writer(self, index: int) -> EpisodeWriter:
        if index not in self._open:
            cameras = [camera.dataset_key for camera in self._robot.cameras]
            self._folder.mkdir(parents=True, exist_ok=True)
            self._open[index] = EpisodeWriter(
                self._folder / f'episode_{index:03d}',
                self._fps,
                robot_features(self._robot) | ({} if self._sources is None else COLUMNS),
                cameras,
                self._options.video,
            )
            self._left[index] = len(self._episodes[index].stamp_ns) * len(cameras)
        return self._open[index]

    def _count(self, index: int) -> None:
        self._left[index] -= 1
        if self._left[index]:
            return
        episode = self._episodes[index]
        writer = self._open.pop(index)
        columns = zip(episode.state, episode.action, episode.stamp_ns, strict=True)
        for row, (state, action, stamp_ns) in enumerate(columns):
            values = {'observation.state': state, 'action': action, STAMP_COLUMN: stamp_ns}
            if self._sources is not None:
                values |= row_values(int(self._sources[index][row]), episode.success)
            writer.add_row(values, episode.instruction)
        self._finished[index] = writer.finish({'success': episode.success})
