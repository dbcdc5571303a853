# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compose the transforms of one embodiment: observation → model batch, model action → groups.

One object per embodiment, frozen: nothing is remembered between calls and nothing is shared
between embodiments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.checkpoint.metadata import check_entry, check_robot
from gr00t_core.embodiments import DataConfig
from gr00t_core.errors import CheckpointError, RobotFileError
from gr00t_core.robot.description import Robot
from gr00t_core.transforms.checked import CheckedTransforms
from gr00t_core.transforms.concat import Batch, collate, pad, split
from gr00t_core.transforms.observation import Observation
from gr00t_core.transforms.prompt import PromptTransform, Tokenizer
from gr00t_core.transforms.rotation import from_matrix
from gr00t_core.transforms.state_action import drop, group_transform, GroupTransform, perturb
from gr00t_core.transforms.video import VideoTransform


@dataclass(frozen=True)
class Training:
    """What else varies in training, beyond the images; GR00T N1.5's recipe uses none of it.

    Attributes:
        state_noise: Standard deviation of the noise on each normalised state group.
        state_dropout: Probability that a sample's state is replaced by zeros.
    """

    state_noise: float = 0.0
    state_dropout: float = 0.0


@dataclass(frozen=True, eq=False)
class EmbodimentTransforms(CheckedTransforms):
    """The transforms of one embodiment.

    Attributes:
        embodiment: Embodiment tag.
        slot: Its slot of the category-specific weights.
        cameras: Camera name → (height, width), in the model's order.
        state, action: Groups in the model's order.
        language: Annotation key of the instruction.
        tokenizer: Puts the prompt around the instruction.
        video, prompt: How images and instruction are prepared.
        state_width, action_width, horizon: Padded S and A, and H, of the model.
        training: What else varies in training.
    """

    embodiment: str
    slot: int
    cameras: Mapping[str, tuple[int, int]]
    state: tuple[GroupTransform, ...]
    action: tuple[GroupTransform, ...]
    language: str
    tokenizer: Tokenizer
    video: VideoTransform
    prompt: PromptTransform
    state_width: int
    action_width: int
    horizon: int
    training: Training = field(default_factory=Training)

    @classmethod
    def for_robot(
        cls,
        robot: Robot,
        metadata: Mapping[str, Any],
        model_config: Any,
        tokenizer: Tokenizer,
        **options: Any,
    ) -> 'EmbodimentTransforms':
        """Compose the transforms of a robot, after checking it against the metadata.

        Args:
            robot: The robot description.
            metadata: Metadata entry of the robot's embodiment tag.
            model_config: The checkpoint's configuration.
            tokenizer: The checkpoint's tokenizer.
            options: As for `for_config`.

        Raises:
            RobotFileError: The robot contradicts the metadata or the model.
            CheckpointError: The metadata entry is incomplete.
        """
        check_entry(metadata, robot.embodiment)
        check_robot(robot, metadata, 'metadata')
        return cls.for_config(
            robot.data_config, robot.embodiment, metadata, model_config, tokenizer, **options
        )

    @classmethod
    def for_config(
        cls,
        config: DataConfig,
        embodiment: str,
        metadata: Mapping[str, Any],
        model_config: Any,
        tokenizer: Tokenizer,
        *,
        video: VideoTransform | None = None,
        prompt: PromptTransform | None = None,
        training: Training | None = None,
    ) -> 'EmbodimentTransforms':
        """Compose the transforms of a data config.

        Args:
            config: Cameras, groups and their treatment.
            embodiment: Embodiment tag; selects the projector slot.
            metadata: Metadata entry of the tag: resolutions, widths, rotation types, statistics.
            model_config: The checkpoint's configuration.
            tokenizer: The checkpoint's tokenizer.
            video: None for crop, resize to the model's image size and GR00T N1.5's jitter.
            prompt: None for the plain prompt.
            training: None for GR00T N1.5's recipe.

        Raises:
            RobotFileError: An unknown group or camera, a treatment that breaks a rule, or vectors
                wider than the model's; the message names the group.
            CheckpointError: Unknown tag, no slot for it in the model, or the metadata entry is
                incomplete.
        """
        check_entry(metadata, embodiment)
        slots = model_config.action_head.max_num_embodiments
        slot = model_config.numbers.slots.get(embodiment, slots)
        if slot >= slots:
            known = [tag for tag, each in model_config.numbers.slots.items() if each < slots]
            raise CheckpointError(
                f'embodiment {embodiment!r} has no projector slot in this model of {slots} slots;'
                f' available: {", ".join(known) or "none"}'
            )
        cameras = metadata['modalities']['video']
        for name in config.video:
            if name not in cameras:
                raise RobotFileError(
                    f'video.{name}: not in the metadata, which has: {", ".join(cameras)}'
                )
        if video is None:
            video = VideoTransform(model_config.vision.image_size, model_config.numbers.crop)
        transforms = cls(
            embodiment=embodiment,
            slot=slot,
            cameras={name: _height_width(cameras[name]) for name in config.video},
            state=tuple(group_transform('state', t, metadata) for t in config.state),
            action=tuple(group_transform('action', t, metadata) for t in config.action),
            language=config.language,
            tokenizer=tokenizer,
            video=video
            or VideoTransform(model_config.vision.image_size, model_config.numbers.crop),
            prompt=prompt or PromptTransform(),
            state_width=model_config.action_head.state_dim,
            action_width=model_config.action_head.action_dim,
            horizon=model_config.action_head.action_horizon,
            training=training or Training(),
        )
        transforms._check_widths()
        return transforms

    def apply(
        self,
        observation: Observation,
        training: bool = False,
        generator: np.random.Generator | None = None,
    ) -> Batch:
        """Turn an observation into a model batch.

        Args:
            observation: See `gr00t_core.transforms.observation`; batched or not.
            training: Vary images, prompt and state at random, each sample for itself. Actions are
                then required.
            generator: Source of the variation; None for a fresh one.

        Returns:
            Arrays: `pixel_values` (B·V, 3, h, w) float32, `input_ids`, `attention_mask` (B, T)
            int64, `state` (B, 1, S) float32, `embodiment_id` (B,) int64, and where the observation
            holds actions `action` (B, H, A) float32, `action_mask` (B, H, A) bool. B is 1 for an
            observation without batch axis.

        Raises:
            ObservationError: A key is missing or unexpected, or has a wrong shape or dtype.
        """
        samples = self.checked(observation, with_action=training)
        if not training:
            return self._prepared(samples, None)
        generator = generator or np.random.default_rng()
        batches = [
            self._prepared(
                {key: value[row : row + 1] for key, value in samples.items()}, generator
            )
            for row in range(len(samples[self.language]))
        ]
        return collate(batches, self.tokenizer.pad_id)

    def apply_state(self, observation: Observation) -> Batch:
        """Turn the state of an observation into `state` (B, 1, S) float32, and nothing else.

        Raises:
            ObservationError: A state key is missing, or has a wrong shape or dtype.
        """
        samples = self.checked_states(observation)
        return {'state': pad(self._state(samples, None), self.state_width, 'the state')[0]}

    @property
    def image_tokens(self) -> list[int]:
        """Return the tokens of each image of a sample."""
        return [self.tokenizer.tokens_per_view] * len(self.cameras)

    @property
    def model_horizon(self) -> int:
        """Return the steps of the model's chunk, which are those of an answer."""
        return self.horizon

    def steps(self, modality: str) -> list[int]:
        """Return which steps of a modality are taken or given, relative to now."""
        return list(range(self.horizon)) if modality == 'action' else [0]

    def observation_example(self, instruction: str) -> dict[str, Any]:
        """Return an observation that fits: grey images and the mean state."""
        example: dict[str, Any] = {
            f'video.{name}': np.full((1, *resolution, 3), 128, np.uint8)
            for name, resolution in self.cameras.items()
        }
        for group in self.state:
            if group.source is None:
                values = group.statistics['mean'].astype(np.float64)
            else:
                values = from_matrix(np.eye(3), group.source)
            example[f'state.{group.name}'] = values[None]
        return example | {self.language: [instruction]}

    def unapply(
        self, action: NDArray[np.float32], observation: Observation | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Turn model actions (B, H, A) into `action.<group>` (B, H, D) float32, data units.

        `observation`, the one they answer, is for families with relative actions; unused here.
        """
        widths = {group.name: group.model_width for group in self.action}
        parts = split(np.asarray(action, np.float32), widths)
        return {f'action.{group.name}': group.unapply(parts[group.name]) for group in self.action}

    def normalized_action(
        self, action: Mapping[str, NDArray[Any]], observation: Observation | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Turn `action.<group>` (B, H, D) into padded model actions (B, H, A) and their mask."""
        parts = [group.apply(np.asarray(action[f'action.{group.name}'])) for group in self.action]
        return pad(np.concatenate(parts, axis=-1), self.action_width, 'the action')

    def resolution(self, camera: str) -> tuple[int, int]:
        """Return (height, width) that a camera's frames must have."""
        return self.cameras[camera]

    def _prepared(
        self, samples: Mapping[str, Any], generator: np.random.Generator | None
    ) -> Batch:
        texts = [self.prompt.apply(text, generator) for text in samples[self.language]]
        views = [samples[f'video.{name}'][:, 0] for name in self.cameras]
        prompts = self.tokenizer.batch(texts, len(views))
        state, _ = pad(self._state(samples, generator), self.state_width, 'the state')
        batch: Batch = {
            'pixel_values': self.video.apply(views, generator),
            'input_ids': prompts.input_ids,
            'attention_mask': prompts.attention_mask,
            'state': state,
            'embodiment_id': np.full(len(texts), self.slot, np.int64),
        }
        if f'action.{self.action[0].name}' in samples:
            batch['action'], batch['action_mask'] = self.normalized_action(samples)
        return batch

    def _state(self, samples: Mapping[str, Any], generator: np.random.Generator | None) -> Any:
        parts = [group.apply(samples[f'state.{group.name}']) for group in self.state]
        if generator is not None and self.training.state_noise:
            parts = [perturb(part, self.training.state_noise, generator) for part in parts]
        state = np.concatenate(parts, axis=-1)
        if generator is not None and self.training.state_dropout:
            state = drop(state, self.training.state_dropout, generator)
        return state

    def _check_widths(self) -> None:
        for kind, groups, limit in (
            ('state', self.state, self.state_width),
            ('action', self.action, self.action_width),
        ):
            widths = {group.name: group.model_width for group in groups}
            if sum(widths.values()) > limit:
                raise RobotFileError(
                    f'{kind}: {sum(widths.values())} wide as the model sees it ({widths}),'
                    f' the model takes at most {limit}; leave groups out'
                )


def _height_width(modality: Mapping[str, Any]) -> tuple[int, int]:
    width, height = modality['resolution']
    return int(height), int(width)
