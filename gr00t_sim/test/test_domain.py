# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Graphs that follow one another get different ROS domains."""

from pathlib import Path

import pytest

from gr00t_core.errors import Gr00tError
from gr00t_sim.domain import DOMAINS, held_domain


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep away from the domains of other tests."""
    monkeypatch.setenv('XDG_RUNTIME_DIR', str(tmp_path))


def held() -> int:
    with held_domain() as domain:
        return domain


def test_the_domain_that_was_left_first_comes_first() -> None:
    first = [held() for _ in DOMAINS]
    assert sorted(first) == list(DOMAINS)
    assert [held() for _ in DOMAINS] == first


def test_a_domain_in_use_is_passed_over_and_all_in_use_is_told() -> None:
    order = [held() for _ in DOMAINS]
    with held_domain() as taken:
        assert (taken, held()) == (order[0], order[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('gr00t_sim.domain.DOMAINS', range(1, 2))
        with held_domain(), pytest.raises(Gr00tError, match='all 1 ROS domains are taken'):
            held()
