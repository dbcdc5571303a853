# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report: warnings that are true, and a page that a browser shows without anything else."""

import html
import json
import re
import shutil
import subprocess

from converted import convert
import pytest
from truth_bag import Fault, TruthBag

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


def test_the_page_is_shown_by_a_browser(converted, tmp_path):
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    if chromium is None:
        pytest.skip('no Chromium: apt-get install chromium')
    page = (converted.path / 'meta' / 'conversion_report.html').read_text(encoding='utf-8')
    assert not re.search(r'(src|href)\s*=\s*"(?!data:)', page)  # nothing is fetched
    copy = tmp_path / 'page.html'
    copy.write_text(page + LOOK, encoding='utf-8')
    words = [
        chromium,
        *HEADLESS,
        f'--user-data-dir={tmp_path / "profile"}',
        '--window-size=1200,900',
    ]
    shown = subprocess.run(
        [*words, '--virtual-time-budget=3000', '--dump-dom', copy.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(
        html.unescape(re.search(r'<pre id="found">(.*?)</pre>', shown.stdout, re.S)[1])
    )
    episodes = sum(len(bag['episodes']) for bag in converted.report['bags'] if 'error' not in bag)
    assert len(found['images']) == episodes * 2 * 5
    assert min(found['images']) >= 100
    assert found['curves'] == episodes * 12  # six of the state, six of the action, in two plots
    assert found['tables'] >= 4
    assert found['wide'] <= 1200
    for text in ('wave <b>now</b>', 'joint_states', '60', 'skewed', 'Hz seen / expected'):
        assert text in found['text'], text
