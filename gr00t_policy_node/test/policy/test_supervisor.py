# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which transitions the policy node makes itself, and the thread that loads the policy."""

import itertools
import threading

from hypothesis import given
from hypothesis import strategies as st
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('gr00t_msgs.msg', reason='source install/setup.bash first')

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import ServingError
from gr00t_core.robot.file import load_robot
from gr00t_policy_node.policy.loading import Loading, still_runs
from gr00t_policy_node.policy.supervisor import RETRY_S, Supervisor

STATES = ('unconfigured', 'inactive', 'active', 'finalized')
# What each transition may start from, by the lifecycle design of ROS 2.
STARTS = {
    'configure': 'unconfigured',
    'activate': 'inactive',
    'deactivate': 'active',
    'cleanup': 'inactive',
}


@given(
    st.booleans(),
    st.sampled_from(STATES),
    st.booleans(),
    st.booleans(),
    st.lists(st.sampled_from(['failed', 'final', 'crashed', 'loaded', 'let_go']), max_size=5),
    st.floats(0.0, 100.0),
)
def test_a_transition_always_fits_the_state(autostart, state, is_ready, is_broken, events, now_s):
    supervisor = Supervisor(autostart=autostart)
    for event in events:
        if event in ('failed', 'final'):
            supervisor.failed('why', is_final=event == 'final', now_s=now_s)
        elif event == 'crashed':
            supervisor.crashed('why', now_s=now_s)
        else:
            getattr(supervisor, event)()
    found = supervisor.transition(state, is_ready=is_ready, is_broken=is_broken, now_s=now_s)
    assert found == '' or STARTS[found] == state
    if not autostart:
        assert found in ('', 'cleanup', 'deactivate')
        assert not supervisor.fatal
    if is_broken:  # what is broken is always freed, and never goes on
        assert found == {'active': 'deactivate', 'inactive': 'cleanup'}.get(state, '')


def test_attempts_come_at_growing_distances_and_never_stop():
    supervisor = Supervisor(autostart=True)
    state = {'is_ready': False, 'is_broken': False}
    assert supervisor.transition('unconfigured', **state, now_s=0.0) == 'configure'
    now_s = 0.0
    for wait_s in (*RETRY_S, RETRY_S[-1], RETRY_S[-1]):
        supervisor.failed('no server', is_final=False, now_s=now_s)
        before, after = now_s + wait_s - 0.01, now_s + wait_s
        assert supervisor.transition('unconfigured', **state, now_s=before) == ''
        assert supervisor.transition('unconfigured', **state, now_s=after) == 'configure'
        now_s = after


def test_a_clients_transition_ends_autostart_until_a_crash():
    supervisor = Supervisor(autostart=True)
    supervisor.let_go()
    state = {'is_ready': True, 'is_broken': False}
    assert supervisor.transition('inactive', **state, now_s=99.0) == ''
    supervisor.crashed('why', now_s=99.0)
    assert supervisor.transition('unconfigured', **state, now_s=99.0) == ''
    assert supervisor.transition('unconfigured', **state, now_s=101.0) == 'configure'


class SlowBackend:
    """A backend whose load ends when the test says so."""

    def __init__(self, error=None):
        self.go, self.closed, self.error = threading.Event(), threading.Event(), error

    def wait_ready(self, keep_waiting):
        assert self.go.wait(10.0)
        if self.error is not None:
            raise self.error

    def get_modality_config(self):
        return {'video': ModalityConfig((0,), ())}

    def close(self):
        self.closed.set()


class Log:
    def info(self, text):
        pass


@pytest.mark.parametrize(
    ('error', 'said', 'is_final'),
    [
        (None, 'the policy is not for robot', True),
        (ServingError('no server'), 'no server', False),
        (ValueError('a bug'), 'ValueError: a bug', True),
    ],
)
def test_a_failed_load_keeps_its_reason(error, said, is_final):
    woken = threading.Event()
    backend = SlowBackend(error)
    loading = Loading(backend, load_robot('so101'), Log(), woken.set)
    loading.start()
    assert still_runs()
    assert not loading.failure
    backend.go.set()
    assert woken.wait(10.0)
    assert said in loading.failure
    assert (loading.is_ready, loading.is_final) == (False, is_final)
    assert loading.stop(0.0)  # the caller frees the backend
    assert not backend.closed.is_set()


@pytest.mark.parametrize('patience_s', [0.0, 5.0])
def test_a_load_that_is_given_up_frees_the_backend_when_its_call_ends(patience_s):
    wakes = itertools.count()
    backend = SlowBackend()
    loading = Loading(backend, load_robot('so101'), Log(), lambda: next(wakes))
    loading.start()
    if patience_s:
        threading.Timer(0.1, backend.go.set).start()
    assert not loading.stop(patience_s)
    assert backend.closed.is_set() == bool(patience_s)
    backend.go.set()
    assert backend.closed.wait(10.0)
    loading.join(10.0)
    assert next(wakes) == 0  # the node was not told of it
    assert not still_runs()
