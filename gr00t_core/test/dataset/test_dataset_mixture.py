# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mixtures: upstream's draws, shares and length; deterministic, resumed exactly, one per tag."""

from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.dataset.mixture import draw_seed, Member, Mixture
from gr00t_core.errors import DatasetError


class FakeDataset:
    """The surface that a mixture uses, without files."""

    def __init__(self, lengths, name='fake', mean=0.0, shape=1):
        self.lengths = np.array(lengths, np.int64)
        self.path = name
        self._mean = mean
        self._shape = shape

    def __len__(self):
        return int(self.lengths.sum())

    def step(self, episode, step, configs):
        return {'place': (self.path, episode, step)}

    def metadata(self, configs, tag):
        stats = {'mean': [self._mean], 'std': [1.0], 'min': [0.0], 'max': [1.0]}
        stats |= {'q01': [self._mean], 'q99': [self._mean + 1]}
        return {
            'statistics': {'state': {'arm': stats}, 'action': {}},
            'modalities': {'video': {}, 'state': {'arm': {'shape': [self._shape]}}, 'action': {}},
            'embodiment_tag': tag,
        }


def mixture(*parts, **options) -> Mixture:
    members = [Member(FakeDataset(lengths), 'gr1', {}, weight) for lengths, weight in parts]
    return Mixture(members, **options)


episodes = st.lists(st.integers(1, 50), min_size=1, max_size=6)


@settings(deadline=None)
@given(
    parts=st.lists(st.tuples(episodes, st.floats(0.1, 5)), min_size=1, max_size=4),
    balanced=st.booleans(),
    by_length=st.booleans(),
    epoch=st.integers(0, 3),
    index=st.integers(0, 10_000),
    seed=st.integers(0, 100),
)
def test_draws_are_upstreams(parts, balanced, by_length, epoch, index, seed):
    """The rule of `facts/groot_n15.md` section 3.4, written out with Generator.choice."""
    parts = [(parts[0][0], 1.0), *parts[1:]]
    mixed = mixture(*parts, balance_datasets=balanced, balance_episodes=by_length, seed=seed)
    weights = np.array([w * (sum(n) if balanced else 1) for n, w in parts])
    weights = weights / weights.sum()
    np.testing.assert_allclose(mixed.shares, weights)
    digest = int(sha256(repr((epoch, index, seed)).encode()).hexdigest(), 16)
    generator = np.random.default_rng(digest & ((1 << 128) - 1))
    member = generator.choice(len(parts), p=weights)
    lengths = np.array(parts[member][0])
    chances = lengths / lengths.sum() if by_length else np.full(len(lengths), 1 / len(lengths))
    episode = generator.choice(len(lengths), p=chances)
    step = generator.choice(lengths[episode])
    assert mixed.place(epoch, index) == (member, episode, step)
    full = [sum(n) / share for (n, w), share in zip(parts, mixed.shares) if w == 1.0]
    assert len(mixed) == int(max(full))


def test_evaluation_draws_depend_on_the_index_only():
    one = mixture(([9, 4], 1.0), train=False, seed=1)
    two = mixture(([9, 4], 1.0), train=False, seed=2)
    assert [one.place(0, i) for i in range(20)] == [two.place(7, i) for i in range(20)]
    generator = np.random.default_rng(5)
    assert one.place(0, 5)[0] == generator.choice(1, p=[1.0])


def test_seeds_fit_128_bits_and_differ():
    seeds = {draw_seed(epoch, index, 42) for epoch in range(3) for index in range(200)}
    assert len(seeds) == 600
    assert all(0 <= seed < 1 << 128 for seed in seeds)


def test_a_run_resumes_where_it_stopped():
    def run(start: int) -> list[tuple[str, object]]:
        mixed = mixture(([9, 4, 30], 1.0), ([17], 0.5))  # a new process
        order = mixed.order(2)
        return [mixed.sample(2, int(index)) for index in order[start:]]

    whole = run(0)
    assert run(23) == whole[23:]
    mixed = mixture(([9, 4, 30], 1.0), ([17], 0.5))
    assert sorted(mixed.order(0).tolist()) == list(range(len(mixed)))
    assert mixed.order(0).tolist() != mixed.order(1).tolist()


def test_shares_are_kept():
    mixed = mixture(([100], 1.0), ([300], 1.0))
    members = [mixed.place(0, index)[0] for index in range(4000)]
    assert abs(np.mean(members) - 0.75) < 0.03
    steps = [mixed.place(0, index)[2] for index in range(2000)]
    assert max(steps) > 290
    assert min(steps) < 10


@pytest.mark.parametrize('weight', [0.25, 3.0])
def test_the_start_of_an_episode_is_drawn_as_often_as_it_weighs(weight):
    mixed = mixture(([20, 4], 1.0), start_steps=5, start_weight=weight)
    places = [mixed.place(0, index)[1:] for index in range(30_000)]
    counts = np.bincount([step for episode, step in places if episode == 0], minlength=20)
    assert len(counts) == 20
    np.testing.assert_allclose(counts[:5] / counts[5:].mean(), weight, rtol=0.2)
    np.testing.assert_allclose(counts[5:] / counts[5:].mean(), 1.0, rtol=0.2)
    short = np.bincount([step for episode, step in places if episode == 1], minlength=4)
    np.testing.assert_allclose(short / short.mean(), 1.0, rtol=0.1)


def test_statistics_merge_within_a_tag_by_the_shares_of_its_datasets():
    members = [
        Member(FakeDataset([100], 'a', mean=0.0), 'gr1', {}),
        Member(FakeDataset([300], 'b', mean=4.0), 'gr1', {}),
        Member(FakeDataset([400], 'c', mean=100.0), 'oxe_droid', {}),
    ]
    merged = Mixture(members).metadata()
    assert set(merged) == {'gr1', 'oxe_droid'}
    arm = merged['gr1']['statistics']['state']['arm']
    assert arm['mean'] == [3.0]  # not touched by the other tag's weight
    np.testing.assert_allclose(arm['std'], [np.sqrt(1 + 0.25 * 0.75 * 16)])
    assert arm['q99'] == [4.0]
    assert Mixture(members).metadata('min_max')['gr1']['statistics']['state']['arm']['q99'] == [5]
    members[1] = Member(FakeDataset([300], 'b', shape=2), 'gr1', {})
    with pytest.raises(DatasetError, match='b: its cameras or groups differ from those of a'):
        Mixture(members).metadata()


def test_wrong_mixtures_are_refused():
    with pytest.raises(DatasetError, match='weight 1'):
        mixture(([3], 0.5))
    with pytest.raises(DatasetError, match='weight 0'):
        mixture(([3], 0.0))
    with pytest.raises(DatasetError, match='3 start steps of weight 0'):
        mixture(([3], 1.0), start_steps=3, start_weight=0)
    with pytest.raises(DatasetError, match='no steps'):
        Member(FakeDataset([]), 'gr1', {})
