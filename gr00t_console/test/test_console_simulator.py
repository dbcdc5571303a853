# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The circle by the page alone, in the simulator: run, correct, record, look through, convert."""

import os
from pathlib import Path
import shlex
import signal
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='needs ROS')
pytest.importorskip('nicegui', reason='nicegui is not installed (requirements/console.txt)')
pytest.importorskip('mujoco', reason='needs MuJoCo')

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.reader import Dataset

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PATIENCE_MS = 90_000


@pytest.fixture
def robot(ros_domain, tmp_path):
    """Give the folder where `gr00t up` runs in the simulator, with recorder and console."""
    log = (tmp_path / 'up.log').open('w+')
    words = ['up', '--sim', '--checkpoint', str(ROOT / 'reproduce' / 'checkpoint')]
    process = subprocess.Popen(
        [sys.executable, '-m', 'gr00t_core', *words, '--record', '--console'],
        cwd=tmp_path,
        env=ros_domain | {'XDG_CACHE_HOME': str(tmp_path / 'cache')},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )
    yield tmp_path
    process.send_signal(signal.SIGINT)
    process.wait(40)
    log.close()


class Person:
    """What a person does with the page."""

    def __init__(self, page):
        self.page = page
        page.set_default_timeout(PATIENCE_MS)

    def push(self, name):
        self.page.wait_for_function(
            'name => [...document.querySelectorAll("button")]'
            '.some(each => each.innerText.trim() === name && !each.disabled)',
            arg=name,
        )
        self.page.get_by_role('button', name=name, exact=True).dispatch_event('click')

    def sees(self, text):
        self.page.get_by_text(text).first.wait_for()

    def picture(self, name, full_page=True):
        if folder := os.environ.get('GR00T_PICTURES'):
            self.page.screenshot(path=Path(folder) / f'{name}.png', full_page=full_page)


def test_a_person_runs_corrects_records_looks_through_and_converts(robot, browser, http_status):
    page = browser.new_page(viewport={'width': 1320, 'height': 1000})
    me = Person(page)
    address = 'http://127.0.0.1:8765/'
    for _ in range(600):
        if http_status(address) is not None:
            break
        page.wait_for_timeout(100)
    page.goto(address, wait_until='domcontentloaded')
    page.wait_for_selector('.camera.live >> nth=1')

    def episode(number, verdict):
        me.push('New scene')
        me.push('Start')
        me.sees('The policy moves the robot')
        me.push('Record')
        page.wait_for_selector('.episode.running')
        page.wait_for_timeout(2500)
        if number == 0:
            me.picture('console')
            phone = browser.new_page(viewport={'width': 390, 'height': 844})
            phone.goto(address, wait_until='domcontentloaded')
            phone.wait_for_selector('.camera.live >> nth=1')
            phone.wait_for_timeout(1500)
            Person(phone).picture('console-phone', full_page=False)
            phone.close()
        if number == 1:  # correct: the person opens the gripper while it is recorded
            me.push('Take over')
            me.sees('A person moves the robot')
            page.locator('[aria-label="gripper up"]').scroll_into_view_if_needed()
            page.locator('[aria-label="gripper up"]').hover()
            page.mouse.down()
            page.wait_for_timeout(1500)
            page.mouse.up()
            me.push('Let go')
            me.sees('the person has let go')
            page.wait_for_timeout(500)
        me.push(verdict)  # ends the goal, and with it the episode
        page.wait_for_selector('.episode:not(.running)')

    me.sees('The policy moves the robot')  # by the default instruction, once the model is loaded
    page.get_by_label('instruction').fill('pick up the blue cube')
    page.keyboard.press('Enter')
    for number, verdict in enumerate(('It succeeded', 'It succeeded', 'It failed')):
        episode(number, verdict)
    me.push('Stop')
    me.sees('The robot is stopped')
    me.push('Re-arm')
    me.sees('re-armed')

    # The second page.
    page.get_by_role('link', name='Episodes').dispatch_event('click')
    page.wait_for_selector('.episode-row.chosen')
    assert page.locator('.episode-row').count() == 3
    page.locator('#by-more').select_option('interventions')
    assert page.locator('.episode-row').count() == 1
    page.locator('#by-more').select_option('')
    page.locator('.episode-row[data-number="2"]').click()
    page.wait_for_selector('.episode-row.chosen[data-number="2"]')
    page.locator('#delete').click()
    page.wait_for_selector('.episode-row.deleted')
    page.locator('.episode-row[data-number="1"]').click()
    page.wait_for_selector('.episode-row.chosen[data-number="1"]')
    page.locator('#row').evaluate(
        'each => { each.value = 8; each.dispatchEvent(new Event("input")); }'
    )
    page.wait_for_selector('#cameras[data-row="8"]')
    page.locator('#start-here').click()
    page.wait_for_function('document.getElementById("saved").textContent === "saved"')
    page.locator('#mark').fill('a correction')
    page.locator('#mark').press('Enter')
    page.wait_for_function('document.querySelector("#episodes").innerText.includes("correction")')
    page.locator('#row').evaluate(
        'each => { each.value = 30; each.dispatchEvent(new Event("input")); }'
    )
    page.wait_for_selector('#cameras[data-row="30"]')
    me.picture('view')
    page.set_viewport_size({'width': 390, 'height': 844})
    page.wait_for_timeout(300)
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    page.evaluate('document.querySelector("main").scrollIntoView()')
    me.picture('view-phone', full_page=False)
    words = shlex.split(page.locator('#convert').inner_text())[2:]
    page.close()
    words[words.index('--output') + 1] = str(robot / 'dataset')
    assert gr00t('convert', [*words, '--workers', '1']) == 0
    dataset = Dataset.open(robot / 'dataset')
    assert len(dataset.episodes) == 2
    person = dataset.column('intervention').ravel()
    assert person[dataset.episodes[1].start :].any()
    assert not person[: dataset.episodes[1].start].any()
