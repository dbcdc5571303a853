# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Freed memory is used again instead of being faulted in anew."""

import platform
import subprocess
import sys

import pytest

PROBE = """
import resource, sys
import numpy as np
from gr00t_core.malloc_tuning import keep_freed_memory

def work():  # as a call does: large arrays come and go, the last at the top of the heap
    arrays = [np.ones(1_000_000, np.uint8) for _ in range(20)]

if sys.argv[1] == 'keep':
    assert keep_freed_memory()
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
def test_large_arrays_cost_page_faults_once():
    faults = {
        choice: int(subprocess.check_output([sys.executable, '-c', PROBE, choice], text=True))
        for choice in ('default', 'keep')
    }
    assert faults['keep'] < 200  # 20 calls touch 100,000 pages
    assert faults['default'] > 10 * faults['keep'] + 1000, faults
