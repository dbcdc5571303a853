# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a dataset of bags to look at: with `gr00t convert`, whose results are kept for later."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

from gr00t_console.view.sources import REPORT
from gr00t_core.errors import DatasetError

GENTLE = 19  # niceness


def convert(words: list[str], output: Path, *, gently: bool = False) -> None:
    """Make a dataset of bags to look at; bags that were converted before are not converted again.

    Args:
        words: Arguments of `gr00t convert` but for the output.
        output: Folder of the dataset; one that was made so is replaced.
        gently: At the lowest priority: a robot works on the same machine.

    Raises:
        DatasetError: None of the bags can be converted, or the folder cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if (output / REPORT).is_file():
            shutil.rmtree(output)  # of the last time; its shards beside it stay
    except OSError as error:
        raise DatasetError(f'{output.parent}: cannot be written: {error.strerror}') from None
    command = [sys.executable, '-m', 'gr00t_core', 'convert', *words, '--output', str(output)]
    # A process of its own: rosbag_tools and this package meet in files only.
    done = subprocess.run(
        ['nice', '-n', str(GENTLE), *command] if gently else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if gently else None,
        stderr=subprocess.PIPE if gently else None,
        text=True,
        check=False,
    )
    # 1 with a dataset: some of the bags have faults, which the page shows.
    if done.returncode not in (0, 1) or not (output / REPORT).is_file():
        last = (done.stderr or '').strip().splitlines()[-1:]
        why = last[0] if last else 'see what gr00t convert said above'
        raise DatasetError(f'the bags cannot be shown: {why}')


def cache() -> Path:
    """Return where datasets of bags are kept."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'gr00t' / 'view'
