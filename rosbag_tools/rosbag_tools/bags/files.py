# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find bags in a folder, and the files of one bag; say what a path is that is no bag.

A folder with `metadata.yaml` is one bag; without it every recording in it is a bag of its own,
unless the files are the parts `<folder>_0`, `<folder>_1`, … that rosbag2 splits a recording into.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
import os
from pathlib import Path, PurePath
import re
import shutil
import tempfile
from typing import Any

import yaml
import zstandard

from gr00t_core.errors import BagError
from rosbag_tools.bags.db3_file import Db3File
from rosbag_tools.bags.embedded_metadata import load_yaml, texts
from rosbag_tools.bags.mcap_file import McapFile
from rosbag_tools.bags.ros1_file import Ros1File
from rosbag_tools.bags.storage import BagFile, DamagedError

METADATA = 'metadata.yaml'
READERS: dict[str, Callable[[Path], BagFile]] = {
    '.mcap': McapFile,
    '.db3': Db3File,
    '.bag': Ros1File,
}
LFS = b'version https://git-lfs'
# A file that is decompressed beside its bag leaves this share of the disk free.
FREE_SHARE = 0.1


@dataclass
class BagFiles:
    """The open files of one bag, in the order of recording.

    Attributes:
        files: To read one after the other.
        stated: Topic → messages by `metadata.yaml`; empty without one.
        compresses_messages: Every message is a zstd frame.
        custom_data: What the recorder stored.
        warnings: What the user should know.
    """

    files: list[BagFile]
    stated: dict[str, int]
    compresses_messages: bool
    custom_data: dict[str, str]
    warnings: list[str]
    stack: ExitStack = field(default_factory=ExitStack)


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings of a folder that has no `metadata.yaml`, parts of one as the folder.

    Raises:
        BagError: The folder cannot be read.
    """
    try:
        files = sorted((f for f in folder.iterdir() if _reader_of(f) and f.is_file()), key=natural)
    except OSError as error:
        raise BagError(f'{folder}: cannot be read: {error.strerror}') from None
    files = [file for file in files if not file.name.startswith('.')]
    names = {folder.name, real(folder).name}  # `.` and links have another one
    parts = [
        any(re.fullmatch(re.escape(name) + r'_\d+', _stem(file)) for name in names)
        for file in files
    ]
    return [folder] if len(files) == 1 or (files and all(parts)) else files


def bags_in(given: Path) -> list[Path]:
    """Return a bag itself, or the bags below a folder; hidden ones are trash.

    Raises:
        BagError: The folder cannot be read.
    """
    try:
        is_bag = not given.is_dir() or (given / METADATA).is_file()
    except OSError as error:  # e.g. a name that is too long
        raise BagError(f'{given}: cannot be read: {error.strerror}') from None
    if is_bag:
        return [given]
    found, root = _below(given, frozenset()), real(given)
    # A link to one of them (`latest`) is no further bag.
    linked = {bag: real(bag) != root / bag.relative_to(given) for bag in found}
    kept = {real(bag): bag for bag in sorted(found, key=lambda bag: linked[bag], reverse=True)}
    return [bag for bag in found if kept[real(bag)] == bag] or [given]  # says what it is


def _below(given: Path, above: frozenset[Path]) -> list[Path]:
    """Return the bags below a folder that is none itself; a link that leads up is not followed."""
    found = recordings_in(given)
    if found == [given]:
        return found
    above |= {real(given)}
    for folder in sorted(path for path in given.iterdir() if path.is_dir()):
        if folder.name.startswith('.') or real(folder) in above:
            continue
        found += [folder] if (folder / METADATA).is_file() else _below(folder, above)
    return found


def open_files(path: Path) -> BagFiles:
    """Open the files of a bag.

    Raises:
        BagError: It is no bag, or one of its files cannot be read; the message names the cause
            and the next step.
    """
    try:
        if not path.exists():
            raise BagError(f'{path}: no such bag')
        if path.is_dir():
            return _open_folder(path)
        if not path.is_file():  # a pipe would be waited for
            raise BagError(f'{path}: neither a folder nor a regular file')
        return _open_all(BagFiles([], {}, False, {}, []), [path])
    except OSError as error:
        raise BagError(f'{path}: cannot be opened: {error.strerror}') from None


def _open_folder(path: Path) -> BagFiles:
    opened = BagFiles([], {}, False, {}, [])
    if not (path / METADATA).is_file():
        found = recordings_in(path)
        if found != [path]:
            raise BagError(f'{path}: {_what_else(path, found)}')
        return _open_all(opened, _storage_files(path))
    information = _metadata(path / METADATA)
    present = _storage_files(path)
    if information is None:
        opened.warnings.append(f'{METADATA} is damaged: the files beside it are read without it')
        return _open_all(opened, present)
    names = dict.fromkeys(PurePath(name).name for name in information['relative_file_paths'])
    listed = [path / name for name in names]
    missing = [file for file in listed if not file.is_file()]
    extra = [file.name for file in present if file not in listed]
    if missing:
        raise BagError(
            f'{path}: {METADATA} names {", ".join(file.name for file in missing)}, which is not'
            f' there; the folder holds {", ".join(extra) or "no other recording"}; restore the'
            ' file, or correct relative_file_paths'
        )
    if extra:
        opened.warnings.append(f'{", ".join(extra)}: not read: {METADATA} does not name it')
    opened.stated = information['counts']
    opened.custom_data = information['custom_data']
    mode, form = information['compression']
    opened.compresses_messages = mode == 'message'
    if mode in ('message', 'file') and form != 'zstd':
        raise BagError(f'{path}: compressed with {form!r}; allowed: zstd')
    return _open_all(opened, listed)


def _open_all(opened: BagFiles, files: list[Path]) -> BagFiles:
    try:
        for file in files:
            storage = _open(file, opened.stack)
            opened.stack.callback(storage.close)
            opened.files.append(storage)
            opened.warnings += storage.contents.warnings
            opened.custom_data = {**storage.contents.custom_data, **opened.custom_data}
    except BaseException:
        opened.stack.close()
        raise
    return opened


def _open(file: Path, stack: ExitStack) -> BagFile:
    try:
        with file.open('rb') as stream:
            start = stream.read(len(LFS))
        if start == LFS:
            raise BagError(f'{file}: a Git LFS pointer, not the recording itself; git lfs pull')
        reader = _reader_of(file)
        if reader is None:
            raise BagError(
                f'{file}: no bag by its name; allowed: a folder with {METADATA}, *.mcap, *.db3, or'
                ' *.bag of ROS 1'
            )
        if file.suffix == '.zstd':
            file = _decompressed(file, stack)
        return reader(file)
    except DamagedError as error:
        raise BagError(f'{file}: cannot be opened: {error}{hint(file, error)}') from None
    except (OSError, MemoryError) as error:
        why = getattr(error, 'strerror', None) or error or type(error).__name__
        raise BagError(f'{file}: cannot be opened: {why}') from None
    except (BagError, KeyboardInterrupt):
        raise
    except Exception as error:  # on damaged files, whatever a library throws
        raise BagError(f'{file}: cannot be opened: {type(error).__name__}: {error}') from None


def hint(file: Path, error: DamagedError) -> str:
    """Return the next step after damage, as far as there is one."""
    if file.suffix == '.db3':
        return '; a damaged database: sqlite3 OLD.db3 ".recover" | sqlite3 NEW.db3'
    if error.cut_off and file.suffix == '.mcap':
        inside = (file.parent / METADATA).is_file() or recordings_in(file.parent) == [file.parent]
        whole = file.parent if inside else file
        return f'; what is complete in it is recovered by: gr00t inspect --repair {whole}'
    return ''


def _decompressed(file: Path, stack: ExitStack) -> Path:
    """Decompress a file to a folder of its own, as far as the disk has room."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='gr00t_bag_')))
    target = folder / file.stem
    room = round(shutil.disk_usage(folder).free * (1 - FREE_SHARE))
    try:
        with (
            file.open('rb') as packed,
            target.open('wb') as out,
            zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader,
        ):
            while block := reader.read(1 << 20):
                room -= len(block)
                if room < 0:
                    raise DamagedError(f'its content does not fit on the disk of {folder}')
                out.write(block)
    except zstandard.ZstdError as error:
        raise DamagedError(f'zstd: {error}') from None
    return target


def _storage_files(folder: Path) -> list[Path]:
    return sorted((f for f in folder.iterdir() if f.is_file() and _reader_of(f)), key=natural)


def _reader_of(file: Path) -> Callable[[Path], BagFile] | None:
    suffix = file.suffixes[-2:-1] if file.suffix == '.zstd' else [file.suffix]
    return READERS.get(suffix[0]) if suffix else None


def _stem(file: Path) -> str:
    return Path(file.stem).stem if file.suffix == '.zstd' else file.stem


def _holds_bag(folder: Path) -> bool:
    return (folder / METADATA).is_file() or bool(_storage_files(folder))


def _what_else(path: Path, found: list[Path]) -> str:
    """Say what a folder is that is no bag."""
    if (path / 'meta' / 'info.json').is_file():
        return f'a LeRobot dataset, no bag; look at it with: gr00t validate {path}'
    if found:
        names = ', '.join(file.name for file in found[:3])
        return f'holds {len(found)} recordings ({names}, …); name one of them'
    return (
        f'no bag in it; a ROS 2 bag is a folder with {METADATA} and *.mcap or *.db3 files, or one'
        ' such file; a ROS 1 bag is a *.bag file'
    )


def _metadata(file: Path) -> dict[str, Any] | None:
    """Return what `metadata.yaml` says, None where it is damaged."""
    try:
        content = load_yaml(file.read_text(encoding='utf-8'))
        information = content['rosbag2_bagfile_information']
        counts: dict[str, int] = {}
        for topic in information.get('topics_with_message_count') or []:
            name = _text(topic['topic_metadata']['name'])
            counts[name] = counts.get(name, 0) + int(topic['message_count'])
        return {
            'relative_file_paths': _texts(information['relative_file_paths']),
            'counts': counts,
            'custom_data': texts(information.get('custom_data')),
            'compression': (
                _text(information.get('compression_mode') or '').lower(),
                _text(information.get('compression_format') or '').lower(),
            ),
        }
    except (yaml.YAMLError, OSError, LookupError, TypeError, ValueError, AttributeError,
            RecursionError):  # fmt: skip
        return None


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f'a {type(value).__name__}, expected a list')
    return [_text(each) for each in value]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f'a {type(value).__name__}, expected a text')
    return value


def real(path: Path) -> Path:
    """Return where a path really lies; a circle of links is no error, as in `Path.resolve`."""
    return Path(os.path.realpath(path))


def natural(file: Path) -> list[int | str]:
    """Sort bag_9.mcap before bag_10.mcap."""
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', file.name)]
