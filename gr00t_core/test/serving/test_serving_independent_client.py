# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A client of PolicyServer that others wrote, `inspect-robots-unitree-g1` of PyPI, unmodified.

Opt-in (`--with isaac`). INSPECT_ROBOTS_PYTHON names an interpreter that has it:
`python -m venv g1 && g1/bin/pip install inspect-robots-unitree-g1==0.1.1 pyzmq msgpack
msgpack-numpy`.
"""

from collections.abc import Iterator
import json
import os
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot

pytestmark = [pytest.mark.isaac, pytest.mark.timeout(600)]

SEED = 7
CLIENT = """
import json, sys
import numpy as np
from inspect_robots.types import Observation
from inspect_robots_unitree_g1 import packing
from inspect_robots_unitree_g1.policy import Gr00tPolicy

size = json.loads(sys.argv[2])
state = {packing.STATE_KEY: np.linspace(-0.2, 0.2, packing.TOTAL_DIM)}
state |= {'left_leg': np.zeros(6), 'right_leg': np.zeros(6), 'waist': np.zeros(3)}
sent = []
policy = Gr00tPolicy(
    host='127.0.0.1', port=int(sys.argv[1]), timeout_s=60.0, image_key='video.rs_view'
)
infer = policy._infer()

def noted(wire):
    sent.append(wire)
    return infer(wire)

policy._infer_fn = noted
image = np.full((*size, 3), 90, np.uint8)
chunk = policy.act(
    Observation(images={'head_cam': image}, state=state, instruction='pick up the apple')
)
answer = infer(sent[0] | {})
print(json.dumps({
    'steps': len(chunk.actions),
    'widths': {len(action.data) for action in chunk.actions}.pop(),
    'state': {name: values[0].tolist() for name, values in sent[0]['state'].items()},
    'left_arm': [action.data[:7].tolist() for action in chunk.actions],
    'again': {name: list(values.shape) for name, values in answer.items()},
    'dtypes': sorted({str(values.dtype) for values in answer.values()}),
}))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a tiny checkpoint of the robot; give the port and the folder."""
    robot = load_robot('unitree_g1')
    init_checkpoint('tiny', robot, tmp_path / 'tiny')
    write_metadata(tmp_path / 'tiny', metadata_from_limits(robot))
    options = ['--checkpoint', tmp_path / 'tiny', '--robot', 'unitree_g1', '--device', 'cpu']
    options += ['--bind', 'tcp://127.0.0.1:*', '--seed', SEED]
    process = subprocess.Popen(
        [sys.executable, '-m', 'gr00t_core', 'serve', *map(str, options)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    ready = process.stdout.readline()
    assert ready.startswith('ready:'), ready
    yield ready.split(' at tcp://127.0.0.1:')[1].split()[0], tmp_path / 'tiny'
    process.kill()
    process.communicate(timeout=60)


def test_an_independent_client_gets_the_actions_of_the_policy(server: tuple[str, Path]) -> None:
    python = os.environ.get('INSPECT_ROBOTS_PYTHON')
    if not python:
        pytest.skip('INSPECT_ROBOTS_PYTHON names no interpreter with inspect-robots-unitree-g1')
    port, checkpoint = server
    camera = load_robot('unitree_g1').reference
    size = [camera.height, camera.width]
    done = subprocess.run(
        [python, '-c', CLIENT, port, json.dumps(size)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={'PATH': os.environ['PATH']},
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    policy = Gr00tPolicy(checkpoint, 'unitree_g1', seed=SEED)
    groups = ('left_arm', 'right_arm', 'left_hand', 'right_hand')
    expected = policy.get_action(
        {
            'video.rs_view': np.full((1, *size, 3), 90, np.uint8),
            **{f'state.{name}': np.array(said['state'][name], np.float32) for name in groups},
            'annotation.human.task_description': ['pick up the apple'],
        }
    )
    assert said['steps'] == len(expected['action.left_arm']) == 16
    assert said['widths'] == 16
    np.testing.assert_allclose(said['left_arm'], expected['action.left_arm'], atol=1e-5)
    assert said['again'] == {
        name: [1, 16, values.shape[1]]
        for name, values in ((name, expected[f'action.{name}']) for name in groups)
    }
    assert said['dtypes'] == ['float32']
