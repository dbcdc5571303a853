# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Mix datasets, of one embodiment or several; sample i of epoch e is the same in every run."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.reader import Dataset, Sample
from gr00t_core.dataset.statistics import merge_statistics
from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import DatasetError

SEED = 42  # upstream's
_SEED_BITS = 128


class Member:
    """One dataset of a mixture.

    Attributes:
        dataset: The dataset.
        tag: Embodiment tag; selects the transforms and the projector.
        configs: What a sample takes of it.
        weight: Share, relative to the others (times its length, where datasets are balanced).
        rows: (N,) how often each row is drawn, relative to the others; None: all alike.
    """

    def __init__(
        self,
        dataset: Dataset,
        tag: str,
        configs: Mapping[str, ModalityConfig],
        weight: float = 1.0,
        rows: NDArray[np.float64] | None = None,
    ) -> None:
        if not weight > 0:
            raise DatasetError(f'{dataset.path}: weight {weight}, expected more than 0')
        if not dataset.lengths.any():
            raise DatasetError(f'{dataset.path}: has no steps')
        self.dataset = dataset
        self.tag = tag
        self.configs = dict(configs)
        self.weight = weight
        self.rows = rows
        if rows is not None and not self.episode_sizes.any():
            raise DatasetError(f'{dataset.path}: no row is left to draw')

    def rows_of(self, episode: int) -> NDArray[np.float64] | None:
        """Return (L,) the weights of an episode's rows; None: all alike."""
        if self.rows is None:
            return None
        place = self.dataset.episodes[episode]
        return self.rows[place.start : place.start + place.length]

    @property
    def episode_sizes(self) -> NDArray[np.float64]:
        """Return (E,) how many rows each episode counts for."""
        lengths = np.array(self.dataset.lengths, np.float64)
        if self.rows is None:
            return lengths
        sizes = [self.rows[e.start : e.start + e.length].sum() for e in self.dataset.episodes]
        return np.where(lengths > 0, np.array(sizes, np.float64), 0.0)


class Mixture:
    """Draw steps from several datasets as upstream does.

    A dataset is drawn by its weight (times its length, if balanced), an episode uniformly (or by
    its length, if balanced), a step uniformly. In training the draw depends on (epoch, index,
    seed) only, else on the index only; so a run is resumed by going on with the next index.

    Args:
        members: The datasets; the weight of at least one must be 1.
        balance_datasets: Multiply weights by the datasets' lengths.
        balance_episodes: Draw episodes in proportion to their lengths.
        seed: Seed of the draws and of the order.
        train: False draws the same steps in every epoch and for every seed.
        start_steps: So many first steps of an episode are drawn `start_weight` times as often.
        start_weight: 1 draws steps uniformly, as upstream does.

    Raises:
        DatasetError: There are no members, none of weight 1, or the start's weight is not
            positive.
    """

    def __init__(
        self,
        members: Sequence[Member],
        balance_datasets: bool = True,
        balance_episodes: bool = True,
        seed: int = SEED,
        train: bool = True,
        start_steps: int = 0,
        start_weight: float = 1.0,
    ) -> None:
        if not start_weight > 0 or start_steps < 0:
            raise DatasetError(
                f'mixture: {start_steps} start steps of weight {start_weight}; expected 0 or more'
                ' of a weight above 0'
            )
        if not any(member.weight == 1.0 for member in members):
            raise DatasetError(
                "mixture: at least one dataset must have weight 1; its length sets the epoch's"
            )
        self.members = tuple(members)
        self.seed = seed
        self.train = train
        self._start_steps, self._start_weight = start_steps, start_weight
        sizes = [member.episode_sizes for member in members]
        lengths = np.array([size.sum() for size in sizes], np.float64)
        weights = np.array([member.weight for member in members], np.float64)
        weights = weights * lengths if balance_datasets else weights
        self.shares: NDArray[np.float64] = weights / weights.sum()
        primary = np.array([member.weight == 1.0 for member in members])
        self._length = int((lengths / self.shares)[primary].max())
        self._datasets = _cumulative(self.shares)
        self._episodes = [
            _cumulative(np.asarray(size if balance_episodes else size > 0, np.float64))
            for size in sizes
        ]

    def __len__(self) -> int:
        """Return the samples of an epoch: at least the length of each dataset of weight 1."""
        return self._length

    def place(self, epoch: int, index: int) -> tuple[int, int, int]:
        """Return (member, episode, step) of a sample; no earlier draw influences it."""
        generator = np.random.default_rng(
            draw_seed(epoch, index, self.seed) if self.train else index
        )
        member = _choose(generator, self._datasets)
        episode = _choose(generator, self._episodes[member])
        rows = self.members[member].rows_of(episode)
        if rows is not None:
            return member, episode, self._weighted_step(generator, rows)
        length = int(self.members[member].dataset.lengths[episode])
        return member, episode, self._step(generator, length)

    def _weighted_step(self, generator: np.random.Generator, rows: NDArray[np.float64]) -> int:
        weights = rows.copy()
        weights[: self._start_steps] *= self._start_weight
        return _choose(generator, _cumulative(weights))

    def _step(self, generator: np.random.Generator, length: int) -> int:
        start, weight = min(self._start_steps, length), self._start_weight
        if not start or weight == 1.0:
            return int(generator.integers(0, length))
        more = start * (weight - 1.0)
        place = generator.random() * (length + more)
        step = place / weight if place < start * weight else place - more
        return min(int(step), length - 1)  # rounding may reach the end

    def sample(self, epoch: int, index: int) -> tuple[str, Sample]:
        """Return the embodiment tag and content of a sample; see `Dataset.step`."""
        number, episode, step = self.place(epoch, index)
        member = self.members[number]
        return member.tag, member.dataset.step(episode, step, member.configs)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return an epoch's indices in the order of visits; resume by skipping those done."""
        return np.random.default_rng((self.seed, epoch)).permutation(self._length)

    def metadata(self, percentiles: str = 'weighted_average') -> dict[str, dict[str, Any]]:
        """Return tag → metadata entry, statistics merged over the tag's datasets by share.

        Args:
            percentiles: `weighted_average` or `min_max`; see `merge_statistics`.

        Raises:
            DatasetError: Datasets of one tag differ in cameras, groups or their treatment.
        """
        merged = {}
        for tag in dict.fromkeys(member.tag for member in self.members):
            own = [number for number, member in enumerate(self.members) if member.tag == tag]
            entries = [
                self.members[number].dataset.metadata(self.members[number].configs, tag)
                for number in own
            ]
            for number, entry in zip(own, entries):
                if json.dumps(entry['modalities'], sort_keys=True) != json.dumps(
                    entries[0]['modalities'], sort_keys=True
                ):
                    raise DatasetError(
                        f'{self.members[number].dataset.path}: its cameras or groups differ from'
                        f' those of {self.members[own[0]].dataset.path}; both are {tag}'
                    )
            merged[tag] = {
                **entries[0],
                'statistics': {
                    kind: {
                        group: merge_statistics(
                            [entry['statistics'][kind][group] for entry in entries],
                            [float(self.shares[number]) for number in own],
                            percentiles,
                        )
                        for group in entries[0]['statistics'][kind]
                    }
                    for kind in ('state', 'action')
                },
            }
        return merged


def draw_seed(epoch: int, index: int, seed: int) -> int:
    """Return upstream's seed: the low 128 bits of the SHA-256 of `(epoch, index, seed)`."""
    digest = sha256(repr((epoch, index, seed)).encode()).digest()
    return int.from_bytes(digest, 'big') & ((1 << _SEED_BITS) - 1)


def _cumulative(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    # As Generator.choice(p=…) does it, but once and not at every draw.
    cumulative = np.cumsum(weights / weights.sum())
    return np.asarray(cumulative / cumulative[-1], np.float64)


def _choose(generator: np.random.Generator, cumulative: NDArray[np.float64]) -> int:
    return int(np.searchsorted(cumulative, generator.random(), side='right'))
