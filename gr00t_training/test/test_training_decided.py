# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open-loop errors by who decided the steps."""

import numpy as np
import pytest

from gr00t_core.dataset.corrections import HOLD, PERSON, POLICY
from gr00t_training.open_loop import decided, Trajectory


def trajectory(source, error):
    truth = {'arm': np.zeros((len(error), 2)), 'hand': np.zeros((len(error), 1))}
    predicted = {name: values + np.reshape(error, (-1, 1)) for name, values in truth.items()}
    return Trajectory(0, 'lift', truth, predicted, {}, (0,), source)


def test_each_step_counts_for_who_decided_it():
    first = trajectory(np.array([POLICY, POLICY, PERSON]), [1.0, 3.0, 10.0])
    second = trajectory(np.array([PERSON, HOLD]), [20.0, 0.0])
    found = decided([first, second])
    assert found == {
        'policy': {'mse': pytest.approx(5.0), 'mae': pytest.approx(2.0), 'steps': 2},
        'person': {'mse': pytest.approx(250.0), 'mae': pytest.approx(15.0), 'steps': 2},
        'hold': {'mse': 0.0, 'mae': 0.0, 'steps': 1},
    }


def test_nothing_is_said_where_it_is_not_known():
    known = trajectory(np.array([POLICY]), [1.0])
    assert decided([known, trajectory(None, [1.0])]) == {}
