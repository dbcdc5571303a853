# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Set up and start a run: `gr00t finetune`, or under torchrun `-m gr00t_training.finetune`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
import logging
import os
from pathlib import Path
import shlex
import shutil
import signal
import sys
from typing import Any, TYPE_CHECKING

import tyro

from gr00t_training.config import filled, FinetuneConfig, flat, FREE_ON_RESUME, grouped

if TYPE_CHECKING:
    from torch import Tensor

    from gr00t_core.models.network import PolicyNetwork
    from gr00t_training.slots import ActiveSlots

_log = logging.getLogger(__name__)

_MAX_WORKERS = 8


def main(argv: list[str]) -> int:
    """Finetune a checkpoint on LeRobot datasets."""
    config = tyro.cli(tyro.conf.OmitArgPrefixes[FinetuneConfig], prog='gr00t finetune', args=argv)
    command = shlex.join(['gr00t', 'finetune', *argv])
    with stop_signals() as received:
        output = finetune(config, command, received)
    from gr00t_training.checkpointing import checkpoints

    step = max(checkpoints(output))
    if not received or step == config.optimizer.max_steps:
        return 0
    again = command if config.run.resume else f'{command} --resume'
    _log.warning(
        'stopped by %s after step %d of %d; checkpoint-%d is saved. To go on: %s',
        signal.Signals(received[0]).name,
        step,
        config.optimizer.max_steps,
        step,
        again,
    )
    return 128 + received[0]


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect the first SIGINT or SIGTERM in the list; a second one acts as without this.

    The first one ends a run after the step under way, with a checkpoint.
    """
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def receive(number: int, _: Any) -> None:
        received.append(number)
        restore()
        _log.warning('%s: saving after this step', signal.Signals(number).name)

    for number in before:
        signal.signal(number, receive)
    try:
        yield received
    finally:
        restore()


def finetune(config: FinetuneConfig, command: str = '', received: Sequence[int] = ()) -> Path:
    """Finetune; return the output folder.

    Args:
        config: What to do.
        command: Command line, for the record.
        received: Signals that ask the run to save and stop; see `stop_signals`.

    Raises:
        Gr00tError: A wrong set-up, before the first step; see `preflight`.
    """
    from accelerate import Accelerator
    import torch

    from gr00t_core.checkpoint.metadata import embodiment_metadata
    from gr00t_core.models import network_of
    from gr00t_training import experiment, preflight
    from gr00t_training.checkpointing import checkpoints, Companions
    from gr00t_training.early import early_evaluation
    from gr00t_training.family import training_of
    from gr00t_training.objective import fold_frozen_backbone, set_dropout
    from gr00t_training.sharding import fsdp_plugin
    from gr00t_training.trainer import Trainer

    preflight.check_options(config)
    if checkpoints(config.run.output) and not config.run.resume:
        raise preflight.PreflightError(
            f'{config.run.output} holds checkpoints of an earlier run: --resume to go on with it,'
            ' or another --output'
        )
    family = training_of(config.model.checkpoint)
    config = filled(config, family.defaults(config))
    machine = config.machine
    on_gpu = torch.cuda.is_available() and not machine.cpu
    half = on_gpu if machine.bf16 is None else machine.bf16
    accelerator = Accelerator(
        cpu=machine.cpu,
        fsdp_plugin=fsdp_plugin(network_of(config.model.checkpoint)) if machine.fsdp else None,
    )
    # The order of the data depends on how many processes share it.
    recorded = _recorded(config) | {'processes': accelerator.num_processes}
    run = {'command': command, 'config': recorded, 'torch': torch.__version__}
    if on_gpu:
        torch.backends.cuda.matmul.allow_tf32 = True

    subjects = experiment.open_subjects(config)
    for subject in subjects:
        preflight.check_pictures(subject, config.machine.frame_cache == 'off')
    family.check_options(config, subjects)
    model, new = family.open_model(config)
    model.mask_padding = config.model.mask_padding
    if config.model.dropout is not None:
        set_dropout(model, config.model.dropout)
    for line in new:
        _log.warning('new weights: %s', line)
    horizon = family.chunk_steps(config, subjects, model.config)
    mixture = experiment.make_mixture(subjects, config, horizon)
    if config.data.keep_statistics:
        metadata = {
            subject.tag: embodiment_metadata(config.model.checkpoint, subject.tag)
            for subject in subjects
        }
    else:
        metadata = mixture.metadata()
    files = family.companion_files(subjects, mixture, metadata, config, model.config, horizon)
    transforms = family.make_transforms(subjects, metadata, config, model.config, files)

    tables_slots = sorted({of.slot for of in transforms.values()})
    slots = _prepare(model, config, tables_slots, half)
    preflight.check_run(config, subjects, metadata, transforms, model, accelerator)

    model.to(accelerator.device)
    if not machine.fsdp:  # which shards the plain blocks
        fold_frozen_backbone(model, 'inductor' if machine.compile else None)
    positions = {slot: slots.position(slot) for slot in tables_slots}
    with accelerator.main_process_first():  # it makes the caches, the others find them
        data = family.training_data(
            subjects, mixture, transforms, config, positions, model, _progress()
        )
    companions = Companions(
        config.model.checkpoint,
        list(metadata.values()),
        [subject.robot for subject in subjects if subject.robot is not None],
        run,
        files,
    )
    evaluate = None
    if config.run.eval_steps and config.run.eval_episodes:
        evaluate = early_evaluation(
            subjects[0], transforms[subjects[0].tag], positions, config.run.eval_episodes
        )
    restored = _restored(config, run)
    trainer = Trainer(
        config,
        accelerator,
        model,
        half,
        slots,
        data,
        companions,
        _workers(config, data.light),
        evaluate,
    )
    existed = config.run.output.exists()
    try:
        trainer.run(restored, lambda: bool(received))
    except BaseException:
        # A start that failed leaves no folder that looks like a run.
        if not existed and not _has_figures(config.run.output):
            shutil.rmtree(config.run.output, ignore_errors=True)
        raise
    accelerator.end_training()
    return config.run.output


def _prepare(
    model: 'PolicyNetwork', config: FinetuneConfig, used: Sequence[int], half: bool
) -> 'ActiveSlots':
    """Choose what trains, keep the slots that are used, and add LoRA; return these slots."""
    from gr00t_training.feature_cache import refuse_if_tuned
    from gr00t_training.lora import add_lora
    from gr00t_training.objective import compile_blocks, recompute_activations
    from gr00t_training.slots import ActiveSlots

    top: dict[str, Any] = {}  # not of every family: `check_options`
    tuned = config.model
    if tuned.tune_top_llm_layers:
        top['tune_top_llm_layers'] = tuned.tune_top_llm_layers
    model.set_trainable(
        tuned.tune_llm,
        tuned.tune_visual,
        tuned.tune_projector,
        tuned.tune_diffusion_model,
        tuned.tune_vl_self_attention,
        **top,
    )
    slots = ActiveSlots(model, used)
    if tuned.lora_rank:
        add_lora(
            model,
            tuned.lora_rank,
            tuned.lora_alpha,
            tuned.lora_dropout,
            tuned.lora_full_model,
            tuned.tune_projector,
        )
    if config.machine.feature_cache:
        refuse_if_tuned(model, varied=config.augmentation.language_dropout > 0)
    _set_dtypes(model, half)
    if config.machine.gradient_checkpointing:
        recompute_activations(model)
    if config.machine.compile:
        compile_blocks(model)
    return slots


def _restored(
    config: FinetuneConfig, run: Mapping[str, Any]
) -> 'tuple[dict[str, Any], dict[str, Tensor]] | None':
    """Return state and weights to go on with, and say so; None to begin at step 0."""
    from gr00t_training.checkpointing import last_state
    from gr00t_training.family import training_of

    if not config.run.resume:
        return None
    unsaid = grouped(
        dataset=config.data.dataset, checkpoint=config.model.checkpoint, output=config.run.output
    )
    unsaid = filled(unsaid, training_of(config.model.checkpoint).defaults(unsaid))
    assumed = _recorded(unsaid) | {'processes': run['config']['processes']}
    found = last_state(config.run.output, run, FREE_ON_RESUME, assumed)
    if found is None:
        _log.warning(
            '--resume: %s holds no checkpoint; the run begins at step 0', config.run.output
        )
        return None
    state, weights, steps_before = found
    _say_where_it_goes_on(config, state['step'], steps_before)
    return state, weights


def _has_figures(output: Path) -> bool:
    """Return whether a run logged a step."""
    path = output / 'metrics.jsonl'
    return path.is_file() and path.stat().st_size > 0


def _say_where_it_goes_on(config: FinetuneConfig, step: int, steps_before: int) -> None:
    """Log the step, and the rule for the learning rate where --max-steps changed.

    Raises:
        PreflightError: --max-steps lies before the step that is done.
    """
    from gr00t_training.optimizer import learning_rate
    from gr00t_training.preflight import PreflightError

    optimizer = config.optimizer
    if optimizer.max_steps < step:
        raise PreflightError(
            f'--max-steps is {optimizer.max_steps}, but {config.run.output} has done {step} steps:'
            f' give {step} or more'
        )
    _log.info('going on from step %d of %d', step, optimizer.max_steps)
    if optimizer.max_steps != steps_before and step < optimizer.max_steps:
        old, new = (
            learning_rate(
                min(step, steps - 1),
                steps,
                optimizer.learning_rate,
                optimizer.warmup_ratio,
                optimizer.lr_scheduler_type,
            )
            for steps in (steps_before, optimizer.max_steps)
        )
        _log.warning(
            '--max-steps was %d: from here on the learning rate follows the schedule of %d steps'
            ' (%.3g instead of %.3g at this step)',
            steps_before,
            optimizer.max_steps,
            new,
            old,
        )


def _recorded(config: FinetuneConfig) -> dict[str, Any]:
    """Return the options as JSON holds them, so that they compare equal after a round trip."""

    def plain(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    return {key: plain(value) for key, value in flat(config).items()}


def _set_dtypes(model: 'PolicyNetwork', half: bool) -> None:
    """Hold everything in float32, with `half` a frozen backbone's weights in bfloat16."""
    import torch

    for name, parameter in model.named_parameters():
        halved = half and name.startswith('backbone.') and not parameter.requires_grad
        parameter.data = parameter.data.to(torch.bfloat16 if halved else torch.float32)


def _workers(config: FinetuneConfig, light: bool) -> int:
    if config.machine.dataloader_num_workers is not None:
        return config.machine.dataloader_num_workers
    if config.machine.feature_cache or (light and config.machine.frame_cache != 'off'):
        return 0
    return min(_MAX_WORKERS, os.cpu_count() or 1)


def _progress() -> Any:
    last = [0.0]

    def report(done: int, total: int) -> None:
        if done == total or done / total - last[0] >= 0.1:
            last[0] = done / total if done < total else 0.0
            _log.info('cache: %d of %d', done, total)

    return report


if __name__ == '__main__':
    logging.basicConfig(format='%(levelname)s %(name)s: %(message)s', level=logging.INFO)
    sys.exit(main(sys.argv[1:]))
