# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Print what became of the bags: one line each, and every warning once.

What comes from users (names, instructions, values) is shown as it is: none of it is markup.
"""

from collections.abc import Mapping
from pathlib import Path
import re
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rosbag_tools.convert.bag_report import lost_share

MOST_NAMES = 3  # of bags that share a warning


def plain(text: str) -> Text:
    """Return a text that rich prints as it is; what steers a terminal is written as an escape."""
    shown = [
        each if each.isprintable() or each in '\n\t' else each.encode('unicode_escape').decode()
        for each in text
    ]
    return Text(''.join(shown))


def print_summary(console: Console, report: Mapping[str, Any]) -> None:
    """Print a table of the bags and their warnings, for any width of the terminal."""
    table = Table('bag', 'episodes', 'rows', 'dropped', 'warnings')
    table.columns[0].overflow = 'fold'
    for column in table.columns[1:]:
        column.no_wrap = True
    for bag in report['bags']:
        name = plain(Path(bag['bag']).name)
        if 'error' in bag:
            table.add_row(name, Text('failed', style='red'), '', '', '')
            continue
        rows = bag['rows']
        share = lost_share(bag)
        table.add_row(
            name,
            str(len(bag['episodes'])),
            str(rows['kept']),
            f'{share:.0%}' if share else '0',
            str(len(bag['warnings']) or ''),
        )
    console.print(table)
    for text, names in grouped_warnings(report):
        where = ', '.join(names[:MOST_NAMES])
        more = f' and {len(names) - MOST_NAMES} more' if len(names) > MOST_NAMES else ''
        console.print(plain(f'{where}{more}: {text}'), soft_wrap=True)


def grouped_warnings(report: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return each warning once, with the names of the bags that have it.

    Warnings that differ in numbers only are one; the first stands for all, with their count.
    """
    found: dict[str, tuple[str, list[str], list[int]]] = {}
    for bag in report['bags']:
        for text in [] if 'error' in bag else bag['warnings']:
            key = re.sub(r'-?\d+(\.\d+)?', '#', text)
            _, names, count = found.setdefault(key, (text, [], [0]))
            count[0] += 1
            if (name := Path(bag['bag']).name) not in names:
                names.append(name)
    return [
        (f'{text} (and {count[0] - 1} more like it)' if count[0] > 1 else text, names)
        for text, names, count in found.values()
    ]
