# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check observations of one embodiment: the part of its transforms that all families share."""

from collections.abc import Iterable
from typing import Any

from gr00t_core.errors import ObservationError
from gr00t_core.transforms import observation as checks
from gr00t_core.transforms.observation import Observation


class CheckedTransforms:
    """Keys and checks of an embodiment; a family's transforms say the attributes.

    Attributes:
        cameras: Names, in the model's order.
        state, action: Groups with `name` and `width`, in the model's order.
        language: Annotation key of the instruction.
    """

    cameras: Any
    state: Any
    action: Any
    language: Any

    def steps(self, modality: str) -> list[int]:
        """Return which steps of a modality are taken or given, relative to now."""
        raise NotImplementedError

    def resolution(self, camera: str) -> tuple[int, int] | None:
        """Return (height, width) that a camera's frames must have; None for any."""
        raise NotImplementedError

    def modality_keys(self) -> dict[str, list[str]]:
        """Return upstream's four modalities and their keys."""
        return {
            'video': [f'video.{name}' for name in self.cameras],
            'state': [f'state.{group.name}' for group in self.state],
            'action': [f'action.{group.name}' for group in self.action],
            'language': [self.language],
        }

    def checked_states(self, observation: Observation) -> dict[str, Any]:
        """Return the state keys with a batch axis; raises ObservationError."""
        keys = [f'state.{group.name}' for group in self.state]
        known = {key: value for key, value in observation.items() if key in keys}
        checks.check_keys(known, keys, ())
        return self._numbers('state', self.state, known, checks.is_batched(known))

    def checked(self, observation: Observation, *, with_action: bool) -> dict[str, Any]:
        """Return every expected key with a batch axis; raises ObservationError.

        Actions must be there `with_action`, else they may.
        """
        keys = self.modality_keys()
        actions = keys.pop('action')
        with_action = with_action or any(key in observation for key in actions)
        required = [key for group in keys.values() for key in group]
        checks.check_keys(observation, required + actions * with_action, actions)
        batched = checks.is_batched(observation)
        samples = self._numbers('state', self.state, observation, batched)
        for name in self.cameras:
            samples[f'video.{name}'] = checks.frames(
                observation,
                f'video.{name}',
                self.resolution(name),
                batched=batched,
                length=len(self.steps('video')),
            )
        if with_action:
            samples |= self._numbers('action', self.action, observation, batched)
        sizes = {key: len(value) for key, value in samples.items()}
        if len(set(sizes.values())) > 1:
            raise ObservationError(f'batch sizes differ: {sizes}')
        count = next(iter(sizes.values()))
        samples[self.language] = checks.instructions(observation, self.language, count)
        return samples

    def _numbers(
        self, kind: str, groups: Iterable[Any], observation: Observation, batched: bool
    ) -> dict[str, Any]:
        return {
            f'{kind}.{group.name}': checks.numbers(
                observation,
                f'{kind}.{group.name}',
                len(self.steps(kind)),
                group.width,
                batched=batched,
            )
            for group in groups
        }
