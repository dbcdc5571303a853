# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Do what a person asks for on the page: goals, stop, e-stop, re-arm, episodes; on the ROS thread.

The e-stop is a latch of the console (decision 0052): while it is pressed, `~/e_stop` of every
executor is called until it is confirmed, and again when an executor does not stand still.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
import time
from typing import Any

from std_srvs.srv import Trigger

from gr00t_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from gr00t_policy_node.executor.modes import LATCHED, Mode
from gr00t_policy_node.person.outcomes import ending_of, Result
from gr00t_policy_node.person.robot_client import RobotClient

# Modes of the executor in which it publishes no command, so that an episode would have no action.
UNCOMMANDED = (Mode.WAITING, *LATCHED)
# A recorder hears the first commands so soon (s); after that its refusal is final.
HEARD_S = 3.0
# So long after a stop was confirmed, a diagnosis from before it may still arrive (s).
SHOWS_S = 0.5
GOOD, BAD, NEUTRAL = 'good', 'bad', ''


@dataclass
class Goal:
    """The goal that this console sent."""

    instruction: str
    began_at: float
    handle: Any = None
    phase: str = 'asking'  # then a phase of ExecuteInstruction
    chunks: int = 0
    latency_s: float = 0.0


@dataclass
class Stop:
    """One executor under the e-stop."""

    call: Any = None
    confirmed_at: float = 0.0


@dataclass
class Wish:
    """An episode that begins as soon as the robot is commanded.

    Attributes:
        instruction: Of the page when it was asked for; that of a goal that begins it goes first.
        commanded_at: Since when the robot is commanded (monotonic s), None until it is.
        is_asked: The recorder has not answered yet.
    """

    instruction: str
    commanded_at: float | None = None
    is_asked: bool = False


@dataclass(frozen=True)
class Event:
    """Something to read: when (wall time, s), whether it is good, what."""

    at: float
    kind: str
    text: str


@dataclass
class Actions:
    """What the page can do.

    Attributes:
        client: The robot side.
        pressed: Whether the e-stop is latched.
        stops: Executor → how far its stop is.
        goal: The goal that runs, None when this console has sent none.
        wish: The episode that waits for the robot to be commanded, None for none.
        events: What happened, the newest last.
        last: How the last goal ended, for people.
    """

    client: RobotClient
    pressed: bool = False
    stops: dict[str, Stop] = field(default_factory=dict)
    goal: Goal | None = None
    wish: Wish | None = None
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=60))
    last: Event | None = None

    def say(self, kind: str, text: str) -> None:
        """Add an event."""
        self.events.append(Event(time.time(), kind, text))

    # Goals

    def do(self, instruction: str, time_limit_s: float) -> None:
        """Ask for an instruction to be followed."""
        if not instruction.strip():
            self.say(BAD, 'the instruction is empty')
            return
        if not self.client.takes_goals:
            policy = self.client.status('policy')
            why = 'there is no policy node' if policy is None else policy.message
            self.say(BAD, f'no goal was sent: {why}')
            return
        goal = Goal(instruction.strip(), time.monotonic())

        def feedback(told: Any) -> None:
            goal.phase, goal.chunks, goal.latency_s = told.phase, told.chunks, told.latency

        def answered(future: Any) -> None:
            goal.handle = future.result()
            if not goal.handle.accepted:
                self.say(BAD, f'the policy node rejected “{goal.instruction}”: {self._why()}')
                self.goal = None if self.goal is goal else self.goal
                return
            self.say(NEUTRAL, f'goal: “{goal.instruction}”')
            goal.handle.get_result_async().add_done_callback(lambda f: self._ended(goal, f))

        self.goal = goal
        sent = self.client.send_goal(goal.instruction, time_limit_s, feedback)
        sent.add_done_callback(answered)

    def cancel(self) -> None:
        """Cancel whatever goal runs."""
        future = self.client.cancel_goals()
        if future is None:
            self.say(BAD, 'nothing was canceled: no policy node answers')

    def judge(self, success: bool) -> None:
        """End the running goal: a person saw how it went."""
        future = self.client.end_goal(success, 'a person said so (console)')
        if future is None:
            self.say(BAD, 'no policy node takes the end of a goal')
        else:
            future.add_done_callback(
                lambda f: None if f.result().ok else self.say(BAD, f.result().message)
            )

    def _ended(self, goal: Goal, future: Any) -> None:
        told = future.result().result
        bad = told.outcome in (Result.FAULT, Result.FAILED)
        kind = GOOD if told.outcome == Result.SUCCEEDED else BAD if bad else NEUTRAL
        text = f'“{goal.instruction}”: {ending_of(told.outcome).word}: {told.message}'
        self.last = Event(time.time(), kind, text)
        self.events.append(self.last)
        if self.goal is goal:
            self.goal = None

    def _why(self) -> str:
        policy = self.client.status('policy')
        if policy is None:
            return 'see its log'
        running = policy.values.get('instruction', '')
        return f'another one runs: “{running}”' if running not in ('', '-') else policy.message

    # Stop and re-arm

    def stop(self) -> None:
        """Stop every executor in the namespace and below, and cancel the goal."""
        self.forget_wish()
        names = self.client.executors(below=True)
        for name in names:
            self._trigger(name, 'stop')
        if not names:
            self.say(BAD, 'NOTHING WAS STOPPED: no executor is there; use the e-stop of the robot')
        self.client.cancel_goals()

    def press(self) -> None:
        """Latch the e-stop; `tick` stops every executor and sees that it stays so."""
        if not self.pressed:
            self.say(BAD, 'E-STOP pressed')
        self.pressed = True
        self.forget_wish()
        self.stops.clear()
        self.tick()
        self.client.cancel_goals()

    def release(self) -> None:
        """Release the latch of the console; the executors stay stopped until they are re-armed."""
        if self.pressed:
            self.say(NEUTRAL, 'E-STOP released: re-arm to move again')
        self.pressed = False

    def rearm(self) -> None:
        """Release the executors of this very namespace, unless the e-stop is latched."""
        if self.pressed:
            self.say(BAD, 'not re-armed: the e-stop of the console is pressed; release it first')
            return
        names = self.client.executors()
        for name in names:
            self._trigger(name, 'rearm')
        if not names:
            self.say(BAD, 'no executor is there to re-arm')

    @property
    def unconfirmed(self) -> list[str]:
        """Return the executors that have not confirmed the e-stop."""
        return [name for name, stop in self.stops.items() if not stop.confirmed_at]

    def tick(self) -> None:
        """Keep every executor stopped while the e-stop is pressed; call it often."""
        if not self.pressed:
            return
        now = time.monotonic()
        for name in self.client.executors(below=True):
            stop = self.stops.setdefault(name, Stop())
            if stop.call is not None and stop.call.done():
                answer, stop.call = stop.call.result(), None
                if answer.success and not stop.confirmed_at:
                    stop.confirmed_at = now
                    self.say(GOOD, f'{name} stands still: {answer.message}')
            if stop.confirmed_at and self._moves(name, stop.confirmed_at):
                stop.confirmed_at = 0.0
            if not stop.confirmed_at and stop.call is None:
                stop.call = self.client.e_stop(name)

    def _moves(self, name: str, since: float) -> bool:
        """Return whether an executor says, since its stop, that it is not stopped."""
        status = self.client.statuses.get(f'{name}: commands')
        return (
            status is not None
            and status.heard_at > since + SHOWS_S
            and status.values.get('mode') not in LATCHED
        )

    def _trigger(self, name: str, service: str) -> None:
        call = self.client.trigger(name, service)
        if call is None:
            self.say(BAD, f'{name}: {service} is not answered')
            return

        def answered(future: Any) -> None:
            answer = future.result()
            refused = '' if answer.success else 'REFUSED: '
            self.say(GOOD if answer.success else BAD, f'{name}: {refused}{answer.message}')

        call.add_done_callback(answered)

    # Episodes

    def start_episode(self, instruction: str) -> None:
        """Begin an episode, at once or as soon as the robot is commanded; '' as the recorder has.

        Before the first command there is nothing to learn, and the recorder refuses. So that the
        begin of the motion is recorded all the same, the wish stays until `tend_wish` can meet it.
        """

        def refused(why: str) -> None:
            if self.pressed or not self._is_uncommanded:
                self.say(BAD, why)
                return
            self.wish = Wish(instruction.strip())
            self.say(
                NEUTRAL, 'the episode begins with the first command: press Start or Take over'
            )

        self._start_episode(instruction, refused)

    def tend_wish(self) -> None:
        """Begin the episode that waits, once the robot is commanded; call it often."""
        wish, now = self.wish, time.monotonic()
        if wish is None or wish.is_asked:
            return
        if self._is_uncommanded:
            wish.commanded_at = None
            return
        wish.commanded_at = wish.commanded_at or now
        is_last = now - wish.commanded_at > HEARD_S
        if is_last:
            self.wish = None

        def refused(why: str) -> None:
            wish.is_asked = False
            if is_last:
                self.say(BAD, why)

        wish.is_asked, goal = True, self.goal
        self._start_episode(wish.instruction if goal is None else goal.instruction, refused)

    def forget_wish(self) -> None:
        """Let no episode wait any more."""
        if self.wish is not None:
            self.say(NEUTRAL, 'no episode waits any more')
        self.wish = None

    @property
    def _is_uncommanded(self) -> bool:
        """Return whether an executor is there, and says that it commands nothing."""
        status = self.client.status('commands')
        return status is not None and status.values.get('mode') in UNCOMMANDED

    def _start_episode(self, instruction: str, refused: Callable[[str], None]) -> None:
        request = StartEpisode.Request(instruction=instruction.strip(), tags=['console'])
        self._record(StartEpisode, 'start_episode', request, 'success', refused)

    def stop_episode(self, success: bool) -> None:
        """Complete the episode with its outcome."""
        request = StopEpisode.Request(success=success, note='')
        self._record(StopEpisode, 'stop_episode', request, 'ok')

    def discard_episode(self) -> None:
        """Move the running episode, or the last one, to the trash."""
        request = DiscardEpisode.Request(reason='by the console')
        self._record(DiscardEpisode, 'discard_episode', request, 'ok')

    def _record(
        self,
        kind: Any,
        name: str,
        request: Any,
        field_name: str,
        refused: Callable[[str], None] | None = None,
    ) -> None:
        what = name.partition('_')[0]
        words = {'start': 'recording', 'stop': 'saved', 'discard': 'moved to the trash:'}
        refused = refused or (lambda why: self.say(BAD, why))

        def answered(future: Any) -> None:
            answer = future.result()
            if getattr(answer, field_name):
                self.wish = None
                remark = f' ({answer.message})' if answer.message else ''
                self.say(GOOD, f'{words[what]} {answer.episode}{remark}')
            else:
                refused(answer.message)

        call = self.client.call(kind, f'recorder/{name}', request)
        if call is None:
            self.wish = None
            self.say(BAD, 'no recorder is there: gr00t record, or gr00t up --record')
        else:
            call.add_done_callback(answered)

    # The simulator

    @property
    def has_scenes(self) -> bool:
        """Return whether a simulator offers another scene."""
        return bool(self.client.is_ready(Trigger, 'sim/reset'))

    def new_scene(self) -> None:
        """Have the simulator begin its scene anew."""
        call = self.client.call(Trigger, 'sim/reset', Trigger.Request())
        if call is not None:
            call.add_done_callback(lambda f: self.say(NEUTRAL, f'new {f.result().message}'))


Post = Callable[[Callable[[], Any]], None]
