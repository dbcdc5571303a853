# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the page of episodes is given and what its decisions become; no browser, no ROS."""

import asyncio
from dataclasses import asdict
import json
import math
import time

from fastapi import FastAPI
import numpy as np
import pytest
import simplejpeg
from view_data import bags, dataset

from gr00t_console import serving
from gr00t_console.view.bags import convert
from gr00t_console.view.command import main
from gr00t_console.view.opened import Opened
from gr00t_console.view.shelf import Shelf
from gr00t_console.view.sources import decisions_of, short_names, Source, Stretch
from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.decisions import cut, read_decisions
from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import DatasetError, ParameterError


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Give a dataset that no test changes."""
    return dataset(tmp_path_factory.mktemp('view'))


def test_the_page_is_told_what_the_dataset_says(source, tmp_path):
    opened = Opened(source, tmp_path / 'decisions.yaml', bags=False)
    listing = opened.listing()
    assert [row['outcome'] for row in listing] == [True, False, None]
    assert [row['interventions'] for row in listing] == [0, 1, 0]
    assert [row['instruction'] for row in listing] == [
        'take the cube',
        'put it down',
        'take the cube',
    ]
    about = opened.about()
    assert about['cameras'] == ['front', 'wrist']
    assert about['groups']['action']['gripper'] == ['gripper']
    episode = opened.episode(1)
    state = np.array([*episode['state']['single_arm'], *episode['state']['gripper']]).T
    expected = Dataset.open(source).column('observation.state')[20:50]
    np.testing.assert_allclose(state, expected, atol=1e-5)
    assert episode['decided_by'][9:11] == ['policy', 'person']
    for row in (0, 17, 29, 3):  # in any order
        for camera in about['cameras']:
            image = simplejpeg.decode_jpeg(opened.picture(1, camera, row))
            assert abs(float(image.mean()) - 5 * row) < 4
    for number, camera, row in (
        (3, 'front', 0),
        (0, 'side', 0),
        (0, 'front', 20),
        (0, 'front', -1),
    ):
        with pytest.raises(DatasetError, match='no'):
            opened.picture(number, camera, row)


def test_decisions_are_written_at_once_read_again_and_obeyed(source, tmp_path):
    path = tmp_path / 'decisions.yaml'
    opened = Opened(source, path, bags=False)
    assert not path.exists()  # looking decides nothing
    stretches = [
        Stretch(0, 5, delete=True),
        Stretch(5, 12, instruction='reach', success=True),
        Stretch(12, 20),
    ]
    opened.decide(0, stretches)
    opened.decide(2, [Stretch(0, 25, delete=True)])
    again = Opened(source, path, bags=False)
    assert again.listing()[0]['stretches'] == [asdict(each) for each in stretches]
    assert again.listing()[2]['stretches'] == [asdict(Stretch(0, 25, delete=True))]
    assert again.save(tmp_path / 'new') == 3
    made = Dataset.open(tmp_path / 'new')
    assert made.lengths.tolist() == [7, 8, 30]
    assert [each.tasks[0] for each in made.episodes] == ['reach', 'take the cube', 'put it down']
    with pytest.raises(DatasetError, match='exists already'):
        again.save(tmp_path / 'new')
    for number, length in ((0, 20), (2, 25)):
        again.decide(number, [Stretch(0, length)])
    assert read_decisions(path) == ()


@pytest.mark.parametrize(
    'stretches',
    [
        [],
        [Stretch(0, 19)],
        [Stretch(1, 20)],
        [Stretch(0, 10), Stretch(11, 20)],
        [Stretch(0, 10), Stretch(10, 10), Stretch(10, 20)],
        [Stretch(0, 21)],
    ],
)
def test_stretches_that_do_not_cover_the_rows_are_refused(stretches, source, tmp_path):
    opened = Opened(source, tmp_path / 'decisions.yaml', bags=False)
    with pytest.raises(DatasetError, match='must cover rows 0 to 20'):
        opened.decide(0, stretches)
    assert not (tmp_path / 'decisions.yaml').exists()


def test_what_is_shown_again_is_what_was_decided():
    """A bag that was recorded in pieces: every stretch of every piece keeps its rows."""
    pieces = [np.arange(10) / 30 + 0.2, np.arange(8) / 30 + 2.0, np.arange(5) / 30 + 7.0]
    shown = [
        Source(
            'bag',
            seconds,
            is_first=number == 0,
            is_last=number == 2,
            next_s=math.inf if number == 2 else float(pieces[number + 1][0]),
        )
        for number, seconds in enumerate(pieces)
    ]
    stretches = [
        [Stretch(0, 4, delete=True), Stretch(4, 10)],
        [Stretch(0, 3), Stretch(3, 5), Stretch(5, 8, mark='look')],
        [Stretch(0, 5, delete=True)],
    ]
    decisions = [
        d for s, each in zip(shown, stretches, strict=True) for d in decisions_of(s, each)
    ]
    for seconds, each in zip(pieces, stretches, strict=True):
        assert [part.rows for part in cut(seconds, decisions)] == [(s.first, s.end) for s in each]
    back = Source('bag', pieces[0][::-1].copy())
    with pytest.raises(DatasetError, match='clock was set back'):
        decisions_of(back, [Stretch(0, 10, delete=True)])


def test_names_are_as_short_as_they_can_be(tmp_path):
    assert short_names(
        [tmp_path / 'a' / 'one', tmp_path / 'b' / 'one', tmp_path / 'b' / 'two']
    ) == [
        'a/one',
        'b/one',
        'two',
    ]


def test_bags_are_shown_and_convert_obeys(tmp_path):
    made = bags(tmp_path, (1.0, 0.7))
    words = [*map(str, made), '--robot', 'so101']
    convert([*words, '--workers', '1'], tmp_path / 'work' / 'dataset')
    path = tmp_path / 'bags.decisions.yaml'
    opened = Opened(tmp_path / 'work' / 'dataset', path, bags=True)
    listing = opened.listing()
    assert [row['source'] for row in listing] == ['episode_0', 'episode_1']
    assert [row['outcome'] for row in listing] == [True, False]
    rows = listing[0]['rows']
    opened.decide(0, [Stretch(0, 6, delete=True), Stretch(6, rows, instruction='reach')])
    opened.decide(1, [Stretch(0, listing[1]['rows'], delete=True)])
    with pytest.raises(DatasetError, match='gr00t convert --decisions'):
        opened.save(tmp_path / 'new')
    output = ['--output', str(tmp_path / 'new'), '--workers', '1']
    assert gr00t('convert', [*words, *output, '--decisions', str(path)]) == 0
    new, old = Dataset.open(tmp_path / 'new'), opened.dataset
    assert [(each.length, each.tasks) for each in new.episodes] == [(rows - 6, ('reach',))]
    stamps = old.column('observation.stamp_ns').ravel()[6:rows]
    np.testing.assert_array_equal(new.column('observation.stamp_ns').ravel(), stamps)


def test_what_cannot_be_opened_is_told(source, tmp_path):
    with pytest.raises(DatasetError, match='does not exist'):
        main([str(tmp_path / 'nothing')])
    with pytest.raises(ParameterError, match='give --robot'):
        main([str(tmp_path)])
    with pytest.raises(DatasetError, match='one dataset at a time'):
        main([str(source), str(source)])
    with pytest.raises(ParameterError, match=r'--robot, --split: of bags; .* is a dataset'):
        main([str(source), '--robot', 'so101', '--split', 'goal'])
    with pytest.raises(ParameterError, match='--port 0'):
        main([str(source), '--port', '0'])
    (tmp_path / 'empty').mkdir()
    words = [str(tmp_path / 'empty'), '--robot', 'so101', '--work', str(tmp_path / 'work')]
    with pytest.raises(DatasetError, match='cannot be shown'):
        main(words)
    path = tmp_path / 'decisions.yaml'
    path.write_text('{format: gr00t-decisions, version: 1, decisions: [{bag: a, delete: true}]}')
    with pytest.raises(DatasetError, match='is about a bag'):
        main([str(source), '--decisions', str(path)])


def test_the_address_leads_to_an_episode_and_a_time(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(serving, 'serve_until_signal', lambda server, listening: listening.close())
    words = [str(source), '--decisions', str(tmp_path / 'decisions.yaml'), '--port', '8967']
    assert main([*words, '--episode', '1', '--at', '0.5']) == 0
    assert 'open http://127.0.0.1:8967/#episode=1&at=0.5;' in capsys.readouterr().out
    assert main([*words, '--episode', '2']) == 0
    assert '/#episode=2&at=0;' in capsys.readouterr().out
    assert main(words) == 0
    assert 'open http://127.0.0.1:8967/;' in capsys.readouterr().out
    with pytest.raises(DatasetError, match='no episode 3; there are 3, counted from 0'):
        main([*words, '--episode', '3'])
    for at in ('1.01', '-0.1', 'nan'):
        with pytest.raises(DatasetError, match=r'episode 1 has 0 to 1\.000 s'):
            main([*words, '--episode', '1', '--at', at])
    with pytest.raises(ParameterError, match='say of which episode'):
        main([*words, '--at', '1'])


def test_the_console_shows_the_bags_of_its_recorder(tmp_path, monkeypatch):
    """Until they are ready it says so; what is recorded later is found on request."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    app = FastAPI()
    app.mount('/episodes', Shelf(tmp_path / 'bags', 'so101'))

    def ask(path, method='GET'):
        found = {}
        told = [{'type': 'http.request', 'body': b'', 'more_body': False}]

        async def receive():
            return told.pop() if told else {'type': 'http.disconnect'}

        async def send(message):
            found.update(message)
            if message['type'] == 'http.response.body':
                found['text'] = found.get('text', b'') + message['body']

        scope = {'type': 'http', 'method': method, 'path': path, 'raw_path': path.encode()}
        scope |= {'query_string': b'', 'headers': [], 'root_path': '', 'http_version': '1.1'}
        scope |= {'asgi': {'version': '3.0', 'spec_version': '2.4'}}
        asyncio.run(app(scope | {'scheme': 'http', 'server': ('x', 80)}, receive, send))
        return found['status'], found['text'].decode()

    def until(words):
        end = time.monotonic() + 60
        while words not in (text := ask('/episodes/')[1]):
            assert time.monotonic() < end, text
            time.sleep(0.1)

    assert 'One moment' in ask('/episodes/')[1]
    until('No episodes')  # nothing was recorded yet, and the page says what to do
    bags(tmp_path, (0.5,))
    assert ask('/episodes/again', 'POST')[0] == 303
    until('<div id="episodes"')
    assert [row['source'] for row in json.loads(ask('/episodes/episodes')[1])] == ['episode_0']
    assert json.loads(ask('/episodes/about')[1])['console'] is True
    assert ask('/episodes/console-static/view.js')[0] == 200
