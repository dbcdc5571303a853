# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A verb that must answer answers in time, though its work hangs where nothing reaches it."""

import ctypes
import os
import signal
import threading
import time

import pytest

from gr00t_core.errors import ServingError
from gr00t_policy_node.person.bounded import within


def hang(seconds):
    """Hold the interpreter, as a middleware call does that never returns."""
    ctypes.PyDLL(None).sleep(seconds)


def late(told):
    print(f'told {told}')
    return 2 if told is None else told


@pytest.mark.parametrize(('tells', 'status'), [((), 2), ((2, 0), 0)])
def test_work_that_hangs_is_ended_and_what_it_told_counts(tells, status, capfd):
    def work(tell):
        for known in tells:
            tell(known)
        print('this much is known', flush=True)
        hang(60)
        return 1

    began = time.monotonic()
    assert within(1.0, work, late, 'gr00t test') == status
    assert time.monotonic() - began < 20
    said = capfd.readouterr().out
    assert 'this much is known' in said
    assert f'told {tells[-1] if tells else None}' in said
    with pytest.raises(ChildProcessError):  # nothing is left
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize('status', [0, 2, 130])
def test_work_in_time_ends_with_its_own_status(status):
    assert within(60.0, lambda tell: status, late, 'gr00t test') == status


def test_errors_of_the_work_are_told(capfd):
    def refused(tell):
        raise ServingError('no robot is there')

    def broken(tell):
        raise ZeroDivisionError('a fault')

    assert within(60.0, refused, late, 'gr00t test') == 1
    assert capfd.readouterr().err == 'gr00t test: no robot is there\n'
    assert within(60.0, broken, late, 'gr00t test') == 1
    assert 'ZeroDivisionError: a fault' in capfd.readouterr().err


def test_a_signal_reaches_the_work():
    def work(tell):
        heard = []
        signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
        end = time.monotonic() + 50
        while not heard and time.monotonic() < end:
            time.sleep(0.01)
        return 7 if heard else 8

    before = signal.getsignal(signal.SIGTERM)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    assert within(60.0, work, late, 'gr00t test') == 7
    timer.join()
    assert signal.getsignal(signal.SIGTERM) is before
