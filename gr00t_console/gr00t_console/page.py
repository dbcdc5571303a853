# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build the page: what is shown, and what each button asks for.

Good news first: one sentence says what the robot does now, and why. What is refused, and all the
numbers, stand below it. The page draws pictures and curves itself (`static/console.js`).
"""

from collections.abc import Callable
from html import escape
import secrets
import time
from typing import Any

from nicegui import ui

from gr00t_console import rendering
from gr00t_console.robot_side import RobotSide
from gr00t_console.telling import episode_line, Headline, headline, refusals, streams
from gr00t_policy_node.teleop.keyboard import TIP

UPDATE_S = 0.25


def build(side: RobotSide) -> None:
    """Register the page of a robot."""

    @ui.page('/')
    def index() -> None:
        Page(side)


class Page:
    """One browser's page."""

    def __init__(self, side: RobotSide) -> None:
        """Lay it out, and keep it up to date."""
        self._side = side
        self._id = secrets.token_hex(8)
        ui.add_head_html('<link rel="stylesheet" href="/console-static/console.css">')
        ui.add_body_html('<script src="/console-static/console.js" defer></script>')
        self._header()
        with _div('shell'):
            self._headline_card()
            with _div('columns'):
                with _div('column wide'):
                    self._cameras()
                    self._curves()
                    self._refusals()
                    self._streams()
                with _div('column'):
                    self._task()
                    self._motion()
                    self._recording()
                    self._events()
            self._everything()
        ui.timer(UPDATE_S, self._update)
        self._update()

    # Layout

    def _header(self) -> None:
        with ui.element('header').classes('top'):
            with _div('brand'):
                ui.label('GR00T console').classes('name')
                space = self._side.client.namespace
                ui.label(f'{self._side.robot.name}{f" in {space}" if space else ""}').classes(
                    'robot'
                )
            self._pill = ui.label('').classes('pill').mark('mode')
            if self._side.parameters['bags']:
                ui.link('Episodes', '/episodes/').classes('to-episodes')
            # A plain button: its click is a request of its own, whatever this connection does.
            ui.html(
                '<button id="estop" type="button" aria-label="Emergency stop">'
                '<span>E-STOP</span></button>',
                sanitize=False,
            ).classes('estop-place')

    def _headline_card(self) -> None:
        with _div('latch') as self._latch:
            with _div('latch-words'):
                ui.label('E-STOP').classes('latch-title')
                self._latch_text = ui.label('')
            _button('Release', self._ask(self._side.actions.release)).mark('release')
        with _div('card hero') as self._hero:
            self._sentence = ui.label('').classes('sentence').mark('sentence')
            self._why = ui.label('').classes('why').mark('why')
            with _div('chips'):
                self._chips = {
                    name: self._chip(title)
                    for name, title in (
                        ('source', 'decides'),
                        ('latency', 'frame to chunk'),
                        ('rate', 'chunks'),
                        ('age', 'age of the plan'),
                        ('handover', 'discontinuous hand-overs'),
                        ('commands', 'commands'),
                        ('gpu', 'GPU memory'),
                    )
                }

    def _chip(self, title: str) -> Any:
        with _div('chip'):
            value = ui.label('–').classes('value')
            ui.label(title).classes('title')
        return value

    def _cameras(self) -> None:
        with _div('card first'):
            with _div('card-head'):
                ui.label('Cameras').classes('card-title')
                ui.html(
                    '<label class="switch"><input type="checkbox" id="model-view">'
                    '<span>what the model sees</span></label>',
                    sanitize=False,
                )
            pictures = ''.join(
                f'<figure class="camera" data-camera="{escape(camera.name)}">'
                f'<div class="picture"><img alt="{escape(camera.name)}"><div class="crop"></div>'
                '<div class="no-picture">no picture</div></div>'
                f'<figcaption><span>{escape(camera.name)}</span><span class="age"></span>'
                '</figcaption></figure>'
                for camera in self._side.robot.cameras
            )
            ui.html(f'<div class="cameras">{pictures}</div>', sanitize=False)

    def _curves(self) -> None:
        with _div('card'):
            with _div('card-head'):
                ui.label('Joints').classes('card-title')
                ui.html(
                    '<div class="legend"><span class="measured">measured</span>'
                    '<span class="commanded">commanded</span>'
                    '<span class="predicted">predicted</span></div>',
                    sanitize=False,
                )
            ui.html('<div id="curves"></div>', sanitize=False)

    def _task(self) -> None:
        actions = self._side.actions
        with _div('card second'):
            with _div('card-head'):
                ui.label('Task').classes('card-title')
            offered = self._side.instructions
            self._instruction = (
                ui.select(
                    offered,
                    value=offered[0] if offered else None,
                    with_input=True,
                    new_value_mode='add-unique',
                    label='instruction',
                )
                .props('outlined dense')
                .classes('full')
                .mark('instruction')
            )
            self._limit = (
                ui.number('time limit (s), 0: none', value=0, min=0, max=3600)
                .props('outlined dense')
                .classes('full')
            )
            with _div('buttons'):
                self._start = _button('Start', self._go, 'primary').mark('start')
                self._cancel = _button('Cancel', self._ask(actions.cancel)).mark('cancel')
            self._goal = ui.label('').classes('note').mark('goal')
            with _div('buttons') as self._judging:
                _button('It succeeded', self._ask(lambda: actions.judge(True)), 'good').mark(
                    'succeeded'
                )
                _button('It failed', self._ask(lambda: actions.judge(False))).mark('failed')
            self._scene = _button('New scene', self._ask(actions.new_scene)).mark('scene')

    def _motion(self) -> None:
        side = self._side
        with _div('card second'):
            with _div('card-head'):
                ui.label('Motion').classes('card-title')
            with _div('buttons'):
                _button('Stop', self._ask(side.actions.stop), 'stop').mark('stop')
                self._rearm = _button('Re-arm', self._ask(side.actions.rearm)).mark('rearm')
            self._take = _button('Take over', self._toggle_takeover, 'full').mark('takeover')
            with _div('jogs').props(f'data-page={self._id}') as self._jogs:
                pass
        self._arms: tuple[str, ...] | None = None
        self._lay_out_jogs()

    def _lay_out_jogs(self) -> None:
        """Show what can be moved: the tips of the arms that are described, and every joint."""
        takeover = self._side.takeover
        if takeover.arms == self._arms:
            return
        self._arms = takeover.arms
        self._jogs.clear()
        with self._jogs:
            self._stands = ui.label('').classes('note')
            for number, arm in enumerate(takeover.arms):
                ui.label(f'tip of {arm}'.replace('_', ' ')).classes('jog-head')
                for _, words, axis, sign in TIP:
                    self._tip_row(number, words, axis, sign)
            if takeover.arms:
                ui.label('joints').classes('jog-head')
            for column in takeover.columns:
                self._jog_row(column)

    def _tip_row(self, arm: int, words: str, axis: int, sign: float) -> None:
        first, second = words.split('/')
        second = f'{first.rpartition(" ")[0]} {second}'.strip()
        with _div('jog tip'):
            for text, direction in ((first, sign), (second, -sign)):
                _button(text, lambda: None, 'jog-button').props(
                    f'data-arm={arm} data-axis={axis} data-direction={direction:g}'
                )

    def _jog_row(self, column: int) -> None:
        name = self._side.view.names[column].partition('/')[2].replace('_', ' ')
        with _div('jog'):
            for text, direction in (('−', -1.0), (name, 0.0), ('+', 1.0)):
                if not direction:
                    ui.label(text).classes('jog-name')
                    continue
                word = 'down' if direction < 0 else 'up'
                _button(text, lambda: None, 'jog-button').props(
                    f'data-column={column} data-direction={direction:g} aria-label="{name} {word}"'
                )

    def _recording(self) -> None:
        actions = self._side.actions
        with _div('card second'):
            with _div('card-head'):
                ui.label('Recording').classes('card-title')
                self._recorded = ui.label('').classes('note').mark('recorded')
            self._episode = ui.label('').classes('episode').mark('episode')
            with _div('buttons'):
                self._record = _button('Record', self._begin_episode, 'primary').mark('record')
                self._good = _button(
                    'Success', self._ask(lambda: actions.stop_episode(True)), 'good'
                ).mark('success')
                self._bad = _button(
                    'Failure', self._ask(lambda: actions.stop_episode(False))
                ).mark('failure')
                self._discard = _button('Discard', self._ask_discard).mark('discard')
        with ui.dialog() as self._sure, _div('card'):
            ui.label('Move the last episode to the trash?').classes('card-title')
            with _div('buttons'):
                _button('Yes', self._discard_saved)
                _button('No', self._sure.close)

    def _refusals(self) -> None:
        with _div('card'):
            with _div('card-head'):
                ui.label('What was refused, and why').classes('card-title')
            self._refused = ui.html('', sanitize=False).mark('refused')

    def _streams(self) -> None:
        with _div('card'):
            with _div('card-head'):
                ui.label('Streams').classes('card-title')
            self._streamed = ui.html('', sanitize=False).mark('streams')

    def _events(self) -> None:
        with _div('card'):
            with _div('card-head'):
                ui.label('What happened').classes('card-title')
            self._happened = ui.html('', sanitize=False).mark('events')

    def _everything(self) -> None:
        with ui.expansion('Everything that the nodes report').classes('card everything'):
            self._all = ui.html('', sanitize=False)

    # What buttons do

    def _post(self, job: Callable[[], Any]) -> None:
        self._side.post(job)

    def _ask(self, job: Callable[[], Any]) -> Callable[[], None]:
        return lambda: self._side.post(job)

    def _text(self) -> str:
        return str(self._instruction.value or '')

    def _go(self) -> None:
        text, limit_s = self._text(), float(self._limit.value or 0.0)
        self._post(lambda: self._side.actions.do(text, limit_s))

    def _begin_episode(self) -> None:
        text = self._text()
        self._post(lambda: self._side.actions.start_episode(text))

    def _ask_discard(self) -> None:
        if self._side.actions.wish is not None:
            self._post(self._side.actions.forget_wish)
        elif episode_line(self._side.client.recorders, time.monotonic()).recording:
            self._post(self._side.actions.discard_episode)
        else:
            self._sure.open()

    def _discard_saved(self) -> None:
        self._sure.close()
        self._post(self._side.actions.discard_episode)

    def _toggle_takeover(self) -> None:
        takeover = self._side.takeover
        if takeover.active:
            self._post(takeover.end)
        else:
            self._post(lambda: self._side.take_over(self._id))

    # What is shown

    def _update(self) -> None:
        side, now = self._side, time.monotonic()
        actions, client = side.actions, side.client
        told = headline(client, actions, side.takeover.active, now)
        self._show(told)
        commands, policy = client.status('commands'), client.status('policy')
        facts = {} if commands is None else commands.values
        seen = {} if policy is None else policy.values
        backend = client.status('backend')
        chips = {
            'source': side.view.source or '–',
            'latency': rendering.with_unit(seen.get('observation to chunk p50 (ms)'), 'ms'),
            'rate': rendering.with_unit(facts.get('chunk rate (Hz)'), 'Hz'),
            'age': rendering.with_unit(facts.get('age of the plan (s)'), 's'),
            'handover': facts.get('discontinuous hand-overs', '–'),
            'commands': rendering.with_unit(facts.get('command messages (Hz)'), 'Hz'),
            'gpu': rendering.gpu({} if backend is None else backend.values),
        }
        for name, text in chips.items():
            self._chips[name].set_text(text)
        self._latch.set_visibility(actions.pressed)
        self._latch_text.set_text(rendering.latched(actions))
        goal = actions.goal
        last = actions.last
        self._goal.set_text(
            f'{goal.phase} · {goal.chunks} chunks · {now - goal.began_at:.0f} s'
            if goal is not None
            else (last.text if last is not None else '')
        )
        self._judging.set_visibility(goal is not None)
        self._cancel.set_enabled(goal is not None or seen.get('instruction', '-') not in ('-', ''))
        self._start.set_enabled(goal is None and not actions.pressed)
        self._rearm.set_enabled(not actions.pressed)
        self._scene.set_visibility(actions.has_scenes)
        self._take.set_text('Let go' if side.takeover.active else 'Take over')
        self._lay_out_jogs()
        self._jogs.set_visibility(side.takeover.page == self._id)
        stands = side.takeover.stands
        self._stands.set_text(f'The tip stands: {stands}' if stands else '')
        episode = episode_line(client.recorders, now, waits=actions.wish is not None)
        self._episode.set_text(episode.text)
        self._episode.classes(
            add='running' if episode.recording else '',
            remove='' if episode.recording else 'running',
        )
        self._recorded.set_text(episode.counts)
        waits = episode.recording or actions.wish is not None
        self._record.set_enabled(episode.there and not waits)
        self._good.set_enabled(episode.recording)
        self._bad.set_enabled(episode.recording)
        self._discard.set_enabled(episode.there)
        self._refused.set_content(rendering.table(refusals(client), ('node', 'what', 'how often')))
        self._streamed.set_content(streams(client, now))
        self._happened.set_content(rendering.happened(actions.events))
        self._all.set_content(rendering.everything(client))

    def _show(self, told: Headline) -> None:
        self._pill.set_text(told.mode)
        self._sentence.set_text(told.sentence)
        self._why.set_text(told.why)
        for each in (self._pill, self._hero):
            each.classes(
                add=told.kind,
                remove=' '.join(
                    kind for kind in ('good', 'calm', 'warn', 'bad') if kind != told.kind
                ),
            )


def _div(classes: str) -> Any:
    return ui.element('div').classes(classes)


def _button(text: str, act: Callable[[], Any], kind: str = '') -> Any:
    return (
        ui.button(text, on_click=act, color=None)
        .props('unelevated no-caps')
        .classes(f'plain {kind}')
    )
