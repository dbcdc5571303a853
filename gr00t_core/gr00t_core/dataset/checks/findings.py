# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the checks of a dataset find."""

from dataclasses import dataclass

from gr00t_core.dataset.moment import Moment

ERROR, WARNING = 'error', 'warning'


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or odd.

    Attributes:
        level: `error` if readers will fail or read something false, else `warning`.
        where: File, column or episode.
        what: What was found, what was expected, and what to do.
        at: Where a person can look at it; None where there is nothing to see.
    """

    level: str
    where: str
    what: str
    at: Moment | None = None


def error(where: object, what: str, at: Moment | None = None) -> Finding:
    """Return a finding that makes the dataset unusable."""
    return Finding(ERROR, str(where), what.removeprefix(f'{where}: '), at)


def warning(where: object, what: str, at: Moment | None = None) -> Finding:
    """Return a finding that someone should look at."""
    return Finding(WARNING, str(where), what.removeprefix(f'{where}: '), at)
