# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check that what a page names is there: verbs, options, launch arguments, message types, keys."""

from contextlib import redirect_stdout, suppress
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
import io
from pathlib import Path
import re
import runpy
import shlex
import sys
from tempfile import NamedTemporaryFile
from typing import Any
from unittest.mock import MagicMock, patch

from snippets import Block, Page, ROOT
import yaml

from gr00t_core.commands import main as cli
from gr00t_core.dataset.decisions import FORMAT, read_decisions
from gr00t_core.robot.file import parse, shipped_robots

SUBVERBS = ('export', 'robot', 'sim', 'so101', 'benchmark')
_INLINE = re.compile(r'`((?:gr00t|ros2|make) [^`\n]+)`')
_VERB = re.compile(r'`gr00t [\w-]+`')
_LINK = re.compile(r'\]\(([^)#\s]+)(?:#[^)]*)?\)')


def commands(page: Page) -> list[tuple[str, str, bool]]:
    """Return where, what and whether in a block, for every command line of a page."""
    found = [
        (block.where, line, True)
        for block in page.blocks
        if block.language == 'sh'
        for line in block.commands
    ]
    prose = re.sub(r'^\s*```.*?^\s*```', '', page.text, flags=re.DOTALL | re.MULTILINE)
    return found + [(page.name, match, False) for match in _INLINE.findall(prose)]


def columns(page: Page) -> list[tuple[str, str, bool]]:
    """Return the options in table columns that are headed by a verb, as pieces of commands."""
    found, heads = [], list[str]()
    for line in page.text.splitlines():
        cells = [cell.strip() for cell in line.split('|')[1:-1]]
        heads = heads if cells and heads else cells
        for head, cell in zip(heads, cells):
            if _VERB.fullmatch(head):
                options = re.findall(r'`(--[\w-]+)', cell)
                found += [(page.name, f'{head.strip("`")} {each}', False) for each in options]
    return found


def check_command(line: str, in_block: bool = True) -> None:
    """Check one command line as far as it can be told without running it.

    In the text a command may be a piece, `gr00t convert --fps 30`, as long as it names none of the
    options that are required.
    """
    if '<' in line or '…' in line or 'VERB' in line:  # a pattern, not a command
        return
    words = shlex.split(line, comments=True)
    if words[0] == 'gr00t' and len(words) > 1:
        _check_gr00t(words[1:], in_block)
    elif words[0] == 'make':
        targets = re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE)
        assert {w for w in words[1:] if '=' not in w} <= set(targets), f'{line}: not a target'
    elif words[0] == 'ros2':
        _check_ros2(words[1:])


def _check_gr00t(words: list[str], is_whole: bool) -> None:
    verb, rest = words[0], words[1:]
    if verb.startswith('-'):
        return
    assert verb in cli.verbs(), f'gr00t {verb}: no such verb'
    sub = rest[0] if verb in SUBVERBS and rest and not rest[0].startswith('-') else ''
    text = help_of(verb, sub)
    for option in (word.partition('=')[0] for word in rest if word.startswith('--')):
        known = re.search(rf'(?<![\w-]){re.escape(option)}(?![\w-])', text)
        assert known or option == '--help', f'gr00t {verb} {sub}: no option {option}'
    if '--help' not in rest:
        entries = re.split(r'\n[ │]*(?=--?\w)', text)
        required = {e.split()[0] for e in entries if e[:2] == '--' and '(required)' in e}
        missing = required - set(rest)
        is_whole |= bool(required & set(rest)) and len(rest) > 1
        assert not missing or not is_whole, f'gr00t {verb}: needs {", ".join(sorted(missing))}'


@cache
def help_of(verb: str, sub: str) -> str:
    """Return what `gr00t VERB [SUB] --help` says."""
    said = io.StringIO()
    wide = patch.dict('os.environ', {'COLUMNS': '300'})
    with wide, redirect_stdout(said), suppress(SystemExit):
        cli.run(verb, [*([sub] if sub else []), '--help'])
    return said.getvalue()


def _check_ros2(words: list[str]) -> None:
    match words:
        case ['launch', 'gr00t_bringup', name, *arguments]:
            declared = launch_arguments(name)
            for argument in arguments:
                key, _, value = argument.partition(':=')
                assert key in declared, f'{name}: no argument {key}; it has {sorted(declared)}'
                assert not declared[key] or value in declared[key], f'{name}: {argument}'
        case ['run', package, executable, *_] if (ROOT / package).is_dir():
            scripts = entry_points(group='console_scripts', name=executable)
            assert any(each.value.startswith(f'{package}.') for each in scripts), words
        case ['topic', 'pub', *rest]:
            _check_message([w for w in rest if not w.startswith('-')], 'msg')
        case ['service', 'call', *rest]:
            _check_message(rest, 'srv')
        case ['action', 'send_goal', *rest]:
            _check_message([w for w in rest if not w.startswith('-')], 'action')


def launch_arguments(name: str) -> dict[str, list[str] | None]:
    """Return the arguments that a launch file declares, with their choices; without launch."""
    launch = {
        module: MagicMock()
        for module in ('launch', 'launch.actions', 'launch.substitutions', 'launch_ros.actions')
    }
    path = ROOT / 'gr00t_bringup' / 'launch' / name
    assert path.is_file(), f'no launch file {name}'
    with patch.dict(sys.modules, launch):
        sys.modules.pop('gr00t_bringup.launching', None)
        runpy.run_path(str(path))['generate_launch_description']()
    calls = launch['launch.actions'].DeclareLaunchArgument.call_args_list
    return {call.args[0]: call.kwargs.get('choices') for call in calls}


def _check_message(words: list[str], kind: str) -> None:
    name, type_name, *text = words
    package, _, short = type_name.split('/')
    interface = getattr(import_module(f'{package}.{kind}'), short)
    part = {'msg': '', 'srv': 'Request', 'action': 'Goal'}[kind]
    message = (getattr(interface, part) if part else interface)()
    for key, value in (yaml.safe_load(text[0]) if text else {}).items():
        assert hasattr(message, key), f'{type_name}: no field {key}'
        setattr(message, key, value)
    packages = ('gr00t_policy_node', 'gr00t_so101', 'rosbag_tools')
    sources = [path for package in packages for path in (ROOT / package).rglob('*.py')]
    last = name.rpartition('/')[2]
    assert any(re.search(rf"[/'{{}}]{last}'", path.read_text()) for path in sources), name


def check_yaml(block: Block) -> None:
    """Check a robot file, a piece of one, a parameter file, or a file of decisions."""
    data = yaml.safe_load(block.text)
    if data.get('format') == FORMAT:
        with NamedTemporaryFile('w', suffix='.yaml') as file:
            file.write(block.text)
            file.flush()
            assert read_decisions(Path(file.name)), f'{block.where}: decides nothing'
        return
    robot = block.one('in')
    if robot is not None:
        data = _merged(yaml.safe_load(shipped_robots()[robot].read_text()), data)
    if 'robot' in data:
        parse(data, Path(block.where))
        return
    for node, content in data.items():
        assert set(content) == {'ros__parameters'}, f'{block.where}: what is {node}?'
        unknown = set(content['ros__parameters']) - parameters_of(node.rpartition('/')[2])
        assert not unknown, f'{block.where}: {node} has no {", ".join(unknown)}'


def parameters_of(node: str) -> set[str]:
    """Return the parameters of a node, from the file that a test compares with the nodes."""
    text = (ROOT / 'gr00t_bringup' / 'config' / 'parameters.yaml').read_text(encoding='utf-8')
    tables = {name.rpartition('/')[2]: table for name, table in yaml.safe_load(text).items()}
    return set(tables[node]['ros__parameters']) | {'use_sim_time'}


def _merged(base: Any, piece: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(piece, dict)):
        return piece
    return base | {key: _merged(base.get(key), value) for key, value in piece.items()}


def broken_links(page: Page) -> list[str]:
    """Return the links of a page to files that are not there."""
    links = [link for link in _LINK.findall(page.text) if '://' not in link]
    return [link for link in links if not (page.path.parent / link).exists()]
