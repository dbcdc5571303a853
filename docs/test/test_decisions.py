# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every decision has a number of its own, and stands in the list once."""

from collections import Counter
from pathlib import Path
import re

DECISIONS = Path(__file__).resolve().parents[1] / 'decisions'


def test_numbers_are_unique_and_the_list_is_complete():
    pages = [page for page in DECISIONS.glob('*.md') if page.name != 'README.md']
    numbers = Counter(page.name[:4] for page in pages)
    assert [number for number, count in numbers.items() if count > 1] == []
    titles = sorted(page.read_text(encoding='utf-8').partition('\n')[0] for page in pages)
    assert [title for title in titles if not re.match(r'# \d{4} \S', title)] == []
    assert [title[2:6] for title in titles] == sorted(numbers)
    listed = re.findall(r'^- \[(.*)\]\((.*)\)$', (DECISIONS / 'README.md').read_text(), re.M)
    assert sorted(file for _, file in listed) == sorted(page.name for page in pages)
    assert [title for title, file in listed if title[:4] != file[:4]] == []
