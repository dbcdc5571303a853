# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t completion` in a real shell."""

import shutil
import subprocess

import pytest

from gr00t_core.commands.main import run, verbs

ASK = """
set -u
eval "$(gr00t completion bash)"
COMP_WORDS=({words}) COMP_CWORD={place}
_gr00t
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(*words: str) -> list[str]:
    script = ASK.format(words=' '.join(f"'{word}'" for word in words), place=len(words) - 1)
    done = subprocess.run(['bash', '-c', script], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which('gr00t') is None, reason='gr00t is not on the PATH')
def test_bash_completes_verbs_options_and_files() -> None:
    assert completed('gr00t', 'val') == ['validate']
    assert set(completed('gr00t', '')) == set(verbs())
    assert '--robot' in completed('gr00t', 'validate', '--ro')
    assert 'setup/' in completed('gr00t', 'validate', 'set') or 'setup' in completed(
        *('gr00t', 'validate', 'set')
    )


@pytest.mark.parametrize('argv', [[], ['fish'], ['bash', 'zsh']])
def test_other_shells_are_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run('completion', argv) == 2
    assert 'bash|zsh' in capsys.readouterr().err
