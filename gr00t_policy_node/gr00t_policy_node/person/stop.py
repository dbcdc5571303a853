# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t stop` and `gr00t rearm`: by the services of the executors, which must confirm.

See docs/decisions/0033 for what `stop` does and why it does not publish `e_stop`.
"""

import time
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from gr00t_policy_node.person.session import Session

# After the first executor was found, others may still be discovered (s), and a policy node (s).
SETTLE_S, POLICY_S = 1.0, 2.0
NOT_CONFIRMED = 2


def main(argv: list[str]) -> int:
    """Stop the robot, and return when its executor has confirmed."""
    from gr00t_policy_node.person.session import options, session

    parser = options('stop', main.__doc__, timeout_s=5.0)
    parser.epilog = (
        'Stops every executor in the namespace and below it, and cancels the running goal. They'
        ' stay stopped until gr00t rearm. This is software: it does not replace an e-stop.'
        ' Exit status: 0 all confirmed, 2 found but not confirmed, 1 none found.'
    )
    asked = parser.parse_args(argv)
    with session(asked.namespace, 'stop') as made:
        try:
            return _call_all(made, 'stop', asked.timeout, below=True)
        finally:  # whatever came of that, the policy shall not go on
            _cancel(made, asked.timeout)


def rearm(argv: list[str]) -> int:
    """Release the robot after a stop or e-stop; the next fresh chunk moves it."""
    from gr00t_policy_node.person.session import options, session

    parser = options('rearm', rearm.__doc__, timeout_s=5.0)
    parser.epilog = 'Exit status: 0 released, 2 refused or not confirmed, 1 no executor found.'
    asked = parser.parse_args(argv)
    with session(asked.namespace, 'rearm') as made:
        return _call_all(made, 'rearm', asked.timeout, below=False)


def _cancel(made: 'Session', timeout_s: float) -> None:
    """Cancel the running goal of the policy node that the graph shows; say what came of it."""
    client = made.client
    if not made.until(lambda: client.offers_goals or client.takes_goals, POLICY_S):
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
    settled = None

    def all_answered() -> bool:
        nonlocal settled
        for name in client.executors(below=below):
            if calls.get(name) is None:
                calls[name] = client.trigger(name, service)
                settled = time.monotonic() + SETTLE_S
        answered = bool(calls) and all(call and call.done() for call in calls.values())
        return answered and settled is not None and time.monotonic() > settled

    made.until(all_answered, end - time.monotonic())
    if not calls:
        what = f'no chunk_executor is there to {service}'
        if service == 'stop':
            what = f'NOTHING WAS STOPPED, press the e-stop if the robot moves: {what}'
        raise made.why_nothing(what, timeout_s)
    status = 0
    for name, call in calls.items():
        answer = call.result() if call is not None and call.done() else None
        if answer is None:
            hint = ': press the e-stop of the robot' if service == 'stop' else ''
            print(f'{name}: NOT CONFIRMED within {timeout_s:g} s{hint}', flush=True)
        else:
            print(f'{name}: {"" if answer.success else "REFUSED: "}{answer.message}', flush=True)
        if answer is None or not answer.success:
            status = NOT_CONFIRMED
    return status
