# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render cameras off-screen through EGL or OSMesa, whichever works here.

A GL context belongs to the thread that made it: make, use and close a `Renderer` in one thread.
"""

import ctypes
import ctypes.util
import importlib
import os
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import Gr00tError
from gr00t_core.system_packages import apt_line

_PLATFORMS = ('egl', 'osmesa')
INSTALL_HINT = f'{apt_line("render")}  (or libosmesa6)'


def pick_platform() -> str:
    """Return the off-screen GL platform: `MUJOCO_GL` when it is set, else the first that works.

    Raises:
        Gr00tError: `MUJOCO_GL` names no off-screen platform, or none works (with the apt command).
    """
    asked = os.environ.get('MUJOCO_GL', '').strip().lower()
    if asked and asked not in _PLATFORMS:
        raise Gr00tError(
            f'MUJOCO_GL={asked}: the simulator renders off-screen; unset it, or choose one of'
            f' {", ".join(_PLATFORMS)}'
        )
    candidates = (asked,) if asked else _PLATFORMS
    reasons = {}
    for platform in candidates:
        reason = _why_egl_fails() if platform == 'egl' else _why_osmesa_fails()
        if reason is None:
            return platform
        reasons[platform] = reason
    listed = '; '.join(f'{platform}: {reason}' for platform, reason in reasons.items())
    raise Gr00tError(
        f'no off-screen OpenGL for the cameras ({listed}); install it: {INSTALL_HINT}'
    )


def _why_egl_fails() -> str | None:
    name = ctypes.util.find_library('EGL')
    if name is None:
        return 'libEGL.so not found'
    if not any(map(ctypes.util.find_library, ('OpenGL', 'GL'))):
        return 'neither libOpenGL.so nor libGL.so found, which PyOpenGL loads'
    egl = ctypes.CDLL(name)
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    query_address = egl.eglGetProcAddress(b'eglQueryDevicesEXT')
    if not query_address:
        return 'the driver has no EGL_EXT_device_enumeration'
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(
        query_address
    )
    count = ctypes.c_int(0)
    if not query(0, None, ctypes.byref(count)) or count.value == 0:
        return 'EGL lists no device (libegl-mesa0 is not installed?)'
    return None


def _why_osmesa_fails() -> str | None:
    return None if ctypes.util.find_library('OSMesa') else 'libOSMesa.so not found'


class Renderer:
    """Render one model's cameras at one size; not shared between threads.

    Args:
        model: The compiled scene; its off-screen buffer must be at least this large.
        width, height: Size of a frame in px.

    Raises:
        Gr00tError: No off-screen GL platform works.
    """

    def __init__(self, model: mujoco.MjModel, width: int, height: int) -> None:
        platform = pick_platform()
        self._gl: Any = importlib.import_module(f'mujoco.{platform}').GLContext(width, height)
        self._gl.make_current()
        self._model = model
        self._data = mujoco.MjData(model)
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._option = mujoco.MjvOption()
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._pixels = np.empty((height, width, 3), np.uint8)

    def render(self, qpos: NDArray[np.float64], camera: str) -> NDArray[np.uint8]:
        """Render the scene at a joint configuration.

        Args:
            qpos: (nq,) generalised positions of the model.
            camera: Camera name.

        Returns:
            (h, w, 3) uint8 RGB, top row first, a fresh array.
        """
        self._gl.make_current()  # another renderer of this thread may have been
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        self._camera.fixedcamid = self._model.camera(camera).id
        mujoco.mjv_updateScene(
            self._model,
            self._data,
            self._option,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        mujoco.mjr_readPixels(self._pixels, None, self._viewport, self._context)
        return np.ascontiguousarray(self._pixels[::-1])

    def close(self) -> None:
        """Free the GL context."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()
