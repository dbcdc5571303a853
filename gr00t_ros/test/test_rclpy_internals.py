# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each thing taken from the inside of rclpy works in the distribution that is installed.

CI runs this file with Jazzy and with Kilted. A failure here on another distribution says what to
mend in gr00t_ros/rclpy_internals.py, the only file that may know.
"""

from pathlib import Path
import re

import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import String

from gr00t_ros.rclpy_internals import (
    deactivate_publishers,
    overrides,
    state_label,
    watch_transitions,
)

ROOT = Path(__file__).resolve().parents[2]
PRIVATE = re.compile(
    r'_rclpy_pybind11|rclpy\.impl|take_message|\b_(?:managed_entities|state_machine'
    r'|service_change_state)\b|\._parameter_overrides'
)
# Others use rclpy as it is documented; senders.py calls rcl, not rclpy (decision 0020).
MAY_KNOW = {'gr00t_ros/gr00t_ros/rclpy_internals.py'}
PACKAGES = ('gr00t_ros', 'gr00t_policy_node', 'gr00t_bringup', 'gr00t_console', 'gr00t_so101')


class Node(LifecycleNode):
    def __init__(self, context):
        given = [Parameter('speed', value=2.5)]
        super().__init__('inside', context=context, parameter_overrides=given)
        self.result = TransitionCallbackReturn.SUCCESS
        self.publisher = self.create_lifecycle_publisher(String, 'words', 1)

    def on_deactivate(self, state):
        return self.result

    def on_error(self, state):
        deactivate_publishers(self, state)
        return TransitionCallbackReturn.SUCCESS


@pytest.fixture
def node(ros_domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(ros_domain['ROS_DOMAIN_ID']))
    found = Node(context)
    yield found
    found.destroy_node()
    rclpy.shutdown(context=context)


def test_overrides_are_those_that_were_given(node):
    assert overrides(node) == {'speed': 2.5}


def test_the_state_is_that_of_the_state_machine(node):
    assert state_label(node) == 'unconfigured'
    node.trigger_configure()
    assert state_label(node) == 'inactive'
    node.trigger_activate()
    assert state_label(node) == 'active'


def test_publishers_are_silenced_on_the_way_over_the_error_state(node):
    node.trigger_configure()
    node.trigger_activate()
    assert node.publisher.is_activated
    node.result = TransitionCallbackReturn.ERROR
    node.trigger_deactivate()
    assert state_label(node) == 'unconfigured'
    assert not node.publisher.is_activated


def test_a_transition_that_does_not_fit_is_answered_and_others_are_told(node):
    refused, made = [], []
    watch_transitions(node, refused.append, lambda: made.append(state_label(node)))
    onlooker = rclpy.create_node('onlooker', context=node.context)
    client = onlooker.create_client(ChangeState, 'inside/change_state')
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    executor.add_node(onlooker)

    def ask(transition, label=''):
        request = ChangeState.Request()
        request.transition.id, request.transition.label = transition, label
        assert client.wait_for_service(10.0)
        future = client.call_async(request)
        executor.spin_until_future_complete(future, 10.0)
        return future.result().success

    try:
        assert not ask(Transition.TRANSITION_ACTIVATE)
        assert not ask(0, 'dance')
        assert refused == [
            f"{asked} does not fit the state 'unconfigured'; allowed: configure (1), shutdown (5)"
            for asked in (3, 'dance')
        ]
        assert made == []
        assert ask(0, 'configure')
        assert ask(Transition.TRANSITION_ACTIVATE)
        assert made == ['inactive', 'active']
        assert len(refused) == 2
    finally:
        executor.shutdown()
        onlooker.destroy_node()


def test_no_other_file_knows_the_inside_of_rclpy():
    wrong = []
    for package in PACKAGES:
        for path in sorted((ROOT / package / package).rglob('*.py')):
            name = str(path.relative_to(ROOT))
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if name not in MAY_KNOW and PRIVATE.search(line):
                    wrong.append(f'{name}:{number}: {line.strip()}')
    assert not wrong, '\n'.join(wrong)
