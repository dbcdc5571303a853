# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.7 once more, written from its description alone: NVIDIA's key names, loops, no shared code.

Tests hold it to the stored reference of one sample and compare the suite's model with it where the
reference has nothing stored: batches with padding, ragged views, mixed slots, gradients. Sample by
sample and image by image, but for the VL self-attention, which sees the batch as it is padded.

Shapes: B batch · T tokens · P patches of an image · C width · H horizon · A action width.
"""

import math
from typing import Any

import torch
from torch import Tensor
import torch.nn.functional as F

VISUAL, TEXT, HEAD = (
    'backbone.model.model.visual',
    'backbone.model.model.language_model',
    'action_head',
)


class PlainN17:
    """The forward pass over `weights`, a mapping from NVIDIA's keys to tensors."""

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        self.config, self.w = config, weights
        self.text = config['backbone_config']['text_config']
        self.vision = config['backbone_config']['vision_config']
        self.image_id = config['backbone_config']['image_token_id']

    def linear(self, x: Tensor, key: str) -> Tensor:
        return F.linear(x, self.w[f'{key}.weight'], self.w.get(f'{key}.bias'))

    def norm(self, x: Tensor, key: str, eps: float) -> Tensor:
        weight = self.w[f'{key}.weight']
        return F.layer_norm(x, weight.shape, weight, self.w[f'{key}.bias'], eps)

    def rms(self, x: Tensor, key: str) -> Tensor:
        scale = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.text['rms_norm_eps'])
        return self.w[f'{key}.weight'] * (x * scale)

    # Vision

    def image(self, patches: Tensor, rows: int, columns: int) -> tuple[Tensor, list[Tensor]]:
        """Return the tokens of one image and its deepstack features."""
        of, merge = self.vision, self.vision['spatial_merge_size']
        order = [  # row by row of merge blocks, inside a block row by row
            (top + down, left + right)
            for top in range(0, rows, merge)
            for left in range(0, columns, merge)
            for down in range(merge)
            for right in range(merge)
        ]
        kernel = self.w[f'{VISUAL}.patch_embed.proj.weight'].flatten(1)
        x = F.linear(patches, kernel, self.w[f'{VISUAL}.patch_embed.proj.bias'])
        x = x + torch.stack([self.position(row, column, rows, columns) for row, column in order])
        heads = of['num_heads']
        dim = of['hidden_size'] // heads
        frequency = 10_000.0 ** -(torch.arange(0, dim // 2, 2) / (dim // 2))
        places = torch.tensor(order, dtype=torch.float32)
        angle = torch.cat((places[:, :1] * frequency, places[:, 1:] * frequency), dim=1)
        found = []
        for index in range(of['depth']):
            block = f'{VISUAL}.blocks.{index}'
            y = self.linear(self.norm(x, f'{block}.norm1', 1e-6), f'{block}.attn.qkv')
            q, k, v = y.view(len(y), 3, heads, dim).unbind(1)
            q, k = turned(q, angle[:, None]), turned(k, angle[:, None])
            seen = attention(*(z.transpose(0, 1) for z in (q, k, v))).transpose(0, 1).flatten(1)
            x = x + self.linear(seen, f'{block}.attn.proj')
            y = self.linear(self.norm(x, f'{block}.norm2', 1e-6), f'{block}.mlp.linear_fc1')
            x = x + self.linear(F.gelu(y, approximate='tanh'), f'{block}.mlp.linear_fc2')
            if index in of['deepstack_visual_indexes']:
                place = of['deepstack_visual_indexes'].index(index)
                found.append(self.merged(x, f'{VISUAL}.deepstack_merger_list.{place}', True))
        return self.merged(x, f'{VISUAL}.merger', False), found

    def merged(self, x: Tensor, key: str, joined_first: bool) -> Tensor:
        width = x.shape[1] * self.vision['spatial_merge_size'] ** 2
        if joined_first:
            x = self.norm(x.reshape(-1, width), f'{key}.norm', 1e-6)
        else:
            x = self.norm(x, f'{key}.norm', 1e-6).reshape(-1, width)
        return self.linear(F.gelu(self.linear(x, f'{key}.linear_fc1')), f'{key}.linear_fc2')

    def position(self, row: int, column: int, rows: int, columns: int) -> Tensor:
        """Return the position of a patch, bilinear in the table, corners on corners."""
        table = self.w[f'{VISUAL}.pos_embed.weight']
        side = math.isqrt(len(table))
        table = table.view(side, side, -1)
        at = [
            float(torch.linspace(0, side - 1, count)[place])
            for place, count in ((row, rows), (column, columns))
        ]
        (y, x), (top, left) = at, map(int, at)
        bottom, right = min(top + 1, side - 1), min(left + 1, side - 1)
        above = table[top, left] * (1 - x + left) + table[top, right] * (x - left)
        below = table[bottom, left] * (1 - x + left) + table[bottom, right] * (x - left)
        return above * (1 - y + top) + below * (y - top)

    # Language

    def sample(self, ids: list[int], images: Any) -> Tensor:
        """Return the features (t, C) of the tokens of one sample, without padding."""
        x = self.w[f'{TEXT}.embed_tokens.weight'][torch.tensor(ids)]
        positions, counter, at = [], 0, 0
        deep = [torch.zeros_like(x) for _ in self.vision['deepstack_visual_indexes']]
        merge = self.vision['spatial_merge_size']
        while at < len(ids):
            if ids[at] != self.image_id:
                positions.append((counter, counter, counter))
                counter, at = counter + 1, at + 1
                continue
            patches, rows, columns = next(images)
            tokens, features = self.image(patches, rows, columns)
            rows, columns = rows // merge, columns // merge
            where = slice(at, at + rows * columns)
            x = torch.cat((x[:at], tokens, x[at + rows * columns :]))
            deep = [
                torch.cat((d[:at], f, d[where.stop :]))
                for d, f in zip(deep, features, strict=True)
            ]
            for row in range(rows):
                positions += [(counter, counter + row, counter + c) for c in range(columns)]
            counter, at = counter + max(rows, columns), where.stop
        angle = self.angles(torch.tensor(positions))
        for layer in range(self.config['select_layer']):
            x = self.layer(x, f'{TEXT}.layers.{layer}', angle)
            if layer < len(deep):
                x = x + deep[layer]
        return x

    def angles(self, positions: Tensor) -> Tensor:
        """Return angles (t, D/2) of positions (t, 3): time, row and column in turn."""
        dim = self.text['head_dim']
        _, rows, columns = self.text['rope_scaling']['mrope_section']
        found = []
        for j in range(dim // 2):
            axis = 1 if j % 3 == 1 and j < 3 * rows else 2 if j % 3 == 2 and j < 3 * columns else 0
            found.append(positions[:, axis] * self.text['rope_theta'] ** (-2 * j / dim))
        return torch.stack(found, dim=1).float()

    def layer(self, x: Tensor, key: str, angle: Tensor) -> Tensor:
        dim = self.text['head_dim']
        y = self.rms(x, f'{key}.input_layernorm')
        q, k, v = (
            self.linear(y, f'{key}.self_attn.{name}_proj').view(len(x), -1, dim) for name in 'qkv'
        )
        q = turned(self.rms(q, f'{key}.self_attn.q_norm'), angle[:, None])
        k = turned(self.rms(k, f'{key}.self_attn.k_norm'), angle[:, None])
        group = q.shape[1] // k.shape[1]
        seen = []
        causal = torch.ones(len(x), len(x), dtype=torch.bool).tril()
        for head in range(q.shape[1]):
            other = head // group
            seen.append(attention(q[:, head], k[:, other], v[:, other], causal))
        x = x + self.linear(torch.cat(seen, dim=1), f'{key}.self_attn.o_proj')
        return x + self.gated(x, key)

    def gated(self, x: Tensor, key: str) -> Tensor:
        y = self.rms(x, f'{key}.post_attention_layernorm')
        gate = F.silu(self.linear(y, f'{key}.mlp.gate_proj'))
        return self.linear(gate * self.linear(y, f'{key}.mlp.up_proj'), f'{key}.mlp.down_proj')

    def padding(self, count: int) -> Tensor:
        """Return the features (count, C) of padding: embedding and MLPs, nothing attended."""
        pad = self.pad_id
        x = self.w[f'{TEXT}.embed_tokens.weight'][pad].expand(count, -1)
        for layer in range(self.config['select_layer']):
            x = x + self.gated(x, f'{TEXT}.layers.{layer}')
        return x

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        """Return backbone features (B, T, C) of a left-padded batch."""
        ends = batch['image_grid_thw'].prod(1).cumsum(0).tolist()
        images = iter(
            [
                (batch['pixel_values'][end - rows * columns : end], rows, columns)
                for end, (_, rows, columns) in zip(ends, batch['image_grid_thw'].tolist())
            ]
        )
        found = []
        for ids, mask in zip(batch['input_ids'], batch['attention_mask'].bool()):
            self.pad_id = int(ids[0])
            real = self.sample(ids[mask].tolist(), images)
            found.append(torch.cat((self.padding(int((~mask).sum())), real)))
        return torch.stack(found)

    # Action head

    def refined(self, features: Tensor) -> Tensor:
        """Return what the DiT attends to; no mask, so that padding is seen."""
        x = self.norm(features, f'{HEAD}.vlln', 1e-5)
        of = self.config['vl_self_attention_cfg']
        for index in range(of['num_layers']):
            key = f'{HEAD}.vl_self_attention.transformer_blocks.{index}'
            x = x + self.attend(self.norm(x, f'{key}.norm1', 1e-5), None, f'{key}.attn1', of)
            x = x + self.feed_forward(self.norm(x, f'{key}.norm3', 1e-5), f'{key}.ff.net')
        return x

    def attend(
        self, x: Tensor, context: Tensor | None, key: str, of: Any, mask: Tensor | None = None
    ) -> Tensor:
        context = x if context is None else context
        q = self.linear(x, f'{key}.to_q')
        k, v = (self.linear(context, f'{key}.to_{name}') for name in 'kv')
        q, k, v = (
            y.unflatten(-1, (of['num_attention_heads'], -1)).transpose(1, 2) for y in (q, k, v)
        )
        seen = attention(q, k, v, None if mask is None else mask[:, None, None])
        return self.linear(seen.transpose(1, 2).flatten(2), f'{key}.to_out.0')

    def feed_forward(self, x: Tensor, key: str) -> Tensor:
        return self.linear(F.gelu(self.linear(x, f'{key}.0.proj'), approximate='tanh'), f'{key}.2')

    def by_slot(self, x: Tensor, key: str, slot: Tensor) -> Tensor:
        return x @ self.w[f'{HEAD}.{key}.W'][slot] + self.w[f'{HEAD}.{key}.b'][slot][:, None]

    def velocity(
        self, actions: Tensor, bucket: Tensor, batch: dict[str, Tensor], context: Tensor
    ) -> Tensor:
        """Return the velocity (B, H, A) of noisy actions at time buckets (B,)."""
        slot = batch['embodiment_id'].long()
        state = batch['state'].flatten(1)[:, None]
        state = F.relu(self.by_slot(state, 'state_encoder.layer1', slot))
        state = self.by_slot(state, 'state_encoder.layer2', slot)
        x = self.by_slot(actions, 'action_encoder.W1', slot)
        half = x.shape[-1] // 2
        frequency = torch.exp(-torch.arange(half) * math.log(10_000) / half)
        angle = bucket[:, None].float() * frequency
        time = torch.cat((angle.sin(), angle.cos()), dim=1)[:, None].expand_as(x)
        x = F.silu(self.by_slot(torch.cat((x, time), dim=-1), 'action_encoder.W2', slot))
        x = self.by_slot(x, 'action_encoder.W3', slot)
        x = x + self.w[f'{HEAD}.position_embedding.weight'][: x.shape[1]]
        x = torch.cat((state, x), dim=1)
        dit, of = f'{HEAD}.model', self.config['diffusion_model_cfg']
        frequency = torch.exp(-torch.arange(128) * math.log(10_000) / 127)
        angle = bucket[:, None].float() * frequency
        time = torch.cat((angle.cos(), angle.sin()), dim=1)
        key = f'{dit}.timestep_encoder.timestep_embedder'
        time = self.linear(F.silu(self.linear(time, f'{key}.linear_1')), f'{key}.linear_2')
        real = batch['attention_mask'].bool()
        image = batch['input_ids'] == self.image_id
        for index in range(of['num_layers']):
            key = f'{dit}.transformer_blocks.{index}'
            scale, shift = self.linear(F.silu(time), f'{key}.norm1.linear').chunk(2, dim=1)
            y = F.layer_norm(x, x.shape[-1:], eps=1e-5)
            y = y * (1 + scale[:, None]) + shift[:, None]
            if index % 2:
                y = self.attend(y, None, f'{key}.attn1', of)
            else:
                every = self.config['attend_text_every_n_blocks']
                chosen = ~image if index % (2 * every) == 0 else image
                y = self.attend(y, context, f'{key}.attn1', of, chosen & real)
            x = x + y
            x = x + self.feed_forward(F.layer_norm(x, x.shape[-1:], eps=1e-5), f'{key}.ff.net')
        shift, scale = self.linear(F.silu(time), f'{dit}.proj_out_1').chunk(2, dim=1)
        x = F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale[:, None]) + shift[:, None]
        x = self.linear(x, f'{dit}.proj_out_2')
        x = F.relu(self.by_slot(x, 'action_decoder.layer1', slot))
        return self.by_slot(x, 'action_decoder.layer2', slot)[:, -actions.shape[1] :]

    def get_action(self, batch: dict[str, Tensor], noise: Tensor) -> Tensor:
        """Return the actions (B, H, A) that the flow ends at."""
        steps, buckets = (
            self.config[key] for key in ('num_inference_timesteps', 'num_timestep_buckets')
        )
        context, actions = self.refined(self.features(batch)), noise
        for step in range(steps):
            bucket = torch.full((len(noise),), int(step / steps * buckets))
            actions = actions + self.velocity(actions, bucket, batch, context) / steps
        return actions

    def loss(self, batch: dict[str, Tensor], noise: Tensor, time: Tensor) -> Tensor:
        """Return the flow-matching loss."""
        context, t = self.refined(self.features(batch)), time[:, None, None]
        noisy = (1 - t) * noise + t * batch['action']
        bucket = (time * self.config['num_timestep_buckets']).long()
        error = self.velocity(noisy, bucket, batch, context) - (batch['action'] - noise)
        mask = batch['action_mask'].float()
        return (error**2 * mask).sum() / (mask.sum() + 1e-6)


def turned(x: Tensor, angle: Tensor) -> Tensor:
    """Turn (…, D) by angles (…, D/2); the halves of D form the pairs."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return softmax attention by its formula; a query that may see nothing gets zeros."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is None:
        return scores.softmax(dim=-1) @ v
    weights = torch.where(mask, scores, -1e30).softmax(dim=-1)  # finite, for the gradients
    return torch.where(mask.any(-1, keepdim=True), weights, 0.0) @ v
