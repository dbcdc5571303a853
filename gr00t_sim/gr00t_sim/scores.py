# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Score the episodes of an evaluation: success with its interval, confusion, time, smoothness."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.robot.description import NANOSECONDS
from gr00t_sim.scenes.interface import Kind, Outcome

CONFIDENCE = 0.95
SMOOTHNESS_HZ = 30.0  # about the samples per second that jerk is taken from, at any rate


@dataclass(frozen=True)
class Scored:
    """One evaluation episode.

    Attributes:
        run: What acted: `policy` or the name of a baseline.
        seed: Of the scene.
        target, instruction: What the episode is judged by.
        told: What the policy was told; the same but for the run `swapped`.
        outcome: Whether the named object was moved as asked, another one, or none in time.
        lifted: Whether the named object was lifted first, another one, or none: half of a task
            that goes on after the lift.
        duration_s: Simulated time to the outcome.
        jerk: Root mean square of the measured joints' third derivative, rad/s³; None when the
            episode was too short.
        chunks: Action chunks seen.
        ticks, silent_ticks: Lock-step ticks, and those in which the executor followed no chunk.
        timeouts: Waits of the lock-step that timed out.
    """

    run: str
    seed: int
    target: str
    instruction: str
    told: str
    outcome: str
    lifted: str
    duration_s: float
    jerk: float | None
    chunks: int
    ticks: int
    silent_ticks: int
    timeouts: int

    @property
    def right(self) -> bool:
        """Return whether the named object was moved as asked."""
        return self.outcome == Outcome.SUCCESS.value

    @property
    def wrong(self) -> bool:
        """Return whether another object was."""
        return self.outcome == Outcome.WRONG.value


@dataclass(frozen=True)
class Score:
    """What some episodes amount to; None where there is nothing to say.

    Attributes:
        episodes, right, wrong, none: Counts.
        success: Share of `right`; wilson_low, wilson_high: its 95 % interval.
        right_object: Share of `right` among the ends that are not `none`.
        right_lifts, wrong_lifts: Episodes in which the named object was lifted first, or another.
        time_s: Median time to success.
        jerk: Median jerk, rad/s³.
    """

    episodes: int
    right: int
    wrong: int
    none: int
    success: float | None
    wilson_low: float | None
    wilson_high: float | None
    right_object: float | None
    right_lifts: int
    wrong_lifts: int
    time_s: float | None
    jerk: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson, JASA 22, 1927); trials >= 1."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share = successes / trials
    scale = 1.0 + z * z / trials
    centre = (share + z * z / (2.0 * trials)) / scale
    half = z * np.sqrt(share * (1.0 - share) / trials + (z / (2.0 * trials)) ** 2) / scale
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def score(episodes: Sequence[Scored]) -> Score:
    """Sum up episodes."""
    right = [episode for episode in episodes if episode.right]
    wrong = sum(episode.wrong for episode in episodes)
    total, ended = len(episodes), len(right) + wrong
    lifts = [episode.lifted for episode in episodes]
    low, high = wilson(len(right), total) if total else (None, None)
    return Score(
        episodes=total,
        right=len(right),
        wrong=wrong,
        none=total - ended,
        success=len(right) / total if total else None,
        wilson_low=low,
        wilson_high=high,
        right_object=len(right) / ended if ended else None,
        right_lifts=lifts.count(Outcome.SUCCESS.value),
        wrong_lifts=lifts.count(Outcome.WRONG.value),
        time_s=_median([episode.duration_s for episode in right]),
        jerk=_median([episode.jerk for episode in episodes if episode.jerk is not None]),
    )


def groups(episodes: Sequence[Scored], kind: Kind) -> dict[str, Score]:
    """Score the episodes of one run by object, by phrasing and by whether the words are new."""
    keys: dict[str, list[Scored]] = {}
    for episode in episodes:
        words = kind.words(episode.instruction, episode.target)
        new = kind.is_new(episode.instruction)
        keys.setdefault(kind.label(episode.target), []).append(episode)
        keys.setdefault('phrasings never trained' if new else 'phrasings trained', []).append(
            episode
        )
        keys.setdefault(f'“{words}”' + (' (never trained)' if new else ''), []).append(episode)
    order = sorted(keys, key=lambda key: (key.startswith('“'), key))
    return {key: score(keys[key]) for key in order}


def summary(episodes: Sequence[Scored], kind: Kind) -> dict[str, Any]:
    """Return the figures of an evaluation; those of runs that were not made are None."""
    runs = {run: score([e for e in episodes if e.run == run]) for run in {e.run for e in episodes}}
    policy = runs.get('policy')
    policy_episodes = [episode for episode in episodes if episode.run == 'policy']

    def success(run: str) -> float | None:
        return runs[run].success if run in runs else None

    return {
        'success': policy and policy.success,
        'wilson_low': policy and policy.wilson_low,
        'wilson_high': policy and policy.wilson_high,
        'right_object': policy and policy.right_object,
        'swapped_success': success('swapped'),
        'blank_success': success('blank'),
        'zero_success': success('zero'),
        'mean_success': success('mean'),
        'runs': {name: runs[name].as_dict() for name in sorted(runs)},
        'groups': {name: value.as_dict() for name, value in groups(policy_episodes, kind).items()},
    }


def jerk(stamps_ns: Sequence[int], positions: NDArray[np.float64]) -> float | None:
    """Return the root mean square of the joints' third derivative, rad/s³.

    Args:
        stamps_ns: (N,) stamps, not falling.
        positions: (N, D) rad, evenly spaced but for losses; thinned to about `SMOOTHNESS_HZ`.
    """
    if len(stamps_ns) < 2:
        return None
    period_s = float(np.median(np.diff(stamps_ns))) / NANOSECONDS
    stride = max(1, round(1.0 / (SMOOTHNESS_HZ * period_s))) if period_s > 0 else 1
    stamps, rows = np.asarray(stamps_ns)[::stride], positions[::stride]
    if len(stamps) < 4:
        return None
    gap_s = np.diff(stamps) / NANOSECONDS
    whole = np.abs(gap_s / (stride * period_s) - 1.0) < 0.1  # no sample was lost in between
    evenly = whole[:-2] & whole[1:-1] & whole[2:]
    if not evenly.any():
        return None
    third = np.diff(rows, n=3, axis=0)[evenly] / (stride * period_s) ** 3
    return float(np.sqrt(np.mean(third**2)))


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
