# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Action chunks to and from `gr00t_msgs/msg/ActionChunk`."""

import array

import numpy as np

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.messages.stamps import nanoseconds, put_nanoseconds
from gr00t_msgs.msg import ActionChunk as ChunkMessage


def to_message(
    chunk: ActionChunk, embodiment: str, instruction: str, inference_time: float = 0.0
) -> ChunkMessage:
    """Write a chunk as a message.

    Args:
        chunk: The chunk.
        embodiment: Tag of the policy's head.
        instruction: What the policy acted on.
        inference_time: From the start of pre-processing to the finished chunk (s).
    """
    message = ChunkMessage(
        embodiment=embodiment,
        instruction=instruction,
        names=list(chunk.names),
        horizon=chunk.horizon,
        width=len(chunk.names),
        # The setter takes an array.array as it is; a list would be checked element by element.
        data=array.array('f', np.asarray(chunk.values, np.float32).tobytes()),
        sequence=chunk.sequence,
        inference_time=inference_time,
    )
    put_nanoseconds(message.header.stamp, chunk.stamp_ns)
    put_nanoseconds(message.step, chunk.step_ns)
    return message


def from_message(message: ChunkMessage) -> ActionChunk:
    """Read a chunk of a publisher that is trusted; the executor checks more (`admission`).

    Raises:
        ValueError: `data` has not horizon x width entries.
        ObservationError: Names, step or horizon contradict the values.
    """
    return ActionChunk(
        stamp_ns=nanoseconds(message.header.stamp),
        step_ns=nanoseconds(message.step),
        names=tuple(message.names),
        values=np.array(message.data, np.float32).reshape(message.horizon, message.width),
        sequence=message.sequence,
    )
