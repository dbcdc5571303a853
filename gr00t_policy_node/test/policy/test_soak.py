# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Robot, policy node, its server and the executor run for minutes; none of them grows."""

from pathlib import Path
import shlex
import sys

import pytest

from gr00t_core.models.init_checkpoint import init_checkpoint
from gr00t_core.robot.file import load_robot

WARM_UP_S = 30.0  # caches, windows of statistics and allocator pools fill
# Of a process, over the whole soak: a few frames that once had to wait leave such a mark without a
# leak; one 320x240 frame leaked per second would be 400 MB in half an hour, 7 MB in the short run.
GROWTH_KB = 4096


def resident_kb(pid):
    """Return what a process holds in memory, kB."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return int(next(line for line in lines if line.startswith('VmRSS')).split()[1])


@pytest.mark.parametrize(
    'seconds',
    [
        pytest.param(60.0, marks=pytest.mark.timeout(300)),
        pytest.param(1800.0, marks=[pytest.mark.soak, pytest.mark.timeout(2100)]),
    ],
)
def test_memory_stays_flat(graph, children_of, tmp_path, seconds):
    checkpoint = tmp_path / 'tiny'
    init_checkpoint('tiny', load_robot('so101'), checkpoint, seed=0)
    graph.add_robot()
    program = shlex.join([sys.executable, '-m', 'gr00t_core'])
    policy = graph.start(
        program=program, checkpoint=str(checkpoint), server_arguments='--threads 1'
    )
    executor = graph.start(main=['-m', 'gr00t_policy_node.executor.node'])
    graph.fresh(limit_s=60.0)
    graph.spin(WARM_UP_S)
    (server,) = children_of(policy.pid)
    pids = {'policy_node': policy.pid, 'server': server, 'chunk_executor': executor.pid}
    before = {name: resident_kb(pid) for name, pid in pids.items()}
    count, course = 0, []
    for _ in range(round((seconds - WARM_UP_S) / 10.0)):
        graph.chunks.clear()
        graph.spin(10.0)
        count += len(graph.chunks)
        assert graph.chunks, 'no chunks for 10 s'
        course.append({name: resident_kb(pid) - before[name] for name, pid in pids.items()})
    growth = course[-1]
    sys.stdout.write(f'{count} chunks in {seconds - WARM_UP_S:.0f} s, growth in kB: {growth}\n')
    # The course tells a leak, which grows all the time, from the mark that a backlog left.
    assert max(growth.values()) <= GROWTH_KB, (before, course)
