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

import torch
from torch import nn, Tensor

from gr00t_core.errors import ObservationError
from gr00t_core.models.n1_7.backbone import Backbone
from gr00t_core.models.n1_7.checkpoint import N1_7
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.head import ActionHead, Seen
from gr00t_core.models.n1_7.language import token_positions
from gr00t_core.models.n1_7.vision import Grid
from gr00t_core.models.network import Batch, PolicyNetwork


class Gr00tN17(PolicyNetwork):
    """The whole policy network; only VL self-attention attends to padding."""

    config_class = Gr00tN17Config
    layout = N1_7
    config: Gr00tN17Config
    action_head: ActionHead

    def __init__(self, config: Gr00tN17Config, mask_padding: bool = False) -> None:
        super().__init__(config, mask_padding)
        self.backbone = Backbone(config)
        self.action_head = ActionHead(config.action_head)

    def set_trainable(
        self,
        tune_llm: bool = False,
        tune_visual: bool = False,
        tune_projector: bool = True,
        tune_diffusion_model: bool = True,
        tune_vl_self_attention: bool = True,
        tune_top_llm_layers: int = 0,
    ) -> None:
        """Choose what trains; frozen parts stay in eval mode under `train()`.

        Projector means state encoder, action encoder, action decoder and position embedding;
        `tune_vl_self_attention` is NVIDIA's tune_vlln. The token embedding, tied to the frozen
        output head, and the unused final norm of the language model never train.
        """
        head, backbone = self.action_head, self.backbone
        layers = backbone.language.layers
        top = len(layers) - min(tune_top_llm_layers, len(layers))
        parts: list[tuple[bool, tuple[nn.Module, ...]]] = [
            (False, (backbone.language,)),
            (tune_visual, (backbone.vision,)),
            (tune_projector, (head.state_encoder, head.action_encoder, head.action_decoder)),
            (tune_diffusion_model, (head.dit,)),
            (tune_vl_self_attention, (head.vl_norm, head.vl_self_attention)),
        ]
        parts += [(tune_llm or place >= top, (layer,)) for place, layer in enumerate(layers)]
        for tuned, modules in parts:
            for module in modules:
                module.requires_grad_(tuned)
        if head.position_embedding is not None:
            head.position_embedding.requires_grad_(tune_projector)
        self._frozen = [
            module
            for tuned, modules in parts
            for module in modules
            if not tuned and module is not backbone.language
        ]
        self.train(self.training)

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
            positions.to(self.device),
            attention_mask.to(self.device) if padded else None,
        )
        return out

    def seen(self, batch: Batch, features: Tensor) -> Seen:
        """Return what the action head attends to, of backbone features (B, T, C)."""
        real = batch['attention_mask'].to(self.device).bool()
        image_mask = batch['input_ids'].to(self.device) == self.config.image_token_id
        mask = real[:, None, None] if self.mask_padding else None
        vl_embs = self.action_head.process(features, mask)
        return self.action_head.seen(vl_embs, image_mask, real, self.mask_padding)

    def slot(self, batch: Batch) -> Tensor:
        """Return the embodiment slots (B,) int64; raises ObservationError for one that is none."""
        slot = batch['embodiment_id'].to(self.device, torch.long)
        slots = self.config.action_head.max_num_embodiments
        if bool(((slot < 0) | (slot >= slots)).any()):
            raise ObservationError(
                f'embodiment_id is {slot.tolist()}, expected slots from 0 to {slots - 1}'
            )
        return slot

    def attended(self, batch: Batch) -> Seen:
        """Return `seen` of the backbone's features."""
        return self.seen(batch, self.encode(batch))

    def denoise(
        self,
        attended: Seen,
        state: Tensor,
        slot: Tensor,
        noise: Tensor,
        steps: int,
        prefix: Tensor | None,
        prefix_weight: Tensor | None,
    ) -> Tensor:
        """Run the action head's `denoise`."""
        return self.action_head.denoise(attended, state, slot, noise, steps, prefix, prefix_weight)

    def velocity_loss(
        self,
        attended: Seen,
        state: Tensor,
        slot: Tensor,
        action: Tensor,
        action_mask: Tensor,
        noise: Tensor,
        time: Tensor,
    ) -> Tensor:
        """Run the action head's `loss`."""
        return self.action_head.loss(attended, state, slot, action, action_mask, noise, time)


def image_grids(batch: Batch, row_width: int, merge_size: int) -> list[Grid]:
    """Return patch rows and columns of the batch's images.

    Raises:
        ObservationError: The grids are not those of still images, or not of these patches.
    """
    pixel_values, listed = batch['pixel_values'], batch['image_grid_thw'].long().tolist()
    grids = [(rows, columns) for _, rows, columns in listed]
    fits = all(
        time == 1 and rows > 0 and columns > 0 and rows % merge_size == columns % merge_size == 0
        for time, rows, columns in listed
    )
    patches = sum(rows * columns for rows, columns in grids)
    if not fits or tuple(pixel_values.shape) != (patches, row_width):
        raise ObservationError(
            f'pixel_values {tuple(pixel_values.shape)} and image_grid_thw {listed} do not belong'
            f' together: this checkpoint takes one row of {row_width} values per patch, and grids'
            f' (1, rows, columns) that divide by {merge_size}. Build the batch with the processor'
            ' of this checkpoint'
        )
    return grids
