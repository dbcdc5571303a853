# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ask a policy server: ours, N1.5's inference service, or NVIDIA's PolicyServer (N1.6, N1.7).

Callers use one form of observations and actions for all of them. Needs numpy, pyzmq and msgpack
only, so a robot computer installs no torch.
"""

import logging
import os
from types import TracebackType
from typing import Any

import numpy as np
import zmq

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import ServingError
from gr00t_core.instructions import checked_instructions, shown
from gr00t_core.serving.link_images import (
    chosen_form,
    FORMS,
    is_remote,
    JPEG,
    RAW,
    SMALL,
    small,
    to_jpeg,
)
from gr00t_core.serving.policy_server import (
    NestedConfig,
    read_reply,
    suite_configs,
    write_request,
)
from gr00t_core.serving.shared_memory import ALIGNMENT, SharedMemoryWriter
from gr00t_core.serving.wire import MAX_MESSAGE_BYTES, pack, read

LOG = logging.getLogger(__name__)

AUTO, N1_5, POLICY_SERVER = 'auto', 'n1_5', 'policy_server'
PROTOCOLS = (AUTO, N1_5, POLICY_SERVER)

# Smaller arrays go through the socket, which takes them in one piece.
SHARED_BYTES = 32 * 1024


class ServingTimeoutError(ServingError):
    """No answer came in time: the server is away, loading, hung or slower than the timeout."""


class PolicyClient:
    """One connection to a policy server.

    Not thread-safe: use it from one thread, and give each thread its own. A server that is away is
    no error until a call waits for it; after a timeout or a broken answer the connection is built
    anew, so a late answer is never taken for that of a later call. Images reach a server of ours
    at an `ipc://` address through shared memory.

    Args:
        address: `tcp://HOST:PORT` or `ipc://PATH`.
        timeout_s: The longest that a call may take.
        token: What the server asks for, if anything.
        protocol: `n1_5` (our server and N1.5's), `policy_server` (N1.6's and N1.7's), or `auto`:
            as the server describes its modalities.
        images: How frames travel: `raw`, `jpeg`, `small`, or `auto`, by the link; see
            `link_images`.

    Raises:
        ServingError: The protocol or the form of images is unknown.
    """

    def __init__(
        self,
        address: str,
        timeout_s: float = 15.0,
        token: str | None = None,
        protocol: str = AUTO,
        images: str = AUTO,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise ServingError(f'protocol is {protocol!r}, expected {", ".join(PROTOCOLS)}')
        if images not in FORMS:
            raise ServingError(f'images is {images!r}, expected {", ".join(FORMS)}')
        self._asked_images = images
        self._images = RAW
        self._asked_protocol = self._protocol = protocol
        # What the server said of itself; None until it was asked, and after a broken answer.
        self._served: dict[str, ModalityConfig] | None = None
        self._nested: dict[str, NestedConfig] = {}
        self._address = address
        self._timeout_s = timeout_s
        self._token = token
        self._context = zmq.Context()
        self._socket: Any = None
        self._memory = SharedMemoryWriter()
        self._shares: bool | None = None  # None until the server was asked

    def __enter__(self) -> 'PolicyClient':
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection without waiting; the client is of no use afterwards."""
        self._memory.close()
        self._context.destroy(linger=0)

    @property
    def shares_memory(self) -> bool:
        """Whether the last call's images went through shared memory."""
        return bool(self._shares)

    @property
    def protocol(self) -> str:
        """How the server is spoken to: `n1_5` or `policy_server`; `auto` before it was asked."""
        return self._protocol

    @property
    def images(self) -> str:
        """How frames travel: `raw`, `jpeg` or `small`; `raw` before the server was asked."""
        return self._images

    @property
    def nested_config(self) -> dict[str, NestedConfig]:
        """What a PolicyServer says of its modalities; empty for other servers."""
        return self._nested

    def ping(self) -> dict[str, Any]:
        """Return the server's health: `status` is ok, loading or failed; ours adds more."""
        return self._map('ping', {})

    def get_action(self, observation: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Return the actions for an observation.

        Args:
            observation: `video.<camera>` uint8 (T, h, w, 3), `state.<group>` (T, D),
                `annotation.<…>` list of str; all may have a leading batch axis.
            options: What our server and its policy take beyond upstream, e.g. `seed=1` and
                `info=True`; see `PolicyService.submit`. An upstream server ignores them.

        Returns:
            `action.<group>` float32 (H, D), and `info` where it was asked for.

        Raises:
            ServingTimeoutError: No answer in time.
            ServingError: An answer that is an error or no action map.
            ObservationError: The instruction is longer than a policy takes; nothing was sent.
        """
        observation = {
            key: value if key.startswith(('video.', 'state.')) else checked_instructions(value)
            for key, value in observation.items()
        }
        configs = self._description()
        if self._images != RAW:
            change = small if self._images == SMALL else to_jpeg
            observation = {
                key: change(value) if key.startswith('video.') and _is_frames(value) else value
                for key, value in observation.items()
            }
        if self._protocol == POLICY_SERVER:
            return self._ask_policy_server(observation, configs, options)
        options = {'timeout_s': self._timeout_s, **options}
        shared: dict[str, Any] = {}
        if self._may_share():
            images = {key: value for key, value in observation.items() if _is_image(value)}
            shared = dict(self._memory.place(images))
        reply = self._map('get_action', {'data': {**observation, **shared}, 'options': options})
        wrong = [key for key, value in reply.items() if not isinstance(value, np.ndarray)]
        if not reply or wrong not in ([], ['info']):
            raise ServingError(f'{self._address} answered get_action without arrays: {wrong}')
        return reply

    def get_modality_config(self) -> dict[str, ModalityConfig]:
        """Return which keys the policy takes and gives, per modality, in the suite's form."""
        self._served = None
        return dict(self._description())

    def reset(self) -> None:
        """Tell a PolicyServer that a new episode begins; other servers keep nothing of one."""
        self._description()
        if self._protocol == POLICY_SERVER:
            self._call('reset', {'data': {'options': None}})

    def kill(self) -> None:
        """End the server; it must have been started with a token."""
        self._call('kill', {})

    def _description(self) -> dict[str, ModalityConfig]:
        """Return the modality configs; ask for them once per connection."""
        if self._served is not None:
            return self._served
        reply = self._map('get_modality_config', {})
        nested = {key: value for key, value in reply.items() if isinstance(value, NestedConfig)}
        flat = {key: value for key, value in reply.items() if isinstance(value, ModalityConfig)}
        if not reply or len(nested) not in (0, len(reply)) or len(nested) + len(flat) < len(reply):
            wrong = [key for key in reply if key not in nested and key not in flat]
            raise ServingError(f'{self._address} answered without a modality config: {wrong}')
        if nested and self._asked_protocol == N1_5:
            raise ServingError(
                f"{self._address} is a PolicyServer (N1.6, N1.7), but the protocol is 'n1_5';"
                " choose 'auto' or 'policy_server'"
            )
        if self._asked_protocol == AUTO:
            self._protocol = POLICY_SERVER if nested else N1_5
        self._nested = nested
        self._images = self._form_of_images()
        self._served = suite_configs(nested) if nested else flat
        return self._served

    def _form_of_images(self) -> str:
        nested = self._protocol == POLICY_SERVER
        asks = self._asked_images == JPEG or is_remote(self._address)
        reads: object = []
        if not nested and self._asked_images in (AUTO, JPEG) and asks:
            reads = self._map('ping', {}).get('reads', [])
        return chosen_form(
            self._asked_images,
            self._address,
            nested=nested,
            reads_jpeg=isinstance(reads, list) and JPEG in reads,
        )

    def _ask_policy_server(
        self,
        observation: dict[str, Any],
        configs: dict[str, ModalityConfig],
        options: dict[str, Any],
    ) -> dict[str, Any]:
        data, batched = write_request(observation, configs, options)
        reply = self._call('get_action', {'data': data})
        try:
            actions, info = read_reply(reply, batched=batched)
        except ServingError as error:
            raise ServingError(f'{self._address}: {error}') from None
        return {**actions, 'info': info} if options.get('info') else dict(actions)

    def _may_share(self) -> bool:
        """Tell whether the server reads this process's memory; ask it once per connection."""
        if self._shares is None:
            self._shares = False
            if self._address.startswith('ipc:'):
                written = np.frombuffer(os.urandom(ALIGNMENT), np.uint8)
                try:
                    placed = self._memory.place({'probe': written})
                    found = self._map('ping', placed).get('probe')
                    self._shares = isinstance(found, np.ndarray) and np.array_equal(found, written)
                except ServingTimeoutError:
                    raise
                except (OSError, ServingError) as error:
                    LOG.info('images go to %s through its socket: %s', self._address, error)
        return self._shares

    def _map(self, endpoint: str, fields: dict[str, Any]) -> dict[str, Any]:
        reply = self._call(endpoint, fields)
        if not isinstance(reply, dict):
            raise ServingError(
                f'{self._address} answered {endpoint} with {shown(reply)}, expected a map; is it'
                ' another kind of server?'
            )
        return reply

    def _call(self, endpoint: str, fields: dict[str, Any]) -> Any:
        request = {'endpoint': endpoint, **fields}
        if self._token is not None:
            request['api_token'] = self._token
        body = pack(request)
        socket = self._connected()
        try:
            socket.send(body, copy=False)
            if not socket.poll(int(self._timeout_s * 1000)):
                raise ServingTimeoutError(
                    f'{self._address} gave no answer to {endpoint} within {self._timeout_s} s'
                )
            frames = socket.recv_multipart(copy=False)
            if len(frames) != 1:
                raise ServingError(f'{self._address} answered {endpoint} in {len(frames)} frames')
            reply = read(frames[0].buffer).content
        except BaseException as error:
            # A REQ that waits for an answer can neither send again nor be trusted.
            self._socket.close(linger=0)
            self._socket = None
            # The server may still read what was placed.
            self._memory.close()
            self._shares = None
            # Another server may answer at this address next time.
            self._served = None
            if isinstance(error, zmq.ZMQError):
                raise ServingError(f'{self._address}: {error}') from error
            raise
        if isinstance(reply, dict) and 'error' in reply:
            raise ServingError(f'{self._address} answered {endpoint} with: {reply["error"]}')
        return reply

    def _connected(self) -> Any:
        if self._socket is None:
            socket = self._context.socket(zmq.REQ)
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
            socket.setsockopt(zmq.IPV6, int('[' in self._address))
            try:
                socket.connect(self._address)
            except zmq.ZMQError as error:
                socket.close()
                raise ServingError(
                    f'{self._address!r} is no address: {error}; give tcp://HOST:PORT or ipc://PATH'
                ) from error
            self._socket = socket
        return self._socket


def _is_frames(value: object) -> bool:
    return (
        isinstance(value, np.ndarray)
        and value.dtype == np.uint8
        and value.ndim >= 3
        and value.shape[-1] == 3
        and value.size > 0
    )


def _is_image(value: object) -> bool:
    return (
        isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.nbytes >= SHARED_BYTES
    )
