# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read and write weights in NVIDIA's layout, of any family.

A family's `checkpoint` module names its keys. Files: `model.safetensors`, or
`model-0000k-of-0000n.safetensors` with `model.safetensors.index.json`. The token embedding is tied
to the unused `lm_head`; a checkpoint may hold either or both, and both are written. LeRobot's
prefix `_groot_model.` is accepted.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import json
import logging
import math
from pathlib import Path
import re
import shutil
from typing import Any

from safetensors import safe_open, SafetensorError
from safetensors.torch import save_file
import torch
from torch import nn, Tensor

from gr00t_core.errors import CheckpointError
from gr00t_core.instructions import shown
from gr00t_core.json_file import is_file_name, read_json

_log = logging.getLogger(__name__)

INDEX = 'model.safetensors.index.json'
SINGLE = 'model.safetensors'
LEROBOT_PREFIX = '_groot_model.'
MAX_SHARD_BYTES = 5_000_000_000

_FLOATS = {'F64', 'F32', 'F16', 'BF16'}
_SHOWN = 8  # problems of one kind listed in an error

# Our parameter name → NVIDIA's key: every rule is applied, in this order.
Rules = tuple[tuple[str, str], ...]
# The action head has the same names in every family.
HEAD_RULES: Rules = (
    (r'^action_head\.vl_norm', 'action_head.vlln'),
    (r'^(action_head\.(?:future_tokens|position_embedding))$', r'\1.weight'),
    (r'^action_head\.vl_self_attention', 'action_head.vl_self_attention.transformer_blocks'),
    (r'^(action_head\.vl_self_attention\..*)\.norm2', r'\1.norm3'),
    (r'^action_head\.dit\.blocks', 'action_head.model.transformer_blocks'),
    (r'^action_head\.dit\.', 'action_head.model.'),
    (r'timestep_encoder\.linear([12])', r'timestep_encoder.timestep_embedder.linear_\1'),
    (r'^action_head\.model\.output_modulation', 'action_head.model.proj_out_1'),
    (r'^action_head\.model\.output\.', 'action_head.model.proj_out_2.'),
    (r'(transformer_blocks.*)\.attention\.out_proj', r'\1.attn1.to_out.0'),
    (r'(transformer_blocks.*)\.attention\.([qkv])_proj', r'\1.attn1.to_\2'),
    (r'(transformer_blocks.*)\.mlp\.fc1', r'\1.ff.net.0.proj'),
    (r'(transformer_blocks.*)\.mlp\.fc2', r'\1.ff.net.2'),
)
# Qwen3's layers, as N1.5 and N1.7 use them.
QWEN_RULES: Rules = (
    (r'(language_model\..*)\.norm1', r'\1.input_layernorm'),
    (r'(language_model\..*)\.norm2', r'\1.post_attention_layernorm'),
    (r'(language_model\..*)\.attention\.out_proj', r'\1.self_attn.o_proj'),
    (r'(language_model\..*)\.attention\.', r'\1.self_attn.'),
)


@dataclass(frozen=True)
class Layout:
    """How a family's parameters are called in NVIDIA's files.

    Attributes:
        rules: Pattern and replacement, each applied in turn to our name.
        embed_tokens, lm_head: Keys of the tied token embedding.
        ignored: Keys that a checkpoint may hold and this model never computes with.
    """

    rules: Rules
    embed_tokens: str
    lm_head: str
    ignored: tuple[str, ...] = ()

    def key(self, name: str) -> str:
        """Return NVIDIA's key of one of our parameter names."""
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name


@dataclass(frozen=True)
class StoredTensor:
    """Where one tensor lies: file, key in that file, shape, safetensors dtype name."""

    path: Path
    key: str
    shape: tuple[int, ...]
    dtype: str


def stored_tensors(folder: str | Path) -> dict[str, StoredTensor]:
    """List the tensors of a checkpoint folder by NVIDIA's key, from the files' headers only.

    Raises:
        CheckpointError: No weights, a shard or a key of the index missing, or a damaged file.
    """
    folder = Path(folder)
    index, single = folder / INDEX, folder / SINGLE
    for path in (index, single):
        if path.exists() and not path.is_file():
            raise CheckpointError(f'{path} is no regular file. Copy the checkpoint again.')
    if index.exists() and single.exists():
        raise CheckpointError(
            f'{folder} holds both {SINGLE} and {INDEX}: remove the one that is out of date.'
        )
    if single.exists():
        return _header(single)
    if not index.exists():
        found = sorted(path.name for path in folder.glob('*'))
        if any(name.endswith('.onnx') for name in found):
            raise CheckpointError(
                f'{folder} is an ONNX export: it runs, but it holds no weights to train or to'
                ' export. Give the checkpoint that was exported.'
            )
        raise CheckpointError(
            f'{folder} holds neither {SINGLE} nor {INDEX}; found {found}. '
            f'Give the folder that holds the weights in safetensors format.'
        )
    try:
        weight_map: dict[str, str] = read_json(index)['weight_map']
        if wrong := [name for name in weight_map.values() if not is_file_name(name)]:
            raise ValueError(f'{shown(wrong[0])} is no name of a file beside it')
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f'{index} has no readable weight_map: {error}. Copy the file again.'
        ) from None
    tensors: dict[str, StoredTensor] = {}
    for name in sorted(set(weight_map.values())):
        if not (folder / name).is_file():
            raise CheckpointError(
                f'{folder / name} is missing but {index.name} lists it. Copy the shard again.'
            )
        tensors.update(_header(folder / name))
    lost = sorted(_plain(key) for key in weight_map if _plain(key) not in tensors)
    if lost:
        raise CheckpointError(
            f'{index} lists keys that its shards lack: {_some(lost)}. Copy the shards again.'
        )
    return tensors


def load_weights(
    model: nn.Module,
    folder: str | Path,
    layout: Layout,
    dtype: torch.dtype | None = None,
    device: str | torch.device = 'cpu',
) -> None:
    """Fill `model` (built on the meta device) from a checkpoint folder, tensor by tensor.

    Raises:
        CheckpointError: See `stored_tensors`; also any key missing or unexpected, or a wrong shape
            or dtype. Nothing is assigned then.
    """
    stored = stored_tensors(folder)
    expected = {
        layout.key(name): (name, tuple(value.shape)) for name, value in model.state_dict().items()
    }
    embed_tokens, lm_head = layout.embed_tokens, layout.lm_head
    for key in layout.ignored:
        if stored.pop(key, None) is not None:
            _log.warning('%s: %s is not used by this model', folder, key)
    if lm_head in stored and embed_tokens not in stored:
        stored[embed_tokens] = stored.pop(lm_head)
    head = stored.pop(lm_head, None)
    problems = _problems(stored, {key: shape for key, (_, shape) in expected.items()})
    if head is not None and embed_tokens in stored and head.shape != stored[embed_tokens].shape:
        problems.append(
            f'wrong shape: {lm_head} is {head.shape}, '
            f'tied to embed_tokens {stored[embed_tokens].shape}'
        )
    if problems:
        files = sorted({str(tensor.path) for tensor in stored.values()})
        listing = '\n  '.join(problems)
        raise CheckpointError(
            f'{", ".join(files)} does not fit {Path(folder) / "config.json"}:\n  {listing}\n'
            f'Use the config.json that was saved with these weights, or copy the checkpoint again.'
        )
    for path in sorted({tensor.path for tensor in stored.values()}):
        here = {key: tensor for key, tensor in stored.items() if tensor.path == path}
        # Reopened every gigabyte: the pages of a file stay mapped until it is closed.
        for keys in _shards({key: math.prod(here[key].shape) * 4 for key in here}, 2**30):
            with _open(path) as file:
                weights = {
                    expected[key][0]: file.get_tensor(here[key].key).to(
                        device=device, dtype=dtype, copy=True
                    )
                    for key in keys
                }
            model.load_state_dict(weights, strict=False, assign=True)


def save_weights(
    state: Mapping[str, Tensor],
    config: Any,
    folder: str | Path,
    layout: Layout,
    dtype: torch.dtype | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
) -> None:
    """Write config.json and the weights of a state dict; each file is renamed into place."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {layout.key(name): value for name, value in state.items()}
    tensors[layout.lm_head] = tensors[layout.embed_tokens]
    size = dtype.itemsize if dtype else 0
    shards = _shards(
        {key: t.numel() * (size or t.element_size()) for key, t in tensors.items()},
        max_shard_bytes,
    )
    names = [f'model-{i:05d}-of-{len(shards):05d}.safetensors' for i in range(1, len(shards) + 1)]
    names = [SINGLE] if len(shards) == 1 else names
    for name, keys in zip(names, shards, strict=True):
        # Copied where tied or already on the CPU in this dtype: safetensors refuses shared memory.
        shard = {
            key: tensors[key].detach().to(device='cpu', dtype=dtype).contiguous() for key in keys
        }
        if layout.lm_head in shard:
            shard[layout.lm_head] = shard[layout.lm_head].clone()
        save_file(shard, folder / f'.{name}', metadata={'format': 'pt'})
    documents = {'config.json': _config_json(config, dtype)}
    if len(shards) > 1:
        weight_map = {key: name for name, keys in zip(names, shards, strict=True) for key in keys}
        total = sum(t.numel() * (size or t.element_size()) for t in tensors.values())
        documents[INDEX] = {
            'metadata': {'total_size': total},
            'weight_map': dict(sorted(weight_map.items())),
        }
    for name, content in documents.items():
        (folder / f'.{name}').write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    for name in names:  # safetensors makes files that only their owner may read
        shutil.copymode(folder / '.config.json', folder / f'.{name}')
    for name in (*names, *documents):
        (folder / f'.{name}').replace(folder / name)
    for path in (*folder.glob('model*.safetensors'), folder / INDEX):
        if path.name not in (*names, *documents):
            path.unlink(missing_ok=True)


def _config_json(config: Any, dtype: torch.dtype | None) -> dict[str, Any]:
    content: dict[str, Any] = config.to_json()
    if dtype is not None:
        content['dtype' if 'dtype' in content else 'torch_dtype'] = str(dtype).removeprefix(
            'torch.'
        )
    return content


def _shards(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    shards: list[list[str]] = [[]]
    used = 0
    for key in sorted(sizes):
        if shards[-1] and used + sizes[key] > limit:
            shards.append([])
            used = 0
        shards[-1].append(key)
        used += sizes[key]
    return shards


def _plain(key: str) -> str:
    return key.removeprefix(LEROBOT_PREFIX)


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework='pt')
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'{path} ({path.stat().st_size} bytes) is not a whole safetensors file: {error}. '
            f'Copy the file again.'
        ) from None


def _header(path: Path) -> dict[str, StoredTensor]:
    def entries() -> Iterator[tuple[str, StoredTensor]]:
        with _open(path) as file:
            for key in file.keys():  # noqa: SIM118 (safe_open is not a mapping)
                part = file.get_slice(key)
                yield (
                    _plain(key),
                    StoredTensor(path, key, tuple(part.get_shape()), part.get_dtype()),
                )

    return dict(entries())


def _problems(
    stored: Mapping[str, StoredTensor], expected: Mapping[str, tuple[int, ...]]
) -> list[str]:
    both = sorted(expected.keys() & stored.keys())
    kinds = {
        'missing': [f'{key} {expected[key]}' for key in sorted(expected.keys() - stored.keys())],
        'unexpected': [
            f'{key} {stored[key].shape}' for key in sorted(stored.keys() - expected.keys())
        ],
        'wrong shape': [
            f'{key} in {stored[key].path.name} is {stored[key].shape}, expected {expected[key]}'
            for key in both
            if stored[key].shape != expected[key]
        ],
        'wrong dtype': [
            f'{key} in {stored[key].path.name} is {stored[key].dtype}, expected {sorted(_FLOATS)}'
            for key in both
            if stored[key].dtype not in _FLOATS
        ],
    }
    return [f'{kind}: {_some(items)}' for kind, items in kinds.items() if items]


def _some(items: list[str]) -> str:
    rest = len(items) - _SHOWN
    return ', '.join(items[:_SHOWN]) + (f' and {rest} more' if rest > 0 else '')
