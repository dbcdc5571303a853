# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags that are whole, but say odd things: each is named in one line, or read all the same."""

import json
import os
import sqlite3

from mutations import ROWS, small_bag
import pytest
from truth_bag import TruthBag
import yaml

from gr00t_core.commands.main import run as gr00t
from gr00t_core.errors import BagError, listed, one_line
from gr00t_core.robot.file import load_robot
from rosbag_tools.bags.bag import Bag
from rosbag_tools.bags.embedded_metadata import custom_data_in
from rosbag_tools.bags.files import bags_in
from rosbag_tools.bags.message_definitions import deserialize, type_store
from rosbag_tools.bags.storage import Definition
from rosbag_tools.convert.jobs import make_jobs, run_job
from rosbag_tools.convert.options import ConvertOptions
from rosbag_tools.convert.summary import plain

INFORMATION = 'rosbag2_bagfile_information'
# 9^8 leaves in 700 bytes.
ANCHORS = 'a0: &a0 [x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9)}]\n' for n in range(1, 8)
)


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return TruthBag(seconds=ROWS / 30, size=(160, 120)).write(tmp_path_factory.mktemp('odd') / 'b')


def with_metadata(bag, target, key, value):
    """Copy a bag by links; one entry of its metadata.yaml is another one."""
    target.mkdir()
    for file in bag.iterdir():
        (target / file.name).symlink_to(file)
    metadata = target / 'metadata.yaml'
    content = yaml.safe_load(metadata.read_text())
    metadata.unlink()
    content[INFORMATION][key] = value
    metadata.write_text(yaml.safe_dump(content))
    return target


@pytest.mark.parametrize('paths', ['b_0.mcap', 5, None, {}, [None, 5], [['b_0.mcap']]])
def test_metadata_of_wrong_types_are_as_if_damaged(bag, tmp_path, paths):
    odd = with_metadata(bag, tmp_path / 'odd', 'relative_file_paths', paths)
    with Bag(odd) as opened:
        assert 'metadata.yaml is damaged' in ' '.join(opened.warnings)
        assert sum(topic.count for topic in opened.topics.values()) > ROWS


@pytest.mark.parametrize('path', ['x' * 5000, 'a\0b', '../../../etc/passwd', '.', '..', ''])
def test_metadata_that_name_no_file_of_the_bag_are_an_error(bag, tmp_path, path):
    odd = with_metadata(bag, tmp_path / 'odd', 'relative_file_paths', [path])
    with pytest.raises(BagError, match=r'which is not there|File name too long') as found:
        Bag(odd).__enter__()
    assert str(odd) in str(found.value)


def test_a_file_that_metadata_names_twice_is_read_once(bag, tmp_path):
    (file,) = bag.glob('*.mcap')
    twice = with_metadata(bag, tmp_path / 'odd', 'relative_file_paths', [file.name] * 3)
    with Bag(bag) as one, Bag(twice) as other:
        assert [t.count for t in one.topics.values()] == [t.count for t in other.topics.values()]


def test_nested_anchors_cost_nothing(bag, tmp_path):
    """Written out, they would be 43 million names."""
    odd = with_metadata(bag, tmp_path / 'odd', 'version', 9)
    text = (odd / 'metadata.yaml').read_text()
    for key in ('relative_file_paths', 'custom_data'):
        value = {'relative_file_paths': '*a7', 'custom_data': '{gr00t.instruction: *a7}'}[key]
        content = yaml.safe_load(text)
        del content[INFORMATION][key]
        body = yaml.safe_dump(content) + f'  {key}: {value}\n'
        (odd / 'metadata.yaml').write_text(ANCHORS + body)
        with Bag(odd) as opened:
            assert opened.custom_data == {}
            assert len(opened.topics) == 4
    assert custom_data_in(f'{ANCHORS}custom_data: {{a: *a7, b: c}}') == {'b': 'c'}


@pytest.mark.parametrize(
    'text', ['a: 2020-13-45', 'a: 0b_', '[' * 5000, '!!python/object:os.system x', '- 1', '\0', '']
)
def test_custom_data_that_cannot_be_read_are_none(tmp_path, text):
    assert custom_data_in(text) == {}
    file = small_bag(tmp_path, 'db3')
    (storage,) = file.glob('*.db3')
    with sqlite3.connect(storage) as database:
        database.execute('UPDATE metadata SET metadata = ?', (text,))
    database.close()
    with Bag(storage) as opened:
        assert opened.custom_data == {}


def test_places_that_are_no_bags_are_named_and_the_others_converted(bag, tmp_path, capfd):
    pipe, name = tmp_path / 'pipe.mcap', tmp_path / ('x' * 300)
    os.mkfifo(pipe)
    long = with_metadata(bag, tmp_path / 'long', 'relative_file_paths', ['x' * 5000])
    times = small_bag(tmp_path, 'db3')
    (storage,) = times.glob('*.db3')
    with sqlite3.connect(storage) as database:
        database.execute("UPDATE messages SET timestamp = 'noon' WHERE id = 5")
    database.close()
    loop = tmp_path / 'loop.mcap'
    loop.symlink_to(loop)
    output = tmp_path / 'dataset'
    bad = {
        pipe: 'neither a folder nor a regular file',
        long: 'too long',
        times: 'the time of a message is',
        loop: 'no such bag',
    }
    words = [*map(str, [*bad, bag]), '--robot', 'so101', '--output', str(output), '--workers', '1']
    assert gr00t('convert', words) == 1
    reports = json.loads((output / 'meta' / 'conversion_report.json').read_text())['bags']
    said = capfd.readouterr().err
    for report, (path, why) in zip(reports, bad.items(), strict=False):
        assert str(path) in report['error']
        assert why in report['error']
        assert str(path) in said
    assert reports[-1]['rows']['kept'] == ROWS
    # A name that no file can have is refused before anything is converted.
    with pytest.raises(BagError, match='File name too long'):
        bags_in(name)
    assert gr00t('convert', [str(name), *words[-6:]]) == 1
    assert capfd.readouterr().err.count('\n') == 1


IDL = """{rule}
IDL: sensor_msgs/msg/JointState
module sensor_msgs {{ module msg {{ struct JointState {{ {body} }}; }}; }};
"""


@pytest.mark.parametrize('body', ['sensor_msgs::msg::JointState x;', 'double x[4294967296];'])
def test_a_definition_without_end_is_an_error_of_one_line(body):
    name = 'sensor_msgs/msg/JointState'
    store = type_store(name, Definition('ros2idl', IDL.format(rule='=' * 80, body=body)), {})
    with pytest.raises(BagError, match='hold no sensor_msgs/msg/JointState') as found:
        deserialize(store, b'\0\1\0\0' + bytes(64), name)
    assert '\n' not in str(found.value)


def test_what_a_bag_calls_its_topics_does_not_flood_the_terminal(tmp_path):
    assert listed(['a', 'b\n\x1b[31m', 'x' * 1000]) == f'a, b\\n\\x1b[31m, {"x" * 119}…'
    assert listed([str(n) for n in range(5000)]).endswith(', 59, and 4940 more')
    assert one_line('ünï 😀\u202e') == 'ünï 😀\\u202e'
    assert plain('a\nb\x1b[2J\x07\udc80ü').plain == 'a\nb\\x1b[2J\\x07\\udc80ü'
    other = TruthBag(seconds=0.2, size=(160, 120), namespace='a/' + 'x' * 5000)
    robot = load_robot('so101')
    (job,) = make_jobs(
        [other.write(tmp_path / 'b')],
        robot.source,
        ConvertOptions(robot.rate_hz, None, namespace='b'),
        tmp_path / 'shards',
    )
    error = run_job(job).error
    assert error is not None
    assert 'is not in the bag' in error
    assert len(error) < 1200
