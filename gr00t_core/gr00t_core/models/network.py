# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the networks of all families have in common: files, frozen parts, and drawing noise.

Shapes: B batch · K noise draws per sample · H action horizon · A action width (padded). A batch is
a mapping, described in the family's `groot` module.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn, Tensor

from gr00t_core.errors import ObservationError
from gr00t_core.models.layers.attention import VisionLayer
from gr00t_core.models.layers.dit import DiTBlock, SelfAttentionBlock
from gr00t_core.models.layers.qwen3 import LanguageLayer
from gr00t_core.models.weights import Layout, load_weights, MAX_SHARD_BYTES, save_weights

Batch = Mapping[str, Tensor]
Network = TypeVar('Network', bound='PolicyNetwork')


class PolicyNetwork(nn.Module):
    """A policy network; a family adds what its action head attends to.

    Attributes:
        mask_padding: False (the reference, which the weights were trained with): prompt padding in
            ragged batches is attended to. True hides it, so that a sample's actions do not depend
            on its batch.
        block_classes: Transformer blocks of all parts, which training compiles, recomputes and
            shards one by one.
        backbone: Vision tower and language model.
        action_head: What the features go into.
    """

    config_class: ClassVar[Any]
    backbone_class: ClassVar[Any]
    head_class: ClassVar[Any]
    context_class: ClassVar[Any]
    layout: ClassVar[Layout]
    block_classes: ClassVar = (DiTBlock, SelfAttentionBlock, LanguageLayer, VisionLayer)

    config: Any
    backbone: Any
    action_head: Any

    def __init__(self, config: Any, mask_padding: bool = False) -> None:
        super().__init__()
        self.config = config
        self.mask_padding = mask_padding
        self._frozen: list[nn.Module] = []
        self._folded: tuple[Any, ...] = ()
        self.backbone = self.backbone_class(config)
        self.action_head = self.head_class(config.action_head)

    @classmethod
    def from_pretrained(
        cls: type[Network],
        folder: str | Path,
        dtype: torch.dtype | None = None,
        device: str | torch.device = 'cpu',
        mask_padding: bool = False,
    ) -> Network:
        """Load a checkpoint folder in NVIDIA's or LeRobot's layout, in eval mode.

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
        with torch.device('meta'):
            model = cls(cls.config_class.load(folder), mask_padding)
        load_weights(model, folder, cls.layout, dtype, device)
        return model.eval()

    def save_pretrained(
        self,
        folder: str | Path,
        dtype: torch.dtype | None = None,
        max_shard_bytes: int = MAX_SHARD_BYTES,
    ) -> None:
        """Write config.json and the weights in NVIDIA's layout, both tied embeddings included.

        Args:
            folder: Made when missing; model*.safetensors and config.json in it are replaced, the
                rest is left.
            dtype: Of the stored weights; None keeps the model's.
            max_shard_bytes: Size above which the weights are split into shards with an index.
        """
        save_weights(self.state_dict(), self.config, folder, self.layout, dtype, max_shard_bytes)

    @property
    def device(self) -> torch.device:
        """Return where the weights are."""
        place: torch.device = next(self.action_head.parameters()).device
        return place

    def train(self: Network, mode: bool = True) -> Network:
        """Switch dropout on or off; parts frozen by `set_trainable` stay in eval mode."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def slot(self, batch: Batch) -> Tensor:
        """Return the embodiment slots (B,) of a batch, on the model's device."""
        return batch['embodiment_id'].to(self.device)

    def folded_context(self) -> nn.Module:
        """Return the vision-language part folded for inference; it shares the weights."""
        folded: nn.Module = self.context_class(self)
        return folded

    def fold_backbone(self) -> list[nn.Module]:
        """Compute the features of a frozen backbone by its folded form, where a family has one.

        For training. The weights stay where they are, as views where they were joined; do not
        move or cast the model afterwards.

        Returns:
            The folded layers, for a compiler; empty where the plain backbone goes on.
        """
        return []

    def set_trainable(
        self,
        tune_llm: bool = False,
        tune_visual: bool = False,
        tune_projector: bool = True,
        tune_diffusion_model: bool = True,
        tune_vl_self_attention: bool = True,
        **own: Any,
    ) -> None:
        """Choose what trains; frozen parts stay in eval mode under `train()`.

        Projector means state encoder, action encoder, action decoder and position embedding; what
        the others are in the backbone, and further options, says the family's `backbone_parts`.
        """
        self.requires_grad_(True)
        head = self.action_head
        parts = (
            *self.backbone_parts(tune_llm, tune_visual, **own),
            (tune_projector, (head.state_encoder, head.action_encoder, head.action_decoder)),
            (tune_diffusion_model, (head.dit,)),
            (tune_vl_self_attention, (head.vl_norm, head.vl_self_attention)),
        )
        for tuned, modules in parts:
            for module in modules:
                module.requires_grad_(tuned)
        if head.position_embedding is not None:
            head.position_embedding.requires_grad_(tune_projector)
        self._frozen = [module for tuned, modules in parts if not tuned for module in modules]
        self.train(self.training)

    def backbone_parts(
        self, tune_llm: bool, tune_visual: bool
    ) -> Iterable[tuple[bool, Sequence[nn.Module]]]:
        """Return parts of the backbone, and whether each trains; of two, the later one counts."""
        raise NotImplementedError

    def encode(self, batch: Batch) -> Tensor:
        """Return backbone features (B, T, C); raises ObservationError where images do not fit."""
        raise NotImplementedError

    def attended(self, batch: Batch, padded: bool | None = None) -> tuple[Tensor, Any]:
        """Return the processed features (B, T, C) and the mask that the DiT gets.

        Args:
            batch: See the family's `groot` module. It may bring `features` (B, T, C), from
                `encode`, in place of images; their padding is hidden, since nothing was computed
                for it.
            padded: See `loss`.

        Raises:
            ObservationError: Images and prompt do not belong together.
        """
        raise NotImplementedError

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
            batch: See the family's `groot` module.
            noise: (B, H, A) starting point; None draws it from `generator` (or torch's global
                one).
            denoising_steps: Euler steps; None takes the checkpoint's (4).
            generator: Source of the noise.
            prefix: (B, H, A), real-time chunking; see the `denoise` of the action head.
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
        slot, (vl_embs, mask) = self.slot(batch), self.attended(batch)
        if noise is None:
            noise = self._normal((len(slot), head.action_horizon, head.action_dim), generator)
        actions: Tensor = self.action_head.denoise(
            vl_embs,
            batch['state'].to(device),
            slot,
            noise.to(device),
            denoising_steps or head.num_inference_timesteps,
            mask,
            None if prefix is None else prefix.to(device, torch.float32),
            None if prefix_weight is None else prefix_weight.to(device, torch.float32),
        )
        return actions

    def loss(
        self,
        batch: Batch,
        noise: Tensor | None = None,
        time: Tensor | None = None,
        generator: torch.Generator | None = None,
        draws: int = 1,
        padded: bool | None = None,
    ) -> Tensor:
        """Return the flow-matching loss, a float32 scalar.

        Args:
            batch: See the family's `groot` module.
            noise: (B·K, H, A); None draws it. Row b·K + k belongs to sample b.
            time: (B·K,) flow times, 0 = noise, 1 = data; None draws them.
            generator: Source of noise and time (or torch's global one).
            draws: K, noise and time draws per sample when they are drawn here; they share the VL
                path.
            padded: Whether any prompt is padded, from a caller who made the batch; None looks,
                which waits for the device.
        """
        device = self.device
        action, action_mask = batch['action'].to(device), batch['action_mask'].to(device)
        if noise is None:
            noise = self._normal((action.shape[0] * draws, *action.shape[1:]), generator)
        if time is None:
            time = self.action_head.sample_time(noise.shape[0], generator)
        vl_embs, mask = self.attended(batch, padded)
        loss: Tensor = self.action_head.loss(
            vl_embs,
            batch['state'].to(device),
            self.slot(batch),
            action,
            action_mask,
            noise.to(device),
            time.to(device),
            mask,
        )
        return loss

    def forward(
        self, batch: Batch, noise: Tensor | None = None, time: Tensor | None = None, draws: int = 1
    ) -> Tensor:
        """Return `loss`; the entry that DDP and FSDP wrap."""
        return self.loss(batch, noise, time, draws=draws)
