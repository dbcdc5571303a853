# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read what rosbag2 and rosbags write into an MCAP file itself: the bag's metadata."""

from pathlib import Path
import re
from typing import Any

from mcap.reader import make_reader
import yaml

# PyYAML needs minutes for some thousand brackets in one another.
MOST_NESTED = 100


def custom_data_of(file: Path) -> dict[str, str]:
    """Return `custom_data` of a single `.mcap` file; nothing where it carries none.

    A file that was cut off has lost the index that points to it.
    """
    with file.open('rb') as stream:
        try:
            for record in make_reader(stream).iter_metadata():
                if record.name == 'rosbag2' and 'serialized_metadata' in record.metadata:
                    return custom_data_in(record.metadata['serialized_metadata'])
        except Exception:  # a library's errors on damaged files are of any kind
            return {}
    return {}


def custom_data_in(text: str) -> dict[str, str]:
    """Return `custom_data` of a bag's metadata in YAML; nothing where it is not such a text."""
    try:
        content = load_yaml(text)
    except (yaml.YAMLError, RecursionError, ValueError):  # e.g. a date in the month 13
        return {}
    if isinstance(content, dict) and 'rosbag2_bagfile_information' in content:
        content = content['rosbag2_bagfile_information']
    return texts(content.get('custom_data')) if isinstance(content, dict) else {}


class _Texts(yaml.SafeLoader):
    """Read scalars as the texts that they are: `on`, `007` and `12:30` may be instructions."""


_Texts.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] == 'tag:yaml.org,2002:null']
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str) -> Any:
    """Return what a short text in YAML says; all its values are texts.

    Raises:
        yaml.YAMLError, RecursionError, ValueError: It is no YAML, or nested beyond any use.
    """
    depth = 0
    for bracket in re.findall(r'[][{}]', text):
        depth = max(0, depth + (1 if bracket in '[{' else -1))
        if depth > MOST_NESTED:
            raise ValueError(f'more than {MOST_NESTED} brackets in one another')
    return yaml.load(text, Loader=_Texts)  # a SafeLoader


def texts(found: Any) -> dict[str, str]:
    """Return the entries of a mapping whose values are texts.

    The others are left out: anchors make a nested value of a short file as large as memory.
    """
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}
