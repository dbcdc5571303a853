# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t do "pick up the blue cube"`: one instruction, with what happens meanwhile."""

from collections.abc import Callable
import sys
import time
from typing import Any, TYPE_CHECKING

from gr00t_core.errors import Gr00tError

if TYPE_CHECKING:
    from gr00t_policy_node.person.robot_client import RobotClient, Status
    from gr00t_policy_node.person.session import Session

# Once per so long a line is repeated where there is no terminal (s).
REPEAT_S = 5.0
# Without diagnostics for so long, the policy node is gone (s); it reports every second.
SILENT_S = 6.0


def main(argv: list[str]) -> int:
    """Tell the robot what to do, and show how it goes; Ctrl-C cancels."""
    from gr00t_policy_node.person.session import options, session

    parser = options('do', main.__doc__)
    parser.epilog = (
        'exit status: 0 succeeded, 3 time limit over, 4 canceled elsewhere, 5 fault, 6 failed,'
        ' 130 canceled by Ctrl-C, 1 nothing was begun. gr00t end, the topic or service end_goal,'
        ' or a detector says that it succeeded or failed.'
    )
    parser.add_argument('instruction', help='what to do, in words that the policy was trained on')
    parser.add_argument(
        '--time-limit', type=float, default=0.0, metavar='S', help='stop after so long (s)'
    )
    asked = parser.parse_args(argv)
    instruction = asked.instruction.strip()
    if not instruction:
        raise Gr00tError(
            'the instruction is empty; give it in quotes: gr00t do "pick up the cube"'
        )
    if not asked.time_limit >= 0:
        raise Gr00tError(f'--time-limit {asked.time_limit}: allowed is 0 (no limit) or more')
    with session(asked.namespace, 'do') as made:
        return _do(made, instruction, asked.time_limit, asked.timeout)


def _do(made: 'Session', instruction: str, time_limit_s: float, timeout_s: float) -> int:
    from gr00t_policy_node.person.outcomes import ending_of, ENDINGS, Result
    from gr00t_policy_node.person.session import INTERRUPTED

    client, line = made.client, _Line()
    if not made.until(lambda: client.takes_goals, timeout_s):
        if made.interrupts:
            return INTERRUPTED
        policy = client.status('policy')
        if policy is not None:
            raise Gr00tError(f'the policy node takes no goals yet: {policy.message}')
        raise made.why_nothing('no policy node answers', timeout_s)
    feedback: list[Any] = []
    sent = client.send_goal(instruction, time_limit_s, feedback.append)
    # Not given up on Ctrl-C: a goal that was accepted must be canceled.
    handle: Any = made.until(lambda: sent.result() if sent.done() else None, timeout_s, 2)
    if handle is None:
        raise Gr00tError(f'the policy node did not answer within {timeout_s:g} s; see its log')
    if not handle.accepted:
        raise Gr00tError(_why_rejected(made, timeout_s))
    result = handle.get_result_async()
    canceling = None
    while not result.done():
        if made.interrupts and canceling is None:
            line.show('canceling')
            canceling = handle.cancel_goal_async()
            made.until(result.done, timeout_s, interrupts=2)
            break
        made.until(result.done, 0.2, interrupts=made.interrupts + 1)
        line.show(_progress(client, feedback[-1] if feedback else None))
        if (policy := client.status('policy')) and time.monotonic() - policy.heard_at > SILENT_S:
            line.end('fault: the policy node is silent; is it still running?')
            return ENDINGS[Result.FAULT].status
    if not result.done():
        line.end(f'the policy node did not confirm within {timeout_s:g} s: gr00t stop')
        return INTERRUPTED
    told = result.result().result
    ending = ending_of(told.outcome)
    line.end(f'{ending.word}: {told.message} ({told.chunks} chunks)')
    is_own = canceling is not None and told.outcome == Result.CANCELED
    return INTERRUPTED if is_own else ending.status


def _why_rejected(made: 'Session', timeout_s: float) -> str:
    policy = made.until(lambda: made.client.status('policy'), timeout_s)
    text = 'the policy node rejected the goal'
    if policy is None:
        return f'{text}; see its log'
    current = policy.values.get('instruction', '-')
    state = policy.values.get('state', 'active')
    if state != 'active':
        return f'{text}: it is {state}: {policy.message}'
    return f'{text}: is another one running ({current!r})? Cancel that one, or gr00t stop'


def _progress(client: 'RobotClient', feedback: Any) -> str:
    """Return one line: the policy's phase, and what the executor does with it."""
    from gr00t_policy_node.person.outcomes import WAITING

    parts = [WAITING if feedback is None else str(feedback.phase)]
    if feedback is not None and feedback.chunks:
        parts[0] += f': {feedback.chunks} chunks, {feedback.latency * 1e3:.0f} ms old'
    policy, commands = client.status('policy'), client.status('commands')
    if policy is not None and policy.level >= 2:
        parts.append(policy.message)
    parts.append(_executor(commands, client.executors() if commands is None else []))
    return ' · '.join(parts)


def _executor(commands: 'Status | None', found: list[str]) -> str:
    if commands is None and found:
        return f'executor {" and ".join(found)}: has not reported yet'
    if commands is None:
        return 'no executor reports: nothing moves'
    hint = {
        'stopped': '; gr00t rearm releases it',
        'e-stopped': '; release the e-stop, then gr00t rearm',
    }.get(commands.values.get('mode', ''), '')
    return f'executor {commands.message}{hint}'


class _Line:
    """A line that is written over in a terminal, and repeated seldom elsewhere."""

    def __init__(self, write: Callable[[str], Any] = sys.stdout.write) -> None:
        self._write = write
        self._terminal = sys.stdout.isatty()
        self._last = ''
        self._at = 0.0

    def show(self, text: str) -> None:
        kind = ''.join(letter for letter in text if not letter.isdigit() and letter != '.')
        if self._terminal:
            self._write(f'\r\x1b[2K{text[:200]}')
        elif kind != self._last or time.monotonic() - self._at > REPEAT_S:
            self._write(f'{text}\n')
            self._last, self._at = kind, time.monotonic()
        sys.stdout.flush()

    def end(self, text: str) -> None:
        self._write(f'\r\x1b[2K{text}\n' if self._terminal else f'{text}\n')
        sys.stdout.flush()
