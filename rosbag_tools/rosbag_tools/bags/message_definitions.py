# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find message definitions: in the workspace (`share/<package>/msg/*.msg`), else the known ones.

Known are Jazzy's standard messages and two video packages that old bags carry no definition of.
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
import os
from pathlib import Path
import re
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

from gr00t_core.errors import BagError
from rosbag_tools.bags.storage import Definition

RULE = '=' * 80 + '\n'  # between the files of a definition

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


@cache
def _known() -> Mapping[str, Any]:
    return known_types().fielddefs


def type_store(name: str, definition: Definition | None, given: Mapping[str, str]) -> Typestore:
    """Return a store of one type and those that it is made of; topics and bags may share it.

    Args:
        name: Type name, as recorded.
        definition: Of the type, None where the bag holds none.
        given: Type name → text of its `.msg` file, for what the bag does not define.

    Raises:
        Exception: rosbags' parser does not understand the definition.
    """
    return _type_store(name, definition, tuple(given.items()))


@lru_cache(maxsize=32)  # rosbags compiles the readers of a store's types: 20 ms for a camera
def _type_store(
    name: str, definition: Definition | None, given: tuple[tuple[str, str], ...]
) -> Typestore:
    store = get_typestore(Stores.EMPTY)
    if definition is not None and definition.encoding in ('ros2idl', 'omgidl'):
        for text in _idl_files(definition.text):
            _register(store, get_types_from_idl(text))
    elif definition is not None:
        text = _event_definition(name, definition.text) or definition.text
        _register(store, get_types_from_msg(text, name))
    for kind, text in given:
        _register(store, get_types_from_msg(text, kind))
    open_, seen = [stored_name(store, name)], set[str]()
    while open_:
        kind = open_.pop()
        seen.add(kind)
        if kind not in store.fielddefs and kind in _known():
            _register(store, {kind: _known()[kind]})
        if kind in store.fielddefs:
            open_ += [part for part in _parts(store.fielddefs[kind]) if part not in seen]
    return store


def _register(store: Typestore, types: Any) -> None:
    store.register({key: value for key, value in types.items() if key not in store.fielddefs})


def _event_definition(name: str, text: str) -> str | None:
    """Return the definition of a service's events, of which rosbag2 stores the `.srv` file."""
    first, *others = [part for part in text.split(RULE) if part.strip()] or ['']
    body = first.partition('\n')[2] if first.startswith('SRV: ') else first
    halves = re.split(r'^---[ \t]*$', body, maxsplit=1, flags=re.MULTILINE)
    if len(halves) != 2 or not name.endswith('_Event'):
        return None
    request, response = halves
    service = name.removesuffix('_Event')
    parts = [
        f'service_msgs/ServiceEventInfo info\n{service}_Request[<=1] request\n'
        f'{service}_Response[<=1] response\n',
        f'MSG: {service}_Request\n{request}',
        f'MSG: {service}_Response\n{response}',
    ]
    return RULE.join([*parts, *others])


def stored_name(store: Typestore, name: str) -> str:
    """Return the name under which rosbags keeps a type: that of a service's has a `msg` put in."""
    if name.count('/') != 2:
        return name
    package, kind, last = name.split('/')
    put_in = f'{package}/{kind}/msg/{last}'
    return put_in if name not in store.fielddefs and put_in in store.fielddefs else name


def _idl_files(data: str) -> list[str]:
    if not data.startswith(f'{RULE}IDL: '):
        return [data]
    return [file.split('\n', 1)[1] for file in data.split(RULE)[1:]]


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


def deserialize(store: Typestore, raw: bytes, name: str, *, is_ros1: bool = False) -> Any:
    """Return the message of a type that some bytes hold; bytes after its end are ignored.

    rclpy's `serialize_message` leaves such bytes, and so do bags written with it.

    Args:
        store: Knows the type.
        raw: The serialized message: CDR, or ROS 1's.
        name: The type.
        is_ros1: Serialized by ROS 1.

    Raises:
        BagError: The bytes do not fit the type.
        KeyError: The store does not know the type.
    """
    if name not in store.fielddefs:
        raise KeyError(name)
    if not is_ros1 and (len(raw) < 4 or raw[0] != 0 or raw[1] > 1):
        raise BagError(f'no CDR message: it begins with {raw[:4].hex(" ") or "nothing"}')
    try:
        known = store.get_msgdef(name)  # compiles the definition, which may be of any kind
        if is_ros1:
            message, _ = known.deserialize_ros1(memoryview(raw), 0, known.cls, store)
            return message
        read = known.deserialize_cdr_le if raw[1] else known.deserialize_cdr_be
        message, _ = read(memoryview(raw)[4:], 0, known.cls, store)
    except Exception as error:  # rosbags' generated readers throw of any kind
        raise BagError(f'{len(raw)} bytes hold no {name}: {error}') from None
    return message


def has_header(store: Typestore, name: str) -> bool:
    """Return whether messages of a type begin with a std_msgs/Header (or a bare stamp)."""
    fields = store.fielddefs.get(name, ([], []))[1]
    return bool(fields) and fields[0][1][1] in (
        'std_msgs/msg/Header',
        'builtin_interfaces/msg/Time',
    )


def full_type(name: str) -> str:
    """Return a type name as ROS 2 has it: ROS 1 and some writers of MCAP leave out the `msg`."""
    package, slash, kind = name.partition('/')
    return f'{package}/msg/{kind}' if slash and '/' not in kind else name


def parts_of(store: Typestore, name: str) -> dict[str, Any]:
    """Return the fields of a type and of all that it is made of."""
    found: dict[str, Any] = {}
    open_ = [name]
    while open_:
        kind = open_.pop()
        if kind not in found and kind in store.fielddefs:
            found[kind] = store.fielddefs[kind][1]
            open_ += _parts(store.fielddefs[kind])
    return found


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
