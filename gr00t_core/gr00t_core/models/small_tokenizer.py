# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the tokenizer of the tiny and small models, with the special tokens of their family."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import models, pre_tokenizers, Tokenizer, trainers

from gr00t_core.models.layers.sizes import SMALL_VOCABULARY
from gr00t_core.models.vocabulary import set_byte_level, special_token, TOKENIZER_FILE

_SMALL_CORPUS = (
    'system user assistant You are a helpful assistant. <image 1><image 2><image 3> pick up the '
    'red green blue yellow white black cube block ball cup plate bowl box bottle can pen towel '
    'drawer door place put move push pull lift open close turn rotate stack insert pour wipe '
    'grasp hold release hand over give it in into on onto to from at of and then with the a '
    'left right front back top bottom center middle next near arm gripper robot table counter '
    'shelf bin tray basket sink kitchen Perform the default behavior.'
)


def make_small_tokenizer(special_tokens: Sequence[str]) -> Tokenizer:
    """Make the tokenizer of the tiny and small models: byte-level BPE, always the same."""
    tokenizer = Tokenizer(models.BPE())
    set_byte_level(tokenizer)
    trainer = trainers.BpeTrainer(
        vocab_size=SMALL_VOCABULARY,
        special_tokens=[special_token(token) for token in special_tokens],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([_SMALL_CORPUS], trainer)
    return tokenizer


def save_small_tokenizer(folder: Path, special_tokens: Sequence[str], image: str) -> int:
    """Put the tokenizer into a checkpoint folder; return the id of its image token."""
    tokenizer = make_small_tokenizer(special_tokens)
    tokenizer.save(str(folder / TOKENIZER_FILE))
    return tokenizer.get_vocab()[image]
