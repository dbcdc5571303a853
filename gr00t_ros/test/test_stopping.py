# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signals are noted, end a wait where that is asked for, and disturb no clean-up."""

import signal
import subprocess
import sys

import pytest

from gr00t_ros.stopping import STOP_SIGNALS

WAITS = """
import os, signal, time
from gr00t_ros.stopping import count_signals, ignore_signals
heard = count_signals(interrupt={interrupt})
try:
    os.kill(os.getpid(), {number})
    print('waited' if heard == [{number}] else heard)
except KeyboardInterrupt:
    print('interrupted' if heard == [{number}] else heard)
ignore_signals()
os.kill(os.getpid(), {number})
print('clean')
"""


@pytest.mark.parametrize('number', STOP_SIGNALS)
@pytest.mark.parametrize(('interrupt', 'said'), [(False, 'waited'), (True, 'interrupted')])
def test_a_signal_is_noted_and_the_end_is_undisturbed(number, interrupt, said):
    program = WAITS.format(number=int(number), interrupt=interrupt)
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert (done.stdout.split(), done.returncode) == ([said, 'clean'], 0), done.stderr


def test_ctrl_c_and_sigterm_are_among_them():
    assert {signal.SIGINT, signal.SIGTERM} == set(STOP_SIGNALS)
