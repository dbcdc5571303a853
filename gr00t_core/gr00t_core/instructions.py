# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check an instruction where it enters: topic, goal, server, client, policy (decision 0028).

No tokenizer is needed here, so the robot's nodes and the server's sockets can check. The policy
counts the tokens besides.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gr00t_core.errors import ObservationError

# GR00T N1.5's transforms name 512 tokens as the longest text; it was trained on single sentences.
MAX_TOKENS = 512
# A token of English has four characters or more. Counting them costs nothing.
MAX_CHARACTERS = 4 * MAX_TOKENS
_SHOWN = 80


def checked_instruction(text: str) -> str:
    """Return an instruction as it is, or '' where it holds nothing that can be read.

    Raises:
        ObservationError: It is longer than `MAX_CHARACTERS`, or is not valid Unicode.
    """
    if len(text) > MAX_CHARACTERS:
        raise ObservationError(
            f'the instruction {shown(text)} has {len(text)} characters; at most {MAX_CHARACTERS}'
            f' are allowed (about {MAX_TOKENS} tokens). Say it in a sentence'
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ObservationError(
            f'the instruction {shown(text)} is not valid Unicode: {error.reason} at character'
            f' {error.start}. Send UTF-8 text'
        ) from None
    is_readable = any(c.isprintable() and not c.isspace() for c in text)
    return text if is_readable else ''


def checked_instructions(value: Any) -> Any:
    """Check each text of an observation's instruction, in whatever lists or array it comes.

    Returns:
        A str for a str, else a flat list; what is no str is left for `transforms.observation`.

    Raises:
        ObservationError: As `checked_instruction`.
    """
    if isinstance(value, str):
        return checked_instruction(value)
    return [
        checked_instruction(text) if isinstance(text, str) else text for text in flattened(value)
    ]


def flattened(value: Any) -> Iterator[Any]:
    """Yield the elements of nested lists, tuples and arrays, however deep.

    NumPy would give every text of a list the room of the longest.
    """
    pending = [iter([value])]
    while pending:
        for inner in pending[-1]:
            if isinstance(inner, np.ndarray):
                yield from inner.reshape(-1).tolist()
            elif isinstance(inner, list | tuple):
                pending.append(iter(inner))
                break
            else:
                yield inner
        else:
            pending.pop()


def shown(value: object) -> str:
    """Return the beginning of a value as errors and logs show it."""
    try:
        text = repr(value[: _SHOWN + 1]) if isinstance(value, str) else repr(value)
    except (RecursionError, ValueError):  # nested too deeply; an int of more than 4300 digits
        text = f'a {type(value).__name__}'
    return text if len(text) <= _SHOWN else f'{text[: _SHOWN - 1]}…'
