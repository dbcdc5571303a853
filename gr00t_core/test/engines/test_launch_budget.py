# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How many kernels a call of N1.5-3B launches on a GPU, counted stage by stage without one.

The time of a call on a large GPU follows this number, so that it must not grow unseen. Change a
figure here together with the table of docs/explanation/folding.md.
"""

from copy import deepcopy

from kernel_census import Census, one_kernel_each, Scheduler
import pytest
import torch
import torch._dynamo as dynamo

from gr00t_core.engines.compiled import compile_layers
from gr00t_core.models.folded.device_resample import DeviceResample
from gr00t_core.models.folded.dit_kernels.stack import use_kernels
from gr00t_core.models.folded.fold import FoldedModel
from gr00t_core.models.n1_5.groot import Gr00tN15
from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.models.n1_5.sizes import SIZES

SLOT, TEXT, IMAGE_TOKENS = 31, 38, 256
EAGER = {
    'resample': 11,
    'vision': 276,
    'language model': 224,
    'VL self-attention, keys and values': 42,
    'action steps': 701,
}
MORE_CAMERAS = 2  # more kernels of the resample with two views or more: copies of its matrices
PREFIX = 26  # more kernels of the action steps with a prefix
COMPILED = {
    'resample': 5,
    'vision': 220,
    'language model': 111,
    'VL self-attention, keys and values': 35,
    'action steps': 553,
}
# Action steps whose blocks are Triton kernels: 4 × 16 × 5, and what lies around them.
TRITON, COMPILED_TRITON = 381, 361


@pytest.fixture
def folded():
    """N1.5-3B in bfloat16, every width and depth, without data."""
    with torch.device('meta'):
        model = Gr00tN15(Gr00tN15.config_class.from_json(deepcopy(SIZES['3b'])))
    return FoldedModel(model.eval().to(torch.bfloat16))


def kernels(folded, resample, census, prefix=False, cameras=1):
    """Return the kernels of each stage of one call."""

    def empty(*shape, dtype=torch.float32):
        return torch.empty(shape, dtype=dtype, device='meta')

    part, steps, head = (
        folded.vision_language,
        folded.action_steps(SLOT),
        folded.model.config.action_head,
    )
    chunk = (1, head.action_horizon, head.action_dim)
    guide = (empty(*chunk), empty(head.action_horizon)) if prefix else ()
    ids = empty(1, TEXT + cameras * IMAGE_TOKENS, dtype=torch.int64)
    found = {}
    with census, torch.no_grad():

        def count(stage, run):
            made, found[stage] = census.of(run)
            return made

        frames = empty(cameras, 480, 640, 3, dtype=torch.uint8)
        pixels = count('resample', lambda: resample(frames))
        tokens = count('vision', lambda: part.vision(pixels))
        features = count('language model', lambda: part.language_model(tokens, ids))
        seen = count('VL self-attention, keys and values', lambda: part.attended(features))
        state, noise = empty(1, 1, head.state_dim), empty(*chunk)
        actions = count('action steps', lambda: steps(seen, state, noise, *guide))
    assert actions.shape == chunk
    return found


def resampling(folded):
    size = folded.model.config.vision.image_size
    return DeviceResample(480, 640, size, NUMBERS.crop).to('meta')


def test_eager_kernels_stay_as_few(folded):
    with one_kernel_each(norms=True):
        one = kernels(folded, resampling(folded), Census())
        three = kernels(folded, resampling(folded), Census(), cameras=3)
        guided = kernels(folded, resampling(folded), Census(), prefix=True)
    assert one == EAGER
    assert three == EAGER | {'resample': EAGER['resample'] + MORE_CAMERAS}  # views are a batch
    assert guided == EAGER | {'action steps': EAGER['action steps'] + PREFIX}


def test_a_block_of_the_dit_is_five_triton_kernels(folded):
    """They count as operations on tensors without data, where no Triton is needed."""
    use_kernels(folded, dependent=True)
    census = Census()
    with one_kernel_each(norms=True):
        kernels(folded, resampling(folded), Census())  # makes the counters, once
        found = kernels(folded, resampling(folded), census)
    products = census.found['normed_product'] + census.found['added_product']
    assert products == 4 * 16 * 4  # and an attention: four steps, 16 blocks
    assert found == EAGER | {'action steps': TRITON}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize('triton', [False, True])
def test_compiled_kernels_stay_as_few(folded, triton):
    if triton:
        use_kernels(folded, dependent=True)
    dynamo.reset()
    census, resample = Census(), resampling(folded)
    scheduler = Scheduler(census)
    compile_layers(folded, scheduler)
    resample.compile(dynamic=False, backend=scheduler)
    try:
        with one_kernel_each(norms=False):
            census.counts = False
            kernels(folded, resample, census)
            graphs = len(scheduler.graphs)
            census.counts = True
            found = kernels(folded, resample, census)
        assert len(scheduler.graphs) == graphs  # the second call compiles nothing
        steps = COMPILED_TRITON if triton else COMPILED['action steps']
        assert found == COMPILED | {'action steps': steps}
    finally:
        dynamo.reset()
