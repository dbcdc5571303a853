# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read what rosbag2 and rosbags write into an MCAP file itself: the bag's metadata."""

from pathlib import Path
from typing import Any

from mcap.reader import make_reader
import yaml


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
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        return {}
    if isinstance(content, dict) and 'rosbag2_bagfile_information' in content:
        content = content['rosbag2_bagfile_information']
    found = content.get('custom_data') if isinstance(content, dict) else None
    return (
        {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
    )
