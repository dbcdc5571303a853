# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the parts of config.json that all families have: Qwen3's decoder, attention blocks, DiT."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gr00t_core.models.json_section import Section


@dataclass(frozen=True)
class LanguageConfig:
    """Qwen3 decoder; `num_layers` counts the layers that are kept (select_layer)."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float


@dataclass(frozen=True)
class SelfAttentionConfig:
    """Self-attention blocks over the vision-language features."""

    num_layers: int
    num_heads: int
    head_dim: int
    dropout: float
    final_dropout: bool

    @property
    def width(self) -> int:
        """Return the token width."""
        return self.num_heads * self.head_dim


@dataclass(frozen=True)
class DiTConfig(SelfAttentionConfig):
    """Diffusion transformer; with `interleave_self_attention` odd blocks attend to themselves."""

    output_dim: int
    cross_attention_dim: int
    interleave_self_attention: bool


# NVIDIA's key → our field; the types are the dataclass's.
ATTENTION_KEYS = {
    'num_layers': 'num_layers',
    'num_attention_heads': 'num_heads',
    'attention_head_dim': 'head_dim',
    'dropout': 'dropout',
    'final_dropout': 'final_dropout',
}
DIT_KEYS = {
    **ATTENTION_KEYS,
    'output_dim': 'output_dim',
    'interleave_self_attention': 'interleave_self_attention',
}
TEXT_KEYS = {
    'vocab_size': 'vocab_size',
    'hidden_size': 'hidden_size',
    'intermediate_size': 'intermediate_size',
    'num_attention_heads': 'num_heads',
    'num_key_value_heads': 'num_kv_heads',
    'head_dim': 'head_dim',
    'rms_norm_eps': 'rms_norm_eps',
    'rope_theta': 'rope_theta',
}


def told(values: Any, keys: Mapping[str, str]) -> dict[str, Any]:
    """Return NVIDIA's key → value for a dataclass, to be written."""
    return {key: getattr(values, name) for key, name in keys.items()}


def language_config(section: Section, select_layer: int) -> LanguageConfig:
    """Read Qwen3's decoder, of which `select_layer` layers are kept; raises CheckpointError."""
    section.require('hidden_act', 'silu')
    section.require('attention_bias', False)
    section.require('tie_word_embeddings', True)
    layers = section.number('num_hidden_layers', int)
    if layers < select_layer:
        section.fail('num_hidden_layers', layers, f'at least select_layer = {select_layer}')
    language = LanguageConfig(num_layers=select_layer, **section.fields(TEXT_KEYS, LanguageConfig))
    if language.num_heads % language.num_kv_heads:
        section.fail(
            'num_key_value_heads', language.num_kv_heads, f'a divisor of {language.num_heads}'
        )
    return language


def attention_config(head: Section, key: str) -> SelfAttentionConfig:
    """Read blocks over features of the head's `backbone_embedding_dim`; raises CheckpointError."""
    section = head.section(key)
    section.require('positional_embeddings', None)
    return SelfAttentionConfig(**section.fields(ATTENTION_KEYS, SelfAttentionConfig))


def dit_config(head: Section, key: str, context: int) -> DiTConfig:
    """Read the diffusion transformer, whose context is so wide; raises CheckpointError.

    It is checked against `input_embedding_dim` and `hidden_size` of the head.
    """
    section = head.section(key)
    section.require('norm_type', 'ada_norm')
    section.require('positional_embeddings', None)
    section.require('cross_attention_dim', context)
    dit = DiTConfig(**section.fields(DIT_KEYS, DiTConfig), cross_attention_dim=context)
    if dit.width != head.value('input_embedding_dim'):
        head.fail('input_embedding_dim', head.value('input_embedding_dim'), dit.width)
    if dit.output_dim != head.value('hidden_size'):
        section.fail('output_dim', dit.output_dim, head.value('hidden_size'))
    return dit
