# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever N1.7's config.json and processor files hold: used, or one clear error says what."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from malformed import changed, error_of, ODD, places
import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import metadata_from_limits
from gr00t_core.errors import CheckpointError
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.n1_7.processor import N17Transforms
from gr00t_core.models.n1_7.processor_config import (
    PROCESSOR,
    ProcessorConfig,
    SLOTS,
    STATISTICS,
)
from gr00t_core.models.n1_7.prompt import IMAGE, SPECIAL_TOKENS
from gr00t_core.models.n1_7.robot_layout import processor_files, relative_from_limits
from gr00t_core.models.n1_7.sizes import SIZES
from gr00t_core.models.small_tokenizer import make_small_tokenizer, save_small_tokenizer
from gr00t_core.robot.file import load_robot

TAG = 'new_embodiment'


def config_and_files():
    raw = json.loads(json.dumps(SIZES['tiny']))
    raw['backbone_config']['image_token_id'] = make_small_tokenizer(SPECIAL_TOKENS).token_to_id(
        IMAGE
    )
    config = Gr00tN17Config.from_json(raw)
    robot = load_robot('so101')
    found = metadata_from_limits(robot)['statistics']
    found = {**found, 'relative_action': relative_from_limits(robot, found, 40)}
    files = processor_files(None, [(robot, found)], config.action_head, 40)
    return raw, config, json.loads(json.dumps(files))


RAW, CONFIG, FILES = config_and_files()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('processors')
    save_small_tokenizer(folder, SPECIAL_TOKENS, IMAGE)
    return folder


def use(folder, files):
    """Do what serving and training do with processor files, but for the pictures."""
    processor = ProcessorConfig(folder, files)
    assert processor.color_jitter
    float(processor.settings['random_rotation_angle'] or 0)
    transforms = N17Transforms.load(folder, CONFIG, TAG, processor=processor)
    observation = transforms.observation_example('pick up the cube')
    with np.errstate(all='ignore'):
        transforms.apply(observation, pictures=False)
        transforms.unapply(np.zeros((1, 40, 132), np.float32), observation)


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(list(places(RAW))), value=st.sampled_from(ODD))
def test_config_is_read_or_refused(path, value):
    told = error_of(lambda: Gr00tN17Config.from_json(changed(RAW, path, value)))
    assert len(told or '') < 3000


@settings(max_examples=100, deadline=None)
@given(
    path=st.sampled_from([path for path in places(FILES) if len(path) > 1]),
    value=st.sampled_from(ODD),
)
def test_processor_files_are_used_or_refused(folder, path, value):
    told = error_of(lambda: use(folder, changed(FILES, path, value)))
    assert len(told or '') < 3000


KWARGS = (PROCESSOR, 'processor_kwargs')
ACTION = (*KWARGS, 'modality_configs', TAG, 'action')


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        ((*KWARGS, 'state_dropout_prob'), 'often', 'a number from 0 to 1'),
        ((*KWARGS, 'random_rotation_angle'), 10**400, 'a number from 0 to 360'),
        ((*KWARGS, 'max_action_horizon'), [40], 'a positive int'),
        ((*KWARGS, 'use_percentiles'), 'false', 'true or false'),
        ((*KWARGS, 'shortest_image_edge'), 1, 'a crop leaves something'),
        ((*KWARGS, 'shortest_image_edge'), 10**400, 'an int up to 4096'),
        ((*KWARGS, 'color_jitter_params'), {'hue': 10**400}, 'numbers from 0'),
        ((*ACTION, 'modality_keys'), ['gripper', 'gripper'], 'each once'),
        ((*ACTION, 'sin_cos_embedding_keys'), True, 'a list of names or null'),
        ((*ACTION, 'action_configs', 0, 'rep'), [], "'RELATIVE' or 'ABSOLUTE'"),
        ((*ACTION, 'action_configs', 0, 'type'), 'EEF', 'NON_EEF, or EEF with'),
        ((*ACTION, 'action_configs', 0, 'state_key'), 'gripper', '1 for both'),
        ((STATISTICS, TAG, 'state', 'single_arm', 'max'), [1, 2], r'\(5,\) as min'),
        ((STATISTICS, TAG, 'state', 'gripper', 'max'), [10**400], 'list of finite numbers'),
        ((SLOTS, TAG), 32, 'slot is 32'),
    ],
)
def test_what_is_wrong_is_named(folder, path, value, message):
    use(folder, FILES)
    with pytest.raises(CheckpointError, match=message):
        use(folder, changed(FILES, path, value))


def test_a_pose_has_the_width_of_its_form(folder):
    pose = {'rep': 'RELATIVE', 'type': 'EEF', 'format': 'XYZ_ROT6D', 'state_key': None}
    with pytest.raises(CheckpointError, match=r'single_arm is .*9 for both'):
        use(folder, changed(FILES, (*ACTION, 'action_configs', 0), pose))
