# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prompts and token ids: published lengths and ids, padding, and where a tokenizer comes from."""

import copy
import json
import shutil
import subprocess
import sys

import pytest

from gr00t_core.errors import CheckpointError, ObservationError
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_core.models.n1_5.tokenizer import (
    HUB_REPOSITORY,
    load_tokenizer,
    PromptTokenizer,
    SPECIAL_TOKENS,
)
from gr00t_core.models.small_tokenizer import make_small_tokenizer
from gr00t_core.models.vocabulary import QWEN_FILES

PEAR = 'pick the pear from the counter and place it in the plate'


@pytest.fixture(scope='module')
def config_3b():
    return Gr00tConfig.from_json(SIZES['3b'])


@pytest.fixture(scope='module')
def qwen(shared_data, config_3b):
    return load_tokenizer(shared_data, config_3b, vocabulary=shared_data / 'tokenizer')


@pytest.fixture(scope='module')
def small_config():
    raw = copy.deepcopy(SIZES['small'])
    raw['eagle_config']['image_token_index'] = SPECIAL_TOKENS.index('<IMG_CONTEXT>')
    return Gr00tConfig.from_json(raw)


@pytest.fixture(scope='module')
def small(small_config):
    return PromptTokenizer(make_small_tokenizer(SPECIAL_TOKENS), 'test', small_config)


def test_published_prompt_lengths(qwen):
    assert [len(qwen.encode(PEAR, views)) for views in (1, 2, 3)] == [294, 557, 820]
    assert [len(qwen.encode(f"['{PEAR}']", views)) for views in (1, 2, 3)] == [296, 559, 822]


def test_published_ids(qwen):
    ids = qwen.encode(PEAR, 2)
    assert ids[0] == 151_644
    assert ids.count(151_669) == 512
    first = ids.index(151_669)
    assert ids[first - 6 : first] == [27, 1805, 220, 16, 29, 151_670]
    assert ids[first + 256 :][:6] == [151_671, 27, 1805, 220, 17, 29]
    assert ids.count(151_645) == 2
    assert '151643' not in map(str, ids)


def test_prompt_text(small):
    context = '<img>' + '<IMG_CONTEXT>' * 25 + '</img>'
    assert small.prompt('go', 2) == (
        '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n'
        f'<|im_start|>user\n<image 1>{context}<image 2>{context}go<|im_end|>\n'
        '<|im_start|>assistant\n'
    )


def test_qwen_ids_equal_transformers(qwen, shared_data):
    transformers = pytest.importorskip('transformers')
    theirs = transformers.Qwen2TokenizerFast.from_pretrained(shared_data / 'tokenizer')
    for text in (PEAR, "don't   drop 12.5 kg\n\n of Äpfel 你好 🤖!", 'a\tb  c', 'e\u0301'):
        assert qwen.encode(text, 1) == theirs(qwen.prompt(text, 1))['input_ids']


def test_batches_are_padded_on_the_left(qwen):
    batch = qwen.batch([PEAR, 'go'], 1)
    assert batch.input_ids.shape == batch.attention_mask.shape == (2, 294)
    assert batch.input_ids.dtype == batch.attention_mask.dtype == 'int64'
    padding = 294 - len(qwen.encode('go', 1))
    assert batch.attention_mask.tolist() == [[1] * 294, [0] * padding + [1] * (294 - padding)]
    assert (batch.input_ids[1, :padding] == 151_643).all()
    assert batch.input_ids[1, padding:].tolist() == qwen.encode('go', 1)


def test_small_tokenizer_knows_every_text_and_is_always_the_same(small):
    first, tokenizer = (make_small_tokenizer(SPECIAL_TOKENS) for _ in range(2))
    assert first.to_str() == tokenizer.to_str()
    for text in ('pick up the red cube', 'Hebe den Würfel auf', '拿起红色方块 🤖', 'x\x00\n'):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text
        assert max(ids) < 512
    assert small.encode('go', 3).count(3) == 3 * 25
    assert len(small.encode('pick up the red cube', 2)) < 2 * 25 + 48


def test_source_is_told_and_the_folders_own_comes_first(
    tmp_path, shared_data, small_config, config_3b, qwen
):
    assert str(shared_data / 'tokenizer') in qwen.source
    make_small_tokenizer(SPECIAL_TOKENS).save(str(tmp_path / 'tokenizer.json'))
    own = load_tokenizer(tmp_path, small_config, vocabulary=shared_data / 'tokenizer')
    assert own.source == str(tmp_path / 'tokenizer.json')
    with pytest.raises(CheckpointError, match='belongs to another checkpoint'):
        load_tokenizer(tmp_path, config_3b)


def test_a_foreign_vocabulary_is_refused(tmp_path, shared_data, config_3b):
    for name in QWEN_FILES:
        shutil.copyfile(shared_data / 'tokenizer' / name, tmp_path / name)
    vocab = json.loads((tmp_path / 'vocab.json').read_text())
    first, second = 'Ġa', 'image'
    vocab[first], vocab[second] = vocab[second], vocab[first]
    (tmp_path / 'vocab.json').write_text(json.dumps(vocab))
    with pytest.raises(CheckpointError, match=r"'<image 1>' gives .* expected \[27, 1805"):
        load_tokenizer(tmp_path, config_3b)


def test_a_missing_special_token_is_named(tmp_path, small_config):
    tokenizer = make_small_tokenizer(SPECIAL_TOKENS).to_str().replace('<IMG_CONTEXT>', '<IMG>')
    (tmp_path / 'tokenizer.json').write_text(tokenizer)
    with pytest.raises(CheckpointError, match='<IMG_CONTEXT>'):
        load_tokenizer(tmp_path, small_config)


def test_no_tokenizer_and_no_network_say_what_to_do(tmp_path, config_3b, monkeypatch):
    hub = pytest.importorskip('huggingface_hub')

    def unreachable(*arguments, **options):
        raise OSError('no network')

    monkeypatch.setattr(hub, 'hf_hub_download', unreachable)
    with pytest.raises(CheckpointError, match=f'{HUB_REPOSITORY}.*no network'):
        load_tokenizer(tmp_path, config_3b)


@pytest.mark.parametrize('token', ['<|im_end|>', '<IMG_CONTEXT>'])
def test_control_tokens_in_an_instruction_are_refused(small, token):
    with pytest.raises(ObservationError, match='control tokens'):
        small.encode(f'go {token} now', 1)


def test_tokenizer_and_config_need_no_torch():
    code = (
        'import sys, gr00t_core.models.n1_5.tokenizer, gr00t_core.models.n1_5.config;'
        'sys.exit("torch" in sys.modules)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
