# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a verb answers to options from elsewhere names options that it has."""

import ast
from pathlib import Path
import re
import subprocess
import sys

from checking import help_of
import pytest

from gr00t_core.commands.foreign_options import INSTEAD

ROOT = Path(__file__).resolve().parents[2]
SUBS = {'export': ('onnx', 'tensorrt'), 'sim': ('evaluate', 'collect')}


@pytest.mark.parametrize('verb', sorted(INSTEAD))
def test_answers_name_options_that_exist(verb):
    text = ' '.join(help_of(verb, sub) for sub in SUBS.get(verb, ('',)))
    for option, answer in INSTEAD[verb].items():
        assert not re.search(rf'(?<![\w-]){option}(?![\w-])', text), f'{verb} has {option}'
        for ours in re.findall(r'--[a-z][\w-]+', answer.partition('torchrun')[0]):
            assert re.search(rf'(?<![\w-]){ours}(?![\w-])', text), f'{verb} has no {ours}'


def parsers_and_options(source: str) -> tuple[list[ast.Call], set[str]]:
    """Return the calls that make an argparse parser, and the options of a script or verb."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = {id(call): getattr(call.func, 'attr', getattr(call.func, 'id', '')) for call in calls}
    parsers = [call for call in calls if named[id(call)] in ('ArgumentParser', 'add_parser')]
    options = {
        word.value
        for call in calls
        if named[id(call)] in ('add_argument', 'add')
        and 'argparse.SUPPRESS' not in ast.unparse(call)
        for word in call.args
        if isinstance(word, ast.Constant) and str(word.value).startswith('--')
    }
    if 'cli' in named.values():  # tyro: the fields of its dataclasses
        options |= {
            '--' + field.target.id.replace('_', '-')
            for kind in ast.walk(tree)
            if isinstance(kind, ast.ClassDef)
            for field in kind.body
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if 'Positional' not in ast.unparse(field.annotation)
        }
    return parsers, options


def test_scripts_and_verbs_spell_an_option_one_way():
    """What a verb answers with "use --output" is no option of any script; no option is cut.

    `--backend` is another thing in `gr00t up` and `gr00t sim`: who computes for the policy node.
    """
    former = {
        option
        for answers in INSTEAD.values()
        for option, answer in answers.items()
        if re.fullmatch(r'use --(output|checkpoint|dataset|embodiment-tag)', answer)
    }
    assert {'--out', '--output-dir', '--embodiment'} <= former
    seen: set[str] = set()
    for file in sorted(ROOT.rglob('*.py')):
        inside = file.relative_to(ROOT).parts
        if {'test', 'build', 'install', '.venv'} & set(inside) or inside[0].startswith('.'):
            continue
        text = file.read_text(encoding='utf-8')
        if 'ArgumentParser(' not in text and 'tyro.cli(' not in text:
            continue
        parsers, options = parsers_and_options(text)
        assert options & former == set(), file
        for parser in parsers:
            assert 'allow_abbrev=False' in ast.unparse(parser), file
        seen |= options
    assert {'--output', '--checkpoint', '--smoke', '--recorded', '--calls'} <= seen


@pytest.mark.parametrize('script', [['reproduce/run.py'], ['-m', 'gr00t_sim.demo']])
def test_out_is_answered_with_output(script, tmp_path):
    pytest.importorskip('mujoco')
    run = subprocess.run(
        [sys.executable, *script, '--out', str(tmp_path / 'new')],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    assert '--output' in run.stdout + run.stderr
    assert not (tmp_path / 'new').exists()
