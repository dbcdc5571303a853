# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare checkpoints with recorded episodes: `gr00t evaluate`."""

from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Annotated, Any, TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from gr00t_training.open_loop import Trajectory

_log = logging.getLogger(__name__)

Paths = Annotated[tuple[Path, ...], tyro.conf.arg(metavar='DIR...')]


@dataclass(frozen=True)
class EvaluateConfig:
    """Predict recorded episodes open loop and report the errors.

    Attributes:
        checkpoint: Checkpoint folders, compared side by side.
        dataset: LeRobot dataset.
        output: Folder for report.html, PNG plots, results.json and results.csv.
        robot: Robot name or file; none takes the checkpoint's robot.yaml.
        data_config: In place of a robot: a shipped data config, with --embodiment-tag.
        embodiment_tag: Tag that goes with --data-config.
        episodes: Positions of the episodes.
        steps: Steps per episode, at most; None for all.
        action_horizon: Steps between predictions; None for the model's horizon.
        backend: Engine of the policy.
        device: Where it runs.
        denoising_steps: Of the flow; None for the checkpoint's.
        seed: Of the noise; the same for every checkpoint.
    """

    checkpoint: Paths
    dataset: Path
    output: Path
    robot: str | None = None
    data_config: str | None = None
    embodiment_tag: str | None = None
    episodes: tuple[int, ...] = (0,)
    steps: int | None = None
    action_horizon: int | None = None
    backend: str = 'torch'
    device: str = 'cpu'
    denoising_steps: int | None = None
    seed: int = 0


def main(argv: list[str]) -> int:
    """Compare checkpoints with recorded episodes, open loop, with plots."""
    from rich.console import Console
    from rich.table import Table

    config = tyro.cli(EvaluateConfig, prog='gr00t evaluate', args=argv)
    results = evaluate(config)
    table = Table('checkpoint', 'group', 'MSE', 'MAE', 'boundary jump / inside')
    for result in results['checkpoints']:
        ratio = f'{result["smoothness"]["jump_ratio"]:.2f}'
        table.add_row(
            result['checkpoint'], 'all', f'{result["mse"]:.6g}', f'{result["mae"]:.6g}', ratio
        )
        for name, group in result['groups'].items():
            table.add_row('', name, f'{group["mse"]:.6g}', f'{group["mae"]:.6g}', '')
    console = Console()
    console.print(table)
    console.print(f'report: {config.output / "report.html"}')
    return 0


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Evaluate and write the report; return the content of results.json.

    Raises:
        Gr00tError: A checkpoint, robot and dataset do not fit together.
    """
    from gr00t_training.open_loop import errors, smoothness
    from gr00t_training.report import write_report

    labels = _labels(config.checkpoint)
    runs: dict[str, list[Trajectory]] = {}
    results = []
    element_names: dict[str, list[str]] = {}
    for label, checkpoint in zip(labels, config.checkpoint, strict=True):
        trajectories, element_names = _predict(config, checkpoint)
        runs[label] = trajectories
        results.append(
            {
                'checkpoint': label,
                'path': str(checkpoint),
                **errors(trajectories),
                'smoothness': smoothness(trajectories),
                'episodes': [
                    {
                        'episode': one.episode,
                        'instruction': one.instruction,
                        'steps': len(next(iter(one.truth.values()))),
                        **{k: v for k, v in errors([one]).items() if k in ('mse', 'mae')},
                    }
                    for one in trajectories
                ],
            }
        )
    content = {
        'dataset': str(config.dataset),
        'episodes': list(config.episodes),
        'seed': config.seed,
        'elements': element_names,
        'checkpoints': results,
    }
    write_report(config.output, content, runs)
    return content


def _predict(
    config: EvaluateConfig, checkpoint: Path
) -> tuple[list['Trajectory'], dict[str, list[str]]]:
    from gr00t_core.dataset.modality import configs_for_data_config
    from gr00t_core.dataset.reader import Dataset
    from gr00t_core.embodiment import DATA_CONFIGS
    from gr00t_core.policy import Gr00tPolicy
    from gr00t_training.open_loop import predict_episode

    policy = Gr00tPolicy(
        checkpoint,
        config.robot,
        config.backend,
        config.device,
        config.denoising_steps,
        config.seed,
        data_config=config.data_config,
        embodiment=config.embodiment_tag,
    )
    robot = policy.robot
    data_config = robot.data_config if robot else DATA_CONFIGS[str(config.data_config)]
    dataset = Dataset.open(config.dataset, robot)
    configs = configs_for_data_config(data_config, policy.transforms.horizon)
    trajectories = []
    for episode in config.episodes:
        _log.info('%s: episode %d', checkpoint, episode)
        trajectories.append(
            predict_episode(
                policy.get_action,
                dataset,
                configs,
                episode,
                config.action_horizon,
                config.steps,
            )
        )
    names = {
        group.name: list(robot.action_group(group.name).names)
        if robot
        else [str(number) for number in range(group.width)]
        for group in policy.transforms.action
    }
    return trajectories, names


def _labels(checkpoints: tuple[Path, ...]) -> list[str]:
    """Return short names that tell the checkpoints apart."""
    names = [path.resolve().name for path in checkpoints]
    if len(set(names)) == len(names):
        return names
    return [f'{path.resolve().parent.name}/{path.resolve().name}' for path in checkpoints]
