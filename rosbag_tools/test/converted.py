# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert truth bags in tests, and read the truth back out of the dataset."""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np
from truth_bag import read_time, START_NS, TruthBag

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.reader import Dataset


@dataclass
class Truth:
    """What a dataset says, and what its pixels say.

    Attributes:
        stamp_s: Stamps of the rows since the bag's start.
        joint_s: True time of each row's state.
        image_s: Camera → true time of each row's frame.
    """

    path: Path
    dataset: Dataset
    report: Any
    stamp_s: Any
    joint_s: Any
    image_s: dict[str, Any]

    @property
    def rows(self) -> int:
        return len(self.stamp_s)

    @property
    def skew_ms(self) -> Any:
        """Return the reference camera's image time minus state time."""
        return (next(iter(self.image_s.values())) - self.joint_s) * 1e3


def convert(
    folder: Path, bag: TruthBag | Path | list[Path], *options: str, status: int = 0
) -> Truth:
    """Convert a bag of the SO-101 with `gr00t convert`, and read the truth back."""
    if isinstance(bag, TruthBag):
        bag = bag.write(folder / 'bag')
    bags = bag if isinstance(bag, list) else [bag]
    output = folder / 'dataset'
    words = [*map(str, bags), '--output', str(output), *options]
    if '--robot' not in words:
        words += ['--robot', 'so101']
    if not {'--workers', '--executor'} & set(words):
        words += ['--workers', '1']  # no processes to start
    assert gr00t('convert', words) == status
    return read(output)


def read(output: Path) -> Truth:
    dataset = Dataset.open(output)
    report = json.loads((output / 'meta' / 'conversion_report.json').read_text())
    image_s = {
        camera: np.array(
            [
                read_time(frame) / 1e9
                for episode, place in enumerate(dataset.episodes)
                for frame in dataset.frames(episode, f'video.{camera}', range(place.length))
            ]
        )
        for camera in dataset.modality.video
    }
    return Truth(
        output,
        dataset,
        report,
        (dataset.column('observation.stamp_ns').reshape(-1) - START_NS) / 1e9,
        dataset.column('observation.state')[:, 0] / 0.1,
        image_s,
    )
