# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compiled layers: how many graphs there are, that nothing breaks them, and that they are exact.

Dynamo traces for real; a backend that runs the traced graph as it is stands in for Inductor.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch._dynamo as dynamo
from torch._dynamo.utils import counters

from gr00t_core.engines.compiled import compile_layers
from gr00t_core.models import FAMILIES, inference_of, load_model
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.folded.request import start

WORDS = 24  # before the images in a family's example


@pytest.fixture(scope='module', params=FAMILIES)
def family(request, tiny_checkpoint):
    folder = tiny_checkpoint(request.param)
    return load_model(folder), inference_of(folder)


class Counter:
    """A compiler that runs what Dynamo traced, and counts."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, module, examples):
        self.graphs += 1
        return module.forward


@pytest.fixture
def compiled(family):
    dynamo.reset()
    counters.clear()
    folded, counter = FoldedModel(family[0]), Counter()
    compile_layers(folded, counter)
    yield folded, counter
    dynamo.reset()


def request(family, views, text, samples=1, seed=0):
    """Return equal samples with `text` words and `views` pictures."""
    (model, inference), generator = family, np.random.default_rng(seed)
    config, head = model.config, model.config.action_head
    batch = dict(inference.example(config, views, generator))
    words = generator.integers(0, min(200, config.image_token_id), (1, text))
    batch['input_ids'] = np.concatenate((words, batch['input_ids'][:, WORDS:]), 1)
    batch['attention_mask'] = np.ones_like(batch['input_ids'])
    batch = {name: np.concatenate([values] * samples) for name, values in batch.items()}
    shape = (samples, head.state_history_length, head.state_dim)
    batch |= {
        'embodiment_id': np.zeros(samples, np.int64),
        'state': generator.standard_normal(shape, np.float32),
    }
    noise = generator.standard_normal((samples, head.action_horizon, head.action_dim), np.float32)
    (prompt,) = inference.prompts(batch, config)
    return prompt, start(batch, config, noise, None, None)


def test_new_prompt_lengths_and_embodiments_compile_nothing(family, compiled):
    folded, counter = compiled
    plain = FoldedModel(family[0])
    graphs = []
    for text in [20, 31, 7, 8, 13, 100]:
        given = request(family, 2, text, seed=text)
        torch.testing.assert_close(folded(*given), plain(*given), rtol=1e-5, atol=1e-5)
        graphs.append(counter.graphs)
    for slot in (3, 31):
        folded(replace(given[0], slot=slot), given[1])
        graphs.append(counter.graphs)
    # Vision, language and VL self-attention have two graphs each, of the first layer and of all
    # others, to which a branch is still to be added; a block with self-attention, the last one,
    # and one with cross-attention have one each. The length makes none.
    assert graphs == [graphs[0]] * len(graphs)
    assert graphs[0] <= 9
    assert not counters['graph_break']


def test_views_and_batches_compile_once_each(family, compiled):
    folded, counter = compiled
    seen = {}
    for views, samples in [(2, 1), (1, 1), (2, 3)]:
        folded(*request(family, views, 20, samples))
        before = counter.graphs
        folded(*request(family, views, 33, samples))
        seen[views, samples] = counter.graphs
        assert counter.graphs == before
    one, *_, last = seen.values()
    # The vision tower alone: its first layer and the others.
    assert one < seen[1, 1] <= one + 2
    assert not counters['graph_break']
    assert last < dynamo.config.recompile_limit
