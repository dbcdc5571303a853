# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LeRobot's own datasets, of every kind of feature, go through our verbs; ours through theirs.

Opt-in: LEROBOT_VENVS names venvs that have LeRobot (0.4.4 on Python 3.11, 0.6.1 on 3.12),
separated by colons; without it LEROBOT_VENV names one. `pip install lerobot==0.4.4` and `pip
install "lerobot[dataset,training]==0.6.1"` are all that is in them. torchcodec finds no FFmpeg
there but the one inside PyAV's wheel, whose libraries get their plain names in a temporary folder.
"""

from collections.abc import Callable
from dataclasses import dataclass
import json
import os
from pathlib import Path
import re
import subprocess
import sys

import numpy as np
import pytest

from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.write.rewrite import rewrite
from gr00t_core.dataset.write.writer import DatasetWriter
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot

pytestmark = pytest.mark.lerobot

PROBE = Path(__file__).parents[1].joinpath('lerobot_kinds_probe.py')
SIDE = 96
RENUMBERED = ('index', 'episode_index', 'task_index')
# What a version of LeRobot cannot write itself.
CANNOT = {'0.4': ('depth', 'language'), '0.6': ()}
ROBOT = f"""robot: tiny
description: three joints, one camera
embodiment: new_embodiment
rate_hz: 10
instruction: {{key: annotation.human.task_description, default: pick the block}}
reference_camera: front
cameras:
  front: {{topic: camera/front, type: sensor_msgs/msg/Image, width: {SIDE}, height: {SIDE},
    rate_hz: 10}}
state:
  arm: &arm {{topic: joint_states, type: sensor_msgs/msg/JointState, field: position,
    joints: [j0, j1, j2], unit: rad, rate_hz: 100, normalization: min_max}}
action:
  arm: {{<<: *arm, topic: joint_commands,
    limits: {{position: [-3.2, 3.2], velocity: 5.0, acceleration: 40.0}}}}
"""
# A small ACT: 2 steps of it take seconds on a CPU.
ACT = """
--dataset.repo_id=local/dataset --policy.type=act --policy.push_to_hub=false
--policy.pretrained_backbone_weights=null --policy.device=cpu --policy.dim_model=64
--policy.n_heads=4 --policy.dim_feedforward=64 --policy.n_encoder_layers=1 --policy.chunk_size=4
--policy.n_action_steps=4 --steps=2 --batch_size=2 --num_workers=0 --log_freq=1
--save_checkpoint=false --wandb.enable=false
"""


@dataclass(frozen=True)
class Lerobot:
    """A LeRobot: its version, datasets that it wrote, and how to run its Python."""

    version: str
    folder: Path
    made: dict[str, str]
    run: Callable[..., str]

    def probe(self, *arguments: object) -> dict:
        """Run the probe and return what it printed."""
        return dict(json.loads(self.run(PROBE, *arguments).splitlines()[-1]))

    def train(self, dataset: Path, output: Path) -> str:
        """Train ACT for two steps and return the log."""
        where = [f'--dataset.root={dataset}', f'--output_dir={output}']
        return self.run('-m', 'lerobot.scripts.lerobot_train', *ACT.split(), *where)


def venvs() -> list[str]:
    named = os.environ.get('LEROBOT_VENVS') or os.environ.get('LEROBOT_VENV') or ''
    return named.split(os.pathsep) if named else ['']


@pytest.fixture(scope='module', params=venvs(), ids=lambda path: Path(path).name or 'none')
def lerobot(request, tmp_path_factory) -> Lerobot:
    if not request.param:
        pytest.skip('LEROBOT_VENVS is not set')
    venv = Path(request.param)
    libraries = next(venv.glob('lib/python3*/site-packages/av.libs'))
    folder = tmp_path_factory.mktemp('lerobot')
    for path in libraries.glob('lib*-*.so.*'):
        if match := re.fullmatch(r'(lib(?:av|sw)\w+)-\w+\.so\.(\d+)\..*', path.name):
            (folder / f'{match[1]}.so.{match[2]}').symlink_to(path)
    environment = {
        **{name: value for name, value in os.environ.items() if name != 'PYTHONPATH'},
        'LD_LIBRARY_PATH': f'{folder}:{libraries}',
        'CUDA_VISIBLE_DEVICES': '',
        'HF_HUB_OFFLINE': '1',
        'HF_DATASETS_CACHE': str(folder / 'cache'),
        'HF_LEROBOT_HOME': str(folder / 'home'),
    }

    def run(*arguments: object) -> str:
        command = [str(venv / 'bin' / 'python'), *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr if arguments[0] == '-m' else done.stdout

    version = run('-c', 'import importlib.metadata as m; print(m.version("lerobot"))').strip()
    datasets = folder / 'datasets'
    datasets.mkdir()
    made = json.loads(run(PROBE, 'make', datasets).splitlines()[-1])
    return Lerobot(version, datasets, made, run)


@pytest.fixture(scope='module')
def robot(tmp_path_factory) -> Robot:
    path = tmp_path_factory.mktemp('robot') / 'tiny.yaml'
    path.write_text(ROBOT)
    return load_robot(path)


def errors(path: Path, robot: Robot | None = None) -> list[str]:
    return [f'{f.where}: {f.what}' for f in validate(path, robot) if f.level == 'error']


def kinds(lerobot: Lerobot) -> list[str]:
    """Return the kinds that this LeRobot wrote; all but those that it is known not to write."""
    cannot = CANNOT.get(lerobot.version[:3], ())
    failed = {kind: said for kind, said in lerobot.made.items() if said != 'ok'}
    assert set(failed) <= set(cannot), failed
    return [kind for kind in lerobot.made if kind not in failed]


def test_their_datasets_pass_and_come_back_equal(lerobot, robot, tmp_path):
    """Upgraded to v3.0, and merged with themselves by way of v2.1: equal in LeRobot's eyes."""
    paths = []
    for kind in kinds(lerobot):
        path = lerobot.folder / kind
        assert errors(path, robot) == [], kind
        one, two, both = (tmp_path / f'{kind}_{name}' for name in ('v30', 'v21', 'both'))
        rewrite([Dataset.open(path, robot)], one, 'v3.0', robot)
        rewrite([Dataset.open(path, robot)], two, 'v2.1', robot)
        rewrite([Dataset.open(path, robot), Dataset.open(two)], both, 'v3.0', robot)
        for output in (one, two, both):
            assert errors(output) == [], output
            assert json.loads((output / 'meta/modality.json').read_text()) == robot.modality()
        paths += [path, one, both]
    seen = lerobot.probe('load', *paths)
    for path in paths:
        assert 'error' not in seen[str(path)], path
    for kind in kinds(lerobot):
        theirs, one, both = (
            seen[str(p)]
            for p in (lerobot.folder / kind, tmp_path / f'{kind}_v30', tmp_path / f'{kind}_both')
        )
        for ours, times in ((one, 1), (both, 2)):
            assert [plain(row) for row in ours['rows']] == [
                plain(r) for r in theirs['rows']
            ] * times
            shapes = {k: s for k, s in theirs['shapes'].items() if not k.endswith('.depth')}
            assert ours['shapes'] == shapes


def plain(row: dict) -> dict:
    """Return a row without the numbers that are given anew, and without the depth maps."""
    return {
        name: value
        for name, value in row.items()
        if name not in RENUMBERED and not name.endswith('.depth')
    }


def test_their_datasets_train_here(lerobot, robot, tmp_path):
    """All in one process: importing torch takes longer than two steps."""
    checkpoint = tmp_path / 'tiny'
    options = (
        f'--robot {robot.source} --checkpoint {checkpoint} --max-steps 2 --batch-size 2 --cpu'
        ' --dataloader-num-workers 0 --report-to none'
    ).split()
    commands = [
        ['init-checkpoint', str(checkpoint), '--robot', str(robot.source), '--size', 'tiny']
    ]
    for kind in kinds(lerobot):
        places = ['--dataset', str(lerobot.folder / kind), '--output', str(tmp_path / kind)]
        commands.append(['finetune', *places, *options])
    code = (
        'import sys; from gr00t_core.commands.main import main\n'
        f'for command in {commands!r}:\n'
        '    if main(command): sys.exit(f"failed: {command}")\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for kind in kinds(lerobot):
        lines = (tmp_path / kind / 'metrics.jsonl').read_text().splitlines()
        losses = [json.loads(line)['train/loss'] for line in lines]
        assert np.isfinite(losses).all(), kind
        assert len(losses) >= 1, kind


def test_ours_loads_is_edited_and_trains_there(lerobot, robot, tmp_path):
    path = tmp_path / 'ours'
    writer = DatasetWriter(path, robot, 'v3.0')
    for episode, length in enumerate((8, 6)):
        for step in range(length):
            state = np.sin(np.arange(3) + episode + step / 5)
            values = {
                'observation.state': state,
                'action': np.sin(np.arange(3) + episode + (step + 1) / 5),
                'observation.stamp_ns': 10**18 + step,
            }
            frame = np.full((SIDE, SIDE, 3), (20 * step + 40, 100, 60 * episode), np.uint8)
            writer.add(values, {'front': frame}, f'task {episode}\u2028')
        writer.finish_episode()
    writer.finalize()
    seen = lerobot.probe('load', path)[str(path)]
    assert seen['episodes'] == 2
    assert [row['task'] for row in seen['rows']] == ['task 0\u2028'] * 8 + ['task 1\u2028'] * 6
    reds = [row['observation.images.front'][0] * 255 for row in seen['rows']]
    wanted = [20 * step + 40 for length in (8, 6) for step in range(length)]
    assert np.allclose(reds, wanted, atol=3)
    edits = tmp_path / 'edits'
    edits.mkdir()
    said = lerobot.probe('edit', path, edits)
    assert said == dict.fromkeys(said, 'ok')
    assert 'End of training' in lerobot.train(path, tmp_path / 'act')


def test_pictures_in_rows_still_train_there_after_an_upgrade(lerobot, robot, tmp_path):
    """`lerobot-train` needs the statistics of the pictures."""
    output = tmp_path / 'upgraded'
    rewrite([Dataset.open(lerobot.folder / 'image', robot)], output, 'v3.0', robot)
    assert 'End of training' in lerobot.train(output, tmp_path / 'act')
