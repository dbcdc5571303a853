# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the policy of an evaluation runs: in a process of its own, or behind a TCP address."""

import json
from pathlib import Path
import socket
import subprocess
import sys
from typing import Any

import pytest

GR00T = [sys.executable, '-m', 'gr00t_core']


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures('gl')
def test_one_argument_takes_another_checkpoint_or_a_server_at_a_tcp_address(
    tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    """The motion tells them apart: in lock-step a checkpoint and its noise decide it."""
    pytest.importorskip('gr00t_msgs', reason='gr00t_msgs is not built (make build)')
    for name, seed in (('one', '0'), ('other', '1')):
        words = ['init-checkpoint', '--size', 'tiny', '--robot', 'so101', '--seed', seed]
        subprocess.run([*GR00T, *words, str(tmp_path / name)], env=ros_domain, check=True)

    def evaluate(*words: str) -> Any:
        command = [*GR00T, 'sim', 'evaluate', *words, '--output', str(tmp_path / 'out'), '--json']
        command += ['--episodes', '2', '--episode-limit', '2', '--overwrite']
        run = subprocess.run(command, env=ros_domain, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout)

    one = evaluate('--checkpoint', str(tmp_path / 'one'))
    other = evaluate('--checkpoint', str(tmp_path / 'other'))
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        address = f'tcp://127.0.0.1:{free.getsockname()[1]}'
    words = ['serve', '--checkpoint', str(tmp_path / 'one'), '--bind', address, '--seed', '0']
    server = subprocess.Popen([*GR00T, *words], env=ros_domain)
    try:
        words = ['--baselines', '--baseline-episodes', '1']
        served = evaluate('--server-address', address, '--robot', 'so101', *words)
    finally:
        server.terminate()
        server.wait(20.0)
    assert served['server_address'] == address
    jerk = [run['runs']['policy']['jerk'] for run in (one, served, other)]
    assert jerk[1] == pytest.approx(jerk[0], rel=1e-3)
    assert jerk[2] != pytest.approx(jerk[0], rel=1e-2)
    for key in ('success', 'wilson_low', 'swapped_success', 'blank_success'):
        assert served[key] == 0.0, key
    assert served['right_object'] is None  # nothing was lifted
