# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every promise of docs/explanation/safety.md names a test that exists."""

import ast
from pathlib import Path
import re

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'explanation' / 'safety.md'


def test_every_promise_names_a_test():
    section = PAGE.read_text().partition('## Promises')[2].partition('\n## ')[0]
    lines = [line for line in section.splitlines() if line.startswith('- ')]
    assert len(lines) > 25
    for line in lines:
        found = re.search(r'`(test_\w+\.py)::(test_\w+)`$', line)
        assert found, f'no test at the end of: {line}'
        (file,) = ROOT.glob(f'*/test/**/{found[1]}')  # names of test files are unique
        tree = ast.parse(file.read_text())
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert found[2] in names, f'{found[1]} has no {found[2]}'
