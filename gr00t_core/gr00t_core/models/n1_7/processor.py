# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compose N1.7's transforms of one embodiment: observation → model batch, model action → groups.

An observation is that of `gr00t_core.transforms.observation`, with T = as many frames and states
as the checkpoint's layout asks for. Relative groups are encoded and decoded against the last state
of the same observation, so the way back needs it.

Shapes: B batch · T steps of a modality · H steps of the layout's chunk · A padded width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gr00t_core.checkpoint.metadata import check_robot, embodiment_metadata, METADATA_FILE
from gr00t_core.errors import CheckpointError, RobotFileError
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.groups import Group
from gr00t_core.models.n1_7.images import ImageTransform
from gr00t_core.models.n1_7.processor_config import Layout, ProcessorConfig
from gr00t_core.models.n1_7.prompt import load_prompts, Prompts
from gr00t_core.robot.description import Robot
from gr00t_core.transforms import Training
from gr00t_core.transforms.checked import CheckedTransforms
from gr00t_core.transforms.concat import Batch, pad, split
from gr00t_core.transforms.observation import Observation
from gr00t_core.transforms.resize import Frame
from gr00t_core.transforms.state_action import drop, perturb

if TYPE_CHECKING:
    from gr00t_core.transforms.augment import Augmentation


@dataclass(frozen=True, eq=False)
class N17Transforms(CheckedTransforms):
    """The transforms of one embodiment.

    Attributes:
        layout: Cameras, groups and steps of the embodiment.
        images: How camera frames become patches.
        tokenizer: Puts the prompt around the instruction.
        state_width, action_width, model_horizon: Padded S and A, and H, of the model.
        training: What varies in training beside the crop; `state_dropout` is the checkpoint's.
        resolutions: Camera → (height, width) that a robot promises; a camera not in it may have
            any size.
        random_crop: Training crops at random instead of at the centre.
        augmentation: What else varies in pictures in training; one draw serves all of a sample.
        language_dropout: Probability, in training, of an empty instruction.
    """

    layout: Layout
    images: ImageTransform
    tokenizer: Prompts
    state_width: int
    action_width: int
    model_horizon: int
    training: Training
    resolutions: Mapping[str, tuple[int, int]]
    random_crop: bool = True
    augmentation: 'Augmentation | None' = None
    language_dropout: float = 0.0

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
            Training(state_dropout=processor.state_dropout),
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
        pictures: bool = True,
    ) -> Batch:
        """Turn an observation into a model batch.

        Args:
            observation: Batched or not.
            training: Vary crop and colours (alike for all frames of a sample), the instruction
                and the state, each sample for itself. Actions are then required.
            generator: Source of the variation; None for a fresh one.
            pictures: False leaves out `pixel_values` and `image_grid_thw`, where the features
                that they lead to are known; frames then only tell their size.

        Returns:
            Arrays, as `gr00t_core.models.n1_7.groot` describes them; `action` and `action_mask`
            float32 (B, model H, A) where the observation holds actions. B is 1 for an observation
            without batch axis.

        Raises:
            ObservationError: A key is missing or unexpected, or has a wrong shape or dtype.
        """
        samples = self.checked(observation, with_action=training)
        random = (generator or np.random.default_rng()) if training else None
        texts = list(samples[self.language])
        places: list[tuple[float, float] | None] = [None] * len(texts)
        seeds: list[int | None] = [None] * len(texts)
        if random is not None:
            for row in range(len(texts)):
                if self.random_crop:
                    places[row] = (random.random(), random.random())
                if self.augmentation is not None:
                    seeds[row] = int(random.integers(2**63))
                if self.language_dropout and random.random() < self.language_dropout:
                    texts[row] = ''
        steps = range(len(self.layout.video_steps))
        frames = [
            [samples[f'video.{name}'][row, step] for step in steps for name in self.cameras]
            for row in range(len(texts))
        ]
        grids = [[self.images.grid(*frame.shape[:2]) for frame in views] for views in frames]
        prompts = self.tokenizer.batch(texts, [self._tokens(of) for of in grids])
        batch: Batch = {
            'input_ids': prompts.input_ids,
            'attention_mask': prompts.attention_mask,
            'state': self._state(samples, random),
            'embodiment_id': np.full(len(texts), self.layout.slot, np.int64),
        }
        if pictures:
            batch['pixel_values'] = np.concatenate(
                [
                    self.images.patches(self._picture(frame, place, seed))
                    for views, place, seed in zip(frames, places, seeds)
                    for frame in views
                ]
            )
            batch['image_grid_thw'] = np.array([grid for of in grids for grid in of], np.int64)
        if f'action.{self.action[0].name}' in samples:
            batch['action'], batch['action_mask'] = self.normalized_action(samples, samples)
        return batch

    @property
    def image_tokens(self) -> list[int]:
        """Return the tokens of each image of a sample with frames of the promised resolutions."""
        grids = [self.images.grid(*self.resolutions[name]) for name in self.cameras]
        return self._tokens(grids) * len(self.layout.video_steps)

    def prompt_length(self, instruction: str) -> int:
        """Return T of a prompt with frames of the promised resolutions."""
        return len(self.tokenizer.encode(instruction, self.image_tokens))

    def apply_state(self, observation: Observation) -> Batch:
        """Turn the state of an observation into `state` (B, T, S) float32, and nothing else.

        Raises:
            ObservationError: A state key is missing, or has a wrong shape or dtype.
        """
        return {'state': self._state(self.checked_states(observation), None)}

    def unapply(
        self, action: NDArray[np.float32], observation: Observation
    ) -> dict[str, NDArray[np.float32]]:
        """Turn model actions (B, model H, A) into `action.<group>` (B, H, D) float32, data units.

        `observation` is the one that the actions answer: relative groups start at its state.
        """
        states = self.checked_states(observation)
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
        states = self.checked_states(observation)
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

    def resolution(self, camera: str) -> tuple[int, int] | None:
        """Return (height, width) that a robot promises of a camera; None for any."""
        return self.resolutions.get(camera)

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

    def _picture(self, frame: Frame, place: tuple[float, float] | None, seed: int | None) -> Frame:
        """Return the picture of a frame, varied by the draw of a seed."""
        picture = self.images.picture(frame, place)
        if self.augmentation is None or seed is None:
            return picture
        from gr00t_core.transforms.augment import varied  # with torch, which robots need not have

        return varied(picture, self.augmentation, seed)

    def _tokens(self, grids: Sequence[tuple[int, int, int]]) -> list[int]:
        return [rows * columns // self.images.merge**2 for _, rows, columns in grids]

    def _state(
        self, samples: Mapping[str, Any], random: np.random.Generator | None
    ) -> NDArray[np.float32]:
        parts = [group.apply(samples[f'state.{group.name}']) for group in self.state]
        noise, dropout = self.training.state_noise, self.training.state_dropout
        if random is not None and noise:
            parts = [np.stack([perturb(row, noise, random) for row in part]) for part in parts]
        state = pad(np.concatenate(parts, axis=-1), self.state_width, 'the state')[0]
        if random is not None and dropout:
            state = np.stack([drop(row, dropout, random) for row in state])
        return state


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
