# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No text of the repository holds a phrase that CONTRIBUTING.md forbids."""

from pathlib import Path
import re
import subprocess

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {'.md', '.py', '.sh', '.txt', '.xml', '.yaml', '.yml'}
# The one list: CONTRIBUTING.md names them in the line that begins with "Forbidden:".
FORBIDDEN = re.findall(
    r'“([^”]+)”',
    next(
        line
        for line in (ROOT / 'CONTRIBUTING.md').read_text('utf-8').splitlines()
        if line.startswith('  Forbidden:')
    ),
)
PATTERN = re.compile(rf'\b({"|".join(map(re.escape, FORBIDDEN))})\b', re.IGNORECASE)


def texts() -> list[Path]:
    try:
        listed = subprocess.run(
            ['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('no git here')
    return [
        ROOT / name
        for name in listed.stdout.splitlines()
        if Path(name).suffix in TEXTS and name != 'CONTRIBUTING.md' and (ROOT / name).is_file()
    ]


def test_the_rule_names_phrases() -> None:
    assert len(FORBIDDEN) >= 10
    assert PATTERN.search(f'the thread waits {FORBIDDEN[0].title()} for it')
    assert not PATTERN.search('broadcast')


def test_no_text_holds_a_forbidden_phrase() -> None:
    found = [
        f'{path.relative_to(ROOT)}:{number}: {match[0]}'
        for path in texts()
        for number, line in enumerate(path.read_text('utf-8', errors='ignore').splitlines(), 1)
        if (match := PATTERN.search(line))
    ]
    assert not found, 'write it as CONTRIBUTING.md says:\n' + '\n'.join(found)
