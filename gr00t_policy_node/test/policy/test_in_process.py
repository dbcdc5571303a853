# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The policy in the node's own process answers, on the device that `gr00t serve` would choose."""

from dataclasses import fields

import pytest

pytest.importorskip('rclpy', reason='no ROS')
pytest.importorskip('torch')

from gr00t_core.engines import EXPORT_ENGINES
from gr00t_core.engines.manifest import MANIFEST
from gr00t_core.errors import BackendError
from gr00t_core.robot.file import load_robot
from gr00t_policy_node.policy.backends import action_values, check_modality
from gr00t_policy_node.policy.in_process import InProcessBackend
from gr00t_policy_node.policy.parameters import Settings


def settings(**changes):
    blank = {field.name: '' for field in fields(Settings)}
    return Settings(**{**blank, 'device': 'auto', 'denoising_steps': 0, **changes})


def test_a_checkpoint_answers_and_its_engine_may_be_closed(tmp_path):
    from gr00t_core.models.init_checkpoint import init_checkpoint
    from gr00t_core.policy import Gr00tPolicy

    robot = load_robot('so101')
    init_checkpoint('tiny', robot, tmp_path / 'tiny')
    backend = InProcessBackend(settings(backend='torch', checkpoint=str(tmp_path / 'tiny')), robot)
    assert backend.about()['backend'] == 'torch (in this process)'
    backend.wait_ready(lambda: True)
    check_modality(backend.get_modality_config(), robot)
    example = Gr00tPolicy(tmp_path / 'tiny').observation_example()
    assert action_values(backend.warm_up(example), robot).shape == (16, 6)
    backend.close()


def test_a_checkpoint_for_an_engine_of_exports_is_answered_with_the_command(tmp_path):
    from gr00t_core.models.init_checkpoint import init_checkpoint

    robot = load_robot('so101')
    init_checkpoint('tiny', robot, tmp_path / 'run')
    for engine in EXPORT_ENGINES:
        pytest.importorskip(engine)
        backend = InProcessBackend(
            settings(backend=engine, checkpoint=str(tmp_path / 'run')), robot
        )
        with pytest.raises(BackendError, match=r'export onnx .*/run run-onnx`, then give run-on'):
            backend.wait_ready(lambda: True)


def test_an_export_runs_on_the_cpu_also_where_there_is_a_gpu(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    monkeypatch.setattr('gr00t_core.policy.Gr00tPolicy', lambda *_, **given: asked.update(given))
    (tmp_path / MANIFEST).touch()
    robot = load_robot('so101')
    for name, device in (('onnxruntime', 'cpu'), ('openvino', 'cpu'), ('torch', None)):
        backend = InProcessBackend(settings(backend=name, checkpoint=str(tmp_path)), robot)
        if device is None:  # no weights lie there
            with pytest.raises(BackendError, match='is an ONNX export'):
                backend.wait_ready(lambda: True)
            continue
        backend.wait_ready(lambda: True)
        assert (asked['engine'], asked['device']) == (name, device)
