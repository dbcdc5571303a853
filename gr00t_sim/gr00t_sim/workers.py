# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Share scenes among worker processes: start them, take what they report, end them."""

from collections.abc import Callable, Generator, Sequence
from multiprocessing.process import BaseProcess
import queue
from typing import Any

from gr00t_core.errors import ServingError

END_S = 30.0  # so long may a worker that is done take to end its nodes


def results_of(
    workers: Sequence[BaseProcess],
    results: Any,
    count: int,
    say: Callable[[str], None],
    lost: Callable[[int], str],
) -> Generator[Any, None, None]:
    """Start workers and yield what they put into a queue, until there are `count` results.

    When the generator is closed before, the workers are terminated.

    Args:
        workers: Not started yet.
        results: The queue; texts in it are for the user.
        count: Results to come.
        say: Called with each text.
        lost: Gives the error's text from how many are left when all workers have ended.

    Raises:
        ServingError: The workers ended too early.
    """
    for worker in workers:
        worker.start()
    try:
        while count:
            try:
                found = results.get(timeout=1.0)
            except queue.Empty:
                if not any(worker.is_alive() for worker in workers) and results.empty():
                    raise ServingError(lost(count)) from None
                continue
            if isinstance(found, str):
                say(found)
                continue
            yield found
            count -= 1
    finally:
        for worker in workers:
            worker.join(0.1 if count else END_S)
            if worker.is_alive():
                worker.terminate()
                worker.join()
