# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor takes over through the real executor, as a person; refusals name the cause."""

from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed (make setup)')

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.file import load_robot
from gr00t_msgs.msg import CommandSource
from gr00t_sim import command
from gr00t_sim.correct import Corrected, counts, read_ledger
from gr00t_sim.evaluate import Plan, Stage
from gr00t_sim.scenes.so101.kind import KIND
from gr00t_sim.supervisor import Patience, STALLED


def plan_of(out: Path) -> Plan:
    """Return a plan in which no policy answers: the simulator hardly waits for its chunks."""
    return Plan(
        checkpoint='',
        robot='so101',
        backend='server',
        server_address='',
        real_time=False,
        episodes=1,
        baseline_episodes=0,
        seed_start=500_000,
        runs=(),
        chunk_period_s=0.5,
        chunk_timeout_s=0.05,
        episode_limit_s=25.0,
        noise_seed=0,
        videos=0,
        out=out,
        sim={'supervisor': True},
    )


@pytest.mark.timeout(600)
@pytest.mark.usefixtures('gl')
def test_an_arm_that_stands_still_is_taken_over_and_lifts_the_cube(
    tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    robot = load_robot('so101')
    episode = KIND.training(500_000, 0.0, 0.0, '')
    sources: list[int] = []
    with Stage(plan_of(tmp_path), robot, acts=False) as stage:
        stage.client.node.create_subscription(
            CommandSource, 'command_source', lambda message: sources.append(message.source), 100
        )
        report = stage.play(episode, episode.instruction)
    assert report['outcome'] == 'success', report
    assert report['takeover'] == STALLED
    assert report['takeover_s'] == pytest.approx(Patience().stall_s, abs=0.1)
    # From the take-over on all commands are a person's; before it there was nothing to follow.
    assert CommandSource.POLICY not in sources
    assert sources.count(CommandSource.PERSON) > 30


def test_wrong_use_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Gr00tError, match='no checkpoint folder'):
        command.main(['correct', '--checkpoint', str(tmp_path), '--output', str(tmp_path)])
    (tmp_path / 'config.json').touch()
    words = ['--checkpoint', str(tmp_path), '--output', str(tmp_path / 'new')]
    with pytest.raises(Gr00tError, match='--robot'):
        command.main(['correct', *words])
    with pytest.raises(Gr00tError, match='kept apart'):
        command.main(['correct', *words, '--seed-start', '1000000'])
    with pytest.raises(Gr00tError, match='kept apart'):
        command.main(['evaluate', *words, '--seeds', '1000000', '7'])
    with pytest.raises(Gr00tError, match='leave out --episodes'):
        command.main(['evaluate', *words, '--seeds', '1000000', '--episodes', '3'])
    assert not (tmp_path / 'new').exists()


def test_the_counts_tell_corrected_from_alone_and_from_put_aside(tmp_path: Path) -> None:
    found = [
        Corrected(1, 'pick up the red cube', '', None, 'success', 3.0, 'a'),
        Corrected(2, 'pick up the red cube', 'late', 7.0, 'success', 11.0, 'b'),
        Corrected(3, 'pick up the red cube', 'late', 7.0, 'none', 25.0, ''),
    ]
    assert counts(found) == {
        'scenes': 3,
        'takeovers': {'late': 2},
        'corrected': 1,
        'alone': 1,
        'put_aside': 1,
    }
    assert read_ledger(tmp_path / 'corrected.jsonl') == {}
