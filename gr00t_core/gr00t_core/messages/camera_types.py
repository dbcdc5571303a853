# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""List the message types that a camera of a robot file may have, and how each is decoded."""

from collections.abc import Mapping

# `still`: each message is a picture. `video`: a message is decoded after those before it, from a
# key frame on; the converter does so, the policy cannot.
CAMERA_TYPES: Mapping[str, str] = {
    'sensor_msgs/msg/Image': 'still',
    'sensor_msgs/msg/CompressedImage': 'still',
    'foxglove_msgs/msg/CompressedVideo': 'video',
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket': 'video',
}
STILL_IMAGES = tuple(name for name, kind in CAMERA_TYPES.items() if kind == 'still')
