# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keep what was seen on the topics of a running robot, and say how well it ran.

Times are integer nanoseconds of the system clock, so a receive time minus a stamp is a latency.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.actions.chunk import ActionChunk

Series = list[tuple[int, float]]  # (stamp or receive time in ns, value)


@dataclass(frozen=True)
class SeenFrame:
    """A camera message as it came in."""

    stamp_ns: int
    received_ns: int
    message: Any


@dataclass(frozen=True)
class SeenChunk:
    """An action chunk, when it came in, and what the policy says inference took."""

    chunk: ActionChunk
    received_ns: int
    inference_s: float


@dataclass
class Recording:
    """Everything seen, in the order of arrival.

    Attributes:
        frames: Camera name → frames.
        states, commands: `group/joint` → series, by stamp.
        chunks: Action chunks.
        deltas: Those of `commands` that are deltas: not to be compared with what is measured.
    """

    frames: dict[str, list[SeenFrame]] = field(default_factory=dict)
    states: dict[str, Series] = field(default_factory=dict)
    commands: dict[str, Series] = field(default_factory=dict)
    chunks: list[SeenChunk] = field(default_factory=list)
    deltas: set[str] = field(default_factory=set)

    def forget_before(self, time_ns: int) -> None:
        """Drop what came or was stamped before a time."""
        for frames in self.frames.values():
            frames[:] = [frame for frame in frames if frame.received_ns >= time_ns]
        for series in (*self.states.values(), *self.commands.values()):
            series[:] = [point for point in series if point[0] >= time_ns]
        self.chunks[:] = [seen for seen in self.chunks if seen.received_ns >= time_ns]


@dataclass(frozen=True)
class Figures:
    """How it ran; None where too little was seen to say.

    Attributes:
        seconds: From the first chunk to the last.
        chunk_hz, command_hz, state_hz: Rates.
        frame_hz: Camera name → rate.
        latency_p50_ms, latency_p99_ms: From the stamp of the frame to the arrival of its chunk.
        inference_p50_ms: As the policy reports it.
        chunks: Number of chunks.
        chunks_dropped: Missing sequence numbers.
        frames_dropped: Camera name → frames missing between the first and the last stamp.
    """

    seconds: float
    chunk_hz: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    inference_p50_ms: float | None
    command_hz: float | None
    state_hz: float | None
    frame_hz: dict[str, float | None]
    chunks: int
    chunks_dropped: int
    frames_dropped: dict[str, int]

    def rows(self) -> list[tuple[str, str]]:
        """Return label and text of every line of the table."""
        rows = [
            ('action chunks', f'{self.chunks} in {self.seconds:.1f} s'),
            ('chunk rate', _text(self.chunk_hz, 'Hz')),
            ('observation to chunk, p50', _text(self.latency_p50_ms, 'ms')),
            ('observation to chunk, p99', _text(self.latency_p99_ms, 'ms')),
            ('inference, p50', _text(self.inference_p50_ms, 'ms')),
            ('command rate', _text(self.command_hz, 'Hz')),
            ('joint state rate', _text(self.state_hz, 'Hz')),
        ]
        rows += [(f'frame rate, {name}', _text(hz, 'Hz')) for name, hz in self.frame_hz.items()]
        rows += [('chunks dropped', str(self.chunks_dropped))]
        rows += [(f'frames dropped, {name}', str(n)) for name, n in self.frames_dropped.items()]
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)


def measure(recording: Recording, frame_hz: dict[str, float]) -> Figures:
    """Say how the recorded robot ran.

    Args:
        recording: What was seen.
        frame_hz: Camera name → rate of the robot description, for the frames that should be there.
    """
    chunks = recording.chunks
    arrivals = [seen.received_ns for seen in chunks]
    latencies = [(seen.received_ns - seen.chunk.stamp_ns) / 1e6 for seen in chunks]
    sequence = [seen.chunk.sequence for seen in chunks]
    steps = np.diff(sequence) if len(sequence) > 1 else np.zeros(0, np.int64)
    stamps = {name: [f.stamp_ns for f in frames] for name, frames in recording.frames.items()}
    return Figures(
        seconds=(arrivals[-1] - arrivals[0]) / 1e9 if arrivals else 0.0,
        chunk_hz=_rate(arrivals),
        latency_p50_ms=_percentile(latencies, 50),
        latency_p99_ms=_percentile(latencies, 99),
        inference_p50_ms=_percentile([seen.inference_s * 1e3 for seen in chunks], 50),
        command_hz=_rate(_first(recording.commands)),
        state_hz=_rate(_first(recording.states)),
        frame_hz={name: _rate(times) for name, times in stamps.items()},
        chunks=len(chunks),
        chunks_dropped=int((steps[steps > 1] - 1).sum()),
        frames_dropped={name: _missing(times, frame_hz[name]) for name, times in stamps.items()},
    )


def _first(series: dict[str, Series]) -> list[int]:
    return [stamp for stamp, _ in next(iter(series.values()), [])]


def _rate(times: list[int]) -> float | None:
    if len(times) < 2 or times[-1] <= times[0]:
        return None
    return (len(times) - 1) * 1e9 / (times[-1] - times[0])


def _missing(stamps: list[int], rate_hz: float) -> int:
    steps: NDArray[np.float64] = np.round(np.diff(stamps) * rate_hz / 1e9)
    return int((steps[steps > 1] - 1).sum())


def _percentile(values: list[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None


def _text(value: float | None, unit: str) -> str:
    return 'not measured' if value is None else f'{value:.1f} {unit}'
