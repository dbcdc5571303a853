# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold N1.7's config.json of the model sizes, and its backbone's constants, as data.

`3b` is GR00T-N1.7-3B. Its backbone, nvidia/Cosmos-Reason2-2B, has the layout of Qwen3-VL-2B.
`tiny` is for tests and plumbing, `small` learns a two-camera pick task on a CPU. Both carry their
backbone's dimensions (`backbone_config`) and keep N1.7's padded widths, horizon and slots.
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
from gr00t_core.models.n1_7.numbers import NUMBERS

COSMOS_REASON2_2B: Mapping[str, Any] = {
    'model_type': 'qwen3_vl',
    'image_token_id': 151_655,
    'vision_start_token_id': 151_652,
    'vision_end_token_id': 151_653,
    'tie_word_embeddings': True,
    'text_config': {
        'model_type': 'qwen3_vl_text',
        **QWEN3,
        'rope_scaling': {
            'mrope_interleaved': True,
            'mrope_section': [24, 20, 20],
            'rope_type': 'default',
        },
        'rope_theta': 5_000_000,
        'vocab_size': 151_936,
    },
    'vision_config': {
        'model_type': 'qwen3_vl',
        'deepstack_visual_indexes': [5, 11, 17],
        'depth': 24,
        'hidden_act': 'gelu_pytorch_tanh',
        'hidden_size': 1024,
        'in_channels': 3,
        'intermediate_size': 4096,
        'num_heads': 16,
        'num_position_embeddings': 2304,
        'out_hidden_size': 2048,
        'patch_size': 16,
        'spatial_merge_size': 2,
        'temporal_patch_size': 2,
    },
}

_CONFIG_3B: Mapping[str, Any] = {
    'model_type': 'Gr00tN1d7',
    'architectures': ['Gr00tN1d7'],
    **HEAD,
    'model_dtype': 'bfloat16',
    'dtype': 'bfloat16',
    'model_name': 'nvidia/Cosmos-Reason2-2B',
    'backbone_model_type': 'qwen',
    'model_revision': None,
    'select_layer': 16,
    'reproject_vision': False,
    'use_flash_attention': True,
    'load_bf16': False,
    'backbone_trainable_params_fp32': True,
    'tune_llm': False,
    'tune_visual': False,
    'tune_top_llm_layers': 0,
    'tune_vlln': True,
    'max_state_dim': NUMBERS.state_width,
    'max_action_dim': NUMBERS.action_width,
    'action_horizon': NUMBERS.horizon,
    'state_history_length': 1,
    'attn_dropout': 0.2,
    'use_alternate_vl_dit': True,
    'attend_text_every_n_blocks': 2,
    'vl_self_attention_cfg': VL_SELF_ATTENTION,
    'diffusion_model_cfg': {**DIT, 'num_layers': 32},
    'state_dropout_prob': 0.2,
}


def published_3b() -> dict[str, Any]:
    """Return the config.json of GR00T-N1.7-3B."""
    return deepcopy(dict(_CONFIG_3B))


def _scaled(
    *,
    patch_size: int,
    vision: Size,
    language: Size,
    dit: Size,
    hidden_size: int,
    dropout: float,
) -> dict[str, Any]:
    """Scale the 3B config.json down; vision, language and dit are (width, layers, heads)."""
    config = published_3b()
    backbone = deepcopy(dict(COSMOS_REASON2_2B))
    context, text_layers, text_heads = language
    width, layers, heads = vision
    backbone['vision_config'].update(
        deepstack_visual_indexes=list(range(layers - 1))[:3],
        depth=layers,
        hidden_size=width,
        intermediate_size=3 * width,
        num_heads=heads,
        num_position_embeddings=64,
        out_hidden_size=context,
        patch_size=patch_size,
    )
    frequencies = context // text_heads // 2
    scale_language(backbone['text_config'], language)
    backbone['text_config']['rope_scaling']['mrope_section'] = [
        frequencies - 2 * (frequencies // 3),
        frequencies // 3,
        frequencies // 3,
    ]
    scale_head(config, language, dit, hidden_size, dropout)
    config.update(
        backbone_config=backbone,
        dtype='float32',
        model_dtype='float32',
        model_name='',
        select_layer=text_layers,
    )
    return config


SIZES: Mapping[str, dict[str, Any]] = {
    'tiny': _scaled(
        patch_size=32,
        vision=(48, 2, 4),
        language=(48, 2, 4),
        dit=(48, 4, 4),
        hidden_size=32,
        dropout=0.2,
    ),
    'small': _scaled(
        patch_size=32,
        vision=(128, 4, 4),
        language=(128, 3, 4),
        dit=(128, 8, 4),
        hidden_size=64,
        dropout=0.1,
    ),
    '3b': published_3b(),
}
