# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Store raw camera images as JPEG under `<topic>/compressed`, as image_transport names it.

The robot file inside such a bag names what is in the bag; `gr00t convert` finds the pictures with
the robot's own file, too.
"""

from typing import Any

import numpy as np
import simplejpeg
import yaml

from gr00t_core.messages.images import image_to_rgb
from gr00t_core.robot.description import Robot
from rosbag_tools.bags.message_definitions import deserialize, installed_types

RAW = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
SUFFIX = '/compressed'


def raw_topics(robot: Robot) -> tuple[str, ...]:
    """Return the topics of the cameras that send raw images."""
    streams = (camera.stream for camera in robot.cameras)
    return tuple(stream.topic for stream in streams if stream.type == RAW)


def robot_text(robot: Robot, quality: int) -> str:
    """Return the robot file as a bag carries it, with its raw cameras as they are stored.

    Args:
        robot: The robot being recorded.
        quality: JPEG quality; 0 stores raw images as they come, and the file stays as it is.
    """
    text = robot.source.read_text(encoding='utf-8')
    if not quality or not raw_topics(robot):
        return text
    content: dict[str, Any] = yaml.safe_load(text)
    for camera in content['cameras'].values():
        if camera['type'] == RAW:
            camera |= {'topic': camera['topic'] + SUFFIX, 'type': COMPRESSED}
    note = f'# {robot.source.name}, with the raw cameras as they are stored: JPEG {quality}.\n'
    return note + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


class JpegEncoder:
    """Turn serialized `sensor_msgs/Image` messages into serialized JPEG `CompressedImage`s."""

    def __init__(self, quality: int) -> None:
        """Take the JPEG quality, 1 to 100."""
        self._quality = quality
        self._store = installed_types((RAW, COMPRESSED))
        self._message = self._store.types[COMPRESSED]

    def __call__(self, raw: bytes) -> bytes:
        """Return the compressed message, with the header of the raw one.

        Raises:
            ObservationError: The image has an unknown encoding, or too few bytes.
            BagError: The bytes hold no image message.
        """
        image = deserialize(self._store, raw, RAW)
        data = simplejpeg.encode_jpeg(image_to_rgb(image), quality=self._quality)
        message = self._message(
            header=image.header, format='jpeg', data=np.frombuffer(data, np.uint8)
        )
        return bytes(self._store.serialize_cdr(message, COMPRESSED))
