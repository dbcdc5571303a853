# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t` as `python -m gr00t_core`, whatever is on the PATH."""

import sys

from gr00t_core.commands.main import main

sys.exit(main())
