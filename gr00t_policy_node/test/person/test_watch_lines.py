# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `gr00t watch` shows of what the nodes report."""

from types import SimpleNamespace

from gr00t_policy_node.person.watch import lines

NOW = 100.0


def status(node, subject, level=0, message='fine', age_s=0.5, **values):
    return SimpleNamespace(
        node=node,
        subject=subject,
        level=level,
        message=message,
        values={key.replace('_', ' '): value for key, value in values.items()},
        heard_at=NOW - age_s,
    )


def shown(*statuses, recorders=()):
    client = SimpleNamespace(
        statuses={f'{each.node}: {each.subject}': each for each in statuses},
        recorders={number: each for number, each in enumerate(recorders)},
    )
    return lines(client, NOW)


def text_of(found):
    return '\n'.join(text for text, _ in found)


def test_refusals_stand_out_and_zeros_are_left_out():
    found = shown(
        status(
            '/chunk_executor',
            'commands',
            mode='running',
            rejected_late='37',
            rejected_not_finite='0',
            chunk_rate='28.5',
            last_unreadable_message='-',
        )
    )
    (refusal,) = [(text, style) for text, style in found if 'rejected' in text]
    assert 'rejected late 37' in refusal[0]
    assert refusal[1] == 'yellow'
    assert 'not finite' not in text_of(found)
    assert 'chunk rate 28.5' in text_of(found)
    assert 'unreadable' not in text_of(found)


def test_levels_are_words_and_a_silent_node_is_not_ok():
    found = text_of(
        shown(
            status('/policy_node', 'policy', 2, 'inactive: no server'),
            status('/policy_node', 'joint_states', 1, '60.0 Hz, expected 100'),
            status('/chunk_executor', 'commands', 0, 'running', age_s=12.0),
        )
    )
    assert 'ERROR  policy: inactive: no server' in found
    assert 'WARN   joint_states: 60.0 Hz, expected 100' in found
    assert 'SILENT commands: for 12 s; last: running' in found
    assert '  ok ' not in found


def test_nodes_come_by_name_and_recorders_last():
    told = {'recording': 'x_001', 'seconds': 3.5, 'good': 2, 'bad': 1, 'output': '/bags'}
    found = text_of(
        shown(
            status('/policy_node', 'policy'),
            status('/chunk_executor', 'commands'),
            recorders=[(NOW - 0.2, told | {'instruction': '[red]wave'}), (NOW - 9.0, told)],
        )
    )
    order = [found.index(word) for word in ('/chunk_executor', '/policy_node', 'records x_001')]
    assert order == sorted(order)
    assert found.count('x_001') == 1  # one that has fallen silent is gone
    assert '“[red]wave” · 2 good, 1 bad in /bags' in found
