# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A device that works no more is told from a call that failed, whatever the error's words."""

import pytest

from gr00t_core.engines.torch import TorchBackend
from gr00t_core.errors import BackendError, DeviceLostError, ObservationError
from gr00t_core.policy import Gr00tPolicy

# Errors of PyTorch, of a library that PyTorch calls, and of TensorRT.
ERRORS = (
    RuntimeError('CUDA error: an illegal memory access was encountered'),
    RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'),
    BackendError('TensorRT failed: [enqueue] Cask Error'),
)


@pytest.fixture
def policy(tiny_checkpoint):
    return Gr00tPolicy(tiny_checkpoint('n1_5'), seed=0)


def fail(monkeypatch, method, error):
    def raises(*_):
        raise error

    monkeypatch.setattr(TorchBackend, method, raises)


@pytest.mark.parametrize('error', ERRORS, ids=str)
def test_a_device_that_no_call_can_use_any_more_is_lost(policy, monkeypatch, error):
    fail(monkeypatch, 'encode', error)
    fail(monkeypatch, 'synchronize', RuntimeError('unspecified launch failure\nCompile with …'))
    with pytest.raises(DeviceLostError) as raised:
        policy.get_action(policy.observation_example())
    assert 'cpu does not work any more in this process: unspecified launch' in str(raised.value)
    assert str(error) in str(raised.value)
    assert raised.value.__cause__ is error
    answers = policy.get_actions([(policy.observation_example(), {})] * 2)
    assert [type(answer) for answer in answers] == [DeviceLostError] * 2


@pytest.mark.parametrize('error', ERRORS, ids=str)
def test_a_call_that_failed_leaves_the_device_and_its_own_error(policy, monkeypatch, error):
    with monkeypatch.context() as patch:
        fail(patch, 'encode', error)
        with pytest.raises(type(error)) as raised:
            policy.get_action(policy.observation_example())
    assert raised.value is error
    policy.get_action(policy.observation_example())


def test_an_observation_that_is_refused_does_not_wait_for_the_device(policy, monkeypatch):
    fail(monkeypatch, 'synchronize', AssertionError('it was asked'))
    with pytest.raises(ObservationError, match='make a full call'):
        policy.get_action(policy.observation_example(), head_only=True)
