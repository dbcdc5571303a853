# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Datasets and bags for the page of episodes; pictures and states say which row they are."""

from fractions import Fraction
import importlib.util
from pathlib import Path
import sys

import numpy as np

from gr00t_core.dataset.corrections import COLUMNS, PERSON, POLICY, row_values
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.piece import load_shard
from gr00t_core.dataset.write.shard import EpisodeWriter, robot_features
from gr00t_core.robot.file import load_robot

SO101 = load_robot('so101')
CAMERAS = [f'observation.images.{camera.name}' for camera in SO101.cameras]
BAGS = Path(__file__).resolve().parents[2] / 'rosbag_tools' / 'test'


def picture(row):
    """Return a grey picture whose level is 5 times the row."""
    return np.full((96, 128, 3), 5 * row, np.uint8)


def dataset(folder, lengths=(20, 30, 25), told=('take the cube', 'put it down', 'take the cube')):
    """Make a dataset: episode 0 a success, 1 a failure with an intervention, 2 not known."""
    pieces = []
    for episode, (length, text) in enumerate(zip(lengths, told, strict=True)):
        writer = EpisodeWriter(
            folder / f'shard{episode}', Fraction(30), robot_features(SO101) | COLUMNS, CAMERAS
        )
        for row in range(length):
            values = np.sin(np.arange(6) + row / 10).astype(np.float32)
            numbers = {'observation.state': values, 'action': values + 0.05}
            numbers['observation.stamp_ns'] = row * 33_333_333
            source = PERSON if episode == 1 and 10 <= row < 15 else POLICY
            numbers |= row_values(source, {0: True, 1: False}.get(episode))
            writer.add_row(numbers, text)
            for camera in CAMERAS:
                writer.add_frame(camera, picture(row))
        pieces.append(load_shard(writer.finish()))
    output = folder / 'dataset'
    assemble(pieces, output, 'v2.1', Header.of_robot(SO101))
    return output


def bags(folder, seconds=(1.5, 1.0, 1.0)):
    """Make bags `episode_0`, `episode_1`, … of which the first two were marked."""
    sys.path.insert(0, str(BAGS))
    spec = importlib.util.spec_from_file_location('truth_bag', BAGS / 'truth_bag.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['truth_bag'] = module
    spec.loader.exec_module(module)
    made = []
    for number, length in enumerate(seconds):
        custom = {'gr00t.instruction': f'task {number}'}
        custom |= {'gr00t.success': str(number == 0).lower()} if number < 2 else {}
        bag = module.TruthBag(seconds=length, size=(160, 120), seed=number, custom=custom)
        made.append(bag.write(folder / 'bags' / f'episode_{number}'))
    return made
