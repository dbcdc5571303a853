# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what the policy node asks of a backend, make one, and check that it suits the robot."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import CheckpointError, ServingError
from gr00t_core.robot.description import Robot
from gr00t_policy_node.policy.parameters import Settings


class Backend(Protocol):
    """Where the policy runs. One thread at a time calls it; `stop` may come from another."""

    def start(self) -> None:
        """Begin to load the policy; return at once."""

    def wait_ready(self, keep_waiting: Callable[[], bool]) -> None:
        """Block until the policy answers; raise ServingError when it does not, or may not."""

    def get_modality_config(self) -> dict[str, ModalityConfig]:
        """Return one config per modality, each with `delta_indices` and `modality_keys`."""

    def warm_up(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Answer the first observation, with the patience that compiling and allocating need."""

    def get_action(self, observation: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """Return `action.<group>` (H, D) for an observation.

        Raises:
            ServingError: It does not answer; a later call may.
            DeviceLostError: No later call of this process can succeed.
        """

    def idle(self) -> None:
        """See whether the policy still answers; called when there is nothing else to do."""

    def about(self) -> dict[str, str]:
        """Return what diagnostics show: name, health, memory."""

    def problem(self) -> str:
        """Return why it does not answer at present, '' when it does."""

    def stop(self) -> None:
        """End a local server; the thread that asks may still be in a call."""

    def close(self) -> None:
        """Free the rest; no thread is in a call any more."""


def make_backend(settings: Settings, robot: Robot, logger: Any) -> Backend:
    """Make the backend that the parameters name; nothing is started yet."""
    if settings.backend == 'server':
        from gr00t_policy_node.policy.server_backend import ServerBackend

        return ServerBackend(settings, robot, logger)
    from gr00t_policy_node.policy.in_process import InProcessBackend

    return InProcessBackend(settings, robot)


def check_modality(config: dict[str, ModalityConfig], robot: Robot) -> None:
    """Compare what the policy takes and gives with the robot.

    Raises:
        CheckpointError: Names modality, keys of the policy and keys of the robot.
    """
    expected = {
        'video': {f'video.{camera.name}' for camera in robot.cameras},
        'state': {f'state.{group.name}' for group in robot.state},
        'action': {f'action.{group.name}' for group in robot.action},
        'language': {robot.instruction_key},
    }
    for modality, keys in expected.items():
        found = config.get(modality)
        taken = set() if found is None else set(found.modality_keys)
        if taken != keys:
            raise CheckpointError(
                f'the policy is not for robot {robot.name!r} ({robot.source}): its {modality} '
                f'keys are {_listed(taken)}, the robot has {_listed(keys)}; use the checkpoint '
                'finetuned for this robot, or the robot file that it was finetuned with'
            )
        if found is not None:
            _check_steps(modality, found.delta_indices)


def _check_steps(modality: str, indices: tuple[int, ...]) -> None:
    """Refuse a policy that sees other steps than the present, or whose chunk does not begin there.

    Raises:
        CheckpointError: Names the steps and what is supported.
    """
    if modality == 'action' and indices != tuple(range(len(indices))):
        raise CheckpointError(
            f'the policy gives actions at the steps {_span(indices)}; a chunk begins with step 0'
            ' and has every step. Serve a checkpoint with such delta_indices'
        )
    if modality in ('video', 'state') and indices != (0,):
        raise CheckpointError(
            f'the policy sees {modality} at the steps {_span(indices)}; this node gives the'
            ' present one only (delta_indices [0]). Serve a checkpoint that was trained so'
        )


def _span(indices: tuple[int, ...]) -> str:
    shown = ', '.join(map(str, indices[:6]))
    return f'[{shown}{", …" if len(indices) > 6 else ""}]'


def action_values(action: dict[str, Any], robot: Robot) -> NDArray[np.float32]:
    """Concatenate an action map in the robot's order.

    Returns:
        (H, A) float32, the columns named by `robot.action_names`.

    Raises:
        ServingError: A group is missing, has another shape, or is not finite.
    """
    parts: list[NDArray[Any]] = []
    for group in robot.action:
        values = action.get(f'action.{group.name}')
        if not isinstance(values, np.ndarray) or values.ndim != 2 or not len(values):
            shape = getattr(values, 'shape', None)
            raise ServingError(
                f'the policy gave action.{group.name} as {type(values).__name__} {shape}, '
                f'expected an array (H, {group.width})'
            )
        if values.shape != (len(parts[0]) if parts else len(values), group.width):
            raise ServingError(
                f'the policy gave action.{group.name} of shape {values.shape}, expected '
                f'({len(parts[0]) if parts else "H"}, {group.width})'
            )
        parts.append(values)
    whole = np.concatenate(parts, axis=1).astype(np.float32)
    if not np.isfinite(whole).all():
        bad = sorted({robot.action_names[column] for column in np.where(~np.isfinite(whole))[1]})
        raise ServingError(f'the policy gave values that are not finite for {", ".join(bad)}')
    return whole


def _listed(keys: set[str]) -> str:
    return ', '.join(sorted(keys)) or 'none'
