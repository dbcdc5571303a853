# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read the joints from an arm's base to its tip out of a URDF; say where the tip is.

Shapes: N joints that move, from the base on. Units: m, rad.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import TypeAlias
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import ParameterError

Array: TypeAlias = NDArray[np.float64]
WHERE = 'robot_description'  # topic of the URDF, and where errors say they come from
TURNS, SLIDES = ('revolute', 'continuous'), ('prismatic',)


@dataclass(frozen=True)
class Chain:
    """The joints between two links.

    Attributes:
        base, tip: Names of the links.
        joints: N names.
        places: (N, 4, 4) each joint's frame in that of the joint before, at rest.
        axes: (N, 3) unit vectors in the joint's frame.
        slides: (N,) whether a joint slides along its axis instead of turning about it.
        end: (4, 4) the tip in the frame of the last joint.
    """

    base: str
    tip: str
    joints: tuple[str, ...]
    places: Array
    axes: Array
    slides: NDArray[np.bool_]
    end: Array

    def look(self, positions: Array) -> tuple[Array, Array]:
        """Return the tip's pose (4, 4) in the base, and the Jacobian (6, N): m/s above rad/s.

        Args:
            positions: (N,) of the joints.
        """
        pose = np.eye(4)
        points, axes = np.zeros((len(self.joints), 3)), np.zeros((len(self.joints), 3))
        rows = zip(self.places, self.axes, self.slides, positions)
        for number, (place, axis, slides, position) in enumerate(rows):
            pose = pose @ place
            axes[number], points[number] = pose[:3, :3] @ axis, pose[:3, 3]
            motion = np.eye(4)
            if slides:
                motion[:3, 3] = position * axis
            else:
                motion[:3, :3] = _turn(axis, float(position))
            pose = pose @ motion
        pose = pose @ self.end
        sliding = self.slides[:, None]
        linear = np.where(sliding, axes, np.cross(axes, pose[:3, 3] - points))
        return pose, np.concatenate([linear.T, np.where(sliding, 0.0, axes).T])


def read_chain(urdf: str, joints: Sequence[str], base: str = '', tip: str = '') -> Chain:
    """Return the chain that an arm's joints make.

    Args:
        urdf: The text of a URDF.
        joints: Names of the arm's joints, in any order.
        base: Link whose axes count; '' for the root of the tree.
        tip: Link that is led; '' for the last one that the joints move, or for what is fixed to
            it if that is one link.

    Raises:
        ParameterError: The text is no URDF, lacks a joint or link, or the joints are no chain.
    """
    found = _by_child(urdf)
    if missing := [name for name in joints if name not in {each.name for each in found.values()}]:
        raise ParameterError(f'{WHERE}: has no joint {", ".join(missing)}')
    links = {each.parent for each in found.values()} | found.keys()
    for name in (base, tip):
        if name and name not in links:
            raise ParameterError(
                f'{WHERE}: has no link {name!r}; it has {", ".join(sorted(links))}'
            )
    paths = {each.name: _path(found, child) for child, each in found.items()}
    last = max(joints, key=lambda name: len(paths[name]))
    path = _path(found, tip) if tip else paths[last] + _fixed_after(found, paths[last][-1].child)
    names = [each.name for each in path]
    if astray := [name for name in joints if name not in names]:
        end = path[-1].child if path else tip
        raise ParameterError(
            f'{WHERE}: {", ".join(astray)} does not move {end}: the joints of the group are no'
            ' chain'
        )
    if base and path and base != path[0].parent:
        begins = [number for number, each in enumerate(path) if each.parent == base]
        if not begins or any(each.name in joints for each in path[: begins[0]]):
            raise ParameterError(f'{WHERE}: {base!r} is not before the joints of the group')
        path = path[begins[0] :]
    return _chain(path, joints)


@dataclass(frozen=True)
class _Joint:
    """A joint as the URDF gives it."""

    name: str
    kind: str
    parent: str
    child: str
    place: Array
    axis: Array
    mimics: bool


def _chain(path: Sequence[_Joint], joints: Sequence[str]) -> Chain:
    places, moving, place = [], [], np.eye(4)
    for each in path:
        place = place @ each.place
        if each.kind == 'fixed':
            continue
        if each.name not in joints:
            raise ParameterError(
                f'{WHERE}: {each.name} moves the arm too, and another group commands it or none;'
                f' set base_frame to a link behind it, such as {each.child}'
            )
        if each.kind not in (*TURNS, *SLIDES) or each.mimics:
            kind = 'one that mimics another' if each.mimics else each.kind
            raise ParameterError(
                f'{WHERE}: joint {each.name} is {kind}; allowed: {", ".join(TURNS + SLIDES)}'
            )
        places.append(place)
        moving.append(each)
        place = np.eye(4)
    return Chain(
        path[0].parent,
        path[-1].child,
        tuple(each.name for each in moving),
        np.array(places),
        np.array([each.axis for each in moving]),
        np.array([each.kind in SLIDES for each in moving]),
        place,
    )


def _path(found: dict[str, _Joint], link: str) -> list[_Joint]:
    """Return the joints from the root to a link."""
    path: list[_Joint] = []
    while link in found:
        path.append(found[link])
        link = found[link].parent
        if len(path) > len(found):
            raise ParameterError(f'{WHERE}: the links are a circle at {link!r}, not a tree')
    return path[::-1]


def _fixed_after(found: dict[str, _Joint], link: str) -> list[_Joint]:
    """Return the fixed joints behind a link, as long as there is one only."""
    path: list[_Joint] = []
    while len(after := [e for e in found.values() if e.parent == link and e.kind == 'fixed']) == 1:
        path += after
        link = after[0].child
        if len(path) > len(found):
            break  # told by `_path`
    return path


def _by_child(urdf: str) -> dict[str, _Joint]:
    try:
        tree = ElementTree.fromstring(urdf)
    except (ElementTree.ParseError, ValueError) as error:
        raise ParameterError(f'{WHERE}: is no XML: {error}') from None
    if tree.tag != 'robot':
        raise ParameterError(f'{WHERE}: is no URDF: it begins with <{tree.tag}>, not <robot>')
    # Only joints of the robot itself: <transmission> holds elements of the same name.
    joints = [_joint(element) for element in tree.findall('joint')]
    found = {each.child: each for each in joints}
    if len(found) != len(joints):
        raise ParameterError(f'{WHERE}: a link is the child of two joints')
    return found


def _joint(element: ElementTree.Element) -> _Joint:
    name, kind = element.get('name', ''), element.get('type', '')
    parent, child = element.find('parent'), element.find('child')
    if not name or parent is None or child is None:
        raise ParameterError(f'{WHERE}: joint {name!r} lacks its name, parent or child')
    origin, axis = element.find('origin'), element.find('axis')
    place = np.eye(4)
    if origin is not None:
        place[:3, 3] = _three(origin.get('xyz', '0 0 0'), name)
        roll, pitch, yaw = _three(origin.get('rpy', '0 0 0'), name)
        x, y, z = np.eye(3)
        place[:3, :3] = _turn(z, yaw) @ _turn(y, pitch) @ _turn(x, roll)
    direction = _three('1 0 0' if axis is None else axis.get('xyz', '1 0 0'), name)
    length = float(np.linalg.norm(direction))
    if kind in (*TURNS, *SLIDES):
        if not length:
            raise ParameterError(f'{WHERE}: joint {name}: its axis is 0 0 0')
        direction = direction / length
    return _Joint(
        name,
        kind,
        parent.get('link', ''),
        child.get('link', ''),
        place,
        direction,
        element.find('mimic') is not None,
    )


def _three(text: str, joint: str) -> Array:
    try:
        numbers = np.array([float(word) for word in text.split()])
    except ValueError:
        numbers = np.zeros(0)
    if numbers.shape != (3,) or not np.isfinite(numbers).all():
        raise ParameterError(f'{WHERE}: joint {joint}: {text!r}: three numbers are expected')
    return numbers


def _turn(axis: Array, angle: float) -> Array:
    """Return the rotation (3, 3) about a unit vector."""
    x, y, z = axis
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * skew + (1.0 - math.cos(angle)) * skew @ skew
