# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The DiT's Triton kernels without a GPU: what they compute, and what they are compiled to.

Opt-in (`--with triton`): they need Triton, which PyTorch for CPUs does not bring along.
"""

from importlib.util import find_spec
import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

from gr00t_core.models import FAMILIES

pytestmark = [pytest.mark.triton, pytest.mark.timeout(900)]
needs_triton = pytest.mark.skipif(
    find_spec('triton') is None,
    reason='Triton is not installed here: pip install -r requirements/triton.txt',
)
HERE = Path(__file__).resolve().parents[1]
# Relative to the largest value: a few units in the last place of each dtype.
ALLOWED = {'float32': 1e-5, 'float16': 2.5e-3, 'bfloat16': 2e-2}
ALLOWED_OF_A_MODEL = {'float32': 1e-4, 'bfloat16': 3e-2}
# Bytes of shared memory that one program may have.
SHARED = {80: 163 * 1024, 89: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024, 120: 99 * 1024}
REGISTERS = 255
# Of the tiles that are used: several programs share a multiprocessor.
USED_SHARED, USED_REGISTERS = 68 * 1024, 168


def lines(script, *arguments, **environment):
    """Return the JSON that a probe prints, line by line, in a process of its own.

    Triton decides when it is imported whether it compiles or interprets.
    """
    done = subprocess.run(
        [sys.executable, HERE / script, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def interpreted(*arguments):
    return lines('triton_interpreter_probe.py', *arguments, TRITON_INTERPRET='1')


def too_far(cases, allowed):
    return [case for case in cases if not case['error'] <= allowed[case['dtype']]]


@needs_triton
def test_each_kernel_computes_what_pytorch_does():
    cases = interpreted('operations')
    assert {case['dtype'] for case in cases} == set(ALLOWED)
    assert any('N1.5-3B' in case['case'] for case in cases)
    assert not too_far(cases, ALLOWED)


@needs_triton
@pytest.mark.parametrize('family', FAMILIES)
def test_a_model_by_the_kernels_gives_the_same_actions(family, tiny_checkpoint):
    cases = interpreted('model', tiny_checkpoint(family))
    assert len(cases) == 3
    assert not too_far(cases, ALLOWED_OF_A_MODEL)


@needs_triton
@pytest.mark.parametrize('architecture', SHARED)
def test_they_compile_for_every_gpu(architecture, tmp_path):
    """The machine code fits, spills nothing, multiplies on tensor cores and waits first."""
    made = lines('triton_compile_probe.py', architecture, TRITON_CACHE_DIR=str(tmp_path))
    assert {each['kernel'] for each in made} == {'normed_product', 'attention', 'added_product'}
    for each in made:
        assert each['shared'] <= SHARED[architecture], each
        assert each['registers'] <= REGISTERS, each
        assert each['spilled'] == 0, each
        if each['default']:
            assert each['shared'] <= USED_SHARED, each
            assert each['registers'] <= USED_REGISTERS, each
        assert each['tensor cores'] > 0, each
        assert each['memory accesses'] > 0, each
        splits = int(each['constants'].get('SPLIT', 1)) > 1
        assert (each['atomics'] > 0) == splits, each  # they count, and never add up
        dependent = architecture >= 90
        assert each['waits'] == each['launches dependents'] == dependent, each
        # A read or write before the wait would be a race with the kernel before.
        assert not each['memory before the wait'], each
        if dependent and each['kernel'] != 'attention':
            assert each['prefetches'] > 0, each
