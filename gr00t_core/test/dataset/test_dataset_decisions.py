# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decisions: the file, the cutting of rows, and what a dataset becomes by them."""

from fractions import Fraction
from itertools import pairwise
import json
import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.commands import merge
from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.decisions import (
    by_bag,
    cut,
    Decision,
    read_decisions,
    write_decisions,
)
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.video.writer import VideoOptions
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.piece import load_shard
from gr00t_core.dataset.write.shard import EpisodeWriter, robot_features
from gr00t_core.errors import DatasetError
from gr00t_core.robot.file import load_robot

FPS = Fraction(30)
SO101 = load_robot('so101')


def at(row):
    """Return when a row is (s)."""
    return row / float(FPS)


def made(folder, lengths=(12, 9), version='v2.1', gop=4):
    """Make a dataset whose pictures and states say episode and row."""
    pieces = []
    cameras = [f'observation.images.{camera.name}' for camera in SO101.cameras]
    for episode, length in enumerate(lengths):
        writer = EpisodeWriter(
            folder / f'shard{episode}',
            FPS,
            robot_features(SO101),
            cameras,
            VideoOptions(gop=gop),
        )
        for row in range(length):
            values = np.full(6, episode + row / 100, np.float32)
            writer.add_row(
                {'observation.state': values, 'action': values, 'observation.stamp_ns': row},
                f'task {episode}',
            )
            for camera in cameras:
                writer.add_frame(camera, np.full((64, 64, 3), 40 * episode + 10 * row, np.uint8))
        pieces.append(load_shard(writer.finish()))
    output = folder / 'dataset'
    assemble(pieces, output, version, Header.of_robot(SO101))
    return output


def rows(dataset):
    """Return per episode the (episode, row) that state and picture of each row say."""
    found = []
    for number, place in enumerate(dataset.episodes):
        state = dataset.column('observation.state')[place.start : place.start + place.length, 0]
        origin = np.floor(state + 1e-4).astype(int)
        row = np.round((state - origin) * 100).astype(int)
        for camera in SO101.cameras:
            frames = dataset.frames(number, f'video.{camera.name}', range(place.length))
            level = frames.reshape(len(frames), -1).mean(1)
            np.testing.assert_allclose(level, 40 * origin + 10 * row, atol=4.0)
        found.append((int(origin[0]), row.tolist()))
    return found


@given(
    st.integers(0, 60),
    st.sampled_from([1.0, 10.0, 15.0, 29.97, 30.0, 50.0]),
    st.lists(st.integers(0, 60), max_size=6, unique=True),
    st.data(),
)
def test_rows_are_cut_where_the_page_says_whatever_the_rate(length, fps, edges, data):
    """Seconds in the file are rounded; the rows that they mean are not."""
    seconds = np.arange(length) / fps
    edges = sorted(edge for edge in edges if edge < length)
    stretches = [
        Decision('bag', round(seconds[one], 4), round(seconds[other], 4), delete=True)
        for one, other in pairwise(edges)
        if data.draw(st.booleans())
    ]
    parts = cut(seconds, stretches)
    assert [row for part in parts for row in range(*part.rows)] == list(range(length))
    kept = {row for part in parts if not part.is_deleted for row in range(*part.rows)}
    gone = {
        row
        for each in stretches
        for row in range(round(each.start_s * fps), round(each.end_s * fps))
    }
    assert kept == set(range(length)) - gone


def test_the_file_says_what_was_decided(tmp_path):
    path = tmp_path / 'decisions.yaml'
    decisions = (
        Decision('monday/episode_3', end_s=1.25, delete=True),
        Decision('monday/episode_3', 1.25, 7.0, instruction='take the “blue” cube: now'),
        Decision(4, success=False, mark='the gripper slips'),
    )
    write_decisions(path, decisions)
    assert read_decisions(path) == decisions
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('entry', 'said'),
    [
        ({'bag': 'a', 'episode': 1}, 'either `bag` or `episode`'),
        ({}, 'either `bag` or `episode`'),
        ({'bag': ''}, 'bag: '),
        ({'episode': -1}, 'a number, 0 or more'),
        ({'episode': True}, 'a number, 0 or more'),
        ({'bag': 'a', 'form': 1}, 'did you mean from?'),
        ({'bag': 'a', 'from': 3, 'to': 3}, 'the end must be later'),
        ({'bag': 'a', 'from': math.nan}, 'expected seconds'),
        ({'bag': 'a', 'to': 'end'}, 'expected seconds'),
        ({'bag': 'a', 'delete': 'yes'}, 'true or false'),
        ({'bag': 'a', 'success': 1}, 'true or false'),
        ({'bag': 'a', 'instruction': '  '}, 'says something'),
        ({'bag': 'a', 'instruction': 'x' * 3000}, 'characters'),
        ('a', 'keys and values'),
    ],
)
def test_a_wrong_entry_is_named(entry, said, tmp_path):
    path = tmp_path / 'decisions.yaml'
    content = {'format': 'gr00t-decisions', 'version': 1, 'decisions': [{'bag': 'x'}, entry]}
    path.write_text(json.dumps(content))  # JSON is YAML
    with pytest.raises(DatasetError, match=r'decisions\[1\]') as raised:
        read_decisions(path)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    'text', ['', '- 1', 'format: other', 'a: [', '{format: gr00t-decisions, version: 2}', '\x00']
)
def test_what_is_no_file_of_decisions_is_refused(text, tmp_path):
    path = tmp_path / 'decisions.yaml'
    path.write_text(text)
    with pytest.raises(DatasetError, match=r'decisions\.yaml'):
        read_decisions(path)


def test_overlaps_and_unknown_bags_are_refused(tmp_path):
    path = tmp_path / 'decisions.yaml'
    write_decisions(path, [Decision('a', 0.0, 2.0), Decision('a', 1.0, 3.0)])
    with pytest.raises(DatasetError, match='two decisions overlap'):
        read_decisions(path)
    bags = [tmp_path / 'monday' / 'one', tmp_path / 'tuesday' / 'one', tmp_path / 'two']
    with pytest.raises(DatasetError, match='several of the bags'):
        by_bag([Decision('one')], bags)
    with pytest.raises(DatasetError, match='did you mean two'):
        by_bag([Decision('twa')], bags)
    with pytest.raises(DatasetError, match='gr00t merge --decisions'):
        by_bag([Decision(3)], bags)
    with pytest.raises(DatasetError, match='two decisions overlap'):
        by_bag([Decision('two', 0.0, 2.0), Decision(str(bags[2]), 1.0, 3.0)], bags)
    found = by_bag([Decision('tuesday/one', delete=True), Decision('two')], bags)
    assert found.keys() == {bags[1], bags[2]}


@pytest.mark.parametrize('version', ['v2.1', 'v3.0'])
def test_a_dataset_becomes_what_was_decided(version, tmp_path):
    """Trimmed where no keyframe is, split, told and judged anew, one episode deleted."""
    source = made(tmp_path, (12, 9, 5), version)
    path, output = tmp_path / 'decisions.yaml', tmp_path / 'new'
    write_decisions(
        path,
        [
            Decision(0, end_s=at(3), delete=True),
            Decision(0, at(3), at(8), instruction='first half', success=True),
            Decision(0, at(8), instruction='second half', mark='look'),
            Decision(2, delete=True),
        ],
    )
    words = [str(source), '--output', str(output), '--version', version]
    assert gr00t('merge', [*words, '--decisions', str(path)]) == 0
    dataset = Dataset.open(output)
    assert rows(dataset) == [(0, [3, 4, 5, 6, 7]), (0, [8, 9, 10, 11]), (1, list(range(9)))]
    assert [episode.tasks for episode in dataset.episodes] == [
        ('first half',),
        ('second half',),
        ('task 1',),
    ]
    assert set(dataset.tasks.values()) == {'first half', 'second half', 'task 1'}
    texts = dataset.annotations(0, 'annotation.human.task_description', [0, 4])
    assert texts == ['first half'] * 2
    outcome = dataset.column('outcome').ravel()
    assert outcome.tolist() == [1] * 5 + [-1] * 13
    assert not dataset.column('intervention').any()
    assert gr00t('validate', [str(output)]) == 0
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith('.')) == []
    assert rows(Dataset.open(source))[2] == (2, [0, 1, 2, 3, 4])  # the source stays


def test_frames_are_copied_where_a_video_can_be_cut(tmp_path):
    """At a keyframe nothing is encoded again: pixels stay as they are, bit for bit."""
    source = made(tmp_path, (12,), gop=4)
    path, output = tmp_path / 'decisions.yaml', tmp_path / 'new'
    write_decisions(path, [Decision(0, end_s=at(4), delete=True)])
    merge.main([str(source), '--output', str(output), '--decisions', str(path)])
    before = Dataset.open(source).frames(0, 'video.front', range(4, 12))
    np.testing.assert_array_equal(Dataset.open(output).frames(0, 'video.front', range(8)), before)


def test_a_decision_that_cannot_be_obeyed_is_an_error(tmp_path):
    source = made(tmp_path, (4,))
    path = tmp_path / 'decisions.yaml'
    words = [str(source), '--output', str(tmp_path / 'new'), '--decisions', str(path)]
    write_decisions(path, [Decision(7, delete=True)])
    with pytest.raises(DatasetError, match='there is no such episode; the dataset has 0 to 0'):
        merge.main(words)
    write_decisions(path, [Decision(0, delete=True)])
    with pytest.raises(DatasetError, match='leave no row'):
        merge.main(words)
    write_decisions(path, [Decision('a_bag', delete=True)])
    with pytest.raises(DatasetError, match='a_bag'):
        merge.main(words)
    with pytest.raises(DatasetError, match='about one dataset'):
        merge.main([str(source), *words])
    assert not (tmp_path / 'new').exists()
