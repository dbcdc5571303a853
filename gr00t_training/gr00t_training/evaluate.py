# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compare checkpoints with recorded episodes: `gr00t evaluate`."""

from dataclasses import dataclass
import json
import logging
from pathlib import Path
from typing import Annotated, Any, Literal, TYPE_CHECKING

import tyro

from gr00t_core.commands.readable import readable

if TYPE_CHECKING:
    from gr00t_training.open_loop import Trajectory

_log = logging.getLogger(__name__)

Paths = Annotated[tuple[Path, ...], tyro.conf.arg(metavar='DIR...')]


@readable
@dataclass(frozen=True)
class EvaluateConfig:
    """Predict recorded episodes open loop and report the errors.

    Attributes:
        checkpoint: Checkpoint folders, compared side by side.
        dataset: LeRobot dataset.
        output: Folder for report.html, PNG plots, results.json and results.csv.
        robot: Robot name or file; none takes the checkpoint's robot.yaml.
        data_config: In place of a robot: a shipped data config, with --embodiment-tag.
        embodiment_tag: Tag that goes with --data-config. An N1.7 checkpoint needs the tag alone.
        episodes: Positions of the episodes, or `all`. Episodes that were not trained on say more.
        steps: Steps per episode, at most; None for all.
        action_horizon: Steps between predictions; None for the model's horizon.
        engine: auto (onnxruntime for an export, else torch), torch, tensorrt, or onnxruntime or
            openvino (then the checkpoint is an export).
        device: cpu, cuda, cuda:N, or auto: the GPU where PyTorch sees one, else the CPU.
        denoising_steps: Of the flow; None for the checkpoint's.
        seed: Of the noise; the same for every checkpoint.
    """

    checkpoint: Paths
    dataset: Path
    output: Path
    robot: str | None = None
    data_config: str | None = None
    embodiment_tag: str | None = None
    episodes: tuple[int, ...] | Literal['all'] = (0,)
    steps: int | None = None
    action_horizon: int | None = None
    engine: str = 'auto'
    device: str = 'auto'
    denoising_steps: int | None = None
    seed: int = 0


def main(argv: list[str]) -> int:
    """Compare checkpoints with recorded episodes, open loop, with plots."""
    from rich.console import Console
    from rich.table import Table

    config = tyro.cli(EvaluateConfig, prog='gr00t evaluate', args=argv)
    results = evaluate(config)
    table = Table('checkpoint', 'group', 'MSE', 'MAE', 'boundary jump / inside')
    for result in (*results['checkpoints'], *results['baselines']):
        smoothness = result.get('smoothness')
        ratio = f'{smoothness["jump_ratio"]:.2f}' if smoothness else ''
        table.add_row(
            result['checkpoint'], 'all', f'{result["mse"]:.6g}', f'{result["mae"]:.6g}', ratio
        )
        for name, group in result['groups'].items():
            table.add_row('', name, f'{group["mse"]:.6g}', f'{group["mae"]:.6g}', '')
        for word, found in result.get('decided', {}).items():
            what = f'{found["steps"]} steps of {word}'
            table.add_row('', what, f'{found["mse"]:.6g}', f'{found["mae"]:.6g}', '')
    console = Console()
    console.print(table)
    for line in results['verdicts']:
        console.print(line, markup=False)
    console.print(f'report: {config.output / "report.html"}')
    return 0


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Evaluate and write the report; return the content of results.json.

    Raises:
        Gr00tError: A checkpoint, robot and dataset do not fit together, an episode does not
            exist, or the output folder holds something else.
    """
    from gr00t_core.dataset.schema import read_info
    from gr00t_training import baselines
    from gr00t_training.open_loop import decided, errors, smoothness, worst_step
    from gr00t_training.report import require_own_folder, write_report

    require_own_folder(config.output)
    episodes = _episodes(config)
    labels = _labels(config.checkpoint)
    fps = float(read_info(config.dataset).fps)
    runs: dict[str, list[Trajectory]] = {}
    results = []
    element_names: dict[str, list[str]] = {}
    for label, checkpoint in zip(labels, config.checkpoint, strict=True):
        trajectories, element_names, references = _predict(config, checkpoint, episodes)
        runs[label] = trajectories
        results.append(
            {
                'checkpoint': label,
                'path': str(checkpoint),
                **errors(trajectories),
                'smoothness': smoothness(trajectories),
                'decided': decided(trajectories),
                'episodes': [
                    {
                        'episode': one.episode,
                        'instruction': one.instruction,
                        'steps': len(next(iter(one.truth.values()))),
                        'worst_s': round(worst_step(one) / fps, 3),
                        **{k: v for k, v in errors([one]).items() if k in ('mse', 'mae')},
                    }
                    for one in trajectories
                ],
            }
        )
    compared = [{'checkpoint': label, **errors(made)} for label, made in references.items()]
    verdicts = [baselines.verdict(result, compared) for result in results]
    for label, checkpoint in zip(labels, config.checkpoint, strict=True):
        if (trained := _trained_on(config.dataset, episodes, checkpoint)) is not None:
            verdicts.append(f'{label} was trained on {trained}: its errors elsewhere are larger.')
    content = {
        'dataset': str(config.dataset),
        'episodes': list(episodes),
        'verdicts': verdicts,
        'baselines': compared,
        'seed': config.seed,
        'elements': element_names,
        'checkpoints': results,
    }
    write_report(config.output, content, runs)
    return content


def _predict(
    config: EvaluateConfig, checkpoint: Path, episodes: tuple[int, ...]
) -> tuple[list['Trajectory'], dict[str, list[str]], dict[str, list['Trajectory']]]:
    """Return the predictions, the names of the elements by group, and the baselines."""
    from gr00t_core.dataset.reader import Dataset
    from gr00t_core.embodiments import ModalityConfig
    from gr00t_core.engines import choose_engine
    from gr00t_core.policy import Gr00tPolicy
    from gr00t_training import baselines
    from gr00t_training.open_loop import predict_episode

    engine, device = choose_engine(config.engine, config.device, checkpoint)
    policy = Gr00tPolicy(
        checkpoint,
        config.robot,
        engine,
        device,
        config.denoising_steps,
        config.seed,
        data_config=config.data_config,
        embodiment=config.embodiment_tag,
    )
    robot = policy.robot
    dataset = Dataset.open(config.dataset, robot)
    configs = {
        modality: ModalityConfig(tuple(of['delta_indices']), tuple(of['modality_keys']))
        for modality, of in policy.get_modality_config().items()
    }
    trajectories = []
    for episode in episodes:
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
    absolute = {name: dataset.modality.action[name].absolute for name in names}
    means = {name: dataset.group(f'action.{name}').mean(0, dtype='float64') for name in names}
    references = {
        baselines.HOLD: [baselines.hold(one, absolute) for one in trajectories],
        baselines.MEAN: [baselines.mean(one, means) for one in trajectories],
    }
    return trajectories, names, references


def _episodes(config: EvaluateConfig) -> tuple[int, ...]:
    """Return the episodes as numbers; checks the options before anything is computed.

    Raises:
        DatasetError: An episode does not exist, or a count is below 1.
    """
    from gr00t_core.dataset.schema import read_info
    from gr00t_core.errors import DatasetError

    count = read_info(config.dataset).total_episodes
    episodes = tuple(range(count)) if config.episodes == 'all' else config.episodes
    if unknown := [episode for episode in episodes if not 0 <= episode < count]:
        raise DatasetError(
            f'{config.dataset}: --episodes {unknown}: it has episodes 0 to {count - 1}'
        )
    if not episodes:
        raise DatasetError(f'{config.dataset}: --episodes names none: give numbers, or all')
    for name in ('steps', 'action_horizon', 'denoising_steps'):
        value = getattr(config, name)
        if value is not None and value < 1:
            option = name.replace('_', '-')
            raise DatasetError(f'--{option} is {value}, expected 1 or more')
    return episodes


def _trained_on(dataset: Path, episodes: tuple[int, ...], checkpoint: Path) -> str | None:
    """Return which of the episodes a checkpoint of `gr00t finetune` was trained on."""
    from gr00t_training.checkpointing import RUN_FILE

    path = checkpoint / RUN_FILE
    if not path.is_file():
        return None
    run = json.loads(path.read_text(encoding='utf-8'))['config']
    datasets = [Path(each).resolve() for each in run['dataset']]
    if dataset.resolve() not in datasets:
        return None
    held_out = run['eval_episodes'] if datasets[0] == dataset.resolve() else []
    seen = [episode for episode in episodes if episode not in held_out]
    if not seen:
        return None
    return 'these episodes' if len(seen) == len(episodes) else f'episodes {seen}'


def _labels(checkpoints: tuple[Path, ...]) -> list[str]:
    """Return short names that tell the checkpoints apart."""
    names = [path.resolve().name for path in checkpoints]
    if len(set(names)) == len(names):
        return names
    return [f'{path.resolve().parent.name}/{path.resolve().name}' for path in checkpoints]
