# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every simulated world offers, and all that node, collection and evaluation know of it.

A world is a folder in `gr00t_sim/scenes`: a `Kind` says what it can do, a `Scene` does it. Values
go by the groups of the robot file, so nothing here knows a joint. docs/how-to/add-a-scene.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import Gr00tError, RobotFileError
from gr00t_core.robot.description import ActionGroup, Robot, StateGroup
from gr00t_sim.supervisor import Sight

COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
Values = dict[str, NDArray[np.float64]]  # group name → (D,), in the group's unit and order
# What is trained on is never evaluated on, in any scene.
TRAINING_SEEDS = range(1_000_000)
EVALUATION_SEEDS = range(1_000_000, 2_000_000)
# Layouts from which a policy learns to look, and to listen (docs/decisions/0007-task.md).
ALONE, ORDERED = 'alone', 'ordered'
T = TypeVar('T')


class Outcome(str, Enum):
    """What an episode has come to."""

    NONE = 'none'
    SUCCESS = 'success'
    WRONG = 'wrong'


@dataclass(frozen=True)
class Episode:
    """What is to be played.

    Attributes:
        seed: Draws the start, and the expert's noise.
        instruction: Judges the episode.
        layout: How things lie, by a name of the scene's; '' for its usual one.
        task: A task of the scene's, e.g. libero_object/7; '' where it has one only.
        init_state: Number of a stored start; -1 draws one by the seed.
        target: The object that the instruction names.
    """

    seed: int
    instruction: str
    layout: str = ''
    task: str = ''
    init_state: int = -1
    target: str = ''


@dataclass(frozen=True)
class Binding:
    """What the simulator publishes and obeys for a robot description.

    Attributes:
        camera_topics: Camera name → topic of its frames.
        width, height: Size of every frame, px.
        frame_steps: Steps of the scene from one frame to the next.
        state_groups: Topic → the state groups that a message on it carries.
        state_types: Topic → message type.
        state_steps: Steps of the scene from one state to the next.
        command_groups: Topic → the action groups that a message on it carries.
        command_types: Topic → message type.
        tick_hz: Usual rate of lock-step, Hz.
    """

    camera_topics: dict[str, str]
    width: int
    height: int
    frame_steps: int
    state_groups: dict[str, tuple[StateGroup, ...]]
    state_types: dict[str, str]
    state_steps: int
    command_groups: dict[str, tuple[ActionGroup, ...]]
    command_types: dict[str, str]
    tick_hz: int

    @property
    def state_topics(self) -> tuple[str, ...]:
        """Return the topics of the states."""
        return tuple(self.state_groups)


class Expert(Protocol):
    """A script that knows the scene."""

    @property
    def attempts(self) -> int:
        """Return how often it has begun to grasp."""

    @property
    def done(self) -> bool:
        """Return whether the demonstration may end once the outcome is known."""

    def act(self) -> Values:
        """Return the commands of this tick."""


class FrameRenderer(Protocol):
    """Renders snapshots in a thread of its own."""

    def render(self, snapshot: Any, camera: str) -> NDArray[np.uint8]:
        """Return (h, w, 3) uint8 RGB, top row first."""

    def close(self) -> None:
        """Free what it holds."""


class Scene(Protocol):
    """One running world; used by one thread."""

    @property
    def outcome(self) -> Outcome:
        """Return what the episode has come to."""

    @property
    def lifted(self) -> Outcome:
        """Return which object was lifted first: the named one (SUCCESS), another one (WRONG)."""

    @property
    def steps(self) -> int:
        """Return the steps since the reset."""

    def reset(self, episode: Episode) -> None:
        """Start an episode at rest."""

    def describe(self) -> dict[str, Any]:
        """Return what the episode's report says of the scene."""

    def measured(self) -> Values:
        """Return the value of every state group now."""

    def extras(self, topic: str) -> Mapping[str, NDArray[np.float64]]:
        """Return field → values of a state message that no group of the robot file reads."""

    def rest(self) -> Values:
        """Return commands that leave the robot where it is."""

    def command(self, values: Values) -> None:
        """Take commands; a position holds until the next one, a delta is spent once.

        Raises:
            Gr00tError: A value is not finite.
        """

    def advance(self, steps: int) -> None:
        """Advance by whole steps, judging after each."""

    def render(self, camera: str) -> NDArray[np.uint8]:
        """Render a camera now: (h, w, 3) uint8 RGB, top row first."""

    def snapshot(self) -> Any:
        """Return what a `FrameRenderer` renders."""

    def frame_renderer(self) -> FrameRenderer:
        """Return a renderer for the thread that calls this."""

    def expert(self, seed: int, period_s: float) -> Expert:
        """Return an expert for the episode, asked once per period."""

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True)
class Kind:
    """A world that can be made, and what is asked in it.

    Attributes:
        name: Name of the folder.
        robot: Its shipped robot file.
        steps_hz: Steps per second of simulated time.
        real_time: It can keep up with the clock; else lock-step only.
        limit_s: Usual simulated time after which an episode has failed.
        bind: Robot → binding; raises RobotFileError where the robot does not fit.
        make: Robot, binding, disturbance → scene.
        parse: Robot and episode as asked → the episode with all that was left out.
        training: Seed, share `alone`, share `ordered`, task → what the expert demonstrates.
        evaluation: Seed → what a policy is asked in a scene never trained on.
        swapped: Episode → the same scene with the words for another object of it.
        words: Instruction and target → the instruction with the object's place left open.
        is_new: Instruction → whether these words are never trained on.
        label: Target → what a table calls it.
        pointer: Picture's width by height → draws where a chunk leads the gripper, or None.
        urdf: The robot as a URDF, whose joints are those of the robot file; '' for none.
        sight: Scene, time since the begin (s) → what a supervisor sees; None where the scene has
            no expert that can take over at any time.
    """

    name: str
    robot: str
    steps_hz: int
    real_time: bool
    limit_s: float
    bind: Callable[[Robot], Binding]
    make: Callable[[Robot, Binding, float], Scene]
    parse: Callable[[Robot, Episode], Episode]
    training: Callable[[int, float, float, str], Episode]
    evaluation: Callable[[int], Episode]
    swapped: Callable[[Episode], Episode]
    words: Callable[[str, str], str]
    is_new: Callable[[str], bool]
    label: Callable[[str], str]
    pointer: Callable[[float], Any]
    urdf: Callable[[], str]
    sight: Callable[[Any, float], Sight] | None = None


def check_seed(seed: int, allowed: range) -> None:
    """Refuse a seed that is not one of `TRAINING_SEEDS` or `EVALUATION_SEEDS`, whichever is given.

    Raises:
        Gr00tError: Names the range.
    """
    if seed not in allowed:
        purpose = 'training' if allowed == TRAINING_SEEDS else 'evaluation'
        raise Gr00tError(
            f'seed {seed} is not one for {purpose}: {allowed.start} to {allowed.stop - 1};'
            ' training and evaluation scenes are kept apart'
        )


def drawn_layout(seed: int, alone: float, ordered: float) -> str:
    """Return how a training scene is laid out, where shares of them are `ALONE` and `ORDERED`.

    Returns:
        '' for the scene's own way.

    Raises:
        Gr00tError: They are not two shares.
    """
    if min(alone, ordered) < 0 or alone + ordered > 1:
        raise Gr00tError(
            f'--alone {alone} --ordered {ordered}: two shares of the scenes are expected, 0 or'
            ' more and together at most 1'
        )
    drawn = np.random.default_rng([seed, 2]).random()
    if drawn < alone:
        return ALONE
    return ORDERED if drawn < alone + ordered else ''


def derive(robot: Robot, steps_per: Callable[[float], int], tick_hz: int = 0) -> Binding:
    """Return the binding of a robot that fits the scene.

    Args:
        robot: Its cameras, states and commands are the scene's.
        steps_per: Rate in Hz → steps of the scene in one period.
        tick_hz: Usual rate of lock-step; 0: that of the cameras.

    Raises:
        RobotFileError: Cameras or states differ in size or rate.
    """
    cameras = [(c.width, c.height, c.stream.rate_hz) for c in robot.cameras]
    width, height, frame_hz = _one(robot, 'cameras: width, height, rate_hz', cameras)
    state_hz = _one(robot, 'state: rate_hz', [group.stream.rate_hz for group in robot.state])
    return Binding(
        camera_topics={camera.name: camera.stream.topic for camera in robot.cameras},
        width=width,
        height=height,
        frame_steps=steps_per(frame_hz),
        state_groups=_by_topic(robot.state),
        state_types={group.stream.topic: group.stream.type for group in robot.state},
        state_steps=steps_per(state_hz),
        command_groups=_by_topic(robot.action),
        command_types={group.stream.topic: group.stream.type for group in robot.action},
        tick_hz=tick_hz or round(frame_hz),
    )


def _by_topic(groups: tuple[Any, ...]) -> dict[str, tuple[Any, ...]]:
    topics = dict.fromkeys(group.stream.topic for group in groups)
    return {topic: tuple(g for g in groups if g.stream.topic == topic) for topic in topics}


def _one(robot: Robot, key: str, values: list[T]) -> T:
    if len(set(values)) != 1:
        raise RobotFileError(
            f'{robot.source}: {key}: {values}; the simulator has one for all: make them equal'
        )
    return values[0]
