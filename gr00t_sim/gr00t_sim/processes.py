# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t up` as a process: its nodes start, end and are watched together."""

import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

import yaml

from gr00t_core.errors import ServingError

STOP_LIMIT_S = 25.0  # `gr00t up` itself kills what does not end within 18 s


def leave_in_order() -> None:
    """Let a worker process end in order, once, at SIGTERM; SIGINT is its parent's to answer.

    A second SIGTERM would break into what ends the nodes, and leave them behind: `timeout` sends
    one to the whole group, and the parent another one.
    """

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        sys.exit(1)

    # Functions, since an ignored signal would stay ignored in the nodes.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, leave)


class Up:
    """`gr00t up` with arguments of its own; its output goes to a log file.

    Args:
        arguments: Of the command.
        parameters: Node → its parameters; they become the parameter file beside the log.
        log: File that the output is added to.
    """

    def __init__(
        self, arguments: list[str], parameters: dict[str, dict[str, Any]], log: Path
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        tree = {f'/**/{node}': {'ros__parameters': values} for node, values in parameters.items()}
        file = log.with_suffix('.yaml')
        file.write_text(yaml.safe_dump(tree), encoding='utf-8')
        self._command = [sys.executable, '-m', 'gr00t_core', 'up', *arguments]
        self._command += ['--params-file', str(file)]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begin = 0
        self.starts = 0

    def start(self) -> None:
        """Start the nodes."""
        self.starts += 1
        with self._log.open('ab') as output:
            self._log_begin = output.tell()
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def check(self) -> None:
        """See that they still run.

        Raises:
            ServingError: They ended, with the end of the log.
        """
        if self._process is not None and self._process.poll() is not None:
            raise ServingError(f'the nodes ended by themselves; {self.last_words()}')

    def last_words(self) -> str:
        """Return the end of the log since the last start."""
        written = self._log.read_bytes()[self._log_begin :]
        lines = written.decode(errors='replace').splitlines()
        return f'the end of {self._log} says:\n' + '\n'.join(lines[-20:])

    def stop(self) -> None:
        """Stop them as Ctrl-C does; kill what does not end."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
