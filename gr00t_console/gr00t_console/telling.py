# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Put what the nodes report into words: one sentence first, then refusals, streams, recording."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from gr00t_console.actions import Actions
from gr00t_policy_node.person.robot_client import RobotClient, Status

SILENT_S = 3.0
EMPTY = ('', '-', '0', '0.0', 'False')
REFUSED = ('rejected: ', 'dropped: ')
OTHERS = (
    'frames without observation',
    'requests failed',
    'instructions dropped',
    'unreadable messages',
    'last dropped message',
    'other publishers',
    'internal errors (commands held back)',
    'failures of the success detector',
    'last delta held back by the workspace',
)
# Mode of the executor → sentence, and how the page looks then.
MODES = {
    'running': ('The policy moves the robot', 'good'),
    'takeover': ('A person moves the robot', 'good'),
    'holding': ('The robot holds still', 'warn'),
    'stopping': ('The robot is stopping', 'warn'),
    'waiting': ('The robot waits', 'calm'),
    'stopped': ('The robot is stopped', 'bad'),
    'e-stopped': ('An e-stop holds the robot', 'bad'),
}


@dataclass(frozen=True)
class Headline:
    """What a person reads first; `kind` is good, calm, warn or bad."""

    mode: str
    sentence: str
    why: str
    kind: str


@dataclass(frozen=True)
class EpisodeLine:
    """What the recorder does."""

    there: bool
    recording: bool
    text: str
    counts: str


def headline(client: RobotClient, actions: Actions, is_taken: bool, now: float) -> Headline:
    """Say what the robot does, and why; `now` is the monotonic time (s)."""
    commands, policy = client.status('commands'), client.status('policy')
    if actions.pressed:
        return Headline('e-stopped', 'The e-stop is pressed', 'Release it, then re-arm.', 'bad')
    if commands is None or now - commands.heard_at > SILENT_S:
        here = client.namespace or '/'
        gone = 'is silent' if commands is not None else 'reports'
        why = f'{"The" if commands is not None else "No"} executor {gone} in the namespace {here}.'
        return Headline('no robot', 'Nothing commands the robot', why, 'warn')
    mode = commands.values.get('mode', '')
    sentence, kind = MODES.get(mode, (f'The executor is {mode}', 'warn'))
    why = commands.values.get('reason', '')
    if mode == 'running' and policy is not None:
        told = policy.values.get('instruction', '-')
        why = f'“{told}”' if told not in EMPTY else why
    elif mode == 'stopped':
        why = f'{why}. Re-arm releases it; then the next fresh chunk moves it.'
    elif mode == 'e-stopped':
        why = f'{why}. Release the e-stop, then re-arm; then the next fresh chunk moves it.'
    elif mode in ('waiting', 'holding') and policy is not None:
        why = _why_idle(policy, why, now)
    if is_taken and mode != 'takeover':
        why = f'You have taken over; the executor is {mode}: {why}'
    return Headline(mode, sentence, why, kind)


def _why_idle(policy: Status, why: str, now: float) -> str:
    if now - policy.heard_at > SILENT_S:
        return f'The policy node is silent. {why}'
    if policy.message == 'no instruction':
        return 'It has no instruction: start one.'
    if policy.level:
        return f'The policy node: {policy.message}'
    return why


def refusals(client: RobotClient) -> list[tuple[str, str, str]]:
    """Return (node, what, how often) for all that was refused."""
    return [
        (_who(status), key, value)
        for status in client.statuses.values()
        for key, value in status.values.items()
        if value not in EMPTY and (key.startswith(REFUSED) or key in OTHERS)
    ] + [
        (_who(status), f'{status.subject}: unreadable', status.values[key])
        for status in client.statuses.values()
        for key in ('rejected', 'last rejection')
        if status.values.get(key, '-') not in EMPTY
    ]


def _who(status: Status) -> str:
    name = status.node.rpartition('/')[2]
    return {'chunk_executor': 'executor', 'policy_node': 'policy'}.get(name, name)


def streams(client: RobotClient, now: float) -> str:
    """Return the topics that the policy node hears, as a table: rate against what is expected."""
    rows = []
    for status in client.statuses.values():
        rate = status.values.get('rate (Hz)')
        if rate is None:
            continue
        expected = status.values.get('expected rate (Hz)', status.values.get('expected (Hz)', ''))
        is_old = now - status.heard_at > SILENT_S
        kind = 'bad' if status.level >= 2 or is_old else 'warn' if status.level else 'good'
        rows.append(
            f'<tr><td><i class="dot {kind}"></i>{escape(status.subject)}</td>'
            f'<td>{escape(rate)}{f" of {escape(expected)}" if expected else ""} Hz</td>'
            f'<td>{escape(_stream_note(status, is_old=is_old))}</td></tr>'
        )
    if not rows:
        return '<p class="calm">No policy node reports its streams.</p>'
    return f'<table><tbody>{"".join(rows)}</tbody></table>'


def _stream_note(status: Status, *, is_old: bool) -> str:
    if is_old:
        return 'no report of it'
    if status.level:
        return status.message
    late = status.values.get('stamp to arrival p50 (ms)', '-')
    return f'{late} ms after its stamp' if late not in EMPTY else ''


def episode_line(
    recorders: Mapping[Any, tuple[float, dict[str, Any]]], now: float, *, waits: bool = False
) -> EpisodeLine:
    """Return what the newest recorder tells.

    Args:
        recorders: What each told, and when.
        now: The monotonic time (s).
        waits: A person wants an episode that begins with the first command.
    """
    living = [told for heard_at, told in recorders.values() if now - heard_at < SILENT_S]
    if not living:
        return EpisodeLine(False, False, 'No recorder runs: gr00t up --record', '')
    told = living[-1]
    counts = f'{told.get("good")} good · {told.get("bad")} bad'
    if told.get('recording'):
        text = f'Episode {told.get("number")} · {told.get("seconds")} s · “{told["instruction"]}”'
        return EpisodeLine(True, True, text, counts)
    if waits:
        text = f'Episode {told.get("number")} begins with the first command: Start or Take over'
        return EpisodeLine(True, False, f'{text}. Discard calls it off.', counts)
    return EpisodeLine(True, False, f'Ready for episode {told.get("number")}', counts)
