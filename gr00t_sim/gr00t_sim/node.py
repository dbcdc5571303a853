# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Put a simulated robot behind the topics of the real one.

Topics, types and rates are those of the robot description; the world behind them is one of
`gr00t_sim.scenes`. Two paces (`gr00t_sim.pace`): real time, stamped by the system clock, and
lock-step, where `/clock` waits for each command.
"""

import json
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from numpy.typing import NDArray
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage
import simplejpeg
from std_msgs.msg import String
from std_srvs.srv import Trigger

from gr00t_core.errors import Gr00tError
from gr00t_core.messages.fields import read_group, stamp_ns
from gr00t_core.messages.stamps import put_nanoseconds
from gr00t_core.robot.file import load_robot
from gr00t_ros.parameters import Allowed, declare
from gr00t_ros.qos import latched
from gr00t_ros.start import initialize
from gr00t_ros.stopping import count_signals, ignore_signals
from gr00t_sim.messages import message_class, message_of
from gr00t_sim.pace import LockStepPace, RealTimePace
from gr00t_sim.scenes.interface import Episode, Expert, Outcome, Scene, Values
from gr00t_sim.scenes.registry import kind_of
from gr00t_sim.takeover import Takeover

PLACED = 'placed'
RUNNING = 'running'

# Name → (default, meaning, what is allowed). Those of an episode may change; they count from the
# next reset.
FIXED_PARAMETERS: dict[str, tuple[Any, str, Allowed]] = {
    'robot': ('so101', 'robot description: shipped name or path', None),
    'scene': ('', 'so101 or libero; empty: the one whose name the robot\'s begins with', None),
    'lock_step': (False, 'publish /clock and wait for the command of every tick', None),
    'tick_hz': (
        0,
        'lock-step: ticks per second, a multiple of the camera rate; 0: usual for the scene',
        (0, 600),
    ),
    'command_timeout_s': (
        0.5,
        'lock-step: wall time to wait for the command of a tick',
        (0.0, 600.0),
    ),
    'chunk_timeout_s': (
        5.0,
        'lock-step: wall time to wait for the chunk of a frame',
        (0.0, 3600.0),
    ),
    'chunk_period_s': (
        0.0,
        'lock-step: time between frames, each of whose chunk is awaited; 0: frames at the rate of'
        ' the cameras, and no chunk is awaited',
        (0.0, 60.0),
    ),
    'silence_s': (
        0.1,
        'lock-step with chunk_period_s: wall time to wait for the first command after a chunk;'
        ' command_timeout_s after the first chunk of an episode',
        (0.0, 60.0),
    ),
    'jpeg_quality': (90, 'JPEG quality of the frames', (1, 100)),
    'disturbance': (
        0.0,
        'standard deviation of a slow error of the servos, rad; LIBERO: of the deltas, a share',
        (0.0, 1.0),
    ),
    'expert': (False, "publish the scripted expert's commands on the command topics", None),
    'expert_chunks': (
        False,
        "lock-step with chunk_period_s: publish the expert's actions as action chunks for the"
        ' executor, one per frame; its first row is the action',
        None,
    ),
    'supervisor': (
        False,
        'take over by the scripted expert on the teleoperation topics when the policy fails, until'
        ' the episode ends',
        None,
    ),
    'next_after_s': (
        0.0,
        'simulated time from the end of an episode to the begin of the next, with the next seed;'
        ' 0: only the service ~/reset begins one',
        (0.0, 3600.0),
    ),
    'start_on_reset': (
        True,
        'an episode begins with the node and with every reset; false: only the service ~/start'
        ' begins one, and until then the arm stands still in the new scene',
        None,
    ),
}  # fmt: skip
EPISODE_PARAMETERS: dict[str, tuple[Any, str, Allowed]] = {
    'seed': (0, 'poses of the cubes and the arm in the next episode', None),
    'instruction': ('', 'judges the next episode; empty: the robot description\'s', None),
    'layout': (
        '',
        'how things lie in the next episode; SO-101: free (default), ordered (red left), alone;'
        ' LIBERO: stored (default), shuffled, ordered (each near its own place), alone',
        None,
    ),
    'task': ('', 'task of the next episode, e.g. libero_object/7; empty: the first', None),
    'init_state': (-1, 'number of a stored start of the task; -1: drawn by the seed', None),
    'episode_limit_s': (
        12.0,
        'simulated time after which an episode counts as `none`',
        (0.0, 86400.0),
    ),
    'blank': (False, 'frames are black: what does a policy do that cannot see?', None),
    'view': (
        False,
        'lock-step with chunk_period_s: publish frames of every tick to sim/view/<camera>, for'
        ' videos',
        None,
    ),
}  # fmt: skip
PARAMETERS = FIXED_PARAMETERS | EPISODE_PARAMETERS


class SimNode(Node):
    """The node `sim`: publishes frames and joint states, obeys joint commands, judges episodes."""

    def __init__(self) -> None:
        super().__init__('sim')
        declare(self, PARAMETERS, writable=EPISODE_PARAMETERS)
        self.robot = load_robot(self.value('robot'))
        self.kind = kind_of(self.robot, self.value('scene'))
        self.binding = self.kind.bind(self.robot)
        lock_step = self.value('lock_step')
        if not (lock_step or self.kind.real_time):
            raise Gr00tError(
                f'the scene {self.kind.name} cannot keep up with the clock: set lock_step:=true'
                ' (`gr00t up --sim --use-sim-time`)'
            )
        self.scene: Scene = self.kind.make(self.robot, self.binding, self.value('disturbance'))
        self._quality = self.value('jpeg_quality')
        # The reference camera's frame comes last: who acts on it finds the others there.
        reference = self.robot.reference.name
        cameras = sorted(self.binding.camera_topics, key=lambda name: name == reference)
        self.frame_publishers = {
            camera: self.create_publisher(CompressedImage, self.binding.camera_topics[camera], 5)
            for camera in cameras
        }
        self._views = {
            camera: self.create_publisher(CompressedImage, f'sim/view/{camera}', 5)
            for camera in cameras
        }
        self._states = [
            (topic, self.create_publisher(message_class(kind), topic, 10))
            for topic, kind in self.binding.state_types.items()
        ]
        self._episodes = self.create_publisher(String, 'sim/episode', latched(10))
        if description := self.kind.urdf():
            self._description = self.create_publisher(String, 'robot_description', latched(1))
            self._description.publish(String(data=description))
        self._expert: Expert | None = None
        self._expert_publishers = self._make_expert_publishers()
        self._takeover = Takeover(self) if self.value('supervisor') else None
        self._episode = 0
        self._episode_start_ns = 0
        self._start_steps = self._ended_steps = 0
        self._began = 0
        self.running = False
        self.pace: LockStepPace | RealTimePace = (
            LockStepPace(self) if lock_step else RealTimePace(self)
        )
        self.place()
        for topic, kind in self.binding.command_types.items():
            self.create_subscription(
                message_class(kind), topic, lambda m, t=topic: self._on_command(t, m), 10
            )
        self.create_service(Trigger, '~/reset', self._on_reset)
        self.create_service(Trigger, '~/start', self._on_start)
        if self.value('next_after_s') > 0:
            self.create_timer(0.1, self._begin_next, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.pace.start()
        self.get_logger().info(
            f'{self.robot.name}: {"lock-step" if lock_step else "real time"},'
            f' {len(self.frame_publishers)} cameras {self.binding.width}x{self.binding.height}'
        )

    def value(self, name: str) -> Any:
        """Return a parameter's value."""
        return self.get_parameter(name).value

    def place(self) -> None:
        """Reset the scene by the parameters of the episode; begin if that is asked for.

        Raises:
            Gr00tError: The instruction does not name exactly one object, or there is no such
                layout, task or start.
        """
        names = ('seed', 'instruction', 'layout', 'task', 'init_state')
        asked = Episode(**{name: self.value(name) for name in names})
        self.episode = self.kind.parse(self.robot, asked)
        self.scene.reset(self.episode)
        self._episode += 1
        self.running = False
        if self.value('start_on_reset'):
            self.begin()
        else:
            self._episode_start_ns = self.pace.begin_episode()
            self._report(PLACED)
            self.pace.observe()

    def begin(self) -> None:
        """Begin the episode in the scene as it is."""
        self.running = True
        self._began = self._episode
        self._episode_start_ns = self.pace.begin_episode()
        self._start_steps = self.scene.steps
        if self._expert_publishers or self.value('expert_chunks'):
            self._expert = self.scene.expert(self.value('seed'), self.pace.expert_period_s)
        if self._takeover is not None:
            self._takeover.begin()
        self._report(RUNNING)
        self.pace.observe()

    def advance(self, steps: int) -> None:
        """Advance the scene and judge the episode."""
        if self._began != self._episode and not self.kind.real_time:
            return  # time goes on, but a stored start is played as it was stored
        self.scene.advance(steps)
        if not self.running:
            return
        # In steps: 280 steps of 0.05 s are more than 14 s in floating point.
        most = round(self.value('episode_limit_s') * self.kind.steps_hz)
        late = self.scene.steps - self._start_steps >= most
        # A demonstration goes on to its own end, e.g. until the hand is away from the object.
        shown = self.value('expert') and self._expert is not None and not self._expert.done
        outcome = Outcome.NONE if shown else self.scene.outcome
        if outcome is not Outcome.NONE or late:
            self.running = False
            self._ended_steps = self.scene.steps
            self._report(outcome.value)
        elif self._takeover is not None:
            self._takeover.look(self._episode_s)

    def _begin_next(self) -> None:
        """Begin an episode in the scene of the next seed, a while after the last one ended."""
        if self.running or self._began != self._episode:
            return
        waited_s = (self.scene.steps - self._ended_steps) / self.kind.steps_hz
        if waited_s >= self.value('next_after_s'):
            self.set_parameters([Parameter('seed', value=self.value('seed') + 1)])
            self.place()

    @property
    def _episode_s(self) -> float:
        return (self.scene.steps - self._start_steps) / self.kind.steps_hz

    def publish_states(self, stamp: int) -> None:
        """Publish the measured states, stamped with the time they hold for."""
        values = self.scene.measured()
        for topic, publisher in self._states:
            groups = self.binding.state_groups[topic]
            publisher.publish(message_of(groups, values, stamp, self.scene.extras(topic)))

    def publish_frames(self, stamp: int) -> None:
        """Render and publish a frame of every camera now."""
        frames = {camera: self.scene.render(camera) for camera in self.frame_publishers}
        self.publish_images(self.frame_publishers, frames, stamp)

    def publish_view(self, stamp: int) -> None:
        """Render and publish a frame of every camera now for a video."""
        frames = {camera: self.scene.render(camera) for camera in self._views}
        self.publish_images(self._views, frames, stamp)

    def publish_images(
        self, publishers: dict[str, Any], frames: dict[str, NDArray[np.uint8]], stamp: int
    ) -> None:
        """Publish frames as JPEG, stamped with the time of the state that they show."""
        for camera, publisher in publishers.items():
            message = CompressedImage(format='jpeg')
            message.header.stamp = to_time(stamp)
            message.header.frame_id = f'{camera}_camera_optical_frame'
            pixels = np.zeros_like(frames[camera]) if self.value('blank') else frames[camera]
            message.data = simplejpeg.encode_jpeg(
                pixels, quality=self._quality, colorspace='RGB', colorsubsampling='420'
            )
            publisher.publish(message)

    def publish_takeover(self, stamp: int) -> None:
        """Publish what the supervisor's expert wants now, if it drives."""
        if self._takeover is not None and self.running:
            self._takeover.act(stamp)

    def publish_expert(self, stamp: int) -> None:
        """Publish the expert's next command if there is an expert; between episodes, rest."""
        if not self._expert_publishers:
            return
        acting = self._expert is not None and self.running
        command = self._expert.act() if self._expert and acting else self.scene.rest()
        for topic, publisher in self._expert_publishers:
            publisher.publish(message_of(self.binding.command_groups[topic], command, stamp))

    def expert_rows(self, horizon: int) -> NDArray[np.float64]:
        """Return (H, A): the expert's action now, then what leaves the robot where it is."""
        assert self._expert is not None
        action, rest = self._expert.act(), self.scene.rest()
        deltas = {group.name for group in self.robot.action if group.command == 'delta'}
        later = {name: rest[name] if name in deltas else row for name, row in action.items()}
        rows = [_row(self.robot, action), *[_row(self.robot, later)] * (horizon - 1)]
        return np.array(rows)

    def _make_expert_publishers(self) -> list[tuple[str, Any]]:
        if not self.value('expert'):
            return []
        command = self.scene.rest()
        for groups in self.binding.command_groups.values():
            message_of(groups, command, 0)  # a type that cannot be written is told at the start
        types = self.binding.command_types.items()
        return [(topic, self.create_publisher(message_class(t), topic, 10)) for topic, t in types]

    def _on_command(self, topic: str, message: Any) -> None:
        stamp = stamp_ns(message)
        if stamp is not None and stamp < self._episode_start_ns:
            return  # meant for the episode before
        groups = self.binding.command_groups[topic]
        try:
            self.scene.command({group.name: read_group(message, group) for group in groups})
        except Gr00tError as error:
            self.get_logger().error(f'command ignored: {error}', throttle_duration_sec=1.0)
            return
        self.pace.commanded(topic, stamp)

    def _on_reset(self, _: Any, response: Any) -> Any:
        try:
            self.place()
        except Gr00tError as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, f'scene {self._episode}'
        return response

    def _on_start(self, _: Any, response: Any) -> Any:
        response.success = self._began != self._episode
        response.message = f'scene {self._episode}' + ('' if response.success else ' has begun')
        if response.success:
            self.begin()
        return response

    def _report(self, outcome: str) -> None:
        episode = self.episode
        report = {
            'episode': self._episode,
            'seed': episode.seed,
            'instruction': episode.instruction,
            'target': episode.target,
            **self.scene.describe(),
            'outcome': outcome,
            'lifted': self.scene.lifted.value,
            'start_ns': self._episode_start_ns,
            'said_ns': self.pace.now_ns(),
            'duration_s': self._episode_s,
            'attempts': self._expert.attempts if self._expert else None,
            **(self._takeover.report() if self._takeover else {}),
            **self.pace.counts(),
        }
        self._episodes.publish(String(data=json.dumps(report)))
        self.get_logger().info(f'scene {self._episode} ({episode.instruction}): {outcome}')


def _row(robot: Any, values: Values) -> NDArray[np.float64]:
    return np.concatenate([values[group.name] for group in robot.action])


def to_time(value_ns: int) -> Time:
    """Return a stamp message."""
    stamp = Time()
    put_nanoseconds(stamp, value_ns)
    return stamp


def main(args: list[str] | None = None) -> int:
    """Run the node until it is stopped; 1 when something does not fit."""
    initialize('sim', args)
    signals = count_signals()
    node = None
    executor = SingleThreadedExecutor()
    try:
        node = SimNode()
        executor.add_node(node)
        while not signals:
            executor.spin_once()  # the timer of the pace ends each wait
    except Gr00tError as error:
        rclpy.logging.get_logger('sim').fatal(str(error))
        return 1
    finally:
        ignore_signals()
        if node is not None:
            executor.shutdown()
            node.pace.close()
            node.scene.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
