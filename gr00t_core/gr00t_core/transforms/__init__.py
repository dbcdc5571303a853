# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn observations into model batches, and model actions back into the robot's units.

    transforms = EmbodimentTransforms.for_robot(robot, metadata, model_config, tokenizer)
    batch = transforms.apply(observation)
    action = transforms.unapply(model_action)

State and action need numpy only; torch is imported where pixels are resized.
"""

from gr00t_core.transforms.concat import collate
from gr00t_core.transforms.embodiment_transforms import EmbodimentTransforms, Training
from gr00t_core.transforms.prompt import PromptTransform
from gr00t_core.transforms.video import VideoTransform

__all__ = ['EmbodimentTransforms', 'PromptTransform', 'Training', 'VideoTransform', 'collate']
