# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
import pytest

from gr00t_core.errors import Gr00tError
from gr00t_sim import rendering


def test_the_named_platform_is_respected(monkeypatch: pytest.MonkeyPatch, gl: str) -> None:
    monkeypatch.setenv('MUJOCO_GL', gl.upper())
    assert rendering.pick_platform() == gl


def test_a_platform_with_a_window_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MUJOCO_GL', 'glfw')
    with pytest.raises(Gr00tError, match=r'MUJOCO_GL=glfw.*egl, osmesa'):
        rendering.pick_platform()


def test_without_any_platform_the_apt_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('MUJOCO_GL', raising=False)
    monkeypatch.setattr(rendering.ctypes.util, 'find_library', lambda name: None)
    with pytest.raises(Gr00tError, match=r'apt-get install .*libopengl0'):
        rendering.pick_platform()


def test_osmesa_is_taken_where_egl_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('MUJOCO_GL', raising=False)
    monkeypatch.setattr(rendering.ctypes.util, 'find_library', {'OSMesa': 'libOSMesa.so.8'}.get)
    assert rendering.pick_platform() == 'osmesa'
