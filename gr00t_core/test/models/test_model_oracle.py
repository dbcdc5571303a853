# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Vision tower, language layers and whole backbone against transformers, on random weights."""

import copy

import pytest
import torch

from gr00t_core.models.layers.config import LanguageConfig
from gr00t_core.models.n1_5.checkpoint import checkpoint_key
from gr00t_core.models.n1_5.config import VisionConfig
from gr00t_core.models.n1_5.language import LanguageModel
from gr00t_core.models.n1_5.vision import VisionTower
from gr00t_core.models.n1_7.checkpoint import N1_7
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.groot import Gr00tN17
from gr00t_core.models.n1_7.sizes import SIZES

transformers = pytest.importorskip('transformers')


def randomise(module):
    """Give every parameter, norms and biases too, a value that matters."""
    for parameter in module.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)


def test_vision_tower_is_siglip():
    torch.manual_seed(0)
    config = VisionConfig(48, 88, 3, 4, 56, 14, 1e-6)
    ours = VisionTower(config)
    randomise(ours)
    theirs = transformers.SiglipVisionModel(
        transformers.SiglipVisionConfig(
            hidden_size=48,
            intermediate_size=88,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=56,
            patch_size=14,
        )
    ).eval()
    wanted = {key.removeprefix('vision_model.') for key in theirs.state_dict()}
    prefix = 'backbone.eagle_model.vision_model.vision_model.'
    weights = {
        checkpoint_key(f'backbone.vision.{name}').removeprefix(prefix): value
        for name, value in ours.state_dict().items()
    }
    assert set(weights) == wanted
    flat = next(iter(theirs.state_dict())).startswith('embeddings.')
    theirs.load_state_dict({('' if flat else 'vision_model.') + k: v for k, v in weights.items()})
    images = torch.rand(5, 3, 56, 56) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(
            ours(images), theirs(images).last_hidden_state, rtol=1e-5, atol=2e-6
        )


@pytest.mark.parametrize('padding', [(0, 0, 0), (0, 3, 7)])
def test_language_model_is_qwen3(padding):
    torch.manual_seed(1)
    config = LanguageConfig(160, 64, 112, 3, 4, 2, 24, 1e-6, 1_000_000.0)
    ours = LanguageModel(config)
    randomise(ours)
    theirs = transformers.Qwen3Model(
        transformers.Qwen3Config(
            vocab_size=160,
            hidden_size=64,
            intermediate_size=112,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=24,
            rms_norm_eps=1e-6,
            rope_theta=1_000_000.0,
            attn_implementation='sdpa',
            use_cache=False,
        )
    ).eval()
    prefix = 'backbone.eagle_model.language_model.model.'
    theirs.load_state_dict(
        {
            checkpoint_key(f'backbone.language.{name}').removeprefix(prefix): value
            for name, value in ours.state_dict().items()
        }
    )
    embeddings = torch.randn(3, 19, 64)
    mask = torch.ones(3, 19, dtype=torch.int64)
    for row, count in enumerate(padding):
        mask[row, :count] = 0
    with torch.no_grad():
        expected = theirs(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
        found = ours(embeddings, mask)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        if not any(padding):
            torch.testing.assert_close(ours(embeddings), expected, rtol=1e-5, atol=1e-5)


def test_backbone_of_n17_is_qwen3_vl():
    """Of ragged samples: padding on the left, one to three images of different sizes each."""
    torch.manual_seed(2)
    size = copy.deepcopy(SIZES['tiny'])
    size['backbone_config']['image_token_id'] = 3  # inside its small vocabulary
    config = Gr00tN17Config.from_json(size)
    ours = Gr00tN17(config).eval()
    randomise(ours.backbone)
    theirs = transformers.Qwen3VLModel(
        transformers.Qwen3VLConfig(**size['backbone_config'] | {'use_cache': False})
    ).eval()
    prefix = 'backbone.model.model.'
    keys = {name: N1_7.key(name) for name in ours.state_dict()}
    theirs.load_state_dict(
        {
            keys[name].removeprefix(prefix): value
            for name, value in ours.state_dict().items()
            if keys[name].startswith(prefix)
        }
    )
    image, opened, closed = config.image_token_id, 1, 2
    samples = ([(8, 6)], 5), ([(4, 4), (6, 8), (2, 10)], 9), ([(6, 4), (6, 4)], 3)
    rows = []
    for grids, words in samples:
        row = [5]
        for high, wide in grids:
            row += [opened, *[image] * (high * wide // 4), closed]
        rows.append(row + torch.randint(10, 400, (words,)).tolist())
    length = max(map(len, rows))
    grids = [(1, *grid) for found, _ in samples for grid in found]
    batch = {
        'input_ids': torch.tensor([[0] * (length - len(row)) + row for row in rows]),
        'attention_mask': torch.tensor(
            [[0] * (length - len(row)) + [1] * len(row) for row in rows]
        ),
        'pixel_values': torch.randn(
            sum(high * wide for _, high, wide in grids), config.vision.row_width
        ),
        'image_grid_thw': torch.tensor(grids),
    }
    is_image = (batch['input_ids'] == image).int()
    with torch.no_grad():
        expected = theirs(**batch, mm_token_type_ids=is_image).last_hidden_state
        found = ours.backbone.language.norm(ours.encode(batch))  # N1.7 itself takes it unnormed
    real = batch['attention_mask'].bool()
    torch.testing.assert_close(found[real], expected[real], rtol=1e-5, atol=1e-5)
