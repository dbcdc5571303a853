# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Take messages together with the publisher that sent them.

rclpy tells when a message was sent, but not by whom; rcl knows it. So this file takes the bytes
through rcl itself (decision 0020). The structures are those of rmw since Iron.
"""

from collections.abc import Iterator
import ctypes
import functools
from typing import Any
import weakref

from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription

from gr00t_core.errors import Gr00tError

GID_SIZE = 16
_FIRST_CAPACITY = 256
_OK, _NOTHING = 0, 401  # RCL_RET_OK, RCL_RET_SUBSCRIPTION_TAKE_FAILED


class _Allocator(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p)
        for name in ('allocate', 'deallocate', 'reallocate', 'zero_allocate', 'state')
    ]


class _Bytes(ctypes.Structure):
    _fields_ = [
        ('buffer', ctypes.c_void_p),
        ('length', ctypes.c_size_t),
        ('capacity', ctypes.c_size_t),
        ('allocator', _Allocator),
    ]


class _Info(ctypes.Structure):
    _fields_ = [
        ('source_timestamp', ctypes.c_int64),
        ('received_timestamp', ctypes.c_int64),
        ('publication_sequence_number', ctypes.c_uint64),
        ('reception_sequence_number', ctypes.c_uint64),
        ('implementation', ctypes.c_char_p),
        ('gid', ctypes.c_uint8 * GID_SIZE),
        ('rest', ctypes.c_uint8 * 64),  # room for what later releases add
    ]


@functools.cache
def _libraries() -> tuple[Any, Any]:
    try:
        rcl, rcutils = ctypes.CDLL('librcl.so'), ctypes.CDLL('librcutils.so')
        rcl.rcl_take_serialized_message.argtypes = [ctypes.c_void_p] * 4
        rcutils.rcutils_get_default_allocator.restype = _Allocator
    except (OSError, AttributeError) as error:
        raise Gr00tError(f'rcl cannot be called, so that senders stay unknown: {error}') from error
    return rcl, rcutils


class Queue:
    """A subscription whose messages are taken together with the publisher that sent each.

    Its buffer is kept from one message to the next: a queue is read in every control period.
    """

    def __init__(self, subscription: Subscription) -> None:
        """Take the subscription; it must not be read by anything else.

        Raises:
            Gr00tError: rcl cannot be called.
        """
        self._subscription = subscription
        self._rcl, rcutils = _libraries()
        self._taken, self._info = _Bytes(), _Info()
        allocator = rcutils.rcutils_get_default_allocator()
        if rcutils.rcutils_uint8_array_init(
            ctypes.byref(self._taken), ctypes.c_size_t(_FIRST_CAPACITY), ctypes.byref(allocator)
        ):
            raise Gr00tError('rcutils cannot allocate memory')
        weakref.finalize(self, rcutils.rcutils_uint8_array_fini, ctypes.byref(self._taken))
        self._arguments = (ctypes.byref(self._taken), ctypes.byref(self._info), None)
        self._reset_error = rcutils.rcutils_reset_error

    def take(self, most: int) -> Iterator[tuple[Any, int, str]]:
        """Give each message in the queue, the oldest first, but no more than `most`.

        Yields:
            The message, when it was sent (ns since 1970, 0 when unknown), and the gid of its
            publisher (hexadecimal), as `gid_of` gives it for what the graph tells.
        """
        subscription, taken, info = self._subscription, self._taken, self._info
        with subscription.handle:  # keeps it alive
            pointer = subscription.handle.pointer
            for _ in range(most):
                code = self._rcl.rcl_take_serialized_message(pointer, *self._arguments)
                if code != _OK:
                    if code != _NOTHING:
                        self._reset_error()
                    return
                payload = ctypes.string_at(taken.buffer, taken.length)
                message = deserialize_message(payload, subscription.msg_type)
                yield message, int(info.source_timestamp), bytes(info.gid).hex()


def gid_of(endpoint: Any) -> str:
    """Return the gid of a publisher that the graph tells about (`TopicEndpointInfo`)."""
    return bytes(endpoint.endpoint_gid[:GID_SIZE]).hex()
