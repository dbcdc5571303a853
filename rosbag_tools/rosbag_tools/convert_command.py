# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t convert`: bags in, one LeRobot dataset and its report out."""

from collections.abc import Iterator
from dataclasses import dataclass
import json
import os
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
import tyro

from gr00t_core.dataset.assemble import assemble, Header
from gr00t_core.dataset.piece import load_shard
from gr00t_core.dataset.video_writer import VideoOptions
from gr00t_core.errors import BagError
from gr00t_core.robot import load_robot, Robot
from rosbag_tools.bag import Bag
from rosbag_tools.convert import ConvertOptions
from rosbag_tools.jobs import Job, make_jobs, Result, run_in_processes, run_on_ray
from rosbag_tools.report_page import report_page
from rosbag_tools.survey import recorded_topic

BAG_FILES = ('.mcap', '.db3')
REPORT_JSON = 'meta/conversion_report.json'
REPORT_HTML = 'meta/conversion_report.html'
ENCODERS = {'h264': 'libx264', 'av1': 'libsvtav1', 'nvenc': 'h264_nvenc'}


@dataclass(frozen=True)
class Convert:
    """Convert rosbags to a LeRobot dataset.

    Attributes:
        bags: Bags (folders or files), or folders that hold bags; each gives at least one episode.
        robot: Shipped robot or robot file.
        output: Folder of the dataset; an existing one made by this command is brought up to date.
        version: LeRobot version: v2.1 is read by GR00T N1.5, v3.0 by LeRobot 0.4 and later.
        fps: Rows per second; the robot file's rate by default.
        action_from: command: the recorded command; next_state: the state of the next row; delta:
            the change to it.
        split: Where episodes begin: bag, gap:SECONDS, event:TOPIC or services.
        instruction: Used where a bag names none; the robot file's default otherwise.
        trim_idle: Cut idle time at both ends of an episode down to so many seconds.
        only_success: Leave out episodes that are not marked as a success.
        video: h264, av1, nvenc, or copy: take the recorded bitstream as it is.
        size: Width and height to scale the videos to.
        namespace: Namespace of the robot's topics in the bags.
        definitions: .msg files for types that a bag does not define.
        workers: Processes; one per core by default.
        executor: process, or ray: the same jobs on a Ray cluster that shares the file system.
    """

    bags: tyro.conf.Positional[tuple[Path, ...]]
    robot: str
    output: Path
    version: Literal['v2.1', 'v3.0'] = 'v2.1'
    fps: float | None = None
    action_from: Literal['command', 'next_state', 'delta'] = 'command'
    split: str = 'bag'
    instruction: str | None = None
    trim_idle: float | None = None
    only_success: bool = False
    video: Literal['h264', 'av1', 'nvenc', 'copy'] = 'h264'
    size: tuple[int, int] | None = None
    namespace: str = ''
    definitions: tuple[Path, ...] = ()
    workers: int = len(os.sched_getaffinity(0))
    executor: Literal['process', 'ray'] = 'process'


def main(argv: list[str]) -> int:
    """Convert rosbags to a LeRobot dataset."""
    asked = tyro.cli(Convert, prog='gr00t convert', args=argv)
    if not asked.bags:
        raise BagError('no bags are given: gr00t convert BAG... --robot R --output DIR')
    if asked.video == 'copy' and asked.size:
        raise BagError('--video copy takes the bitstream as it is; it cannot be scaled to --size')
    robot = load_robot(asked.robot)
    options = ConvertOptions(
        rate_hz=asked.fps or robot.rate_hz,
        video=None
        if asked.video == 'copy'
        else VideoOptions(ENCODERS[asked.video], size=asked.size),
        split=asked.split,
        action_from=asked.action_from,
        instruction=asked.instruction,
        trim_idle_s=asked.trim_idle,
        only_success=asked.only_success,
        namespace=asked.namespace,
        definitions=asked.definitions,
    )
    # Shards live beside the dataset, linked into it: a later run makes only what is new.
    work = asked.output.with_name(asked.output.name + '.shards')
    # Absolute, as other processes and machines know them.
    bags = [bag.absolute() for given in asked.bags for bag in _bags_in(given)]
    jobs = make_jobs(bags, robot.source, options, work.absolute())
    _check_output(asked.output, bags)
    results = {result.job.bag: result for result in _run(jobs, asked, robot)}
    ordered = [results[job.bag] for job in jobs]
    try:
        return _finish(ordered, asked, robot, options)
    except OSError as error:
        raise BagError(
            f'{asked.output}: cannot be written: {error.strerror}; what is converted stays in'
            f' {work}, so run the same command again'
        ) from None


def _bags_in(given: Path) -> list[Path]:
    """Return a bag itself, or the bags below a folder that is none; hidden ones are trash."""
    if not given.is_dir() or _is_bag(given):
        return [given]
    found = sorted(path for path in given.rglob('*') if path.is_dir() and _is_bag(path))
    bags = [bag for bag in found if not any(p[0] == '.' for p in bag.relative_to(given).parts)]
    return bags or [given]  # which fails by itself, beside the others


def _is_bag(folder: Path) -> bool:
    return any(
        path.name == 'metadata.yaml' or path.suffix in BAG_FILES for path in folder.iterdir()
    )


def _check_output(output: Path, bags: list[Path]) -> None:
    """Refuse to take the place of a dataset whose episodes would be lost."""
    if not output.exists():
        return
    report = output / REPORT_JSON
    if not report.is_file():
        raise BagError(
            f'{output}: exists and was not made by gr00t convert; give another --output'
        )
    made = {bag['bag'] for bag in json.loads(report.read_text(encoding='utf-8'))['bags']}
    lost = sorted(made - {str(bag) for bag in bags})
    if lost:
        raise BagError(
            f'{output}: holds episodes of {", ".join(lost)}, which are not given; give all bags of'
            ' the dataset (finished ones are not converted again), or another --output'
        )


def _run(jobs: list[Job], asked: Convert, robot: Robot) -> Iterator[Result]:
    with Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn('{task.fields[rate]}'),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        total = sum(_frames(job, robot) for job in jobs)
        rows = progress.add_task('rows', total=total, rate='')

        def on_rows(count: int) -> None:
            progress.advance(rows, count)
            speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
            progress.update(rows, rate=f'{speed:.0f} rows/s' if speed else '')

        results = (
            run_on_ray(jobs)
            if asked.executor == 'ray'
            else run_in_processes(jobs, min(asked.workers, len(jobs)), on_rows)
        )
        for result in results:
            text = 'unchanged' if result.reused else result.error or 'converted'
            progress.console.print(f'{result.job.bag}: {text}', highlight=False, soft_wrap=True)
            if result.reused or result.error or asked.executor == 'ray':
                progress.advance(rows, _frames(result.job, robot))
            yield result


def _frames(job: Job, robot: Robot) -> int:
    """Return how many reference frames a bag holds; 0 for one that cannot be opened."""
    try:
        with Bag(job.bag) as bag:
            topic = recorded_topic(bag, robot.reference.stream, job.options.namespace)
            return topic.count if topic else 0
    except BagError:
        return 0  # run_job says why


def _finish(results: list[Result], asked: Convert, robot: Robot, options: ConvertOptions) -> int:
    report = {
        'output': str(asked.output),
        'version': asked.version,
        'robot': robot.name,
        'fps': options.rate_hz,
        'action_from': options.action_from,
        'bags': [
            result.report or {'bag': str(result.job.bag), 'error': result.error}
            for result in results
        ],
    }
    shards = [shard for result in results for shard in result.shards]
    failed = [result for result in results if result.error]
    if shards:
        pieces = [load_shard(shard) for shard in shards]
        page = report_page(report, robot, shards)
        files = {
            REPORT_JSON: json.dumps(report, indent=1).encode(),
            REPORT_HTML: page.encode(),
        }
        header = Header.of_robot(robot)
        assemble(pieces, asked.output, asked.version, header, 'replace', files)
    _print(report, asked, len(shards))
    if not shards:
        raise BagError(f'no episodes: {len(failed)} of {len(results)} bags failed, see above')
    return 1 if failed else 0


def _print(report: dict[str, object], asked: Convert, episodes: int) -> None:
    console = Console()
    table = Table('bag', 'episodes', 'rows', 'repeated', 'dropped', 'warnings')
    bags = report['bags']
    assert isinstance(bags, list)
    for bag in bags:
        if 'error' in bag:
            table.add_row(bag['bag'], '[red]failed', '', '', '', bag['error'])
            continue
        rows = bag['rows']
        dropped = '\n'.join(f'{count} {why}' for why, count in rows['dropped'].items())
        table.add_row(
            bag['bag'],
            str(len(bag['episodes'])),
            str(rows['kept']),
            str(rows['repeated']),
            dropped or '0',
            '\n'.join(bag['warnings']),
        )
    console.print(table)
    if episodes:
        console.print(
            f'{episodes} episodes in {asked.output}, report: {asked.output / REPORT_HTML}'
        )
