# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of the policy node that need no ROS graph."""

from dataclasses import fields, replace
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rosbags.typesys import get_typestore, Stores

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import CheckpointError, ObservationError, ServingError
from gr00t_core.robot.file import load_robot

pytest.importorskip('rclpy')

from builtin_interfaces.msg import Time
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from gr00t_core.messages import cdr
from gr00t_policy_node.policy import backends, observing, rtc

ROBOT = load_robot('so101')
STEP_NS = ROBOT.step_ns


@given(
    sec=st.integers(-(2**31), 2**31 - 1),
    nanosec=st.integers(0, 999_999_999),
    kind=st.sampled_from([Image, CompressedImage]),
    frame=st.text(st.characters(max_codepoint=127, min_codepoint=32), max_size=9),
)
def test_stamp_is_read_from_serialized_bytes(sec, nanosec, kind, frame):
    message = kind()
    message.header.stamp = Time(sec=sec, nanosec=nanosec)
    message.header.frame_id = frame
    expected = sec * 1_000_000_000 + nanosec
    assert cdr.stamp_ns(serialize_message(message)) == (expected or None)


def test_stamp_of_big_endian_and_short_bytes():
    data = b'\x00\x00\x00\x00' + (7).to_bytes(4, 'big') + (5).to_bytes(4, 'big')
    assert cdr.stamp_ns(data) == 7_000_000_005
    with pytest.raises(ObservationError, match='11 bytes'):
        cdr.stamp_ns(data[:11])


TEXT = st.text(st.characters(max_codepoint=1000, exclude_characters='\0'), max_size=9)


@given(frame=TEXT, kind=TEXT, height=st.integers(0, 2**32 - 1), data=st.binary(max_size=99))
def test_images_are_read_as_rclpy_reads_them(frame, kind, height, data):
    image = Image(height=height, width=7, encoding=kind, is_bigendian=1, step=3, data=data)
    compressed = CompressedImage(format=kind, data=data)
    for message in (image, compressed):
        message.header.frame_id = frame
        name = f'sensor_msgs/msg/{type(message).__name__}'
        serialized = serialize_message(message)
        read = cdr.read_image(serialized, name)
        for field in fields(read):
            expected = getattr(message, field.name)
            assert getattr(read, field.name) == (bytes(data) if field.name == 'data' else expected)
        # DDS pads a message to four bytes: its end may be missing by as many.
        for cut in range(len(serialized) - len(data) - 4):
            with pytest.raises(ObservationError, match='damaged'):
                cdr.read_image(serialized[:cut], name)


def test_images_of_big_endian_machines_are_read_and_other_encodings_refused():
    store = get_typestore(Stores.ROS2_JAZZY)
    kinds = store.types
    stamp = kinds['builtin_interfaces/msg/Time'](sec=1, nanosec=2)
    header = kinds['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
    name = 'sensor_msgs/msg/Image'
    pixels = np.arange(12, dtype=np.uint8)
    message = kinds[name](header, 2, 2, 'rgb8', 0, 6, pixels)
    data = bytes(store.serialize_cdr(message, name, little_endian=False))
    assert data[1] == 0
    read = cdr.read_image(data, name)
    assert (read.height, read.width, read.encoding, read.step) == (2, 2, 'rgb8', 6)
    np.testing.assert_array_equal(np.frombuffer(read.data, np.uint8), pixels)
    with pytest.raises(ObservationError, match='not plain CDR'):
        cdr.read_image(b'\x00\x03' + data[2:], name)


def test_zero_observation_has_the_shapes_of_the_robot():
    for name in ('so101', 'droid', 'panda_bimanual'):
        robot = load_robot(name)
        observation = observing.zero_observation(robot, 'go')
        for camera in robot.cameras:
            assert observation[f'video.{camera.name}'].shape == (1, camera.height, camera.width, 3)
        for group in robot.state:
            state = observation[f'state.{group.name}']
            assert state.shape == (1, group.width)
            if group.rotation == 'quaternion':
                assert np.linalg.norm(state) == 1.0


def good_action(horizon=16):
    return {f'action.{g.name}': np.ones((horizon, g.width), np.float32) for g in ROBOT.action}


def test_action_values_are_joined_in_the_robot_file_order():
    action = {f'action.{g.name}': np.full((4, g.width), k) for k, g in enumerate(ROBOT.action)}
    values = backends.action_values(dict(reversed(action.items())), ROBOT)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [[0, 0, 0, 0, 0, 1]] * 4)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'action.gripper': None}, 'action.gripper as NoneType'),
        ({'action.gripper': np.ones(16)}, r'ndarray \(16,\)'),
        ({'action.gripper': np.ones((15, 1))}, r'shape \(15, 1\), expected \(16, 1\)'),
        ({'action.single_arm': np.ones((16, 4))}, r'shape \(16, 4\), expected \(H, 5\)'),
        ({'action.gripper': np.full((16, 1), np.inf)}, 'not finite for gripper/gripper'),
    ],
)
def test_wrong_actions_are_named(change, words):
    with pytest.raises(ServingError, match=words):
        backends.action_values(good_action() | change, ROBOT)


def test_policy_for_another_robot_is_named():
    def config(robot):
        keys = {
            'video': [f'video.{camera.name}' for camera in robot.cameras],
            'state': [f'state.{group.name}' for group in robot.state],
            'action': [f'action.{group.name}' for group in robot.action],
            'language': [robot.instruction_key],
        }
        return {name: ModalityConfig((0,), tuple(each)) for name, each in keys.items()}

    backends.check_modality(config(ROBOT), ROBOT)
    with pytest.raises(CheckpointError, match=r'its video keys are video\.exterior_image_1'):
        backends.check_modality(config(load_robot('droid')), ROBOT)
    with pytest.raises(CheckpointError, match='its state keys are none'):
        backends.check_modality({**config(ROBOT), 'state': ModalityConfig((0,), ())}, ROBOT)


@given(horizon=st.integers(1, 40), frozen=st.integers(0, 60), overlap=st.integers(-3, 60))
def test_prefix_weights_fall_from_one_to_zero(horizon, frozen, overlap):
    weights = rtc.prefix_weights(horizon, frozen, overlap)
    assert weights.shape == (horizon,)
    assert weights.dtype == np.float32
    assert (np.diff(weights) <= 0).all()
    assert ((weights >= 0) & (weights <= 1)).all()
    overlap = min(max(overlap, 0), horizon)
    frozen = min(frozen, overlap)
    assert (weights[:frozen] == 1).all()
    assert (weights[frozen:] < 1).all()
    assert (weights[frozen:overlap] > 0).all()
    assert (weights[overlap:] == 0).all()


@given(late=st.integers(0, 20 * STEP_NS), delay_s=st.floats(0.0, 1.0), horizon=st.integers(2, 20))
def test_prefix_is_the_running_chunk_at_the_new_steps_times(late, delay_s, horizon):
    start = 1_700_000_000_000_000_000
    ramp = np.arange(horizon)[:, None] * np.ones(ROBOT.action_width)
    running = ActionChunk(start, STEP_NS, ROBOT.action_names, ramp.astype(np.float32), 0)
    options = rtc.options(running, ROBOT, start + late, delay_s)
    if late > (horizon - 1) * STEP_NS:
        assert options == {}
        return
    weights = options['prefix_weight']
    for k in range(horizon):
        position = late / STEP_NS + k
        for group in ROBOT.action:
            values = options['prefix'][f'action.{group.name}']
            assert values.shape == (horizon, group.width)
            # A gripper keeps its step's value until the next step; joints move between them.
            held = (late + k * STEP_NS) // STEP_NS if group.kind == 'gripper' else position
            np.testing.assert_allclose(values[k], min(held, horizon - 1), atol=1e-3)
        # What the running chunk does not reach is free; what runs during inference is frozen.
        if position > horizon - 1 + 1e-6:
            assert weights[k] == 0
        elif k * STEP_NS < delay_s * 1e9 and position <= horizon - 1:
            assert weights[k] == 1
    assert rtc.options(running, ROBOT, start - 1, delay_s) == {}
    assert rtc.options(replace(running, stamp_ns=start + late + 1), ROBOT, start, delay_s) == {}


BARE = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition('.')[0]
        if top in sys.argv[1].split():
            raise ModuleNotFoundError(f'{name} is blocked by the test', name=name)

sys.meta_path.insert(0, Block())
from gr00t_policy_node.executor import node as executor_node
from gr00t_policy_node.policy import node as policy_node
from gr00t_policy_node.policy import server_backend
from gr00t_core.messages.images import compressed_to_rgb
import io
from types import SimpleNamespace
import numpy as np
from PIL import Image
file = io.BytesIO()
Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(file, 'JPEG')
image = compressed_to_rgb(SimpleNamespace(format='jpeg', data=file.getvalue()))
assert image.shape == (8, 8, 3)
files = {name: getattr(module, '__file__', None) or '' for name, module in sys.modules.items()}
print(*{name.partition('.')[0] for name, file in files.items() if 'site-packages' in file})
"""
BLOCKED = (
    'torch cv2 simplejpeg scipy tyro rich av pyarrow transformers tokenizers safetensors '
    'onnxruntime tensorrt mujoco fastapi'
)


def test_robot_side_needs_no_torch_and_no_vision_library():
    done = subprocess.run([sys.executable, '-c', BARE, BLOCKED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours = {name for name in done.stdout.split() if not name.startswith(('gr00t', '_'))}
    ros = {name for name in ours if name.endswith(('_msgs', '_srvs', '_interfaces'))}
    ros |= {name for name in ours if name.startswith(('rcl', 'ros', 'rpy', 'ament'))}
    assert ours - ros <= {'numpy', 'zmq', 'msgpack', 'yaml', 'PIL', 'unique_identifier_msgs'}
