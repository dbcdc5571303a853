# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say which columns make which group: `meta/modality.json`, or derived from a robot."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gr00t_core.dataset.schema import MODALITY, read_json, ROBOT
from gr00t_core.embodiments import DataConfig, ModalityConfig
from gr00t_core.errors import DatasetError
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot

DEFAULT_KEY = {'state': 'observation.state', 'action': 'action'}


@dataclass(frozen=True)
class GroupColumns:
    """Where a state or action group lies.

    Attributes:
        start, end: Half-open range of elements of the column.
        key: Name of the column.
        rotation: Rotation type of the values, None when they are not a rotation.
        absolute: False for deltas: past the ends of an episode they are zero, absolutes repeat.
    """

    start: int
    end: int
    key: str
    rotation: str | None = None
    absolute: bool = True

    @property
    def width(self) -> int:
        """Return the number of elements."""
        return self.end - self.start


@dataclass(frozen=True)
class Modality:
    """Content of `meta/modality.json`; names come without their `state.`, `video.` … prefix.

    Attributes:
        state, action: Group name → columns.
        video: Camera name → video feature.
        annotation: Annotation name → integer column that holds a task index.
    """

    state: Mapping[str, GroupColumns]
    action: Mapping[str, GroupColumns]
    video: Mapping[str, str]
    annotation: Mapping[str, str]

    def groups(self, kind: str) -> Mapping[str, GroupColumns]:
        """Return the groups of `state` or `action`."""
        return self.state if kind == 'state' else self.action


def configs_for_robot(robot: Robot, horizon: int) -> dict[str, ModalityConfig]:
    """Return what a robot's policy is trained on: the observation now, the next actions."""
    return _configs(
        [camera.name for camera in robot.cameras],
        [group.name for group in robot.state],
        [group.name for group in robot.action],
        robot.instruction_key,
        horizon,
    )


def configs_for_data_config(config: DataConfig, horizon: int) -> dict[str, ModalityConfig]:
    """Return what one of the shipped data configs is trained on."""
    return _configs(
        config.video,
        [group.key for group in config.state],
        [group.key for group in config.action],
        config.language,
        horizon,
    )


def read_modality(dataset: Path, robot: Robot | None = None) -> Modality:
    """Read `meta/modality.json`; if missing, derive it from `robot` or `meta/robot.yaml`.

    Raises:
        DatasetError: Malformed, or neither the file nor a robot is there.
    """
    path = dataset / MODALITY
    if path.is_file():
        return parse_modality(read_json(path), path)
    if robot is None and (dataset / ROBOT).is_file():
        robot = load_robot(dataset / ROBOT)
    if robot is None:
        raise DatasetError(
            f'{path}: missing, and there is no {ROBOT} to derive it from. Give the robot'
            ' (--robot NAME or FILE)'
        )
    return parse_modality(robot.modality(), robot.source)


def parse_modality(content: Mapping[str, Any], where: Path) -> Modality:
    """Build a Modality from the parsed JSON of `where`.

    Raises:
        DatasetError: Names the entry and what is wrong with it.
    """
    try:
        return Modality(
            state=_groups(content['state'], 'state', where),
            action=_groups(content['action'], 'action', where),
            video={
                name: entry.get('original_key') or name for name, entry in content['video'].items()
            },
            annotation={
                name: entry.get('original_key') or f'annotation.{name}'
                for name, entry in (content.get('annotation') or {}).items()
            },
        )
    except KeyError as error:
        raise DatasetError(f'{where}: {error.args[0]}: missing') from None
    except (AttributeError, TypeError) as error:
        raise DatasetError(f'{where}: malformed: {error}') from None


def _groups(entries: Mapping[str, Any], kind: str, where: Path) -> dict[str, GroupColumns]:
    groups = {}
    for name, entry in entries.items():
        start, end = entry['start'], entry['end']
        if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end):
            raise DatasetError(
                f'{where}: {kind}.{name}: start {start!r}, end {end!r}; expected integers, 0 <='
                ' start < end'
            )
        groups[name] = GroupColumns(
            start=start,
            end=end,
            key=entry.get('original_key') or DEFAULT_KEY[kind],
            rotation=entry.get('rotation_type'),
            absolute=bool(entry.get('absolute', True)),
        )
    return groups


def _configs(
    video: Any, state: Any, action: Any, language: str, horizon: int
) -> dict[str, ModalityConfig]:
    return {
        'video': ModalityConfig((0,), tuple(f'video.{name}' for name in video)),
        'state': ModalityConfig((0,), tuple(f'state.{name}' for name in state)),
        'action': ModalityConfig(
            tuple(range(horizon)), tuple(f'action.{name}' for name in action)
        ),
        'language': ModalityConfig((0,), (language,)),
    }
