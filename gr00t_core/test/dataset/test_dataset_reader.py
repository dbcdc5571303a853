# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading samples: padding at the ends of an episode, relative groups, clear errors."""

import json
import os
from pathlib import Path
import pickle
import shutil

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gr00t_core.dataset.mixture import Member
from gr00t_core.dataset.reader import Dataset, window
from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import DatasetError
from gr00t_core.robot.file import load_robot

LENGTHS = (5, 1, 9)


@pytest.fixture(scope='module')
def plain(tmp_path_factory) -> Path:
    """Give a v2.0 dataset without videos: state k..k+3 and action 100+k at row k."""
    path = tmp_path_factory.mktemp('plain')
    (path / 'meta').mkdir()
    (path / 'data/chunk-000').mkdir(parents=True)
    features = {
        'observation.state': {'dtype': 'float64', 'shape': [4], 'names': None},
        'action': {'dtype': 'float64', 'shape': [1], 'names': None},
        'task_index': {'dtype': 'int64', 'shape': [1], 'names': None},
    }
    info = {
        'codebase_version': 'v2.0',
        'fps': 10,
        'total_episodes': 3,
        'total_frames': 15,
        'chunks_size': 1000,
        'data_path': 'data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet',
        'features': features,
    }
    modality = {
        'state': {'arm': {'start': 0, 'end': 3}, 'tip': {'start': 3, 'end': 4}},
        'action': {'arm': {'start': 0, 'end': 1, 'absolute': False}},
        'video': {},
        'annotation': {'task': {'original_key': 'task_index'}},
    }
    (path / 'meta/info.json').write_text(json.dumps(info))
    (path / 'meta/modality.json').write_text(json.dumps(modality))
    episodes = [{'episode_index': e, 'length': n, 'tasks': []} for e, n in enumerate(LENGTHS)]
    (path / 'meta/episodes.jsonl').write_text('\n'.join(map(json.dumps, episodes)))
    tasks = [{'task_index': k, 'task': f'task {k}'} for k in range(3)]
    (path / 'meta/tasks.jsonl').write_text('\n'.join(map(json.dumps, tasks)))
    k = 0
    for episode, length in enumerate(LENGTHS):
        rows = range(k, k + length)
        table = {
            'observation.state': [[float(r + i) for i in range(4)] for r in rows],
            'action': [100.0 + r for r in rows],
            'task_index': [episode] * length,
        }
        pq.write_table(pa.table(table), path / f'data/chunk-000/episode_{episode:06d}.parquet')
        k += length
    return path


@given(
    length=st.integers(1, 40),
    data=st.data(),
    deltas=st.lists(st.integers(-50, 50), min_size=1, max_size=20),
)
def test_window_clamps_and_marks(length, data, deltas):
    step = data.draw(st.integers(0, length - 1))
    inside, outside = window(length, step, deltas)
    for clamped, out, delta in zip(inside, outside, deltas):
        assert 0 <= clamped < length
        assert out == (not 0 <= step + delta < length)
        if not out:
            assert clamped == step + delta
        else:
            assert clamped in (0, length - 1)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), deltas=st.lists(st.integers(-12, 12), min_size=1, max_size=6))
def test_padding_rules(plain, data, deltas):
    """Absolute groups repeat their ends, relative ones are zero, annotations repeat."""
    dataset = Dataset.open(plain)
    episode = data.draw(st.integers(0, 2))
    step = data.draw(st.integers(0, LENGTHS[episode] - 1))
    keys = ('state.arm', 'state.tip', 'action.arm', 'annotation.task')
    sample = dataset.step(episode, step, {'all': ModalityConfig(tuple(deltas), keys)})
    start = sum(LENGTHS[:episode])
    for position, delta in enumerate(deltas):
        wanted = step + delta
        row = start + min(max(wanted, 0), LENGTHS[episode] - 1)
        assert sample['state.arm'][position].tolist() == [row, row + 1, row + 2]
        assert sample['state.tip'][position].tolist() == [row + 3]
        inside = 0 <= wanted < LENGTHS[episode]
        assert sample['action.arm'][position].tolist() == [100.0 + row if inside else 0.0]
    assert sample['annotation.task'] == [f'task {episode}'] * len(deltas)
    assert sample['state.arm'].dtype == np.float64


def test_locate_counts_steps_over_episodes(plain):
    dataset = Dataset.open(plain)
    places = [dataset.locate(index) for index in range(len(dataset))]
    assert places == [(e, s) for e, n in enumerate(LENGTHS) for s in range(n)]


def test_files_in_another_chunk_are_found(plain, tmp_path):
    path = tmp_path / 'set'
    shutil.copytree(plain, path)
    (path / 'data/chunk-007').mkdir()
    name = 'episode_000002.parquet'
    (path / 'data/chunk-000' / name).rename(path / 'data/chunk-007' / name)
    column = Dataset.open(path).column('action')
    assert np.array_equal(column, Dataset.open(plain).column('action'))


def test_columns_are_read_once_and_travel_to_other_processes(plain):
    dataset = Dataset.open(plain)
    assert dataset.column('action') is dataset.column('action')
    with pytest.raises(ValueError, match='read-only'):
        dataset.column('action')[0] = 1
    copy = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(copy.column('action'), dataset.column('action'))


def test_forked_readers_do_not_share_file_positions(shared_data):
    """A data loader forks after files were opened; the children must not disturb the parent."""
    dataset = Dataset.open(shared_data / 'robot_sim.PickNPlace')
    expected = dataset.frames(0, 'video.ego_view', [3, 260])
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            same = np.array_equal(dataset.frames(0, 'video.ego_view', [3, 260]), expected)
            os._exit(0 if same else 1)
        children.append(child)
    assert np.array_equal(dataset.frames(0, 'video.ego_view', [3, 260]), expected)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def test_statistics_with_other_keys_are_computed_or_cut(plain, tmp_path):
    dataset = Dataset.open(plain)
    computed = dataset.statistics()
    assert set(computed['observation.state']) == {'mean', 'std', 'min', 'max', 'q01', 'q99'}
    entry = dataset.metadata({'s': ModalityConfig((0,), ('state.tip', 'action.arm'))}, 'tag')
    assert entry['statistics']['state']['tip']['max'] == [17.0]
    assert entry['modalities']['action']['arm']['absolute'] is False
    # LeRobot writes a count of length 1, on which upstream fails.
    stored = {name: {**stats, 'count': [15]} for name, stats in computed.items()}
    path = plain / 'meta' / 'stats.json'
    path.write_text(json.dumps(stored))
    try:
        assert Dataset.open(plain).statistics() == computed
        del stored['action']['q99']
        path.write_text(json.dumps(stored))
        assert Dataset.open(plain).statistics() == computed
    finally:
        path.unlink()


def test_errors_name_place_and_remedy(plain, tmp_path):
    dataset = Dataset.open(plain)
    for configs, message in (
        (ModalityConfig((0,), ('state.leg',)), r'no .state\.leg.*state\.arm, state\.tip'),
        (ModalityConfig((0,), ('video.front',)), r'no .video\.front.*no video'),
        (ModalityConfig((0,), ('annotation.x',)), r'annotation\.task'),
    ):
        with pytest.raises(DatasetError, match=message):
            dataset.step(0, 0, {'x': configs})
    with pytest.raises(DatasetError, match='has 5 steps, step 5'):
        dataset.step(0, 5, {})
    with pytest.raises(DatasetError, match=r"no column 'reward'.*observation\.state"):
        dataset.column('reward')
    with pytest.raises(DatasetError, match='is this the folder of a LeRobot dataset'):
        Dataset.open(tmp_path)
    with pytest.raises(DatasetError, match=r'so101\.yaml: state\.single_arm: not in'):
        Dataset.open(plain, load_robot('so101'))


def test_a_dataset_without_some_episodes_keeps_rows_and_is_no_change_of_the_whole(plain):
    whole = Dataset.open(plain)
    found = whole.without((0, 2))
    assert found.lengths.tolist() == [0, LENGTHS[1], 0]
    assert whole.lengths.tolist() == list(LENGTHS)
    assert whole.without(()).lengths.tolist() == list(LENGTHS)
    np.testing.assert_array_equal(found.column('action'), whole.column('action'))
    member = Member(found, 'new_embodiment', {}, 1.0)
    assert member.dataset is found
    with pytest.raises(DatasetError, match='has no steps'):
        Member(whole.without((0, 1, 2)), 'new_embodiment', {}, 1.0)
