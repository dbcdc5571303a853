# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw LIBERO's meshes with fewer triangles: without a GPU they take most of the rendering.

Vertices in one cell of a grid become one (Rossignac and Borrel, 1993); triangles that lose a
corner are left out. Physics and collisions keep their meshes.
"""

from typing import Any

import mujoco
import numpy as np

CELL_M = 0.006  # about a pixel of the agent view at 256 px


def draw_fewer_triangles(model: Any, cell_m: float = CELL_M) -> None:
    """Thin out the meshes that are only seen; before a rendering context is made.

    Args:
        model: MuJoCo's model, changed in place.
        cell_m: Edge of the grid's cells, m.
    """
    for mesh in _only_seen(model):
        first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        cells = np.floor(model.mesh_vert[first : first + count] / cell_m).astype(np.int64)
        _, kept, cell_of = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        start = model.mesh_faceadr[mesh]
        rows = slice(start, start + model.mesh_facenum[mesh])
        faces = kept[cell_of.reshape(-1)][model.mesh_face[rows]]
        a, b, c = faces.T
        whole = (a != b) & (b != c) & (c != a)
        if not whole.any():
            continue  # smaller than a cell
        left = slice(start, start + int(whole.sum()))
        model.mesh_face[left] = faces[whole]
        model.mesh_facenormal[left] = model.mesh_facenormal[rows][whole]
        model.mesh_facetexcoord[left] = model.mesh_facetexcoord[rows][whole]
        model.mesh_facenum[mesh] = int(whole.sum())


def _only_seen(model: Any) -> set[int]:
    """Return the meshes of shapes that touch nothing."""
    is_mesh = model.geom_type == int(mujoco.mjtGeom.mjGEOM_MESH)
    touches = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    return set(model.geom_dataid[is_mesh & ~touches]) - set(model.geom_dataid[is_mesh & touches])
