# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t watch`: modes, rates, reasons of refusals, all diagnostics, in a terminal."""

from collections.abc import Iterable
import sys
import time
from typing import Any, TYPE_CHECKING

from gr00t_core.errors import ServingError

if TYPE_CHECKING:
    from gr00t_policy_node.person.robot_client import RobotClient, Status
    from gr00t_policy_node.person.session import Session

SILENT_S = 3.0
LEVELS = {0: ('ok', 'green'), 1: ('WARN', 'yellow'), 2: ('ERROR', 'bold red'), 3: ('STALE', 'red')}
# Keys whose values the message of the status tells already.
IN_MESSAGE = ('mode', 'reason')
# Values that say nothing: nothing was counted, nothing is known.
EMPTY = ('', '-', '0', 'False')
# Keys of what was refused begin with these, or have "reject" or "refus" in them.
REFUSALS = ('bad samples', 'last bad', 'dropped', 'last dropped', 'unreadable')
# A line of the screen: text and style.
Line = tuple[str, str]


def main(argv: list[str]) -> int:
    """Show what the robot side does: modes, rates, refusals, diagnostics."""
    from gr00t_policy_node.person.session import options, session

    parser = options('watch', main.__doc__)
    parser.add_argument('--once', action='store_true', help='print it once, and end')
    asked = parser.parse_args(argv)
    began = time.monotonic()
    with session(asked.namespace, 'watch') as made:
        heard = made.until(lambda: made.client.statuses or made.client.recorders, asked.timeout)
        if not heard and not made.interrupts:
            if silent := made.client.unheard():
                names = ' and '.join(silent)
                raise ServingError(
                    f'{names} said nothing within {asked.timeout:g} s; see its log, or restart it'
                )
            raise made.why_nothing('no node reports', asked.timeout)
        if asked.once:
            left_s = began + asked.timeout - time.monotonic()
            silent = made.hear_all(left_s)
            for text, _ in lines(made.client, time.monotonic()):
                print(text)
            for name in silent:
                print(f'{name}\n  SILENT said nothing within {asked.timeout:g} s')
            return 0
        _watch(made)
        return 0


def lines(client: 'RobotClient', now: float) -> list[Line]:
    """Return what the screen shows at `now` (s, monotonic), one line each."""
    found: list[Line] = []
    nodes = sorted({each.node for each in client.statuses.values()})
    for node in nodes:
        found.append((node, 'bold'))
        for each in (s for s in client.statuses.values() if s.node == node):
            found += _status(each, now)
    for heard_at, told in client.recorders.values():
        found += _recorder(told, now - heard_at)
    return found


def _status(each: 'Status', now: float) -> Iterable[Line]:
    word, style = LEVELS.get(each.level, (str(each.level), 'red'))
    age_s = now - each.heard_at
    message = each.message
    if age_s > SILENT_S:
        word, style, message = 'SILENT', 'bold red', f'for {age_s:.0f} s; last: {each.message}'
    yield f'  {word:<6} {each.subject}: {message}', style
    shown = [
        f'{key} {value}'
        for key, value in each.values.items()
        if value not in EMPTY and key not in IN_MESSAGE
    ]
    refused = [text for text in shown if _is_refusal(text)]
    rest = [text for text in shown if not _is_refusal(text)]
    if refused:
        yield f'         {" · ".join(refused)}', 'yellow'
    if rest:
        yield f'         {" · ".join(rest)}', 'dim'


def _is_refusal(text: str) -> bool:
    return 'reject' in text or 'refus' in text or text.startswith(REFUSALS)


def _recorder(told: dict[str, Any], age_s: float) -> Iterable[Line]:
    if age_s > SILENT_S:
        return
    doing = (
        f'records {told["recording"]}, {told.get("seconds")} s' if told.get('recording') else ''
    )
    counts = f'{told.get("good")} good, {told.get("bad")} bad in {told.get("output")}'
    yield 'recorder', 'bold'
    yield f'  {doing or "not recording"} · “{told.get("instruction")}” · {counts}', ''


def _watch(made: 'Session') -> None:
    """Draw the screen anew until Ctrl-C; into a file or pipe, write it once a second."""
    if not sys.stdout.isatty():
        while not made.interrupts:
            print(*(text for text, _ in lines(made.client, time.monotonic())), '', sep='\n')
            sys.stdout.flush()
            made.until(lambda: False, 1.0)
        return
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, screen=False, transient=True) as live:
        while not made.interrupts:
            shown = lines(made.client, time.monotonic())
            live.update(Group(*(Text(text, style) for text, style in shown)), refresh=True)
            made.until(lambda: False, 0.3)
