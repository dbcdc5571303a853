# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags survive a full disk and cuts at any byte; sessions keep, name and discard them."""

import json
import random
import subprocess
import time

import pytest
from truth_bag import still_message, STORE, time_image, TruthBag
import yaml

from gr00t_core.commands.main import run as gr00t
from gr00t_core.errors import BagError
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag
from rosbag_tools.bags.message_definitions import installed_types
from rosbag_tools.inspect.repair import repair
from rosbag_tools.record.episode_bag import EpisodeBag, RecordedTopic
from rosbag_tools.record.session import REASON_FILE, Session


def topic(name='/camera', kind='sensor_msgs/msg/Image'):
    definition, _ = STORE.generate_msgdef(kind, ros_version=2)
    return RecordedTopic(name, kind, definition, STORE.hash_rihs01(kind))


def image(number):
    return still_message(time_image(number * 1000, (320, 240)), 'raw', 10**18 + number)[1]


def numbers(path):
    with Bag(path) as bag:
        return [message.log_ns for message in bag.messages(['/camera'])]


@pytest.fixture
def small_disk(tmp_path):
    """Give a folder on a disk of 40 MB of its own."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f'cannot mount a small disk: {mounted.stderr.decode().strip()}')
    yield folder
    subprocess.run(['umount', str(folder)], check=False)


@pytest.mark.parametrize('version', [8, 9])
@pytest.mark.parametrize('zstd', [False, True])
def test_a_bag_holds_what_was_put(tmp_path, version, zstd):
    path = tmp_path / 'a'
    bag = EpisodeBag(path, {'key': 'value'}, version=version, zstd=zstd)
    assert json.loads((path / 'episode.json').read_text()) == {'key': 'value'}
    raws = [image(number) for number in range(40)]
    assert all(bag.put(topic(), number + 1, raw) for number, raw in enumerate(raws))
    assert bag.finish({'more': 'text'}) == path
    with Bag(path) as read:
        assert [message.raw for message in read.messages(['/camera'])] == raws
        assert read.custom_data == {'key': 'value', 'more': 'text'}
    assert (
        yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information'][
            'version'
        ]
        == version
    )
    size = (path / 'a.mcap').stat().st_size
    assert (size < sum(map(len, raws)) / 10) == zstd


def test_a_full_disk_leaves_a_sound_bag(small_disk):
    bag = EpisodeBag(small_disk / 'full', {'key': 'value'}, reserve_bytes=4 << 20)
    raw = image(1)
    put = 0
    while bag.failure is None and put < 1000:
        bag.put(topic(), put + 1, raw)
        put += 1
        while not bag._queue.empty():
            time.sleep(0.001)
    bag.finish()
    assert bag.failure == 'writing stopped: No space left on device'
    found = numbers(small_disk / 'full')
    assert len(found) * len(raw) > 32e6
    assert found == list(range(1, len(found) + 1))
    with Bag(small_disk / 'full') as read:
        assert read.custom_data == {'key': 'value'}


def test_a_session_stops_before_the_disk_is_full(small_disk):
    session = Session(small_disk, load_robot('so101'), min_free_bytes=1 << 20)
    (small_disk / 'big').write_bytes(bytes(18 << 20))
    session.start('')
    assert session.out_of_space() is None
    (small_disk / 'bigger').write_bytes(bytes(5 << 20))
    assert 'almost full' in session.out_of_space()
    session.put(topic(), 1, image(1))
    assert numbers(session.stop(None)) == [1]
    with pytest.raises(BagError, match='make space'):
        Session(small_disk, load_robot('so101'), min_free_bytes=1 << 30).start('')


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp('cut') / 'bag'
    bag = EpisodeBag(path, {'key': 'value'})
    for number in range(40):
        bag.put(topic(), number + 1, image(number))
    return bag.finish()


@pytest.mark.parametrize('seed', range(12))
def test_a_bag_cut_at_any_byte_is_repaired(recorded, tmp_path, seed):
    data = (recorded / 'bag.mcap').read_bytes()
    cut = random.Random(seed).randrange(2_500_000, len(data))
    path = tmp_path / 'bag'
    path.mkdir()
    (path / 'bag.mcap').write_bytes(data[:cut])
    (path / 'episode.json').write_text('{"key": "value"}')
    with pytest.raises(BagError, match='inspect --repair'), Bag(path):
        pass
    repaired = repair(path)
    found = numbers(path)
    assert found == list(range(1, repaired.messages + 1))
    # All but the last chunk, of one MiB and a message.
    assert sum(len(image(1)) for _ in found) > cut - 1_600_000
    with Bag(path) as bag:
        assert bag.custom_data == {'key': 'value'}
    assert (repaired.original / 'bag.mcap').stat().st_size == cut
    with pytest.raises(BagError, match='in the way'):
        repair(path)


def test_a_single_cut_file_is_repaired_in_place(recorded, tmp_path):
    path = tmp_path / 'one.mcap'
    path.write_bytes((recorded / 'bag.mcap').read_bytes()[:5_000_000])
    repair(path)
    assert len(numbers(path)) > 15
    assert path.with_name('one.mcap.orig').stat().st_size == 5_000_000


def test_nothing_to_repair_is_an_error_that_changes_nothing(tmp_path):
    path = tmp_path / 'bad'
    path.mkdir()
    (path / 'bad.mcap').write_bytes(b'\x89MCAP0\r\n' + bytes(100))
    with pytest.raises(BagError, match='not one message'):
        repair(path)
    assert [file.name for file in tmp_path.iterdir()] == ['bad']
    with pytest.raises(BagError, match=r'no \.mcap file'):
        repair(tmp_path)


def test_a_session_names_keeps_and_discards(tmp_path):
    robot = load_robot('so101')
    session = Session(tmp_path / 'out', robot, min_free_bytes=0)
    with pytest.raises(BagError, match='no episode'):
        session.stop(True)
    first = session.start('wave', ['a'])
    with pytest.raises(BagError, match='is being recorded'):
        session.start('')
    session.put(topic(), 1, image(1))
    kept = session.stop(True, 'fine')
    assert kept.name == first
    second = session.start('')
    session.put(topic(), 1, image(1))
    assert session.discard('dropped it').name == second
    assert session.discard('that too').name == first
    with pytest.raises(BagError, match='no episode to discard'):
        session.discard()
    assert not [path for path in (tmp_path / 'out').iterdir() if path.name != '.trash']
    trash = tmp_path / 'out' / '.trash'
    assert (trash / second / REASON_FILE).read_text() == 'dropped it\n'
    with Bag(trash / first) as bag:
        notes = bag.custom_data
    assert notes['gr00t.instruction'] == 'wave'
    assert notes['gr00t.robot'] == robot.source.read_text(encoding='utf-8')
    assert len({first, second}) == 2


def test_an_episode_without_messages_can_be_discarded_and_kept(tmp_path):
    session = Session(tmp_path, load_robot('so101'), min_free_bytes=0)
    session.start('')
    session.discard()
    session.start('')
    assert (session.stop(True) / 'metadata.yaml').is_file()


def test_installed_definitions_win_and_missing_ones_are_named(tmp_path, monkeypatch):
    folder = tmp_path / 'share' / 'odd_msgs' / 'msg'
    folder.mkdir(parents=True)
    (folder / 'Hand.msg').write_text('std_msgs/Header header\nFinger[2] fingers\n')
    (folder / 'Finger.msg').write_text('float64 angle\n')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))
    store = installed_types(('odd_msgs/msg/Hand', 'sensor_msgs/msg/JointState'))
    assert store.hash_rihs01('odd_msgs/msg/Hand').startswith('RIHS01_')
    assert store.hash_rihs01('sensor_msgs/msg/JointState') == STORE.hash_rihs01(
        'sensor_msgs/msg/JointState'
    )
    with pytest.raises(BagError, match='odd_msgs/msg/Foot: no definition'):
        installed_types(('odd_msgs/msg/Foot',))


def test_inspect_tells_rates_and_gaps(tmp_path, capsys):
    path = TruthBag(seconds=2, custom={'gr00t.instruction': 'wave'}).write(tmp_path / 'b')
    assert gr00t('inspect', [str(path), '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['notes'] == {'gr00t.instruction': 'wave'}
    joints = found['topics']['/joint_states']
    assert joints['rate_hz'] == pytest.approx(100, rel=0.01)
    assert joints['latency_ms']['median'] == pytest.approx(2, abs=0.3)
    assert gr00t('inspect', [str(path)]) == 0
    assert 'wave' in capsys.readouterr().out
    assert gr00t('inspect', [str(tmp_path / 'none')]) == 1
    assert 'no such bag' in capsys.readouterr().err
