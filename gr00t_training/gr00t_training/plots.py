# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw what was recorded and what checkpoints predicted.

Shapes: L steps of an episode · D elements of a group.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
import numpy as np
from numpy.typing import NDArray

from gr00t_training.open_loop import Trajectory

_COLUMNS = 3
_COLOURS = ('tab:orange', 'tab:blue', 'tab:green', 'tab:red', 'tab:purple')
_MARGIN = 0.08  # of what is shown, above and below


def plot_episode(
    path: Path, episode: Mapping[str, Trajectory], names: Mapping[str, Sequence[str]]
) -> None:
    """Draw one episode, a panel per element: state, recorded and predicted action.

    A dot marks a step at which the policy was asked; its line ends where the next chunk begins. A
    panel shows all of the record and of the prediction that is nearest to it, so that a checkpoint
    that is far off does not flatten the others.

    Args:
        path: PNG file.
        episode: Checkpoint → its prediction.
        names: Group → names of its elements.
    """
    first = next(iter(episode.values()))
    panels = [(group, i) for group in first.truth for i in range(first.truth[group].shape[1])]
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5 * columns, 2.1 * rows + 0.6), layout='constrained')
    FigureCanvasAgg(figure)
    axes = np.asarray(figure.subplots(rows, columns, sharex=True, squeeze=False)).ravel()
    for axis, (group, i) in zip(axes, panels):
        _panel(axis, episode, group, i)
        axis.set_title(f'{group} / {names[group][i]}', fontsize=9)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[max(0, len(panels) - columns) : len(panels)]:
        axis.set_xlabel('step', fontsize=8)
        axis.tick_params(labelbottom=True)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside upper center', ncols=len(labels), fontsize=10)
    figure.savefig(path, dpi=100)


def _panel(axis: Axes, episode: Mapping[str, Trajectory], group: str, i: int) -> None:
    first = next(iter(episode.values()))
    truth = first.truth[group][:, i]
    shown = [truth]
    axis.plot(truth, color='black', lw=3.5, alpha=0.25, label='recorded')
    if group in first.state:
        state = first.state[group][:, i]
        shown.append(state)
        axis.plot(state, color='0.45', lw=1, ls=':', label='state')
    for number, (label, trajectory) in enumerate(episode.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        values = trajectory.predicted[group][:, i]
        marks = list(trajectory.marks)
        axis.plot(*_broken(values, marks), color=colour, lw=1.2, label=label)
        axis.plot(marks, values[marks], 'o', color=colour, ms=3.5)
    predictions = [trajectory.predicted[group][:, i] for trajectory in episode.values()]
    shown.append(min(predictions, key=lambda values: float(np.square(values - truth).sum())))
    low, high = np.concatenate(shown).min(), np.concatenate(shown).max()
    margin = _MARGIN * (high - low) or _MARGIN
    axis.set_ylim(low - margin, high + margin)
    axis.tick_params(labelsize=7)
    axis.grid(color='0.93')


def _broken(
    values: NDArray[np.float64], marks: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return steps and values (L,) with a gap before every mark but the first."""
    steps = np.arange(len(values), dtype=np.float64)
    return np.insert(steps, marks[1:], np.nan), np.insert(values, marks[1:], np.nan)
