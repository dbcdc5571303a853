# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the policy node holds from `configure` to `cleanup`: backend, threads, topics, counts."""

import threading
from typing import Any, TYPE_CHECKING

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from std_msgs.msg import String

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_msgs.msg import ActionChunk as ChunkMessage
from gr00t_policy_node.policy import parameters, rtc
from gr00t_policy_node.policy.backends import Backend, make_backend
from gr00t_policy_node.policy.detector import Detector, make_detector
from gr00t_policy_node.policy.head_only import FeatureReuse
from gr00t_policy_node.policy.inference import Answer, Inference, Request
from gr00t_policy_node.policy.loading import Loading
from gr00t_policy_node.policy.observing import Observer
from gr00t_policy_node.policy.rates import RateMeter
from gr00t_policy_node.policy.stream_diagnostics import milliseconds
from gr00t_ros import diagnostics
from gr00t_ros.chunk_messages import to_message

if TYPE_CHECKING:
    from gr00t_policy_node.policy.node import PolicyNode

# A load that is no longer wanted has this long to end (s); then it is left behind.
LOAD_PATIENCE_S = 0.2
# Of the last observation-to-chunk times: what an inference is expected to take at most.
RTC_PERCENT = 95


class Loaded:
    """What exists between `configure` and `cleanup`."""

    def __init__(self, node: 'PolicyNode', settings: parameters.Settings, robot: Robot) -> None:
        self.robot = robot
        self.instruction = ''
        self.run = 0
        self._publishing = threading.Lock()  # of the run and the chunk
        self.sequence = 0
        self.chunk: ActionChunk | None = None
        self.refused = {'observation': 0, 'backend': 0}
        self.asked_ns = 0
        # A frame half a period early is still the frame that the period asks for.
        self.tolerance_ns = round(NANOSECONDS / robot.reference.stream.rate_hz / 2)
        self._node = node
        self._settings = settings
        self._held = 0
        self._reuse = FeatureReuse(settings.head_only_ticks)
        self._delay_s = 0.0  # expected from a frame to its chunk
        self._chunks = 0
        self._rate = RateMeter(node.get_clock())
        self._latency = diagnostics.Window()
        self._paired = diagnostics.Window()
        self._decoded = diagnostics.Window()
        self._inferred = diagnostics.Window()
        self.observer = Observer(node, robot, node.reference_frame)
        self.backend: Backend = make_backend(settings, robot, node.get_logger())
        name = settings.success_detector
        self.detector = (
            Detector(name, make_detector(name, node, robot), node.wake) if name else None
        )
        self.loading = Loading(self.backend, robot, node.get_logger(), node.wake)
        self.is_listening = False
        self.worker = Inference(
            self.observer, self.backend, robot, self.publish, node.wake, self._seen
        )
        self.publisher = node.create_lifecycle_publisher(
            ChunkMessage,
            'action_chunk',
            QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        # A latched publisher's last message reaches only a transient-local subscription, a plain
        # `ros2 topic pub` only a volatile one; hearing an instruction twice changes nothing.
        self._subscriptions = [
            node.create_subscription(
                String,
                'instruction',
                node.instruction_topic,
                QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=durability),
            )
            for durability in (DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE)
        ]
        self._jumps = node.get_clock().create_jump_callback(
            JumpThreshold(
                min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False
            ),
            post_callback=node.clock_jumped,
        )

    @property
    def broken(self) -> str:
        """Return why this policy gives no chunk and never will, '' as long as it may."""
        crash = self.worker.crash
        return self.loading.failure or (crash and f'the inference thread crashed:\n{crash}')

    def begin_load(self) -> None:
        """Have the policy loaded on a thread of its own, which wakes the node."""
        self.backend.start()
        self.loading.start()

    def begin_to_listen(self) -> None:
        """Subscribe to the robot: the policy is loaded."""
        self.observer.subscribe()
        self.worker.start()
        self.is_listening = True

    def end_run(self) -> None:
        """Void what is under way: no chunk of it is published any more."""
        with self._publishing:
            self.run += 1
            self.chunk = None

    def begin_run(self) -> None:
        """Void what is under way and begin anew."""
        self.end_run()
        self.asked_ns = 0
        self._reuse.reset()

    def options(self, stamp_ns: int) -> dict[str, Any]:
        """Return what the backend is told besides the observation (inference thread)."""
        found: dict[str, Any] = {}
        chunk = self.chunk
        if self._settings.rtc and chunk is not None:
            found |= rtc.options(chunk, self.robot, stamp_ns, self._delay_s)
        if self._reuse.ask():
            found['head_only'] = True
        return found

    def publish(self, answer: Answer) -> float:
        """Publish a chunk (inference thread); return its latency in s, 0 when it is void."""
        request = answer.request
        with self._publishing:
            if request.run != self.run:
                return 0.0
            self.chunk = ActionChunk(
                request.stamp_ns,
                self.robot.step_ns,
                self.robot.action_names,
                answer.values,
                self.sequence,
            )
            self.sequence += 1
            message = to_message(
                self.chunk,
                self.robot.embodiment,
                request.instruction,
                answer.decoded_s + answer.paired_s + answer.inferred_s,
            )
            self.publisher.publish(message)
        now_ns = self._node.get_clock().now().nanoseconds
        return float(now_ns - request.stamp_ns) / NANOSECONDS

    def _seen(self, request: Request, observation: dict[str, Any]) -> None:
        """Let the detector look at what the policy was asked with (inference thread)."""
        running = self._node.running_goal
        if self.detector is not None and running is not None and request.run == self.run:
            goal, seconds = running
            self.detector.offer(goal, observation, seconds)

    def note(self, answer: Answer) -> None:
        """Count a published chunk."""
        self._reuse.answered()
        self._chunks += 1
        self._held += bool(answer.held)
        self._latency.add(answer.latency_s)
        if self._settings.rtc:
            self._delay_s = self._latency.percentile(RTC_PERCENT) or 0.0
        self._paired.add(answer.paired_s)
        self._decoded.add(answer.decoded_s)
        self._inferred.add(answer.inferred_s)

    def refuse(self, cause: str) -> None:
        """Count a frame without a chunk; a server that failed may have lost its features."""
        self.refused[cause] += 1
        self._reuse.reset()

    def values(self) -> dict[str, object]:
        """Return the policy's numbers for diagnostics."""
        return {
            'robot': str(self.robot.source),
            'embodiment': self.robot.embodiment,
            'chunks': self._chunks,
            'chunk rate (Hz)': self._rate.of(self._chunks),
            'observation to chunk p50 (ms)': milliseconds(self._latency.percentile(50)),
            'observation to chunk p99 (ms)': milliseconds(self._latency.percentile(99)),
            'wait for state p50 (ms)': milliseconds(self._paired.percentile(50)),
            'frames and decoding p50 (ms)': milliseconds(self._decoded.percentile(50)),
            'inference p50 (ms)': milliseconds(self._inferred.percentile(50)),
            'inference p99 (ms)': milliseconds(self._inferred.percentile(99)),
            'chunks with held state': self._held,
            'frames skipped while busy': self.worker.skipped,
            'frames without observation': self.refused['observation'],
            'requests failed': self.refused['backend'],
            **(
                {'failures of the success detector': self.detector.failures}
                if self.detector is not None
                else {}
            ),
        }

    def close(self, timeout_s: float | None) -> None:
        """Free everything; `timeout_s` bounds the wait for a request under way."""
        node = self._node
        self.end_run()
        self._jumps.unregister()
        self.observer.close()
        if self.detector is not None:
            self.detector.stop()
        self.backend.stop()
        patience_s = self._settings.request_timeout_s + 1.0 if timeout_s is None else timeout_s
        if not self.loading.stop(LOAD_PATIENCE_S):
            if timeout_s is None and self.loading.is_alive():
                node.get_logger().warning('the policy still loads: its thread is left behind')
        elif not self.is_listening or self.worker.stop(patience_s):
            self.backend.close()
        elif timeout_s is None:
            node.get_logger().warning('the inference thread is still in a request: left behind')
        for subscription in self._subscriptions:
            node.destroy_subscription(subscription)
        node.destroy_lifecycle_publisher(self.publisher)
