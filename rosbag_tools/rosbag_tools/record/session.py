# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep the episodes of a recording session: one bag each, discarded ones in a trash folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
import json
import os
from pathlib import Path
import platform
import shutil
from typing import Any

import yaml

from gr00t_core.errors import BagError
from gr00t_core.robot.description import Robot
from rosbag_tools.convert.episodes import INSTRUCTION_KEY, ROBOT_KEY, SUCCESS_KEY
from rosbag_tools.record.episode_bag import EpisodeBag, RecordedTopic

TAGS_KEY = 'gr00t.tags'  # JSON list
NOTE_KEY = 'gr00t.note'
STARTED_KEY = 'gr00t.started'  # local time, ISO 8601
HOST_KEY = 'gr00t.host'
VERSIONS_KEY = 'gr00t.versions'  # JSON: name → version
TRASH = '.trash'
REASON_FILE = 'discarded.txt'


@dataclass(frozen=True)
class Tally:
    """How many episodes the folder holds; those of unknown outcome are in `kept` only."""

    kept: int
    good: int
    bad: int


class Session:
    """Episodes `<output>/<date>_<time>_<n>`, of which at most one is being recorded.

    Attributes:
        bag: The episode being recorded, None between episodes.
        last: The last one that was kept.
    """

    def __init__(
        self,
        output: Path,
        robot: Robot,
        *,
        bag_version: int = 9,
        zstd: bool = False,
        min_free_bytes: int = 1 << 30,
        robot_text: str | None = None,
    ) -> None:
        """Make the folder; nothing is written into it before `start`.

        Args:
            output: Folder of the session.
            robot: The robot being recorded; each bag carries its file.
            bag_version: rosbag2 format, 9 or 8.
            zstd: Compress the bags.
            min_free_bytes: Recording stops when less than this is free on the disk.
            robot_text: Carried instead of the robot's file.

        Raises:
            BagError: The folder cannot be made or written to.
        """
        make_folder(output)
        self.output = output
        self.bag: EpisodeBag | None = None
        self.last: Path | None = None
        self._robot = robot
        self._version = bag_version
        self._zstd = zstd
        self._min_free_bytes = min_free_bytes
        self._robot_text = robot_text
        self._count = 0
        self._outcomes = _outcomes(output)

    @property
    def tally(self) -> Tally:
        """Return how many episodes the folder holds, those of earlier sessions included."""
        outcomes = list(self._outcomes.values())
        return Tally(len(outcomes), outcomes.count(True), outcomes.count(False))

    @property
    def free_bytes(self) -> int:
        """Return the space left before recording stops.

        Raises:
            BagError: The folder is gone and cannot be made again.
        """
        make_folder(self.output)
        return shutil.disk_usage(self.output).free - self._min_free_bytes

    def start(self, instruction: str, tags: Sequence[str] = ()) -> str:
        """Begin an episode; return its name.

        Raises:
            BagError: One is being recorded, or the disk is full.
        """
        if self.bag is not None:
            raise BagError(f'{self.bag.path.name} is being recorded; stop or discard it first')
        if self.free_bytes <= 0:
            raise BagError(
                f'{self.output}: only {shutil.disk_usage(self.output).free / 1e9:.2f} GB free,'
                f' {self._min_free_bytes / 1e9:.2f} GB are kept free; make space'
            )
        now = datetime.now().astimezone()
        notes = {
            INSTRUCTION_KEY: instruction.strip() or self._robot.instruction,
            ROBOT_KEY: self._robot_text or self._robot.source.read_text(encoding='utf-8'),
            TAGS_KEY: json.dumps(list(tags)),
            STARTED_KEY: now.isoformat(timespec='milliseconds'),
            HOST_KEY: platform.node(),
            VERSIONS_KEY: json.dumps(_versions()),
        }
        path = self._free_name(now.strftime('%Y%m%d_%H%M%S'))
        self.bag = EpisodeBag(path, notes, version=self._version, zstd=self._zstd)
        return path.name

    def put(self, topic: RecordedTopic, log_ns: int, raw: bytes) -> None:
        """Record a message if an episode is under way."""
        if self.bag is not None:
            self.bag.put(topic, log_ns, raw)

    def out_of_space(self) -> str | None:
        """Return why recording cannot go on, None while it can."""
        if self.bag is None:
            return None
        if self.bag.failure is not None:
            return self.bag.failure
        return None if self.free_bytes > 0 else 'the disk is almost full'

    def stop(self, success: bool | None, note: str = '') -> Path:
        """Complete the episode and keep it; `success` is None when unknown. Return its folder.

        Raises:
            BagError: None is being recorded, or it cannot be completed.
        """
        bag, self.bag = self._running(), None
        notes = {} if success is None else {SUCCESS_KEY: str(success).lower()}
        self.last = bag.finish(notes | ({NOTE_KEY: note} if note else {}))
        self._outcomes[self.last.name] = success
        return self.last

    def discard(self, reason: str = '') -> Path:
        """Move the episode being recorded, else the last one, to the trash; return where it is.

        Raises:
            BagError: There is none.
        """
        if self.bag is not None:
            bag, self.bag = self.bag, None
            path = bag.finish()
        elif self.last is not None and self.last.exists():
            path, self.last = self.last, None
        else:
            raise BagError('there is no episode to discard')
        trash = self.output / TRASH
        trash.mkdir(exist_ok=True)
        self._outcomes.pop(path.name, None)
        moved = path.rename(trash / path.name)
        (moved / REASON_FILE).write_text(f'{reason}\n', encoding='utf-8')
        return moved

    def _running(self) -> EpisodeBag:
        if self.bag is None:
            raise BagError('no episode is being recorded')
        return self.bag

    def _free_name(self, stem: str) -> Path:
        while True:
            path = self.output / f'{stem}_{self._count:03d}'
            self._count += 1
            if not path.exists() and not (self.output / TRASH / path.name).exists():
                return path


def make_folder(path: Path) -> None:
    """Make a folder that can be written to, unless it is there.

    Raises:
        BagError: It cannot be made, is a file, or must not be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BagError(f'{path}: is a file; give a folder for the episodes') from None
    except OSError as error:
        raise BagError(
            f'{path}: the folder for the episodes cannot be made: {error.strerror}; give another'
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise BagError(f'{path}: no permission to write into this folder; give another')


def _outcomes(folder: Path) -> dict[str, bool | None]:
    """Return name → outcome of the complete episodes in a folder, None where none is noted."""
    loader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    found: dict[str, bool | None] = {}
    for file in sorted(folder.glob('[!.]*/metadata.yaml')):
        try:
            content = yaml.load(file.read_text(encoding='utf-8'), loader)
            notes = content['rosbag2_bagfile_information'].get('custom_data') or {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
            continue  # no bag of ours; it stays as it is
        success = notes.get(SUCCESS_KEY)
        found[file.parent.name] = None if success is None else str(success).lower() == 'true'
    return found


def _versions() -> dict[str, str]:
    return {
        'gr00t_core': version('gr00t_core'),
        'rosbags': version('rosbags'),
        'python': platform.python_version(),
        'ros': os.environ.get('ROS_DISTRO', ''),
    }
