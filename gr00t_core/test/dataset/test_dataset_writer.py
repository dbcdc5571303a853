# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writing datasets: what goes in comes out, in v2.1 and v3.0, also extended, merged, upgraded."""

from collections.abc import Mapping
import contextlib
from dataclasses import replace
from fractions import Fraction
import json
from pathlib import Path
import signal
import subprocess
import sys
import time

import av
import numpy as np
from numpy.typing import NDArray
import pyarrow.parquet as pq
import pytest

from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.formats import v30 as write_v30
from gr00t_core.dataset.modality import configs_for_robot
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import read_info
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.piece import load_shard, pieces_of, shard_notes
from gr00t_core.dataset.write.rewrite import rewrite
from gr00t_core.dataset.write.shard import EpisodeWriter, QUEUED_FRAMES, robot_features
from gr00t_core.dataset.write.writer import DatasetWriter
from gr00t_core.errors import DatasetError
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.robot.file import load_robot

ROBOT = load_robot('so101')
CONFIGS = configs_for_robot(ROBOT, NUMBERS.horizon)
WIDTH, HEIGHT = 320, 240
STAMP = 1_700_000_000_000_000_000
VERSIONS = ('v2.1', 'v3.0')
LENGTHS = (7, 12, 4)


def numbered(k: int) -> NDArray[np.uint8]:
    """Return a frame that carries its number in 16 bars; lossy coding does not hurt them."""
    bars = np.where(k >> np.arange(16) & 1, 230, 20).astype(np.uint8)
    row = np.repeat(bars, WIDTH // 16)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (HEIGHT, WIDTH, 3)))


def number_of(frame: NDArray[np.uint8]) -> int:
    bars = frame.mean(axis=(0, 2)).reshape(16, -1).mean(axis=1) > 128
    return int(np.sum(bars << np.arange(16)))


def row(k: int) -> Mapping[str, object]:
    state = 0.6 + 0.6 * np.sin(np.arange(6) + k / 10)  # within the limits of the SO-101
    return {
        'observation.state': state,
        'action': state + 0.25,
        'observation.stamp_ns': STAMP + 33_333_333 * k,
    }


def write(path: Path, version: str, lengths=LENGTHS, first: int = 0) -> int:
    """Write episodes whose rows count on from `first`; return the next number."""
    writer = DatasetWriter(path, ROBOT, version)
    for length in lengths:
        task = f'task {first % 2}'
        for _ in range(length):
            frames = {'front': numbered(first), 'wrist': numbered(first + 1000)}
            writer.add(row(first), frames, task)
            first += 1
        writer.finish_episode()
    writer.finalize()
    return first


def check(path: Path, lengths, order=None, tasks=None) -> None:
    """Require every row, frame and number of a dataset that was written with `write`."""
    dataset = Dataset.open(path, ROBOT)
    numbers = list(range(sum(lengths))) if order is None else order
    assert dataset.lengths.tolist() == list(lengths)
    assert len(dataset) == len(numbers)
    for index, k in enumerate(numbers):
        episode, step = dataset.locate(index)
        sample = dataset.step(episode, step, CONFIGS)
        assert number_of(sample['video.front'][0]) == k
        assert number_of(sample['video.wrist'][0]) == k + 1000
        expected = np.float32(row(k)['observation.state'])
        assert np.array_equal(sample['state.single_arm'][0], expected[:5])
        assert np.array_equal(sample['state.gripper'][0], expected[5:])
        assert dataset.column('observation.stamp_ns')[index] == STAMP + 33_333_333 * k
        assert dataset.column('frame_index')[index] == step
        assert dataset.column('timestamp')[index] == np.float32(step / 30)
        if tasks is not None:
            assert sample[ROBOT.instruction_key] == [tasks[episode]]
    assert [finding for finding in validate(path, ROBOT) if finding.level == 'error'] == []


@pytest.mark.parametrize('version', VERSIONS)
def test_round_trip(tmp_path, version):
    path = tmp_path / 'set'
    write(path, version)
    check(path, LENGTHS, tasks=['task 0', 'task 1', 'task 1'])
    assert [finding for finding in validate(path) if 'never change' not in finding.what] == []
    assert (path / 'meta' / 'robot.yaml').read_bytes() == ROBOT.source.read_bytes()
    assert json.loads((path / 'meta' / 'modality.json').read_text()) == ROBOT.modality()
    assert [entry.name for entry in tmp_path.iterdir()] == ['set']  # nothing is left beside it


def test_v21_is_what_groot_reads(tmp_path):
    """The rules of upstream's loader."""
    path = tmp_path / 'set'
    write(path, 'v2.1')
    info = json.loads((path / 'meta' / 'info.json').read_text())
    assert info['total_videos'] == 6
    assert isinstance(info['fps'], int)
    for key, feature in info['features'].items():
        if feature['dtype'] == 'video':
            assert feature['names'] == ['height', 'width', 'channels']
            assert feature['info']['video.fps'] == 30
            place = {'episode_chunk': 2 // info['chunks_size'], 'episode_index': 2}
            assert (path / info['video_path'].format(video_key=key, **place)).is_file()
    stats = json.loads((path / 'meta' / 'stats.json').read_text())
    for name in ('observation.state', 'action', 'timestamp'):
        assert set(stats[name]) == {'mean', 'std', 'min', 'max', 'q01', 'q99'}
    lines = (path / 'meta' / 'episodes.jsonl').read_text().splitlines()
    assert [json.loads(line)['length'] for line in lines] == list(LENGTHS)
    table = pq.read_table(path / 'data' / 'chunk-000' / 'episode_000001.parquet')
    assert table['index'].to_pylist() == list(range(7, 19))


@pytest.mark.parametrize('version', VERSIONS)
def test_extending_keeps_what_was_there(tmp_path, version):
    path = tmp_path / 'set'
    middle = write(path, version)
    before = {
        file.relative_to(path): file.read_bytes()
        for folder in ('data', 'videos')
        for file in (path / folder).rglob('*.*')
        if file.is_file()
    }
    write(path, version, (5, 3), first=middle)
    assert {name: (path / name).read_bytes() for name in before} == before
    check(path, (*LENGTHS, 5, 3))
    with pytest.raises(DatasetError, match='exists already'):
        assemble(pieces_of(Dataset.open(path)), path, version, Header(None, None, None))


@pytest.mark.parametrize('version', VERSIONS)
@pytest.mark.parametrize('source', VERSIONS)
def test_every_version_can_be_rewritten_as_the_other(tmp_path, source, version):
    write(tmp_path / 'a', source)
    rewrite([Dataset.open(tmp_path / 'a')], tmp_path / 'b', version)
    check(tmp_path / 'b', LENGTHS, tasks=['task 0', 'task 1', 'task 1'])
    assert read_info(tmp_path / 'b').version == version
    reader = [Dataset.open(tmp_path / name) for name in 'ab']
    for step in range(4):  # copied packets: the very same frames
        one, two = (dataset.frames(2, 'video.front', [step]) for dataset in reader)
        assert np.array_equal(one, two)


@pytest.mark.parametrize('version', VERSIONS)
def test_merging_renumbers_episodes_and_tasks(tmp_path, version):
    middle = write(tmp_path / 'a', 'v2.1', (3, 5))  # task 0, task 1
    write(tmp_path / 'b', 'v3.0', (4,), first=middle + 1)  # only task 1, as its number 0
    sources = [Dataset.open(tmp_path / name) for name in 'baa']
    rewrite(sources, tmp_path / 'c', version)
    order = [9, 10, 11, 12, *range(8), *range(8)]
    check(
        tmp_path / 'c',
        (4, 3, 5, 3, 5),
        order,
        ['task 1', 'task 0', 'task 1', 'task 0', 'task 1'],
    )


def test_upgrading_the_demo_data(shared_data, tmp_path):
    source = Dataset.open(shared_data / 'robot_sim.PickNPlace')
    for version in VERSIONS:
        path = tmp_path / version
        rewrite([source], path, version)
        assert [finding for finding in validate(path) if finding.level == 'error'] == []
        target = Dataset.open(path)
        for name in ('observation.state', 'action', 'annotation.human.action.task_description'):
            assert np.array_equal(target.column(name), source.column(name))
        assert target.tasks == source.tasks
        for episode, step in ((0, 0), (3, 251), (4, 327)):
            assert np.array_equal(
                target.frames(episode, 'video.ego_view', [step]),
                source.frames(episode, 'video.ego_view', [step]),
            )


def test_large_v30_sets_go_into_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(write_v30, 'VIDEO_FILE_MB', 0.002)
    monkeypatch.setattr(write_v30, 'DATA_FILE_MB', 0.001)
    path = tmp_path / 'set'
    write(path, 'v3.0', (7, 12, 4, 9))
    assert len(list(path.glob('videos/observation.images.front/*/*.mp4'))) > 1
    assert len(list(path.glob('data/*/*.parquet'))) > 1
    check(path, (7, 12, 4, 9))


def test_frames_and_rows_must_agree(tmp_path):
    def begin() -> EpisodeWriter:
        return EpisodeWriter(tmp_path / 'e', Fraction(30), robot_features(ROBOT), ['a', 'b'])

    episode = begin()
    for k in range(3):
        episode.add_row(row(k), 'x')
        episode.add_frame('a', numbered(k))
        episode.add_frame('b', numbered(k))
    episode.add_frame('a', numbered(3))
    with pytest.raises(DatasetError, match='a has 4 frames, there are 3 rows'):
        episode.finish()
    assert list(tmp_path.iterdir()) == []
    episode = begin()
    episode.add_row(row(0), 'x')
    with pytest.raises(DatasetError, match='a has no frames'):
        episode.finish()
    episode = begin()
    with pytest.raises(DatasetError, match='not finite'):
        episode.add_row({**row(0), 'action': np.full(6, np.nan)}, 'x')
    with pytest.raises(DatasetError, match='5 elements, expected 6'):
        episode.add_row({**row(0), 'action': np.zeros(5)}, 'x')
    with pytest.raises(DatasetError, match='expected'):
        episode.add_row({'action': np.zeros(6)}, 'x')
    with pytest.raises(DatasetError, match='no camera'):
        episode.add_frame('c', numbered(0))
    episode.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_fails_says_so_to_the_caller(tmp_path):
    episode = EpisodeWriter(tmp_path / 'e', Fraction(30), robot_features(ROBOT), ['a'])
    episode.add_frame('a', numbered(0))
    episode.add_row(row(0), 'x')
    for _ in range(3 * QUEUED_FRAMES):  # never waits for an encoder that has given up
        with contextlib.suppress(DatasetError):
            episode.add_frame('a', np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(DatasetError, match='frame 1 is 64×64'):
        episode.finish()
    episode.discard()


def test_shards_of_other_robots_do_not_mix(tmp_path):
    def shard(name: str, robot, rate: int = 30):
        cameras = [camera.dataset_key for camera in robot.cameras]
        episode = EpisodeWriter(tmp_path / name, Fraction(rate), robot_features(robot), cameras)
        for k in range(3):
            episode.add_row(row(k), 'x')
            for camera in cameras:
                episode.add_frame(camera, numbered(k))
        return load_shard(episode.finish({'bag': name}))

    renamed = replace(
        ROBOT, action=(replace(ROBOT.action[0], names=tuple('abcde')), ROBOT.action[1])
    )
    one = shard('a', ROBOT)
    assert shard_notes(tmp_path / 'a') == {'bag': 'a'}
    header = Header.of_robot(ROBOT)
    with pytest.raises(DatasetError, match='feature action'):
        assemble([one, shard('b', renamed)], tmp_path / 'set', 'v2.1', header)
    with pytest.raises(DatasetError, match='20 Hz'):
        assemble([one, shard('c', ROBOT, 20)], tmp_path / 'set', 'v2.1', header)
    blind = replace(ROBOT, cameras=ROBOT.cameras[:1])
    with pytest.raises(DatasetError, match='wrist'):
        assemble([one, shard('d', blind)], tmp_path / 'set', 'v2.1', header)
    assert not (tmp_path / 'set').exists()
    with pytest.raises(DatasetError, match='no episodes'):
        assemble([], tmp_path / 'set', 'v2.1', header)


def test_copied_video_makes_an_episode(tmp_path):
    writer = EpisodeWriter(tmp_path / 'e', Fraction(30), robot_features(ROBOT), ['front'])
    for k in range(6):
        picture = av.VideoFrame.from_ndarray(numbered(k), format='rgb24').to_image()
        picture.save(tmp_path / 'p.jpg')
        writer.add_row(row(k), 'x')
        writer.add_packet('front', 'mjpeg', (tmp_path / 'p.jpg').read_bytes())
        with pytest.raises(DatasetError, match='both'):
            writer.add_frame('front', numbered(k))
    piece = load_shard(writer.finish())
    assert piece.features['front'].codec == 'mjpeg'
    assert 0.1 < piece.image_statistics['front']['mean'][0][0][0] < 0.4
    for version in VERSIONS:
        header = Header('so101', None, None)
        assemble([piece, piece], tmp_path / version, version, header)
        dataset = Dataset.open(tmp_path / version)
        video = dataset.episodes[1].videos['front']
        frames = dataset._videos.frames(video.path, range(video.first, video.first + 6))
        assert [number_of(frame) for frame in frames] == list(range(6))


KILLED = """
import sys
from pathlib import Path
import numpy as np
from gr00t_core.dataset.write.writer import DatasetWriter
from gr00t_core.robot.file import load_robot
path, version = sys.argv[1:]
writer = DatasetWriter(path, load_robot('so101'), version)
k = 0
while True:
    for _ in range(8):
        values = {'observation.state': np.full(6, k % 8 / 100), 'action': np.zeros(6),
                  'observation.stamp_ns': k}
        image = np.zeros((240, 320, 3), np.uint8)
        writer.add(values, {'front': image, 'wrist': image}, 'x')
        k += 1
    writer.finish_episode()
    if k % 16 == 0:
        writer.finalize()
    print(k, flush=True)
"""


@pytest.mark.parametrize('version', VERSIONS)
def test_kill_leaves_a_sound_dataset(tmp_path, version):
    path = tmp_path / 'set'
    delays = np.random.default_rng(0).uniform(0, 0.15, 3)
    for delay in delays:
        command = [sys.executable, '-c', KILLED, str(path), version]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            for _ in range(4):
                assert process.stdout.readline(), 'the writer failed'
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        dataset = Dataset.open(path)
        assert len(dataset) % 8 == 0  # whole episodes
        assert len(dataset.column('action')) == len(dataset)
        assert [finding for finding in validate(path) if finding.level == 'error'] == []
    before = len(dataset)
    waiting = DatasetWriter(path, ROBOT, version).finished
    write(path, version, (3,))
    assert len(Dataset.open(path)) == before + 8 * len(waiting) + 3
    assert {entry.name for entry in tmp_path.iterdir()} <= {'set', '.set.shards.old'}


def test_killed_after_the_dataset_appeared(tmp_path, monkeypatch):
    """The finished episodes still lie beside it then, and must not be added again."""
    path = tmp_path / 'set'
    middle = write(path, 'v2.1', (3, 4))

    def killed(*args, **kwargs):
        assemble(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr('gr00t_core.dataset.write.writer.assemble', killed)
        with pytest.raises(KeyboardInterrupt):
            write(path, 'v2.1', (5,), first=middle)
    assert (tmp_path / '.set.shards').exists()
    write(path, 'v2.1', (2,), first=middle + 5)
    check(path, (3, 4, 5, 2))


def test_two_processes_cannot_write_one_output(tmp_path):
    from gr00t_core.dataset.write.atomic_folder import replacing

    with replacing(tmp_path / 'a') as tree:
        (tree / 'x').write_text('one')
        with pytest.raises(DatasetError, match='another process'), replacing(tmp_path / 'a'):
            pass
    assert (tmp_path / 'a' / 'x').read_text() == 'one'
    with replacing(tmp_path / 'a') as tree:
        (tree / 'x').write_text('two')
    with pytest.raises(DatasetError, match='full'), replacing(tmp_path / 'a'):
        raise DatasetError('the disk is full')
    assert (tmp_path / 'a' / 'x').read_text() == 'two'


def test_file_systems_without_exchange(tmp_path, monkeypatch):
    from gr00t_core.dataset.write import atomic_folder as module

    monkeypatch.setattr(module, '_exchange', lambda one, other: False)
    for content in ('one', 'two'):
        with module.replacing(tmp_path / 'a') as tree:
            (tree / 'x').write_text(content)
    assert (tmp_path / 'a' / 'x').read_text() == 'two'
    (tmp_path / 'a').rename(tmp_path / '.a.old')  # killed between the two renames
    module.recover(tmp_path / 'a')
    assert (tmp_path / 'a' / 'x').read_text() == 'two'
    assert [entry.name for entry in tmp_path.iterdir()] == ['a']
