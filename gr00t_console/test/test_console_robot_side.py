# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the console does to the robot, without a browser; real nodes over DDS."""

import json
from pathlib import Path
import signal
import time
import urllib.request

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
pytest.importorskip('nicegui', reason='nicegui is not installed (requirements/console.txt)')
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tip_arms import ARM, so101

from gr00t_console.robot_side import RobotSide
from gr00t_console.telling import headline, refusals
from gr00t_msgs.msg import CommandSource
from gr00t_policy_node.teleop.chain import read_chain
from gr00t_ros.qos import latched


@pytest.fixture
def side(world):
    """Give the console's ROS side in this process, on its own thread."""
    made = RobotSide(world.context, '', {'robot': 'so101'})
    made.begin()
    yield made
    made.close()


def mode(side):
    status = side.client.status('commands')
    return '' if status is None else status.values['mode']


def test_the_e_stop_is_latched_and_needs_no_policy(world, side):
    """The policy hangs (it is frozen); the executor is stopped, again after a re-arm elsewhere."""
    world.robot()
    world.begin()
    policy = world.policy(use_default_instruction=True)
    world.chunk_executor()
    world.until(lambda: mode(side) == 'running', 'a running robot')
    policy.send_signal(signal.SIGSTOP)
    side.post(side.press)
    world.until(lambda: side.actions.stops and not side.actions.unconfirmed, 'a confirmed stop')
    world.until(lambda: mode(side) == 'e-stopped', 'a stopped robot')
    told = headline(side.client, side.actions, False, time.monotonic())
    assert (told.mode, told.kind) == ('e-stopped', 'bad')

    # Another program re-arms: the latch of the console stops the executor again.
    client = world.node.create_client(Trigger, 'chunk_executor/rearm')
    world.until(client.service_is_ready, 'the service')
    policy.send_signal(signal.SIGCONT)
    future = client.call_async(Trigger.Request())
    world.until(future.done, 'an answer')
    assert future.result().success
    world.until(lambda: mode(side) != 'e-stopped', 'a released robot')
    world.until(lambda: mode(side) == 'e-stopped', 'a robot that is stopped again')
    side.post(side.actions.rearm)
    world.until(lambda: any('not re-armed' in e.text for e in side.actions.events), 'a refusal')
    side.post(side.actions.release)
    side.post(side.actions.rearm)
    world.until(lambda: mode(side) == 'running', 'a robot that moves again')
    assert ('executor', 'rejected: e-stopped') in {row[:2] for row in refusals(side.client)}


def test_a_person_takes_over_jogs_and_lets_go(world, side):
    robot = world.robot()
    sources, commands = [], []
    world.node.create_subscription(
        CommandSource, 'command_source', lambda m: sources.append(m.source), 50
    )
    world.node.create_subscription(
        JointState, 'joint_commands', lambda m: commands.append(list(m.position)), 50
    )
    described = world.node.create_publisher(String, 'robot_description', latched(1))
    described.publish(String(data=so101()))
    world.begin()
    world.until(lambda: side.takeover.arms == ('single_arm',), 'an arm whose tip can be led')
    robot.joints = False
    side.post(lambda: side.take_over('mine'))
    world.until(lambda: side.actions.events, 'an event')
    assert 'it is not known where shoulder_pan' in side.actions.events[-1].text.replace(
        'single_arm/', ''
    )
    robot.joints = True
    world.chunk_executor(takeover_timeout_s=1.0)
    world.until(lambda: mode(side), 'an executor')

    def ready():
        side.view.ask()
        return np.isfinite(side.view.newest()[0]).all()

    world.until(ready, 'measured joints')
    side.post(lambda: side.take_over('mine'))
    world.until(lambda: side.takeover.active, 'a take-over')
    gripper = side.view.names.index('gripper/gripper')
    others = [column for column in range(6) if column != gripper]

    def rests():
        side.post(lambda: side.takeover.hear('mine', {}))
        side.post(lambda: side.takeover.hear('another', {gripper: 1.0}))  # does not count
        last = np.array(commands[-20:])
        return (
            CommandSource.PERSON in sources[-5:] and len(last) == 20 and not np.ptp(last, 0).any()
        )

    world.until(rests, 'a person who commands')
    before = np.array(commands[-1])

    def moved():
        side.post(lambda: side.takeover.hear('mine', {gripper: 1.0}))
        return commands[-1][gripper] > before[gripper] + 0.05

    world.until(moved, 'the gripper moves')
    after = np.array(commands[-1])
    np.testing.assert_allclose(after[others], before[others], atol=1e-6)

    # The tip rises along z of the base: the kinematics of the commands say so.
    chain = read_chain(so101(), ARM)
    order = [side.view.names.index(f'single_arm/{name}') for name in chain.joints]
    first = len(commands)

    def tips():
        rows = np.array(commands[first:]).reshape(-1, 6)[:, order]
        return np.array([chain.look(row)[0][:3, 3] for row in rows])

    def rose():
        nonlocal first
        rows = np.array(commands[first:]).reshape(-1, 6)
        if np.abs(np.diff(rows, axis=0)).max(initial=0.0) > 0.05:
            first = len(commands)  # the machine stalled: it began anew where the fake arm is
        side.post(lambda: side.takeover.hear('mine', {}, [(0, 2, 1.0), (7, 2, 1.0), (0, 9, 1.0)]))
        return len(commands) > first + 20 and np.ptp(tips()[:, 2]) > 0.01

    world.until(rose, 'a tip that rises')
    led = tips()
    assert led[-1, 2] > led[0, 2]
    assert np.abs(led[:, :2] - led[0, :2]).max() < 0.003
    # The page is gone: so is the person.
    world.until(lambda: not side.takeover.active, 'the end of the take-over', 10.0)
    assert side.takeover.reason == 'the page that took over is gone'
    world.until(lambda: mode(side) not in ('takeover', ''), 'an executor that goes on')


def test_without_a_page_nothing_heavy_is_subscribed_and_little_is_spent(world, http_status):
    robot = world.robot()
    world.begin()
    world.chunk_executor()
    address = world.console()
    camera = robot.robot.reference.stream.topic

    def spent():
        fields = Path(f'/proc/{world.processes["console"].pid}/stat').read_text().split()
        return (int(fields[13]) + int(fields[14])) / 100.0

    assert world.node.count_subscribers(camera) == 0
    began, used = time.monotonic(), spent()
    time.sleep(5.0)
    share = (spent() - used) / (time.monotonic() - began)
    assert share < 0.10, f'{share:.1%} of a core'
    assert http_status(f'{address}frame/front') == 204  # a page asks
    world.until(lambda: world.node.count_subscribers(camera) == 1, 'a subscription')
    world.until(lambda: http_status(f'{address}frame/front') == 200, 'a picture')
    world.until(lambda: http_status(f'{address}frame/front?model=true') == 200, 'a picture')

    def curves():
        with urllib.request.urlopen(f'{address}curves', timeout=10) as answer:
            return json.load(answer)['measured']

    row = world.until(curves, 'measured joints')[-1]
    assert len(row) == 7  # time (ms) and six joints
    assert all(abs(value) <= 0.31 for value in row[1:])  # the fake arm waves by 0.3 rad
    world.until(lambda: world.node.count_subscribers(camera) == 0, 'the page is gone', 15.0)
    assert http_status(f'{address}e_stop', {'Origin': 'http://evil.example'}, 'POST') == 403
    assert http_status(f'{address}', {'Host': 'evil.example'}) == 403
