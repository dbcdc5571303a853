# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read JPEG frames with their times from a USB camera (V4L2), or from a video file in its place.

FFmpeg (PyAV) reads the camera: frames that the camera compresses itself are passed on as they are,
and each comes with the time at which the kernel got it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
import stat
import time
from typing import Any

import av
import numpy as np
import simplejpeg

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.description import Camera, NANOSECONDS

# A frame whose time is further from its arrival is stamped with its arrival (s).
BELIEVABLE_S = 1.0


class CameraError(Gr00tError):
    """A camera cannot be opened, gives another picture than the robot file says, or is gone."""


@dataclass(frozen=True)
class Frame:
    """One JPEG.

    Attributes:
        data: The bytes.
        stamp_ns: When the kernel got it (system clock).
        believed: Whether that is the driver's time, not that of the arrival.
    """

    data: bytes
    stamp_ns: int
    believed: bool


def frames(
    camera: Camera, device: str, quality: int, ended: Callable[[], bool]
) -> Iterator[Frame]:
    """Give the frames of a camera until it ends or `ended` says so.

    Args:
        camera: What the robot file expects: size and rate.
        device: E.g. /dev/video0; a video file is played at its own pace, again and again.
        quality: JPEG quality of frames that are not compressed yet.
        ended: Whether to stop.

    Raises:
        CameraError: See there; the message names camera and device.
    """
    if is_device(device):
        with _opened(camera, device) as container:
            for data, at_s in _packets(container, camera, device, quality):
                if ended():
                    return
                yield _stamped(data, at_s)
    while not ended():  # a file
        with _opened(camera, device) as container:
            began_s, count = time.monotonic(), 0
            for data, at_s in _packets(container, camera, device, quality):
                count += 1
                time.sleep(max(began_s + (at_s or 0.0) - time.monotonic(), 0.0))
                if ended():
                    return
                yield Frame(data, time.time_ns(), True)
        if not count:
            raise CameraError(f'camera {camera.name}: {device} holds no frame')
        time.sleep(1.0 / camera.stream.rate_hz)


def is_device(path: str) -> bool:
    """Return whether a path is a device, not a file."""
    try:
        return stat.S_ISCHR(Path(path).stat().st_mode)
    except OSError:
        return path.startswith('/dev/')


def _opened(camera: Camera, device: str) -> Any:
    """Open a camera at the robot file's size and rate, compressed if it can do that."""
    where = f'camera {camera.name}: {device}'
    try:
        if not is_device(device):
            return av.open(device)
        options = {
            'video_size': f'{camera.width}x{camera.height}',
            'framerate': f'{camera.stream.rate_hz:g}',
            'timestamps': 'abs',  # of the kernel, on the system clock
        }
        try:
            return av.open(device, format='v4l2', options={**options, 'input_format': 'mjpeg'})
        except ValueError:  # FFmpeg: invalid argument; the camera gives no JPEG
            return av.open(device, format='v4l2', options=options)
    except FileNotFoundError:
        found = ', '.join(sorted(map(str, Path('/dev').glob('video*')))) or 'none'
        raise CameraError(f'{where}: there is no such device; cameras here: {found}') from None
    except PermissionError:
        raise CameraError(
            f'{where}: you may not open it: sudo usermod -aG video $USER, then log in again'
        ) from None
    except (OSError, ValueError) as error:
        raise CameraError(
            f'{where}: cannot be opened at {camera.width}x{camera.height},'
            f' {camera.stream.rate_hz:g} Hz: {error}. Does another program use it?'
            ' `v4l2-ctl --list-formats-ext` lists what it offers'
        ) from None


def _packets(
    container: Any, camera: Camera, device: str, quality: int
) -> Iterator[tuple[bytes, float | None]]:
    """Give (JPEG, time in s) of each frame.

    Raises:
        CameraError: The picture has another size, or the device ends.
    """
    if not container.streams.video:
        raise CameraError(f'camera {camera.name}: {device} has no video')
    stream = container.streams.video[0]
    size = (stream.codec_context.width, stream.codec_context.height)
    if size != (camera.width, camera.height):
        raise CameraError(
            f'camera {camera.name}: {device} gives {size[0]}x{size[1]}, the robot file asks for'
            f' {camera.width}x{camera.height}: change the robot file, or choose a camera that has'
            ' this size (`v4l2-ctl --list-formats-ext`)'
        )
    is_jpeg = stream.codec_context.name == 'mjpeg'
    try:
        for packet in container.demux(stream):
            at_s = None if packet.pts is None else float(packet.pts * packet.time_base)
            if is_jpeg:
                if packet.size:
                    yield bytes(packet), at_s
                continue
            for frame in packet.decode():
                rgb = np.ascontiguousarray(frame.to_ndarray(format='rgb24'))
                yield simplejpeg.encode_jpeg(rgb, quality=quality), frame.time
    except (OSError, ValueError) as error:
        raise CameraError(
            f'camera {camera.name}: {device} is gone ({error}): check its USB cable'
        ) from None


def _stamped(data: bytes, at_s: float | None) -> Frame:
    now_ns = time.time_ns()
    stamp_ns = now_ns if at_s is None else round(at_s * NANOSECONDS)
    if at_s is None or not 0 <= now_ns - stamp_ns <= BELIEVABLE_S * NANOSECONDS:
        return Frame(data, now_ns, False)
    return Frame(data, stamp_ns, True)
