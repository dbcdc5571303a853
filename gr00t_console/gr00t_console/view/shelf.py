# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of episodes inside the console: of the bags that the recorder beside it writes.

Bags are converted to be looked at, in a process of low priority, when a person opens the page and
when the person asks to look again. Until that is done, a page says so.
"""

from collections.abc import Awaitable, Callable
import hashlib
from html import escape
from pathlib import Path
import shlex
import threading
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from gr00t_console.view.bags import cache, convert
from gr00t_console.view.conversion import Conversion
from gr00t_console.view.opened import Opened
from gr00t_console.view.routes import application
from gr00t_core.errors import Gr00tError

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Episodes · GR00T</title>
<link rel="stylesheet" href="/console-static/console.css"></head><body>
<div class="shell"><div class="card hero"><div class="sentence">{sentence}</div>
<p class="why">{why}</p><p><a href="../">Back to the console</a></p>{again}</div></div></body>
</html>
"""
_AGAIN = '<form method="post" action="again"><button>Look again</button></form>'


class Shelf:
    """An ASGI application: the page of episodes when it is there, else a page that says why not.

    Args:
        bags: Folder with bags, one per episode.
        robot: Of the bags: shipped robot, or path of a robot file.
    """

    def __init__(self, bags: Path, robot: str) -> None:
        self._bags = bags
        self._words = [str(bags), '--robot', robot]
        self._decisions = bags.with_name(f'{bags.name}.decisions.yaml')
        self._conversion = Conversion(self._words, self._decisions, bags, gently=True)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._page: FastAPI | None = None
        self._why = ''
        self._app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self._app.add_api_route('/', self._waiting, methods=['GET'])
        self._app.add_api_route('/again', self._again, methods=['POST'])
        self._app.add_api_route('/conversion', self._conversion.told, methods=['GET'])
        self._app.add_api_route('/conversion', self._not_now, methods=['POST'])

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]
    ) -> None:
        """Answer a request."""
        path = scope.get('path', '').removeprefix(scope.get('root_path', ''))
        ready = self._page
        app = self._app if ready is None or path == '/again' else ready
        await app(scope, receive, send)

    def _waiting(self) -> Response:
        """Begin to look, and say that it takes a while; or say why there is nothing to see."""
        if self._why:
            text = _PAGE.format(
                refresh='', sentence='No episodes', why=escape(self._why), again=_AGAIN
            )
            return HTMLResponse(text)
        self._look()
        refresh = '<meta http-equiv="refresh" content="1">'
        why = f'Episodes of {escape(str(self._bags))} are made ready to be looked at …'
        return HTMLResponse(
            _PAGE.format(refresh=refresh, sentence='One moment', why=why, again='')
        )

    def close(self) -> None:
        """End a conversion that is under way: the console ends."""
        self._conversion.close()

    def _again(self, request: Request) -> Response:
        """Look for new bags; not while others are converted, for that reads the same ones."""
        if not self._conversion.running:
            self._page, self._why = None, ''
            self._look()
        return RedirectResponse(f'{request.scope.get("root_path", "")}/', 303)

    def _not_now(self) -> Response:
        """Refuse a conversion while episodes are looked for: one after the other."""
        error = f'episodes of {self._bags} are being looked for: reload the page, then convert'
        return JSONResponse({'error': error}, 422)

    def _look(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._open, name='episodes', daemon=True)
                self._thread.start()

    def _open(self) -> None:
        key = hashlib.sha256(shlex.join(self._words).encode()).hexdigest()[:16]
        dataset = cache() / key / 'dataset'
        command = ['gr00t', 'convert', *self._words, '--decisions', str(self._decisions)]
        try:
            convert([*self._words, '--workers', '1'], dataset, gently=True)
            opened = Opened(dataset, self._decisions, bags=True)
            self._page = application(
                opened,
                shlex.join([*command, '--output', 'dataset']),
                self._conversion,
                in_console=True,
            )
        except Gr00tError as error:
            self._why = str(error)
        except Exception as error:  # the page says it: this thread has no other reader
            self._why = f'{type(error).__name__}: {error}'
