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

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn, Tensor

from gr00t_core.errors import ObservationError
from gr00t_core.models.n1_7.backbone import Backbone
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.head import ActionHead, Seen
from gr00t_core.models.n1_7.language import token_positions
from gr00t_core.models.n1_7.vision import Grid

Batch = Mapping[str, Tensor]


class Gr00tN17(nn.Module):
    """The whole policy network.

    Attributes:
        mask_padding: False (the reference, which the weights were trained with): VL self-attention
            attends to prompt padding in ragged batches. True hides it, so that a sample's actions
            do not depend on its batch.
    """

    def __init__(self, config: Gr00tN17Config, mask_padding: bool = False) -> None:
        super().__init__()
        self.config = config
        self.mask_padding = mask_padding
        self.backbone = Backbone(config)
        self.action_head = ActionHead(config.action_head)
        self._frozen: list[nn.Module] = []

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        dtype: torch.dtype | None = None,
        device: str | torch.device = 'cpu',
        mask_padding: bool = False,
    ) -> 'Gr00tN17':
        """Load a checkpoint folder in NVIDIA's or LeRobot's layout, in eval mode.

        Args:
            folder: Holds config.json and model*.safetensors.
            dtype: Of the weights; None keeps what is stored.
            device: Where the weights go, one tensor at a time.
            mask_padding: See the class.

        Raises:
            CheckpointError: Anything missing, unexpected, damaged or of a wrong shape; nothing is
                left random.
        """
        from gr00t_core.models.n1_5.checkpoint import load_weights
        from gr00t_core.models.n1_7.checkpoint import N1_7

        with torch.device('meta'):
            model = cls(Gr00tN17Config.load(folder), mask_padding)
        load_weights(model, folder, dtype, device, N1_7)
        return model.eval()

    def save_pretrained(
        self,
        folder: str | Path,
        dtype: torch.dtype | None = None,
        max_shard_bytes: int = 5_000_000_000,
    ) -> None:
        """Write config.json and the weights in NVIDIA's layout, both tied embeddings included.

        Args:
            folder: Made when missing; model*.safetensors and config.json in it are replaced, the
                rest is left.
            dtype: Of the stored weights; None keeps the model's.
            max_shard_bytes: Size above which the weights are split into shards with an index.
        """
        from gr00t_core.models.n1_5.checkpoint import save_weights
        from gr00t_core.models.n1_7.checkpoint import N1_7

        save_weights(self, folder, dtype, max_shard_bytes, N1_7)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.action_head.dit.output.weight.device

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

    def train(self, mode: bool = True) -> 'Gr00tN17':
        """Switch dropout on or off; parts frozen by `set_trainable` stay in eval mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

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

    def _normal(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        return torch.randn(
            shape, generator=generator, device=generator.device if generator else self.device
        )

    @torch.no_grad()
    def get_action(
        self,
        batch: Batch,
        noise: Tensor | None = None,
        denoising_steps: int | None = None,
        generator: torch.Generator | None = None,
        prefix: Tensor | None = None,
        prefix_weight: Tensor | None = None,
    ) -> Tensor:
        """Sample normalised action chunks (B, H, A) float32.

        Args:
            batch: See the module.
            noise: (B, H, A) starting point; None draws it from `generator` (or torch's global
                one).
            denoising_steps: Euler steps; None takes the checkpoint's (4).
            generator: Source of the noise.
            prefix: (B, H, A), real-time chunking; see `ActionHead.denoise`.
            prefix_weight: (H,) in [0, 1], given together with `prefix`.

        Raises:
            ObservationError: The batch does not fit, or only one of prefix and prefix_weight is
                given.
        """
        if (prefix is None) != (prefix_weight is None):
            raise ObservationError(
                'prefix (B, H, A) and prefix_weight (H,) go together: give both or neither.'
            )
        head, device = self.config.action_head, self.device
        slot = self.slot(batch)
        if noise is None:
            noise = self._normal((len(slot), head.action_horizon, head.action_dim), generator)
        return self.action_head.denoise(
            self.seen(batch, self.encode(batch)),
            batch['state'].to(device),
            slot,
            noise.to(device),
            denoising_steps or head.num_inference_timesteps,
            None if prefix is None else prefix.to(device, torch.float32),
            None if prefix_weight is None else prefix_weight.to(device, torch.float32),
        )

    def loss(
        self,
        batch: Batch,
        noise: Tensor | None = None,
        time: Tensor | None = None,
        generator: torch.Generator | None = None,
        draws: int = 1,
    ) -> Tensor:
        """Return the flow-matching loss, a float32 scalar.

        Args:
            batch: See the module.
            noise: (B·K, H, A); None draws it. Row b·K + k belongs to sample b.
            time: (B·K,) flow times in [0, 0.999], 0 = noise; None draws them.
            generator: Source of noise and time (or torch's global one).
            draws: K, noise and time draws per sample when they are drawn here; they share the VL
                path.
        """
        device = self.device
        action, action_mask = batch['action'].to(device), batch['action_mask'].to(device)
        if noise is None:
            noise = self._normal((action.shape[0] * draws, *action.shape[1:]), generator)
        if time is None:
            time = self.action_head.sample_time(noise.shape[0], generator)
        return self.action_head.loss(
            self.seen(batch, self.encode(batch)),
            batch['state'].to(device),
            self.slot(batch),
            action,
            action_mask,
            noise.to(device),
            time.to(device),
        )

    def forward(
        self, batch: Batch, noise: Tensor | None = None, time: Tensor | None = None, draws: int = 1
    ) -> Tensor:
        """Return `loss`; the entry that DDP and FSDP wrap."""
        return self.loss(batch, noise, time, draws=draws)


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
