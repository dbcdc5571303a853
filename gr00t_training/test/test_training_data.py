# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches against `EmbodimentTransforms`, caches against decoding, order against resuming."""

import numpy as np
import pytest
import torch

from gr00t_core.dataset.mixture import draw_seed
from gr00t_core.errors import DatasetError
from gr00t_core.models import FAMILIES, family_of, load_config
from gr00t_core.transforms import collate
from gr00t_training import experiment, frame_cache, n1_5
from gr00t_training.config import filled
from gr00t_training.data import make_loader
from gr00t_training.family import training_of

SLOTS = {'n1_5': 31, 'n1_7': 10}
each_family = pytest.mark.parametrize('family', FAMILIES)


def build(config):
    """Return subjects, mixture, transforms and data, as a run makes them."""
    family, model_config = (
        family_of(config.model.checkpoint).name,
        load_config(config.model.checkpoint),
    )
    positions = {SLOTS[family]: SLOTS[family]}
    subjects = experiment.open_subjects(config)
    horizon = config.model.action_horizon or model_config.action_head.action_horizon
    mixture = experiment.make_mixture(subjects, config, horizon)
    metadata = mixture.metadata()
    trained = training_of(config.model.checkpoint)
    config = filled(config, trained.defaults(config))
    files = trained.companion_files(subjects, mixture, metadata, config, model_config, horizon)
    transforms = trained.make_transforms(subjects, metadata, config, model_config, files)
    data = trained.training_data(subjects, mixture, transforms, config, positions)
    return subjects, mixture, transforms, data


def plain_batch(mixture, transforms, numbers, training):
    """Do the same with the transforms that the policy uses, one sample after the other."""
    batches = []
    for number in numbers:
        epoch, position = divmod(number, len(mixture))
        index = int(mixture.order(epoch)[position])
        tag, sample = mixture.sample(epoch, index)
        generator = np.random.default_rng((draw_seed(epoch, index, mixture.seed), 1))
        batches.append(transforms[tag].apply(sample, training=training, generator=generator))
    return collate(batches, next(iter(transforms.values())).tokenizer.pad_id)


def images_of(batch, transforms, family):
    """Return the images as the model takes them: whole ones, or patches."""
    if family == 'n1_7':
        return batch.tensors['pixel_values']
    return batch.pixel_values(transforms['new_embodiment'].video.size)


NUMBERS = [0, 5, 17, 60, 73, 74, 150]


@each_family
@pytest.mark.parametrize('augment', [False, True])
def test_batches_are_what_the_transforms_make(told, family, augment):
    varied = {'state_noise': 0.05, 'state_dropout': 0.5, 'language_dropout': 0.2}
    _, mixture, transforms, data = build(told(augment=augment, **(varied if augment else {})))
    batch = data[NUMBERS]
    training = augment or family == 'n1_7'  # whose crop alone `augment` varies
    expected = plain_batch(mixture, transforms, NUMBERS, training)
    for key in ('input_ids', 'attention_mask', 'embodiment_id', 'action', 'action_mask', 'state'):
        # Noise is added in float32 here, in float64 there.
        np.testing.assert_allclose(
            batch.tensors[key].numpy(), expected[key], rtol=0, atol=2e-7, err_msg=key
        )
    images = images_of(batch, transforms, family).numpy()
    if not augment or family == 'n1_7':
        np.testing.assert_array_equal(images, expected['pixel_values'])
    else:
        levels = np.abs(images - expected['pixel_values']) * 127.5
        assert levels.max() < 1.01  # truncation: a factor's last bit may move a pixel by one level
        assert (levels > 0.5).mean() < 0.01
    assert batch.ragged
    if augment:
        _, _, _, plain = build(told(augment=False))
        other = plain[NUMBERS]
        changed = (batch.tensors['state'] != other.tensors['state']).flatten(1).any(1)
        assert changed.all()
        dropped = (batch.tensors['state'] == 0).flatten(1).all(1)
        assert 0 < int(dropped.sum()) < len(NUMBERS)


@each_family
def test_brightness_varies_by_sample_and_alike_in_its_views(told, family):
    """Every view of a sample is multiplied by one factor from the range that is told."""
    still = dict.fromkeys(('brightness', 'contrast', 'saturation', 'hue'), 0.0)
    factors = []
    for strength in (0.0, 0.3):
        _, _, transforms, data = build(told(**still | {'brightness': strength}))
        images = images_of(data[NUMBERS], transforms, family)
        levels = (images + 1).flatten().double() * 127.5
        factors.append(levels.view(len(NUMBERS), 2, -1))  # sample, view, pixel
    plain, varied = factors
    inside = (varied < 245) & (plain > 20)  # where nothing is cut off
    found = torch.where(inside, varied / plain, 0).sum(-1) / inside.sum(-1)
    torch.testing.assert_close(found[:, 0], found[:, 1], rtol=0.01, atol=0)
    assert ((found > 0.69) & (found < 1.31)).all()
    assert found[:, 0].std() > 0.05
    ratio = torch.where(inside, varied / plain - found[..., None], 0).abs()
    assert float(ratio.flatten().quantile(0.95)) < 0.05


@each_family
def test_batches_do_not_depend_on_processes_or_workers(told):
    _, _, _, data = build(told())
    whole = [batch.tensors['state'] for batch in make_loader(data, 3, 6, 4)]
    halves = [
        [batch.tensors['state'] for batch in make_loader(data, 3, 6, 2, rank, 2, workers=rank)]
        for rank in (0, 1)
    ]
    for k, batch in enumerate(whole):
        torch.testing.assert_close(torch.cat((halves[0][k], halves[1][k])), batch, rtol=0, atol=0)


@each_family
def test_source_cache_gives_the_decoded_pixels(told, family):
    _, _, _, decoded = build(told())
    subjects, _, transforms, cached = build(told(frame_cache='source'))
    a, b = (images_of(data[NUMBERS], transforms, family) for data in (decoded, cached))
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    if family == 'n1_5':
        shapes = n1_5.cached_shapes(transforms['new_embodiment'], 'source')
        assert frame_cache.cache_bytes(subjects[0].dataset, shapes) == 2 * 74 * 240 * 320 * 3


def test_model_cache_is_close_and_small(told):
    _, _, transforms, decoded = build(told(augment=False))
    _, _, _, cached = build(told(augment=False, frame_cache='model'))
    size = transforms['new_embodiment'].video.size
    a, b = decoded[NUMBERS], cached[NUMBERS]
    assert b.frames[0][0].shape[1:] == (size, size, 3)  # cropped to size: nothing is resized
    difference = (a.pixel_values(size) - b.pixel_values(size)).abs() * 127.5
    assert difference.mean() < 1.5  # grey levels; edges of the synthetic square are the worst case


@pytest.mark.parametrize('family', ['n1_7'])
def test_model_cache_of_n17_loses_nothing(told, family):
    """It holds the frames after the first step of the image path: no crop differs."""
    _, _, transforms, decoded = build(told())
    _, _, _, cached = build(told(frame_cache='model'))
    a, b = (images_of(data[NUMBERS], transforms, family) for data in (decoded, cached))
    torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize('size', [56, 112, 224])
def test_cached_frames_crop_to_the_models_size(size):
    assert int(frame_cache.model_side(size, 0.95) * 0.95) == size
    assert frame_cache.model_side(size, 1.0) == size


def test_caches_ask_for_room_first(told, monkeypatch):
    usage = type('Usage', (), {'free': 1_000_000})
    monkeypatch.setattr(frame_cache.shutil, 'disk_usage', lambda path: usage)
    with pytest.raises(DatasetError, match='GB free'):
        build(told(frame_cache='source'))


@each_family
def test_held_out_episodes_are_never_drawn(told):
    _, mixture, _, _ = build(told(eval_episodes=(0, 2)))
    assert len(mixture) == 24
    drawn = {mixture.place(epoch, index)[1] for epoch in range(3) for index in range(24)}
    assert drawn == {1}


@each_family
def test_steps_past_the_end_may_be_left_out_of_the_loss(told):
    _, mixture, _, data = build(told(mask_padded_steps=True))
    numbers = range(40)
    masks = data[list(numbers)].tensors['action_mask']
    for row, number in enumerate(numbers):
        _, episode, step = mixture.place(0, int(mixture.order(0)[number]))
        rest = min(16, int(mixture.members[0].dataset.lengths[episode]) - step)
        assert (masks[row] > 0).any(dim=1).sum() == rest


def test_mixture_needs_matching_options(told, so101_dataset):
    with pytest.raises(DatasetError, match='one robot or one per dataset'):
        experiment.open_subjects(told(dataset=(so101_dataset,) * 3, robot=('so101', 'so101')))
    with pytest.raises(DatasetError, match='--data-config'):
        experiment.open_subjects(told(data_config='so100_dualcam'))
