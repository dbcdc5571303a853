# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The policy node: observations in, action chunks out.

Lifecycle: `configure` reads the parameters, loads the robot, starts the backend, warms it up and
subscribes; `activate` answers; `deactivate` ends the running goal and stops; `cleanup` frees
everything. With `autostart` the node makes these transitions itself and tries again
while the server is not there.

Threads: everything of ROS happens on the executor of the main thread. Pairing and decoding, and
the request to the backend, happen on the two threads of `inference`, which hand their outcomes
back through a guard condition.
"""

import signal
import sys
import time
import traceback
from types import FrameType
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.clock import Clock, ClockType, TimeJump
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from gr00t_core.errors import Gr00tError, ObservationError, ParameterError, ServingError
from gr00t_core.instructions import checked_instruction, shown
from gr00t_core.malloc_tuning import keep_freed_memory
from gr00t_core.robot.description import NANOSECONDS
from gr00t_core.robot.file import load_robot
from gr00t_msgs.action import ExecuteInstruction
from gr00t_policy_node.executor.ownership import beside, publishers
from gr00t_policy_node.policy import parameters
from gr00t_policy_node.policy.backends import action_values, check_modality
from gr00t_policy_node.policy.detector import Detector
from gr00t_policy_node.policy.goals import Goals
from gr00t_policy_node.policy.inference import Answer, Refusal, Request
from gr00t_policy_node.policy.loaded import Loaded
from gr00t_policy_node.policy.observing import zero_observation
from gr00t_policy_node.policy.stream_diagnostics import ERROR, OK, stream_status, WARN
from gr00t_ros import diagnostics
from gr00t_ros.start import initialize

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
# Waits between attempts to start by oneself; the last one repeats.
RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)
DIAGNOSTICS_S = 1.0
WATCH_S = 0.1
# Frames without a chunk are warned of at most so often; diagnostics show the rest.
QUIET_S = 5.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class PolicyNode(LifecycleNode):
    """See the module's text."""

    def __init__(self) -> None:
        """Declare parameters; all else is for `configure`."""
        super().__init__('policy_node')
        parameters.declare(self)
        self.add_on_set_parameters_callback(
            lambda changed: parameters.refuse(changed, configured=self._label() != 'unconfigured')
        )
        self.fatal = ''  # why an own start can never succeed
        self._reason = 'not configured'
        self._told = ''
        self._reason_logged = False
        self._warned = -QUIET_S
        self._loaded: Loaded | None = None
        self._goals: Goals | None = None
        self._topic_instruction = ''
        self._dropped_instructions = 0
        self._last_dropped = ''
        self._detector_trouble = ''
        self._others: list[str] = []
        self._guard_transitions()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._wake = self.create_guard_condition(self._take_outcomes)
        # Plain timers on a steady clock: they must run whatever the ROS clock does.
        self.create_timer(DIAGNOSTICS_S, self._diagnose, clock=self._steady)
        self.create_timer(WATCH_S, self._watch, clock=self._steady)
        self._starting = bool(self.get_parameter('autostart').value)
        self._attempts = 0
        self._next_attempt = time.monotonic()

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load everything; on failure say why and stay unconfigured."""
        try:
            self._configure()
        except Gr00tError as error:
            self._fail(str(error), fatal=not isinstance(error, ServingError))
            return FAILURE
        except Exception:
            self._fail(traceback.format_exc(), fatal=True)
            return FAILURE
        self._reason = ''
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to answer."""
        assert self._loaded is not None
        self._loaded.begin_run()
        self._loaded.sequence = 0
        self._note_instruction()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the goal and stop answering; an error state when the inference thread crashed."""
        self._end_goal('the policy node was deactivated')
        assert self._loaded is not None
        self._loaded.end_run()
        if self._loaded.worker.crash:
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        self._release()
        self._reason = 'not configured'
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from whatever state."""
        self._end_goal('the policy node was shut down')
        self._release()
        self._reason = 'shut down'
        self._starting = False
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything and keep the reason; the node is unconfigured then."""
        if self._loaded is not None and self._loaded.worker.crash:
            self._reason = f'the inference thread crashed:\n{self._loaded.worker.crash}'
        self._release()
        for entity in self._managed_entities:
            entity.on_deactivate(state)
        return SUCCESS

    def close(self) -> None:
        """Free everything at the end of the process, without waiting for an answer under way."""
        self._release(timeout_s=0.2)
        if self._goals is not None:
            self._goals.destroy()

    def _configure(self) -> None:
        settings = parameters.read(self)
        robot = load_robot(settings.robot)
        self.get_logger().info(
            f'robot {robot.name} ({robot.source}), backend {settings.backend}'
            f' {settings.server_address or settings.checkpoint}'
        )
        loaded = Loaded(self, settings, robot)
        self._loaded = loaded
        loaded.backend.start()
        loaded.backend.wait_ready(self._keep_waiting)
        check_modality(loaded.backend.get_modality_config(), robot)
        began = time.perf_counter()
        warm = action_values(
            loaded.backend.warm_up(zero_observation(robot, robot.instruction)), robot
        )
        self.get_logger().info(
            f'warmed up in {time.perf_counter() - began:.1f} s: chunks of {len(warm)} steps'
        )
        loaded.observer.subscribe()
        loaded.worker.start()
        if self._goals is None:
            # For the node's life: a goal that runs when it fails still gets its result.
            self._goals = Goals(self, self._why_no_goal, self._note_instruction)

    def _release(self, timeout_s: float | None = None) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            loaded.close(timeout_s)

    def _fail(self, reason: str, *, fatal: bool) -> None:
        if reason != self._reason:
            self.get_logger().error(f'not configured: {reason}')
        self._reason = reason
        self.fatal = reason if fatal and self._starting else ''
        self._release()

    def _keep_waiting(self) -> bool:
        """Publish diagnostics once per second while `configure` keeps the executor busy."""
        if self._loaded is not None and time.monotonic() > self._loaded.diagnosed + DIAGNOSTICS_S:
            self._reason = f'waiting for the policy: {self._loaded.backend.problem()}'
            self._diagnose()
        return bool(self.context.ok())

    def _start(self) -> None:
        """Go one step towards active."""
        if self._label() == 'unconfigured':
            self.trigger_configure()
        if self._label() == 'inactive':
            self.trigger_activate()
        if self._label() == 'active':
            self.get_logger().info('active')
            self._starting, self._attempts = False, 0
            return
        wait_s = RETRY_S[min(self._attempts, len(RETRY_S) - 1)]
        self._attempts += 1
        self._next_attempt = time.monotonic() + wait_s

    def _guard_transitions(self) -> None:
        """Answer a transition that the state does not allow; rclpy lets it end the process."""
        change = self._service_change_state.callback

        def guarded(request: Any, response: Any) -> Any:
            try:
                return change(request, response)
            except RCLError as error:
                self.get_logger().error(f'transition refused: {error}')
                response.success = False
                return response

        self._service_change_state.callback = guarded

    # From frame to chunk

    def reference_frame(self, stamp_ns: int, arrived_ns: int) -> None:
        """Ask for a chunk, if there is an instruction for one."""
        loaded = self._loaded
        instruction = self._instruction()
        if loaded is None or not instruction or self._label() != 'active':
            return
        period_ns = self.get_parameter('period_s').value * NANOSECONDS
        if arrived_ns - loaded.asked_ns < period_ns - loaded.tolerance_ns:
            return
        loaded.asked_ns = arrived_ns
        loaded.worker.submit(
            Request(stamp_ns, arrived_ns, instruction, loaded.run, loaded.options)
        )

    def wake(self) -> None:
        """Have the outcomes taken by the executor; for the threads of `inference`."""
        self._wake.trigger()

    @property
    def running_goal(self) -> tuple[bytes, float] | None:
        """Return id of the running goal and for how long (s) it has run; for any thread."""
        return None if self._goals is None else self._goals.running

    def _take_outcomes(self) -> None:
        loaded = self._loaded
        if loaded is None:
            return
        if loaded.detector is not None and self._goals is not None:
            self._take_verdict(loaded.detector, self._goals)
        while loaded.worker.outcomes:
            outcome = loaded.worker.outcomes.popleft()
            if outcome.request.run != loaded.run:
                continue
            if isinstance(outcome, Answer):
                self._published(loaded, outcome)
            else:
                self._refused(loaded, outcome)
        if loaded.worker.crash:
            self._crashed(loaded.worker.crash)

    def _take_verdict(self, detector: Detector, goals: Goals) -> None:
        """End the goal that the detector decided about."""
        found, detector.found = detector.found, None
        if found is not None:
            goals.end(found.success, found.note, found.goal)
        trouble = detector.trouble
        if trouble != self._detector_trouble:  # the same one again is only counted
            self._detector_trouble = trouble
            self.get_logger().error(f'success_detector {detector.name} failed:\n{trouble}')

    def _published(self, loaded: Loaded, answer: Answer) -> None:
        loaded.note(answer)
        if self._reason and self._reason_logged:
            self.get_logger().info('action chunks are published again')
        self._reason, self._reason_logged = '', False
        if self._goals is not None:
            self._goals.chunk(answer.latency_s)

    def _refused(self, loaded: Loaded, refusal: Refusal) -> None:
        loaded.refuse(refusal.cause)
        if not loaded.instruction:
            return  # asked for before the instruction ended: nothing is missing any more
        now = time.monotonic()
        if not self._reason and now > self._warned + QUIET_S:
            self.get_logger().warning(f'no chunk: {refusal.reason}')
            self._warned, self._reason_logged = now, True
        self._reason = refusal.reason

    def _crashed(self, crash: str) -> None:
        self.get_logger().error(f'the inference thread crashed:\n{crash}')
        self._end_goal('the inference thread crashed', fault=True)
        if self._label() == 'active':
            self.trigger_deactivate()  # which finds the crash and goes to the error state
        else:
            self._reason = f'the inference thread crashed:\n{crash}'
            self.trigger_cleanup()
        self._starting = bool(self.get_parameter('autostart').value)
        self._next_attempt = time.monotonic() + RETRY_S[1]

    # Instructions

    def instruction_topic(self, message: String) -> None:
        """Follow the instruction of the topic; a blank one ends that, a refused one is dropped."""
        try:
            text = checked_instruction(message.data).strip()
        except ObservationError as error:
            if str(error) != self._last_dropped:  # both subscriptions hear it
                self._last_dropped = str(error)
                self._dropped_instructions += 1
                self.get_logger().error(
                    f'instruction dropped, the one before holds: {error}',
                    throttle_duration_sec=QUIET_S,
                )
            return
        self._last_dropped = ''
        if text != self._topic_instruction:
            self._topic_instruction = text
            self._note_instruction()

    def _instruction(self) -> str:
        """Return what to do now: the goal's, else the topic's, else (if allowed) the default."""
        if self._goals is not None and self._goals.instruction:
            return self._goals.instruction
        if self._topic_instruction or self._loaded is None:
            return self._topic_instruction
        return self._loaded.robot.instruction if self._loaded.use_default else ''

    def _note_instruction(self) -> None:
        """Void the chunks under way when the instruction changed, and log the change once."""
        loaded, instruction = self._loaded, self._instruction()
        if loaded is not None and instruction != loaded.instruction:
            loaded.begin_run()
            loaded.instruction = instruction
            if not instruction and self._label() == 'active':
                self._reason, self._reason_logged = '', False  # no chunk is wanted
            self.get_logger().info(
                f'instruction: {shown(instruction)}' if instruction else 'no instruction: waiting'
            )

    def _why_no_goal(self) -> str:
        label = self._label()
        return '' if label == 'active' else f'the node is {label}, not active: {self._reason}'

    def _end_goal(self, message: str, *, fault: bool = False) -> None:
        if self._goals is not None:
            result = ExecuteInstruction.Result
            self._goals.finish(result.FAULT if fault else result.CANCELED, message)

    # Clock and diagnostics

    def clock_jumped(self, jump: TimeJump) -> None:
        """Drop what was stamped in a future that is no more."""
        if self._loaded is not None:
            self._loaded.observer.clear()
            self._loaded.begin_run()
        self.get_logger().warning(
            f'the clock jumped back by {-jump.delta.nanoseconds / NANOSECONDS:.3f} s: '
            'observations dropped'
        )

    def _tell_others(self) -> None:
        """Log at once which other nodes publish this node's action_chunk."""
        others: list[str] = []
        if self._loaded is not None and self.count_publishers('action_chunk') > 1:
            topic = self.resolve_topic_name('action_chunk')
            found = publishers(self.get_publishers_info_by_topic(topic))
            others = beside(self.get_fully_qualified_name(), found)
        if others != self._others:
            self._others = others
            if others:
                self.get_logger().error(
                    f'action_chunk is also published by {" and ".join(others)}: end all but one'
                    ' (a killed node stays known for some seconds)'
                )

    def _watch(self) -> None:
        self._tell_others()
        if self._loaded is not None:
            self._loaded.observer.take()
        if self._reason != self._told:  # a change is told at once, not with the next second
            self._diagnose()
        if self._goals is not None:
            self._goals.watch(self.get_parameter('goal_fault_s').value, self._why_no_chunk())
        if self._starting and not self.fatal and time.monotonic() >= self._next_attempt:
            self._start()

    def _why_no_chunk(self) -> str:
        loaded = self._loaded
        if loaded is None or self._reason:
            return self._reason
        return loaded.backend.problem() or 'no frame of the reference camera'

    def _diagnose(self) -> None:
        loaded, name, label = self._loaded, self.get_fully_qualified_name(), self._label()
        robot = '' if loaded is None else loaded.robot.name
        self._told = self._reason
        problem, statuses = self._reason, []
        values: dict[str, object] = {
            'state': label,
            'instruction': self._instruction(),
            'instructions dropped': self._dropped_instructions,
        }
        if loaded is not None:
            loaded.diagnosed = time.monotonic()
            values |= loaded.values()
            if label != 'unconfigured':
                loaded.observer.subscribe()
                statuses += [stream_status(r, name, robot) for r in loaded.observer.report()]
            down = loaded.backend.problem()
            statuses.append(
                diagnostics.status(
                    f'{name}: backend',
                    robot,
                    ERROR if down else OK,
                    down or 'answers',
                    loaded.backend.about(),
                )
            )
            # Topics first: a silent camera is the cause, a frame without observation its effect.
            failing = [
                f'{s.name.partition(": ")[2]}: {s.message}' for s in statuses if s.level == ERROR
            ]
            problem = '; '.join(failing) or problem
        level, message = self._verdict(label, problem)
        statuses.insert(0, diagnostics.status(f'{name}: policy', robot, level, message, values))
        self._diagnostics.publish(diagnostics.array(self.get_clock().now(), statuses))

    def _verdict(self, label: str, problem: str) -> tuple[bytes, str]:
        """Return level and message of the whole."""
        if label != 'active':
            level = ERROR if problem and label != 'inactive' else WARN
            return level, f'{label}: {problem}' if problem else label
        if problem:
            return ERROR, problem
        return OK, 'acting' if self._instruction() else 'no instruction'

    def _label(self) -> str:
        return str(self._state_machine.current_state[1])


def main(args: list[str] | None = None) -> int:
    """Run the policy node until SIGINT or SIGTERM: 0; 1 when it can never start."""
    # Executor and inference thread hand the GIL to each other; 5 ms, the default, is a long wait.
    sys.setswitchinterval(0.001)
    keep_freed_memory()
    initialize('policy_node', args)
    # Own handlers: those of rclpy end the context first, and then nothing can be said any more.
    signals: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        """End whatever the main thread does, be it a load of minutes."""
        signals.append(number)
        raise KeyboardInterrupt

    for number in STOP_SIGNALS:
        signal.signal(number, interrupt)
    node = None
    executor = SingleThreadedExecutor()
    try:
        node = PolicyNode()
        executor.add_node(node)
        while not node.fatal and not signals:
            executor.spin_once()
    except KeyboardInterrupt:
        pass
    except ParameterError as error:
        rclpy.logging.get_logger('policy_node').fatal(str(error))
    except Exception:
        if not signals:  # rclpy's C++ makes an error of its own out of an interrupt
            raise
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 1 if node is None or node.fatal else 0


if __name__ == '__main__':
    sys.exit(main())
