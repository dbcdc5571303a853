# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LeRobot reads what we write, to the bit. Opt-in: LEROBOT_VENV names a venv that has it.

How to make the venv: `test_dataset_lerobot_kinds.py`. torchcodec finds no FFmpeg there but the one
inside PyAV's wheel, whose libraries get their plain names in a temporary folder.
"""

import json
import os
from pathlib import Path
import re
import subprocess

import numpy as np
import pytest

from gr00t_core.dataset.write.writer import DatasetWriter
from gr00t_core.robot.file import load_robot

pytestmark = pytest.mark.lerobot

ROBOT = load_robot('so101')
PROBE = Path(__file__).parents[1].joinpath('dataset_lerobot_probe.py')
LENGTHS = (9, 14, 6)


@pytest.fixture(scope='module')
def lerobot(tmp_path_factory):
    """Give a function that runs the probe in lerobot's own venv."""
    if 'LEROBOT_VENV' not in os.environ:
        pytest.skip('LEROBOT_VENV is not set')
    venv = Path(os.environ['LEROBOT_VENV'])
    libraries = next(venv.glob('lib/python3*/site-packages/av.libs'))
    plain = tmp_path_factory.mktemp('ffmpeg')
    for path in libraries.glob('lib*-*.so.*'):
        match = re.fullmatch(r'(lib(?:av|sw)\w+)-\w+\.so\.(\d+)\..*', path.name)
        if match:
            (plain / f'{match[1]}.so.{match[2]}').symlink_to(path)
    environment = {
        **os.environ,
        'LD_LIBRARY_PATH': f'{plain}:{libraries}',
        'HF_HUB_OFFLINE': '1',
        'HF_DATASETS_CACHE': str(tmp_path_factory.mktemp('cache')),
    }

    def run(path: Path):
        command = [str(venv / 'bin' / 'python'), str(PROBE), str(path)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=170, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_v30_is_read_with_the_same_frames_and_values(lerobot, tmp_path):
    path = tmp_path / 'set'
    k = 0
    for part in (LENGTHS[:2], LENGTHS[2:]):  # the second is added to the first
        writer = DatasetWriter(path, ROBOT, 'v3.0')
        for length in part:
            for _ in range(length):
                values = {
                    'observation.state': np.sin(np.arange(6) + k),
                    'action': np.cos(np.arange(6) + k),
                    'observation.stamp_ns': 10**18 + k,
                }
                frames = {'front': numbered(k), 'wrist': numbered(k + 1000)}
                writer.add(values, frames, f'task {length}')
                k += 1
            writer.finish_episode()
        writer.finalize()
    seen = lerobot(path)
    assert (seen['episodes'], seen['frames'], seen['fps']) == (3, 29, 30)
    places = [(e, s) for e, length in enumerate(LENGTHS) for s in range(length)]
    for k, (row, (episode, step)) in enumerate(zip(seen['rows'], places, strict=True)):
        assert (row['index'], row['episode'], row['frame']) == (k, episode, step)
        assert row['timestamp'] == np.float32(step / 30)
        assert row['task'] == f'task {LENGTHS[episode]}'
        assert row['state'] == np.float32(np.sin(np.arange(6) + k)).tolist()
        assert row['action'] == np.float32(np.cos(np.arange(6) + k)).tolist()
        assert row['stamp'] == 10**18 + k
        assert row['videos'] == {
            'observation.images.front': k,
            'observation.images.wrist': k + 1000,
        }
    assert seen['padded'] == [False, True, True, True]
    assert seen['stats']['action']['count'] == [29]
    std = np.ravel(seen['stats']['observation.images.front']['std'])
    assert np.all((std > 0.2) & (std < 0.5))


def numbered(k: int) -> np.ndarray:
    """Return a frame that carries its number in 16 bars."""
    bars = np.where(k >> np.arange(16) & 1, 230, 20).astype(np.uint8)
    row = np.repeat(bars, ROBOT.cameras[0].width // 16)
    shape = (ROBOT.cameras[0].height, ROBOT.cameras[0].width, 3)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], shape))
