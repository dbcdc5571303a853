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
from gr00t_core.memory import keep_freed_memory

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


THREADS = """
import threading
import numpy as np
from gr00t_core.memory import keep_freed_memory

assert keep_freed_memory()

def resident_mb():
    return int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6

turn, everyone = threading.Lock(), threading.Barrier(9)

def work():  # one after the other; all threads live until the end
    with turn:
        arrays = [np.ones(1_000_000, np.uint8) for _ in range(20)]
        del arrays
    everyone.wait()

before = resident_mb()
for _ in range(8):
    threading.Thread(target=work).start()
everyone.wait()
print(resident_mb() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='a setting of glibc')
def test_threads_do_not_each_keep_their_own_peak():
    grown_mb = float(subprocess.check_output([sys.executable, '-c', THREADS], text=True))
    assert 15.0 < grown_mb < 35.0  # 20 MB at a time; heaps of their own would keep 160
