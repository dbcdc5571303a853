# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a robot once; everything else in the suite is derived from this description.

The policy node's subscriptions, the recorder's topics, the converter's features, `modality.json`,
the finetune data config, the executor's limits and outputs and the simulator's names all come
from the dataclasses below. They are parsed from `shipped/<robot>.yaml` (or any YAML file of the
user's) by `gr00t_core.robot.file`.

Units: rad, m, s, or a named unit; rates in Hz; time in integer nanoseconds.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gr00t_core.embodiments import DataConfig, Treatment
from gr00t_core.errors import RobotFileError

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Stream:
    """One topic and how its messages are placed in time.

    Attributes:
        topic: Relative topic name.
        type: ROS 2 type name, `package/msg/Name`.
        rate_hz: Expected rate; checked while recording and reported in diagnostics.
        stamp: `header` places a message at its header stamp, `log` at the time it was received.
        offset_ns: Added to every stamp of the stream; corrects a constant latency.
        max_age_ns: A sample further than this from the asked time is a gap; nothing is invented
            for it.
        pairing: `interpolate`, `nearest` or `hold`; see `gr00t_core.alignment.timeline`.
    """

    topic: str
    type: str
    rate_hz: float
    stamp: str
    offset_ns: int
    max_age_ns: int
    pairing: str


@dataclass(frozen=True)
class Camera:
    """One RGB camera: `video.<name>` for the model, `observation.images.<name>` in a dataset."""

    name: str
    stream: Stream
    width: int
    height: int

    @property
    def dataset_key(self) -> str:
        """Return the LeRobot feature name."""
        return f'observation.images.{self.name}'


@dataclass(frozen=True)
class Limits:
    """Bounds of an action group, one entry per element.

    Positions are in the group's unit, velocities in that per s, accelerations in that per s².

    Attributes:
        lower, upper: (D,) float64; None for rotations that are commanded as positions.
        velocity, acceleration: (D,) float64, > 0; None for groups that are not positions.
    """

    lower: NDArray[np.float64] | None
    upper: NDArray[np.float64] | None
    velocity: NDArray[np.float64] | None
    acceleration: NDArray[np.float64] | None

    def __post_init__(self) -> None:
        """Make the arrays read-only: a limit never changes after the file was read."""
        for values in (self.lower, self.upper, self.velocity, self.acceleration):
            if values is not None:
                values.setflags(write=False)


@dataclass(frozen=True)
class Group:
    """A named slice of the state or action vector, read from one field of one topic.

    Attributes:
        name: Group name, e.g. `single_arm`; `state.<name>` or `action.<name>` for the model.
        stream: Where the values come from (and, for an action group, where they go).
        field: Dotted path inside the message, e.g. `position` or `pose.orientation`.
        names: Element names in order; joint names where the message has a `name` array.
        offset: First element inside an unnamed array field.
        by_place: Elements may be read by their place although the message could name them: the
            file gives `axes`, or `offset` beside `joints`.
        unit: Unit of the values in the message; "rad and m" where the elements differ.
        units: The unit of each element.
        rotation: Rotation type of the values, None when they are not a rotation.
        rotation_target: Rotation type that the model sees, None to keep `rotation`.
        absolute: False for deltas; deltas are padded with zeros, absolutes repeat their last row.
        normalization: `none`, `min_max`, `q99`, `mean_std`, `binary` or `sin_cos`.
        continuous: Names of the joints that turn without end: their positions are angles.
    """

    name: str
    stream: Stream
    field: str
    names: tuple[str, ...]
    offset: int
    by_place: bool
    unit: str
    units: tuple[str, ...]
    rotation: str | None
    rotation_target: str | None
    absolute: bool
    normalization: str
    continuous: tuple[str, ...]

    @property
    def width(self) -> int:
        """Return the number of elements."""
        return len(self.names)

    @cached_property
    def turning(self) -> NDArray[np.bool_]:
        """Return (D,) which elements turn without end; see `gr00t_core.actions.angles`."""
        return np.array([name in self.continuous for name in self.names], np.bool_)


@dataclass(frozen=True)
class StateGroup(Group):
    """A measured group."""


@dataclass(frozen=True)
class ActionGroup(Group):
    """A commanded group.

    Attributes:
        kind: How chunks are blended and interpolated: `continuous` (linear), `rotation` (slerp),
            `gripper` (hold the step's value) or `binary` (hold, thresholded at 0.5).
        command: What the values are to the robot: `position` (stop = hold), `velocity` or `delta`
            (stop = zero).
        state: Name of the state group that measures the same elements (`Robot.state_group`); None
            when nothing does, which the robot file has to say.
        limits: Bounds that the executor enforces.
    """

    kind: str
    command: str
    state: str | None
    limits: Limits


@dataclass(frozen=True)
class Workspace:
    """A box that a delta group may not lead the robot out of.

    Attributes:
        action: The delta group; its element i moves element i of the state group.
        state: The state group that measures the pose.
        elements: Indices of the M elements that are limited.
        lower, upper: (M,) float64, in the state group's unit.
        same_unit: The deltas are in the pose's unit, so their length can be compared with it.
    """

    action: str
    state: str
    elements: tuple[int, ...]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    same_unit: bool


@dataclass(frozen=True)
class Robot:
    """A robot description.

    Attributes:
        name: Robot name.
        description: One line for people.
        embodiment: Embodiment tag; selects the projector slot (`gr00t_core.embodiments`).
        rate_hz: Dataset and policy rate; one step of an action chunk lasts 1/rate_hz.
        instruction: Instruction used until another one is given.
        instruction_key: Annotation key of the model, e.g. `annotation.human.task_description`.
        reference_camera: Name of the camera whose frame stamp is "now".
        cameras, state, action: In the order in which the model sees them.
        source: File it was read from.
        workspace: Boxes that limit delta groups.
        joined: Groups that only measure: joints of one action group that the model sees in
            several state groups. The model sees none of them.
    """

    name: str
    description: str
    embodiment: str
    rate_hz: float
    instruction: str
    instruction_key: str
    reference_camera: str
    cameras: tuple[Camera, ...]
    state: tuple[StateGroup, ...]
    action: tuple[ActionGroup, ...]
    source: Path
    workspace: tuple[Workspace, ...] = ()
    joined: tuple[StateGroup, ...] = ()

    @property
    def reference(self) -> Camera:
        """Return the camera whose frame stamp is "now"."""
        return self.camera(self.reference_camera)

    @property
    def step_ns(self) -> int:
        """Return one step in ns, rounded; use `timeline.tick_ns` for the k-th tick."""
        return round(NANOSECONDS / self.rate_hz)

    @property
    def state_width(self) -> int:
        """Return the summed width of the state groups."""
        return sum(group.width for group in self.state)

    @property
    def action_width(self) -> int:
        """Return the summed width of the action groups."""
        return sum(group.width for group in self.action)

    @property
    def action_names(self) -> tuple[str, ...]:
        """Return `group/element` for every column of an action chunk, in order."""
        return tuple(f'{group.name}/{name}' for group in self.action for name in group.names)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Return `group/element` for every column of the state vector, in order."""
        return tuple(f'{group.name}/{name}' for group in self.state for name in group.names)

    @property
    def observation_streams(self) -> tuple[Stream, ...]:
        """Return the distinct streams that make an observation: cameras first, then state."""
        streams = [camera.stream for camera in self.cameras] + [
            group.stream for group in self.state
        ]
        return tuple(dict.fromkeys(streams))

    @property
    def topics(self) -> dict[str, str]:
        """Return topic → type for everything the description names: cameras, state and action."""
        streams = self.observation_streams + tuple(group.stream for group in self.action)
        return {stream.topic: stream.type for stream in streams}

    def camera(self, name: str) -> Camera:
        """Return the camera of that name; RobotFileError names those that there are."""
        return _named(self.cameras, name, 'camera', self.source)

    def state_group(self, name: str) -> StateGroup:
        """Return the state group of that name, also one that only measures; else as `camera`."""
        return _named((*self.state, *self.joined), name, 'state group', self.source)

    def action_group(self, name: str) -> ActionGroup:
        """Return the action group of that name; else as `camera`."""
        return _named(self.action, name, 'action group', self.source)

    def state_slices(self) -> dict[str, slice]:
        """Return each state group's slice of the concatenated state vector."""
        return _slices(self.state)

    def action_slices(self) -> dict[str, slice]:
        """Return each action group's slice of the concatenated action vector."""
        return _slices(self.action)

    def measured_columns(self, action: ActionGroup) -> NDArray[np.intp] | None:
        """Return the (D,) columns of the state vector that measure an action group.

        None when nothing measures it.
        """
        if action.state is None:
            return None
        slices = self.state_slices()
        if action.state in slices:
            where = slices[action.state]
            return np.arange(where.start, where.stop)
        columns = {
            name: slices[group.name].start + place
            for group in reversed(self.state)
            for place, name in enumerate(group.names)
        }
        return np.array([columns[name] for name in action.names], np.intp)

    @property
    def data_config(self) -> DataConfig:
        """Return what the embodiment head sees of this robot, in order, and how it is prepared."""
        return DataConfig(
            video=tuple(camera.name for camera in self.cameras),
            state=tuple(_treatment(group) for group in self.state),
            action=tuple(_treatment(group) for group in self.action),
            language=self.instruction_key,
        )

    def modality(self) -> dict[str, Any]:
        """Return the content of `meta/modality.json` for a dataset of this robot."""
        annotation = self.instruction_key.removeprefix('annotation.')
        return {
            'state': _modality_entries(self.state, self.state_slices(), 'observation.state'),
            'action': _modality_entries(self.action, self.action_slices(), 'action'),
            'video': {
                camera.name: {'original_key': camera.dataset_key} for camera in self.cameras
            },
            'annotation': {annotation: {'original_key': 'task_index'}},
        }


def _treatment(group: Group) -> Treatment:
    return Treatment(group.name, group.normalization, group.rotation_target)


Part = TypeVar('Part', Camera, StateGroup, ActionGroup)


def _named(parts: tuple[Part, ...], name: str, what: str, source: Path) -> Part:
    found = {part.name: part for part in parts}
    if name not in found:
        raise RobotFileError(f'{source}: no {what} {name!r}; it has {", ".join(found) or "none"}')
    return found[name]


def _slices(groups: tuple[Any, ...]) -> dict[str, slice]:
    ends = list(accumulate(group.width for group in groups))
    return {
        group.name: slice(end - group.width, end) for group, end in zip(groups, ends, strict=True)
    }


def _modality_entries(
    groups: tuple[Any, ...], slices: dict[str, slice], key: str
) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for group in groups:
        where = slices[group.name]
        entry: dict[str, Any] = {'start': where.start, 'end': where.stop, 'original_key': key}
        if group.rotation is not None:
            entry['rotation_type'] = group.rotation
        if not group.absolute:
            entry['absolute'] = False
        entries[group.name] = entry
    return entries
