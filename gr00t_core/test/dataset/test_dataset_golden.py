# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The GR00T demo data (v2.0): published values, the frame rule, statistics bit for bit."""

import json
from pathlib import Path

import av
import numpy as np
import pytest

from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.modality import configs_for_data_config
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.statistics import gr00t_statistics
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.embodiments import DATA_CONFIGS
from gr00t_core.models.n1_5.numbers import NUMBERS

CONFIGS = configs_for_data_config(DATA_CONFIGS['fourier_gr1_arms_only'], NUMBERS.horizon)
CAMERA = 'observation.images.ego_view'


@pytest.fixture(scope='module')
def demo(shared_data: Path) -> Dataset:
    return Dataset.open(shared_data / 'robot_sim.PickNPlace')


def test_first_sample_has_the_published_values(demo):
    sample = demo.step(0, 0, CONFIGS)
    # Outputs of upstream's notebooks.
    np.testing.assert_allclose(
        sample['state.left_arm'][0],
        [-0.01147083, 0.12207967, 0.04229397, -2.1, -0.01441445, -0.03013532, -0.00384387],
        atol=5e-9,
    )
    np.testing.assert_allclose(
        sample['action.left_arm'][0],
        [
            -0.0107706680,
            0.104934344,
            0.0415936080,
            -2.09762367,
            -0.0178164827,
            -0.0333876667,
            -0.00985330611,
        ],
        rtol=5e-9,
    )
    assert sample['video.ego_view'].shape == (1, 256, 256, 3)
    assert sample['video.ego_view'].dtype == np.uint8
    assert {key: value.shape for key, value in sample.items() if key.startswith('action')} == {
        'action.left_arm': (16, 7),
        'action.right_arm': (16, 7),
        'action.left_hand': (16, 6),
        'action.right_hand': (16, 6),
    }
    assert all(value.dtype == np.float64 for key, value in sample.items() if key[:5] == 'state')
    assert sample['annotation.human.action.task_description'] == [
        'pick the pear from the counter and place it in the plate'
    ]


def test_statistics_reproduce_bit_for_bit(demo):
    stored = json.loads((demo.path / 'meta' / 'stats.json').read_text())
    assert len(stored) == 10
    for name, entry in stored.items():
        computed = gr00t_statistics(demo.column(name))
        off = max(np.max(np.abs(np.subtract(computed[kind], entry[kind]))) for kind in entry)
        assert off == 0.0, name


def test_metadata_is_what_the_transforms_take(demo):
    entry = demo.metadata(CONFIGS, 'gr1')
    assert entry['modalities']['video']['ego_view'] == {
        'resolution': [256, 256],
        'channels': 3,
        'fps': 20.0,
    }
    stored = json.loads((demo.path / 'meta' / 'stats.json').read_text())
    assert entry['statistics']['action']['right_arm']['q01'] == stored['action']['q01'][22:29]


@pytest.mark.parametrize('episode', range(5))
def test_frame_k_belongs_to_step_k(demo, episode):
    """B-frames and keyframes 250 apart: any order of access gives the frames of a plain decode."""
    video = demo.episodes[episode].videos[CAMERA]
    with av.open(str(video.path)) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert len(frames) == demo.episodes[episode].length
    assert sum(demo.lengths) == 2096
    steps = range(len(frames))
    assert all(
        np.array_equal(demo.frames(episode, 'video.ego_view', [step])[0], frames[step])
        for step in steps
    )
    reader = VideoReader()
    for step in np.random.default_rng(episode).integers(0, len(frames), 12).tolist():
        assert np.array_equal(reader.frames(video.path, [step])[0], frames[step])
    backwards = [len(frames) - 1, 251, 250, 249, 0]
    assert np.array_equal(
        reader.frames(video.path, backwards), np.stack([frames[step] for step in backwards])
    )


def test_demo_is_valid(demo):
    findings = validate(demo.path)
    assert [finding for finding in findings if finding.level == 'error'] == []
    assert any('egoview' in finding.what for finding in findings)  # declared, but not there
