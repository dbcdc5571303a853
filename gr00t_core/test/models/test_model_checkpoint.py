# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoint folders: round trips in every layout, and errors that name what is wrong."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
import torch

from gr00t_core.errors import CheckpointError
from gr00t_core.models.n1_5 import Gr00tN15
from gr00t_core.models.n1_5.checkpoint import EMBED_TOKENS, LM_HEAD
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_core.models.weights import INDEX, SINGLE

VLLN = 'action_head.vlln.weight'


@pytest.fixture(scope='module')
def reference(shared_data):
    return shared_data / 'parity' / 'small'


@pytest.fixture
def folder(reference, tmp_path):
    """Copy the reference checkpoint to where a test may spoil it."""
    target = tmp_path / 'checkpoint'
    shutil.copytree(reference, target, ignore=shutil.ignore_patterns('case*'))
    for path in (target, *target.iterdir()):
        path.chmod(0o755)
    return target


def rewrite(folder, change):
    """Apply `change` to the stored tensors."""
    tensors = load_file(folder / SINGLE)
    save_file(change(tensors), folder / SINGLE)


def edit_config(folder, change):
    path = folder / 'config.json'
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def weights_equal(first, second):
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize('shard_bytes', [5_000_000_000, 400_000])
def test_round_trip_writes_every_key_and_both_embeddings(reference, tmp_path, shard_bytes):
    model = Gr00tN15.from_pretrained(reference)
    model.save_pretrained(tmp_path / 'out', max_shard_bytes=shard_bytes)
    files = sorted(path.name for path in (tmp_path / 'out').glob('*.safetensors'))
    stored = {}
    for name in files:
        stored.update(load_file(tmp_path / 'out' / name))
    original = load_file(reference / SINGLE)
    assert set(stored) == {*original, LM_HEAD}
    assert all(torch.equal(stored[key], original[key]) for key in original)
    assert torch.equal(stored[LM_HEAD], original[EMBED_TOKENS])
    assert (len(files) > 1) == (shard_bytes < 1_000_000) == (tmp_path / 'out' / INDEX).exists()
    assert weights_equal(model, Gr00tN15.from_pretrained(tmp_path / 'out'))
    assert json.loads((tmp_path / 'out' / 'config.json').read_text()) == json.loads(
        (reference / 'config.json').read_text()
    )


def test_saving_again_replaces_the_old_layout(folder):
    model = Gr00tN15.from_pretrained(folder)
    (folder / 'tokenizer.json').write_text('{}')
    model.save_pretrained(folder, max_shard_bytes=400_000)
    assert not (folder / SINGLE).exists()
    assert weights_equal(model, Gr00tN15.from_pretrained(folder))
    model.save_pretrained(folder)
    modes = {(folder / name).stat().st_mode for name in ('config.json', SINGLE)}
    assert len(modes) == 1
    names = sorted(path.name for path in folder.iterdir())
    assert names == ['config.json', SINGLE, 'tokenizer.json']
    assert weights_equal(model, Gr00tN15.from_pretrained(folder))


def test_unknown_config_fields_survive(folder, tmp_path):
    def change(content):
        content['compute_dtype'] = 'bfloat16'
        content['action_head_cfg']['expand_batch'] = None
        content['eagle_config']['text_config']['bos_token_id'] = 7

    edit_config(folder, change)
    Gr00tN15.from_pretrained(folder).save_pretrained(tmp_path / 'out')
    kept, given = (json.loads((f / 'config.json').read_text()) for f in (tmp_path / 'out', folder))
    assert kept == given


def test_published_config_round_trips_without_eagle_config():
    config = Gr00tConfig.from_json(SIZES['3b'])
    assert config.to_json() == SIZES['3b']
    assert 'eagle_config' not in config.to_json()
    assert config.vision.num_tokens == 256
    assert config.language.num_layers == 12
    assert config.image_token_id == 151_669


def test_max_num_embodiments_defaults_to_upstreams_32():
    raw = Gr00tConfig.from_json(SIZES['3b']).to_json()
    del raw['action_head_cfg']['max_num_embodiments']
    assert Gr00tConfig.from_json(raw).action_head.max_num_embodiments == 32


@pytest.mark.parametrize('names', [(LM_HEAD,), (EMBED_TOKENS, LM_HEAD)])
def test_either_or_both_tied_embeddings_load(reference, folder, names):
    def change(tensors):
        embedding = tensors.pop(EMBED_TOKENS)
        return {**tensors, **{name: embedding.clone() for name in names}}

    rewrite(folder, change)
    assert weights_equal(Gr00tN15.from_pretrained(reference), Gr00tN15.from_pretrained(folder))


def test_lerobot_prefix_and_config_are_understood(reference, folder):
    rewrite(folder, lambda tensors: {f'_groot_model.{k}': v for k, v in tensors.items()})
    assert weights_equal(Gr00tN15.from_pretrained(reference), Gr00tN15.from_pretrained(folder))
    config = Gr00tConfig.from_json({'type': 'groot', 'chunk_size': 50})
    assert config == Gr00tConfig.from_json(SIZES['3b'])
    old = {'type': 'groot', 'tokenizer_assets_repo': 'lerobot/eagle2hg-processor-groot-n1p5'}
    assert config == Gr00tConfig.from_json(old)


@pytest.mark.parametrize(
    'sign',
    [{'base_model_path': 'nvidia/GR00T-N1.7-3B'}, {'max_action_dim': 132}, {'max_state_dim': 132}],
)
def test_lerobots_n1_7_is_named(sign):
    with pytest.raises(CheckpointError, match=r'LeRobot 0\.6 or later .* GR00T N1\.7'):
        Gr00tConfig.from_json({'type': 'groot', 'chunk_size': 40, **sign})


def test_a_name_on_the_hub_says_how_to_download_it():
    with pytest.raises(CheckpointError, match=r'hf download nvidia/GR00T-N1\.5-3B --local-dir'):
        Gr00tConfig.load('nvidia/GR00T-N1.5-3B')


def test_dtype_is_kept_unless_asked_for(folder):
    def finetuned(tensors):
        return {
            key: value.bfloat16() if key.startswith('backbone') else value
            for key, value in tensors.items()
        }

    rewrite(folder, finetuned)
    mixed = Gr00tN15.from_pretrained(folder)
    assert mixed.backbone.connector.weight.dtype == torch.bfloat16
    assert mixed.action_head.dtype == torch.float32
    low = Gr00tN15.from_pretrained(folder, dtype=torch.bfloat16)
    assert {p.dtype for p in low.parameters()} == {torch.bfloat16}


def test_stored_dtype_can_be_chosen(reference, tmp_path):
    model = Gr00tN15.from_pretrained(reference)
    model.save_pretrained(tmp_path / 'half', dtype=torch.float16)
    loaded = Gr00tN15.from_pretrained(tmp_path / 'half')
    assert {p.dtype for p in loaded.parameters()} == {torch.float16}
    assert json.loads((tmp_path / 'half' / 'config.json').read_text())['torch_dtype'] == 'float16'
    size = (tmp_path / 'half' / SINGLE).stat().st_size
    assert size < 0.6 * (reference / SINGLE).stat().st_size


def test_loaded_weights_do_not_depend_on_the_file(folder):
    model = Gr00tN15.from_pretrained(folder)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with (folder / SINGLE).open('r+b') as file:
        file.seek(-1000, 2)
        file.write(b'\0' * 1000)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def spoil_missing(folder):
    rewrite(folder, lambda t: {k: v for k, v in t.items() if 'vlln' not in k})


def spoil_unexpected(folder):
    rewrite(folder, lambda t: {**t, 'action_head.mask_token': torch.zeros(1, 1, 48)})


def spoil_shape(folder):
    rewrite(folder, lambda t: {**t, VLLN: torch.zeros(65)})


def spoil_dtype(folder):
    rewrite(folder, lambda t: {**t, VLLN: t[VLLN].to(torch.int8)})


def spoil_truncate(folder):
    path = folder / SINGLE
    path.write_bytes(path.read_bytes()[:-5000])


def spoil_empty(folder):
    (folder / SINGLE).write_bytes(b'')


def spoil_no_weights(folder):
    (folder / SINGLE).unlink()
    (folder / 'pytorch_model.bin').write_bytes(b'')


def spoil_no_embedding(folder):
    rewrite(folder, lambda t: {k: v for k, v in t.items() if k != EMBED_TOKENS})


def spoil_shard(folder):
    Gr00tN15.from_pretrained(folder).save_pretrained(folder, max_shard_bytes=400_000)
    next(folder.glob('model-00002*')).unlink()


def spoil_shard_key(folder):
    Gr00tN15.from_pretrained(folder).save_pretrained(folder, max_shard_bytes=400_000)
    index = json.loads((folder / INDEX).read_text())
    shard = folder / index['weight_map'][VLLN]
    save_file({k: v for k, v in load_file(shard).items() if k != VLLN}, shard)


def spoil_both_layouts(folder):
    (folder / INDEX).write_text('{"weight_map": {}}')


def spoil_by_export(folder):
    (folder / SINGLE).rename(folder / 'vision_language.onnx')


def spoil_index(folder):
    (folder / SINGLE).rename(folder / 'model-00001-of-00001.safetensors')
    (folder / INDEX).write_text('{"weight_')


@pytest.mark.parametrize(
    ('spoil', 'told'),
    [
        (spoil_missing, ['missing: action_head.vlln.bias (64,), action_head.vlln.weight (64,)']),
        (spoil_unexpected, ['unexpected: action_head.mask_token (1, 1, 48)', 'config.json']),
        (spoil_shape, [f'wrong shape: {VLLN} in {SINGLE} is (65,), expected (64,)']),
        (spoil_dtype, [f'wrong dtype: {VLLN} in {SINGLE} is I8']),
        (spoil_truncate, [SINGLE, 'not a whole safetensors file', 'Copy the file again']),
        (spoil_empty, [SINGLE, 'not a whole safetensors file']),
        (spoil_no_weights, ['holds neither', 'pytorch_model.bin']),
        (spoil_by_export, ['is an ONNX export', 'Give the checkpoint that was exported']),
        (spoil_no_embedding, [f'missing: {EMBED_TOKENS} (160, 64)']),
        (spoil_shard, ['model-00002-of-', 'is missing but', 'Copy the shard again']),
        (spoil_shard_key, [INDEX, VLLN]),
        (spoil_both_layouts, ['holds both']),
        (spoil_index, [INDEX, 'no readable weight_map']),
    ],
)
def test_damaged_weights_are_named(folder, spoil, told):
    spoil(folder)
    with pytest.raises(CheckpointError) as caught:
        Gr00tN15.from_pretrained(folder)
    for text in [str(folder), *told]:
        assert text in str(caught.value)


def test_long_lists_of_keys_are_cut(folder):
    edit_config(folder, lambda c: c['backbone_cfg'].update(select_layer=5))
    with pytest.raises(CheckpointError, match=r'missing: .*layers\.3.* and 14 more'):
        Gr00tN15.from_pretrained(folder)


@pytest.mark.parametrize(
    ('path', 'value', 'told'),
    [
        ('model_type', 'Gr00tN1d6', "model_type is 'Gr00tN1d6', only 'gr00t_n1_5'"),
        ('backbone_cfg', None, 'backbone_cfg is None, expected'),
        ('backbone_cfg.select_layer', 6, 'num_hidden_layers is 5'),
        ('backbone_cfg.select_layer', '3', "backbone_cfg.select_layer is '3', expected"),
        ('action_head_cfg.hidden_size', 'drop', 'action_head_cfg.hidden_size is missing; found'),
        ('action_head_cfg.input_embedding_dim', 49, 'input_embedding_dim is 49, expected 48'),
        ('action_head_cfg.diffusion_model_cfg.norm_type', 'layer_norm', "expected 'ada_norm'"),
        ('action_head_cfg.vl_self_attention_cfg.num_layers', 0, 'expected'),
        ('action_horizon', 16, 'action_horizon is 16, expected 8'),
        ('eagle_config.use_pixel_shuffle', True, 'eagle_config.use_pixel_shuffle is True'),
        ('eagle_config.text_config.rope_scaling', {'factor': 2}, 'rope_scaling'),
        ('eagle_config.vision_config.patch_size', 15, 'a divisor of image_size 56'),
    ],
)
def test_wrong_configs_are_named(folder, path, value, told):
    def change(content):
        *parents, last = path.split('.')
        for key in parents:
            content = content[key]
        if value == 'drop':
            del content[last]
        else:
            content[last] = value

    edit_config(folder, change)
    with pytest.raises(CheckpointError) as caught:
        Gr00tN15.from_pretrained(folder)
    assert told in str(caught.value)
    assert str(folder / 'config.json') in str(caught.value)


@pytest.mark.parametrize(
    ('content', 'told'), [('{', 'as JSON'), ('[]', 'JSON object'), (None, 'does not exist')]
)
def test_unreadable_configs_are_named(folder, content, told):
    path = folder / 'config.json'
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(CheckpointError, match=told):
        Gr00tN15.from_pretrained(folder)


def test_nothing_is_left_on_the_meta_device(reference):
    model = Gr00tN15.from_pretrained(reference)
    assert {tensor.device.type for tensor in model.state_dict().values()} == {'cpu'}
    assert not model.training
