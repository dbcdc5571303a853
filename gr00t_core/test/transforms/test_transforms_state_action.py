# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.embodiments import Treatment
from gr00t_core.errors import Gr00tError, ObservationError, RobotFileError
from gr00t_core.transforms.concat import collate, pad, split
from gr00t_core.transforms.state_action import drop, group_transform, INVERTIBLE, perturb

WIDTHS = {'quaternion': 4, 'rotation_6d': 6, 'matrix': 9}


def metadata(statistics=None, rotation=None, absolute=True, width=3, continuous=True):
    """Build the part of a metadata entry that one group `g` needs, both as state and as action."""
    defaults = {'max': 2.0, 'min': -1.0, 'mean': 0.5, 'std': 0.7, 'q01': -0.8, 'q99': 1.6}
    statistics = {name: [value] * width for name, value in defaults.items()} | (statistics or {})
    modality = {
        'absolute': absolute,
        'rotation_type': rotation,
        'shape': [width],
        'continuous': continuous,
    }
    return {
        'statistics': {kind: {'g': statistics} for kind in ('state', 'action')},
        'modalities': {kind: {'g': modality} for kind in ('state', 'action')},
    }


def build(normalization, kind='state', target=None, **options):
    return group_transform(kind, Treatment('g', normalization, target), metadata(**options))


def reference(x, normalization, s):
    """Write the formulas of the fact sheet once more, for one number and its statistics."""
    if normalization == 'min_max':
        return 0.0 if s['max'] == s['min'] else 2 * (x - s['min']) / (s['max'] - s['min']) - 1
    if normalization == 'q99':
        same = s['q99'] == s['q01']
        y = x if same else 2 * (x - s['q01']) / (s['q99'] - s['q01']) - 1
        return min(max(y, -1.0), 1.0)
    if normalization == 'mean_std':
        return x if s['std'] == 0 else (x - s['mean']) / s['std']
    if normalization == 'scale':
        reach = max(abs(s['min']), abs(s['max']))
        return 0.0 if reach == 0 else x / reach
    if normalization == 'binary':
        return 1.0 if x > 0.5 else 0.0
    return x


numbers = st.floats(-5, 5, width=32)


@st.composite
def statistics(draw):
    """Draw sane statistics, constant elements among them."""
    low, high = sorted((draw(numbers), draw(numbers)))
    if draw(st.booleans()) or high - low < 1e-3:
        high = low
    std = 0.0 if high == low else draw(st.floats(0.125, 3, width=32))
    q01, q99 = low + 0.01 * (high - low), high - 0.01 * (high - low)
    return {'max': high, 'min': low, 'mean': (low + high) / 2, 'std': std, 'q01': q01, 'q99': q99}


@pytest.mark.parametrize('normalization', INVERTIBLE)
@given(x=numbers, s=statistics())
def test_formula(normalization, x, s):
    group = build(normalization, width=1, statistics={k: [v] for k, v in s.items()})
    rounded = {k: float(np.float32(v)) for k, v in s.items()}
    expected = reference(x, normalization, rounded)
    assert group.apply(np.array([x]))[0] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize('normalization', ['none', 'min_max', 'mean_std', 'scale'])
@given(x=numbers, s=statistics())
def test_inverse(normalization, x, s):
    group = build(normalization, 'action', width=1, statistics={k: [v] for k, v in s.items()})
    constant = s['max'] == s['min'] and normalization != 'none'
    if constant and normalization == 'scale':
        x = x if s['max'] else 0.0  # scale divides by the constant, min_max and mean_std return it
    elif constant:
        x = float(np.float32(s['min']))
    back = group.unapply(group.apply(np.array([[x]])))
    np.testing.assert_allclose(back, [[x]], rtol=1e-9, atol=1e-9)


def test_q99_clips_and_leaves_constants_alone():
    quantiles = {'q01': [-1.0, 0.25], 'q99': [1.0, 0.25]}
    group = build('q99', 'action', width=2, statistics=quantiles)
    values = np.array([[0.5, 0.3], [9.0, 9.0], [-9.0, -9.0]])
    np.testing.assert_array_equal(group.apply(values), [[0.5, 0.3], [1, 1], [-1, -1]])
    np.testing.assert_array_equal(group.unapply(np.array([[0.5, 0.3]])), [[0.5, 0.25]])


def test_sin_cos_doubles_the_width_and_has_no_inverse():
    group = build('sin_cos')
    values = np.array([[0.0, math.pi / 2, -1.0]])
    expected = np.concatenate((np.sin(values), np.cos(values)), axis=-1)
    np.testing.assert_array_equal(group.apply(values), expected)
    assert group.model_width == 6
    with pytest.raises(RobotFileError, match='no inverse'):
        group.unapply(expected)
    with pytest.raises(RobotFileError, match=r"action.g: normalization 'sin_cos'; allowed: none"):
        build('sin_cos', 'action')


@pytest.mark.parametrize('normalization', INVERTIBLE)
def test_each_call_goes_by_its_own_dtype(normalization):
    group = build(normalization, 'action')
    for dtype in (np.float32, np.float64, np.float32):
        assert group.apply(np.ones((2, 3), dtype)).dtype == dtype
        assert group.unapply(np.ones((2, 3), dtype)).dtype == dtype
    assert group.apply(np.ones((2, 3), np.int64)).dtype == np.float32
    assert group.apply(np.ones((2, 3), bool)).dtype == np.float32


def test_statistics_are_rounded_to_float32():
    group = build('min_max', width=1, statistics={'min': [0.1], 'max': [0.7]})
    low, high = float(np.float32(0.1)), float(np.float32(0.7))
    assert group.apply(np.array([0.3]))[0] == 2 * (0.3 - low) / (high - low) - 1


def test_converted_rotation_has_fixed_bounds():
    wild = {'min': [-9.0] * 4, 'max': [9.0] * 4}
    options = {'rotation': 'quaternion', 'width': 4, 'statistics': wild}
    half = np.array([[1.0, 0, 0, 1]])  # a quarter turn about z, not normalised
    six = build('min_max', target='rotation_6d', **options).apply(half)
    np.testing.assert_allclose(six, [[0, -1, 0, 1, 0, 0]], atol=1e-7)
    euler = build('min_max', target='euler_angles_rpy', **options).apply(half)
    np.testing.assert_allclose(euler, [[0, 0, 0.5]], atol=1e-7)


@pytest.mark.parametrize('target', ['rotation_6d', 'quaternion', 'axis_angle', 'matrix'])
def test_converted_action_comes_back(target):
    group = build('min_max', 'action', target=target, rotation='euler_angles_ypr')
    values = np.random.default_rng(0).uniform(-1.5, 1.5, (5, 16, 3))
    assert group.apply(values).shape == (5, 16, group.model_width)
    assert abs(group.apply(values)).max() <= 1 + 1e-9
    np.testing.assert_allclose(group.unapply(group.apply(values)), values, atol=1e-6)


def test_same_rotation_type_is_no_conversion():
    group = build('q99', target='euler_angles_rpy', rotation='euler_angles_rpy')
    assert group.target is None
    assert group.statistics['q99'][0] == np.float32(1.6)


@pytest.mark.parametrize(
    ('normalization', 'target', 'options', 'text'),
    [
        ('q99', 'rotation_6d', {'rotation': 'axis_angle'}, 'an absolute rotation converted from'),
        ('mean_std', 'rotation_6d', {'rotation': 'axis_angle'}, 'allowed: none, min_max'),
        (
            'min_max',
            'rotation_6d',
            {'rotation': 'axis_angle', 'absolute': False},
            'a relative rotation converted from axis_angle to rotation_6d; allowed: none',
        ),
        ('none', 'rotation_6d', {}, 'rotation None cannot become'),
        ('none', 'roll', {'rotation': 'axis_angle'}, "cannot become 'roll'; both must be among"),
        ('min_max', None, {'continuous': False}, 'not continuous; allowed: binary'),
        ('minmax', None, {}, "normalization 'minmax'; allowed: none, min_max"),
    ],
)
def test_rules_are_errors_that_name_the_group(normalization, target, options, text):
    with pytest.raises(RobotFileError, match=f'action.g: .*{text}'):
        build(normalization, 'action', target=target, **options)


def test_unknown_group_lists_the_known_ones():
    with pytest.raises(RobotFileError, match=r'state.arm: not in the metadata, which has: g'):
        group_transform('state', Treatment('arm', 'min_max'), metadata())


def test_a_zero_quaternion_is_refused():
    group = build('none', target='rotation_6d', rotation='quaternion', width=4)
    with np.errstate(invalid='ignore'), pytest.raises(ObservationError, match='no quaternion'):
        group.apply(np.zeros((1, 4)))


@given(seed=st.integers(0, 2**32 - 1), std=st.floats(0.01, 2))
def test_perturbation_stays_within_the_sample(seed, std):
    values = np.random.default_rng(1).normal(size=(1, 6))
    noisy = perturb(values, std, np.random.default_rng(seed))
    assert noisy.shape == values.shape
    assert noisy.min() >= values.min()
    assert noisy.max() <= values.max()
    assert (noisy != values).any()


def test_dropout_zeroes_at_its_probability():
    generator = np.random.default_rng(0)
    dropped = [not drop(np.ones(3), 0.25, generator).any() for _ in range(2000)]
    assert np.mean(dropped) == pytest.approx(0.25, abs=0.03)


def test_pad_and_split():
    padded, mask = pad(np.arange(6.0).reshape(1, 2, 3), 8, 'the action')
    assert padded.dtype == np.float32
    assert padded.shape == mask.shape == (1, 2, 8)
    np.testing.assert_array_equal(padded[mask], np.arange(6))
    assert not padded[~mask].any()
    parts = split(padded, {'a': 1, 'b': 2})
    np.testing.assert_array_equal(parts['b'], [[[1, 2], [4, 5]]])
    with pytest.raises(ObservationError, match='the state is 9 wide, the model takes at most 8'):
        pad(np.zeros((1, 9)), 8, 'the state')


def test_collate_pads_prompts_on_the_left():
    def batch(ids):
        ids = np.array([ids])
        return {
            'input_ids': ids,
            'attention_mask': np.ones_like(ids),
            'state': np.zeros((1, 1, 4)),
        }

    joined = collate([batch([5, 6, 7]), batch([8])], pad_id=3)
    np.testing.assert_array_equal(joined['input_ids'], [[5, 6, 7], [3, 3, 8]])
    np.testing.assert_array_equal(joined['attention_mask'], [[1, 1, 1], [0, 0, 1]])
    assert joined['state'].shape == (2, 1, 4)


def test_errors_are_ours():
    assert issubclass(RobotFileError, Gr00tError)
