# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Opening checkpoints of every family and form: tied weights, wrappers, shards, refusals."""

import json

import pytest
from safetensors.torch import load_file, save_file
import torch

from gr00t_core.errors import CheckpointError
from gr00t_core.models import family_of, load_config, load_model
from gr00t_core.models.n1_7.checkpoint import N1_7
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.groot import Gr00tN17
from gr00t_core.models.n1_7.sizes import published_3b, SIZES


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """A tiny N1.7 as this suite writes it."""
    folder = tmp_path_factory.mktemp('n17')
    torch.manual_seed(0)
    Gr00tN17(Gr00tN17Config.from_json(SIZES['tiny'])).save_pretrained(folder)
    return folder


def assert_same(model, other):
    ours, theirs = model.state_dict(), other.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def rewritten(saved, folder, change, config=None):
    """Write the saved checkpoint with changed tensors into another folder."""
    tensors = load_file(saved / 'model.safetensors')
    changed = change(tensors)
    folder.mkdir(exist_ok=True)
    save_file({key: value.clone() for key, value in changed.items()}, folder / 'model.safetensors')
    content = config or json.loads((saved / 'config.json').read_text())
    (folder / 'config.json').write_text(json.dumps(content))
    return folder


def without(key):
    return lambda tensors: {name: value for name, value in tensors.items() if name != key}


def test_saved_files_hold_both_tied_names_and_load_again(saved):
    tensors = load_file(saved / 'model.safetensors')
    assert torch.equal(tensors[N1_7.lm_head], tensors[N1_7.embed_tokens])
    model = load_model(saved)
    assert not model.training
    assert load_config(saved) == model.config
    assert model.config.to_json() == dict(model.config.raw)


@pytest.mark.parametrize('kept', ['both', 'embed_tokens', 'lm_head'])
def test_every_form_of_tied_weights(saved, tmp_path, kept):
    lost = {'embed_tokens': N1_7.lm_head, 'lm_head': N1_7.embed_tokens}.get(kept)
    folder = rewritten(saved, tmp_path / kept, without(lost))
    assert_same(load_model(folder), load_model(saved))


def test_lerobots_wrapper(saved, tmp_path):
    """Prefixed names, lm_head only, no architecture in config.json but the base model's."""
    config = {'type': 'groot', 'base_model_path': str(saved), 'chunk_size': 50}
    folder = rewritten(
        saved,
        tmp_path / 'wrapper',
        lambda tensors: {
            f'_groot_model.{name}': value
            for name, value in without(N1_7.embed_tokens)(tensors).items()
        },
        config,
    )
    assert family_of(folder).name == 'n1_7'  # by its keys
    assert_same(load_model(folder), load_model(saved))
    published = Gr00tN17Config.from_json({'type': 'groot', 'base_model_path': 'nvidia/GR00T-N1.7'})
    assert published.action_head.action_horizon == 40


def test_shards(saved, tmp_path):
    model = load_model(saved)
    model.save_pretrained(tmp_path, dtype=torch.bfloat16, max_shard_bytes=200_000)
    index = json.loads((tmp_path / 'model.safetensors.index.json').read_text())
    assert len(set(index['weight_map'].values())) > 1
    assert len(index['weight_map']) == len(model.state_dict()) + 1
    assert json.loads((tmp_path / 'config.json').read_text())['dtype'] == 'bfloat16'
    loaded = load_model(tmp_path, dtype=torch.float32)
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, model.state_dict()[name].bfloat16().float())


def test_unused_weights_of_relatives_are_left_out_with_a_word(saved, tmp_path, caplog):
    extra = {'action_head.mask_token': torch.zeros(1, 1, 48)}
    folder = rewritten(saved, tmp_path / 'early', lambda tensors: {**tensors, **extra})
    load_model(folder)
    assert 'mask_token is not used' in caplog.text


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (without('action_head.vlln.weight'), 'missing: action_head.vlln.weight'),
        (lambda t: {**t, 'action_head.new': torch.zeros(1)}, 'unexpected: action_head.new'),
        (lambda t: {**t, 'action_head.vlln.weight': torch.zeros(3)}, 'wrong shape: action_head'),
    ],
)
def test_weights_that_do_not_fit_are_named(saved, tmp_path, change, message):
    folder = rewritten(saved, tmp_path / 'broken', change)
    with pytest.raises(CheckpointError, match=message):
        load_model(folder)


@pytest.mark.parametrize(
    ('config', 'family'),
    [
        ({'model_type': 'Gr00tN1d7'}, 'n1_7'),
        ({'architectures': ['Gr00t-N1d7']}, 'n1_7'),
        ({'model_type': 'gr00t_n1_7'}, 'n1_7'),
        ({'model_type': 'gr00t_n1_5'}, 'n1_5'),
        ({'architectures': ['GR00T_N1_5']}, 'n1_5'),
        ({'backbone_cfg': {'eagle_path': 'NVEagle/eagle'}}, 'n1_5'),
        ({'model_name': 'nvidia/Cosmos-Reason2-2B'}, 'n1_7'),
        ({'type': 'groot', 'tokenizer_assets_repo': 'lerobot/x', 'max_state_dim': 132}, 'n1_5'),
        ({'type': 'groot', 'max_action_dim': 132}, 'n1_7'),
        ({'type': 'groot', 'base_model_path': 'nvidia/GR00T-N1.7-3B'}, 'n1_7'),
        ({'type': 'groot', 'chunk_size': 50}, 'n1_5'),
    ],
)
def test_families_are_told_apart(tmp_path, config, family):
    (tmp_path / 'config.json').write_text(json.dumps(config))
    assert family_of(tmp_path).name == family


@pytest.mark.parametrize(
    ('config', 'message'),
    [
        ({'model_type': 'Gr00tN1d6'}, "N1.6 checkpoint.*NVIDIA's own server"),
        ({'model_type': 'llama'}, "model_type is 'llama'; only N1.5, N1.7"),
        ({'hello': 1}, 'names no model_type'),
        ([], 'expected a JSON object'),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_the_way_round(tmp_path, config, message):
    (tmp_path / 'config.json').write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'model_name': 'Qwen/Qwen3-VL-8B'}, 'does not hold the dimensions of that backbone'),
        ({'strict_action_padding_mask': True}, 'strict_action_padding_mask'),
        ({'select_layer': 40}, 'num_hidden_layers'),
        ({'backbone_embedding_dim': 1024}, 'backbone_embedding_dim|vl_self_attention_cfg'),
        ({'input_embedding_dim': 1000}, 'input_embedding_dim'),
        ({'action_horizon': None}, 'action_horizon'),
        ({'diffusion_model_cfg': 3}, 'diffusion_model_cfg'),
        ({'vl_self_attention_cfg': 3}, 'vl_self_attention_cfg'),
    ],
)
def test_configs_that_cannot_be_honoured_are_named(change, message):
    with pytest.raises(CheckpointError, match=message):
        Gr00tN17Config.from_json({**published_3b(), **change})


@pytest.mark.parametrize('absent', [{}, None, {'num_layers': 0}])
def test_no_vl_self_attention(absent):
    config = Gr00tN17Config.from_json({**SIZES['tiny'], 'vl_self_attention_cfg': absent})
    with torch.device('meta'):
        model = Gr00tN17(config)
    assert not [name for name in model.state_dict() if 'vl_self_attention' in name]
    assert config.to_json()['vl_self_attention_cfg'] == absent
