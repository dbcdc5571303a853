# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""State the numbers of GR00T N1.7 that the rest of the suite asks for.

Source: NVIDIA's config.json and processor_config.json of GR00T-N1.7-3B. The slots hold where a
checkpoint's embodiment_id.json does not say otherwise.
"""

from gr00t_core.models.numbers import Numbers

NUMBERS = Numbers(
    state_width=132,
    action_width=132,
    horizon=40,
    image_side=256,
    crop=0.95,
    slots={
        'simpler_env_google': 0,
        'simpler_env_widowx': 1,
        'libero_sim': 2,
        'new_embodiment': 10,
        'oxe_droid_relative_eef_relative_joint': 24,
        'real_g1_relative_eef_relative_joints': 25,
        'unitree_g1_full_body_with_waist_height_nav_cmd': 25,
        'real_r1_pro_sharpa_relative_eef': 26,
        'real_r1_pro_sharpa_relative_eef_human': 26,
        'real_r1_pro_sharpa_relative_eef_maxinsights': 26,
        'real_r1_pro_sharpa_relative_eef_mecka': 26,
        'xdof_relative_eef_relative_joint': 27,
        'xdof_relative_eef_relative_joint_subtask': 27,
    },
)
