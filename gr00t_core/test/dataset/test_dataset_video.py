# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Videos: order, stamps and number of frames exact for every encoder, copied stream and cut."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
import io
from pathlib import Path
import time

import av
import numpy as np
from numpy.typing import NDArray
import pytest

from gr00t_core.dataset.video.index import index_video
from gr00t_core.dataset.video.reader import VideoReader
from gr00t_core.dataset.video.remux import remux, VideoSlice
from gr00t_core.dataset.video.writer import (
    encoder_works,
    ENCODERS,
    is_keyframe,
    PacketWriter,
    VideoOptions,
    VideoWriter,
)
from gr00t_core.errors import DatasetError

FPS = Fraction(30)


def numbered(k: int, width: int = 256, height: int = 256) -> NDArray[np.uint8]:
    """Return a frame that carries its number in 16 bars; lossy coding does not hurt them."""
    bars = np.where(k >> np.arange(16) & 1, 230, 20).astype(np.uint8)
    row = np.repeat(bars, width // 16)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def number_of(frame: NDArray[np.uint8]) -> int:
    bars = frame.mean(axis=(0, 2)).reshape(16, -1).mean(axis=1) > 128
    return int(np.sum(bars << np.arange(16)))


def numbers(frames: NDArray[np.uint8]) -> list[int]:
    return [number_of(frame) for frame in frames]


def write(path: Path, count: int, fps: Fraction = FPS, **options) -> Path:
    writer = VideoWriter(path, fps, VideoOptions(**options))
    for k in range(count):
        writer.write(numbered(k))
    writer.close()
    return path


@pytest.mark.parametrize('encoder', ENCODERS)
@pytest.mark.parametrize('fps', [FPS, Fraction(30000, 1001), Fraction(25, 2)])
def test_frames_come_back_in_order_whatever_the_access(tmp_path, encoder, fps):
    if not encoder_works(encoder):
        pytest.skip(f'{encoder} does not work here')
    path = write(tmp_path / 'a.mp4', 41, fps, encoder=encoder)
    index = index_video(path)
    np.testing.assert_allclose(index.seconds(), np.arange(41) / float(fps), rtol=1e-12)
    assert index.keyframe[::2].all()
    reader = VideoReader()
    assert numbers(reader.frames(path, range(41))) == list(range(41))
    order = np.random.default_rng(0).permutation(41).tolist()
    assert numbers(reader.frames(path, order)) == order
    assert [number_of(reader.frames(path, [k])[0]) for k in order] == order


@pytest.mark.parametrize(('gop', 'b_frames'), [(12, 3), (250, 2), (7, 0)])
def test_any_group_of_pictures(tmp_path, gop, b_frames):
    """Foreign files: long GOPs, B-frames, open GOPs."""
    path = tmp_path / 'a.mp4'
    options = {'bf': str(b_frames), 'x264-params': 'open-gop=1'}
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=30, options=options)
        stream.width = stream.height = 256
        stream.pix_fmt = 'yuv420p'
        stream.codec_context.gop_size = gop
        frames = [av.VideoFrame.from_ndarray(numbered(k), format='rgb24') for k in range(60)]
        for frame in [*frames, None]:
            container.mux(stream.encode(frame))
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]
    reader = VideoReader()
    for k in np.random.default_rng(1).integers(0, 60, 60).tolist():
        frame = reader.frames(path, [k])[0]
        assert number_of(frame) == k
        assert np.array_equal(frame, plain[k])


def test_few_files_stay_open(tmp_path):
    paths = [write(tmp_path / f'{k}.mp4', 4) for k in range(6)]
    reader = VideoReader(max_open=2)
    for _ in range(2):
        for path in paths:
            assert numbers(reader.frames(path, [3, 1, 1])) == [3, 1, 1]
    assert len(reader._opened.files) == 2
    reader.close()
    assert not reader._opened.files


def test_threads_share_a_reader(tmp_path):
    paths = [write(tmp_path / f'{k}.mp4', 24) for k in range(2)]
    reader = VideoReader(max_open=1)

    def read(seed: int) -> None:
        draw = np.random.default_rng(seed)
        for _ in range(40):
            wanted = draw.integers(0, 24, 3).tolist()
            assert numbers(reader.frames(paths[draw.integers(2)], wanted)) == wanted

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))


def test_cut_and_join_copies_frames(tmp_path):
    one, two = write(tmp_path / 'a.mp4', 20), write(tmp_path / 'b.mp4', 12)
    parts = [VideoSlice(two, 4, 8), VideoSlice(one, 0, 20), VideoSlice(one, 10, 3)]
    joined = tmp_path / 'c.mp4'
    remux(parts, joined, FPS)
    reader = VideoReader()
    frames = reader.frames(joined, range(31))
    assert numbers(frames) == [*range(4, 12), *range(20), 10, 11, 12]
    assert np.array_equal(frames[8:28], reader.frames(one, range(20)))
    with pytest.raises(DatasetError, match='no keyframe'):
        remux([VideoSlice(one, 3, 4)], tmp_path / 'd.mp4', FPS)
    with pytest.raises(DatasetError, match='it has 20'):
        remux([VideoSlice(one, 10, 11)], tmp_path / 'd.mp4', FPS)


def test_demo_episodes_join_in_spite_of_b_frames(shared_data, tmp_path):
    folder = shared_data / 'robot_sim.PickNPlace/videos/chunk-000/observation.images.ego_view'
    one, two = folder / 'episode_000000.mp4', folder / 'episode_000001.mp4'
    joined = tmp_path / 'c.mp4'
    remux([VideoSlice(one, 250, 166), VideoSlice(two, 0, 470)], joined, Fraction(20))
    reader = VideoReader()
    assert np.array_equal(reader.frames(joined, range(166)), reader.frames(one, range(250, 416)))
    assert np.array_equal(reader.frames(joined, range(166, 636)), reader.frames(two, range(470)))


def jpegs(count: int) -> list[bytes]:
    pictures = []
    for k in range(count):
        sink = io.BytesIO()
        av.VideoFrame.from_ndarray(numbered(k), format='rgb24').to_image().save(sink, 'JPEG')
        pictures.append(sink.getvalue())
    return pictures


def h264_packets(count: int, encoder: str = 'libx264', **options: str) -> list[bytes]:
    context = av.CodecContext.create(encoder, 'w')
    context.width = context.height = 256
    context.pix_fmt, context.time_base, context.gop_size = 'yuv420p', Fraction(1, 30), 5
    params = 'repeat-headers=1' if encoder == 'libx264' else 'repeat-headers=1:log-level=none'
    context.options = {'preset': 'ultrafast', encoder.removeprefix('lib') + '-params': params}
    context.options = {**context.options, **options}
    packets = []
    for k in range(count):
        frame = av.VideoFrame.from_ndarray(numbered(k), format='rgb24').reformat(format='yuv420p')
        frame.pts = k
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)]


def packets_of(codec: str) -> list[bytes]:
    if codec == 'mjpeg':
        return jpegs(12)
    if codec == 'h264':
        return h264_packets(12, tune='zerolatency')
    if not encoder_works_at_all('libx265'):
        pytest.skip('no libx265 in this build')
    return h264_packets(12, 'libx265', tune='zerolatency')


def encoder_works_at_all(name: str) -> bool:
    try:
        av.Codec(name, 'w')
    except ValueError:
        return False
    return True


@pytest.mark.parametrize('codec', ['mjpeg', 'h264', 'hevc'])
def test_copied_packets_keep_bits_and_order(tmp_path, codec):
    packets = packets_of(codec)
    assert len(packets) == 12
    writer = PacketWriter(tmp_path / 'a.mp4', FPS, codec)
    for packet in packets:
        writer.write(packet)
    index = writer.close()
    assert (index.codec, index.frames) == (codec, 12)
    assert index.pts.tolist() == [k * int(index.pts[1]) for k in range(12)]
    frames = VideoReader().frames(writer.path, range(12))
    assert numbers(frames) == list(range(12))
    assert (
        abs(frames[0].astype(int) - numbered(0)).mean() < 3
    )  # full range is not taken for limited
    if codec == 'mjpeg':
        with av.open(str(writer.path)) as container:
            assert [bytes(packet) for packet in container.demux() if packet.size] == packets
    else:
        assert [is_keyframe(packet, codec) for packet in packets[:6]] == [True, *[False] * 4, True]
        assert index.keyframe.tolist() == [k % 5 == 0 for k in range(12)]


def test_what_cannot_be_copied_is_refused(tmp_path):
    packets = h264_packets(12, tune='zerolatency')
    with pytest.raises(DatasetError, match='no keyframe'):
        PacketWriter(tmp_path / 'a.mp4', FPS, 'h264').write(packets[1])
    with pytest.raises(DatasetError, match='B-frames'):
        PacketWriter(tmp_path / 'b.mp4', FPS, 'h264').write(h264_packets(12, bf='3')[0])
    with pytest.raises(DatasetError, match='vp9'):
        PacketWriter(tmp_path / 'c.mp4', FPS, 'vp9')
    with pytest.raises(DatasetError, match='damaged'):
        PacketWriter(tmp_path / 'd.mp4', FPS, 'mjpeg').write(b'not a picture')


def test_decoded_frames_of_other_formats_are_encoded_true_to_colour(tmp_path):
    """A decoded JPEG is full-range YUV; taken for limited range it would be 14 levels off."""
    colour = np.empty((64, 64, 3), np.uint8)
    colour[:] = (200, 90, 30)
    sink = io.BytesIO()
    av.VideoFrame.from_ndarray(colour, format='rgb24').to_image().save(sink, 'JPEG', quality=95)
    with av.open(io.BytesIO(sink.getvalue())) as container:
        decoded = next(container.decode(video=0))
    writer = VideoWriter(tmp_path / 'a.mp4', FPS, VideoOptions(crf=10))
    writer.write(decoded)
    writer.write(colour)
    writer.close()
    frames = VideoReader().frames(writer.path, [0, 1]).astype(int)
    assert np.abs(frames - colour).max() <= 4


def test_target_size(tmp_path):
    writer = VideoWriter(tmp_path / 'a.mp4', FPS, VideoOptions(size=(128, 64)))
    writer.write(numbered(5))
    index = writer.close()
    assert (index.width, index.height) == (128, 64)
    assert number_of(VideoReader().frames(writer.path, [0])[0]) == 5


def test_wrong_frames_are_named(tmp_path):
    writer = VideoWriter(tmp_path / 'a.mp4', FPS, VideoOptions())
    with pytest.raises(DatasetError, match='float64'):
        writer.write(np.zeros((8, 8, 3)))
    writer.write(numbered(0))
    with pytest.raises(DatasetError, match='128×256, the first one 256×256'):
        writer.write(numbered(1, width=128))
    writer.abort()
    assert not writer.path.exists()
    with pytest.raises(DatasetError, match='even'):
        VideoWriter(tmp_path / 'b.mp4', FPS, VideoOptions()).write(numbered(0, height=33))
    with pytest.raises(DatasetError, match='libx264'):
        VideoOptions('h263')
    with pytest.raises(DatasetError, match='no frames'):
        VideoWriter(tmp_path / 'c.mp4', FPS, VideoOptions()).close()


def test_damaged_files_are_named(tmp_path):
    path = write(tmp_path / 'a.mp4', 20)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r'a\.mp4'):
        VideoReader().frames(path, [0])
    with pytest.raises(DatasetError, match='no such'):
        VideoReader().frames(tmp_path / 'b.mp4', [0])
    path.write_bytes(whole)
    with pytest.raises(DatasetError, match='frame 20 asked for, it has 20'):
        VideoReader().frames(path, [20])


def test_300_random_samples_a_second_on_one_core(tmp_path):
    """Textured content at 256×256: the measured rate is printed; the bound is ours."""
    generator = np.random.default_rng(0)
    scene = np.kron(
        generator.integers(0, 255, (80, 80, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8)
    )
    writer = VideoWriter(tmp_path / 'a.mp4', FPS, VideoOptions())
    for k in range(300):
        writer.write(scene[k : k + 256, k // 2 : k // 2 + 256])
    writer.close()
    reader = VideoReader()
    order = generator.integers(0, 300, 400).tolist()
    start = time.process_time()
    for k in order:
        reader.frames(writer.path, [k])
    rate = len(order) / (time.process_time() - start)
    print(f'{rate:.0f} random samples/s')
    assert rate >= 300
