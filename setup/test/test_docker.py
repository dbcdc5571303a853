# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images' files: linted, consistent with each other and with the commands they call."""

import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / 'docker'
TARGETS = ('cpu', 'cuda', 'orin', 'thor')
COMPOSE = ('policy', 'recorder', 'training')


def instructions(path: Path) -> list[tuple[str, str]]:
    """Split a Dockerfile into (instruction, arguments)."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith('#')]
    joined = '\n'.join(lines).replace('\\\n', ' ')
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize('target', TARGETS)
def test_dockerfile(target: str) -> None:
    words = instructions(DOCKER / f'{target}.Dockerfile')
    assert {name for name, _ in words} <= {
        *('ARG', 'FROM', 'SHELL', 'RUN', 'ENV', 'WORKDIR', 'COPY', 'USER'),
        *('ENTRYPOINT', 'CMD', 'HEALTHCHECK'),
    }
    stages = [text for name, text in words if name == 'FROM']
    assert [stage.split()[-1] for stage in stages] == ['base', 'build', target]
    given = dict(text.split('=', 1) for name, text in words if name == 'ARG' and '=' in text)
    image = given.get('BASE', '') if stages[0].startswith('${BASE} ') else stages[0].split()[0]
    assert ':' in image  # no moving `latest`
    last = [name for name, _ in words]
    assert 'USER' in last[last.index('FROM', last.index('FROM') + 2) :]  # not root
    assert dict(words)['USER'] == '10001'
    for script in ('entrypoint', 'healthy'):
        assert os.access(DOCKER / script, os.X_OK)
        assert f'/opt/gr00t/docker/{script}' in ' '.join(text for _, text in words)


def ignored() -> set[str]:
    """Return what the context leaves out."""
    lines = (ROOT / '.dockerignore').read_text().splitlines()
    return {line for line in lines if not line.startswith('#')}


def copies(path: Path) -> list[str]:
    """Return what is wrong with the COPY lines: a stage, folder or source that is not there."""
    wrong, homes, stage = [], {}, ''
    for name, text in instructions(path):
        words = text.split()
        if name == 'FROM':
            stage = words[-1]
            homes[stage] = homes.get(words[0], '/')
        elif name == 'WORKDIR':
            homes[stage] = text
        elif name == 'COPY':
            origin = (
                words.pop(0).removeprefix('--from=') if words[0].startswith('--from') else None
            )
            *sources, place = words
            for source in sources:
                if origin is not None:  # what `build` made lies where it worked, venvs do not move
                    here = origin in homes and source == homes[origin] == place
                else:
                    here = (ROOT / source).exists() and source not in ignored()
                if not here:
                    wrong.append(f'{stage}: {name} {text}')
    return wrong


@pytest.mark.parametrize('target', TARGETS)
def test_copies(target: str) -> None:
    assert copies(DOCKER / f'{target}.Dockerfile') == []


@pytest.mark.parametrize(
    ('good', 'bad'),
    [
        ('COPY . .', 'COPY sources .'),
        ('COPY . .', 'COPY install .'),
        ('COPY --from=build', 'COPY --from=biuld'),
        ('COPY --from=build /opt/gr00t /opt', 'COPY --from=build /opt/groot /opt'),
        ('/opt/gr00t /opt/gr00t', '/opt/gr00t /opt/suite'),
    ],
)
def test_copies_would_be_noticed(good: str, bad: str, tmp_path: Path) -> None:
    text = (DOCKER / 'cuda.Dockerfile').read_text()
    assert good in text
    file = tmp_path / 'Dockerfile'
    file.write_text(text.replace(good, bad))
    assert len(copies(file)) == 1


def test_the_context_holds_what_the_images_build_from() -> None:
    """`.dockerignore` leaves out no file that git has; `COPY . .` then is a checkout."""
    if shutil.which('git') is None:
        pytest.skip('git is not installed')
    listed = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip(f'not a git checkout: {listed.stderr.strip()}')
    left_out = {file for file in listed.stdout.split() if file.split('/')[0] in ignored()}
    assert {file.split('/')[0] for file in left_out} <= {'.github'}


@pytest.mark.parametrize('target', TARGETS)
def test_hadolint(target: str) -> None:
    tool = shutil.which('hadolint') or shutil.which('hadolint', path=Path(sys.executable).parent)
    if tool is None:
        pytest.skip('hadolint is not installed (requirements/test.txt)')
    path = DOCKER / f'{target}.Dockerfile'
    done = subprocess.run([tool, '--no-color', path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize('name', COMPOSE)
def test_compose(name: str) -> None:
    text = (DOCKER / f'compose.{name}.yaml').read_text()
    for service in yaml.safe_load(text)['services'].values():
        image = re.sub(r'\$\{\w+:-([^}]*)\}', r'\1', service['image'])
        assert image in {f'gr00t:{target}' for target in TARGETS}
        assert service['cap_drop'] == ['ALL']
        assert service['command'].startswith('gr00t')


def command_options(name: str, service: str) -> tuple[str, set[str]]:
    """Return the verb and the --options of a service's command."""
    compose = yaml.safe_load((DOCKER / f'compose.{name}.yaml').read_text())
    words = compose['services'][service]['command'].split()
    return words[1], {word for word in words if word.startswith('--')}


@pytest.mark.parametrize(
    ('name', 'service'), [('policy', 'server'), ('policy', 'nodes'), ('recorder', 'recorder')]
)
def test_compose_calls_commands_as_they_are(name: str, service: str) -> None:
    verb, options = command_options(name, service)
    done = subprocess.run(
        [sys.executable, '-m', 'gr00t_core', verb, '--help'],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for option in options:
        assert option in done.stdout
    plain = re.sub(r'[^\x20-\x7e\n]|\x1b\[[0-9;]*m', ' ', done.stdout)
    for option in re.findall(r'(--[a-z-]+)[^\n]*(?:\n[^\n-]*)?\(required\)', plain):
        assert option in options


def compose_services(name: str, **variables: str) -> dict[str, dict[str, object]]:
    """Return the services of a compose file as Compose does: ${NAME:-default}, ${NAME:?error}."""

    def value(match: re.Match[str]) -> str:
        given = variables.get(match['name'], '')
        if not given and match['kind'] == '?':
            raise KeyError(f'{match["name"]}: {match["text"]}')
        return given or match['text']

    pattern = r'\$\{(?P<name>\w+):(?P<kind>[-?])(?P<text>[^}]*)\}'
    text = re.sub(pattern, value, (DOCKER / f'compose.{name}.yaml').read_text())
    assert '${' not in text
    return yaml.safe_load(text)['services']


def test_a_policy_in_compose_has_a_token_and_waits_for_its_server() -> None:
    with pytest.raises(KeyError, match=r'GR00T_API_TOKEN.*a secret'):
        compose_services('policy', CHECKPOINT='/data/so101')
    services = compose_services('policy', CHECKPOINT='/data/so101', GR00T_API_TOKEN='secret')
    server, nodes = services['server'], services['nodes']
    for service in (server, nodes):
        assert service['environment']['GR00T_API_TOKEN'] == 'secret'
    assert server['volumes'] == ['/data/so101:/checkpoint:ro']
    assert nodes['depends_on'] == {'server': {'condition': 'service_healthy'}}
    assert '--http-port' in server['command']  # what docker/healthy asks
    for target in TARGETS:  # each image that may be the server has the check
        health = dict(instructions(DOCKER / f'{target}.Dockerfile'))['HEALTHCHECK']
        assert health.endswith('CMD ["/opt/gr00t/docker/healthy"]')


@pytest.mark.parametrize('name', COMPOSE)
def test_compose_names_each_variable_that_is_missing(name: str) -> None:
    with pytest.raises(KeyError):
        compose_services(name)


def test_scripts_parse() -> None:
    subprocess.run(['bash', '-n', DOCKER / 'entrypoint'], check=True)
    compile((DOCKER / 'healthy').read_text(), 'healthy', 'exec')


def test_context_leaves_environments_and_outputs_out() -> None:
    for name in ('.git', '.venv', 'build', 'install', 'log', '**/__pycache__'):
        assert name in ignored()
