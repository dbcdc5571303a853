# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure how smoothly one action chunk hands over to the next, by each method of the executor.

Usage: python benchmarks/handover.py [--episodes N] [--dataset FOLDER]

The chunks: a policy that answers what a demonstration did next, plus an error of its own per chunk
(an offset and a drift), observed, inferred (about 110 ms) and answered back to back. The executor
is `ExecutorCore` at 100 Hz on a robot that follows exactly. Without the data set of
`../shared/data` the demonstrations are sums of sines.

`rtc` runs the sampler of the model, `ActionHead.denoise`, with the frozen prefix and soft mask
that the policy node sends; in place of a trained network stands the exact flow towards the answer
of the same policy. So its figures show the method, not a network's skill at continuing a motion.

Columns, over all hand-overs and arm joints (the hands of this data close at once): the step in the
plan's velocity (rad/s) at the hand-over; what the limiter changes of it: the root mean square of
the command's velocity steps per 10 ms in the 160 ms after it, and the share of these at the
acceleration limit; cosine between the command's velocities just before it and 30 ms later; root
mean square distance (rad) of the command to the demonstration.
Last line: JSON.
"""

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_core.robot.file import load_robot
from gr00t_policy_node.executor.admission import ReceivedChunk
from gr00t_policy_node.executor.core import ExecutorCore
from gr00t_policy_node.executor.handover import METHODS
from gr00t_policy_node.executor.modes import Mode
from gr00t_policy_node.executor.settings import Settings
from gr00t_policy_node.policy import rtc

HORIZON = 16
PERIOD_NS = NANOSECONDS // 100
OFFSET, DRIFT = 0.02, 0.002  # standard deviations of a chunk's error: rad, and rad per step
LATENCY_S, LATENCY_SPREAD_S = 0.110, 0.012
SHARED = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'robot_sim.PickNPlace'


def demonstrations(robot: Robot, folder: Path, count: int) -> tuple[str, list[np.ndarray]]:
    """Return where they come from, and (T, A) actions at the robot's rate."""
    limits = [group.limits for group in robot.action]
    lower = np.concatenate([each.lower for each in limits])
    upper = np.concatenate([each.upper for each in limits])
    if folder.is_dir():
        import pyarrow.parquet as pq

        slices = json.loads((folder / 'meta' / 'modality.json').read_text())['action']
        columns = np.concatenate(
            [np.arange(slices[g.name]['start'], slices[g.name]['end']) for g in robot.action]
        )
        paths = sorted(folder.glob('data/*/*.parquet'))[:count]
        episodes = [
            np.stack(pq.read_table(path)['action'].to_numpy())[:, columns] for path in paths
        ]
        return folder.name, [np.clip(episode, lower, upper) for episode in episodes]
    rng = np.random.default_rng(0)
    times = np.arange(400)[:, None] / robot.rate_hz
    size = len(lower)
    return 'synthetic', [
        (lower + upper) / 2
        + 0.3 * np.sin(2 * times * rng.uniform(0.3, 1, size) + rng.uniform(0, 6, size))
        for _ in range(count)
    ]


class Policy:
    """Answers with the demonstration's future and an error; for `rtc` continues a chunk."""

    def __init__(self, robot: Robot, actions: np.ndarray, seed: int) -> None:
        self._robot, self._actions = robot, actions
        self._rng = np.random.default_rng(seed)
        self._sequence = 0

    def latency_ns(self) -> int:
        """Return how long the next answer takes, in whole control periods."""
        seconds = self._rng.normal(LATENCY_S, LATENCY_SPREAD_S)
        return max(round(seconds * NANOSECONDS / PERIOD_NS), 1) * PERIOD_NS

    def true(self, seconds: float) -> np.ndarray:
        """Return the demonstration's action (A,) at a time."""
        place = np.clip(seconds * self._robot.rate_hz, 0, len(self._actions) - 1)
        before = int(place)
        after = min(before + 1, len(self._actions) - 1)
        return self._actions[before] + (place - before) * (
            self._actions[after] - self._actions[before]
        )

    def answer(self, stamp_ns: int, running: ActionChunk | None, delay_s: float) -> ActionChunk:
        """Return the chunk for an observation; `running` only for rtc."""
        robot = self._robot
        steps = np.arange(HORIZON)
        seconds = stamp_ns / NANOSECONDS + steps / robot.rate_hz
        size = self._actions.shape[1]
        error = self._rng.normal(0, OFFSET, size) + np.outer(
            steps, self._rng.normal(0, DRIFT, size)
        )
        values = np.stack([self.true(s) for s in seconds]) + error
        options = rtc.options(running, robot, stamp_ns, delay_s) if running is not None else {}
        if options:
            prefix = np.concatenate(
                [options['prefix'][f'action.{group.name}'] for group in robot.action], axis=1
            )
            values = inpaint(values, prefix, options['prefix_weight'], self._rng)
        self._sequence += 1
        return ActionChunk(
            stamp_ns, robot.step_ns, robot.action_names, values.astype(np.float32), self._sequence
        )


def inpaint(answer: np.ndarray, prefix: np.ndarray, weight: np.ndarray, rng: Any) -> np.ndarray:
    """Sample (H, A) by the model's own sampler along the exact flow to `answer`."""
    import torch

    from gr00t_core.models.n1_5.head import ActionHead

    class ExactFlow(ActionHead):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            self.config = SimpleNamespace(num_timestep_buckets=1000)
            self.state_encoder = lambda state, slot: state
            self.dit = SimpleNamespace(cross_keys_values=lambda embeddings: embeddings)

        def velocity(self, actions: Any, bucket: Any, *_: Any) -> Any:
            return (torch.as_tensor(answer)[None] - actions) / (1 - bucket[0] / 1000)

    noise = torch.as_tensor(rng.standard_normal((1, *answer.shape)))
    nothing = torch.zeros(1, dtype=torch.int64)
    chunk = ExactFlow().denoise(
        nothing,
        nothing,
        nothing,
        noise,
        steps=4,
        prefix=torch.as_tensor(prefix)[None],
        prefix_weight=torch.as_tensor(weight),
    )
    return chunk[0].numpy()


def play(robot: Robot, actions: np.ndarray, method: str, seed: int) -> dict[str, np.ndarray]:
    """Follow one demonstration; return what happened at the hand-overs."""
    policy = Policy(robot, actions, seed)
    core = ExecutorCore(robot, Settings(handover=method, soft_start_s=0.5))
    first_ns = 1_000 * NANOSECONDS
    columns = np.concatenate(
        [np.r_[core.layout.slices[g.name]] for g in robot.action if g.name.endswith('arm')]
    )
    body = policy.true(0.0)
    pending: tuple[int, ActionChunk] | None = None
    plan, command, true, arrivals = [], [], [], []
    for tick in range(round((len(actions) - HORIZON) / robot.rate_hz * 100)):
        now_ns = tick * PERIOD_NS
        for group in robot.action:
            if group.state is not None:
                core.measure(group.state, body[core.layout.slices[group.name]], first_ns + now_ns)
        if pending is not None and now_ns >= pending[0]:
            _, chunk = pending
            received = ReceivedChunk(
                stamp_ns=first_ns + chunk.stamp_ns,
                step_ns=chunk.step_ns,
                embodiment=robot.embodiment,
                names=chunk.names,
                horizon=HORIZON,
                width=len(chunk.names),
                data=chunk.values.ravel(),
                sequence=chunk.sequence,
            )
            refusal = core.offer(received, first_ns + now_ns)
            assert refusal is None, refusal
            running = chunk
            arrivals.append(len(command))
            pending = None
        elif pending is None and tick == 0:
            running = None
        if pending is None:
            followed = running if method == 'rtc' else None
            chunk = policy.answer(now_ns, followed, LATENCY_S + 2 * LATENCY_SPREAD_S)
            pending = now_ns + policy.latency_ns(), chunk
        order = core.tick(first_ns + now_ns)
        if core.mode is Mode.RUNNING and order is not None:
            body = order.values
            plan.append(core.plan.sample(first_ns + now_ns)[1][columns])
            command.append(order.values[columns])
            true.append(policy.true(now_ns / NANOSECONDS)[columns])
    dt = PERIOD_NS / NANOSECONDS
    plans, commands = np.array(plan), np.array(command)
    speeds, orders = np.diff(plans, axis=0) / dt, np.diff(commands, axis=0) / dt
    # After the soft start. Row k of `speeds` leads to tick k + 1, so row a - 1 to the hand-over.
    at = np.array([a for a in arrivals if 100 < a < len(plans) - 20])
    steps = np.abs(np.diff(orders, axis=0))
    window = np.array([steps[a - 2 : a + 14] for a in at])
    limit = core.layout.acceleration[columns] * dt
    before, after = orders[at - 2], orders[at + 3]
    norms = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    moving = norms > 1e-4
    return {
        'plan_step': np.abs(speeds[at - 1] - speeds[at - 2]).ravel(),
        'command_step': window.ravel(),
        'at_limit': (window > 0.999 * limit).ravel(),
        'cosine': (before * after).sum(axis=1)[moving] / norms[moving],
        'distance': (commands - np.array(true))[100:].ravel(),
        'unmet': np.array([core.plan.unmet]),
    }


def main() -> None:
    """Print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--episodes', type=int, default=3)
    parser.add_argument('--dataset', type=Path, default=SHARED)
    arguments = parser.parse_args()
    robot = load_robot('gr1_arms_only')
    source, episodes = demonstrations(robot, arguments.dataset, arguments.episodes)
    print(
        f'{source}: {len(episodes)} episodes, {robot.name}, error {OFFSET} rad + {DRIFT} rad/step'
    )
    print('method     plan step p50 /  p95  command rms  at limit  cosine  distance')
    report: dict[str, Any] = {'source': source, 'episodes': len(episodes)}
    for method in METHODS:
        try:
            runs = [play(robot, actions, method, seed) for seed, actions in enumerate(episodes)]
        except ModuleNotFoundError as error:
            print(f'{method:10} not measured: {error}')
            continue
        joined = {key: np.concatenate([run[key] for run in runs]) for key in runs[0]}
        figures = {
            'plan_step_p50': float(np.percentile(joined['plan_step'], 50)),
            'plan_step_p95': float(np.percentile(joined['plan_step'], 95)),
            'command_step_rms': float(np.sqrt((joined['command_step'] ** 2).mean())),
            'at_limit': float(joined['at_limit'].mean()),
            'cosine_p50': float(np.percentile(joined['cosine'], 50)),
            'rms_distance': float(np.sqrt((joined['distance'] ** 2).mean())),
            'handovers': int(joined['plan_step'].size),
            'unmet': int(joined['unmet'].sum()),
        }
        report[method] = {key: round(value, 5) for key, value in figures.items()}
        print(
            f'{method:10}'
            f' {figures["plan_step_p50"]:13.3f} / {figures["plan_step_p95"]:4.2f}'
            f' {figures["command_step_rms"]:12.4f} {figures["at_limit"]:9.1%}'
            f' {figures["cosine_p50"]:7.3f} {figures["rms_distance"]:9.4f}'
        )
    print(json.dumps(report))


if __name__ == '__main__':
    main()
