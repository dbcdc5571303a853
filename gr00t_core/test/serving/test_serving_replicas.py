# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One address for several policies: calls that overlap, and Ray Serve with two replicas."""

from concurrent.futures import ThreadPoolExecutor
import contextlib
from importlib.util import find_spec
import os
from pathlib import Path
import queue
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from gr00t_core.commands.serve import main
from gr00t_core.errors import BackendError, ObservationError, ServingError
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot
from gr00t_core.serving.client import PolicyClient
from gr00t_core.serving.replicas import Share, share_of
from gr00t_core.serving.service import PolicyService

SECONDS = 20.0


class Meeting:
    """A policy that answers once as many calls as there are workers are under way."""

    def __init__(self, workers):
        self.barrier = threading.Barrier(workers)

    def get_action(self, observation, *, seed=None):
        if seed == 13:
            raise ServingError('unlucky')
        self.barrier.wait(SECONDS)
        return {'action.arm': np.full((1, 2), seed, np.float32)}

    def get_modality_config(self):
        return {'state': {'delta_indices': [0], 'modality_keys': ['state.arm']}}


@pytest.fixture
def meeting():
    ready = threading.Event()
    service = PolicyService(lambda: (Meeting(3), {}), on_ready=ready.set, workers=3)
    service.start()
    assert ready.wait(SECONDS)
    yield service
    assert service.stop(SECONDS)


def asked(service, seed):
    answers = queue.SimpleQueue()
    service.submit({'state.arm': np.zeros((1, 2))}, {'seed': seed}, answers.put)
    return answers


def test_calls_of_several_workers_overlap_and_each_client_gets_its_own(meeting):
    for seeds in ((1, 2, 3), (4, 5, 6)):
        waiting = {seed: asked(meeting, seed) for seed in seeds}
        for seed, answers in waiting.items():
            np.testing.assert_array_equal(answers.get(timeout=SECONDS)['action.arm'], seed)
    assert meeting.health()['calls'] == 6
    assert not meeting.health()['busy']


def test_an_error_of_one_worker_leaves_the_others_at_work(meeting):
    assert str(asked(meeting, 13).get(timeout=SECONDS)) == 'unlucky'
    waiting = [asked(meeting, seed) for seed in (1, 2, 3)]
    assert all('action.arm' in answers.get(timeout=SECONDS) for answers in waiting)
    health = meeting.health()
    assert (health['errors'], health['last_error'], health['status']) == (1, 'unlucky', 'ok')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--replicas', '0'], '--replicas is 0, expected 1 or more'),
        (['--replicas', '2', '--batch-wait-ms', '5'], 'leave it or --replicas out'),
        (['--replicas', '2', '--seed', '1'], '--seed gives the same noise to all replicas'),
    ],
)
def test_options_that_several_policies_cannot_have_are_refused(tmp_path, options, message):
    with pytest.raises(ServingError, match=message):
        main(['--checkpoint', str(tmp_path), *options])


def test_a_replica_has_one_gpu_whichever_ray_gives_it():
    assert share_of('cuda', 4) == Share(gpus=1, cpus=4)
    assert share_of('cpu', None) == Share(gpus=0, cpus=1)
    with pytest.raises(BackendError, match=r"--device is 'cuda:1', but Ray gives.*say cuda"):
        share_of('cuda:1', None)


# With Ray: `pip install -r requirements/ray.txt`, then `--with ray`.

START_SECONDS = 600.0  # Ray starts a dozen processes


@pytest.fixture(scope='module')
def served(tmp_path_factory):
    """`gr00t serve --replicas 2` in a process of its own; address, policy and process."""
    if find_spec('ray') is None:
        pytest.skip('Ray is not installed (requirements/ray.txt)')
    folder = tmp_path_factory.mktemp('replicas')
    init_checkpoint('tiny', load_robot('so101'), folder / 'run')
    address = f'ipc://{folder}/policy'
    command = [sys.executable, '-m', 'gr00t_core', 'serve', '--checkpoint', str(folder / 'run')]
    command += ['--bind', address, '--device', 'cpu', '--threads', '1', '--replicas', '2']
    environment = {'RAY_raylet_start_wait_time_s': str(START_SECONDS), **os.environ}
    with (folder / 'log').open('w') as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
    try:
        assert process.stdout.readline().startswith('ready'), (folder / 'log').read_text()
        yield address, Gr00tPolicy(folder / 'run'), process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=120)
        finally:
            process.kill()


def differing(policy, seed):
    """Return an observation that differs in pictures and state."""
    rng, observation = np.random.default_rng(seed), policy.observation_example()
    for key, value in observation.items():
        if key.startswith('video.'):
            observation[key] = rng.integers(0, 256, value.shape, dtype=np.uint8)
        elif key.startswith('state.'):
            observation[key] = value + rng.uniform(-2, 2, value.shape)
    return observation


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_replicas_answer_as_the_policy_does(served):
    address, policy, _ = served
    with PolicyClient(address, 120.0) as client:
        before = client.ping()['calls']

    def ask(number):
        with PolicyClient(address, 120.0) as client:
            return [client.get_action(differing(policy, number), seed=number) for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(4)))
    for number, each in enumerate(answers):
        expected = policy.get_action(differing(policy, number), seed=number)
        for found in each:
            for key, values in expected.items():
                np.testing.assert_allclose(found[key], values, rtol=0, atol=1e-5)
    with PolicyClient(address, 120.0) as client:
        health = client.ping()
        assert (health['status'], health['replicas'], health['calls'] - before) == ('ok', 2, 12)
        assert client.get_modality_config().keys() == policy.get_modality_config().keys()


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_errors_of_a_replica_are_those_of_the_policy(served):
    address, policy, _ = served
    whole = differing(policy, 0)
    with PolicyClient(address, 120.0) as client:
        client.get_action(whole)
        with pytest.raises(ServingError, match=r'unknown options.*head_only.*seed'):
            client.get_action(whole, head_only=True)
        wrong = {**whole, 'state.single_arm': np.zeros((1, 99))}
        with pytest.raises(ServingError, match=r'state\.single_arm.*99') as refused:
            client.get_action(wrong)
        with pytest.raises(ObservationError) as alone:
            policy.get_action(wrong)
        assert str(refused.value).endswith(str(alone.value))  # no traceback of Ray's


def replicas_of(server):
    """Return the process ids of the replicas that Ray runs below a server."""
    parents = {}
    for stat in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):  # it has ended
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(')')[2].split()[1])
    found, below = set(), {server}
    while below:
        below = {pid for pid, parent in parents.items() if parent in below}
        found |= below
    named = set()
    for pid in found:
        with contextlib.suppress(OSError):
            if Path(f'/proc/{pid}/cmdline').read_bytes().startswith(b'ray::ServeReplica'):
                named.add(pid)
    return named


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_a_replica_that_is_killed_is_replaced(served):
    address, policy, process = served
    observation = differing(policy, 5)
    expected = policy.get_action(observation, seed=5)
    before = replicas_of(process.pid)
    assert len(before) == 2
    killed = before.pop()
    os.kill(killed, signal.SIGKILL)
    until, found = time.monotonic() + START_SECONDS, None
    with PolicyClient(address, 120.0) as client:
        while found is None and time.monotonic() < until:
            with contextlib.suppress(ServingError):  # of the call that went to the killed one
                found = client.get_action(observation, seed=5)
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values, rtol=0, atol=1e-5)
    while len(now := replicas_of(process.pid) - {killed}) < 2 and time.monotonic() < until:
        time.sleep(0.5)
    assert before < now
