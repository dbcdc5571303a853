# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen3-VL's language model, truncated: embeddings to features of the last kept layer.

Shapes: B batch · T tokens · M image tokens of the batch · C width · D head dim. Layers are those
of Qwen3 (as in N1.5); new are three positions per token (time, row, column) whose frequencies
interleave, and deepstack features that the first layers add at the image tokens.
"""

from collections.abc import Sequence

import torch
from torch import nn, Tensor

from gr00t_core.errors import ObservationError
from gr00t_core.models.n1_5.config import LanguageConfig
from gr00t_core.models.n1_5.language import LanguageLayer, RMSNorm, Rotation
from gr00t_core.models.n1_7.vision import Grid


class LanguageModel(nn.Module):
    """The first `num_layers` layers of Qwen3-VL's decoder.

    `norm`, the decoder's final norm, is never computed: checkpoints hold it.
    """

    def __init__(self, config: LanguageConfig, mrope_section: tuple[int, int, int]) -> None:
        super().__init__()
        self.config, self.mrope_section = config, mrope_section
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.layers = nn.ModuleList(LanguageLayer(config) for _ in range(config.num_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.norm.requires_grad_(False)

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        attention_mask: Tensor | None,
        image_mask: Tensor,
        deepstack: Sequence[Tensor],
    ) -> Tensor:
        """Map embeddings (B, T, C) to features (B, T, C), before the final norm.

        Args:
            x: Token embeddings, image tokens already in place.
            positions: (3, B, T), from `token_positions`.
            attention_mask: (B, T), 0 at padding; None when nothing is padded. A padding row
                attends to nothing: its attention output is 0.
            image_mask: (B, T) bool, True at image tokens.
            deepstack: Features (M, C) that layer 0, 1, … adds to its output.
        """
        length = x.shape[1]
        mask = None
        if attention_mask is not None:
            causal = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
            mask = causal & attention_mask.bool()[:, None, None, :]
        rotation = self.rotation(positions, x)
        for index, layer in enumerate(self.layers):
            x = layer(x, rotation, mask)
            if index < len(deepstack):
                x = x + at_images(deepstack[index].to(x.dtype), image_mask)
        return x

    def rotation(self, positions: Tensor, like: Tensor) -> Rotation:
        """Return cosines and sines (B, 1, T, D) of positions (3, B, T), in the dtype of `like`.

        Frequency j follows the row where j mod 3 = 1, the column where j mod 3 = 2, both as far as
        their section reaches, else the time.
        """
        dim = self.config.head_dim
        index = torch.arange(0, dim, 2, dtype=torch.float32, device=like.device)
        frequency = 1.0 / self.config.rope_theta ** (index / dim)
        axis = [
            j % 3 if j % 3 and j < 3 * self.mrope_section[j % 3] else 0 for j in range(dim // 2)
        ]
        chosen = positions.float()[axis]  # (D/2, B, T)
        angle = chosen.permute(1, 2, 0) * frequency
        angle = torch.cat((angle, angle), dim=-1)[:, None]
        return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def at_images(features: Tensor, image_mask: Tensor) -> Tensor:
    """Spread features (M, C), in order, to the True places of (B, T): (B, T, C), 0 elsewhere."""
    order = (image_mask.flatten().cumsum(0) - 1).clamp(min=0).view_as(image_mask)
    return torch.where(image_mask[..., None], features[order], features.new_zeros(()))


def token_positions(
    input_ids: Tensor,
    attention_mask: Tensor,
    grids: Sequence[Grid],
    image_token_id: int,
    merge_size: int,
) -> Tensor:
    """Return the positions (3, B, T) int64 (time, row, column) of every token.

    Words count up on all three. The tokens of an image get the counter plus (0, row, column); then
    the counter moves on by the longer side. Padding gets 0.

    Args:
        input_ids: (B, T).
        attention_mask: (B, T), 0 at padding.
        grids: Patch rows and columns of the batch's images, in order.
        image_token_id: Id of an image token.
        merge_size: Patches per token along each side.

    Raises:
        ObservationError: The image tokens are not those of the images.
    """
    positions = torch.zeros(3, *input_ids.shape, dtype=torch.long)
    remaining = [(rows // merge_size, columns // merge_size) for rows, columns in grids]
    images = iter(remaining)
    ids, masks = input_ids.tolist(), attention_mask.tolist()
    used = 0
    for row, (tokens, mask) in enumerate(zip(ids, masks, strict=True)):
        real = [place for place, kept in enumerate(mask) if kept]
        counter, at = 0, 0
        found: list[tuple[int, int, int]] = []
        while at < len(real):
            if tokens[real[at]] != image_token_id:
                found.append((counter, counter, counter))
                counter, at = counter + 1, at + 1
                continue
            height, width = next(images, (0, 0))
            run = [tokens[place] == image_token_id for place in real[at : at + height * width]]
            if not height or len(run) < height * width or not all(run):
                raise ObservationError(
                    f'sample {row}: the image tokens at position {real[at]} are not those of image'
                    f' {used} of {len(remaining)}, which needs {height * width} in a row. Build'
                    ' the batch with the processor of this checkpoint'
                )
            found += [
                (counter, counter + down, counter + across)
                for down in range(height)
                for across in range(width)
            ]
            counter, at, used = counter + max(height, width), at + height * width, used + 1
        positions[:, row, real] = torch.tensor(found, dtype=torch.long).view(-1, 3).T
    if used != len(remaining):
        raise ObservationError(
            f'{len(remaining)} images, but the prompts hold the tokens of {used}. Build the batch'
            ' with the processor of this checkpoint'
        )
    return positions
