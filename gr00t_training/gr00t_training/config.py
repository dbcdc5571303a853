# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what `gr00t finetune` is told, by concern.

Names and defaults are upstream's where upstream has one. The command line and the record of a run
know no groups: there an option is `--batch-size` and `batch_size`; see `flat` and `grouped`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from gr00t_core.commands.readable import readable

Paths = Annotated[tuple[Path, ...], tyro.conf.arg(metavar='DIR...')]
Robots = Annotated[tuple[str, ...], tyro.conf.arg(metavar='NAME|FILE...')]


@readable
@dataclass(frozen=True)
class Data:
    """What is learned from: datasets, and how often their rows are drawn.

    Attributes:
        dataset: LeRobot datasets, v2.0, v2.1 or v3.0.
        robot: One robot for all datasets, or one each; none takes what lies in the dataset
            (meta/robot.yaml).
        data_config: In place of a robot: a shipped data config, with --embodiment-tag.
        embodiment_tag: Tag that goes with --data-config.
        keep_statistics: Normalise as the checkpoint does, not by the datasets' statistics: to go
            on with a few more episodes of a robot that it knows.
        dataset_weights: One per dataset; at least one must be 1.
        balance_dataset_weights: Multiply weights by the datasets' lengths.
        balance_trajectory_weights: Draw episodes by their length.
        start_steps: Steps at the start of an episode that are drawn --start-weight times as often.
            There the images and the words decide what is done; later much of it follows from the
            state.
        start_weight: How many times as often the first --start-steps are drawn.
        rows: Which rows are drawn of a dataset that says who decided them: all, those of the
            policy, or those of a person, the corrections. Rows in which the executor held or
            braked never are. Of datasets that do not say it, all are drawn.
        correction_weight: Draw rows that a person decided so many times as often, in such a
            dataset.
        only_success: Leave out such a dataset's episodes that are not marked as a success.
    """

    dataset: Paths
    robot: Robots = ()
    data_config: str | None = None
    embodiment_tag: str | None = None
    keep_statistics: bool = False
    dataset_weights: tuple[float, ...] = ()
    balance_dataset_weights: bool = True
    balance_trajectory_weights: bool = True
    start_steps: int = 0
    start_weight: float = 1.0
    rows: Literal['all', 'policy', 'person'] = 'all'
    correction_weight: float = 1.0
    only_success: bool = False


@readable
@dataclass(frozen=True)
class Model:
    """What learns: the checkpoint, and which parts of it train.

    Attributes:
        checkpoint: Checkpoint folder to start from.
        tune_llm: Train the language model.
        tune_visual: Train the vision encoder.
        tune_projector: Train the embodiment's projectors.
        tune_diffusion_model: Train the diffusion transformer (DiT).
        tune_vl_self_attention: False freezes the VL self-attention, which upstream always trains.
        tune_top_llm_layers: N1.7: so many of the last language layers train without --tune-llm.
        lora_rank: Above 0, q, k and v projections learn low-rank updates instead of full weights;
            the projector still trains in full unless --no-tune-projector.
        lora_alpha: LoRA's scale: updates count alpha / rank.
        lora_dropout: Dropout before LoRA's updates.
        lora_full_model: LoRA in the backbone too, not only in the action head.
        action_horizon: Steps of a chunk, if not the model's; what fits is kept, what is new is
            listed. N1.7: the length of the robot's chunk, at most the model's (40).
        action_dim: Width of an action, if not the model's; what fits is kept, what is new is
            listed.
        dropout: Dropout of DiT and VL self-attention; without it the checkpoint's. 0 learns
            several times faster from scratch.
        mask_padding: Hide the padding of shorter prompts from VL self-attention and DiT. Upstream
            lets it be seen, so that a sample's loss depends on its batch.
    """

    checkpoint: Path
    tune_llm: bool = False
    tune_visual: bool = False
    tune_projector: bool = True
    tune_diffusion_model: bool = True
    tune_vl_self_attention: bool = True
    tune_top_llm_layers: int = 0
    lora_rank: int = 0
    lora_alpha: int = 16
    lora_dropout: float = 0.1
    lora_full_model: bool = False
    action_horizon: int | None = None
    action_dim: int | None = None
    dropout: float | None = None
    mask_padding: bool = False


@readable
@dataclass(frozen=True)
class Run:
    """What the run leaves behind: checkpoints, figures, and how it goes on.

    Attributes:
        output: Folder for checkpoints and logs.
        resume: Go on from the last checkpoint in the output folder. Without one the run begins at
            step 0, and says so.
        save_steps: Steps between checkpoints.
        save_total_limit: Checkpoints kept.
        logging_steps: Steps between figures.
        report_to: Where figures go, besides <output>/metrics.jsonl. WANDB_MODE=offline works.
        eval_steps: Steps between open-loop evaluations on --eval-episodes; 0: none.
        eval_episodes: Episodes of the first dataset that are held out of training, by position.
        accept: Names of start-up checks whose findings are known and accepted.
    """

    output: Path
    resume: bool = False
    save_steps: int = 1000
    save_total_limit: int = 5
    logging_steps: int = 10
    report_to: Literal['tensorboard', 'wandb', 'none'] = 'tensorboard'
    eval_steps: int = 0
    eval_episodes: tuple[int, ...] = ()
    accept: tuple[
        Literal['statistics', 'action_equals_state', 'limits', 'disk', 'memory'], ...
    ] = ()


@readable
@dataclass(frozen=True)
class Optimizer:
    """How it learns: steps, batches, learning rate, loss.

    Attributes:
        max_steps: Optimiser steps. A resumed run may get more; its learning rate then follows the
            schedule of the new number from the step on that it resumes at.
        batch_size: Samples per step, process and accumulated batch.
        learning_rate: Learning rate at its peak.
        lr_scheduler_type: Course of the learning rate after the warm-up.
        warmup_ratio: Part of the steps in which the learning rate rises.
        weight_decay: AdamW's; biases and LayerNorms are left out, as upstream does.
        adam_beta1: AdamW's decay of the gradients' mean; by default upstream's (N1.5: 0.95, N1.7:
            0.9).
        adam_beta2: AdamW's decay of the gradients' square.
        adam_epsilon: AdamW's term against a division by zero.
        max_grad_norm: Gradients are clipped to this norm.
        gradient_accumulation_steps: Batches per optimiser step.
        noise_draws: Noise and time draws per sample that share one pass of the vision-language
            path.
        ema_decay: Above 0, the published weights are an exponential moving average.
        mask_padded_steps: Leave steps past the end of an episode out of the loss; upstream trains
            them.
        seed: Seed of order, augmentation, noise and dropout.
    """

    max_steps: int = 10_000
    batch_size: int = 32
    learning_rate: float = 1e-4
    lr_scheduler_type: Literal['cosine', 'linear', 'constant'] = 'cosine'
    warmup_ratio: float = 0.05
    weight_decay: float = 1e-5
    adam_beta1: float | None = None
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    gradient_accumulation_steps: int = 1
    noise_draws: int = 1
    ema_decay: float = 0.0
    mask_padded_steps: bool = False
    seed: int = 42


@readable
@dataclass(frozen=True)
class Augmentation:
    """How samples are varied.

    Attributes:
        augment: Random crop and colour jitter; without, the centre crop.
        crop: N1.5: part of height and width that is kept; by default as the published model
            (0.95).
        brightness: Colour jitter: strength in brightness. By default all four are upstream's
            (N1.5: 0.3, 0.4, 0.5, 0.08) or the checkpoint's (N1.7: color_jitter_params).
        contrast: Colour jitter: strength in contrast.
        saturation: Colour jitter: strength in saturation.
        hue: Colour jitter: strength in hue.
        state_noise: Standard deviation of the noise on the normalised state.
        state_dropout: Probability that a sample's state is hidden.
        language_dropout: Probability of the default instruction in place of the true one.
    """

    augment: bool = True
    crop: float | None = None
    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    hue: float | None = None
    state_noise: float = 0.0
    state_dropout: float = 0.0
    language_dropout: float = 0.0


@readable
@dataclass(frozen=True)
class Machine:
    """How the machine computes it: precision, memory, caches, processes.

    Attributes:
        bf16: Autocast to bfloat16, frozen parts stored in it; by default on a GPU only.
        gradient_checkpointing: Recompute activations in the backward pass.
        compile: torch.compile the objective.
        cpu: Stay on the CPU even where there is a GPU.
        fsdp: Shard weights over the processes (FSDP2) instead of copying them (DDP).
        frame_cache: Decode all frames once into a file: `source` keeps their size (same pixels as
            without), `model` shrinks them to the model's size (fastest, crop moves by whole
            pixels).
        feature_cache: Run the frozen backbone once per frame and keep its features; no
            augmentation then.
        cache_dir: Where caches lie; shared by runs.
        video_backend: Decoder of videos.
        dataloader_num_workers: Processes that prepare batches; by default none with a cache, else
            up to 8.
        dataloader_prefetch_factor: Batches ahead per process.
    """

    bf16: bool | None = None
    gradient_checkpointing: bool = False
    compile: bool = False
    cpu: bool = False
    fsdp: bool = False
    frame_cache: Literal['off', 'source', 'model'] = 'off'
    feature_cache: bool = False
    cache_dir: Path = Path('~/.cache/gr00t_training')
    video_backend: Literal['pyav', 'torchcodec'] = 'pyav'
    dataloader_num_workers: int | None = None
    dataloader_prefetch_factor: int = 4


@dataclass(frozen=True)
class FinetuneConfig:
    """Finetune a checkpoint on LeRobot datasets."""

    data: Data
    model: Model
    run: Run
    optimizer: Optimizer = Optimizer()
    augmentation: Augmentation = Augmentation()
    machine: Machine = Machine()


def filled(config: FinetuneConfig, defaults: Mapping[str, float]) -> FinetuneConfig:
    """Return the configuration with `defaults`, named as in `flat`, where nothing was told."""
    told = flat(config)
    return grouped(**told | {key: v for key, v in defaults.items() if told[key] is None})


def flat(config: FinetuneConfig) -> dict[str, Any]:
    """Return option → value, as the command line and the record of a run name them."""
    parts = (getattr(config, part.name) for part in fields(config))
    return {option.name: getattr(part, option.name) for part in parts for option in fields(part)}


def grouped(**options: Any) -> FinetuneConfig:
    """Put options, named as in `flat`, into their groups; raises TypeError for an unknown one."""
    parts = {}
    for part in fields(FinetuneConfig):
        kind: Any = part.type
        own = options.keys() & {option.name for option in fields(kind)}
        parts[part.name] = kind(**{name: options.pop(name) for name in own})
    if options:
        raise TypeError(f'unknown options of finetune: {", ".join(options)}')
    return FinetuneConfig(**parts)


# What may differ between a run and its continuation: it changes no weight, or only its rounding.
FREE_ON_RESUME = frozenset(
    {
        'output',
        'checkpoint',
        'max_steps',
        'cache_dir',
        'dataloader_num_workers',
        'dataloader_prefetch_factor',
        'save_steps',
        'save_total_limit',
        'logging_steps',
        'report_to',
        'eval_steps',
        'resume',
        'accept',
        'gradient_checkpointing',
        'compile',
    }
)
