# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time one action chunk on a CPU: plain PyTorch against the folded model and its ONNX exports.

The same random weights and inputs for all, one thread and two. Contenders take turns within every
round, so that a neighbour's load meets all of them alike; a ratio is the median over the rounds of
(plain / contender). CPU ms is process time, which a neighbour cannot stretch much; wall ms is what
a robot waits for. Images are 112 px (two cameras), the model is N1.5 scaled to an edge computer:
51 M parameters in use, DiT 512 wide with 8 blocks, 4 denoising steps.

    python benchmarks/inference_cpu.py [--rounds 15] [--sizes edge] [--threads 1 2]

OpenVINO takes its turns where it is installed, and LeRobot's own GR00T N1.5 where LEROBOT_VENV
names an environment that has it: a process of its own on the same checkpoint, inputs and noise,
whose actions must agree with ours.

The last line is JSON: `ratio_folded` (folded PyTorch), `ratio_best` (our fastest),
`ratio_int8w_to_bf16` (int8 weights against OpenVINO's bfloat16; null where the CPU multiplies no
bfloat16, then `ratio_int8w_to_openvino_fp32`), `action_mse`, and `ratio_lerobot` (how many times
as fast as LeRobot our fastest is; null where that is not measured), at edge size with one thread.
"""

import argparse
from copy import deepcopy
from importlib.util import find_spec
import json
import logging
import os
from pathlib import Path
from statistics import median
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.engines.onnxruntime import OnnxBackend
from gr00t_core.engines.torch import TorchBackend
from gr00t_core.export.onnx_export import export_onnx
from gr00t_core.models.layers.category import CategoryLinear
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_core.robot.file import load_robot

IMAGE_TOKEN, VIEWS, TEXT = 500, 2, 40
PRECISIONS = ('fp32', 'fp16', 'int8')
INT8W, OPENVINO = 'openvino int8w', 'openvino'
LEROBOT = 'lerobot 0.4.4'
MAX_DIFFERENCE = 1e-4  # between LeRobot's actions and ours, both in float32


def edge_config() -> dict:
    """Return N1.5's config.json scaled to an edge computer."""
    raw = deepcopy(SIZES['small'])
    eagle, head = raw['eagle_config'], raw['action_head_cfg']
    eagle.update(force_image_size=112)
    eagle['vision_config'].update(
        hidden_size=384,
        image_size=112,
        intermediate_size=1152,
        num_attention_heads=6,
        num_hidden_layers=6,
        patch_size=14,
    )
    eagle['text_config'].update(
        head_dim=64,
        hidden_size=512,
        intermediate_size=1536,
        num_attention_heads=8,
        num_hidden_layers=4,
        num_key_value_heads=4,
    )
    raw.update(hidden_size=512)
    raw['backbone_cfg'].update(select_layer=4)
    head['vl_self_attention_cfg'].update(
        attention_head_dim=64, num_attention_heads=8, num_layers=1
    )
    head['diffusion_model_cfg'].update(
        attention_head_dim=64,
        cross_attention_dim=512,
        num_attention_heads=8,
        num_layers=8,
        output_dim=512,
    )
    head.update(
        backbone_embedding_dim=512,
        hidden_size=512,
        input_embedding_dim=512,
        num_target_vision_tokens=32,
    )
    return raw


def make_checkpoint(raw: dict, folder: Path) -> None:
    """Write a random checkpoint whose actions depend on the network, not on the noise alone."""
    raw['eagle_config']['image_token_index'] = IMAGE_TOKEN
    torch.manual_seed(0)
    model = Gr00tN15(Gr00tConfig.from_json(raw))
    for layer in model.action_head.modules():
        if isinstance(layer, CategoryLinear):
            layer.W.data.mul_(50 * layer.W.shape[1] ** -0.5)
    folder.mkdir()
    model.save_pretrained(folder)
    write_metadata(folder, metadata_from_limits(load_robot('so101')))


def make_batch(config: Gr00tConfig) -> dict:
    """Return one sample: two camera images, a prompt of 40 words, a state."""
    rng = np.random.default_rng(0)
    size, patches = config.vision.image_size, config.vision.num_tokens
    words = rng.integers(0, 400, (1, TEXT))
    ids = np.concatenate([words, np.full((1, VIEWS * patches), IMAGE_TOKEN)], axis=1)
    return {
        'pixel_values': rng.uniform(-1, 1, (VIEWS, 3, size, size)).astype(np.float32),
        'input_ids': ids,
        'attention_mask': np.ones_like(ids),
        'state': rng.standard_normal((1, 1, 64), np.float32),
        'embodiment_id': np.array([31]),
    }


class Plain:
    """The plain model, as it is trained."""

    def __init__(self, folder: Path) -> None:
        self.model = Gr00tN15.from_pretrained(folder, dtype=torch.float32)

    def predict(self, batch: dict, noise: np.ndarray) -> np.ndarray:
        """Return normalised actions."""
        with torch.inference_mode():
            tensors = {key: torch.from_numpy(value) for key, value in batch.items()}
            return self.model.get_action(tensors, noise=torch.from_numpy(noise)).numpy()


class Lerobot:
    """LeRobot's model in a process of its own; see `lerobot_inference.py`."""

    def __init__(self, python: Path, folder: Path, batch: dict, noise: np.ndarray) -> None:
        self.inputs, self.actions = folder / 'lerobot.npz', folder / 'lerobot.npy'
        np.savez(self.inputs, noise=noise, **batch)
        script = Path(__file__).with_name('lerobot_inference.py')
        words = [python, script, folder / 'checkpoint', self.inputs, self.actions]
        clean = {k: v for k, v in os.environ.items() if k in ('PATH', 'HOME', 'TMPDIR', 'LANG')}
        self.process = subprocess.Popen(
            [str(word) for word in words],
            env=clean,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.process.stdout.readline() != 'ready\n':
            raise SystemExit(f'{script} does not start (exit code {self.process.wait()})')

    def threads(self, count: int) -> None:
        """Set the number of threads."""
        print(f'threads {count}', file=self.process.stdin, flush=True)

    def timed(self) -> tuple[float, float]:
        """Run once; return wall ms and CPU ms as the process itself saw them."""
        print('run', file=self.process.stdin, flush=True)
        wall, cpu = json.loads(self.process.stdout.readline())
        return wall, cpu

    def predict(self, batch: dict, noise: np.ndarray) -> np.ndarray:
        """Return the actions for what it was started with."""
        self.timed()
        return np.load(self.actions)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def lerobot_python() -> Path | None:
    """Return the interpreter of LeRobot's environment; None, with the reason, where it is not."""
    venv = os.environ.get('LEROBOT_VENV')
    if venv is None:
        print('lerobot: not measured (set LEROBOT_VENV)')
        return None
    python = Path(venv) / 'bin' / 'python'
    if not python.exists():
        print(f'lerobot: not measured (no {python}; set LEROBOT_VENV)')
        return None
    script = str(Path(__file__).with_name('lerobot_inference.py'))
    works = subprocess.run([str(python), script], capture_output=True, text=True)
    if works.returncode:
        print(f'lerobot: not measured ({works.stderr.strip().splitlines()[-1]})')
        return None
    return python


def timed(contender: object, batch: dict, noise: np.ndarray) -> tuple[float, float]:
    """Return wall ms and CPU ms of one chunk."""
    if isinstance(contender, Lerobot):
        return contender.timed()
    wall, cpu = time.perf_counter(), time.process_time()
    contender.predict(batch, noise)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return 1e3 * wall, 1e3 * cpu


def measure(contenders: dict, batch: dict, noise: np.ndarray, rounds: int) -> dict:
    """Return name → (wall ms, CPU ms) of every round; contenders take turns."""
    times: dict = {name: [] for name in contenders}
    for name in contenders:
        contenders[name].predict(batch, noise)
    for turn in range(rounds):
        names = list(contenders)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            times[name].append(timed(contenders[name], batch, noise))
    return times


def run_size(
    name: str, raw: dict, threads: list, rounds: int, python: Path | None, work: Path | None
) -> tuple[dict, dict]:
    """Measure one size; print its table; return ratios and action MSE by thread count."""
    results: dict = {}
    errors: dict = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if work is None else work / name
        if not folder.joinpath('checkpoint').is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            make_checkpoint(raw, folder / 'checkpoint')
        for precision in (*PRECISIONS, 'int8w'):
            if not folder.joinpath(precision).is_dir():
                export_onnx(folder / 'checkpoint', folder / precision, precision)
        if rounds == 0:
            return {}, {}
        plain, folded = Plain(folder / 'checkpoint'), TorchBackend(folder / 'checkpoint')
        batch = make_batch(folded.config)
        noise = np.random.default_rng(1).standard_normal((1, 16, 32), np.float32)
        truth = plain.predict(batch, noise)
        moved = np.square(truth - noise).mean()
        theirs = {}
        if python is not None:
            theirs[LEROBOT] = Lerobot(python, folder, batch, noise)
            difference = np.abs(theirs[LEROBOT].predict(batch, noise) - truth).max()
            print(f'lerobot: actions differ from ours by {difference:.1e} at most')
            if not difference <= MAX_DIFFERENCE:
                raise SystemExit(f'lerobot computes something else (allowed: {MAX_DIFFERENCE})')
        weights = sum(p.numel() for p in folded.folded.vision_language.parameters())
        weights += sum(p.numel() for p in folded.folded.action_steps(31).parameters())
        tokens = batch['input_ids'].shape[1]
        print(f'\n{name}: {weights / 1e6:.1f} M parameters in use, {tokens} tokens')
        print(
            f'{"":22}{"threads":>8}{"wall ms":>9}{"min":>8}{"CPU ms":>8}{"speed-up":>10}'
            f'{"action MSE":>12}{"relative":>10}'
        )
        for count in threads:
            torch.set_num_threads(count)
            contenders = {'torch plain': plain, 'torch folded': folded}
            contenders |= {
                f'onnxruntime {precision}': OnnxBackend(folder / precision, threads=count)
                for precision in PRECISIONS
            }
            if find_spec('openvino') is not None:
                from gr00t_core.engines.openvino import OpenvinoBackend

                contenders[OPENVINO] = OpenvinoBackend(folder / 'fp32', threads=count)
                contenders[INT8W] = OpenvinoBackend(folder / 'int8w', threads=count)
            for other in theirs.values():
                other.threads(count)
            contenders |= theirs
            times = measure(contenders, batch, noise, rounds)
            for label, rows in times.items():
                wall, cpu = (list(column) for column in zip(*rows))
                ratio = median(p[0] / r[0] for p, r in zip(times['torch plain'], rows))
                results[count, label] = ratio
                mse = np.square(contenders[label].predict(batch, noise) - truth).mean()
                errors[count, label] = float(mse)
                print(
                    f'{label:22}{count:8d}{median(wall):9.2f}{min(wall):8.2f}{median(cpu):8.2f}'
                    f'{ratio:9.2f}x{mse:12.1e}{mse / moved:10.1e}'
                )
        for other in theirs.values():
            other.close()
    return results, errors


def multiplies_bfloat16() -> bool:
    """Return whether this CPU has instructions for products in bfloat16."""
    words = Path('/proc/cpuinfo').read_text().split()
    return bool({'avx512_bf16', 'amx_bf16'} & set(words))


def int8w_ratios(ours: dict, errors: dict, threads: int) -> dict:
    """Return how much faster int8 weights are than OpenVINO on the fp32 export, and their MSE.

    OpenVINO runs that export in bfloat16 where the CPU multiplies it; elsewhere in float32, and
    the ratio to bfloat16 is null.
    """
    if INT8W not in ours:
        return {'ratio_int8w_to_bf16': None}
    ratio = round(ours[INT8W] / ours[OPENVINO], 3)
    bf16 = multiplies_bfloat16()
    return {
        'ratio_int8w_to_bf16': ratio if bf16 else None,
        'ratio_int8w_to_openvino_fp32': None if bf16 else ratio,
        'action_mse': {
            label: errors[threads, label] for label in (OPENVINO, INT8W, 'onnxruntime int8')
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0], allow_abbrev=False)
    parser.add_argument('--rounds', type=int, default=15, help='0: only export')
    parser.add_argument('--sizes', nargs='+', default=['edge'], choices=['edge', 'small', 'tiny'])
    parser.add_argument('--threads', nargs='+', type=int, default=[1, 2])
    parser.add_argument(
        '--work', type=Path, help='keep checkpoint and exports here, and use those that are there'
    )
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    raw = {'edge': edge_config()} | {n: deepcopy(SIZES[n]) for n in ('small', 'tiny')}
    python = lerobot_python()
    results = {
        size: run_size(size, raw[size], options.threads, options.rounds, python, options.work)
        for size in options.sizes
    }
    first, errors = results[options.sizes[0]]
    if not first:
        return
    ours = {label: ratio for (count, label), ratio in first.items() if count == options.threads[0]}
    theirs = ours.pop(LEROBOT, None)
    best = max(ours, key=lambda label: ours[label])
    print(
        json.dumps(
            {
                'benchmark': 'inference_cpu',
                'size': options.sizes[0],
                'threads': options.threads[0],
                'ratio_folded': round(ours['torch folded'], 3),
                'ratio_best': round(ours[best], 3),
                'best': best,
                **int8w_ratios(ours, errors, options.threads[0]),
                'ratio_lerobot': None if theirs is None else round(ours[best] / theirs, 3),
                'by_threads': {
                    f'{label}, {count} threads': round(ratio, 3)
                    for (count, label), ratio in first.items()
                },
            }
        )
    )


if __name__ == '__main__':
    sys.exit(main())
