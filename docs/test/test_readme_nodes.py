# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""README's table of nodes names every service that a node offers."""

from pathlib import Path
import re

ROOT = Path(__file__).resolve().parents[2]
OFFERED = re.compile(r"create_service\(\s*\w+,\s*'([^']+)'")


def test_readme_names_every_service():
    sources = [
        path for package in ROOT.glob('*/package.xml') for path in package.parent.glob('*/**/*.py')
    ]
    offered = {
        name
        for path in sources
        if 'test' not in path.parts and 'build' not in path.parts
        for name in OFFERED.findall(path.read_text('utf-8'))
    }
    assert {'~/rearm', '~/start', 'end_goal'} <= offered
    rows = [line for line in (ROOT / 'README.md').read_text('utf-8').splitlines() if '|' in line]
    missing = {name for name in offered if not any(f'`{name}`' in row for row in rows)}
    assert not missing
