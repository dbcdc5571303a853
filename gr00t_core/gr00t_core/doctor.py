# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say what this machine offers to the suite, and how to get what is missing.

Each probe that imports a library runs in a process of its own: a broken driver or a crash in
native code shows up as one line, and gr00t_core itself stays free of torch and rclpy.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import platform
import shutil
import subprocess
import sys

PROBE_TIMEOUT = 60.0  # s: importing torch from a cold disk takes about 20
# bytes: a 32 MiB segment per ROS node, eight nodes, as much again for others
SHM_WANTED = 512 * 2**20
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    assert renderer.render().std() > 0, 'the image is empty'
print('MuJoCo', mujoco.__version__)
"""


def offscreen_gl() -> Check:
    """Check that MuJoCo renders without a display, through EGL or else OSMesa."""
    failures = []
    for backend in ('egl', 'osmesa'):
        present, detail = probe(RENDER, MUJOCO_GL=backend)
        if present:
            return Check(
                'off-screen GL', True, f'{detail} through {backend.upper()} (MUJOCO_GL={backend})'
            )
        failures.append(f'{backend}: {detail}')
    return Check(
        'off-screen GL',
        False,
        '; '.join(failures),
        'sudo apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri (or libosmesa6)',
    )


def shared_memory() -> Check:
    """Check that camera frames of several nodes fit into /dev/shm."""
    how = 'docker run --shm-size 1g (or --ipc=host); mount -o remount,size=1g /dev/shm'
    folder = Path('/dev/shm')
    if not folder.is_dir():
        return Check('/dev/shm', False, 'not there', how)
    usage = shutil.disk_usage(folder)
    free, total, wanted = (count // 2**20 for count in (usage.free, usage.total, SHM_WANTED))
    detail = f'{free} of {total} MiB free, wanted {wanted}'
    return Check('/dev/shm', usage.free >= SHM_WANTED, detail, how)


def dds_profile() -> Check:
    """Check that Fast DDS is told to use shared memory for images."""
    prefix = PROFILE_VARIABLES.get(os.environ.get('ROS_DISTRO', ''), 'FASTDDS')
    variable = f'{prefix}_DEFAULT_PROFILES_FILE'
    value = os.environ.get(variable)
    how = f'launch and `gr00t up` set it; by hand: export {variable}=<path of fastdds_shm.xml>'
    if value is None:
        return Check('Fast DDS profile', False, f'{variable} is not set', how)
    return Check('Fast DDS profile', Path(value).is_file(), f'{variable}={value}', how)


CHECKS: tuple[Callable[[], Check], ...] = (
    python,
    torch,
    gpu,
    ros,
    launch_ros,
    gr00t_msgs,
    tensorrt,
    tensorrt_rtx,
    onnxruntime,
    lambda: codec('video h264', 'libx264', how_to_get('av')),
    lambda: codec('video hevc', 'libx265', how_to_get('av')),
    lambda: codec('video av1', 'libsvtav1', how_to_get('av')),
    lambda: codec(
        'video NVENC',
        'h264_nvenc',
        'an NVIDIA GPU with an encoder (data-centre GPUs such as H100 have none)',
    ),
    offscreen_gl,
    shared_memory,
    dds_profile,
)


def examine() -> list[Check]:
    """Run all checks, a few at a time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda check: check(), CHECKS))


def main(argv: list[str]) -> int:
    """Show what this machine offers: Python, torch, GPU, ROS 2, TensorRT, codecs, rendering."""
    parser = argparse.ArgumentParser(prog='gr00t doctor', description=main.__doc__)
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    options = parser.parse_args(argv)
    checks = examine()
    if options.json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
        return 0
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(
            f'{check.name:<{width}}  {"present" if check.present else "missing"}  {check.detail}'
        )
        if not check.present and check.how:
            print(f'{"":<{width}}           → {check.how}')
    return 0
