# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say where in the front camera's picture an action chunk would lead the gripper."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from gr00t_core.actions.chunk import ActionChunk
from gr00t_sim.scenes.so101.kinematics import ARM, Kinematics
from gr00t_sim.scenes.so101.scene import build_model, JOINTS

CAMERA = 'front'  # it does not move with the arm


class GripperPath:
    """Projects the grasp point of every step of a chunk into the front camera.

    Args:
        aspect: Width of the camera's frames, by their height.
    """

    camera = CAMERA

    def __init__(self, aspect: float) -> None:
        model = build_model(1, 1)  # nothing is rendered from it
        data = mujoco.MjData(model)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_camlight(model, data)
        self._kinematics = Kinematics(model)
        number = model.camera(CAMERA).id
        self._eye = data.cam_xpos[number].copy()
        self._axes = data.cam_xmat[number].reshape(3, 3).copy()  # columns: right, up, backward
        half_height = np.tan(np.radians(model.cam_fovy[number]) / 2.0)
        self._half = np.array([half_height * aspect, half_height])

    def points(self, chunk: ActionChunk) -> NDArray[np.float64]:
        """Return (H, 2) parts of the picture's width and height, from its top left corner.

        Those of a chunk that does not command all joints of the arm are none: (0, 2).
        """
        columns = {name.split('/')[-1]: column for column, name in enumerate(chunk.names)}
        if not set(JOINTS[:ARM]) <= columns.keys():
            return np.zeros((0, 2))
        arms = chunk.values[:, [columns[joint] for joint in JOINTS[:ARM]]].astype(np.float64)
        places = np.array([self._kinematics.grasp(arm).position for arm in arms])
        seen = (places - self._eye) @ self._axes
        across = seen[:, :2] / -seen[:, 2:] / self._half  # [-1, 1], up is positive
        return np.asarray((across * [1.0, -1.0] + 1.0) / 2.0)
