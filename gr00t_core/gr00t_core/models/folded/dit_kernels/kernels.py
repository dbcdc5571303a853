# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Triton code: a product of a normed input, attention, a product that is added.

Everything is rounded where PyTorch rounds it: after a norm, a linear map, an activation, a sum.

DEPENDENT: the kernel is launched while the one before still runs (programmatic dependent launch,
from compute capability 9.0 on). It asks for its weights, which no kernel changes, and then waits.
All other reads, and all writes, come after `gdc_wait`: `test_triton_kernels.py` reads the PTX.

MULTIPLIED: dtype of the operands of `tl.dot`. It is the tensors' own, but float32 in Triton's
interpreter, which multiplies the bits of bfloat16 as integers.

Shapes: see the package. Tensors are contiguous, weights (N, K).
"""

import triton
import triton.language as tl

_PIECE = tl.constexpr(64)  # values of a weight per prefetch: 128 bytes in bfloat16
_PIECES = tl.constexpr(8)
_LOG2_E = tl.constexpr(1.4426950408889634)


@triton.jit
def _source(row, TOKENS: tl.constexpr, KEPT: tl.constexpr):
    """Map rows of the kept tokens, the last KEPT of each sample, to rows of all tokens."""
    return (row // KEPT) * TOKENS + TOKENS - KEPT + row % KEPT


@triton.jit
def _begin(
    weight,
    columns,
    first,
    INPUTS: tl.constexpr,
    COUNT: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """Ask for the program's part of a weight, then wait for the kernel before."""
    if DEPENDENT:
        piece = tl.arange(0, _PIECES)
        for start in range(0, COUNT, _PIECE * _PIECES):
            inner = first + tl.minimum(start + piece * _PIECE, COUNT - 1)
            at = weight + columns[:, None] * INPUTS + inner[None, :]
            tl.inline_asm_elementwise(
                'prefetch.global.L2 [$1]; mov.u32 $0, 0;',
                '=r,l',
                [at],
                dtype=tl.int32,
                is_pure=False,
                pack=1,
            )
        tl.extra.cuda.gdc_wait()


@triton.jit
def _given_moments(
    statistics, source, real, WIDTH: tl.constexpr, PARTS: tl.constexpr, ROOM: tl.constexpr
):
    """Join the mean and the squared distance from it of the parts of each row."""
    part = tl.arange(0, ROOM)
    known = real[:, None] & (part < PARTS)[None, :]
    at = statistics + (source[:, None] * PARTS + part[None, :]) * 2
    means = tl.load(at, mask=known, other=0.0)
    squares = tl.load(at + 1, mask=known, other=0.0)
    mean = tl.sum(means, 1) / PARTS
    apart = tl.where(known, means - mean[:, None], 0.0)
    return mean, tl.sum(squares, 1) + (WIDTH // PARTS) * tl.sum(apart * apart, 1)


@triton.jit
def _own_moments(x, source, real, WIDTH: tl.constexpr, ROWS: tl.constexpr, DEPTH: tl.constexpr):
    """Return the mean and the squared distance from it of each row, which is read twice."""
    total = tl.zeros((ROWS,), tl.float32)
    for start in range(0, WIDTH, DEPTH):
        at = x + source[:, None] * WIDTH + (start + tl.arange(0, DEPTH))[None, :]
        total += tl.sum(tl.load(at, mask=real[:, None], other=0.0).to(tl.float32), 1)
    mean = total / WIDTH
    squares = tl.zeros((ROWS,), tl.float32)
    for start in range(0, WIDTH, DEPTH):
        at = x + source[:, None] * WIDTH + (start + tl.arange(0, DEPTH))[None, :]
        apart = tl.load(at, mask=real[:, None], other=0.0).to(tl.float32) - mean[:, None]
        squares += tl.sum(apart * apart, 1)
    return mean, squares


@triton.jit
def normed_product(
    x,  # (B·T, C)
    statistics,  # (B·T, J, 2) float32: mean, squared distance from it. Not read where PARTS is 0
    affine,  # (2, C): scale, shift. Not read unless MODULATED
    weight,  # (N, C)
    bias,  # (N,)
    out,  # (R, N)
    rows,
    TOKENS: tl.constexpr,
    KEPT: tl.constexpr,
    WIDTH: tl.constexpr,  # C
    OUTPUTS: tl.constexpr,  # N
    PARTS: tl.constexpr,  # J
    ROOM: tl.constexpr,  # J or the next power of two
    MODULATED: tl.constexpr,
    GELU: tl.constexpr,
    EPS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    MULTIPLIED: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """Write norm(x)·weightᵀ + bias of the kept rows, through a GELU if asked for."""
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    real = row < rows
    source = _source(row, TOKENS, KEPT)
    _begin(weight, columns, 0, WIDTH, WIDTH, DEPENDENT)
    if PARTS:
        mean, squares = _given_moments(statistics, source, real, WIDTH, PARTS, ROOM)
    else:
        mean, squares = _own_moments(x, source, real, WIDTH, ROWS, DEPTH)
    inverse = tl.rsqrt(squares / WIDTH + EPS)

    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, WIDTH, DEPTH):
        inner = start + tl.arange(0, DEPTH)
        value = tl.load(
            x + source[:, None] * WIDTH + inner[None, :], mask=real[:, None], other=0.0
        )
        value = (value.to(tl.float32) - mean[:, None]) * inverse[:, None]
        if MODULATED:
            scale = tl.load(affine + inner).to(tl.float32)
            shift = tl.load(affine + WIDTH + inner).to(tl.float32)
            value = value * scale[None, :] + shift[None, :]
        value = value.to(x.dtype.element_ty)
        factor = tl.load(weight + columns[:, None] * WIDTH + inner[None, :])
        total = tl.dot(
            value.to(MULTIPLIED), tl.trans(factor).to(MULTIPLIED), total, input_precision='ieee'
        )
    if DEPENDENT:
        tl.extra.cuda.gdc_launch_dependents()

    total += tl.load(bias + columns).to(tl.float32)[None, :]
    made = total.to(out.dtype.element_ty)
    if GELU:
        y = made.to(tl.float32)
        slope = 1.5957691216057308 * (y + 0.044715 * y * y * y)  # 2·√(2/π)
        made = (y * tl.sigmoid(slope)).to(out.dtype.element_ty)
    tl.store(out + row[:, None] * OUTPUTS + columns[None, :], made, mask=real[:, None])


@triton.jit
def attention(
    queries,  # head h of row r of sample b begins at b·query_sample + r·query_row + h·HEAD
    keys,  # … at b·key_sample + s·key_row + h·HEAD, as values
    values,
    mask,  # (B, S) uint8, 0 at keys to hide. Not read unless MASKED
    out,  # (R, C)
    tokens,  # S
    query_sample,
    query_row,
    key_sample,
    key_row,
    FIRST: tl.constexpr,  # row of the first kept token in `queries`
    KEPT: tl.constexpr,
    HEADS: tl.constexpr,
    HEAD: tl.constexpr,  # D
    ROOM: tl.constexpr,  # D or the next power of two
    SCALE: tl.constexpr,
    MASKED: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    MULTIPLIED: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """Write softmax(q·kᵀ·SCALE)·v of one head, KEYS keys at a time."""
    head, sample = tl.program_id(0), tl.program_id(1)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, ROOM)
    inside = channel < HEAD
    wanted = (row < KEPT)[:, None] & inside[None, :]
    if DEPENDENT:
        tl.extra.cuda.gdc_wait()

    at = queries + sample * query_sample + head * HEAD
    at += (FIRST + row)[:, None] * query_row + channel[None, :]
    query = tl.load(at, mask=wanted, other=0.0)
    total = tl.zeros((ROWS, ROOM), tl.float32)
    weights = tl.zeros((ROWS,), tl.float32)
    highest = tl.full((ROWS,), float('-inf'), tl.float32)
    for start in range(0, tokens, KEYS):
        token = start + tl.arange(0, KEYS)
        seen = token < tokens
        there = seen[:, None] & inside[None, :]
        place = sample * key_sample + head * HEAD + token[:, None] * key_row + channel[None, :]
        key = tl.load(keys + place, mask=there, other=0.0)
        value = tl.load(values + place, mask=there, other=0.0)
        if MASKED:
            seen &= tl.load(mask + sample * tokens + token, mask=seen, other=0) != 0
        score = tl.dot(query.to(MULTIPLIED), tl.trans(key).to(MULTIPLIED), input_precision='ieee')
        score = tl.where(seen[None, :], score * (SCALE * _LOG2_E), float('-inf'))
        above = tl.maximum(highest, tl.max(score, 1))
        # A row that has seen no key yet: any finite number keeps exp2 from inf − inf.
        anchor = tl.where(above == float('-inf'), 0.0, above)
        share = tl.exp2(score - anchor[:, None])
        fading = tl.exp2(highest - anchor)
        weights = weights * fading + tl.sum(share, 1)
        share = share.to(values.dtype.element_ty).to(MULTIPLIED)
        total = tl.dot(
            share, value.to(MULTIPLIED), total * fading[:, None], input_precision='ieee'
        )
        highest = above
    if DEPENDENT:
        tl.extra.cuda.gdc_launch_dependents()

    mean = total / tl.where(weights == 0.0, 1.0, weights)[:, None]  # sees no key: 0
    at = out + (sample * KEPT + row)[:, None] * (HEADS * HEAD) + head * HEAD + channel[None, :]
    tl.store(at, mean.to(out.dtype.element_ty), mask=wanted)


@triton.jit
def _add(
    total,
    x,
    bias,
    out,
    statistics,
    row,
    source,
    columns,
    real,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Write the sequence with a product added, and its statistics in these columns."""
    total += tl.load(bias + columns).to(tl.float32)[None, :]
    branch = total.to(out.dtype.element_ty).to(tl.float32)
    before = tl.load(x + source[:, None] * WIDTH + columns[None, :], mask=real[:, None], other=0.0)
    after = (before.to(tl.float32) + branch).to(out.dtype.element_ty)
    tl.store(out + row[:, None] * WIDTH + columns[None, :], after, mask=real[:, None])
    after = after.to(tl.float32)
    mean = tl.sum(after, 1) / COLUMNS
    apart = after - mean[:, None]
    at = statistics + (row * (WIDTH // COLUMNS) + tl.program_id(0)) * 2
    tl.store(at, mean, mask=real)
    tl.store(at + 1, tl.sum(apart * apart, 1), mask=real)


@triton.jit
def added_product(
    x,  # (B·T, C)
    branch,  # (R, K)
    weight,  # (C, K)
    bias,  # (C,)
    out,  # (R, C)
    statistics,  # (R, J, 2) float32, written
    partial,  # (SPLIT, R, C) float32, written and read. Not touched where SPLIT is 1
    arrived,  # (tiles,) int32, all 0 before and after
    rows,
    TOKENS: tl.constexpr,
    KEPT: tl.constexpr,
    INPUTS: tl.constexpr,  # K
    WIDTH: tl.constexpr,  # C
    SPLIT: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    MULTIPLIED: tl.constexpr,
    DEPENDENT: tl.constexpr,
):
    """Write x + branch·weightᵀ + bias of the kept rows, and what the next norm must know of it.

    SPLIT programs share the inputs of a tile. The last one to arrive adds their parts in their
    order, so that equal inputs give equal bits.
    """
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    part = tl.program_id(2)
    real = row < rows
    source = _source(row, TOKENS, KEPT)
    COUNT: tl.constexpr = INPUTS // SPLIT
    first = part * COUNT
    _begin(weight, columns, first, INPUTS, COUNT, DEPENDENT)

    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, COUNT, DEPTH):
        inner = first + start + tl.arange(0, DEPTH)
        value = tl.load(
            branch + row[:, None] * INPUTS + inner[None, :], mask=real[:, None], other=0.0
        )
        factor = tl.load(weight + columns[:, None] * INPUTS + inner[None, :])
        total = tl.dot(
            value.to(MULTIPLIED), tl.trans(factor).to(MULTIPLIED), total, input_precision='ieee'
        )
    if DEPENDENT:
        tl.extra.cuda.gdc_launch_dependents()

    if SPLIT == 1:
        _add(total, x, bias, out, statistics, row, source, columns, real, WIDTH, COLUMNS)
    else:
        at = partial + row[:, None] * WIDTH + columns[None, :]
        tl.store(at + part * rows * WIDTH, total, mask=real[:, None])
        tl.debug_barrier()  # all threads have stored before one of them counts
        tile = arrived + tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
        if tl.atomic_add(tile, 1, sem='acq_rel') == SPLIT - 1:
            total = tl.zeros((ROWS, COLUMNS), tl.float32)
            for other in range(SPLIT):
                # Past the first cache, which knows nothing of other programs' stores.
                total += tl.load(
                    at + other * rows * WIDTH, mask=real[:, None], other=0.0, cache_modifier='.cg'
                )
            tl.store(tile, 0)
            _add(total, x, bias, out, statistics, row, source, columns, real, WIDTH, COLUMNS)
