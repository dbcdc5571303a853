# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every text that the troubleshooting page quotes as seen is one that the code prints."""

from pathlib import Path
import re

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'how-to' / 'troubleshooting.md'
# Printed by others: Fast DDS and the operating system.
FOREIGN = {'Failed to create segment', 'must own this', 'no permission'}


def test_quoted_texts_are_in_the_code():
    sources = '\n'.join(
        path.read_text('utf-8')
        for path in ROOT.glob('*/*/**/*.py')
        if path.relative_to(ROOT).parts[0] not in {'build', 'install', 'docs', '.venv'}
        and 'test' not in path.relative_to(ROOT).parts
    )
    rows = [line for line in PAGE.read_text('utf-8').splitlines() if line.startswith('| ')]
    seen = [quoted for row in rows for quoted in re.findall(r'`([^`]+)`', row.split('|')[1])]
    assert len(seen) > 15
    missing = [text for text in seen if text not in sources and text not in FOREIGN]
    assert not missing, f'the code prints no {missing}'
