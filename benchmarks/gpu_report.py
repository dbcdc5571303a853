# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure all that a lent GPU can tell, in three calls of about three minutes each.

    python benchmarks/gpu_report.py inference --output report
    python benchmarks/gpu_report.py triton --output report
    python benchmarks/gpu_report.py training --output report
    python benchmarks/gpu_report.py inference --size tiny --device cpu --output rehearsal

Each section runs in a process of its own with a time limit, and writes `<section>.json` into the
output folder as soon as it ends. A section that fails or gets no time says so in its file, and
the next one runs. `inference.json`, `triton.json` and `training.json` join them with the name of
the card; the last line printed is that JSON.

Sections of `inference`: `host` (time per eager operation, launch, copies), `stages` (one CUDA
graph per stage), `trace` (every kernel of one replay), `cameras` (frames to actions, against
float32), then the call with one camera under environment variables of Inductor (`matrix …`).
`triton`: `blocks` (the action steps by PyTorch's kernels and by ours, and launches whose bits
differ), `cameras triton`, `tiles` (µs per product and tile). `training`: rows of `train_gpu.py`.
The rehearsal on a CPU compiles nothing and has no graphs; `triton` needs TRITON_INTERPRET=1 there.
"""

import argparse
from collections.abc import Callable
from functools import partial
import json
import logging
import os
from pathlib import Path
import platform
import subprocess
import sys
import tempfile
import time
from typing import Any
from unittest import mock

import inference_gpu
import torch
import train_gpu

from gr00t_core.commands.benchmark import percentiles
from gr00t_core.engines import load_engine
from gr00t_core.engines.compiled import compile_layers
from gr00t_core.engines.cuda_graph import GraphCapture
from gr00t_core.models.folded.dit_kernels import operations
from gr00t_core.models.folded.dit_kernels import tiles as cuts
from gr00t_core.models.folded.dit_kernels.stack import use_kernels
from gr00t_core.models.folded.request import start
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.file import load_robot

# Inductor's switches that need no change of ours; each is tried alone, the last one has them all.
MATRIX: dict[str, dict[str, str]] = {
    'as it is': {},
    'autotuned GEMMs': {'TORCHINDUCTOR_MAX_AUTOTUNE_GEMM': '1'},
    'dependent launch': {'TORCHINDUCTOR_ENABLE_PDL': '1'},
    'split K from 4': {'TORCHINDUCTOR_DECOMPOSE_K_THRESHOLD': '4'},
    'TMA matmul': {'ENABLE_PERSISTENT_TMA_MATMUL': '1', 'TORCHINDUCTOR_MAX_AUTOTUNE_GEMM': '1'},
}
MATRIX['all of them'] = {key: value for row in MATRIX.values() for key, value in row.items()}
TRAINING = ('plain', 'slots_fused_no_lm_head', 'feature_cache', *reversed(train_gpu.COMPILED_ROWS))
# What runs the action steps: its name, compiled, programmatic dependent launch of our kernels.
BLOCKS = (
    ('PyTorch', False, None),
    ('PyTorch, compiled', True, None),
    ('Triton', False, False),
    ('Triton, dependent launch', False, True),
    ('Triton, compiled, dependent launch', True, True),
)
LAUNCHES = 200  # that must give the bits of the first one without dependent launch
# Longest time of a section in s, by its first word.
LIMITS = {'host': 30, 'stages': 60, 'trace': 45, 'cameras': 75, 'matrix': 60, 'train': 60}
LIMITS |= {'blocks': 75, 'tiles': 60}


def sections(part: str) -> list[str]:
    """Return the sections of a part, the most telling first."""
    if part == 'training':
        return [f'train {name}' for name in TRAINING]
    if part == 'triton':
        return ['blocks', 'cameras triton', 'tiles']
    return ['host', 'stages', 'trace', 'cameras', *(f'matrix {name}' for name in MATRIX)]


def host(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the machine does without our model: eager operations, launches, copies."""
    device = torch.device(options.device)
    x = torch.zeros(1, device=device)

    def adds(count: int) -> None:
        for _ in range(count):
            x.add_(1)

    frame = torch.zeros(480 * 640 * 3, dtype=torch.uint8, pin_memory=device.type == 'cuda')
    place = torch.zeros_like(frame, device=device)
    timed = partial(percentiles, synchronize=partial(synchronize, device), calls=50)
    found: dict[str, Any] = {
        'us per eager operation': timed(partial(adds, 1000))['p50'],
        'frame to the device (ms)': timed(lambda: place.copy_(frame, non_blocking=True))['p50'],
        'frame copied by the host (ms)': timed(frame.clone)['p50'],
    }
    if device.type == 'cuda':
        launch = captured(partial(chain, 1000, torch.zeros(64, device=device)), device)
        one = timed(launch)['p50']

        def twenty() -> None:
            for _ in range(20):
                launch()

        found['graph of 1000 kernels, one launch (ms)'] = one
        found['the same, each of 20 launches without a wait between (ms)'] = (
            timed(twenty)['p50'] / 20
        )
    return found


def captured(run: Callable[[], Any], device: torch.device) -> Callable[[], None]:
    """Return the launch of a graph of `run`, without the transfers that a call has."""
    capture = GraphCapture(device)
    capture.warm_up(run)
    return capture.record(run)


def chain(count: int, x: torch.Tensor) -> torch.Tensor:
    """Run `count` kernels, one after the other."""
    for _ in range(count):
        x = x + 1
    return x


def stages(options: argparse.Namespace) -> dict[str, Any]:
    """Return ms per stage, one CUDA graph each (on a CPU: one call each), eager and compiled."""
    found = {}
    for mode in ('eager', 'compile') if options.device == 'cuda' else ('eager',):
        backend = _loaded(options, mode)
        cameras = (1, 3) if mode == 'eager' else (1,)
        for count in cameras:
            found[f'{mode}, {count} camera(s)'] = stage_times(backend, count, options)
    return found


def _loaded(options: argparse.Namespace, mode: str) -> Any:
    how = inference_gpu.MODES[mode]
    return load_engine('torch', options.checkpoint, device=options.device, options=how)


@torch.inference_mode()
def stage_times(backend: Any, cameras: int, options: argparse.Namespace) -> dict[str, float]:
    """Return ms per stage of one backend."""
    batch = inference_gpu.make_batch(backend.config, cameras)
    noise = inference_gpu.make_noise(backend.config)
    (prompt,) = backend.inference.prompts(batch, backend.config)
    begin = start(batch, backend.config, noise, None, None)
    frames, ids = map(torch.from_numpy, prompt.inputs.values())
    # A CPU gets images from the transforms; here the camera frames are resized in either case.
    resize = backend.pixels
    part, steps = backend.folded.vision_language, backend.folded.action_steps(prompt.slot)
    entry = tuple(map(torch.from_numpy, begin.used))
    on_device = [x.to(options.device) for x in (frames, ids, *entry)]
    pixels = resize(on_device[0])
    tokens = part.vision(pixels)
    features = part.language_model(tokens, on_device[1])
    keys_values = part.attended(features)
    runs: dict[str, Callable[[], Any]] = {
        'resize': lambda: resize(on_device[0]),
        'vision': lambda: part.vision(pixels),
        'language model': lambda: part.language_model(tokens, on_device[1]),
        'VL self-attention, keys and values': lambda: part.attended(features),
        f'{steps.steps} action steps': lambda: steps(keys_values, *on_device[2:]),
    }
    found = {}
    for name, run in runs.items():
        if on_device[0].is_cuda:
            run = captured(run, on_device[0].device)
        found[name] = percentiles(run, backend.synchronize, options.calls)['p50']
    return found


def trace(options: argparse.Namespace) -> dict[str, Any]:
    """Return name, count and µs of every kernel of one call."""
    mode = 'compile-cuda-graphs' if options.device == 'cuda' else 'eager'
    backend = _loaded(options, mode)
    run = predict(backend, 1)
    for _ in range(3):
        run()
    backend.synchronize()
    with torch.profiler.profile() as profile:
        run()
        backend.synchronize()
    rows = [
        (event.key, event.count, event.self_device_time_total or event.self_cpu_time_total)
        for event in profile.key_averages()
    ]
    rows.sort(key=lambda row: -row[2])
    return {'kernels': sum(count for _, count, _ in rows), 'rows': rows}


def predict(backend: Any, cameras: int) -> Callable[[], Any]:
    """Return a call from camera frames to actions; on a CPU from resized images."""
    batch = inference_gpu.make_batch(backend.config, cameras)
    if getattr(backend, 'video', None) is None:
        resize = inference_gpu.load_resample(backend.config, 'cpu')
        batch['pixel_values'] = resize(torch.from_numpy(batch['pixel_values'])).numpy()
    return partial(backend.predict, batch, inference_gpu.make_noise(backend.config))


def cameras(options: argparse.Namespace) -> dict[str, Any]:
    """Return frames to actions with 1, 2 and 3 cameras, and the cosine to float32."""
    truths = inference_gpu.references(options.checkpoint, [1, 2, 3], options.device)
    graphs = options.section.partition(' ')[2] or 'compile-cuda-graphs'
    mode = graphs if options.device == 'cuda' else 'eager'
    rows = inference_gpu.run_mode(mode, options.checkpoint, truths, options.device, options.calls)
    return {f'{row["cameras"]} camera(s)': row for row in rows}


@torch.inference_mode()
def blocks(options: argparse.Namespace) -> dict[str, Any]:
    """Return ms of the action steps by what is in `BLOCKS`, and launches with other bits."""
    backend, on_gpu = _loaded(options, 'eager'), options.device == 'cuda'
    batch = inference_gpu.make_batch(backend.config, 1)
    (prompt,) = backend.inference.prompts(batch, backend.config)
    begin = start(batch, backend.config, inference_gpu.make_noise(backend.config), None, None)
    frames, *rest = (torch.from_numpy(x).to(options.device) for x in prompt.inputs.values())
    keys_values = backend.folded.vision_language(backend.pixels(frames), *rest)
    used = [torch.from_numpy(x).to(options.device) for x in begin.used]
    found: dict[str, Any] = {}
    exact: torch.Tensor | None = None
    for name, compiles, dependent in BLOCKS if on_gpu else (BLOCKS[0], BLOCKS[2]):
        folded = backend.folded.twin()
        if dependent is not None:
            use_kernels(folded, dependent)
        if compiles:
            compile_layers(folded)
        out: list[torch.Tensor] = []
        answer = partial(folded.action_steps(prompt.slot).answer, keys_values, used, ())
        run = partial(store, answer, out)
        launch = captured(run, used[0].device) if on_gpu else run
        found[f'{name} (ms)'] = percentiles(launch, backend.synchronize, options.calls)['p50']
        if dependent is None or compiles:  # what Inductor makes may round otherwise
            continue
        differ = 0
        for _ in range(LAUNCHES if on_gpu else 1):
            launch()
            backend.synchronize()
            exact = out[0].clone() if exact is None else exact
            differ += not torch.equal(out[0], exact)
        found[f'{name}: launches of {LAUNCHES} with other bits'] = differ
    return found


def store(run: Callable[[], torch.Tensor], out: list[torch.Tensor]) -> None:
    """Put what a function gives into a list: a graph writes it anew with every launch."""
    out[:] = [run()]


@torch.inference_mode()
def tiles(options: argparse.Namespace) -> dict[str, float]:
    """Return µs per product of a block of N1.5-3B, by shape and tile; weights come from memory."""
    if options.device != 'cuda':
        return {}
    device, found = torch.device(options.device), {}
    made = partial(torch.randn, device=device, dtype=torch.bfloat16)
    arrived = torch.zeros(1024, dtype=torch.int32, device=device)
    for table, others in ((cuts.NORMED, cuts.OTHER_NORMED), (cuts.ADDED, cuts.OTHER_ADDED)):
        for (inputs, outputs), now in table.items():
            x, y, bias = made(1, 49, 1536), made(1, 49, inputs), made(outputs)
            weights = [made(outputs, inputs) for _ in range(20)]
            if table is cuts.NORMED:
                run = partial(operations.normed_product, x, None, None)
                rest: tuple[Any, ...] = (bias, 49, False, True)
            else:
                run, rest = partial(operations.added_product, x, y), (bias, arrived, True)
            every = partial(each, run, weights, rest)
            for tile in (now, *others[inputs, outputs]):
                with mock.patch.dict(table, {(inputs, outputs): tile}):  # type: ignore[arg-type]
                    ms = percentiles(captured(every, device), partial(synchronize, device), 20)
                kind = 'normed' if table is cuts.NORMED else 'added'
                found[f'{kind} {inputs} to {outputs}, {tile}'] = ms['p50'] * 1e3 / len(weights)
    return found


def each(run: Callable[..., Any], weights: list[torch.Tensor], rest: tuple[Any, ...]) -> None:
    """Run a product with one weight after the other."""
    for weight in weights:
        run(weight, *rest)


def matrix(options: argparse.Namespace) -> dict[str, Any]:
    """Return the graph and the call with one camera under the variables that are set."""
    mode = 'compile-cuda-graphs' if options.device == 'cuda' else 'eager'
    backend = _loaded(options, mode)
    call = percentiles(predict(backend, 1), backend.synchronize, options.calls)
    return {'replay (ms)': inference_gpu.replay_ms(backend, options.calls), 'call (ms)': call}


def train(options: argparse.Namespace) -> dict[str, Any]:
    """Return ms per step and peak memory of one row of `train_gpu.py`."""
    name = options.section.partition(' ')[2]
    shape = argparse.Namespace(
        size=options.size, batch_size=options.batch_size, cameras=1, steps=10
    )
    seconds, peak = train_gpu.row(name, shape, torch.device(options.device))
    samples = options.batch_size / seconds
    return {'ms per step': seconds * 1e3, 'samples/s': samples, 'peak memory (GB)': peak}


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def run_section(section: str, options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Run one section in a process of its own; return what it found, or why it found nothing."""
    first, _, rest = section.partition(' ')
    limit = min(LIMITS[first], seconds)
    if limit < 5:
        return {'not measured': f'no time left of {options.seconds} s'}
    command = [sys.executable, __file__, options.part, '--section', section]
    for name in ('size', 'device', 'calls', 'batch_size', 'checkpoint'):
        command += [f'--{name.replace("_", "-")}', str(getattr(options, name))]
    environment = os.environ | (MATRIX[rest] if first == 'matrix' else {})
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return {'not measured': f'not done after {limit:.0f} s'}
    if done.returncode:
        return {'not measured': (done.stderr.strip().splitlines() or ['no message'])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine(device: str) -> dict[str, Any]:
    """Return what the figures depend on."""
    found = {'torch': torch.__version__, 'cuda': torch.version.cuda, 'host': platform.processor()}
    return found | {
        'card': torch.cuda.get_device_name() if device == 'cuda' else 'none, a rehearsal'
    }


def report(options: argparse.Namespace) -> dict[str, Any]:
    """Run all sections of a part within its time, and write every result as it comes."""
    began = time.monotonic()
    options.output.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        'benchmark': 'gpu_report',
        'part': options.part,
        'size': options.size,
    }
    results |= machine(options.device)
    with tempfile.TemporaryDirectory() as scratch:
        options.checkpoint = Path(scratch) / 'checkpoint'
        if options.part != 'training':
            init_checkpoint(options.size, load_robot('so101'), options.checkpoint)
        for section in sections(options.part):
            started = time.monotonic()
            found = run_section(section, options, options.seconds - (started - began))
            found['section took (s)'] = round(time.monotonic() - started, 1)
            results[section] = found
            name = section.replace(' ', '_')
            (options.output / f'{name}.json').write_text(json.dumps(found, indent=1) + '\n')
            shown = {key: value for key, value in found.items() if key != 'rows'}
            print(f'{section}: {json.dumps(shown)}', flush=True)
    (options.output / f'{options.part}.json').write_text(json.dumps(results, indent=1) + '\n')
    return results


def main() -> int:
    """Measure one part, or one section of it."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0], allow_abbrev=False)
    parser.add_argument('part', choices=['inference', 'triton', 'training'])
    parser.add_argument(
        '--output', type=Path, default=Path('gpu_report'), help='folder to write to'
    )
    parser.add_argument('--seconds', type=float, default=175, help='time for the whole part (s)')
    parser.add_argument('--size', default='3b', choices=['tiny', 'small', '3b'])
    parser.add_argument('--device', default='cuda', help='cpu: rehearse without a GPU')
    parser.add_argument('--calls', type=int, default=60, help='calls per figure')
    parser.add_argument('--batch-size', type=int, default=32, help='samples per training step')
    parser.add_argument('--section', help='run this section alone, in this process')
    parser.add_argument('--checkpoint', type=Path, help='used with --section')
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    if options.device == 'cuda' and not torch.cuda.is_available():
        print('gpu_report: there is no GPU here, nothing is measured (rehearse with --device cpu)')
        print(json.dumps({'benchmark': 'gpu_report', 'card': None}))
        return 0
    if options.section:
        section = options.section.partition(' ')[0]
        print(json.dumps({**globals()[section](options)}))
        return 0
    print(json.dumps(report(options)))
    return 0


if __name__ == '__main__':
    sys.exit(main())
