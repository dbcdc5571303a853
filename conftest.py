# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests share: opt-in markers, the data folder and a ROS domain per test."""

from collections.abc import Iterator
import os
from pathlib import Path

from hypothesis import settings
import pytest

ROOT = Path(__file__).resolve().parent
OPT_IN = (
    'slow',
    'gpu',
    'soak',
    'lerobot',
    'physicalai',
    'launch',
    'isaac',
    'libero',
    'triton',
    'ray',
)
# Files whose tests measure rates or ages, or emulate a bus that must answer within 20 ms; they run
# alone, see setup/test.sh.
TIMING = {
    'test_executor_faults.py',
    'test_executor_owners.py',
    'test_robot_side_faults.py',
    'test_sim_node.py',
    'test_so101_follower.py',
    'test_so101_leader.py',
    'test_so101_pipeline.py',
}
DDS_PROFILE = ROOT / 'gr00t_bringup' / 'config' / 'fastdds_shm.xml'

# Two shared cores: a slow first call says nothing about the code, and each run draws new examples.
settings.register_profile('gr00t', deadline=None, max_examples=60)
settings.load_profile('gr00t')


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--with slow,gpu`: the opt-in tests to run as well."""
    parser.addoption('--with', default='', help='opt-in tests to run too: ' + ','.join(OPT_IN))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out opt-in tests that were not asked for, and mark those with a ROS domain `ros`."""
    wanted = {name for name in config.getoption('--with').split(',') if name}
    if unknown := wanted - set(OPT_IN):
        raise pytest.UsageError(
            f'--with {",".join(sorted(unknown))}: choose from {", ".join(OPT_IN)}'
        )
    left_out = [
        item
        for item in items
        if any(item.get_closest_marker(name) and name not in wanted for name in OPT_IN)
    ]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)
    for item in items:
        if 'ros_domain' in getattr(item, 'fixturenames', ()):
            item.add_marker('ros')
        if item.path.name in TIMING:
            item.add_marker('timing')
    if folder := os.environ.pop('GR00T_TEST_LISTS', None):  # for the next runs of setup/test.sh
        listed: dict[str, dict[str, None]] = {'ros': {}, 'timing': {}}
        for item in items:
            if item.get_closest_marker('ros'):
                which = 'timing' if item.get_closest_marker('timing') else 'ros'
                listed[which][item.nodeid.partition('[')[0]] = None
        for which, tests in listed.items():
            Path(folder, which).write_text('\n'.join(tests))


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Give the folder of reference data, or skip where it is not there.

    It lies beside the checkout (`../shared/data`), or where GR00T_SHARED_DATA says.
    """
    folder = Path(os.environ.get('GR00T_SHARED_DATA', ROOT.parent / 'shared' / 'data'))
    if not folder.is_dir():
        pytest.skip(f'no reference data in {folder} (GR00T_SHARED_DATA names another folder)')
    return folder


@pytest.fixture
def ros_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Give the environment of a ROS graph of the test's own; it is set in this process, too.

    A file lock holds the domain, so that other tests on this machine keep out of it. Pass
    the returned copy as `env=` to subprocesses.
    """
    from gr00t_core import dds_profile, dds_segments  # of the installed workspace
    from gr00t_sim.domain import held_domain

    with held_domain() as domain:
        for name, value in (
            ('ROS_DOMAIN_ID', str(domain)),
            ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST'),
            ('ROS_LOG_DIR', str(tmp_path / 'ros_log')),
            # Nodes end with a killed test run, or they would answer in a later test's domain.
            ('GR00T_STARTER_PID', str(os.getpid())),
            (dds_profile.profile_variable(), str(DDS_PROFILE)),
        ):
            monkeypatch.setenv(name, value)
        yield dict(os.environ)
    dds_segments.remove()  # of nodes that tests killed: /dev/shm is small in a container
