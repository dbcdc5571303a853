# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a run asks of its model family: the functions of `gr00t_training.<family>`."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TYPE_CHECKING

from gr00t_core.models import family_of

if TYPE_CHECKING:
    from gr00t_core.dataset.mixture import Mixture
    from gr00t_core.models.network import PolicyNetwork
    from gr00t_training.config import FinetuneConfig
    from gr00t_training.data import TrainingData
    from gr00t_training.experiment import Progress, Subject


class Family(Protocol):
    """How one model family is trained; `model` and `config` below are those of the run."""

    def defaults(self, config: 'FinetuneConfig') -> dict[str, float]:
        """Return the options that stand where nothing is told: how upstream trains this family.

        Raises PreflightError for an option that this family does not have.
        """

    def check_options(self, config: 'FinetuneConfig', subjects: 'Sequence[Subject]') -> None:
        """Raise PreflightError for an option that this family does not have."""

    def open_model(self, config: 'FinetuneConfig') -> 'tuple[PolicyNetwork, list[str]]':
        """Load the checkpoint; also return one line for everything that is new in it."""

    def chunk_steps(
        self, config: 'FinetuneConfig', subjects: 'Sequence[Subject]', model: Any
    ) -> int:
        """Return the steps of the robots' chunks; `model` is the model's configuration."""

    def companion_files(
        self,
        subjects: 'Sequence[Subject]',
        mixture: 'Mixture',
        metadata: Mapping[str, Any],
        config: 'FinetuneConfig',
        model: Any,
        horizon: int,
    ) -> dict[str, Any]:
        """Return the JSON files of a checkpoint that only this family has, name → content."""

    def make_transforms(
        self,
        subjects: 'Sequence[Subject]',
        metadata: Mapping[str, Any],
        config: 'FinetuneConfig',
        model: Any,
        files: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Build one transform set per embodiment tag; `files` are from `companion_files`."""

    def training_data(
        self,
        subjects: 'Sequence[Subject]',
        mixture: 'Mixture',
        transforms: Mapping[str, Any],
        config: 'FinetuneConfig',
        positions: Mapping[int, int],
        model: 'PolicyNetwork | None' = None,
        progress: 'Progress' = ...,
    ) -> 'TrainingData':
        """Put the batches together.

        Args:
            subjects: From `experiment.open_subjects`.
            mixture: From `experiment.make_mixture`.
            transforms: From `make_transforms`.
            config: What the run is told.
            positions: Embodiment slot → what the model is given for it.
            model: Computes missing features, with a feature cache.
            progress: Called while caches are made.
        """


def training_of(checkpoint: str | Path) -> Family:
    """Return how a checkpoint's family is trained; raises CheckpointError."""
    module: Any = import_module(f'gr00t_training.{family_of(checkpoint).name}')
    family: Family = module
    return family
