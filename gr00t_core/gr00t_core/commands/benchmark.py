# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time a checkpoint on an engine, stage by stage: the same command on every machine."""

from collections.abc import Callable
from dataclasses import dataclass
import json
import os
from pathlib import Path
import platform
import resource
import sys
import time
from typing import Any, Literal

import numpy as np
import tyro

from gr00t_core.engines import choose_engine
from gr00t_core.engines.options import EngineOptions
from gr00t_core.errors import BackendError

_WARM_UPS = 3


@dataclass(frozen=True)
class Benchmark:
    """Time a checkpoint on an engine, stage by stage.

    Attributes:
        checkpoint: Checkpoint folder, or an export folder for onnxruntime and openvino.
        robot: Shipped robot or robot file; without it the checkpoint's own robot.yaml.
        data_config: In place of a robot: one of upstream's data configs, with --embodiment-tag.
        embodiment_tag: Tag that goes with --data-config.
        engine: auto (onnxruntime for an export, else torch), torch, tensorrt, or onnxruntime or
            openvino (then the checkpoint is an export).
        compile: torch: compile every layer (needs a C++ compiler; the first call takes longer).
        cuda_graphs: torch on a GPU: one CUDA graph per prompt length and image size.
        precision: torch: fp32, bf16, fp16, or fp8, which is compared with the others first;
            tensorrt: bf16 or fp16. auto: fp32 on a CPU, bf16 on a GPU.
        device: cpu, cuda, cuda:N, or auto: the GPU where PyTorch sees one, else the CPU.
        denoising_steps: Euler steps; without it the checkpoint's own.
        threads: CPU threads; without it the engine's choice.
        calls: Calls that are timed.
        vocabulary: Folder with the tokenizer's files, for checkpoints that hold none.
        output: File for the figures as JSON; they are also the last line printed.
    """

    checkpoint: Path
    robot: str | None = None
    data_config: str | None = None
    embodiment_tag: str | None = None
    engine: str = 'auto'
    compile: bool = False
    cuda_graphs: bool = False
    precision: Literal['auto', 'fp32', 'bf16', 'fp16', 'fp8'] = 'auto'
    device: str = 'auto'
    denoising_steps: int | None = None
    threads: int | None = None
    calls: int = 50
    vocabulary: Path | None = None
    output: Path | None = None


def main(argv: list[str]) -> int:
    """Time a checkpoint on an engine, stage by stage."""
    options = tyro.cli(Benchmark, prog='gr00t benchmark', args=argv)
    result = run(options)
    print(table(result))
    line = json.dumps(result)
    print(line)
    if options.output is not None:
        options.output.write_text(line + '\n', encoding='utf-8')
    return 0


def run(options: Benchmark) -> dict[str, Any]:
    """Load the policy, time it, and return the figures: milliseconds, megabytes, seconds.

    Raises:
        CheckpointError: The checkpoint is incomplete or damaged.
        BackendError: The engine cannot run it here.
    """
    for name in ('calls', 'threads'):
        count = getattr(options, name)
        if count is not None and count < 1:
            raise BackendError(f'--{name} is {count}, expected 1 or more')
    if options.threads is not None:
        os.environ['OMP_NUM_THREADS'] = str(options.threads)  # read by torch and by our backends
    began = time.perf_counter()
    from gr00t_core.policy import Gr00tPolicy

    engine, device = choose_engine(options.engine, options.device, options.checkpoint)
    how = EngineOptions(options.compile, options.cuda_graphs, options.precision)
    imported = time.perf_counter()
    policy = Gr00tPolicy(
        options.checkpoint,
        options.robot,
        engine,
        device,
        options.denoising_steps,
        seed=0,
        data_config=options.data_config,
        embodiment=options.embodiment_tag,
        vocabulary=options.vocabulary,
        options=how,
    )
    _set_torch_threads(options.threads)
    example = policy.observation_example()
    policy.get_action(example)
    first = time.perf_counter()
    backend: Any = policy.backend
    if hasattr(backend, 'wait'):  # engines that are built behind PyTorch
        backend.wait()
    ready = time.perf_counter()
    times = {
        name: percentiles(stage, backend.synchronize, options.calls)
        for name, stage in _stages(policy, example).items()
    }
    return {
        'benchmark': 'checkpoint',
        'checkpoint': str(options.checkpoint),
        'engine': how.shown(engine),
        'device': _device(device),
        'threads': options.threads,
        'calls': options.calls,
        'ms': times,
        'memory_mb': _memory(device),
        'cold_start_s': {
            'import': round(imported - began, 3),
            'load_and_first_answer': round(first - imported, 3),
            'until_ready': round(ready - imported, 3),
        },
    } | ({'state': backend.state} if hasattr(backend, 'state') else {})


def _stages(policy: Any, example: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    from gr00t_core.models.folded.request import start

    backend, batch = policy.backend, policy.transforms.apply(example)
    begin = start(batch, backend.config, None, None, None)
    backend.predict(batch, begin.noise)  # features for the head, of the engine that is timed
    (prompt,) = backend.inference.prompts(batch, backend.config)
    return {
        'preprocess': lambda: policy.transforms.apply(example),
        **backend.parts(prompt, begin),
        'head': lambda: backend.predict(batch, begin.noise, head_only=True),
        'total': lambda: policy.get_action(example),
    }


def percentiles(
    stage: Callable[[], Any], synchronize: Callable[[], None], calls: int
) -> dict[str, float]:
    """Return p50, p99, least and mean milliseconds of a stage, the device's work included."""
    for _ in range(_WARM_UPS):
        stage()
    synchronize()
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        stage()
        synchronize()
        taken.append(1e3 * (time.perf_counter() - began))
    p50, p99 = np.percentile(taken, [50, 99])
    figures = {'p50': p50, 'p99': p99, 'min': min(taken), 'mean': np.mean(taken)}
    return {name: round(float(value), 3) for name, value in figures.items()}


def table(result: dict[str, Any]) -> str:
    """Return the figures for people."""
    cold, memory = result['cold_start_s'], result['memory_mb']
    rows = [
        f'{result["checkpoint"]}: {result["engine"]} on {result["device"]}',
        f'{"stage":18}{"p50 ms":>10}{"p99 ms":>10}{"min ms":>10}',
        *(
            f'{name:18}{row["p50"]:10.2f}{row["p99"]:10.2f}{row["min"]:10.2f}'
            for name, row in result['ms'].items()
        ),
        'memory             ' + ', '.join(f'{name} {mb:.0f} MB' for name, mb in memory.items()),
        f'cold start         import {cold["import"]:.1f} s, load and first answer'
        f' {cold["load_and_first_answer"]:.1f} s',
    ]
    if 'state' in result:
        rows.append(f'engine             {result["state"]} after {cold["until_ready"]:.1f} s')
    return '\n'.join(rows)


def _set_torch_threads(threads: int | None) -> None:
    if threads is not None and 'torch' in sys.modules:
        import torch

        torch.set_num_threads(threads)


def _memory(device: str) -> dict[str, float]:
    memory = {'host_peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if device.startswith('cuda'):
        import torch

        memory['device_peak'] = torch.cuda.max_memory_allocated(device) / 1e6
    return memory


def _device(device: str) -> str:
    if device.startswith('cuda'):
        import torch

        return torch.cuda.get_device_name(device)
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return f'{line.partition(":")[2].strip()} ({platform.machine()})'
    return platform.machine()
