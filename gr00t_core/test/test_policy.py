# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
import shutil

import numpy as np
import pytest
import torch
import yaml

from gr00t_core import engines as backends
from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.engines import ENGINES, load_engine
from gr00t_core.errors import BackendError, CheckpointError, ObservationError, RobotFileError
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot, shipped_robots


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('policy') / 'tiny'
    init_checkpoint('tiny', load_robot('so101'), folder)
    for robot in shipped_robots():
        if robot in ('so101', 'libero_panda_10hz'):  # the latter has droid's slot
            continue
        if load_robot(robot).embodiment != 'new_embodiment':
            write_metadata(folder, metadata_from_limits(load_robot(robot)))
    return folder


@pytest.fixture(scope='module')
def policy(checkpoint):
    return Gr00tPolicy(checkpoint, seed=0)


def stacked(observation, count):
    return {
        key: value * count if isinstance(value, list) else np.stack([value] * count)
        for key, value in observation.items()
    }


def test_action_has_the_robots_groups(policy):
    action = policy.get_action(policy.observation_example())
    assert {key: (value.shape, value.dtype) for key, value in action.items()} == {
        'action.single_arm': ((16, 5), np.float32),
        'action.gripper': ((16, 1), np.float32),
    }


def test_batched_in_batched_out(policy):
    example = policy.observation_example()
    batched = policy.get_action(stacked(example, 3), seed=4)
    assert batched['action.gripper'].shape == (3, 16, 1)
    single = policy.get_action(stacked(example, 1), seed=4)
    assert single['action.gripper'].shape == (1, 16, 1)
    alone = policy.get_action(example, seed=4)
    np.testing.assert_allclose(
        alone['action.gripper'], single['action.gripper'][0], rtol=1e-5, atol=1e-5
    )


def test_seed_makes_noise_reproducible(checkpoint):
    runs = []
    for seed in (1, 1, 2):
        policy = Gr00tPolicy(checkpoint, seed=seed)
        example = policy.observation_example()
        runs.append([policy.get_action(example)['action.single_arm'] for _ in range(2)])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    assert not np.array_equal(runs[0][0], runs[0][1])  # calls go on with the noise


def test_policy_is_transforms_model_inverse(policy):
    example = policy.observation_example()
    batch = policy.transforms.apply(example)
    noise = np.random.default_rng(9).standard_normal((1, 16, 32), np.float32)
    tensors = {key: torch.from_numpy(value) for key, value in batch.items()}
    raw = policy.backend.model.get_action(tensors, noise=torch.from_numpy(noise)).numpy()
    expected = policy.transforms.unapply(raw)
    action = policy.get_action(example, seed=9)
    for key, value in action.items():
        np.testing.assert_allclose(value, expected[key][0], rtol=1e-5, atol=1e-5)


def test_denoising_steps_reach_the_model(checkpoint):
    one, four, default = (Gr00tPolicy(checkpoint, denoising_steps=n) for n in (1, 4, None))
    answers = [
        p.get_action(p.observation_example(), seed=0)['action.single_arm']
        for p in (one, four, default)
    ]
    assert not np.array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[1], answers[2])


def test_modality_config_has_upstreams_shape(policy):
    assert policy.get_modality_config() == {
        'video': {'delta_indices': [0], 'modality_keys': ['video.front', 'video.wrist']},
        'state': {'delta_indices': [0], 'modality_keys': ['state.single_arm', 'state.gripper']},
        'action': {
            'delta_indices': list(range(16)),
            'modality_keys': ['action.single_arm', 'action.gripper'],
        },
        'language': {
            'delta_indices': [0],
            'modality_keys': ['annotation.human.task_description'],
        },
    }


def test_prefix_is_in_the_robots_units(policy):
    example = policy.observation_example()
    committed = policy.get_action(example, seed=1)
    weight = np.r_[np.ones(4), np.zeros(12)]
    action = policy.get_action(example, seed=2, prefix=committed, prefix_weight=weight)
    free = policy.get_action(example, seed=2)
    for key in action:
        np.testing.assert_allclose(action[key][:4], committed[key][:4], atol=1e-5)
    assert not np.array_equal(free['action.single_arm'][:4], action['action.single_arm'][:4])


def test_prefix_mistakes_are_named(policy):
    example = policy.observation_example()
    action = policy.get_action(example)
    with pytest.raises(ObservationError, match=r'prefix_weight: None, expected 16 numbers'):
        policy.get_action(example, prefix=action)
    with pytest.raises(ObservationError, match=r'with a prefix'):
        policy.get_action(example, prefix_weight=np.ones(16))
    with pytest.raises(ObservationError, match=r'expected 16 numbers in \[0, 1\]'):
        policy.get_action(example, prefix=action, prefix_weight=np.full(16, 2.0))
    del action['action.gripper']
    with pytest.raises(ObservationError, match=r"prefix lacks 'action.gripper'"):
        policy.get_action(example, prefix=action, prefix_weight=np.ones(16))


def test_unexpected_and_missing_keys(policy):
    example = policy.observation_example()
    with pytest.raises(ObservationError, match=r"unexpected key 'video.side'"):
        policy.get_action({**example, 'video.side': example['video.front']})
    del example['state.gripper'], example['state.single_arm']
    with pytest.raises(ObservationError, match=r"lacks 'state.single_arm'"):
        policy.get_action(example)


@pytest.mark.parametrize('robot', ['gr1_full_upper_body', 'droid', 'agibot_genie1'])
def test_other_embodiments_of_one_checkpoint(checkpoint, robot):
    policy = Gr00tPolicy(checkpoint, robot)
    action = policy.get_action(policy.observation_example())
    widths = {f'action.{group.name}': group.width for group in load_robot(robot).action}
    assert {key: value.shape[1] for key, value in action.items()} == widths
    assert all(np.isfinite(value).all() for value in action.values())


def test_data_config_instead_of_a_robot(checkpoint):
    policy = Gr00tPolicy(
        checkpoint, data_config='fourier_gr1_full_upper_body', embodiment='gr1', seed=3
    )
    robot = Gr00tPolicy(checkpoint, 'gr1_full_upper_body', seed=3)
    example = robot.observation_example()
    ours, theirs = policy.get_action(example), robot.get_action(example)
    np.testing.assert_array_equal(ours['action.waist'], theirs['action.waist'])
    assert policy.robot is None
    with pytest.raises(CheckpointError, match=r"'so200' is unknown; allowed: fourier_gr1"):
        Gr00tPolicy(checkpoint, data_config='so200', embodiment='gr1')
    with pytest.raises(CheckpointError, match=r'either a robot, or a data config'):
        Gr00tPolicy(checkpoint, 'so101', data_config='so100', embodiment='gr1')


def test_robot_must_fit_the_checkpoint(checkpoint, tmp_path):
    with pytest.raises(RobotFileError, match=r'unitree_g1.yaml: video.rs_view: not in .*tiny'):
        Gr00tPolicy(checkpoint, 'unitree_g1')
    content = yaml.safe_load(shipped_robots()['so101'].read_text())
    content['state']['single_arm']['joints'].pop()
    content['action']['single_arm']['state'] = 'none'
    path = tmp_path / 'short.yaml'
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(
        RobotFileError, match=r'short.yaml: state.single_arm: shape is \[4\].*trained with \[5\]'
    ):
        Gr00tPolicy(checkpoint, path)


def test_checkpoint_without_robot_or_tag(checkpoint, tmp_path):
    folder = tmp_path / 'copy'
    shutil.copytree(checkpoint, folder)
    (folder / 'robot.yaml').unlink()
    with pytest.raises(CheckpointError, match=r'holds no robot.yaml; say which robot'):
        Gr00tPolicy(folder)
    (folder / 'experiment_cfg' / 'metadata.json').unlink()
    write_metadata(folder, metadata_from_limits(load_robot('droid')))
    with pytest.raises(CheckpointError, match=r"no entry for embodiment 'gr1'; available: oxe_"):
        Gr00tPolicy(folder, 'gr1_arms_only')


def test_engines_are_named(checkpoint, monkeypatch):
    with pytest.raises(BackendError, match=r"engine 'torhc' is unknown; .*did you mean 'torch'"):
        load_engine('torhc', checkpoint)
    with pytest.raises(BackendError, match=r'denoising_steps is 0, expected 1 or more'):
        load_engine('torch', checkpoint, denoising_steps=0)
    with pytest.raises(BackendError, match=r"device 'cuda:77' is not usable"):
        load_engine('torch', checkpoint, device='cuda:77')
    with pytest.raises(BackendError, match=r"device 'gpu' is not usable"):
        load_engine('torch', checkpoint, device='gpu')
    monkeypatch.setitem(ENGINES, 'absent', ('no_such_engine:Engine', 'pip install no-such-engine'))
    with pytest.raises(BackendError, match=r"needs the package 'no_such_engine'.*pip install no-"):
        load_engine('absent', checkpoint)
    backend = load_engine('torch', checkpoint)
    assert (backend.name, backend.device) == ('torch', 'cpu')
    assert backends.Backend is not None
