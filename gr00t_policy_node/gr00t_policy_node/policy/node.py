# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The policy node: observations in, action chunks out.

Lifecycle: `configure` reads the parameters and the robot file, and begins to load the policy;
`activate` answers, from when the policy is loaded; `deactivate` ends the running goal and stops;
`cleanup` frees everything. `supervisor` lists the transitions that the node makes itself.

Threads: everything of ROS happens on the executor of the main thread. The policy loads on the
thread of `loading`. Pairing and decoding, and the request to the backend, happen on the two
threads of `inference`. All hand their outcomes back through a guard condition.
"""

import os
import sys
import time
import traceback

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.clock import Clock, ClockType, TimeJump
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from gr00t_core.errors import Gr00tError, ParameterError, ServingError
from gr00t_core.instructions import shown
from gr00t_core.malloc_tuning import keep_freed_memory
from gr00t_core.robot.description import NANOSECONDS
from gr00t_core.robot.file import load_robot
from gr00t_msgs.action import ExecuteInstruction
from gr00t_policy_node.policy import parameters
from gr00t_policy_node.policy.detector import Detector
from gr00t_policy_node.policy.diagnosis import diagnosis
from gr00t_policy_node.policy.goals import Goals
from gr00t_policy_node.policy.inference import Answer, Refusal, Request
from gr00t_policy_node.policy.instruction_source import InstructionSource
from gr00t_policy_node.policy.loaded import Loaded
from gr00t_policy_node.policy.loading import still_runs
from gr00t_policy_node.policy.others import Others
from gr00t_policy_node.policy.supervisor import Supervisor
from gr00t_ros import diagnostics
from gr00t_ros.rclpy_internals import deactivate_publishers, state_label, watch_transitions
from gr00t_ros.start import initialize
from gr00t_ros.stopping import count_signals, ignore_signals

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
LOADING = 'waiting for the policy'
DIAGNOSTICS_S = 1.0
WATCH_S = 0.1
# Frames without a chunk are warned of at most so often; diagnostics show the rest.
QUIET_S = 5.0


class PolicyNode(LifecycleNode):
    """Lifecycle node that turns observations into action chunks."""

    def __init__(self) -> None:
        """Declare parameters; all else is for `configure`."""
        super().__init__('policy_node')
        parameters.declare(self)
        self.add_on_set_parameters_callback(
            lambda changed: parameters.refuse(changed, configured=self._label() != 'unconfigured')
        )
        self._reason = 'not configured'
        self._told = ''
        self._reason_logged = False
        self._warned = -QUIET_S
        self._loaded: Loaded | None = None
        self._goals: Goals | None = None
        self._instructions = InstructionSource()
        self._others = Others(self)
        self._supervisor = Supervisor(autostart=bool(self.get_parameter('autostart').value))
        watch_transitions(
            self,
            refused=lambda reason: self.get_logger().error(f'transition refused: {reason}'),
            made=self._supervisor.let_go,
        )
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._wake = self.create_guard_condition(self._take_outcomes)
        # Plain timers on a steady clock: they must run whatever the ROS clock does.
        self.create_timer(DIAGNOSTICS_S, self._diagnose, clock=self._steady)
        self.create_timer(WATCH_S, self._watch, clock=self._steady)

    @property
    def fatal(self) -> str:
        """Return why the node can never start, '' as long as it may."""
        return self._supervisor.fatal

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to load the policy; on failure say why and stay unconfigured."""
        try:
            self._configure()
        except Gr00tError as error:
            self._fail(str(error), is_final=not isinstance(error, ServingError))
            self._release()
            return FAILURE
        except Exception:
            self._fail(traceback.format_exc(), is_final=True)
            self._release()
            return FAILURE
        self._reason = LOADING
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Answer, from now or from when the policy is loaded."""
        assert self._loaded is not None
        self._loaded.begin_run()
        self._loaded.sequence = 0
        self._note_instruction()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the goal and stop answering; an error state when the policy is broken."""
        self._end_goal('the policy node was deactivated')
        assert self._loaded is not None
        self._loaded.end_run()
        if self._loaded.broken:
            return TransitionCallbackReturn.ERROR
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        self._reason = (self._loaded is not None and self._loaded.broken) or 'not configured'
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from whatever state."""
        self._end_goal('the policy node was shut down')
        self._release()
        self._reason = 'shut down'
        self._supervisor.let_go()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything and keep the reason; the node is unconfigured then."""
        if self._loaded is not None and self._loaded.broken:
            self._reason = self._loaded.broken
        self._release()
        deactivate_publishers(self, state)
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
        if settings.backend != 'server' and still_runs():
            raise ServingError('the load that was given up still takes memory: wait for its end')
        self._loaded = Loaded(self, settings, robot)
        use_default = settings.use_default_instruction
        self._instructions.default = robot.instruction if use_default else ''
        self._loaded.begin_load()
        if self._goals is None:
            # For the node's life: a goal that runs when it fails still gets its result.
            self._goals = Goals(self, self._why_no_goal, self._note_instruction)

    def _release(self, timeout_s: float | None = None) -> None:
        loaded, self._loaded = self._loaded, None
        self._instructions.default = ''
        if loaded is not None:
            loaded.close(timeout_s)

    def _fail(self, reason: str, *, is_final: bool) -> None:
        if reason != self._supervisor.failure:
            self.get_logger().error(f'not configured: {reason}')
        self._reason = reason
        self._supervisor.failed(reason, is_final=is_final, now_s=time.monotonic())

    def _supervise(self) -> None:
        """Follow the load, and make the next transition that the supervisor decides."""
        loaded = self._loaded
        if loaded is not None and loaded.broken:
            self._note_broken(loaded)
        elif loaded is not None and loaded.loading.is_ready and not loaded.is_listening:
            loaded.begin_to_listen()
            self._supervisor.loaded()
            self._reason = ''
        elif loaded is not None and not loaded.is_listening:
            self._reason = f'{LOADING}: {loaded.backend.problem() or "it loads"}'
        transition = self._supervisor.transition(
            self._label(),
            is_ready=loaded is not None and loaded.is_listening,
            is_broken=loaded is not None and bool(loaded.broken),
            now_s=time.monotonic(),
        )
        if transition == 'configure':
            self.trigger_configure()
        elif transition == 'activate':
            self.trigger_activate()
            if self._label() == 'active':
                self.get_logger().info('active')
                self._supervisor.let_go()
        elif transition == 'deactivate':
            self.trigger_deactivate()  # which goes to the error state
        elif transition == 'cleanup':
            self.trigger_cleanup()

    def _note_broken(self, loaded: Loaded) -> None:
        """Say once why the policy is lost; a transition that frees it follows at once."""
        if loaded.loading.failure:
            self._fail(loaded.loading.failure, is_final=loaded.loading.is_final)
            return
        self.get_logger().error(loaded.broken)
        self._end_goal('the inference thread crashed', fault=True)
        self._supervisor.crashed(loaded.broken, now_s=time.monotonic())

    # From frame to chunk

    def reference_frame(self, stamp_ns: int, arrived_ns: int) -> None:
        """Ask for a chunk, if there is an instruction for one."""
        loaded = self._loaded
        instruction = self._instructions.current
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
        self._supervise()
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

    def _take_verdict(self, detector: Detector, goals: Goals) -> None:
        """End the goal that the detector decided about."""
        if (found := detector.take()) is not None:
            goals.end(found.success, found.note, found.goal)
        if trouble := detector.take_trouble():
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

    # Instructions

    def instruction_topic(self, message: String) -> None:
        """Follow the instruction of the topic; a blank one ends that, a refused one is dropped."""
        if refusal := self._instructions.take(message.data):
            self.get_logger().error(
                f'instruction dropped, the one before holds: {refusal}',
                throttle_duration_sec=QUIET_S,
            )
        self._note_instruction()

    def _note_instruction(self) -> None:
        """Void the chunks under way when the instruction changed, and log the change once."""
        self._instructions.goal = '' if self._goals is None else self._goals.instruction
        loaded, instruction = self._loaded, self._instructions.current
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
        if label != 'active':
            return f'the node is {label}, not active: {self._reason}'
        is_loaded = self._loaded is not None and self._loaded.is_listening
        return '' if is_loaded else f'the policy is not loaded yet: {self._reason}'

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

    def _watch(self) -> None:
        self._others.look(publishes=self._loaded is not None)
        if self._loaded is not None:
            self._loaded.observer.take()
        if self._reason != self._told:  # a change is told at once, not with the next second
            self._diagnose()
        if self._goals is not None:
            self._goals.watch(self.get_parameter('goal_fault_s').value, self._why_no_chunk())
        self._supervise()

    def _why_no_chunk(self) -> str:
        loaded = self._loaded
        if loaded is None or self._reason:
            return self._reason
        return loaded.backend.problem() or 'no frame of the reference camera'

    def _diagnose(self) -> None:
        self._told = self._reason
        statuses = diagnosis(
            self.get_fully_qualified_name(),
            self._label(),
            self._reason,
            self._instructions,
            self._loaded,
        )
        self._diagnostics.publish(diagnostics.array(self.get_clock().now(), statuses))

    def _label(self) -> str:
        return state_label(self)


def main(args: list[str] | None = None) -> int:
    """Run the policy node until SIGINT or SIGTERM: 0; 1 when it can never start."""
    # Executor and inference thread hand the GIL to each other; 5 ms, the default, is a long wait.
    sys.setswitchinterval(0.001)
    keep_freed_memory()
    initialize('policy_node', args)
    signals = count_signals(interrupt=True)
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
        ignore_signals()
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    status = 1 if node is None or node.fatal else 0
    if still_runs():  # a thread inside torch cannot be ended, and the interpreter would wait
        sys.stdout.flush()
        os._exit(status)
    return status


if __name__ == '__main__':
    sys.exit(main())
