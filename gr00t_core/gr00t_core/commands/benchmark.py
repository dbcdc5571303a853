# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time a checkpoint on an engine, stage by stage: the same command on every machine."""

from collections.abc import Callable
from dataclasses import dataclass
import json
from pathlib import Path
import platform
import resource
import sys
import time
from typing import Any

import numpy as np
import tyro

from gr00t_core.commands.policy_options import PolicyOptions
from gr00t_core.commands.readable import readable
from gr00t_core.engines import choose_engine
from gr00t_core.errors import BackendError

_WARM_UPS = 3


@readable
@dataclass(frozen=True)
class Benchmark(PolicyOptions):
    """Time a checkpoint on an engine, stage by stage.

    Attributes:
        calls: Calls that are timed.
        output: File for the figures as JSON; they are also the last line printed.
    """

    calls: int = 50
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
    options.prepare()
    began = time.perf_counter()
    import gr00t_core.policy  # noqa: F401 — its time is measured

    choose_engine(options.engine, options.device, options.checkpoint)  # imports the engine
    imported = time.perf_counter()
    policy, about = options.load(seed=0)
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
        'engine': about['backend'],
        'device': _device(about['device']),
        'threads': options.threads,
        'calls': options.calls,
        'ms': times,
        'memory_mb': _memory(about['device']),
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
