# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t benchmark`, and the scripts in benchmarks/ that time inference."""

import json
from pathlib import Path
import subprocess
import sys

import pytest

from gr00t_core.commands.benchmark import main, percentiles
from gr00t_core.errors import BackendError
from gr00t_core.models import FAMILIES

BENCHMARKS = Path(__file__).resolve().parents[3] / 'benchmarks'


@pytest.fixture
def checkpoint(tiny_checkpoint):
    return tiny_checkpoint('n1_5')


@pytest.mark.parametrize('family', FAMILIES)
def test_table_and_json(tiny_checkpoint, family, tmp_path, capsys, monkeypatch):
    checkpoint = tiny_checkpoint(family)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    out = tmp_path / 'result.json'
    assert main(['--checkpoint', str(checkpoint), '--calls', '3', '--output', str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    result = json.loads(lines[-1])
    assert json.loads(out.read_text()) == result
    assert list(result['ms']) == ['preprocess', 'vision', 'language', 'head', 'total']
    for stage, row in result['ms'].items():
        assert 0 < row['min'] <= row['p50'] <= row['p99']
        assert any(line.startswith(stage) for line in lines)
    assert result['memory_mb']['host_peak'] > 50
    assert result['cold_start_s']['load_and_first_answer'] > 0


@pytest.mark.parametrize('option', ['--calls', '--threads'])
def test_counts_that_make_no_sense_are_refused(checkpoint, option):
    with pytest.raises(BackendError, match=f'{option} is 0, expected 1 or more'):
        main(['--checkpoint', str(checkpoint), option, '0'])


def test_percentiles_wait_for_the_device():
    waits = []
    figures = percentiles(lambda: None, lambda: waits.append(1), 10)
    assert len(waits) == 11
    assert figures['p50'] <= figures['p99'] < 100


def run(script, *options):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *options], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(done.stdout.splitlines()[-1])


def test_gpu_benchmark_runs_or_says_that_there_is_no_gpu():
    options = ('--device', 'cpu', '--size', 'tiny', '--modes', 'eager', '--calls', '1')
    _, result = run('inference_gpu.py', *options)
    assert [row['cameras'] for row in result['rows']] == [1, 2, 3]
    assert all(row['cosine'] > 0.999 for row in result['rows'])
    import torch

    if not torch.cuda.is_available():
        text, result = run('inference_gpu.py')
        assert 'there is no GPU here, nothing is measured' in text
        assert result['gpu'] is None


def test_gpu_report_measures_the_stages(checkpoint):
    options = (
        '--section',
        'stages',
        '--checkpoint',
        checkpoint,
        '--device',
        'cpu',
        '--calls',
        '1',
    )
    _, result = run('gpu_report.py', 'inference', *options)
    for times in result.values():
        assert len(times) == 5
        assert all(ms > 0 for ms in times.values())


@pytest.mark.parametrize(('part', 'section'), [('inference', 'stages'), ('triton', 'tiles')])
def test_gpu_report_says_what_it_had_no_time_for(tmp_path, part, section):
    options = ('--device', 'cpu', '--size', 'tiny', '--seconds', '1', '--output', tmp_path)
    _, result = run('gpu_report.py', part, *options)
    assert json.loads((tmp_path / f'{part}.json').read_text()) == result
    assert json.loads((tmp_path / f'{section}.json').read_text()) == result[section]
    assert result[section]['not measured'] == 'no time left of 1.0 s'


@pytest.mark.slow
def test_gpu_report_can_be_rehearsed(tmp_path):
    options = ('--device', 'cpu', '--size', 'tiny', '--calls', '2', '--batch-size', '2')
    for part in ('inference', 'triton', 'training'):
        _, result = run('gpu_report.py', part, *options, '--seconds', '400', '--output', tmp_path)
        sections = {key: value for key, value in result.items() if isinstance(value, dict)}
        missed = {key for key, value in sections.items() if 'not measured' in value}
        # Minutes on a CPU, and the kernels, which need a GPU or Triton's interpreter.
        assert missed <= {'train compiled', 'train feature_cache_compiled', 'blocks'}


@pytest.mark.slow
def test_cpu_benchmark_prints_its_ratios():
    _, result = run('inference_cpu.py', '--sizes', 'tiny', '--threads', '1', '--rounds', '3')
    assert result['ratio_best'] >= result['ratio_folded'] > 0.5
