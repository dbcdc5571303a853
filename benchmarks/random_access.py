# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure random access: single frames of 256×256 H.264 in random order, on one core.

    python benchmarks/random_access.py [--keyframes 2 10 250]

Four moving episodes of 200 frames each are encoded with a keyframe every so many frames, then read
by `VideoReader` at random places of random files. The last line is JSON with samples per CPU
second.
"""

import argparse
from fractions import Fraction
import json
from pathlib import Path
import tempfile
import time

import numpy as np
from numpy.typing import NDArray

from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.video.writer import VideoOptions, VideoWriter

SIZE, FRAMES, FILES, READS = 256, 200, 4, 400


def episode(seed: int) -> NDArray[np.uint8]:
    """Return (FRAMES, SIZE, SIZE, 3) uint8: a smooth picture that moves, with some noise."""
    generator = np.random.default_rng(seed)
    picture = generator.integers(0, 255, (16, 16, 3), np.uint8).repeat(32, 0).repeat(32, 1)
    noise = generator.integers(0, 8, (SIZE, SIZE, 3), np.uint8)
    return np.stack([picture[k : k + SIZE, k : k + SIZE] // 2 + noise for k in range(FRAMES)])


def samples_per_second(folder: Path, gop: int) -> float:
    """Encode with a keyframe every `gop` frames; return reads per second of CPU time."""
    paths = [folder / f'{gop}_{seed}.mp4' for seed in range(FILES)]
    for seed, path in enumerate(paths):
        writer = VideoWriter(path, Fraction(30), VideoOptions(gop=gop))
        for frame in episode(seed):
            writer.write(frame)
        writer.close()
    reader, generator = VideoReader(), np.random.default_rng(0)
    for path in paths:  # opened and indexed, as after the first samples of an epoch
        reader.frames(path, [0])
    places = generator.integers((FILES, FRAMES), size=(READS, 2))
    began = time.process_time()
    for file, number in places:
        reader.frames(paths[file], [int(number)])
    return READS / (time.process_time() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0], allow_abbrev=False)
    parser.add_argument('--keyframes', type=int, nargs='+', default=[2, 10, 250])
    figures = {}
    with tempfile.TemporaryDirectory() as scratch:
        for gop in parser.parse_args().keyframes:
            figures[f'gop_{gop}'] = round(samples_per_second(Path(scratch), gop), 1)
            print(f'keyframe every {gop:3} frames: {figures[f"gop_{gop}"]:8.1f} samples/s')
    print(json.dumps({'benchmark': 'random_access', 'unit': 'samples per CPU s', **figures}))


if __name__ == '__main__':
    main()
