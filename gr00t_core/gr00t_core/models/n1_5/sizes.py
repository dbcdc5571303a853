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
        'attention_bias': False,
        'head_dim': 128,
        'hidden_act': 'silu',
        'hidden_size': 2048,
        'intermediate_size': 6144,
        'num_attention_heads': 16,
        'num_hidden_layers': 28,
        'num_key_value_heads': 8,
        'rms_norm_eps': 1e-6,
        'rope_theta': 1_000_000.0,
        'tie_word_embeddings': True,
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
        'add_pos_embed': True,
        'backbone_embedding_dim': 2048,
        'diffusion_model_cfg': {
            'attention_head_dim': 48,
            'cross_attention_dim': 2048,
            'dropout': 0.2,
            'final_dropout': True,
            'interleave_self_attention': True,
            'norm_type': 'ada_norm',
            'num_attention_heads': 32,
            'num_layers': 16,
            'output_dim': 1024,
            'positional_embeddings': None,
        },
        'hidden_size': 1024,
        'input_embedding_dim': 1536,
        'max_action_dim': NUMBERS.action_width,
        'max_num_embodiments': 32,
        'max_seq_len': 1024,
        'max_state_dim': NUMBERS.state_width,
        'model_dtype': 'float32',
        'noise_beta_alpha': 1.5,
        'noise_beta_beta': 1.0,
        'noise_s': 0.999,
        'num_inference_timesteps': 4,
        'num_target_vision_tokens': 32,
        'num_timestep_buckets': 1000,
        'tune_diffusion_model': True,
        'tune_projector': True,
        'use_vlln': True,
        'vl_self_attention_cfg': {
            'attention_head_dim': 64,
            'dropout': 0.2,
            'final_dropout': True,
            'num_attention_heads': 32,
            'num_layers': 4,
            'positional_embeddings': None,
        },
    },
}


def published_3b() -> dict[str, Any]:
    """Return NVIDIA's published config.json of GR00T-N1.5-3B."""
    return deepcopy(dict(_CONFIG_3B))


def _scaled(
    *,
    image_size: int,
    patch_size: int,
    vision: tuple[int, int, int],
    language: tuple[int, int, int],
    dit: tuple[int, int, int],
    hidden_size: int,
    future_tokens: int,
    dropout: float,
    vocab_size: int,
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
    width, layers, heads = language
    eagle['text_config'].update(
        head_dim=width // heads,
        hidden_size=width,
        intermediate_size=3 * width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        num_key_value_heads=heads // 2,
        vocab_size=vocab_size,
    )
    config['eagle_config'] = eagle
    config['hidden_size'] = width
    config['torch_dtype'] = 'float32'
    config['backbone_cfg'].update(eagle_path='', select_layer=layers)
    head = config['action_head_cfg']
    head['vl_self_attention_cfg'].update(
        attention_head_dim=width // heads, dropout=dropout, num_attention_heads=heads, num_layers=1
    )
    context = width
    width, layers, heads = dit
    head['diffusion_model_cfg'].update(
        attention_head_dim=width // heads,
        cross_attention_dim=context,
        dropout=dropout,
        num_attention_heads=heads,
        num_layers=layers,
        output_dim=hidden_size,
    )
    head.update(
        backbone_embedding_dim=context,
        hidden_size=hidden_size,
        input_embedding_dim=width,
        max_seq_len=64,
        num_target_vision_tokens=future_tokens,
    )
    return config


# Vocabulary of the small tokenizer (`tokenizer.make_small_tokenizer`); its image token id is set
# when it is made.
SMALL_VOCABULARY = 512

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
        vocab_size=SMALL_VOCABULARY,
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
        vocab_size=SMALL_VOCABULARY,
    ),
    '3b': published_3b(),
}
