# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the stretches of a new dataset that a person should look at, with links to the page.

They are those that `gr00t validate` warns of. Pictures are compared as they were recorded.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
import shlex
from typing import Any

import numpy as np

from gr00t_core.dataset.checks.conspicuous import Conspicuous, find_in, moves, shortened
from gr00t_core.dataset.formats.tables import read_column
from gr00t_core.dataset.moment import Moment
from gr00t_core.dataset.write.piece import SHARD_DATA
from gr00t_core.robot.description import Robot

COLUMNS = {'state': 'observation.state', 'action': 'action'}


def to_look_at(
    report: Mapping[str, Any], robot: Robot, shards: Sequence[Path]
) -> list[dict[str, Any]]:
    """Return the stretches, in the order of the episodes.

    Args:
        report: What `gr00t convert` writes as JSON.
        robot: The robot of the dataset.
        shards: The episodes' shards, in the order of the report.

    Returns:
        Dicts with `episode`, rows `first` and `end`, `at_s`, and `what` in words.
    """
    fps = report['fps']
    episodes = [
        episode for bag in report['bags'] if 'error' not in bag for episode in bag['episodes']
    ]
    files = [shard / SHARD_DATA for shard in shards]
    rows = {kind: read_column(files, name).astype(np.float64) for kind, name in COLUMNS.items()}
    slices = {'state': robot.state_slices(), 'action': robot.action_slices()}
    groups = {
        f'{kind}.{name}': rows[kind].reshape(len(rows[kind]), -1)[:, columns]
        for kind, found in slices.items()
        for name, columns in found.items()
    }
    plain = {f'state.{group.name}' for group in robot.state if group.rotation is None}
    found = find_in(groups, [episode['rows'] for episode in episodes], fps, plain, robot)
    state = rows['state'].reshape(len(rows['state']), -1)
    span = np.ptp(state, axis=0)
    start = 0
    for number, episode in enumerate(episodes):
        # A report of shards that an earlier version made does not have it.
        for camera, stretches in episode.get('same_picture', {}).items():
            for first, end in stretches:
                if moves(state[start + first : start + end], span):
                    seconds = (end - first) / fps
                    what = f'{camera} shows the same picture for {seconds:.1f} s'
                    what += ' while the robot moves'
                    found.append(Conspicuous(number, first, end, what))
        start += episode['rows']
    found.sort(key=lambda each: (each.episode, each.first))
    return [
        {
            'episode': each.episode,
            'first': each.first,
            'end': each.end,
            'at_s': round(each.first / fps, 3),
            'what': each.what,
        }
        for each in shortened(found)
    ]


def look_section(found: Sequence[Mapping[str, Any]], output: Path) -> str:
    """Return the stretches as a part of the HTML page.

    Args:
        found: What `to_look_at` returned.
        output: Folder of the dataset.
    """
    if not found:
        return '<p>Nothing idle, clipped, leaping or frozen.</p>'
    opened = str(output.absolute())
    lines = [
        '<tr><td><a target="gr00t-view" href="{}">episode {}, {:.2f} s</a></td>'
        '<td>{}</td><td><code>{}</code></td></tr>'.format(
            escape(moment.address),
            each['episode'],
            each['at_s'],
            escape(each['what']),
            escape(moment.command(opened)),
        )
        for each in found
        for moment in [Moment(each['episode'], each['at_s'])]
    ]
    start = escape(shlex.join(['gr00t', 'view', opened]))
    return (
        f'<p>None of it makes a dataset invalid. Start <code>{start}</code>, then follow a link;'
        ' or copy a command.</p><table><thead><tr><th>where</th><th>what</th>'
        f'<th>command</th></tr></thead><tbody>{"".join(lines)}</tbody></table>'
    )
