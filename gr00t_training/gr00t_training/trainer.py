# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: one step after the other, from any step on.

Everything random in a step comes from (seed, step, process), and the learning rate from the step,
so the state of a run is: weights, optimiser moments, step.
"""

from collections.abc import Callable, Iterator, Mapping
import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
import logging
from pathlib import Path
import time
from typing import Any

from accelerate import Accelerator
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
import torch
from torch import Tensor

from gr00t_core.errors import Gr00tError
from gr00t_core.models.network import PolicyNetwork
from gr00t_training.checkpointing import Companions, publish, save_checkpoint
from gr00t_training.config import FinetuneConfig
from gr00t_training.data import make_loader, TrainingData
from gr00t_training.ema import MovingAverage
from gr00t_training.logs import Log
from gr00t_training.lora import merged
from gr00t_training.objective import draw_noise, Objective, seed_of
from gr00t_training.optimizer import clip_in_step, learning_rate, make_optimizer
from gr00t_training.sharding import (
    full_optimizer_state,
    full_weights,
    is_sharded,
    load_optimizer_state,
    load_weights,
    trainable_weights,
)
from gr00t_training.slots import ActiveSlots

_log = logging.getLogger(__name__)

Evaluate = Callable[[PolicyNetwork, int], Mapping[str, float]]


@dataclass
class _Window:
    """The steps since the last line of figures."""

    losses: list[Tensor] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)
    waited_s: float = 0.0  # for batches


@dataclass
class Trainer:
    """One run.

    Attributes:
        config: What it is told.
        accelerator: Device, precision and processes.
        model: As `setup` left it: trainable parts chosen, slots reduced, LoRA added.
        half: Compute in bfloat16.
        slots: The model's active slots.
        data: The batches.
        companions: What goes into every checkpoint beside the weights.
        workers: Processes that prepare batches.
        evaluate: Early evaluation, given the model and the step; None for none.
    """

    config: FinetuneConfig
    accelerator: Accelerator
    model: PolicyNetwork
    half: bool
    slots: ActiveSlots
    data: TrainingData
    companions: Companions
    workers: int = 0
    evaluate: Evaluate | None = None

    def run(
        self,
        restored: tuple[dict[str, Any], dict[str, Tensor]] | None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Path:
        """Train to the last step; return the output folder.

        Args:
            restored: State and weights of the last checkpoint; None from the start.
            stop: Asked after every step. True saves a checkpoint and ends the run early.
        """
        config, accelerator = self.config, self.accelerator
        step = 0
        if restored is not None:
            step = int(restored[0]['step'])
            self.model.load_state_dict(restored[1], strict=False)
        bare = Objective(self.model, self.half)
        self._names = {name for name, p in self.model.named_parameters() if p.requires_grad}
        beta1 = config.optimizer.adam_beta1
        assert beta1 is not None, 'see `defaults` of the family'
        optimizer = make_optimizer(
            bare,
            config.optimizer.learning_rate,
            config.optimizer.weight_decay,
            (beta1, config.optimizer.adam_beta2),
            config.optimizer.adam_epsilon,
        )
        objective, optimizer = accelerator.prepare(bare, optimizer)
        average = None
        if config.optimizer.ema_decay:
            average = MovingAverage(trainable_weights(objective), config.optimizer.ema_decay)
        if restored is not None:
            load_optimizer_state(accelerator, objective, optimizer, restored[0]['optimizer'])
            if average is not None:
                load_weights(average.average, restored[0]['average'])
        objective.train()
        micro = config.optimizer.gradient_accumulation_steps
        batches = iter(
            make_loader(
                self.data,
                step * micro,
                config.optimizer.max_steps * micro,
                config.optimizer.batch_size,
                accelerator.process_index,
                accelerator.num_processes,
                self.workers,
                config.machine.dataloader_prefetch_factor,
                pin=accelerator.device.type == 'cuda',
            )
        )
        log = None
        if accelerator.is_main_process:
            config.run.output.mkdir(parents=True, exist_ok=True)
            log = Log(config.run.output, config.run.report_to, self.companions.run['config'], step)
        with self._bar(step) as advance:
            window = _Window()
            while step < config.optimizer.max_steps:
                norm = self._step(step, objective, optimizer, batches, window)
                if average is not None:
                    average.update()
                step += 1
                at_end = step == config.optimizer.max_steps
                figures = None
                if step % config.run.logging_steps == 0 or at_end:
                    figures = self._figures(step, window, norm, optimizer)
                    if log is not None:
                        log.log({f'train/{name}': value for name, value in figures.items()}, step)
                    window = _Window()
                advance(step, figures)
                stopped = self._any_process(stop())
                if step % config.run.save_steps == 0 or at_end or stopped:
                    self._save(step, objective, optimizer, average)
                if stopped:
                    break
                if self.evaluate is not None and (step % config.run.eval_steps == 0 or at_end):
                    if accelerator.is_main_process and log is not None:
                        log.log(self.evaluate(self.model, step), step)
                    accelerator.wait_for_everyone()
                    objective.train()
                    window.began_s = time.monotonic()
        if log is not None:
            log.close()
        return config.run.output

    def _step(
        self, step: int, objective: Any, optimizer: Any, batches: Iterator[Any], window: '_Window'
    ) -> Any:
        """Train one step on its share of the batches; return the norm of the gradients."""
        config, accelerator = self.config, self.accelerator
        rate = learning_rate(
            step,
            config.optimizer.max_steps,
            config.optimizer.learning_rate,
            config.optimizer.warmup_ratio,
            config.optimizer.lr_scheduler_type,
        )
        for group in optimizer.param_groups:
            group['lr'] = rate
        torch.manual_seed(
            seed_of(config.optimizer.seed, 'dropout', step, accelerator.process_index)
        )
        loss = torch.zeros((), device=accelerator.device)
        micro = config.optimizer.gradient_accumulation_steps
        for part in range(micro):
            asked = time.monotonic()
            batch = next(batches).to(accelerator.device)
            window.waited_s += time.monotonic() - asked
            noise, flow_time = draw_noise(
                self.model,
                (config.optimizer.seed, 'noise', step, part),
                config.optimizer.batch_size,
                config.optimizer.noise_draws,
                accelerator.process_index,
                accelerator.num_processes,
                accelerator.device,
            )
            last = part == micro - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(objective):
                value = objective(batch, noise, flow_time) / micro
                accelerator.backward(value)
            loss += value.detach()
        window.losses.append(loss)
        parameters, most = objective.parameters(), config.optimizer.max_grad_norm
        if is_sharded(accelerator):
            norm = accelerator.clip_grad_norm_(parameters, most)
        else:
            norm = clip_in_step(optimizer, parameters, most)
        optimizer.step()
        optimizer.zero_grad()
        return norm

    def _figures(
        self, step: int, window: '_Window', norm: Any, optimizer: Any
    ) -> dict[str, float]:
        """Return what is logged of the steps since the last line.

        Raises:
            Gr00tError: The loss is no number.
        """
        config, accelerator = self.config, self.accelerator
        mean = float(accelerator.reduce(torch.stack(window.losses).mean(), 'mean'))
        if not mean == mean:
            raise Gr00tError(
                f'step {step}: the loss is {mean}. Lower --learning-rate, or look at'
                ' the data with `gr00t validate`; the last checkpoint is intact'
            )
        seconds = time.monotonic() - window.began_s
        per_step = (
            config.optimizer.batch_size
            * config.optimizer.gradient_accumulation_steps
            * accelerator.num_processes
        )
        return {
            'loss': mean,
            'learning_rate': optimizer.param_groups[0]['lr'],
            'grad_norm': float(norm),
            'samples_per_second': len(window.losses) * per_step / seconds,
            'data_share': window.waited_s / seconds,
            'epoch': step * per_step / len(self.data.mixture),
        }

    def _any_process(self, asked: bool) -> bool:
        """Return whether any process was asked; all get the same answer at the same step."""
        if self.accelerator.num_processes == 1:
            return asked
        flag = torch.tensor(float(asked), device=self.accelerator.device)
        return bool(self.accelerator.reduce(flag, 'sum'))

    def _save(
        self, step: int, objective: Any, optimizer: Any, average: MovingAverage | None
    ) -> None:
        config, accelerator = self.config, self.accelerator
        weights = full_weights(objective.state_dict())
        averaged = {} if average is None else full_weights(average.average)
        state = {
            'step': step,
            'optimizer': full_optimizer_state(accelerator, objective, optimizer),
            'average': averaged,
        }
        if accelerator.is_main_process:
            trained = {name: value for name, value in weights.items() if name in self._names}
            plain = weights | averaged
            if config.model.lora_rank:
                plain = merged(plain, config.model.lora_rank, config.model.lora_alpha)
            folder = save_checkpoint(
                config.run.output,
                step,
                self.slots.expand(plain),
                self.model,
                self.companions,
                trained,
                state,
                config.run.save_total_limit,
            )
            publish(folder, config.run.output)
            _log.info('saved %s', folder)
        accelerator.wait_for_everyone()

    @contextlib.contextmanager
    def _bar(self, start: int) -> Any:
        """Yield `advance(step, figures)`: a progress bar on a terminal, else lines in the log."""
        console = Console(stderr=True)
        if not self.accelerator.is_main_process:
            yield lambda step, figures: None
        elif not console.is_terminal:
            began = time.monotonic()

            def write(step: int, figures: Mapping[str, float] | None) -> None:
                if figures:
                    last = self.config.optimizer.max_steps
                    left = (time.monotonic() - began) / (step - start) * (last - step)
                    eta = timedelta(seconds=round(left))
                    _log.info('step %d/%d, %s left: %s', step, last, eta, _shown(figures))

            yield write
        else:
            with Progress(
                TextColumn('finetune'),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn('{task.fields[figures]}'),
                console=console,
            ) as progress:
                bar = progress.add_task(
                    '', total=self.config.optimizer.max_steps, completed=start, figures=''
                )

                def advance(step: int, figures: Mapping[str, float] | None) -> None:
                    progress.update(bar, completed=step)
                    if figures:
                        progress.update(bar, figures=_shown(figures))

                yield advance


def _shown(figures: Mapping[str, float]) -> str:
    return (
        f'loss {figures["loss"]:.4f}, {figures["samples_per_second"]:.1f} samples/s,'
        f' lr {figures["learning_rate"]:.2e}, {figures["data_share"]:.0%} waiting for data'
    )
