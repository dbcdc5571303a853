# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run seeded episodes through the real policy node and executor over DDS, and score them.

The nodes are processes started by `gr00t up`: one group with the simulator, one with policy and
executor. Between two episodes the executor is stopped and re-armed by its services, as a person
would do, so that nothing of an episode reaches into the next one. A run goes on with fresh
processes when one dies; an episode in which that happened is run again.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
import json
from pathlib import Path
import platform
import time
from typing import Any

from lifecycle_msgs.srv import GetState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from gr00t_core.errors import ServingError
from gr00t_core.robot.description import NANOSECONDS, Robot
from gr00t_core.robot.file import load_robot
from gr00t_msgs.msg import ActionChunk
from gr00t_sim.baseline import Baseline, mean_trajectory
from gr00t_sim.client import Client, LATCHED
from gr00t_sim.processes import Up
from gr00t_sim.scenes.interface import Episode
from gr00t_sim.scenes.registry import kind_of
from gr00t_sim.scores import jerk, Scored, summary
from gr00t_sim.video import write_video
from gr00t_sim.watch import Watch

POLICY, SWAPPED, BLANK, ZERO, MEAN = 'policy', 'swapped', 'blank', 'zero', 'mean'
START_LIMIT_S = 300.0  # loading a large model takes minutes
REARM_LIMIT_S = 60.0  # a busy machine discovers slowly
SETTLE_S = 1.0  # from here one does not see whether the others have found one another
MOST_RESTARTS = 5  # in a row, of the processes
COMMAND_TIMEOUT_S = 5.0  # wall time, in lock-step; a lost command would change the result
VIDEO_FPS = 30


@dataclass(frozen=True)
class Plan:
    """What to evaluate, and how; see `gr00t_sim.command.Evaluate`."""

    checkpoint: str
    robot: str
    backend: str
    server_address: str
    real_time: bool
    episodes: int
    baseline_episodes: int
    seed_start: int
    runs: tuple[str, ...]
    chunk_period_s: float
    chunk_timeout_s: float
    episode_limit_s: float
    noise_seed: int
    videos: int
    out: Path
    scene: str = ''
    sim: dict[str, Any] = field(default_factory=dict)  # more parameters of the simulator
    denoising_steps: int = 0  # 0: the checkpoint's own
    seeds: tuple[int, ...] = ()  # scenes in place of `episodes` from `seed_start` on
    record: Path | None = None  # folder of the recorder's bags; None: no recorder


def evaluate(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Run all episodes of a plan and return the summary; it is in `out/evaluation.json`, too.

    Args:
        plan: What to run.
        say: Told each episode's outcome, in a line.

    Raises:
        ServingError: The processes died again and again, or never started.
    """
    robot = load_robot(plan.robot)
    plan.out.mkdir(parents=True, exist_ok=True)
    most = max(plan.episodes, plan.baseline_episodes)
    seeds = plan.seeds or range(plan.seed_start, plan.seed_start + most)
    jobs = [(run, seed) for run in plan.runs for seed in seeds[: _count(plan, run)]]
    done: list[Scored] = []
    began = time.monotonic()
    failures, ready = 0, False
    with (plan.out / 'episodes.jsonl').open('w', encoding='utf-8') as lines:
        while jobs:
            acts = jobs[0][0] not in (ZERO, MEAN)
            try:
                with Stage(plan, robot, acts) as stage:
                    ready = True
                    while jobs and acts is (jobs[0][0] not in (ZERO, MEAN)):
                        scored = stage.run(*jobs[0])
                        done.append(scored)
                        lines.write(json.dumps(asdict(scored)) + '\n')
                        lines.flush()
                        jobs.pop(0)
                        failures = 0
                        say(_line(scored, len(jobs)))
            except ServingError as error:
                if not ready:
                    raise  # what never ran will not run the next time
                failures += 1
                say(f'{jobs[0][0]}, seed {jobs[0][1]}: {error}')
                if failures > MOST_RESTARTS:
                    raise
                say(f'starting the nodes again ({failures} of {MOST_RESTARTS})')
    seconds = time.monotonic() - began
    report = summary(done, kind_of(robot, plan.scene)) | _provenance(plan, done, seconds)
    (plan.out / 'evaluation.json').write_text(json.dumps(report, indent=1) + '\n', 'utf-8')
    return report


class Stage:
    """Processes and a client, for episodes in a row."""

    def __init__(self, plan: Plan, robot: Robot, acts: bool) -> None:
        self._plan = plan
        self._robot = robot
        self._kind = kind_of(robot, plan.scene)
        self._acts = acts
        self._clock = [] if plan.real_time else ['--use-sim-time']
        self._sim = self._make_sim()
        self._policy = self._make_policy()
        self._client: Client | None = None
        self._baseline: tuple[str, Baseline] | None = None
        self._chunks: list[Any] = []
        self._videos = 0

    def __enter__(self) -> 'Stage':
        """Start everything and wait until it is ready.

        Raises:
            ServingError: It does not get ready.
        """
        try:
            self._sim.start()
            self._client = client = Client(self._robot, self._check)
            self._instruction = client.node.create_publisher(String, 'instruction', LATCHED)
            client.node.create_subscription(ActionChunk, 'action_chunk', self._on_chunk, 50)
            client.until(
                lambda: client.node.count_publishers(self._robot.reference.stream.topic),
                START_LIMIT_S,
                'the simulator',
            )
            self._policy.start()
            self._wait_ready(client)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        if self._client is not None:
            self._client.close()
        self._policy.stop()
        self._sim.stop()

    def run(self, run: str, seed: int) -> Scored:
        """Run one episode and score it.

        Raises:
            ServingError: A process died, does not answer, or the policy heard something else.
        """
        client, plan = self._client, self._plan
        assert client is not None
        asked = self._kind.evaluation(seed)
        told = self._kind.swapped(asked) if run == SWAPPED else asked
        film = plan.out / f'{run}_{seed}.mp4' if run == POLICY else None
        film = film if self._videos < plan.videos else None
        report = self.play(asked, told.instruction, film, self._act(run), blank=run == BLANK)
        start_ns = int(report['start_ns'])
        stop_ns = start_ns + round(report['duration_s'] * NANOSECONDS)
        return Scored(
            run=run,
            seed=seed,
            target=asked.target,
            instruction=asked.instruction,
            told=told.instruction,
            outcome=report['outcome'],
            lifted=report['lifted'],
            duration_s=report['duration_s'],
            jerk=jerk(*client.motion(start_ns, stop_ns)),
            chunks=len(self._chunks),
            ticks=report.get('ticks', 0),
            silent_ticks=report.get('silent_ticks', 0),
            timeouts=timeouts_of(report),
        )

    def play(
        self,
        asked: Episode,
        told: str,
        film: Path | None = None,
        baseline: Baseline | None = None,
        blank: bool = False,
        beside: AbstractContextManager[None] | None = None,
    ) -> dict[str, Any]:
        """Play one episode and return the simulator's report of it.

        Args:
            asked: What it is judged by.
            told: What the policy hears.
            film: MP4 to write; None for none.
            baseline: What acts in place of the policy.
            blank: Frames are black.
            beside: Entered in the new scene, before the episode begins; left after its end.

        Raises:
            ServingError: A process died, does not answer, or the policy heard something else.
        """
        client, plan = self._client, self._plan
        assert client is not None
        self._tell('')
        client.trigger('chunk_executor/stop')
        client.until(self._rearmed, REARM_LIMIT_S, 'the executor to re-arm')  # it stands still
        episode = client.place(
            asked, blank=blank, view=film is not None, episode_limit_s=plan.episode_limit_s
        )
        self._chunks.clear()
        if baseline is not None:
            baseline.begin()
        # In lock-step there is no frame before the start; in real time the arm would move before.
        watched = self._film(film, f'{told!r}, {asked.task} seed {asked.seed}')
        with watched, beside or nullcontext():
            if plan.real_time:
                client.start()
                self._tell(told)
            else:
                self._tell(told)
                client.start()
            report = client.outcome(episode, 30.0 * plan.episode_limit_s + 60.0)
        if baseline is not None:
            baseline.end()
        if self._acts and {chunk.instruction for chunk in self._chunks} - {told}:
            raise ServingError('the policy followed another instruction than it was told')
        return report

    def _act(self, run: str) -> Baseline | None:
        """Have the baseline of a run act, and no other."""
        if self._baseline is not None and self._baseline[0] != run:
            self._baseline[1].close()
            self._baseline = None
        if self._baseline is None and run in (ZERO, MEAN):
            assert self._client is not None
            rows = mean_trajectory(self._robot) if run == MEAN else None
            self._baseline = run, Baseline(self._robot, self._client, rows)
            self._heard(self._client)
        return None if self._baseline is None else self._baseline[1]

    def _tell(self, instruction: str) -> None:
        self._instruction.publish(String(data=instruction))

    def _rearmed(self) -> bool:
        assert self._client is not None
        request = Trigger.Request()
        return bool(self._client.call(Trigger, 'chunk_executor/rearm', request).success)

    @property
    def client(self) -> Client:
        """Return the client, for what is done beside an episode."""
        assert self._client is not None
        return self._client

    @contextmanager
    def _film(self, path: Path | None, title: str) -> Iterator[None]:
        if path is None:
            yield
            return
        assert self._client is not None
        self._videos += 1
        watch = Watch(self._robot, self._client.node, lock_step=not self._plan.real_time)
        try:
            topic = self._robot.reference.stream.topic
            topic = topic if self._plan.real_time else f'sim/view/{self._robot.reference.name}'
            self._client.until(
                lambda: self._client and self._client.node.count_subscribers(topic),
                REARM_LIMIT_S,
                'the camera',
            )
            yield
        finally:
            watch.close()
        write_video(watch.recording, path, VIDEO_FPS, title, self._kind)

    def _check(self) -> None:
        self._sim.check()
        if self._policy.starts:
            self._policy.check()

    def _on_chunk(self, chunk: Any) -> None:
        self._chunks.append(chunk)

    def _make_sim(self) -> Up:
        plan = self._plan
        values: dict[str, Any] = {'start_on_reset': False, 'scene': plan.scene} | plan.sim
        if not plan.real_time:
            values |= {
                'chunk_period_s': plan.chunk_period_s,
                'chunk_timeout_s': plan.chunk_timeout_s,
                'command_timeout_s': COMMAND_TIMEOUT_S,
            }
        arguments = ['--robot', plan.robot, '--sim', '--no-policy', *self._clock]
        nodes = {'sim': values}
        if plan.record is not None:
            arguments.append('--record')
            # In lock-step there are neither frames nor commands before the episode begins.
            values = {'output': str(plan.record), 'judge': False, 'allow_missing': True}
            nodes['recorder'] = values
        return Up(arguments, nodes, plan.out / 'sim.log')

    def _make_policy(self) -> Up:
        plan = self._plan
        arguments = ['--robot', plan.robot, *self._clock]
        values: dict[str, Any] = {}
        if self._acts:
            arguments += ['--checkpoint', plan.checkpoint] if plan.checkpoint else []
            arguments += ['--backend', plan.backend]
            if plan.server_address:
                arguments += ['--server-address', plan.server_address]
            elif plan.backend == 'server':
                values['server_arguments'] = f'--seed {plan.noise_seed}'
            # In lock-step a slow policy costs time, not success.
            values['request_timeout_s'] = plan.chunk_timeout_s
            values |= {'denoising_steps': plan.denoising_steps} if plan.denoising_steps else {}
        else:
            arguments += ['--no-autostart']
        return Up(arguments, {'policy_node': values}, plan.out / 'policy.log')

    def _wait_ready(self, client: Client) -> None:
        """Wait until the policy is active and everybody hears everybody."""

        def active() -> bool:
            name, request = 'policy_node/get_state', GetState.Request()
            state = client.call(GetState, name, request, limit_s=120.0, again_s=5.0)
            return str(state.current_state.label) == 'active'

        if self._acts:
            client.until(active, START_LIMIT_S, 'the policy node to become active')
            topics = [stream.topic for stream in self._robot.observation_streams]
            client.until(
                lambda: all(client.node.count_subscribers(topic) for topic in topics),
                REARM_LIMIT_S,
                'the policy to listen to the cameras',
            )
            client.until(
                self._instruction.get_subscription_count, REARM_LIMIT_S, 'the policy to listen'
            )
        commands = [group.stream.topic for group in self._robot.action]
        client.until(
            lambda: all(client.node.count_publishers(topic) for topic in commands),
            START_LIMIT_S,
            'the executor',
        )
        self._heard(client)
        client.spin(SETTLE_S)

    def _heard(self, client: Client) -> None:
        """Wait until simulator (in lock-step), executor and this node hear the chunks."""
        wanted = 2 if self._plan.real_time else 3
        client.until(
            lambda: client.node.count_subscribers('action_chunk') >= wanted,
            REARM_LIMIT_S,
            'the executor to listen to chunks',
        )


def timeouts_of(report: dict[str, Any]) -> int:
    """Return the waits of an episode's lock-step that ended without an answer."""
    return int(report.get('command_timeouts', 0)) + int(report.get('chunk_timeouts', 0))


def _count(plan: Plan, run: str) -> int:
    return plan.episodes if run == POLICY else plan.baseline_episodes


def _line(scored: Scored, left: int) -> str:
    return (
        f'{scored.run} {scored.seed} “{scored.told}”: {scored.outcome}'
        f' after {scored.duration_s:.1f} s, {left} to go'
    )


def _provenance(plan: Plan, done: list[Scored], seconds: float) -> dict[str, Any]:
    simulated = sum(scored.duration_s for scored in done)
    return {
        'mode': 'real time' if plan.real_time else 'lock-step',
        'backend': plan.backend,
        'checkpoint': plan.checkpoint,
        'server_address': plan.server_address,
        'seeds': plan.seeds or [plan.seed_start, plan.seed_start + plan.episodes - 1],
        'chunk_period_s': plan.chunk_period_s,
        'episode_limit_s': plan.episode_limit_s,
        'noise_seed': plan.noise_seed,
        'sim': plan.sim,
        'wall_s': round(seconds, 1),
        'simulated_s': round(simulated, 1),
        'timeouts': sum(scored.timeouts for scored in done),
        'machine': f'{platform.node()}, {platform.machine()}',
    }
