# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t end success "it holds the cube"`: a person says how the running goal ended."""

from gr00t_core.errors import Gr00tError


def main(argv: list[str]) -> int:
    """End the running goal as succeeded or failed; the recorder stores that as the outcome."""
    from gr00t_policy_node.person.session import INTERRUPTED, options, session

    parser = options('end', main.__doc__, timeout_s=5.0)
    parser.epilog = 'Exit status: 0 the goal has ended, 1 no goal runs or no policy node answers.'
    parser.add_argument('outcome', choices=('success', 'failure'), help='how the task ended')
    parser.add_argument('note', nargs='?', default='', help='why, for people')
    asked = parser.parse_args(argv)
    note = asked.note.strip() or 'a person said so (gr00t end)'
    with session(asked.namespace, 'end') as made:
        call = made.until(
            lambda: made.client.end_goal(asked.outcome == 'success', note), asked.timeout
        )
        if call is None:
            if made.interrupts:
                return INTERRUPTED
            raise made.why_nothing('no policy node takes the end of a goal', asked.timeout)
        if not made.until(call.done, asked.timeout):
            raise Gr00tError(f'the policy node did not answer within {asked.timeout:g} s')
        answer = call.result()
        if not answer.ok:
            raise Gr00tError(answer.message)
        print(f'{answer.message}: {answer.instruction!r} ({note})', flush=True)
    return 0
