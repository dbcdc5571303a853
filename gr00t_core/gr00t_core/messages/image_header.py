# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read what a JPEG or PNG says of itself, before anything is decoded.

A decoder allocates what the header claims: 15 kB may claim 12.9 GB. The checks here need only the
bytes, so that every decoder and both sides, robot and converter, refuse the same pictures.

Stray bytes between two header segments are dropped, as libjpeg does. Stray bytes inside a scan
cannot be told from picture data here; the restart markers show that no part of the scan is lost.
"""

from dataclasses import dataclass
import re

JPEG_START = b'\xff\xd8\xff'
JPEG_END = b'\xff\xd9'
_SCAN_START = b'\xff\xda'
PNG_START = b'\x89PNG\r\n\x1a\n'

# The largest industrial cameras have 30 million pixels. As RGB this is 100 MB.
MAX_PIXELS = 2**25
MAX_SEGMENTS = 1000  # of a JPEG header; real ones have about ten
MAX_SCANS = 64  # of a progressive JPEG; encoders write about ten, and each costs a full pass

# A marker is any number of 0xFF and one byte that is neither 0x00 nor 0xFF.
_MARKER = re.compile(rb'\xff+([^\x00\xff])', re.DOTALL)
_SOI, _EOI, _SOS, _DRI = 0xD8, 0xD9, 0xDA, 0xDD
_RESTARTS = range(0xD0, 0xD8)
_BARE = {0x01, *_RESTARTS}  # markers without a length
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by colour type; 3 is a palette


@dataclass(frozen=True)
class CompressedPicture:
    """A JPEG or PNG whose header was read.

    Attributes:
        kind: `JPEG` or `PNG`.
        width, height: As declared, pixels.
        channels: 1 grey, 2 grey with alpha, 3 colour, 4 colour with alpha.
        shared: Pixels (across, down) that share one colour sample, as (2, 2) of most JPEGs.
        data: Its bytes, without the stray ones between header segments.
    """

    kind: str
    width: int
    height: int
    channels: int
    shared: tuple[int, int]
    data: bytes


def read_picture(data: bytes) -> CompressedPicture | None:
    """Read the header of a JPEG or PNG; None where the bytes begin as neither.

    Raises:
        ValueError: The header is damaged or of a kind that is not decoded, or a part of the
            picture is lost.
    """
    if data.startswith(JPEG_START):
        picture = _read_jpeg(data)
    elif data.startswith(PNG_START):
        picture = _read_png(data)
    else:
        return None
    if picture.width < 1 or picture.height < 1:
        raise ValueError(f'damaged: it declares {picture.width} x {picture.height} pixels')
    return picture


def _read_png(data: bytes) -> CompressedPicture:
    header = data[len(PNG_START) :]
    if header[:8] != b'\x00\x00\x00\x0dIHDR' or len(header) < 21:
        raise ValueError('damaged: the PNG does not begin with a header of 13 bytes')
    width, height = (int.from_bytes(header[at : at + 4], 'big') for at in (8, 12))
    if header[17] not in _PNG_CHANNELS:
        raise ValueError(f'damaged: the PNG has the unknown colour type {header[17]}')
    return CompressedPicture('PNG', width, height, _PNG_CHANNELS[header[17]], (1, 1), data)


def _read_jpeg(data: bytes) -> CompressedPicture:
    kept, at = [data[:2]], 2
    frame: tuple[int, bytes] | None = None
    interval = 0
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(data, at)
        if found is None:
            raise ValueError('damaged: it ends within the header: truncated')
        marker, start = found[1][0], found.end()
        if marker in {_SOI, _EOI}:
            raise ValueError(f'damaged: the marker 0x{marker:02x} stands in the header')
        length = 0 if marker in _BARE else int.from_bytes(data[start : start + 2], 'big')
        if marker not in _BARE and (length < 2 or start + length > len(data)):
            raise ValueError('damaged: it ends within the header: truncated')
        at = start + length
        kept.append(data[found.start() : at])
        payload = data[start + 2 : at]
        if marker == _SOS:
            break
        if marker in _FRAMES:
            if frame is not None:
                raise ValueError('damaged: it declares its size twice')
            frame = marker, payload
        elif marker == _DRI:
            interval = int.from_bytes(payload[:2], 'big')
    else:
        raise ValueError(f'damaged: its header has more than {MAX_SEGMENTS} segments')
    if frame is None:
        raise ValueError('damaged: its header declares no size')
    width, height, channels, shared = _frame(*frame)
    if (end := data.rfind(JPEG_END, at)) < 0:
        raise ValueError('damaged: the end marker is missing: truncated')
    if frame[0] == _PROGRESSIVE or payload[:1] != bytes([channels]):
        _check_scans(data, at, end)
    elif interval:
        mcus = -(-width // (8 * shared[0])) * -(-height // (8 * shared[1]))
        _check_intervals(data, at, -(-mcus // interval) - 1)
    tidy = data if sum(map(len, kept)) == at else b''.join([*kept, data[at:]])
    return CompressedPicture('JPEG', width, height, channels, shared, tidy)


def _frame(process: int, payload: bytes) -> tuple[int, int, int, tuple[int, int]]:
    """Return width, height, channels and the pixels (across, down) that share a colour sample."""
    if process not in {_BASELINE, _EXTENDED, _PROGRESSIVE}:
        raise ValueError(
            f'its coding process is SOF{process - 0xC0}; baseline and progressive are decoded'
        )
    if len(payload) < 6 or len(payload) < 6 + 3 * payload[5]:
        raise ValueError('damaged: the segment that declares its size is too short')
    precision, channels = payload[0], payload[5]
    height, width = (int.from_bytes(payload[at : at + 2], 'big') for at in (1, 3))
    if precision != 8 or channels not in {1, 3}:
        raise ValueError(
            f'it has {channels} channels of {precision} bits; 1 (grey) or 3 (colour) of 8 bits'
            ' are decoded'
        )
    sampling = [payload[7 + 3 * channel] for channel in range(channels)]
    across, down = max(s >> 4 for s in sampling), max(s & 15 for s in sampling)
    if channels == 1:
        across = down = 1  # a scan of one channel is coded block by block
    if not across or not down:
        raise ValueError('damaged: it declares a sampling factor of 0')
    return width, height, channels, (across, down)


def _check_scans(data: bytes, at: int, end: int) -> None:
    """Refuse picture data of too many scans; that of one scan has no other that is read."""
    if data.count(_SCAN_START, at, end) >= MAX_SCANS:
        raise ValueError(f'it has more than {MAX_SCANS} scans')


def _check_intervals(data: bytes, at: int, expected: int) -> None:
    """Refuse picture data that lost a restart interval."""
    markers = b''.join(_MARKER.findall(data, at))
    seen = [marker for marker in markers[: markers.index(_EOI)] if marker in _RESTARTS]
    if any(marker != 0xD0 + k % 8 for k, marker in enumerate(seen)) or len(seen) < expected:
        raise ValueError(
            f'damaged: it has {len(seen)} of {expected} restart markers, or in a wrong order:'
            ' a part of the picture is lost'
        )
