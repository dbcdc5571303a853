# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A chunk survives the way through its message, bit for bit."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')
from rclpy.serialization import deserialize_message, serialize_message

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.errors import ObservationError
from gr00t_msgs.msg import ActionChunk as ChunkMessage
from gr00t_ros.chunk_messages import from_message, to_message


@settings(max_examples=50)
@given(
    st.integers(0, 2**31 * 10**9 - 1),
    st.integers(1, 10**12),
    st.integers(0, 2**64 - 1),
    arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 32))),
)
def test_there_and_back(stamp_ns, step_ns, sequence, values):
    names = tuple(f'arm/{number}' for number in range(values.shape[1]))
    chunk = ActionChunk(stamp_ns, step_ns, names, values, sequence)
    message = to_message(chunk, 'gr1', 'pick up the cup', 0.25)
    message = deserialize_message(serialize_message(message), ChunkMessage)
    found = from_message(message)
    assert (found.stamp_ns, found.step_ns, found.names) == (stamp_ns, step_ns, names)
    assert found.sequence == sequence
    assert found.values.tobytes() == values.tobytes()
    assert (message.embodiment, message.instruction) == ('gr1', 'pick up the cup')
    assert message.inference_time == 0.25


def test_a_contradiction_is_an_error():
    chunk = ActionChunk(1, 10, ('arm/a', 'arm/b'), np.zeros((3, 2), np.float32), 0)
    short = to_message(chunk, 'gr1', '')
    short.horizon = 4
    with pytest.raises(ValueError, match='reshape'):
        from_message(short)
    empty = ChunkMessage()
    with pytest.raises(ObservationError):
        from_message(empty)
