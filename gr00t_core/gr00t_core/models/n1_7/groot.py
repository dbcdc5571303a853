# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.7: images, instruction and state to an action chunk.

Shapes: B batch · T prompt tokens · N images of the batch · P patches of all images · H action
horizon · A action width (padded) · S state width (padded).

A batch is a mapping: `pixel_values` (P, 1536) float in [−1, 1], the patches of all images, sample
by sample, time outer and view inner; `image_grid_thw` (N, 3) int64, moments (1) and patch rows and
columns of each; samples may differ in number and size of images. `input_ids`, `attention_mask`
(B, T) int64, left-padded; `state` (B, history, S) float; `embodiment_id` (B,) integer; for the
loss also `action` (B, H, A) float and `action_mask` (B, H, A). State and action are normalised and
zero-padded.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import nn, Tensor

from gr00t_core.models.layers.dit import Masks
from gr00t_core.models.n1_7.backbone import Backbone
from gr00t_core.models.n1_7.checkpoint import N1_7
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.folded import VisionLanguage
from gr00t_core.models.n1_7.head import ActionHead
from gr00t_core.models.n1_7.places import check_slots, image_grids, token_positions
from gr00t_core.models.network import Batch, PolicyNetwork


class Gr00tN17(PolicyNetwork):
    """The whole policy network; only VL self-attention attends to padding."""

    config_class = Gr00tN17Config
    layout = N1_7
    backbone_class, head_class, context_class = Backbone, ActionHead, VisionLanguage
    config: Gr00tN17Config
    backbone: Backbone
    action_head: ActionHead

    def backbone_parts(
        self, tune_llm: bool, tune_visual: bool, tune_top_llm_layers: int = 0
    ) -> Iterable[tuple[bool, Sequence[nn.Module]]]:
        """Return the parts; language layers train one by one, from the top.

        `tune_vl_self_attention` is NVIDIA's tune_vlln. The token embedding, tied to the frozen
        output head, and the unused final norm of the language model never train.
        """
        language = self.backbone.language
        top = len(language.layers) - tune_top_llm_layers
        for place, layer in enumerate(language.layers):
            yield tune_llm or place >= top, (layer,)
        yield False, (language.token_embedding, language.norm)
        yield tune_visual, (self.backbone.vision,)

    def encode(self, batch: Batch) -> Tensor:
        """Return backbone features (B, T, C), before the action head's LayerNorm.

        Raises:
            ObservationError: Images, grids and image tokens do not belong together.
        """
        config = self.config
        grids = image_grids(batch, config.vision.row_width, config.vision.merge_size)
        attention_mask = batch['attention_mask']
        positions = token_positions(
            batch['input_ids'],
            attention_mask,
            grids,
            config.image_token_id,
            config.vision.merge_size,
        )
        padded = not bool(attention_mask.all())
        out: Tensor = self.backbone(
            batch['pixel_values'].to(self.device),
            grids,
            batch['input_ids'].to(self.device),
            torch.from_numpy(positions).to(self.device),
            attention_mask.to(self.device) if padded else None,
        )
        return out

    def slot(self, batch: Batch) -> Tensor:
        """Return the embodiment slots (B,) int64; raises ObservationError for one that is none."""
        slot = batch['embodiment_id'].to(self.device, torch.long)
        check_slots(slot, self.config.action_head.max_num_embodiments)
        return slot

    def attended(self, batch: Batch, padded: bool | None = None) -> tuple[Tensor, Masks]:
        """Return the processed features (B, T, C) and the mask of every DiT block."""
        real = batch['attention_mask'].to(self.device).bool()
        image_mask = batch['input_ids'].to(self.device) == self.config.image_token_id
        known = batch.get('features')
        if padded is None and known is not None:
            padded = not bool(real.all())
        hide = self.mask_padding or (known is not None and padded is True)
        features = self.encode(batch) if known is None else known.to(self.device)
        features = self.action_head.process(features, real[:, None, None] if hide else None)
        return features, self.action_head.masks(image_mask, real, hide)
