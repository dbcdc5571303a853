# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An N1.7 checkpoint behind the same policy, server and commands as N1.5."""

from dataclasses import replace
import json

import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import metadata_from_limits
from gr00t_core.engines import load_engine
from gr00t_core.errors import CheckpointError, ObservationError, RobotFileError
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.numbers import NUMBERS
from gr00t_core.models.n1_7.processor_config import ProcessorConfig
from gr00t_core.models.n1_7.robot_layout import (
    processor_files,
    relations,
    relative_from_limits,
    relative_statistics,
)
from gr00t_core.models.n1_7.sizes import SIZES
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot, shipped_robots


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('n17') / 'tiny'
    init_checkpoint('tiny', load_robot('so101'), folder, family='n1_7')
    return folder


@pytest.fixture(scope='module')
def policy(checkpoint):
    return Gr00tPolicy(checkpoint, seed=0)


def batched(observations):
    """Join observations: a batch axis in front, instructions in one list."""
    joined = {}
    for key in observations[0]:
        values = [one[key] for one in observations]
        joined[key] = [v[0] for v in values] if key.startswith('annotation') else np.stack(values)
    return joined


def test_chunks_of_forty_steps_in_the_robots_units(policy):
    action = policy.get_action(policy.observation_example())
    robot = policy.robot
    assert {key: value.shape for key, value in action.items()} == {
        f'action.{group.name}': (40, group.width) for group in robot.action
    }
    config = policy.get_modality_config()
    assert config['action']['delta_indices'] == list(range(40))
    assert config['video']['delta_indices'] == [0]


def test_relative_groups_move_with_the_state(policy):
    """Relative groups start at the state of the observation that they answer, others do not.

    The model answers twice from the same normalised batch; only the reference differs.
    """
    robot, transforms = policy.robot, policy.transforms
    assert relations(robot) == {'single_arm': 'single_arm'}
    example = policy.observation_example()
    moved = {**example, 'state.single_arm': example['state.single_arm'] + 0.1}
    raw = np.random.default_rng(0).normal(size=(1, 40, 132)).astype(np.float32) / 3
    here, there = (transforms.unapply(raw, seen) for seen in (example, moved))
    difference = there['action.single_arm'] - here['action.single_arm']
    np.testing.assert_allclose(difference, 0.1, rtol=0, atol=1e-5)
    assert np.array_equal(there['action.gripper'], here['action.gripper'])


def test_a_batch_is_answered_sample_by_sample(policy):
    """Instructions of different lengths pad the batch, and no answer changes."""
    example = policy.observation_example()
    others = [
        example,
        {**example, policy.transforms.language: ['put the red cube into the blue bowl, please']},
        {**example, 'state.gripper': example['state.gripper'] + 0.2},
    ]
    noise = np.random.default_rng(1).normal(size=(3, 40, 132)).astype(np.float32)
    backend, transforms = policy.backend, policy.transforms
    together = backend.predict(transforms.apply(batched(others)), noise)
    for row, one in enumerate(others):
        alone = backend.predict(transforms.apply(one), noise[row : row + 1])
        np.testing.assert_allclose(together[row : row + 1], alone, rtol=0, atol=1e-5)


def test_head_only_acts_on_the_last_pictures(policy):
    example = policy.observation_example()
    full = policy.get_action(example, seed=3)
    blind = policy.get_action(
        {key: value for key, value in example.items() if 'state' in key}, seed=3, head_only=True
    )
    for key, value in full.items():
        np.testing.assert_allclose(blind[key], value, rtol=0, atol=1e-5)
    fresh = load_engine('torch', policy.robot and policy_folder(policy))
    with pytest.raises(ObservationError, match='make a full call first'):
        fresh.predict(policy.transforms.apply(example), head_only=True)


def policy_folder(policy):
    return policy.tokenizer.source.rpartition('/')[0]


def test_real_time_chunking_keeps_what_is_committed(policy):
    """The prefix is given in the robot's units and comes back, though the arm is relative."""
    example = policy.observation_example()
    before = policy.get_action(example, seed=1)
    prefix = {key: np.roll(value, -5, axis=0) for key, value in before.items()}
    moved = {**example, 'state.single_arm': example['state.single_arm'] + 0.01}
    weight = np.zeros(40, np.float32)
    weight[:4], weight[4:8] = 1, 0.5
    action = policy.get_action(moved, seed=2, prefix=prefix, prefix_weight=weight)
    # Where the chunk's own statistics can express it; a step reaches as far as its limit.
    transforms = policy.transforms
    expressed = transforms.unapply(
        transforms.normalized_action({k: v[None] for k, v in prefix.items()}, moved)[0], moved
    )
    for key, value in expressed.items():
        np.testing.assert_allclose(action[key][:4], value[0, :4], rtol=0, atol=1e-5)
    free = policy.get_action(moved, seed=2)
    assert not np.allclose(free['action.single_arm'], action['action.single_arm'], atol=1e-4)


def test_seeds_and_init_are_reproducible(checkpoint, policy, tmp_path):
    init_checkpoint('tiny', load_robot('so101'), tmp_path / 'again', family='n1_7')
    other = Gr00tPolicy(tmp_path / 'again')
    example = policy.observation_example()
    first, second = (p.get_action(example, seed=7) for p in (policy, other))
    for key, value in first.items():
        assert np.array_equal(value, second[key])


def test_robots_that_are_unlike_the_checkpoint_are_refused(checkpoint):
    with pytest.raises(CheckpointError, match='available: new_embodiment'):
        Gr00tPolicy(checkpoint, 'droid')
    robot = load_robot('so101')
    with pytest.raises(RobotFileError, match='video is front'):
        Gr00tPolicy(checkpoint, replace(robot, cameras=robot.cameras[:1]))
    with pytest.raises(RobotFileError, match='fps is 10'):
        Gr00tPolicy(checkpoint, replace(robot, rate_hz=10.0))


def test_what_n17_does_not_offer_is_said(checkpoint):
    with pytest.raises(CheckpointError, match='data config is for'):
        Gr00tPolicy(checkpoint, data_config='so100', embodiment='new_embodiment')


def test_history_needs_a_client_that_sends_it(checkpoint, tmp_path):
    """A layout with frames of the past is served to clients, and refused to a robot."""
    for path in checkpoint.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / 'processor_config.json'
    content = json.loads(path.read_text())
    layout = content['processor_kwargs']['modality_configs']['new_embodiment']
    layout['video']['delta_indices'] = [-15, 0]
    path.write_text(json.dumps(content))
    with pytest.raises(RobotFileError, match=r'frames at \[-15, 0\]'):
        Gr00tPolicy(tmp_path)
    policy = Gr00tPolicy(tmp_path, embodiment='new_embodiment')
    example = policy.observation_example()
    assert example['video.front'].shape[0] == 2
    assert policy.get_action(example)['action.gripper'].shape == (40, 1)
    assert policy.get_modality_config()['video']['delta_indices'] == [-15, 0]


def test_relative_statistics_are_per_step():
    random = np.random.default_rng(0)
    state = random.normal(size=(30, 2))
    action = state + np.arange(30)[:, None] * [0.0, 1.0]
    found = relative_statistics([(action, state), (action[:3], state[:3])], 5, 'here')
    assert np.shape(found['min']) == (5, 2)
    offsets = np.stack([action[k : k + 26] - state[:26] for k in range(5)])
    np.testing.assert_allclose(found['max'], offsets.max(1), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found['min'], offsets.min(1), rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', sorted(shipped_robots()))
def test_shipped_robots_have_a_layout(name, tmp_path):
    """Every robot's tag has an N1.7 slot, or the refusal says what to write instead."""
    robot = load_robot(name)
    of = metadata_from_limits(robot)['statistics']
    of['relative_action'] = relative_from_limits(robot, of, 40)
    head = Gr00tN17Config.from_json(SIZES['tiny']).action_head
    if robot.embodiment not in NUMBERS.slots:
        with pytest.raises(CheckpointError, match='Use new_embodiment'):
            processor_files(None, [(robot, of)], head, 40)
        robot = replace(robot, embodiment='new_embodiment')
    contents = processor_files(None, [(robot, of)], head, 40)
    layout = ProcessorConfig(tmp_path, contents).layout('new_embodiment')
    assert [group.name for group in layout.state] == [group.name for group in robot.state]
    relative = {group.name: group.reference for group in layout.action if group.reference}
    assert relative == relations(robot)
    for group in layout.action:
        binary = robot.action_group(group.name).kind in {'gripper', 'binary'}
        assert not (binary and group.reference)
