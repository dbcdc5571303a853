# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the blocks of a page in a folder of its own."""

from collections.abc import Callable
from contextlib import contextmanager
import os
from pathlib import Path
import re
import runpy
import shlex
import signal
import subprocess
import threading
import time

from snippets import Block, Page

from gr00t_core.commands.main import main as gr00t

# What may be run besides `gr00t`; anything else must be skipped by name.
HARMLESS = ('cat', 'cp', 'head', 'ls', 'mkdir', 'mv', 'python', 'tail')
# Checked in `checking`, never run.
CHECKED = ('cd', 'export', 'make', 'ros2', 'source')
LIMIT_S = 60.0
_KEY = re.compile(r'(?:wait ([\d.]+) s|(\w)(?: until "([^"]+)")?)')


def run_page(page: Page, folder: Path) -> None:
    """Run every block that is not skipped, in order, as a reader would."""
    running: list[Started] = []
    try:
        with _inside(folder):
            for block in page.blocks:
                if 'skip' not in block.said:
                    _run_block(block, running)
        _end(running)
    finally:
        for started in running:
            started.abandon()


def _run_block(block: Block, running: 'list[Started]') -> None:
    if 'save' in block.said:
        Path(block.one('save') or '').write_text(block.text + '\n', encoding='utf-8')
    if block.language == 'python':
        _run_python(block)
    elif block.language == 'sh':
        for line in block.tested:
            _run_line(block, line, running)


def _end(running: 'list[Started]') -> None:
    while running:
        running[-1].interrupt()
        running[-1].end()
        running.pop()


def _run_python(block: Block) -> None:
    script = Path(f'snippet_{block.where.rpartition(":")[2]}.py')
    script.write_text(block.text, encoding='utf-8')
    runpy.run_path(str(script))


def _run_line(block: Block, line: str, running: 'list[Started]') -> None:
    words = shlex.split(line, comments=True)
    program = words[0]
    if program in CHECKED:
        return
    assert program in ('gr00t', *HARMLESS), (
        f'{block.where}: {program!r} is neither run nor checked; skip the block and say why'
    )
    if {'stop', 'background', 'keys'} & set(block.said):
        started = Started(block, line)
        running.append(started)
        if 'background' in block.said:
            started.wait_for(block.one('background') or '')
            return
        for key in _keys(block):
            key(started)
        if 'stop' in block.said:
            started.wait_for(block.one('stop') or '')
            started.interrupt()
        started.end()
        running.remove(started)
    elif program == 'gr00t' and not set('|>$') & set(line):
        if words[1] == 'convert':
            words += ['--workers', '1']  # starting processes takes longer than the bags
        try:
            status = gr00t([each for word in words[1:] for each in _expanded(word)])
        except SystemExit as ended:  # --help
            status = ended.code or 0
        assert status == 0, f'{block.where}: {line}: exit status {status}'
    else:
        done = subprocess.run(
            ['bash', '-c', line], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert done.returncode == 0, f'{block.where}: {line}\n{done.stdout}{done.stderr}'


def _expanded(word: str) -> list[str]:
    """Expand a pattern as the shell does."""
    if '*' not in word:
        return [word]
    return sorted(str(path) for path in Path().glob(word)) or [word]


class Started:
    """A command that runs beside the test."""

    def __init__(self, block: Block, line: str) -> None:
        self._label = f'{block.where}: {line}'
        self._output = ''
        self._process = subprocess.Popen(
            ['bash', '-c', f'exec {line}'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {'PYTHONUNBUFFERED': '1', 'COLUMNS': '200'},
            text=True,
            errors='replace',
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str, nudge: Callable[[], None] = lambda: None) -> None:
        """Wait until the output shows a text; `nudge` it every half second."""
        deadline = time.monotonic() + LIMIT_S
        nudged = time.monotonic()
        while text not in self._output:
            assert time.monotonic() < deadline, f'{self._label}: no {text!r} in\n{self._output}'
            assert self._process.poll() is None, f'{self._label}: ended:\n{self._output}'
            if time.monotonic() > nudged + 0.5:
                nudge()
                nudged = time.monotonic()
            time.sleep(0.02)

    def press(self, key: str) -> None:
        """Send a key."""
        assert self._process.stdin is not None
        self._process.stdin.write(key)
        self._process.stdin.flush()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Wait for its end; it must go well."""
        status = self._process.wait(LIMIT_S)
        self._reader.join(5.0)
        assert status in (0, 130), f'{self._label}: exit status {status}:\n{self._output}'

    def abandon(self) -> None:
        """End it somehow: the test has failed."""
        self.interrupt()
        try:
            self._process.wait(15.0)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._output += line


def _keys(block: Block) -> list[Callable[[Started], None]]:
    """Return what the directive `keys` says to do, in order."""

    def press(key: str, text: str | None) -> Callable[[Started], None]:
        if text is None:
            return lambda started: started.press(key)
        return lambda started: started.wait_for(text, lambda: started.press(key))

    steps: list[Callable[[Started], None]] = []
    for item in re.split(r', ', block.one('keys') or '') if 'keys' in block.said else []:
        match = _KEY.fullmatch(item)
        assert match, f'{block.where}: {item!r} is no key'
        seconds = float(match[1] or 0)
        steps.append(
            (lambda _, s=seconds: time.sleep(s)) if match[1] else press(match[2], match[3])
        )
    return steps


@contextmanager
def _inside(folder: Path):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
