# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Give an answer in time, whatever hangs: work in a child process that is killed when it is late.

A middleware call that does not return holds the interpreter, so that no thread and no signal
handler of the same process could end it.
"""

from collections.abc import Callable
import os
import select
import signal
import sys
import time
import traceback
from typing import NoReturn

from gr00t_core.errors import Gr00tError

INTERRUPTED = 130
Tell = Callable[[int], None]


def within(
    limit_s: float, work: Callable[[Tell], int], late: Callable[[int | None], int], program: str
) -> int:
    """Return the exit status of some work, at the latest after a time.

    Args:
        limit_s: How long the work may take (s).
        work: Is done in a child process, which nothing but its output leaves. It is given what
            tells a status before it ends.
        late: Returns the status when the work is late; given the last one that it told, None for
            none.
        program: Begins the line of an error.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _work(work, writing, program)
    os.close(writing)
    end = time.monotonic() + limit_s
    ended = os.pidfd_open(child)
    before = {
        number: signal.signal(number, lambda n, _: signal.pidfd_send_signal(ended, n))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        if select.select([ended], [], [], max(end - time.monotonic(), 0.0))[0]:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        signal.pidfd_send_signal(ended, signal.SIGKILL)
        os.waitpid(child, 0)
        told = os.read(reading, 100)
        return late(told[-1] if told else None)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(ended)
        os.close(reading)


def _work(work: Callable[[Tell], int], writing: int, program: str) -> NoReturn:
    def tell(known: int) -> None:
        os.write(writing, bytes([known]))

    status = 1
    try:
        os.setpgid(0, 0)  # Ctrl-C comes through the parent, once
        status = work(tell)
    except Gr00tError as error:
        print(f'{program}: {error}', file=sys.stderr)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
