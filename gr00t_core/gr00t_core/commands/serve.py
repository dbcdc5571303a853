# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t serve`: one policy in one process, over ZMQ and, if asked, HTTP.

The addresses are bound first and the policy is loaded behind them, so a supervisor of this
process learns by `ping` that it is alive and `loading`, and sees the process end with the reason
on stderr when loading fails.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
import logging
import os
from pathlib import Path
import re
import signal
import sys
import time
from typing import Any, Literal, TYPE_CHECKING

import tyro

from gr00t_core.commands.policy_options import PolicyOptions
from gr00t_core.commands.readable import readable
from gr00t_core.errors import CheckpointError, ObservationError, ServingError
from gr00t_core.malloc_tuning import keep_freed_memory
from gr00t_core.serving.http import HttpServer
from gr00t_core.serving.server import PolicyServer
from gr00t_core.serving.service import Policy, PolicyService

if TYPE_CHECKING:
    from gr00t_core.serving.replicas import Replicas

LOG = logging.getLogger(__name__)

TOKEN_VARIABLE = 'GR00T_API_TOKEN'
MAX_BATCH_WAIT_MS = 1000.0  # longer than any robot would wait for a chunk
STOP_SECONDS = 5.0  # what a call that is under way may still take

Loaded = tuple[Policy, dict[str, Any]]


@readable
@dataclass(frozen=True)
class Serve(PolicyOptions):
    """Answer observations with action chunks, for the policy node and Isaac-GR00T's clients.

    Attributes:
        bind: ZMQ address: tcp://ADDRESS:PORT (tcp://*:5555 for all networks) or ipc://PATH, which
            only this user can open.
        http_port: Port for POST /act and GET /health, on the same address as --bind (127.0.0.1
            with ipc); without it there is no HTTP.
        token_file: File with the token that every request must bring; without it the variable
            GR00T_API_TOKEN, without that there is no token.
        seed: Of the noise that chunks start from; without it a different one in each run.
        modality_config: Form of get_modality_config for clients that have not shown their
            generation: n1_5, or policy_server (N1.6, N1.7). Actions are always answered in the
            client's own form.
        batch_wait_ms: How long a call waits for those of other clients, to be answered with them
            in one batch (ms, at most 1000); 0 answers one call after the other.
        replicas: Policies that share the calls, each on a GPU of its own, run by Ray Serve;
            without it this process holds the policy.
        exit_with_parent: End when the process that started this one has ended.
    """

    bind: str = 'tcp://127.0.0.1:5555'
    http_port: int | None = None
    token_file: Path | None = None
    seed: int | None = None
    modality_config: Literal['n1_5', 'policy_server'] = 'n1_5'
    batch_wait_ms: float = 0.0
    replicas: int | None = None
    exit_with_parent: bool = False


def main(argv: list[str]) -> int:
    """Serve a policy over ZMQ and HTTP."""
    # The parent is asked for, and not told by PR_SET_PDEATHSIG, because that signal comes when the
    # parent's *thread* ends, and nodes start their server from short-lived threads.
    parent = os.getppid()
    options = tyro.cli(Serve, prog='gr00t serve', args=argv)
    if options.threads is not None and options.threads < 1:
        raise ServingError(f'--threads is {options.threads}, expected 1 or more')
    options.prepare()
    if not 0 <= options.batch_wait_ms <= MAX_BATCH_WAIT_MS:
        raise ServingError(
            f'--batch-wait-ms is {options.batch_wait_ms}, expected 0 to {MAX_BATCH_WAIT_MS}'
        )
    _check_replicas(options)
    # Read when PyTorch's OpenMP is loaded. Its threads must not spin beside the robot's nodes: on
    # shared cores a spinning team took seconds for a chunk that takes milliseconds.
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    keep_freed_memory()
    began = time.monotonic()

    def announce() -> None:
        about = service.health()
        web_address = '' if web is None else f' and http://{_http_host(options)}:{web.server_port}'
        sys.stdout.write(
            f'ready: {about["model"]} ({about["backend"]}, {about["device"]}) for {about["robot"]}'
            f' at {server.address}{web_address} after {time.monotonic() - began:.1f} s\n'
        )
        sys.stdout.flush()

    held: list[Replicas] = []
    service = PolicyService(
        _loader(options, held),
        read_token(options.token_file),
        announce,
        batch_wait_s=options.batch_wait_ms / 1e3,
        workers=options.replicas or 1,
    )
    server = PolicyServer(service, options.bind, options.modality_config)
    web = None
    if options.http_port is not None:
        web = HttpServer(service, _http_host(options), options.http_port)
        web.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    service.start()
    server.serve(lambda: not options.exit_with_parent or os.getppid() == parent)
    if web is not None:
        web.shutdown()
    stopped = service.stop(STOP_SECONDS)
    for replicas in held:
        replicas.close()
    if not stopped:
        # A thread inside native code cannot be ended, and Python would wait or crash in its exit.
        LOG.warning('a call did not end within %s s; leaving it', STOP_SECONDS)
        os._exit(0)
    if service.failure is not None:
        raise service.failure
    return 0


def read_token(file: Path | None) -> str | None:
    """Read the token from a file, else from the environment; None where there is none.

    Raises:
        ServingError: The file cannot be read, or the token is empty.
    """
    if file is None:
        token, source = os.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
        if token is None:
            return None
    else:
        source = str(file)
        try:
            token = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ServingError(f'{file}: cannot read the token: {error}') from error
    if not token.strip():
        raise ServingError(f'{source}: the token is empty; write one, or leave {source} out')
    return token.strip()


def _check_replicas(options: Serve) -> None:
    """Refuse options that several policies cannot have.

    Raises:
        ServingError: Names the option and what to do.
    """
    if options.replicas is None:
        return
    if options.replicas < 1:
        raise ServingError(f'--replicas is {options.replicas}, expected 1 or more')
    if options.batch_wait_ms:
        raise ServingError(
            '--batch-wait-ms is for the one policy of a server: leave it or --replicas out'
        )
    if options.seed is not None:
        raise ServingError(
            '--seed gives the same noise to all replicas, and which of them answers is open: leave'
            ' it out, clients may send a seed with a call'
        )


def _loader(options: Serve, held: 'list[Replicas]') -> Callable[[], Loaded]:
    if options.replicas is None:
        return _loads(options)
    count = options.replicas
    each = replace(options, checkpoint=options.checkpoint.resolve())  # Ray chooses their folder

    def load() -> Loaded:
        from gr00t_core.engines import choose_engine
        from gr00t_core.serving.replicas import Replicas, share_of

        _, device = choose_engine(options.engine, options.device, options.checkpoint)
        replicas = Replicas(_loads(each), count, share_of(device, options.threads))
        held.append(replicas)
        return replicas, replicas.about

    return load


def _loads(options: Serve) -> Callable[[], Loaded]:
    """Return what loads one policy; a replica calls it in its own process."""

    def load() -> Loaded:
        options.prepare()
        policy, about = options.load(options.seed)
        # With a seed of its own, so that the first chunk served is the first of --seed.
        try:
            policy.warm_up(policy.observation_example())
        except ObservationError as error:
            raise CheckpointError(
                f'{options.checkpoint}: the first answer failed: {error}. Copy the weights again,'
                ' or finetune from a checkpoint that answers'
            ) from None
        return policy, about

    return load


def _http_host(options: Serve) -> str:
    """Give the host of --bind: HTTP is as open as ZMQ, and no more."""
    match = re.fullmatch(r'tcp://\[?(.*?)\]?:[^:]*', options.bind)
    if match is None:
        return '127.0.0.1'
    return '0.0.0.0' if match[1] == '*' else match[1]
