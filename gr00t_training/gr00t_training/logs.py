# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Log figures of a run: always as JSON lines, and to TensorBoard or Weights & Biases."""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from gr00t_core.errors import Gr00tError


class Log:
    """`log(values, step)`; call `close` at the end.

    Args:
        folder: Output folder of the run.
        report_to: `tensorboard`, `wandb` or `none`.
        config: What the run was told; shown beside the figures.
        step: Last one that counts; later figures in the folder, of a run that was killed, go.
    """

    def __init__(
        self, folder: Path, report_to: str, config: Mapping[str, Any], step: int = 0
    ) -> None:
        path = folder / 'metrics.jsonl'
        if path.is_file():
            kept = path.with_suffix('.jsonl.part')
            kept.write_text(''.join(_lines_until(path, step)), encoding='utf-8')
            kept.replace(path)
        self._lines = path.open('a', encoding='utf-8')
        self._board: Any = None
        self._wandb: Any = None
        if report_to == 'tensorboard':
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / 'tensorboard'), purge_step=step + 1)
        elif report_to == 'wandb':
            try:
                import wandb
            except ImportError as error:
                raise Gr00tError(
                    f'--report-to wandb: {error}. pip install wandb, or --report-to tensorboard'
                ) from None
            self._wandb = wandb.init(dir=str(folder), config=dict(config), project='gr00t')

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Write the figures of a step."""
        self._lines.write(json.dumps({'step': step, **values}) + '\n')
        self._lines.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=step)

    def close(self) -> None:
        """Write what is left and close."""
        self._lines.close()
        if self._board is not None:
            self._board.close()
        if self._wandb is not None:
            self._wandb.finish()


def _lines_until(path: Path, step: int) -> list[str]:
    """Return the whole lines of a metrics file up to a step."""
    lines = path.read_text(encoding='utf-8').splitlines(keepends=True)
    return [line for line in lines if line.endswith('\n') and json.loads(line)['step'] <= step]
