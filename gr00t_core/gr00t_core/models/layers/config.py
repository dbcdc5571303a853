# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the parts of config.json that all families have: Qwen3's decoder, attention blocks, DiT."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from gr00t_core.errors import CheckpointError
from gr00t_core.models.json_section import Section

Config = TypeVar('Config', bound='ModelConfig')
Head = TypeVar('Head', bound='HeadConfig')


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


@dataclass(frozen=True)
class HeadConfig:
    """Flow-matching action head: what all families say of it.

    Attributes:
        action_dim, state_dim: Padded widths A and S.
        hidden_size: Hidden width of the category-specific MLPs of state encoder and action
            decoder.
        noise_s, noise_beta_alpha, noise_beta_beta: Of the training times; see the family's
            `flow_time`.
        vl_self_attention: None where the checkpoint has no such blocks.
    """

    action_dim: int
    action_horizon: int
    state_dim: int
    hidden_size: int
    input_embedding_dim: int
    backbone_embedding_dim: int
    max_num_embodiments: int
    max_seq_len: int
    num_inference_timesteps: int
    num_timestep_buckets: int
    noise_beta_alpha: float
    noise_beta_beta: float
    noise_s: float
    add_pos_embed: bool
    use_vlln: bool
    dit: DiTConfig
    vl_self_attention: SelfAttentionConfig | None

    @property
    def vl_layers(self) -> int:
        """Return the number of layers of the VL self-attention."""
        return 0 if self.vl_self_attention is None else self.vl_self_attention.num_layers


@dataclass(frozen=True)
class ModelConfig:
    """What decides the shapes and the arithmetic of a model; a family adds its own.

    Attributes:
        raw: The config.json it was read from; fields that this suite does not know are written
            back from here.
    """

    vision: Any
    language: LanguageConfig
    action_head: Any
    image_token_id: int
    raw: Mapping[str, Any]

    @classmethod
    def load(cls: type[Config], folder: str | Path) -> Config:
        """Read `<folder>/config.json`.

        Raises:
            CheckpointError: No such file, not JSON, another model type, a field missing, of a
                wrong type, or of a value that this model cannot honour.
        """
        from gr00t_core.models import read_config

        return cls.from_json(read_config(folder), str(Path(folder) / 'config.json'))

    @classmethod
    def from_json(cls: type[Config], raw: Any, source: str = 'config.json') -> Config:
        """Parse the content of config.json, which errors call `source`; raises CheckpointError."""
        raise NotImplementedError


# NVIDIA's key → our field; the types are the dataclass's.
HEAD_KEYS = {
    'max_state_dim': 'state_dim',
    **{
        field.name: field.name
        for field in fields(HeadConfig)
        if field.name not in {'action_dim', 'state_dim', 'dit', 'vl_self_attention'}
    },
}
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


def json_object(raw: Any, source: str) -> dict[str, Any]:
    """Return the content of config.json; raises CheckpointError where it is no object."""
    if not isinstance(raw, dict):
        raise CheckpointError(f'{source}: expected a JSON object, found {type(raw).__name__}.')
    return raw


def head_config(section: Section, keys: Mapping[str, str], kind: type[Head], **own: Any) -> Head:
    """Read the action head, of which `own` fields are known; raises CheckpointError."""
    values = section.fields(keys, kind)
    features = values['backbone_embedding_dim']
    head = kind(**values, **own, dit=dit_config(section, 'diffusion_model_cfg', features))
    attention = head.vl_self_attention
    if attention is not None and head.vl_layers and attention.width != features:
        section.fail('vl_self_attention_cfg', attention.width, features)
    if head.max_seq_len < head.action_horizon:
        section.fail(
            'max_seq_len', head.max_seq_len, f'at least action_horizon {head.action_horizon}'
        )
    return head


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
