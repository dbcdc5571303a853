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

LFS_POINTER = b'version https://git-lfs'
IMAGE_TYPE = pa.struct([('bytes', pa.binary()), ('path', pa.string())])  # Hugging Face `datasets`
# Kinds of NumPy types that columns may have: bool, signed and unsigned integers, floats.
NUMBERS = 'biuf'


def refuse_pipe(path: Path) -> None:
    """Refuse what is neither file nor folder: a pipe would be waited for.

    Raises:
        DatasetError: It is a pipe, a socket or a device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DatasetError(f'{path}: neither a folder nor a regular file')


def read_table(path: Path, columns: list[str] | None = None, group: int | None = None) -> Any:
    """Read one parquet file, or some of its columns, or one of its row groups.

    Raises:
        DatasetError: It is missing, damaged, or lacks a column.
    """
    try:
        refuse_pipe(path)
        # ParquetFile, unlike read_table, takes no meaning from folder names such as key=value.
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if missing := [name for name in columns or [] if name not in names]:
                raise DatasetError(f'{path}: no column {missing[0]!r}; it has {", ".join(names)}')
            if twice := [name for name in columns or names if names.count(name) > 1]:
                raise DatasetError(f'{path}: column {twice[0]!r} is there more than once')
            if group is not None:
                return file.read_row_group(group, columns=columns)
            return file.read(columns=columns)
    except FileNotFoundError:
        raise DatasetError(f'{path}: missing') from None
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, 'not a readable parquet file', error) from None


def unreadable(path: Path, what: str, error: Exception) -> DatasetError:
    """Return the error for a file that cannot be read; says so where it is a Git LFS pointer."""
    try:
        with path.open('rb') as file:
            pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        pointer = False
    if pointer:
        return DatasetError(
            f'{path}: a Git LFS pointer, not the file itself; run `git lfs pull` in the dataset'
        )
    return DatasetError(f'{path}: {what}: {error}')


def row_groups(path: Path) -> list[int]:
    """Return the number of rows of each row group of a parquet file.

    Raises:
        DatasetError: It is missing or damaged.
    """
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, 'not a readable parquet file', error) from None
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of a parquet file.

    Raises:
        DatasetError: It is missing or damaged.
    """
    try:
        refuse_pipe(path)
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, 'not a readable parquet file', error) from None


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
    """Return a column of numbers as an array: lists become further axes.

    Raises:
        DatasetError: It has nulls, lists of different lengths, or something else than numbers.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps several above 2 GB
        array = pa.concat_arrays(array.chunks)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    shape = [len(array)]
    while _is_list(array.type):
        _no_nulls(array, where)
        lengths = np.asarray(pc.list_value_length(array))
        width = int(lengths[0]) if len(lengths) else 0
        if np.any(lengths != width):
            raise DatasetError(f'{where}: its rows have different lengths')
        shape.append(width)
        array = array.flatten()
    _no_nulls(array, where)
    kind = array.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise DatasetError(f'{where}: holds {kind}, expected numbers')
    return np.asarray(array.to_numpy(zero_copy_only=False)).reshape(shape)


def to_arrow(values: NDArray[Any], feature: Feature) -> Any:
    """Return (N, …) values as LeRobot stores them: scalars for shape (1,), else nested lists.

    Lists of one axis have a fixed size; those of more are as Hugging Face's Array2D stores them.
    """
    flat = pa.array(np.ascontiguousarray(values, feature.dtype).reshape(-1))
    if feature.shape in ((), (1,)):
        return flat
    if len(feature.shape) == 1:
        return pa.FixedSizeListArray.from_arrays(flat, feature.shape[0])
    for size in reversed(feature.shape):
        offsets = np.arange(0, len(flat) + 1, size, dtype=np.int32)
        flat = pa.ListArray.from_arrays(offsets, flat)
    return flat


def to_canonical(column: Any, feature: Feature, where: str) -> Any:
    """Return a column that holds no numbers in the one type that all files shall have.

    Raises:
        DatasetError: It is not of the feature's dtype.
    """
    try:
        if feature.is_image:
            return _pictures(column)
        if feature.dtype == 'string' and not _is_list(column.type):
            return column.cast(pa.string())
    except (pa.ArrowException, KeyError) as error:
        raise DatasetError(f'{where}: cannot be read as {feature.dtype}: {error}') from None
    return column


def _pictures(column: Any) -> Any:
    """Return encoded pictures, stored as bytes or as a struct, as IMAGE_TYPE."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_struct(array.type):
        parts = {'bytes': array}
    else:
        names = [field.name for field in array.type]
        parts = {name: pc.struct_field(array, name) for name in ('bytes', 'path') if name in names}
    fields = [
        parts[field.name].cast(field.type)
        if field.name in parts
        else pa.nulls(len(array), field.type)
        for field in IMAGE_TYPE
    ]
    return pa.StructArray.from_arrays(fields, fields=list(IMAGE_TYPE))


def castable(column: Any, feature: Feature, name: str) -> str:
    """Say why `datasets` could not cast a column of numbers to its feature; empty if it can."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    while _is_list(array.type):
        array = array.flatten()
    try:
        array.cast(pa.from_numpy_dtype(np.dtype(feature.dtype)))
    except pa.ArrowException as error:
        return (
            f'{name}: stored as {array.type}, which cannot become {feature.dtype}, as'
            f' meta/info.json says: {error}'
        )
    return ''


def _is_list(kind: Any) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _no_nulls(array: Any, where: str) -> None:
    if array.null_count:
        raise DatasetError(f'{where}: {array.null_count} values are missing')
