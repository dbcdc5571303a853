# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A person's session in Chromium over the simulator and the shipped policy, to a dataset.

`GR00T_PICTURES=docs/images` makes the pictures of the pages that the documentation shows.
"""

from pathlib import Path

from console_person import PATIENCE_MS, Person
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
pytest.importorskip('nicegui', reason='nicegui is not installed (requirements/console.txt)')

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.reader import Dataset

# The simulator, its policy and a browser that renders in software.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CHECKPOINT = Path(__file__).resolve().parents[2] / 'reproduce' / 'checkpoint'
# The recorder judges by converting: this test does so itself, at its end.
PARAMETERS = """
recorder:
  ros__parameters: {output: %s, judge: false, min_free_gb: 0.0}
sim:
  ros__parameters: {episode_limit_s: 3600.0}
"""


@pytest.fixture
def served(world):
    """Give the address of the page, over `gr00t up --sim --record`."""
    robot, bags = str(CHECKPOINT / 'robot.yaml'), world.folder / 'bags'
    parameters = world.folder / 'parameters.yaml'
    parameters.write_text(PARAMETERS % bags)
    world.begin()
    words = ['--robot', robot, '--checkpoint', str(CHECKPOINT), '--sim', '--record']
    world.run('up', '-m', 'gr00t_core', 'up', *words, '--params-file', str(parameters))
    task = ['--instruction', 'pick up the red cube', '--bags', str(bags)]
    return world.console(*task, robot=robot)


def begin_episode(person, new_scene=True):
    """Have the policy act, and record it."""
    if new_scene:
        person.push('New scene')
        person.sees('new scene ')
        # An outcome of the old scene is nothing for the next goal.
        person.page.wait_for_timeout(1000)
    person.push('Start')
    person.sees('The policy moves the robot')
    person.push('Record')
    person.page.wait_for_selector('.episode.running')


def test_three_episodes_are_recorded_one_is_corrected_and_two_are_converted(
    served, world, browser
):
    person = Person(browser, world, served, viewport={'width': 1400, 'height': 1000})
    page, push, sees = person.page, person.push, person.sees
    page.wait_for_selector('.camera.live >> nth=1')
    # The model loads meanwhile. Until then a goal is refused; then the robot file's task begins.
    sees('The policy moves the robot', 4 * PATIENCE_MS)

    # One that the policy does alone. It ends by the person, or before that by the simulator's
    # detector: beside a browser that renders in software the policy may be too slow to succeed.
    begin_episode(person, new_scene=False)
    person.picture('console')
    person.phone_picture(browser, served, 'console-phone', '.camera.live')
    page.wait_for_timeout(2000)
    person.button('Success').dispatch_event('click')
    sees('1 good · 0 bad')
    person.button('Cancel').dispatch_event('click')  # unless the goal has ended

    # One that the person corrects while it is recorded.
    begin_episode(person)
    push('Take over')
    sees('A person moves the robot')
    person.hold('shoulder pan up', lambda: not page.wait_for_timeout(1000))
    push('Let go')
    sees('The policy moves the robot')
    page.wait_for_timeout(1000)
    push('Success')
    sees('2 good · 0 bad')
    person.button('Cancel').dispatch_event('click')  # unless the goal has ended
    person.picture('console-corrected')

    # Stop, re-arm, and a third one, which fails.
    push('Stop')
    sees('The robot is stopped')
    push('Re-arm')
    sees('re-armed')
    begin_episode(person)
    page.wait_for_timeout(500)
    push('It failed')
    sees('2 good · 1 bad')

    # Look through them; the failed one is left out.
    page.get_by_role('link', name='Episodes').dispatch_event('click')
    page.wait_for_selector('.episode-row.chosen')
    rows = page.locator('.episode-row')
    for _ in range(10):  # the recorder may still be completing the third file
        if rows.count() == 3:
            break
        page.wait_for_timeout(1000)
        page.reload()
        page.wait_for_selector('.episode-row.chosen')
    assert rows.count() == 3
    assert 'intervention' in rows.nth(1).inner_text()
    rows.nth(2).dispatch_event('click')
    page.wait_for_selector('.episode-row.chosen[data-number="2"]')
    page.get_by_role('button', name='Delete episode', exact=True).dispatch_event('click')
    page.wait_for_selector('.episode-row.deleted[data-number="2"]')
    page.wait_for_function('document.getElementById("saved").textContent === "saved"')
    person.picture('view')
    person.phone_picture(browser, page.url, 'view-phone', '.episode-row.chosen')
    command = page.locator('#convert').inner_text().split()
    person.leave()

    command[command.index('--output') + 1] = str(world.folder / 'dataset')
    assert gr00t('convert', [*command[2:], '--workers', '1']) == 0
    dataset = Dataset.open(world.folder / 'dataset')
    assert len(dataset.episodes) == 2
    corrected = np.split(dataset.column('intervention').ravel(), dataset.lengths.cumsum()[:-1])
    assert [bool(rows.any()) for rows in corrected] == [False, True]
