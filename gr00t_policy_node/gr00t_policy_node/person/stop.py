# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t stop` and `gr00t rearm`: by the services of the executors, which must confirm.

See docs/decisions/0033 for what `stop` does and why it does not publish `e_stop`.
"""

import time
from typing import Any, TYPE_CHECKING

from gr00t_policy_node.person.discovery import ANNOUNCED_S

if TYPE_CHECKING:
    from gr00t_policy_node.person.session import Session

# How long the verbs look for more executors after each that they find, and `stop` for a policy
# node at all (s).
SETTLE_S = {'stop': ANNOUNCED_S, 'rearm': 1.0}
NOT_CONFIRMED = 2
# How long `stop` may take beyond its own waiting, to join the graph and to leave it (s).
REST_S = 10.0


def main(argv: list[str]) -> int:
    """Stop the robot, and return when its executor has confirmed."""
    from gr00t_policy_node.person.bounded import Tell, within
    from gr00t_policy_node.person.session import options, session

    parser = options('stop', main.__doc__, timeout_s=5.0)
    parser.epilog = (
        'Stops every executor in the namespace and below it, and cancels the running goal. They'
        ' stay stopped until gr00t rearm. This is software: it does not replace an e-stop.'
        ' Exit status: 0 all confirmed, 2 found but not confirmed, 1 none found.'
    )
    asked = parser.parse_args(argv)

    def work(tell: Tell) -> int:
        with session(asked.namespace, 'stop') as made:
            known_at = time.monotonic() + SETTLE_S['stop']
            try:
                status = _call_all(made, 'stop', asked.timeout, below=True)
                tell(status)
            finally:  # whatever came of that, the policy shall not go on
                _cancel(made, known_at - time.monotonic(), asked.timeout)
        return status

    # The call, then the look for a policy node and the cancelation, which waits twice.
    limit_s = 3.0 * asked.timeout + SETTLE_S['stop'] + REST_S

    def late(told: int | None) -> int:
        print(f'gr00t stop did not end within {limit_s:g} s and was ended.', end=' ')
        if told == 0:
            print('The executors above have confirmed; whether the goal is canceled is not known')
            return told
        print('Only what stands above has confirmed: press the e-stop if the robot moves')
        return NOT_CONFIRMED

    return within(limit_s, work, late, 'gr00t stop')


def rearm(argv: list[str]) -> int:
    """Release the robot after a stop or e-stop; the next fresh chunk moves it."""
    from gr00t_policy_node.person.session import options, session

    parser = options('rearm', rearm.__doc__, timeout_s=5.0)
    parser.epilog = 'Exit status: 0 released, 2 refused or not confirmed, 1 no executor found.'
    asked = parser.parse_args(argv)
    with session(asked.namespace, 'rearm') as made:
        return _call_all(made, 'rearm', asked.timeout, below=False)


def _cancel(made: 'Session', look_s: float, timeout_s: float) -> None:
    """Cancel the running goal of the policy node that the graph shows; say what came of it.

    Args:
        made: The session.
        look_s: How long a policy node may still be discovered.
        timeout_s: How long it may take to confirm.
    """
    client = made.client
    if not made.until(lambda: client.offers_goals or client.takes_goals, look_s):
        return  # an executor without a policy node
    future = made.until(client.cancel_goals, timeout_s)
    if future is None or not made.until(future.done, timeout_s):
        print(f'the policy node did not confirm within {timeout_s:g} s that its goal is canceled')
    elif future.result().goals_canceling:
        print('the running goal is canceled', flush=True)


def _call_all(made: 'Session', service: str, timeout_s: float, *, below: bool) -> int:
    """Call a service of every executor as soon as it is found; print what each answers.

    Raises:
        ServingError: There is none.
    """
    client, end = made.client, time.monotonic() + timeout_s
    calls: dict[str, Any] = {}
    answers: dict[str, Any] = {}
    settled = 0.0

    def all_answered() -> bool:
        nonlocal settled
        for name in client.executors(below=below):
            if calls.get(name) is None:
                calls[name] = client.trigger(name, service)
                settled = time.monotonic() + SETTLE_S[service]
        for name, call in calls.items():
            if name not in answers and call is not None and call.done():
                answers[name] = answer = call.result()
                print(
                    f'{name}: {"" if answer.success else "REFUSED: "}{answer.message}', flush=True
                )
        return bool(calls) and len(answers) == len(calls) and time.monotonic() > settled

    made.until(all_answered, end - time.monotonic())
    if not calls:
        what = f'no chunk_executor is there to {service}'
        if service == 'stop':
            what = f'NOTHING WAS STOPPED, press the e-stop if the robot moves: {what}'
        raise made.why_nothing(what, timeout_s)
    silent = [name for name in calls if name not in answers]
    for name in silent:
        hint = ': press the e-stop of the robot' if service == 'stop' else ''
        print(f'{name}: NOT CONFIRMED within {timeout_s:g} s{hint}', flush=True)
    refused = not all(answer.success for answer in answers.values())
    return NOT_CONFIRMED if silent or refused else 0
