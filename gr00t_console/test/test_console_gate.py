# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who may use the console: this machine by its own names, or who has the token."""

import asyncio

import pytest

pytest.importorskip('nicegui', reason='nicegui is not installed (requirements/console.txt)')

from gr00t_console.gate import COOKIE, Gate, is_local
from gr00t_console.serving import token_of, TOKEN_VARIABLE
from gr00t_core.errors import ParameterError


@pytest.mark.parametrize(
    ('host', 'origin', 'allowed'),
    [
        ('127.0.0.1:8765', None, True),
        ('localhost:8765', 'http://localhost:8765', True),
        ('[::1]:8765', None, True),
        ('evil.example:8765', None, False),  # a name that was bent to this machine
        ('127.0.0.1:8765', 'http://evil.example', False),  # another page in the same browser
        ('127.0.0.1:8765', 'null', False),
        ('', None, False),
    ],
)
def test_without_a_token_only_this_machine_by_its_names(host, origin, allowed):
    headers = {'host': host} | ({'origin': origin} if origin else {})
    assert (Gate(None, '').refusal(headers) == '') == allowed


def test_the_token_counts_by_address_once_and_then_by_cookie():
    gate = Gate(None, 'sesame')
    headers = {'host': 'robot.lan:8765'}
    assert 'a token is needed' in gate.refusal(headers)
    assert gate.refusal(headers, 'token=wrong')
    assert gate.refusal(headers, 'token=')
    assert gate.refusal(headers, 'token=sesame') == ''
    assert gate.refusal(headers | {'cookie': f'{COOKIE}=sesame'}) == ''
    assert gate.refusal(headers | {'cookie': f'{COOKIE}=other'})
    stranger = headers | {'cookie': f'{COOKIE}=sesame', 'origin': 'http://evil.example'}
    assert 'may not use' in gate.refusal(stranger)


def ask(gate, path='/', query=b'', headers=(), kind='http'):
    """Return what the gate sends, and whether it let the request through."""
    sent, passed = [], []

    async def behind(scope, receive, send):
        passed.append(scope)

    async def main():
        inside = Gate(behind, gate._token)
        scope = {'type': kind, 'method': 'GET', 'path': path, 'query_string': query}
        scope['headers'] = [(k.encode(), v.encode()) for k, v in headers]

        async def receive():
            return {'type': 'websocket.connect'}

        async def send(message):
            sent.append(message)

        await inside(scope, receive, send)

    asyncio.run(main())
    return sent, bool(passed)


def test_a_token_leads_to_the_page_without_it_in_the_address():
    gate = Gate(None, 'sesame')
    sent, passed = ask(gate, query=b'token=sesame&a=1', headers=[('host', 'robot.lan')])
    assert not passed
    told = dict(sent[0]['headers'])
    assert sent[0]['status'] == 303
    assert told[b'location'] == b'/?a=1'
    assert b'HttpOnly' in told[b'set-cookie']
    assert b'SameSite=Strict' in told[b'set-cookie']
    sent, passed = ask(gate, headers=[('host', 'robot.lan')])
    assert (sent[0]['status'], passed) == (403, False)
    sent, passed = ask(gate, headers=[('host', 'robot.lan')], kind='websocket')
    assert (sent[0]['type'], passed) == ('websocket.close', False)


def test_a_token_is_needed_away_from_this_machine(tmp_path, monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert is_local('127.0.0.1')
    assert is_local('localhost')
    assert not is_local('0.0.0.0')
    assert not is_local('192.168.1.7')
    assert token_of('127.0.0.1', '') == ''
    made = {token_of('0.0.0.0', '') for _ in range(3)}
    assert len(made) == 3
    assert min(map(len, made)) >= 24
    file = tmp_path / 'token'
    with pytest.raises(ParameterError, match='cannot be read'):
        token_of('0.0.0.0', str(file))
    file.write_text(' \n')
    with pytest.raises(ParameterError, match='is empty'):
        token_of('127.0.0.1', str(file))
    file.write_text('sesame\n')
    assert token_of('127.0.0.1', str(file)) == 'sesame'
