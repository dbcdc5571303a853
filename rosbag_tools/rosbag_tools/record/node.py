# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Record episodes on the robot: one bag each, started and stopped by services, keys or a joystick.

Messages are never read but written as they came; a thread of the bag's writes them. An episode is
refused while something of the robot file is missing or unreadable, and judged by the converter's
code once it is saved, so that a wrong setup is seen before an hour of it is recorded.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Joy

from gr00t_core.errors import BagError, Gr00tError
from gr00t_core.messages.fields import stamp_ns
from gr00t_core.robot.file import load_robot
from gr00t_msgs.msg import TaskOutcome
from gr00t_ros.parameters import declare
from gr00t_ros.start import initialize
from gr00t_ros.stopping import count_signals
from rosbag_tools.record.buttons import Buttons
from rosbag_tools.record.jpeg_topics import robot_text
from rosbag_tools.record.judge import Verdict
from rosbag_tools.record.judging import Judgements
from rosbag_tools.record.parameters import CHANGEABLE, DECLARATIONS
from rosbag_tools.record.presence import Presence
from rosbag_tools.record.services import EpisodeServices
from rosbag_tools.record.session import Session
from rosbag_tools.record.shown import Shown
from rosbag_tools.record.topics import Topics

MATCH_S = 0.25
JUDGED_S = 0.1
# A saved episode goes to the trash when the user confirms it within this time.
CONFIRM_S = 10.0
# A judgement that is under way when the recorder is quit may take so long.
LAST_JUDGEMENT_S = 5.0


class Recorder(Node):
    """The recorder: subscribed from the start, writing while an episode is under way."""

    def __init__(self, **overrides: Any) -> None:
        """Subscribe and offer the services; `overrides` are values of parameters."""
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        super().__init__('recorder', parameter_overrides=given)
        self.listener: Callable[[str, str], None] = lambda level, text: None
        p = declare(self, DECLARATIONS, writable=CHANGEABLE)
        self.robot = load_robot(p['robot'])
        self.tags = [tag for tag in p['tags'] if tag]
        self.instruction = p['instruction'].strip() or self.robot.instruction
        self._judge, self._allow_second = p['judge'], p['allow_second']
        self.session = Session(
            Path(p['output']).expanduser(),
            self.robot,
            bag_version=p['bag_version'],
            zstd=p['zstd'],
            min_free_bytes=round(p['min_free_gb'] * 1e9),
            robot_text=robot_text(self.robot, p['jpeg']),
        )
        self.topics = Topics(self, self.robot, p['extra_topics'], p['jpeg'], self.session.put)
        self._told = ''  # instruction of the episode being recorded
        self._rival = ''  # the recorder that was there first
        self._began_at = 0.0  # monotonic, s
        self._began_ns = 0  # the node's clock
        self._judgements = Judgements()
        self._not_convertible: set[Path] = set()
        self._asking: tuple[Path, float] | None = None
        EpisodeServices(self, self.session, self._attempt, self.start, self.stop, self.discard)
        self.create_subscription(TaskOutcome, 'goal_ended', self._on_goal_ended, 10)
        meanings = ('start', 'success', 'failure', 'discard')
        self._buttons = Buttons({p[f'joy_{name}']: name for name in meanings})
        if p['joy_topic']:
            self.create_subscription(Joy, p['joy_topic'], self._on_joy, 10)
        self.topics.match()
        self.create_timer(MATCH_S, self.topics.match)
        self.create_timer(1.0, self._every_second)
        self.create_timer(JUDGED_S, self._hear_verdicts)
        reference = self.resolve_topic_name(self.robot.reference.stream.topic)
        self._presence = Presence(self, reference, self._tell, self._on_other)
        jpeg = f'; raw images are stored as JPEG {p["jpeg"]}' if self.topics.jpeg_topics else ''
        self._say(
            'info',
            f'ready to record {self.robot.name} to {self.session.output.resolve()};'
            f' {self.session.free_bytes / 1e9:.0f} GB left{jpeg}',
        )

    # Episodes

    def start(self, instruction: str, tags: Sequence[str], *, allow_missing: bool = False) -> str:
        """Begin an episode; return a remark, '' when there is nothing to say.

        Args:
            instruction: What is demonstrated; blank: the session's.
            tags: Stored with the episode.
            allow_missing: Begin although something of the robot file is missing or unreadable.

        Raises:
            BagError: Something is missing or unreadable, or see `Session.start`.
        """
        self._asking = None
        if self.session.bag is not None:
            name = self.session.bag.path.name
            raise BagError(f'{name} is being recorded; stop or discard it first')
        if self._rival:
            raise BagError(self._rival)
        self.topics.match()
        if self.topics.clock_is_missing:
            raise BagError('use_sim_time is set, but there is no /clock')
        found = self.topics.complaints()
        allowed = allow_missing or bool(self.get_parameter('allow_missing').value)
        if found and not allowed:
            listed = ''.join(f'\n  {each}' for each in found)
            raise BagError(
                f'not started:{listed}\n  mend it, or record all the same: key R or'
                " --allow-missing of gr00t record, or the recorder's parameter allow_missing"
            )
        told = instruction.strip() or self.instruction
        name = self.session.start(told, tags)
        self._told, self._began_at = told, time.monotonic()
        self._began_ns = self.get_clock().now().nanoseconds
        self.topics.begin()
        self._say('info', f'recording {name}: {told!r}')
        for remark in found:
            self._say('warning', remark)
        return '; '.join(found)

    def stop(self, success: bool | None, note: str = '', *, judge: bool = True) -> Path:
        """Complete the episode, log its summary and return its folder; see `Session.stop`.

        Then the converter's code judges it, beside the recorder; the verdict is said later.
        """
        bag = self.session.bag
        self.topics.end()
        path = self.session.stop(success, note)
        assert bag is not None
        outcome = {True: 'success', False: 'failure', None: 'no outcome'}[success]
        lines = [f'{path}: {outcome}, {bag.written} messages, {bag.bytes / 1e6:.1f} MB']
        for seen in self.topics.report():
            gap = f', longest gap {seen.longest_gap_s * 1e3:.0f} ms' if seen.messages > 1 else ''
            expected = '' if seen.expected_hz is None else f' of {seen.expected_hz:g}'
            lines.append(
                f'  {seen.topic}: {seen.messages} messages, {seen.episode_hz:g}{expected} Hz{gap}'
            )
        self._say('info', '\n'.join(lines))
        if bag.dropped:
            self._say('error', f'{bag.dropped} messages dropped: the disk is too slow')
        for topic, (count, why) in bag.unusable.items():
            self._say('error', f'{topic}: {count} images not stored: {why}')
        if self._judge and judge:
            self._judgements.add(path)
            self._say('info', f'judging {path.name} ...')
            self._hear_verdicts()
        return path

    def discard(self, reason: str) -> Path:
        """Move the episode to the trash; see `Session.discard`."""
        self._asking = None
        saved = self.session.last if self.session.bag is None else None
        if saved is not None:
            self._judgements.drop(saved)
            self._not_convertible.discard(saved)
        self.topics.end()
        path = self.session.discard(reason)
        self._say('info', f'discarded: {path}')
        return path

    def command(self, name: str) -> None:
        """Do what a key or button stands for; see `actions` below."""
        actions: dict[str, Callable[[], Any]] = {
            'start': lambda: self.start('', self.tags),
            'start_anyway': lambda: self.start('', self.tags, allow_missing=True),
            'success': lambda: self.stop(True),
            'failure': lambda: self.stop(False),
            'discard': self._discard_or_ask,
            'confirm': self._confirm,
            'nothing': lambda: None,
        }
        if name not in ('discard', 'confirm'):
            self._asking = None
        self._attempt(actions[name])

    def instruct(self, instruction: str) -> None:
        """Take another instruction, from the next episode on; a blank one is refused."""
        if not instruction.strip():
            self._say('error', f'the instruction is empty; it stays {self.instruction!r}')
            return
        self.instruction = instruction.strip()
        later = ', from the next episode on' if self.session.bag is not None else ''
        self._say('info', f'instruction: {self.instruction!r}{later}')

    def _discard_or_ask(self) -> None:
        """Discard what is being recorded; ask first when it is saved already."""
        saved = self.session.last
        if self.session.bag is not None or saved is None or self.asking:
            self.discard('by key or button')
            return
        self._asking = (saved, time.monotonic() + CONFIRM_S)
        self._say('warning', f'{saved.name} is saved: move it to the trash? y or d again: yes')

    def _confirm(self) -> None:
        if self.asking:
            self.discard('by key or button')

    @property
    def asking(self) -> str:
        """Return the name of the saved episode that the user is asked about, '' for none."""
        if self._asking is None or time.monotonic() > self._asking[1]:
            return ''
        return self._asking[0].name

    # What it knows

    def shown(self) -> Shown:
        """Return what a screen shows besides the topics."""
        bag, tally = self.session.bag, self.session.tally
        return Shown(
            instruction=self._told if bag else self.instruction,
            number=tally.kept,
            recording=bag.path.name if bag else '',
            seconds=time.monotonic() - self._began_at if bag else 0.0,
            bytes=bag.bytes if bag else 0,
            dropped=bag.dropped if bag else 0,
            good=tally.good,
            bad=tally.bad,
            not_convertible=len(self._not_convertible),
            judging=len(self._judgements),
            asking=self.asking,
            stores_jpeg=bool(self.topics.jpeg_topics),
            free_bytes=self.session.free_bytes,
        )

    def close(self) -> None:
        """Keep what is being recorded, and wait a little for a judgement: the node ends."""
        if self.session.bag is not None:
            self.stop(None, 'the recorder was stopped', judge=False)
        for path, verdict in self._judgements.close(LAST_JUDGEMENT_S):
            self._pronounce(path, verdict)

    def _hear_verdicts(self) -> None:
        for path, verdict in self._judgements.take():
            self._pronounce(path, verdict)

    def _pronounce(self, path: Path, verdict: Verdict) -> None:
        levels = {True: 'info', False: 'error', None: 'warning'}
        if verdict.convertible is False:
            self._not_convertible.add(path)
        self._say(levels[verdict.convertible], f'{path.name}: {verdict.text}')

    # Other recorders

    def _tell(self) -> dict[str, Any]:
        shown = self.shown()
        return {
            'robot': self.robot.name,
            'output': str(self.session.output.resolve()),
            'recording': shown.recording,
            'seconds': round(shown.seconds, 1),
            'number': shown.number,
            'good': shown.good,
            'bad': shown.bad,
            'instruction': shown.instruction,
        }

    def _on_other(self, other: Mapping[str, Any], was_first: bool) -> None:
        """Leave the graph when another recorder of this robot was there first."""
        where = f'{other.get("host")} (pid {other.get("pid")}), to {other.get("output")}'
        if not was_first:
            self._say('warning', f'another recorder of this robot has come: {where}')
        elif self._allow_second:
            self._say('warning', f'another recorder records this robot: {where}')
        else:
            self._rival = (
                f'another recorder records this robot already: {where}. End it, or stay beside it'
                ' with --allow-second (parameter allow_second): then each stores every episode'
            )
            if self.session.bag is None:
                raise BagError(self._rival)
            self._say('error', self._rival)  # this episode is kept, another one is refused

    def _every_second(self) -> None:
        reason = self.session.out_of_space()
        if reason is not None:
            self._say('error', f'recording stops: {reason}')
            self._attempt(lambda: self.stop(None, reason))
        for topic, trouble in self.topics.troubles():
            if trouble:
                self._say('warning', f'{topic}: {trouble}')
            else:
                self._say('info', f'{topic}: in order again')

    # Goals, buttons, messages to the user

    def _on_goal_ended(self, message: Any) -> None:
        """Complete the episode when its task ended; the other ends are left to the person."""
        outcomes = {TaskOutcome.SUCCEEDED: True, TaskOutcome.FAILED: False}
        if self.session.bag is None or message.outcome == TaskOutcome.UNKNOWN:
            return
        if 0 < (stamp_ns(message) or 0) < self._began_ns:
            self._say('info', 'a goal ended before this episode began: the episode goes on')
            return
        if message.outcome not in outcomes:
            about = f'“{message.instruction}” ended ({message.note})'
            self._say('warning', f'{about}, but not the episode: end it, or discard it')
            return
        success = outcomes[message.outcome]
        word = 'succeeded' if success else 'failed'
        self._say('info', f'the goal {word}: {message.note}')
        self._attempt(lambda: self.stop(success, message.note))

    def _on_joy(self, message: Any) -> None:
        for name in self._buttons.pressed(message.buttons):
            self.command(name)

    def _say(self, level: str, text: str) -> None:
        # rclpy ties a place that logs to one level.
        if level == 'error':
            self.get_logger().error(text)
        elif level == 'warning':
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)
        self.listener(level, text)

    def _attempt(self, action: Callable[[], Any]) -> tuple[bool, str]:
        try:
            remark = action()
        except (Gr00tError, OSError) as error:
            self._say('error', str(error))
            return False, str(error)
        return True, remark if isinstance(remark, str) else ''


def run(
    overrides: Mapping[str, Any] | None = None,
    front_end: Callable[[Recorder], None] | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the node until it is stopped.

    Args:
        overrides: Values of parameters, and `use_sim_time`.
        front_end: Called with the node before it spins.
        arguments: ROS arguments, None for those of the process.
    """
    initialize('recorder', None if arguments is None else list(arguments))
    signals = count_signals()  # a message is written to its end
    executor = SingleThreadedExecutor()
    node = None
    try:
        node = Recorder(**(overrides or {}))
        if front_end is not None:
            front_end(node)
        executor.add_node(node)
        while not signals:
            executor.spin_once(timeout_sec=0.2)
    except KeyboardInterrupt:  # the user quits the front end
        pass
    finally:
        executor.shutdown()
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def main() -> None:
    """Run the recorder as a node of its own."""
    try:
        run()
    except Gr00tError as error:
        raise SystemExit(f'recorder: {error}') from None


if __name__ == '__main__':
    main()
