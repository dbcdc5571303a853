# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make the helpers here importable: test folders are no packages."""

from pathlib import Path
import sys

sys.path.append(str(Path(__file__).parent))
