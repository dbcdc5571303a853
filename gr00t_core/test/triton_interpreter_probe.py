# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the DiT's Triton kernels in Triton's interpreter, and print how far they are from PyTorch.

Usage: TRITON_INTERPRET=1 triton_interpreter_probe.py operations
       TRITON_INTERPRET=1 triton_interpreter_probe.py model CHECKPOINT

A line of JSON per case: its name, its dtype, and the largest error relative to the largest value.
"""

from dataclasses import replace
import json
import sys
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F

try:
    import triton
except ImportError as error:
    sys.exit(f'no Triton here: {error}')

from gr00t_core.models import inference_of, load_model
from gr00t_core.models.folded.dit_kernels import operations, tiles
from gr00t_core.models.folded.dit_kernels.stack import use_kernels
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import start

# The interpreter takes as long for a small tile as for a large one: true shapes get large ones.
LARGE_NORMED = {(1536, 1536): tiles.Tiles(512, 512)}
LARGE_ADDED = {(6144, 1536): tiles.Tiles(512, 1024, split=2)}


def told(case, dtype, found, wanted):
    error = (found.float() - wanted.float()).abs().max() / wanted.float().abs().max()
    name = str(dtype).removeprefix('torch.')
    print(json.dumps({'case': case, 'dtype': name, 'error': float(error)}), flush=True)


def random(*shape, dtype):
    return torch.randn(shape).to(dtype)


def linear(inputs, outputs, dtype):
    return random(outputs, inputs, dtype=dtype) / inputs**0.5, random(outputs, dtype=dtype)


def rows(batch, tokens, kept, width, hidden, heads, dtype):
    """Run the four products of a block that follow each other, and self-attention."""
    shape = f'{batch}×{tokens}×{width}, last {kept}'
    x, affine = random(batch, tokens, width, dtype=dtype), random(2, width, dtype=dtype)
    # A sum of squares would lose these rows: their mean is 30 times their spread.
    x = x + 30 if dtype == torch.float32 else x
    qkv, output = linear(width, 3 * width, dtype), linear(width, width, dtype)
    fc1, fc2 = linear(width, hidden, dtype), linear(hidden, width, dtype)
    normed = F.layer_norm(x, (width,), affine[0], affine[1], 1e-5)
    wanted = F.linear(normed, *qkv)
    projected = operations.normed_product(x, None, affine, *qkv, tokens, False, False)
    told(f'own statistics, {shape}', dtype, projected, wanted)

    seen = operations.attention(projected, None, None, kept, heads, False)
    q, k, v = (
        part.view(batch, tokens, heads, -1).transpose(1, 2) for part in projected.chunk(3, dim=-1)
    )
    wanted = F.scaled_dot_product_attention(q[:, :, -kept:], k, v).transpose(1, 2).flatten(2)
    told(f'self-attention, {shape}', dtype, seen, wanted)

    arrived = torch.zeros(operations.counters(batch * kept, width, width), dtype=torch.int32)
    after, statistics = operations.added_product(x, seen, *output, arrived, False)
    told(f'added, {shape}', dtype, after, x[:, -kept:] + F.linear(seen, *output))
    assert not arrived.any(), 'the counters are not zero afterwards'

    plain = F.gelu(F.linear(F.layer_norm(after, (width,), eps=1e-5), *fc1), approximate='tanh')
    inner = operations.normed_product(after, statistics, None, *fc1, kept, True, False)
    told(f'given statistics and GELU, {shape}', dtype, inner, plain)
    arrived = torch.zeros(operations.counters(batch * kept, hidden, width), dtype=torch.int32)
    last, _ = operations.added_product(after, inner, *fc2, arrived, False)
    told(f'second map, {shape}', dtype, last, after + F.linear(inner, *fc2))


def crossed(batch, kept, tokens, width, heads, dtype, mask=None):
    """Attend to a prompt whose keys and values lie as `attended` leaves them."""
    queries = random(batch, kept, width, dtype=dtype)
    joint = random(batch, tokens, 3, 2, heads, width // heads, dtype=dtype)
    context = joint.permute(2, 3, 0, 4, 1, 5)[1]  # of the second of three blocks
    seen = operations.attention(queries, context, mask, kept, heads, False)
    q = queries.view(batch, kept, heads, -1).transpose(1, 2)
    wanted = F.scaled_dot_product_attention(q, *context, attn_mask=mask)
    name = f'cross-attention{"" if mask is None else " masked"}, {batch}×{kept} to {tokens}'
    told(name, dtype, seen, wanted.nan_to_num().transpose(1, 2).flatten(2))


def all_operations():
    torch.manual_seed(0)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        rows(1, 49, 49, 96, 192, 4, dtype)
        crossed(2, 21, 70, 96, 4, dtype)
    rows(2, 21, 16, 48, 96, 4, torch.float32)  # rows of two samples in one tile
    rows(3, 41, 41, 48, 96, 2, torch.float32)  # and in two tiles
    hidden = torch.rand(2, 1, 1, 70) < 0.5
    hidden[:, :, :, :64] = False  # the first keys, a whole round of them
    hidden[1] = False  # all of them: attention gives 0
    crossed(2, 7, 70, 96, 4, torch.float32, hidden)
    with (
        mock.patch.dict(tiles.NORMED, LARGE_NORMED),
        mock.patch.dict(tiles.ADDED, LARGE_ADDED),
    ):
        true_shapes(torch.float32)
        true_shapes(torch.bfloat16)


def true_shapes(dtype):
    """Run queries, attention and the second map of N1.5-3B with one camera."""
    x, affine = random(1, 49, 1536, dtype=dtype), random(2, 1536, dtype=dtype)
    query, fc2 = linear(1536, 1536, dtype), linear(6144, 1536, dtype)
    found = operations.normed_product(x, None, affine, *query, 49, False, False)
    wanted = F.linear(F.layer_norm(x, (1536,), affine[0], affine[1], 1e-5), *query)
    told('queries of N1.5-3B', dtype, found, wanted)
    inner = random(1, 49, 6144, dtype=dtype)
    arrived = torch.zeros(operations.counters(49, 6144, 1536), dtype=torch.int32)
    found, _ = operations.added_product(x, inner, *fc2, arrived, False)
    told('second map of N1.5-3B', dtype, found, x + F.linear(inner, *fc2))
    if dtype == torch.float32:
        crossed(1, 49, 294, 1536, 32, dtype)


def whole_model(checkpoint):
    """Compare a folded model by the kernels with the same without, for two requests."""
    for dtype in (torch.float32, torch.bfloat16):
        plain = FoldedModel(load_model(checkpoint, dtype), 2)
        kernels = plain.twin()
        use_kernels(kernels, dependent=False)
        for samples in (1, 2):
            prompt, begin = request(plain.model, inference_of(checkpoint), samples)
            guided = replace(
                begin,
                prefix=begin.noise[:, ::-1].copy(),
                prefix_weight=np.linspace(1, 0, begin.noise.shape[1], dtype=np.float32),
            )
            given = guided if samples == 2 else begin
            noise = torch.from_numpy(given.noise)
            found, wanted = (folded(prompt, given) - noise for folded in (kernels, plain))
            told(f'{samples} sample(s)', dtype, found, wanted)
            if dtype != torch.float32:
                break


def request(model, inference, samples):
    config, head, generator = model.config, model.config.action_head, np.random.default_rng(0)
    batch = dict(inference.example(config, 2, generator))
    batch = {name: np.concatenate([values] * samples) for name, values in batch.items()}
    shape = (samples, head.state_history_length, head.state_dim)
    batch |= {
        'embodiment_id': np.zeros(samples, np.int64),
        'state': generator.standard_normal(shape, np.float32),
    }
    noise = generator.standard_normal((samples, head.action_horizon, head.action_dim), np.float32)
    (prompt,) = inference.prompts(batch, config)
    return prompt, start(batch, config, noise, None, None)


def main():
    assert triton.knobs.runtime.interpret, 'set TRITON_INTERPRET=1'
    torch.set_num_threads(1)
    with torch.no_grad():
        if sys.argv[1] == 'operations':
            all_operations()
        else:
            whole_model(sys.argv[2])


if __name__ == '__main__':
    main()
