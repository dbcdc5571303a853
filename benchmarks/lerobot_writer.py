# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write frames with LeRobot's own writer and print its CPU seconds; run by its own Python.

Usage: lerobot_writer.py FRAMES.npy OUTPUT CAMERA,CAMERA... COLUMNS.npy; without arguments only
whether LeRobot can be imported is tried.
"""

import inspect
import json
import resource
import sys
from typing import Any

import numpy as np
import torch

try:
    import torchvision  # noqa: F401
except (ImportError, RuntimeError):
    # Beside a CPU torch torchvision cannot load its operators: their schemas are declared.
    for name in [name for name in sys.modules if name.startswith('torchvision')]:
        del sys.modules[name]
    LIBRARY = torch.library.Library('torchvision', 'FRAGMENT')
    LIBRARY.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    LIBRARY.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')

from lerobot.datasets.lerobot_dataset import LeRobotDataset


def h264() -> dict[str, Any]:
    """Return what asks `LeRobotDataset.create` for H.264: a text, or an object from 0.6 on."""
    if 'vcodec' in inspect.signature(LeRobotDataset.create).parameters:
        return {'vcodec': 'h264'}
    from lerobot.configs.video import RGBEncoderConfig

    return {'rgb_encoder': RGBEncoderConfig(vcodec='h264')}


def cpu_s() -> float:
    """Return the CPU seconds of this process and its finished children."""
    found = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in found)


def main(frames_file: str, output: str, names: str, columns_file: str) -> None:
    """Write (N, V, H, W, 3) frames and (2, N, D) states and actions as one episode."""
    frames, columns = np.load(frames_file, mmap_mode='r'), np.load(columns_file)
    cameras = names.split(',')
    features = {
        name: {'dtype': 'float32', 'shape': columns.shape[2:], 'names': None}
        for name in ('observation.state', 'action')
    }
    for camera in cameras:
        features[f'observation.images.{camera}'] = {
            'dtype': 'video',
            'shape': frames.shape[2:],
            'names': ['height', 'width', 'channels'],
        }
    before = cpu_s()
    dataset = LeRobotDataset.create('bench/bench', 30, features, root=output, **h264())
    for number in range(len(frames)):
        row = {
            f'observation.images.{camera}': frames[number, index]
            for index, camera in enumerate(cameras)
        }
        row |= {'observation.state': columns[0, number], 'action': columns[1, number]}
        dataset.add_frame(row | {'task': 'fold the towel'})
    dataset.save_episode()
    dataset.finalize()
    print(json.dumps({'cpu_s': cpu_s() - before, 'rows': len(dataset)}))


if __name__ == '__main__' and len(sys.argv) > 1:
    main(*sys.argv[1:])
