# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find message definitions: in the workspace (`share/<package>/msg/*.msg`), else the known ones.

Known are Jazzy's standard messages and two video packages that old bags carry no definition of.
"""

from collections.abc import Iterator, Mapping, Sequence
import os
from pathlib import Path
import struct
from typing import Any

from rosbags.interfaces import Connection, MessageDefinitionFormat, Nodetype
from rosbags.serde.errors import SerdeError
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

from gr00t_core.errors import BagError

EXTRA_DEFINITIONS = {
    'foxglove_msgs/msg/CompressedVideo': (
        'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n'
    ),
    'ffmpeg_image_transport_msgs/msg/FFMPEGPacket': (
        'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n'
        'uint8 flags\nbool is_bigendian\nuint8[] data\n'
    ),
}


def known_types() -> Typestore:
    """Return a store of the known types."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in EXTRA_DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    return store


def bag_types(connections: Sequence[Connection], given: Mapping[str, str]) -> Typestore:
    """Return a store of the types that a bag defines and of the given ones.

    The known ones are added only to a bag that leaves a type undefined: there are hundreds.

    Args:
        connections: The bag's.
        given: Type name → text of its `.msg` file.

    Raises:
        TypesysError: A definition cannot be parsed, or contradicts another one.
    """
    store = get_typestore(Stores.EMPTY)
    for connection in connections:
        if connection.msgdef.format == MessageDefinitionFormat.MSG:
            store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
        elif connection.msgdef.format == MessageDefinitionFormat.IDL:
            for text in _idl_files(connection.msgdef.data):
                store.register(get_types_from_idl(text))
    for name, text in given.items():
        store.register(get_types_from_msg(text, name))
    if any(stored_name(store, each.msgtype) not in store.fielddefs for each in connections):
        known = known_types().fielddefs
        store.register({key: value for key, value in known.items() if key not in store.fielddefs})
    return store


def stored_name(store: Typestore, name: str) -> str:
    """Return the name under which rosbags keeps a type: that of a service's has a `msg` put in."""
    package, kind, last = name.split('/')
    put_in = f'{package}/{kind}/msg/{last}'
    return put_in if name not in store.fielddefs and put_in in store.fielddefs else name


def _idl_files(data: str) -> list[str]:
    separator = '=' * 80 + '\n'
    if not data.startswith(f'{separator}IDL: '):
        return [data]
    return [file.split('\n', 1)[1] for file in data.split(separator)[1:]]


def installed_types(names: tuple[str, ...]) -> Typestore:
    """Return a store of these types and those that they are made of.

    Args:
        names: ROS type names; looked for in AMENT_PREFIX_PATH first.

    Raises:
        BagError: A type is neither installed nor known.
    """
    known = known_types()
    store = get_typestore(Stores.EMPTY)
    open_, seen = list(names), set[str]()
    while open_:
        name = open_.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _installed(name)
        if file is not None:
            found = get_types_from_msg(file.read_text(encoding='utf-8'), name)
        elif name in known.fielddefs:
            found = {name: known.fielddefs[name]}
        else:
            raise BagError(
                f'{name}: no definition found; source the workspace that has'
                f' share/{name}.msg, or leave out its topic'
            )
        store.register({key: value for key, value in found.items() if key not in store.fielddefs})
        open_ += [text for text in _parts(found[name]) if text not in seen]
    return store


def deserialize(store: Typestore, raw: bytes, name: str) -> Any:
    """Return the message of a type that some CDR bytes hold; bytes after its end are ignored.

    rclpy's `serialize_message` leaves such bytes, and so do bags written with it.

    Raises:
        BagError: The bytes do not fit the type.
        KeyError: The store does not know the type.
    """
    if len(raw) < 4 or raw[0] != 0 or raw[1] > 1:
        raise BagError(f'no CDR message: it begins with {raw[:4].hex(" ") or "nothing"}')
    known = store.get_msgdef(name)
    read = known.deserialize_cdr_le if raw[1] else known.deserialize_cdr_be
    try:
        message, _ = read(memoryview(raw)[4:], 0, known.cls, store)
    except (struct.error, ValueError, IndexError, SerdeError) as error:
        raise BagError(f'{len(raw)} bytes hold no {name}: {error}') from None
    return message


def has_header(store: Typestore, name: str) -> bool:
    """Return whether messages of a type begin with a std_msgs/Header (or a bare stamp)."""
    fields = store.fielddefs.get(name, ([], []))[1]
    return bool(fields) and fields[0][1][1] in (
        'std_msgs/msg/Header',
        'builtin_interfaces/msg/Time',
    )


def _installed(name: str) -> Path | None:
    for prefix in filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)):
        file = Path(prefix) / 'share' / f'{name}.msg'
        if file.is_file():
            return file
    return None


def _parts(definition: Any) -> Iterator[str]:
    """Yield the names of the types that a definition's fields have."""
    for _, field in definition[1]:
        kind, value = field
        while kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
            kind, value = value[0]
        if kind == Nodetype.NAME:
            yield value
