# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a verb answers to options from elsewhere names options that it has."""

import re

from checking import help_of
import pytest

from gr00t_core.commands.foreign_options import INSTEAD

SUBS = {'export': ('onnx', 'tensorrt'), 'sim': ('evaluate', 'collect')}


@pytest.mark.parametrize('verb', sorted(INSTEAD))
def test_answers_name_options_that_exist(verb):
    text = ' '.join(help_of(verb, sub) for sub in SUBS.get(verb, ('',)))
    for option, answer in INSTEAD[verb].items():
        assert not re.search(rf'(?<![\w-]){option}(?![\w-])', text), f'{verb} has {option}'
        for ours in re.findall(r'--[a-z][\w-]+', answer.partition('torchrun')[0]):
            assert re.search(rf'(?<![\w-]){ours}(?![\w-])', text), f'{verb} has no {ours}'
