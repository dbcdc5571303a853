# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""State the numbers of GR00T N1.5 that the rest of the suite asks for.

Source: Isaac-GR00T at tag n1.5-release and NVIDIA's config.json of GR00T-N1.5-3B.
"""

from gr00t_core.models.numbers import Numbers

NUMBERS = Numbers(
    state_width=64,
    action_width=32,
    horizon=16,
    image_side=224,
    crop=0.95,
    slots={'gr1': 24, 'oxe_droid': 17, 'agibot_genie1': 26, 'new_embodiment': 31},
)
