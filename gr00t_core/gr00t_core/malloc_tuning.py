# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the memory of large arrays in the process from one call to the next.

glibc gives a freed block of more than 128 kB back to the system at once and grows that threshold
only slowly, per heap; the next call faults the same pages in again, one by one. A policy frees and
allocates tens of megabytes per call: keeping them halves the call's time (decision 0009).
"""

import ctypes

# Parameters of mallopt, from malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Freed memory that the top of a heap may hold before it shrinks.
KEPT_BYTES = 256 * 1024 * 1024
# Blocks up to this come from the heap; glibc allows no more.
HEAP_BLOCK_BYTES = 32 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Have malloc keep what is freed; return whether it does (glibc only)."""
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    from_heap: int = mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_BYTES)
    kept: int = mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    return from_heap == kept == 1
