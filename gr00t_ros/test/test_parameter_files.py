# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A parameter file is checked before a node starts; what fits is what rcl says fits."""

import pytest

from gr00t_core.errors import ParameterError
from gr00t_ros.parameter_files import check, fits, sections

GOOD = [
    ('/**/chunk_executor:\n  ros__parameters: {shadow: true}\n', ['/**/chunk_executor']),
    ('/**:\n  ros__parameters: {use_sim_time: true}\n', ['/**']),
    ('/**:\n  ros__parameters: {use_sim_time: n}\n', ['/**']),
    ('left:\n  sim:\n    ros__parameters: {seed: 1}\n', ['left/sim']),
    (
        'recorder:\n  ros__parameters: {zstd: true}\n'
        '/left/policy_node:\n  ros__parameters: {rtc: true}\n',
        ['recorder', '/left/policy_node'],
    ),
    ('controller_manager:\n  ros__parameters: {a: {b: 1}}\n', ['controller_manager']),
]
BAD = [
    ('', 'it sets no parameter'),
    ('# nothing\n', 'it sets no parameter'),
    ('robot: so101\n', "robot: 'so101' is not in the ros__parameters of a node"),
    ('e_stop_required: true\nshadow: true\n', 'e_stop_required: True is not in'),
    ('chunk_executor:\n  shadow: true\n', 'chunk_executor.shadow: True is not in'),
    ('chunk_executor:\n  ros_parameters: {shadow: true}\n', 'ros_parameters.shadow: True'),
    ('chunk_executor:\n  ros__parameters: true\n', 'ros__parameters: True is not in'),
    ('ros__parameters: {shadow: true}\n', 'is not in the ros__parameters of a node'),
    ('chunk_executor: {}\n', r'chunk_executor: \{\} is not in'),
    ('- shadow\n', 'it sets no parameter'),
    ('a: [1\n', 'not valid YAML'),
    ('/**/chunk_executer:\n  ros__parameters: {shadow: true}\n', 'did you mean chunk_executor'),
    ('/**:\n  ros__parameters: {use_sim_time: 1}\n', 'use_sim_time: 1 is not true or false'),
    ('sim:\n  ros__parameters: {start_type_description_service: no thanks}\n', 'true or false'),
    ('executor_chunk: 3\n', 'is not in the ros__parameters'),
]


@pytest.mark.parametrize(('text', 'found'), GOOD)
def test_sections_are_found(tmp_path, text, found):
    file = tmp_path / 'parameters.yaml'
    file.write_text(text)
    assert sections(file) == found
    check(file)


@pytest.mark.parametrize(('text', 'said'), BAD)
def test_a_file_that_sets_nothing_is_refused(tmp_path, text, said):
    file = tmp_path / 'parameters.yaml'
    file.write_text(text)
    with pytest.raises(ParameterError, match=said) as caught:
        check(file)
    assert str(file) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ParameterError, match='No such file'):
        check(tmp_path / 'none.yaml')
    with pytest.raises(ParameterError, match='Is a directory'):
        check(tmp_path)
    (tmp_path / 'latin.yaml').write_bytes(b'/**:\n  ros__parameters: {robot: \xff}\n')
    with pytest.raises(ParameterError, match='cannot be read'):
        check(tmp_path / 'latin.yaml')


def test_a_file_for_other_nodes_only_is_refused(tmp_path):
    file = tmp_path / 'parameters.yaml'
    file.write_text('chunk_executor:\n  ros__parameters: {shadow: true}\n')
    check(file, ['/policy_node', '/chunk_executor'])
    with pytest.raises(ParameterError, match=r'no section is for /left/chunk_executor.*/\*\*/'):
        check(file, ['/left/chunk_executor'])


@pytest.mark.parametrize(
    ('section', 'namespace', 'name'),
    [
        (section, namespace, name)
        for section in ('/**', '/**/a', '/*/a', '/*', 'a', '/a', 'left/a', '/left/**', '*/a')
        for namespace, name in (('/', 'a'), ('/left', 'a'), ('/left/arm', 'a'), ('/left', 'b'))
    ],
)
def test_a_section_fits_the_nodes_that_rcl_says(ros_domain, tmp_path, section, namespace, name):
    rclpy = pytest.importorskip('rclpy')
    from gr00t_ros.rclpy_internals import overrides

    file = tmp_path / 'parameters.yaml'
    file.write_text(f'{section!r}:\n  ros__parameters: {{x: 1}}\n')
    context = rclpy.Context()
    context.init(args=['test', '--ros-args', '--params-file', str(file)])
    node = rclpy.create_node(name, namespace=namespace, context=context)
    try:
        assert fits(section, node.get_fully_qualified_name()) == bool(overrides(node))
    finally:
        node.destroy_node()
        context.try_shutdown()
