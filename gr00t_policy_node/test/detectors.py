# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plug-ins for the tests: the instruction says how they behave."""

import time

import numpy as np


def make(node, robot):
    """Return a detector that checks what it is given."""

    def detect(observation, seconds):
        (instruction,) = observation[robot.instruction_key]
        for camera in robot.cameras:
            shape = (1, camera.height, camera.width, 3)
            assert observation[f'video.{camera.name}'].shape == shape
        for group in robot.state:
            assert np.isfinite(observation[f'state.{group.name}']).all()
        if seconds < 0.5:
            return None
        if instruction == 'crash':
            raise RuntimeError('the detector is unwell')
        if instruction == 'nonsense':
            return 'yes'
        if instruction == 'dream':
            time.sleep(30.0)
        return {'do': (True, f'after {seconds:.1f} s'), 'spoil': False}.get(instruction)

    return detect


def broken(node, robot):
    """Fail to make one."""
    raise ValueError('no camera to look through')
