# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recognise a name on the Hugging Face Hub where a folder is expected."""

from pathlib import Path
import re

_NAME = re.compile(r'[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*')


def is_hub_name(text: str) -> bool:
    """Tell whether a text is OWNER/NAME, as the Hub allows it."""
    return _NAME.fullmatch(text) is not None and not re.search(r'--|\.\.|[-.]$|[-.]/', text)


def how_to_download(path: str | Path, kind: str) -> str:
    """Return a sentence that says how to download it; '' where it is no such name.

    Args:
        path: What the user gave in place of a folder.
        kind: `model` or `dataset`.
    """
    name = str(path)
    if Path(path).exists() or not _NAME.fullmatch(name):
        return ''
    option = ' --repo-type dataset' if kind == 'dataset' else ''
    folder = name.rpartition('/')[2]
    return (
        f' It looks like a name on the Hugging Face Hub: download it with `hf download {name}'
        f'{option} --local-dir {folder}`, then give {folder}.'
    )
