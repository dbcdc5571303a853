# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare what a page takes as given: bags, a dataset, checkpoints; all small, of the SO-101."""

from collections.abc import Iterable
from pathlib import Path
import shutil

from truth_bag import TruthBag

from gr00t_core.commands.main import run as gr00t

NOTES = {'gr00t.instruction': 'pick up the red cube', 'gr00t.success': 'true'}


class Inputs:
    """Makes each input once, and gives a page its own copy.

    `bags/` holds two recorded episodes, `dataset/` is their conversion, `base/` a random tiny
    checkpoint and `run/` one that stands for a finetuned one.
    """

    def __init__(self, store: Path) -> None:
        self._store = store

    def give(self, names: Iterable[str], folder: Path) -> None:
        """Copy inputs into a page's folder."""
        for name in names:
            made = self._store / name
            if not made.exists():
                getattr(self, f'_make_{name}')(made)
            shutil.copytree(made, folder / name)

    def _make_bags(self, path: Path) -> None:
        path.mkdir()
        for seed in range(2):
            TruthBag(seconds=2.0, seed=seed, custom=NOTES).write(
                path / f'20260101_12000{seed}_00{seed}'
            )

    def _make_dataset(self, path: Path) -> None:
        bags = self._store / 'bags'
        if not bags.exists():
            self._make_bags(bags)
        words = [*map(str, sorted(bags.iterdir())), '--robot', 'so101', '--output', str(path)]
        assert gr00t('convert', [*words, '--workers', '1']) == 0

    def _make_base(self, path: Path) -> None:
        assert gr00t('init-checkpoint', ['--size', 'tiny', '--robot', 'so101', str(path)]) == 0

    _make_run = _make_base
