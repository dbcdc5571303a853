# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A goal ends as SUCCEEDED or FAILED: by service, topic, verb or detector; over DDS."""

import os
from pathlib import Path
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient

from gr00t_msgs.action import ExecuteInstruction
from gr00t_msgs.msg import TaskOutcome
from gr00t_msgs.srv import EndGoal

HERE = Path(__file__).parents[1]
Result = ExecuteInstruction.Result
POLICY = '/policy_node: policy'


class Asker:
    """Sends goals, and hears how they end."""

    def __init__(self, graph):
        self.graph = graph
        self.ended = []
        graph.node.create_subscription(TaskOutcome, 'goal_ended', self.ended.append, 10)
        self._client = ActionClient(graph.node, ExecuteInstruction, 'execute_instruction')
        self._ends = graph.node.create_publisher(TaskOutcome, 'end_goal', 10)
        graph.until(self._client.server_is_ready, 'the action')
        graph.until(lambda: (s := graph.statuses.get(POLICY)) and s.level == b'\0', 'active')
        graph.until(lambda: self._ends.get_subscription_count(), 'who hears end_goal')

    def send(self, instruction, limit_s=0.0):
        goal = ExecuteInstruction.Goal(instruction=instruction, time_limit=limit_s)
        future = self._client.send_goal_async(goal)
        self.graph.until(future.done, 'the answer to the goal')
        assert future.result().accepted
        return future.result()

    def result(self, handle, limit_s=10.0):
        future = handle.get_result_async()
        self.graph.until(future.done, 'the result', limit_s)
        return future.result()

    def end(self, success, note=''):
        request = EndGoal.Request(success=success, note=note)
        return self.graph.call(EndGoal, 'end_goal', request)

    def say(self, outcome, instruction='', stamp_s=0):
        message = TaskOutcome(outcome=outcome, instruction=instruction, note='by topic')
        message.header.stamp.sec = stamp_s
        self._ends.publish(message)

    def told(self):
        self.graph.until(lambda: self.ended, 'goal_ended')
        message = self.ended.pop(0)
        assert not self.ended
        assert abs(time.time() - message.header.stamp.sec) < 30
        return message.outcome, message.instruction, message.note


@pytest.mark.parametrize(
    ('success', 'status', 'outcome', 'told'),
    [
        (True, GoalStatus.STATUS_SUCCEEDED, Result.SUCCEEDED, TaskOutcome.SUCCEEDED),
        (False, GoalStatus.STATUS_ABORTED, Result.FAILED, TaskOutcome.FAILED),
    ],
)
def test_service_and_topic_end_the_running_goal(graph, success, status, outcome, told):
    graph.add_robot()
    graph.start(use_default_instruction=False)
    asker = Asker(graph)
    refused = asker.end(success)
    assert (refused.ok, refused.message) == (False, 'no goal runs: there is nothing to end')

    handle = asker.send(' wave ')
    graph.fresh(count=1)
    answer = asker.end(success, 'the\n hand  waved')
    ended = time.time()
    assert (answer.ok, answer.instruction) == (True, 'wave')
    result = asker.result(handle)
    assert (result.status, result.result.outcome) == (status, outcome)
    assert result.result.message == 'the hand waved'
    assert result.result.chunks >= 1
    assert asker.told() == (told, 'wave', 'the hand waved')
    graph.spin(0.8)
    stamps = [message.header.stamp for message, _ in graph.chunks]
    # Nothing is asked for any more; what was on its way may come.
    assert all(stamp.sec + stamp.nanosec * 1e-9 <= ended for stamp in stamps)

    handle = asker.send('wave again')
    # What is no end, is about another goal, or is older than this goal, ends nothing.
    asker.say(TaskOutcome.UNKNOWN)
    asker.say(TaskOutcome.CANCELED)
    asker.say(told, instruction='wave')
    asker.say(told, stamp_s=int(time.time()) - 60)
    graph.fresh(count=5)
    assert not asker.ended
    asker.say(told, instruction='wave again')
    assert asker.result(handle).result.outcome == outcome
    assert asker.told() == (told, 'wave again', 'by topic')

    asker.send('wave', limit_s=0.3)
    assert asker.told()[0] == TaskOutcome.TIME_LIMIT  # the other ends are told as well


def test_the_verb_do_ends_with_0_once_a_person_says_success(graph):
    graph.add_robot()
    graph.start(use_default_instruction=False)
    Asker(graph)

    def start(*words):
        return subprocess.Popen(
            [sys.executable, '-m', 'gr00t_core', *words],
            env=graph.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait(process):
        graph.until(lambda: process.poll() is not None, 'the end of a verb', 30.0)
        return process.returncode, process.communicate()[0]

    status, said = wait(start('end', 'success'))
    assert status == 1
    assert 'gr00t end: no goal runs' in said
    for word, code, shown in (('success', 0, 'succeeded'), ('failure', 6, 'failed')):
        going = start('do', 'wave')
        graph.fresh(count=1)
        status, said = wait(start('end', word, 'I saw it'))
        assert (status, said) == (0, f"{shown}: 'wave' (I saw it)\n")
        status, said = wait(going)
        assert status == code, said
        assert f'{shown}: I saw it (' in said


def test_a_detector_ends_the_goal_and_its_faults_end_nothing(graph):
    graph.environment['PYTHONPATH'] = os.pathsep.join(
        [str(HERE), graph.environment.get('PYTHONPATH', '')]
    )
    graph.add_robot()
    process = graph.start(use_default_instruction=False, success_detector='detectors:make')
    asker = Asker(graph)
    result = asker.result(asker.send('do'))
    assert (result.status, result.result.outcome) == (
        GoalStatus.STATUS_SUCCEEDED,
        Result.SUCCEEDED,
    )
    assert result.result.message.startswith('detectors:make: after 0.')
    assert asker.told()[0] == TaskOutcome.SUCCEEDED
    result = asker.result(asker.send('spoil'))
    assert (result.result.outcome, result.result.message) == (Result.FAILED, 'detectors:make')
    for instruction, error in (
        ('crash', 'RuntimeError: the detector is unwell'),
        ('nonsense', "it returned 'yes'; allowed: True, False, None"),
    ):
        handle = asker.send(instruction)
        graph.until(lambda error=error: error in graph.log(process), error)
        graph.fresh(count=3)
        assert asker.end(False).ok
        assert asker.result(handle).result.message == 'no note was given'
    # One that hangs keeps neither chunks nor the end of the process away.
    asker.send('dream')
    graph.spin(1.0)
    graph.fresh(count=10, limit_s=3.0)
    assert graph.stop(process) == 0


@pytest.mark.parametrize(
    ('name', 'reason'),
    [
        ('detectors', 'is no plug-in; write module:make'),
        ('no_such_module:make', "No module named 'no_such_module'"),
        ('detectors:nothing', "has no attribute 'nothing'"),
        ('detectors:broken', 'ValueError: no camera to look through'),
    ],
)
def test_a_detector_that_cannot_be_made_is_an_error(name, reason, monkeypatch):
    from gr00t_core.errors import ParameterError
    from gr00t_core.robot.file import load_robot
    from gr00t_policy_node.policy.detector import make_detector

    monkeypatch.syspath_prepend(str(HERE))
    with pytest.raises(ParameterError, match='success_detector') as caught:
        make_detector(name, None, load_robot('so101'))
    assert reason in str(caught.value)
