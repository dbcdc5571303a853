# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convert many bags side by side: what is finished stays, what is missing or changed is made.

Every bag has a folder of shards beside the dataset, named by what it depends on: the bag's files,
the robot file and the options. A bag that fails is reported and leaves nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
import hashlib
import json
import multiprocessing
from pathlib import Path
import shutil
from typing import Any

from gr00t_core.dataset.decisions import Decision
from gr00t_core.errors import BagError, Gr00tError, one_line
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.files import real
from rosbag_tools.convert.bag_report import bag_report
from rosbag_tools.convert.one_bag import convert_bag
from rosbag_tools.convert.options import ConvertOptions

REPORT = 'bag.json'
# Changes whenever the same bag would be converted differently; old shards are then made anew.
CONVERTER_VERSION = 3
PROGRESS_S = 0.2
MOST_CHARACTERS = 4000  # of an error: a bag may hold texts of any kind and length
_LONGEST_NAME = 200  # bytes of a bag's name in that of its shards


@dataclass(frozen=True)
class Job:
    """One bag to convert.

    Attributes:
        bag: The bag.
        robot: Robot file.
        options: How it is converted.
        folder: Its shards.
    """

    bag: Path
    robot: Path
    options: ConvertOptions
    folder: Path


@dataclass(frozen=True)
class Result:
    """What became of a job.

    Attributes:
        job: The job.
        report: What the bag's report says, None when it failed.
        error: Why it failed.
        reused: Nothing had to be done.
    """

    job: Job
    report: dict[str, Any] | None
    error: str | None
    reused: bool = False

    @property
    def shards(self) -> list[Path]:
        """Return the episodes' shards, in order."""
        if self.report is None:
            return []
        return [self.job.folder / episode['shard'] for episode in self.report['episodes']]


def make_jobs(
    bags: Sequence[Path],
    robot: Path,
    options: ConvertOptions,
    work: Path,
    decided: Mapping[Path, Sequence[Decision]] | None = None,
) -> list[Job]:
    """Name a folder below `work` for each bag.

    Args:
        bags: The bags.
        robot: Robot file.
        options: How all of them are converted.
        work: Folder of the shards.
        decided: Bag → what a person decided about it; other bags are not converted anew for it.

    Raises:
        BagError: A bag is given twice.
    """
    jobs = []
    for bag in bags:
        own = replace(options, decisions=tuple((decided or {}).get(bag, ())))
        key = hashlib.sha256()
        for name, size, mtime_ns in _files_of(bag):
            key.update(f'{name} {size} {mtime_ns}\n'.encode('utf-8', 'surrogateescape'))
        key.update(robot.read_bytes())
        key.update(json.dumps(asdict(own), default=str, sort_keys=True).encode())
        key.update(str(CONVERTER_VERSION).encode())
        name = bag.name.encode('utf-8', 'surrogateescape')[:_LONGEST_NAME].decode(
            'utf-8', 'ignore'
        )
        jobs.append(Job(bag, robot, own, work / f'{name}-{key.hexdigest()[:16]}'))
    # Also by a link, or by the file in a folder.
    places = [{job.folder, *_places(job.bag)} for job in jobs]
    given = Counter(place for each in places for place in each)
    twice = [
        str(job.bag)
        for job, each in zip(jobs, places, strict=True)
        if any(given[place] > 1 for place in each)
    ]
    if twice:
        raise BagError(f'the same bag is given more than once: {", ".join(twice)}')
    return jobs


def _places(bag: Path) -> set[Path]:
    """Return where a bag really lies, with the files in its folder that are no links."""
    place = real(bag)
    return {place, *(place / name for name, _, _ in _files_of(place) if not bag.is_file())}


def _files_of(bag: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of a bag's files; nothing of a bag that cannot be read."""
    try:
        files = sorted(p for p in bag.iterdir() if p.is_file()) if bag.is_dir() else [bag]
        status = [(file.name, file.stat()) for file in files]
    except OSError:
        return []  # run_job says why
    return [(name, each.st_size, each.st_mtime_ns) for name, each in status]


def run_job(job: Job, on_rows: Callable[[int], None] = lambda rows: None) -> Result:
    """Convert one bag, unless it has been; a bag that cannot be converted is a Result too."""
    report = job.folder / REPORT
    try:
        if report.is_file():
            return Result(job, json.loads(report.read_text(encoding='utf-8')), None, reused=True)
        shutil.rmtree(job.folder, ignore_errors=True)  # what a killed process left
        robot = load_robot(job.robot)
        converted = convert_bag(job.bag, robot, job.options, job.folder, on_rows)
        content = bag_report(job.bag, robot, job.options, converted)
        job.folder.mkdir(parents=True, exist_ok=True)
        part = report.with_suffix('.part')
        part.write_text(json.dumps(content), encoding='utf-8')
        part.rename(report)
    except Exception as error:
        # Whatever a damaged bag makes a library throw: it is this bag's fault alone.
        shutil.rmtree(job.folder, ignore_errors=True)
        return Result(job, None, _named(job.bag, error))
    return Result(job, content, None)


def _named(bag: Path, error: Exception) -> str:
    """Return an error as one line that names the bag."""
    if isinstance(error, Gr00tError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f'{error.strerror}: {error.filename}' if error.filename else error.strerror
    else:
        text = f'{type(error).__name__}: {error}'
    text = one_line(text, MOST_CHARACTERS)
    return text if str(bag) in text else f'{bag}: {text}'


def run_in_processes(
    jobs: Sequence[Job], workers: int, on_rows: Callable[[int], None]
) -> Iterator[Result]:
    """Run jobs in a pool of processes; yield results as they come, call `on_rows` as rows come."""
    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            yield run_job(job, on_rows)
        return
    context = multiprocessing.get_context('spawn')  # threads of encoders must not be forked
    rows = context.Value('q', 0)
    seen = 0
    left = {job.bag: job for job in jobs}
    with ProcessPoolExecutor(workers, context, _share_rows, (rows,)) as pool:
        pending = {pool.submit(_run_counted, job) for job in jobs}
        while pending:
            done, pending = wait(pending, timeout=PROGRESS_S, return_when=FIRST_COMPLETED)
            on_rows(int(rows.value) - seen)
            seen = int(rows.value)
            for future in done:
                if not isinstance(future.exception(), BrokenProcessPool):
                    result = future.result()
                    del left[result.job.bag]
                    yield result
    # A process died, and the pool with it: each remaining bag gets a process of its own.
    for job in left.values():
        yield _run_alone(job, context, rows)
        on_rows(int(rows.value) - seen)
        seen = int(rows.value)


def _run_alone(job: Job, context: Any, rows: Any) -> Result:
    with ProcessPoolExecutor(1, context, _share_rows, (rows,)) as pool:
        try:
            return pool.submit(_run_counted, job).result()
        except BrokenProcessPool:
            shutil.rmtree(job.folder, ignore_errors=True)
            return Result(
                job, None, f'{job.bag}: the process that converted it died; out of memory?'
            )


# Rows written by all processes of the pool; set in each of them by `_share_rows`.
_rows: Any = None


def _share_rows(rows: Any) -> None:
    global _rows
    _rows = rows


def _run_counted(job: Job) -> Result:
    def count(rows: int) -> None:
        with _rows.get_lock():
            _rows.value += rows

    return run_job(job, count)


def run_on_ray(jobs: Sequence[Job]) -> Iterator[Result]:
    """Run the same jobs on a Ray cluster whose machines share the file system.

    Raises:
        BagError: Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise BagError('--executor ray needs Ray: pip install ray') from None
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    run = ray.remote(run_job)
    pending = [run.remote(job) for job in jobs]
    while pending:
        done, pending = ray.wait(pending)
        yield from ray.get(done)
