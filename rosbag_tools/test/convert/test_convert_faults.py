# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged and wrong bags: named errors, sound output, nothing half in the dataset."""

import shutil
import signal
import subprocess
import sys
import time

from converted import convert, read
import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from truth_bag import header, STORE, T, TruthBag

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.checks.findings import ERROR
from gr00t_core.dataset.checks.validate import validate
from gr00t_core.dataset.video.writer import VideoOptions
from gr00t_core.errors import BagError
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag, header_ns
from rosbag_tools.convert.one_bag import convert_bag
from rosbag_tools.convert.options import ConvertOptions

FRONT = '/camera/front/image_raw/compressed'
JOINTS = '/joint_states'


def rewrite(source, path, change):
    """Copy a bag; `change(topic, index, raw)` gives the bytes to write, or None to leave out."""
    counts = {}
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    with Bag(source) as bag, writer:
        connections = {
            name: writer.add_connection(name, topic.type, typestore=STORE)
            for name, topic in bag.topics.items()
        }
        for message in bag.messages(bag.topics):
            index = counts[message.topic] = counts.get(message.topic, -1) + 1
            raw = change(message.topic, index, bytes(message.raw))
            if raw is not None:
                writer.write(connections[message.topic], message.log_ns, raw)
    return path


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    return TruthBag(seconds=2).write(tmp_path_factory.mktemp('good') / 'bag')


def fails(folder, bag, *options):
    """Return what is wrong by the converter's word; the output must not be there."""
    robot = load_robot('so101')
    choices = ConvertOptions(30.0, VideoOptions(), **dict(options))
    with pytest.raises(BagError) as found:
        convert_bag(bag, robot, choices, folder / 'shards')
    assert not (folder / 'shards').exists()
    return str(found.value)


def test_a_truncated_bag_is_named_and_repair_makes_it_usable(good, tmp_path):
    bag = tmp_path / 'cut'
    bag.mkdir()
    data = (good / 'bag.mcap').read_bytes()
    (bag / 'cut.mcap').write_bytes(data[: len(data) * 2 // 3])
    assert 'gr00t inspect --repair' in fails(tmp_path, bag)
    shutil.copy(good / 'metadata.yaml', bag)
    (bag / 'metadata.yaml').write_text(
        (good / 'metadata.yaml').read_text().replace('bag.mcap', 'cut.mcap')
    )
    assert 'gr00t inspect --repair' in fails(tmp_path, bag)
    assert gr00t('inspect', [str(bag), '--repair']) == 0
    truth = convert(tmp_path, bag)
    assert truth.rows >= 38
    assert np.abs(truth.skew_ms[:-1]).max() < 0.2  # the last state may be held


def test_damage_in_the_middle_is_named(good, tmp_path):
    bag = shutil.copytree(good, tmp_path / 'bag')
    data = bytearray((bag / 'bag.mcap').read_bytes())
    data[len(data) // 3 : len(data) // 3 + 4000] = bytes(4000)
    (bag / 'bag.mcap').write_bytes(data)
    robot = load_robot('so101')
    try:
        convert_bag(bag, robot, ConvertOptions(30.0, VideoOptions()), tmp_path / 'shards')
    except BagError as error:
        assert str(bag) in str(error)  # noqa: PT017  (zeros may also fall into one image)
        assert not (tmp_path / 'shards').exists()


@pytest.mark.parametrize('topic', [FRONT, JOINTS, '/joint_commands'])
def test_a_missing_topic_is_named(good, tmp_path, topic):
    robot = tmp_path / 'robot.yaml'
    name = topic.lstrip('/')
    robot.write_text(load_robot('so101').source.read_text().replace(name, 'elsewhere'))
    with pytest.raises(BagError, match=rf"'elsewhere'.*not in the bag; it holds:.*{name}"):
        convert_bag(
            good, load_robot(robot), ConvertOptions(30.0, VideoOptions()), tmp_path / 'shards'
        )


def test_a_wrong_type_is_named(good, tmp_path):
    robot = tmp_path / 'robot.yaml'
    text = load_robot('so101').source.read_text()
    robot.write_text(text.replace('sensor_msgs/msg/CompressedImage', 'sensor_msgs/msg/Image'))
    with pytest.raises(BagError, match='CompressedImage, the robot file says sensor_msgs/msg/Im'):
        convert_bag(
            good, load_robot(robot), ConvertOptions(30.0, VideoOptions()), tmp_path / 'shards'
        )


def test_a_topic_without_messages_is_named(good, tmp_path):
    bag = rewrite(good, tmp_path / 'bag', lambda topic, _, raw: None if topic == JOINTS else raw)
    assert f'{JOINTS} holds no messages' in fails(tmp_path, bag)


def test_an_empty_bag_is_named(good, tmp_path):
    bag = rewrite(good, tmp_path / 'bag', lambda *_: None)
    assert str(bag) in fails(tmp_path, bag)


def test_a_joint_that_is_missing_is_named(tmp_path):
    path = tmp_path / 'robot.yaml'
    path.write_text(load_robot('so101').source.read_text().replace('wrist_roll', 'wrist_role'))
    good = TruthBag(seconds=1).write(tmp_path / 'bag')
    robot = load_robot(path)
    with pytest.raises(BagError, match='wrist_role'):
        convert_bag(good, robot, ConvertOptions(30.0, VideoOptions()), tmp_path / 'shards')


def test_mixed_resolutions_are_named(good, tmp_path):
    other = TruthBag(seconds=2, size=(160, 120)).write(tmp_path / 'other')
    with Bag(other) as bag:
        small = [bytes(message.raw) for message in bag.messages([FRONT])]

    def change(topic, index, raw):
        return small[index] if topic == FRONT and index >= 30 else raw

    bag = rewrite(good, tmp_path / 'bag', change)
    assert 'image 30 is 160×120, those before 320×240' in fails(tmp_path, bag)


@pytest.mark.parametrize('kind', ['cut', 'scrambled', 'empty', 'text'])
def test_corrupt_jpegs_count_as_lost(good, tmp_path, kind):
    rng = np.random.default_rng(0)

    def change(topic, index, raw):
        if topic != FRONT or index not in (20, 41):
            return raw
        start = raw.index(b'\xff\xd8\xff')
        data = {
            'cut': raw[start : start + len(raw[start:]) // 2],
            'scrambled': raw[start : start + 650] + rng.bytes(len(raw) - start - 650),
            'empty': b'',
            'text': b'no image',
        }[kind]
        message = T['sensor_msgs/msg/CompressedImage'](
            header(header_ns(raw)), 'jpeg', np.frombuffer(data, np.uint8)
        )
        return bytes(STORE.serialize_cdr(message, 'sensor_msgs/msg/CompressedImage'))

    bag = rewrite(good, tmp_path / 'bag', change)
    truth = convert(tmp_path, bag)
    assert truth.rows == 60
    report = truth.report['bags'][0]
    assert report['unusable_images'] == {FRONT.lstrip('/'): 2}
    assert report['rows']['repeated'] == 2
    assert any('cannot be decoded' in text for text in report['warnings'])
    assert np.percentile(np.abs(truth.skew_ms), 90) < 0.2


def test_damaged_video_packets_never_give_wrong_frames(tmp_path):
    good = TruthBag(seconds=3, image='h264').write(tmp_path / 'good')
    rng = np.random.default_rng(0)

    def change(topic, index, raw):
        if topic == FRONT and index in (20, 50):
            half = len(raw) // 2
            return raw[:half] + rng.bytes(len(raw) - half)
        return raw

    bag = rewrite(good, tmp_path / 'bag', change)
    robot = load_robot('so101')
    try:
        convert_bag(bag, robot, ConvertOptions(30.0, VideoOptions()), tmp_path / 'shards')
    except BagError as error:
        assert str(bag) in str(error)  # noqa: PT017
        return
    truth = convert(tmp_path, bag)
    # What is shown is what was recorded, at its time; damaged pictures may be left out.
    assert np.percentile(np.abs(truth.skew_ms), 80) < 0.2


def test_stamps_that_go_back_are_dropped_and_reported(good, tmp_path):
    def change(topic, index, raw):
        if topic in (FRONT, JOINTS) and index and index % 25 == 0:
            stamp = header_ns(raw) - 60_000_000
            return raw[:4] + header_bytes(stamp) + raw[12:]
        return raw

    bag = rewrite(good, tmp_path / 'bag', change)
    truth = convert(tmp_path, bag)
    assert (np.diff(truth.stamp_s) > 0).all()
    assert np.median(np.abs(truth.skew_ms)) < 0.2
    assert truth.report['bags'][0]['streams'][FRONT.lstrip('/')]['late'] == 2
    assert any('not in stamp order' in text for text in truth.report['bags'][0]['warnings'])
    assert truth.rows == 60


def header_bytes(stamp_ns):
    return int(stamp_ns // 10**9).to_bytes(4, 'little') + int(stamp_ns % 10**9).to_bytes(
        4, 'little'
    )


def test_bags_without_stamps_are_placed_by_their_log_time(tmp_path):
    good = TruthBag(seconds=2).write(tmp_path / 'good')
    bag = rewrite(good, tmp_path / 'bag', lambda _t, _i, raw: raw[:4] + bytes(8) + raw[12:])
    truth = convert(tmp_path, bag)
    assert truth.rows == 60
    assert np.abs(truth.skew_ms).max() < 2  # both have 2 ms of latency, +- 20 %
    assert 'without a header stamp' in ' '.join(truth.report['bags'][0]['warnings'])


def test_a_failed_bag_is_reported_and_left_out(good, tmp_path):
    bad = tmp_path / 'bad'
    bad.mkdir()
    other = TruthBag(seconds=1, seed=5).write(tmp_path / 'other')
    truth = convert(tmp_path, [good, bad, other], '--workers', '2', status=1)
    assert [len(range(place.length)) for place in truth.dataset.episodes] == [60, 30]
    errors = [bag.get('error') for bag in truth.report['bags']]
    assert errors[0] is errors[2] is None
    assert str(bad) in errors[1]
    assert [f for f in validate(truth.path, load_robot('so101')) if f.level == ERROR] == []


def test_bags_with_pictures_of_another_size_are_named_and_the_others_converted(tmp_path, capfd):
    sizes = {'a': (320, 240), 'b': (160, 120), 'c': (160, 120)}
    bags = [TruthBag(seconds=1, size=size).write(tmp_path / name) for name, size in sizes.items()]
    truth = convert(tmp_path, bags, status=1)
    assert truth.rows == 60  # those of most bags
    said = capfd.readouterr().err
    (error,) = [bag['error'] for bag in truth.report['bags'] if 'error' in bag]
    for text in (error, said):
        assert f'{bags[0]}: observation.images.front has 320×240 pixels, in most bags' in text
        assert '--size WIDTH HEIGHT' in text
    # Of two sizes that are equally frequent the first bag's stays; what was made is used.
    truth = convert(tmp_path / 'two', bags[:2], status=1)
    assert truth.dataset.info.features['observation.images.front'].shape == (240, 320, 3)
    truth = convert(tmp_path / 'scaled', bags, '--size', '160', '120')
    assert truth.rows == 90


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    bags = [TruthBag(seconds=s, seed=s).write(tmp_path / f'bag{s}') for s in (1, 2, 8)]
    words = [sys.executable, '-m', 'gr00t_core', 'convert', *map(str, bags)]
    words += ['--robot', 'so101', '--output', str(tmp_path / 'dataset'), '--workers', '1']
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shards = tmp_path / 'dataset.shards'
    end = time.monotonic() + 60
    while not list(shards.glob('bag8-*/*.part/videos/*.mp4')):
        assert process.poll() is None, 'it ended too early'
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / 'dataset').exists()
    done = {path: path.stat().st_mtime_ns for path in shards.glob('*/bag.json')}
    assert len(done) == 2
    words = [*map(str, bags), '--robot', 'so101', '--output', str(tmp_path / 'dataset')]
    assert gr00t('convert', words) == 0
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in done.items())
    truth = read(tmp_path / 'dataset')
    assert truth.rows == 30 + 60 + 240
    # Again: nothing to do. Then a changed bag: only that one.
    before = {path: path.stat().st_mtime_ns for path in shards.glob('*/bag.json')}
    assert gr00t('convert', words) == 0
    assert before == {path: path.stat().st_mtime_ns for path in shards.glob('*/bag.json')}
    shutil.rmtree(bags[0])
    TruthBag(seconds=1.5, seed=9).write(bags[0])
    assert gr00t('convert', words) == 0
    assert read(tmp_path / 'dataset').rows == 45 + 60 + 240


def test_a_full_disk_is_named_and_leaves_no_dataset(tmp_path, capsys):
    disk = tmp_path / 'disk'
    disk.mkdir()
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f'cannot mount a small disk: {mounted.stderr.decode().strip()}')
    try:
        bag = TruthBag(seconds=8).write(tmp_path / 'bag')
        words = [str(bag), '--robot', 'so101', '--output', str(disk / 'dataset')]
        assert gr00t('convert', words) == 1
        said = capsys.readouterr()
        assert 'No space left' in said.out + said.err
        assert not (disk / 'dataset').exists()
    finally:
        subprocess.run(['umount', str(disk)], check=False)


def test_nonsense_files_are_named(tmp_path):
    for name, data in (('a.mcap', b''), ('b.mcap', b'x' * 100), ('c.db3', b'x' * 100)):
        path = tmp_path / name
        path.write_bytes(data)
        assert str(path) in fails(tmp_path, path)
    (tmp_path / 'metadata.yaml').write_text('nonsense: [')
    assert str(tmp_path) in fails(tmp_path, tmp_path)
