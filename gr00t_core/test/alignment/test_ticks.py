# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rows are exact in number and place for jitter, losses, gaps and other camera rates."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.alignment.row_ticks import frames_are_ticks, FrameTicks, GridTicks
from gr00t_core.alignment.timeline import tick_ns
from gr00t_core.robot.description import NANOSECONDS

START = 1_700_000_000 * NANOSECONDS


def frame_ticks(stamps, rate_hz=30.0):
    ticks = FrameTicks(rate_hz, round(3 * NANOSECONDS / rate_hz))
    return [tick for stamp in stamps for tick in ticks.add(int(stamp))] + ticks.finish()


def grid_ticks(stamps, camera_rate_hz, rate_hz):
    ticks = GridTicks(camera_rate_hz, rate_hz, round(3 * NANOSECONDS / camera_rate_hz))
    return [tick for stamp in stamps for tick in ticks.add(int(stamp))] + ticks.finish()


@given(st.integers(0, 2**32 - 1), st.sampled_from([10.0, 15.0, 29.97, 30.0, 60.0]))
def test_jittered_frames_are_the_ticks(seed, rate_hz):
    rng = np.random.default_rng(seed)
    jitter = rng.normal(0, 0.08 * NANOSECONDS / rate_hz, 300).clip(
        -0.24e9 / rate_hz, 0.24e9 / rate_hz
    )
    stamps = [tick_ns(START, k, rate_hz) + int(j) for k, j in enumerate(jitter)]
    ticks = frame_ticks(stamps, rate_hz)
    assert [tick.stamp_ns for tick in ticks] == stamps
    assert not any(tick.repeated or tick.after_gap for tick in ticks)


@given(st.integers(0, 2**32 - 1), st.floats(0.001, 0.05))
def test_lost_frames_keep_their_rows_and_are_marked(seed, loss):
    rng = np.random.default_rng(seed)
    kept = rng.random(600) >= loss
    kept[[0, -1]] = True
    keep = np.flatnonzero(kept)
    if np.diff(keep).max() > 2:  # longer gaps are the next test's
        return
    jitter = rng.normal(0, 1.5e6, 600).clip(-5e6, 5e6)
    ticks = frame_ticks([tick_ns(START, int(k), 30.0) + int(jitter[k]) for k in keep])
    assert len(ticks) == 600
    assert [not tick.repeated for tick in ticks] == kept.tolist()
    places = [(tick.stamp_ns - START) / NANOSECONDS * 30.0 for tick in ticks]
    np.testing.assert_allclose(places, np.arange(600), atol=0.4)


@given(st.integers(0, 2**32 - 1))
def test_frames_that_are_very_late_are_not_taken_for_lost_ones(seed):
    """Jitter beyond half a period: where a frame stands late, the next one keeps its place."""
    rng = np.random.default_rng(seed)
    jitter = np.zeros(300)
    late = rng.choice(np.arange(1, 149), 20, replace=False) * 2
    jitter[late] = rng.uniform(0.5, 0.9, 20) * NANOSECONDS / 30
    stamps = [tick_ns(START, k, 30.0) + int(j) for k, j in enumerate(jitter)]
    ticks = frame_ticks(stamps)
    assert [tick.stamp_ns for tick in ticks] == stamps
    assert not any(tick.repeated for tick in ticks)


def test_a_long_gap_gives_no_rows_and_is_marked():
    frames = [*range(10), *range(20, 30)]
    ticks = frame_ticks([tick_ns(START, k, 30.0) for k in frames])
    assert len(ticks) == 20
    assert [k for k, tick in enumerate(ticks) if tick.after_gap] == [10]
    assert not any(tick.repeated for tick in ticks)


@pytest.mark.parametrize(
    ('camera_hz', 'rate_hz'), [(60, 30), (30, 10), (60, 50), (25, 20), (90, 30)]
)
def test_grid_takes_distinct_frames_from_a_faster_camera(camera_hz, rate_hz):
    rng = np.random.default_rng(0)
    period = NANOSECONDS / camera_hz
    jitter = rng.uniform(-0.2, 0.2, camera_hz * 10) * period
    stamps = [tick_ns(START, k, camera_hz) + int(j) for k, j in enumerate(jitter)]
    ticks = grid_ticks(stamps, camera_hz, rate_hz)
    assert abs(len(ticks) - 10 * rate_hz) <= 1
    assert not any(tick.repeated for tick in ticks)
    frames = [tick.frame_stamp_ns for tick in ticks]
    assert len(set(frames)) == len(frames)
    assert set(frames) <= set(stamps)
    places = (np.array(frames) - START) / NANOSECONDS * rate_hz
    assert np.abs(places - np.arange(len(ticks))).max() <= rate_hz / camera_hz


def test_grid_bridges_a_lost_frame_and_marks_a_gap():
    stamps = [tick_ns(START, k, 60.0) for k in range(120) if k not in (20, *range(60, 80))]
    ticks = grid_ticks(stamps, 60.0, 30.0)
    assert not any(tick.repeated for tick in ticks)  # frame 19 stands in for frame 20
    assert tick_ns(START, 19, 60.0) in [tick.frame_stamp_ns for tick in ticks]
    assert sum(tick.after_gap for tick in ticks) == 1


def test_a_slower_camera_repeats_and_says_so():
    ticks = grid_ticks([tick_ns(START, k, 10.0) for k in range(50)], 10.0, 30.0)
    assert len(ticks) == pytest.approx(3 * 50, abs=2)
    assert sum(tick.repeated for tick in ticks) == len(ticks) - 50
    spacing = np.diff([tick.stamp_ns for tick in ticks if tick.repeated])
    assert (spacing > 0).all()


def test_rates_that_count_as_the_same():
    assert frames_are_ticks(29.97, 30.0)
    assert frames_are_ticks(30.9, 30.0)
    assert not frames_are_ticks(60.0, 30.0)
    assert not frames_are_ticks(17.0, 30.0)


def test_ticks_do_not_drift():
    """The 108,000th tick of an hour at 30 Hz stands exactly on the hour."""
    assert tick_ns(START, 108_000, 30.0) == START + 3600 * NANOSECONDS
