# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Stretches to look at: each kind is found where it was put, and nowhere else."""

from fractions import Fraction
import shlex
from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.checks import conspicuous
from gr00t_core.dataset.checks.conspicuous import Conspicuous
from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.moment import Moment
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


def test_what_validate_finds_leads_to_its_place(tmp_path, capsys):
    """The command below a finding opens the page at the row that the finding names."""

    def change(values):
        idle(values)
        values[80, 2] += 2.0

    checked(tmp_path, change)
    found = [each for each in validate(tmp_path / 'set') if each.where == 'episode 1']
    assert {each.at for each in found} == {Moment(1, row / 30) for row in (30, 80, 81)}
    assert gr00t('validate', [str(tmp_path / 'set')]) == 0
    told = capsys.readouterr().out.splitlines()
    for each in found:
        row = int(each.what.split()[1].rstrip(':'))
        line = next(n for n, text in enumerate(told) if text.endswith(each.what))
        words = shlex.split(told[line + 1])
        assert words[:5] == ['gr00t', 'view', str(tmp_path / 'set'), '--episode', '1']
        assert round(float(words[6]) * 30) == row


def test_values_outside_their_limits_lead_to_the_furthest_one(tmp_path):
    def change(values):
        values[37, 3] = 9.0

    checked(tmp_path, change)
    told = {each.where: each.at for each in validate(tmp_path / 'set')}
    assert told['state.single_arm'] == told['action.single_arm'] == Moment(1, 37 / 30)


def test_an_arm_that_leaps_often_is_told_of_shortly():
    found = [Conspicuous(2, row, row + 1, 'leaps') for row in range(9)]
    found += [Conspicuous(3, 4, 5, 'leaps')]
    short = conspicuous.shortened(found)
    assert short[: conspicuous.MOST_SHOWN] == found[: conspicuous.MOST_SHOWN]
    assert short[-1] == found[-1]
    (more,) = short[conspicuous.MOST_SHOWN : -1]
    assert more.text == 'row 5: 4 more stretches to look at'


@given(st.integers(0, 10**4), st.integers(0, 10**6), st.sampled_from([10.0, 29.97, 30.0, 120.0]))
def test_a_moment_names_its_row_exactly(episode, row, fps):
    moment = Moment.of_row(episode, row, fps)
    said = parse_qs(moment.fragment)
    assert [int(said['episode'][0]), round(float(said['at'][0]) * fps)] == [episode, row]
    words = shlex.split(moment.command('a folder/set'))
    assert words[2] == 'a folder/set'
    assert words[-1] == said['at'][0]
    assert moment.address.endswith(f'/#{moment.fragment}')


def test_a_picture_that_stays_while_the_robot_moves_is_found(tmp_path):
    before, found = checked(tmp_path, frame=lambda row: row if row < 40 else 40)
    assert before == []
    (text,) = found
    assert text.startswith('rows 40 to 89: observation.images.')
    assert 'stays the same for 1.7 s while the robot moves' in text
