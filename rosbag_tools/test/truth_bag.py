# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make bags whose truth is known: images carry their time, joints are functions of time."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
import simplejpeg

from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.message_definitions import known_types

START_NS = 1_700_000_000 * NANOSECONDS
BITS = 40  # of the time in µs: 12 days
COLUMNS = 8

STORE = known_types()
T = STORE.types


@dataclass
class Fault:
    """What goes wrong with a stream; times in seconds."""

    jitter_s: float = 0.0
    phase_s: float = 0.0
    latency_s: float = 0.002
    drop: float = 0.0
    offset_s: float = 0.0  # header clock minus true time
    silent: tuple[float, float] | None = None  # no messages between these times


@dataclass
class TruthBag:
    """A bag of `seconds` for `robot`; `write` makes it."""

    seconds: float = 3.0
    robot: Robot = field(default_factory=lambda: load_robot('so101'))
    size: tuple[int, int] = (320, 240)
    image: str = (
        'jpeg'  # jpeg, png, raw, h264, hevc, video (CompressedVideo), ffmpeg (FFMPEGPacket)
    )
    camera_hz: float = 30.0
    joint_hz: float = 100.0
    lead_s: float = 0.1  # the joints are there before the first frame
    faults: dict[str, Fault] = field(default_factory=dict)  # by relative topic
    storage: StoragePlugin = StoragePlugin.MCAP
    zstd: CompressionMode = CompressionMode.NONE
    custom: dict[str, str] = field(default_factory=dict)
    namespace: str = ''
    seed: int = 0

    def write(self, path: Path) -> Path:
        """Write the bag to a new folder."""
        rng = np.random.default_rng(self.seed)
        messages: list[tuple[int, str, str, bytes]] = []
        for camera in self.robot.cameras:
            messages += self._camera(camera.stream.topic, rng)
        for topic in dict.fromkeys(
            g.stream.topic for g in (*self.robot.state, *self.robot.action)
        ):
            messages += self._joints(topic, rng)
        writer = Writer(path, version=9, storage_plugin=self.storage)
        if self.zstd is not CompressionMode.NONE:
            writer.set_compression(self.zstd, CompressionFormat.ZSTD)
        for key, value in self.custom.items():
            writer.set_custom_data(key, value)
        with writer:
            connections: dict[str, Any] = {}
            for log_ns, topic, kind, raw in sorted(messages, key=lambda m: m[0]):
                name = '/'.join(['', *(p for p in (self.namespace, topic) if p)])
                if name not in connections:
                    connections[name] = writer.add_connection(name, kind, typestore=STORE)
                writer.write(connections[name], log_ns, raw)
        return path

    def _times(
        self, topic: str, rate_hz: float, rng: np.random.Generator, lead_s: float = 0.0
    ) -> list[tuple[int, int, int]]:
        """Return (true, header, log) times in ns."""
        fault = self.faults.get(topic, Fault())
        count = round((self.seconds + lead_s) * rate_hz)
        times = []
        last_log = 0
        for k in range(count):
            jitter_s = rng.normal(0, fault.jitter_s) if fault.jitter_s else 0.0
            true_s = max(k / rate_hz - lead_s + fault.phase_s + jitter_s, -lead_s)
            quiet = fault.silent is not None and fault.silent[0] <= true_s < fault.silent[1]
            if quiet or (0 < k < count - 1 and rng.random() < fault.drop):
                continue
            latency = fault.latency_s * (1 + 0.2 * rng.uniform(-1, 1))
            true_ns = round(true_s * 1e6) * 1000  # whole µs: what the pixels can carry
            log_ns = max(START_NS + true_ns + round(latency * NANOSECONDS), last_log + 1)
            times.append((true_ns, START_NS + true_ns + round(fault.offset_s * 1e9), log_ns))
            last_log = log_ns
        return sorted(times)

    def _camera(self, topic: str, rng: np.random.Generator) -> list[tuple[int, str, str, bytes]]:
        times = self._times(topic, self.camera_hz, rng)
        images = [time_image(true_ns, self.size) for true_ns, _, _ in times]
        out = []
        if self.image in ('jpeg', 'png', 'raw'):
            for (_, stamp, log), image in zip(times, images, strict=True):
                out.append((log, topic, *still_message(image, self.image, stamp)))
            return out
        codec = 'hevc' if self.image == 'hevc' else 'h264'
        packets = encode(images, codec, self.camera_hz)
        for (_, stamp, log), packet in zip(times, packets, strict=True):
            out.append((log, topic, *video_message(packet, self.image, self.size, stamp)))
        return out

    def _joints(self, topic: str, rng: np.random.Generator) -> list[tuple[int, str, str, bytes]]:
        groups = [g for g in (*self.robot.state, *self.robot.action) if g.stream.topic == topic]
        names = [name for group in groups for name in group.names]
        is_command = groups[0] in self.robot.action
        out = []
        for true_ns, stamp, log in self._times(topic, self.joint_hz, rng, self.lead_s):
            position = joint_truth(true_ns / 1e9, len(names)) + (0.01 if is_command else 0.0)
            message = T['sensor_msgs/msg/JointState'](
                header=header(stamp), name=names, position=position,
                velocity=np.zeros(0), effort=np.zeros(0),
            )  # fmt: skip
            kind = 'sensor_msgs/msg/JointState'
            out.append((log, topic, kind, bytes(STORE.serialize_cdr(message, kind))))
        return out


def joint_truth(seconds: Any, width: int) -> Any:
    """Return the joints at a true time; joint j ramps at (j + 1) * 0.1 rad/s."""
    return np.multiply.outer(np.asarray(seconds), 0.1 * (1 + np.arange(width)))


def time_image(true_ns: int, size: tuple[int, int]) -> Any:
    """Return (H, W, 3) RGB whose cells spell the time in µs."""
    width, height = size
    rows = BITS // COLUMNS
    bits = (true_ns // 1000 >> np.arange(BITS)) & 1
    cells = (bits.reshape(rows, COLUMNS) * 215 + 20).astype(np.uint8)
    image = np.repeat(np.repeat(cells, height // rows, axis=0), width // COLUMNS, axis=1)
    full = np.full((height, width), 128, np.uint8)
    full[: image.shape[0], : image.shape[1]] = image
    return np.ascontiguousarray(np.stack([full] * 3, axis=2))


def read_time(image: Any) -> int:
    """Return the true time in ns that a (H, W, 3) image carries."""
    height, width = image.shape[:2]
    rows = BITS // COLUMNS
    step_y, step_x = height // rows, width // COLUMNS
    centres = image[step_y // 2 :: step_y, step_x // 2 :: step_x].mean(axis=2)[:rows, :COLUMNS]
    bits = (centres.reshape(-1) > 128).astype(np.int64)
    return int((bits << np.arange(BITS)).sum()) * 1000


def header(stamp_ns: int) -> Any:
    return T['std_msgs/msg/Header'](
        stamp=T['builtin_interfaces/msg/Time'](
            sec=stamp_ns // NANOSECONDS, nanosec=stamp_ns % NANOSECONDS
        ),
        frame_id='camera',
    )


def still_message(image: Any, encoding: str, stamp_ns: int) -> tuple[str, bytes]:
    if encoding == 'raw':
        kind = 'sensor_msgs/msg/Image'
        message = T[kind](
            header=header(stamp_ns), height=image.shape[0], width=image.shape[1], encoding='rgb8',
            is_bigendian=0, step=image.shape[1] * 3, data=image.reshape(-1),
        )  # fmt: skip
        return kind, bytes(STORE.serialize_cdr(message, kind))
    if encoding == 'png':
        import io

        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, 'PNG', compress_level=1)
        data = buffer.getvalue()
    else:
        data = simplejpeg.encode_jpeg(image, quality=90)
    kind = 'sensor_msgs/msg/CompressedImage'
    message = T[kind](header=header(stamp_ns), format=encoding, data=np.frombuffer(data, np.uint8))
    return kind, bytes(STORE.serialize_cdr(message, kind))


def video_message(
    packet: bytes, image: str, size: tuple[int, int], stamp_ns: int
) -> tuple[str, bytes]:
    data = np.frombuffer(packet, np.uint8)
    if image == 'video':
        kind = 'foxglove_msgs/msg/CompressedVideo'
        message = T[kind](
            timestamp=header(stamp_ns).stamp, frame_id='camera', data=data, format='h264'
        )
    elif image == 'ffmpeg':
        kind = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
        key = int(b'\x00\x00\x01\x65' in packet or b'\x00\x00\x01\x67' in packet)
        message = T[kind](
            header=header(stamp_ns), width=size[0], height=size[1], encoding='libx264',
            pts=0, flags=key, is_bigendian=False, data=data,
        )  # fmt: skip
    else:
        kind = 'sensor_msgs/msg/CompressedImage'
        message = T[kind](header=header(stamp_ns), format=image, data=data)
    return kind, bytes(STORE.serialize_cdr(message, kind))


def encode(images: list[Any], codec: str, fps: float) -> list[bytes]:
    """Encode to Annex B without B-frames, a key frame every 15 with its parameter sets in band."""
    encoder: Any = av.CodecContext.create('libx264' if codec == 'h264' else 'libx265', 'w')
    height, width = images[0].shape[:2]
    encoder.width, encoder.height, encoder.pix_fmt = width, height, 'yuv420p'
    encoder.time_base = 1 / Fraction(fps).limit_denominator(1000)
    encoder.gop_size = 15
    if codec == 'h264':
        encoder.options = {'preset': 'ultrafast', 'tune': 'zerolatency', 'crf': '18', 'bf': '0'}
    else:
        parameters = 'log-level=none:keyint=15:bframes=0:repeat-headers=1:crf=18:frame-threads=1'
        encoder.options = {'preset': 'ultrafast', 'tune': 'zerolatency', 'x265-params': parameters}
    packets = []
    for k, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(image, format='rgb24')
        frame.pts = k
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets + [bytes(packet) for packet in encoder.encode(None)]
