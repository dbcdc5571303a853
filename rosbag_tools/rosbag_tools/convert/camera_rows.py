# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hand each picture of a camera to the episodes whose rows show it, in the order of the bag."""

from array import array
from collections.abc import Callable, Set
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import BagError, ObservationError
from gr00t_core.robot.description import Camera
from rosbag_tools.convert.camera_decoder import is_whole_jpeg, size_of, StillDecoder, VideoStream
from rosbag_tools.convert.episode_plan import Plan
from rosbag_tools.convert.episode_shards import EpisodeShards
from rosbag_tools.convert.pictures import UnusableError
from rosbag_tools.convert.survey import StreamSurvey, Survey


class CameraRows:
    """The rows of one camera, over all episodes, in order."""

    def __init__(
        self,
        camera: Camera,
        index: int,
        planned: Plan,
        shards: EpisodeShards,
        surveyed: Survey,
        unusable: Set[int],
        *,
        copy: bool,
    ) -> None:
        self.camera = camera
        self._shards = shards
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
                self._number, lambda e: self._shards.add_packet(e, self.camera, codec, data)
            )
        try:
            image = self._still.decode(message)
        except ObservationError as error:
            raise self._unusable(self._number, error) from None
        self._check_size(self._number, image)
        return self._write(self._number, lambda e: self._shards.add_frame(e, self.camera, image))

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
        return self._write(number, lambda e: self._shards.add_frame(e, self.camera, frame))

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
