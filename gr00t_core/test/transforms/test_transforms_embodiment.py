# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The composed transforms of an embodiment: keys, shapes, order, inverse, independence."""

from copy import deepcopy
import subprocess
import sys

import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import metadata_from_limits
from gr00t_core.embodiments import DATA_CONFIGS
from gr00t_core.errors import CheckpointError, ObservationError, RobotFileError
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_core.models.n1_5.tokenizer import IMAGE_CONTEXT, PromptTokenizer, SPECIAL_TOKENS
from gr00t_core.models.small_tokenizer import make_small_tokenizer
from gr00t_core.robot.file import load_robot
from gr00t_core.transforms import EmbodimentTransforms, PromptTransform, Training

ROBOTS = (
    'so101',
    'gr1_arms_only',
    'gr1_arms_waist',
    'gr1_full_upper_body',
    'droid',
    'agibot_genie1',
    'unitree_g1',
    'panda_bimanual',
)


@pytest.fixture(scope='module')
def model():
    """Give the tiny model's configuration and its tokenizer."""
    tokenizer = make_small_tokenizer(SPECIAL_TOKENS)
    raw = deepcopy(SIZES['tiny'])
    raw['eagle_config']['image_token_index'] = tokenizer.token_to_id(IMAGE_CONTEXT)
    config = Gr00tConfig.from_json(raw)
    return config, PromptTokenizer(tokenizer, 'test', config)


def transforms_of(robot, model, **options):
    robot = load_robot(robot) if isinstance(robot, str) else robot
    return EmbodimentTransforms.for_robot(robot, metadata_from_limits(robot), *model, **options)


def observe(robot, seed=0, batch=None, actions=False):
    """Make a random observation of a robot; states and actions within their ranges."""
    robot = load_robot(robot) if isinstance(robot, str) else robot
    rng = np.random.default_rng(seed)
    front = () if batch is None else (batch,)
    observation = {
        f'video.{c.name}': rng.integers(0, 256, (*front, 1, c.height, c.width, 3), np.uint8)
        for c in robot.cameras
    }
    for g in robot.state:
        observation[f'state.{g.name}'] = rng.uniform(0.1, 1, (*front, 1, g.width))
    for g in robot.action if actions else ():
        values = rng.uniform(g.limits.lower, g.limits.upper, (*front, 16, g.width))
        observation[f'action.{g.name}'] = np.rint(values) if g.kind == 'binary' else values
    observation[robot.instruction_key] = ['pick up the red cube'] * (batch or 1)
    return observation


@pytest.mark.parametrize('robot', ROBOTS)
def test_batch_has_the_models_shapes(robot, model):
    config, tokenizer = model
    description = load_robot(robot)
    views = len(description.cameras)
    batch = transforms_of(robot, model).apply(observe(robot, actions=True))
    tokens = len(tokenizer.encode('pick up the red cube', views))
    shapes = {
        'pixel_values': ((views, 3, 56, 56), np.float32),
        'input_ids': ((1, tokens), np.int64),
        'attention_mask': ((1, tokens), np.int64),
        'state': ((1, 1, 64), np.float32),
        'embodiment_id': ((1,), np.int64),
        'action': ((1, 16, 32), np.float32),
        'action_mask': ((1, 16, 32), np.bool_),
    }
    assert {key: (value.shape, value.dtype) for key, value in batch.items()} == shapes
    placeholders = (batch['input_ids'] == config.image_token_id).sum()
    assert placeholders == views * config.vision.num_tokens
    assert batch['action_mask'].sum() == 16 * description.action_width
    assert all(np.isfinite(value).all() for value in batch.values())


@pytest.mark.parametrize('robot', ROBOTS)
def test_actions_come_back(robot, model):
    transforms = transforms_of(robot, model)
    observation = observe(robot, actions=True, batch=2)
    back = transforms.unapply(transforms.apply(observation)['action'])
    for group in load_robot(robot).action:
        key = f'action.{group.name}'
        assert back[key].dtype == np.float32
        np.testing.assert_allclose(back[key], observation[key], atol=1e-4)


def test_batched_equals_one_by_one(model):
    transforms = transforms_of('agibot_genie1', model)
    single = [observe('agibot_genie1', seed) for seed in range(3)]
    together = {
        key: values[0] * 3 if isinstance(values[0], list) else np.stack(values)
        for key, values in ((key, [o[key] for o in single]) for key in single[0])
    }
    batch = transforms.apply(together)
    for key in batch:
        expected = np.concatenate([transforms.apply(o)[key] for o in single])
        np.testing.assert_array_equal(batch[key], expected, err_msg=key)


def test_groups_and_views_keep_their_order(model):
    robot = load_robot('so101')
    observation = observe(robot)
    transforms = transforms_of(robot, model)
    batch = transforms.apply(dict(reversed(observation.items())))
    np.testing.assert_array_equal(
        batch['pixel_values'][1], transforms.video.apply([observation['video.wrist']])[0]
    )
    arm, gripper = transforms.state
    joined = np.concatenate(
        (
            arm.apply(observation['state.single_arm']),
            gripper.apply(observation['state.gripper']),
        ),
        axis=-1,
    )
    np.testing.assert_allclose(batch['state'][0, :, :6], joined, rtol=1e-6)
    assert not batch['state'][0, 0, 6:].any()


def test_dtype_of_one_call_does_not_bind_the_next(model):
    transforms = transforms_of('so101', model)
    observation = observe('so101')
    double = transforms.apply(observation)['state']
    floats = {
        k: v.astype(np.float32) if k.startswith('state') else v for k, v in observation.items()
    }
    np.testing.assert_allclose(transforms.apply(floats)['state'], double, atol=1e-6)
    np.testing.assert_array_equal(transforms.apply(observation)['state'], double)


def test_embodiments_do_not_disturb_each_other(model):
    so101, gr1 = transforms_of('so101', model), transforms_of('gr1_arms_only', model)
    before = so101.apply(observe('so101'))
    gr1.apply(observe('gr1_arms_only'))
    after = so101.apply(observe('so101'))
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert int(before['embodiment_id'][0]) == 31
    assert int(gr1.apply(observe('gr1_arms_only'))['embodiment_id'][0]) == 24


def test_training_varies_each_sample_and_follows_the_generator(model):
    transforms = transforms_of(
        'so101',
        model,
        prompt=PromptTransform(dropout=0.5),
        training=Training(state_noise=0.1, state_dropout=0.2),
    )
    one = observe('so101', actions=True)
    double = {
        key: value * 2 if isinstance(value, list) else np.stack([value, value])
        for key, value in one.items()
    }
    first = transforms.apply(double, training=True, generator=np.random.default_rng(1))
    again = transforms.apply(double, training=True, generator=np.random.default_rng(1))
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first['pixel_values'][:2], first['pixel_values'][2:])
    assert not np.array_equal(first['state'][0], first['state'][1])
    np.testing.assert_array_equal(first['action'][0], first['action'][1])
    evaluation = transforms.apply(double)
    assert np.array_equal(evaluation['state'][0], evaluation['state'][1])


def test_training_needs_actions(model):
    with pytest.raises(ObservationError, match=r"lacks 'action.single_arm'"):
        transforms_of('so101', model).apply(observe('so101'), training=True)


def with_key(key, value):
    return {**observe('so101'), key: value}


WRONG = {
    'state.gripper': (np.zeros((1, 2)), r'state.gripper: shape \(1, 2\), expected \(1, 1\)'),
    'state.single_arm': (np.zeros(5), r'state.single_arm: shape \(5,\), expected \(1, 5\)'),
    'video.front': (np.zeros((1, 240, 320, 3)), 'video.front: dtype float64, expected uint8'),
    'video.wrist': (
        np.zeros((1, 120, 160, 3), np.uint8),
        r'video.wrist: shape \(1, 120, 160, 3\), expected \(1, 240, 320, 3\)',
    ),
    'annotation.human.task_description': (['a', 'b'], r"\['a', 'b'\], expected a list of 1 str"),
    'video.top': (0, r"unexpected key 'video.top' \(did you mean .*expected: video.front"),
    'action.gripper': (np.zeros((16, 1)), "lacks 'action.single_arm'"),
}


@pytest.mark.parametrize('key', WRONG)
def test_wrong_values_are_named(key, model):
    value, text = WRONG[key]
    with pytest.raises(ObservationError, match=text):
        transforms_of('so101', model).apply(with_key(key, value))


def test_more_wrong_values(model):
    transforms = transforms_of('so101', model)
    with pytest.raises(ObservationError, match=r'holds values that are not finite'):
        transforms.apply(with_key('state.gripper', np.array([[np.nan]])))
    with pytest.raises(ObservationError, match=r'dtype <U1, expected numbers'):
        transforms.apply(with_key('state.gripper', np.array([['a']])))
    missing = observe('so101')
    missing['state.griper'] = missing.pop('state.gripper')
    with pytest.raises(ObservationError, match=r"lacks 'state.gripper' \(did you mean"):
        transforms.apply(missing)
    ragged = observe('so101', batch=2)
    ragged['video.front'] = ragged['video.front'][:1]
    with pytest.raises(ObservationError, match=r'batch sizes differ'):
        transforms.apply(ragged)
    mixed = observe('so101', batch=2)
    mixed['state.gripper'] = mixed['state.gripper'][0]
    with pytest.raises(ObservationError, match=r'not batched'):
        transforms.apply(mixed)


def test_a_bare_instruction_is_a_list_of_one(model):
    transforms = transforms_of('so101', model)
    key = 'annotation.human.task_description'
    bare = transforms.apply(with_key(key, 'pick up the red cube'))
    listed = transforms.apply(with_key(key, ['pick up the red cube']))
    np.testing.assert_array_equal(bare['input_ids'], listed['input_ids'])


def test_construction_checks(model):
    robot = load_robot('so101')
    entry = metadata_from_limits(robot)
    config = DATA_CONFIGS['so100_dualcam']
    with pytest.raises(CheckpointError, match=r"'mars' has no projector slot.*gr1, oxe_droid"):
        EmbodimentTransforms.for_config(config, 'mars', entry, *model)
    with pytest.raises(RobotFileError, match=r'video.webcam: not in the metadata'):
        EmbodimentTransforms.for_config(DATA_CONFIGS['so100'], 'new_embodiment', entry, *model)
    del entry['modalities']['video']['wrist']
    with pytest.raises(RobotFileError, match=r'so101.yaml: video.wrist: not in the checkpoint'):
        EmbodimentTransforms.for_robot(robot, entry, *model)


def test_a_state_wider_than_the_model_raises(model):
    robot = load_robot('gr1_full_upper_body')
    wide = deepcopy(DATA_CONFIGS['fourier_gr1_arms_waist'])
    entry = metadata_from_limits(robot)
    entry['modalities']['video']['ego_view'] = entry['modalities']['video']['front_view']
    assert EmbodimentTransforms.for_config(wide, 'gr1', entry, *model).state[0].model_width == 14
    entry['modalities']['state']['waist']['shape'] = [9]
    for values in entry['statistics']['state']['waist'].values():
        values *= 3
    with pytest.raises(RobotFileError, match=r'state: 70 wide .* at most 64'):
        EmbodimentTransforms.for_config(wide, 'gr1', entry, *model)


def test_importing_needs_numpy_only():
    code = (
        'import sys; import gr00t_core.transforms, gr00t_core.messages.images;'
        'import gr00t_core.checkpoint.metadata;'
        "print({'torch', 'tokenizers', 'cv2', 'PIL', 'rclpy'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == 'set()'
