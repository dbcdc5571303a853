# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measure `gr00t convert` beside LeRobot's own writer on one bag.

The bag: 20 s, three cameras of 640×480 at 30 Hz (JPEG, quality 90, a textured moving scene), 14
joints and their commands at 100 Hz. Measured are CPU seconds of whole processes and their peak
memory, once encoding H.264, once copying the JPEGs; then LeRobot (`create`, `add_frame`,
`save_episode`, same codec), fed the same decoded frames, decoding not counted. LeRobot lives in an
environment of its own, named by LEROBOT_VENV; without it the ratio is null.

    python benchmarks/convert.py [--hour] [--repeats N]
"""

import argparse
import json
import os
from pathlib import Path
import resource
import shutil
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
import simplejpeg
import yaml

JOINTS = [f'joint_{number}' for number in range(14)]
CAMERAS = ('left', 'right', 'wrist')
STORE = get_typestore(Stores.ROS2_JAZZY)
START_NS = 1_700_000_000 * 10**9
LATENCY_NS = {'left': 12_000_000, 'right': 16_000_000, 'wrist': 20_000_000}


def robot_file(folder: Path, width: int, height: int) -> Path:
    """Write the robot file of the bag."""
    image = 'sensor_msgs/msg/CompressedImage'
    joints = {
        'type': 'sensor_msgs/msg/JointState',
        'field': 'position',
        'joints': JOINTS,
        'unit': 'rad',
        'rate_hz': 100,
        'normalization': 'min_max',
    }
    limits = {'position': [-3.0, 3.0], 'velocity': 3.0, 'acceleration': 20.0}
    content = {
        'robot': 'bench',
        'description': 'two arms of seven joints, three cameras',
        'embodiment': 'new_embodiment',
        'rate_hz': 30,
        'instruction': {'key': 'annotation.human.task_description', 'default': 'fold the towel'},
        'reference_camera': 'left',
        'cameras': {
            name: {
                'topic': f'{name}/compressed',
                'type': image,
                'width': width,
                'height': height,
                'rate_hz': 30,
            }
            for name in CAMERAS
        },
        'state': {'arms': {'topic': 'joint_states', **joints}},
        'action': {
            'arms': {
                'topic': 'joint_commands',
                **joints,
                'limits': {
                    'position': dict.fromkeys(JOINTS, limits['position']),
                    'velocity': limits['velocity'],
                    'acceleration': limits['acceleration'],
                },
            }
        },
    }
    path = folder / 'bench.yaml'
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding='utf-8')
    return path


def scene(seconds: float, camera: int, width: int, height: int) -> Any:
    """Return one picture (H, W, 3): a noisy background that pans and discs that move over it."""
    rng = np.random.default_rng(camera)
    texture = rng.integers(0, 22, (height + 64, width + 64, 3), np.uint8)
    shift = round(20 + 20 * np.sin(seconds + camera))
    picture = texture[shift : shift + height, shift : shift + width] + np.uint8(60)
    rows, columns = np.mgrid[0:height, 0:width]
    picture[..., 0] += (columns * 80 // width).astype(np.uint8)
    for disc in range(6):
        y = height * (0.5 + 0.4 * np.sin(seconds * (0.7 + 0.2 * disc) + disc))
        x = width * (0.5 + 0.4 * np.cos(seconds * (0.5 + 0.3 * disc) + camera))
        inside = (rows - y) ** 2 + (columns - x) ** 2 < (height / 12) ** 2
        picture[inside] = (40 * disc, 250 - 40 * disc, 128)
    return picture


def jpeg(picture: Any) -> Any:
    """Encode as ROS's compressed image transport does by default, at quality 90."""
    data = simplejpeg.encode_jpeg(picture, quality=90, colorsubsampling='420')
    return np.frombuffer(data, np.uint8)


def make_bag(path: Path, seconds: int, width: int, height: int, distinct: int) -> None:
    """Write the bag; after `distinct` frames of a camera its pictures repeat."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    types = STORE.types
    image_type, joint_type = 'sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/JointState'
    pictures = [
        [jpeg(scene(k / 30, c, width, height)) for k in range(distinct)]
        for c in range(len(CAMERAS))
    ]
    rng = np.random.default_rng(0)

    def header(stamp_ns: int) -> Any:
        stamp = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
        return types['std_msgs/msg/Header'](stamp, '')

    def events(second: int) -> Any:
        for name, stored in zip(CAMERAS, pictures):
            for k in range(second * 30, second * 30 + 30):
                stamp = START_NS + round(k * 1e9 / 30)
                message = types[image_type](header(stamp), 'jpeg', stored[k % distinct])
                delay = round(LATENCY_NS[name] * rng.uniform(0.8, 1.2))
                yield stamp + delay, f'/{name}/compressed', image_type, message
        for k in range(second * 100, second * 100 + 100):
            stamp = START_NS + k * 10**7
            position = np.sin(k / 100 * np.linspace(0.3, 1.0, 14))
            for topic, lead in (('/joint_states', 0.0), ('/joint_commands', 0.02)):
                message = types[joint_type](
                    header(stamp), JOINTS, position + lead, np.zeros(14), np.zeros(14)
                )
                yield stamp + 1_000_000, topic, joint_type, message

    with writer:
        connections: dict[str, Any] = {}
        for second in range(seconds):
            for log_ns, topic, kind, message in sorted(events(second), key=lambda e: e[0]):
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
                raw = STORE.serialize_cdr(message, kind)
                writer.write(connections[topic], log_ns, raw)


def measured(
    words: list[str], environment: dict[str, str] | None = None
) -> tuple[str, float, float]:
    """Run a program; return its output, its CPU seconds and its peak memory in MB."""
    probe = (
        'import json, resource, subprocess, sys\n'
        'done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)\n'
        'used = resource.getrusage(resource.RUSAGE_CHILDREN)\n'
        'sys.stdout.buffer.write(done.stdout)\n'
        'found = [done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss]\n'
        'print("\\n" + json.dumps(found))'
    )
    found = subprocess.run(
        [sys.executable, '-c', probe, *words],
        stdout=subprocess.PIPE,
        env=environment,
        check=True,
        text=True,
    )
    output, _, last = found.stdout.rstrip().rpartition('\n')
    status, cpu_s, peak_kb = json.loads(last)
    if status:
        raise SystemExit(f'{" ".join(words)}: status {status}\n{output}')
    return output, cpu_s, peak_kb / 1e3


def convert(bag: Path, robot: Path, output: Path, video: str) -> tuple[float, float, int]:
    """Convert the bag; return CPU seconds, peak MB and rows."""
    shutil.rmtree(output, ignore_errors=True)
    shutil.rmtree(output.with_name(output.name + '.shards'), ignore_errors=True)
    words = [
        sys.executable,
        '-m',
        'gr00t_core',
        'convert',
        str(bag),
        '--robot',
        str(robot),
    ]
    words += ['--output', str(output), '--video', video, '--version', 'v3.0']
    _, cpu_s, peak_mb = measured(words)
    rows = json.loads((output / 'meta' / 'info.json').read_text())['total_frames']
    return cpu_s, peak_mb, rows


def decoded(output: Path, folder: Path) -> tuple[Path, Path]:
    """Decode the dataset's own frames once, for LeRobot: (N, V, H, W, 3) and (2, N, 14)."""
    from gr00t_core.dataset.reader import Dataset

    dataset = Dataset.open(output)
    rows = len(dataset)
    first = dataset.frames(0, f'video.{CAMERAS[0]}', [0])
    frames = folder / 'frames.npy'
    stored = np.lib.format.open_memmap(
        frames, 'w+', np.uint8, (rows, len(CAMERAS), *first.shape[1:])
    )
    for index, camera in enumerate(CAMERAS):
        for number in range(rows):
            stored[number, index] = dataset.frames(0, f'video.{camera}', [number])[0]
    stored.flush()
    columns = folder / 'columns.npy'
    np.save(columns, np.stack([dataset.column('observation.state'), dataset.column('action')]))
    return frames, columns


def lerobot(folder: Path, output: Path) -> float | None:
    """Return the CPU seconds of LeRobot's writer for the same frames; None where it is not."""
    venv = os.environ.get('LEROBOT_VENV')
    if venv is None:
        print('lerobot: not measured (set LEROBOT_VENV)')
        return None
    python = Path(venv) / 'bin' / 'python'
    clean = {k: v for k, v in os.environ.items() if k in ('PATH', 'HOME', 'TMPDIR', 'LANG')}
    script = str(Path(__file__).with_name('lerobot_writer.py'))
    if not python.exists():
        print(f'lerobot: not measured (no {python}; set LEROBOT_VENV)')
        return None
    works = subprocess.run([str(python), script], env=clean, capture_output=True, text=True)
    if works.returncode:
        said = [line for line in works.stderr.splitlines() if 'rror' in line] or ['no reason']
        print(f'lerobot: not measured, status {works.returncode}: {said[0].strip()}')
        return None
    frames, columns = decoded(output, folder)
    words = [str(python), script, str(frames), str(folder / 'lerobot'), ','.join(CAMERAS)]
    found, _, peak_mb = measured([*words, str(columns)], clean)
    result = json.loads(found.splitlines()[-1])
    print(f'lerobot h264: {result["cpu_s"]:.1f} CPU s, {peak_mb:.0f} MB, {result["rows"]} rows')
    return float(result['cpu_s'])


def main() -> None:
    """Run the benchmark; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument('--hour', action='store_true', help='convert a bag of one hour, too')
    parser.add_argument('--repeats', type=int, default=3, help='the least of so many runs counts')
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix='gr00t_bench_') as name:
        folder = Path(name)
        robot = robot_file(folder, 640, 480)
        bag = folder / 'bag'
        make_bag(bag, 20, 640, 480, 600)
        size_mb = sum(file.stat().st_size for file in bag.iterdir()) / 1e6
        print(f'bag: 20 s, 3 × 640×480 at 30 Hz, {size_mb:.0f} MB')
        figures = {}
        for video in ('h264', 'copy'):
            runs = [convert(bag, robot, folder / video, video) for _ in range(asked.repeats)]
            cpu_s, peak_mb = min(run[0] for run in runs), max(run[1] for run in runs)
            figures[video] = (cpu_s, peak_mb)
            spread = ', '.join(f'{run[0]:.1f}' for run in runs)
            rows = runs[0][2]
            print(f'gr00t convert --video {video}: {spread} CPU s, {peak_mb:.0f} MB, {rows} rows')
        theirs = lerobot(folder, folder / 'h264')
        peak_mb = max(peak for _, peak in figures.values())
        result: dict[str, Any] = {
            'cpu_s': round(figures['h264'][0], 2),
            'copy_cpu_s': round(figures['copy'][0], 2),
            'peak_rss_mb': round(peak_mb),
            'ratio_lerobot': None if theirs is None else round(theirs / figures['h264'][0], 2),
        }
        if theirs is None:
            result['ratio_lerobot_note'] = 'not measured'
        else:
            result['lerobot_cpu_s'] = round(theirs, 2)
        if asked.hour:
            long = folder / 'hour'
            robot = robot_file(folder, 160, 120)
            make_bag(long, 3600, 160, 120, 300)
            cpu_s, hour_mb, rows = convert(long, robot, folder / 'hour_out', 'h264')
            print(f'one hour, 3 × 160×120: {cpu_s:.0f} CPU s, {hour_mb:.0f} MB, {rows} rows')
            result |= {'hour_cpu_s': round(cpu_s, 1), 'hour_peak_rss_mb': round(hour_mb)}
        own = resource.getrusage(resource.RUSAGE_SELF)
        print(f'(this program itself: {own.ru_utime:.0f} CPU s to make the bags)')
    print(json.dumps(result))


if __name__ == '__main__':
    main()
