# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images' entry point and health check against real policy servers."""

from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
import importlib.util
import os
from pathlib import Path
import signal
import socket
import subprocess
import tempfile
import threading
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('torch')

from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.file import load_robot
from gr00t_core.serving.http import HttpServer
from gr00t_core.serving.server import PolicyServer
from gr00t_core.serving.service import PolicyService

ROOT = Path(__file__).resolve().parents[2]
USER = '10001'
WAIT_S = 120.0

# What `docker run` does, as far as the scripts see it: the suite at /opt/gr00t, the command as
# process 1 of its own PID namespace, an unprivileged user. Folders that only root may enter
# (/root) are laid open in this mount namespace alone, by way of /mnt.
CONTAINER = r"""
set -e
user=$1 suite=$2; shift 2
as_user="setpriv --reuid $user --regid $user --clear-groups"
python=$(readlink -f "$suite/.venv/bin/python")
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/suite /mnt/python
mount --bind "$suite" /mnt/suite
mount --bind "${python%/bin/*}" /mnt/python
show() {  # folder, where it is kept
  $as_user test -x "$1" && return
  top=/$(echo "$1" | cut -d/ -f2)
  mountpoint -q "$top" || mount -t tmpfs -o mode=755 tmpfs "$top"
  mkdir -p "$1"
  mount --bind "$2" "$1"
}
show "$suite" /mnt/suite
show "${python%/bin/*}" /mnt/python
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /opt
mkdir /opt/gr00t
mount --bind /mnt/suite /opt/gr00t
exec $as_user --no-new-privs --inh-caps=-all /opt/gr00t/docker/entrypoint "$@"
"""


@pytest.fixture(scope='module')
def healthy() -> ModuleType:
    """Give docker/healthy as a module."""
    path = str(ROOT / 'docker' / 'healthy')
    spec = importlib.util.spec_from_loader('healthy', SourceFileLoader('healthy', path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('command', 'expected'),
    [
        ('/opt/gr00t/.venv/bin/python /opt/gr00t/.venv/bin/gr00t up --robot so101', None),
        ('gr00t doctor', None),
        ('bash -c gr00t', None),
        ('python /x/gr00t serve --checkpoint /c', ('tcp://127.0.0.1:5555', None, None)),
        (
            '/sbin/docker-init -- /opt/gr00t/docker/entrypoint gr00t serve --http-port=80 --bind tcp://*:7',
            ('tcp://*:7', '80', None),
        ),
        (
            'gr00t serve --checkpoint /c --token-file /t --http-port 8000',
            ('tcp://127.0.0.1:5555', '8000', '/t'),
        ),
    ],
)
def test_the_server_is_found_in_the_command_of_process_1(
    command: str, expected: tuple[str, ...] | None, healthy: ModuleType
) -> None:
    options = healthy.serve_options(command.split())
    found = options and (options.bind, options.http_port, options.token_file)
    assert found == expected


@pytest.fixture
def loading() -> Iterator[SimpleNamespace]:
    """Give a server with a token that loads until `go`, and then fails or not."""
    go, outcome = threading.Event(), [None]

    def load() -> tuple[Any, dict[str, Any]]:
        go.wait(WAIT_S)
        if outcome[0] is not None:
            raise outcome[0]
        policy = SimpleNamespace(get_action=lambda _: {}, get_modality_config=lambda: {})
        return policy, {}

    service = PolicyService(load, 'secret')
    web = HttpServer(service, '127.0.0.1', 0)
    server = PolicyServer(service, 'tcp://127.0.0.1:*')
    web.start()
    service.start()
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield SimpleNamespace(
        go=go, port=str(web.server_port), address=server.address, service=service, outcome=outcome
    )
    go.set()
    server.stop()
    thread.join(10)
    web.shutdown()
    service.stop(5.0)


def test_loading_ready_and_a_wrong_token_are_told_apart(
    healthy: ModuleType, loading: SimpleNamespace
) -> None:
    over = {
        'http': lambda token: healthy.over_http('127.0.0.1', loading.port, token),
        'socket': lambda token: healthy.over_socket(loading.address, token),
    }
    assert 'HTTP 503' in over['http']('secret')
    for ask in over.values():
        assert 'loading' in ask('secret')
    assert 'HTTP 401' in over['http']('wrong')
    assert 'HTTP 401' in over['http'](None)
    loading.go.set()
    until = time.monotonic() + WAIT_S
    while loading.service.health()['status'] == 'loading' and time.monotonic() < until:
        time.sleep(0.01)
    assert loading.service.health()['status'] == 'ok', loading.service.health()
    for ask in over.values():
        assert ask('secret') is None
    assert 'HTTP 401' in over['http']('wrong')


def in_container() -> list[str]:
    """Return the words that start `CONTAINER`."""
    return ['unshare', '--mount', '--pid', '--fork', '--kill-child', 'bash', '-c', CONTAINER]


@pytest.fixture(scope='module')
def may_unshare() -> None:
    """Skip where this user may not make namespaces, or the suite is not built here."""
    words = ['unshare', '--mount', '--pid', '--fork', 'mount', '-t', 'proc', 'proc', '/proc']
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    except FileNotFoundError as error:
        pytest.skip(f'no namespaces here: {error}')
    if done.returncode != 0:
        pytest.skip(f'no namespaces here: {done.stderr.strip()}')
    if not (ROOT / '.venv' / 'bin' / 'python').exists():
        pytest.skip('no .venv: make setup')


def test_a_container_becomes_healthy_and_ends_on_sigterm(may_unshare: None) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        Path(folder).chmod(0o755)
        init_checkpoint('tiny', load_robot('so101'), Path(folder) / 'tiny')
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
        free.close()
        variables = {
            'PATH': os.defpath,
            'HOME': '/tmp',
            'GR00T_API_TOKEN': 'secret',
        }
        serve = (
            f'gr00t serve --checkpoint {folder}/tiny --device cpu --threads 1 --http-port {port}'
        )
        command = [*in_container(), 'container', USER, str(ROOT), *serve.split()]
        command += ['--bind', f'ipc://{folder}/out/policy']
        (Path(folder) / 'out').mkdir()
        os.chown(Path(folder) / 'out', int(USER), int(USER))
        with subprocess.Popen(
            command, env=variables, stderr=subprocess.PIPE, text=True
        ) as unshare:
            try:
                first = Path(f'/proc/{unshare.pid}/task/{unshare.pid}/children')

                def check(token: str = 'secret') -> subprocess.CompletedProcess[str]:
                    """Run the health check in the container, as Docker does."""
                    inside = ['nsenter', '--target', first.read_text().strip(), '--mount', '--pid']
                    as_user = ['setpriv', '--reuid', USER, '--regid', USER, '--clear-groups']
                    return subprocess.run(
                        [*inside, *as_user, '/opt/gr00t/docker/healthy'],
                        env=variables | {'GR00T_API_TOKEN': token},
                        capture_output=True,
                        text=True,
                        timeout=30,
                    )

                until = time.monotonic() + WAIT_S
                while not first.read_text().strip():
                    time.sleep(0.01)
                while (state := check()).returncode != 0 and time.monotonic() < until:
                    assert unshare.poll() is None, unshare.stderr and unshare.stderr.read()
                    time.sleep(0.2)
                assert state.returncode == 0, state.stderr
                pid = first.read_text().strip()
                status = dict(
                    line.split(':\t', 1)
                    for line in Path(f'/proc/{pid}/status').read_text().splitlines()
                )
                assert status['Uid'].split()[0] == USER
                assert status['NSpid'].split()[-1] == '1'
                assert int(status['CapEff'], 16) == 0
                wrong = check('wrong')
                assert wrong.returncode == 1
                assert 'HTTP 401' in wrong.stderr
                os.kill(int(pid), signal.SIGTERM)
                assert unshare.wait(20) == 0
            finally:
                if unshare.poll() is None:
                    unshare.kill()


def test_the_entry_point_runs_the_command_it_is_given(may_unshare: None) -> None:
    done = subprocess.run(
        [*in_container(), 'container', USER, str(ROOT), 'bash', '-c', 'echo $$ $(id -u); exit 3'],
        env={'PATH': os.defpath, 'HOME': '/tmp'},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.split()) == (3, ['1', USER]), done.stderr
