# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Head-only requests follow a full answer only, and never outlive a fault."""

from hypothesis import given
from hypothesis import strategies as st

from gr00t_policy_node.policy.head_only import FeatureReuse


def test_so_many_head_only_requests_follow_a_full_one():
    reuse, asked = FeatureReuse(2), []
    for _ in range(7):
        asked.append(reuse.ask())
        reuse.answered()
    assert asked == [False, True, True, False, True, True, False]


@given(st.integers(0, 4), st.lists(st.sampled_from(['ask', 'answered', 'reset'])))
def test_no_features_are_reused_that_were_not_computed_since_the_last_fault(most, events):
    reuse, available = FeatureReuse(most), 0
    asked_full = False
    for event in events:
        if event == 'ask':
            head_only = reuse.ask()
            assert not head_only or available > 0
            available -= head_only
            asked_full = not head_only
        elif event == 'answered':
            reuse.answered()
            available = most if asked_full else available
        else:
            reuse.reset()
            available, asked_full = 0, False
