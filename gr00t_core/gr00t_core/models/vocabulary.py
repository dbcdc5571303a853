# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the vocabulary of a checkpoint: both families use Qwen2's, with other special tokens."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tokenizers import decoders, normalizers, pre_tokenizers, Regex, Tokenizer

from gr00t_core.errors import CheckpointError

TOKENIZER_FILE = 'tokenizer.json'

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
