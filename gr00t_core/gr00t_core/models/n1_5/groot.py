# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.5: images, instruction and state to an action chunk.

Shapes: B batch · T prompt tokens · V camera views (all of the batch) · H action horizon · A action
width (padded) · S state width (padded).

A batch is a mapping: `pixel_values` (ΣV, 3, h, w) float in [−1, 1], sample by sample, time outer
and view inner; `input_ids`, `attention_mask` (B, T) int64, left-padded; `state` (B, 1, S) float;
`embodiment_id` (B,) int64; for the loss also `action` (B, H, A) float and `action_mask` (B, H, A)
bool. State and action are normalised and zero-padded.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import nn, Tensor

from gr00t_core.errors import ObservationError
from gr00t_core.models.n1_5.backbone import Backbone
from gr00t_core.models.n1_5.checkpoint import N1_5
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.folded import VisionLanguage
from gr00t_core.models.n1_5.head import ActionHead
from gr00t_core.models.network import Batch, PolicyNetwork


class Gr00tN15(PolicyNetwork):
    """The whole policy network; VL self-attention and DiT attend to padding."""

    config_class = Gr00tConfig
    layout = N1_5
    backbone_class, head_class, context_class = Backbone, ActionHead, VisionLanguage
    config: Gr00tConfig
    backbone: Backbone
    action_head: ActionHead

    def backbone_parts(
        self, tune_llm: bool, tune_visual: bool
    ) -> Iterable[tuple[bool, Sequence[nn.Module]]]:
        """Return the parts: visual means vision tower and connector.

        `future_tokens` always trains; SigLIP's unused pooling head never does.
        """
        vision, connector = self.backbone.vision, self.backbone.connector
        return (
            (tune_llm, (self.backbone.language,)),
            (tune_visual, (vision, connector)),
            (False, (vision.pooling_head,)),
        )

    def encode(self, batch: Batch) -> Tensor:
        """Return backbone features (B, T, F), before the action head's LayerNorm.

        Checks once that the image placeholders match the images; this waits for the device.
        `backbone(...)` does not.

        Raises:
            ObservationError: Images and placeholders disagree.
        """
        pixel_values, input_ids = (
            batch[key].to(self.device) for key in ('pixel_values', 'input_ids')
        )
        vision = self.config.vision
        placeholders = int((input_ids == self.config.image_token_id).sum())
        size = (3, vision.image_size, vision.image_size)
        if (
            pixel_values.shape[1:] != size
            or placeholders != pixel_values.shape[0] * vision.num_tokens
        ):
            raise ObservationError(
                f'pixel_values {tuple(pixel_values.shape)} and input_ids with {placeholders} '
                f'image tokens do not belong together: this checkpoint takes images {size} and '
                f'{vision.num_tokens} tokens per view. Build the batch with gr00t_core.transforms '
                f'for this checkpoint.'
            )
        attention_mask = batch['attention_mask'].to(self.device)
        padded = not bool(attention_mask.all())
        out: Tensor = self.backbone(pixel_values, input_ids, attention_mask if padded else None)
        return out

    def fold_backbone(self) -> list[nn.Module]:
        """Compute features of unpadded batches by the folded backbone; return its layers."""
        with torch.no_grad():
            folded = VisionLanguage(self, whole=False).eval()
        self._folded = (folded,)  # in a tuple: its weights are the backbone's
        images, prompt = folded.image_pieces, folded.prompt_pieces
        return [*folded.vision_layers, *images, *folded.language_layers, *prompt]

    def attended(self, batch: Batch, padded: bool | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the processed features (B, T, F) and their mask (B, 1, 1, T), False at padding.

        None, the reference, lets padding be seen. Where the caller says whether there is any, the
        images are not compared with the prompt.
        """
        known = batch.get('features')
        attention_mask = batch['attention_mask'].to(self.device)
        hide = padded is not False and (self.mask_padding or known is not None)
        mask = attention_mask.bool()[:, None, None, :] if hide else None
        if known is not None:
            features = known.to(self.device)
        elif padded is None:
            features = self.encode(batch)
        else:
            trains = any(parameter.requires_grad for parameter in self.backbone.parameters())
            images, ids = (batch[key].to(self.device) for key in ('pixel_values', 'input_ids'))
            with torch.set_grad_enabled(trains and torch.is_grad_enabled()):
                if self._folded and not padded and not trains:
                    (folded,) = self._folded
                    with torch.autocast(self.device.type, enabled=False):  # in its own dtype
                        features = folded.language_model(folded.vision(images), ids)
                else:
                    features = self.backbone(images, ids, attention_mask if padded else None)
        return self.action_head.process(features, mask), mask
