# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""N1.7's processor against the stored fixtures, and its inverses."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from safetensors.numpy import load_file
import torch

from gr00t_core.errors import CheckpointError, ObservationError
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.groups import Group, POSES
from gr00t_core.models.n1_7.images import antialiased, area_resize, ImageTransform, qwen_size
from gr00t_core.models.n1_7.processor import N17Transforms
from gr00t_core.models.n1_7.processor_config import ProcessorConfig
from gr00t_core.models.n1_7.prompt import formalized, load_prompts, qwen_tokenizer
from gr00t_core.transforms.rotation import to_matrix

LAYOUTS = (
    'libero_sim',
    'new_embodiment',
    'oxe_droid_relative_eef_relative_joint',
    'real_g1_relative_eef_relative_joints',
)


@pytest.fixture(scope='module')
def folder(shared_data):
    path = shared_data / 'parity_n17' / 'processor'
    if not path.is_dir():
        pytest.skip(f'no reference data of N1.7: {path} is missing')
    return path


@pytest.fixture(scope='module')
def facts(folder):
    return json.loads((folder / 'processor.json').read_text())


@pytest.fixture(scope='module')
def arrays(folder):
    return load_file(folder / 'processor.safetensors')


@pytest.fixture(scope='module')
def config(folder):
    return Gr00tN17Config.load(folder / 'checkpoint')


@pytest.fixture(scope='module')
def all_transforms(folder, config, shared_data):
    return {
        tag: N17Transforms.load(
            folder / 'checkpoint', config, tag, vocabulary=shared_data / 'tokenizer'
        )
        for tag in LAYOUTS
    }


def observation(arrays, facts, transforms, with_action=False):
    tag = transforms.layout.tag
    keys = transforms.modality_keys()
    if not with_action:
        del keys['action']
    keys.pop('language')
    names = {'video': 'video', 'state': 'raw_state', 'action': 'raw_action'}
    found = {
        key: arrays[f'{tag}.{names[kind]}.{key.split(".", 1)[1]}']
        for kind, group in keys.items()
        for key in group
    }
    return found | {transforms.language: facts['layouts'][tag]['texts']}


def test_pictures_are_exact(arrays, facts):
    for image in facts['images']:
        name = image['name']
        transform = ImageTransform(256, 0.95, image['letter_box'])
        picture = transform.picture(arrays[f'image.{name}.raw'])
        assert np.array_equal(picture, arrays[f'image.{name}.eval']), name
        patches = transform.patches(picture)
        raw = arrays[f'image.{name}.raw']
        grid = transform.grid(*raw.shape[:2])
        assert list(grid) == image['grid_thw']
        small = transform.shrunk(raw)  # what a frame cache keeps loses nothing
        assert small.shape[:2] == transform.shrunk_size(*raw.shape[:2])
        assert np.array_equal(transform.picture(small), picture)
        assert len(patches) == 4 * image['tokens']
        assert qwen_size(*picture.shape[:2], 32) == tuple(image['qwen_size'])
        # Undo the cut into patches: the picture after Qwen's resize comes back.
        rows, columns = grid[1] // 2, grid[2] // 2
        cut = patches.reshape(rows, columns, 2, 2, 3, 2, 16, 16)
        assert np.array_equal(cut[..., 0, :, :], cut[..., 1, :, :])  # both frames are the image
        back = cut[..., 0, :, :].transpose(0, 2, 5, 1, 3, 6, 4).reshape(*image['qwen_size'], 3)
        assert np.array_equal(np.rint(back * 127.5 + 127.5), arrays[f'image.{name}.qwen']), name
        if f'image.{name}.pixel_values' in arrays:
            assert np.array_equal(patches, arrays[f'image.{name}.pixel_values'])


def test_pictures_without_albumentations_are_exact(arrays):
    transform = ImageTransform(256, 0.95, False, square=((256, 256), (230, 230)))
    for name in ('qvga', 'wide'):
        picture = transform.picture(arrays[f'image.{name}.raw'])
        assert np.array_equal(picture, arrays[f'image.{name}.torchvision'])


@pytest.mark.parametrize(('size', 'target'), [((90, 120), (30, 40)), ((64, 48), (32, 24))])
def test_area_resize_by_whole_factors_is_the_mean(size, target):
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    down, across = size[0] // target[0], size[1] // target[1]
    mean = frame.reshape(target[0], down, target[1], across, 3).mean(axis=(1, 3))
    assert np.abs(area_resize(frame, target) - mean).max() <= 0.5


@given(st.integers(20, 90), st.integers(20, 90), st.integers(20, 90), st.integers(0, 255))
def test_area_resize_keeps_one_color(height, width, side, value):
    frame = np.full((height, width, 3), value, np.uint8)
    resized = area_resize(frame, (side, side + 7))
    assert resized.shape == (side, side + 7, 3)
    assert (resized == value).all()


def test_tokens_and_texts(facts, shared_data):
    tokenizer = qwen_tokenizer(shared_data / 'tokenizer')
    for text in facts['text']:
        found = tokenizer.encode(text['s'], add_special_tokens=False).ids
        assert found == text['ids'], text['s']


def test_formalized_texts(facts, config, shared_data, folder):
    prompts = load_prompts(folder, config, vocabulary=shared_data / 'tokenizer')
    for text in facts['language']:
        assert prompts.text(text['s'] or '') == text['formalized']
    assert formalized('Pick up, the RED cube!') == 'pick up the red cube'
    plain = load_prompts(folder, config, formalize=False, vocabulary=shared_data / 'tokenizer')
    assert plain.text('Pick up!') == 'Pick up!'
    with pytest.raises(ObservationError, match='control tokens'):
        plain.text('<|image_pad|>')


@pytest.mark.parametrize('tag', LAYOUTS)
def test_batches(tag, all_transforms, arrays, facts):
    transforms, layout = all_transforms[tag], facts['layouts'][tag]
    batch = transforms.apply(observation(arrays, facts, transforms, with_action=True))
    assert batch['embodiment_id'].tolist() == [layout['embodiment_id']] * 2
    for key in ('state', 'action', 'action_mask'):
        expected = arrays[f'{tag}.{key}']
        assert batch[key].shape == expected.shape, key
        np.testing.assert_allclose(batch[key], expected, rtol=0, atol=2e-6, err_msg=key)
    assert sum(group.model_width for group in transforms.state) == layout['state_width']
    assert transforms.horizon == layout['horizon']
    if 'input_ids' not in layout:
        return
    for row, ids in enumerate(layout['input_ids']):
        real = batch['attention_mask'][row].astype(bool)
        kept = layout['attention'][row]
        assert real[len(real) - kept :].all()
        assert real.sum() == kept
        assert batch['input_ids'][row][real].tolist() == [i for i in ids if i != 151_643]
    assert batch['image_grid_thw'].tolist() == layout['grid_thw']
    assert list(batch['pixel_values'].shape) == layout['pixel_values_shape']
    expected = arrays[f'{tag}.pixel_values_every_37th']
    assert np.array_equal(batch['pixel_values'][::37], expected)
    digest = hashlib.sha256(batch['pixel_values'].tobytes()).hexdigest()
    assert digest == layout['pixel_values_sha256']


@pytest.mark.parametrize('tag', LAYOUTS)
def test_decoding(tag, all_transforms, arrays, facts):
    transforms = all_transforms[tag]
    seen = observation(arrays, facts, transforms)
    groups = transforms.unapply(arrays[f'{tag}.model_action'], seen)
    for name, values in groups.items():
        expected = arrays[f'{tag}.decoded.{name.removeprefix("action.")}']
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected, rtol=0, atol=2e-6, err_msg=name)


@pytest.mark.parametrize('tag', LAYOUTS)
def test_decoding_undoes_encoding(tag, all_transforms, arrays, facts):
    """Actions that no bound cuts off come back."""
    transforms = all_transforms[tag]
    seen = observation(arrays, facts, transforms)
    groups = transforms.unapply(np.clip(arrays[f'{tag}.model_action'], -0.9, 0.9), seen)
    encoded, mask = transforms.normalized_action(groups, seen)
    again = transforms.unapply(encoded, seen)
    assert set(np.unique(mask)) == {0, 1}
    start, compared = 0, 0
    for group in transforms.action:
        part = encoded[:, : transforms.horizon, start : start + group.width]
        inside = (np.abs(part) < 1).all(axis=-1)
        values, back = (g[f'action.{group.name}'][inside] for g in (groups, again))
        np.testing.assert_allclose(back, values, rtol=0, atol=5e-6, err_msg=group.name)
        start += group.width
        compared += inside.sum()
    assert compared > transforms.horizon


@given(st.integers(0, 10_000))
def test_relative_poses_come_back(seed):
    """T_ref · (T_ref⁻¹ · T) is T, for both forms of a pose and any reference."""
    random = np.random.default_rng(seed)
    for (form, rotation), width in zip(POSES.items(), (9, 6)):
        low = np.full((4, width), -10.0)
        group = Group('eef', 'min_max', low, -low, True, 'eef', form)
        reference, pose = random.normal(size=(2, width)), random.normal(size=(2, 4, width))
        back = group.unapply(group.apply(pose, reference), reference)
        # Forms name one rotation in several ways; the rotation itself comes back.
        same = to_matrix(back[..., 3:], rotation), to_matrix(pose[..., 3:], rotation)
        np.testing.assert_allclose(*same, rtol=0, atol=1e-5)
        np.testing.assert_allclose(back[..., :3], pose[..., :3], rtol=0, atol=1e-5)


def test_history_of_states_is_normalised_row_by_row():
    low, high = np.array([0.0, -1.0]), np.array([2.0, 1.0])
    group = Group('arm', 'min_max', low, high, True)
    values = np.array([[[0.0, 0.0], [2.0, 5.0]]], np.float32)
    assert group.apply(values).tolist() == [[[-1, 0], [1, 1]]]


def edited(folder, tmp_path, change):
    """Return a copy of the processor files, changed."""
    files = {
        path.name: json.loads(path.read_text()) for path in (folder / 'checkpoint').glob('*.json')
    }
    change(files)
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def kwargs(files):
    return files['processor_config.json']['processor_kwargs']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda f: f['statistics.json'].pop('libero_sim'), 'available: new_embodiment'),
        (lambda f: f['statistics.json']['libero_sim']['state'].pop('x'), 'libero_sim.state.x'),
        (lambda f: kwargs(f)['modality_configs']['libero_sim'].pop('video'), 'libero_sim.video'),
        (lambda f: kwargs(f).update(max_action_horizon=8), 'at most max_action_horizon 8'),
        (lambda f: f['embodiment_id.json'].update(libero_sim=40), 'slot is 40'),
        (lambda f: kwargs(f).update(crop_fraction=2), 'crop_fraction is 2'),
    ],
)
def test_broken_files_are_named(folder, config, shared_data, tmp_path, change, message):
    place = edited(folder, tmp_path, change)
    with pytest.raises(CheckpointError, match=message):
        N17Transforms.load(place, config, 'libero_sim', vocabulary=shared_data / 'tokenizer')


def test_what_is_missing_is_named_with_where_to_get_it(folder, config, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match=r'processor_config.json and statistics.json'):
        ProcessorConfig(tmp_path)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    monkeypatch.setenv('HF_HOME', str(tmp_path / 'cache'))
    with pytest.raises(CheckpointError, match=r'vocab.json, merges.txt of Qwen/Qwen3-VL'):
        load_prompts(folder / 'checkpoint', config)


def test_files_in_processor_folder_and_unknown_tags(folder, tmp_path):
    inner = tmp_path / 'processor'
    inner.mkdir()
    edited(folder, inner, lambda files: files.pop('embodiment_id.json'))
    processor = ProcessorConfig(tmp_path)
    assert processor.layout('libero_sim').slot == 2  # of the default table
    with pytest.raises(CheckpointError, match='no entry for embodiment'):
        processor.layout('gr1')


@pytest.mark.parametrize('mode', ['bicubic', 'bilinear'])
@pytest.mark.parametrize(
    ('size', 'target'), [((64, 85), (64, 96)), ((97, 51), (32, 64)), ((40, 30), (96, 128))]
)
def test_antialiased_resizing_is_pytorchs_bit_for_bit(mode, size, target):
    """So that an export serves without PyTorch; pictures of noise and of black and white."""
    random = np.random.default_rng(sum(size))
    noise = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    for frame in (noise, np.where(noise > 127, 255, 0).astype(np.uint8)):
        planes = torch.from_numpy(frame.transpose(2, 0, 1).copy())[None]
        expected = torch.nn.functional.interpolate(
            planes, target, mode=mode, align_corners=False, antialias=True
        )
        found = antialiased(frame, target, mode)
        np.testing.assert_array_equal(found, expected[0].permute(1, 2, 0).numpy())
