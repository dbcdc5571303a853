# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read N1.7's processor files: processor_config.json, statistics.json, embodiment_id.json.

They lie in the checkpoint folder, or in `processor/` inside it. One entry per embodiment tag says
which cameras, groups and steps the model sees; the statistics turn into `Group`s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from gr00t_core.errors import CheckpointError
from gr00t_core.instructions import shown
from gr00t_core.json_file import read_json
from gr00t_core.models.n1_7.groups import Group, POSES
from gr00t_core.models.n1_7.images import ImageTransform
from gr00t_core.models.n1_7.numbers import NUMBERS
from gr00t_core.transforms.rotation import ROTATION_WIDTHS

PROCESSOR, STATISTICS, SLOTS = 'processor_config.json', 'statistics.json', 'embodiment_id.json'
COLORS = ('brightness', 'contrast', 'saturation', 'hue')
_MOST_PIXELS = 4096  # of a side: Qwen's processor makes larger pictures smaller again
_MOST_COLOR = 100  # of a color's jitter; from 1 on it may take all of it
# Upstream's class defaults of processor_kwargs.
_DEFAULTS: Mapping[str, Any] = {
    'apply_sincos_state_encoding': False,
    'color_jitter_params': None,
    'clip_outliers': True,
    'crop_fraction': NUMBERS.crop,
    'exclude_state': False,
    'formalize_language': True,
    'image_crop_size': None,
    'image_target_size': None,
    'letter_box_transform': False,
    'max_action_dim': 29,
    'max_action_horizon': NUMBERS.horizon,
    'max_state_dim': 29,
    'random_rotation_angle': None,
    'shortest_image_edge': NUMBERS.image_side,
    'state_dropout_prob': 0.0,
    'use_albumentations': False,
    'use_percentiles': False,
    'use_relative_action': False,
}


@dataclass(frozen=True, eq=False)
class Layout:
    """What one embodiment head sees and gives.

    Attributes:
        tag, slot: Embodiment tag and slot of the category-specific weights.
        cameras: Names, in the model's order.
        video_steps, state_steps, action_steps: Steps relative to now.
        state, action: Groups, in the model's order.
        language: Annotation keys of the instruction; inference uses the first.
    """

    tag: str
    slot: int
    cameras: tuple[str, ...]
    video_steps: tuple[int, ...]
    state_steps: tuple[int, ...]
    action_steps: tuple[int, ...]
    state: tuple[Group, ...]
    action: tuple[Group, ...]
    language: tuple[str, ...]


class ProcessorConfig:
    """The processor files of a checkpoint.

    Attributes:
        folder: Where they lie.
        settings: processor_kwargs, upstream's defaults filled in.
        statistics: Tag → `state`, `action`, `relative_action` → group → statistic → values.
        slots: Tag → slot.
    """

    def __init__(self, checkpoint: str | Path, contents: Mapping[str, Any] | None = None) -> None:
        """Read the files.

        Args:
            checkpoint: Checkpoint folder.
            contents: File name → content, in place of files that are not written yet.

        Raises:
            CheckpointError: A file is missing or malformed.
        """
        self._contents = contents
        root = Path(checkpoint)
        inner = root / 'processor'
        self.folder = (
            inner if not (root / PROCESSOR).is_file() and (inner / PROCESSOR).is_file() else root
        )
        content = self._read(PROCESSOR)
        settings = content.get('processor_kwargs')
        if not isinstance(settings, dict):
            raise CheckpointError(
                f'{self.folder / PROCESSOR}: processor_kwargs is missing or no JSON object'
            )
        self.settings: dict[str, Any] = {**_DEFAULTS, **settings}
        self._check_settings()
        self.statistics = self._read(STATISTICS)
        has_slots = contents is not None or (self.folder / SLOTS).is_file()
        told = self._read(SLOTS) if has_slots else {}
        self.slots: dict[str, int] = {**NUMBERS.slots, **told}
        layouts = self.settings.get('modality_configs')
        if not isinstance(layouts, dict):
            self._fail('modality_configs', layouts, 'an object tag → modalities')
        self._layouts: dict[str, Any] = layouts

    @property
    def tags(self) -> list[str]:
        """Return the tags that have a layout and statistics."""
        return sorted(tag for tag in self._layouts if tag in self.statistics)

    @property
    def state_dropout(self) -> float:
        """Return the probability, in training, that a sample's normalised state is zeroed."""
        return float(self.settings['state_dropout_prob'] or 0)

    @property
    def color_jitter(self) -> dict[str, float]:
        """Return brightness, contrast, saturation and hue of training's colour jitter; 0 is none.

        Raises:
            CheckpointError: Not an object of numbers from 0 on, or another name in it.
        """
        told = self.settings['color_jitter_params'] or {}
        if (
            not isinstance(told, dict)
            or not set(told) <= set(COLORS)
            or not all(_is_number(value, _MOST_COLOR) for value in told.values())
        ):
            self._fail('color_jitter_params', told, f'numbers from 0 on for {", ".join(COLORS)}')
        return {name: float(told.get(name, 0)) for name in COLORS}

    @property
    def crop(self) -> float:
        """Return the part of each side that is kept; raises CheckpointError."""
        of = self.settings
        crop, target, window = (
            of[key] for key in ('crop_fraction', 'image_target_size', 'image_crop_size')
        )
        if crop is None and _are_sides(target) and _are_sides(window):
            crop = window[0] / target[0]
        if not _is_number(crop, 1) or crop == 0:
            self._fail('crop_fraction', crop, 'a number in (0, 1], or image_crop_size')
        return float(crop)

    def images(self, patch: int, merge: int, frames: int) -> ImageTransform:
        """Return how camera frames become patches of these sizes."""
        of = self.settings
        target, window = of['image_target_size'], of['image_crop_size']
        for key in ('image_target_size', 'image_crop_size'):
            if of[key] is not None and not _are_sides(of[key]):
                self._fail(key, of[key], f'two ints from 1 to {_MOST_PIXELS} or null')
        square = None
        if not of['use_albumentations']:
            if target is None or window is None:
                self._fail('image_target_size', target, 'two ints, with image_crop_size')
            if window[0] > target[0] or window[1] > target[1]:
                self._fail('image_crop_size', window, f'at most image_target_size {target}')
            square = (tuple(target), tuple(window))
        edge = of['shortest_image_edge']
        if edge is None and target is not None:
            edge = target[0]
        if type(edge) is not int or not 1 <= edge <= _MOST_PIXELS or int(edge * self.crop) < 1:
            allowed = f'an int up to {_MOST_PIXELS} of which a crop leaves something'
            self._fail('shortest_image_edge', edge, f'{allowed}, or image_target_size')
        letterbox = bool(of['letter_box_transform'])
        return ImageTransform(edge, self.crop, letterbox, square, patch, merge, frames)

    def layout(self, tag: str) -> Layout:
        """Return what the head of one embodiment tag sees and gives.

        Raises:
            CheckpointError: Unknown tag (the known ones are listed), or an entry that is
                incomplete or contradicts its statistics.
        """
        if tag not in self._layouts or tag not in self.statistics:
            missing = PROCESSOR if tag not in self._layouts else STATISTICS
            raise CheckpointError(
                f'{self.folder / missing}: no entry for embodiment {tag!r}; available:'
                f' {", ".join(self.tags) or "none"}. Finetune on data of this embodiment, or use a'
                ' robot with one of these tags'
            )
        if type(self.slots.get(tag)) is not int:
            raise CheckpointError(
                f'{self.folder / SLOTS}: no slot for embodiment {tag!r}; known:'
                f' {", ".join(sorted(self.slots))}. Add the slot that it was trained with'
            )
        video, state, action, language = (
            self._modality(tag, name) for name in ('video', 'state', 'action', 'language')
        )
        if len(action.steps) > self.settings['max_action_horizon']:
            self._fail(
                f'modality_configs.{tag}.action.delta_indices',
                f'{len(action.steps)} steps',
                f'at most max_action_horizon {self.settings["max_action_horizon"]}',
            )
        return Layout(
            tag,
            self.slots[tag],
            video.keys,
            video.steps,
            state.steps,
            action.steps,
            tuple(self._state_group(tag, state, name) for name in state.keys),
            tuple(self._action_group(tag, action, i) for i in range(len(action.keys))),
            language.keys,
        )

    def _state_group(self, tag: str, modality: '_Modality', name: str) -> Group:
        if name in modality.sin_cos and self.settings['apply_sincos_state_encoding']:
            low = self._statistic(tag, 'state', name, 'min')
            return Group(name, 'sin_cos', low, low, False, excluded=self._excluded(modality))
        if name in modality.mean_std:
            low, high = self._pair(tag, 'state', name, ('mean', 'std'))
            return Group(name, 'mean_std', low, high, False, excluded=self._excluded(modality))
        low, high = self._pair(tag, 'state', name, self._bounds)
        clip = bool(self.settings['clip_outliers'])
        return Group(name, 'min_max', low, high, clip, excluded=self._excluded(modality))

    def _action_group(self, tag: str, modality: '_Modality', index: int) -> Group:
        name, clip = modality.keys[index], bool(self.settings['clip_outliers'])
        reference, pose = self._relation(tag, modality, index)
        kind = 'action' if reference is None else 'relative_action'
        treatment, keys = 'min_max', self._bounds
        if name in modality.mean_std:
            treatment, keys = 'mean_std', ('mean', 'std')
        elif reference is not None:  # per step, and never percentiles
            keys = ('min', 'max')
        low, high = self._pair(tag, kind, name, keys)
        if low.ndim == 2 and len(low) < len(modality.steps):
            self._fail(
                f'{tag}.{kind}.{name}', f'{len(low)} rows', f'{len(modality.steps)}', STATISTICS
            )
        width = low.shape[-1]
        if reference is not None:
            start = len(self._statistic(tag, 'state', reference, 'min'))
            wanted = start if pose is None else 3 + ROTATION_WIDTHS[POSES[pose]]
            if not width == start == wanted:
                found = f'{width} wide, state {reference!r} {start}'
                self._fail(f'{tag}.{kind}.{name}', found, f'{wanted} for both', STATISTICS)
        return Group(name, treatment, low, high, clip, reference, pose)

    def _relation(
        self, tag: str, modality: '_Modality', index: int
    ) -> tuple[str | None, str | None]:
        """Return the state group that an action group is relative to, and the form of a pose."""
        if not modality.actions or not self.settings['use_relative_action']:
            return None, None
        told, name = modality.actions[index], modality.keys[index]
        where = f'modality_configs.{tag}.action.action_configs.{index}'
        if told.get('rep') not in ('RELATIVE', 'ABSOLUTE'):
            self._fail(f'{where}.rep', told.get('rep'), "'RELATIVE' or 'ABSOLUTE'")
        if told['rep'] == 'ABSOLUTE':
            return None, None
        reference = str(told.get('state_key') or name)
        if reference not in self._modality(tag, 'state').keys:
            self._fail(f'{where}.state_key', reference, 'the name of a state group')
        if told.get('type') == 'NON_EEF':
            return reference, None
        if told.get('type') != 'EEF' or told.get('format') not in tuple(POSES):
            found = f'{told.get("type")} {told.get("format")}'
            self._fail(where, found, f'NON_EEF, or EEF with {", ".join(POSES)}')
        return reference, told['format']

    def _excluded(self, modality: '_Modality') -> bool:
        return bool(self.settings['exclude_state'] or modality.excluded)

    @property
    def _bounds(self) -> tuple[str, str]:
        return ('q01', 'q99') if self.settings['use_percentiles'] else ('min', 'max')

    def _pair(self, tag: str, kind: str, name: str, keys: tuple[str, str]) -> tuple[Any, Any]:
        low, high = (self._statistic(tag, kind, name, key) for key in keys)
        if low.shape != high.shape:
            where = f'{tag}.{kind}.{name}.{keys[1]}'
            self._fail(where, f'of shape {high.shape}', f'{low.shape} as {keys[0]}', STATISTICS)
        return low, high

    def _statistic(self, tag: str, kind: str, name: str, key: str) -> NDArray[np.float64]:
        found: Any = self.statistics[tag]
        for part in (kind, name, key):
            found = found.get(part) if isinstance(found, dict) else None
        try:
            values = np.asarray(found, np.float64)
        except (TypeError, ValueError, OverflowError):
            values = np.empty(0)
        wanted = 2 if kind == 'relative_action' else 1
        if values.ndim != wanted or not values.size or not np.isfinite(values).all():
            rows = 'rows of numbers, one per step' if wanted == 2 else 'a list of finite numbers'
            self._fail(f'{tag}.{kind}.{name}.{key}', found, rows, STATISTICS)
        return values

    def _check_settings(self) -> None:
        """Refuse flags and numbers that are none; null is what is off or 0."""
        of = self.settings
        for key, default in _DEFAULTS.items():
            if type(default) is bool and not (of[key] is None or type(of[key]) is bool):
                self._fail(key, of[key], 'true or false')
        for key, most in (('state_dropout_prob', 1), ('random_rotation_angle', 360)):
            if of[key] is not None and not _is_number(of[key], most):
                self._fail(key, of[key], f'a number from 0 to {most}')
        if type(of['max_action_horizon']) is not int or of['max_action_horizon'] < 1:
            self._fail('max_action_horizon', of['max_action_horizon'], 'a positive int')

    def _modality(self, tag: str, name: str) -> '_Modality':
        where = f'modality_configs.{tag}.{name}'
        told = self._layouts[tag].get(name) if isinstance(self._layouts[tag], dict) else None
        if not isinstance(told, dict):
            self._fail(where, told, 'an object with delta_indices and modality_keys')
        keys, steps = told.get('modality_keys'), told.get('delta_indices')
        if not keys or not _are_names(keys) or len(set(keys)) < len(keys):
            self._fail(f'{where}.modality_keys', keys, 'a list of names, each once')
        for key in ('sin_cos_embedding_keys', 'mean_std_embedding_keys'):
            if told.get(key) is not None and not _are_names(told[key]):
                self._fail(f'{where}.{key}', told[key], 'a list of names or null')
        if not isinstance(steps, list) or not steps or not all(type(s) is int for s in steps):
            self._fail(f'{where}.delta_indices', steps, 'a list of ints')
        actions = told.get('action_configs')
        if actions is not None and (
            not isinstance(actions, list)
            or len(actions) != len(keys)
            or not all(isinstance(action, dict) for action in actions)
        ):
            self._fail(f'{where}.action_configs', actions, f'{len(keys)} objects or null')
        return _Modality(
            tuple(keys),
            tuple(steps),
            tuple(told.get('sin_cos_embedding_keys') or ()),
            tuple(told.get('mean_std_embedding_keys') or ()),
            tuple(actions or ()),
            bool(told.get('exclude_state')),
        )

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            content = read_json(path) if self._contents is None else self._contents[name]
        except FileNotFoundError:
            raise CheckpointError(
                f'{path} is missing: an N1.7 checkpoint holds {PROCESSOR} and {STATISTICS} (in the'
                " folder itself or in processor/). Copy them from NVIDIA's repository, or from"
                ' the training output that these weights come from'
            ) from None
        except ValueError as error:
            raise CheckpointError(
                f'{path} is not valid JSON: {error}. Copy the file again'
            ) from None
        if not isinstance(content, dict):
            raise CheckpointError(f'{path}: a {type(content).__name__}, expected a JSON object')
        return content

    def _fail(self, key: str, found: object, allowed: str, file: str = PROCESSOR) -> NoReturn:
        raise CheckpointError(
            f'{self.folder / file}: {key} is {shown(found)}, expected {allowed}. Compare the file'
            ' with the one of the original checkpoint'
        )


@dataclass(frozen=True)
class _Modality:
    keys: tuple[str, ...]
    steps: tuple[int, ...]
    sin_cos: tuple[str, ...]
    mean_std: tuple[str, ...]
    actions: tuple[Mapping[str, Any], ...]
    excluded: bool


def _are_sides(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(side) is int and 1 <= side <= _MOST_PIXELS for side in value)
    )


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_number(value: object, most: float) -> bool:
    """Return whether it is a number from 0 to `most`; true and false are none."""
    return isinstance(value, int | float) and type(value) is not bool and 0 <= value <= most
