# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say how an engine runs a network: compiled, in CUDA graphs, by which kernels and precision."""

from collections.abc import Mapping
from dataclasses import dataclass

from gr00t_core.errors import BackendError

PRECISIONS = ('auto', 'fp32', 'bf16', 'fp16', 'fp8')
# Engine → the options that it has; the precision of an export is chosen by `gr00t export`.
_KNOWN: Mapping[str, tuple[str, ...]] = {
    'torch': ('compile', 'cuda_graphs', 'triton', 'precision'),
    'tensorrt': ('cuda_graphs', 'precision'),
    'onnxruntime': (),
    'openvino': (),
}
_HALF_PRECISIONS = ('auto', 'bf16', 'fp16')  # of engine tensorrt and of the Triton kernels


@dataclass(frozen=True)
class EngineOptions:
    """How an engine runs a network.

    Attributes:
        compile: torch: compile every layer by Inductor (needs a C++ compiler).
        cuda_graphs: torch or tensorrt on a GPU: one CUDA graph per prompt length and image size.
        triton: torch on a GPU: run the DiT's blocks by our Triton kernels (behind a gate).
        precision: torch: fp32, bf16, fp16, or fp8 (behind a gate); tensorrt: bf16 or fp16. auto:
            float32 on a CPU, bfloat16 on a GPU.
    """

    compile: bool = False
    cuda_graphs: bool = False
    triton: bool = False
    precision: str = 'auto'

    def check(self, engine: str) -> None:
        """Raise BackendError where the engine does not have an option that is set."""
        if self.precision not in PRECISIONS:
            raise BackendError(
                f'precision {self.precision!r} is unknown; allowed: {", ".join(PRECISIONS)}'
            )
        for name in self.words_by_name():
            if name not in _KNOWN[engine]:
                having = [other for other, names in _KNOWN.items() if name in names]
                advice = (
                    '; the precision of an export is chosen by `gr00t export onnx --precision`'
                    if name == 'precision'
                    else ''
                )
                raise BackendError(
                    f'engine {engine!r} has no option {name!r}; {" and ".join(having)} has it'
                    f'{advice}. Leave it out'
                )
        if engine == 'tensorrt' and self.precision not in _HALF_PRECISIONS:
            raise BackendError(
                f"engine 'tensorrt' has no precision {self.precision!r}; allowed:"
                f' {", ".join(_HALF_PRECISIONS)}'
            )
        if self.triton and self.precision not in _HALF_PRECISIONS:
            raise BackendError(
                f'the Triton kernels have no precision {self.precision!r}; allowed with --triton:'
                f' {", ".join(_HALF_PRECISIONS)}'
            )

    def words_by_name(self) -> dict[str, str]:
        """Return the options that are set, as they are typed."""
        words = {}
        if self.compile:
            words['compile'] = '--compile'
        if self.cuda_graphs:
            words['cuda_graphs'] = '--cuda-graphs'
        if self.triton:
            words['triton'] = '--triton'
        if self.precision != 'auto':
            words['precision'] = f'--precision {self.precision}'
        return words

    def shown(self, engine: str) -> str:
        """Return engine and options for people, as they are typed."""
        return ' '.join((engine, *self.words_by_name().values()))


DEFAULT_OPTIONS = EngineOptions()

# Names of engines of earlier versions → what to write now.
FORMER = {
    'torch-compile': 'torch --compile',
    'torch-cudagraph': 'torch --cuda-graphs',
    'torch-compile-cudagraph': 'torch --compile --cuda-graphs',
    'torch-fp8': 'torch --precision fp8',
    'torch-fp8-cudagraph': 'torch --cuda-graphs --precision fp8',
}
