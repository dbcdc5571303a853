# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The `gr00t` command: verbs are found once, and every way to fail says what to do."""

import contextlib
from importlib.metadata import EntryPoint
import re

import pytest

from gr00t_core.commands import main as cli
from gr00t_core.errors import CheckpointError


def wrong_checkpoint(argv: list[str]) -> int:
    """Fail as a verb does on bad input."""
    raise CheckpointError(f'no config.json in {argv[0]}')


def without_mujoco(argv: list[str]) -> int:
    """Fail as a verb does whose library is not installed."""
    raise ModuleNotFoundError("No module named 'mujoco'", name='mujoco')


@pytest.fixture
def fake_verbs(monkeypatch: pytest.MonkeyPatch) -> None:
    verbs = {
        name: EntryPoint(name, value, cli.GROUP)
        for name, value in {
            'evaluate': f'{__name__}:wrong_checkpoint',
            'simulate': f'{__name__}:without_mujoco',
            'train': 'accelerate_that_nobody_has:main',
        }.items()
    }
    functions = {'evaluate': wrong_checkpoint, 'simulate': without_mujoco}
    load = EntryPoint.load
    monkeypatch.setattr(EntryPoint, 'load', lambda self: functions.get(self.name) or load(self))
    monkeypatch.setattr(cli, 'verbs', lambda: verbs)


def test_each_verb_is_installed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]
    assert 'doctor' in rows
    assert rows == sorted(set(rows))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(['--version']) == 0
    assert capsys.readouterr().out.startswith('gr00t 0.')


@pytest.mark.usefixtures('fake_verbs')
def test_table_says_what_a_verb_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(['--help']) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[2:]}
    assert lines['evaluate'].endswith('  Fail as a verb does on bad input.')
    assert 'not available' in lines['train']
    assert 'accelerate_that_nobody_has' in lines['train']


@pytest.mark.usefixtures('fake_verbs')
@pytest.mark.parametrize(
    ('argv', 'status', 'words'),
    [
        (['evaluate', '/nowhere'], 1, ['gr00t evaluate:', 'no config.json in /nowhere']),
        (['simulate'], 1, ['gr00t simulate:', 'mujoco', 'requirements/sim.txt']),
        (['train'], 1, ['gr00t train:', 'accelerate_that_nobody_has', 'requirements/']),
        (['evalute'], 2, ["no verb 'evalute'", 'did you mean evaluate?']),
    ],
)
def test_failures_say_what_to_do(
    argv: list[str], status: int, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(argv) == status
    error = capsys.readouterr().err
    assert all(word in error for word in words), error
    assert 'Traceback' not in error


@pytest.mark.parametrize(
    ('argv', 'instead'),
    [
        (['finetune', '--dataset-path', 'd'], 'there is no --dataset-path here; use --dataset'),
        (['finetune', '--dataset_path=d'], 'use --dataset'),
        (['serve', '--embodiment', 'gr1'], 'use --embodiment-tag'),
        (['benchmark', '--out', 'file'], 'use --output'),
    ],
)
def test_options_from_elsewhere_are_answered_with_ours(argv, instead, capsys) -> None:
    assert cli.main(argv) == cli.USAGE_ERROR
    assert instead in capsys.readouterr().err


SUB_VERBS = (
    *(('export', engine) for engine in ('onnx', 'tensorrt')),
    *(('sim', what) for what in ('evaluate', 'collect', 'correct')),
)


@pytest.mark.parametrize('words', [*((verb,) for verb in cli.verbs()), *SUB_VERBS], ids=' '.join)
def test_help_shows_no_none_and_a_sentence_for_each_option(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """An option that may be left out says so; None is no value that a user types."""
    if words[0] not in cli.verbs() or '(not available' in cli.summary(cli.verbs()[words[0]]):
        pytest.skip(f'gr00t {words[0]} is not available here')
    with contextlib.suppress(SystemExit):
        cli.run(words[0], [*words[1:], '--help'])
    said = ''.join(capsys.readouterr())
    assert 'usage' in said
    assert '{None' not in said
    assert 'default: None' not in said
    assert not re.search(r'^[│ ]+--[^(│\n]*  \((default|required|optional)', said, re.MULTILINE)
