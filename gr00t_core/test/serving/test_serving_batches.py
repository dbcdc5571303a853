# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clients that wait at the same time are answered in one batch, each as if it were alone."""

import queue
import time

from hypothesis import given, strategies
import numpy as np
import pytest

from gr00t_core.errors import ObservationError, ServingError
from gr00t_core.joint_calls import Call, groups, MAX_ROWS
from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.policy import Gr00tPolicy
from gr00t_core.robot.file import load_robot
from gr00t_core.serving.service import PolicyService

# Larger products add up in another order. The largest difference seen here, in the robot's units
# (up to 8), in float32, was 1e-6.
TOLERANCE = 1e-5


@pytest.fixture(scope='module', params=['n1_5', 'n1_7'])
def policy(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('batches') / request.param
    init_checkpoint('tiny', load_robot('so101'), folder, family=request.param)
    return Gr00tPolicy(folder, seed=3)


def calls_of(policy, count):
    """Return calls that differ in all that a client may vary."""
    rng = np.random.default_rng(0)
    calls = []
    for index in range(count):
        observation = policy.observation_example()
        for key, value in observation.items():
            if key.startswith('video.'):
                observation[key] = rng.integers(0, 256, value.shape, dtype=np.uint8)
            elif key.startswith('state.'):
                observation[key] = value + rng.uniform(-2, 2, value.shape)
        observation[policy.transforms.language] = ['stop', 'put the cube into the bowl'][
            index % 2 :
        ][:1]
        options = {'seed': index}
        if index % 3 == 2:
            horizon = policy.transforms.horizon
            options['prefix'] = {
                f'action.{group.name}': rng.uniform(-1, 1, (horizon, group.width))
                for group in policy.transforms.action
            }
            options['prefix_weight'] = np.linspace(1, 0, horizon)
        calls.append((observation, options))
    return calls


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key].shape == value.shape
        np.testing.assert_allclose(found[key], value, rtol=1e-5, atol=TOLERANCE)


def test_together_is_one_by_one(policy):
    calls = calls_of(policy, 7)
    batched = {
        key: value if isinstance(value, list) else value[None]
        for key, value in calls[0][0].items()
    }
    calls.append((batched, {'seed': 40}))
    alone = [policy.get_action(observation, **options) for observation, options in calls]
    runs = []
    predict = policy.backend.predict

    def counted(batch, *rest, **options):
        runs.append(len(batch['state']))
        return predict(batch, *rest, **options)

    policy.backend.predict = counted
    try:
        together = policy.get_actions(calls)
    finally:
        policy.backend.predict = predict
    assert sorted(runs) == [2, 6]  # two calls have a prefix
    for found, expected in zip(together, alone, strict=True):
        assert_same(found, expected)
    assert not np.allclose(alone[0]['action.gripper'], alone[4]['action.gripper'], atol=1e-2)


def test_noise_is_drawn_in_the_order_of_the_calls(policy):
    calls = [(observation, {}) for observation, _ in calls_of(policy, 3)]
    state = policy._generator.bit_generator.state
    alone = [policy.get_action(observation) for observation, _ in calls]
    policy._generator.bit_generator.state = state
    for found, expected in zip(policy.get_actions(calls), alone, strict=True):
        assert_same(found, expected)


def test_a_bad_call_does_not_touch_the_others(policy):
    calls = calls_of(policy, 4)
    expected = policy.get_action(calls[1][0], seed=1)
    del calls[0][0]['state.gripper']
    calls[2] = (calls[2][0], {'seed': -1})
    calls[3] = (calls[3][0], {'head_only': True})
    found = policy.get_actions(calls)
    for place, message in (
        (0, "lacks 'state.gripper'"),
        (2, 'seed: -1'),
        (3, 'head_only: calls of'),
    ):
        assert isinstance(found[place], ObservationError)
        assert message in str(found[place])
    assert_same(found[1], expected)


def test_a_run_that_fails_is_made_again_call_by_call(policy, monkeypatch):
    calls = [
        (observation, {'seed': place})
        for place, (observation, _) in enumerate(calls_of(policy, 3))
    ]
    alone = [policy.get_action(observation, **options) for observation, options in calls]
    predict = policy.backend.predict

    def poisoned(batch, noise, *rest, **options):
        if np.array_equal(
            noise[-1:], np.random.default_rng(2).standard_normal(noise[-1:].shape, np.float32)
        ):
            raise RuntimeError('out of memory')
        return predict(batch, noise, *rest, **options)

    monkeypatch.setattr(policy.backend, 'predict', poisoned)
    found = policy.get_actions(calls)
    assert str(found[2]) == 'out of memory'
    for place in (0, 1):
        assert_same(found[place], alone[place])


@given(
    strategies.lists(
        strategies.tuples(
            strategies.integers(1, 40),
            strategies.sampled_from([None, 0.0, 1.0]),
            strategies.sampled_from([8, 16]),
        ),
        max_size=30,
    )
)
def test_groups_hold_every_call_once_and_few_samples(kinds):
    calls = {}
    for place, (rows, weight, size) in enumerate(kinds):
        firm = None if weight is None else np.full(2, weight, np.float32)
        images, noise = np.zeros((rows, size), np.uint8), np.zeros((rows, 2, 2), np.float32)
        calls[3 * place] = Call({}, True, {'pixel_values': images}, noise, None, firm, False)
    found = groups(calls)
    assert sorted(place for group in found for place in group) == list(calls)
    for group in found:
        assert group == sorted(group)
        assert len(group) == 1 or sum(len(calls[place].noise) for place in group) <= MAX_ROWS
        assert len({kinds[place // 3][1:] for place in group}) == 1


# The service: who waits for whom, and for how long.


class Counting:
    """A policy that notes how many calls it gets at once."""

    def __init__(self, delay_s=0.0):
        self.runs, self.delay_s = [], delay_s

    def get_action(self, observation, *, seed=None):
        return self.get_actions([(observation, {'seed': seed})])[0]

    def get_actions(self, calls):
        self.runs.append(len(calls))
        time.sleep(self.delay_s)
        return [
            {'action.a': np.full(3, options.get('seed') or 0.0)}
            if options.get('seed') != 13
            else ValueError('unlucky')
            for _, options in calls
        ]

    def get_modality_config(self):
        keys = {'video': [], 'state': ['state.a'], 'action': ['action.a'], 'language': []}
        return {
            name: {'delta_indices': [0], 'modality_keys': found} for name, found in keys.items()
        }


@pytest.fixture
def serving():
    services = []

    def start(policy, wait_s):
        service = PolicyService(lambda: (policy, {}), batch_wait_s=wait_s)
        services.append(service)
        service.start()
        until = time.monotonic() + 5
        while service.health()['status'] == 'loading' and time.monotonic() < until:
            time.sleep(0.002)
        return service

    yield start
    for service in services:
        assert service.stop(5)


def ask(service, count, **options):
    """Submit `count` calls at once; return a queue of (place, answer)."""
    answers = queue.SimpleQueue()
    for place in range(count):
        service.submit(
            {'state.a': np.zeros((1, 2))},
            {'seed': place, 'info': True} | options,
            lambda answer, place=place: answers.put((place, answer)),
        )
    return answers


def test_calls_that_come_in_time_are_answered_together(serving):
    policy = Counting()
    service = serving(policy, 0.3)
    answers = ask(service, 14)
    found = dict(answers.get(timeout=5) for _ in range(14))
    assert policy.runs == [14]
    for place, answer in found.items():
        if place == 13:
            assert str(answer) == 'unlucky'
        else:
            np.testing.assert_array_equal(answer['action.a'], np.full(3, place))
            assert answer['info']['together'] == 14
    health = service.health()
    assert (health['calls'], health['errors'], health['batches']) == (13, 1, 1)


def test_a_call_waits_no_longer_than_it_was_told(serving):
    service = serving(Counting(), 0.1)
    (_, answer) = ask(service, 1).get(timeout=5)
    assert 0.09 <= answer['info']['waited_s'] < 0.5


def test_calls_that_waited_for_a_run_wait_no_more(serving):
    policy = Counting(delay_s=0.4)
    service = serving(policy, 0.05)
    first = ask(service, 1)
    time.sleep(0.2)  # the first call is being answered
    others = ask(service, 5)
    first.get(timeout=5)
    waited = [others.get(timeout=5)[1]['info']['waited_s'] for _ in range(5)]
    assert policy.runs == [1, 5]
    assert max(waited) < 0.4


def test_without_a_wait_calls_are_answered_one_by_one(serving):
    policy = Counting(delay_s=0.01)
    service = serving(policy, 0.0)
    answers = ask(service, 6)
    found = [answers.get(timeout=5) for _ in range(6)]
    assert [place for place, _ in found] == list(range(6))
    assert policy.runs == [1] * 6
    assert found[0][1]['info'].keys() == {'waited_s', 'policy_s'}
    assert 'batches' not in service.health()


def test_impatient_clients_are_left_out(serving):
    policy = Counting()
    service = serving(policy, 0.2)
    impatient = ask(service, 1, timeout_s=0.01)
    patient = ask(service, 2)
    assert str(impatient.get(timeout=5)[1]).startswith('dropped: waited 0.')
    assert [len(patient.get(timeout=5)[1]) for _ in range(2)] == [2, 2]
    assert policy.runs == [2]


def test_a_policy_without_get_actions_is_refused(serving):
    class One:
        get_action = Counting.get_action
        get_modality_config = Counting.get_modality_config

    service = serving(One(), 0.01)
    assert service.health()['status'] == 'failed'
    assert 'One has no get_actions' in service.health()['message']
    with pytest.raises(ServingError, match='the policy failed'):
        ask(service, 1)
