# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold the config.json of the three model sizes, as data.

`3b` is NVIDIA's published config.json of GR00T-N1.5-3B; its backbone constants (`EAGLE_3B`) are
those of Eagle 2.5, which NVIDIA's file leaves out. `tiny` (0.8 M parameters) is for tests and
plumbing, `small` (5.1 M, 25 image tokens per view) learns a two-camera pick task on a CPU; both
carry `eagle_config`, and keep N1.5's padded widths, horizon and embodiment slots.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from gr00t_core.models.layers.sizes import (
    DIT,
    HEAD,
    QWEN3,
    scale_head,
    scale_language,
    Size,
    VL_SELF_ATTENTION,
)
from gr00t_core.models.n1_5.numbers import NUMBERS

EAGLE_3B: Mapping[str, Any] = {
    'model_type': 'eagle_2_5_vl',
    'image_token_index': 151_669,
    'force_image_size': NUMBERS.image_side,
    'mlp_connector_layers': 1,
    'select_layer': -1,
    'use_pixel_shuffle': False,
    'vision_config': {
        'model_type': 'siglip_vision_model',
        'hidden_act': 'gelu_pytorch_tanh',
        'hidden_size': 1152,
        'image_size': NUMBERS.image_side,
        'intermediate_size': 4304,
        'layer_norm_eps': 1e-6,
        'num_attention_heads': 16,
        'num_channels': 3,
        'num_hidden_layers': 27,
        'patch_size': 14,
    },
    'text_config': {
        'model_type': 'qwen3',
        **QWEN3,
        'rope_theta': 1_000_000.0,
        'vocab_size': 151_680,
    },
}

_CONFIG_3B: Mapping[str, Any] = {
    'model_type': 'gr00t_n1_5',
    'architectures': ['GR00T_N1_5'],
    'action_dim': NUMBERS.action_width,
    'action_horizon': NUMBERS.horizon,
    'hidden_size': 2048,
    'model_dtype': 'float32',
    'torch_dtype': 'bfloat16',
    'backbone_cfg': {
        'eagle_path': 'NVEagle/eagle_er-qwen3_1_7B-Siglip2_400M_stage1_5_128gpu_er_v7_1mlp_nops',
        'load_bf16': False,
        'project_to_dim': None,
        'reproject_vision': False,
        'select_layer': 12,
        'tune_llm': False,
        'tune_visual': True,
        'use_flash_attention': True,
    },
    'action_head_cfg': {
        'action_dim': NUMBERS.action_width,
        'action_horizon': NUMBERS.horizon,
        **HEAD,
        'diffusion_model_cfg': {**DIT, 'num_layers': 16, 'cross_attention_dim': 2048},
        'max_action_dim': NUMBERS.action_width,
        'max_state_dim': NUMBERS.state_width,
        'model_dtype': 'float32',
        'num_target_vision_tokens': 32,
        'vl_self_attention_cfg': VL_SELF_ATTENTION,
    },
}


def published_3b() -> dict[str, Any]:
    """Return NVIDIA's published config.json of GR00T-N1.5-3B."""
    return deepcopy(dict(_CONFIG_3B))


def _scaled(
    *,
    image_size: int,
    patch_size: int,
    vision: Size,
    language: Size,
    dit: Size,
    hidden_size: int,
    future_tokens: int,
    dropout: float,
) -> dict[str, Any]:
    """Scale the 3B config.json down; vision, language and dit are (width, layers, heads)."""
    config = published_3b()
    eagle = deepcopy(dict(EAGLE_3B))
    width, layers, heads = vision
    eagle['force_image_size'] = image_size
    eagle['vision_config'].update(
        hidden_size=width,
        image_size=image_size,
        patch_size=patch_size,
        intermediate_size=3 * width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
    )
    scale_language(eagle['text_config'], language)
    config['eagle_config'] = eagle
    config['hidden_size'] = language[0]
    config['torch_dtype'] = 'float32'
    config['backbone_cfg'].update(eagle_path='', select_layer=language[1])
    head = config['action_head_cfg']
    scale_head(head, language, dit, hidden_size, dropout)
    head['diffusion_model_cfg'].update(cross_attention_dim=language[0])
    head.update(num_target_vision_tokens=future_tokens)
    return config


SIZES: Mapping[str, dict[str, Any]] = {
    'tiny': _scaled(
        image_size=56,
        patch_size=14,
        vision=(48, 2, 4),
        language=(48, 2, 4),
        dit=(48, 2, 4),
        hidden_size=32,
        future_tokens=4,
        dropout=0.2,
    ),
    'small': _scaled(
        image_size=120,
        patch_size=24,
        vision=(128, 4, 4),
        language=(128, 2, 4),
        dit=(128, 4, 4),
        hidden_size=64,
        future_tokens=8,
        dropout=0.1,
    ),
    '3b': published_3b(),
}
