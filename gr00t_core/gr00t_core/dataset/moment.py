# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Point to a time of an episode, so that a person can look at it with `gr00t view`."""

from dataclasses import dataclass
import shlex

VIEW_PORT = 8766  # of the page of episodes; beside that of the console


@dataclass(frozen=True)
class Moment:
    """A time of an episode.

    Attributes:
        episode: Position in `Dataset.episodes`.
        seconds: Since its first row.
    """

    episode: int
    seconds: float

    @classmethod
    def of_row(cls, episode: int, row: int, fps: float) -> 'Moment':
        """Return the time of a row of an episode."""
        return cls(episode, row / fps)

    @property
    def fragment(self) -> str:
        """Return what stands behind the `#` of the page's address."""
        return f'episode={self.episode}&at={self._text}'

    @property
    def address(self) -> str:
        """Return where `gr00t view` shows it on this machine, while it runs."""
        return f'http://127.0.0.1:{VIEW_PORT}/#{self.fragment}'

    def command(self, *opened: str) -> str:
        """Return the command line that shows it, ready for a shell.

        Args:
            opened: What is looked at: a dataset; or bags, `--robot` and a robot.
        """
        words = ['gr00t', 'view', *opened, '--episode', str(self.episode), '--at', self._text]
        return shlex.join(words)

    @property
    def _text(self) -> str:
        """Return the seconds to a millisecond: no two rows are nearer."""
        return f'{self.seconds:.3f}'.rstrip('0').rstrip('.')
