# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Put odd values into every place of a checkpoint's small files; helpers of the test modules."""

from copy import deepcopy

from gr00t_core.errors import Gr00tError

ODD = [None, True, 0, 1, -1, 2**31, 2**63, 10**400, 1e308, float('nan'), float('inf'), '', 'x' * 9]
ODD += [[], {}, [[[]]], {'a': {}}, [1, 'x'], [10**400] * 6, [None] * 6, 3.5, [0.5], [-5, -5]]
ODD += [...]  # the value is left out


def places(content, path=()):
    """Give the path of every value of nested maps and short lists."""
    if isinstance(content, dict):
        inner = content.items()
    else:
        inner = enumerate(content) if isinstance(content, list) and len(content) < 4 else ()
    for key, value in inner:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(content, path, value):
    """Return the content with one value replaced, or removed where it is `...`."""
    copy = deepcopy(content)
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return copy


def error_of(call):
    """Return the text of the error that the suite raises on purpose; None where it raises none."""
    try:
        call()
    except Gr00tError as error:
        return str(error)
    return None
