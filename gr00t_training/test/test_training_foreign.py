# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plain LeRobot datasets train, pictures in rows too; what does not fit is told before a step."""

import json
from pathlib import Path
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.write.rewrite import rewrite
from gr00t_core.errors import DatasetError
from gr00t_core.robot.file import load_robot
from gr00t_training.finetune import finetune
from gr00t_training.preflight import PreflightError

CAMERAS = ('observation.images.front', 'observation.images.wrist')


@pytest.fixture
def plain(so101_dataset, tmp_path) -> Path:
    """Give the dataset without what only this suite writes."""
    path = tmp_path / 'plain'
    shutil.copytree(so101_dataset, path)
    for name in ('modality.json', 'robot.yaml', 'stats.json'):
        (path / 'meta' / name).unlink()
    return path


def into_rows(path: Path, damaged: bool = False) -> Path:
    """Move the pictures of a dataset from its videos into its parquet files."""
    from PIL import Image

    dataset = Dataset.open(path, load_robot('so101'))
    kind = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
    for number, episode in enumerate(dataset.episodes):
        table = pq.read_table(episode.data)
        for camera in CAMERAS:
            key = f'video.{camera.rpartition(".")[2]}'
            pictures = []
            for step in range(episode.length):
                file = path / 'picture.png'
                Image.fromarray(dataset.frames(number, key, [step])[0]).save(file)
                data = file.read_bytes()
                pictures.append({'bytes': b'no' if damaged else data, 'path': file.name})
                file.unlink()
            table = table.append_column(camera, pa.array(pictures, kind))
        pq.write_table(table, episode.data)
    info = path / 'meta/info.json'
    content = json.loads(info.read_text())
    for camera in CAMERAS:
        content['features'][camera] = {
            'dtype': 'image',
            'shape': content['features'][camera]['shape'],
            'names': content['features'][camera]['names'],
        }
    info.write_text(json.dumps(content | {'video_path': None}))
    shutil.rmtree(path / 'videos')
    return path


@pytest.mark.parametrize('frame_cache', ['off', 'model'])
def test_pictures_in_rows_train(told, plain, caplog, frame_cache):
    caplog.set_level('WARNING')
    path = into_rows(plain)
    output = finetune(
        told(dataset=(path,), robot=('so101',), max_steps=2, frame_cache=frame_cache)
    )
    figures = map(json.loads, (output / 'metrics.jsonl').read_text().splitlines())
    losses = [entry['train/loss'] for entry in figures]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert ('--frame-cache model' in caplog.text) == (frame_cache == 'off')


def test_pictures_that_cannot_be_decoded_stop_the_start(told, plain):
    path = into_rows(plain, damaged=True)
    with pytest.raises(DatasetError, match=r'episode_000000.parquet: row 0: .*damaged picture'):
        finetune(told(dataset=(path,), robot=('so101',)))


def test_another_rate_is_the_datasets_not_the_checkpoints(told, plain):
    info = plain / 'meta/info.json'
    info.write_text(json.dumps(json.loads(info.read_text()) | {'fps': 15}))
    with pytest.raises(DatasetError, match=r'fps: 15 in the dataset, .*says rate_hz 30'):
        finetune(told(dataset=(plain,), robot=('so101',)))


def test_degrees_stop_the_start(told, plain, tmp_path):
    robot, degrees = load_robot('so101'), tmp_path / 'degrees'
    scale = ['single_arm=rad2deg']
    rewrite([Dataset.open(plain, robot)], degrees, 'v2.1', robot, scale)
    with pytest.raises(PreflightError, match=r'single_arm lies outside.*degrees.*--accept limits'):
        finetune(told(dataset=(degrees,)))
    finetune(told(dataset=(degrees,), accept=('limits',), max_steps=1))
