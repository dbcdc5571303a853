# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check the pictures that lie in the parquet files: that each is there and can be decoded."""

from collections.abc import Iterator

from gr00t_core.dataset.checks.findings import error, Finding, warning
from gr00t_core.dataset.formats.tables import column_names, read_table, to_canonical
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import INFO
from gr00t_core.dataset.video.image_column import decode
from gr00t_core.errors import DatasetError


def check_images(dataset: Dataset, every: bool) -> Iterator[Finding]:
    """Yield what is wrong with the columns of dtype `image`; depth maps are not looked at.

    Args:
        dataset: The dataset.
        every: Decode every picture, rather than the first of each file.

    Raises:
        DatasetError: A file cannot be read.
    """
    keys = [key for key in dataset.info.image_keys if not dataset.info.features[key].depth]
    if not keys:
        return
    yield warning(
        dataset.path / INFO,
        f'{", ".join(keys)}: dtype image, so pictures lie in the parquet files: random access is'
        ' slow (`gr00t finetune --frame-cache model` decodes them once)',
    )
    for path in dict.fromkeys(episode.data for episode in dataset.episodes):
        for key in keys:
            if key not in column_names(path):
                continue  # told by the check of the rows
            feature = dataset.info.features[key]
            try:
                pictures = to_canonical(
                    read_table(path, [key]).column(key), feature, f'{path}: {key}'
                )
                for row in range(len(pictures) if every else min(1, len(pictures))):
                    decode(pictures[row].as_py(), feature, f'{path}: row {row}: {key}')
            except DatasetError as problem:
                yield error(path, str(problem))
