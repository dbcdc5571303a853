# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A person looks through episodes in headless Chromium, mends them, and `convert` obeys."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from view_data import bags, dataset

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.decisions import read_decisions
from gr00t_core.dataset.moment import Moment
from gr00t_core.dataset.reader import Dataset

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PATIENCE_MS = 60_000


@pytest.fixture
def view(tmp_path):
    """Give a function that runs `gr00t view` and returns its address."""
    running = []

    def start(*words):
        port = 8900 + os.getpid() % 900 + len(running)
        command = [sys.executable, '-m', 'gr00t_core', 'view', *map(str, words)]
        log = (tmp_path / 'view.log').open('w+')
        environment = os.environ | {'XDG_CACHE_HOME': str(tmp_path / 'cache')}
        process = subprocess.Popen(
            [*command, '--port', str(port)], env=environment, stdout=log, stderr=log
        )
        running.append((process, log))
        address = f'http://127.0.0.1:{port}/'
        end = time.monotonic() + 120
        while time.monotonic() < end and process.poll() is None:
            try:
                urllib.request.urlopen(f'{address}about', timeout=5).close()
                return address
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        log.seek(0)
        pytest.fail(f'no page: {log.read()}')

    yield start
    for process, log in running:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, -signal.SIGINT)
        log.close()


class Page:
    """A page and what a person does with it."""

    def __init__(self, browser, address, width=1400, height=1000):
        self.page = browser.new_page(viewport={'width': width, 'height': height})
        self.page.set_default_timeout(PATIENCE_MS)
        self.faults, self.foreign = [], []
        self.page.on('pageerror', lambda error: self.faults.append(str(error)))
        self.page.on('request', lambda r: self.note(r.url, address))
        self.page.goto(address)
        self.page.wait_for_selector('.episode-row.chosen')

    def note(self, url, address):
        if not url.startswith((address, 'blob:', 'data:')):
            self.foreign.append(url)

    def rows(self):
        return [
            text.replace('\n', ' ') for text in self.page.locator('.episode-row').all_inner_texts()
        ]

    def open(self, number):
        self.page.locator(f'.episode-row[data-number="{number}"]').click()
        self.page.wait_for_selector(f'.episode-row.chosen[data-number="{number}"]')

    def go(self, row):
        """Move to a row, and wait until all cameras show it."""
        self.page.locator('#row').evaluate(
            '(each, row) => { each.value = row; each.dispatchEvent(new Event("input")); }', row
        )
        self.page.wait_for_selector(f'#cameras[data-row="{row}"]')

    def levels(self):
        """Return the mean grey of each camera's picture."""
        return self.page.evaluate(
            """async () => Promise.all([...document.querySelectorAll('#cameras img')].map(
                async (image) => {
                    await image.decode();
                    const canvas = new OffscreenCanvas(8, 8), context = canvas.getContext('2d');
                    context.drawImage(image, 0, 0, 8, 8);
                    return context.getImageData(4, 4, 1, 1).data[0];
                }))"""
        )

    def act(self, name):
        """Push a button, and wait until the decision is written."""
        self.page.locator('#saved').evaluate('each => { each.textContent = ""; }')
        self.page.get_by_role('button', name=name, exact=True).click()
        self.page.wait_for_function('document.getElementById("saved").textContent === "saved"')

    def picture(self, name):
        """Keep a picture of the page, where a folder for it is named."""
        if folder := os.environ.get('GR00T_PICTURES'):
            self.page.screenshot(path=Path(folder) / f'{name}.png', full_page=True)


def test_a_dataset_is_looked_through_mended_and_written_anew(view, browser, tmp_path):
    source = dataset(tmp_path)
    seen = Page(browser, view(source))
    page = seen.page
    assert len(seen.rows()) == 3

    # All cameras show the same row, by the slider, the keys and while it plays.
    seen.open(1)
    for row in (17, 4):
        seen.go(row)
        assert all(abs(level - 5 * row) < 5 for level in seen.levels()), (row, seen.levels())
    page.locator('body').press('ArrowRight')
    page.wait_for_selector('#cameras[data-row="5"]')
    page.locator('#play').click()
    page.wait_for_selector('#cameras[data-row="29"]')
    assert page.locator('#play').inner_text() == '▶'
    assert page.locator('.curve canvas').count() == 6

    # Filters.
    page.locator('#by-outcome').select_option('true')
    assert page.locator('#shown').inner_text() == '1 of 3 episodes'
    assert 'take the cube' in seen.rows()[0]
    page.locator('#by-outcome').select_option('')
    page.locator('#by-instruction').select_option('put it down')
    assert len(seen.rows()) == 1
    page.locator('#by-instruction').select_option('')
    page.locator('#by-more').select_option('interventions')
    assert '1 intervention' in seen.rows()[0]
    page.locator('#by-more').select_option('')

    # Delete one; trim, split and label another.
    seen.open(2)
    seen.act('Delete episode')
    seen.open(0)
    seen.go(5)
    seen.act('Starts here')
    seen.go(15)
    seen.act('Ends here')
    seen.go(10)
    seen.act('Split here')
    page.locator('#instruction').fill('lift it')
    page.locator('#saved').evaluate('each => { each.textContent = ""; }')
    page.locator('#instruction').press('Enter')
    page.wait_for_function('document.getElementById("saved").textContent === "saved"')
    page.locator('#outcome').select_option('false')
    page.wait_for_function('document.querySelector(".episode-row").innerText.includes("both")')
    seen.picture('view-test')
    page.locator('#by-more').select_option('decided')
    assert len(seen.rows()) == 2
    assert page.locator('#kept').inner_text() == '3 episodes stay'

    # What was decided is there again after a reload, and becomes a new dataset.
    page.reload()
    page.wait_for_selector('.episode-row.deleted[data-number="2"]')
    page.locator('#output').fill(str(tmp_path / 'new'))
    page.locator('#save').click()
    page.get_by_text('3 episodes are in').wait_for()
    made = Dataset.open(tmp_path / 'new')
    assert made.lengths.tolist() == [5, 6, 30]
    assert [each.tasks[0] for each in made.episodes] == ['take the cube', 'lift it', 'put it down']
    np.testing.assert_allclose(
        made.frames(1, 'video.wrist', range(6)).mean((1, 2, 3)), 5 * np.arange(10, 16), atol=4
    )
    assert made.column('outcome').ravel()[[0, 5, 11]].tolist() == [1, 0, 0]
    assert Dataset.open(source).lengths.tolist() == [20, 30, 25]
    page.locator('#save').click()
    page.get_by_text('exists already').wait_for()  # an error is shown, not lost
    assert not seen.faults
    assert not seen.foreign
    page.close()


def test_a_link_leads_to_its_episode_and_time(view, browser, tmp_path):
    """What reports and `gr00t validate` write is followed, also by a page that is open."""
    lengths = (20, 30, 25, 20, 4)  # the last one is of an odd length
    address = view(dataset(tmp_path, lengths, ['take the cube'] * 5))

    def shown(number, row):
        seen.page.wait_for_selector(f'.episode-row.chosen[data-number="{number}"]')
        seen.page.wait_for_selector(f'#cameras[data-row="{row}"]')

    seen = Page(browser, f'{address}#{Moment.of_row(1, 24, 30).fragment}')
    seen.foreign.clear()
    shown(1, 24)
    for number, row in ((0, 7), (2, 22), (4, 3)):
        fragment = Moment.of_row(number, row, 30).fragment
        seen.page.evaluate('(fragment) => { location.hash = fragment; }', fragment)
        shown(number, row)
    seen.page.evaluate('() => { location.hash = "episode=7&at=1"; }')
    seen.page.get_by_text('there is no episode 7: there are 5, counted from 0').wait_for()
    # What is conspicuous leads to its row.
    seen.open(4)
    seen.go(2)
    seen.page.get_by_role('button', name='rows 0 to 3: 4 rows, half of the episodes').click()
    shown(4, 0)
    assert not seen.faults
    seen.page.close()


def test_bags_are_mended_and_convert_obeys(view, browser, tmp_path):
    made = bags(tmp_path, (1.2, 0.8, 0.8))
    folder = made[0].parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
    seen = Page(browser, view(folder, '--robot', 'so101'), 390, 844)  # a phone
    page = seen.page
    assert [f'episode_{n}' in text for n, text in enumerate(seen.rows())] == [True] * 3
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    seen.open(1)
    seen.act('Delete episode')
    seen.open(0)
    seen.go(9)
    seen.act('Starts here')
    seen.picture('view-test-phone')
    command = page.locator('#convert').inner_text()
    assert str(folder) in command
    words = command.split()
    assert words[:2] == ['gr00t', 'convert']
    words[words.index('--output') + 1] = str(tmp_path / 'dataset')
    assert len(read_decisions(tmp_path / 'bags.decisions.yaml')) == 2

    # The page converts; what cannot be done is told there.
    assert page.locator('#dataset').input_value() == f'{folder}_dataset'
    page.locator('#dataset').fill(str(folder / 'inside'))
    page.locator('#make').click()
    page.get_by_text('lies in the folder of the bags').wait_for()
    page.locator('#dataset').fill(str(tmp_path / 'dataset'))
    page.locator('#make').click()
    page.get_by_text('You may close this page').wait_for()
    assert page.locator('#make').is_disabled()
    address = page.url
    page.close()
    again = seen.page = browser.new_page()
    again.set_default_timeout(PATIENCE_MS)
    again.goto(address)
    again.get_by_text(f'Converted: 2 episodes in {tmp_path / "dataset"}.').wait_for()
    assert (
        again.locator('#next')
        .inner_text()
        .startswith(f'Next: gr00t finetune --dataset {tmp_path}')
    )
    with again.expect_popup() as opened:
        again.locator('#report').click()
    opened.value.get_by_text('2 episodes').first.wait_for()
    assert opened.value.url.endswith('/report')
    seen.picture('view-test-converted')
    again.close()
    opened.value.close()
    result = Dataset.open(tmp_path / 'dataset')
    assert [each.tasks[0] for each in result.episodes] == ['task 0', 'task 2']
    # The command does the same, and takes what is converted already.
    assert gr00t('convert', [*words[2:], '--workers', '1']) == 0
    result = Dataset.open(tmp_path / 'dataset')
    assert result.lengths.tolist() == [27, 24]
    assert [each.tasks[0] for each in result.episodes] == ['task 0', 'task 2']
    assert {path: path.stat().st_mtime_ns for path in folder.rglob('*')} == before
    assert not seen.faults
