# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a dataset goes: two runs at once, links, full and read-only disks, kill -9 at any time."""

import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import time

from converted import read
import pytest
from truth_bag import TruthBag

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.checks.findings import ERROR
from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.write.atomic_folder import locked
from gr00t_core.errors import DatasetError
from gr00t_core.robot.file import load_robot

ROBOT = load_robot('so101')


@pytest.fixture(scope='module')
def bags(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bags')
    return [TruthBag(seconds=1, seed=n).write(folder / f'bag{n}') for n in range(2)]


def words(bags, output, *options):
    options = options or ('--workers', '1')
    return [*map(str, bags), '--robot', 'so101', '--output', str(output), *options]


def start(bags, output, *options):
    return subprocess.Popen(
        [sys.executable, '-m', 'gr00t_core', 'convert', *words(bags, output, *options)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def is_good(output: Path) -> bool:
    return not [f for f in validate(output, ROBOT) if f.level == ERROR]


def test_the_second_of_two_runs_says_who_holds_the_output(bags, tmp_path, capsys):
    output = tmp_path / 'dataset'
    with locked(output, 'gr00t convert --output there'):
        assert gr00t('convert', words(bags, output)) == 1
        said = capsys.readouterr().err
        assert f'gr00t convert --output there (process {os.getpid()} on ' in said
        assert not output.exists()
        assert not list(tmp_path.glob('dataset.shards/*'))
    assert list(tmp_path.iterdir()) == []
    assert gr00t('convert', words(bags, output)) == 0
    assert is_good(output)


def test_two_runs_at_once_leave_one_whole_dataset(bags, tmp_path):
    output = tmp_path / 'dataset'
    runs = [start(bags, output) for _ in range(2)]
    said = [run.communicate(timeout=120)[0] for run in runs]
    codes = sorted(run.returncode for run in runs)
    # One after the other if the machine was slow, else one was told who is at work.
    assert codes == [0, 0] or (codes == [0, 1] and any('is writing it' in text for text in said))
    assert 'Traceback' not in ''.join(said)
    assert is_good(output)
    assert read(output).rows == 60


def test_an_output_behind_a_link_stays_behind_it(bags, tmp_path):
    disk = tmp_path / 'disk'
    disk.mkdir()
    (disk / 'other').write_text('mine')
    link = tmp_path / 'dataset'
    link.symlink_to(disk / 'real')  # nothing is there yet
    for count in (1, 2):
        assert gr00t('convert', words(bags[:count], link)) == 0
        assert link.is_symlink()
        assert read(link).rows == 30 * count
        assert is_good(disk / 'real')
    assert sorted(p.name for p in disk.iterdir()) == ['other', 'real', 'real.shards']


@pytest.mark.parametrize('name', ['.dataset.part', '.dataset.old', 'dataset.shards'])
def test_a_planted_link_is_refused_and_its_target_kept(bags, tmp_path, name, capsys):
    victim = tmp_path / 'victim'
    victim.mkdir()
    (victim / 'file').write_text('mine')
    (tmp_path / name).symlink_to(victim)
    assert gr00t('convert', words(bags, tmp_path / 'dataset')) == 1
    assert 'in the way' in capsys.readouterr().err
    assert (victim / 'file').read_text() == 'mine'
    assert [path.name for path in victim.iterdir()] == ['file']


def test_a_planted_lock_is_not_followed(tmp_path):
    victim = tmp_path / 'victim'
    victim.write_text('mine')
    (tmp_path / '.dataset.lock').symlink_to(victim)
    with pytest.raises(DatasetError, match='cannot be written'), locked(tmp_path / 'dataset', ''):
        pass
    assert victim.read_text() == 'mine'


def test_names_that_are_too_long_are_one_line(bags, tmp_path, capsys):
    for length in (250, 300):
        assert gr00t('convert', words(bags, tmp_path / ('x' * length))) == 1
        assert 'too long' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / 'disk'
    disk.mkdir()

    def mount(options):
        made = subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', str(disk)], capture_output=True
        )
        if made.returncode:
            pytest.skip(f'cannot mount a small disk: {made.stderr.decode().strip()}')
        return disk

    yield mount
    subprocess.run(['umount', str(disk)], check=False, capture_output=True)


@pytest.mark.parametrize('verb', ['merge', 'upgrade'])
def test_a_full_disk_is_one_line_and_leaves_nothing(bags, tmp_path, small_disk, verb, capsys):
    source = tmp_path / 'source'
    assert gr00t('convert', words(bags, source)) == 0
    disk = small_disk('size=64k')
    output = disk / 'made'
    capsys.readouterr()
    assert gr00t(verb, [str(source), '--output', str(output)]) == 1
    said = capsys.readouterr().err
    assert 'No space left' in said
    assert 'Traceback' not in said
    assert list(disk.iterdir()) == []


def test_a_read_only_disk_is_one_line(bags, small_disk, capsys):
    disk = small_disk('size=10m,ro')
    assert gr00t('convert', words(bags, disk / 'dataset')) == 1
    assert 'Read-only file system' in capsys.readouterr().err


# What a run has made when it is killed.
STAGES = {
    'locked': '.dataset.lock',
    'shard': 'dataset.shards/*/*.part',
    'bag': 'dataset.shards/*/bag.json',
    'assembling': '.dataset.part/*',
    'written': 'dataset',
}


@pytest.mark.timeout(400)  # on a busy machine a run needs more than a minute to its last stage
@pytest.mark.parametrize('stage', STAGES)
def test_a_killed_run_leaves_the_old_dataset_or_the_new_one(bags, tmp_path, stage):
    output = tmp_path / 'dataset'
    old = stage != 'written'
    if old:
        assert gr00t('convert', words(bags[:1], output)) == 0
        shutil.rmtree(tmp_path / 'dataset.shards')
    run = start(bags, output)
    end = time.monotonic() + 240
    while not list(tmp_path.glob(STAGES[stage])) and run.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.0005)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert read(output).rows in ((30, 60) if old else (60,))
    assert is_good(output)
    assert gr00t('convert', words(bags, output)) == 0
    assert read(output).rows == 60
    assert sorted(p.name for p in tmp_path.iterdir()) == ['dataset', 'dataset.shards']


def test_shards_are_removed_when_told(bags, tmp_path):
    output = tmp_path / 'dataset'
    assert gr00t('convert', words(bags, output, '--workers', '1', '--no-keep-shards')) == 0
    assert [p.name for p in tmp_path.iterdir()] == ['dataset']
    assert is_good(output)
