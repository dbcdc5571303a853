# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t convert --decisions`: what a person decided about bags, which stay as they are."""

import hashlib

from converted import convert, read
import numpy as np
import pytest
from truth_bag import Fault, TruthBag

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.decisions import Decision, write_decisions

SMALL = {'size': (160, 120), 'camera_hz': 30.0}


def episodes(truth):
    """Return per episode instruction and the stamps of its first and last row (s)."""
    found = []
    for place in truth.dataset.episodes:
        stamps = truth.stamp_s[place.start : place.start + place.length]
        found.append((place.tasks[0], stamps[0], stamps[-1]))
    return found


def content(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def decide(folder, *decisions):
    path = folder / 'decisions.yaml'
    write_decisions(path, decisions)
    return ['--decisions', str(path)]


def test_bags_are_trimmed_split_told_judged_and_deleted(tmp_path):
    bags = [
        TruthBag(seconds=seconds, seed=seed, custom={'gr00t.success': 'true'}, **SMALL).write(
            tmp_path / 'bags' / f'bag{seed}'
        )
        for seed, seconds in enumerate((3.0, 1.0, 1.0))
    ]
    before = content(tmp_path / 'bags')
    plain = convert(tmp_path, bags)
    start_s = plain.stamp_s[0]
    options = decide(
        tmp_path,
        Decision('bag0', end_s=0.5, delete=True),
        Decision('bag0', 0.5, 1.5, instruction='first half'),
        Decision('bag0', 2.5, instruction='the rest', success=False, mark='look here'),
        Decision('bags/bag1', delete=True),
    )
    truth = convert(tmp_path, bags, *options)
    told = plain.dataset.episodes[0].tasks[0]
    found = episodes(truth)
    assert [text for text, _, _ in found] == ['first half', told, 'the rest', told]
    np.testing.assert_allclose(
        [[first - start_s, last - start_s] for _, first, last in found[:3]],
        [[0.5, 1.5 - 1 / 30], [1.5, 2.5 - 1 / 30], [2.5, 3.0 - 1 / 30]],
        atol=0.5 / 30,
    )
    # Pictures and states are those of the rows that stayed.
    np.testing.assert_allclose(truth.image_s['front'], truth.stamp_s, atol=2e-3)
    first, second, _ = truth.report['bags']
    assert [episode['success'] for episode in first['episodes']] == [True, True, False]
    assert first['episodes'][2]['mark'] == 'look here'
    assert first['rows']['dropped'] == {'left out by a decision': 15}
    assert (first['pieces'], first['rows']['lost']) == (1, 0)
    assert second['rejected_episodes'] == {'left out by a decision': 1}
    assert second['warnings'] == []
    # Only what was decided anew is converted anew, and the bags are as they were.
    again = convert(tmp_path, bags, *options)
    assert again.rows == truth.rows
    assert content(tmp_path / 'bags') == before
    only = convert(tmp_path, bags, *options, '--only-success')
    assert [text for text, _, _ in episodes(only)] == ['first half', told, told]


def test_a_fault_in_what_is_left_out_is_no_fault(tmp_path):
    """A person who cuts a gap away does not need --max-dropped as well."""
    faults = {'joint_states': Fault(silent=(0.6, 1.4))}
    bag = TruthBag(seconds=2.0, faults=faults, **SMALL).write(tmp_path / 'bag')
    convert(tmp_path, bag, status=1)
    truth = convert(tmp_path, bag, *decide(tmp_path, Decision('bag', 0.4, 1.6, delete=True)))
    assert len(truth.dataset.episodes) == 2
    assert truth.report['bags'][0]['rows']['lost'] == 0


def test_decisions_that_mean_nothing_are_told(tmp_path, capsys):
    bag = TruthBag(seconds=1.0, **SMALL).write(tmp_path / 'bag')
    words = [str(bag), '--robot', 'so101', '--output', str(tmp_path / 'dataset')]
    assert gr00t('convert', [*words, *decide(tmp_path, Decision('bog', delete=True))]) == 1
    assert "bag 'bog': names none of the bags given; did you mean bag?" in capsys.readouterr().err
    late = Decision('bag', 50.0, 60.0, delete=True)
    truth = convert(tmp_path, bag, *decide(tmp_path, late))
    assert truth.rows == 30
    (warning,) = truth.report['bags'][0]['warnings']
    assert warning == 'a decision about bag from 50 s to 60 s meets no row of the bag'


def test_all_deleted_is_no_dataset(tmp_path, capsys):
    bag = TruthBag(seconds=1.0, **SMALL).write(tmp_path / 'bag')
    convert(tmp_path, bag)
    words = [str(bag), '--robot', 'so101', '--output', str(tmp_path / 'dataset')]
    assert gr00t('convert', [*words, *decide(tmp_path, Decision('bag', delete=True))]) == 1
    assert 'no episodes' in capsys.readouterr().err
    assert read(tmp_path / 'dataset').rows == 30  # the dataset that was there stays


@pytest.mark.parametrize('split', ['bag', 'gap:0.3'])
def test_decisions_hold_however_a_bag_is_split(split, tmp_path):
    robot = TruthBag().robot
    faults = {camera.stream.topic: Fault(silent=(0.9, 1.5)) for camera in robot.cameras}
    bag = TruthBag(seconds=2.5, faults=faults, **SMALL).write(tmp_path / 'bag')
    options = decide(tmp_path, Decision('bag', 1.2, instruction='the second'))
    truth = convert(tmp_path, bag, '--split', split, *options, '--max-dropped', '0.5')
    assert [text for text, _, _ in episodes(truth)][-1] == 'the second'
    assert len(truth.dataset.episodes) == 2
