# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t convert`: bags in, one LeRobot dataset and its report out."""

from collections.abc import Iterator
from dataclasses import dataclass
import json
import os
from pathlib import Path
import shutil
import sys
import time
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
import tyro

from gr00t_core.commands.readable import readable
from gr00t_core.dataset.decisions import by_bag, read_decisions
from gr00t_core.dataset.moment import Moment
from gr00t_core.dataset.schema import WrittenVersion
from gr00t_core.dataset.video.writer import VideoOptions
from gr00t_core.dataset.write.assemble import assemble, Header
from gr00t_core.dataset.write.atomic_folder import check_ours, locked
from gr00t_core.dataset.write.piece import load_shard
from gr00t_core.errors import BagError
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag
from rosbag_tools.bags.files import bags_in
from rosbag_tools.convert.bag_report import lost_share
from rosbag_tools.convert.jobs import (
    Job,
    make_jobs,
    PROGRESS_S,
    Result,
    run_in_processes,
    run_on_ray,
)
from rosbag_tools.convert.one_size import of_one_size
from rosbag_tools.convert.options import ConvertOptions
from rosbag_tools.convert.report_page import report_page
from rosbag_tools.convert.sources import source_topic
from rosbag_tools.convert.summary import plain, print_summary
from rosbag_tools.convert.survey import recorded_topic
from rosbag_tools.convert.to_look_at import to_look_at

REPORT_JSON = 'meta/conversion_report.json'
REPORT_HTML = 'meta/conversion_report.html'
ENCODERS = {'h264': 'libx264', 'av1': 'libsvtav1', 'nvenc': 'h264_nvenc'}


@readable
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
        instruction: Used where a bag names none, or a blank one; the robot file's default
            otherwise.
        trim_idle: Cut idle time at both ends of an episode down to so many seconds.
        only_success: Leave out episodes that are not marked as a success.
        decisions: File of `gr00t view BAGS`: what to delete, trim, split and label anew.
        video: h264, av1, nvenc, or copy: take the recorded bitstream as it is.
        size: Width and height to scale the videos to.
        namespace: Namespace of the robot's topics in the bags.
        definitions: .msg files for types that a bag does not define.
        workers: Processes; one per core by default.
        executor: process, or ray: the same jobs on a Ray cluster that shares the file system.
        max_dropped: Share of a bag's rows that may be dropped for faults of the recording; above
            it the exit status is 1, though the dataset is written.
        max_pieces: Episodes into which a recorded one may fall where rows are missing; above it
            the exit status is 1, though the dataset is written.
        keep_shards: Keep the folder OUTPUT.shards, from which a later run takes what has not
            changed; its files are hard links to those of the dataset where the disk allows it.
    """

    bags: tyro.conf.Positional[tuple[Path, ...]]
    robot: str
    output: Path
    version: WrittenVersion = 'v2.1'
    fps: float | None = None
    action_from: Literal['command', 'next_state', 'delta'] = 'command'
    split: str = 'bag'
    instruction: str | None = None
    trim_idle: float | None = None
    only_success: bool = False
    decisions: Path | None = None
    video: Literal['h264', 'av1', 'nvenc', 'copy'] = 'h264'
    size: tuple[int, int] | None = None
    namespace: str = ''
    definitions: tuple[Path, ...] = ()
    workers: int = len(os.sched_getaffinity(0))
    executor: Literal['process', 'ray'] = 'process'
    max_dropped: float = 0.2
    max_pieces: int = 3
    keep_shards: bool = True


def main(argv: list[str]) -> int:
    """Convert rosbags to a LeRobot dataset."""
    asked = tyro.cli(Convert, prog='gr00t convert', args=argv)
    if not asked.bags:
        raise BagError('no bags are given: gr00t convert BAG... --robot R --output DIR')
    _check_options(asked)
    robot = load_robot(asked.robot)
    # Absolute, as other processes and machines know them.
    bags = [bag.absolute() for given in asked.bags for bag in bags_in(given)]
    options = ConvertOptions(
        rate_hz=robot.rate_hz if asked.fps is None else asked.fps,
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
        # All episodes of a dataset have the same columns.
        corrections=any(_says_who_decided(bag, asked.namespace) for bag in bags),
    )
    decided = by_bag(read_decisions(asked.decisions), bags) if asked.decisions else {}
    with locked(asked.output, f'gr00t convert --output {asked.output}') as output:
        # Shards live beside the dataset, linked into it: a later run makes only what is new.
        work = output.with_name(output.name + '.shards')
        try:
            check_ours(work)
            _check_output(output, bags)
            jobs = make_jobs(bags, robot.source, options, work, decided)
            results = {result.job.bag: result for result in _run(jobs, asked, robot)}
            ordered = _of_one_size([results[job.bag] for job in jobs])
            status = _finish(ordered, asked, output, robot, options)
            if not asked.keep_shards:
                shutil.rmtree(work, ignore_errors=True)
        except OSError as error:
            raise BagError(
                f'{asked.output}: cannot be written: {error.strerror or error}; what is converted'
                f' stays in {work}, so run the same command again'
            ) from None
    return status


def _check_options(asked: Convert) -> None:
    """Refuse numbers that mean nothing.

    Raises:
        BagError: Names the option, the value and what is allowed.
    """
    if asked.video == 'copy' and asked.size:
        raise BagError('--video copy takes the bitstream as it is; it cannot be scaled to --size')
    for name, value, low, high in (
        ('--fps', asked.fps, 0.01, 1000.0),
        ('--trim-idle', asked.trim_idle, 0.0, 1e6),
        ('--max-dropped', asked.max_dropped, 0.0, 1.0),
        ('--max-pieces', asked.max_pieces, 1, 1_000_000),
        ('--workers', asked.workers, 1, 4096),
        *(('--size', side, 16, 16384) for side in asked.size or ()),
    ):
        if value is not None and not low <= value <= high:
            raise BagError(f'{name} {value:g}: allowed: {low:g} to {high:g}')


def _check_output(output: Path, bags: list[Path]) -> None:
    """Refuse to take the place of a dataset whose episodes would be lost."""
    if not output.exists():
        return
    report = output / REPORT_JSON
    if not report.is_file():
        raise BagError(
            f'{output}: exists and was not made by gr00t convert; give another --output'
        )
    try:
        found = json.loads(report.read_text(encoding='utf-8'))['bags']
        made = {bag['bag'] for bag in found}
    except (ValueError, LookupError, TypeError) as error:
        raise BagError(
            f'{report}: is damaged ({error}), so it is not known whose episodes {output} holds;'
            ' give another --output'
        ) from None
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

        new, shown_s = 0, 0.0

        def on_rows(count: int) -> None:
            nonlocal new, shown_s
            new += count
            if time.monotonic() - shown_s < PROGRESS_S:  # what a row costs there adds up
                return
            progress.advance(rows, new)
            new, shown_s = 0, time.monotonic()
            speed = progress.tasks[0].finished_speed or progress.tasks[0].speed
            progress.update(rows, rate=f'{speed:.0f} rows/s' if speed else '')

        results = (
            run_on_ray(jobs)
            if asked.executor == 'ray'
            else run_in_processes(jobs, min(asked.workers, len(jobs)), on_rows)
        )
        for result in results:
            text = 'unchanged' if result.reused else result.error or 'converted'
            where = '' if result.error else f'{result.job.bag}: '  # errors name the bag
            progress.console.print(plain(f'{where}{text}'), soft_wrap=True)
            if result.reused or result.error or asked.executor == 'ray':
                new += _frames(result.job, robot)
            progress.advance(rows, new)
            new = 0
            yield result


def _frames(job: Job, robot: Robot) -> int:
    """Return how many reference frames a bag holds; 0 for one that cannot be opened."""
    try:
        with Bag(job.bag) as bag:
            topic = recorded_topic(bag, robot.reference.stream, job.options.namespace)
            return topic.count if topic else 0
    except BagError:
        return 0  # run_job says why


def _says_who_decided(path: Path, namespace: str) -> bool:
    try:
        with Bag(path) as bag:
            return source_topic(bag, namespace) is not None
    except BagError:
        return False  # run_job says why


def _of_one_size(results: list[Result]) -> list[Result]:
    kept = of_one_size(results)
    for before, after in zip(results, kept, strict=True):
        if after.error != before.error:
            print(f'gr00t convert: {after.error}', file=sys.stderr)
    return kept


def _finish(
    results: list[Result], asked: Convert, output: Path, robot: Robot, options: ConvertOptions
) -> int:
    report: dict[str, Any] = {
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
        report['to_look_at'] = to_look_at(report, robot, shards)
        page = report_page(report, robot, shards)
        files = {
            REPORT_JSON: json.dumps(report, indent=1).encode(),
            REPORT_HTML: page.encode('utf-8', 'replace'),
        }
        header = Header.of_robot(robot)
        assemble(pieces, output, asked.version, header, 'replace', files)
    console = Console()
    print_summary(console, report)
    if not shards:
        raise BagError(f'no episodes: {len(failed)} of {len(results)} bags failed, see above')
    console.print(
        plain(f'{len(shards)} episodes in {asked.output}, report: {asked.output / REPORT_HTML}'),
        soft_wrap=True,
    )
    if found := report['to_look_at']:
        first = Moment(found[0]['episode'], found[0]['at_s']).command(str(asked.output))
        console.print(
            plain(f'{len(found)} stretches to look at, listed in the report; the first: {first}'),
            soft_wrap=True,
        )
    if asked.keep_shards:
        console.print(
            plain(
                f'{output.name}.shards beside it lets a later run convert only what is new;'
                ' --no-keep-shards removes it'
            ),
            soft_wrap=True,
        )
    faults = _faults(results, asked)
    for text in faults:
        print(f'gr00t convert: {text}', file=sys.stderr)
    return 1 if failed or faults else 0


def _faults(results: list[Result], asked: Convert) -> list[str]:
    """Return why the dataset should be looked at before anything is trained on it."""
    faults = []
    for result in results:
        if result.report is None:
            continue
        share, pieces = lost_share(result.report), result.report['pieces']
        if share > asked.max_dropped and not result.report['rejected_episodes']:
            dropped = result.report['rows']['dropped']
            why = ', '.join(f'{count} {reason}' for reason, count in dropped.items())
            faults.append(
                f'{result.job.bag}: {share:.0%} of its rows are dropped ({why or "no rows"});'
                f' allowed: {asked.max_dropped:.0%} (--max-dropped)'
            )
        if pieces > asked.max_pieces:
            faults.append(
                f'{result.job.bag}: rows are missing, so that one recorded episode fell into'
                f' {pieces}; allowed: {asked.max_pieces} (--max-pieces)'
            )
    return faults
