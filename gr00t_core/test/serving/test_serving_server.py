# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A server in a process of its own answers upstream's client, ours and HTTP, whatever comes."""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
import http.client
import io
import json
from pathlib import Path
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import ServingError
from gr00t_core.serving.client import PolicyClient, ServingTimeoutError
from gr00t_core.serving.server import is_local, PolicyServer
from gr00t_core.serving.service import PolicyService
from gr00t_core.serving.wire import pack, unpack

CAMERAS = ('front', 'wrist', 'top')
ACTION = 'action.single_arm'
TASK = 'annotation.human.task_description'
Start = Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]


def observation(task: str = 'pick', value: float = 0.0) -> dict[str, Any]:
    images = {f'video.{camera}': np.zeros((1, 48, 64, 3), np.uint8) for camera in CAMERAS}
    return images | {'state.single_arm': np.full((1, 6), value), TASK: [task]}


@pytest.fixture
def start() -> Iterator[Start]:
    """Start fake servers; end them, and require that they still ran unless the test ended them."""
    script = Path(__file__).parents[1].joinpath('serving_fake_server.py')
    processes = []

    def start(*options: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = subprocess.Popen(
            [sys.executable, str(script), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=10)


class UpstreamClient:
    """What upstream's RobotInferenceClient does, written from the fact sheet (section 7)."""

    def __init__(self, address: str, api_token: str | None = None) -> None:
        self.api_token = api_token
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.REQ)
        self.socket.connect(address)
        self.socket.setsockopt(zmq.RCVTIMEO, 10_000)  # upstream hangs; a test must not

    def call(self, endpoint: str, *data: Any) -> Any:
        request = {'endpoint': endpoint}
        if data:
            request['data'] = data[0]
        if self.api_token:
            request['api_token'] = self.api_token
        self.socket.send(msgpack.packb(request, default=self.encode))
        reply = msgpack.unpackb(self.socket.recv(), object_hook=self.decode)
        if 'error' in reply:
            raise RuntimeError(f'Server error: {reply["error"]}')
        return reply

    def encode(self, value: Any) -> Any:
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        return {'__ndarray_class__': True, 'as_npy': buffer.getvalue()}

    def decode(self, value: dict[str, Any]) -> Any:
        if '__ModalityConfig_class__' in value:
            return json.loads(value['as_json'])
        if '__ndarray_class__' in value:
            return np.load(io.BytesIO(value['as_npy']), allow_pickle=False)
        return value


@pytest.mark.parametrize('transport', ['tcp', 'ipc'])
def test_upstreams_client_works_unchanged(start: Start, tmp_path: Path, transport: str) -> None:
    bind = 'tcp://127.0.0.1:*' if transport == 'tcp' else f'ipc://{tmp_path}/policy'
    process, address = start('--bind', bind, '--token', 'secret')
    client = UpstreamClient(address['zmq'], 'secret')
    assert client.call('ping')['status'] == 'ok'
    action = client.call('get_action', observation(value=0.25))
    assert list(action) == [ACTION]
    assert action[ACTION].dtype == np.float32
    np.testing.assert_array_equal(action[ACTION], np.full((16, 6), 0.25))
    configs = client.call('get_modality_config')
    assert configs['video']['modality_keys'] == [f'video.{camera}' for camera in CAMERAS]
    assert configs['action']['delta_indices'] == list(range(16))
    with pytest.raises(RuntimeError, match='Unauthorized: Invalid API token'):
        UpstreamClient(address['zmq'], 'wrong').call('kill')
    client.call('kill')
    assert process.wait(10) == 0


def test_our_client_has_options_info_and_configs(start: Start) -> None:
    _, address = start()
    with PolicyClient(address['zmq'], timeout_s=10) as client:
        reply = client.get_action(observation(), seed=7, info=True)
        np.testing.assert_array_equal(reply[ACTION], np.full((16, 6), 7))
        assert reply['info'].keys() == {'waited_s', 'policy_s'}
        prefix = np.ones((4, 6), np.float32)
        reply = client.get_action(observation(), prefix=prefix)
        np.testing.assert_array_equal(reply[ACTION], prefix)
        state = client.get_modality_config()['state']
        assert state == ModalityConfig((0,), ('state.single_arm',))
        health = client.ping()
        assert (health['model'], health['backend'], health['robot']) == ('fake', 'none', 'so101')
        assert (health['calls'], health['errors'], health['busy']) == (2, 0, False)


def test_health_says_what_the_policy_holds_on_the_gpu(monkeypatch):
    service = PolicyService(lambda: (None, {}))
    assert 'gpu_memory_mib' not in service.health()
    cuda = SimpleNamespace(is_initialized=lambda: True, memory_reserved=lambda: 7 * 2**20 + 5)
    monkeypatch.setitem(sys.modules, 'torch', SimpleNamespace(cuda=cuda))
    assert service.health()['gpu_memory_mib'] == 7
    monkeypatch.setitem(sys.modules, 'torch', SimpleNamespace())  # while it is being imported
    assert 'gpu_memory_mib' not in service.health()


def test_every_wrong_request_is_answered_with_an_error_that_names_it(start: Start) -> None:
    process, address = start()
    with PolicyClient(address['zmq'], timeout_s=10) as client:
        without = {key: value for key, value in observation().items() if key != 'video.wrist'}
        float_image = observation() | {'video.top': np.zeros((1, 48, 64, 3))}
        for call, says in (
            (lambda: client.get_action(without), "lacks 'video.wrist'"),
            (lambda: client.get_action(float_image), 'expected uint8'),
            (lambda: client.get_action(observation(), sed=1), r"\['sed'\].*seed, prefix, info"),
            (lambda: client.get_action(observation(), info=np.zeros(3)), 'option info'),
            (lambda: client.get_action(observation(), timeout_s=-1), 'option timeout_s'),
            (lambda: client._call('get_action', {'data': [1]}), 'the observation is a list'),
            (lambda: client.get_action(observation('crash')), 'RuntimeError: the policy broke'),
            (lambda: client.kill(), 'needs a server that was started with a token'),
            (lambda: client._call('get_acton', {}), "unknown endpoint 'get_acton'; there"),
            (lambda: client._call(np.zeros(3), {}), 'unknown endpoint'),
        ):
            with pytest.raises(ServingError, match=says):
                call()
        assert client.get_action(observation())[ACTION].shape == (16, 6)
        assert client.ping()['errors'] == 3
    assert process.poll() is None


def test_hostile_envelopes_are_answered_and_wedge_nothing(start: Start) -> None:
    process, address = start()
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.connect(address['zmq'])
    ping = pack({'endpoint': 'ping'})
    for frames in ([ping], [b''], [b'', b''], [b'', ping, ping], [ping, b''], [b'a'] * 1000):
        dealer.send_multipart(frames)
        assert dealer.poll(5000), frames
        assert 'error' in unpack(dealer.recv_multipart()[-1]), frames
    # A request that came through three proxies is well-formed and its answer goes the same way.
    dealer.send_multipart([b'hop1', b'hop2', b'hop3', b'', ping])
    assert dealer.poll(5000)
    assert dealer.recv_multipart()[:-1] == [b'hop1', b'hop2', b'hop3', b'']
    others = [context.socket(kind) for kind in (zmq.SUB, zmq.PUSH, zmq.PAIR, zmq.REP, zmq.ROUTER)]
    for other in others:
        other.connect(address['zmq'])
    host, port = address['zmq'].removeprefix('tcp://').split(':')
    plain = [socket.create_connection((host, int(port))) for _ in range(20)]
    for number, connection in enumerate(plain):
        greeting = b'\xff' + bytes(8) + b'\x7f\x03\x00NULL'
        connection.sendall(greeting[:number] or b'GET / HTTP/1.1\r\n')
    # Many calls at once on one connection: one is taken, the others are refused.
    call = pack({'endpoint': 'get_action', 'data': observation()})
    for _ in range(3):
        dealer.send_multipart([b'', call])
    answers = [unpack(dealer.recv_multipart()[-1]) for _ in range(3)]
    assert any(ACTION in answer for answer in answers)
    with PolicyClient(address['zmq'], timeout_s=5) as client:
        assert client.ping()['status'] == 'ok'
        assert ACTION in client.get_action(observation())
    context.destroy(linger=0)
    for connection in plain:
        connection.close()
    assert process.poll() is None


def test_ping_is_answered_while_the_model_computes_and_calls_do_not_overlap(start: Start) -> None:
    _, address = start('--delay', '0.3')

    def ask(_: int) -> dict[str, Any]:
        with PolicyClient(address['zmq'], timeout_s=10) as client:
            return client.get_action(observation(), info=True)

    with ThreadPoolExecutor(4) as pool, PolicyClient(address['zmq'], timeout_s=5) as client:
        over_http = pool.submit(post, address, {'observation': to_json(observation())})
        replies = pool.map(ask, range(3))
        deadline = time.monotonic() + 10
        while not (client.ping()['busy'] and client.ping()['waiting'] >= 2):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert sorted(reply['info']['waited_s'] for reply in replies)[-1] > 0.5
        assert over_http.result()[0] == 200
        assert client.ping()['errors'] == 0  # the fake asserts that it runs once at a time


def test_loading_is_told_and_refused(start: Start) -> None:
    _, address = start('--load-delay', '2')
    with PolicyClient(address['zmq'], timeout_s=5) as client:
        assert client.ping()['status'] == 'loading'
        with pytest.raises(ServingError, match='still being loaded'):
            client.get_action(observation())
        assert get(address, '/health')[0] == 503
        deadline = time.monotonic() + 10
        while client.ping()['status'] != 'ok':
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert ACTION in client.get_action(observation())


def test_a_dead_gpu_ends_the_process_with_its_reason(start: Start) -> None:
    process, address = start()
    with (
        PolicyClient(address['zmq'], timeout_s=10) as client,
        pytest.raises(ServingError, match='illegal memory access'),
    ):
        client.get_action(observation('cuda'))
    assert process.wait(10) != 0
    assert 'illegal memory access' in process.communicate()[1]


def test_a_client_leaves_a_hung_server_in_time_and_finds_it_again(start: Start) -> None:
    process, address = start('--delay', '60')
    with PolicyClient(address['zmq'], timeout_s=1) as client:
        began = time.monotonic()
        with pytest.raises(ServingTimeoutError, match='within 1 s'):
            client.get_action(observation(value=1))
        assert time.monotonic() - began < 30
        assert client.ping()['status'] == 'ok'  # a late answer is not taken for this one
        process.kill()
        with pytest.raises(ServingTimeoutError):
            client.ping()
        start('--bind', address['zmq'])
        assert ACTION in client.get_action(observation())


def test_calls_whose_client_has_gone_are_dropped(start: Start) -> None:
    _, address = start('--delay', '1')
    with PolicyClient(address['zmq'], timeout_s=0.1) as hasty:
        for _ in range(3):
            with pytest.raises(ServingTimeoutError):
                hasty.get_action(observation())
    with PolicyClient(address['zmq'], timeout_s=10) as client:
        client.get_action(observation())
        assert client.ping()['calls'] <= 3  # 4 without dropping


@pytest.mark.parametrize(
    'answer',
    [
        [b'rubbish'],
        [b''],
        [b'a', b'b'],
        [msgpack.packb([1])],
        [msgpack.packb({ACTION: 'text'})],
        [msgpack.packb({})],
    ],
)
def test_rubbish_from_a_server_is_a_clear_error(answer: list[bytes]) -> None:
    context = zmq.Context()
    server = context.socket(zmq.REP)
    port = server.bind_to_random_port('tcp://127.0.0.1')

    def serve() -> None:
        for _ in range(2):
            server.recv()
            server.send_multipart(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    with PolicyClient(f'tcp://127.0.0.1:{port}', timeout_s=5) as client:
        for _ in range(2):  # and the client is still of use
            with pytest.raises(ServingError, match=r'message|answered'):
                client.get_action(observation())
    thread.join(5)
    context.destroy(linger=0)


def test_addresses_that_cannot_be_had_are_named() -> None:
    service = PolicyService(lambda: pytest.fail('not loaded'))
    for bind in (
        'tcp://127.0.0.1:70000',
        'tcp://8.8.8.8:5555',
        'udp:/x',
        'ipc:///no/such/folder/x',
    ):
        with pytest.raises(ServingError, match='cannot listen on'):
            PolicyServer(service, bind)
    with PolicyClient('nonsense') as client, pytest.raises(ServingError, match='is no address'):
        client.ping()
    assert is_local('tcp://127.0.0.1:5555')
    assert not is_local('tcp://0.0.0.0:5555')


# HTTP


def to_json(value: Any) -> Any:
    """Encode as json_numpy does."""
    if isinstance(value, dict):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        data = base64.b64encode(value.tobytes()).decode()
        return {'__numpy__': data, 'dtype': value.dtype.str, 'shape': value.shape}
    return value


def exchange(
    address: dict[str, Any], method: str, path: str, body: Any, headers: dict[str, str]
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection('127.0.0.1', address['http'], timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, json.loads(content)


def post(address: dict[str, Any], payload: Any, **headers: str) -> tuple[int, Any]:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return exchange(address, 'POST', '/act', body, headers)


def get(address: dict[str, Any], path: str, **headers: str) -> tuple[int, Any]:
    return exchange(address, 'GET', path, None, headers)


def test_http_answers_as_upstream_does(start: Start) -> None:
    _, address = start()
    payload = {'observation': to_json(observation(value=0.5))}
    for body in (payload, {'encoded': json.dumps(payload)}):
        status, action = post(address, body)
        assert status == 200
        array = action[ACTION]
        values = np.frombuffer(base64.b64decode(array['__numpy__']), array['dtype'])
        np.testing.assert_array_equal(values.reshape(array['shape']), np.full((16, 6), 0.5))
    status, reply = post(address, payload | {'options': {'info': True}})
    assert reply['info'].keys() == {'waited_s', 'policy_s'}
    status, health = get(address, '/health')
    assert (status, health['status'], health['model']) == (200, 'healthy', 'fake')


def test_http_refuses_by_name(start: Start) -> None:
    process, address = start()
    array = to_json(np.zeros(3))
    for body, expected, says in (
        ({}, 400, 'observation'),
        ([], 400, 'observation'),
        (b'\xff', 400, 'not JSON'),
        (b'[' * 100_000, 400, 'not JSON'),
        ({'encoded': '{'}, 400, 'not JSON'),
        ({'observation': 3}, 400, 'is a int'),
        ({'observation': {}}, 400, 'video.front'),
        ({'observation': {'a': array | {'dtype': '|O'}}}, 400, 'dtype'),
        ({'observation': {'a': array | {'shape': [4]}}}, 400, 'bytes'),
        ({'observation': {'a': array | {'__numpy__': '!'}}}, 400, 'JSON'),
        ({'observation': to_json(observation('crash'))}, 500, 'the policy broke'),
    ):
        status, reply = post(address, body)
        assert (status, says in reply['error']) == (expected, True), (body, reply)
    assert get(address, '/nothing')[0] == 404
    headers = {'Transfer-Encoding': 'chunked'}
    assert exchange(address, 'POST', '/act', b'0\r\n\r\n', headers)[0] == 411
    assert exchange(address, 'POST', '/act', None, {'Content-Length': '99999999999'})[0] == 413
    assert process.poll() is None


def test_http_asks_for_the_token_on_every_route(start: Start) -> None:
    _, address = start('--token', 'secret')
    payload = {'observation': to_json(observation())}
    for headers in ({}, {'Authorization': 'Bearer wrong'}, {'Authorization': 'Basic secret'}):
        assert post(address, payload, **headers)[0] == 401
        assert get(address, '/health', **headers)[0] == 401
    good = {'Authorization': 'Bearer secret'}
    assert post(address, payload, **good)[0] == 200
    assert get(address, '/health', **good)[1]['status'] == 'healthy'
    assert get(address, '/health', **good)[1]['calls'] == 1
