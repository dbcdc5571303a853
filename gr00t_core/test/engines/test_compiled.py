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
# Name, camera views, samples, prefix.
SCENARIOS = (
    ('first call', 2, 1, False),
    ('with a prefix', 2, 1, True),
    ('one view fewer', 1, 1, False),
    ('a batch', 2, 3, False),
)
# Layers of the same kind share a graph, but for the first of a stage, to which no branch is still
# to be added. The rest are pieces around the layers.
GRAPHS = {
    'n1_5': {'first call': 14, 'with a prefix': 1, 'one view fewer': 5, 'a batch': 14},
    'n1_7': {'first call': 10, 'with a prefix': 1, 'one view fewer': 1, 'a batch': 11},
}


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
    assert graphs == [graphs[0]] * len(graphs)
    assert not counters['graph_break']


def test_graphs_of_each_scenario(family, compiled):
    """How many graphs are compiled by calls that follow each other; nothing breaks one."""
    folded, counter = compiled
    found = {}
    for name, views, samples, has_prefix in SCENARIOS:
        before = counter.graphs
        for text in (20, 33):  # a new length of a scenario that was compiled makes none
            prompt, begin = request(family, views, text, samples)
            if has_prefix:
                weight = np.ones(begin.noise.shape[1], np.float32)
                begin = replace(begin, prefix=begin.noise, prefix_weight=weight)
            folded(prompt, begin)
            found.setdefault(name, counter.graphs - before)
        assert counter.graphs - before == found[name]
    assert found == GRAPHS[family[1].__name__.split('.')[-2]]
    assert not counters['graph_break']
    assert counter.graphs < dynamo.config.recompile_limit
