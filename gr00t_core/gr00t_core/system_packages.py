# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Debian and Ubuntu packages that pip cannot bring, by purpose (system_packages.txt)."""

from pathlib import Path


def names(purpose: str) -> list[str]:
    """Return the packages of a purpose.

    Args:
        purpose: `build` (what `make setup` needs first) or `render` (off-screen OpenGL).

    Raises:
        KeyError: There is no such purpose.
    """
    table: dict[str, list[str]] = {}
    text = Path(__file__).with_suffix('.txt').read_text('utf-8')
    for line in text.splitlines():
        if line and not line.startswith('#'):
            key, package = line.split()
            table.setdefault(key, []).append(package)
    return table[purpose]


def apt_line(purpose: str) -> str:
    """Return the command that installs the packages of a purpose."""
    return f'sudo apt-get install {" ".join(names(purpose))}'
