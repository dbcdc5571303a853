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

from console_world import free_port, status

from gr00t_core.dataset.reader import Dataset

# The simulator, its policy and a browser that renders in software.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CHECKPOINT = Path(__file__).resolve().parents[2] / 'reproduce' / 'checkpoint'
# The recorder judges by converting: this test does so itself, at its end.
PARAMETERS = """
recorder:
  ros__parameters: {judge: false, min_free_gb: 0.0}
sim:
  ros__parameters: {episode_limit_s: 3600.0}
console:
  ros__parameters: {port: %d}
"""


@pytest.fixture
def served(world, monkeypatch):
    """Give the address of the page: one command is all that a person types."""
    port = free_port()
    monkeypatch.chdir(world.folder)  # bags go to ./episodes
    parameters = world.folder / 'parameters.yaml'
    parameters.write_text(PARAMETERS % port)
    world.begin()
    words = ['--checkpoint', str(CHECKPOINT), '--sim', '--record', '--console']
    world.run('up', '-m', 'gr00t_core', 'up', *words, '--params-file', str(parameters))
    address = f'http://127.0.0.1:{port}/'
    world.until(lambda: status(address) is not None, 'the page')
    return address


def begin_episode(person, new_scene=True):
    """Have the policy act, and record it from the first command on."""
    if new_scene:
        person.push('New scene')
        person.sees('new scene ')
        # An outcome of the old scene is nothing for the next goal.
        person.page.wait_for_timeout(1000)
    person.push('Record')
    if not new_scene:  # nothing has commanded the robot yet
        person.sees('begins with the first command: Start or Take over')
    person.push('Start')
    person.page.wait_for_selector('.episode.running')
    person.sees('The policy moves the robot')


def test_three_episodes_are_recorded_one_is_corrected_and_two_are_converted(
    served, world, browser
):
    person = Person(browser, world, served, viewport={'width': 1400, 'height': 1000})
    page, push, sees = person.page, person.push, person.sees
    page.wait_for_selector('.camera.live >> nth=1')
    # The model loads meanwhile. Until then a goal is refused.
    sees('Ready for episode 0')
    sees('It has no instruction: start one.', 4 * PATIENCE_MS)

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
    assert page.locator('#title').inner_text().startswith('Episode 0')  # as it was recorded
    assert 'intervention' in rows.nth(1).inner_text()
    rows.nth(2).dispatch_event('click')
    page.wait_for_selector('.episode-row.chosen[data-number="2"]')
    page.get_by_role('button', name='Delete episode', exact=True).dispatch_event('click')
    page.wait_for_selector('.episode-row.deleted[data-number="2"]')
    page.wait_for_function('document.getElementById("saved").textContent === "saved"')
    person.picture('view')
    person.phone_picture(browser, page.url, 'view-phone', '.episode-row.chosen')

    # Convert them, and read the report. The tab may be closed meanwhile.
    page.locator('#dataset').fill(str(world.folder / 'dataset'))
    push('Convert')
    page.wait_for_function('document.getElementById("make").disabled')
    episodes = page.url
    page.goto('about:blank')
    page.goto(episodes)
    sees('Converted: 2 episodes in', 4 * PATIENCE_MS)
    page.locator('#result').scroll_into_view_if_needed()
    person.picture('view-converted')
    page.goto(page.locator('#report').evaluate('link => link.href'))
    sees('2 episodes')
    person.leave()

    dataset = Dataset.open(world.folder / 'dataset')
    assert len(dataset.episodes) == 2
    corrected = np.split(dataset.column('intervention').ravel(), dataset.lengths.cumsum()[:-1])
    assert [bool(rows.any()) for rows in corrected] == [False, True]
