# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The form of NVIDIA's PolicyServer is read and written byte for byte, and checked at the door."""

import base64
from collections.abc import Iterator
import json
import logging
from pathlib import Path
import threading
from typing import Any

from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays
import msgpack
import numpy as np
import pytest
import zmq

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import ServingError
from gr00t_core.instructions import MAX_CHARACTERS
from gr00t_core.serving import policy_server, wire
from gr00t_core.serving.client import PolicyClient
from gr00t_core.serving.server import PolicyServer
from gr00t_core.serving.service import PolicyService

DIALECTS = [wire.NPY, wire.MSGPACK_NUMPY]
TASK = 'annotation.human.task_description'
CONFIG = {
    'video': ModalityConfig((0,), ('video.front',)),
    'state': ModalityConfig((0,), ('state.single_arm', 'state.gripper')),
    'action': ModalityConfig(tuple(range(8)), ('action.single_arm', 'action.gripper')),
    'language': ModalityConfig((0,), (TASK,)),
}


@pytest.fixture(scope='module')
def recorded(shared_data: Path) -> dict[str, Any]:
    return json.loads((shared_data / 'parity_n17' / 'wire' / 'wire.json').read_text())


def frames(recorded: dict[str, Any], dialect: str) -> dict[str, bytes]:
    found = recorded['messages'][dialect]
    return {name: base64.b64decode(text) for name, text in found.items()}


def observation(batch: int = 1) -> dict[str, Any]:
    return {
        'video': {'front': np.zeros((batch, 1, 4, 6, 3), np.uint8)},
        'state': {
            'single_arm': np.arange(5 * batch, dtype=np.float32).reshape(batch, 1, 5),
            'gripper': np.full((batch, 1, 1), 0.5, np.float32),
        },
        'language': {TASK: [[f'pick {row}'] for row in range(batch)]},
    }


# Bytes


@pytest.mark.parametrize('dialect', DIALECTS)
def test_every_recorded_message_comes_out_byte_for_byte(recorded, dialect):
    messages = frames(recorded, dialect)
    assert len(messages) == 14
    for name, data in messages.items():
        message = wire.read(data)
        assert wire.pack(message.content, dialect) == data, name
        has_arrays = name.startswith(('get_action', 'flat')) or name.endswith('config_reply')
        assert message.dialect == (dialect if has_arrays else None), name


@pytest.mark.parametrize('dialect', DIALECTS)
def test_the_recorded_request_is_what_our_client_and_server_say(recorded, dialect):
    messages = frames(recorded, dialect)
    data = wire.read(messages['get_action']).content['data']
    request = policy_server.read_request(data, CONFIG)
    expected = recorded['observation']
    assert set(request.observation) == {'video.front', 'state.single_arm', 'state.gripper', TASK}
    for key in ('video.front', 'state.single_arm', 'state.gripper'):
        np.testing.assert_array_equal(request.observation[key], np.array(expected[key])[0])
    assert request.observation[TASK] == ['pick up the cube']
    configs = wire.read(messages['get_modality_config_reply']).content
    described = policy_server.suite_configs(configs)
    assert described == CONFIG
    sent, batched = policy_server.write_request(request.observation, described, {})
    ours = wire.pack({'endpoint': 'get_action', 'data': sent}, dialect)
    assert (ours, batched) == (messages['get_action'], False)

    reply = wire.read(messages['get_action_reply']).content
    actions, info = policy_server.read_reply(reply, batched=False)
    assert info == {}
    np.testing.assert_array_equal(
        actions['action.single_arm'], np.array(recorded['action']['single_arm'], np.float32)[0]
    )
    back = policy_server.write_reply(actions, request)
    assert wire.pack(back, dialect) == messages['get_action_reply']


plain = strategies.sampled_from(['?', 'u1', '<i8', '>f4', '<f2', 'f8', '<U7']).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0))
)


@given(plain, strategies.booleans())
def test_msgpack_numpy_keeps_arrays_and_scalars(array, is_fortran):
    array = np.asfortranarray(array) if is_fortran else array
    sent = {'array': array, 'scalars': [each for each in array.reshape(-1)[:3]]}
    message = wire.read(wire.pack(sent, wire.MSGPACK_NUMPY))
    back = message.content['array']
    assert message.dialect == wire.MSGPACK_NUMPY
    assert (back.shape, back.dtype.newbyteorder('=')) == (
        array.shape,
        array.dtype.newbyteorder('='),
    )
    np.testing.assert_array_equal(back, array)
    np.testing.assert_array_equal(message.content['scalars'], sent['scalars'])


def nd(**changes: Any) -> bytes:
    fields = {b'nd': True, b'type': '<f4', b'kind': b'', b'shape': [2], b'data': bytes(8)}
    return msgpack.packb({'a': fields | {key.encode(): v for key, v in changes.items()}})


@pytest.mark.parametrize(
    ('data', 'told'),
    [
        (nd(type='|O'), 'objects'),
        (nd(type='|V8'), 'objects'),
        (nd(kind=b'O'), 'never objects'),
        (nd(kind=b'V', type=[['a', '<f4']]), 'never objects'),
        (nd(shape=[3]), 'expected 12'),
        (nd(shape=[-2]), 'shape'),
        (nd(shape=[True, 2]), 'whole numbers'),
        (nd(shape=[2] * 9), 'axes'),
        (nd(shape=None), 'whole numbers'),
        (nd(shape=[2**40, 0]), 'shape'),
        (nd(data='text'), 'bytes'),
        (nd(nd=1), 'true or false'),
        (nd(nd=False), 'expected 4'),
        (msgpack.packb({'__ModalityConfig__': True, 'as_json': {}}), 'malformed'),
        (msgpack.packb({'__ModalityConfig__': True}), 'malformed'),
        (
            msgpack.packb(
                {
                    '__ModalityConfig__': True,
                    'as_json': {'delta_indices': [0.5], 'modality_keys': []},
                }
            ),
            'malformed',
        ),
    ],
)
def test_hostile_arrays_and_configs_are_refused_by_name(data, told):
    with pytest.raises(ServingError, match=told):
        wire.read(data)


# Requests


def test_a_batch_keeps_its_axis_and_one_text_per_sample():
    request = policy_server.read_request({'observation': observation(3), 'options': None}, CONFIG)
    assert request.observation['state.single_arm'].shape == (3, 1, 5)
    assert request.observation[TASK] == ['pick 0', 'pick 1', 'pick 2']
    reply = policy_server.write_reply({'action.single_arm': np.zeros((3, 8, 5))}, request)
    assert reply[0]['single_arm'].shape == (3, 8, 5)
    assert reply[0]['single_arm'].dtype == np.float32


def test_flat_keys_of_the_sim_policy_wrapper_are_answered_with_flat_keys():
    nested = observation()
    flat = {
        'video.front': nested['video']['front'],
        **{f'state.{name}': values for name, values in nested['state'].items()},
        'annotation.human.coarse_action': ('pick',),
    }
    request = policy_server.read_request({'observation': flat}, CONFIG)
    assert request.observation[TASK] == ['pick']
    reply = policy_server.write_reply({'action.gripper': np.zeros((8, 1))}, request)
    assert {key: values.shape for key, values in reply[0].items()} == {'action.gripper': (1, 8, 1)}


def changed(path: str, value: Any, batch: int = 1) -> dict[str, Any]:
    found = observation(batch)
    modality, _, name = path.partition('/')
    if not name:
        found[modality] = value
    elif value is None:
        del found[modality][name]
    else:
        found[modality][name] = value
    return {'observation': found, 'options': None}


@pytest.mark.parametrize(
    ('data', 'told'),
    [
        (changed('video/front', None), r"lacks 'video\.front'.*the policy takes video\.front"),
        (changed('state/gripper', None), r"lacks 'state\.gripper'"),
        (changed('language', {}), 'lacks .annotation'),
        (changed('video/front', np.zeros((1, 1, 4, 6, 3), np.float32)), 'float32 .*uint8'),
        (changed('video/front', np.zeros((1, 4, 6, 3), np.uint8)), r'\(1, 4, 6, 3\), expected'),
        (changed('video/front', np.zeros((1, 2, 4, 6, 3), np.uint8)), r'expected uint8 \(1, 1'),
        (changed('video/front', np.zeros((1, 1, 4, 6, 4), np.uint8)), 'h, w, 3'),
        (changed('state/gripper', np.zeros((1, 1, 1))), 'float64 .*float32'),
        (changed('state/gripper', np.zeros((1, 1), np.float32)), 'expected float32'),
        (changed('state/gripper', np.zeros((2, 1, 1), np.float32)), r'expected float32 \(1, 1, D'),
        (changed('state/gripper', [[[0.5]]]), 'is a list, expected a NumPy array'),
        (changed('state', [1]), 'observation.state is a list, expected a map'),
        (changed(f'language/{TASK}', [['a'], ['b']]), '1 lists of 1 text'),
        (changed(f'language/{TASK}', [[3]]), '1 lists of 1 text'),
        (changed('state', {str(n): 0 for n in range(300)}), 'at most 256'),
        (changed('state/' + 'x' * 300, 0), 'at most 200 characters'),
        ({'observation': [1]}, 'observation is a list'),
        ({'observation': observation(), 'options': 3}, 'options are a int'),
        ({'observation': observation(), 'strict': False}, 'unknown keys'),
    ],
)
def test_wrong_requests_are_refused_by_name(data, told):
    with pytest.raises(ServingError, match=told):
        policy_server.read_request(data, CONFIG)


@pytest.mark.parametrize(
    ('reply', 'told'),
    [
        ({}, r'expected \[action map'),
        ([{}, {}], 'no action'),
        ([{'arm': 3}, {}], 'int, expected numbers'),
        ([{'arm': np.zeros((8, 5))}, {}], r'\(8, 5\), expected numbers'),
        ([{'arm': np.zeros((2, 8, 5))}, {}], r'\(1, H, D\)'),
        ([{'arm': np.zeros((1, 8, 5))}], r'expected \[action map'),
    ],
)
def test_wrong_replies_are_refused_by_name(reply, told):
    with pytest.raises(ServingError, match=told):
        policy_server.read_reply(reply, batched=False)


# The server on its port


class Policy:
    """Gives the state back as a chunk; takes one option."""

    def get_action(self, observation: dict[str, Any], *, seed: int = 0) -> dict[str, Any]:
        arm, gripper = observation['state.single_arm'], observation['state.gripper']
        if observation[TASK] == ['broken']:
            return {'action.single_arm': np.full((8, 5), np.nan)}
        chunk = {'action.single_arm': arm + seed, 'action.gripper': gripper}
        return {key: np.repeat(values, 8, axis=-2) for key, values in chunk.items()}

    def get_modality_config(self) -> dict[str, Any]:
        return CONFIG


@pytest.fixture
def serve() -> Iterator[Any]:
    """Give a function that serves `Policy` from threads and returns its address."""
    ends = []

    def start(token: str | None = None, configs: str = 'n1_5') -> str:
        ready = threading.Event()
        service = PolicyService(lambda: (Policy(), {}), token, ready.set)
        server = PolicyServer(service, 'tcp://127.0.0.1:*', configs)
        service.start()
        thread = threading.Thread(target=server.serve)
        thread.start()
        ends.append((server, thread, service))
        assert ready.wait(10)
        return server.address

    yield start
    for server, thread, service in ends:
        server.stop()
        thread.join(10)
        service.stop(5)


class Peer:
    """A REQ socket that sends and takes raw frames."""

    def __init__(self, address: str) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.connect(address)

    def ask(self, data: bytes) -> wire.Message:
        self.socket.send(data)
        assert self.socket.poll(10_000), 'no answer'
        return wire.read(self.socket.recv())

    def say(self, dialect: str, **request: Any) -> wire.Message:
        return self.ask(wire.pack(request, dialect))

    def __enter__(self) -> 'Peer':
        return self

    def __exit__(self, *error: object) -> None:
        self.context.destroy(linger=0)


@pytest.mark.parametrize('dialect', DIALECTS)
def test_both_generations_are_answered_on_one_port(serve, recorded, dialect):
    messages = frames(recorded, dialect)
    address = serve()
    arm = np.array(recorded['observation']['state.single_arm'], np.float32)
    with Peer(address) as newer, Peer(address) as older:
        assert newer.ask(messages['ping']).content['status'] == 'ok'
        for _ in range(2):
            answer = newer.ask(messages['get_action'])
            assert answer.dialect == dialect
            actions, info = answer.content
            assert info == {}
            np.testing.assert_array_equal(actions['single_arm'], np.repeat(arm, 8, axis=1))
            flat = older.say(
                wire.NPY,
                endpoint='get_action',
                data={
                    'video.front': np.zeros((1, 4, 6, 3), np.uint8),
                    'state.single_arm': arm[0],
                    'state.gripper': np.ones((1, 1)),
                    TASK: ['pick'],
                },
            )
            assert flat.dialect == wire.NPY
            np.testing.assert_array_equal(
                flat.content['action.single_arm'], np.repeat(arm[0], 8, axis=0)
            )
            assert newer.ask(messages['reset']).content == {}
        configs = newer.ask(messages['get_modality_config'])
        assert configs.dialect == dialect
        assert policy_server.suite_configs(configs.content) == CONFIG
        assert older.ask(messages['get_modality_config']).content == CONFIG


def test_before_a_client_shows_its_generation_an_option_says_the_form_of_the_configs(serve):
    for form, kind in (
        ('n1_5', ModalityConfig),
        ('policy_server', policy_server.NestedConfig),
    ):
        with Peer(serve(configs=form)) as peer:
            configs = peer.say(wire.NPY, endpoint='get_modality_config').content
            assert {type(config) for config in configs.values()} == {kind}


def test_a_token_and_the_limits_hold_for_both(serve, caplog):
    address = serve('secret')
    good = {'endpoint': 'get_action', 'api_token': 'secret'}
    with caplog.at_level(logging.INFO), Peer(address) as peer:

        def error(**request: Any) -> str:
            return str(peer.say(wire.MSGPACK_NUMPY, **request).content['error'])

        data = {'observation': observation(), 'options': None}
        assert error(endpoint='get_action', data=data) == 'Unauthorized: Invalid API token'
        assert error(endpoint='reset') == 'Unauthorized: Invalid API token'
        assert 'float64' in error(**good, data=changed('state/gripper', np.zeros((1, 1, 1))))
        long = changed(f'language/{TASK}', [['x' * (MAX_CHARACTERS + 1)]])
        assert f'at most {MAX_CHARACTERS}' in error(**good, data=long)
        assert 'not finite' in error(**good, data=changed(f'language/{TASK}', [['broken']]))
        assert 'reset takes' in error(endpoint='reset', api_token='secret', data={'x': 1})
        assert 'Unknown'.lower() in error(endpoint='fly', api_token='secret').lower()
        data['options'] = {'seed': 2, 'speed': 3}
        data['observation']['state']['waist'] = np.zeros((1, 1, 3), np.float32)
        for _ in range(2):
            actions, _ = peer.say(wire.MSGPACK_NUMPY, **good, data=data).content
            np.testing.assert_array_equal(actions['single_arm'][0, 0], np.arange(5) + 2)
        data['options'] = {'seed': 0, 'info': True}
        _, info = peer.say(wire.MSGPACK_NUMPY, **good, data=data).content
        assert info.keys() == {'waited_s', 'policy_s'}
    told = [record.getMessage() for record in caplog.records if 'left out' in record.message]
    assert len(told) == 2  # the option and the group, each once


# The client


@pytest.mark.parametrize('protocol', ['auto', 'policy_server'])
@pytest.mark.parametrize('configs', ['n1_5', 'policy_server'])
def test_our_client_gets_the_same_whatever_the_protocol(serve, protocol, configs):
    state = np.arange(5.0)[None]
    sent = {
        'video.front': np.zeros((1, 4, 6, 3), np.uint8),
        'state.single_arm': state,
        'state.gripper': np.ones((1, 1)),
        TASK: ['pick'],
    }
    with PolicyClient(serve(configs=configs), 10, protocol=protocol) as client:
        assert client.protocol == protocol
        assert client.get_modality_config() == CONFIG
        is_newer = 'policy_server' in (protocol, configs)
        assert client.protocol == ('policy_server' if is_newer else 'n1_5')
        action = client.get_action(sent, seed=3, info=True)
        assert action['action.single_arm'].shape == (8, 5)
        np.testing.assert_array_equal(action['action.single_arm'][7], state[0] + 3)
        assert action['info'].keys() == {'waited_s', 'policy_s'}
        batch = {key: np.repeat(np.asarray(v)[None], 2, 0) for key, v in sent.items()}
        batch[TASK] = ['pick', 'place']
        assert client.get_action(batch)['action.single_arm'].shape == (2, 8, 5)
        client.reset()


def test_a_chosen_protocol_that_is_not_the_servers_is_an_error_that_says_so(serve):
    with (
        PolicyClient(serve(configs='policy_server'), 10, protocol='n1_5') as client,
        pytest.raises(ServingError, match='is a PolicyServer'),
    ):
        client.get_modality_config()
    with pytest.raises(ServingError, match='expected auto, n1_5, policy_server'):
        PolicyClient('tcp://127.0.0.1:1', protocol='n1_7')


@pytest.mark.parametrize('raw', [b'ERROR', b'\xc0', b'\x90', b'\x93\x01\x02\x03'])
def test_answers_of_no_protocol_are_errors(raw):
    context = zmq.Context()
    socket = context.socket(zmq.REP)
    socket.setsockopt(zmq.RCVTIMEO, 5000)
    port = socket.bind_to_random_port('tcp://127.0.0.1')

    def answer() -> None:
        for _ in range(2):
            asked = wire.read(socket.recv()).content['endpoint']
            config = {'action': policy_server.NestedConfig((0,), ('arm',))}
            socket.send(wire.pack(config) if asked == 'get_modality_config' else raw)

    thread = threading.Thread(target=answer)
    thread.start()
    with PolicyClient(f'tcp://127.0.0.1:{port}', 5) as client, pytest.raises(ServingError):
        client.get_action({'state.arm': np.zeros((1, 1)), TASK: ['pick']})
    thread.join(10)
    context.destroy(linger=0)
