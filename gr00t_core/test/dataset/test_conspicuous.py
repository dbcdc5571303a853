# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stretches to look at: each kind is found where it was put, and nowhere else."""

from fractions import Fraction

import numpy as np
import pytest

from gr00t_core.dataset.checks import conspicuous
from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.piece import load_shard
from gr00t_core.dataset.write.shard import EpisodeWriter, robot_features
from gr00t_core.robot.file import load_robot

SO101 = load_robot('so101')
CAMERA = SO101.cameras[0].name
LOWER = SO101.action[0].limits.lower
ROWS = 90


def movement(seed=0):
    """Return (ROWS, 6) joints that wave."""
    return 0.4 * np.sin(np.arange(ROWS)[:, None] / 12 + np.arange(6) + seed)


def picture(row):
    """Return a scene in which something goes from left to right."""
    image = np.full((64, 96, 3), 90, np.uint8)
    image[20:40, row % 80 : row % 80 + 14] = 220
    return image


def checked(folder, change=lambda values: None, frame=lambda row: row):
    """Make two episodes, the second one changed; return the texts about each of them."""
    pieces = []
    keys = [f'observation.images.{camera.name}' for camera in SO101.cameras]
    for episode in range(2):
        values = movement(episode)
        if episode:
            change(values)
        writer = EpisodeWriter(
            folder / f'shard{episode}', Fraction(30), robot_features(SO101), keys
        )
        for row, joints in enumerate(values):
            numbers = {'observation.state': joints, 'action': joints}
            writer.add_row(numbers | {'observation.stamp_ns': row}, 'go')
            for key in keys:
                seen = frame(row) if episode and key.endswith(CAMERA) else row
                writer.add_frame(key, picture(seen))
        pieces.append(load_shard(writer.finish()))
    assemble(pieces, folder / 'set', 'v2.1', Header.of_robot(SO101))
    findings = validate(folder / 'set')
    assert not [each for each in findings if each.level == 'error']
    return [[each.what for each in findings if each.where == f'episode {n}'] for n in range(2)]


def test_nothing_is_said_of_what_moves_as_it_should(tmp_path):
    assert checked(tmp_path) == [[], []]


def idle(values):
    values[70:] = values[30:50]
    values[30:70] = values[30]


def leap(values):
    values[50, 2] += 2.0


def clip(values):
    values[20:50, 1] = LOWER[1]


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (idle, ['rows 30 to 70: nothing moves for 1.4 s']),
        (
            leap,
            ['row 50: state.single_arm element 2 leaps by', 'row 51: state.single_arm element'],
        ),
        (clip, ['rows 20 to 49: action.single_arm/shoulder_lift lies at its limit']),
    ],
)
def test_each_kind_is_found_where_it_is(change, said, tmp_path):
    before, found = checked(tmp_path, change)
    assert before == []
    assert all(any(text.startswith(words) for text in found) for words in said), found
    if change is not clip:  # who goes to the limit at once leaps there, too
        assert len(found) == len(said), found
    dataset = Dataset.open(tmp_path / 'set')
    listed = [each.text for each in conspicuous.find(dataset, SO101)]
    assert listed == found


def test_a_picture_that_stays_while_the_robot_moves_is_found(tmp_path):
    before, found = checked(tmp_path, frame=lambda row: row if row < 40 else 40)
    assert before == []
    (text,) = found
    assert text.startswith('rows 40 to 89: observation.images.')
    assert 'stays the same for 1.7 s while the robot moves' in text
