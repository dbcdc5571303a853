# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A person's whole session in headless Chromium: do, judge, record, stop, e-stop, take over."""

from console_person import PATIENCE_MS, Person
import pytest

pytest.importorskip('rclpy', reason='needs ROS')
pytest.importorskip('nicegui', reason='nicegui is not installed (requirements/console.txt)')

from sensor_msgs.msg import JointState

from gr00t_core.dataset.decisions import read_decisions
from rosbag_tools.bags.bag import Bag

# A browser that renders in software, and six processes: minutes on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def served(world):
    """Give the world with all nodes and the address of the page."""
    world.robot()
    world.begin()
    world.policy()
    world.chunk_executor()
    bags = world.folder / 'bags'
    world.start(
        'recorder',
        'rosbag_tools.record.node',
        robot='so101',
        output=str(bags),
        judge=False,
        min_free_gb=0.0,
    )
    words = ['--instruction', 'wave the arm', '--bags', str(bags)]
    return world, world.console(*words), bags


def test_a_whole_session(served, browser):
    world, address, bags = served
    person = Person(browser, world, address, viewport={'width': 1400, 'height': 1000})
    page, push, sees = person.page, person.push, person.sees
    commands = []
    world.node.create_subscription(
        JointState, 'joint_commands', lambda m: commands.append(list(m.position)), 50
    )

    # See: pictures that change, curves of every joint.
    page.wait_for_selector('.camera.live >> nth=1')
    first = page.locator('.camera img').first.get_attribute('src')
    page.wait_for_function(
        'first => document.querySelector(".camera img").src !== first', arg=first
    )
    page.wait_for_function('document.querySelectorAll(".curve canvas").length === 6')
    values = '[...document.querySelectorAll(".curve .head span")]'
    page.wait_for_function(f'{values}.every(each => each.textContent.includes("rad"))')
    page.get_by_text('what the model sees').click()
    page.wait_for_function('document.querySelector(".cameras.model img").naturalWidth === 224')
    sees('It has no instruction: start one.')
    sees('Ready for episode 0')

    # Say: an instruction of the list, then one that was typed; judge it.
    page.get_by_label('instruction').click()
    page.get_by_role('option', name='wave the arm').click()
    push('Start')
    sees('The policy moves the robot')
    sees('“wave the arm”')
    push('Record')
    page.wait_for_selector('.episode.running')
    assert 'wave the arm' in page.locator('.episode').inner_text()
    push('It succeeded')
    sees('“wave the arm”: succeeded: a person said so (console)')
    page.wait_for_selector('.episode:not(.running)')  # the episode ended with its task
    sees('1 good · 0 bad')
    (bag,) = bags.glob('*/metadata.yaml')
    with Bag(bag.parent) as opened:
        assert opened.custom_data['gr00t.instruction'] == 'wave the arm'
        assert opened.custom_data['gr00t.success'] == 'true'
        assert opened.find('command_source').count > 5

    page.get_by_label('instruction').fill('slow down')
    page.keyboard.press('Enter')
    push('Start')
    sees('“slow down”')
    # Record another one: a failure, which is discarded after a question.
    sees('The policy moves the robot')
    push('Record')
    page.wait_for_selector('.episode.running')
    push('Failure')
    sees('1 good · 1 bad')
    push('Discard')
    push('Yes')
    sees('1 good · 0 bad')
    assert len(list(bags.glob('.trash/*'))) == 1

    # Stop: the robot stands, and is re-armed.
    push('Stop')
    sees('The robot is stopped')
    sees('stopped by the service ~/stop')
    push('Re-arm')
    sees('re-armed')
    push('Start')
    sees('The policy moves the robot')

    person.picture('console-test')

    # The e-stop: latched, confirmed, refuses a re-arm until it is released.
    page.click('#estop')
    sees('Confirmed by /chunk_executor. Release it, then re-arm.')
    assert person.button('Re-arm').is_disabled()
    assert person.button('Start').is_disabled()
    other = browser.new_page()
    other.goto(address, wait_until='domcontentloaded')
    other.get_by_text('Confirmed by /chunk_executor').wait_for()  # for everybody
    other.close()
    push('Release')
    push('Re-arm')
    page.wait_for_selector('.latch', state='hidden')

    # Take over: the executor follows a person as long as the page is there.
    sees('live')
    push('Take over')
    sees('A person moves the robot')
    before = commands[-1][5]
    person.hold('gripper up', lambda: commands[-1][5] > before + 0.05)
    push('Let go')
    sees('the person has let go')

    # Look through what was recorded, and mend it: the second page.
    page.get_by_role('link', name='Episodes').dispatch_event('click')
    page.wait_for_selector('.episode-row.chosen')
    assert page.locator('.episode-row').count() == 1
    assert 'wave the arm' in page.locator('.episode-row').inner_text()
    page.wait_for_selector('#cameras[data-row="0"]')
    page.locator('#outcome').select_option('false')
    page.wait_for_function('document.getElementById("saved").textContent === "saved"')
    person.picture('console-episodes')
    (decision,) = read_decisions(bags.with_name('bags.decisions.yaml'))
    assert (decision.source, decision.success) == (bag.parent.name, False)
    page.locator('#back').click()
    page.wait_for_selector('.hero')

    person.leave()


def test_a_phone_sees_all_of_it(served, browser):
    _, address, _ = served
    page = browser.new_page(viewport={'width': 390, 'height': 844}, has_touch=True)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address, wait_until='domcontentloaded')
    page.wait_for_selector('.camera.live')
    assert page.evaluate('document.documentElement.scrollWidth') <= 390
    box = page.locator('#estop').bounding_box()
    assert box['width'] > 300
    assert box['y'] + box['height'] <= 844  # in reach of the thumb, wherever the page is scrolled
    page.evaluate('window.scrollTo(0, 1500)')
    assert page.locator('#estop').bounding_box()['y'] == box['y']
    # When the console is gone, the button says that nothing was sent.
    page.route('**/e_stop', lambda route: route.abort())
    page.tap('#estop')
    page.get_by_text('NOT SENT: use the robot’s e-stop').wait_for()
    page.close()
