# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold what a user may choose of the executor, already checked."""

from dataclasses import dataclass
import math

from gr00t_core.errors import ParameterError
from gr00t_core.robot.description import NANOSECONDS


@dataclass(frozen=True)
class Settings:
    """What a user may choose; times in s. `executor_parameters` says what it means."""

    control_rate_hz: float = 100.0
    handover: str = 'crossfade'
    blend_s: float = 0.2
    ensemble_decay: float = 0.01
    position_margin: float = 0.01
    max_jump_s: float = 0.5
    chunk_timeout_s: float = 1.0
    max_future_s: float = 0.1
    state_timeout_s: float = 0.2
    takeover_timeout_s: float = 0.3
    soft_start_s: float = 1.0
    on_timeout: str = 'hold'
    e_stop_required: bool = False
    e_stop_timeout_s: float = 1.0
    e_stop_topics: tuple[str, ...] = ('e_stop',)

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite: nan compares as neither near nor far."""
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ParameterError(f'parameter {name}: {value!r} is not finite')


def to_ns(seconds: float) -> int:
    """Return seconds as whole nanoseconds."""
    return round(seconds * NANOSECONDS)
