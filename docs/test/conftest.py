# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the helpers here and the maker of bags importable: test folders are no packages."""

from pathlib import Path
import sys

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parents[1] / 'rosbag_tools' / 'test')]
