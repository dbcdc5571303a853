# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `ExecuteInstruction` goals, one at a time, until something or someone ends them.

The service and the topic `end_goal` end the running goal as SUCCEEDED or FAILED; a detector calls
`end`. Every end is told on the topic `goal_ended`, from which the recorder takes the outcome.
All of this happens on the executor's thread: `execute` is a coroutine that awaits the goal's end,
so nothing blocks.
"""

from collections.abc import Callable
import time
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from rclpy.task import Future
from rclpy.time import Time

from gr00t_core.errors import ObservationError
from gr00t_core.instructions import checked_instruction, shown
from gr00t_core.robot.description import NANOSECONDS
from gr00t_msgs.action import ExecuteInstruction
from gr00t_msgs.msg import TaskOutcome
from gr00t_msgs.srv import EndGoal

Feedback = ExecuteInstruction.Feedback
Result = ExecuteInstruction.Result
# Outcome of the action → of the topic, on which 0 says nothing.
TOLD = {
    Result.SUCCEEDED: TaskOutcome.SUCCEEDED,
    Result.FAILED: TaskOutcome.FAILED,
    Result.TIME_LIMIT: TaskOutcome.TIME_LIMIT,
    Result.CANCELED: TaskOutcome.CANCELED,
    Result.FAULT: TaskOutcome.FAULT,
}
LONGEST_NOTE = 500  # characters
# What the topic `end_goal` may say.
ENDS = {TaskOutcome.SUCCEEDED: True, TaskOutcome.FAILED: False}


class Goals:
    """The action server `execute_instruction` and the goal that runs."""

    def __init__(
        self, node: Node, why_not: Callable[[], str], on_change: Callable[[], None]
    ) -> None:
        """Offer the action.

        Args:
            node: Gives clock and logger.
            why_not: Returns why no goal can be accepted at present, '' when one can.
            on_change: Called after a goal began or ended.
        """
        self._node = node
        self._why_not = why_not
        self._on_change = on_change
        self._running: _Goal | None = None
        self._server = ActionServer(
            node,
            ExecuteInstruction,
            'execute_instruction',
            execute_callback=self._execute,
            goal_callback=self._accept,
            handle_accepted_callback=self._begin,
            cancel_callback=self._cancel,
        )
        self._ended = node.create_publisher(TaskOutcome, 'goal_ended', 10)
        node.create_service(EndGoal, 'end_goal', self._on_service)
        node.create_subscription(TaskOutcome, 'end_goal', self._on_topic, 10)

    @property
    def instruction(self) -> str:
        """Return the running goal's instruction, '' when no goal runs."""
        return '' if self._running is None else str(self._running.request.instruction).strip()

    @property
    def running(self) -> tuple[bytes, float] | None:
        """Return id of the running goal and for how long (s) it has run, None without one."""
        goal = self._running
        if goal is None:
            return None
        elapsed_ns = self._node.get_clock().now().nanoseconds - goal.began_ns
        return bytes(goal.handle.goal_id.uuid), elapsed_ns / NANOSECONDS

    def end(self, success: bool, note: str, goal: bytes | None = None) -> str:
        """End the running goal as SUCCEEDED or FAILED.

        Args:
            success: Whether the task is done.
            note: For people: who or what decided, and why.
            goal: Only that one; None: whatever runs.

        Returns:
            Why there is nothing to end, '' when the goal ended.
        """
        running = self.running
        if running is None or (goal is not None and goal != running[0]):
            return 'no goal runs: there is nothing to end'
        outcome = Result.SUCCEEDED if success else Result.FAILED
        said = ' '.join(note.split())[:LONGEST_NOTE]
        self.finish(outcome, said or 'no note was given')
        return ''

    def chunk(self, latency_s: float) -> None:
        """Count a published chunk and tell the client."""
        if self._running is not None:
            self._running.chunks += 1
            self._running.chunk_at = time.monotonic()
            self._running.latency_s = latency_s
            self._feedback(self._running, Feedback.ACTING)

    def watch(self, fault_s: float, reason: str) -> None:
        """End the goal when its time is over or no chunk came for `fault_s`; call it often."""
        goal = self._running
        if goal is None:
            return
        silent_s = time.monotonic() - goal.chunk_at
        elapsed_ns = self._node.get_clock().now().nanoseconds - goal.began_ns
        if 0 < goal.request.time_limit * NANOSECONDS <= elapsed_ns:
            limit_s = goal.request.time_limit
            self.finish(Result.TIME_LIMIT, f'the time limit of {limit_s:g} s is over')
        elif silent_s > fault_s:
            self.finish(Result.FAULT, f'no action chunk for {silent_s:.1f} s: {reason}')
        elif silent_s > 1.0 and goal.phase != Feedback.WAITING:
            self._feedback(goal, Feedback.WAITING)

    def finish(self, outcome: int, message: str) -> None:
        """End the running goal, if there is one."""
        goal = self._running
        if goal is not None and not goal.done.done():
            self._feedback(goal, Feedback.STOPPING)
            goal.done.set_result((outcome, message))
            self._running = None
            ended = TaskOutcome(
                outcome=TOLD[outcome], instruction=goal.request.instruction.strip(), note=message
            )
            ended.header.stamp = self._node.get_clock().now().to_msg()
            self._ended.publish(ended)
            self._on_change()

    def destroy(self) -> None:
        """Take the action away."""
        self._server.destroy()

    def _accept(self, request: ExecuteInstruction.Goal) -> GoalResponse:
        reason = self._why_not()
        try:
            is_blank = not checked_instruction(request.instruction)
        except ObservationError as error:
            reason, is_blank = str(error), False
        if self._running is not None:
            reason = f'another goal runs: {shown(self.instruction)}; cancel it first'
        elif is_blank:
            reason = 'the instruction is empty'
        elif not request.time_limit >= 0:
            reason = f'time_limit is {request.time_limit}, allowed is >= 0'
        if reason:
            self._node.get_logger().warning(f'goal rejected: {reason}')
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _begin(self, handle: ServerGoalHandle) -> None:
        self._running = _Goal(handle, self._node)
        self._node.get_logger().info(f'goal accepted: {shown(handle.request.instruction)}')
        self._on_change()
        self._feedback(self._running, Feedback.WAITING)
        handle.execute()

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        if self._running is None or handle.goal_id != self._running.handle.goal_id:
            return CancelResponse.REJECT
        # The coroutine below goes on after the goal has become "canceling".
        self.finish(Result.CANCELED, 'its client asked for it')
        return CancelResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle) -> Any:
        goal = self._running
        if goal is None or goal.handle.goal_id != handle.goal_id:  # it ended before it began
            handle.abort()
            return Result(outcome=Result.FAULT, message='the goal ended before it began')
        outcome, message = await goal.done
        if handle.is_cancel_requested:
            handle.canceled()
        elif outcome in (Result.SUCCEEDED, Result.TIME_LIMIT):
            handle.succeed()  # after the time limit: whether the task is done it cannot know
        else:
            handle.abort()
        self._node.get_logger().info(f'goal ended: {message}; {goal.chunks} chunks')
        return Result(outcome=outcome, message=message, chunks=goal.chunks)

    def _on_service(self, request: Any, response: Any) -> Any:
        response.instruction = self.instruction
        refusal = self.end(request.success, request.note)
        response.ok = not refusal
        response.message = refusal or ('succeeded' if request.success else 'failed')
        return response

    def _on_topic(self, message: Any) -> None:
        """End the goal, unless the message is about another one."""
        goal, refusal = self._running, ''
        stamp_ns = Time.from_msg(message.header.stamp).nanoseconds
        asked = message.instruction.strip()
        if message.outcome not in ENDS:
            refusal = (
                f'outcome is {message.outcome}; allowed: {TaskOutcome.SUCCEEDED} (succeeded),'
                f' {TaskOutcome.FAILED} (failed)'
            )
        elif goal is not None and 0 < stamp_ns < goal.began_ns:
            refusal = 'it is older than the running goal'
        elif goal is not None and asked and asked != self.instruction:
            refusal = f'it is about {shown(asked)}, the running goal is {shown(self.instruction)}'
        else:
            refusal = self.end(ENDS[message.outcome], message.note)
        if refusal:
            self._node.get_logger().warning(f'end_goal dropped: {refusal}')

    def _feedback(self, goal: '_Goal', phase: str) -> None:
        goal.phase = phase
        goal.handle.publish_feedback(
            Feedback(chunks=goal.chunks, latency=goal.latency_s, phase=phase)
        )


class _Goal:
    """An accepted goal."""

    def __init__(self, handle: ServerGoalHandle, node: Node) -> None:
        self.handle = handle
        self.request = handle.request
        self.began_ns = node.get_clock().now().nanoseconds
        self.chunk_at = time.monotonic()
        self.chunks = 0
        self.latency_s = 0.0
        self.phase = ''
        self.done = Future(executor=node.executor)
