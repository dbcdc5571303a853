# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keys, instructions, the screen, and what `gr00t record` refuses before ROS starts."""

import dataclasses
import io
import os
import pathlib
import time

import pytest
from rich.console import Console

from gr00t_core.commands.main import run as gr00t
from gr00t_core.errors import BagError
from gr00t_core.robot.file import load_robot
from rosbag_tools.record.buttons import Buttons
from rosbag_tools.record.command import read_instructions
from rosbag_tools.record.keys import Keys
from rosbag_tools.record.screen import Screen, status, table
from rosbag_tools.record.session import Session, Tally
from rosbag_tools.record.shown import Shown
from rosbag_tools.record.stream_watch import StreamWatch


class Recorder:
    """Takes down what the keys ask for."""

    def __init__(self):
        self.said = []

    def command(self, name):
        self.said.append(name)

    def instruct(self, instruction):
        self.said.append(('instruct', instruction))


def test_keys_are_commands_and_only_a_capital_r_means_more():
    recorder = Recorder()
    Keys(recorder).press('rsfdxSF yR')
    once = ['start', 'success', 'failure', 'discard', 'nothing', 'success', 'failure']
    assert recorder.said == [*once, 'nothing', 'confirm', 'start_anyway']
    for key in 'qQ':
        with pytest.raises(KeyboardInterrupt):
            Keys(recorder).press(key)


def test_an_instruction_is_typed_and_its_letters_are_no_commands():
    recorder = Recorder()
    keys = Keys(recorder)
    keys.press('ipick qR')
    assert keys.typed == 'pick qR'
    keys.press('\x7f\x7fü\n')
    assert keys.typed is None
    keys.press('irs\x1bs')  # left with Esc
    assert recorder.said == ['nothing', ('instruct', 'pick ü'), 'nothing', 'success']


def test_i_takes_the_next_of_a_list_and_begins_again():
    recorder = Recorder()
    keys = Keys(recorder, ('a', 'b', 'c'))
    keys.press('iiii')
    keys.press('Ifree\n')
    taken = [each[1] for each in recorder.said if each != 'nothing']
    assert taken == ['b', 'c', 'a', 'b', 'free']


def test_instructions_come_from_a_file(tmp_path):
    file = tmp_path / 'list.txt'
    file.write_text('# Monday\npick up the red cube\n\n  stack ✓ \n', encoding='utf-8')
    assert read_instructions(file) == ('pick up the red cube', 'stack ✓')
    file.write_text('# nothing\n \n')
    with pytest.raises(BagError, match='it holds no instruction'):
        read_instructions(file)
    with pytest.raises(BagError, match='No such file'):
        read_instructions(tmp_path / 'none')
    assert read_instructions(None) == ()


@pytest.mark.parametrize('inside', [False, True])
def test_an_output_that_is_a_file_is_one_line(tmp_path, capsys, inside):
    file = tmp_path / 'my_arm.yaml'
    file.write_text('robot: x')
    output = file / 'session' if inside else file
    assert gr00t('record', ['--robot', 'so101', '--output', str(output)]) == 1
    error = capsys.readouterr().err.strip()
    assert '\n' not in error
    assert str(output) in error
    assert file.read_text() == 'robot: x'


def test_an_output_without_permission_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: False)  # as root everything is permitted
    assert gr00t('record', ['--robot', 'so101', '--output', str(tmp_path)]) == 1
    assert 'no permission' in capsys.readouterr().err


def test_other_wrong_options_are_named_before_ros_starts(tmp_path, capsys):
    words = ['--robot', 'so101', '--output', str(tmp_path / 'out')]
    assert gr00t('record', [*words, '--jpeg', '101']) == 1
    assert 'allowed is 1 to 100' in capsys.readouterr().err
    file = tmp_path / 'list'
    file.write_text('wave\n')
    both = ['--instruction', 'x', '--instructions', str(file)]
    assert gr00t('record', [*words, *both]) == 1
    assert 'not both' in capsys.readouterr().err


def test_a_session_counts_what_the_folder_holds(tmp_path):
    robot = load_robot('so101')
    (tmp_path / 'no_bag').mkdir()
    (tmp_path / 'no_bag' / 'metadata.yaml').write_text('[')
    session = Session(tmp_path, robot, min_free_bytes=0)
    for outcome in (True, True, False, None):
        session.start('   ')
        session.stop(outcome)
    assert session.tally == Tally(4, 2, 1)
    session.discard()
    assert session.tally == Tally(3, 2, 1)
    again = Session(tmp_path, robot, min_free_bytes=0)
    assert again.tally == Tally(3, 2, 1)
    again.start('')
    again.discard()
    assert again.tally == Tally(3, 2, 1)


def shown(**changed):
    given = {
        'instruction': 'pick [bold]up',
        'number': 7,
        'recording': '',
        'seconds': 0.0,
        'bytes': 0,
        'dropped': 0,
        'good': 5,
        'bad': 1,
        'not_convertible': 0,
        'judging': 0,
        'asking': '',
        'stores_jpeg': False,
        'free_bytes': 9_000_000_000,
    }
    return Shown(**(given | changed))


def watched(hz, size):
    watch = StreamWatch('camera/[red]raw', load_robot('so101').reference.stream)
    for number in range(round(3 * hz)):
        watch.add(10**18 + round(number * 1e9 / hz), None, size)
    return watch.report(10**18 + 3 * 10**9)


def test_the_screen_shows_episode_seconds_instruction_counts_and_size():
    console = Console(width=200, record=True, file=pathlib.Path(os.devnull).open('w'))  # noqa: SIM115
    report = [watched(30.0, 921_600)]
    console.print(table(report), status(shown(recording='x', seconds=12.44), report))
    text = console.export_text()
    for word in ('episode 7', '12.4 s', '“pick [bold]up”', '5 good, 1 bad', '27.6', '[red]raw'):
        assert word in text, (word, text)
    assert '28 MB/s' in text
    assert '--jpeg 90' in text
    assert '--jpeg' not in status(shown(stores_jpeg=True), report).plain
    assert '1 NOT CONVERTIBLE' in status(shown(not_convertible=1)).plain
    assert 'judging' in status(shown(judging=1)).plain


@pytest.mark.parametrize('trouble', ['slow: expected 30 Hz', 'no message yet', 'silent', ''])
def test_the_table_hides_nothing_at_80_columns(trouble):
    topics = ['camera/front/image_raw/compressed', 'camera/wrist/image_raw/compressed']
    console = Console(width=80, record=True, file=io.StringIO())
    rows = [
        dataclasses.replace(watched(30.0, 921_600), topic=topic, trouble=trouble)
        for topic in topics
    ]
    console.print(table(rows))
    lines = console.export_text().splitlines()
    assert not [line for line in lines if '…' in line]
    shown_topics = ''.join(line.split()[0] for line in lines if line.strip())
    for topic in topics:
        assert topic in shown_topics
    word = trouble.split(':')[0].split(' ')[0] or 'ok'
    assert sum(word in line for line in lines) == len(topics)


@pytest.mark.parametrize(('hz', 'trouble'), [(30.0, ''), (125.0, ''), (20.0, 'slow')])
def test_only_too_low_a_rate_is_a_trouble(hz, trouble):
    report = watched(hz, 10)
    assert report.rate_hz == pytest.approx(hz, rel=0.02)
    assert report.episode_hz == pytest.approx(hz, rel=1e-3)
    assert report.trouble.removeprefix('no header stamp: the time of receipt is used').startswith(
        trouble
    )


def test_buttons_act_once_when_they_go_down():
    buttons = Buttons({0: 'start', 3: 'discard'})
    states = [[0, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]]
    assert [buttons.pressed(each) for each in states] == [
        *([], ['start'], [], [], ['start', 'discard'])
    ]


def test_a_terminal_that_hangs_does_not_hold_up_the_recorder():
    """A pipe that is full holds up who writes; once it is read, everything is there."""
    reader, writer = os.pipe()
    console = Console(width=120, file=os.fdopen(writer, 'w'), force_terminal=True)
    screen = Screen(console)
    began = time.monotonic()
    for number in range(2000):
        screen.say('warning', f'line {number} ' + 50 * '.')
    screen.draw([watched(30.0, 10)], shown(asking='20260101_x'), 'typed')
    assert time.monotonic() - began < 20.0  # who writes 64 kB into such a pipe waits for ever
    found = bytearray()
    end = time.monotonic() + 20
    while b'typed' not in found and time.monotonic() < end:
        found += os.read(reader, 1 << 20)
    assert b'line 0 ' in found
    assert b'line 1999 ' in found
    assert b'typed' in found
    screen.close()
    console.file.close()
    os.close(reader)
