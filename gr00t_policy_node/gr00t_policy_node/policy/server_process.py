# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep a local server process running: start it, forward its output, start it when it ends."""

from collections import deque
from collections.abc import Callable
import contextlib
import os
import signal
import subprocess
import threading
import time

# Waits before the second, third, ... start in a row; the last one repeats.
BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
# A server that ran so long begins again with the shortest wait.
STEADY_S = 60.0
# After SIGTERM a server has this long before SIGKILL; `gr00t serve` gives a call under way 5 s.
GRACE_S = 6.0


class ServerProcess(threading.Thread):
    """A supervised child process. The thread ends, and the child with it, at `stop`."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        on_line: Callable[[str], None],
        on_event: Callable[[str], None],
    ) -> None:
        """Prepare.

        Args:
            command: Program and arguments.
            environment: All its environment variables.
            on_line: Called with each line that the child writes, from a thread.
            on_event: Called with what happened to the child (it ended, it starts again).
        """
        super().__init__(name='server process', daemon=True)
        self.ended = ''  # why the last child ended; '' while the first one runs
        self.starts = 0
        self._command = command
        self._environment = environment
        self._on_line = on_line
        self._on_event = on_event
        self._stopping = threading.Event()
        self._tried = threading.Event()  # to start the first child
        self._child: subprocess.Popen[str] | None = None
        self._why = ''  # why we ended it ourselves

    @property
    def pid(self) -> int | None:
        """Return the child's process id, None while there is none."""
        child = self._child
        return None if child is None else child.pid

    def start(self) -> None:
        """Start the thread; return when there is a first child, or it cannot be started."""
        super().start()
        self._tried.wait()

    def restart(self, reason: str) -> None:
        """Kill the child: it does not answer. The thread starts another one."""
        if self._child is not None:
            self._why = reason
            self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End the child and the thread."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        # A stopped (SIGSTOP) process takes its SIGTERM only when it continues.
        self._signal(signal.SIGCONT)
        if self.ident is not None:
            self.join(GRACE_S)
            if self.is_alive():
                self._on_event(f'the server did not end within {GRACE_S} s of SIGTERM: killed')
                self._signal(signal.SIGKILL)
                self.join()

    def run(self) -> None:
        """Start the child again and again until `stop`."""
        failures = 0
        while not self._stopping.is_set():
            started = time.monotonic()
            self.starts += 1
            status, last = self._run_once()
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - started > STEADY_S else failures
            wait_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            failures += 1
            how = self._why or f'the server ended with status {status}' + (last and f': {last}')
            self._why = ''
            self.ended = how
            self._on_event(f'{how}; it starts again in {wait_s:.0f} s')
            self._stopping.wait(wait_s)

    def _run_once(self) -> tuple[int, str]:
        """Run one child to its end; return its status and its last line."""
        lines: deque[str] = deque(maxlen=1)
        try:
            # Its own session: Ctrl-C in a terminal is for the node, which ends the child in turn.
            child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors='replace',
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            self._tried.set()
            return 1, str(error)
        self._child = child
        self._tried.set()
        if self._stopping.is_set():  # stop() came before there was a child to signal
            self._signal(signal.SIGTERM)
        assert child.stdout is not None
        for line in child.stdout:
            if line := line.rstrip():
                lines.append(line)
                self._on_line(line)
        status = child.wait()
        self._child = None
        return status, lines[0] if lines else ''

    def _signal(self, number: int) -> None:
        """Signal the child's whole session, as the server may have workers."""
        child = self._child
        if child is not None and child.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                os.killpg(child.pid, number)
