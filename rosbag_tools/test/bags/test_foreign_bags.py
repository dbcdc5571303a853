# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags as other people record them: what is not needed does not matter, what is lost is told."""

import bz2
import json
from pathlib import Path
import re
import shutil
import sqlite3
import subprocess
import sys

from converted import convert
import lz4.frame
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from mutations import write_mcap
import numpy as np
import pytest
from rosbags.rosbag1 import Reader as Ros1Reader
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from truth_bag import Fault, header, START_NS, STORE, T, TruthBag
from written_bags import FRONT, JOINT_STATE, JOINTS, kinds, ros_1_bag, write
import yaml
import zstandard

from gr00t_core.commands.main import run as gr00t
from gr00t_core.errors import BagError
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag, header_ns
from rosbag_tools.bags.message_definitions import type_store
from rosbag_tools.bags.storage import DamagedError, Definition, unbz2, unlz4
from rosbag_tools.inspect.repair import repair

COMMANDS = '/joint_commands'
S = 1_000_000_000


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    return TruthBag(seconds=1).write(tmp_path_factory.mktemp('good') / 'bag')


@pytest.fixture(scope='module')
def content(good):
    with Bag(good) as bag:
        return bag.topics, list(bag.messages(bag.topics))


def serialized(message, kind, store=STORE):
    return bytes(store.serialize_cdr(message, kind))


def joints(stamp_ns, position, names=None, kind=JOINT_STATE):
    names = list(names or [*load_robot('so101').state[0].names, 'gripper'])
    empty = np.zeros(0)
    return T[kind](header(stamp_ns), names, np.asarray(position, np.float64), empty, empty)


def robot_with(folder: Path, change) -> Path:
    data = yaml.safe_load(load_robot('so101').source.read_text())
    change(data)
    path = folder / 'robot.yaml'
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


ODD_CHANNELS = {
    'json': ('demo', 'jsonschema', b'{}', 'json', b'{"a": 1}'),
    'protobuf': ('demo.Message', 'protobuf', b'\x0a\xff\xfe', 'protobuf', b'\x0a\x01'),
    'schemaless': (None, '', b'', 'json', b'{}'),
    'unknown': ('control_msgs/action/X_FeedbackMessage', 'unknown', b'', 'cdr', b'\0\1\0\0'),
    'service': ('std_srvs/srv/SetBool_Event', 'ros2msg', b'bool a\n---\nbool b\n', 'cdr', b''),
    'unparsable': ('demo_msgs/msg/Odd', 'ros2msg', b'this is ! no definition', 'cdr', b'\0\1'),
    'odd name': ('BasicTypes', 'ros2msg', b'int32 a\n', 'cdr', b'\0\1\0\0\1\0\0\0'),
}


@pytest.mark.parametrize('name', ODD_CHANNELS)
def test_what_the_robot_does_not_need_does_not_matter(tmp_path, content, name):
    topics, messages = content
    kind, encoding, text, message_encoding, data = ODD_CHANNELS[name]
    path = tmp_path / 'odd.mcap'
    with path.open('wb') as stream:
        writer = McapWriter(stream)
        writer.start(profile='ros2', library='test')
        channels = {}
        for topic in topics.values():
            definition = STORE.generate_msgdef(topic.type, ros_version=2)[0].encode()
            schema = writer.register_schema(topic.type, 'ros2msg', definition)
            channels[topic.name] = writer.register_channel(topic.name, 'cdr', schema)
        schema = writer.register_schema(kind, encoding, text) if kind else 0
        odd = writer.register_channel('/odd', message_encoding, schema)
        for message in messages:
            writer.add_message(channels[message.topic], message.log_ns, message.raw, 0)
        # An empty message, and a log time beyond every clock.
        writer.add_message(odd, START_NS, b'', 0)
        writer.add_message(odd, (1 << 64) - 5, data, 0)
        writer.finish()
    truth = convert(tmp_path, path)
    assert truth.rows == 30
    assert truth.report['bags'][0]['warnings'] == []
    assert gr00t('inspect', [str(path)]) == 0
    # Repair keeps the channel, too, except for the message without a time.
    repaired = repair(path)
    assert repaired.messages == len(messages) + 1
    with Bag(path) as bag:
        assert bag.topics['/odd'].count == 1


def test_a_topic_that_is_needed_must_be_cdr_of_one_type(tmp_path, content):
    topics, messages = content
    two = tmp_path / 'two'
    with Writer(two, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {n: writer.add_connection(n, t.type, typestore=STORE) for n, t in topics.items()}
        writer.add_connection(JOINTS, 'std_msgs/msg/String', typestore=STORE)
        for message in messages:
            writer.write(known[message.topic], message.log_ns, message.raw)
    words = ['--robot', 'so101', '--output', str(tmp_path / 'out')]
    assert gr00t('convert', [str(two), *words]) == 1
    with Bag(two) as bag, pytest.raises(BagError, match='recorded with two types'):
        bag.reading(JOINTS)


def bad_joints(name, stamp_ns):
    position = np.linspace(0.1, 0.6, 6)
    messages = {
        'not a number': lambda: joints(stamp_ns, position * np.nan),
        'infinite': lambda: joints(stamp_ns, position * np.inf),
        'too large': lambda: joints(stamp_ns, position * 1e300),
        'no positions': lambda: joints(stamp_ns, []),
        'a joint less': lambda: joints(stamp_ns, position[:5], load_robot('so101').state[0].names),
    }
    if name in messages:
        return serialized(messages[name](), JOINT_STATE)
    whole = serialized(joints(stamp_ns, position), JOINT_STATE)
    return {'cut': whole[:60], 'two bytes': b'\0\1', 'empty': b''}[name]


BAD = ('not a number', 'infinite', 'too large', 'no positions', 'cut', 'two bytes', 'empty')


@pytest.mark.parametrize('topic', [JOINTS, COMMANDS])
@pytest.mark.parametrize('name', BAD)
def test_bad_samples_are_as_if_not_sent(tmp_path, content, name, topic):
    """Dropping them from the bag gives the same dataset, bit for bit."""
    topics, messages = content
    found = [m for m in messages if m.topic == topic]
    wrong = {found[20].log_ns, found[21].log_ns, found[60].log_ns}
    changed, left = [], []
    for m in messages:
        is_bad = m.topic == topic and m.log_ns in wrong
        raw = bad_joints(name, header_ns(m.raw)) if is_bad else m.raw
        changed.append((m.topic, m.log_ns, raw))
        left += [] if is_bad else [(m.topic, m.log_ns, m.raw)]
    bad = convert(tmp_path / 'a', write(tmp_path / 'bad', kinds(topics), changed))
    without = convert(tmp_path / 'b', write(tmp_path / 'without', kinds(topics), left))
    for column in ('observation.state', 'action', 'observation.stamp_ns'):
        np.testing.assert_array_equal(bad.dataset.column(column), without.dataset.column(column))
    (samples,) = bad.report['bags'][0]['bad_samples']
    assert (samples['topic'], samples['count']) == (topic[1:], 3)
    first_ns = min(m.log_ns for m in messages)
    assert samples['first_s'] == pytest.approx((found[20].log_ns - first_ns) / S, abs=1e-3)
    assert any('messages cannot be used' in text for text in bad.report['bags'][0]['warnings'])


def test_a_stream_with_bad_samples_only_is_an_error_that_shows_one(tmp_path, content, capsys):
    topics, messages = content
    changed = [
        (
            m.topic,
            m.log_ns,
            bad_joints('not a number', header_ns(m.raw)) if m.topic == JOINTS else m.raw,
        )
        for m in messages
    ]
    bag = write(tmp_path / 'bag', kinds(topics), changed)
    assert gr00t('convert', [str(bag), '--robot', 'so101', '--output', str(tmp_path / 'o')]) == 1
    assert '[nan, nan' in capsys.readouterr().err


def test_many_bad_pictures_are_found_in_one_pass(tmp_path, content):
    topics, messages = content
    count = 0
    changed = []
    for m in messages:
        raw = m.raw
        if m.topic == FRONT:
            count += 1
            if count % 3 == 0:
                message = T[topics[FRONT].type](
                    header(header_ns(raw)), 'jpeg', np.frombuffer(b'no picture', np.uint8)
                )
                raw = serialized(message, topics[FRONT].type)
        changed.append((m.topic, m.log_ns, raw))
    truth = convert(tmp_path, write(tmp_path / 'bag', kinds(topics), changed))
    report = truth.report['bags'][0]
    assert report['unusable_images'] == {FRONT[1:]: 10}
    assert report['rows']['repeated'] >= 9
    assert report['bad_samples'][0]['first_s'] > 0


def test_counts_of_metadata_are_compared(tmp_path, good):
    bag = shutil.copytree(good, tmp_path / 'bag')
    file = bag / 'metadata.yaml'
    data = yaml.safe_load(file.read_text())
    for topic in data['rosbag2_bagfile_information']['topics_with_message_count']:
        if topic['topic_metadata']['name'] == JOINTS:
            topic['message_count'] += 40
        topic['topic_metadata']['offered_qos_profiles'] = ''  # as hand-made ones have
    data['rosbag2_bagfile_information']['storage_identifier'] = ''  # as reindexed ones have
    file.write_text(yaml.safe_dump(data))
    truth = convert(tmp_path, bag)
    assert truth.rows == 30
    (warning,) = truth.report['bags'][0]['warnings']
    assert 'joint_states: 110 messages read, metadata.yaml says 150' in warning


@pytest.mark.parametrize('damage', ['', 'rosbag2_bagfile_information: {version: 9', '[1, 2]'])
def test_a_damaged_metadata_file_loses_nothing(tmp_path, good, damage):
    bag = shutil.copytree(good, tmp_path / 'bag')
    (bag / 'metadata.yaml').write_text(damage)
    truth = convert(tmp_path, bag)
    assert truth.rows == 30
    assert 'metadata.yaml is damaged' in truth.report['bags'][0]['warnings'][0]


def test_messages_in_the_wal_file_are_read(tmp_path, content):
    topics, messages = content
    bag = write(
        tmp_path / 'bag', kinds(topics), [(m.topic, m.log_ns, m.raw) for m in messages],
        StoragePlugin.SQLITE3,
    )  # fmt: skip
    file = bag / 'bag.db3'
    database = sqlite3.connect(file)
    database.execute('PRAGMA journal_mode=WAL')
    rows = database.execute('SELECT * FROM messages WHERE id > 150').fetchall()
    database.execute('DELETE FROM messages WHERE id > 150')
    database.commit()
    database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    database.executemany('INSERT INTO messages VALUES (?, ?, ?, ?)', rows)
    database.commit()
    cut = shutil.copytree(bag, tmp_path / 'killed')  # while it is open: as a power cut leaves it
    database.close()
    before = {path.name: path.read_bytes() for path in cut.iterdir()}
    truth = convert(tmp_path, cut)
    assert truth.rows == 30
    assert 'db3-wal' in truth.report['bags'][0]['warnings'][0]
    assert before == {path.name: path.read_bytes() for path in cut.iterdir()}


def test_a_folder_of_single_files_is_a_folder_of_bags(tmp_path):
    folder = tmp_path / 'session'
    folder.mkdir()
    for number, text in enumerate(('red', 'blue', 'green')):
        bag = TruthBag(seconds=0.5, seed=number, custom={'gr00t.instruction': text})
        path = bag.write(tmp_path / f'take{number}')
        (path / f'take{number}.mcap').rename(folder / f'episode_{number:06d}.mcap')
    truth = convert(tmp_path, folder)
    assert [place.tasks for place in truth.dataset.episodes] == [('red',), ('blue',), ('green',)]
    assert gr00t('inspect', [str(folder)]) == 0
    with pytest.raises(BagError, match='holds 3 recordings'):
        repair(folder)


def test_parts_of_one_recording_without_metadata_stay_one(tmp_path, content):
    topics, messages = content
    folder = tmp_path / 'long_take'
    folder.mkdir()
    for part, chosen in enumerate((messages[:150], messages[150:])):
        path = write(
            tmp_path / f'p{part}', kinds(topics), [(m.topic, m.log_ns, m.raw) for m in chosen]
        )
        (path / f'p{part}.mcap').rename(folder / f'long_take_{part}.mcap')
    assert convert(tmp_path, folder).rows == 30


@pytest.mark.parametrize(
    ('name', 'data', 'words'),
    [
        (
            'lfs.mcap',
            b'version https://git-lfs.github.com/spec/v1\noid x\n',
            'git lfs pull',
        ),
        ('empty.mcap', b'', 'the file is empty'),
        ('text.mcap', b'hello world' * 20, 'no MCAP file'),
        ('text.db3', b'hello world' * 20, 'no sqlite3 file'),
        ('text.bag', b'hello world' * 20, 'no readable ROS 1 bag'),
        ('video.mp4', b'hello world' * 20, 'allowed: a folder with metadata.yaml'),
    ],
)
def test_the_hint_follows_the_cause(tmp_path, name, data, words):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BagError, match=words) as error, Bag(path):
        pass
    assert '--repair' not in str(error.value)


@pytest.mark.parametrize('compression', [None, *Ros1Writer.CompressionFormat])
def test_ros_1_bags_are_read(tmp_path, content, compression):
    path = ros_1_bag(tmp_path / 'take.bag', content, compression)
    truth = convert(tmp_path, path)
    assert truth.rows == 30
    assert np.abs(truth.skew_ms).max() < 0.2
    assert gr00t('inspect', [str(path)]) == 0


READ_WITHIN = """
import resource, sys
from pathlib import Path
from gr00t_core.errors import BagError
from rosbag_tools.bags.bag import Bag
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
try:
    with Bag(Path(sys.argv[1])) as bag:
        list(bag.messages(bag.topics))
except BagError as error:
    print(error)
"""


def test_chunks_of_ros_1_bags_are_bounded_before_they_are_decompressed(tmp_path, content):
    """The first chunk is replaced by 4 GB of zeros, which are 17 MB in the file."""
    path = ros_1_bag(tmp_path / 'bomb.bag', content, Ros1Writer.CompressionFormat.LZ4)
    zeros, frame = bytes(1 << 20), lz4.frame.LZ4FrameCompressor()
    packed = frame.begin() + b''.join(frame.compress(zeros) for _ in range(4096)) + frame.flush()
    data = path.read_bytes()
    with Ros1Reader(path) as reader:
        chunk = reader.chunks[reader.chunk_infos[0].pos]
    size_at, end = chunk.datapos - 4, chunk.datapos + chunk.datasize
    evil = data[:size_at] + len(packed).to_bytes(4, 'little') + packed + data[end:]
    longer = len(evil) - len(data)
    for key in (b'index_pos=', b'chunk_pos='):
        for found in re.finditer(key, evil):
            at = slice(found.end(), found.end() + 8)
            place = int.from_bytes(evil[at], 'little')
            place += longer if place > size_at else 0
            evil = evil[: at.start] + place.to_bytes(8, 'little') + evil[at.stop :]
    path.write_bytes(evil)
    done = subprocess.run(
        [sys.executable, '-c', READ_WITHIN, str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 'more than 268435456 bytes in lz4 data' in done.stdout


@pytest.mark.parametrize(('unpack', 'pack'), [(unlz4, lz4.frame.compress), (unbz2, bz2.compress)])
def test_lz4_and_bz2_are_unpacked_within_their_limit(unpack, pack):
    data = bytes(range(256)) * 100
    assert unpack(pack(data), len(data)) == data
    with pytest.raises(DamagedError, match='more than 25599 bytes'):
        unpack(pack(data), len(data) - 1)
    with pytest.raises(DamagedError, match='end too early'):
        unpack(pack(data)[:-12])
    with pytest.raises(DamagedError):
        unpack(b'nothing of that kind')


def named_elsewhere(folder, definition, kind, build, field):
    """Write a bag whose commands are of another type, joints in another order."""
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(definition, kind))
    source = TruthBag(seconds=1).write(folder / 'source')
    order = [5, 0, 4, 1, 3, 2]
    with Bag(source) as bag:
        topics = kinds(bag.topics) | {COMMANDS: kind}
        events = []
        for m in bag.messages(bag.topics):
            raw = m.raw
            if m.topic == COMMANDS:
                read = bag.deserialize(m)
                names = [read.name[i] for i in order]
                raw = serialized(build(store.types, names, read.position[order]), kind, store)
            events.append((m.topic, m.log_ns, raw))
    bag = write(folder / 'bag', topics, events, store=store)

    def change(data):
        for group in data['action'].values():
            group |= {'type': kind, 'field': field}

    return bag, robot_with(folder, change)


ELSEWHERE = {
    'names': (
        'string[] names\nfloat64[] position\nfloat64[] kp\n',
        lambda t, n, p: t['demo_msgs/msg/Odd'](n, p, np.zeros(0)),
        'position',
    ),
    'dof_names': (
        'string[] dof_names\nfloat64[] values\n',
        lambda t, n, p: t['demo_msgs/msg/Odd'](n, p),
        'values',
    ),
    'labels': (
        'float64[] q\nstring[] labels\n',
        lambda t, n, p: t['demo_msgs/msg/Odd'](p, n),
        'q',
    ),
    'nested': (
        'sensor_msgs/JointState command\n',
        lambda t, n, p: t['demo_msgs/msg/Odd'](
            t[JOINT_STATE](header(0), n, p, np.zeros(0), np.zeros(0))
        ),
        'command.position',
    ),
    'outside': (
        'string[] joint_names\nsensor_msgs/JointState inner\n',
        lambda t, n, p: t['demo_msgs/msg/Odd'](
            n, t[JOINT_STATE](header(0), [], p, np.zeros(0), np.zeros(0))
        ),
        'inner.position',
    ),
}


@pytest.mark.parametrize('name', ELSEWHERE)
def test_joint_names_are_found_at_any_depth(tmp_path, name):
    definition, build, field = ELSEWHERE[name]
    bag, robot = named_elsewhere(tmp_path, definition, 'demo_msgs/msg/Odd', build, field)
    # These messages have no stamp: a command is placed at its log time, 2 ms late.
    truth = convert(tmp_path, bag, '--robot', str(robot))
    action, state = truth.dataset.column('action'), truth.dataset.column('observation.state')
    assert np.abs(action - state - 0.01).max() < 0.012


def nameless(folder, change):
    """Write a bag of states in the order of the robot file, and of which no message has names."""
    with Bag(TruthBag(seconds=1).write(folder / 'source')) as bag:
        topics = kinds(bag.topics)
        events = []
        for m in bag.messages(bag.topics):
            raw = m.raw
            if m.topic == JOINTS:
                read = bag.deserialize(m)
                read.name = []
                raw = serialized(read, JOINT_STATE)
            events.append((m.topic, m.log_ns, raw))
    return write(folder / 'bag', topics, events), robot_with(folder, change)


def test_states_without_names_are_no_states_of_joints(tmp_path, capsys):
    bag, robot = nameless(tmp_path, lambda data: None)
    words = [str(bag), '--robot', str(robot), '--output', str(tmp_path / 'o')]
    assert gr00t('convert', words) == 1
    said = ' '.join(capsys.readouterr().err.split())
    assert 'none of 110 messages can be used' in said
    assert 'the message names no element, its name is empty' in said
    assert 'offset: 0 beside `joints`' in said


def test_states_without_names_are_read_by_place_if_the_robot_file_says_so(tmp_path):
    def change(data):
        data['state']['single_arm']['offset'] = 0
        data['state']['gripper']['offset'] = 5

    bag, robot = nameless(tmp_path, change)
    truth = convert(tmp_path, bag, '--robot', str(robot))
    assert truth.rows == 30
    assert np.abs(truth.skew_ms).max() < 0.2
    state = truth.dataset.column('observation.state')
    np.testing.assert_allclose(state[:, 5], 6 * state[:, 0], atol=1e-5)


def test_names_that_do_not_fit_are_refused(tmp_path):
    bag, robot = named_elsewhere(
        tmp_path,
        'string[] names\nfloat64[] position\n',
        'demo_msgs/msg/Odd',
        lambda t, n, p: t['demo_msgs/msg/Odd'](n[:4], p),
        'position',
    )
    words = [str(bag), '--robot', str(robot), '--output', str(tmp_path / 'o')]
    assert gr00t('convert', words) == 1


@pytest.mark.parametrize('step_s', [-0.15, -0.4, -0.9, -3.0])
@pytest.mark.parametrize('storage', list(StoragePlugin))
@pytest.mark.parametrize('clock', ['both', 'stamps'])
def test_no_episode_crosses_a_clock_that_is_set_back(tmp_path, step_s, storage, clock):
    if (storage, clock) == (StoragePlugin.SQLITE3, 'stamps'):
        pytest.skip('stamps do not depend on the storage')
    with Bag(TruthBag(seconds=2).write(tmp_path / 'source')) as bag:
        topics, messages = kinds(bag.topics), list(bag.messages(bag.topics))
    events = []
    for m in messages:
        is_late = m.log_ns > START_NS + S
        shift = round(step_s * S) if is_late else 0
        stamp = header_ns(m.raw) + (shift if header_ns(m.raw) > START_NS + S else 0)
        raw = m.raw[:4] + np.array([stamp // S, stamp % S], '<u4').tobytes() + m.raw[12:]
        events.append((m.topic, m.log_ns + (shift if clock == 'both' else 0), raw))
    truth = convert(tmp_path, write(tmp_path / 'bag', topics, events, storage))
    report = truth.report['bags'][0]
    assert report['set_backs'][0]['back_s'] == pytest.approx(-step_s, abs=0.05)
    assert any('its clock was set back' in text for text in report['warnings'])
    assert len(truth.dataset.episodes) >= 2
    assert 56 <= truth.rows <= 60
    # Pictures tell the true time: no episode holds both sides, and each is aligned.
    row = 0
    for place in truth.dataset.episodes:
        times = truth.image_s['front'][row : row + place.length]
        row += place.length
        assert times.max() < 1.001 or times.min() > 0.999
    assert np.abs(truth.skew_ms).max() < 0.2


def test_a_late_message_is_no_new_clock(tmp_path, content):
    topics, messages = content
    events = [(m.topic, m.log_ns, m.raw) for m in messages]
    late = [n for n, event in enumerate(events) if event[0] == JOINTS][50]
    topic, log_ns, raw = events[late]
    stamp = header_ns(raw) - S // 2
    events[late] = (
        topic,
        log_ns,
        raw[:4] + np.array([stamp // S, stamp % S], '<u4').tobytes() + raw[12:],
    )
    truth = convert(tmp_path, write(tmp_path / 'bag', kinds(topics), events))
    assert truth.report['bags'][0]['set_backs'] == []
    assert len(truth.dataset.episodes) == 1


def test_files_sorted_by_topic_are_one_recording(tmp_path, content):
    topics, messages = content
    ordered = sorted(messages, key=lambda m: (m.topic, m.log_ns))
    path = tmp_path / 'sorted.mcap'
    write_mcap(path, topics, ordered, CompressionType.ZSTD, chunk_size=50_000)
    truth = convert(tmp_path, path)
    assert truth.report['bags'][0]['set_backs'] == []
    assert [place.length for place in truth.dataset.episodes] == [30]


TRAJECTORY = 'trajectory_msgs/msg/JointTrajectory'


@pytest.mark.parametrize('first_s', [0.0, 0.1])
def test_a_plan_is_sampled_at_its_time(tmp_path, first_s):
    """A plan a second, five points a fifth of a second apart; the commanded value is the time."""
    with Bag(TruthBag(seconds=3).write(tmp_path / 'source')) as bag:
        topics = kinds(bag.topics) | {COMMANDS: TRAJECTORY}
        events = [(m.topic, m.log_ns, m.raw) for m in bag.messages(bag.topics)
                  if m.topic != COMMANDS]  # fmt: skip
    names = [*load_robot('so101').state[0].names, 'gripper']
    point = T['trajectory_msgs/msg/JointTrajectoryPoint']
    duration = T['builtin_interfaces/msg/Duration']
    for second in range(3):
        points = []
        for number in range(5):
            after = first_s + 0.2 * number
            at = np.full(6, second + after)
            none = np.zeros(0)
            points.append(point(at, none, none, none, duration(0, round(after * S))))
        stamp = START_NS + second * S
        message = T[TRAJECTORY](header(stamp), names, points)
        events.append((COMMANDS, stamp + 1_000_000, serialized(message, TRAJECTORY)))
    events.sort(key=lambda event: event[1])

    def change(data):
        for group in data['action'].values():
            group |= {'type': TRAJECTORY, 'field': 'positions', 'rate_hz': 1}

    robot = robot_with(tmp_path, change)
    truth = convert(
        tmp_path, write(tmp_path / 'bag', topics, events), '--robot', str(robot),
        '--max-dropped', '1',
    )  # fmt: skip
    action = truth.dataset.column('action')[:, 0]
    inside = (truth.stamp_s % 1) <= first_s + 0.8
    # Before the first point of the first plan nothing is known: those rows are not there.
    assert truth.stamp_s[0] >= first_s - 1e-9
    on_plan = inside & ((truth.stamp_s % 1) >= first_s)
    np.testing.assert_allclose(action[on_plan], truth.stamp_s[on_plan], atol=1e-5)
    np.testing.assert_allclose(
        action[~inside], np.floor(truth.stamp_s[~inside]) + first_s + 0.8, atol=1e-5
    )


def test_texts_of_users_are_no_markup(tmp_path, capsys):
    names = ['take [red cube]', 'odd[bold]x', 'y[/bold]'.replace('/', '\u2215')]
    bags = [TruthBag(seconds=0.4, seed=n).write(tmp_path / name) for n, name in enumerate(names)]
    bad = tmp_path / 'bad [blue cube][' / 'x]'
    bad.mkdir(parents=True)
    convert(tmp_path, [*bags, bad], status=1)
    said = capsys.readouterr()
    for name in (*names, bad.name):
        assert name in said.out + said.err
    bag = TruthBag(seconds=0.4, custom={'gr00t.instruction': 'pick [the] [/x]'})
    assert gr00t('inspect', [str(bag.write(tmp_path / 'noted'))]) == 0
    assert 'pick [the] [/x]' in capsys.readouterr().out


@pytest.mark.parametrize(
    'options',
    [('--fps', '0'), ('--fps', '-5'), ('--fps', 'nan'), ('--workers', '0'), ('--trim-idle', '-1'),
     ('--max-dropped', '2'), ('--max-pieces', '0'), ('--split', 'gap:-1')],
)  # fmt: skip
def test_numbers_that_mean_nothing_are_refused(tmp_path, good, options, capsys):
    words = [str(good), '--robot', 'so101', '--output', str(tmp_path / 'o'), *options]
    assert gr00t('convert', words) == 1
    assert options[0] in capsys.readouterr().err


def test_frozen_stamps_are_named(tmp_path, content, capsys):
    topics, messages = content
    stamp = np.array([START_NS // S, 0], '<u4').tobytes()
    events = [
        (m.topic, m.log_ns, m.raw[:4] + stamp + m.raw[12:] if m.topic == FRONT else m.raw)
        for m in messages
    ]
    bag = write(tmp_path / 'bag', kinds(topics), events)
    assert gr00t('convert', [str(bag), '--robot', 'so101', '--output', str(tmp_path / 'o')]) == 1
    assert '`stamp: log`' in capsys.readouterr().err


def test_sizes_are_bounded_before_memory_is_taken(tmp_path, content):
    """A chunk of 4 GB of zeros in 130 kB, and headers that claim more than there is."""
    topics, messages = content
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    frames = b''.join([bomb] * 16)
    assert len(frames) < 1 << 20
    path = tmp_path / 'bomb.mcap'
    write_mcap(path, topics, messages, CompressionType.ZSTD, use_statistics=False)
    data = bytearray(path.read_bytes())
    at = data.index(b'zstd') - 32 - 9
    assert data[at] == 6
    for size in (1 << 33, 1 << 20):  # claimed; the content is larger in both cases
        record = data[at + 9 : at + 25] + size.to_bytes(8, 'little') + bytes(4)
        record += b'\4\0\0\0zstd' + len(frames).to_bytes(8, 'little') + frames
        evil = data[:at] + b'\6' + len(record).to_bytes(8, 'little') + record
        evil += b'\x0f' + (4).to_bytes(8, 'little') + bytes(4)
        evil += b'\2' + (20).to_bytes(8, 'little') + bytes(20) + b'\x89MCAP0\r\n'
        path.write_bytes(evil)
        with pytest.raises(BagError, match='bytes'), Bag(path):
            pass


def test_a_changed_byte_is_found_by_the_checksum(tmp_path, content):
    topics, messages = content
    path = tmp_path / 'plain.mcap'
    write_mcap(path, topics, messages, use_chunking=False)
    assert convert(tmp_path, path).rows == 30
    data = bytearray(path.read_bytes())
    raw = next(m.raw for m in messages if m.topic == JOINTS)
    data[data.index(raw) + len(raw) - 20] ^= 0x40
    path.write_bytes(data)
    with Bag(path) as bag, pytest.raises(BagError, match='checksum'):
        list(bag.messages(bag.topics))


def test_bags_share_the_readers_of_a_type_only_where_they_define_it_alike():
    kind = 'odd_msgs/msg/Grip'
    first, second = (Definition('ros2msg', f'float64 {field}') for field in ('width', 'force'))
    shared = type_store(kind, first, {})
    assert type_store(kind, Definition('ros2msg', first.text), {}) is shared
    others = [type_store(kind, second, {}), type_store(kind, None, {kind: second.text})]
    for store in others:
        assert [name for name, _ in store.fielddefs[kind][1]] == ['force']
    assert [name for name, _ in shared.fielddefs[kind][1]] == ['width']
    assert kind not in type_store(kind, None, {}).fielddefs


def test_rosbag2s_own_bags_open(shared_data):
    bags = sorted((shared_data / 'rosbag2_bags').glob('*/*'))
    assert len(bags) >= 6
    for bag in bags:
        assert gr00t('inspect', [str(bag)]) == 0


def test_a_fast_sensor_does_not_cut_an_episode_into_pieces(tmp_path):
    """Declared at 500 Hz, arriving at 100: it is slower than said, and enough for every row."""

    def change(data):
        for kind in ('state', 'action'):
            for group in data[kind].values():
                group['rate_hz'] = 500

    truth = convert(tmp_path, TruthBag(seconds=2), '--robot', str(robot_with(tmp_path, change)))
    assert [place.length for place in truth.dataset.episodes] == [60]


def test_a_faster_stream_is_no_warning(tmp_path):
    truth = convert(tmp_path, TruthBag(seconds=1, joint_hz=300))
    assert truth.report['bags'][0]['warnings'] == []


def test_many_dropped_rows_and_pieces_are_an_exit_status(tmp_path, capsys):

    bag = TruthBag(seconds=3, faults={'joint_states': Fault(silent=(1, 2.5))}).write(
        tmp_path / 'b'
    )
    truth = convert(tmp_path, bag, status=1)
    assert truth.rows > 40
    assert 'of its rows are dropped' in capsys.readouterr().err
    convert(tmp_path, bag, '--max-dropped', '0.6')
    page = (truth.path / 'meta' / 'conversion_report.html').read_text()
    assert page.index('of the rows dropped') < page.index('LeRobot v2.1')
    report = json.loads((truth.path / 'meta' / 'conversion_report.json').read_text())
    assert report['bags'][0]['rows']['lost'] > 30
