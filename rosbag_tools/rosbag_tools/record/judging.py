# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judge saved episodes, one after the other, each by a process `rosbag_tools.record.judge`."""

from collections.abc import Iterator
import json
from pathlib import Path
import subprocess
import sys
import time

from rosbag_tools.record.judge import Verdict

LONGEST_S = 300.0


class Judgements:
    """A queue of episodes; at most one is being judged."""

    def __init__(self) -> None:
        self._waiting: list[Path] = []
        self._running: _Judging | None = None

    def __len__(self) -> int:
        """Return how many episodes have no verdict yet."""
        return len(self._waiting) + (self._running is not None)

    def add(self, path: Path) -> None:
        """Have an episode judged."""
        self._waiting.append(path)

    def drop(self, path: Path) -> None:
        """Forget an episode: it is going to be moved."""
        self._waiting = [each for each in self._waiting if each != path]
        if self._running is not None and self._running.path == path:
            self._running.verdict(0.0)
            self._running = None

    def take(self) -> Iterator[tuple[Path, Verdict]]:
        """Yield the verdicts that are there, and begin the next judgement; call it often."""
        if self._running is not None:
            if self._running.is_done:
                yield self._running.path, self._running.verdict()
                self._running = None
            elif self._running.seconds > LONGEST_S:
                yield self._running.path, self._running.verdict(0.0)
                self._running = None
        if self._running is None and self._waiting:
            self._running = _Judging(self._waiting.pop(0))

    def close(self, limit_s: float) -> Iterator[tuple[Path, Verdict]]:
        """Yield a verdict on every episode that is left, within about `limit_s`."""
        if self._running is not None:
            yield self._running.path, self._running.verdict(limit_s)
            self._running = None
        for path in self._waiting:
            yield path, _not_judged('the recorder was stopped')
        self._waiting.clear()


class _Judging:
    """A judgement under way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._since = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'rosbag_tools.record.judge', str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            start_new_session=True,  # a Ctrl-C in the terminal is the recorder's
        )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since

    @property
    def is_done(self) -> bool:
        return self._process.poll() is not None

    def verdict(self, limit_s: float | None = None) -> Verdict:
        """Wait for the verdict; a process that fails or takes too long gives one that says so."""
        try:
            output, _ = self._process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return _not_judged(f'it took more than {self.seconds:.0f} s')
        last = output.strip().rpartition('\n')[2]
        try:
            return Verdict(**json.loads(last))
        except (json.JSONDecodeError, TypeError):
            return _not_judged(last or 'the process was ended')


def _not_judged(why: str) -> Verdict:
    return Verdict(None, 0, f'not judged: {why}')
