# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node `usb_cameras`: publishes the frames of USB cameras as the robot file names them.

For machines without a driver of their distribution (usb_cam). A thread per camera reads and
publishes; a camera that is gone is tried again every second, and the diagnostics say so.
"""

from collections.abc import Mapping
import threading
import time

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from gr00t_core.errors import Gr00tError, ParameterError
from gr00t_core.robot.description import Camera, NANOSECONDS, Robot
from gr00t_core.robot.file import load_robot
from gr00t_ros import diagnostics
from gr00t_ros.parameters import declare
from gr00t_so101.frames import CameraError, frames
from gr00t_so101.loop import ended_by_signal
from gr00t_so101.parameters import CAMERAS

NAME = 'usb_cameras'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
RETRY_S = 1.0
# A camera that gives nothing for so long is silent (s).
SILENT_S = 1.0
# Below this share of the robot file's rate a camera is slow.
SLOW = 0.8


class CameraStream:
    """One camera and its thread.

    Attributes:
        trouble: Why there are no frames now, '' when there are.
    """

    def __init__(self, node: Node, camera: Camera, device: str, quality: int) -> None:
        """Create the publisher; `start` begins to read."""
        self.camera, self.device, self.trouble = camera, device, 'not open yet'
        self._quality = quality
        self._node = node
        self._publisher = node.create_publisher(CompressedImage, camera.stream.topic, 5)
        self._ended = threading.Event()
        # A daemon: a camera that hangs must not keep the process.
        self._thread = threading.Thread(target=self._run, name=camera.name, daemon=True)
        self.count = self.unbelieved = 0
        self._counted, self._counted_s = 0, time.monotonic()
        self._heard_s = time.monotonic()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; wait a moment for the thread."""
        self._ended.set()
        self._thread.join(1.0)

    def status(self, node: str) -> DiagnosticStatus:
        """Return what happened since the last call."""
        now_s = time.monotonic()
        rate = (self.count - self._counted) / max(now_s - self._counted_s, 1e-3)
        self._counted, self._counted_s = self.count, now_s
        expected = self.camera.stream.rate_hz
        silent_s = now_s - self._heard_s
        level, message = DiagnosticStatus.OK, 'frames come'
        if self.trouble:
            level, message = DiagnosticStatus.ERROR, self.trouble
        elif silent_s > SILENT_S:
            level = DiagnosticStatus.ERROR
            message = f'{self.device}: no frame for {silent_s:.1f} s: check its USB cable'
        elif rate < SLOW * expected:
            level = DiagnosticStatus.WARN
            message = (
                f'{rate:.1f} of {expected:g} frames per second: more light, a shorter exposure, or'
                ' another USB controller'
            )
        values: dict[str, object] = {
            'device': self.device,
            'rate (Hz)': rate,
            'expected (Hz)': expected,
            'frames': self.count,
            'frames stamped on arrival': self.unbelieved,
        }
        return diagnostics.status(
            f'{node}: {self.camera.name}', self.device, level, message, values
        )

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                for frame in frames(self.camera, self.device, self._quality, self._ended.is_set):
                    if self.trouble:
                        self._node.get_logger().info(f'{self.camera.name}: {self.device}: frames')
                    self.trouble = ''
                    self.count += 1
                    self.unbelieved += not frame.believed
                    self._heard_s = time.monotonic()
                    self._publish(frame.data, frame.stamp_ns)
                told = '' if self._ended.is_set() else f'{self.device}: the camera has ended'
            except CameraError as error:
                told = str(error)
            if told and told != self.trouble:
                self._node.get_logger().error(f'{told}; tried again every {RETRY_S:g} s')
            self.trouble = told
            self._ended.wait(RETRY_S)

    def _publish(self, data: bytes, stamp_ns: int) -> None:
        message = CompressedImage(format='jpeg', data=data)
        message.header.stamp = Time(sec=stamp_ns // NANOSECONDS, nanosec=stamp_ns % NANOSECONDS)
        message.header.frame_id = f'{self.camera.name}_camera_optical_frame'
        self._publisher.publish(message)


class CamerasNode(Node):
    """See the module's text."""

    def __init__(self) -> None:
        """Start a thread per camera.

        Raises:
            Gr00tError: A parameter or the robot file is wrong.
        """
        super().__init__(NAME)
        settings = declare(self, CAMERAS)
        robot = load_robot(settings['robot'])
        devices = devices_of(robot, settings['devices'])
        self.streams = [
            CameraStream(self, robot.camera(name), device, settings['jpeg_quality'])
            for name, device in devices.items()
        ]
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        for stream in self.streams:
            stream.start()

    def close(self) -> None:
        """Stop all cameras."""
        for stream in self.streams:
            stream.stop()

    def _report(self) -> None:
        name = self.get_fully_qualified_name()
        statuses = [stream.status(name) for stream in self.streams]
        self._diagnostics.publish(diagnostics.array(self.get_clock().now(), statuses))


def devices_of(robot: Robot, words: list[str]) -> Mapping[str, str]:
    """Return camera → device for words like front=/dev/video0.

    Raises:
        ParameterError: A word has another form, names a camera that the robot file lacks or whose
            messages are no CompressedImage, or a camera or device comes twice.
    """
    cameras = {camera.name: camera for camera in robot.cameras}
    example = f'{next(iter(cameras), "front")}=/dev/video0'
    found: dict[str, str] = {}
    for word in filter(None, words):
        name, equals, device = word.partition('=')
        if not equals or not device:
            raise ParameterError(f'parameter devices: {word!r}: write e.g. {example}')
        if name not in cameras:
            raise ParameterError(
                f'parameter devices: {word!r}: {robot.source} has no camera {name!r}; it has'
                f' {", ".join(cameras)}'
            )
        if cameras[name].stream.type != COMPRESSED_IMAGE:
            raise ParameterError(
                f'parameter devices: {word!r}: {robot.source} expects'
                f' {cameras[name].stream.type}; this node publishes {COMPRESSED_IMAGE}'
            )
        if name in found or device in found.values():
            raise ParameterError(f'parameter devices: {word!r}: the camera or device comes twice')
        found[name] = device
    if not found:
        raise ParameterError(f'parameter devices: empty; write e.g. [{example}]')
    return found


def main(args: list[str] | None = None) -> int:
    """Run the node until it is stopped."""
    with ended_by_signal(NAME, args) as ended:
        node = None
        executor = SingleThreadedExecutor()
        try:
            node = CamerasNode()
            executor.add_node(node)
            while not ended():
                executor.spin_once(timeout_sec=0.1)
        except Gr00tError as error:
            rclpy.logging.get_logger(NAME).fatal(str(error))
            return 1
        finally:
            if node is not None:
                node.close()
            executor.shutdown()
            if node is not None:
                node.destroy_node()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
