# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets of other tools: every kind of feature is read, checked, rewritten and adopted."""

import json
import os
from pathlib import Path

from foreign_dataset import (
    CAMERA,
    change_info,
    foreign,
    frame,
    joints,
    LENGTHS,
    png,
    ROBOT,
    SIDE,
    TASKS,
    tiny_robot,
)
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.modality import configs_for_robot
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.write.adopt import adopt
from gr00t_core.dataset.write.rewrite import rewrite
from gr00t_core.errors import DatasetError
from gr00t_core.models.n1_5.numbers import NUMBERS

VERSIONS = ('v2.1', 'v3.0')
IMAGE = {'dtype': 'image', 'shape': [SIDE, SIDE, 3], 'names': ['height', 'width', 'channels']}


@pytest.fixture
def robot(tmp_path):
    return tiny_robot(tmp_path)


def errors(path: Path, robot=None) -> str:
    return '\n'.join(f'{f.where}: {f.what}' for f in validate(path, robot) if f.level == 'error')


def warnings(path: Path, robot=None) -> str:
    return '\n'.join(f'{f.where}: {f.what}' for f in validate(path, robot) if f.level == 'warning')


def upgraded(path: Path, version: str, robot=None, **options) -> Path:
    output = path.with_name(f'{path.name}_{version}')
    rewrite([Dataset.open(path, robot)], output, version, robot, **options)
    return output


def check(path: Path, robot) -> None:
    """Require every row, frame and task of a dataset that `foreign` wrote."""
    dataset = Dataset.open(path, robot)
    configs = configs_for_robot(robot, NUMBERS.horizon)
    assert dataset.lengths.tolist() == list(LENGTHS)
    for episode, length in enumerate(LENGTHS):
        for step in range(length):
            sample = dataset.step(episode, step, configs)
            assert np.allclose(sample['state.arm'][0], joints(episode, length)[step], atol=1e-6)
            off = sample['video.front'][0].astype(int) - frame(episode, step)
            assert np.abs(off).max() <= 3  # of an encoder, or none at all
            assert sample[robot.instruction_key] == [TASKS[step >= length // 2]]


def column(values, kind=None):
    return lambda episode, length: pa.array([values(episode, k) for k in range(length)], kind)


def grid(episode: int, step: int) -> list[list[float]]:
    return (np.arange(6.0).reshape(2, 3) + step + 10 * episode).tolist()


RICH = {
    'observation.f64': (
        {'dtype': 'float64', 'shape': [2], 'names': ['a', 'b']},
        column(lambda e, k: [k / 3, e / 7], pa.list_(pa.float64())),
    ),
    'observation.i32': (
        {'dtype': 'int32', 'shape': [1], 'names': None},
        column(lambda e, k: k, pa.int32()),
    ),
    'next.done': (
        {'dtype': 'bool', 'shape': [1], 'names': None},
        column(lambda e, k: k == LENGTHS[e] - 1),
    ),
    'note': ({'dtype': 'string', 'shape': [1], 'names': None}, column(lambda e, k: f'note {k}')),
    'observation.grid': (
        {'dtype': 'float32', 'shape': [2, 3], 'names': None},
        column(grid, pa.list_(pa.list_(pa.float32()))),
    ),
    'observation.cube': (
        {'dtype': 'float32', 'shape': [1, 2, 3], 'names': None},
        column(lambda e, k: [grid(e, k)], pa.list_(pa.list_(pa.list_(pa.float32())))),
    ),
}


@pytest.mark.parametrize('version', VERSIONS)
def test_rich_features_pass_and_keep_values_types_and_axes(tmp_path, robot, version):
    path = foreign(tmp_path / 'rich', more=RICH)
    assert errors(path, robot) == ''
    check(path, robot)
    output = upgraded(path, version, robot)
    assert errors(output) == ''
    check(output, robot)
    was, now = Dataset.open(path), Dataset.open(output)
    for name, (entry, _) in RICH.items():
        assert now.info.features[name] == was.info.features[name]
        if entry['dtype'] != 'string':
            assert now.column(name).dtype == was.column(name).dtype == np.dtype(entry['dtype'])
            assert np.array_equal(now.column(name), was.column(name))
    assert now.column('observation.grid').shape == (10, 2, 3)
    tables = [pq.read_table(file) for file in sorted((output / 'data').rglob('*.parquet'))]
    notes = [note for table in tables for note in table['note'].to_pylist()]
    assert notes == [f'note {k}' for length in LENGTHS for k in range(length)]


@pytest.mark.parametrize(
    ('shape', 'names'),
    [
        ([3, SIDE, SIDE], ['channels', 'height', 'width']),
        ([3, SIDE, SIDE], None),
        ([SIDE, SIDE, 3], None),
        ([SIDE, SIDE, 3], ['height', 'width', 'channel']),
        ([3, SIDE, SIDE], ['c', 'h', 'w']),
    ],
)
@pytest.mark.parametrize('dtype', ['video', 'image'])
def test_axes_in_any_order_and_without_names(tmp_path, robot, dtype, shape, names):
    path = foreign(tmp_path / 'set', {'dtype': dtype, 'shape': shape, 'names': names}, names=None)
    assert errors(path, robot) == ''
    assert Dataset.open(path).info.features[CAMERA].shape == (SIDE, SIDE, 3)
    check(path, robot)


def test_axes_that_cannot_be_told_are_refused(tmp_path):
    path = foreign(tmp_path / 'set', {'dtype': 'image', 'shape': [64, 64], 'names': ['a', 'b']})
    assert 'expected height, width and channels' in errors(path)


@pytest.mark.parametrize('version', VERSIONS)
def test_images_in_rows_keep_bytes_and_statistics(tmp_path, robot, version):
    """LeRobot trains with the pictures' statistics, and dies where they are missing."""
    path = foreign(tmp_path / 'set', IMAGE, info={'video_path': None})
    output = upgraded(path, version, robot)
    assert errors(output) == ''
    assert 'frame-cache' in warnings(output)
    check(output, robot)
    files = sorted((output / 'data').rglob('*.parquet'))
    stored = [row['bytes'] for f in files for row in pq.read_table(f)[CAMERA].to_pylist()]
    assert stored[0] == png(frame(0, 0))['bytes']
    metadata = json.loads(pq.read_schema(files[0]).metadata[b'huggingface'])
    assert metadata['info']['features'][CAMERA] == {'_type': 'Image'}
    if version == 'v3.0':
        entry = json.loads((output / 'meta/stats.json').read_text())[CAMERA]
        greens = np.ravel(entry['mean'])[1], np.ravel(entry['std'])[1]
        assert np.allclose(greens, (100 / 255, 0), atol=1e-6)
    else:
        lines = (output / 'meta/episodes_stats.jsonl').read_text().split('\n')
        assert np.shape(json.loads(lines[0])['stats'][CAMERA]['mean']) == (3, 1, 1)


@pytest.mark.parametrize('damage', ['bytes', 'missing', 'size', 'depth'])
def test_pictures_that_cannot_be_read_are_named(tmp_path, robot, damage):
    path = foreign(tmp_path / 'set', IMAGE)
    file = path / 'data/chunk-000/episode_000001.parquet'
    table = pq.read_table(file)
    pictures = table[CAMERA].to_pylist()
    pictures[2] = {
        'bytes': {'bytes': b'\x89PNG\r\n\x1a\nno', 'path': None},
        'missing': {'bytes': None, 'path': 'images/frame.png'},
        'size': png(np.zeros((32, 32, 3), np.uint8)),
        'depth': png(np.full((SIDE, SIDE), 700, np.uint16)),
    }[damage]
    changed = pa.array(pictures, table.schema.field(CAMERA).type)
    pq.write_table(table.set_column(table.column_names.index(CAMERA), CAMERA, changed), file)
    found = errors(path, robot)
    assert 'episode_000001.parquet: row 2' in found
    wanted = {'bytes': 'damaged', 'missing': 'holds no', 'size': '32×32', 'depth': 'depth map'}
    assert wanted[damage] in found
    with pytest.raises(DatasetError, match='row 2'):
        Dataset.open(path, robot).frames(1, 'video.front', [2])


def test_depth_maps_are_left_out_by_name(tmp_path, robot, caplog):
    depth = {
        'dtype': 'image',
        'shape': [SIDE, SIDE, 1],
        'names': ['height', 'width', 'channels'],
        'info': {'is_depth_map': True},
    }
    picture = png(np.full((SIDE, SIDE), 700, np.uint16))
    kind = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
    key = 'observation.images.depth'
    path = foreign(tmp_path / 'set', more={key: (depth, column(lambda e, k: picture, kind))})
    assert errors(path, robot) == ''
    assert f'{key}: a depth map' in warnings(path, robot)
    output = upgraded(path, 'v3.0', robot)
    assert f'{key} is left out: a depth map' in caplog.text
    assert key not in Dataset.open(output).info.features
    other = ROBOT.replace('front', 'depth')
    found = errors(path, tiny_robot(tmp_path, other))
    assert f'{key} is a depth map' in found


@pytest.mark.parametrize('version', VERSIONS)
def test_subtasks_keep_their_texts(tmp_path, robot, version):
    more = {
        'subtask_index': (
            {'dtype': 'int64', 'shape': [1], 'names': None},
            column(lambda e, k: k % 2, pa.int64()),
        )
    }

    def with_subtasks(name: str, texts: list[str]) -> Path:
        path = foreign(tmp_path / name, more=more)
        pq.write_table(
            pa.table({'subtask_index': [0, 1], 'subtask': texts}), path / 'meta/subtasks.parquet'
        )
        return path

    one = with_subtasks('one', ['reach', 'grasp'])
    two = with_subtasks('two', ['grasp', 'lift'])
    assert errors(one, robot) == ''
    output = tmp_path / 'both'
    rewrite([Dataset.open(p, robot) for p in (one, two)], output, version, robot)
    assert errors(output) == ''
    both = Dataset.open(output)
    said = [both.subtasks[int(index)] for index in both.column('subtask_index')]
    assert said[:2] == ['reach', 'grasp']
    assert said[10:12] == ['grasp', 'lift']


def test_the_robot_given_is_the_robot_used(tmp_path, robot):
    path = foreign(tmp_path / 'set')
    assert errors(path, robot) == ''
    assert 'gr00t adopt' in warnings(path, robot)
    for old, new, message in (
        ('rate_hz: 10\ninstr', 'rate_hz: 15\ninstr', 'fps: 10 in the dataset'),
        ('width: 64', 'width: 32', '64×64 in the dataset, 32×64'),
        ('front', 'side', 'observation.images.side is not there'),
        ('[j0, j1, j2]', '[j1, j0, j2]', 'the joints are in another order (j0, j1, j2)'),
        ('[j0, j1, j2]', '[j0, j1, j2, j3]', 'observation.state has 3 elements'),
        ('[j0, j1, j2]', '[j0, j1]', 'without a modality.json they must take all'),
    ):
        other = tiny_robot(tmp_path, ROBOT.replace(old, new))
        assert message in errors(path, other), message
        with pytest.raises(DatasetError):
            adopt(Dataset.open(path), other)
    assert not (path / 'meta/modality.json').exists()


def test_degrees_are_told_and_converted(tmp_path, robot):
    path = foreign(tmp_path / 'set')
    degrees = upgraded(path, 'v2.1', robot, scale=['arm=rad2deg'])
    found = errors(degrees)
    assert 'action.arm' in found
    assert 'are these degrees' in found
    back = upgraded(
        degrees, 'v3.0', None, scale=['state.arm=deg2rad', f'action.arm={np.pi / 180}']
    )
    assert errors(back) == ''
    check(back, robot)
    stats = json.loads((back / 'meta/stats.json').read_text())['action']
    assert np.max(stats['max']) <= 1
    for scale, message in (
        ('hand=deg2rad', "no group 'hand'"),
        ('arm=degrees', 'expected GROUP='),
        ('arm=0', 'expected GROUP='),
        ('arm=nan', 'expected GROUP='),
    ):
        with pytest.raises(DatasetError, match=message):
            rewrite([Dataset.open(path, robot)], tmp_path / 'no', 'v3.0', robot, [scale])
    assert not (tmp_path / 'no').exists()


@pytest.mark.parametrize('version', ['v2.1', 'v3.0'])
def test_adopting_writes_what_is_missing_and_overwrites_nothing(tmp_path, robot, version):
    path = foreign(tmp_path / 'set')
    if version == 'v3.0':
        path = upgraded(path, version)
        (path / 'meta/stats.json').unlink()
    rows = {p: p.stat().st_mtime_ns for p in path.rglob('*') if p.suffix in ('.parquet', '.mp4')}
    written = adopt(Dataset.open(path), robot)
    assert [p.name for p in written] == ['robot.yaml', 'modality.json', 'stats.json']
    assert validate(path) == []
    check(path, robot)
    assert rows == {p: p.stat().st_mtime_ns for p in rows}
    assert adopt(Dataset.open(path), robot) == []
    assert not list(path.rglob('*.part'))
    other = tiny_robot(tmp_path, ROBOT.replace('three joints', '3 joints'))
    before = (path / 'meta/robot.yaml').read_bytes()
    with pytest.raises(DatasetError, match=r'meta/robot.yaml are there .*--overwrite'):
        adopt(Dataset.open(path), other)
    assert (path / 'meta/robot.yaml').read_bytes() == before
    assert len(adopt(Dataset.open(path), other, overwrite=True)) == 1
    (path / 'meta/stats.json').write_text('[' * 5000)
    with pytest.raises(DatasetError, match=r'meta/stats.json are there .*--overwrite'):
        adopt(Dataset.open(path), other)
    assert [p.name for p in adopt(Dataset.open(path), other, overwrite=True)] == ['stats.json']
    assert validate(path) == []


def test_upgrade_without_a_robot_says_that_modality_is_missing(tmp_path, robot, caplog):
    path = foreign(tmp_path / 'set')
    output = upgraded(path, 'v2.1')
    assert not (output / 'meta/modality.json').exists()
    assert '--robot' in caplog.text
    with pytest.raises(DatasetError, match='exists already; give another --output, or remove'):
        upgraded(path, 'v2.1')
    caplog.clear()
    output = upgraded(path, 'v3.0', robot)
    assert json.loads((output / 'meta/modality.json').read_text()) == robot.modality()
    assert (output / 'meta/robot.yaml').read_bytes() == robot.source.read_bytes()


def stamps(first: int) -> dict:
    entry = {'dtype': 'int64', 'shape': [1], 'names': None}
    values = column(lambda e, k: first + 100_000_000 * k, pa.int64())
    return {'observation.stamp_ns': (entry, values)}


@pytest.mark.parametrize('version', VERSIONS)
def test_unlike_clocks_never_make_infinity(tmp_path, robot, version):
    """Simulated time and the wall clock lie 10^18 ns apart; their squares overflow float32."""
    one = foreign(tmp_path / 'one', more=stamps(0))
    two = foreign(tmp_path / 'two', more=stamps(1_780_000_000_000_000_000))
    output = tmp_path / 'both'
    rewrite([Dataset.open(p, robot) for p in (one, two)], output, version, robot)

    def refuse(word: str) -> None:
        raise AssertionError(word)

    for file in [*output.rglob('*.json'), *output.rglob('*.jsonl')]:
        for line in (
            file.read_text().split('\n') if file.suffix == '.jsonl' else [file.read_text()]
        ):
            if line:
                json.loads(line, parse_constant=refuse)
    found = json.loads((output / 'meta/stats.json').read_text())['observation.stamp_ns']
    assert found['std'][0] == pytest.approx(0.89e18, rel=1e-3)
    assert validate(output) == []


def test_columns_that_are_not_finite_have_no_statistics(tmp_path, robot):
    reward = {'next.reward': ({'dtype': 'float32', 'shape': [1], 'names': None}, None)}
    reward['next.reward'] = (
        reward['next.reward'][0],
        column(lambda e, k: float('nan') if k else 0.0, pa.float32()),
    )
    output = upgraded(foreign(tmp_path / 'set', more=reward), 'v3.0', robot)
    assert 'next.reward' not in json.loads((output / 'meta/stats.json').read_text())


def test_a_column_of_one_side_is_named_and_can_be_dropped(tmp_path, robot):
    one = foreign(tmp_path / 'one', more=stamps(0))
    two = foreign(tmp_path / 'two', names=('x', 'y', 'z'))
    output = tmp_path / 'both'
    sources = [Dataset.open(p, robot) for p in (one, two)]
    with pytest.raises(DatasetError, match=r'stamp_ns \(int64\) is only in .*one.*--drop'):
        rewrite(sources, output, 'v2.1', robot)
    assert not output.exists()
    with pytest.raises(DatasetError, match='--drop action: cannot be left out'):
        rewrite(sources, output, 'v2.1', robot, drop=['action'])
    rewrite(sources, output, 'v2.1', robot, drop=['observation.stamp_ns'])
    assert errors(output) == ''
    assert Dataset.open(output).info.features['action'].names == ['arm.j0', 'arm.j1', 'arm.j2']


@pytest.mark.parametrize(('episodes', 'said'), [(1, 1), (3, 3)])
def test_info_behind_or_ahead_of_the_list_is_refused(tmp_path, robot, episodes, said):
    path = foreign(tmp_path / 'set', info={'total_episodes': episodes})
    assert f'has 2, meta/info.json says total_episodes {said}' in errors(path, robot)
    with pytest.raises(DatasetError, match='total_episodes'):
        Dataset.open(path)


@pytest.mark.parametrize(
    ('file', 'content', 'message'),
    [
        ('tasks.jsonl', '{"task_index": 0, "task": "Würfel"}\n'.encode('latin-1'), 'not UTF-8'),
        ('tasks.jsonl', b'{"task_index": 0, "task": null}\n', 'expected task_index'),
        ('episodes.jsonl', b'[0, 6]\n[1, 4]\n', 'line 1: a list'),
        ('episodes.jsonl', b'{"episode_index": 0}\n{}\n', 'malformed'),
        ('episodes_stats.jsonl', None, 'LeRobot cannot load'),
    ],
)
def test_damaged_lists_are_named(tmp_path, robot, file, content, message):
    path = foreign(tmp_path / 'set')
    (path / 'meta' / file).unlink()
    if content is not None:
        (path / 'meta' / file).write_bytes(content)
    assert message in errors(path, robot)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'chunks_size': 0}, 'chunks_size 0'),
        ({'fps': 0}, 'fps 0'),
        ({'fps': -5}, 'fps -5'),
        ({'video_path': None}, 'video_path: missing'),
        ({'data_path': 'data/{nonsense}.parquet'}, 'does not fit data_path'),
        ({'data_path': 'data/{episode_index:9999999999d}.parquet'}, 'expected a template'),
        ({'video_path': 'videos/{video_key.__class__}.mp4'}, 'expected a template'),
        ({'data_path': None}, 'data_path: None'),
    ],
)
def test_senseless_info_is_named(tmp_path, robot, changes, message):
    path = foreign(tmp_path / 'set')
    change_info(path, **changes)
    assert message in errors(path, robot)


def test_what_lerobot_could_not_cast_is_an_error(tmp_path, robot):
    """A v3.0 dataset is cast to what info.json says: other axes, types and columns fail there."""
    path = upgraded(foreign(tmp_path / 'set', more=RICH), 'v3.0', robot)
    file = next((path / 'data').rglob('*.parquet'))
    whole = pq.read_table(file)

    def swapped(name: str, values: pa.Array) -> str:
        pq.write_table(whole.set_column(whole.column_names.index(name), name, values), file)
        return errors(path)

    rows = len(whole)
    flat = swapped('observation.grid', pa.array([[1.0] * 6] * rows, pa.list_(pa.float32())))
    assert 'observation.grid: rows of shape (6,), meta/info.json says (2, 3)' in flat
    assert 'holds string, expected numbers' in swapped('observation.i32', pa.array(['x'] * rows))
    listed = pa.array([[1]] * rows, pa.list_(pa.int32()))
    assert 'observation.i32: rows of shape (1,)' in swapped('observation.i32', listed)
    assert 'cannot become int32' in swapped('observation.i32', pa.array([0.5] * rows))
    assert 'meta/info.json says string' in swapped('note', pa.array([1] * rows))
    pq.write_table(whole.append_column('more', pa.array(range(rows))), file)
    assert 'columns more are not in meta/info.json' in errors(path)
    pq.write_table(whole, file)
    tasks = path / 'meta/tasks.parquet'
    table = pq.read_table(tasks)
    pq.write_table(table.take([1, 0]), tasks)
    assert 'expected 0, 1, 2' in errors(path)
    pq.write_table(table, tasks)
    assert errors(path) == ''


def test_lerobots_quantiles_and_bookkeeping_are_warnings(tmp_path, robot):
    path = upgraded(foreign(tmp_path / 'set'), 'v3.0', robot)
    file = path / 'meta/stats.json'
    stats = json.loads(file.read_text())
    stats['action']['q99'][0] += 0.3
    stats['index']['mean'] = [99.0]
    file.write_text(json.dumps(stats))
    assert errors(path) == ''
    assert 'action (q99); index (mean)' in warnings(path)
    by_quantile = tiny_robot(tmp_path, ROBOT.replace('min_max', 'q99'))
    assert 'action: q99 is off by 0.3' in errors(path, by_quantile)
    stats['action']['min'][1] -= 0.5
    file.write_text(json.dumps(stats))
    assert 'action: min is off by 0.5' in errors(path)


def test_git_lfs_pointers_are_named(tmp_path, robot):
    path = foreign(tmp_path / 'set')
    for file in [next(path.rglob('*.parquet')), next(path.rglob('*.mp4'))]:
        file.write_bytes(b'version https://git-lfs.github.com/spec/v1\nsize 1\n')
    found = errors(path, robot)
    assert found.count('git lfs pull') >= 2


def test_lists_are_written_so_that_splitlines_reads_them(tmp_path, robot):
    output = upgraded(foreign(tmp_path / 'set'), 'v2.1', robot)
    for file in ('tasks.jsonl', 'episodes.jsonl'):
        lines = (output / 'meta' / file).read_text(encoding='utf-8').splitlines()
        assert [type(json.loads(line)) for line in lines] == [dict, dict]
    assert set(Dataset.open(output).tasks.values()) == set(TASKS)


def test_a_dataset_without_instructions_is_named(tmp_path, robot):
    path = foreign(tmp_path / 'set')
    info = json.loads((path / 'meta/info.json').read_text())
    del info['features']['task_index']
    (path / 'meta/info.json').write_text(json.dumps(info))
    assert "no column 'task_index', which holds the instructions" in errors(path, robot)


@pytest.mark.parametrize('pattern', ['*.parquet', '*.mp4'])
def test_a_pipe_is_not_waited_for(tmp_path, robot, pattern):
    path = foreign(tmp_path / 'set')
    file = next(path.rglob(pattern))
    file.unlink()
    os.mkfifo(file)
    assert f'{file}: neither a folder nor a regular file' in errors(path, robot)


def test_columns_that_are_not_declared_are_left_out_by_name(tmp_path, robot, caplog):
    path = foreign(tmp_path / 'set')
    for file in path.rglob('data/*/*.parquet'):
        table = pq.read_table(file)
        pq.write_table(table.append_column('mystery', pa.array([1.0] * len(table))), file)
    output = upgraded(path, 'v3.0', robot)
    assert 'columns mystery are left out' in caplog.text
    assert 'mystery' not in pq.read_table(next(output.rglob('data/*/*.parquet'))).column_names
