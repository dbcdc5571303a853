# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a randomly initialised checkpoint folder that every other command accepts."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
import logging
from pathlib import Path
import shutil
import tempfile
from typing import Annotated, Any, Literal, TYPE_CHECKING

import tyro

from gr00t_core.checkpoint.metadata import metadata_from_limits, write_metadata
from gr00t_core.errors import CheckpointError
from gr00t_core.models import FAMILIES
from gr00t_core.models.n1_5.config import Gr00tConfig
from gr00t_core.models.n1_5.sizes import SIZES
from gr00t_core.robot.description import Robot
from gr00t_core.robot.file import load_robot

if TYPE_CHECKING:
    from gr00t_core.models.n1_5.groot import Gr00tN15

ROBOT_FILE = 'robot.yaml'

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InitCheckpoint:
    """Make a randomly initialised checkpoint folder.

    Attributes:
        out: Folder to make; must not exist or be empty.
        size: tiny (0.8 M parameters, for tests), small (5.1 M, learns on a CPU) or 3b (N1.5's).
        robot: Shipped robot or robot file; its limits become the normalisation statistics.
        seed: Of the weights.
        family: n1_5 (GR00T N1.5), or n1_7 (GR00T N1.7, with its processor files).
    """

    out: tyro.conf.Positional[Path]
    size: Literal['tiny', 'small', '3b']
    robot: Annotated[str, tyro.conf.arg(metavar='NAME|FILE')]
    seed: int = 0
    family: Literal['n1_5', 'n1_7'] = 'n1_5'


def main(argv: list[str]) -> int:
    """Make a randomly initialised checkpoint folder."""
    options = tyro.cli(InitCheckpoint, prog='gr00t init-checkpoint', args=argv)
    init_checkpoint(
        options.size, load_robot(options.robot), options.out, options.seed, options.family
    )
    _log.info('%s: a random %s checkpoint for %s', options.out, options.size, options.robot)
    return 0


def init_checkpoint(
    size: str, robot: Robot, out: str | Path, seed: int = 0, family: str = 'n1_5'
) -> None:
    """Write a checkpoint folder with random weights; it appears under its name when complete.

    Weights are bfloat16, as NVIDIA's; those of `tiny` float32. The statistics come from the
    robot's limits and say so (`statistics_source`). `tiny` and `small` carry their own tokenizer.

    Args:
        size: `tiny`, `small` or `3b`.
        robot: Copied into the folder; decides tag, groups and statistics.
        out: Must not exist or be empty.
        seed: Of the weights; the same seed gives the same file.
        family: Key of `gr00t_core.models.FAMILIES`.

    Raises:
        CheckpointError: No such size, `out` holds something, or the robot is wider than the family
            takes or its tag has no slot there.
    """
    out = Path(out)
    if size not in SIZES:
        raise CheckpointError(f'size {size!r} is unknown; allowed: {", ".join(SIZES)}.')
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f'{out} exists and is not an empty folder: give a new name.')
    numbers = FAMILIES[family].numbers
    misfits = numbers.misfits(robot.embodiment, robot.state_width, robot.action_width)
    if misfits:
        raise CheckpointError(
            f'{robot.source}: {FAMILIES[family].title} does not fit: {"; ".join(misfits)}.'
            ' Change the robot file, or take another --family.'
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}-') as scratch:
        folder = Path(scratch) / 'checkpoint'
        folder.mkdir()
        entry = metadata_from_limits(robot)
        entry['statistics_source'] = f'limits of {robot.source.name}; no data was seen'
        if family == 'n1_7':
            from gr00t_core.models.n1_7.new import write_random

            write_random(folder, size, robot, entry['statistics'], seed)
        else:
            _write_n1_5(folder, size, seed)
        write_metadata(folder, entry)
        shutil.copyfile(robot.source, folder / ROBOT_FILE)
        folder.rename(out)


def _write_n1_5(folder: Path, size: str, seed: int) -> None:
    import torch

    from gr00t_core.models.n1_5.tokenizer import IMAGE_CONTEXT, make_small_tokenizer
    from gr00t_core.models.vocabulary import TOKENIZER_FILE

    raw = deepcopy(SIZES[size])
    if 'eagle_config' in raw:
        tokenizer = make_small_tokenizer()
        tokenizer.save(str(folder / TOKENIZER_FILE))
        raw['eagle_config']['image_token_index'] = tokenizer.token_to_id(IMAGE_CONTEXT)
    model = _random_model(Gr00tConfig.from_json(raw), size, seed)
    # Half the digits say all of a random weight, and keep `small` under 20 MB.
    model.save_pretrained(folder, dtype=torch.bfloat16 if size == 'small' else None)


def _random_model(config: Gr00tConfig, size: str, seed: int) -> 'Gr00tN15':
    from gr00t_core.models.n1_5.groot import Gr00tN15

    model: Gr00tN15 = random_model(lambda: Gr00tN15(config), size == '3b', seed)
    if size != '3b':
        assert model.action_head.future_tokens is not None
        model.action_head.future_tokens.data.mul_(25)  # as the other embeddings
    return model


def random_model(make: Callable[[], Any], published: bool, seed: int) -> Any:
    """Make a model of any family with random weights that a small one learns from.

    Args:
        make: Makes the model.
        published: Of the published size: bfloat16, initialised as its parts are.
        seed: The same seed gives the same weights.
    """
    import torch

    from gr00t_core.models.layers.action_head import CategoryLinear

    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if published else torch.float32)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = make()
    finally:
        torch.set_default_dtype(default)
    if not published:
        # N1.5's 0.02 is 1/√inputs at its width of 1536; keep that rule at smaller widths.
        # The decoder too: with 0.02 a small model has learned next to nothing after 130 steps,
        # with the rule most of a trajectory (mean squared error 0.39, 0.05; variance 0.23).
        head = model.action_head
        for part in (head.state_encoder, head.action_encoder, head.action_decoder):
            for layer in part.modules():
                if isinstance(layer, CategoryLinear):
                    layer.W.data.mul_(50 * layer.W.shape[1] ** -0.5)
        # Embeddings of 0.02 drown in activations near 1: where a patch is and which word a token
        # was, a small model had not found out after an hour of training.
        for embedding in (
            model.backbone.language.token_embedding.weight,
            model.backbone.vision.position_embedding,
            head.position_embedding,
        ):
            if embedding is not None:
                embedding.data.mul_(25)
        # Attention that begins almost even dilutes the one patch with the object, the one word.
        cross = (block for block in head.dit.blocks if block.cross)
        for block in (*cross, *head.vl_self_attention):
            for projection in (block.attention.q_proj, block.attention.k_proj):
                projection.weight.data.mul_(2.5)
    return model
