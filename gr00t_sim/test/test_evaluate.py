# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation and collection through the real nodes, and what they are made of."""

import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from gr00t_core.errors import Gr00tError, RobotFileError
from gr00t_core.robot.file import load_robot
from gr00t_sim import command
from gr00t_sim.scenes.so101.kind import KIND
from gr00t_sim.scenes.so101.task import (
    EVALUATION_SEEDS,
    evaluation_task,
    is_for_evaluation_only,
    swapped,
    TRAINING_SEEDS,
    training_task,
)
from gr00t_sim.scores import groups, jerk, score, Scored, summary, wilson
from gr00t_sim.tables import print_tables

SEED = EVALUATION_SEEDS.start
SHIPPED = Path(__file__).resolve().parents[2] / 'reproduce' / 'checkpoint'
GR00T = [sys.executable, '-m', 'gr00t_core']


def scored(outcome: str, run: str = 'policy', seed: int = SEED, seconds: float = 3.0) -> Scored:
    task = evaluation_task(seed)
    return Scored(
        run, seed, task.color, task.instruction, task.instruction, outcome, outcome, seconds,
        jerk=100.0, chunks=10, ticks=90, silent_ticks=1, timeouts=0,
    )  # fmt: skip


def test_training_and_evaluation_share_no_scene_and_not_all_words() -> None:
    assert not set(TRAINING_SEEDS) & {EVALUATION_SEEDS.start, EVALUATION_SEEDS.stop - 1}
    assert EVALUATION_SEEDS.start == command.FIRST_EVALUATION_SEED
    with pytest.raises(Gr00tError, match='kept apart'):
        training_task(SEED)
    with pytest.raises(Gr00tError, match='kept apart'):
        evaluation_task(0)
    trained = {training_task(seed).instruction for seed in range(100)}
    evaluated = [evaluation_task(SEED + i) for i in range(50)]
    assert not any(map(is_for_evaluation_only, trained))
    assert trained < {task.instruction for task in evaluated}
    new = [task for task in evaluated if is_for_evaluation_only(task.instruction)]
    assert {task.color for task in new} == {'red', 'blue'}
    assert len(new) > 10
    assert sum(task.color == 'red' for task in evaluated) == 25


def test_swapping_changes_the_cube_and_no_other_word() -> None:
    for seed in range(SEED, SEED + 14):
        task = evaluation_task(seed)
        other = swapped(task)
        assert other.color != task.color
        assert other.instruction.replace(other.color, '') == task.instruction.replace(
            task.color, ''
        )
        assert swapped(other) == task


def test_wilson_interval_is_that_of_the_literature() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_summary_counts_outcomes_and_leaves_open_what_was_not_run() -> None:
    episodes = [scored('success', seed=SEED + i, seconds=2.0 + i) for i in range(3)]
    episodes += [scored('wrong', seed=SEED + 3), scored('none', seed=SEED + 4, seconds=12.0)]
    found = summary([*episodes, scored('none', run='swapped')], KIND)
    assert found['success'] == pytest.approx(0.6)
    assert found['right_object'] == pytest.approx(0.75)
    assert found['wilson_low'] == pytest.approx(wilson(3, 5)[0])
    assert found['swapped_success'] == 0.0
    assert found['blank_success'] is None
    assert found['runs']['policy']['time_s'] == 3.0
    by_cube = groups(episodes, KIND)
    assert by_cube['the red cube'].episodes + by_cube['the blue cube'].episodes == 5
    assert score([scored('none')]).right_object is None
    json.dumps(found)


@pytest.mark.parametrize(
    ('seeds', 'shown'), [([SEED, SEED + 49], f'{SEED} to {SEED + 49}'), ([SEED], f'to {SEED}')]
)
def test_tables_name_the_scenes(seeds: list[int], shown: str, capsys: Any) -> None:
    figures = {'mode': 'lock-step', 'simulated_s': 3.0, 'wall_s': 2.0, 'timeouts': 0}
    print_tables(summary([scored('success')], KIND) | figures | {'seeds': seeds})
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize('rate', [30.0, 100.0])
def test_jerk_is_that_of_the_motion_whatever_the_rate(rate: float) -> None:
    times = np.arange(0.0, 4.0, 1.0 / rate)
    positions = np.stack([times**3 / 6.0, np.zeros_like(times)], axis=1)
    stamps = [round(t * 1e9) for t in times]
    assert jerk(stamps, positions) == pytest.approx(np.sqrt(0.5), rel=1e-3)
    del stamps[50]
    assert jerk(stamps, np.delete(positions, 50, 0)) == pytest.approx(np.sqrt(0.5), rel=1e-3)
    assert jerk(stamps[:3], positions[:3]) is None


def test_wrong_use_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Gr00tError, match='--checkpoint'):
        command.main(['evaluate'])
    with pytest.raises(Gr00tError, match='no checkpoint folder'):
        command.main(['evaluate', '--checkpoint', str(tmp_path)])
    (tmp_path / 'config.json').touch()
    with pytest.raises(Gr00tError, match=r'holds no robot.yaml; say which'):
        command.main(['evaluate', '--checkpoint', str(tmp_path)])
    with pytest.raises(RobotFileError, match='contradicts the robot file of the checkpoint'):
        command.main(['evaluate', '--checkpoint', str(SHIPPED), '--robot', 'droid'])
    (tmp_path / 'robot.yaml').touch()
    with pytest.raises(Gr00tError, match='kept apart'):
        command.main(['evaluate', '--checkpoint', str(tmp_path), '--seed-start', '7'])
    with pytest.raises(Gr00tError, match='kept apart'):
        command.main(['collect', '--output', str(tmp_path), '--seed-start', str(SEED)])


@pytest.mark.usefixtures('gl', 'ros_domain')
def test_the_experts_trajectory_sent_as_chunks_lifts_the_named_cube(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks, executor, lock-step and judge work: what lifts the cube without them does with."""
    pytest.importorskip('gr00t_msgs')
    from gr00t_sim import evaluate
    from gr00t_sim.baseline import expert_trajectory

    robot = load_robot('so101')
    scene = KIND.make(robot, KIND.bind(robot), 0.0)
    rows = expert_trajectory(scene, KIND, KIND.evaluation(SEED + 1), robot)
    monkeypatch.setattr(evaluate, 'mean_trajectory', lambda rate: rows)
    said: list[str] = []
    found = evaluate.evaluate(plan(tmp_path, ('mean', 'zero'), SEED + 1, 1), said.append)
    assert found['mean_success'] == 1.0, said
    assert found['zero_success'] == 0.0
    assert found['success'] is None
    assert found['timeouts'] == 0
    assert found['runs']['zero']['jerk'] < 3.0
    assert len((tmp_path / 'episodes.jsonl').read_text().splitlines()) == 2


@pytest.mark.slow
@pytest.mark.usefixtures('gl')
def test_collected_bags_are_complete_and_a_second_call_goes_on(
    tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    bags = tmp_path / 'bags'
    for episodes in (2, 3):
        words = ['sim', 'collect', '--episodes', str(episodes), '--output', str(bags)]
        done = subprocess.run([*GR00T, *words], env=ros_domain, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts['outcomes'] == {'success': 3}
    assert counts['bags'] == 3
    assert done.stderr.count('to go') == 1
    refused = subprocess.run(
        [*GR00T, *words, '--ordered', '1'], env=ros_domain, capture_output=True, text=True
    )
    assert refused.returncode != 0
    assert 'was recorded free' in refused.stderr


@pytest.mark.slow
@pytest.mark.usefixtures('gl')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_collection_leaves_no_process_behind(
    tmp_path: Path, ros_domain: dict[str, str], number: signal.Signals
) -> None:
    def running() -> list[str]:
        commands = (path.read_bytes() for path in Path('/proc').glob('[0-9]*/cmdline'))
        return [text.decode() for text in commands if str(tmp_path).encode() in text]

    words = ['sim', 'collect', '--episodes', '50', '--output', str(tmp_path)]
    collection = subprocess.Popen(
        [*GR00T, *words], env=ros_domain, stderr=subprocess.PIPE, text=True
    )
    assert collection.stderr is not None
    assert any('to go' in line for line in collection.stderr)
    assert len(running()) > 1
    collection.send_signal(number)
    collection.wait(60.0)
    end = time.monotonic() + 60.0
    while running():
        assert time.monotonic() < end, running()
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.usefixtures('gl')
def test_an_evaluation_survives_the_death_of_the_executor(
    tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    words = ['init-checkpoint', '--size', 'tiny', '--robot', 'so101', str(tmp_path / 'tiny')]
    subprocess.run([*GR00T, *words], env=ros_domain, check=True)
    words = ['sim', 'evaluate', '--checkpoint', str(tmp_path / 'tiny'), '--episodes', '2']
    words += ['--episode-limit', '2', '--json', '--output', str(tmp_path / 'made')]
    evaluation = subprocess.Popen(
        [*GR00T, *words], env=ros_domain, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        end = time.monotonic() + 90.0
        log = tmp_path / 'made' / 'policy.log'
        while not log.is_file() or 're-armed' not in log.read_text():
            assert time.monotonic() < end
            assert evaluation.poll() is None
            time.sleep(0.05)
        found = re.search(r'chunk_executor started \(pid (\d+)\)', log.read_text())
        assert found is not None
        os.kill(int(found[1]), signal.SIGKILL)
        output, errors = evaluation.communicate(timeout=90.0)
    finally:
        evaluation.kill()
    assert evaluation.returncode == 0, errors
    assert 'starting the nodes again (1 of' in errors
    assert json.loads(output)['runs']['policy']['episodes'] == 2
    assert len((tmp_path / 'episodes.jsonl').read_text().splitlines()) == 2


def plan(out: Path, runs: tuple[str, ...], seed: int, episodes: int) -> 'evaluate.Plan':  # noqa: F821
    from gr00t_sim.evaluate import Plan

    return Plan(
        checkpoint='', robot='so101', backend='server', server_address='', real_time=False,
        episodes=episodes, baseline_episodes=episodes, seed_start=seed, runs=runs,
        chunk_period_s=0.2, chunk_timeout_s=5.0, episode_limit_s=6.0, noise_seed=0, videos=0,
        out=out,
    )  # fmt: skip


def test_an_evaluation_replaces_nothing_without_being_asked(tmp_path: Path) -> None:
    words = ['evaluate', '--server-address', 'tcp://127.0.0.1:1']

    def refused(why: str) -> None:
        with pytest.raises(Gr00tError, match=why):
            command.main([*words, '--output', str(tmp_path)])

    (tmp_path / 'report.html').touch()
    refused(r"holds 'report\.html', which `gr00t sim evaluate` did not write")
    (tmp_path / 'episodes.jsonl').touch()
    refused('holds an earlier evaluation: give another folder, or --overwrite')
