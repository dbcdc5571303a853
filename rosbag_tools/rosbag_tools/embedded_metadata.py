# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read what rosbag2 and rosbags write into an MCAP file itself: the bag's metadata."""

from pathlib import Path
import struct

from mcap.exceptions import McapError
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
                    content = yaml.safe_load(record.metadata['serialized_metadata'])
                    return {str(k): str(v) for k, v in (content.get('custom_data') or {}).items()}
        except (McapError, struct.error, ValueError):
            return {}
    return {}
