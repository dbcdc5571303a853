# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever a checkpoint's small files hold: it loads, or one clear error says what is wrong."""

from copy import deepcopy
import json
import os
import shutil
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from malformed import changed, error_of, ODD, places
import pytest

from gr00t_core.checkpoint.metadata import (
    check_entry,
    embodiment_metadata,
    METADATA_FILE,
    metadata_from_limits,
)
from gr00t_core.engines.manifest import Manifest
from gr00t_core.errors import BackendError, CheckpointError, Gr00tError
from gr00t_core.json_file import is_file_name, MAX_BYTES, read_json
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_core.models.n1_5.tokenizer import PromptTokenizer, SPECIAL_TOKENS
from gr00t_core.models.small_tokenizer import make_small_tokenizer
from gr00t_core.models.weights import INDEX, stored_tensors
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot
from gr00t_core.transforms import EmbodimentTransforms


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('malformed') / 'tiny'
    init_checkpoint('tiny', load_robot('so101'), folder)
    return folder


ENTRY = metadata_from_limits(load_robot('so101'))
CONFIG = json.loads(json.dumps(SIZES['tiny']))


EAGLE = deepcopy(CONFIG['eagle_config'])
EAGLE['image_token_index'] = make_small_tokenizer(SPECIAL_TOKENS).token_to_id('<IMG_CONTEXT>')
MODEL = Gr00tConfig.from_json(CONFIG | {'eagle_config': EAGLE})
TOKENIZER = PromptTokenizer(make_small_tokenizer(SPECIAL_TOKENS), 'test', MODEL)


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(list(places(ENTRY))), value=st.sampled_from(ODD))
def test_metadata_is_used_or_refused(path, value):
    """With the transforms that it is for: they must not meet what the check let through."""
    robot = load_robot('so101')
    entry = changed(ENTRY, path, value)
    told = error_of(
        lambda: EmbodimentTransforms.for_config(
            robot.data_config, robot.embodiment, entry, MODEL, TOKENIZER
        )
    )
    assert len(told or '') < 600


@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(list(places(CONFIG))), value=st.sampled_from(ODD))
def test_config_is_read_or_refused(path, value):
    told = error_of(lambda: Gr00tConfig.from_json(changed(CONFIG, path, value)))
    assert len(told or '') < 3000


@pytest.mark.parametrize('entry', [None, 3, [], 'x', {}, {'statistics': 1, 'modalities': 2}])
def test_an_entry_of_another_type_is_named(entry):
    with pytest.raises(CheckpointError, match='here'):
        check_entry(entry, 'here')


TEXTS = {
    'empty': b'',
    'not UTF-8': b'\xff\xfe',
    'deep lists': b'[' * 200_000,
    'deep maps': b'{"a":' * 100_000,
    'a number of 5000 digits': b'{"new_embodiment": ' + b'9' * 5000 + b'}',
    'a list': b'[]',
    'a number': b'3',
    'two values': b'{} {}',
    'too large': b' ' * (MAX_BYTES + 1),
}


@pytest.mark.parametrize('text', TEXTS.values(), ids=TEXTS)
def test_files_that_hold_anything(tmp_path, text):
    for name, read in (
        ('config.json', Gr00tConfig.load),
        (METADATA_FILE, lambda folder: embodiment_metadata(folder, 'new_embodiment')),
        (INDEX, stored_tensors),
    ):
        folder = tmp_path / name.replace('/', '_')
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(text)
        with pytest.raises(CheckpointError, match=name) as caught:
            read(folder)
        assert len(str(caught.value)) < 500
    (tmp_path / 'manifest.json').write_bytes(text)
    with pytest.raises(BackendError, match='manifest'):
        Manifest.read(tmp_path)


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir], ids=['pipe', 'folder'])
@pytest.mark.parametrize(
    'name', ['config.json', METADATA_FILE, 'model.safetensors', 'tokenizer.json', 'robot.yaml']
)
def test_a_pipe_or_folder_in_place_of_a_file_is_never_waited_for(
    checkpoint, tmp_path, monkeypatch, make, name
):
    # Read when the library was imported; without it a missing tokenizer costs 20 s of retries.
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    folder = tmp_path / 'checkpoint'
    shutil.copytree(checkpoint, folder)
    (folder / name).unlink()
    make(folder / name)
    with pytest.raises(Gr00tError, match=name.partition('.')[0]):
        Gr00tPolicy(folder)


@pytest.mark.parametrize(
    ('path', 'value'),
    [
        (('eagle_config', 'vision_config', 'num_hidden_layers'), 2**31),
        (('backbone_cfg', 'select_layer'), 2**20),
        (('action_head_cfg', 'diffusion_model_cfg', 'num_layers'), 100_000),
        (('action_head_cfg', 'num_inference_timesteps'), 2**31),
        (('eagle_config', 'text_config', 'vocab_size'), 2**40),
        (('action_head_cfg', 'action_horizon'), 10**300),
    ],
)
def test_huge_counts_are_refused_at_once(tmp_path, path, value):
    (tmp_path / 'config.json').write_text(json.dumps(changed(CONFIG, path, value)))
    began = time.process_time()
    with pytest.raises(CheckpointError, match=path[-1]) as caught:
        Gr00tConfig.load(tmp_path)
    assert time.process_time() - began < 0.5
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize('name', ['../x.onnx', '/etc/passwd', '..', '', 'a/b', 'a\0b', 3, None])
def test_names_of_files_stay_in_their_folder(tmp_path, name):
    assert not is_file_name(name)
    part = {'file': name, 'sha256': '', 'inputs': {}, 'outputs': {}}
    manifest = dict.fromkeys(
        ('checkpoint', 'checkpoint_sha256', 'precision', 'embodiment'), ''
    ) | {'version': 1, 'opset': 19, 'steps': 4, 'slot': 31, 'parity': {}, 'tools': {}}
    (tmp_path / 'manifest.json').write_text(json.dumps(manifest | {'parts': {'a': part}}))
    with pytest.raises(BackendError, match='no name of a file beside it'):
        Manifest.read(tmp_path)
    (tmp_path / INDEX).write_text(json.dumps({'weight_map': {'key': name}}))
    with pytest.raises(CheckpointError, match='no name of a file beside it'):
        stored_tensors(tmp_path)


def test_plain_names_are_names(tmp_path):
    assert is_file_name('vision_language.onnx')
    assert is_file_name('model-00001-of-00002.safetensors')
    (tmp_path / 'a.json').write_text('{"a": 1}')
    assert read_json(tmp_path / 'a.json') == {'a': 1}
