# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the Hugging Face Hub: keeps what is uploaded, as far as datasets need it.

Written from the requests that huggingface_hub 2.4 makes without xet: small files come in the
commit, large ones through Git LFS.
"""

import base64
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import re
import threading

TOKEN = 'hf_stand_in'


class Hub(ThreadingHTTPServer):
    """The server.

    Attributes:
        repos: Name → {'private': …, 'files': path → bytes, 'tags': name → files at that time}.
        status: What every request is answered with, None for what is right.
    """

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Answer)
        self.repos, self.large, self.status = {}, {}, None
        self.address = f'http://127.0.0.1:{self.server_address[1]}'
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answer(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def _body(self):
        if 'chunked' in self.headers.get('transfer-encoding', ''):
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b''.join(parts)
        return self.rfile.read(int(self.headers.get('content-length', 0)))

    def _send(self, content=None, status=200, code=''):
        data = json.dumps({} if content is None else content).encode()
        self.send_response(status)
        self.send_header('content-type', 'application/json')
        self.send_header('content-length', str(len(data)))
        if code:
            self.send_header('x-error-code', code)
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(data)

    def _handle(self):
        body, hub, path = self._body(), self.server, self.path.partition('?')[0]
        if large := re.fullmatch(r'/large/(\w+)', path):  # the address that the batch gave
            assert hashlib.sha256(body).hexdigest() == large[1]
            hub.large[large[1]] = body
            return self._send()
        if hub.status is not None:
            return self._send({'error': 'refused by the test'}, hub.status)
        if self.headers.get('authorization') != f'Bearer {TOKEN}':
            return self._send({'error': 'Invalid username or password.'}, 401)
        if path == '/api/repos/create':
            asked = json.loads(body)
            name = '/'.join(filter(None, (asked.get('organization'), asked['name'])))
            private = asked.get('private') or asked.get('visibility') == 'private'
            new = name not in hub.repos
            if new:
                hub.repos[name] = {'private': private, 'files': {}, 'tags': {}}
            url = {'url': f'{hub.address}/datasets/{name}', 'id': name}
            return self._send(url, 200 if new else 409)
        if path == '/api/validate-yaml':  # of the card
            return self._send({'errors': [], 'warnings': []})
        found = re.fullmatch(r'(?:/api)?/datasets/(\w[\w.-]*/[\w-]+)(?:\.git)?/(.+)', path)
        if found is None or found[1] not in hub.repos:
            return self._send({'error': f'no {self.command} {path} here'}, 404)
        repo, what = hub.repos[found[1]], found[2]
        if what == 'preupload/main':
            files = json.loads(body)['files']
            modes = [
                {
                    'path': file['path'],
                    'uploadMode': 'lfs' if file['path'].endswith('.mp4') else 'regular',
                    'shouldIgnore': False,
                }
                for file in files
            ]
            return self._send({'files': modes})
        if what == 'info/lfs/objects/batch':
            objects = [
                {**each, 'actions': {'upload': {'href': f'{hub.address}/large/{each["oid"]}'}}}
                for each in json.loads(body)['objects']
            ]
            return self._send({'transfer': 'basic', 'objects': objects})
        if what == 'commit/main':
            for line in map(json.loads, body.splitlines()):
                value = line['value']
                if line['key'] == 'file':
                    repo['files'][value['path']] = base64.b64decode(value['content'])
                elif line['key'] == 'lfsFile':
                    repo['files'][value['path']] = hub.large[value['oid']]
            return self._send(
                {
                    'commitUrl': f'{hub.address}/datasets/{found[1]}/commit/{"0" * 40}',
                    'commitOid': '0' * 40,
                }
            )
        if what == 'refs':
            tags = [
                {'name': name, 'ref': f'refs/tags/{name}', 'targetCommit': '0' * 40}
                for name in repo['tags']
            ]
            return self._send({'branches': [], 'converts': [], 'tags': tags})
        if what == 'tag/main':
            name = json.loads(body)['tag']
            if name in repo['tags']:
                return self._send({'error': 'Tag reference exists already'}, 409)
            repo['tags'][name] = dict(repo['files'])
            return self._send()
        if self.command == 'DELETE' and what.startswith('tag/'):
            del repo['tags'][what[4:]]
            return self._send()
        if what.startswith('resolve/main/'):
            return self._send({}, 404, 'EntryNotFound')  # asked only before there is a card
        return self._send({'error': f'no {self.command} {path} here'}, 404)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle
