# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start the distribution's driver of USB cameras, usb_cam, for the cameras of a robot file."""

import os
from pathlib import Path
from typing import Any

from gr00t_bringup.nodes import NodeSpec
from gr00t_core.errors import Gr00tError
from gr00t_core.robot.file import load_robot

PACKAGES = ('usb_cam', 'compressed_image_transport')
# What usb_cam adds to its namespace when image_transport compresses.
SUFFIX = '/image_raw/compressed'


def is_installed() -> bool:
    """Return whether usb_cam is there, and what compresses its images."""
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    index = 'share/ament_index/resource_index/packages'
    return all(
        any((Path(prefix) / index / package).exists() for prefix in prefixes if prefix)
        for package in PACKAGES
    )


def usb_cam_nodes(cameras: str, robot: str, shared: dict[str, Any]) -> list[NodeSpec]:
    """Return a node per camera, whose namespace makes the topic of the robot file.

    Args:
        cameras: E.g. 'front=/dev/video0 wrist=/dev/video2'.
        robot: Shipped robot or robot file.
        shared: Namespace, log level and so on, as keywords of `NodeSpec`.

    Raises:
        Gr00tError: A word has another form, or names no camera of the robot whose topic ends with
            /image_raw/compressed.
    """
    known = {camera.name: camera for camera in load_robot(robot).cameras}
    found = []
    for word in cameras.split():
        name, _, device = word.partition('=')
        if not device or name not in known:
            raise Gr00tError(
                f'cameras: {word!r}: write e.g. {next(iter(known))}=/dev/video0; the cameras of'
                f' {robot} are {", ".join(known)}'
            )
        camera = known[name]
        if not camera.stream.topic.endswith(SUFFIX):
            raise Gr00tError(
                f'cameras: {word!r}: usb_cam publishes topics that end with {SUFFIX}, the robot'
                f' file has {camera.stream.topic}: use camera_driver:=usb_cameras'
            )
        namespace = f'{shared.get("namespace", "")}/{camera.stream.topic.removesuffix(SUFFIX)}'
        parameters: dict[str, Any] = {
            'video_device': device,
            'image_width': camera.width,
            'image_height': camera.height,
            'framerate': float(camera.stream.rate_hz),
            'pixel_format': 'mjpeg2rgb',
            'camera_name': name,
            'frame_id': f'{name}_camera_optical_frame',
        }
        keywords = shared | {'namespace': namespace, 'params_file': ''}
        found.append(
            NodeSpec('usb_cam', 'usb_cam_node_exe', 'usb_cam', parameters=parameters, **keywords)
        )
    return found
