# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Validation finds each kind of damage and names it."""

from dataclasses import replace
import json
import os
from pathlib import Path
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.piece import pieces_of
from gr00t_core.dataset.write.writer import DatasetWriter
from gr00t_core.errors import DatasetError
from gr00t_core.robot.file import load_robot

ROBOT = load_robot('so101')
LENGTHS = (12, 9)


@pytest.fixture(scope='module', params=['v2.1', 'v3.0'])
def good(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('good') / 'set'
    writer = DatasetWriter(path, ROBOT, request.param)
    generator = np.random.default_rng(0)
    k = 0
    for length in LENGTHS:
        for _ in range(length):
            image = generator.integers(0, 255, (240, 320, 3), dtype=np.uint8)
            values = {
                'observation.state': 0.8 + 0.8 * np.sin(np.arange(6) + k),
                'action': 0.8 + 0.8 * np.cos(np.arange(6) + k),
                'observation.stamp_ns': 10**18 + k,
            }
            writer.add(values, {'front': image, 'wrist': image}, 'push')
            k += 1
        writer.finish_episode()
    writer.finalize()
    return path


@pytest.fixture
def dataset(good, tmp_path) -> Path:
    return Path(shutil.copytree(good, tmp_path / 'set'))


def errors(path: Path, robot=None) -> str:
    return '\n'.join(f'{f.where}: {f.what}' for f in validate(path, robot) if f.level == 'error')


def warnings(path: Path) -> str:
    return '\n'.join(f'{f.where}: {f.what}' for f in validate(path) if f.level == 'warning')


def change_json(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def change_column(path: Path, name: str, change) -> None:
    """Apply a change to a column of the first data file."""
    file = sorted(path.glob('data/*/*.parquet'))[0]
    table = pq.read_table(file)
    values = change(table[name].to_pylist())
    column = pa.array(values, table.schema.field(name).type)
    pq.write_table(table.set_column(table.column_names.index(name), name, column), file)


def first_video(path: Path) -> Path:
    return sorted(path.rglob('*.mp4'))[0]


def test_good_ones_pass(good):
    assert validate(good) == []
    assert validate(good, ROBOT, decode=False) == []


def test_missing_files_and_rows(dataset):
    file = sorted(dataset.glob('data/*/*.parquet'))[0]
    table = pq.read_table(file)
    pq.write_table(table.slice(0, len(table) - 2), file)
    assert f'{len(table) - 2} rows, its episodes have {len(table)} steps' in errors(dataset)
    pq.write_table(table.drop_columns(['action']), file)
    assert "no column 'action'" in errors(dataset)
    file.write_bytes(file.read_bytes()[:500])
    assert 'not a readable parquet file' in errors(dataset)
    file.unlink()
    assert str(file) in errors(dataset)


def test_totals(dataset):
    change_json(dataset / 'meta/info.json', lambda info: info.update(total_frames=5))
    assert 'total_frames: 5, the episodes have 21 steps' in errors(dataset)
    change_json(dataset / 'meta/info.json', lambda info: info.update(total_episodes=3))
    assert 'has 2' in errors(dataset)
    change_json(dataset / 'meta/info.json', lambda info: info.update(codebase_version='v9'))
    assert "'v9', expected one of v2.0, v2.1, v3.0" in errors(dataset)


@pytest.mark.parametrize(
    ('column', 'change', 'message'),
    [
        ('timestamp', lambda v: [*v[:5], v[5] + 0.01, *v[6:]], 'expected 0.033333'),
        ('index', lambda v: [*v[:-1], 99], 'index is 99, expected'),
        ('frame_index', lambda v: [1, *v[1:]], 'frame_index is 1, expected 0'),
        ('task_index', lambda v: [7, *v[1:]], 'task 7 is not in the list'),
        ('action', lambda v: [[float('nan')] * 6, *v[1:]], 'action is not finite'),
    ],
)
def test_wrong_values(dataset, column, change, message):
    change_column(dataset, column, change)
    assert message in errors(dataset)


def test_statistics_that_are_not_of_this_data(dataset):
    def shift(stats):
        stats['action']['mean'][2] += 0.5

    change_json(dataset / 'meta/stats.json', shift)
    assert 'action: mean is off by 0.5' in errors(dataset)


def test_videos(dataset):
    file = first_video(dataset)
    whole = file.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 3 : len(whole) // 2] = bytes(len(whole) // 2 - len(whole) // 3)
    file.write_bytes(damaged)
    assert file.name in errors(dataset)
    file.write_bytes(whole[:200])
    assert 'not readable as a video' in errors(dataset)
    file.unlink()
    assert 'no such video file' in errors(dataset)


def test_frames_against_rows_rate_and_size(dataset):
    videos = sorted(dataset.rglob('*.mp4'))
    if len(videos) == 4:  # v2.1: one file per camera and episode, of 12 and 9 frames
        shutil.copy(videos[1], videos[0])
        assert '9 frames, its episodes have 12 steps' in errors(dataset)

    def slower(info):
        info['fps'] = 15

    change_json(dataset / 'meta/info.json', slower)
    found = errors(dataset)
    assert 'at 15 fps it should be' in found
    assert 'fps: 15' in found  # the robot file says 30

    def smaller(info):
        info['features']['observation.images.front']['shape'] = [120, 160, 3]

    change_json(dataset / 'meta/info.json', smaller)
    assert '320×240 pixels, meta/info.json says 160×120' in errors(dataset)


def test_modality_and_robot(dataset):
    path = dataset / 'meta/modality.json'
    change_json(path, lambda modality: modality['state']['gripper'].update(end=9))
    found = errors(dataset)
    assert 'state.gripper: ends at 9' in found
    change_json(path, lambda modality: modality['state']['gripper'].update(end=6))
    narrow = replace(ROBOT.state[1], names=('a', 'b'))
    assert 'state.gripper: width' in errors(
        dataset, replace(ROBOT, state=(ROBOT.state[0], narrow))
    )
    change_json(path, lambda modality: modality['video'].update(top={}))
    assert "video.top: no feature with video files is called 'top'" in errors(dataset)
    path.unlink()
    assert 'GR00T N1.5 cannot read the dataset without it' in warnings(dataset)
    path.write_text('{"state": ')
    assert 'not valid JSON' in errors(dataset)


def test_action_that_equals_state_is_told(dataset):
    file = sorted(dataset.glob('data/*/*.parquet'))
    for path in file:
        table = pq.read_table(path)
        position = table.column_names.index('action')
        pq.write_table(table.set_column(position, 'action', table['observation.state']), path)
    assert 'single_arm: action equals state' in warnings(dataset)


@pytest.mark.parametrize('text', ['[' * 100_000, '{"a": ' + '9' * 5000 + '}', '\ufeff{}', '"a"'])
@pytest.mark.parametrize('name', ['info.json', 'modality.json', 'stats.json'])
def test_json_that_cannot_be_read_is_named(dataset, name, text):
    (dataset / 'meta' / name).write_text(text)
    assert f'{name}: ' in errors(dataset)


@pytest.mark.parametrize('make', [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_a_file_of_another_kind_is_named(dataset, make):
    path = dataset / 'meta' / 'info.json'
    path.unlink()
    make(path)
    assert re.search(f'{path}: (no regular file|missing)', errors(dataset))


def test_a_column_that_is_there_twice_is_named(dataset):
    file = next((dataset / 'data').rglob('*.parquet'))
    table = pq.read_table(file)
    pq.write_table(table.append_column('action', table.column('action')), file)
    assert f"{file}: column 'action' is there more than once" in errors(dataset)


@pytest.mark.parametrize('length', [None, 'x', -1, 10**400, float('inf'), [1]])
def test_a_length_that_is_none_is_named(dataset, length):
    listed = dataset / 'meta' / 'episodes.jsonl'
    if not listed.is_file():
        pytest.skip('v3.0 holds numbers in parquet')
    rows = [json.loads(line) for line in listed.read_text().splitlines()]
    rows[0]['length'] = length
    listed.write_text('\n'.join(map(json.dumps, rows)))
    assert 'expected a number of steps' in errors(dataset)


@pytest.mark.parametrize('path', ['/x/{episode_index.y}', '/none/chunk-0', 'x' * 5000, '{0}', ''])
def test_a_path_that_no_file_can_have_is_named(dataset, path):
    change_json(dataset / 'meta' / 'info.json', lambda info: info.update(data_path=path))
    assert errors(dataset)


ODD_STATISTICS = {
    'no mapping': 5,
    'words': {'min': 'x', 'max': 'y'},
    'lists of unlike lengths': {'min': [[1], [1, 2]], 'max': [[1], [1, 2]]},
    'beyond floats': {'min': [10**400] * 6, 'max': [10**400] * 6},
    'nothing': {'min': None, 'max': None},
}


@pytest.mark.parametrize('name', ODD_STATISTICS)
def test_statistics_of_any_kind_are_told(dataset, tmp_path, name):
    """They are found wrong or are computed anew, also by what copies a dataset."""
    odd = ODD_STATISTICS[name]
    more = odd if isinstance(odd, dict) else {}
    entry = {**dict.fromkeys(('mean', 'std', 'q01', 'q99'), [0.0] * 6), **more} if more else odd
    change_json(dataset / 'meta' / 'stats.json', lambda stats: stats.update(action=entry))
    said = errors(dataset) + warnings(dataset)
    assert 'action: ' in said
    listed = dataset / 'meta' / 'episodes_stats.jsonl'
    if listed.is_file():
        rows = [json.loads(line) for line in listed.read_text().splitlines()]
        rows[0]['stats'] = odd
        rows[1]['stats']['observation.images.front'] = odd
        listed.write_text('\n'.join(map(json.dumps, rows)))
        pieces = pieces_of(Dataset.open(dataset))
        assert [len(piece.image_statistics) for piece in pieces] == [0, 1]


def test_episodes_without_steps_are_told(dataset):
    """Such as an interrupted recording leaves."""
    listed = dataset / 'meta' / 'episodes.jsonl'
    if not listed.is_file():
        pytest.skip('v3.0 holds numbers in parquet')
    for file in (dataset / 'data').rglob('*.parquet'):
        pq.write_table(pq.read_table(file).slice(0, 0), file)
    rows = [json.loads(line) | {'length': 0} for line in listed.read_text().splitlines()]
    listed.write_text('\n'.join(map(json.dumps, rows)))
    assert 'has length 0, expected 1+' in errors(dataset)
    opened = Dataset.open(dataset)
    header = Header.of_dataset(opened)
    with pytest.raises(DatasetError, match='has no steps'):
        assemble(pieces_of(opened), dataset.with_name('copy'), 'v3.0', header)


@pytest.mark.parametrize('index', [None, 'x', [1]])
def test_task_numbers_that_are_none_are_named(dataset, index):
    table = dataset / 'meta' / 'tasks.parquet'
    if table.is_file():
        pq.write_table(pa.table({'task_index': [index], 'task': ['push']}), table)
    else:
        line = json.dumps({'task_index': index, 'task': 'push'})
        (dataset / 'meta' / 'tasks.jsonl').write_text(line)
    assert 'task_index' in errors(dataset)
