# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t serve` and `gr00t client`, run as users run them."""

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from gr00t_core.commands import client as client_command
from gr00t_core.commands import serve as serve_command
from gr00t_core.commands.serve import read_token
from gr00t_core.errors import CheckpointError, ServingError
from gr00t_core.models import FAMILIES
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.serving.client import PolicyClient
from gr00t_core.serving.server import PolicyServer
from gr00t_core.serving.service import PolicyService

SERVE = [sys.executable, '-m', 'gr00t_core', 'serve']
ENVIRONMENT = os.environ | {'OMP_NUM_THREADS': '1'}


@pytest.fixture
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint('n1_5')


def serve(*options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SERVE, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT | environment,
    )


@pytest.mark.parametrize('family', FAMILIES)
def test_a_served_checkpoint_answers_as_in_process(
    tiny_checkpoint: Callable[[str], Path], family: str, tmp_path: Path
) -> None:
    checkpoint = tiny_checkpoint(family)
    bind = f'ipc://{tmp_path}/policy'
    options = ('--checkpoint', str(checkpoint), '--bind', bind, '--device', 'cpu', '--seed', '3')
    process = serve(*options, '--threads', '1', '--http-port', '0', GR00T_API_TOKEN='secret')
    try:
        with PolicyClient(bind, timeout_s=30, token='secret') as client:
            assert client.ping()['status'] in ('loading', 'ok')
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert re.fullmatch(
                rf'ready: {checkpoint} \(torch, cpu\) for so101 at {bind}'
                r' and http://127\.0\.0\.1:\d+ after \d+\.\d s\n',
                ready,
            )
            policy = Gr00tPolicy(checkpoint, seed=3)
            observation = policy.observation_example()
            expected = policy.get_action(observation)
            answered = client.get_action(observation)
            assert answered.keys() == expected.keys()
            for key, values in expected.items():
                np.testing.assert_allclose(answered[key], values, atol=1e-5)
            del observation['state.single_arm']
            with pytest.raises(ServingError, match=r"lacks 'state\.single_arm'"):
                client.get_action(observation)
        with PolicyClient(bind, token='no') as client, pytest.raises(ServingError, match='token'):
            client.ping()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        output, errors = process.communicate()
    assert output == ''
    assert 'Traceback' not in errors


def test_a_checkpoint_that_cannot_be_loaded_ends_the_process(tmp_path: Path) -> None:
    process = serve('--checkpoint', str(tmp_path), '--bind', f'ipc://{tmp_path}/policy')
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert str(tmp_path) in errors
    assert 'Traceback' not in errors


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e38])
def test_weights_that_give_no_finite_chunk_are_an_error_of_the_start(
    checkpoint: Path, tmp_path: Path, value: float
) -> None:
    shutil.copytree(checkpoint, tmp_path / 'broken')
    file = tmp_path / 'broken' / 'model.safetensors'
    weights = load_file(file)
    name = next(name for name in weights if 'action_decoder.layer2.W' in name)
    weights[name][...] = value
    save_file(weights, file)
    options = serve_command.Serve(checkpoint=tmp_path / 'broken', device='cpu')
    with pytest.raises(CheckpointError, match=r'first answer failed.*not finite for action'):
        serve_command._loads(options)()


def test_a_server_does_not_outlive_its_parent(checkpoint: Path, tmp_path: Path) -> None:
    bind = f'ipc://{tmp_path}/policy'
    code = (
        'import subprocess, sys, threading, time\n'
        # From a thread that ends at once, as a lifecycle callback does.
        'def start():\n'
        '    print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid, flush=True)\n'
        'thread = threading.Thread(target=start); thread.start(); thread.join()\n'
        'time.sleep(60)\n'
    )
    options = ('--checkpoint', str(checkpoint), '--bind', bind, '--exit-with-parent')
    parent = subprocess.Popen(
        [sys.executable, '-c', code, *SERVE, *options],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    try:
        with PolicyClient(bind, timeout_s=30) as client:
            client.ping()
            time.sleep(1)  # two of the server's looks at its parent
            assert client.ping()
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 10
        while Path(f'/proc/{server}/cmdline').is_file() and _is_running(server):
            assert time.monotonic() < deadline, 'the server outlived its parent'
            time.sleep(0.05)
    finally:
        parent.kill()
        if _is_running(server):
            os.kill(server, signal.SIGKILL)


def _is_running(process: int) -> bool:
    try:
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_tokens_come_from_a_file_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / 'token'
    monkeypatch.delenv('GR00T_API_TOKEN', raising=False)
    assert read_token(None) is None
    monkeypatch.setenv('GR00T_API_TOKEN', 'one')
    assert read_token(None) == 'one'
    file.write_text('two\n')
    assert read_token(file) == 'two'
    file.write_text('\n')
    for wrong, says in ((file, 'is empty'), (tmp_path / 'none', 'cannot read')):
        with pytest.raises(ServingError, match=says):
            read_token(wrong)


class Echo:
    """Answers the demo dataset's observations with their state."""

    arms = ('left_arm', 'right_arm')

    def get_action(self, observation: dict[str, Any]) -> dict[str, Any]:
        assert observation['video.ego_view'].shape == (1, 256, 256, 3)
        states = {arm: observation[f'state.{arm}'] for arm in self.arms}
        return {f'action.{arm}': np.repeat(state, 16, axis=0) for arm, state in states.items()}

    def get_modality_config(self) -> dict[str, Any]:
        def config(*keys: str) -> dict[str, Any]:
            return {'delta_indices': [0], 'modality_keys': keys}

        return {
            'video': config('video.ego_view'),
            'state': config(*(f'state.{arm}' for arm in self.arms)),
            'action': config(*(f'action.{arm}' for arm in self.arms)),
            'language': config('annotation.human.action.task_description'),
        }


@pytest.fixture
def echo_address() -> Iterator[str]:
    service = PolicyService(lambda: (Echo(), {}))
    server = PolicyServer(service, 'tcp://127.0.0.1:*')
    thread = threading.Thread(target=server.serve)
    service.start()
    thread.start()
    yield server.address
    server.stop()
    thread.join(5)
    assert service.stop(5)


def test_client_shows_the_actions_for_a_dataset(
    shared_data: Path, echo_address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = shared_data / 'robot_sim.PickNPlace'
    options = ['--dataset', str(dataset), '--address', echo_address, '--steps', '3']
    assert client_command.main([*options, '--stride', '10']) == 0
    output = capsys.readouterr().out
    assert 'left_arm' in output
    assert re.search(r'\b20\b', output)
    assert re.search(r'3 answers, latency p50 \d+\.\d ms, p99 \d+\.\d ms', output)


@pytest.mark.parametrize('language', ['annotation.human.action.task_description', 'task'])
def test_client_shows_the_actions_of_a_policy_server(
    shared_data: Path, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    script = Path(__file__).parents[1].joinpath('stand_in_policy_server.py')
    words = [sys.executable, str(script), '--robot', 'gr1_arms_only', '--language', language]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = server.stdout.readline().split()[1]
        options = ['--dataset', str(shared_data / 'robot_sim.PickNPlace'), '--address', address]
        assert client_command.main([*options, '--steps', '2']) == 0
        output = capsys.readouterr().out
        assert 'left_arm' in output
        assert re.search(r'2 answers, .*protocol policy_server', output.replace('\n', ' '))
        with pytest.raises(ServingError, match=r"is a PolicyServer .*but the protocol is 'n1_5'"):
            client_command.main([*options, '--protocol', 'n1_5'])
    finally:
        server.kill()
        server.communicate(timeout=10)


def test_counts_that_make_no_sense_are_refused(shared_data: Path, checkpoint: Path) -> None:
    dataset = str(shared_data / 'robot_sim.PickNPlace')
    for option, value in (('--steps', '0'), ('--stride', '-1'), ('--timeout', '0')):
        with pytest.raises(ServingError, match=rf'{option} is {value}'):
            client_command.main(['--dataset', dataset, option, value])
    with pytest.raises(ServingError, match='--threads is 0, expected 1 or more'):
        serve_command.main(['--checkpoint', str(checkpoint), '--threads', '0'])
