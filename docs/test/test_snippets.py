# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pages are true: their code blocks run, and what they name exists. Rules: `snippets.py`."""

import pytest

pytest.importorskip('rclpy', reason='pages name nodes and messages: source ROS first')
pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')

from checking import broken_links, check_command, check_yaml, columns, commands
from inputs import Inputs
from running import run_page
from snippets import pages, ROOT

PAGES = pages()
RUN = [p for p in PAGES if any(b.language in ('sh', 'python') for b in p.blocks)]
SKIPPED = [block for page in PAGES for block in page.blocks if 'skip' in block.said]


def named(page):
    return page.name


@pytest.fixture(scope='session')
def inputs(tmp_path_factory):
    return Inputs(tmp_path_factory.mktemp('inputs'))


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('STAND_IN', str(ROOT / 'gr00t_core/test/stand_in_policy_server.py'))


@pytest.mark.parametrize('page', [p for p in RUN if not p.starts_nodes], ids=named)
def test_page_runs(page, tmp_path, inputs):
    inputs.give(page.given, tmp_path)
    run_page(page, tmp_path)


@pytest.mark.timeout(400)
@pytest.mark.parametrize('page', [p for p in RUN if p.starts_nodes], ids=named)
def test_page_runs_with_ros(page, tmp_path, inputs, ros_domain):
    inputs.give(page.given, tmp_path)
    run_page(page, tmp_path)


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_page_names_what_exists(page):
    wrong = []
    for where, line, in_block in commands(page) + columns(page):
        try:
            check_command(line, in_block)
        except AssertionError as error:
            wrong.append(f'{where}: {line}: {error}')
    assert not wrong, '\n'.join(wrong)
    for block in page.blocks:
        if block.language == 'yaml' and 'skip' not in block.said:
            check_yaml(block)


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_links_lead_somewhere(page):
    assert not broken_links(page)


@pytest.mark.parametrize('block', SKIPPED, ids=lambda block: block.where)
def test_skipped_block(block):
    pytest.skip(block.one('skip'))


@pytest.mark.parametrize(
    'line',
    [
        'gr00t transmogrify',
        'gr00t convert bags --robot so101 --output x --fast',
        'gr00t convert bags --robot so101 --fps 30',
        'gr00t export onnx run out --precission fp16',
        'ros2 launch gr00t_bringup robot.launch.py robbot:=so101',
        'ros2 launch gr00t_bringup robot.launch.py shadow:=yes',
        'ros2 launch gr00t_bringup nowhere.launch.py',
        'ros2 run gr00t_policy_node policy',
        'ros2 service call /recorder/stop_episode gr00t_msgs/srv/StopEpisode "{ok: true}"',
        'ros2 service call /recorder/end_episode gr00t_msgs/srv/StopEpisode "{success: true}"',
        'make coffee',
    ],
)
def test_a_wrong_line_is_found(line):
    with pytest.raises(AssertionError):
        check_command(line)
