# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read N1.7's flat config.json into frozen dataclasses, strictly; write it back, unknown kept.

config.json names the backbone and leaves its dimensions out. They come from a `backbone_config`
object in it (Hugging Face's Qwen3VLConfig layout, which this suite writes for its own sizes), else
from `COSMOS_REASON2_2B`, which is Qwen3-VL-2B's layout.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gr00t_core.errors import CheckpointError
from gr00t_core.models.json_section import Section
from gr00t_core.models.layers.config import (
    attention_config,
    ATTENTION_KEYS,
    DIT_KEYS,
    head_config,
    HEAD_KEYS,
    HeadConfig,
    json_object,
    language_config,
    ModelConfig,
    told,
)
from gr00t_core.models.layers.sizes import HEAD_DEFAULTS
from gr00t_core.models.n1_7.sizes import COSMOS_REASON2_2B, published_3b

BACKBONES = ('nvidia/Cosmos-Reason2-2B', 'Qwen/Qwen3-VL-2B')


@dataclass(frozen=True)
class VisionConfig:
    """Qwen3-VL vision tower: any grid of patches, one token per merge block.

    Attributes:
        num_positions: Rows of the learned position table, a square number.
        deepstack: Blocks (from 0) after which features for the language layers are taken.
        out_hidden_size: Width of the merged tokens.
    """

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    patch_size: int
    temporal_patch_size: int
    merge_size: int
    num_positions: int
    out_hidden_size: int
    deepstack: tuple[int, ...]

    @property
    def row_width(self) -> int:
        """Return the number of values of one patch: channel × frame × row × column."""
        return int(3 * self.temporal_patch_size * self.patch_size**2)


@dataclass(frozen=True)
class ActionHeadConfig(HeadConfig):
    """Flow-matching action head; training time is t = (1 − Beta(alpha, beta))·noise_s.

    Attributes:
        state_history_length: States that the state encoder takes at once.
        use_alternate_vl_dit: Cross-attention sees words and images in turn; False: all at once.
        attend_text_every_n_blocks: Every n-th cross-attention block sees the words.
        state_dropout_prob: Probability, in training, that a sample's encoded state is zeroed.
    """

    state_history_length: int
    attend_text_every_n_blocks: int
    state_dropout_prob: float
    rtc_ramp_rate: float
    use_alternate_vl_dit: bool

    @property
    def num_future_tokens(self) -> int:
        """Return the number of tokens between state and actions: none, unlike N1.5."""
        return 0


@dataclass(frozen=True)
class Gr00tN17Config(ModelConfig):
    """Everything that decides the shapes and the arithmetic of the model.

    Attributes:
        mrope_section: Frequencies of the time, row and column positions.
    """

    vision: VisionConfig
    action_head: ActionHeadConfig
    mrope_section: tuple[int, int, int]

    @classmethod
    def from_json(cls, raw: Any, source: str = 'config.json') -> 'Gr00tN17Config':
        """Parse the content of config.json, which errors call `source`.

        LeRobot's config.json (`type` groot) holds policy settings only: its architecture is that
        of `base_model_path` where this is a folder, else the published one.

        Raises:
            CheckpointError: A field missing, of a wrong type, or of a value that this model cannot
                honour.
        """
        raw = json_object(raw, source)
        if raw.get('type') == 'groot' and 'model_type' not in raw:
            raw = _base_of_lerobot(raw, source)
        top = Section(_DEFAULTS | raw, source, '')
        top.require('strict_action_padding_mask', False)
        backbone = Section(_backbone(top), source, 'backbone_config')
        vision = _vision(backbone)
        language = language_config(
            backbone.section('text_config'), top.number('select_layer', int)
        )
        if vision.out_hidden_size != language.hidden_size:
            backbone.fail(
                'vision_config.out_hidden_size', vision.out_hidden_size, language.hidden_size
            )
        head = _action_head(top)
        if head.backbone_embedding_dim != language.hidden_size:
            top.fail('backbone_embedding_dim', head.backbone_embedding_dim, language.hidden_size)
        return cls(
            vision=vision,
            language=language,
            action_head=head,
            image_token_id=backbone.number('image_token_id', int),
            mrope_section=_mrope_section(backbone.section('text_config'), language.head_dim),
            raw=raw,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of config.json: `raw` brought up to date with the action head."""
        raw = deepcopy(dict(self.raw))
        head = self.action_head
        raw.update(told(head, _HEAD_KEYS))
        raw['diffusion_model_cfg'].update(told(head.dit, DIT_KEYS))
        if head.vl_self_attention is not None:
            raw['vl_self_attention_cfg'].update(told(head.vl_self_attention, ATTENTION_KEYS))
        return raw


# NVIDIA's key → our field; the types are the dataclass's.
_HEAD_KEYS = {
    'max_action_dim': 'action_dim',
    **{name: name for name in ActionHeadConfig.__annotations__},
    **HEAD_KEYS,
}
_VISION_KEYS = {
    'hidden_size': 'hidden_size',
    'intermediate_size': 'intermediate_size',
    'depth': 'num_layers',
    'num_heads': 'num_heads',
    'patch_size': 'patch_size',
    'temporal_patch_size': 'temporal_patch_size',
    'spatial_merge_size': 'merge_size',
    'num_position_embeddings': 'num_positions',
    'out_hidden_size': 'out_hidden_size',
}
# Upstream's class defaults of fields that decide no shape.
_DEFAULTS: dict[str, Any] = {
    **HEAD_DEFAULTS,
    'attend_text_every_n_blocks': 2,
    'rtc_ramp_rate': 6.0,
    'state_dropout_prob': 0.8,
    'state_history_length': 1,
    'use_alternate_vl_dit': True,
}


def _base_of_lerobot(raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return the config.json of the base model that a LeRobot checkpoint was made from."""
    from gr00t_core.models import read_config

    base = raw.get('base_model_path')
    if isinstance(base, str):
        for folder in (Path(source).parent / base, Path(base)):
            if (folder / 'config.json').is_file():
                found: dict[str, Any] = read_config(folder)
                return found
    return published_3b()


def _backbone(top: Section) -> Mapping[str, Any]:
    """Return the backbone's configuration, in Hugging Face's layout."""
    if 'backbone_config' in top.values:
        return top.section('backbone_config').values
    name = top.value('model_name')
    if not isinstance(name, str) or not name.startswith(BACKBONES):
        raise CheckpointError(
            f'{top.where("model_name")} is {name!r}, and config.json does not hold the dimensions'
            f' of that backbone; known are those of {", ".join(BACKBONES)}. Copy the config.json'
            f" of {name} into config.json under the key 'backbone_config'."
        )
    return COSMOS_REASON2_2B


def _vision(backbone: Section) -> VisionConfig:
    section = backbone.section('vision_config')
    section.require('hidden_act', 'gelu_pytorch_tanh')
    section.require('in_channels', 3)
    values = section.fields(_VISION_KEYS, VisionConfig)
    deepstack = section.value('deepstack_visual_indexes')
    last = values['num_layers'] - 1
    if not isinstance(deepstack, list) or not all(
        type(index) is int and 0 <= index <= last for index in deepstack
    ):
        section.fail('deepstack_visual_indexes', deepstack, f'a list of blocks from 0 to {last}')
    vision = VisionConfig(**values, deepstack=tuple(deepstack))
    if vision.hidden_size % (4 * vision.num_heads):
        section.fail('num_heads', vision.num_heads, f'a divisor of {vision.hidden_size} / 4')
    if round(vision.num_positions**0.5) ** 2 != vision.num_positions:
        section.fail('num_position_embeddings', vision.num_positions, 'a square number')
    return vision


def _mrope_section(text: Section, head_dim: int) -> tuple[int, int, int]:
    rope = text.section('rope_scaling')
    rope.require('mrope_interleaved', True)
    rope.require('rope_type', 'default')
    section = rope.value('mrope_section')
    if (
        not isinstance(section, list)
        or len(section) != 3
        or not all(type(part) is int and part > 0 for part in section)
        or sum(section) != head_dim // 2
    ):
        rope.fail('mrope_section', section, f'three positive ints with the sum {head_dim // 2}')
    time, row, column = section
    return time, row, column


def _action_head(top: Section) -> ActionHeadConfig:
    attention, found = None, top.values.get('vl_self_attention_cfg')
    if found is not None and (not isinstance(found, dict) or found.get('num_layers')):
        attention = attention_config(top, 'vl_self_attention_cfg')
    return head_config(top, _HEAD_KEYS, ActionHeadConfig, vl_self_attention=attention)
