# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepare one state or action group for the model, and turn it back.

A group's values first change their rotation type, then are normalised; the way back does the
reverse. Formulas, per element, with statistics of the training data (GR00T N1.5, fact sheet
section 4):

    min_max   2(x − min)/(max − min) − 1, 0 where max = min; back: (y + 1)/2·(max − min) + min
    q99       the same with q01 and q99, x unchanged where they are equal, then clipped to [−1, 1]
    mean_std  (x − mean)/std, x unchanged where std = 0; back: y·std + mean
    scale     x/max(|min|, |max|), 0 where that is 0; back: y·max(|min|, |max|)
    binary    1 where x > 0.5, else 0; both ways
    sin_cos   [sin x, cos x], all sines first: twice as wide; no way back

So a constant element comes back as its constant from min_max, q99 and mean_std.

Statistics are rounded to float32, then take the dtype of the data; the result has the dtype of the
data (integers and booleans become float32). Each call goes by its own dtype.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.embodiments import Treatment
from gr00t_core.errors import ObservationError, RobotFileError
from gr00t_core.transforms.rotation import convert, ROTATION_WIDTHS

Values = NDArray[Any]
Statistics = Mapping[str, NDArray[np.float32]]

INVERTIBLE = ('none', 'min_max', 'q99', 'mean_std', 'scale', 'binary')
NORMALIZATIONS = (*INVERTIBLE, 'sin_cos')


@dataclass(frozen=True, eq=False)
class GroupTransform:
    """The treatment of one group.

    Attributes:
        name: Group name.
        width: Elements in the data.
        normalization: One of `NORMALIZATIONS`.
        statistics: `min`, `max`, `mean`, `std`, `q01`, `q99` (D,) float32 of what is normalised.
        source, target: Rotation types in the data and for the model; None when nothing is
            converted.
    """

    name: str
    width: int
    normalization: str
    statistics: Statistics
    source: str | None = None
    target: str | None = None

    @property
    def model_width(self) -> int:
        """Return the number of elements that the model sees."""
        width = self.width if self.target is None else ROTATION_WIDTHS[self.target]
        return 2 * width if self.normalization == 'sin_cos' else width

    def apply(self, values: Values) -> Values:
        """Map (..., width) in the data's units to (..., model_width)."""
        if not np.issubdtype(values.dtype, np.floating):
            values = values.astype(np.float32)
        if self.source is not None and self.target is not None:
            turned = convert(values, self.source, self.target).astype(values.dtype)
            if not np.isfinite(turned).all():
                raise ObservationError(
                    f'group {self.name!r}: {values.tolist()} is no {self.source} rotation'
                )
            values = turned
        return normalize(values, self.normalization, self.statistics)

    def unapply(self, values: Values) -> Values:
        """Map (..., model_width) from the model to (..., width) in the data's units."""
        values = denormalize(values, self.normalization, self.statistics)
        if self.source is not None and self.target is not None:
            values = convert(values, self.target, self.source).astype(values.dtype)
        return values


def group_transform(
    kind: str, treatment: Treatment, metadata: Mapping[str, Any]
) -> GroupTransform:
    """Build the transform of one group.

    Args:
        kind: `state` or `action`.
        treatment: What is to be done.
        metadata: Metadata entry of the embodiment: widths, rotation types, statistics.

    Raises:
        RobotFileError: The group is unknown, or its treatment breaks a rule; the message names the
            group.
    """
    where = f'{kind}.{treatment.key}'
    modalities = metadata['modalities'][kind]
    if treatment.key not in modalities:
        raise RobotFileError(f'{where}: not in the metadata, which has: {", ".join(modalities)}')
    modality = modalities[treatment.key]
    allowed = INVERTIBLE if kind == 'action' else NORMALIZATIONS
    if treatment.normalization not in allowed:
        raise RobotFileError(
            f'{where}: normalization {treatment.normalization!r}; allowed: {", ".join(allowed)}'
        )
    if not modality.get('continuous', True) and treatment.normalization != 'binary':
        raise RobotFileError(
            f'{where}: normalization {treatment.normalization!r} of a group that is not'
            ' continuous; allowed: binary'
        )
    statistics = metadata['statistics'][kind][treatment.key]
    source = modality.get('rotation_type')
    target = treatment.rotation
    if target is not None:
        _check_rotation(where, treatment, source, modality.get('absolute', True))
        if target == source:
            target = None
        else:
            statistics = _rotation_bounds(target)
    return GroupTransform(
        name=treatment.key,
        width=int(np.prod(modality['shape'])),
        normalization=treatment.normalization,
        statistics={name: np.asarray(values, np.float32) for name, values in statistics.items()},
        source=source if target else None,
        target=target,
    )


def normalize(values: Values, normalization: str, statistics: Statistics) -> Values:
    """Normalise floating-point values (..., D); see the formulas at the head of this file."""
    of = {name: value.astype(values.dtype) for name, value in statistics.items()}
    result = values
    if normalization in {'min_max', 'q99'}:
        low, high = _bounds(normalization, of)
        scaled = 2 * (values - low) / _or_one(high - low) - 1
        if normalization == 'min_max':
            result = np.where(high == low, 0, scaled)
        else:
            result = np.clip(np.where(high == low, values, scaled), -1, 1)
    elif normalization == 'mean_std':
        result = np.where(of['std'] == 0, values, (values - of['mean']) / _or_one(of['std']))
    elif normalization == 'scale':
        reach = np.maximum(abs(of['min']), abs(of['max']))
        result = np.where(reach == 0, 0, values / _or_one(reach))
    elif normalization == 'binary':
        result = values > 0.5
    elif normalization == 'sin_cos':
        result = np.concatenate((np.sin(values), np.cos(values)), axis=-1)
    return result.astype(values.dtype, copy=False)


def denormalize(values: Values, normalization: str, statistics: Statistics) -> Values:
    """Undo `normalize` on floating-point values (..., D)."""
    of = {name: value.astype(values.dtype) for name, value in statistics.items()}
    result = values
    if normalization in {'min_max', 'q99'}:
        low, high = _bounds(normalization, of)
        result = (values + 1) / 2 * (high - low) + low
    elif normalization == 'mean_std':
        result = values * of['std'] + of['mean']
    elif normalization == 'scale':
        result = values * np.maximum(abs(of['min']), abs(of['max']))
    elif normalization == 'binary':
        result = values > 0.5
    elif normalization == 'sin_cos':
        raise RobotFileError('sin_cos has no inverse: it is for states only')
    return result.astype(values.dtype, copy=False)


def perturb(values: Values, std: float, generator: np.random.Generator) -> Values:
    """Add Gaussian noise to one sample, clipped to the sample's own range (training only)."""
    noisy = values + generator.normal(0, std, values.shape).astype(values.dtype)
    clipped: Values = np.clip(noisy, values.min(), values.max())
    return clipped


def drop(values: Values, probability: float, generator: np.random.Generator) -> Values:
    """Replace one sample by zeros with a probability (training only)."""
    return np.zeros_like(values) if generator.random() < probability else values


def _check_rotation(where: str, treatment: Treatment, source: str | None, absolute: bool) -> None:
    target = str(treatment.rotation)
    if source not in ROTATION_WIDTHS or target not in ROTATION_WIDTHS:
        raise RobotFileError(
            f'{where}: rotation {source!r} cannot become {target!r};'
            f' both must be among {", ".join(ROTATION_WIDTHS)}'
        )
    allowed = ('none', 'min_max') if absolute else ('none',)
    if source != target and treatment.normalization not in allowed:
        form = 'an absolute' if absolute else 'a relative'
        raise RobotFileError(
            f'{where}: normalization {treatment.normalization!r} of {form} rotation converted'
            f' from {source} to {target}; allowed: {", ".join(allowed)}'
        )


def _rotation_bounds(rotation: str) -> dict[str, list[float]]:
    """Return fixed min and max: ±1 for quaternion, 6D and matrix, ±π for the angles."""
    bound = math.pi if ROTATION_WIDTHS[rotation] == 3 else 1.0
    width = ROTATION_WIDTHS[rotation]
    return {'min': [-bound] * width, 'max': [bound] * width}


def _bounds(normalization: str, of: Mapping[str, Values]) -> tuple[Values, Values]:
    return (of['min'], of['max']) if normalization == 'min_max' else (of['q01'], of['q99'])


def _or_one(values: Values) -> Values:
    safe: Values = np.where(values == 0, values.dtype.type(1), values)
    return safe
