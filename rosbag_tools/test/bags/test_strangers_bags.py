# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of other tools and other clocks: names, types, notes, links, and stamps that stray."""

import os
from pathlib import Path
import re
import shutil
import sqlite3

from converted import convert
from mcap.writer import Writer as McapWriter
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.typesys import get_typestore, Stores
from truth_bag import START_NS, STORE, TruthBag
from written_bags import FRONT, JOINT_STATE, JOINTS, kinds, ros_1_bag, write

from gr00t_core.alignment.row_ticks import GridTicks
from gr00t_core.commands.main import run as gr00t
from rosbag_tools.bags.bag import Bag, header_ns
from rosbag_tools.convert.stray_stamps import find_strays
from rosbag_tools.inspect.repair import repair

S = 1_000_000_000


@pytest.fixture(scope='module')
def content(tmp_path_factory):
    with Bag(TruthBag(seconds=1).write(tmp_path_factory.mktemp('good') / 'bag')) as bag:
        return bag.topics, list(bag.messages(bag.topics))


def restamped(raw: bytes, stamp_ns: int) -> bytes:
    return raw[:4] + np.array([stamp_ns // S, stamp_ns % S], '<u4').tobytes() + raw[12:]


def shifted(message, shift_ns: int):
    raw = restamped(message.raw, header_ns(message.raw) + shift_ns)
    return message._replace(log_ns=message.log_ns + shift_ns, raw=raw)


def as_events(messages):
    return [(m.topic, m.log_ns, m.raw) for m in messages]


def test_no_episode_of_a_ros_1_bag_crosses_a_clock_that_is_set_back(tmp_path):
    with Bag(TruthBag(seconds=2).write(tmp_path / 'source')) as bag:
        topics, messages = bag.topics, list(bag.messages(bag.topics))
    back = [m if m.log_ns < START_NS + S else shifted(m, -S * 3 // 4) for m in messages]
    truth = convert(tmp_path, ros_1_bag(tmp_path / 'take.bag', (topics, back)))
    assert truth.report['bags'][0]['set_backs'][0]['back_s'] == pytest.approx(0.75, abs=0.05)
    assert len(truth.dataset.episodes) == 2
    assert 56 <= truth.rows <= 60
    assert np.abs(truth.skew_ms).max() < 0.2


@pytest.mark.parametrize(
    ('by_s', 'topic', 'fps'),
    [(-3e7, FRONT, '30'), (0.5, FRONT, '30'), (3e7, FRONT, '20'), (10.0, JOINTS, '30')],
)
def test_a_stray_stamp_costs_its_own_message_only(tmp_path, content, by_s, topic, fps):
    topics, messages = content
    stray = [n for n, m in enumerate(messages) if m.topic == topic][14]
    odd = messages[stray]
    wild = [*messages]
    wild[stray] = odd._replace(raw=restamped(odd.raw, header_ns(odd.raw) + round(by_s * S)))
    truth = convert(
        tmp_path, write(tmp_path / 'bag', kinds(topics), as_events(wild)), '--fps', fps
    )
    assert [place.length for place in truth.dataset.episodes] == [int(fps)]
    report = truth.report['bags'][0]
    assert [(bad['topic'], bad['reason'], bad['count']) for bad in report['bad_samples']] == [
        (topic.strip('/'), 'stray stamp', 1)
    ]
    said = 'ahead of' if by_s > 0 else 'behind'
    assert f'{abs(by_s):.1f} s {said} those around it' in report['bad_samples'][0]['example']


def test_strays_are_few_and_far_from_what_is_in_order():
    stamps = np.arange(100) * 33_000_000
    assert find_strays(stamps, []) == {}
    late = stamps.copy()
    late[50] -= 200_000_000  # late, no stray
    assert find_strays(late, []) == {}
    two_clocks = stamps.copy()
    two_clocks[::3] += 10 * S
    assert find_strays(two_clocks, []) == {}
    set_back = np.concatenate([stamps, stamps])
    assert find_strays(set_back, [100]) == {}
    wild = stamps.copy()
    wild[[7, 8]] += S
    assert sorted(find_strays(wild, [])) == [7, 8]


def test_a_clock_that_is_set_for_the_first_time_is_a_gap_like_any_other():
    """From 1970 to today: the ticks between are not counted one by one."""
    ticks = GridTicks(30.0, 20.0, S // 10)
    before = [tick for k in range(10) for tick in ticks.add(k * S // 30)]
    leap = 1_760_000_000 * S
    after = [tick for k in range(31) for tick in ticks.add(leap + k * S // 30)]
    after += ticks.finish()
    assert len(before) in (6, 7)
    assert after[0].after_gap
    assert not any(tick.after_gap for tick in after[1:])
    assert len(after) in (20, 21)
    assert all(leap <= tick.stamp_ns <= leap + S for tick in after)


@pytest.mark.parametrize('success', ['true', 'false'])
def test_notes_are_texts_whatever_wrote_them(tmp_path, content, success):
    """`ros2 bag convert` and `--custom-data` write them without quotation marks."""
    topics, messages = content
    bag = write(tmp_path / 'bag', kinds(topics), as_events(messages))
    metadata = bag / 'metadata.yaml'
    text = metadata.read_text()
    for instruction in ('007', '12:30', '2024-01-01', '1e3', 'No', 'on'):
        notes = (
            f'custom_data:\n    gr00t.instruction: {instruction}\n    gr00t.success: {success}\n'
        )
        metadata.write_text(re.sub(r'custom_data:.*\n', notes, text))
        with Bag(bag) as opened:
            assert opened.custom_data == {
                'gr00t.instruction': instruction,
                'gr00t.success': success,
            }
    truth = convert(tmp_path, bag)
    assert truth.dataset.episodes[0].tasks == ('on',)
    assert truth.report['bags'][0]['episodes'][0]['success'] == (success == 'true')


def mcap_file(path: Path, content, change):
    """Write an MCAP file; `change(topic, type, definition, raw)` says what of each message."""
    topics, messages = content
    with path.open('wb') as stream:
        writer = McapWriter(stream)
        writer.start(library='test')
        channels = {}
        for m in messages:
            kind = topics[m.topic].type
            text = STORE.generate_msgdef(kind, ros_version=2)[0]
            name, kind, encoding, text, raw = change(m.topic, kind, text, m.raw)
            if name not in channels:
                schema = writer.register_schema(kind, f'{encoding}msg', text.encode())
                serialization = 'ros1' if encoding == 'ros1' else 'cdr'
                channels[name] = writer.register_channel(name, serialization, schema)
            writer.add_message(channels[name], m.log_ns, raw, m.log_ns)
        writer.finish()
    return path


def test_names_without_a_slash_and_types_without_msg_are_read(tmp_path, content):
    def change(topic, kind, text, raw):
        return topic.lstrip('/'), kind.replace('/msg/', '/'), 'ros2', text, raw

    path = mcap_file(tmp_path / 'take.mcap', content, change)
    assert convert(tmp_path, path).rows == 30
    words = ['check', 'so101', '--bag', str(path)]
    assert gr00t('robot', words) == 0


def test_mcap_files_of_ros_1_are_read(tmp_path, content):
    store = get_typestore(Stores.ROS1_NOETIC)

    def change(topic, kind, text, raw):
        read = STORE.deserialize_cdr(raw, kind)
        head = store.types['std_msgs/msg/Header'](0, read.header.stamp, '')
        fields = (
            (read.name, read.position, read.velocity, read.effort)
            if kind == JOINT_STATE
            else (read.format, read.data)
        )
        raw = bytes(store.serialize_ros1(store.types[kind](head, *fields), kind))
        text = store.generate_msgdef(kind, ros_version=1)[0]
        return topic, kind.replace('/msg/', '/'), 'ros1', text, raw

    truth = convert(tmp_path, mcap_file(tmp_path / 'take.mcap', content, change))
    assert truth.rows == 30
    assert np.abs(truth.skew_ms).max() < 0.2


ODD_JOINTS = 'std_msgs/Header header\nstring[] name\nfloat32[] position\n'


def test_each_topic_is_read_by_its_own_definition(tmp_path, content):
    """Another topic's type of the same name may have other fields."""
    topics, messages = content
    other = messages[0]._replace(topic='/aaa', raw=messages[0].raw)

    def change(topic, kind, text, raw):
        rest = text[text.index('=' * 80) :]
        return topic, kind, 'ros2', ODD_JOINTS + rest if topic == '/aaa' else text, raw

    more = {'/aaa': topics[JOINTS], **topics}
    truth = convert(
        tmp_path, mcap_file(tmp_path / 'take.mcap', (more, [other, *messages]), change)
    )
    assert truth.rows == 30
    assert np.abs(truth.skew_ms).max() < 0.2


def test_a_topic_with_two_definitions_is_refused(tmp_path, content, capsys):
    folder = tmp_path / 'take'
    folder.mkdir()
    for part, odd in enumerate((False, True)):

        def change(topic, kind, text, raw, odd=odd):
            rest = text[text.index('=' * 80) :]
            is_odd = odd and kind == JOINT_STATE
            return topic, kind, 'ros2', ODD_JOINTS + rest if is_odd else f'# {odd}\n{text}', raw

        mcap_file(folder / f'take_{part}.mcap', content, change)
    words = [str(folder), '--robot', 'so101', '--output', str(tmp_path / 'out'), '--workers', '1']
    assert gr00t('convert', words) == 1
    said = ''.join(capsys.readouterr())
    assert f'2 different definitions of {JOINT_STATE}' in said
    assert 'CompressedImage' not in said  # theirs differ in a comment only


@pytest.mark.parametrize('storage', list(StoragePlugin))
def test_compressed_messages_are_known_without_metadata(tmp_path, storage):
    bag = TruthBag(seconds=1, storage=storage, zstd=CompressionMode.MESSAGE)
    path = bag.write(tmp_path / 'bag')
    (path / 'metadata.yaml').unlink()
    assert convert(tmp_path, path).rows == 30


def test_linked_bags_are_bags_and_none_twice(tmp_path, capfd):
    folder, disk = tmp_path / 'session', tmp_path / 'disk'
    TruthBag(seconds=0.5).write(disk / 'take1')
    TruthBag(seconds=1).write(folder / 'take0')
    (folder / 'take1').symlink_to(disk / 'take1')
    (folder / 'latest').symlink_to('take0')
    (folder / 'up').symlink_to('..')
    truth = convert(tmp_path, folder)
    assert [place.length for place in truth.dataset.episodes] == [30, 15]
    for more in (folder / 'latest', folder / 'take0' / 'take0.mcap'):
        words = [str(folder / 'take0'), str(more), '--robot', 'so101', '--output']
        assert gr00t('convert', [*words, str(tmp_path / 'twice')]) == 1
        assert 'given more than once' in capfd.readouterr().err


def test_the_folder_one_stands_in_is_a_bag_too(tmp_path, content, monkeypatch):
    topics, messages = content
    folder = tmp_path / 'take'
    folder.mkdir()
    for part, some in enumerate((messages[:150], messages[150:])):
        path = write(tmp_path / f'p{part}', kinds(topics), as_events(some))
        (path / f'p{part}.mcap').rename(folder / f'take_{part}.mcap')
    monkeypatch.chdir(folder)
    assert convert(tmp_path, Path()).rows == 30


@pytest.mark.parametrize('way', ['.', '../take', 'link'])
def test_repair_keeps_the_notes_whatever_leads_to_the_bag(tmp_path, way, monkeypatch):
    notes = {'gr00t.instruction': 'wave', 'gr00t.success': 'true'}
    bag = TruthBag(seconds=1, custom=notes).write(tmp_path / 'take')
    file = bag / 'take.mcap'
    file.write_bytes(file.read_bytes()[:-9000])
    (bag / 'link').symlink_to(bag)
    monkeypatch.chdir(bag)
    assert gr00t('inspect', ['--repair', way]) == 0
    os.chdir(tmp_path)
    truth = convert(tmp_path, bag)
    assert truth.dataset.episodes[0].tasks == ('wave',)
    assert truth.report['bags'][0]['episodes'][0]['success'] is True
    assert (tmp_path / 'take.orig' / 'take.mcap').is_file()


def test_a_repair_that_fails_at_its_end_leaves_the_bag(tmp_path, content, monkeypatch):
    topics, messages = content
    bag = write(tmp_path / 'bag', kinds(topics), as_events(messages))
    before = {file.name: file.read_bytes() for file in bag.iterdir()}
    rename = Path.rename

    def fail(self, target):
        if self.parent.name == '.bag.repair':
            raise OSError(28, 'No space left on device')
        return rename(self, target)

    monkeypatch.setattr(Path, 'rename', fail)
    with pytest.raises(Exception, match='No space left'):
        repair(bag)
    assert {file.name: file.read_bytes() for file in bag.iterdir()} == before
    assert not (tmp_path / 'bag.orig').exists()
    shutil.rmtree(bag)


def test_the_root_is_no_output(tmp_path, content, capsys):
    topics, messages = content
    bag = write(tmp_path / 'bag', kinds(topics), as_events(messages))
    assert gr00t('convert', [str(bag), '--robot', 'so101', '--output', '/']) == 1
    assert 'is no output' in capsys.readouterr().err


def test_messages_of_no_topic_are_told(tmp_path, content):
    topics, messages = content
    more = {**kinds(topics), '/more': JOINT_STATE}
    events = [*as_events(messages), ('/more', messages[-1].log_ns, b'')]
    bag = write(tmp_path / 'bag', more, events, StoragePlugin.SQLITE3)
    database = sqlite3.connect(next(bag.glob('*.db3')))
    database.execute("DELETE FROM topics WHERE name = '/more'")
    database.commit()
    database.close()
    (bag / 'metadata.yaml').unlink()
    truth = convert(tmp_path, bag)
    assert truth.rows == 30
    said = '1 messages belong to no topic that the file names: not read'
    assert truth.report['bags'][0]['warnings'] == [said]


def test_a_circle_of_links_is_one_line(tmp_path, capsys):
    loop = tmp_path / 'loop'
    loop.symlink_to('loop')
    assert gr00t('inspect', ['--repair', str(loop)]) == 1
    assert f'{loop}: no such bag' in capsys.readouterr().err
