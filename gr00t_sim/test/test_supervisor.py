# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor: what it lets happen, when it takes over, and that its expert then succeeds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gr00t_core.robot.file import load_robot
from gr00t_sim.scenes.interface import Outcome
from gr00t_sim.scenes.so101.kind import KIND
from gr00t_sim.supervisor import (
    DROPPED,
    LATE,
    Patience,
    Sight,
    STALLED,
    verdict,
    WRONG,
)

HZ = 30
PATIENCE = Patience()


def story(
    seconds: float,
    distance: Callable[[float], float],
    lift: Callable[[float], float] = lambda _: 0.0,
    other: Callable[[float], float] = lambda _: 0.0,
) -> list[Sight]:
    times = np.arange(0.0, seconds, 1.0 / HZ).tolist()
    return [Sight(time, distance(time), lift(time), other(time)) for time in times]


def first(seen: list[Sight], patience: Patience = PATIENCE) -> tuple[str, float | None]:
    """Return the first verdict of an episode, and when it fell."""
    for count in range(len(seen) + 1):
        if why := verdict(seen[:count], patience):
            return why, seen[count - 1].time_s
    return '', None


def approach(time: float) -> float:
    return max(0.01, 0.2 - 0.1 * time)


def test_a_good_episode_is_left_alone() -> None:
    assert verdict([], PATIENCE) == ''
    good = story(3.5, approach, lambda t: min(0.06, max(0.0, 0.1 * (t - 2.5))))
    assert first(good) == ('', None)


@pytest.mark.parametrize(
    ('seen', 'why', 'after'),
    [
        (story(4.0, lambda _: 0.15), STALLED, PATIENCE.stall_s),
        # It comes near, misses, and closes on nothing.
        (story(6.0, approach), STALLED, 1.9 + PATIENCE.stall_s),
        (story(3.0, approach, other=lambda t: max(0.0, 0.1 * (t - 2.0))), WRONG, 2.1),
        (story(5.0, approach, lambda t: 0.04 if 2.0 < t < 3.0 else 0.0), DROPPED, 3.0),
        # So slow that each step counts as progress.
        (story(9.0, lambda t: 0.3 - 0.02 * t), LATE, PATIENCE.late_s),
    ],
)
def test_a_failure_is_seen_and_named(seen: list[Sight], why: str, after: float) -> None:
    found, when = first(seen)
    assert found == why
    assert when == pytest.approx(after, abs=0.2)


def test_more_patience_takes_over_later() -> None:
    seen = story(6.0, lambda _: 0.15)
    patient = replace(PATIENCE, stall_s=4.0)
    assert (first(seen, patient)[1] or 0.0) - (first(seen)[1] or 0.0) == pytest.approx(
        1.5, abs=0.1
    )


@pytest.mark.parametrize('fault', ['stands still', 'the other cube', 'lets go'])
def test_the_expert_ends_what_a_policy_spoils(fault: str) -> None:
    """In the simulator, without ROS: a scripted fault, the verdict, then the expert from there."""
    robot = load_robot('so101')
    binding = KIND.bind(robot)
    scene = KIND.make(robot, binding, 0.0)
    steps = round(KIND.steps_hz / HZ)
    asked = KIND.training(500_001, 0.0, 0.0, '')
    assert KIND.sight is not None
    try:
        told = KIND.swapped(asked) if fault == 'the other cube' else asked
        scene.reset(told)
        expert = scene.expert(asked.seed, 1.0 / HZ)
        seen: list[Sight] = []
        # The expert of the fault follows its own task; the episode is judged by the asked one.
        own = scene.simulation.task
        judging = replace(own, color=asked.target, instruction=asked.instruction)
        scene.simulation.task = judging
        why = ''
        while not why:
            assert len(seen) < 12 * HZ
            seen.append(KIND.sight(scene, len(seen) / HZ))
            why = verdict(seen, PATIENCE)
            if fault == 'the other cube':
                scene.simulation.task = own
                scene.command(expert.act())
                scene.simulation.task = judging
            elif fault == 'lets go':
                values = expert.act()
                if max(sight.lift_m for sight in seen) > 0.03:
                    values['gripper'] = np.array([1.2])
                scene.command(values)
            scene.advance(steps)
        wanted = {'stands still': STALLED, 'the other cube': WRONG, 'lets go': DROPPED}
        assert why == wanted[fault]
        assert scene.outcome is Outcome.NONE
        person = scene.expert(asked.seed, 1.0 / HZ)
        for _ in range(20 * HZ):
            scene.command(person.act())
            scene.advance(steps)
            if scene.outcome is not Outcome.NONE:
                break
        assert scene.outcome is Outcome.SUCCESS
    finally:
        scene.close()
