# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled layers: how many graphs there are, that nothing breaks them, and that they are exact.

Dynamo traces for real; a backend that runs the traced graph as it is stands in for Inductor.
"""

from copy import deepcopy

import pytest
import torch
import torch._dynamo as dynamo
from torch._dynamo.utils import counters

from gr00t_core.engines.compiled import compile_layers
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.models.n1_5.sizes import SIZES

IMAGE = 500


@pytest.fixture(scope='module')
def model():
    raw = deepcopy(SIZES['tiny'])
    raw['eagle_config']['image_token_index'] = IMAGE
    torch.manual_seed(0)
    return Gr00tN15(Gr00tConfig.from_json(raw)).eval()


class Counter:
    """A compiler that runs what Dynamo traced, and counts."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, module, examples):
        self.graphs += 1
        return module.forward


@pytest.fixture
def compiled(model):
    dynamo.reset()
    counters.clear()
    folded, counter = FoldedModel(model), Counter()
    compile_layers(folded, counter)
    yield folded, counter
    dynamo.reset()


def inputs(model, views, text, samples=1, seed=0):
    config = model.config
    vision, head = config.vision, config.action_head
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(0, 400, (samples, text), generator=generator)
    images = torch.full((samples, views * vision.num_tokens), IMAGE)
    size = (samples * views, 3, vision.image_size, vision.image_size)
    return (
        torch.rand(size, generator=generator),
        torch.cat([words, images], 1),
        0,
        torch.randn((samples, 1, head.state_dim), generator=generator),
        torch.randn((samples, head.action_horizon, head.action_dim), generator=generator),
    )


def test_new_prompt_lengths_compile_nothing(model, compiled):
    folded, counter = compiled
    plain = FoldedModel(model)
    graphs = []
    for text in [20, 31, *range(7, 19), 100]:
        given = inputs(model, 2, text, seed=text)
        torch.testing.assert_close(folded(*given), plain(*given), rtol=1e-5, atol=1e-5)
        graphs.append(counter.graphs)
    # Vision, language, VL self-attention, a block with self-attention, the last one, and one with
    # cross-attention: each has one graph, whatever the length.
    assert graphs == [graphs[0]] * len(graphs)
    assert graphs[0] <= 6
    assert not counters['graph_break']


def test_views_and_batches_compile_once_each(model, compiled):
    folded, counter = compiled
    seen = {}
    for views, samples in [(2, 1), (1, 1), (3, 1), (2, 2), (2, 3), (2, 5)]:
        folded(*inputs(model, views, 20, samples))
        before = counter.graphs
        folded(*inputs(model, views, 33, samples))
        seen[views, samples] = counter.graphs
        assert counter.graphs == before
    one, *_, last = seen.values()
    assert seen[1, 1] == one + 1  # the vision tower alone
    assert seen[3, 1] == one + 2
    assert not counters['graph_break']
    assert last < dynamo.config.recompile_limit


def test_many_embodiments_share_the_graphs(model, compiled):
    folded, counter = compiled
    pixels, ids, _, state, noise = inputs(model, 2, 20)
    folded(pixels, ids, 0, state, noise)
    first = counter.graphs
    for slot in (3, 7, 31):
        folded(pixels, ids, slot, state, noise)
    assert counter.graphs == first
