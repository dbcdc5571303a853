# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the console says of stops, e-stops and episodes, and what an episode waits for; no DDS."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy', reason='needs ROS')

from gr00t_console import actions as acting
from gr00t_console.actions import Actions, Goal
from gr00t_console.telling import episode_line, headline, MODES
from gr00t_policy_node.executor.modes import Mode
from gr00t_policy_node.person.robot_client import Status


class Answered:
    """A future that is done."""

    def __init__(self, answer):
        self.answer = answer

    def done(self):
        return True

    def result(self):
        return self.answer

    def add_done_callback(self, hear):
        hear(self)


class Late(Answered):
    """A future that is done when it is called."""

    def add_done_callback(self, hear):
        self.hear = hear

    def __call__(self):
        self.hear(self)


class Client:
    """A robot side whose executor is in a mode, and whose recorder refuses before commands."""

    namespace = ''

    def __init__(self, mode):
        self.mode = mode
        self.has_heard = False  # whether the recorder has heard a command
        self.has_recorder = True
        self.asked, self.late = [], []
        self.is_slow = False

    def status(self, subject):
        if subject != 'commands' or self.mode is None:
            return None
        values = {'mode': self.mode, 'reason': 'stopped by the service ~/stop'}
        return Status('/chunk_executor', subject, 2, '', values, 0.0)

    def call(self, kind, name, request):
        self.asked.append((name, getattr(request, 'instruction', None)))
        if not self.has_recorder:
            return None
        why = '' if self.has_heard else 'not started:\n  action.single_arm: nothing publishes it'
        answer = SimpleNamespace(success=self.has_heard, ok=True, message=why, episode='episode')
        if not self.is_slow:
            return Answered(answer)
        self.late.append(Late(answer))
        return self.late[-1]

    def executors(self, below=False):
        return []

    def cancel_goals(self):
        return None


def said(made):
    return [event.text for event in made.events]


@pytest.mark.parametrize('mode', list(Mode))
def test_each_mode_has_a_sentence_of_its_own(mode):
    client = Client(mode.value)
    told = headline(client, Actions(client), False, 0.0)
    assert told.mode == mode.value
    assert told.sentence == MODES[mode.value][0]
    assert len({sentence for sentence, _ in MODES.values()}) == len(MODES) == len(Mode)


def test_a_stop_and_an_e_stop_differ_in_word_sentence_and_next_step():
    stop, e_stop = (
        headline(Client(mode), Actions(Client(mode)), False, 0.0)
        for mode in ('stopped', 'e-stopped')
    )
    assert 'e-stop' not in f'{stop.mode} {stop.sentence} {stop.why}'.lower()
    assert 'e-stop' in e_stop.sentence
    assert 'Release the e-stop, then re-arm' in e_stop.why
    pressed = headline(Client('running'), Actions(Client('running'), pressed=True), False, 0.0)
    assert pressed.mode == e_stop.mode


def test_episodes_are_counted_as_the_recorder_counts_them():
    told = {'number': 0, 'good': 0, 'bad': 0, 'recording': '', 'instruction': 'wave'}
    line = episode_line({1: (0.0, told)}, 0.0)
    assert line.text == 'Ready for episode 0'
    line = episode_line({1: (0.0, told | {'recording': 'x', 'seconds': 2.5})}, 0.0)
    assert line.text.startswith('Episode 0 · 2.5 s')
    line = episode_line({1: (0.0, told)}, 0.0, waits=True)
    assert line.text.startswith('Episode 0 begins with the first command: Start or Take over')
    assert not line.recording


@pytest.mark.parametrize('mode', ['waiting', 'stopped', 'e-stopped'])
def test_an_episode_waits_for_the_first_command(mode):
    client = Client(mode)
    made = Actions(client)
    made.start_episode('wave')
    assert made.wish is not None
    assert 'Start or Take over' in said(made)[-1]
    for _ in range(5):
        made.tend_wish()
    assert len(client.asked) == 1  # the recorder is left in peace meanwhile
    client.mode = 'running'
    made.goal = Goal('slow down', 0.0)  # what the robot does now is what the episode shows
    made.tend_wish()
    assert made.wish is not None  # the recorder has not heard a command yet
    client.has_heard = True
    made.tend_wish()
    assert client.asked[-1] == ('recorder/start_episode', 'slow down')
    assert made.wish is None
    made.tend_wish()
    assert len(client.asked) == 3
    assert said(made)[-1].startswith('recording episode')


def test_what_the_recorder_goes_on_refusing_is_told_and_given_up(monkeypatch):
    client = Client('waiting')
    made = Actions(client)
    made.start_episode('wave')
    client.mode = 'takeover'
    made.tend_wish()
    monkeypatch.setattr(acting, 'HEARD_S', -1.0)
    made.tend_wish()
    assert made.wish is None
    assert 'nothing publishes it' in said(made)[-1]


def test_the_recorder_is_asked_anew_only_once_it_has_answered():
    client = Client('waiting')
    made = Actions(client)
    made.start_episode('wave')
    client.mode, client.is_slow = 'running', True
    for _ in range(3):
        made.tend_wish()
    assert len(client.asked) == 2
    client.late.pop()()
    client.is_slow = False
    made.tend_wish()
    assert len(client.asked) == 3


@pytest.mark.parametrize('ends', ['press', 'stop', 'forget_wish', 'discard_episode'])
def test_a_stop_and_a_discard_call_the_waiting_episode_off(ends):
    client = Client('waiting')
    made = Actions(client)
    made.start_episode('wave')
    getattr(made, ends)()
    assert made.wish is None
    client.mode, client.has_heard = 'running', True
    made.tend_wish()
    assert [name for name, _ in client.asked].count('recorder/start_episode') == 1


@pytest.mark.parametrize('mode', ['running', 'holding', None])
def test_a_refusal_that_no_command_mends_is_told_at_once(mode):
    client = Client(mode)
    made = Actions(client)
    made.start_episode('wave')
    assert made.wish is None
    assert 'nothing publishes it' in said(made)[-1]
    client.has_recorder = False
    made.start_episode('wave')
    assert 'no recorder is there' in said(made)[-1]
