# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The screen of `gr00t record`: messages scroll above a table that stays in place."""

from collections.abc import Sequence
import queue
import threading

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rosbag_tools.record.keys import HELP
from rosbag_tools.record.shown import Shown
from rosbag_tools.record.stream_watch import Watched

STYLES = {'info': '', 'warning': 'yellow', 'error': 'bold red'}
DRAW_S = 0.25
# A terminal that hangs is left alone after this (s).
CLOSE_S = 2.0
# From here on we say what --jpeg would spare.
MUCH_PER_S = 20e6


class Screen:
    """The table, and the messages above it; a thread writes both.

    A terminal that hangs (Ctrl-S, a slow ssh) blocks its writer: the recorder must not wait.
    """

    def __init__(self, console: Console) -> None:
        """Begin to show; `close` leaves the terminal as it was."""
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._said: queue.SimpleQueue[Text | None] = queue.SimpleQueue()
        self._shown: Group | None = None
        self._thread = threading.Thread(target=self._run, name='screen', daemon=True)
        self._thread.start()

    def say(self, level: str, text: str) -> None:
        """Print a text above the table."""
        self._said.put(Text(text, STYLES[level]))

    def draw(self, report: Sequence[Watched], shown: Shown, typed: str | None) -> None:
        """Show the state of topics and recorder; `typed` is an instruction being typed."""
        last = Text(HELP)
        if typed is not None:
            last = Text(f'instruction: {typed}▏ (Enter: take it, Esc: leave it)', 'bold cyan')
        elif shown.asking:
            last = Text(f'move {shown.asking} to the trash? y: yes, any other key: no', 'yellow')
        self._shown = Group(table(report), status(shown, report), last)

    def close(self) -> None:
        """Print what was said, and leave the terminal as it was."""
        self._said.put(None)
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        with self._live:
            while True:
                try:
                    text = self._said.get(timeout=DRAW_S)
                    if text is None:
                        return
                    self._live.console.print(text)
                except queue.Empty:
                    if self._shown is not None:
                        self._live.update(self._shown, refresh=True)


def table(report: Sequence[Watched]) -> Table:
    """Return the table of the topics; 80 columns show every topic in full."""
    shown = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    shown.add_column('topic', overflow='fold')
    for name in ('Hz', 'MB/s', 'messages', 'longest\ngap (ms)', 'latency\n(ms)'):
        shown.add_column(name, justify='right', no_wrap=True)
    shown.add_column('')
    for seen in report:
        expected = '' if seen.expected_hz is None else f' of {seen.expected_hz:g}'
        # What was expected is in the second column already.
        trouble = seen.trouble.partition(':')[0] if seen.trouble else 'ok'
        shown.add_row(
            Text(seen.topic),
            f'{seen.rate_hz:.1f}{expected}',
            f'{seen.bytes_per_s / 1e6:.2f}',
            str(seen.messages),
            f'{seen.longest_gap_s * 1e3:.0f}',
            '' if seen.latency_ms is None else f'{seen.latency_ms:.0f}',
            Text(trouble, 'yellow' if seen.trouble else 'green'),
        )
    return shown


def status(shown: Shown, report: Sequence[Watched] = ()) -> Text:
    """Return the line below the table: episode, seconds, instruction, counts, disk."""
    text = Text()
    if shown.recording:
        text.append(f'● episode {shown.number} · {shown.seconds:.1f} s', 'bold red')
    else:
        text.append(f'episode {shown.number} next')
    text.append(f' · “{shown.instruction}” · {shown.good} good, {shown.bad} bad')
    if shown.not_convertible:
        text.append(f' · {shown.not_convertible} NOT CONVERTIBLE', 'bold red')
    if shown.judging:
        text.append(' · judging ...', 'cyan')
    if shown.recording:
        text.append(f' · {shown.bytes / 1e6:.1f} MB')
    if shown.dropped:
        text.append(f' · {shown.dropped} DROPPED', 'bold red')
    text.append(f' · {shown.free_bytes / 1e9:.0f} GB left')
    per_s = sum(seen.bytes_per_s for seen in report)
    if per_s > MUCH_PER_S and not shown.stores_jpeg:
        text.append(
            f' · {per_s / 1e6:.0f} MB/s come in, {per_s * 3.6e3 / 1e9:.0f} GB an hour;'
            ' --jpeg 90 stores raw images smaller',
            'yellow',
        )
    return text
