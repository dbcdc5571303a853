# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report: warnings that are true, and a page that a browser shows without anything else."""

import html
import json
import re
import shutil
import subprocess
from urllib.parse import parse_qs, urlsplit

from converted import convert
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from truth_bag import Fault, STORE, TruthBag

from gr00t_core.dataset.moment import VIEW_PORT
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag
from rosbag_tools.convert.advice import next_step

FRONT = 'camera/front/image_raw/compressed'
HEADLESS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
HEADLESS += ['--disable-background-networking', '--disable-component-update', '--disable-sync']
# Appended to a copy of the page: what the browser made of it.
LOOK = """<script>window.addEventListener('load', () => {
  const boxes = [...document.querySelectorAll('polyline')].map(line => line.getBBox());
  const found = {images: [...document.images].map(image => image.naturalWidth),
    curves: boxes.filter(box => box.width > 100).length,
    tables: document.querySelectorAll('table').length,
    text: document.body.innerText, wide: document.documentElement.scrollWidth};
  const place = document.createElement('pre'); place.id = 'found';
  place.textContent = JSON.stringify(found); document.body.append(place);
});</script>"""


@pytest.fixture(scope='module')
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp('report')
    bags = [
        TruthBag(seconds=2, custom={'gr00t.instruction': 'wave <b>now</b>'}).write(
            folder / 'good'
        ),
        TruthBag(
            seconds=3,
            seed=1,
            faults={
                FRONT: Fault(drop=0.05),
                'joint_states': Fault(offset_s=9.0),
                'camera/wrist/image_raw/compressed': Fault(offset_s=9.0),
                'joint_commands': Fault(offset_s=9.0),
            },
        ).write(folder / 'skewed'),
        TruthBag(seconds=3, seed=2, faults={'joint_states': Fault(silent=(1, 1.6))}).write(
            folder / 'gap'
        ),
    ]
    # Of the skewed bag nothing can be kept: the dataset is there, the status tells.
    return convert(folder, bags, status=1)


def test_warnings_say_what_is_wrong(converted):
    good, skewed, gap = converted.report['bags']
    assert good['warnings'] == []
    text = ' '.join(skewed['warnings'])
    assert 'nothing is kept of this bag' in text
    assert 'joint_states: header and log stamps are -9.0 s apart: two clocks' in text
    text = ' '.join(gap['warnings'])
    assert 'joint_states: 1 gaps, the longest 0.6' in text
    assert good['streams'][FRONT]['rate_hz'] == pytest.approx(30, rel=1e-3)
    assert good['streams'][FRONT]['latency_ms']['median'] == pytest.approx(2, abs=0.4)


def looked(chromium, page, profile, width):
    """Return what the browser made of a page in a window of some width."""
    words = [chromium, *HEADLESS, f'--user-data-dir={profile}', f'--window-size={width},900']
    shown = subprocess.run(
        [*words, '--virtual-time-budget=3000', '--dump-dom', page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(
        html.unescape(re.search(r'<pre id="found">(.*?)</pre>', shown.stdout, re.S)[1])
    )


def test_the_page_is_shown_by_a_browser(converted, tmp_path):
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    if chromium is None:
        pytest.skip('no Chromium: apt-get install chromium')
    page = (converted.path / 'meta' / 'conversion_report.html').read_text(encoding='utf-8')
    # Nothing is fetched; links lead to `gr00t view` on this machine only.
    viewed = re.escape(f'http://127.0.0.1:{VIEW_PORT}/#')
    assert not re.search(rf'(src|href)\s*=\s*"(?!data:|{viewed})|<link|@import', page)
    assert not re.search(r'src\s*=\s*"(?!data:)', page)
    copy = tmp_path / 'page.html'
    copy.write_text(page + LOOK, encoding='utf-8')
    found = looked(chromium, copy, tmp_path / 'profile', 1200)
    episodes = sum(len(bag['episodes']) for bag in converted.report['bags'] if 'error' not in bag)
    assert len(found['images']) == episodes * 2 * 5
    assert min(found['images']) >= 100
    assert found['curves'] == episodes * 12  # six of the state, six of the action, in two plots
    assert found['tables'] >= 4
    assert found['wide'] <= 1200
    assert looked(chromium, copy, tmp_path / 'profile', 500)['wide'] <= 500  # its least
    for text in ('wave <b>now</b>', 'joint_states', '60', 'skewed', 'Hz seen / expected'):
        assert text in found['text'], text


def test_every_warning_has_a_next_step_and_the_good_news_comes_first(converted):
    page = (converted.path / 'meta' / 'conversion_report.html').read_text()
    assert page.index('of 2 of 3 bags.') < page.index('of the rows dropped')
    warnings = [text for bag in converted.report['bags'] for text in bag['warnings']]
    assert len(warnings) >= 4
    for text in warnings:
        step = next_step(text)
        assert step or 'two clocks; if' in text, text
        assert html.escape(step) in page


def test_a_frozen_camera_and_a_stuck_joint_are_found(tmp_path):
    source = TruthBag(seconds=2).write(tmp_path / 'source')
    with Bag(source) as bag:
        topics, messages = dict(bag.topics), list(bag.messages(bag.topics))
        read = {m: bag.deserialize(m) for m in messages if m.topic != f'/{FRONT}'}
    path = tmp_path / 'bag'
    first = next(m for m in messages if m.topic == f'/{FRONT}')
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {n: writer.add_connection(n, t.type, typestore=STORE) for n, t in topics.items()}
        for m in messages:
            raw = m.raw
            if m.topic == f'/{FRONT}':
                raw = raw[:12] + first.raw[12:]  # its own stamp, always the first picture
            elif m.topic == '/joint_states':
                message = read[m]
                message.position = message.position.copy()
                message.position[2] = 0.25
                message.position[1] = min(message.position[1], 0.2)  # a clipped sensor
                raw = STORE.serialize_cdr(message, topics[m.topic].type)
            writer.write(known[m.topic], m.log_ns, raw)
    truth = convert(tmp_path, path)
    text = ' '.join(truth.report['bags'][0]['warnings'])
    assert 'camera front is frozen: in 100%' in text
    assert 'camera wrist' not in text
    names = [name.split('/')[1] for name in load_robot('so101').state_names]
    assert f'state.single_arm/{names[2]}: does not change, but action' in text
    page = (truth.path / 'meta' / 'conversion_report.html').read_text()
    # The frozen camera is among the stretches to look at, with a link and a command.
    look = truth.report['to_look_at']
    rows = truth.report['bags'][0]['episodes'][0]['rows']
    (frozen,) = [each for each in look if 'the same picture' in each['what']]
    assert frozen['what'].startswith('front shows')
    assert (frozen['episode'], frozen['first'], frozen['end']) == (0, 0, rows)
    links = re.findall(r'<a target="gr00t-view" href="([^"]*)"', page)
    assert len(links) == len(look)
    for link, each in zip(links, look, strict=True):
        at = parse_qs(urlsplit(html.unescape(link)).fragment)['at'][0]
        assert round(float(at) * 30) == each['first']
        assert f'--episode 0 --at {at}</code>' in page
    assert 'at its highest value in' in page
    assert '>front <b class="error">frozen: the same picture in 100%' in page
    assert '>wrist</figcaption>' in page
    assert page.count('<polyline class="state"') == page.count('<polyline class="action"') == 6
    assert page.count('<svg') == 2  # state and action of a group are in one plot
