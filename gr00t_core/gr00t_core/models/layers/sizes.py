# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Hold what the config.json of the families' model sizes have in common, as data."""

from collections.abc import Mapping
from typing import Any

# Qwen3-1.7B, of which every family keeps the first layers.
QWEN3: Mapping[str, Any] = {
    'attention_bias': False,
    'head_dim': 128,
    'hidden_act': 'silu',
    'hidden_size': 2048,
    'intermediate_size': 6144,
    'num_attention_heads': 16,
    'num_hidden_layers': 28,
    'num_key_value_heads': 8,
    'rms_norm_eps': 1e-6,
    'tie_word_embeddings': True,
}
VL_SELF_ATTENTION: Mapping[str, Any] = {
    'attention_head_dim': 64,
    'dropout': 0.2,
    'final_dropout': True,
    'num_attention_heads': 32,
    'num_layers': 4,
    'positional_embeddings': None,
}
DIT: Mapping[str, Any] = {
    'attention_head_dim': 48,
    'dropout': 0.2,
    'final_dropout': True,
    'interleave_self_attention': True,
    'norm_type': 'ada_norm',
    'num_attention_heads': 32,
    'output_dim': 1024,
    'positional_embeddings': None,
}
# Upstream's class defaults, too.
HEAD_DEFAULTS: Mapping[str, Any] = {
    'add_pos_embed': True,
    'max_num_embodiments': 32,
    'max_seq_len': 1024,
    'noise_beta_alpha': 1.5,
    'noise_beta_beta': 1.0,
    'noise_s': 0.999,
    'num_inference_timesteps': 4,
    'num_timestep_buckets': 1000,
    'use_vlln': True,
}
HEAD: Mapping[str, Any] = {
    **HEAD_DEFAULTS,
    'backbone_embedding_dim': 2048,
    'hidden_size': 1024,
    'input_embedding_dim': 1536,
    'tune_diffusion_model': True,
    'tune_projector': True,
}

# Vocabulary of the small tokenizer; the id of its image token is set when it is made.
SMALL_VOCABULARY = 512

Size = tuple[int, int, int]  # width, layers, heads


def scale_language(text: dict[str, Any], size: Size) -> None:
    """Scale the configuration of the language model down, in place."""
    width, layers, heads = size
    text.update(
        head_dim=width // heads,
        hidden_size=width,
        intermediate_size=3 * width,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        num_key_value_heads=heads // 2,
        vocab_size=SMALL_VOCABULARY,
    )


def scale_head(
    head: dict[str, Any], language: Size, dit: Size, hidden_size: int, dropout: float
) -> None:
    """Scale the configuration of the action head down, in place.

    Args:
        head: Holds `vl_self_attention_cfg` and `diffusion_model_cfg`.
        language: Of the language model, whose features the head gets.
        dit: Of the diffusion transformer.
        hidden_size: Of the category-specific MLPs.
        dropout: Of all blocks.
    """
    context, _, heads = language
    head['vl_self_attention_cfg'].update(
        attention_head_dim=context // heads,
        dropout=dropout,
        num_attention_heads=heads,
        num_layers=1,
    )
    width, layers, heads = dit
    head['diffusion_model_cfg'].update(
        attention_head_dim=width // heads,
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
    )
