# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The reference pages say what the code says."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='the reference is generated with the nodes: source ROS first')
pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')

SPEC = spec_from_file_location('generate', Path(__file__).parents[1] / 'generate.py')
assert SPEC is not None
assert SPEC.loader is not None
generate = module_from_spec(SPEC)
SPEC.loader.exec_module(generate)


@pytest.mark.parametrize(
    'page', ['parameters.md', 'messages.md', 'verbs.md', 'robots.md', 'robot-file.md']
)
def test_the_page_is_up_to_date(page):
    written = (generate.REFERENCE / page).read_text(encoding='utf-8')
    assert written == generate.pages()[page], 'run: python docs/generate.py'
