# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The kernels as operations of PyTorch, one launch each. Shapes: see the package.

On tensors without data they give shapes, and need no Triton. `dependent` asks for programmatic
dependent launch, see `kernels`; cards that have none, and the interpreter, launch as always.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from gr00t_core.models.folded.dit_kernels import tiles

EPS = 1e-5  # of the norms of a block
DEPENDENT_FROM = (9, 0)  # compute capability that has programmatic dependent launch
QUERY_ROWS, KEYS = 64, 64  # of a program of the attention
ATTENTION_WARPS, ATTENTION_STAGES = 4, 3


@torch.library.custom_op('gr00t::normed_product', mutates_args=())
def normed_product(
    x: Tensor,
    statistics: Tensor | None,
    affine: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    kept: int,
    gelu: bool,
    dependent: bool,
) -> Tensor:
    """Return norm(x)·weightᵀ + bias of the last `kept` tokens, (B, kept, N).

    Args:
        x: (B, T, C).
        statistics: (B, T, J, 2) float32, from `added_product`; None: the kernel reads x for them.
        affine: (2, C), scale and shift after the norm; None without.
        weight: (N, C).
        bias: (N,).
        kept: See above.
        gelu: Apply the tanh-GELU to the result.
        dependent: See above.
    """
    out: Tensor = _normed(x, statistics, affine, weight, bias, kept, gelu, dependent)
    tokens, width = x.shape[1:]
    outputs, rows = weight.shape[0], x.shape[0] * kept
    tile = tiles.of_normed(width, outputs)
    parts = 0 if statistics is None else statistics.shape[2]
    grid = (outputs // tile.columns, -(-rows // tile.rows))
    # Tensors that are not read still need an address.
    given = (x, x if statistics is None else statistics, x if affine is None else affine)
    _launch(
        'normed_product',
        grid,
        *given,
        weight,
        bias,
        out,
        rows,
        TOKENS=tokens,
        KEPT=kept,
        WIDTH=width,
        OUTPUTS=outputs,
        PARTS=parts,
        ROOM=room(parts),
        MODULATED=affine is not None,
        GELU=gelu,
        EPS=EPS,
        dependent=dependent,
        **_sizes(tile),
    )
    return out


@normed_product.register_fake
def _normed(
    x: Tensor,
    statistics: Tensor | None,
    affine: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    kept: int,
    gelu: bool,
    dependent: bool,
) -> Tensor:
    return x.new_empty(x.shape[0], kept, weight.shape[0])


@torch.library.custom_op('gr00t::attention', mutates_args=())
def attention(
    projected: Tensor,
    keys_values: Tensor | None,
    mask: Tensor | None,
    kept: int,
    heads: int,
    dependent: bool,
) -> Tensor:
    """Return the attention of the last `kept` tokens, (B, kept, C).

    Args:
        projected: Queries (B, kept, C); or queries, keys and values (B, T, 3·C) side by side.
        keys_values: (2, B, heads, S, D) to attend to, heads side by side in memory; None: to
            `projected`.
        mask: (B, 1, 1, S) bool, False at keys to hide; None hides none.
        kept: See above.
        heads: Attention heads.
        dependent: See above.
    """
    out: Tensor = _attended(projected, keys_values, mask, kept, heads, dependent)
    batch, width = out.shape[0], out.shape[2]
    head = width // heads
    if keys_values is None:
        keys, values = projected[..., width : 2 * width], projected[..., 2 * width :]
        key_sample, key_row, tokens = *projected.stride()[:2], projected.shape[1]
    else:
        keys, values = keys_values[0], keys_values[1]
        key_sample, key_head, key_row, unit = keys.stride()
        tokens = keys.shape[2]
        assert (key_head, unit) == (head, 1), keys.stride()
    seen = projected if mask is None else mask.reshape(batch, tokens).view(torch.uint8)
    _launch(
        'attention',
        (heads, batch, -(-kept // QUERY_ROWS)),
        projected,
        keys,
        values,
        seen,
        out,
        tokens,
        projected.stride(0),
        projected.stride(1),
        key_sample,
        key_row,
        FIRST=projected.shape[1] - kept,
        KEPT=kept,
        HEADS=heads,
        HEAD=head,
        ROOM=room(head),
        SCALE=head**-0.5,
        MASKED=mask is not None,
        ROWS=QUERY_ROWS,
        KEYS=KEYS,
        dependent=dependent,
        num_warps=ATTENTION_WARPS,
        num_stages=ATTENTION_STAGES,
    )
    return out


@attention.register_fake
def _attended(
    projected: Tensor,
    keys_values: Tensor | None,
    mask: Tensor | None,
    kept: int,
    heads: int,
    dependent: bool,
) -> Tensor:
    width = projected.shape[2] if keys_values is not None else projected.shape[2] // 3
    return projected.new_empty(projected.shape[0], kept, width)


@torch.library.custom_op('gr00t::added_product', mutates_args={'arrived'})
def added_product(
    x: Tensor, branch: Tensor, weight: Tensor, bias: Tensor, arrived: Tensor, dependent: bool
) -> tuple[Tensor, Tensor]:
    """Return x + branch·weightᵀ + bias of the tokens of `branch`, the last ones of x.

    Args:
        x: (B, T, C).
        branch: (B, H, K).
        weight: (C, K).
        bias: (C,).
        arrived: `counters` of at least this size; zeros before and after.
        dependent: See above.

    Returns:
        (B, H, C), and its statistics (B, H, J, 2) float32 for `normed_product`.
    """
    out, statistics = _added(x, branch, weight, bias, arrived, dependent)
    kept, inputs = branch.shape[1:]
    tokens, width = x.shape[1:]
    rows = x.shape[0] * kept
    tile = tiles.of_added(inputs, width)
    grid = (width // tile.columns, -(-rows // tile.rows), tile.split)
    room = (tile.split, rows, width) if tile.split > 1 else (1,)
    partial = torch.empty(room, dtype=torch.float32, device=x.device)
    _launch(
        'added_product',
        grid,
        x,
        branch,
        weight,
        bias,
        out,
        statistics,
        partial,
        arrived,
        rows,
        TOKENS=tokens,
        KEPT=kept,
        INPUTS=inputs,
        WIDTH=width,
        SPLIT=tile.split,
        dependent=dependent,
        **_sizes(tile),
    )
    return out, statistics


@added_product.register_fake
def _added(
    x: Tensor, branch: Tensor, weight: Tensor, bias: Tensor, arrived: Tensor, dependent: bool
) -> tuple[Tensor, Tensor]:
    batch, kept = branch.shape[:2]
    parts = x.shape[2] // tiles.of_added(branch.shape[2], x.shape[2]).columns
    statistics = torch.empty(batch, kept, parts, 2, dtype=torch.float32, device=x.device)
    return x.new_empty(batch, kept, x.shape[2]), statistics


def counters(rows: int, inputs: int, width: int) -> int:
    """Return how many counters `added_product` needs."""
    tile = tiles.of_added(inputs, width)
    return width // tile.columns * -(-rows // tile.rows)


@cache
def interpreted() -> bool:
    """Return whether Triton runs in its interpreter (TRITON_INTERPRET=1)."""
    import triton

    return bool(triton.knobs.runtime.interpret)


def _launch(name: str, grid: tuple[int, ...], *given: Any, dependent: bool, **sizes: Any) -> None:
    import triton.language as tl

    from gr00t_core.models.folded.dit_kernels import kernels

    own = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16, torch.float32: tl.float32}
    multiplied = tl.float32 if interpreted() else own[given[0].dtype]
    dependent = dependent and _launches_early(given[0].device)
    launch = {'launch_pdl': True} if dependent else {}
    with torch.cuda.device_of(given[0]):  # type: ignore[no-untyped-call]
        getattr(kernels, name)[grid](
            *given, **sizes, MULTIPLIED=multiplied, DEPENDENT=dependent, **launch
        )


@cache
def _launches_early(device: torch.device) -> bool:
    return not interpreted() and torch.cuda.get_device_capability(device) >= DEPENDENT_FROM


def _sizes(tile: tiles.Tiles) -> dict[str, int]:
    return {
        'ROWS': tile.rows,
        'COLUMNS': tile.columns,
        'DEPTH': tile.depth,
        'num_warps': tile.warps,
        'num_stages': tile.stages,
    }


def room(length: int) -> int:
    """Return the next power of two, at least 16 as `tl.dot` wants it."""
    return max(16, 1 << (length - 1).bit_length())
