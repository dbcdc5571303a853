# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics: merged ones equal those of the joined data; image statistics equal plain maths."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

from gr00t_core.dataset.statistics import (
    gr00t_statistics,
    IMAGE_SAMPLES,
    ImageStatistics,
    lerobot_statistics,
    merge_image_statistics,
    merge_statistics,
)
from gr00t_core.errors import DatasetError

VALUES = st.floats(-1e3, 1e3, width=32)


def columns(width: int) -> st.SearchStrategy:
    return st.integers(1, 30).flatmap(lambda n: arrays(np.float32, (n, width), elements=VALUES))


@settings(deadline=None, max_examples=40)
@given(parts=st.lists(columns(2), min_size=1, max_size=4))
def test_merging_by_length_equals_the_joined_data(parts):
    merged = merge_statistics(
        [lerobot_statistics(part) for part in parts], [len(part) for part in parts], 'min_max'
    )
    joined = np.concatenate(parts).astype(np.float64)
    np.testing.assert_allclose(merged['mean'], joined.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(merged['std'], joined.std(axis=0), atol=1e-4)
    np.testing.assert_array_equal(merged['min'], joined.min(axis=0))
    np.testing.assert_array_equal(merged['max'], joined.max(axis=0))
    parts = [lerobot_statistics(part) for part in parts]
    assert merged['q01'] == np.min([part['q01'] for part in parts], axis=0).tolist()
    assert merged['q99'] == np.max([part['q99'] for part in parts], axis=0).tolist()
    assert 'count' not in merged


def test_percentiles_are_averaged_by_weight_or_outermost():
    one = {'mean': [0.0], 'std': [1.0], 'q01': [-1.0], 'q99': [1.0]}
    two = {'mean': [0.0], 'std': [1.0], 'q01': [-3.0], 'q99': [2.0]}
    averaged = merge_statistics([one, two], [3, 1], 'weighted_average')
    assert (averaged['q01'], averaged['q99']) == ([-1.5], [1.25])
    outermost = merge_statistics([one, two], [3, 1], 'min_max')
    assert (outermost['q01'], outermost['q99']) == ([-3.0], [2.0])
    with pytest.raises(DatasetError, match='weighted_average, min_max'):
        merge_statistics([one, two], [1, 1], 'median')
    with pytest.raises(DatasetError, match='widths'):
        merge_statistics([one, {**two, 'mean': [0.0, 1.0]}], [1, 1], 'min_max')


def test_scalar_columns_have_one_element():
    assert gr00t_statistics(np.array([True, False]))['mean'] == [0.5]
    assert lerobot_statistics(np.arange(5))['q50'] == [2.0]
    assert lerobot_statistics(np.arange(5))['count'] == [5]
    stamps = np.array([1_700_000_000_000_000_000 + k for k in range(3)])
    assert lerobot_statistics(stamps)['min'] == [
        float(stamps[0])
    ]  # float32 would be off by seconds


@pytest.mark.parametrize('count', [1, 5, IMAGE_SAMPLES, 5 * IMAGE_SAMPLES + 3])
def test_image_statistics_equal_plain_maths_on_the_frames_counted(count):
    frames = np.random.default_rng(0).integers(0, 256, (count, 12, 16, 3), dtype=np.uint8)
    frames[..., 1] //= 3
    counted, samples = ImageStatistics(), []
    for k, frame in enumerate(frames):
        wanted = counted.wants_next()
        samples += [k] if wanted else []
        counted.add(frame if wanted else None)
    result = counted.result()
    number = result['count'][0]
    assert min(count, IMAGE_SAMPLES // 2) <= number <= IMAGE_SAMPLES
    stride = -(-count // number)
    pixels = frames[::stride].reshape(-1, 3) / 255  # float: squares of uint8 overflow
    assert len(frames[::stride]) == number
    np.testing.assert_allclose(np.ravel(result['mean']), pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(np.ravel(result['std']), pixels.std(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(np.ravel(result['min']), pixels.min(axis=0))
    np.testing.assert_array_equal(np.ravel(result['max']), pixels.max(axis=0))
    assert np.shape(result['q10']) == (3, 1, 1)
    np.testing.assert_allclose(
        np.ravel(result['q90']), np.quantile(pixels, 0.9, axis=0), atol=1.01 / 255
    )
    merged = merge_image_statistics([result, result])
    np.testing.assert_allclose(merged['std'], result['std'])
    assert merged['count'] == [2 * number]
