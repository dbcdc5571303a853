# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The policy node with a real server and a random checkpoint of each family, on SO-101."""

import shlex
import sys

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.file import load_robot


@pytest.mark.parametrize(('family', 'horizon'), [('n1_5', 16), ('n1_7', 40)])
def test_chunks_have_the_horizon_of_the_family(graph, tmp_path, family, horizon):
    """And N1.7's arm is relative: no step is further from the state than the joints can be."""
    robot = load_robot('so101')
    checkpoint = tmp_path / family
    init_checkpoint('tiny', robot, checkpoint, family=family)
    graph.add_robot()
    server = shlex.join([sys.executable, '-m', 'gr00t_core'])
    process = graph.start(
        program=server, checkpoint=str(checkpoint), server_arguments='--threads 1', device='cpu'
    )
    chunks = graph.fresh(count=5, limit_s=60.0)
    for chunk in chunks:
        assert (chunk.horizon, chunk.embodiment) == (horizon, 'new_embodiment')
        assert tuple(chunk.names) == robot.action_names
        values = np.array(chunk.data).reshape(chunk.horizon, chunk.width)
        assert np.isfinite(values).all()
        if family == 'n1_7':
            stamp = chunk.header.stamp.sec * 1_000_000_000 + chunk.header.stamp.nanosec
            state = 0.3 * np.sin(stamp / 1e9 + np.arange(chunk.width))  # of the fake robot (rad)
            group = robot.action_group('single_arm')
            reach = group.limits.velocity / robot.rate_hz * (1 + np.arange(horizon))[:, None]
            offset = np.abs(values - state)[:, : group.width]
            # Between states that a busy machine sent 0.4 s apart, a line is off by 0.006.
            assert (offset <= reach + 0.01).all()
    assert graph.stop(process) == 0
