# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The verdict on an episode is what `gr00t convert` then does with it."""

from dataclasses import replace
import time

from converted import convert
import pytest
from truth_bag import Fault, TruthBag

from gr00t_core.robot.file import load_robot
from rosbag_tools.record.judge import judge
from rosbag_tools.record.judging import Judgements

ROBOT = load_robot('so101')
NOTES = {'gr00t.robot': ROBOT.source.read_text(encoding='utf-8'), 'gr00t.success': 'true'}
WRIST = 'camera/wrist/image_raw/compressed'


def without(*topics):
    """Return the robot without the streams of some topics: what a bag of it lacks."""
    return replace(
        ROBOT,
        cameras=tuple(c for c in ROBOT.cameras if c.stream.topic not in topics),
        action=tuple(g for g in ROBOT.action if g.stream.topic not in topics),
    )


@pytest.mark.parametrize(
    'faults',
    [
        {},
        {WRIST: Fault(silent=(0.5, 1.0))},
        {'joint_states': Fault(silent=(0.3, 0.6))},
        {'joint_commands': Fault(drop=0.3)},
    ],
)
def test_as_many_rows_are_promised_as_the_converter_makes(tmp_path, faults):
    bag = TruthBag(seconds=2.0, custom=NOTES, faults=faults).write(tmp_path / 'bag')
    verdict = judge(bag)
    assert verdict.convertible, verdict
    assert verdict.rows == convert(tmp_path, bag).rows
    assert verdict.text.startswith(f'convertible: {verdict.rows} rows')
    assert ('dropped' in verdict.text) == bool(verdict.rows < 59)


def test_what_is_missing_is_named(tmp_path):
    bag = TruthBag(seconds=1.0, robot=without(WRIST), custom=NOTES).write(tmp_path / 'bag')
    verdict = judge(bag)
    assert verdict.convertible is False
    assert verdict.text.startswith(f'NOT convertible: no camera wrist (nothing came on {WRIST})')
    with pytest.raises(AssertionError):  # the converter refuses it as well
        convert(tmp_path, bag)


def test_a_bag_without_commands_says_which_labels_it_could_have(tmp_path):
    robot = without('joint_commands')
    bag = TruthBag(seconds=1.0, robot=robot, custom=NOTES).write(tmp_path / 'bag')
    verdict = judge(bag)
    assert verdict.convertible is False
    assert 'no action.single_arm, action.gripper' in verdict.text
    rows = convert(tmp_path, bag, '--action-from', 'next_state').rows
    assert f'with --action-from next_state: {rows} rows' in verdict.text


def test_too_slow_a_camera_and_wrong_joints_are_not_convertible(tmp_path):
    slow = TruthBag(seconds=2.0, camera_hz=15.0, custom=NOTES).write(tmp_path / 'slow')
    assert judge(slow).text.startswith("NOT convertible: camera 'front' ran at 15")
    other = NOTES | {'gr00t.robot': NOTES['gr00t.robot'].replace('elbow_flex', 'elbow')}
    bag = TruthBag(seconds=1.0, custom=other).write(tmp_path / 'joints')
    verdict = judge(bag)
    assert verdict.convertible is False
    assert 'elbow' in verdict.text


def test_another_size_is_told_and_a_bag_of_nobody_is_not_judged_good(tmp_path):
    bag = TruthBag(seconds=1.0, size=(160, 120), custom=NOTES).write(tmp_path / 'small')
    verdict = judge(bag)
    assert verdict.convertible
    assert 'camera wrist is 160×120, the robot file says 320×240' in verdict.text
    assert not judge(TruthBag(seconds=0.5).write(tmp_path / 'nothing')).convertible
    assert not judge(tmp_path / 'nothing').convertible


def test_judgements_come_in_order_and_those_of_moved_bags_do_not(tmp_path):
    bags = [TruthBag(seconds=0.5, custom=NOTES).write(tmp_path / name) for name in ('a', 'b', 'c')]
    judgements = Judgements()
    for bag in bags:
        judgements.add(bag)
    assert list(judgements.take()) == []  # the first has begun; nothing waits for it
    judgements.drop(bags[1])
    found = []
    end = time.monotonic() + 60
    while len(judgements) and time.monotonic() < end:
        found += judgements.take()
        time.sleep(0.02)
    assert [path for path, _ in found] == [bags[0], bags[2]]
    assert all(verdict.convertible and verdict.rows > 10 for _, verdict in found)
    judgements.add(bags[0])
    judgements.add(bags[2])
    list(judgements.take())
    ended = list(judgements.close(0.0))
    assert [path for path, _ in ended] == [bags[0], bags[2]]
    assert all(v.convertible is None and v.text.startswith('not judged') for _, v in ended)
    assert len(judgements) == 0
