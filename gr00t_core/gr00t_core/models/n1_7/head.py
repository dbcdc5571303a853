# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.7's action head: its cross-attention blocks see words and images in turn.

Shapes: B batch · S vision-language tokens · H action horizon · A action width (padded).
"""

import torch
from torch import Tensor

from gr00t_core.errors import ObservationError
from gr00t_core.models.layers import action_head
from gr00t_core.models.n1_7.config import ActionHeadConfig


class FrozenPrefix:
    """Real-time chunking as N1.7's own: rows with a weight above 0 start from the prefix.

    Their velocity is multiplied by 1 − weight, so that a committed row (weight 1) comes out equal
    to the prefix; `rtc_prefix` makes N1.7's ramp. Arguments: (B, H, A) but
    `weight` (H, 1) in [0, 1]; `left` is 1−t.
    """

    @staticmethod
    def begun(noise: Tensor, prefix: Tensor, weight: Tensor) -> Tensor:
        """Return where the flow begins."""
        return torch.where(weight > 0, prefix, noise)

    @staticmethod
    def steered(
        velocity: Tensor, actions: Tensor, prefix: Tensor, weight: Tensor, left: float | Tensor
    ) -> Tensor:
        """Return the velocity that is followed."""
        return velocity * (1 - weight)

    @staticmethod
    def ended(actions: Tensor, prefix: Tensor, weight: Tensor) -> Tensor:
        """Return the actions at the end of the flow."""
        return actions


class ActionHead(action_head.ActionHead):
    """The action head with N1.7's masks, training times and real-time chunking."""

    rtc = FrozenPrefix
    config: ActionHeadConfig

    def sees(self, index: int) -> str | None:
        """Return what cross-attention block `index` may see: `words`, `images`, or None for all.

        Blocks 0, 2n, 4n, … see the words, the other even ones the images (n:
        `attend_text_every_n_blocks`). Without `use_alternate_vl_dit` all see everything.
        """
        if not self.config.use_alternate_vl_dit:
            return None
        words = index % (2 * self.config.attend_text_every_n_blocks) == 0
        return 'words' if words else 'images'

    def masks(self, image_mask: Tensor, real: Tensor, hide_padding: bool) -> list[Tensor | None]:
        """Return the mask (B, 1, 1, S) of every block, None where everything is seen.

        Blocks that see words or images never see padding; those that see everything see it unless
        `hide_padding`.

        Args:
            image_mask: (B, S) bool, True at image tokens.
            real: (B, S) bool, False at padding.
            hide_padding: See above.
        """
        kinds = {
            'words': real & ~image_mask,
            'images': real & image_mask,
            None: real if hide_padding else None,
        }
        chosen = (kinds[self.sees(index)] for index in range(self.config.dit.num_layers))
        return [None if mask is None else mask[:, None, None] for mask in chosen]

    def flow_time(self, drawn: Tensor) -> Tensor:
        """Return the training time t = (1 − Beta(α, β))·s."""
        return (1 - drawn) * self.config.noise_s

    def counted(self, weight: Tensor) -> Tensor:
        """Return what the sum of squared errors is divided by, of the weights (B·K, H, A)."""
        return weight.sum() + 1e-6


def rtc_prefix(
    previous: Tensor, horizon: int, overlap: int, frozen: int, ramp_rate: float
) -> tuple[Tensor, Tensor]:
    """Return prefix (B, H, A) and weight (H,) of N1.7's real-time chunking, for `denoise`.

    Args:
        previous: (B, H, A), the previous chunk, normalised.
        horizon: Rows of the previous chunk that count; the last `overlap` of them are taken over.
        overlap: Rows that begin from the previous chunk.
        frozen: Rows of these that do not move.
        ramp_rate: r of the ramp (1 − e^(−r·u)) / (1 − e^(−r)) by which the others move; with 0
            they do not move.

    Raises:
        ObservationError: Not 0 <= frozen <= overlap <= horizon <= H, or a negative rate.
    """
    if not ramp_rate >= 0:
        raise ObservationError(
            f'real-time chunking: ramp rate {ramp_rate}, expected a number from 0 on (usual: 6)'
        )
    if not 0 <= frozen <= overlap <= horizon <= previous.shape[1]:
        raise ObservationError(
            f'real-time chunking: frozen {frozen}, overlap {overlap}, horizon {horizon}, expected'
            f' 0 <= frozen <= overlap <= horizon <= {previous.shape[1]}'
        )
    prefix = torch.zeros_like(previous)
    prefix[:, :overlap] = previous[:, horizon - overlap : horizon]
    u = torch.linspace(0, 1, overlap - frozen + 2)[1:-1]
    ramp = 1 - torch.exp(-ramp_rate * u)
    ramp = ramp / (1 - torch.exp(torch.tensor(-float(ramp_rate)))).clamp_min(1e-8)
    weight = torch.zeros(previous.shape[1])
    weight[:frozen] = 1
    # Above 0 even where a steep ramp is over: the row begins from the prefix all the same.
    weight[frozen:overlap] = (1 - ramp).clamp_min(torch.finfo(torch.float32).tiny)
    return prefix, weight.to(previous.device)
