# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot side without physics: a fake arm, a fake model, executor, recorder; and a browser."""

from pathlib import Path
import shutil
import sys

import pytest

HERE = Path(__file__).resolve().parent
# The helpers beside this file, and those of the nodes.
NODES = HERE.parents[1] / 'gr00t_policy_node' / 'test'
sys.path += map(str, (HERE, NODES, NODES / 'teleop'))


@pytest.fixture
def http_status():
    """Give the function `status`."""
    pytest.importorskip('rclpy')
    from console_world import status

    return status


@pytest.fixture
def world(ros_domain, tmp_path):
    """Give the world of one test."""
    pytest.importorskip('rclpy')
    pytest.importorskip('nicegui')
    from console_world import World

    found = World(ros_domain, tmp_path)
    yield found
    found.close()


@pytest.fixture
def browser():
    """Give a headless Chromium, or skip saying how to get one."""
    playwright = pytest.importorskip('playwright.sync_api', reason='pip install playwright')
    program = shutil.which('chromium') or shutil.which('google-chrome')
    if program is None:
        pytest.skip('no Chromium: apt-get install chromium')
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=program, args=['--no-sandbox'])
        yield chromium
        chromium.close()
