# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages that say where something is name files and folders that exist."""

from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'how-to' / 'change-the-code.md'
PACKAGES = sorted(path.parent for path in ROOT.glob('*/package.xml'))


def named(text: str) -> set[str]:
    """Return what is in backticks and looks like a file or a folder."""
    words = re.findall(r'`([\w./-]+)`', text)
    return {
        word for word in words if word.endswith('/') or re.search(r'\.(py|yaml|md|xml)$', word)
    }


def test_the_files_of_the_five_tasks_exist():
    files = {name for name in named(PAGE.read_text('utf-8')) if name.count('/') > 1}
    assert len(files) > 20
    assert not [name for name in files if not (ROOT / name).exists()]


@pytest.mark.parametrize('package', PACKAGES, ids=lambda path: path.name)
def test_the_readme_of_a_package_names_rooms_that_exist(package):
    """Names are below the package's folder, its module, or the folder of the workspace."""
    places = (package / package.name, package, ROOT)
    missing = [
        name
        for name in named((package / 'README.md').read_text('utf-8'))
        if not any((place / name).exists() or list(place.glob(f'*/{name}')) for place in places)
    ]
    assert not missing
