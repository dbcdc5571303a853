# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Let only those in who may: this machine, or who has the token.

A page that commands a robot must not be driven by another web page in the same browser. So the
`Host` must be one of the console's own names, and an `Origin`, where there is one, the same.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import SimpleCookie
import ipaddress
import secrets
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = 'gr00t_console'
LOCAL = ('localhost', '127.0.0.1', '::1')


def is_local(host: str) -> bool:
    """Return whether an address is reached from this machine only."""
    try:
        return host == 'localhost' or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Gate:
    """An ASGI application around another one.

    Args:
        app: What is behind the gate.
        token: What a browser must give once, as `?token=`; '' for none: then only the names of
            this machine count.
    """

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope['type'] not in ('http', 'websocket'):
            await self._app(scope, receive, send)
            return
        headers = {
            key.decode('latin-1'): value.decode('latin-1') for key, value in scope['headers']
        }
        refusal = self.refusal(headers, scope.get('query_string', b'').decode('latin-1'))
        if refusal:
            await _refuse(scope, receive, send, refusal)
        elif scope['type'] == 'http' and self._given(scope) and scope['method'] == 'GET':
            await self._welcome(scope, send)
        else:
            await self._app(scope, receive, send)

    def refusal(self, headers: MutableMapping[str, str], query: str = '') -> str:
        """Return why a request is refused, '' when it is not.

        Args:
            headers: Name in small letters → value.
            query: Behind the `?`.
        """
        host = headers.get('host', '')
        name = urlsplit(f'//{host}').hostname or ''
        origin = headers.get('origin')
        if origin is not None and urlsplit(origin).netloc != host:
            return f'a page of {origin} may not use this console'
        if not self._token:
            return '' if name in LOCAL else f'the name {name!r} is none of this machine'
        cookie = SimpleCookie(headers.get('cookie', '')).get(COOKIE)
        asked = parse_qs(query).get('token', [''])
        known = [asked[0], '' if cookie is None else cookie.value]
        if any(secrets.compare_digest(each.encode(), self._token.encode()) for each in known):
            return ''
        return 'a token is needed: open the address that the console printed'

    def _given(self, scope: Scope) -> bool:
        return bool(self._token) and b'token=' in scope.get('query_string', b'')

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """Keep the token in a cookie, and lead to the same page without it in the address."""
        query = parse_qs(scope['query_string'].decode('latin-1'))
        query.pop('token', None)
        place = scope['path'] + (f'?{urlencode(query, doseq=True)}' if query else '')
        cookie = f'{COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/'
        headers = [(b'location', place.encode()), (b'set-cookie', cookie.encode())]
        await send({'type': 'http.response.start', 'status': 303, 'headers': headers})
        await send({'type': 'http.response.body', 'body': b''})


async def _refuse(scope: Scope, receive: Receive, send: Send, text: str) -> None:
    if scope['type'] == 'websocket':
        await receive()
        await send({'type': 'websocket.close', 'code': 1008, 'reason': text[:120]})
        return
    headers = [(b'content-type', b'text/plain; charset=utf-8')]
    await send({'type': 'http.response.start', 'status': 403, 'headers': headers})
    await send({'type': 'http.response.body', 'body': f'{text}\n'.encode()})
