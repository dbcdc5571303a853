# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold GR00T N1.5's twelve shipped data configs, as data.

Source: Isaac-GR00T at tag n1.5-release, as recorded in the fact sheet (section 5).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Treatment:
    """How one group is prepared for the model.

    Attributes:
        key: Group name, without the `state.` or `action.` prefix.
        normalization: `none`, `min_max`, `q99`, `mean_std`, `binary` or `sin_cos`.
        rotation: Rotation type the model sees, None to leave the values as they are.
    """

    key: str
    normalization: str
    rotation: str | None = None


@dataclass(frozen=True)
class DataConfig:
    """What one embodiment head sees, in order.

    Attributes:
        video: Camera names.
        state, action: Groups and their treatment.
        language: Annotation key of the instruction.
    """

    video: tuple[str, ...]
    state: tuple[Treatment, ...]
    action: tuple[Treatment, ...]
    language: str


@dataclass(frozen=True)
class ModalityConfig:
    """Which keys of a modality are taken or given, and at which steps; upstream's class.

    Attributes:
        delta_indices: Steps relative to now: (0,) for observations, (0, …, 15) for actions.
        modality_keys: Full keys: `video.front`, `state.single_arm`, `annotation.human.validity`.
    """

    delta_indices: tuple[int, ...]
    modality_keys: tuple[str, ...]


def _all(keys: str, normalization: str) -> tuple[Treatment, ...]:
    return tuple(Treatment(key, normalization) for key in keys.split())


_GR1 = 'left_arm right_arm left_hand right_hand'
_PANDA_DESCRIPTION = 'annotation.human.action.task_description'
_AGIBOT = (
    'left_arm_joint_position right_arm_joint_position left_effector_position'
    ' right_effector_position head_position waist_position'
)


def _panda_arm(side: str) -> tuple[Treatment, ...]:
    return (
        Treatment(f'{side}_arm_eef_pos', 'min_max'),
        Treatment(f'{side}_arm_eef_quat', 'none', 'rotation_6d'),
    )


def _panda_command(side: str) -> tuple[Treatment, ...]:
    return (
        Treatment(f'{side}_arm_eef_pos', 'none'),
        Treatment(f'{side}_arm_eef_rot', 'none'),
    )


DATA_CONFIGS: dict[str, DataConfig] = {
    'fourier_gr1_arms_only': DataConfig(
        video=('ego_view',),
        state=_all(_GR1, 'sin_cos'),
        action=_all(_GR1, 'min_max'),
        language='annotation.human.action.task_description',
    ),
    'fourier_gr1_arms_waist': DataConfig(
        video=('ego_view',),
        state=_all(f'{_GR1} waist', 'sin_cos'),
        action=_all(f'{_GR1} waist', 'min_max'),
        language='annotation.human.coarse_action',
    ),
    'fourier_gr1_full_upper_body': DataConfig(
        video=('front_view',),
        state=_all(f'{_GR1} waist neck', 'min_max'),
        action=_all(f'{_GR1} waist neck', 'min_max'),
        language='annotation.human.action.task_description',
    ),
    'so100': DataConfig(
        video=('webcam',),
        state=_all('single_arm gripper', 'min_max'),
        action=_all('single_arm gripper', 'min_max'),
        language='annotation.human.task_description',
    ),
    'so100_dualcam': DataConfig(
        video=('front', 'wrist'),
        state=_all('single_arm gripper', 'min_max'),
        action=_all('single_arm gripper', 'min_max'),
        language='annotation.human.task_description',
    ),
    'unitree_g1': DataConfig(
        video=('rs_view',),
        state=_all(_GR1, 'min_max'),
        action=_all(_GR1, 'min_max'),
        language='annotation.human.task_description',
    ),
    'unitree_g1_full_body': DataConfig(
        video=('rs_view',),
        state=_all(f'left_leg right_leg waist {_GR1}', 'min_max'),
        action=_all(_GR1, 'min_max'),
        language='annotation.human.task_description',
    ),
    'bimanual_panda_gripper': DataConfig(
        video=('right_wrist_view', 'left_wrist_view', 'front_view'),
        state=(
            *_panda_arm('right'),
            Treatment('right_gripper_qpos', 'min_max'),
            *_panda_arm('left'),
            Treatment('left_gripper_qpos', 'min_max'),
        ),
        action=(
            *_panda_command('right'),
            Treatment('right_gripper_close', 'binary'),
            *_panda_command('left'),
            Treatment('left_gripper_close', 'binary'),
        ),
        language=_PANDA_DESCRIPTION,
    ),
    'bimanual_panda_hand': DataConfig(
        video=('right_wrist_view', 'left_wrist_view', 'ego_view'),
        state=(
            *_panda_arm('right'),
            *_panda_arm('left'),
            Treatment('right_hand', 'min_max'),
            Treatment('left_hand', 'min_max'),
        ),
        action=(
            *_panda_command('right'),
            *_panda_command('left'),
            Treatment('right_hand', 'min_max'),
            Treatment('left_hand', 'min_max'),
        ),
        language=_PANDA_DESCRIPTION,
    ),
    'single_panda_gripper': DataConfig(
        video=('left_view', 'right_view', 'wrist_view'),
        state=(
            Treatment('end_effector_position_relative', 'min_max'),
            Treatment('end_effector_rotation_relative', 'min_max', 'rotation_6d'),
            Treatment('gripper_qpos', 'min_max'),
            Treatment('base_position', 'min_max'),
            Treatment('base_rotation', 'min_max', 'rotation_6d'),
        ),
        action=(
            Treatment('end_effector_position', 'min_max'),
            Treatment('end_effector_rotation', 'min_max'),
            Treatment('gripper_close', 'binary'),
            Treatment('base_motion', 'min_max'),
            Treatment('control_mode', 'binary'),
        ),
        language=_PANDA_DESCRIPTION,
    ),
    'oxe_droid': DataConfig(
        video=('exterior_image_1', 'exterior_image_2', 'wrist_image'),
        state=(
            Treatment('eef_position', 'min_max'),
            Treatment('eef_rotation', 'none', 'rotation_6d'),
            Treatment('gripper_position', 'min_max'),
        ),
        action=(
            Treatment('eef_position_delta', 'none'),
            Treatment('eef_rotation_delta', 'none', 'axis_angle'),
            Treatment('gripper_position', 'binary'),
        ),
        language='annotation.language.language_instruction',
    ),
    'agibot_genie1': DataConfig(
        video=('top_head', 'hand_left', 'hand_right'),
        state=_all(_AGIBOT, 'min_max'),
        action=_all(f'{_AGIBOT} robot_velocity', 'min_max'),
        language='annotation.language.action_text',
    ),
}
