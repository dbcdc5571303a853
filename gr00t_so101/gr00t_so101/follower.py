# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node `so101_follower`: measures the arm, drives it within its limits, and limps at the end.

Lifecycle: `configure` opens the bus, looks whether all servos answer and hold the calibration of
the file, and from then on the joint states are published; `activate` switches the torque on where
the arm is; `deactivate` switches it off. With `autostart` the node does both itself.

A fault latches: the arm holds where it is, commands are dropped, `~/fault` says so to the
executor, and only the service `~/reset` ends it.
"""

import time
import traceback
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.description import NANOSECONDS
from gr00t_core.robot.file import load_robot
from gr00t_ros import diagnostics
from gr00t_ros.parameters import declare
from gr00t_ros.rclpy_internals import state_label, watch_transitions
from gr00t_so101.arm import Arm, Measurement
from gr00t_so101.bus import BusError, PortError
from gr00t_so101.faults import Judge
from gr00t_so101.guard import Guard
from gr00t_so101.joint_commands import JointCommands
from gr00t_so101.joint_topics import JointPublisher
from gr00t_so101.loop import calibration_of, required_port, run
from gr00t_so101.motion import Bounds, bounds_of, JOINTS, next_goal
from gr00t_so101.parameters import FOLLOWER

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
NAME = 'so101_follower'
# How often ~/fault is said, and how often a lost port is tried again.
FAULT_S, RETRY_S = 0.2, 1.0
# A period that was longer moves the goals by no more than this many periods.
MOST_PERIODS = 2
NEXT_STEP = 'then call the service ~/reset, and re-arm'


class FollowerNode(LifecycleNode):
    """See the module's text."""

    def __init__(self) -> None:
        """Declare parameters; all else is for `configure`."""
        super().__init__(NAME)
        self._settings = declare(self, FOLLOWER)
        self.period_ns = round(NANOSECONDS / self._settings['rate_hz'])
        self.fatal = ''
        self.fault = ''
        self._reason = self._lost = ''
        self._arm: Arm | None = None
        self._guard: Guard | None = None
        self._bounds: Bounds | None = None
        self._judge: Judge | None = None
        self._measured: Measurement | None = None
        self._measured_s = self._tried_s = self._moved_s = 0.0
        self._goal = np.zeros(len(JOINTS))
        self._reads = 0
        self._reported_s = time.monotonic()
        self._read_ms = diagnostics.Window(512)
        self._states: JointPublisher | None = None
        self._commands = JointCommands(self, self._settings['command_timeout_s'])
        watch_transitions(
            self, lambda why: self.get_logger().error(f'transition refused: {why}'), lambda: None
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._faults = self.create_publisher(Bool, '~/fault', 1)
        self.create_service(Trigger, '~/reset', self._on_reset)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1.0, self._report, clock=steady)
        self.create_timer(FAULT_S, self._say_fault, clock=steady)
        self._starting = bool(self._settings['autostart'])

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open the bus and check the arm; on failure say why and stay unconfigured."""
        return self._transition(self._configure, 'configured') or super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Switch the torque on, where the arm is."""
        return self._transition(self._activate, 'activated') or super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Switch the torque off; the joint states go on."""
        self._relax()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Switch the torque off and close the port."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Switch the torque off and close the port, from whatever state."""
        self._release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Switch the torque off and close the port; the node is unconfigured then."""
        self._release()
        return SUCCESS

    def close(self) -> None:
        """Leave the arm limp, whatever ended the node."""
        self._release()

    def _transition(self, act: Any, word: str) -> TransitionCallbackReturn | None:
        """Do what a transition asks for; return FAILURE when that fails, None when not."""
        try:
            act()
        except Exception as error:
            expected = isinstance(error, Gr00tError)
            self._reason = str(error) if expected else traceback.format_exc()
            self.get_logger().error(f'not {word}: {self._reason}')
            if self._starting:
                self.fatal = self._reason
            self._relax()
            if self._label() in ('unconfigured', 'configuring'):
                self._release()
            return FAILURE
        self._reason = ''
        return None

    def _configure(self) -> None:
        settings = self._settings
        robot = load_robot(settings['robot'])
        calibration = calibration_of(settings['calibration'], 'follower')
        self._bounds = bounds_of(robot, calibration, settings['max_lead_rad'])
        port = required_port(settings['port'])
        self._arm = Arm(port, calibration, settings['answer_timeout_s'])
        self._arm.open()
        self._judge = Judge(self._arm.bus.ids, settings['stall_rad'], settings['stall_s'])
        self._measured_s = time.monotonic()
        if self._states is None:  # for the node's life
            self._states = JointPublisher(self, robot.state)
            self._commands.subscribe(robot)
        self.get_logger().info(f'six servos on {port}, calibration {calibration.source}')

    def _activate(self) -> None:
        arm, bounds, judge = self._arm, self._bounds, self._judge
        assert arm is not None
        assert bounds is not None
        assert judge is not None
        if not arm.bus.is_open:
            arm.open()
        if self._guard is None:  # before the torque is on
            self._guard = Guard(arm.bus.port, list(arm.bus.ids.values()))
        found = arm.prepare(bounds)
        judge.forget()
        self._measured, self._measured_s = found, time.monotonic()
        self._goal, self._moved_s = found.position.copy(), time.monotonic()
        broken = [name for name, reading in found.readings.items() if reading.errors]
        self.fault = ''
        self._commands.begin(found.position)
        if broken:
            told = [*judge.faults(found, self._goal, 0.0), *judge.faults(found, self._goal, 0.0)]
            raise BusError('; '.join(dict.fromkeys(told)))

    def _relax(self) -> None:
        """Switch the torque off, if there is an arm."""
        arm = self._arm
        if arm is not None and arm.bus.is_open and (why := arm.limp()):
            self.get_logger().error(f'{why}: the torque may still be on: switch the arm off')
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None
        self.fault = ''

    def _release(self) -> None:
        self._relax()
        if self._arm is not None:
            self._arm.close()
        self._arm = self._measured = None
        self._lost = ''

    def _start(self) -> None:
        """Configure and activate; what fails is fatal, for the user is there and can mend it."""
        if self._label() == 'unconfigured':
            self.trigger_configure()
        if self._label() == 'inactive':
            self.trigger_activate()
        if self._label() == 'active':
            self.get_logger().info('active: torque is on, holding where the arm is')
        self._starting = False

    def _label(self) -> str:
        return state_label(self)

    # One period

    def control(self) -> None:
        """Read all servos, publish, judge, and give the next goals."""
        if self._starting:
            self._start()
        arm = self._arm
        if arm is None:
            return
        try:
            if not arm.bus.is_open:
                self._reopen(arm)
                return
            self._once(arm)
        except PortError as error:
            self._trip(str(error))

    def _once(self, arm: Arm) -> None:
        now_s = time.monotonic()
        asked_ns = self.get_clock().now().nanoseconds
        found = arm.measure()
        answered_s = time.monotonic()
        self._read_ms.add((answered_s - now_s) * 1e3)
        if found is None:
            self.get_logger().warning(arm.trouble, throttle_duration_sec=2.0)
            if answered_s - self._measured_s > self._settings['lost_s']:
                self._trip(arm.trouble)
            return
        self._measured, self._measured_s = found, answered_s
        self._lost = ''
        self._reads += 1
        assert self._states is not None
        # The servos answer one after the other: the middle of the read is when they were there.
        stamp_ns = asked_ns + round((answered_s - now_s) / 2 * NANOSECONDS)
        self._states.publish(stamp_ns, found.position, found.velocity)
        self._commands.take(self._why_no_command())
        if self._label() != 'active' or self.fault:
            return
        assert self._judge is not None
        assert self._bounds is not None
        if told := self._judge.faults(found, self._goal, answered_s):
            self._trip('; '.join(told))
            return
        elapsed_s = min(answered_s - self._moved_s, MOST_PERIODS * self.period_ns / NANOSECONDS)
        self._moved_s = answered_s
        if self._commands.taken_s is not None:
            self._goal = next_goal(
                self._commands.asked, self._goal, found.position, self._bounds, elapsed_s
            )
            arm.command(self._goal)

    def _why_no_command(self) -> str:
        if self.fault:
            return f'the arm has a fault: {self.fault}'
        return '' if self._label() == 'active' else 'the torque is off'

    # Faults

    def _trip(self, reason: str) -> None:
        """Brake, hold there, and stay so until `~/reset`; told once."""
        if self._label() != 'active':
            if reason != self._lost:
                self.get_logger().error(reason)
            self._lost = reason
            return
        if self.fault:
            return
        self.fault = reason
        self.get_logger().error(f'FAULT: {reason}; {NEXT_STEP}')
        if self._arm is not None and self._bounds is not None and self._arm.bus.is_open:
            try:
                self._arm.stop(self._bounds)
            except PortError as error:
                self.get_logger().error(f'the order to stop was not sent: {error}')
        self._say_fault()
        self._report()

    def _reopen(self, arm: Arm) -> None:
        """Try a lost port again, now and then."""
        if time.monotonic() - self._tried_s < RETRY_S:
            return
        self._tried_s = time.monotonic()
        try:
            arm.open()
        except Gr00tError:
            arm.close()
            return
        self._measured_s = time.monotonic()
        self.get_logger().info(f'{arm.bus.port} is back: call the service ~/reset to go on')

    def _on_reset(self, _: Any, response: Any) -> Any:
        arm = self._arm
        response.success = False
        if self._label() != 'active' or arm is None:
            response.message = f'the node is {self._label()}, not active: nothing to reset'
            return response
        if not self.fault:
            response.success, response.message = True, 'there is no fault'
            return response
        before = self.fault
        try:
            arm.open()
            self._activate()
        except Gr00tError as error:
            self.fault = str(error)
            response.message = f'still: {error}'
            return response
        self.get_logger().info(f'reset; the fault was: {before}')
        response.success, response.message = True, f'holding where the arm is; it was: {before}'
        self._say_fault()
        return response

    def _say_fault(self) -> None:
        self._faults.publish(Bool(data=bool(self.fault)))

    # Diagnostics

    def _report(self) -> None:
        """Publish what happened, on `/diagnostics`."""
        now_s = time.monotonic()
        seconds = max(now_s - self._reported_s, 1e-3)
        label, arm = self._label(), self._arm
        values: dict[str, object] = {
            'state': label,
            'fault': self.fault or None,
            'port': self._settings['port'],
            'complete reads (Hz)': self._reads / seconds,
            'duration of a read p50 (ms)': self._read_ms.percentile(50),
            'duration of a read p99 (ms)': self._read_ms.percentile(99),
            'time since the last command (s)': self._commands.age_s(now_s),
            **{f'dropped: commands, {why}': n for why, n in self._commands.dropped.items()},
            'last dropped command': self._commands.last_dropped or None,
        }
        if arm is not None:
            for joint, count in arm.bus.missed.items():
                if count:
                    values[f'missed answers of {arm.bus.name(joint)}'] = count
        if self._measured is not None:
            readings = self._measured.readings
            values['lowest voltage (V)'] = min(r.voltage for r in readings.values()) / 10
            hottest = max(readings, key=lambda joint: readings[joint].temperature)
            values['hottest servo (°C)'] = f'{readings[hottest].temperature} ({hottest})'
            for k, joint in enumerate(JOINTS):
                values[f'{joint} (rad)'] = float(self._measured.position[k])
        level, message = self._verdict(label, now_s)
        status = diagnostics.status(
            f'{self.get_fully_qualified_name()}: arm', 'so101', level, message, values
        )
        self._diagnostics.publish(diagnostics.array(self.get_clock().now(), [status]))
        if seconds > 0.5:
            self._reads = 0
            self._reported_s = now_s

    def _verdict(self, label: str, now_s: float) -> tuple[bytes, str]:
        if self.fault:
            return DiagnosticStatus.ERROR, f'FAULT: {self.fault}; {NEXT_STEP}'
        if self._reason or self._lost:
            return DiagnosticStatus.ERROR, f'{label}: {self._lost or self._reason}'
        if label != 'active':
            return DiagnosticStatus.WARN, f'{label}: the torque is off'
        age_s = self._commands.age_s(now_s)
        if age_s is None:
            return DiagnosticStatus.OK, 'holding: no command yet'
        if age_s > self._settings['command_timeout_s']:
            return DiagnosticStatus.WARN, 'holding: no command any more'
        return DiagnosticStatus.OK, 'following commands'


def main(args: list[str] | None = None) -> int:
    """Run the follower's node until it is stopped; the torque is off then."""
    return run(NAME, FollowerNode, args)


if __name__ == '__main__':
    raise SystemExit(main())
