# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find and check the vocabulary of a checkpoint: all families use Qwen2's, with own tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import (
    AddedToken,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    Regex,
    Tokenizer,
)

from gr00t_core.errors import CheckpointError, ObservationError
from gr00t_core.instructions import MAX_TOKENS, shown

TOKENIZER_FILE = 'tokenizer.json'
# What holds the same vocabulary where there is no such file; not every family needs all of them.
QWEN_FILES = ('vocab.json', 'merges.txt', 'added_tokens.json')

_KNOWN = 256  # prompts whose ids are remembered

# Qwen2's pre-tokenisation: contractions, letters, single digits, punctuation, white space.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r'|\s*[\r\n]+|\s+(?!\S)|\s+'
)


def find_tokenizer(
    folder: str | Path,
    vocabulary: str | Path | None,
    files: Sequence[str],
    repository: str,
    build: Callable[[Path], Tokenizer],
) -> tuple[Tokenizer, Path | None]:
    """Find the tokenizer of a checkpoint: `tokenizer.json`, or the files that `build` reads.

    Args:
        folder: The checkpoint; it comes first.
        vocabulary: A folder that comes second.
        files: What `build` needs in a folder.
        repository: On the hub; its files come last, from there or from the cache.
        build: Makes a tokenizer of a folder with `files`.

    Returns:
        The tokenizer, and the file or folder that it came from; None for the hub.

    Raises:
        CheckpointError: None is found or readable.
    """
    places = [Path(folder)] if vocabulary is None else [Path(folder), Path(vocabulary)]
    for place in places:
        if (place / TOKENIZER_FILE).is_file():
            path = place / TOKENIZER_FILE
            try:
                return Tokenizer.from_file(str(path)), path
            except Exception as error:  # the library raises bare Exception
                raise CheckpointError(
                    f'{path} is not a tokenizer file: {error}. Copy the file again.'
                ) from None
        if all((place / name).is_file() for name in files):
            return build(place), place
    return build(_download(places, files, repository)), None


def set_byte_level(tokenizer: Tokenizer) -> None:
    """Have a tokenizer normalise, split and decode text as Qwen2's does."""
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()


def read_bpe(folder: Path, files: Sequence[str]) -> Tokenizer:
    """Build Qwen2's tokenizer of `vocab.json` and `merges.txt`, the first two of `files`.

    Raises:
        CheckpointError: They cannot be read.
    """
    vocab, merges = (str(folder / name) for name in files[:2])
    try:
        tokenizer = Tokenizer(models.BPE.from_file(vocab, merges))
    except Exception as error:  # the library raises bare Exception
        raise CheckpointError(f'{folder}: {", ".join(files)} cannot be read: {error}.') from None
    set_byte_level(tokenizer)
    return tokenizer


def special_token(content: str) -> AddedToken:
    """Return a token that stands for itself."""
    return AddedToken(content, normalized=False, special=True)


def checked_ids(
    tokenizer: Tokenizer, source: str, tokens: Sequence[str], image: str, config: Any, origin: str
) -> dict[str, int]:
    """Return the ids of special tokens, checked against a checkpoint's config.

    Args:
        tokenizer: The tokenizer.
        source: Where it came from, for errors.
        tokens: The special tokens.
        image: The one that stands for image features.
        config: The checkpoint's configuration.
        origin: Repository with the right one.

    Raises:
        CheckpointError: A special token is missing, an id is wrong, or the vocabulary exceeds the
            embedding.
    """
    found = {token: tokenizer.token_to_id(token) for token in tokens}
    ids = {token: index for token, index in found.items() if index is not None}
    if missing := [token for token in tokens if token not in ids]:
        raise CheckpointError(
            f'{source}: the special tokens {missing} are missing. Use the tokenizer of {origin}.'
        )
    vocabulary, largest = config.language.vocab_size, max(tokenizer.get_vocab().values())
    if ids[image] != config.image_token_id or largest >= vocabulary:
        raise CheckpointError(
            f'{source}: {image} is {ids[image]} and the largest id {largest}, but the checkpoint'
            f' expects {config.image_token_id} and ids below {vocabulary}. This tokenizer belongs'
            f' to another checkpoint: use that of {origin}.'
        )
    return ids


def refuse_control_tokens(instruction: str, text: str, tokens: Sequence[str]) -> None:
    """Raise ObservationError where an instruction, as it is tokenised, holds a special token."""
    if forbidden := [token for token in tokens if token in text]:
        raise ObservationError(
            f'the instruction {shown(instruction)} holds control tokens {forbidden}: remove them.'
        )


def refuse_long(instruction: str, tokens: int) -> None:
    """Raise ObservationError where an instruction has more tokens than the models are made for."""
    if tokens > MAX_TOKENS:
        raise ObservationError(
            f'the instruction {shown(instruction)} has {tokens} tokens; at most {MAX_TOKENS}'
            ' are allowed. Say it in a sentence'
        )


@dataclass(frozen=True)
class PromptBatch:
    """Token ids of a batch: `input_ids` and `attention_mask` (B, T) int64, padded on the left."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]

    @classmethod
    def padded(cls, rows: Sequence[Sequence[int]], pad_id: int) -> 'PromptBatch':
        """Pad the ids of B prompts on the left to the longest."""
        length = max(map(len, rows))
        input_ids = np.full((len(rows), length), pad_id, dtype=np.int64)
        attention_mask = np.zeros((len(rows), length), dtype=np.int64)
        for row, ids in enumerate(rows):
            input_ids[row, length - len(ids) :] = ids
            attention_mask[row, length - len(ids) :] = 1
        return cls(input_ids, attention_mask)


def remembered(known: dict[Any, list[int]], key: Any, make: Callable[[], list[int]]) -> list[int]:
    """Return the ids of a prompt, made once: a robot says the same for minutes."""
    if key not in known:
        if len(known) >= _KNOWN:
            known.clear()
        known[key] = make()
    return known[key]


def _pre_tokenizer() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), 'isolated'),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _download(places: Sequence[Path], files: Sequence[str], repository: str) -> Path:
    problem = (
        f'No tokenizer in {", ".join(map(str, places))}: NVIDIA ships none with its checkpoints. '
        f'Copy {", ".join(files)} of {repository} into the checkpoint folder.'
    )
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise CheckpointError(f'{problem} They cannot be downloaded: {error}.') from None
    try:
        paths = [Path(hf_hub_download(repository, name)) for name in files]
    except Exception as error:  # network, cache and hub errors share no base class
        raise CheckpointError(f'{problem} The download failed: {error}') from None
    return paths[0].parent
