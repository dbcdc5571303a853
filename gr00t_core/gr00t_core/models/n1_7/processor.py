# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compose N1.7's transforms of one embodiment: observation → model batch, model action → groups.

An observation is that of `gr00t_core.transforms.observation`, with T = as many frames and states
as the checkpoint's layout asks for. Relative groups are encoded and decoded against the last state
of the same observation, so the way back needs it.

Shapes: B batch · T steps of a modality · H steps of the layout's chunk · A padded width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.checkpoint.metadata import check_robot, embodiment_metadata, METADATA_FILE
from gr00t_core.errors import CheckpointError, ObservationError, RobotFileError
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.groups import Group
from gr00t_core.models.n1_7.images import ImageTransform
from gr00t_core.models.n1_7.processor_config import Layout, ProcessorConfig
from gr00t_core.models.n1_7.prompt import load_prompts, Prompts
from gr00t_core.robot.description import Robot
from gr00t_core.transforms import observation as checks
from gr00t_core.transforms.concat import Batch, pad, split
from gr00t_core.transforms.observation import Observation


@dataclass(frozen=True, eq=False)
class N17Transforms:
    """The transforms of one embodiment.

    Attributes:
        layout: Cameras, groups and steps of the embodiment.
        images: How camera frames become patches.
        tokenizer: Puts the prompt around the instruction.
        state_width, action_width, model_horizon: Padded S and A, and H, of the model.
        state_dropout: Probability, in training, that a sample's state is replaced by zeros.
        resolutions: Camera → (height, width) that a robot promises; a camera not in it may have
            any size.
    """

    layout: Layout
    images: ImageTransform
    tokenizer: Prompts
    state_width: int
    action_width: int
    model_horizon: int
    state_dropout: float
    resolutions: Mapping[str, tuple[int, int]]

    @classmethod
    def load(
        cls,
        checkpoint: str | Path,
        config: Gr00tN17Config,
        tag: str,
        *,
        robot: Robot | None = None,
        vocabulary: str | Path | None = None,
        processor: ProcessorConfig | None = None,
    ) -> 'N17Transforms':
        """Compose the transforms of a checkpoint's embodiment.

        Args:
            checkpoint: Checkpoint folder with the processor files.
            config: The checkpoint's configuration.
            tag: Embodiment tag.
            robot: Checked against the checkpoint; None where another client sends observations.
            vocabulary: Folder with the tokenizer's files, for checkpoints that hold none.
            processor: In place of the checkpoint's own processor files.

        Raises:
            CheckpointError: A file is missing or malformed, or does not know the tag.
            RobotFileError: The robot contradicts the checkpoint.
        """
        own = processor is None
        processor = processor or ProcessorConfig(checkpoint)
        layout, head, vision = processor.layout(tag), config.action_head, config.vision
        for what, found, limit in (
            ('slot', layout.slot, head.max_num_embodiments - 1),
            ('steps of the action', len(layout.action_steps), head.action_horizon),
            ('width of the state', sum(g.model_width for g in layout.state), head.state_dim),
            ('width of the action', sum(g.model_width for g in layout.action), head.action_dim),
        ):
            if not 0 <= found <= limit:
                raise CheckpointError(
                    f'{processor.folder}: embodiment {tag!r}: {what} is {found}, and the model of'
                    f' {Path(checkpoint) / "config.json"} takes at most {limit}'
                )
        if len(layout.state_steps) != head.state_history_length:
            raise CheckpointError(
                f'{processor.folder}: embodiment {tag!r} has {len(layout.state_steps)} state'
                f' steps, the model takes state_history_length {head.state_history_length}'
            )
        if robot is not None:
            _check_robot(robot, layout, checkpoint)
            if (
                own and (Path(checkpoint) / METADATA_FILE).is_file()
            ):  # of this suite: rate and resolutions
                check_robot(robot, embodiment_metadata(checkpoint, tag), checkpoint)
        return cls(
            layout,
            processor.images(vision.patch_size, vision.merge_size, vision.temporal_patch_size),
            load_prompts(
                checkpoint, config, bool(processor.settings['formalize_language']), vocabulary
            ),
            head.state_dim,
            head.action_dim,
            head.action_horizon,
            processor.state_dropout,
            {camera.name: (camera.height, camera.width) for camera in robot.cameras}
            if robot
            else {},
        )

    @property
    def slot(self) -> int:
        """Return the slot of the category-specific weights."""
        return self.layout.slot

    @property
    def cameras(self) -> tuple[str, ...]:
        """Return the names of the cameras, in the model's order."""
        return self.layout.cameras

    @property
    def state(self) -> tuple[Group, ...]:
        """Return the state groups, in the model's order."""
        return self.layout.state

    @property
    def action(self) -> tuple[Group, ...]:
        """Return the action groups, in the model's order."""
        return self.layout.action

    @property
    def language(self) -> str:
        """Return the annotation key of the instruction."""
        return self.layout.language[0]

    @property
    def horizon(self) -> int:
        """Return H, the steps of a chunk; the model has `model_horizon`."""
        return len(self.layout.action_steps)

    def apply(
        self,
        observation: Observation,
        training: bool = False,
        generator: np.random.Generator | None = None,
    ) -> Batch:
        """Turn an observation into a model batch.

        Args:
            observation: Batched or not.
            training: Crop at random (one window for all frames of a sample) and drop states.
                Actions are then required.
            generator: Source of the variation; None for a fresh one.

        Returns:
            Arrays, as `gr00t_core.models.n1_7.groot` describes them; `action` and `action_mask`
            float32 (B, model H, A) where the observation holds actions. B is 1 for an observation
            without batch axis.

        Raises:
            ObservationError: A key is missing or unexpected, or has a wrong shape or dtype.
        """
        samples = self._checked(observation, with_action=training)
        random = (generator or np.random.default_rng()) if training else None
        texts = samples[self.language]
        rows, grids, counts = [], [], []
        for index in range(len(texts)):
            place = None if random is None else tuple(random.random(2).tolist())
            tokens = []
            for step in range(len(self.layout.video_steps)):
                for name in self.cameras:
                    frame = samples[f'video.{name}'][index, step]
                    patches, grid = self.images.patches(self.images.picture(frame, place))
                    rows.append(patches)
                    grids.append(grid)
                    tokens.append(len(patches) // self.images.merge**2)
            counts.append(tokens)
        prompts = self.tokenizer.batch(texts, counts)
        state = self._state(samples)
        if random is not None and self.state_dropout:
            state[random.random(len(state)) < self.state_dropout] = 0
        batch: Batch = {
            'pixel_values': np.concatenate(rows),
            'image_grid_thw': np.array(grids, np.int64),
            'input_ids': prompts.input_ids,
            'attention_mask': prompts.attention_mask,
            'state': state,
            'embodiment_id': np.full(len(texts), self.layout.slot, np.int64),
        }
        if f'action.{self.action[0].name}' in samples:
            batch['action'], batch['action_mask'] = self.normalized_action(samples, samples)
        return batch

    def apply_state(self, observation: Observation) -> Batch:
        """Turn the state of an observation into `state` (B, T, S) float32, and nothing else.

        Raises:
            ObservationError: A state key is missing, or has a wrong shape or dtype.
        """
        return {'state': self._state(self._states(observation))}

    def unapply(
        self, action: NDArray[np.float32], observation: Observation
    ) -> dict[str, NDArray[np.float32]]:
        """Turn model actions (B, model H, A) into `action.<group>` (B, H, D) float32, data units.

        `observation` is the one that the actions answer: relative groups start at its state.
        """
        states = self._states(observation)
        widths = {group.name: group.model_width for group in self.action}
        parts = split(np.asarray(action, np.float32)[:, : self.horizon], widths)
        return {
            f'action.{group.name}': group.unapply(parts[group.name], _reference(group, states))
            for group in self.action
        }

    def normalized_action(
        self, action: Mapping[str, Any], observation: Observation
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Turn `action.<group>` (B, H, D) into padded model actions (B, model H, A) and mask."""
        states = self._states(observation)
        parts = [
            group.apply(np.asarray(action[f'action.{group.name}']), _reference(group, states))
            for group in self.action
        ]
        values, mask = pad(np.concatenate(parts, axis=-1), self.action_width, 'the action')
        later = ((0, 0), (0, self.model_horizon - self.horizon), (0, 0))
        return np.pad(values, later), np.pad(mask, later).astype(np.float32)

    def steps(self, modality: str) -> list[int]:
        """Return which steps of a modality are taken or given, relative to now."""
        of = {'video': 'video_steps', 'state': 'state_steps', 'action': 'action_steps'}
        return list(getattr(self.layout, of[modality])) if modality in of else [0]

    def modality_keys(self) -> dict[str, list[str]]:
        """Return upstream's four modalities and their keys."""
        return {
            'video': [f'video.{name}' for name in self.cameras],
            'state': [f'state.{group.name}' for group in self.state],
            'action': [f'action.{group.name}' for group in self.action],
            'language': [self.language],
        }

    def observation_example(self, instruction: str) -> dict[str, Any]:
        """Return an observation that fits: grey images, states in the middle of their range."""
        example: dict[str, Any] = {
            f'video.{name}': np.full(
                (len(self.layout.video_steps), *self.resolutions.get(name, (256, 256)), 3),
                128,
                np.uint8,
            )
            for name in self.cameras
        }
        for group in self.state:
            middle = group.low if group.treatment == 'mean_std' else (group.low + group.high) / 2
            example[f'state.{group.name}'] = np.tile(middle, (len(self.layout.state_steps), 1))
        return example | {self.language: [instruction]}

    def _states(self, observation: Observation) -> dict[str, Any]:
        """Return the state keys with a batch axis, checked."""
        keys = [f'state.{group.name}' for group in self.state]
        known = {key: value for key, value in observation.items() if key in keys}
        checks.check_keys(known, keys, ())
        batched, steps = checks.is_batched(known), len(self.layout.state_steps)
        return {
            key: checks.numbers(known, key, steps, group.width, batched=batched)
            for key, group in zip(keys, self.state, strict=True)
        }

    def _state(self, samples: Mapping[str, Any]) -> NDArray[np.float32]:
        parts = [group.apply(samples[f'state.{group.name}']) for group in self.state]
        return pad(np.concatenate(parts, axis=-1), self.state_width, 'the state')[0]

    def _checked(self, observation: Observation, *, with_action: bool) -> dict[str, Any]:
        """Return every expected key with a batch axis."""
        keys = self.modality_keys()
        actions = keys.pop('action')
        with_action = with_action or any(key in observation for key in actions)
        required = [key for group in keys.values() for key in group]
        checks.check_keys(observation, required + actions * with_action, actions)
        batched = checks.is_batched(observation)
        samples = self._states(observation)
        for name in self.cameras:
            samples[f'video.{name}'] = checks.frames(
                observation,
                f'video.{name}',
                self.resolutions.get(name),
                batched=batched,
                length=len(self.layout.video_steps),
            )
        for group in self.action if with_action else ():
            key = f'action.{group.name}'
            samples[key] = checks.numbers(
                observation, key, self.horizon, group.width, batched=batched
            )
        sizes = {key: len(value) for key, value in samples.items()}
        if len(set(sizes.values())) > 1:
            raise ObservationError(f'batch sizes differ: {sizes}')
        count = next(iter(sizes.values()))
        samples[self.language] = checks.instructions(observation, self.language, count)
        return samples


def _reference(group: Group, states: Mapping[str, Any]) -> NDArray[Any] | None:
    return None if group.reference is None else states[f'state.{group.reference}'][:, -1]


def _check_robot(robot: Robot, layout: Layout, checkpoint: str | Path) -> None:
    """Reject a robot whose cameras, groups or steps are not those that a checkpoint knows."""
    found = []
    known = (
        ('video', {c.name: None for c in robot.cameras}, dict.fromkeys(layout.cameras)),
        ('state', {g.name: g.width for g in robot.state}, {g.name: g.width for g in layout.state}),
        (
            'action',
            {g.name: g.width for g in robot.action},
            {g.name: g.width for g in layout.action},
        ),
    )
    for kind, ours, theirs in known:
        if ours != theirs:
            found.append(f'{kind} is {_told(ours)}, the checkpoint has {_told(theirs)}')
    if layout.video_steps != (0,) or layout.state_steps != (0,):
        found.append(
            f'the checkpoint expects frames at {list(layout.video_steps)} and states at'
            f' {list(layout.state_steps)}; a robot sends those of now, [0]'
        )
    if found:
        raise RobotFileError(
            f'{robot.source}: embodiment {layout.tag!r} of {checkpoint}: ' + '; '.join(found) + '.'
            ' Give the robot file that it was trained with (its robot.yaml)'
        )


def _told(groups: Mapping[str, int | None]) -> str:
    return ', '.join(name if n is None else f'{name} ({n})' for name, n in groups.items())
