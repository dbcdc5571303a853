# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decide which groups can begin to be commanded, and at which place they begin.

A action width · D elements of a group.
"""

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from gr00t_core.robot.description import Robot
from gr00t_policy_node.executor.layout import Array, Layout


class Starts:
    """Groups of one topic are commanded together or not at all."""

    def __init__(self, robot: Robot, layout: Layout, measured_by: Mapping[str, str]) -> None:
        """Derive which groups share a topic.

        Args:
            robot: The robot description.
            layout: Its columns.
            measured_by: Action group → state group that measures it.
        """
        self._layout = layout
        self._measured_by = measured_by
        self._mates = {
            group.name: tuple(
                other.name for other in robot.action if other.stream.topic == group.stream.topic
            )
            for group in robot.action
        }

    def driven(
        self, live: Collection[str], commanded: Collection[str], values: Array
    ) -> tuple[list[str], str | None]:
        """Return the teleoperated groups that can be commanded, and why another one cannot.

        The groups of one topic go together. One without teleoperation holds the measured place
        or its last command; without either its topic stays silent.

        Args:
            live: The groups whose teleoperation is live.
            commanded: The groups that the last control period commanded.
            values: (A,) the last command, nan where there was none.
        """
        driven, unheld = [], None
        for name in live:
            lost = [
                mate
                for mate in self._mates[name]
                if mate not in live and mate not in commanded and not self._holdable(mate, values)
            ]
            if lost:
                unheld = (
                    f'teleoperation of {name}: {lost[0]} shares its topic, and there is no value'
                    f' that it could hold: teleoperate {lost[0]} as well'
                )
            else:
                driven.append(name)
        return driven, unheld

    def columns(self, asked: Iterable[str], active: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the silent columns (A,) of groups, and of those that share their topics."""
        names = {mate for name in asked for mate in self._mates[name]}
        return self._layout.mask(names) & ~active

    def place(
        self, asked: Collection[str], wanted: Array, values: Array, measured: Array
    ) -> Array:
        """Return where (A,) groups begin, at rest.

        They begin at the measured place; where nothing measures, at what is asked for first
        (clamped); where no source asks, at the last command.

        Args:
            asked: The groups that a source asks for.
            wanted: (A,) what it asks for; clamped in place.
            values: (A,) the last command.
            measured: (A,) the measured place, nan where nothing measures.
        """
        layout = self._layout
        wanted[layout.paced] = np.clip(wanted, layout.lower, layout.upper)[layout.paced]
        place = np.where(layout.mask(asked), wanted, values)
        place[layout.binary] = np.where(np.isfinite(place), place >= 0.5, np.nan)[layout.binary]
        return layout.zeroed(np.where(np.isnan(measured), place, measured))

    def _holdable(self, group: str, values: Array) -> bool:
        columns = self._layout.slices[group]
        return (
            columns.start in self._layout.direct
            or group in self._measured_by
            or bool(np.isfinite(values[columns]).all())
        )
