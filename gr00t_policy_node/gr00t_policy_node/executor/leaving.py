# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS context that is not ended before the robot was stopped."""

from threading import current_thread, Event, main_thread

from rclpy.context import Context

# How long another thread that ends the ROS context waits for the robot to be stopped.
LONGEST_WAIT_S = 30.0


class LeavingContext(Context):
    """A ROS context of this program alone, which is not ended before the robot was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.leaving, self.stopped = Event(), Event()

    def shutdown(self) -> None:
        """End the context once the main thread has stopped the robot."""
        self._leave()
        super().shutdown()

    def try_shutdown(self) -> None:
        """End the context if it is valid, once the main thread has stopped the robot."""
        self._leave()
        super().try_shutdown()

    def _leave(self) -> None:
        self.leaving.set()
        if current_thread() is not main_thread():
            self.stopped.wait(LONGEST_WAIT_S)
