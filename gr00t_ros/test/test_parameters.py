# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters come from a table; what does not fit the table is refused, all at once."""

from difflib import get_close_matches

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

pytest.importorskip('rclpy', reason='no ROS')

import rclpy
from rclpy.parameter import Parameter

from gr00t_core.errors import ParameterError
from gr00t_ros import parameters

TABLE = {
    'robot': ('', 'robot file', None),
    'rate_hz': (100.0, 'commands per second (Hz)', (1.0, 1000.0)),
    'priority': (20, 'of the thread', (0, 99)),
    'shadow': (False, 'command nothing', None),
    'handover': ('crossfade', 'how chunks meet', ('crossfade', 'replace')),
    'tags': ([''], 'of episodes', None),
    'gain': (1.0, 'any number', None),
}


@pytest.fixture
def declare(ros_domain):
    """Declare TABLE on a node that was started with arguments; give node and values."""
    contexts, nodes = [], []

    def start(*arguments, **keywords):
        context = rclpy.Context()
        context.init(args=['program', '--ros-args', *arguments])
        contexts.append(context)
        node = rclpy.create_node('arm', context=context, **keywords)
        nodes.append(node)
        return node, parameters.declare(node, TABLE, writable={'rate_hz', 'gain', 'handover'})

    yield start
    for node in nodes:
        node.destroy_node()
    for context in contexts:
        context.try_shutdown()


def given_by(*pairs):
    return [word for pair in pairs for word in ('-p', pair)]


def test_defaults_overrides_and_the_parameters_of_every_node(declare):
    _, values = declare()
    assert values == {name: default for name, (default, *_) in TABLE.items()}
    arguments = given_by('rate_hz:=50', 'tags:=[a, b]', 'use_sim_time:=true', 'shadow:=true')
    arguments += given_by('start_type_description_service:=false')
    arguments += given_by('qos_overrides./commands.publisher.depth:=3')
    node, values = declare(*arguments)
    assert values['rate_hz'] == 50.0
    assert isinstance(node.get_parameter('rate_hz').value, float)
    assert (values['tags'], values['shadow']) == (['a', 'b'], True)
    assert node.get_parameter('use_sim_time').value is True


@pytest.mark.parametrize(
    ('argument', 'said'),
    [
        ('rate_hzz:=50.0', "unknown parameter 'rate_hzz'; did you mean rate_hz?"),
        ('Shadow:=true', "unknown parameter 'Shadow'; did you mean shadow?"),
        ('use_sim_tim:=true', "unknown parameter 'use_sim_tim'; did you mean use_sim_time?"),
        ('nested.rate:=1', 'this node has: robot, rate_hz, priority'),
        ('rate_hz:=0', 'parameter rate_hz: 0.0 is outside 1 to 1000'),
        ('rate_hz:=.nan', 'parameter rate_hz: nan is not finite; allowed: 1 to 1000'),
        ('rate_hz:=.inf', 'parameter rate_hz: inf is not finite; allowed: 1 to 1000'),
        ("rate_hz:='50'", "parameter rate_hz: '50' is not a number"),
        ('rate_hz:=true', 'parameter rate_hz: True is not a number'),
        ('priority:=20.0', 'parameter priority: 20.0 is not an integer'),
        ('priority:=true', 'parameter priority: True is not an integer'),
        ('shadow:=1', 'parameter shadow: 1 is not true or false'),
        ("shadow:='true'", "parameter shadow: 'true' is not true or false"),
        ('robot:=7', 'parameter robot: 7 is not a string'),
        ('robot:=off', 'parameter robot: False is not a string'),
        ('handover:=crosfade', "'crosfade' is none of crossfade, replace; did you mean"),
        ('tags:=[1, 2]', 'parameter tags: .* is not a list of strings'),
        ('tags:=a', "parameter tags: 'a' is not a list of strings"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(declare, argument, said):
    with pytest.raises(ParameterError, match=said):
        declare(*given_by(argument))


def test_all_problems_are_said_at_once_and_nothing_is_declared(declare):
    with pytest.raises(ParameterError) as caught:
        declare(*given_by('shadw:=true', 'rate_hz:=0.5', 'handover:=x'))
    assert len(str(caught.value).split('; ')) >= 3
    for name in ('shadw', 'rate_hz', 'handover'):
        assert name in str(caught.value)


def test_a_parameter_file_and_the_constructor_are_checked_too(declare, tmp_path):
    file = tmp_path / 'parameters.yaml'
    file.write_text('/**:\n  ros__parameters: {rate_hz: 50, shadow: true}\n')
    _, values = declare('--params-file', str(file))
    assert (values['rate_hz'], values['shadow']) == (50.0, True)
    file.write_text('/**/arm:\n  ros__parameters: {limits: {shadow: true}}\n')
    with pytest.raises(ParameterError, match=r"'limits\.shadow'"):
        declare('--params-file', str(file))
    with pytest.raises(ParameterError, match="'outputt'"):
        declare(parameter_overrides=[Parameter('outputt', value='x')])


def test_an_integer_is_accepted_for_a_writable_float_and_a_fixed_one_stays(declare):
    node, _ = declare()
    (result,) = node.set_parameters([Parameter('rate_hz', value=25)])
    assert result.successful
    assert node.get_parameter('rate_hz').value == 25.0
    (result,) = node.set_parameters([Parameter('rate_hz', value=0)])
    assert not result.successful
    (result,) = node.set_parameters([Parameter('shadow', value=True)])
    assert not result.successful
    assert 'outside' not in result.reason


@pytest.mark.parametrize(
    ('name', 'value', 'said'),
    [
        ('rate_hz', float('nan'), 'nan'),
        ('gain', float('nan'), 'gain: nan is not finite; allowed: any number'),
        ('gain', float('-inf'), 'gain: -inf is not finite; allowed: any number'),
        ('handover', 'x', "handover: 'x' is none of crossfade, replace"),
    ],
)
def test_what_could_not_be_given_at_the_start_is_refused_later_too(declare, name, value, said):
    node, values = declare()
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert said in result.reason
    assert node.get_parameter(name).value == values[name]


@settings(max_examples=200)
@given(name=st.sampled_from(sorted(TABLE)), data=st.data())
def test_one_slip_of_the_finger_names_the_parameter(name, data):
    at = data.draw(st.integers(0, len(name) - 1))
    slip = data.draw(st.sampled_from(['drop', 'double', 'swap']))
    letters = list(name)
    if slip == 'drop':
        letters.pop(at)
    elif slip == 'double':
        letters.insert(at, letters[at])
    else:
        other = min(at + 1, len(letters) - 1)
        letters[at], letters[other] = letters[other], letters[at]
    wrong = ''.join(letters)
    if wrong in TABLE:
        return
    assert not parameters.is_known(wrong, TABLE)
    assert name in parameters.unknown(wrong, TABLE), get_close_matches(wrong, TABLE)
