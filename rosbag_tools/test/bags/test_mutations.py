# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged bags among good ones: the good are converted, the bad named, nothing else happens."""

import json
from pathlib import Path
import subprocess
import sys

from mutations import KINDS, mutate, ROWS, small_bag
import pytest

from gr00t_core.dataset.checks.findings import ERROR
from gr00t_core.dataset.checks.validate import validate

BATCH = 10
MOST_MEGABYTES = 1200


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp('good')
    return {kind: small_bag(folder, kind) for kind in KINDS}


# `ru_maxrss` of a child begins with what its parent held; VmHWM (kB) is the program's own.
CONVERT = """
import re, sys
from pathlib import Path
from gr00t_core.commands.main import main
status = main(sys.argv[2:])
peak = re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]
Path(sys.argv[1]).write_text(peak)
sys.exit(status)
"""


def convert_batch(folder: Path, good: dict[str, Path], first_seed: int, counts) -> None:
    """Convert ten damaged bags and a good one of each kind in a process of its own."""
    bags = [mutate(good[kind], folder / f'bad_{seed}', seed)
            for seed in range(first_seed, first_seed + BATCH)
            for kind in [KINDS[seed % len(KINDS)]]]  # fmt: skip
    output = folder / 'dataset'
    words = ['convert', *map(str, [*good.values(), *bags]), '--robot', 'so101']
    words += ['--output', str(output), '--workers', '1']
    log = folder / 'log'
    with log.open('wb') as stream:
        ended = subprocess.run(
            [sys.executable, '-c', CONVERT, str(folder / 'peak'), *words],
            stdout=stream,
            stderr=stream,
            check=False,
        )
    said = log.read_text(errors='replace')
    where = f'seeds from {first_seed}'
    assert ended.returncode in (0, 1), (where, said)
    assert 'Traceback' not in said, (where, said)
    peak_mb = int((folder / 'peak').read_text()) // 1024
    assert peak_mb < MOST_MEGABYTES, where
    counts['peak MB'] = max(counts.get('peak MB', 0), peak_mb)
    reports = json.loads((output / 'meta' / 'conversion_report.json').read_text())['bags']
    by_name = {report['bag']: report for report in reports}
    for bag in good.values():
        report = by_name[str(bag)]
        assert report.get('rows', {}).get('kept') == ROWS, (where, report)
        assert report['warnings'] == []
    for bag in bags:
        report = by_name[str(bag)]
        if 'error' in report:
            assert str(bag) in report['error'], where
            assert str(bag) in said, where
            counts['failed'] = counts.get('failed', 0) + 1
            kind = report['error'].replace(str(bag), '').strip(': ')[:60]
            counts.setdefault('errors', {}).setdefault(kind, str(bag))
        else:
            same = report['rows']['kept'] == ROWS and not report['warnings']
            key = 'converted without a word' if same else 'converted with a warning'
            counts[key] = counts.get(key, 0) + 1
            assert same or report['warnings'], (where, report)
    assert [f for f in validate(output) if f.level == ERROR] == [], where


def test_a_batch_of_damaged_bags(good, tmp_path):
    convert_batch(tmp_path, good, 0, {})


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_thousand_damaged_bags(good, tmp_path):
    counts = {}
    for first in range(0, 1000, BATCH):
        folder = tmp_path / str(first)
        folder.mkdir()
        convert_batch(folder, good, first, counts)
        print(first + BATCH, {k: v for k, v in counts.items() if k != 'errors'}, flush=True)
    print('\n'.join(counts['errors']))
