# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A mixture draws rows by their weights: never those of weight 0, the others in proportion."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from gr00t_core.dataset.mixture import Member, Mixture
from gr00t_core.errors import DatasetError

DRAWS = 6000


class Rows:
    """What a mixture needs of a dataset: its episodes, one after the other."""

    def __init__(self, *lengths):
        self.path = 'rows'
        self.lengths = np.array(lengths)
        starts = np.cumsum([0, *lengths[:-1]])
        self.episodes = [
            SimpleNamespace(start=int(start), length=length)
            for start, length in zip(starts, lengths)
        ]

    def __len__(self):
        return int(self.lengths.sum())


def drawn(dataset, weights, **options):
    mixture = Mixture([Member(dataset, 'new_embodiment', {}, 1.0, weights)], **options)
    places = [mixture.place(0, index) for index in range(DRAWS)]
    assert places == [mixture.place(0, index) for index in range(DRAWS)]  # resumable
    return mixture, Counter((episode, step) for _, episode, step in places)


def test_rows_are_drawn_in_proportion_to_their_weights():
    dataset = Rows(4, 6, 3)
    weights = np.array([1, 0, 3, 1, 0, 0, 2, 2, 0, 0, 0, 0, 0], np.float64)
    mixture, counts = drawn(dataset, weights)
    assert len(mixture) == round(weights.sum())
    expected = {(0, 0): 1, (0, 2): 3, (0, 3): 1, (1, 2): 2, (1, 3): 2}
    assert counts.keys() == expected.keys()  # the third episode, and rows of weight 0: never
    for place, weight in expected.items():
        share = weight / weights.sum()
        tolerance = 5 * np.sqrt(share * (1 - share) / DRAWS)
        assert abs(counts[place] / DRAWS - share) < tolerance, place


def test_episodes_are_drawn_alike_where_that_is_asked_for():
    weights = np.array([1, 1, 1, 1, 5, 0, 0, 0, 0, 0], np.float64)
    _, counts = drawn(Rows(4, 6), weights, balance_episodes=False)
    first = sum(count for (episode, _), count in counts.items() if episode == 0)
    assert abs(first / DRAWS - 0.5) < 0.04


def test_equal_weights_draw_every_row_and_none_left_is_an_error():
    dataset = Rows(3, 2)
    _, counts = drawn(dataset, np.ones(5))
    assert counts.keys() == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)}
    with pytest.raises(DatasetError, match='no row is left'):
        Member(dataset, 'new_embodiment', {}, 1.0, np.zeros(5))


def test_the_start_of_an_episode_may_count_more_besides():
    weights = np.array([0, 1, 1, 1], np.float64)
    _, counts = drawn(Rows(4), weights, start_steps=2, start_weight=8.0)
    assert counts[0, 0] == 0
    assert counts[0, 1] > 5 * counts[0, 2]
