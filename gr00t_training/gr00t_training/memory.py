# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimate how much GPU memory a run takes, and which switch would make it fit.

Activations are counted per transformer block from widths and tokens: what autograd keeps of a
pre-norm block with a four times wider MLP is about 34 values per token and channel without the
attention matrix (Korthikanti et al., "Reducing Activation Recomputation in Large Transformer
Models", arXiv:2205.05198, which counts 34 bytes at 2 bytes per value plus dropout masks), so 17
values; with recomputation 1. An estimate, good to about 30 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gr00t_training.config import FinetuneConfig

_VALUES_PER_BLOCK = 17
_RESERVE = 1_500_000_000  # CUDA context, kernels' workspaces, fragmentation; bytes
_PROMPT = 40  # tokens beside the images


@dataclass(frozen=True)
class Load:
    """What decides the memory of a run.

    Attributes:
        trainable, frozen: Parameters, by part: `language`, `vision`, `diffusion`, `attention`,
            `projector`, `lora`.
        blocks: Part → (blocks, width, tokens per sample) of what backpropagates.
        batch: Samples per process and pass.
        draws: Noise draws per sample.
        half: Whether activations and frozen weights take 2 bytes.
        recompute: Gradient checkpointing.
        processes: That share weights and moments (1 unless FSDP).
    """

    trainable: dict[str, int]
    frozen: dict[str, int]
    blocks: dict[str, tuple[int, int, int]]
    batch: int
    draws: int
    half: bool
    recompute: bool
    processes: int = 1

    @classmethod
    def of(
        cls, model: Any, config: FinetuneConfig, images: Sequence[int], processes: int
    ) -> 'Load':
        """Describe a run of `model` as it is set up; `images` are the tokens of each image."""
        trainable: dict[str, int] = {}
        frozen: dict[str, int] = {}
        for name, parameter in model.named_parameters():
            counts = trainable if parameter.requires_grad else frozen
            counts[_part(name)] = counts.get(_part(name), 0) + parameter.numel()
        sizes = model.config
        head = sizes.action_head
        prompt = sum(images) + 7 * len(images) + _PROMPT
        sequence = 1 + head.num_future_tokens + head.action_horizon
        blocks = {
            'diffusion': (
                head.dit.num_layers,
                head.dit.width,
                sequence * config.optimizer.noise_draws,
            ),
            'attention': (head.vl_layers, head.backbone_embedding_dim, prompt),
        }
        if trainable.keys() & {'language', 'vision'}:
            blocks['language'] = (sizes.language.num_layers, sizes.language.hidden_size, prompt)
        if 'vision' in trainable:
            patches = sum(images) * sizes.vision.merge_size**2
            blocks['vision'] = (sizes.vision.num_layers, sizes.vision.hidden_size, patches)
        return cls(
            trainable,
            frozen,
            blocks,
            config.optimizer.batch_size,
            config.optimizer.noise_draws,
            half=config.machine.bf16 is not False,
            recompute=config.machine.gradient_checkpointing,
            processes=processes if config.machine.fsdp else 1,
        )


@dataclass(frozen=True)
class Estimate:
    """Bytes: of weights, of gradients and Adam's moments, and of activations."""

    weights: int
    training: int
    activations: int

    @property
    def total(self) -> int:
        """Return all of it, with a reserve."""
        return self.weights + self.training + self.activations + _RESERVE


def estimate(load: Load) -> Estimate:
    """Estimate the memory of a run, per process."""
    trainable, frozen = sum(load.trainable.values()), sum(load.frozen.values())
    value = 2 if load.half else 4
    kept = 1 if load.recompute else _VALUES_PER_BLOCK
    per_sample = sum(
        count * width * tokens * kept * value for count, width, tokens in load.blocks.values()
    )
    if load.recompute:  # one block at a time is whole
        per_sample += max(w * t for _, w, t in load.blocks.values()) * _VALUES_PER_BLOCK * value
    return Estimate(
        weights=(trainable * 4 + frozen * value) // load.processes,
        training=trainable * 12 // load.processes,
        activations=per_sample * load.batch,
    )


def remedies(load: Load, free: int) -> list[tuple[str, int]]:
    """Return the switches that alone make the run fit into `free` bytes, with what it takes then.

    The gentlest first: those that change nothing but time come before those that train less.
    """
    candidates: list[tuple[str, Load]] = []
    if not load.half:
        candidates.append(('--bf16', replace(load, half=True)))
    if not load.recompute:
        candidates.append(('--gradient-checkpointing', replace(load, recompute=True)))
    batch = load.batch // 2
    while batch:
        smaller = replace(load, batch=batch)
        if estimate(smaller).total <= free:
            steps = load.batch // batch
            switch = f'--batch-size {batch} --gradient-accumulation-steps {steps}'
            candidates.append((switch, smaller))
            break
        batch //= 2
    if load.trainable.get('attention'):
        candidates.append(('--no-tune-vl-self-attention', _frozen(load, 'attention')))
    if load.trainable.get('diffusion'):
        candidates.append(('--no-tune-diffusion-model', _frozen(load, 'diffusion')))
        candidates.append(('--lora-rank 64', _frozen(_frozen(load, 'diffusion'), 'attention')))
    fitting = [(switch, estimate(candidate).total) for switch, candidate in candidates]
    return [(switch, size) for switch, size in fitting if size <= free]


def _frozen(load: Load, part: str) -> Load:
    trainable = {name: count for name, count in load.trainable.items() if name != part}
    frozen = load.frozen | {part: load.frozen.get(part, 0) + load.trainable.get(part, 0)}
    return replace(load, trainable=trainable, frozen=frozen)


def _part(name: str) -> str:
    if '.lora_' in name:
        return 'lora'
    if name.startswith('backbone.language'):
        return 'language'
    if name.startswith('backbone.'):
        return 'vision'
    if '.dit.' in name:
        return 'diffusion'
    return 'attention' if '.vl_' in name else 'projector'
