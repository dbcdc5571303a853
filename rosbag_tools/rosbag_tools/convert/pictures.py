# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Look at every picture of a bag and name those that are none.

Done only for a bag in which one turned up: then all are known at once, whatever their number.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import av

from gr00t_core.errors import BagError, ObservationError
from gr00t_core.robot.description import Camera, Robot
from rosbag_tools.bags.bag import Bag, Message
from rosbag_tools.convert.camera_decoder import is_whole_jpeg, size_of, StillDecoder, VideoStream
from rosbag_tools.convert.survey import StreamSurvey, Survey

# Fewer pictures of another size than this share are taken as damaged, not as another camera.
ODD_SIZE_SHARE = 0.1


class UnusableError(Exception):
    """A camera's message that a row shows gives no picture."""


@dataclass(frozen=True)
class Unusable:
    """A camera's messages that are no pictures.

    Attributes:
        count: How many.
        first_ns: Log time of the first.
        reason: What is wrong with the first.
    """

    count: int
    first_ns: int
    reason: str


def find_unusable(
    bag: Bag, robot: Robot, surveyed: Survey, *, copy: bool
) -> dict[str, Mapping[int, str]]:
    """Decode every picture; return camera topic → number of a message → why it is none.

    Args:
        bag: An open bag.
        robot: The robot it was recorded on.
        surveyed: Of the same bag.
        copy: The recorded bitstream is kept: whole JPEGs are not decoded.

    Raises:
        BagError: A camera has no picture at all, or changes its size for good.
    """
    looks = {
        surveyed.streams[camera.stream.topic].topic.name: _Look(
            camera, surveyed.streams[camera.stream.topic], copy=copy
        )
        for camera in robot.cameras
    }
    for message in bag.messages(looks):
        looks[message.topic].take(bag, message)
    return {look.camera.stream.topic: look.finish(bag) for look in looks.values()}


class _Look:
    """The pictures of one camera, in order."""

    def __init__(self, camera: Camera, stream: StreamSurvey, *, copy: bool) -> None:
        self.camera = camera
        self._stream = stream
        self._copy = copy
        self._number = -1
        self._found: dict[int, str] = dict(stream.unusable)
        self._sizes: dict[int, tuple[int, int]] = {}
        self._still = StillDecoder()
        codec = stream.codec
        size = (camera.width, camera.height)
        self._video = VideoStream(camera.stream.topic, codec, size) if codec else None
        self._packets: set[int] = set()  # put in since the last key frame, no picture yet
        self._is_broken = False  # until the next key frame

    def take(self, bag: Bag, message: Message) -> None:
        """Look at the topic's next message."""
        self._number += 1
        if self._number in self._found or self._number < self._stream.first_usable:
            return
        try:
            content = bag.deserialize(message)
        except BagError as error:
            self._found[self._number] = str(error)
            return
        if self._video is not None:
            self._packet(self._video, content)
        elif not (self._copy and is_whole_jpeg(memoryview(content.data))):
            try:
                self._sizes[self._number] = size_of(self._still.decode(content))
            except ObservationError as error:
                self._found[self._number] = str(error)

    def finish(self, bag: Bag) -> dict[int, str]:
        """Return what was found.

        Raises:
            BagError: Nothing is left, or pictures of two sizes are.
        """
        if self._video is not None and not self._is_broken:
            self._pictures(self._video.finish())
            self._lost('it gave no picture')
        where = f'{bag.path}: {self._stream.topic.name}'
        sizes = Counter(self._sizes.values())
        (usual, _), *others = sizes.most_common() or [((0, 0), 0)]
        if sum(count for _, count in others) > ODD_SIZE_SHARE * sizes.total():
            first = next(iter(self._sizes.values()))
            size = others[0][0] if first == usual else usual
            number = next(n for n, each in self._sizes.items() if each == size)
            raise BagError(
                f'{where}: image {number} is {size[0]}×{size[1]}, those before'
                f' {first[0]}×{first[1]}; convert the parts as bags of their own'
            )
        for number, size in self._sizes.items():
            if size != usual:
                text = f'{size[0]}×{size[1]}, the others are {usual[0]}×{usual[1]}'
                self._found[number] = text
        count = len(self._stream.log_ns)
        if len(self._found) >= count - self._stream.first_usable and not sizes and not self._copy:
            number = min(self._found)
            raise BagError(
                f'{where}: none of {count} messages is a picture that can be decoded; image'
                f' {number}: {self._found[number]}'
            )
        return dict(sorted(self._found.items()))

    def _packet(self, video: VideoStream, content: Any) -> None:
        if self._number in self._stream.key_frames and self._is_broken:
            video.restart()
            self._packets.clear()
            self._is_broken = False
        if self._is_broken:
            self._found[self._number] = 'it builds on a picture that is damaged'
            return
        self._packets.add(self._number)
        try:
            self._pictures(video.decode(bytes(memoryview(content.data)), self._number))
        except av.error.FFmpegError as error:
            self._lost(str(error))

    def _pictures(self, frames: Any) -> None:
        for number, frame in list(frames):
            self._packets.discard(number)
            if frame.is_corrupt:
                self._packets.add(number)
                self._lost('it is damaged')
                return
            self._sizes[number] = size_of(frame)

    def _lost(self, why: str) -> None:
        """Give up what has given no picture; the stream is broken up to the next key frame."""
        if self._packets:
            self._is_broken = True
            for number in self._packets:
                self._found[number] = why
                self._sizes.pop(number, None)
            self._packets.clear()
