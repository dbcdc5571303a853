# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run a command of set-up quietly, but never silently; without any package, before .venv exists.

Usage: python3 setup/progress.py LOG TITLE COMMAND...

In a terminal one line shows what pip is doing and for how long; elsewhere a line comes every
15 s. When the command ends, one line says what it took. The whole output goes into the file LOG
(appended), and its end is shown when the command fails.
"""

import os
from pathlib import Path
import re
import subprocess
import sys
import threading
import time

TICK_S = {True: 0.5, False: 15.0}  # by whether a terminal is attached
TAIL = 25  # lines shown of a command that failed
DOWNLOAD = re.compile(
    r'Downloading (?P<file>\S+?\.(?:whl|tar\.gz|zip)) \((?P<size>[\d.]+) (?P<unit>[kMG]?)B'
)
UNITS = {'': 1e-6, 'k': 1e-3, 'M': 1.0, 'G': 1e3}  # in MB


class Progress:
    """What a command has said so far: its present step, downloads, and its end in one line."""

    def __init__(self) -> None:
        self.now = 'working'
        self.megabytes = 0.0
        self.installed = 0

    def hear(self, line: str) -> None:
        """Take one line of the output."""
        text = line.strip()
        if match := DOWNLOAD.match(text):
            size = float(match['size']) * UNITS[match['unit']]
            self.megabytes += size
            self.now = f'downloading {match["file"].split("-")[0]} ({size:.0f} MB)'
        elif text.startswith('Collecting '):
            self.now = f'looking for {text.split()[1]}'
        elif text.startswith('Installing collected packages: '):
            count = text.count(',') + 1
            self.now = f'unpacking {count} packages'
        elif text.startswith('Successfully installed '):
            self.installed = len(text.split()) - 2
        elif text.startswith(('Get:', 'Unpacking ', 'Setting up ')):  # apt-get
            self.now = ' '.join(text.split()[:3])

    def result(self, seconds: float) -> str:
        """Say what the command did."""
        parts = [f'{seconds:.0f} s']
        if self.megabytes >= 0.5:
            parts.insert(0, f'{self.megabytes:.0f} MB downloaded')
        if self.installed:
            parts.insert(0, f'{self.installed} packages')
        return ', '.join(parts)


def run(log: Path, title: str, command: list[str]) -> int:
    """Run the command, show its progress, and return its exit status."""
    terminal = sys.stdout.isatty()
    progress, started, done = Progress(), time.monotonic(), threading.Event()

    def show(text: str, end: str) -> None:
        clear = '\r\x1b[K' if terminal else ''
        print(f'{clear}setup: {title}: {text}', end=end, flush=True)

    def tick() -> None:
        while not done.wait(TICK_S[terminal]):
            text = f'{time.monotonic() - started:4.0f} s, {progress.now}'
            show(
                text[: max(os.get_terminal_size().columns - len(title) - 10, 20)]
                if terminal
                else text,
                '' if terminal else '\n',
            )

    if terminal:
        show('starting', '')
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    lines: list[str] = []
    with (
        log.open('a') as file,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            stdin=subprocess.DEVNULL,
        ) as process,
    ):
        file.write(f'$ {" ".join(command)}\n')
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            file.write(line)
            progress.hear(line)
    done.set()
    ticker.join()
    code = process.returncode
    seconds = time.monotonic() - started
    show(progress.result(seconds) if code == 0 else f'failed after {seconds:.0f} s', '\n')
    if code != 0:
        sys.stderr.write(''.join(f'  | {line}' for line in lines[-TAIL:]))
    return code if code >= 0 else 128 - code


if __name__ == '__main__':
    try:
        raise SystemExit(run(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
    except KeyboardInterrupt:
        print()
        raise SystemExit(130) from None
