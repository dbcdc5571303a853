# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One list of system packages: README, Dockerfiles, workflow and doctor agree with it."""

from pathlib import Path
import re

import pytest
import yaml

from gr00t_core.commands import doctor
from gr00t_core.system_packages import apt_line, names

ROOT = Path(__file__).resolve().parents[2]
INSTALL = re.compile(r'apt-get install ([^&\n]*)')


def installs(path: Path) -> list[set[str]]:
    """Return the packages of each apt-get install of a file, options aside."""
    text = path.read_text().replace('\\\n', ' ')
    return [
        {word for word in found.split() if not word.startswith('-')}
        for found in INSTALL.findall(text)
    ]


def test_readme_names_what_set_up_asks_for_and_git() -> None:
    (packages,) = installs(ROOT / 'README.md')
    assert packages == {'git', *names('build')}


@pytest.mark.parametrize('target', ['cpu', 'cuda'])
def test_images_that_build_and_render_install_the_list(target: str) -> None:
    path = ROOT / 'docker' / f'{target}.Dockerfile'
    base = path.read_text().split('\nFROM ')[1]
    assert base.splitlines()[0].endswith(' AS base')
    (packages,) = (found for found in installs(path) if 'make' in found)
    assert packages - {'ca-certificates'} == {*names('build'), *names('render')}
    # In the stage that the others begin with, so that the last one has them.
    assert all(name in base for name in names('render'))


def test_workflow_installs_nothing_of_its_own() -> None:
    workflow = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text())
    known = {'git', 'ca-certificates', *names('build'), *names('render')}
    commands = [
        step['run'] for job in workflow['jobs'].values() for step in job['steps'] if 'run' in step
    ]
    for command in commands:
        for found in INSTALL.findall(command):
            assert {word for word in found.split() if not word.startswith('-')} <= known


def test_each_job_ends_with_what_a_developer_runs() -> None:
    workflow = yaml.safe_load((ROOT / '.github' / 'workflows' / 'ci.yml').read_text())
    last = {name: job['steps'][-1]['run'] for name, job in workflow['jobs'].items()}
    assert last.pop('bare').endswith('setup/bare.sh --inside "$PWD"')
    for command in last.values():
        assert command.split(' && ')[-1] == '.ci/run'
    # Nothing but the choice of set-up differs between the jobs and a developer's machine.
    variables = {name for job in workflow['jobs'].values() for name in job.get('env', {})}
    assert variables <= {'ROS_WHEELS'}
    assert (ROOT / 'setup' / 'setup.sh').read_text().count('#   ROS_WHEELS=') == 1


def test_doctor_tells_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, 'probe', lambda code, **environment: (False, 'broken'))
    assert doctor.offscreen_gl().how.startswith(apt_line('render'))


def test_purposes_are_known() -> None:
    assert 'libopengl0' in names('render')
    with pytest.raises(KeyError):
        names('rendering')
