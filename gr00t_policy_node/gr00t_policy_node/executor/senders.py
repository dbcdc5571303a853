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


def take_from(subscription: Subscription, most: int) -> Iterator[tuple[Any, int, str]]:
    """Give each message in a subscription's queue, the oldest first, but no more than `most`.

    Yields:
        The message, when it was sent (ns since 1970, 0 when unknown), and the gid of its publisher
        (hexadecimal), as `gid_of` gives it for what the graph tells.

    Raises:
        Gr00tError: rcl cannot be called.
    """
    rcl, rcutils = _libraries()
    taken, info = _Bytes(), _Info()
    allocator = rcutils.rcutils_get_default_allocator()
    if rcutils.rcutils_uint8_array_init(
        ctypes.byref(taken), ctypes.c_size_t(_FIRST_CAPACITY), ctypes.byref(allocator)
    ):
        raise Gr00tError('rcutils cannot allocate memory')
    try:
        with subscription.handle:  # keeps it alive
            pointer = subscription.handle.pointer
            for _ in range(most):
                code = rcl.rcl_take_serialized_message(
                    pointer, ctypes.byref(taken), ctypes.byref(info), None
                )
                if code != _OK:
                    if code != _NOTHING:
                        rcutils.rcutils_reset_error()
                    return
                payload = ctypes.string_at(taken.buffer, taken.length)
                message = deserialize_message(payload, subscription.msg_type)
                yield message, int(info.source_timestamp), bytes(info.gid).hex()
    finally:
        rcutils.rcutils_uint8_array_fini(ctypes.byref(taken))


def gid_of(endpoint: Any) -> str:
    """Return the gid of a publisher that the graph tells about (`TopicEndpointInfo`)."""
    return bytes(endpoint.endpoint_gid[:GID_SIZE]).hex()
