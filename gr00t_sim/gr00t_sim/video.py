# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draw a recording as a video: the cameras side by side, below them every joint and its chunk.

A plot shows the seconds around the frame: the measured joint, its command, and what the chunk that
was known at that moment wants next. Deltas have a scale of their own. Where the chunk leads the
gripper is drawn into the front camera.
"""

from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gr00t_core.errors import ObservationError
from gr00t_core.messages.images import decode_image
from gr00t_sim.recording import Recording, SeenChunk, Series
from gr00t_sim.scenes.interface import Kind

Range = tuple[float, float]
PAST_S, FUTURE_S = 4.0, 1.0
_CAMERA = (480, 360)  # w, h of each camera in the video
_PLOT_HEIGHT = 110
_PLOTS_PER_ROW = 3
_TITLE_HEIGHT = 26
_FONT_PX = 13
_BACKGROUND, _GRID, _TEXT = (24, 26, 30), (58, 62, 70), (205, 208, 214)
_MEASURED, _COMMANDED, _PREDICTED = (120, 190, 255), (255, 190, 80), (130, 225, 140)
_OUTLINE = (10, 70, 30)  # what is predicted shows on a bright table, too


def write_video(recording: Recording, path: Path, fps: int, title: str, kind: Kind) -> int:
    """Write an H.264 MP4 of a scene's recording and return its number of frames.

    Raises:
        ObservationError: A camera gave no frame.
    """
    for name, frames in recording.frames.items():
        if not frames:
            raise ObservationError(f'camera {name!r} gave no frame, so there is no video to write')
    begin = max(frames[0].received_ns for frames in recording.frames.values())
    end = min(frames[-1].received_ns for frames in recording.frames.values())
    count = max(int((end - begin) * fps / 1e9), 1)
    canvas = Canvas(recording, title, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=Fraction(fps))
        stream.width, stream.height = canvas.size
        stream.pix_fmt = 'yuv420p'
        stream.options = {'preset': 'veryfast', 'crf': '23'}
        for index in range(count):
            pixels = canvas.draw(begin + round(index * 1e9 / fps))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format='rgb24')))
        container.mux(stream.encode())
    return count


class Canvas:
    """Draws a recording at any time of it."""

    def __init__(self, recording: Recording, title: str, kind: Kind) -> None:
        self._recording = recording
        self._title = title
        self._font = ImageFont.load_default(_FONT_PX)
        self._names = list(recording.states)
        rows = -(-len(self._names) // _PLOTS_PER_ROW)
        self._plots_top = _TITLE_HEIGHT + _CAMERA[1]
        width = _CAMERA[0] * max(len(recording.frames), 1)
        height = self._plots_top + rows * _PLOT_HEIGHT
        self.size = (width + width % 2, height + height % 2)  # H.264 wants even sides
        self._arrivals = {
            name: [frame.received_ns for frame in frames]
            for name, frames in recording.frames.items()
        }
        self._chunk_arrivals = [seen.received_ns for seen in recording.chunks]
        self._ranges = {name: self._ranges_of(name) for name in self._names}
        self._path = kind.pointer(_CAMERA[0] / _CAMERA[1])

    def draw(self, now_ns: int) -> NDArray[np.uint8]:
        """Draw what was known at a time: (h, w, 3) uint8 RGB."""
        picture = Image.new('RGB', self.size, _BACKGROUND)
        pen = ImageDraw.Draw(picture)
        chunk = self._chunk(now_ns)
        for index, (name, frames) in enumerate(self._recording.frames.items()):
            newest = max(bisect_right(self._arrivals[name], now_ns) - 1, 0)
            frame = Image.fromarray(decode_image(frames[newest].message)).resize(_CAMERA)
            corner = (index * _CAMERA[0], _TITLE_HEIGHT)
            picture.paste(frame, corner)
            pen.text((corner[0] + 6, corner[1] + 4), name, _BACKGROUND, self._font)
            if chunk is not None and self._path is not None and name == self._path.camera:
                self._lead(pen, corner, chunk, now_ns)
        sequence = '-' if chunk is None else str(chunk.chunk.sequence)
        pen.text((8, 5), f'{self._title}    chunk {sequence}', _TEXT, self._font)
        legend = (('measured', _MEASURED), ('commanded', _COMMANDED), ('chunk', _PREDICTED))
        for place, (label, color) in enumerate(legend):
            pen.text((self.size[0] - 270 + 90 * place, 5), label, color, self._font)
        for index, name in enumerate(self._names):
            self._plot(pen, index, name, now_ns, chunk)
        return np.asarray(picture)

    def _chunk(self, now_ns: int) -> SeenChunk | None:
        newest = bisect_right(self._chunk_arrivals, now_ns) - 1
        return self._recording.chunks[newest] if newest >= 0 else None

    def _lead(
        self, pen: ImageDraw.ImageDraw, corner: tuple[int, int], seen: SeenChunk, now_ns: int
    ) -> None:
        """Draw where the rest of a chunk leads the gripper: a line, a dot per step."""
        done = max(0, (now_ns - seen.chunk.stamp_ns) // seen.chunk.step_ns)
        inside = np.clip(self._path.points(seen.chunk)[done:], 0.0, 1.0)
        points = [(x, y) for x, y in (inside * _CAMERA + corner).tolist()]
        for color, width, radius in ((_OUTLINE, 4, 4), (_PREDICTED, 2, 2)):
            if len(points) > 1:
                pen.line(points, fill=color, width=width)
            for x, y in points:
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)

    def _plot(
        self, pen: ImageDraw.ImageDraw, index: int, name: str, now_ns: int, seen: SeenChunk | None
    ) -> None:
        row, column = divmod(index, _PLOTS_PER_ROW)
        width = self.size[0] // _PLOTS_PER_ROW
        left, top = column * width + 4, self._plots_top + row * _PLOT_HEIGHT + 4
        right, bottom = left + width - 9, top + _PLOT_HEIGHT - 9
        pen.rectangle((left, top, right, bottom), outline=_GRID)
        measured, wanted = self._ranges[name]
        first_ns = now_ns - round(PAST_S * 1e9)
        last_ns = now_ns + round(FUTURE_S * 1e9)

        def place(
            point: tuple[int, float], low: float = measured[0], high: float = measured[1]
        ) -> tuple[float, float]:
            across = (point[0] - first_ns) / (last_ns - first_ns)
            up = (min(max(point[1], low), high) - low) / (high - low)
            return left + across * (right - left), bottom - up * (bottom - top)

        x, _ = place((now_ns, 0.0))
        pen.line((x, top, x, bottom), fill=_GRID)
        lines = [
            (_window(self._recording.states[name], first_ns, now_ns), measured, _MEASURED),
            (
                _window(self._recording.commands.get(name, []), first_ns, now_ns),
                wanted,
                _COMMANDED,
            ),
        ]
        if seen is not None and name in seen.chunk.names:
            values = seen.chunk.values[:, seen.chunk.names.index(name)]
            times = [seen.chunk.stamp_ns + k * seen.chunk.step_ns for k in range(len(values))]
            points = [(t, float(v)) for t, v in zip(times, values, strict=True)]
            lines.append((_window(points, first_ns, last_ns), wanted, _PREDICTED))
        for line, scale, color in lines:
            if len(line) > 1:
                pen.line([place(point, *scale) for point in line], fill=color, width=2)
        pen.text((left + 5, top + 2), name.split('/')[-1], _TEXT, self._font)

    def _ranges_of(self, name: str) -> tuple[Range, Range]:
        """Return lowest and highest value of the plot for what is measured, and wanted."""
        measured = [value for _, value in self._recording.states[name]]
        wanted = [value for _, value in self._recording.commands.get(name, [])]
        if name in self._recording.deltas:
            return _range(measured), _range([*wanted, 0.0])
        both = _range(measured + wanted)
        return both, both


def _range(values: list[float]) -> Range:
    low, high = min(values), max(values)
    margin = 0.1 * (high - low) + 0.05  # rad: a joint at rest is a line, not noise
    return low - margin, high + margin


def _window(series: Series, first_ns: int, last_ns: int) -> Series:
    begin = bisect_right(series, (first_ns, -np.inf))
    return series[begin : bisect_right(series, (last_ns, np.inf))]
