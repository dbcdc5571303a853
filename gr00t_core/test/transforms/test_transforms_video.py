# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
import colorsys
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest
import torch

from gr00t_core.models.n1_5.numbers import NUMBERS
from gr00t_core.transforms import augment
from gr00t_core.transforms.augment import Augmentation
from gr00t_core.transforms.prompt import PromptTransform
from gr00t_core.transforms.video import pixel_values, VideoTransform

STILL = Augmentation(brightness=0, contrast=0, saturation=0, hue=0)


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (1, height, width, 3))
    wave = 128 + 127 * np.sin(np.arange(width) / 9)[:, None]
    return np.where(rng.random((1, height, width, 1)) < 0.3, noise, wave).astype(np.uint8)


def resize_matrix(length, size):
    """Return the (size, length) weights of a triangle filter widened by the scale."""
    scale = length / size
    reach = max(scale, 1.0)
    weights = np.zeros((size, length))
    for row in range(size):
        for column in range(length):
            distance = abs(column + 0.5 - (row + 0.5) * scale) / reach
            weights[row, column] = max(0.0, 1 - distance)
    return weights / weights.sum(axis=1, keepdims=True)


def reference(frame, size, crop):
    """Crop the centre, resize and truncate in float64: (size, size, 3) before truncation."""
    height, width = frame.shape[:2]
    rows, columns = int(height * crop), int(width * crop)
    top, left = round((height - rows) / 2), round((width - columns) / 2)
    cut = frame[top : top + rows, left : left + columns] / 255
    across = resize_matrix(columns, size)
    down = resize_matrix(rows, size)
    return np.einsum('yr,rcd,xc->yxd', down, cut, across, optimize=True) * 255


@pytest.mark.parametrize(
    ('height', 'width', 'size'),
    [(480, 640, 224), (256, 256, 224), (240, 320, 112), (180, 320, 224), (40, 40, 56)],
)
def test_eval_pipeline_against_a_slow_reference(height, width, size):
    frame = picture(height, width)
    out = VideoTransform(size, NUMBERS.crop).frames([frame])
    assert out.shape == (1, size, size, 3)
    exact = reference(frame[0], size, NUMBERS.crop)
    # Truncation moves an exact integer by one when float32 rounds it down.
    assert np.abs(out[0] - np.floor(exact)).max() <= 1
    assert (out[0] == np.floor(exact + 1e-3)).mean() > 0.95


def test_values_are_truncated_not_rounded():
    flat = np.full((1, 64, 64, 3), 100, np.uint8)
    flat[:, ::2] = 101  # averages to 100.5
    assert set(np.unique(VideoTransform(8, crop=1.0).frames([flat]))) == {100}


def test_pixel_values_formula():
    frames = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    values = pixel_values(frames, 16)
    assert values.shape == (1, 3, 16, 16)
    assert values.dtype == np.float32
    expected = (np.arange(256) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(values[0, 1].reshape(-1), expected, atol=1e-7)
    assert (values.min(), values.max()) == (-1, 1)


def test_other_sizes_are_resized_as_by_pillow():
    frame = picture(120, 160)
    resized = np.asarray(Image.fromarray(frame[0]).resize((56, 56), Image.Resampling.BICUBIC))
    ours = (pixel_values(frame, 56)[0].transpose(1, 2, 0) * 0.5 + 0.5) * 255
    assert np.abs(np.rint(ours) - resized).max() <= 1


def test_views_are_the_inner_axis_and_share_the_window():
    first, second = picture(60, 80), picture(60, 80, seed=1)
    video = VideoTransform(32, NUMBERS.crop, augmentation=STILL)
    both = video.frames([first.repeat(2, axis=0), second.repeat(2, axis=0)])
    assert both.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(both[0], both[2])
    np.testing.assert_array_equal(both[1], video.frames([second])[0])
    for seed in range(5):
        same = video.frames([first, first], np.random.default_rng(seed))
        np.testing.assert_array_equal(same[0], same[1])


def test_training_crops_anywhere_and_reproducibly():
    frame = picture(100, 100)
    video = VideoTransform(
        95, NUMBERS.crop, augmentation=STILL
    )  # as large as the crop: nothing is resampled
    corners = set()
    for seed in range(200):
        out = video.frames([frame], np.random.default_rng(seed))[0]
        places = [
            (top, left)
            for top in range(6)
            for left in range(6)
            if np.abs(frame[0, top : top + 95, left : left + 95] - out.astype(int)).max() <= 1
        ]
        corners.update(places[:1])
    assert len(places) == 1
    assert {top for top, _ in corners} == {left for _, left in corners} == set(range(6))
    generators = (np.random.default_rng(3), np.random.default_rng(3))
    first, second = (VideoTransform(32, NUMBERS.crop).apply([frame], g) for g in generators)
    np.testing.assert_array_equal(first, second)


def test_jitter_varies_training_images_alike_in_all_views():
    frame = picture(50, 50)
    video = VideoTransform(32, NUMBERS.crop)
    same = video.frames([frame, frame], np.random.default_rng(0))
    np.testing.assert_array_equal(same[0], same[1])
    assert len({video.frames([frame], np.random.default_rng(s)).tobytes() for s in range(8)}) == 8


colours = st.tuples(*[st.floats(0, 1, width=32)] * 3)


def one_pixel(colour):
    return torch.tensor(colour, dtype=torch.float32).reshape(1, 3, 1, 1)


@given(colour=colours, factor=st.floats(0, 2))
def test_brightness_and_saturation(colour, factor):
    red, green, blue = colour
    grey = 0.2989 * red + 0.587 * green + 0.114 * blue
    pixel = one_pixel(colour)
    bright = augment.adjust_brightness(pixel, factor).flatten().tolist()
    assert bright == pytest.approx([min(1, c * factor) for c in colour], abs=1e-5)
    vivid = augment.adjust_saturation(pixel, factor).flatten().tolist()
    expected = [min(1, max(0, factor * c + (1 - factor) * grey)) for c in colour]
    assert vivid == pytest.approx(expected, abs=1e-5)


def test_contrast_turns_about_the_mean_of_each_frame():
    frames = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    flat = augment.adjust_contrast(frames, 0.0)
    for frame, grey in zip(flat, augment.luma(frames).mean(dim=(1, 2, 3))):
        np.testing.assert_allclose(frame, float(grey), atol=1e-6)


@settings(max_examples=300)
@given(colour=colours, shift=st.floats(-0.5, 0.5))
def test_hue_against_colorsys(colour, shift):
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    expected = colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)
    out = augment.adjust_hue(one_pixel(colour), shift).flatten().tolist()
    assert out == pytest.approx(expected, abs=1e-4)


def test_rotation_is_counter_clockwise():
    frame = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    turned = augment.rotate(frame, 90.0)
    np.testing.assert_allclose(turned, torch.rot90(frame, 1, (-2, -1)), atol=1e-4)
    wide = torch.zeros(1, 3, 9, 21)
    wide[..., 4, 13] = 1  # three pixels right of the centre
    place = divmod(int(augment.rotate(wide, 90.0)[0, 0].argmax()), 21)
    assert place == (1, 10)  # three pixels above it


def test_probabilities_one():
    frame = picture(16, 16).transpose(0, 3, 1, 2) / np.float32(255)
    frames = torch.from_numpy(frame)
    generator = np.random.default_rng(0)
    still = {'brightness': 0, 'contrast': 0, 'saturation': 0, 'hue': 0}
    flipped = Augmentation(**still, flip=1.0).apply(frames, generator)
    assert torch.equal(flipped, frames.flip(-1))
    grey = Augmentation(**still, grayscale=1.0).apply(frames, generator)
    assert torch.equal(grey[:, 0], grey[:, 2])
    few = Augmentation(**still, posterize=1.0, bits=2).apply(frames, generator)
    assert set(np.unique(few)) <= {0.0, 0.25, 0.5, 0.75}
    turned = Augmentation(**still, rotation=30.0).apply(frames, generator)
    assert turned.shape == frames.shape
    assert not math.isnan(float(turned.sum()))


def test_prompt_options():
    text = 'Pick up, the "Red" cube!'
    assert PromptTransform().apply(text) == text
    assert PromptTransform(formalize=True).apply(text) == 'pick up the red cube'
    assert PromptTransform(list_repr=True).apply('go home') == "['go home']"
    drop = PromptTransform(dropout=0.3)
    assert drop.apply(text) == text  # only in training
    generator = np.random.default_rng(0)
    dropped = [drop.apply(text, generator) == 'Perform the default behavior.' for _ in range(1000)]
    assert np.mean(dropped) == pytest.approx(0.3, abs=0.05)
