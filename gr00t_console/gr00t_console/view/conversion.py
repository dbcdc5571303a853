# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert bags from the page: `gr00t convert` as a process of its own, one at a time.

The process belongs to the server, not to a browser: a closed tab ends nothing, and every page
shows the same conversion.
"""

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
from typing import Any, Literal

from gr00t_console.view.bags import GENTLE
from gr00t_console.view.sources import read_report, REPORT
from gr00t_core.errors import DatasetError

PAGE = REPORT.with_suffix('.html')
PREFIX = 'gr00t convert: '
FINISHED = (': converted', ': unchanged')
# How long a conversion may take to end when the server ends (s).
ENDING_S = 2.0
State = Literal['none', 'running', 'done', 'faulty', 'failed']


@dataclass
class _Run:
    """One conversion: what it makes, and what it said so far."""

    output: Path
    before: int  # when the output's report was written (ns), 0 where there was none
    process: 'subprocess.Popen[str]'
    bags: int = 0  # that are finished
    said: deque[str] = field(default_factory=lambda: deque(maxlen=40))
    faults: list[str] = field(default_factory=list)
    status: int | None = None


class Conversion:
    """What the page may convert, and how far that is; for threads.

    Attributes:
        output: Folder that is offered for the dataset.

    Args:
        words: Bags, robot and further arguments of `gr00t convert`.
        decisions: File of decisions; obeyed where it is there.
        bags: The first of the bags, or their folder; the dataset is offered beside it.
        gently: At the lowest priority, in one process: a robot works on the same machine.
    """

    def __init__(
        self, words: Sequence[str], decisions: Path, bags: Path, *, gently: bool = False
    ) -> None:
        self.output = bags.with_name(f'{bags.name}_dataset')
        self._words = [*words, *(('--workers', '1') if gently else ())]
        self._decisions = decisions
        self._bags = bags
        self._nice = ['nice', '-n', str(GENTLE)] if gently else []
        self._lock = threading.Lock()
        self._run: _Run | None = None

    @property
    def running(self) -> bool:
        """Return whether a conversion is under way."""
        return self._run is not None and self._run.status is None

    def begin(self, output: str, *, only_success: bool) -> None:
        """Begin to convert, as it is decided now.

        Args:
            output: Folder of the dataset; one that was made of the same bags is brought up to
                date.
            only_success: Leave out episodes that are not marked as a success.

        Raises:
            DatasetError: A conversion is under way, or the folder cannot be taken.
        """
        with self._lock:
            if self._run is not None and self.running:
                raise DatasetError(
                    f'a conversion to {self._run.output} is under way: wait for its end'
                )
            folder = self._checked(output)
            words = [*self._words, '--output', str(folder)]
            words += ['--decisions', str(self._decisions)] if self._decisions.exists() else []
            words += ['--only-success'] if only_success else []
            # A process of its own: rosbag_tools and this package meet in files only.
            process = subprocess.Popen(
                [*self._nice, sys.executable, '-m', 'gr00t_core', 'convert', *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors='replace',
                start_new_session=True,  # so that `close` reaches its processes, too
            )
            self._run = _Run(folder, _written_ns(folder), process)
            threading.Thread(
                target=_follow, args=(self._run,), name='conversion', daemon=True
            ).start()

    def told(self) -> dict[str, Any]:
        """Return how far it is, for the page.

        `state` is none, running, done, faulty (a dataset was made, and something is wrong with
        it) or failed (none was made).
        """
        run = self._run
        if run is None:
            return {'state': 'none', 'output': str(self.output)}
        state = _state(run)
        found = {'state': state, 'output': str(run.output), 'bags': run.bags, 'text': ''}
        if state == 'failed':
            found['text'] = '\n'.join(run.faults) or (run.said[-1] if run.said else 'no reason')
        elif state in ('done', 'faulty'):
            report = read_report(run.output) or {'bags': []}
            wrong = [each['error'] for each in report['bags'] if each.get('error')]
            found['text'] = '\n'.join([*wrong, *run.faults])
            found['episodes'] = sum(len(each.get('episodes', [])) for each in report['bags'])
        return found

    def report(self) -> Path:
        """Return the page of the last conversion's report.

        Raises:
            DatasetError: There is none.
        """
        run = self._run
        if run is None or _state(run) not in ('done', 'faulty'):
            raise DatasetError('there is no report: convert first')
        return run.output / PAGE

    def close(self) -> None:
        """End a conversion that is under way: the server ends. What is finished is kept."""
        run = self._run
        if run is None or run.process.poll() is not None:
            return
        # Not SIGINT: a shell that starts the server in the background has its children ignore it.
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(run.process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                run.process.wait(ENDING_S)
                return

    def _checked(self, output: str) -> Path:
        if not output.strip():
            raise DatasetError('give the folder of the dataset')
        folder = Path(output.strip()).expanduser().absolute()
        if self._bags == folder or self._bags in folder.parents:
            raise DatasetError(
                f'{folder}: lies in the folder of the bags; give one beside it, such as'
                f' {self.output}'
            )
        return folder


def _follow(run: _Run) -> None:
    """Read what the process says until it ends."""
    assert run.process.stdout is not None
    for line in run.process.stdout:
        text = line.strip()
        if text.endswith(FINISHED):
            run.bags += 1
        elif text.startswith(PREFIX):
            run.faults.append(text.removeprefix(PREFIX))
        if text:
            run.said.append(text)
    run.status = run.process.wait()


def _state(run: _Run) -> State:
    if run.status is None:
        return 'running'
    # The exit status 1 says both: something is wrong with the dataset, or there is none.
    if run.status not in (0, 1) or _written_ns(run.output) == run.before:
        return 'failed'
    return 'faulty' if run.status else 'done'


def _written_ns(dataset: Path) -> int:
    try:
        return (dataset / REPORT).stat().st_mtime_ns
    except OSError:
        return 0
