# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pages are true: their code blocks run, and what they name exists. Rules: `snippets.py`."""

import pytest

pytest.importorskip('rclpy', reason='pages name nodes and messages: source ROS first')
pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')

from checking import broken_links, check_command, check_yaml, commands
from inputs import Inputs
from running import run_page
from snippets import pages

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


@pytest.mark.parametrize('page', [p for p in RUN if not p.starts_nodes], ids=named)
def test_page_runs(page, tmp_path, inputs):
    inputs.give(page.given, tmp_path)
    run_page(page, tmp_path)


@pytest.mark.parametrize('page', [p for p in RUN if p.starts_nodes], ids=named)
def test_page_runs_with_ros(page, tmp_path, inputs, ros_domain):
    inputs.give(page.given, tmp_path)
    run_page(page, tmp_path)


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_page_names_what_exists(page):
    wrong = []
    for where, line in commands(page):
        try:
            check_command(line)
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
