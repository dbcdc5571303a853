# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read NVIDIA's config.json into frozen dataclasses, strictly; write it back, unknown fields kept.

Constants of the 3B model: NVIDIA's published config.json of GR00T-N1.5-3B and of its Eagle 2.5
backbone.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar

from gr00t_core.errors import CheckpointError
from gr00t_core.instructions import shown
from gr00t_core.models import lerobot_says_n1_7
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
    TEXT_KEYS,
    told,
)
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.models.n1_5.sizes import EAGLE_3B, published_3b

MODEL_TYPE = 'gr00t_n1_5'


@dataclass(frozen=True)
class VisionConfig:
    """SigLIP 2 vision tower: square images of `image_size` px, one token per patch."""

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    image_size: int
    patch_size: int
    layer_norm_eps: float

    @property
    def merge_size(self) -> int:
        """Return how many patches, along each side, make a token: one."""
        return 1

    @property
    def num_tokens(self) -> int:
        """Return the number of tokens of one view."""
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True)
class ActionHeadConfig(HeadConfig):
    """Flow-matching action head; training time is t = (noise_s − Beta(alpha, beta)) / noise_s."""

    num_future_tokens: int

    @property
    def state_history_length(self) -> int:
        """Return how many states the state encoder takes: the one of now."""
        return 1

    @property
    def state_dropout_prob(self) -> float:
        """Return how often training hides a state: never."""
        return 0.0

    @property
    def vl_layers(self) -> int:
        """Return the number of layers of the VL self-attention."""
        return super().vl_layers if self.use_vlln else 0


@dataclass(frozen=True)
class Gr00tConfig(ModelConfig):
    """Everything that decides the shapes and the arithmetic of the model.

    Attributes:
        project_to_dim: Width of an extra projection after the language model; None for N1.5-3B (no
            projection).
    """

    numbers: ClassVar = NUMBERS

    vision: VisionConfig
    action_head: ActionHeadConfig
    project_to_dim: int | None

    @classmethod
    def from_json(cls, raw: Any, source: str = 'config.json') -> 'Gr00tConfig':
        """Parse the content of config.json, which errors call `source`; raises CheckpointError."""
        raw = json_object(raw, source)
        if raw.get('type') == 'groot' and 'model_type' not in raw:
            if lerobot_says_n1_7(raw):
                raise CheckpointError(
                    f'{source}: LeRobot 0.6 or later made this checkpoint, and it holds GR00T'
                    f' N1.7; only N1.5 can be loaded. LeRobot 0.5.1 and `gr00t finetune` train it.'
                )
            # What LeRobot up to 0.5.1 made is N1.5-3B; its config.json holds policy settings.
            raw = published_3b()
        model_type = raw.get('model_type')
        if model_type != MODEL_TYPE:
            raise CheckpointError(
                f'{source}: model_type is {shown(model_type)}, only {MODEL_TYPE!r} can be loaded. '
                f'N1, N1.6 and N1.7 have other architectures; use a GR00T N1.5 checkpoint.'
            )
        top = Section(raw, source, '')
        backbone = top.section('backbone_cfg')
        backbone.require('reproject_vision', False)
        eagle = (
            top.section('eagle_config')
            if 'eagle_config' in raw
            else Section(EAGLE_3B, source, 'eagle_config')
        )
        text = eagle.section('text_config')
        text.require('rope_scaling', None)
        text.require('use_sliding_window', False)
        language = language_config(text, backbone.number('select_layer', int))
        project_to_dim = (
            None
            if backbone.value('project_to_dim') is None
            else backbone.number('project_to_dim', int)
        )
        head = _action_head(top.section('action_head_cfg'))
        top.require('action_dim', head.action_dim)
        top.require('action_horizon', head.action_horizon)
        features = project_to_dim or language.hidden_size
        if head.backbone_embedding_dim != features:
            top.section('action_head_cfg').fail(
                'backbone_embedding_dim', head.backbone_embedding_dim, features
            )
        return cls(
            vision=_vision(eagle),
            language=language,
            action_head=head,
            image_token_id=eagle.number('image_token_index', int),
            project_to_dim=project_to_dim,
            raw=raw,
        )

    def resized(self, horizon: int, action_dim: int, source: str) -> 'Gr00tConfig':
        """Return it with another action horizon and padded action width.

        Raises:
            CheckpointError: The model cannot have these sizes; names `source` and the field.
        """
        raw = self.to_json()
        raw.update(action_horizon=horizon, action_dim=action_dim)
        raw['action_head_cfg'].update(
            action_horizon=horizon, action_dim=action_dim, max_action_dim=action_dim
        )
        return self.from_json(raw, source)

    def to_json(self) -> dict[str, Any]:
        """Return the content of config.json: `raw` brought up to date with the dataclasses."""
        raw = deepcopy(dict(self.raw))
        head, dit, vl = self.action_head, self.action_head.dit, self.action_head.vl_self_attention
        raw.update(action_dim=head.action_dim, action_horizon=head.action_horizon)
        raw['backbone_cfg'].update(
            select_layer=self.language.num_layers, project_to_dim=self.project_to_dim
        )
        section = raw['action_head_cfg']
        section.update(told(head, _HEAD_KEYS), max_action_dim=head.action_dim)
        section['diffusion_model_cfg'].update(
            told(dit, DIT_KEYS), cross_attention_dim=dit.cross_attention_dim
        )
        section['vl_self_attention_cfg'].update(told(vl, ATTENTION_KEYS))
        eagle = raw.get('eagle_config', deepcopy(dict(EAGLE_3B)))
        eagle['image_token_index'] = self.image_token_id
        eagle['vision_config'].update(told(self.vision, _VISION_KEYS))
        eagle['text_config'].update(told(self.language, TEXT_KEYS))
        if 'eagle_config' in raw or eagle != EAGLE_3B:
            raw['eagle_config'] = eagle
        return raw


# NVIDIA's key → our field; the types are the dataclass's.
_VISION_KEYS = {
    'hidden_size': 'hidden_size',
    'intermediate_size': 'intermediate_size',
    'num_hidden_layers': 'num_layers',
    'num_attention_heads': 'num_heads',
    'image_size': 'image_size',
    'patch_size': 'patch_size',
    'layer_norm_eps': 'layer_norm_eps',
}
_HEAD_KEYS = {
    'action_dim': 'action_dim',
    'num_target_vision_tokens': 'num_future_tokens',
    **HEAD_KEYS,
}


def _vision(eagle: Section) -> VisionConfig:
    eagle.require('use_pixel_shuffle', False)
    eagle.require('mlp_connector_layers', 1)
    eagle.require('select_layer', -1)
    section = eagle.section('vision_config')
    section.require('hidden_act', 'gelu_pytorch_tanh')
    section.require('num_channels', 3)
    vision = VisionConfig(**section.fields(_VISION_KEYS, VisionConfig))
    if vision.hidden_size % vision.num_heads:
        section.fail(
            'num_attention_heads',
            vision.num_heads,
            f'a divisor of hidden_size {vision.hidden_size}',
        )
    if vision.image_size % vision.patch_size:
        section.fail(
            'patch_size', vision.patch_size, f'a divisor of image_size {vision.image_size}'
        )
    return vision


def _action_head(section: Section) -> ActionHeadConfig:
    values = {
        'max_num_embodiments': 32,
        **section.values,
    }  # upstream's class default; NVIDIA's file leaves it out
    section = Section(values, section.source, section.path)
    attention = attention_config(section, 'vl_self_attention_cfg')
    head = head_config(section, _HEAD_KEYS, ActionHeadConfig, vl_self_attention=attention)
    section.require('max_action_dim', head.action_dim)
    return head
