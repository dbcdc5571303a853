# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check a ROS parameter file before rcl reads it: is it there, and does it set anything?

`launch_ros` only warns of a file that is missing, and rcl ignores a section that fits no node.
Either way a robot would run with defaults that its user believes to have changed. Needs no ROS.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
import re
from typing import Any

import yaml

from gr00t_core.errors import ParameterError

# The programs of the suite, by the names that launch files and `gr00t up` give their nodes.
NODES = (
    *('policy_node', 'chunk_executor', 'recorder', 'sim', 'console', 'teleop'),
    *('so101_follower', 'so101_leader', 'usb_cameras'),
)
PARAMETERS = 'ros__parameters'
# What every rclpy node understands. All are booleans, and rclpy ends with a traceback on others.
STANDARD = ('use_sim_time', 'start_type_description_service')
_BOOLEANS = ('y', 'Y', 'n', 'N')  # for rcl, though not for PyYAML
EXAMPLE = f"write 'NODE:' first, below it '{PARAMETERS}:', below it the parameters"


def check(path: Path, nodes: Sequence[str] = ()) -> None:
    """Check a parameter file.

    Args:
        path: The file.
        nodes: Full names of the nodes that get it, e.g. /left/chunk_executor; none: any node.

    Raises:
        ParameterError: The file is missing, unreadable, no YAML, has parameters outside of a
            node's `ros__parameters`, misspells a node of the suite, sets nothing for `nodes`, or
            gives `use_sim_time` another value than a boolean.
    """
    found = sections(path)
    for section in found:
        name = section.rpartition('/')[2]
        near = get_close_matches(name, NODES, n=1, cutoff=0.75)
        if name not in NODES and '*' not in name and near:
            raise ParameterError(
                f'parameter file {path}: no node is called {name!r} (section {section!r}); '
                f'did you mean {near[0]}?'
            )
    if nodes and not any(fits(section, node) for section in found for node in nodes):
        raise ParameterError(
            f'parameter file {path}: no section is for {", ".join(nodes)}; it has '
            f"{', '.join(found)}; write e.g. '/**/{nodes[0].rpartition('/')[2]}:'"
        )


def check_standard(where: str, name: str, value: Any) -> None:
    """Refuse a value that rclpy itself refuses of a parameter that every node has.

    Args:
        where: The file or command line that sets it, for the message.
        name: Of the parameter.
        value: As YAML gives it.

    Raises:
        ParameterError: A standard parameter is not a boolean.
    """
    if name in STANDARD and not isinstance(value, bool) and value not in _BOOLEANS:
        raise ParameterError(f'{where}: parameter {name}: {value!r} is not true or false')


def sections(path: Path) -> list[str]:
    """Return the names of the sections that set parameters, e.g. /**/chunk_executor.

    Raises:
        ParameterError: See `check`.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ParameterError(f'parameter file {path}: cannot be read: {why}') from None
    except yaml.YAMLError as error:
        said = ' '.join(str(error).split())
        raise ParameterError(f'parameter file {path}: not valid YAML: {said}') from None
    if not isinstance(tree, dict) or not tree:
        raise ParameterError(f'parameter file {path}: it sets no parameter; {EXAMPLE}')
    return list(_walk(path, '', tree))


def fits(section: str, node: str) -> bool:
    """Return whether a section of a parameter file is for a node of a full name."""
    tokens = f'/{section.lstrip("/")}'.split('/')[1:]
    pattern = ''.join(
        {'**': '(/[^/]+)*', '*': '/[^/]+'}.get(token, f'/{re.escape(token)}') for token in tokens
    )
    return re.fullmatch(pattern, node) is not None


def _walk(path: Path, section: str, tree: dict[Any, Any]) -> Iterator[str]:
    """Give the sections below a namespace; a namespace may hold namespaces and nodes."""
    for key, value in tree.items():
        if key == PARAMETERS and section and isinstance(value, dict):
            for name, given in value.items():
                check_standard(f'parameter file {path}: {section}', name, given)
            yield section
        elif key != PARAMETERS and isinstance(value, dict) and value:
            yield from _walk(path, f'{section}/{key}' if section else str(key), value)
        else:
            place = f'{section}.{key}' if section else str(key)
            raise ParameterError(
                f'parameter file {path}: {place}: {value!r} is not in the {PARAMETERS} of a node; '
                f'{EXAMPLE}'
            )
