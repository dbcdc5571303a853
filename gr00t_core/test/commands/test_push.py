# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`gr00t push`: what arrives at a stand-in of the Hub, and what is said when nothing can."""

from fractions import Fraction
import os
from pathlib import Path
import shutil
import subprocess
import sys

from hub_stand_in import Hub, TOKEN
import numpy as np
import pytest

from gr00t_core.commands import push
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.piece import load_shard
from gr00t_core.dataset.write.shard import EpisodeWriter, robot_features
from gr00t_core.errors import DatasetError
from gr00t_core.hub_names import is_hub_name
from gr00t_core.robot.file import load_robot


@pytest.fixture(scope='module')
def dataset(tmp_path_factory) -> Path:
    """Give a dataset of one episode."""
    folder, robot = tmp_path_factory.mktemp('push'), load_robot('so101')
    cameras = [f'observation.images.{camera.name}' for camera in robot.cameras]
    writer = EpisodeWriter(folder / 'shard', Fraction(30), robot_features(robot), cameras)
    for row in range(4):
        values = np.full(6, row / 10, np.float32)
        numbers = {'observation.state': values, 'action': values, 'observation.stamp_ns': row}
        writer.add_row(numbers, 'take the cube')
        for camera in cameras:
            writer.add_frame(camera, np.full((64, 64, 3), 9 * row, np.uint8))
    piece = load_shard(writer.finish())
    assemble([piece], folder / 'cubes', 'v2.1', Header.of_robot(robot))
    return folder / 'cubes'


@pytest.fixture
def hub():
    made = Hub()
    yield made
    made.shutdown()
    made.server_close()


def run(dataset, hub, *words, token=TOKEN):
    """Push in a process of its own: huggingface_hub reads its environment once."""
    environment = os.environ | {
        'HF_ENDPOINT': hub.address,
        'HF_HUB_DISABLE_XET': '1',
        'HF_HUB_DISABLE_PROGRESS_BARS': '1',
        'HF_HOME': str(dataset.parent / 'hf'),
        'HF_TOKEN': token,
        'HF_HUB_DISABLE_IMPLICIT_TOKEN': '',
    }
    code = 'import sys; from gr00t_core.commands.main import main; sys.exit(main(sys.argv[1:]))'
    command = [sys.executable, '-c', code, 'push', str(dataset), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_all_of_a_dataset_arrives_and_can_be_read(dataset, hub, tmp_path):
    (dataset / '.cache').mkdir(exist_ok=True)
    (dataset / '.cache' / 'secret').write_text('not for others')
    done = run(dataset, hub, 'mylab/cubes')
    assert done.returncode == 0, done.stderr
    assert f'1 episodes are at {hub.address}/datasets/mylab/cubes' in done.stdout
    repo = hub.repos['mylab/cubes']
    assert repo['private'] is True
    sent = {
        str(path.relative_to(dataset)): path.read_bytes()
        for path in dataset.rglob('*')
        if path.is_file() and '.cache' not in path.parts
    }
    card = repo['files'].pop('README.md')
    assert repo['files'] == sent
    assert b'LeRobot' in card
    assert b'take the cube' in card
    assert repo['tags'].keys() == {'v2.1'}  # where LeRobot looks for it
    for name, content in repo['files'].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert Dataset.open(tmp_path).frames(0, 'video.front', [3]).shape == (1, 64, 64, 3)
    # Again, with a card of one's own: the tag goes along.
    changed = Path(shutil.copytree(dataset, tmp_path / 'changed'))
    (changed / 'README.md').write_text('mine')
    done = run(changed, hub, 'mylab/cubes', '--public')
    assert done.returncode == 0, done.stderr
    assert repo['files']['README.md'] == b'mine'
    assert repo['tags']['v2.1']['README.md'] == b'mine'


@pytest.mark.parametrize(
    ('status', 'token', 'said'),
    [
        (None, '', 'no token for http'),
        (None, 'hf_wrong', 'does not know the token'),
        (403, TOKEN, 'the token may not write there'),
        (500, TOKEN, 'answered 500'),
    ],
)
def test_a_refusal_says_what_to_do(status, token, said, dataset, hub):
    hub.status = status
    done = run(dataset, hub, 'mylab/cubes', token=token)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not hub.repos


def test_no_server_is_told(dataset, hub):
    hub.shutdown()
    hub.server_close()
    done = run(dataset, hub, 'mylab/cubes')
    assert done.returncode == 1
    assert 'cannot be used' in done.stderr
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    'name', ['cubes', 'a/b/c', 'my lab/cubes', '-a/b', 'a/b-', 'a/b..c', '/b']
)
def test_a_wrong_name_is_refused_before_anything_is_sent(name, dataset):
    assert not is_hub_name(name)
    with pytest.raises(DatasetError, match='is no name on the Hub'):
        push.main([str(dataset), '--', name] if name.startswith('-') else [str(dataset), name])


def test_only_a_dataset_is_uploaded(tmp_path):
    with pytest.raises(DatasetError, match='LeRobot dataset'):
        push.main([str(tmp_path), 'mylab/cubes'])
