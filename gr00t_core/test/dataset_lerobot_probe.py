# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a v3.0 dataset with lerobot and print what it saw as JSON; run by its own Python.

Usage: dataset_lerobot_probe.py DATASET [FIRST DELTA STEPS]. Runs on a CPU torch, where torchvision
cannot load its operators: their schemas are declared beforehand.
"""

import json
import sys

import torch

if torch.version.cuda is None:
    LIBRARY = torch.library.Library('torchvision', 'FRAGMENT')
    LIBRARY.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    LIBRARY.define(
        'qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor',
    )

from lerobot.datasets.lerobot_dataset import LeRobotDataset


def number(frame):
    """Return the number that a frame carries: 16 vertical bars, the first is bit 0."""
    bars = frame.mean(dim=(0, 1)).reshape(16, -1).mean(dim=1)
    return sum(int(bar > 0.5) << bit for bit, bar in enumerate(bars))


def main():
    path = sys.argv[1]
    dataset = LeRobotDataset('local/dataset', root=path)
    cameras = list(dataset.meta.camera_keys)
    rows = []
    for index in range(len(dataset)):
        item = dataset[index]
        rows.append(
            {
                'index': int(item['index']),
                'episode': int(item['episode_index']),
                'frame': int(item['frame_index']),
                'timestamp': float(item['timestamp']),
                'task': item['task'],
                'state': item['observation.state'].tolist(),
                'action': item['action'].tolist(),
                'stamp': int(item['observation.stamp_ns']),
                'videos': {key: number(item[key]) for key in cameras},
            }
        )
    future = LeRobotDataset(
        'local/dataset',
        root=path,
        delta_timestamps={'action': [k / dataset.fps for k in range(4)]},
    )
    print(
        json.dumps(
            {
                'rows': rows,
                'episodes': dataset.num_episodes,
                'frames': dataset.num_frames,
                'fps': dataset.fps,
                'stats': {
                    name: {kind: values.tolist() for kind, values in entry.items()}
                    for name, entry in dataset.meta.stats.items()
                },
                'last': future[len(future) - 1]['action'].tolist(),
                'padded': future[len(future) - 1]['action_is_pad'].tolist(),
            }
        )
    )


if __name__ == '__main__':
    main()
