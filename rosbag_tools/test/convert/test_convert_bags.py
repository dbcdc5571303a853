# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of every make, and every way to make episodes and actions of them."""

import json
from pathlib import Path

from converted import convert
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from truth_bag import Fault, joint_truth, STORE, T, TruthBag
import yaml

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.checks.findings import ERROR
from gr00t_core.dataset.checks.validate import validate
from gr00t_core.errors import BagError
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag
from rosbag_tools.bags.message_definitions import known_types

FRONT = 'camera/front/image_raw/compressed'


@pytest.mark.parametrize('storage', list(StoragePlugin))
@pytest.mark.parametrize('zstd', list(CompressionMode))
def test_storages_and_compressions(tmp_path, storage, zstd):
    if storage == StoragePlugin.SQLITE3 and zstd == CompressionMode.STORAGE:
        pytest.skip('sqlite3 has no compression of its own')
    truth = convert(tmp_path, TruthBag(seconds=1, storage=storage, zstd=zstd))
    assert truth.rows == 30
    assert np.abs(truth.skew_ms).max() < 0.2


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_split_bags_are_one(tmp_path, storage):
    whole = TruthBag(seconds=2, storage=storage).write(tmp_path / 'whole')
    split = tmp_path / 'split'
    suffix = 'mcap' if storage == StoragePlugin.MCAP else 'db3'
    with Bag(whole) as bag:
        messages = list(bag.messages(bag.topics))
        types = {name: topic.type for name, topic in bag.topics.items()}
    metadata = None
    split.mkdir()
    for part, chosen in enumerate((messages[:200], messages[200:350], messages[350:])):
        folder = tmp_path / f'split_{part}'
        with Writer(folder, version=9, storage_plugin=storage) as writer:
            known = {
                name: writer.add_connection(name, kind, typestore=STORE)
                for name, kind in types.items()
            }
            for message in chosen:
                writer.write(known[message.topic], message.log_ns, message.raw)
        file = f'split_{part}.{suffix}'
        (folder / file).rename(split / file)
        info = yaml.safe_load((folder / 'metadata.yaml').read_text())
        info = info['rosbag2_bagfile_information']
        if metadata is None:
            metadata = info
            continue
        metadata['relative_file_paths'] += info['relative_file_paths']
        metadata['files'] += info['files']
        metadata['message_count'] += info['message_count']
        start = metadata['starting_time']['nanoseconds_since_epoch']
        end = info['starting_time']['nanoseconds_since_epoch'] + info['duration']['nanoseconds']
        metadata['duration']['nanoseconds'] = end - start
        for mine, other in zip(
            metadata['topics_with_message_count'], info['topics_with_message_count']
        ):
            mine['message_count'] += other['message_count']
    (split / 'metadata.yaml').write_text(yaml.safe_dump({'rosbag2_bagfile_information': metadata}))
    truth = convert(tmp_path, split)
    assert truth.rows == 60
    assert np.abs(truth.skew_ms).max() < 0.2


@pytest.mark.parametrize('name', ['bag.mcap', 'bag.db3'])
def test_single_files(tmp_path, name):
    storage = StoragePlugin.MCAP if name.endswith('mcap') else StoragePlugin.SQLITE3
    custom = {'gr00t.instruction': 'wave', 'gr00t.success': 'true'}
    path = TruthBag(seconds=1, storage=storage, custom=custom).write(tmp_path / 'bag')
    truth = convert(tmp_path, path / name)
    assert truth.rows == 30
    if storage == StoragePlugin.MCAP:
        assert truth.dataset.episodes[0].tasks == ('wave',)


def test_namespaces(tmp_path):
    bag = TruthBag(seconds=1, namespace='left/arm').write(tmp_path / 'bag')
    assert convert(tmp_path, bag).rows == 30  # found by their ends
    assert convert(tmp_path / 'x', bag, '--namespace', '/left/arm').rows == 30
    words = [str(bag), '--robot', 'so101', '--output', str(tmp_path / 'y'), '--namespace', 'right']
    assert gr00t('convert', words) == 1


def test_two_robots_in_one_bag_need_a_namespace(tmp_path):
    bags = [
        TruthBag(seconds=1, namespace=n, seed=i).write(tmp_path / n) for i, n in enumerate('ab')
    ]
    both = tmp_path / 'both'
    with Writer(both, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for path in bags:
            with Bag(path) as bag:
                known = {
                    name: writer.add_connection(name, topic.type, typestore=STORE)
                    for name, topic in bag.topics.items()
                }
                for message in bag.messages(bag.topics):
                    writer.write(known[message.topic], message.log_ns, message.raw)
    words = [str(both), '--robot', 'so101', '--output', str(tmp_path / 'd')]
    assert gr00t('convert', words) == 1
    assert convert(tmp_path, both, '--namespace', 'b').rows == 30


def test_types_that_no_one_knows_are_read_with_their_msg_file(tmp_path):
    folder = tmp_path / 'odd_msgs' / 'msg'
    folder.mkdir(parents=True)
    text = 'std_msgs/Header header\nstring[] name\nfloat64[] position\n'
    (folder / 'Joints.msg').write_text(text)
    from rosbags.typesys import get_types_from_msg

    store = known_types()
    store.register(get_types_from_msg(text, 'odd_msgs/msg/Joints'))
    robot = tmp_path / 'robot.yaml'
    robot.write_text(
        load_robot('so101')
        .source.read_text()
        .replace('sensor_msgs/msg/JointState', 'odd_msgs/msg/Joints')
    )
    source = TruthBag(seconds=1, storage=StoragePlugin.SQLITE3).write(tmp_path / 'source')
    path = tmp_path / 'bag'
    with (
        Bag(source) as bag,
        Writer(path, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer,
    ):
        known = {}
        for name, topic in bag.topics.items():
            kind = topic.type.replace('sensor_msgs/msg/JointState', 'odd_msgs/msg/Joints')
            known[name] = writer.add_connection(name, kind, typestore=store)
        for message in bag.messages(bag.topics):
            raw = message.raw
            if 'joint' in message.topic:
                m = bag.deserialize(message)
                odd = store.types['odd_msgs/msg/Joints'](m.header, m.name, m.position)
                raw = store.serialize_cdr(odd, 'odd_msgs/msg/Joints')
            writer.write(known[message.topic], message.log_ns, raw)
    # As bags before Iron: without definitions.
    import sqlite3

    with sqlite3.connect(path / 'bag.db3') as database:
        database.execute('DELETE FROM message_definitions')
    words = ['--robot', str(robot), '--definitions', str(folder / 'Joints.msg')]
    truth = convert(tmp_path, path, *words)
    assert truth.rows == 30
    assert np.abs(truth.skew_ms).max() < 0.2
    with Bag(path) as bag, pytest.raises(BagError, match='--definitions'):
        bag.deserialize(next(bag.messages(['/joint_states'])))


def test_actions_from_states(tmp_path):
    bag = TruthBag(seconds=2).write(tmp_path / 'bag')
    truth = convert(tmp_path, bag, '--action-from', 'next_state')
    assert truth.rows == 59  # the last one has no next state
    action = truth.dataset.column('action')
    expected = joint_truth(truth.joint_s + 1 / 30, 6)
    np.testing.assert_allclose(action, expected, atol=2e-5)
    robot = tmp_path / 'delta.yaml'
    content = yaml.safe_load(load_robot('so101').source.read_text())
    for group in content['action'].values():
        group.pop('kind', None)
        group |= {'absolute': False, 'limits': {'range': [-0.1, 0.1]}}
    robot.write_text(yaml.safe_dump(content, sort_keys=False))
    words = ['--robot', str(robot), '--action-from', 'delta']
    truth = convert(tmp_path / 'b', bag, *words)
    expected = np.tile(joint_truth(1 / 30, 6), (59, 1))
    np.testing.assert_allclose(truth.dataset.column('action'), expected, atol=2e-5)
    assert (
        gr00t('convert', [str(bag), *words, '--action-from', 'next_state', '--output', 'x']) == 1
    )


def test_an_arm_alone(tmp_path):
    content = yaml.safe_load(load_robot('so101').source.read_text())
    for kind in ('state', 'action'):
        del content[kind]['gripper']
    robot = tmp_path / 'arm.yaml'
    robot.write_text(yaml.safe_dump(content, sort_keys=False))
    truth = convert(tmp_path, TruthBag(seconds=1), '--robot', str(robot))
    assert truth.dataset.column('action').shape == (30, 5)
    assert truth.dataset.column('observation.state').shape == (30, 5)
    np.testing.assert_allclose(
        truth.dataset.column('observation.state'), joint_truth(truth.joint_s, 5), atol=1e-5
    )


def test_gaps_split_episodes(tmp_path):
    silent = {topic: Fault(silent=(1.0, 2.0)) for topic in load_robot('so101').topics}
    truth = convert(tmp_path, TruthBag(seconds=3, faults=silent), '--split', 'gap:0.5')
    assert [place.length for place in truth.dataset.episodes] == [30, 30]
    assert np.abs(truth.skew_ms).max() < 0.2
    # Nothing is filled, whatever the split is.
    truth = convert(tmp_path / 'b', tmp_path / 'bag')
    assert [place.length for place in truth.dataset.episodes] == [30, 30]


def test_rows_without_state_are_dropped_and_counted(tmp_path):
    faults = {'joint_states': Fault(silent=(1.0, 1.5))}
    truth = convert(tmp_path, TruthBag(seconds=3, faults=faults))
    rows = truth.report['bags'][0]['rows']
    assert rows['aligned'] == 90
    assert rows['kept'] == truth.rows == 90 - sum(rows['dropped'].values())
    assert 9 <= rows['dropped']['no state.single_arm, state.gripper within max_age'] <= 15
    assert len(truth.dataset.episodes) == 2
    assert np.abs(truth.skew_ms).max() < 5


def events(path, said):
    """Add a std_msgs/String topic to a bag: (seconds, text)."""
    source = TruthBag(seconds=4).write(path.with_name('source'))
    kind = 'std_msgs/msg/String'
    with Bag(source) as bag, Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {
            name: writer.add_connection(name, topic.type, typestore=STORE)
            for name, topic in bag.topics.items()
        }
        known['/episode'] = writer.add_connection('/episode', kind, typestore=STORE)
        start = next(bag.messages([f'/{FRONT}'])).log_ns
        extra = [
            (start + round(s * 1e9), '/episode', bytes(STORE.serialize_cdr(T[kind](text), kind)))
            for s, text in said
        ]
        recorded = [(m.log_ns, m.topic, m.raw) for m in bag.messages(bag.topics)]
        for log_ns, topic, raw in sorted(recorded + extra, key=lambda e: e[0]):
            writer.write(known[topic], log_ns, raw)
    return path


def test_an_event_topic_makes_episodes(tmp_path):
    said = [(0.5, 'start: wave'), (1.5, 'stop: success'), (2.0, 'start: drop'), (2.5, 'discard')]
    said += [(3.0, 'start: push'), (3.5, 'stop: failure')]
    bag = events(tmp_path / 'bag', said)
    truth = convert(tmp_path, bag, '--split', 'event:/episode')
    assert [place.tasks for place in truth.dataset.episodes] == [('wave',), ('push',)]
    assert [place.length for place in truth.dataset.episodes] == [30, pytest.approx(15, abs=1)]
    assert [e['success'] for e in truth.report['bags'][0]['episodes']] == [True, False]
    truth = convert(tmp_path / 'b', bag, '--split', 'event:episode', '--only-success')
    assert [place.tasks for place in truth.dataset.episodes] == [('wave',)]
    words = [str(bag), '--robot', 'so101', '--output', str(tmp_path / 'x')]
    assert gr00t('convert', [*words, '--split', 'event:nothing']) == 1
    assert gr00t('convert', [*words, '--split', 'sometimes']) == 1
    assert gr00t('convert', [*words, '--split', 'gap:soon']) == 1


RULE = '=' * 80 + '\n'
EVENT_INFO = (
    'MSG: service_msgs/ServiceEventInfo\nuint8 event_type\nbuiltin_interfaces/Time stamp\n'
    f'char[16] client_gid\nint64 sequence_number\n{RULE}MSG: builtin_interfaces/Time\n'
    'int32 sec\nuint32 nanosec\n'
)
SERVICES = {
    'StartEpisode': ('string instruction\n', 'bool success\n'),
    'StopEpisode': ('bool success\n', 'bool ok\n'),
    'DiscardEpisode': ('string reason\n', 'bool ok\n'),
}


def service_event(service):
    """Return the definition of a service's events, as rosbag2 stores it."""
    name = f'gr00t_msgs/srv/{service}'
    request, response = SERVICES[service]
    return RULE.join(
        [
            f'service_msgs/ServiceEventInfo info\n{name}_Request[<=1] request\n'
            f'{name}_Response[<=1] response\n',
            EVENT_INFO,
            f'MSG: {name}_Request\n{request}',
            f'MSG: {name}_Response\n{response}',
        ]
    )


def test_recorded_services_make_episodes(tmp_path):
    """Calls as rosbag2 records them: request received (1), response sent (2); one is refused."""
    calls = [
        (0.5, 'StartEpisode', 'wave', True),
        (0.7, 'StartEpisode', 'refused', False),
        (1.5, 'StopEpisode', True, True),
        (2.0, 'StartEpisode', 'drop', True),
        (2.5, 'DiscardEpisode', 'bad', True),
        (3.0, 'StartEpisode', 'push', True),
        (3.5, 'StopEpisode', False, True),
    ]
    store = get_typestore(Stores.ROS2_JAZZY)
    for service in SERVICES:
        store.register(
            {
                name: fields
                for name, fields in get_types_from_msg(
                    service_event(service), f'gr00t_msgs/srv/{service}_Event'
                ).items()
                if name not in store.fielddefs
            }
        )
    source = TruthBag(seconds=4).write(tmp_path / 'source')
    with (
        Bag(source) as bag,
        Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.MCAP) as writer,
    ):
        start = next(bag.messages([f'/{FRONT}'])).log_ns
        written = [(m.log_ns, m.topic, m.raw) for m in bag.messages(bag.topics)]
        known = {
            name: writer.add_connection(name, topic.type, typestore=STORE)
            for name, topic in bag.topics.items()
        }
        for number, (seconds, service, said, accepted) in enumerate(calls):
            topic = f'/recorder/{service}/_service_event'
            if topic not in known:
                known[topic] = writer.add_connection(
                    topic,
                    f'gr00t_msgs/srv/{service}_Event',
                    msgdef=service_event(service),
                    rihs01='RIHS01_' + '0' * 64,
                )
            kind = f'gr00t_msgs/srv/msg/{service}'
            types = store.types
            for event_type in (1, 2):
                info = types['service_msgs/msg/ServiceEventInfo'](
                    event_type=event_type,
                    stamp=types['builtin_interfaces/msg/Time'](sec=0, nanosec=0),
                    client_gid=np.zeros(16, np.uint8),
                    sequence_number=number,
                )
                event = types[f'{kind}_Event'](
                    info=info,
                    request=[types[f'{kind}_Request'](said)] if event_type == 1 else [],
                    response=[types[f'{kind}_Response'](accepted)] if event_type == 2 else [],
                )
                raw = bytes(store.serialize_cdr(event, f'{kind}_Event'))
                written.append((start + round(seconds * 1e9) + event_type, topic, raw))
        for log_ns, topic, raw in sorted(written, key=lambda e: e[0]):
            writer.write(known[topic], log_ns, raw)
    truth = convert(tmp_path, tmp_path / 'bag', '--split', 'services')
    assert [place.tasks for place in truth.dataset.episodes] == [('wave',), ('push',)]
    assert [e['success'] for e in truth.report['bags'][0]['episodes']] == [True, False]


def test_instruction_and_outcome_of_the_recorder(tmp_path):
    bags = [
        TruthBag(seconds=1, custom=custom, seed=index).write(tmp_path / f'bag{index}')
        for index, custom in enumerate(
            (
                {'gr00t.instruction': 'stack', 'gr00t.success': 'true'},
                {'gr00t.success': 'false'},
                {},
            )
        )
    ]
    truth = convert(tmp_path, bags, '--instruction', 'sort')
    assert [place.tasks for place in truth.dataset.episodes] == [('stack',), ('sort',), ('sort',)]
    truth = convert(tmp_path / 'b', bags, '--only-success')
    assert [place.tasks for place in truth.dataset.episodes] == [('stack',)]
    assert truth.report['bags'][1]['rejected_episodes'] == {'not marked as a success': 1}


@pytest.mark.parametrize('blank', ['', '   ', ' \t\n'])
def test_a_blank_instruction_is_none(tmp_path, blank):
    custom = ({'gr00t.instruction': blank}, {'gr00t.instruction': ' lift it '})
    bags = [
        TruthBag(seconds=1, custom=each, seed=index).write(tmp_path / f'bag{index}')
        for index, each in enumerate(custom)
    ]
    truth = convert(tmp_path, bags, '--instruction', 'sort')
    assert [place.tasks for place in truth.dataset.episodes] == [('sort',), ('lift it',)]
    truth = convert(tmp_path / 'b', bags[:1], '--instruction', blank)
    assert truth.dataset.episodes[0].tasks == (load_robot('so101').instruction,)


def test_idle_ends_are_trimmed(tmp_path):
    source = TruthBag(seconds=4).write(tmp_path / 'source')
    kind = 'sensor_msgs/msg/JointState'
    path = tmp_path / 'bag'
    with Bag(source) as bag, Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {
            name: writer.add_connection(name, topic.type, typestore=STORE)
            for name, topic in bag.topics.items()
        }
        start = next(bag.messages([f'/{FRONT}'])).log_ns
        for message in bag.messages(bag.topics):
            raw = message.raw
            if 'joint' in message.topic:  # moves from 1 s to 3 s only
                m = bag.deserialize(message)
                seconds = np.clip((message.log_ns - start) / 1e9, 1.0, 3.0)
                moved = T[kind](m.header, m.name, joint_truth(seconds, 6), m.velocity, m.effort)
                raw = STORE.serialize_cdr(moved, kind)
            writer.write(known[message.topic], message.log_ns, raw)
    truth = convert(tmp_path, path, '--trim-idle', '0.2')
    assert truth.rows == pytest.approx(60 + 12 + 6, abs=4)
    assert truth.stamp_s[0] == pytest.approx(0.7, abs=0.15)
    assert truth.stamp_s[-1] == pytest.approx(3.2, abs=0.1)
    assert truth.report['bags'][0]['episodes'][0]['trimmed'] == 120 - truth.rows


@pytest.mark.parametrize('video', ['h264', 'av1'])
def test_size_and_codec(tmp_path, video):
    bag = TruthBag(seconds=1)
    truth = convert(tmp_path, bag, '--size', '224', '160', '--video', video)
    assert truth.dataset.frames(0, 'video.front', [0]).shape == (1, 160, 224, 3)
    assert np.abs(truth.skew_ms).max() < 0.2
    info = json.loads((truth.path / 'meta' / 'info.json').read_text())
    feature = info['features']['observation.images.front']
    assert feature['shape'] == [160, 224, 3]
    assert feature['info']['video.codec'] == video
    assert [f for f in validate(truth.path) if f.level == ERROR] == []


def test_messages_that_rclpy_serialized_are_read(tmp_path):
    """Behind their end are bytes without a use."""
    source = TruthBag(seconds=1).write(tmp_path / 'source')
    path = tmp_path / 'bag'
    with Bag(source) as bag, Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        known = {
            name: writer.add_connection(name, topic.type, typestore=STORE)
            for name, topic in bag.topics.items()
        }
        for message in bag.messages(bag.topics):
            writer.write(known[message.topic], message.log_ns, bytes(message.raw) + b'\x7f' * 8)
    assert convert(tmp_path, path).rows == 30


def test_an_unsynchronised_camera_shows_its_nearest_frame(tmp_path):
    wrist = 'camera/wrist/image_raw/compressed'
    faults = {wrist: Fault(phase_s=0.011, jitter_s=0.001), FRONT: Fault(jitter_s=0.001)}
    truth = convert(tmp_path, TruthBag(seconds=3, faults=faults))
    late = truth.image_s['wrist'] - truth.image_s['front']
    assert truth.rows == 90
    assert np.abs(late[1:]).max() < 0.024
    assert (np.diff(truth.image_s['wrist'][1:]) > 0).all()


@pytest.mark.slow
def test_ray_runs_the_same_jobs(tmp_path, monkeypatch):
    pytest.importorskip('ray', reason='no Ray: pip install ray')
    for index in range(2):
        TruthBag(seconds=1, seed=index).write(tmp_path / f'bag{index}')
    monkeypatch.chdir(tmp_path)  # Ray's workers have working folders of their own
    truth = convert(tmp_path, [Path('bag0'), Path('bag1')], '--executor', 'ray')
    assert [place.length for place in truth.dataset.episodes] == [30, 30]
    assert np.abs(truth.skew_ms).max() < 0.2
