# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say which numbers of a model family the rest of the suite may ask for.

Each family states its own in `<family>/numbers.py`. Imports nothing of the suite, so that the
robot file's checks, far below the models, can read the limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Numbers:
    """What holds for every published checkpoint of a family.

    Attributes:
        state_width, action_width: Padded widths S and A: more elements do not fit.
        horizon: Steps H of an action chunk.
        image_side: Height and width of the square image that the vision tower sees, pixels.
        crop: Part of a frame's height and width that is kept.
        slots: Embodiment tag → slot of the category-specific weights (state encoder, action
            encoder, action decoder).
    """

    state_width: int
    action_width: int
    horizon: int
    image_side: int
    crop: float
    slots: Mapping[str, int]

    def misfits(self, embodiment: str, state_width: int, action_width: int) -> list[str]:
        """Return why a robot of this tag and these widths does not fit; empty where it does."""
        found = [
            f'its {kind} has {width} elements, at most {most} fit'
            for kind, width, most in (
                ('state', state_width, self.state_width),
                ('action', action_width, self.action_width),
            )
            if width > most
        ]
        if embodiment not in self.slots:
            found.append(f'no slot for embodiment {embodiment!r}; it has {", ".join(self.slots)}')
        return found
