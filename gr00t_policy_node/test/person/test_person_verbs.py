# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t do`, `stop`, `rearm` and `watch` against the real nodes, over DDS."""

import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy', reason='no ROS')

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from gr00t_msgs.action import ExecuteInstruction
from gr00t_policy_node.person.robot_client import RobotClient

EXECUTOR = ['-m', 'gr00t_policy_node.executor.node']
COMMANDS = '/chunk_executor: commands'


class Person:
    """Runs verbs in processes while the graph spins on."""

    def __init__(self, graph):
        self._graph = graph
        self._files = 0

    def start(self, *words):
        self._files += 1
        file = (self._graph.folder / f'verb{self._files}.txt').open('w+')
        process = subprocess.Popen(
            [sys.executable, '-m', 'gr00t_core', *words],
            env=self._graph.environment,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        process.file = file
        return process

    def said(self, process):
        process.file.seek(0)
        return process.file.read()

    def wait(self, process, limit_s=30.0):
        """Return exit status and output of a verb once it has ended."""
        self._graph.until(lambda: process.poll() is not None, self.said(process), limit_s)
        return process.returncode, self.said(process)

    def run(self, *words):
        return self.wait(self.start(*words))

    def sees(self, process, text, limit_s=20.0):
        self._graph.until(lambda: text in self.said(process), f'{text!r}', limit_s)


@pytest.fixture
def person(graph):
    return Person(graph)


def mode(graph, word):
    graph.statuses.pop(COMMANDS, None)
    graph.until(
        lambda: COMMANDS in graph.statuses and graph.statuses[COMMANDS].message.startswith(word),
        word,
    )


def test_a_person_says_stops_and_rearms(graph, person):
    """The fake joints wave on whatever is commanded: `max_jump_s` lets that pass."""
    graph.add_robot()
    commands = []
    graph.node.create_subscription(JointState, 'joint_commands', commands.append, 50)
    graph.start(use_default_instruction=False)
    graph.start(main=EXECUTOR, max_jump_s=60.0)
    graph.until(lambda: COMMANDS in graph.statuses, 'the executor')

    # The topic `instruction`, as a console uses it.
    console = RobotClient(graph.add_node('console'))
    console.instruct('dance')
    graph.until(lambda: [m for m, _ in graph.chunks if m.instruction == 'dance'], 'dancing')
    console.instruct('')
    graph.until(
        lambda: (found := console.status('policy')) and found.message == 'no instruction', 'rest'
    )
    assert console.takes_goals
    assert console.executors() == ['/chunk_executor']

    # A goal with a time limit: what happens is told, and the outcome is the exit status.
    goal = person.start('do', 'wave', '--time-limit', '5')
    person.sees(goal, ExecuteInstruction.Feedback.ACTING)
    person.sees(goal, 'executor running')
    status, said = person.wait(goal)
    assert status == 3, said
    assert 'time limit: the time limit of 5 s is over' in said

    # Ctrl-C cancels; a second goal beside a running one is refused with a reason.
    goal = person.start('do', 'wave again')
    person.sees(goal, ExecuteInstruction.Feedback.ACTING)
    status, said = person.run('do', 'something else')
    assert status == 1
    assert "is another one running ('wave again')?" in said
    goal.send_signal(signal.SIGINT)
    status, said = person.wait(goal)
    assert status == 130, said
    assert 'canceled: its client asked for it' in said

    # Stop while a goal runs: confirmed, latched, and the goal does not come back.
    goal = person.start('do', 'wave on')
    mode(graph, 'running')
    status, said = person.run('stop')
    assert status == 0, said
    assert '/chunk_executor: stopped' in said
    assert 'the running goal is canceled' in said
    mode(graph, 'stopped')
    assert person.wait(goal)[0] == 4
    commands.clear()
    graph.spin(0.5)
    assert not commands  # it has braked, and is silent
    goal = person.start('do', 'wave after all')
    person.sees(goal, 'gr00t rearm releases it')

    status, said = person.run('watch', '--once')
    assert status == 0
    for text in ('/policy_node', 'policy: acting', 'camera/front/image_raw/compressed: ', '30'):
        assert text in said, (text, said)
    assert 'commands: stopped: stopped by the service ~/stop' in said
    assert 'rejected: ' in said  # chunks while it was stopped, or those that came late

    status, said = person.run('rearm')
    assert status == 0, said
    assert 're-armed' in said
    mode(graph, 'running')
    goal.send_signal(signal.SIGTERM)
    assert person.wait(goal)[0] == 130


def test_without_a_robot_side_one_line_says_what_is_missing(graph, person):
    verbs = (('do', 'wave'), ('stop',), ('rearm',), ('watch', '--once'))
    running = [person.start(*verb, '--timeout', '1') for verb in verbs]
    for verb, process in zip(verbs, running):
        status, said = person.wait(process)
        assert status == 1, said
        (line,) = said.strip().splitlines()
        assert line.startswith(f'gr00t {verb[0]}: ')
        assert ': no ' in line
        assert 'gr00t up --robot' in line
        assert ('NOTHING WAS STOPPED' in line) == (verb == ('stop',))
    assert person.run('do', '  ')[0] == 1


def test_a_robot_in_another_namespace_is_not_touched_but_named(graph, person):
    graph.start(namespace='left', main=EXECUTOR)
    name = '/left/chunk_executor: commands'
    graph.until(lambda: name in graph.statuses, 'the executor')
    status, said = person.run('rearm', '--timeout', '4')
    assert status == 1
    assert 'a robot is in another one: give --namespace left' in said
    status, said = person.run('rearm', '--namespace', 'left')
    assert status == 0, said
    assert '/left/chunk_executor: re-armed' in said
    status, said = person.run('stop')  # without a namespace: all that is there
    assert status == 0, said
    assert '/left/chunk_executor: stopped' in said
    status, said = person.run('watch', '--once', '--namespace', '/left/')
    assert status == 0
    assert 'commands: stopped: ' in said
    assert 'e-stopped' not in said


def test_a_stop_that_is_not_confirmed_says_so(graph, person):
    """One executor hangs: found, called, and silent; the other one stops all the same."""
    hung = rclpy.create_node('hung', context=graph.context)  # not spun
    for service in ('stop', 'rearm'):
        hung.create_service(Trigger, f'~/{service}', lambda request, response: response)
    graph.start(main=EXECUTOR)
    graph.until(lambda: COMMANDS in graph.statuses, 'the executor')
    began = time.monotonic()
    status, said = person.run('stop', '--timeout', '5')
    assert status == 2, said
    assert '/hung: NOT CONFIRMED within 5 s: press the e-stop of the robot' in said
    assert '/chunk_executor: stopped' in said
    assert time.monotonic() - began < 20
    hung.destroy_node()


def test_watch_waits_for_each_node_of_ours_and_names_the_silent_one(graph, person):
    """A policy node that hangs is named; a driver that has nothing to say is not waited for."""
    for name in ('policy_node', 'camera_driver'):
        graph.add_node(name).create_publisher(DiagnosticArray, '/diagnostics', 10)
    status, said = person.run('watch', '--once', '--timeout', '3')
    assert status == 1
    assert '/policy_node said nothing within 3 s' in said
    watching = person.start('watch', '--once', '--timeout', '12')
    graph.start(main=EXECUTOR)  # comes while watch waits for the other one
    status, said = person.wait(watching)
    assert status == 0, said
    assert 'commands: waiting' in said
    assert '/policy_node\n  SILENT said nothing within 12 s' in said
    assert 'camera_driver' not in said
    into_a_file = person.start('watch')
    person.sees(into_a_file, 'commands: waiting')
    into_a_file.send_signal(signal.SIGINT)
    assert person.wait(into_a_file)[0] == 0


def test_other_services_called_stop_are_left_alone(graph, person):
    called = []

    def answer(request, response):
        called.append(request)
        response.success = True
        return response

    graph.node.create_service(Trigger, '/gripper_driver/stop', answer)
    graph.start(main=EXECUTOR)
    graph.until(lambda: COMMANDS in graph.statuses, 'the executor')
    status, said = person.run('stop')
    assert status == 0, said
    assert not called
