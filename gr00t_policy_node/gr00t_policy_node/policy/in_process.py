# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the policy inside the node's process: one process less, but its crashes are the node's."""

from collections.abc import Callable
import sys
from typing import Any, TYPE_CHECKING

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.robot.description import Robot
from gr00t_policy_node.policy.parameters import Settings

if TYPE_CHECKING:
    from gr00t_core.policy import Gr00tPolicy


class InProcessBackend:
    """A `gr00t_core.policy.Gr00tPolicy` in the thread that asks it."""

    def __init__(self, settings: Settings, robot: Robot) -> None:
        """Keep what the load needs."""
        self._settings = settings
        self._robot = robot
        self._policy: Gr00tPolicy | None = None

    def start(self) -> None:
        """Return: the thread that waits loads."""

    def wait_ready(self, keep_waiting: Callable[[], bool]) -> None:
        """Load the checkpoint; blocks until that is done, whether it is still wanted or not."""
        # Here, because the imports alone take seconds.
        from gr00t_core.engines import choose_engine
        from gr00t_core.policy import Gr00tPolicy

        settings = self._settings
        engine, device = choose_engine(settings.backend, settings.device, settings.checkpoint)
        self._policy = Gr00tPolicy(
            settings.checkpoint,
            self._robot,
            engine=engine,
            device=device,
            denoising_steps=settings.denoising_steps or None,
        )

    def get_modality_config(self) -> dict[str, ModalityConfig]:
        """Return one config per modality."""
        return {
            modality: ModalityConfig(tuple(each['delta_indices']), tuple(each['modality_keys']))
            for modality, each in self._loaded().get_modality_config().items()
        }

    def warm_up(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Answer the first observation."""
        return dict(self._loaded().warm_up(observation))

    def get_action(self, observation: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        """Return `action.<group>` (H, D) for an observation."""
        return dict(self._loaded().get_action(observation, **options))

    def idle(self) -> None:
        """Return: what lives in this process is there as long as the process."""

    def about(self) -> dict[str, str]:
        """Return name, device and the memory that torch holds."""
        about = {'backend': f'{self._settings.backend} (in this process)'}
        torch = _torch()
        if torch is not None and torch.cuda.is_available():
            about['GPU memory (MiB)'] = f'{torch.cuda.memory_allocated() / 2**20:.0f}'
        return about

    def problem(self) -> str:
        """Return nothing: a policy in this process answers or raises."""
        return ''

    def stop(self) -> None:
        """Return: there is no process to end."""

    def close(self) -> None:
        """Let go of the model."""
        self._policy, torch = None, _torch()
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _loaded(self) -> 'Gr00tPolicy':
        assert self._policy is not None, 'wait_ready() comes first'
        return self._policy


def _torch() -> Any:
    """Return the module where an engine has imported it; not every engine does."""
    return sys.modules.get('torch')
