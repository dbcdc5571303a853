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

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn, Tensor

from gr00t_core.errors import ObservationError
from gr00t_core.models.n1_5.action_head import ActionHead
from gr00t_core.models.n1_5.backbone import Backbone
from gr00t_core.models.n1_5.config import Gr00tConfig

Batch = Mapping[str, Tensor]


class Gr00tN15(nn.Module):
    """The whole policy network.

    Attributes:
        mask_padding: False (the reference, which the weights were trained with): VL self-attention
            and DiT attend to prompt padding in ragged batches. True hides it, so that a sample's
            actions do not depend on its batch.
    """

    def __init__(self, config: Gr00tConfig, mask_padding: bool = False) -> None:
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
    ) -> 'Gr00tN15':
        """Load a checkpoint folder in NVIDIA's layout, in eval mode.

        Args:
            folder: Holds config.json and model*.safetensors.
            dtype: Of the weights; None keeps what is stored (a finetuned checkpoint may mix bf16
                and fp32).
            device: Where the weights go, one tensor at a time.
            mask_padding: See the class.

        Raises:
            CheckpointError: Anything missing, unexpected, damaged or of a wrong shape; nothing is
                left random.
        """
        from gr00t_core.models.n1_5.checkpoint import load_weights

        with torch.device('meta'):
            model = cls(Gr00tConfig.load(folder), mask_padding)
        load_weights(model, folder, dtype, device)
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

        save_weights(self, folder, dtype, max_shard_bytes)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        return self.action_head.future_tokens.device

    def set_trainable(
        self,
        tune_llm: bool = False,
        tune_visual: bool = False,
        tune_projector: bool = True,
        tune_diffusion_model: bool = True,
        tune_vl_self_attention: bool = True,
    ) -> None:
        """Choose what trains; frozen parts stay in eval mode under `train()`.

        Projector means state encoder, action encoder, action decoder and position embedding;
        visual means vision tower and connector. `future_tokens` always trains; SigLIP's unused
        pooling head never does.
        """
        head, backbone = self.action_head, self.backbone
        parts: tuple[tuple[bool, tuple[nn.Module, ...]], ...] = (
            (tune_llm, (backbone.language,)),
            (tune_visual, (backbone.vision, backbone.connector)),
            (tune_projector, (head.state_encoder, head.action_encoder, head.action_decoder)),
            (tune_diffusion_model, (head.dit,)),
            (tune_vl_self_attention, (head.vl_norm, head.vl_self_attention)),
        )
        self.requires_grad_(True)
        for tuned, modules in parts:
            for module in modules:
                module.requires_grad_(tuned)
        if head.position_embedding is not None:
            head.position_embedding.requires_grad_(tune_projector)
        backbone.vision.pooling_head.requires_grad_(False)
        self._frozen = [module for tuned, modules in parts if not tuned for module in modules]
        self.train(self.training)

    def train(self, mode: bool = True) -> 'Gr00tN15':
        """Switch dropout on or off; parts frozen by `set_trainable` stay in eval mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

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

    def key_mask(self, batch: Batch) -> Tensor | None:
        """Return (B, 1, 1, T), False at padding, when `mask_padding` is on; else None."""
        if not self.mask_padding:
            return None
        return batch['attention_mask'].to(self.device).bool()[:, None, None, :]

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
            ObservationError: Images and placeholders disagree, or only one of prefix and
                prefix_weight is given.
        """
        if (prefix is None) != (prefix_weight is None):
            raise ObservationError(
                'prefix (B, H, A) and prefix_weight (H,) go together: give both or neither.'
            )
        head, device = self.action_head, self.device
        features = self.encode(batch)
        if noise is None:
            shape = (
                features.shape[0],
                self.config.action_head.action_horizon,
                self.config.action_head.action_dim,
            )
            noise = self._normal(shape, generator)
        mask = self.key_mask(batch)
        return head.denoise(
            head.process(features, mask),
            batch['state'].to(device),
            batch['embodiment_id'].to(device),
            noise.to(device),
            denoising_steps or self.config.action_head.num_inference_timesteps,
            mask,
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
            time: (B·K,) flow times in [−0.001002, 1], 0 = noise; None draws them.
            generator: Source of noise and time (or torch's global one).
            draws: K, noise and time draws per sample when they are drawn here; they share the VL
                path.
        """
        head, device = self.action_head, self.device
        action, action_mask = batch['action'].to(device), batch['action_mask'].to(device)
        if noise is None:
            shape = (action.shape[0] * draws, *action.shape[1:])
            noise = self._normal(shape, generator)
        if time is None:
            time = head.sample_time(noise.shape[0], generator)
        mask = self.key_mask(batch)
        return head.loss(
            head.process(self.encode(batch), mask),
            batch['state'].to(device),
            batch['embodiment_id'].to(device),
            action,
            action_mask,
            noise.to(device),
            time.to(device),
            mask,
        )

    def forward(
        self, batch: Batch, noise: Tensor | None = None, time: Tensor | None = None, draws: int = 1
    ) -> Tensor:
        """Return `loss`; the entry that DDP and FSDP wrap."""
        return self.loss(batch, noise, time, draws=draws)
