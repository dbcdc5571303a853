# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node `so101_leader`: a person moves this arm, and the follower goes after it.

The leader publishes on the executor's teleoperation topics, so that limits and marks hold. It
commands nothing before it leads (the service `~/take_over`, or `lead:=true`). When it begins to
lead, its targets start where the follower is and go slowly to the leader's pose; then they are the
leader's pose. Its servos stay limp.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool

from gr00t_core.errors import Gr00tError, ObservationError
from gr00t_core.messages.fields import read_carried_group, stamp_ns
from gr00t_core.robot.description import Group, NANOSECONDS
from gr00t_core.robot.file import load_robot
from gr00t_ros import diagnostics
from gr00t_ros.parameters import declare
from gr00t_ros.polling import take_all, Unwaited
from gr00t_ros.qos import best_effort
from gr00t_so101.arm import Arm
from gr00t_so101.bus import PortError
from gr00t_so101.joint_topics import JointPublisher, topics_of
from gr00t_so101.loop import calibration_of, required_port, run
from gr00t_so101.motion import approach, Array, bounds_of, JOINTS
from gr00t_so101.parameters import LEADER

NAME = 'so101_leader'
# A measured follower that is older is not known (s).
FRESH_S = 0.3
# The targets have met the leader when no joint is further away (rad).
MET_RAD = 0.02
# Until then a target is no further ahead of what the executor commands than this time at the speed
# of the approach (s), and a little more (rad). So an executor that waits has nothing to catch up.
AHEAD_S, AHEAD_RAD = 0.03, 0.005
# A command that is older is none (s).
COMMANDED_S = 0.1
# A follower that is left behind further (stopped, say) is approached anew (rad).
LOST_RAD = 0.8
RETRY_S = 1.0
MOST_PERIODS = 2


@dataclass
class Heard:
    """Joint values of a topic: (6,) rad, nan where none came yet, and the newest stamp."""

    values: Array = field(default_factory=lambda: np.full(len(JOINTS), np.nan))
    stamp_ns: int = 0

    def is_fresh(self, now_ns: int, limit_s: float) -> bool:
        """Return whether all joints are known, and the newest stamp is young enough."""
        is_young = now_ns - self.stamp_ns < limit_s * NANOSECONDS
        return is_young and bool(np.isfinite(self.values).all())


class LeaderNode(Node):
    """See the module's text."""

    def __init__(self) -> None:
        """Open the bus, and look whether all servos are there.

        Raises:
            Gr00tError: A parameter, the robot file, the calibration, the port or a servo is wrong.
        """
        super().__init__(NAME)
        self._settings = declare(self, LEADER)
        self.period_ns = round(NANOSECONDS / self._settings['rate_hz'])
        self.fatal = ''
        robot = load_robot(self._settings['robot'])
        calibration = calibration_of(self._settings['calibration'], 'leader')
        # The limits are the follower's: only its speeds are used here, the executor has the rest.
        self._bounds = bounds_of(robot, calibration, 1.0)
        port = required_port(self._settings['port'])
        self._arm = Arm(port, calibration, self._settings['answer_timeout_s'])
        self.trouble = ''
        self._leads = bool(self._settings['lead'])
        self._met = False
        self._target: Any = None  # (6,) while it leads
        self._follower = Heard()
        self._command = Heard()
        self._measured_s = self._moved_s = time.monotonic()
        self._tried_s = 0.0
        self._reads = 0
        self._reported_s = time.monotonic()
        self._arm.open()
        self._arm.bus.torque_off()
        self._teleop = JointPublisher(self, robot.action, 'teleop/')
        self._own = self.create_publisher(JointState, '~/joint_states', 10)
        self._queues = [
            *self._listen(robot.state, self._follower),
            *self._listen(robot.action, self._command),
        ]
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_service(SetBool, '~/take_over', self._on_take_over)
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.get_logger().info(
            f'six servos on {port}, calibration {calibration.source};'
            f' {"leads" if self._leads else "does not lead before ~/take_over is called"}'
        )

    def close(self) -> None:
        """Leave the arm limp and free the port."""
        self._arm.limp()
        self._arm.close()

    def control(self) -> None:
        """Read the leader, and publish targets while it leads."""
        try:
            if not self._arm.bus.is_open:
                self._reopen()
                return
            self._once()
        except PortError as error:
            self._lose(str(error))

    def _once(self) -> None:
        began_s, now_ns = time.monotonic(), self.get_clock().now().nanoseconds
        found = self._arm.measure()
        ended_s = time.monotonic()
        if found is None:
            self.get_logger().warning(self._arm.trouble, throttle_duration_sec=2.0)
            if ended_s - self._measured_s > self._settings['lost_s']:
                self._lose(self._arm.trouble)
            return
        if self.trouble:
            self.get_logger().info('the leader is read again')
            self.trouble = ''
        self._measured_s = ended_s
        self._reads += 1
        stamp_ns_ = now_ns + round((ended_s - began_s) / 2 * NANOSECONDS)
        message = JointState(name=list(JOINTS), position=found.position.tolist())
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns_, NANOSECONDS)
        self._own.publish(message)
        self._hear(now_ns)
        elapsed_s = min(ended_s - self._moved_s, MOST_PERIODS * self.period_ns / NANOSECONDS)
        self._moved_s = ended_s
        if not self._leads:
            return
        if self._target is None:
            if not self._knows_follower(now_ns):
                self.get_logger().warning(
                    'does not lead yet: the joint states of the follower are missing',
                    throttle_duration_sec=5.0,
                )
                return
            self._target, self._met = self._follower.values.copy(), False
        if self._met and np.abs(self._target - self._follower.values).max() > LOST_RAD:
            self._target, self._met = self._follower.values.copy(), False
            self.get_logger().warning("the follower is left behind: it goes to the leader's pose")
        speed = self._bounds.velocity * (1.0 if self._met else self._settings['approach_speed'])
        target = approach(self._target, found.position, speed * elapsed_s)
        if not self._met:
            is_commanded = self._command.is_fresh(now_ns, COMMANDED_S)
            base = self._command.values if is_commanded else self._follower.values
            ahead = speed * AHEAD_S + AHEAD_RAD
            target = np.clip(target, base - ahead, base + ahead)
        self._target = target
        if not self._met and np.abs(self._target - found.position).max() < MET_RAD:
            self._met = True
            self.get_logger().info("the follower has the leader's pose: it follows now")
        self._teleop.publish(stamp_ns_, self._target)

    def _listen(self, groups: Sequence[Group], into: 'Heard') -> list[Any]:
        """Subscribe to the topics of groups; return (groups, queue, where values go) of each."""
        qos = best_effort(5)
        found = []
        for topic in topics_of(groups):
            queue = self.create_subscription(
                JointState, topic, lambda _: None, qos, callback_group=Unwaited()
            )
            found.append(([each for each in groups if each.stream.topic == topic], queue, into))
        return found

    def _hear(self, now_ns: int) -> None:
        for groups, queue, into in self._queues:
            for message, _ in take_all(queue):
                for group in groups:
                    try:
                        values = read_carried_group(message, group)
                    except ObservationError as error:
                        self.get_logger().warning(str(error), throttle_duration_sec=5.0)
                        continue
                    if values is None:
                        continue
                    into.values[[JOINTS.index(name) for name in group.names]] = values
                    into.stamp_ns = stamp_ns(message) or now_ns

    def _knows_follower(self, now_ns: int) -> bool:
        return self._follower.is_fresh(now_ns, FRESH_S)

    def _lose(self, reason: str) -> None:
        """Stop leading: the executor stops the follower when the targets stay away."""
        if reason != self.trouble:
            self.get_logger().error(f'{reason}; the follower stops')
        self.trouble = reason
        self._let_go()

    def _let_go(self) -> None:
        self._leads, self._target, self._met = False, None, False

    def _reopen(self) -> None:
        if time.monotonic() - self._tried_s < RETRY_S:
            return
        self._tried_s = time.monotonic()
        try:
            self._arm.open()
            self._arm.bus.torque_off()
        except Gr00tError:
            self._arm.close()
            return
        self._measured_s = time.monotonic()
        self.get_logger().info(f'{self._arm.bus.port} is back; call ~/take_over to lead again')

    def _on_take_over(self, request: Any, response: Any) -> Any:
        """Begin to lead, or let go."""
        if not request.data:
            self._let_go()
            response.success, response.message = True, 'the leader does not lead any more'
        elif self.trouble:
            response.success, response.message = False, self.trouble
        elif not self._knows_follower(self.get_clock().now().nanoseconds):
            response.success = False
            response.message = 'the joint states of the follower are missing: start its driver'
        else:
            if not self._leads:
                self._leads, self._target, self._met = True, None, False
            response.success = True
            response.message = "the follower goes to the leader's pose, then it follows"
        self.get_logger().info(response.message)
        return response

    def _report(self) -> None:
        """Publish what happened, on `/diagnostics`."""
        now_s = time.monotonic()
        values: dict[str, object] = {
            'leads': self._leads,
            'port': self._settings['port'],
            'complete reads (Hz)': self._reads / max(now_s - self._reported_s, 1e-3),
        }
        for joint, count in self._arm.bus.missed.items():
            if count:
                values[f'missed answers of {self._arm.bus.name(joint)}'] = count
        if self._target is not None:
            gap = np.abs(self._target - self._follower.values)
            values['greatest distance of the follower (rad)'] = float(gap.max())
        self._reads, self._reported_s = 0, now_s
        level, message = DiagnosticStatus.OK, 'does not lead'
        if self.trouble:
            level, message = DiagnosticStatus.ERROR, self.trouble
        elif self._leads and self._target is None:
            level, message = DiagnosticStatus.WARN, 'waits for the joint states of the follower'
        elif self._leads:
            message = 'leads' if self._met else "the follower approaches the leader's pose"
        status = diagnostics.status(
            f'{self.get_fully_qualified_name()}: arm', 'so101', level, message, values
        )
        self._diagnostics.publish(diagnostics.array(self.get_clock().now(), [status]))


def main(args: list[str] | None = None) -> int:
    """Run the leader's node until it is stopped."""
    return run(NAME, LeaderNode, args)


if __name__ == '__main__':
    raise SystemExit(main())
