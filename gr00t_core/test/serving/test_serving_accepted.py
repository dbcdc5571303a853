# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The server takes what upstream's transforms take, and names requests of another protocol."""

import base64
from collections.abc import Iterator
import contextlib
import http.client
import json
import logging
import threading
import time
from typing import Any

import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.errors import ObservationError, ServingError
from gr00t_core.instructions import MAX_CHARACTERS
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot
from gr00t_core.serving.client import PolicyClient
from gr00t_core.serving.http import HttpServer
from gr00t_core.serving.server import PolicyServer
from gr00t_core.serving.service import PolicyService

GR1 = ('gr1_arms_only', 'gr1_arms_waist', 'gr1_full_upper_body')


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp('gr1') / 'tiny'
    init_checkpoint('tiny', load_robot('gr1_full_upper_body'), folder)
    return folder


@contextlib.contextmanager
def serving(policy: Any) -> Iterator[tuple[str, int]]:
    """Serve a policy from threads; give the ZMQ address and the HTTP port."""
    service = PolicyService(lambda: (policy, {}))
    server = PolicyServer(service, 'tcp://127.0.0.1:*')
    web = HttpServer(service, '127.0.0.1', 0)
    service.start()
    web.start()
    thread = threading.Thread(target=server.serve)
    thread.start()
    deadline = time.monotonic() + 10
    while service.health()['status'] != 'ok':
        assert time.monotonic() < deadline, service.health()
        time.sleep(0.01)
    try:
        yield server.address, web.server_port
    finally:
        server.stop()
        thread.join(10)
        web.shutdown()
        web.server_close()
        service.stop(5)


def policy_for(checkpoint: Any, robot: str) -> Gr00tPolicy:
    write_metadata(checkpoint, metadata_from_limits(load_robot(robot)))
    return Gr00tPolicy(checkpoint, robot, seed=0)


def example_of_upstream() -> dict[str, Any]:
    """Return what both example clients of Isaac-GR00T n1.5-release send."""
    widths = {'left_arm': 7, 'right_arm': 7, 'left_hand': 6, 'right_hand': 6, 'waist': 3}
    generator = np.random.default_rng(0)
    return {
        'video.ego_view': generator.integers(0, 256, (1, 256, 256, 3), np.uint8),
        **{f'state.{name}': generator.random((1, width)) for name, width in widths.items()},
        'annotation.human.action.task_description': ['do your thing!'],
    }


@pytest.mark.parametrize('robot', GR1)
def test_upstreams_example_observation(checkpoint, robot, caplog):
    policy = policy_for(checkpoint, robot)
    with (
        caplog.at_level(logging.INFO),
        serving(policy) as (address, _),
        PolicyClient(address, 10) as client,
    ):
        if 'video.front_view' in policy.transforms.modality_keys()['video']:
            with pytest.raises(ServingError, match=r"lacks 'video\.front_view'"):
                client.get_action(example_of_upstream())
            return
        answers = [client.get_action(example_of_upstream(), seed=1) for _ in range(3)]
    ours = {
        key: value for key, value in example_of_upstream().items() if not key.startswith('annot')
    }
    ours[policy.transforms.language] = ['do your thing!']
    if robot == 'gr1_arms_only':
        del ours['state.waist']
    for key, values in policy.get_action(ours, seed=1).items():
        np.testing.assert_allclose(answers[-1][key], values, atol=1e-5)
    told = [record.getMessage() for record in caplog.records if 'a client sends' in record.message]
    assert len(told) == 1  # once, not for each call


@pytest.fixture(scope='module')
def arms(checkpoint) -> Iterator[tuple[str, int, Gr00tPolicy]]:
    policy = policy_for(checkpoint, 'gr1_arms_only')
    with serving(policy) as (address, port):
        yield address, port, policy


def ask_over_http(port: int, body: bytes) -> tuple[int, Any]:
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    connection.request('POST', '/act', body)
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def over_http(port: int, observation: dict[str, Any]) -> tuple[int, Any]:
    def encode(value: Any) -> Any:
        data = base64.b64encode(np.ascontiguousarray(value).data).decode()
        return {'__numpy__': data, 'dtype': value.dtype.str, 'shape': value.shape}

    return ask_over_http(port, json.dumps({'observation': observation}, default=encode).encode())


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        ({'video.side': np.zeros((1, 256, 256, 3), np.uint8)}, "unexpected key 'video.side'"),
        ({'annotation.other': ['x']}, "unexpected key 'annotation.other'"),
        (
            {'state.left_arm': None, 'state.left_am': np.zeros((1, 7))},
            r"lacks 'state.left_arm'.*state.left_am",
        ),
        ({'annotation.human.action.task_description': None}, "lacks 'annotation"),
        ({'video.ego_view': np.zeros((1, 100, 256, 3), np.uint8)}, 'shape'),
        ({'tatse.left': np.zeros(3)}, "unexpected key 'tatse.left'"),
    ],
)
def test_anything_else_stays_a_clear_error(arms, change, told):
    address, port, _ = arms
    observation = {**example_of_upstream(), **change}
    observation = {key: value for key, value in observation.items() if value is not None}
    with PolicyClient(address, 10) as client, pytest.raises(ServingError, match=told):
        client.get_action(observation)
    status, reply = over_http(port, observation)
    assert status == 400
    assert 'error' in reply


def test_in_process_the_policy_stays_strict(arms):
    with pytest.raises(ObservationError, match=r"unexpected key 'state\.waist'"):
        arms[2].get_action(example_of_upstream())


@pytest.mark.parametrize('length', [MAX_CHARACTERS + 1, 1_000_000, 20_000_000])
def test_a_long_instruction_is_refused_at_every_door(arms, length, caplog):
    address, port, _ = arms
    observation = example_of_upstream()
    key = 'annotation.human.action.task_description'
    for value in ('x' * length, ['x' * length], [['x' * length]]):
        observation[key] = value
        began = time.monotonic()
        with PolicyClient(address, 10) as client:
            with pytest.raises(ObservationError, match=f'at most {MAX_CHARACTERS}'):
                client.get_action(observation)
            # As a client that does not check:
            with pytest.raises(ServingError, match=f'at most {MAX_CHARACTERS}'):
                client._call('get_action', {'data': observation})
            if length < 10_000_000:
                status, reply = over_http(port, observation)
                assert (status, f'at most {MAX_CHARACTERS}' in reply['error']) == (400, True)
            observation[key] = ['pick']
            assert client.get_action(observation)
        assert time.monotonic() - began < 10
    assert all(len(record.getMessage()) < 1000 for record in caplog.records)


@pytest.mark.parametrize(
    ('change', 'told'),
    [
        ({'x' * 10_000_000: np.zeros(3)}, 'at most 200 characters'),
        ({f'state.{n}': 0.0 for n in range(30_000)}, 'at most 256 are allowed'),
        ({'state.left_arm': ['x' * 1_000_000] + ['y'] * 30_000}, 'expected numbers'),
        ({'video.ego_view': ['x' * 1_000_000] + ['y'] * 30_000}, 'expected numbers'),
        ({'annotation.human.action.task_description': ['x' * 2000] + ['y'] * 60_000}, 'list of 1'),
        ({b'x': 3}, 'a key is text'),
    ],
)
def test_what_costs_more_than_its_bytes_is_refused_at_once(arms, change, told):
    with PolicyClient(arms[0], 10) as client:
        began = time.monotonic()
        with pytest.raises(ServingError, match=told):
            client._call('get_action', {'data': example_of_upstream() | change})
        assert time.monotonic() - began < 10


def test_lists_nested_deeply_are_answered(arms):
    for key in ('annotation.human.action.task_description', 'state.left_arm'):
        body = b'{"observation": {"%s": %s}}' % (key.encode(), b'[' * 900 + b']' * 900)
        assert ask_over_http(arms[1], body)[0] == 400


def test_blank_is_empty_over_the_wire(arms):
    with PolicyClient(arms[0], 10) as client:
        answers = [
            client.get_action(
                example_of_upstream() | {'annotation.human.action.task_description': [text]},
                seed=1,
            )
            for text in ('', ' \n ')
        ]
    for key, values in answers[0].items():
        np.testing.assert_array_equal(values, answers[1][key])


def test_a_nested_observation_without_its_envelope_is_named(arms):
    nested = {'video': {'front': np.zeros((1, 1, 4, 6, 3), np.uint8)}, 'state': {}}
    with (
        PolicyClient(arms[0], 10) as client,
        pytest.raises(ServingError, match='without its envelope'),
    ):
        client._call('get_action', {'data': nested})
    status, reply = over_http(arms[1], {'state': {'left_arm': 0.0}})
    assert status == 400
    assert 'HTTP takes the latter only' in reply['error']


def test_actions_that_are_not_finite_are_errors():
    class Broken:
        def get_action(self, observation: dict[str, Any]) -> dict[str, Any]:
            return {'action.arm': np.array([[1.0, observation['state.arm'][0, 0]]], np.float32)}

        def get_modality_config(self) -> dict[str, Any]:
            return {'state': {'delta_indices': [0], 'modality_keys': ['state.arm']}}

    with serving(Broken()) as (address, port), PolicyClient(address, 10) as client:
        for bad in (np.nan, np.inf, -np.inf):
            with pytest.raises(ServingError, match=r"not finite for \['action\.arm'\]"):
                client.get_action({'state.arm': np.array([[bad]])})
        assert over_http(port, {'state.arm': np.array([[np.nan]])})[0] == 400
        assert client.get_action({'state.arm': np.ones((1, 1))})
        assert client.ping()['errors'] == 4


def test_a_server_that_is_open_says_that_http_is_open_as_well(caplog):
    service = PolicyService(lambda: pytest.fail('not loaded'))
    server = PolicyServer(service, 'tcp://*:*')
    server.stop()
    server.serve()
    assert 'HTTP' in caplog.text
    assert 'open to the network without a token' in caplog.text
    assert '--token-file' in caplog.text
