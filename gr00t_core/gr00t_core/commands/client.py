# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t client`: send a dataset's observations to a server and show what comes back."""

from dataclasses import dataclass
from pathlib import Path
import time
from typing import Literal

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
import tyro

from gr00t_core.commands.readable import readable
from gr00t_core.commands.serve import read_token
from gr00t_core.dataset.reader import Dataset
from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import DatasetError, ServingError
from gr00t_core.serving.client import PolicyClient


@readable
@dataclass(frozen=True)
class Client:
    """Send a dataset's observations to a policy server and print its actions.

    Attributes:
        dataset: LeRobot dataset folder.
        address: Of the server: tcp://HOST:PORT or ipc://PATH.
        episode: Position of the episode in the dataset.
        steps: How many observations to send.
        stride: Steps of the episode between two observations.
        timeout: Longest time for one answer in s.
        protocol: n1_5 (`gr00t serve`, N1.5's inference service), policy_server (NVIDIA's server of
            N1.6 and N1.7), or auto: as the server describes itself.
        token_file: File with the server's token; without it the variable GR00T_API_TOKEN.
    """

    dataset: Path
    address: str = 'tcp://127.0.0.1:5555'
    episode: int = 0
    steps: int = 8
    stride: int = 16
    timeout: float = 15.0
    protocol: Literal['auto', 'n1_5', 'policy_server'] = 'auto'
    token_file: Path | None = None


def main(argv: list[str]) -> int:
    """Send a dataset's observations to a policy server and print its actions."""
    options = tyro.cli(Client, prog='gr00t client', args=argv)
    for name in ('steps', 'stride', 'timeout'):
        if getattr(options, name) <= 0:
            raise ServingError(f'--{name} is {getattr(options, name)}, expected more than 0')
    dataset = Dataset.open(options.dataset)
    if not 0 <= options.episode < len(dataset.episodes):
        raise DatasetError(
            f'{options.dataset}: has {len(dataset.episodes)} episodes, {options.episode} asked for'
        )
    length = dataset.episodes[options.episode].length
    latencies = []
    table = Table('step', 'ms', 'group', 'first step of its chunk', box=box.SIMPLE_HEAD)
    token = read_token(options.token_file)
    with PolicyClient(options.address, options.timeout, token, options.protocol) as client:
        served = client.get_modality_config()
        wanted = {
            modality: ModalityConfig(config.delta_indices, _keys(modality, config, dataset))
            for modality, config in served.items()
            if modality != 'action'
        }
        actions = served['action'].modality_keys
        for step in range(0, length, options.stride)[: options.steps]:
            observation = dataset.step(options.episode, step, wanted)
            start = time.perf_counter()
            action = client.get_action(observation)
            latencies.append((time.perf_counter() - start) * 1000)
            about = (str(step), f'{latencies[-1]:.1f}')
            for key in actions:
                values = ' '.join(f'{value:6.2f}' for value in action[key][0])
                table.add_row(*about, key.removeprefix('action.'), values)
                about = ('', '')
    p50, p99 = np.percentile(latencies, [50, 99])
    console = Console()
    console.print(table)
    console.print(
        f'{len(latencies)} answers, latency p50 {p50:.1f} ms, p99 {p99:.1f} ms;'
        f' protocol {client.protocol}'
    )
    return 0


def _keys(modality: str, config: ModalityConfig, dataset: Dataset) -> tuple[str, ...]:
    """Return what to read for a modality: a dataset has its own name for the instruction."""
    names = [f'annotation.{name}' for name in dataset.modality.annotation]
    if modality != 'language' or set(config.modality_keys) & set(names):
        return tuple(key for key in config.modality_keys if modality != 'language' or key in names)
    return tuple(names[:1])
