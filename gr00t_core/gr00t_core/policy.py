# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answer observations with action chunks: transforms, network, inverse transforms.

Shapes: T observation steps (1) · B batch · H action horizon · A action width · D elements of a
group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.embodiments import DataConfig
from gr00t_core.engines import load_engine
from gr00t_core.engines.options import DEFAULT_OPTIONS, EngineOptions
from gr00t_core.errors import CheckpointError, ObservationError
from gr00t_core.instructions import checked_instructions, shown
from gr00t_core.joint_calls import answered, Call, groups
from gr00t_core.models import inference_of
from gr00t_core.robot.copies import only_robot_file
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot
from gr00t_core.transforms import PromptTransform
from gr00t_core.transforms.observation import is_batched, numbers, Observation
from gr00t_core.transforms.prompt import DEFAULT_INSTRUCTION


class Gr00tPolicy:
    """A checkpoint that answers for one robot. Not thread-safe: callers serialise calls.

    Attributes:
        robot: The robot description; None where a data config was given instead.
        transforms: Observation to batch, action to groups.
        backend: The engine with the weights; see `gr00t_core.engines`.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        robot: Robot | str | Path | None = None,
        engine: str = 'torch',
        device: str = 'cpu',
        denoising_steps: int | None = None,
        seed: int | None = None,
        *,
        data_config: DataConfig | str | None = None,
        embodiment: str | None = None,
        vocabulary: str | Path | None = None,
        prompt: PromptTransform | None = None,
        options: EngineOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Load a checkpoint.

        Args:
            checkpoint: Checkpoint folder.
            robot: Robot description, or a shipped robot's name or file; None for the checkpoint's
                own, where it was made for one.
            engine: See `gr00t_core.engines.ENGINES`.
            device: Where the network runs, e.g. `cpu` or `cuda:0`.
            denoising_steps: Euler steps of the flow; None for the checkpoint's own (4).
            seed: Of the noise that chunks start from; None for a different one in each run.
            data_config: In place of a robot: a data config or the name of a shipped one, with
                `embodiment`. N1.7 checkpoints need none.
            embodiment: Tag of the metadata entry that goes with `data_config`.
            vocabulary: Folder with the tokenizer's files, for checkpoints that hold none.
            prompt: What is done to the instruction; None for nothing.
            options: How the engine runs the network.

        Raises:
            CheckpointError: The folder is incomplete or damaged, or does not know the embodiment.
            RobotFileError: The robot contradicts the checkpoint; names the group and both values.
            BackendError: The engine is unknown, not installed, or cannot run here.
        """
        checkpoint = Path(checkpoint)
        inference = inference_of(checkpoint)
        if robot is not None and (data_config is not None or embodiment is not None):
            raise CheckpointError(
                'give either a robot, or a data config and its embodiment tag (N1.7: the'
                ' tag alone)'
            )
        asked = data_config is not None or embodiment is not None
        self.robot = None if asked else _robot(checkpoint, robot)
        transforms = inference.transforms(
            checkpoint,
            self.robot,
            data_config=data_config,
            embodiment=embodiment,
            vocabulary=vocabulary,
            prompt=prompt,
        )
        self.tokenizer = transforms.tokenizer
        self._generator = np.random.default_rng(seed)
        self.backend = load_engine(
            engine,
            checkpoint,
            device=device,
            denoising_steps=denoising_steps,
            options=options,
        )
        video: Any = {} if self.backend.video is None else {'video': self.backend.video}
        self.transforms = replace(transforms, **video)

    def get_action(
        self,
        observation: Observation,
        *,
        seed: int | None = None,
        prefix: Mapping[str, Any] | None = None,
        prefix_weight: Any = None,
        head_only: bool = False,
    ) -> dict[str, NDArray[np.float32]]:
        """Answer one observation, or a batch of them.

        Args:
            observation: `video.<camera>` uint8 (T, h, w, 3), `state.<group>` (T, D), and the
                instruction, a list of one str, under its annotation key; or all with B in front.
            seed: Of this call's noise; None goes on with the policy's.
            prefix: Real-time chunking: `action.<group>` (H, D) (or with B in front), the commands
                that the robot is committed to, in its own units.
            prefix_weight: (H,) in [0, 1]: 1 where they will have run by the time this chunk comes,
                0 where they are free. Given together with `prefix`.
            head_only: Act on the images and the instruction of the last full call, with this
                observation's state (all that is read of it): cheaper, and blind meanwhile.

        Returns:
            `action.<group>` float32 (H, D), or (B, H, D) for a batch, in the robot's units.

        Raises:
            ObservationError: A key is missing or unexpected, has a wrong shape or dtype, the
                instruction is too long, an option is wrong, or the chunk is not finite.
        """
        call = self._prepared(
            observation, seed=seed, prefix=prefix, prefix_weight=prefix_weight, head_only=head_only
        )
        return self._groups(call, self._run(call))

    def warm_up(self, observation: Observation) -> dict[str, NDArray[np.float32]]:
        """Answer an observation with a seed of its own, and so make the next calls as fast as all.

        An engine that compiles or captures does so for calls with a prefix, too.

        Raises:
            ObservationError: As `get_action`.
        """
        actions = self.get_action(observation, seed=0)
        if self.backend.settles:
            weight = np.ones(self.transforms.horizon, np.float32)
            self.get_action(observation, seed=0, prefix=actions, prefix_weight=weight)
        return actions

    def get_actions(
        self, calls: Sequence[tuple[Observation, Mapping[str, Any]]]
    ) -> list[dict[str, NDArray[np.float32]] | Exception]:
        """Answer the calls of several clients, with one run of the network where that is possible.

        Each answer is that of `get_action`, but for the order of sums in larger products, and the
        noise is drawn in the order of the calls. A call that fails does not touch the others.

        Args:
            calls: Observation and options of `get_action` of each; `head_only` is refused, as the
                last full call would be another client's.

        Returns:
            For each call what `get_action` returns, or what it raises.
        """
        answers: list[Any] = [None] * len(calls)
        ready: dict[int, Call] = {}
        for place, (observation, options) in enumerate(calls):
            try:
                if _flag('head_only', options.get('head_only', False)):
                    raise ObservationError(
                        'head_only: calls of several clients are answered together here, so there'
                        ' is no last full call of one client; leave it out'
                    )
                ready[place] = self._prepared(observation, **options)
            except Exception as error:
                answers[place] = error
        pad_id = self.tokenizer.pad_id
        for places in groups(ready):
            several = [ready[place] for place in places]
            for place, found in zip(places, answered(several, self._run, pad_id)):
                answers[place] = found
                if not isinstance(found, Exception):
                    try:
                        answers[place] = self._groups(ready[place], found)
                    except Exception as error:
                        answers[place] = error
        return answers

    def _prepared(
        self,
        observation: Observation,
        *,
        seed: int | None = None,
        prefix: Mapping[str, Any] | None = None,
        prefix_weight: Any = None,
        head_only: bool = False,
    ) -> Call:
        """Check one call of `get_action`, and return what the network reads of it."""
        seed, head_only = _seed(seed), _flag('head_only', head_only)
        observation = self._with_checked_instruction(observation)
        batched = is_batched(observation)
        if head_only:
            batch = self.transforms.apply_state(observation)
        else:
            batch = self.transforms.apply(observation)
            batch.pop('action', None)
            batch.pop('action_mask', None)
        transforms = self.transforms
        shape = (len(batch['state']), transforms.model_horizon, transforms.action_width)
        generator = self._generator if seed is None else np.random.default_rng(seed)
        noise = generator.standard_normal(shape, np.float32)
        prefixed = self._prefix(prefix, prefix_weight, observation, batched=batched)
        return Call(observation, batched, batch, noise, *prefixed, head_only)

    def _run(self, call: Call) -> NDArray[np.float32]:
        return self.backend.predict(
            call.batch, call.noise, call.prefix, call.prefix_weight, head_only=call.head_only
        )

    def _groups(self, call: Call, action: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the answer to a call, of the network's actions (B, H, A)."""
        found = self.transforms.unapply(action, call.observation)
        if bad := [key for key, values in found.items() if not np.isfinite(values).all()]:
            raise ObservationError(
                f'the policy gave values that are not finite for {", ".join(bad)}: the state or'
                ' the prefix is far from what it was trained on, or the weights are damaged'
            )
        return found if call.batched else {key: values[0] for key, values in found.items()}

    def get_modality_config(self) -> dict[str, dict[str, list[Any]]]:
        """Return upstream's modality config: for each modality its time indices and keys."""
        return {
            modality: {'delta_indices': self.transforms.steps(modality), 'modality_keys': keys}
            for modality, keys in self.transforms.modality_keys().items()
        }

    def observation_example(self) -> dict[str, Any]:
        """Return an observation that fits: grey images, mean state, the robot's instruction."""
        instruction = self.robot.instruction if self.robot else DEFAULT_INSTRUCTION
        return self.transforms.observation_example(instruction)

    def _with_checked_instruction(self, observation: Observation) -> Observation:
        """Return the observation with its instruction checked; blank ones are empty."""
        key = self.transforms.language
        if key not in observation:
            return observation
        texts = checked_instructions(observation[key])
        each = [texts] if isinstance(texts, str) else texts
        states = [value for name, value in observation.items() if name.startswith('state.')]
        # More texts than samples are refused by the transforms, and not worth counting.
        count = len(states[0]) if states and is_batched(observation) else 1
        for text in each if len(each) <= count else ():
            if isinstance(text, str):
                self.tokenizer.check_length(text, len(self.transforms.cameras))
        return {**observation, key: texts}

    def _prefix(
        self,
        prefix: Mapping[str, Any] | None,
        weight: Any,
        observation: Observation,
        *,
        batched: bool,
    ) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """Return the prefix as the network sees it, (B, H, A), and its weight (H,)."""
        if prefix is None and weight is None:
            return None, None
        horizon = self.transforms.horizon
        try:
            firm = np.asarray([] if weight is None else weight, np.float32)
        except (TypeError, ValueError, OverflowError):
            firm = np.empty(0, np.float32)
        if prefix is None or firm.shape != (horizon,) or not ((firm >= 0) & (firm <= 1)).all():
            raise ObservationError(
                f'prefix_weight: {shown(weight)}, expected {horizon} numbers in [0, 1], with a'
                ' prefix'
            )
        if not isinstance(prefix, Mapping):
            raise ObservationError(
                f'prefix: {shown(prefix)}, expected a map action.<group> → (H, D)'
            )
        for group in self.transforms.action:
            if f'action.{group.name}' not in prefix:
                raise ObservationError(
                    f"prefix lacks 'action.{group.name}'; it has:"
                    f' {", ".join(map(str, prefix)) or "nothing"}'
                )
        action = {
            f'action.{group.name}': numbers(
                prefix, f'action.{group.name}', horizon, group.width, batched=batched
            )
            for group in self.transforms.action
        }
        free = np.zeros(self.transforms.model_horizon - horizon, np.float32)
        normalized = self.transforms.normalized_action(action, observation)[0]
        return normalized, np.concatenate((firm, free))


def _seed(seed: object) -> int | None:
    """Return a seed; raise ObservationError where NumPy's generator would take no such thing."""
    if seed is None:
        return None
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool) and 0 <= seed < 2**64:
        return int(seed)
    raise ObservationError(f'seed: {shown(seed)}, expected a whole number from 0 to 2**64 - 1')


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ObservationError(f'{name}: {shown(value)}, expected true or false')


def _robot(checkpoint: Path, robot: Robot | str | Path | None) -> Robot:
    if isinstance(robot, Robot):
        return robot
    if robot is not None:
        return load_robot(robot)
    return load_robot(only_robot_file(checkpoint))
