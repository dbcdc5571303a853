# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn parquet columns into NumPy arrays and back."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gr00t_core.dataset.schema import Feature
from gr00t_core.errors import DatasetError


def read_table(path: Path, columns: list[str] | None = None) -> Any:
    """Read one parquet file, or some of its columns.

    Raises:
        DatasetError: It is missing, damaged, or lacks a column.
    """
    try:
        # ParquetFile, unlike read_table, takes no meaning from folder names such as key=value.
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if missing := [name for name in columns or [] if name not in names]:
                raise DatasetError(f'{path}: no column {missing[0]!r}; it has {", ".join(names)}')
            return file.read(columns=columns)
    except FileNotFoundError:
        raise DatasetError(f'{path}: missing') from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f'{path}: not a readable parquet file: {error}') from None


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of a parquet file.

    Raises:
        DatasetError: It is missing or damaged.
    """
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise DatasetError(f'{path}: not a readable parquet file: {error}') from None


def read_column(paths: Iterable[Path], name: str) -> NDArray[Any]:
    """Return one column over several files: (N,) for scalars, (N, …) for lists.

    Raises:
        DatasetError: A file is missing or damaged, lacks the column, or has rows of different
            lengths.
    """
    parts: list[NDArray[Any]] = []
    for path in paths:
        values = to_numpy(read_table(path, [name]).column(name), f'{path}: {name}')
        if parts and values.shape[1:] != parts[0].shape[1:]:
            raise DatasetError(
                f'{path}: {name}: rows of shape {values.shape[1:]}, in the file before'
                f' {parts[0].shape[1:]}'
            )
        parts.append(values)
    if not parts:
        raise DatasetError(f'{name}: the dataset has no data files')
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def to_numpy(column: Any, where: str) -> NDArray[Any]:
    """Return a column as an array: lists become further axes.

    Raises:
        DatasetError: It has nulls, or lists of different lengths.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    shape = [len(array)]
    while pa.types.is_nested(array.type):
        _no_nulls(array, where)
        lengths = np.asarray(pc.list_value_length(array))
        width = int(lengths[0]) if len(lengths) else 0
        if np.any(lengths != width):
            raise DatasetError(f'{where}: its rows have different lengths')
        shape.append(width)
        array = array.flatten()
    _no_nulls(array, where)
    return np.asarray(array.to_numpy(zero_copy_only=False)).reshape(shape)


def to_arrow(values: NDArray[Any], feature: Feature) -> Any:
    """Return (N,) or (N, D) values as Arrow: scalars for shape (1,), else lists of fixed size."""
    flat = pa.array(np.ascontiguousarray(values, feature.dtype).reshape(-1))
    width = int(np.prod(feature.shape))
    return flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)


def _no_nulls(array: Any, where: str) -> None:
    if array.null_count:
        raise DatasetError(f'{where}: {array.null_count} values are missing')
