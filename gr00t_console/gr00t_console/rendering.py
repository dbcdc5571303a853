# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turn what is known into the texts and the HTML of the page; names and messages are escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
import time

from gr00t_console.actions import Actions, Event
from gr00t_policy_node.person.robot_client import RobotClient


def with_unit(text: str | None, unit: str) -> str:
    """Return a reported number with its unit, '–' where there is none."""
    try:
        return '–' if text in (None, '', '-') else f'{_short(float(text))} {unit}'
    except ValueError:
        return str(text)


def _short(value: float) -> str:
    return f'{value:.0f}' if abs(value) >= 100 else f'{value:.3g}'


def gpu(values: Mapping[str, str]) -> str:
    """Return what a backend reports of the GPU, '–' where it reports nothing."""
    return next((text for key, text in values.items() if 'gpu' in key.lower()), '–')


def latched(actions: Actions) -> str:
    """Return which executors have confirmed the e-stop, and what to do next."""
    if not actions.stops:
        return 'No executor is there to stop. Press the e-stop of the robot if it moves.'
    if actions.unconfirmed:
        names = ', '.join(actions.unconfirmed)
        return f'NOT CONFIRMED by {names}. Press the e-stop of the robot if it moves.'
    return f'Confirmed by {", ".join(actions.stops)}. Release it, then re-arm.'


def happened(events: Iterable[Event]) -> str:
    """Return what happened, the newest first."""
    return (
        ''.join(
            f'<div class="event {event.kind}"><time>{_clock(event.at)}</time>'
            f'<span>{escape(event.text)}</span></div>'
            for event in reversed(tuple(events))
        )
        or '<p class="calm">Nothing yet.</p>'
    )


def _clock(at: float) -> str:
    return time.strftime('%H:%M:%S', time.localtime(at))


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """Return rows below their heads."""
    if not rows:
        return '<p class="calm">Nothing is refused.</p>'
    cells = ''.join(f'<th>{escape(text)}</th>' for text in head)
    body = ''.join(
        '<tr>' + ''.join(f'<td>{escape(text)}</td>' for text in row) + '</tr>' for row in rows
    )
    return f'<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'


def everything(client: RobotClient) -> str:
    """Return all diagnostics, node by node."""
    parts = []
    for status in sorted(client.statuses.values(), key=lambda each: (each.node, each.subject)):
        rows = ''.join(
            f'<tr><td>{escape(key)}</td><td>{escape(value)}</td></tr>'
            for key, value in status.values.items()
        )
        parts.append(
            f'<h4>{escape(status.node)}: {escape(status.subject)}</h4>'
            f'<p>{escape(status.message)}</p><table>{rows}</table>'
        )
    return ''.join(parts)
