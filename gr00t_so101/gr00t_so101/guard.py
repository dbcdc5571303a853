# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Switch the torque off when the driver was killed: a process beside it that does only this.

Signals and exceptions end in the driver's own clean-up. Nothing runs after a SIGKILL, so the
driver starts this process and holds the other end of its standard input.
"""

import argparse
import os
import subprocess
import sys
import time

from gr00t_so101.bus import Bus, BusError

DONE = b'done'
# The port of a killed process is free at once; another process may be slower to let go.
ATTEMPTS, PAUSE_S = 20, 0.1


class Guard:
    """The driver's side."""

    def __init__(self, port: str, servos: list[int]) -> None:
        """Start the process; from now on a death of this one switches the torque off."""
        words = [sys.executable, '-m', 'gr00t_so101.guard', '--port', port, '--ids']
        # A session of its own: what kills the driver's process group shall not kill the guard.
        self._process = subprocess.Popen(
            [*words, *map(str, servos)], stdin=subprocess.PIPE, start_new_session=True
        )

    def dismiss(self) -> None:
        """End the process without touching the servos."""
        try:
            self._process.communicate(DONE, timeout=5.0)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()


def main(argv: list[str] | None = None) -> int:
    """Wait for the end of the driver; switch the torque off unless it says that it is done."""
    parser = argparse.ArgumentParser(description=main.__doc__, allow_abbrev=False)
    parser.add_argument('--port', required=True)
    parser.add_argument('--ids', type=int, nargs='+', required=True)
    arguments = parser.parse_args(argv)
    if os.read(0, len(DONE)) == DONE:
        return 0
    bus = Bus(arguments.port, {f'servo {each}': each for each in arguments.ids})
    said = ''
    for _ in range(ATTEMPTS):
        try:
            bus.open()
            bus.torque_off()
            print(f'{arguments.port}: the driver was killed: torque switched off', flush=True)
            return 0
        except BusError as error:
            said = str(error)
            time.sleep(PAUSE_S)
    print(f'{said}: THE TORQUE IS STILL ON: switch the arm off', file=sys.stderr)
    return 1


if __name__ == '__main__':
    raise SystemExit(main())
