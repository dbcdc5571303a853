# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Deltas in a row: every one is in exactly one row, whatever the rates and the jitter."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from gr00t_core.alignment.timeline import Timeline
from gr00t_core.checkpoint.metadata import check_robot, metadata_from_limits
from gr00t_core.errors import RobotFileError
from gr00t_core.robot.compare import robot_for
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot

START = 10_000_000_000
MS = 1_000_000


def twist(x: float) -> SimpleNamespace:
    zero = SimpleNamespace(x=0.0, y=0.0, z=0.0)
    return SimpleNamespace(
        twist=SimpleNamespace(linear=SimpleNamespace(x=x, y=0.0, z=0.0), angular=zero)
    )


def timeline(robot: Robot, stamps: list[int], values: list[float]) -> Timeline:
    made = Timeline(robot, with_action=True)
    for stamp, value in zip(stamps, values):
        made.add('eef_delta', twist(value), stamp, stamp)
    return made


@settings(max_examples=30)
@given(
    st.lists(st.floats(-1.0, 1.0), min_size=8, max_size=40),
    st.lists(st.integers(-20, 20), min_size=40, max_size=40),
    st.integers(0, 49),
)
def test_every_delta_is_in_exactly_one_row(
    values: list[float], jitter: list[int], phase: int
) -> None:
    """20 Hz commands with jitter, 10 Hz rows with jitter: none lost, none twice."""
    robot = load_robot('libero_panda_10hz')
    stamps = [START + (50 * k + phase + jitter[k] // 2) * MS for k in range(len(values))]
    made = timeline(robot, stamps, values)
    first = START - 100 * MS
    rows = [first + (100 * k + jitter[k]) * MS for k in range(len(values) // 2 + 4)]
    total = 0.0
    for now, after in pairwise(rows):
        row = made.row(now, None, after).action.get('x')
        total += 0.0 if row is None else float(row[0])
    assert total == pytest.approx(sum(values), abs=1e-9)


def test_a_row_at_the_commands_own_rate_holds_the_command_of_its_stamp() -> None:
    robot = load_robot('libero_panda')
    stamps = [START + 50 * k * MS for k in range(6)]
    made = timeline(robot, stamps, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    found = [float(made.row(stamp).action['x'][0]) for stamp in stamps]
    assert found == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def test_silence_is_zero_and_a_long_silence_a_gap() -> None:
    robot = load_robot('libero_panda')  # 20 Hz; a gap is three periods
    made = timeline(robot, [START, START + 150 * MS], [0.5, 0.5])
    assert made.row(START + 50 * MS).action['x'].tolist() == [0.0]
    late = made.row(START + 600 * MS)
    assert 'x' not in late.action
    assert late.gaps['action.x'] == 450 * MS


def awaited(made: Timeline) -> bool:
    streams = made.waiting(START, START + 100 * MS).values()
    return 'eef_delta' in {stream.topic for stream in streams}


def test_a_row_waits_for_the_deltas_up_to_the_next_one() -> None:
    robot = load_robot('libero_panda_10hz')
    made = timeline(robot, [START, START + 50 * MS], [0.1, 0.2])
    assert made.sums
    assert awaited(made)
    made.add('eef_delta', twist(0.4), START + 100 * MS, START + 100 * MS)
    assert not awaited(made)
    assert made.row(START, None, START + 100 * MS).action['x'][0] == pytest.approx(0.3)


def test_positions_still_hold() -> None:
    assert not Timeline(load_robot('so101'), with_action=True).sums


def flagged(robot: Robot, absolute: bool) -> dict[str, object]:
    entry = metadata_from_limits(robot)
    for name, group in entry['modalities']['action'].items():
        group['absolute'] = absolute if name != 'gripper' else True
    return entry


def test_deltas_called_absolute_fit_a_checkpoint_with_either_flag() -> None:
    robot = load_robot('libero_panda')  # absolute: true, command: delta
    for absolute in (True, False):
        check_robot(robot, flagged(robot, absolute), 'somewhere')


def test_deltas_do_not_fit_positions_unless_the_file_says_so(tmp_path: Path) -> None:
    robot = load_robot('libero_panda_10hz')  # absolute: false
    check_robot(robot, flagged(robot, False), 'somewhere')
    with pytest.raises(RobotFileError, match='write `absolute: true` and `command: delta`'):
        check_robot(robot, flagged(robot, True), 'somewhere')
    text = robot.source.read_text()
    said = tmp_path / 'said.yaml'
    said.write_text(text.replace('absolute: false', 'absolute: true\n    command: delta'))
    check_robot(load_robot(said), flagged(robot, True), 'somewhere')
    # The same for the robot file of a checkpoint: how rows were padded is no other meaning.
    (tmp_path / 'robot.yaml').write_text(text)
    assert robot_for(load_robot(said), tmp_path)[1] == ''
    velocity = tmp_path / 'velocity.yaml'
    boxless = text[: text.index('workspace:')]
    velocity.write_text(
        boxless.replace('absolute: false', 'absolute: true\n    command: velocity')
    )
    with pytest.raises(RobotFileError, match='contradicts'):
        robot_for(load_robot(velocity), tmp_path)


def test_the_robot_files_differ_in_rate_slot_and_reach_only() -> None:
    theirs, ours = load_robot('libero_panda'), load_robot('libero_panda_10hz')
    assert (theirs.rate_hz, ours.rate_hz) == (20.0, 10.0)
    assert ours.embodiment != load_robot('so101').embodiment
    assert theirs.action_names == ours.action_names
    assert theirs.state_names == ours.state_names
    np.testing.assert_array_equal(
        2 * np.concatenate([g.limits.upper for g in theirs.action[:6]]),
        np.concatenate([g.limits.upper for g in ours.action[:6]]),
    )
