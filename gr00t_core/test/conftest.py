# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make checkpoints of every family, and the helpers here importable."""

from collections.abc import Callable
from pathlib import Path
import sys

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope='session')
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give a function: family → folder of a random `tiny` checkpoint for SO-101, made once."""
    from gr00t_core.models.init_checkpoint import init_checkpoint
    from gr00t_core.robot.file import load_robot

    folder = tmp_path_factory.mktemp('families')

    def make(family: str) -> Path:
        if not (folder / family).exists():
            init_checkpoint('tiny', load_robot('so101'), folder / family, family=family)
        return folder / family

    return make
