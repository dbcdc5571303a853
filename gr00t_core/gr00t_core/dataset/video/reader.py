# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read single frames of video files: frame k is the k-th, whatever its stamp and the codec."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
import os
from pathlib import Path
import threading
from typing import Any, Protocol

import av
from av.video.reformatter import VideoReformatter
import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.video.index import index_video
from gr00t_core.errors import DatasetError

BACKENDS = ('pyav', 'torchcodec')
NOWHERE = -2  # no decoding is under way; -1 would be just before the first frame


class _File(Protocol):
    def frame(self, number: int) -> NDArray[np.uint8]: ...

    def close(self) -> None: ...


class _Opened(threading.local):
    """The files that one thread has open, the one used last at the end."""

    def __init__(self) -> None:
        self.files: OrderedDict[Path, _File] = OrderedDict()
        self.process = os.getpid()


class VideoReader:
    """Give any frame of many files, of which the last few stay open; each thread has its own.

    Args:
        backend: `pyav`, or `torchcodec` where it is installed.
        max_open: Files kept open by a thread. Each holds a decoder: about 1.2 MB at 256×256.

    Raises:
        DatasetError: Unknown backend, or one that is not installed.
    """

    def __init__(self, backend: str = 'pyav', max_open: int = 64) -> None:
        if backend not in BACKENDS:
            raise DatasetError(f'video backend {backend!r}: expected one of {", ".join(BACKENDS)}')
        if find_spec('torchcodec' if backend == 'torchcodec' else 'av') is None:
            raise DatasetError(f'video backend {backend!r} is not installed; use pyav')
        self._open = _PyavFile if backend == 'pyav' else _TorchcodecFile
        self._max_open = max_open
        self._opened = _Opened()

    def frames(self, path: Path, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Return (T, H, W, 3) uint8 RGB frames of one file, in the order asked for.

        Raises:
            DatasetError: The file cannot be read, or does not have one of the frames.
        """
        file = self._file(path)
        # In increasing order, so that neighbours are decoded in one run; repeated ones once.
        decoded = {number: file.frame(number) for number in sorted(set(numbers))}
        return np.stack([decoded[number] for number in numbers])

    def close(self) -> None:
        """Close all files of this thread."""
        while self._opened.files:
            self._opened.files.popitem()[1].close()

    def __getstate__(self) -> dict[str, Any]:
        # Decoders do not travel to other processes; each opens its own.
        return {key: value for key, value in self.__dict__.items() if key != '_opened'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _opened=_Opened())

    def _file(self, path: Path) -> _File:
        opened = self._opened
        if opened.process != os.getpid():  # forked: the positions are shared with the parent
            opened.files = OrderedDict()
            opened.process = os.getpid()
        file = opened.files.get(path)
        if file is None:
            file = opened.files[path] = self._open(path)
            if len(opened.files) > self._max_open:
                opened.files.popitem(last=False)[1].close()
        opened.files.move_to_end(path)
        return file


class _PyavFile:
    """One open file: decodes from the keyframe before a frame, or goes on from where it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._index = index_video(path)
        self._container = av.open(str(path))
        self._stream = self._container.streams.video[0]
        self._stream.codec_context.thread_count = 1
        self._reformatter = VideoReformatter()
        self._decoded: Iterator[av.VideoFrame] = iter(())
        self._position = NOWHERE  # number of the last decoded frame

    def frame(self, number: int) -> NDArray[np.uint8]:
        """Return one (H, W, 3) uint8 RGB frame."""
        if not 0 <= number < self._index.frames:
            raise DatasetError(
                f'{self._path}: frame {number} asked for, it has {self._index.frames}'
            )
        key = self._index.key_before(number)
        # Going on is cheaper than seeking as long as no keyframe lies between.
        goes_on = self._position < number and key <= self._position + 1
        picture = self._decode_to(number, None if goes_on else key)
        if picture is None:  # it leans on frames before its keyframe (open GOP)
            picture = self._decode_to(number, 0)
        if picture is None:
            raise DatasetError(f'{self._path}: frame {number} cannot be decoded; it is damaged')
        rgb = self._reformatter.reformat(picture, format='rgb24', threads=1)
        return np.asarray(rgb.to_ndarray(), np.uint8)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _decode_to(self, number: int, key: int | None) -> Any:
        """Decode up to a frame, from a keyframe or from where it is; None if it does not come."""
        if key is not None:
            self._container.seek(int(self._index.pts[key]), stream=self._stream)
            self._decoded = self._pictures()
        for picture in self._decoded:
            self._position = int(np.searchsorted(self._index.pts, picture.pts))
            if self._position == number:
                return picture
            if self._position > number:
                break
        self._position = NOWHERE
        return None

    def _pictures(self) -> Iterator[av.VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                yield from packet.decode()
        except av.FFmpegError as error:
            raise DatasetError(f'{self._path}: cannot be decoded: {error}') from None


class _TorchcodecFile:
    """One open file of torchcodec, which finds frames by number in its exact mode."""

    def __init__(self, path: Path) -> None:
        from torchcodec.decoders import VideoDecoder  # optional, and slow to import

        self._decoder = VideoDecoder(
            str(path), dimension_order='NHWC', num_ffmpeg_threads=1, seek_mode='exact'
        )

    def frame(self, number: int) -> NDArray[np.uint8]:
        """Return one (H, W, 3) uint8 RGB frame."""
        return np.asarray(self._decoder.get_frame_at(number).data.numpy(), np.uint8)

    def close(self) -> None:
        """Leave the file to the garbage collector, which closes it."""
