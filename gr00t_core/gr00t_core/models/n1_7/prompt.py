# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn instructions and images into N1.7's token ids.

The prompt is one user turn of Qwen's chat format: every image's placeholders, then the
instruction; no system turn and no assistant turn. Checkpoints hold no tokenizer: it is Qwen3-VL's,
Qwen2's vocabulary (as N1.5's) with the special tokens of `ADDED`.
"""

from collections.abc import Sequence
from pathlib import Path
import re

from tokenizers import Tokenizer

from gr00t_core.errors import CheckpointError
from gr00t_core.models.n1_7.config import Gr00tN17Config
from gr00t_core.models.vocabulary import (
    checked_ids,
    find_tokenizer,
    PromptBatch,
    read_bpe,
    refuse_control_tokens,
    refuse_long,
    remembered,
    special_token,
)

QWEN_FILES = ('vocab.json', 'merges.txt')
HUB_REPOSITORY = 'Qwen/Qwen3-VL-2B-Instruct'
PAD, TURN_OPEN, TURN_CLOSE = '<|endoftext|>', '<|im_start|>', '<|im_end|>'
VISION_OPEN, VISION_CLOSE, IMAGE = '<|vision_start|>', '<|vision_end|>', '<|image_pad|>'
SPECIAL_TOKENS = (PAD, TURN_OPEN, TURN_CLOSE, VISION_OPEN, VISION_CLOSE, IMAGE)
FIRST_ADDED = 151_643
ADDED = (
    *(PAD, TURN_OPEN, TURN_CLOSE, '<|object_ref_start|>', '<|object_ref_end|>'),
    *('<|box_start|>', '<|box_end|>', '<|quad_start|>', '<|quad_end|>'),
    *(VISION_OPEN, VISION_CLOSE, '<|vision_pad|>', IMAGE, '<|video_pad|>'),
    *('<tool_call>', '</tool_call>', '<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>'),
    *('<|fim_pad|>', '<|repo_name|>', '<|file_sep|>', '<tool_response>', '</tool_response>'),
    *('<think>', '</think>'),
)
EMPTY = 'Perform the task.'  # what LeRobot says for an empty instruction


def formalized(text: str) -> str:
    """Return the text in lower case, without anything but word characters and white space."""
    return re.sub(r'[^\w\s]', '', text.lower())


class Prompts:
    """Instructions and image sizes to token ids.

    Attributes:
        source: Where the vocabulary came from, for people.
        pad_id: Id that fills up shorter prompts.
    """

    def __init__(
        self, tokenizer: Tokenizer, source: str, config: Gr00tN17Config, formalize: bool
    ) -> None:
        """Check the tokenizer against the checkpoint's config; raises CheckpointError."""
        ids = checked_ids(tokenizer, source, SPECIAL_TOKENS, IMAGE, config, HUB_REPOSITORY)
        self.source = source
        self._tokenizer, self._formalize = tokenizer, formalize
        self._known: dict[str, list[int]] = {}
        self.pad_id = ids[PAD]
        self._image = ids[IMAGE]
        self._around = (ids[VISION_OPEN], ids[VISION_CLOSE])
        begin, end = f'{TURN_OPEN}user\n', f'{TURN_CLOSE}\n'
        self._begin, self._end = (
            tokenizer.encode(text, add_special_tokens=False).ids for text in (begin, end)
        )

    def text(self, instruction: str) -> str:
        """Return the instruction as it is tokenised.

        Raises:
            ObservationError: It holds the text of a special token.
        """
        text = instruction or EMPTY
        text = formalized(text) if self._formalize else text
        refuse_control_tokens(instruction, text, SPECIAL_TOKENS)
        return text

    def encode(self, instruction: str, image_tokens: Sequence[int]) -> list[int]:
        """Return the ids of one prompt with images of so many tokens (time outer, view inner)."""
        ids = list(self._begin)
        for count in image_tokens:
            ids += [self._around[0], *[self._image] * count, self._around[1]]
        return [*ids, *self._words(instruction), *self._end]

    def check_length(self, instruction: str, views: int) -> None:
        """Refuse an instruction that is longer than the model was made for.

        Raises:
            ObservationError: Names its tokens and how many are allowed.
        """
        refuse_long(instruction, len(self._words(instruction)))

    def batch(
        self, instructions: Sequence[str], image_tokens: Sequence[Sequence[int]]
    ) -> PromptBatch:
        """Return the ids of B prompts, padded on the left to the longest."""
        rows = [self.encode(text, counts) for text, counts in zip(instructions, image_tokens)]
        return PromptBatch.padded(rows, self.pad_id)

    def _words(self, instruction: str) -> list[int]:
        return remembered(
            self._known,
            instruction,
            lambda: self._tokenizer.encode(self.text(instruction), add_special_tokens=False).ids,
        )


def load_prompts(
    folder: str | Path,
    config: Gr00tN17Config,
    formalize: bool = True,
    vocabulary: str | Path | None = None,
) -> Prompts:
    """Find the tokenizer of a checkpoint.

    In this order: `tokenizer.json`, or `vocab.json` and `merges.txt`, in the checkpoint folder;
    the same in the folder `vocabulary`; those of `HUB_REPOSITORY` from the hub or its cache.

    Raises:
        CheckpointError: None is found, or its ids are not the checkpoint's.
    """
    tokenizer, place = find_tokenizer(
        folder, vocabulary, QWEN_FILES, HUB_REPOSITORY, qwen_tokenizer
    )
    source = f'Hugging Face hub, {HUB_REPOSITORY}' if place is None else str(place)
    return Prompts(tokenizer, source, config, formalize)


def qwen_tokenizer(folder: Path) -> Tokenizer:
    """Build Qwen3-VL's tokenizer from `vocab.json` and `merges.txt`; raises CheckpointError."""
    tokenizer = read_bpe(folder, QWEN_FILES)
    tokenizer.add_special_tokens([special_token(token) for token in ADDED])
    found = [tokenizer.token_to_id(token) for token in ADDED]
    if found != list(range(FIRST_ADDED, FIRST_ADDED + len(ADDED))):
        raise CheckpointError(
            f"{folder} does not hold Qwen3-VL's vocabulary: {PAD} is {found[0]}, expected"
            f' {FIRST_ADDED}. Use {", ".join(QWEN_FILES)} of {HUB_REPOSITORY}.'
        )
    return tokenizer
