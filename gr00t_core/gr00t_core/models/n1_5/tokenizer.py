# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn instructions and camera views into token ids: prompt text, placeholders, left padding.

Shapes: B batch · T tokens of the longest prompt. The prompt is ChatML: a system turn, a user turn
with every view's placeholder followed by the instruction, an open assistant turn. Token ids of
GR00T N1.5: Eagle 2.5's tokenizer, which is Qwen2's vocabulary with the special tokens of
`GR00T_IDS`.
"""

from collections.abc import Sequence
import json
from pathlib import Path

from tokenizers import Tokenizer

from gr00t_core.errors import CheckpointError
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.vocabulary import (
    checked_ids,
    find_tokenizer,
    PromptBatch,
    QWEN_FILES,
    read_bpe,
    refuse_control_tokens,
    refuse_long,
    remembered,
    special_token,
)

SYSTEM = 'You are a helpful assistant.'
IMAGE_CONTEXT, IMAGE_OPEN, IMAGE_CLOSE = '<IMG_CONTEXT>', '<img>', '</img>'
TURN_OPEN, TURN_CLOSE, PAD = '<|im_start|>', '<|im_end|>', '<|endoftext|>'
SPECIAL_TOKENS = (PAD, TURN_OPEN, TURN_CLOSE, IMAGE_CONTEXT, IMAGE_OPEN, IMAGE_CLOSE)

# Public repository with the tokenizer files that GR00T N1.5 ships in its code (NVIDIA's
# checkpoints hold none).
HUB_REPOSITORY = 'lerobot/eagle2hg-processor-groot-n1p5'

# Fact sheet section 1.6: special ids, and an ordinary text whose ids pin vocabulary and merges.
GR00T_IDS = dict(
    zip(SPECIAL_TOKENS, (151_643, 151_644, 151_645, 151_669, 151_670, 151_671), strict=True)
)
_PROBE, _PROBE_IDS = '<image 1>', [27, 1805, 220, 16, 29]


class PromptTokenizer:
    """Instructions and view counts to token ids.

    Attributes:
        source: Where the vocabulary came from, for people.
        tokens_per_view: Image tokens that one view occupies.
        pad_id: Id that fills up shorter prompts.
    """

    def __init__(self, tokenizer: Tokenizer, source: str, config: Gr00tConfig) -> None:
        """Check the tokenizer against the checkpoint's config.

        Raises:
            CheckpointError: A special token is missing, an id is wrong, or the vocabulary exceeds
                the embedding.
        """
        ids = checked_ids(tokenizer, source, SPECIAL_TOKENS, IMAGE_CONTEXT, config, HUB_REPOSITORY)
        self.source = source
        self.tokens_per_view = config.vision.num_tokens
        self._tokenizer = tokenizer
        self._known: dict[tuple[str, int], list[int]] = {}
        self.pad_id = ids[PAD]

    def prompt(self, instruction: str, views: int) -> str:
        """Return the text that is tokenised, image placeholders expanded.

        Raises:
            ObservationError: The instruction holds the text of a special token.
        """
        refuse_control_tokens(instruction, instruction, SPECIAL_TOKENS)
        context = IMAGE_OPEN + IMAGE_CONTEXT * self.tokens_per_view + IMAGE_CLOSE
        images = ''.join(f'<image {view}>{context}' for view in range(1, views + 1))
        return (
            f'{TURN_OPEN}system\n{SYSTEM}{TURN_CLOSE}\n'
            f'{TURN_OPEN}user\n{images}{instruction}{TURN_CLOSE}\n'
            f'{TURN_OPEN}assistant\n'
        )

    def encode(self, instruction: str, views: int) -> list[int]:
        """Return the token ids of one prompt with `views` images (time outer, view inner)."""
        return remembered(
            self._known,
            (instruction, views),
            lambda: (
                self._tokenizer.encode(
                    self.prompt(instruction, views), add_special_tokens=False
                ).ids
            ),
        )

    def check_length(self, instruction: str, views: int) -> None:
        """Refuse an instruction that has more tokens than the model was made for.

        Raises:
            ObservationError: Names its tokens and how many are allowed.
        """
        tokens = len(self.encode(instruction, views)) - len(self.encode('', views))
        refuse_long(instruction, tokens)

    def batch(self, instructions: Sequence[str], views: int) -> PromptBatch:
        """Return the ids of B prompts, padded on the left to the longest."""
        rows = [self.encode(instruction, views) for instruction in instructions]
        return PromptBatch.padded(rows, self.pad_id)


def load_tokenizer(
    folder: str | Path, config: Gr00tConfig, vocabulary: str | Path | None = None
) -> PromptTokenizer:
    """Find the tokenizer of a checkpoint.

    In this order: `tokenizer.json` or Qwen2's `vocab.json`, `merges.txt` and `added_tokens.json`
    in the checkpoint folder; the same files in the folder `vocabulary`; those of `HUB_REPOSITORY`
    from the Hugging Face hub or its cache.

    Raises:
        CheckpointError: None is found, or its ids are not those that the checkpoint was trained
            with.
    """
    tokenizer, place = find_tokenizer(
        folder, vocabulary, QWEN_FILES, HUB_REPOSITORY, _qwen_tokenizer
    )
    if place is None:
        source = f'Hugging Face hub, {HUB_REPOSITORY}'
    else:
        source = f'{place} ({", ".join(QWEN_FILES)})' if place.is_dir() else str(place)
    return PromptTokenizer(tokenizer, source, config)


def _qwen_tokenizer(folder: Path) -> Tokenizer:
    tokenizer = read_bpe(folder, QWEN_FILES)
    try:
        added_ids: dict[str, int] = json.loads((folder / QWEN_FILES[2]).read_text('utf-8'))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f'{folder}: {", ".join(QWEN_FILES)} cannot be read: {error}.'
        ) from None
    tokenizer.add_special_tokens(
        [special_token(token) for token in sorted(added_ids, key=lambda token: added_ids[token])]
    )
    found = {token: tokenizer.token_to_id(token) for token in added_ids}
    probe = tokenizer.encode(_PROBE, add_special_tokens=False).ids
    wrong = {
        token: index
        for token, index in found.items()
        if index != GR00T_IDS.get(token, added_ids[token])
    }
    if wrong or probe != _PROBE_IDS:
        raise CheckpointError(
            f"{folder} does not hold GR00T N1.5's vocabulary: {_PROBE!r} gives {probe}, "
            f'expected {_PROBE_IDS}; '
            f'special tokens with wrong ids: {wrong}. Use the tokenizer files of {HUB_REPOSITORY}.'
        )
    return tokenizer
