# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the YAML of a robot file, bounded: no duplicate keys, no depth, no size that none has."""

from pathlib import Path
from typing import Any

import yaml

from gr00t_core.errors import RobotFileError

MAX_BYTES = 256 * 1024  # a robot file has some hundred lines
MAX_DEPTH = 40  # and six levels


def read(path: Path) -> Any:
    """Return the YAML of a robot file.

    Raises:
        RobotFileError: It cannot be read, is too large, or is no valid YAML.
    """
    try:
        with path.open('rb') as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RobotFileError(f'{path}: larger than {MAX_BYTES} bytes: this is no robot file')
        return yaml.load(content.decode('utf-8'), _UniqueKeyLoader)
    except OSError as error:
        raise RobotFileError(f'{path}: cannot be read: {error.strerror or error}') from None
    # ValueError: numbers and dates that Python refuses; RecursionError: thousands of brackets.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RobotFileError(f'{path}: not valid YAML: {error}') from None


class _UniqueKeyLoader(yaml.SafeLoader):
    """Refuse a duplicate key in one mapping (PyYAML keeps the last silently) and deep nesting.

    Duplicates are looked for before `<<` merges other mappings in, whose keys may be repeated.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.YAMLError(f'more than {MAX_DEPTH} levels')
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f'key {key.value!r} is a duplicate', problem_mark=key.start_mark
                    )
                seen.add((key.tag, key.value))
        return node
