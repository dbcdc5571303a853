# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the folded network with TensorRT; PyTorch answers until the engines are built and agree.

Graphs and engines lie in the checkpoint's folder `tensorrt`. `gr00t export tensorrt` makes them
ahead of time; else this backend does on its first call, the graphs in a process of its own: their
export holds Python for minutes. No engine has run on a GPU yet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import logging
from pathlib import Path
import subprocess
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gr00t_core.engines.cuda_graph import GraphCapture, Replay, ReplayCache
from gr00t_core.engines.manifest import ACTION_STEPS, checkpoint_sha256, Manifest, VISION_LANGUAGE
from gr00t_core.engines.options import DEFAULT_OPTIONS, EngineOptions
from gr00t_core.engines.take_over import TakeOverBackend
from gr00t_core.engines.tensorrt_engine import (
    cached_plan,
    can_strip,
    device_name,
    Engine,
    EngineKey,
    find_tensorrt,
    on_device,
    own_stream,
    plan_path,
    structure_sha256,
)
from gr00t_core.engines.torch import MAX_GRAPH_ERROR, TorchBackend
from gr00t_core.errors import BackendError
from gr00t_core.models import inference_of, load_config, Ranges
from gr00t_core.models.folded.request import Floats, Prompt, Start

_log = logging.getLogger(__name__)

Export = Callable[[Path, Path, str, str, int], object]  # see `make_engines`
Named = dict[str, Tensor]

_START = ('state', 'noise', 'prefix', 'prefix_weight')  # what the action steps start from
FOLDER = 'tensorrt'


@dataclass(frozen=True)
class Kind:
    """What engines are built for.

    Attributes:
        ranges: Input → sizes of its free dimension: least, usual, most; all the same for the one
            prompt that is known, which gives TensorRT more to fuse.
        reusable: Without weights, which come from the graphs when the engines are loaded, so that
            a checkpoint of the same architecture takes them over; slower than plain ones.
    """

    ranges: Ranges
    reusable: bool = False


@dataclass(frozen=True)
class Engines:
    """The plans of both parts.

    Attributes:
        manifest: Of the graphs.
        graphs: Folder of the graphs.
        plans: Part → engine.
        caches: Part → file for what TensorRT-RTX compiles when the engine is loaded.
        kind: What the engines accept.
        views: Images of a sample.
    """

    manifest: Manifest
    graphs: Path
    plans: dict[str, bytes]
    caches: dict[str, Path]
    kind: Kind
    views: int


def sizes_of(prompt: Prompt, free: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes of the free dimensions of one sample's prompt, by input.

    Args:
        prompt: Of any number of samples.
        free: Input → its free axis.
    """
    sample = prompt.sample(0)
    sizes = {
        name: values.shape[free[name]]
        for part in (sample.inputs, sample.seen)
        for name, values in part.items()
        if name in free
    }
    return {**sizes, 'keys_values': sizes['input_ids']}


def exactly(sizes: Mapping[str, int]) -> Ranges:
    """Return the ranges that hold one size each."""
    return {name: (size, size, size) for name, size in sizes.items()}


def make_engines(
    trt: Any,
    checkpoint: Path,
    tag: str,
    views: int,
    steps: int | None,
    device: torch.device,
    precision: str,
    export: Export,
    kind: Kind,
    instead: Sequence[Kind] = (),
) -> Engines:
    """Export and build what is missing or out of date; return the engines.

    Args:
        trt: From `find_tensorrt`.
        checkpoint: Checkpoint folder.
        tag: Embodiment.
        views: Cameras.
        steps: Euler steps; None for the checkpoint's own.
        device: GPU that they are for; the CPU means any that this TensorRT supports.
        precision: bf16 or fp16.
        export: Writes the graphs where there are none: checkpoint, folder, precision, tag, steps.
        kind: What is built.
        instead: What is taken in its place where it is stored already, the best first.

    Raises:
        BackendError: TensorRT cannot parse or build a graph, or make reusable engines here.
        CheckpointError: The checkpoint is damaged.
    """
    config = load_config(checkpoint)
    steps = steps or config.action_head.num_inference_timesteps
    digest = checkpoint_sha256(checkpoint)
    graphs = checkpoint / FOLDER / f'{precision}-{tag}-{steps}-{digest[:12]}'
    if not graphs.is_dir():
        export(checkpoint, graphs, precision, tag, steps)
    manifest = Manifest.read(graphs)
    store = checkpoint / FOLDER / 'engines'
    # Stripped engines need a GPU to be built (TensorRT-RTX 1.7 fails without one).
    strips = can_strip(trt) and device.type == 'cuda'
    if kind.reusable and not strips:
        raise BackendError(
            f'{trt.__name__} {trt.__version__} makes no reusable engines on {device}: this needs a'
            ' GPU and TensorRT 10 or later. Leave --reusable out'
        )

    def keys_of(kind: Kind) -> dict[str, EngineKey]:
        return {
            name: EngineKey(
                graph=structure_sha256(graphs / part.file) if kind.reusable else part.sha256,
                runtime=f'{trt.__name__} {trt.__version__}',
                device=device_name(device),
                ranges={key: kind.ranges[key] for key in part.inputs if key in kind.ranges},
                stripped=kind.reusable,
            )
            for name, part in manifest.parts.items()
        }

    def path_of(name: str, key: EngineKey) -> Path:
        return plan_path(graphs / manifest.parts[name].file, key, store)

    chosen, keys = kind, keys_of(kind)
    for other in instead:
        if strips or not other.reusable:
            found = keys_of(other)
            if all(path_of(name, key).is_file() for name, key in found.items()):
                chosen, keys = other, found
                break
    with on_device(device):  # of the building thread, which begins on device 0
        plans = {
            name: cached_plan(trt, graphs / manifest.parts[name].file, key, store)
            for name, key in keys.items()
        }
    caches = {name: path_of(name, key).with_suffix('.cache') for name, key in keys.items()}
    return Engines(manifest, graphs, plans, caches, chosen, views)


def export_in_a_process(
    checkpoint: Path, folder: Path, precision: str, tag: str, steps: int
) -> None:
    """Write the graphs as `gr00t export onnx` does, in a process of its own.

    Raises:
        BackendError: It failed; quotes its last line.
    """
    command = [sys.executable, '-m', 'gr00t_core', 'export', 'onnx', str(checkpoint), str(folder)]
    command += ['--precision', precision, '--embodiment-tag', tag]
    command += ['--denoising-steps', str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or f'exit status {done.returncode}').splitlines()[-1]
        raise BackendError(f'the export of {checkpoint} to ONNX failed: {last}')


class EngineRunner:
    """Both engines on a GPU; `prepare` turns images into pixel values there.

    With `graphs`, calls of one sample replay both engines and the transfers as one CUDA graph per
    prompt length, and one more for calls that act on the features of the call before.
    """

    def __init__(
        self,
        trt: Any,
        engines: Engines,
        torch_backend: TorchBackend,
        graphs: tuple[ReplayCache, ReplayCache] | None = None,
    ) -> None:
        self._ranges, self._slot, self._views = (
            engines.kind.ranges,
            engines.manifest.slot,
            engines.views,
        )
        self._free = torch_backend.inference.FREE
        self._torch, self._device = torch_backend, torch.device(torch_backend.device)
        self._beside = own_stream(self._device)
        self._graphs = graphs
        self._engines = {
            name: Engine(
                trt,
                engines.plans[name],
                engines.graphs / part.file if engines.kind.reusable else None,
                self._device,
                engines.caches[name],
            )
            for name, part in engines.manifest.parts.items()
        }

    def accepts(self, prompt: Prompt) -> bool:
        """Return whether the prompt lies in the ranges that the engines were built for."""
        return (
            prompt.slot == self._slot
            and _images(prompt) == self._views
            and all(
                self._ranges[name][0] <= values.shape[self._free[name]] <= self._ranges[name][2]
                for name, values in prompt.inputs.items()
                if values.dtype != np.uint8 and name in self._ranges
            )
        )

    def keep(self) -> None:
        """Store what TensorRT-RTX compiled for these engines so far."""
        for engine in self._engines.values():
            engine.keep()

    def answer(self, prompt: Prompt, begin: Start) -> tuple[Any, Floats]:
        """Run both parts; return what `act` needs to act again, and the actions (R, H, A)."""
        if self._graphs is not None and len(prompt.rows) == 1:
            try:
                return self._replayed(prompt, begin, self._graphs[0])
            except Exception as error:
                self._graphs = None
                _log.warning('TensorRT goes on without CUDA graphs: %s', error)
        seen = self.encode(prompt)
        return seen, self.act(prompt.slot, seen, begin)

    def encode(self, prompt: Prompt) -> list[Named]:
        """Return keys and values, and what else the action steps read, of each sample."""
        found = []
        with torch.inference_mode(), self._beside():
            for index in range(len(prompt.rows)):
                sample = prompt.sample(index)
                inputs, masks = (
                    {name: self._moved(x) for name, x in part.items()}
                    for part in (sample.inputs, sample.seen)
                )
                found.append({'keys_values': self._keys_values(inputs), **masks})
        return found

    def act(self, slot: int, seen: Any, begin: Start) -> Floats:
        """Return actions (R, H, A), sample by sample."""
        if isinstance(seen, _Replayed):
            return self._act_again(seen, begin)
        with torch.inference_mode(), self._beside():
            weight = self._moved(begin.prefix_weight)
            rows = []
            for row in range(len(begin.state)):
                inputs = {
                    name: self._moved(getattr(begin, name)[row : row + 1])
                    for name in ('state', 'noise', 'prefix')
                }
                inputs |= seen[row]
                inputs['prefix_weight'] = weight
                rows.append(self._engines[ACTION_STEPS](inputs))
            values: Floats = torch.cat(rows).float().cpu().numpy()
            return values

    def _keys_values(self, inputs: Named) -> Tensor:
        pixels = self._torch.pixels(inputs['pixel_values']).float().contiguous()
        return self._engines[VISION_LANGUAGE](inputs | {'pixel_values': pixels}).contiguous()

    def _replayed(
        self, prompt: Prompt, begin: Start, graphs: ReplayCache
    ) -> tuple['_Replayed', Floats]:
        """Run both parts of one sample as one graph.

        Raises:
            BackendError: The first replay of a shape differs from what the engines answer.
        """
        given = dict(zip(_START, begin.fields))
        host = {
            name: torch.from_numpy(np.ascontiguousarray(values))
            for part in (prompt.inputs, given, prompt.seen)
            for name, values in part.items()
        }
        masks = list(prompt.seen)

        def everything(*places: Tensor) -> tuple[Tensor, ...]:
            named = dict(zip(host, places))
            seen = {'keys_values': self._keys_values({n: named[n] for n in prompt.inputs})}
            seen |= {name: named[name] for name in masks}
            action = self._engines[ACTION_STEPS]({**seen, **{n: named[n] for n in _START}})
            return seen['keys_values'], action.float(), *(named[name] for name in masks)

        new = prompt.key not in graphs
        with torch.inference_mode(), self._beside():
            replay = graphs.get(prompt.key, everything, *host.values())
            actions: Floats = replay(*host.values())[1].numpy()
        if new:
            plain = self.act(prompt.slot, self.encode(prompt), begin)
            error = float(np.abs(actions - plain).max())
            if not error <= MAX_GRAPH_ERROR:
                raise BackendError(f'a graph of {prompt.key} answers otherwise (error {error})')
        return _Replayed(replay, masks), actions

    def _act_again(self, seen: '_Replayed', begin: Start) -> Floats:
        """Run the action steps as one graph, on the features that a replay of both left."""
        features, _, *rest = seen.replay.outputs
        names = ('keys_values', *seen.masks)
        host = [torch.from_numpy(np.ascontiguousarray(x)) for x in begin.fields]

        def steps(*places: Tensor) -> Tensor:
            inputs = dict(zip((*names, *_START), (features, *rest, *places)))
            return self._engines[ACTION_STEPS](inputs).float()

        with torch.inference_mode(), self._beside():
            if self._graphs is None:
                return steps(*(x.to(self._device) for x in host)).cpu().numpy()
            replay = self._graphs[1].get(seen.replay, steps, *host)
            return replay(*host).numpy()  # type: ignore[no-any-return]

    def _moved(self, values: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)


@dataclass(frozen=True, eq=False)
class _Replayed:
    """Features that a replay left on the device.

    Attributes:
        replay: Its outputs are keys and values, the actions, and the masks.
        masks: Their names.
    """

    replay: Replay
    masks: Sequence[str]


class TensorrtBackend(TakeOverBackend):
    """TensorRT engines behind eager PyTorch."""

    name = 'tensorrt'

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str = 'cuda',
        denoising_steps: int | None = None,
        options: EngineOptions = DEFAULT_OPTIONS,
    ) -> None:
        """Load the weights into PyTorch; the engines follow with the first call.

        Raises:
            BackendError: TensorRT is not installed, or the device is not a CUDA device.
            CheckpointError: The checkpoint is incomplete or damaged.
        """
        trt = find_tensorrt()
        if torch.device(device).type != 'cuda':
            raise BackendError(
                f"engine 'tensorrt' needs device cuda, not {device!r}; on a CPU use 'onnxruntime'"
            )
        eager = TorchBackend(checkpoint, device=device, denoising_steps=denoising_steps)
        folder, place = Path(checkpoint), torch.device(eager.device)
        precision = 'bf16' if options.precision == 'auto' else options.precision

        def prepare(prompt: Prompt) -> EngineRunner:
            views, inference = _images(prompt), inference_of(folder)
            heads = inference.heads(folder)
            tag = next(tag for tag, (slot, _) in heads.items() if slot == prompt.slot)
            ranges = inference.ranges(eager.config, views)
            exact = exactly(sizes_of(prompt, inference.FREE))
            stored = [Kind(of, reusable) for of in (exact, ranges) for reusable in (False, True)]
            engines = make_engines(
                trt,
                folder,
                tag,
                views,
                denoising_steps,
                place,
                precision,
                export_in_a_process,
                Kind(ranges),
                stored,
            )
            if not options.cuda_graphs:
                return EngineRunner(trt, engines, eager)
            capture = GraphCapture(place)
            return EngineRunner(trt, engines, eager, (ReplayCache(capture), ReplayCache(capture)))

        super().__init__(eager, prepare)


def _images(prompt: Prompt) -> int:
    return len(prompt.inputs['pixel_values']) // len(prompt.rows)
