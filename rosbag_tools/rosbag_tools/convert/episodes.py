# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the episodes of a bag: the whole bag, between gaps, or by what was said while recording.

What was said: the recorder's services (`.../_service_event` topics of StartEpisode, StopEpisode,
DiscardEpisode, as rosbag2 records them) or a `std_msgs/String` topic with `start: <instruction>`,
`stop`, `stop: success`, `stop: failure` or `discard`.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from gr00t_core.errors import BagError
from gr00t_core.robot.description import NANOSECONDS
from rosbag_tools.bags.bag import Bag, Message
from rosbag_tools.bags.storage import LATEST_NS
from rosbag_tools.convert.survey import Survey

# Keys of the bag's custom_data that the recorder writes.
INSTRUCTION_KEY = 'gr00t.instruction'
SUCCESS_KEY = 'gr00t.success'
ROBOT_KEY = 'gr00t.robot'
# service_msgs/msg/ServiceEventInfo: the server sent its response.
_RESPONSE_SENT = 2


@dataclass(frozen=True)
class Episode:
    """A stretch of a bag in log time, [start_ns, stop_ns).

    Attributes:
        instruction: What the robot was told, None when the bag does not say.
        success: Outcome, None when the bag does not say.
        segment: Between which set-backs of the clock (`Alignment.segment`); None: in all.
    """

    start_ns: int
    stop_ns: int
    instruction: str | None
    success: bool | None
    segment: int | None = None


def find_episodes(bag: Bag, survey: Survey, split: str) -> list[Episode]:
    """Split a bag.

    Args:
        bag: An open bag.
        survey: Of the same bag.
        split: `bag`, `gap:<seconds>`, `event:<topic>` or `services`.

    Raises:
        BagError: The split is not known, or its topic is missing.
    """
    kind, _, value = split.partition(':')
    if kind == 'bag':
        return [_whole(bag)]
    if kind == 'gap':
        try:
            seconds = float(value)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float('inf'):
            raise BagError(f'--split {split!r}: {value!r} is no number of seconds greater than 0')
        return _between_gaps(bag, survey, seconds)
    if kind == 'event':
        return _spoken(_topic_events(bag, value))
    if kind == 'services':
        return _spoken(_service_events(bag))
    raise BagError(
        f'--split {split!r} is not known; allowed: bag, gap:<seconds>, event:<topic>, services'
    )


def _whole(bag: Bag) -> Episode:
    success = bag.custom_data.get(SUCCESS_KEY, '').strip().lower()
    return Episode(
        -LATEST_NS,
        LATEST_NS,
        bag.custom_data.get(INSTRUCTION_KEY),
        {'true': True, 'false': False}.get(success),
    )


def _between_gaps(bag: Bag, survey: Survey, seconds: float) -> list[Episode]:
    whole = _whole(bag)
    found = survey.streams[survey.reference]
    episodes = []
    for segment, logs in enumerate(np.split(found.log_ns, list(found.starts))):
        breaks = np.flatnonzero(np.diff(logs) > seconds * NANOSECONDS) + 1
        edges = [-LATEST_NS, *logs[breaks].tolist(), LATEST_NS]
        episodes += [
            Episode(start, stop, whole.instruction, whole.success, segment)
            for start, stop in pairwise(edges)
        ]
    return episodes


@dataclass(frozen=True)
class _Said:
    """One thing said while recording: `start`, `stop` or `discard`."""

    segment: int
    log_ns: int
    what: str
    text: str = ''
    success: bool | None = None


def _spoken(said: Iterator[_Said]) -> list[Episode]:
    """Pair starts and stops; a start while one runs ends it, without an outcome.

    So does a clock that is set back.
    """
    episodes: list[Episode] = []
    open_: _Said | None = None

    def end(stop_ns: int, success: bool | None) -> None:
        if open_ is not None:
            text = open_.text or None
            episodes.append(Episode(open_.log_ns, stop_ns, text, success, open_.segment))

    for event in said:
        if open_ is not None and event.segment != open_.segment:
            end(LATEST_NS, None)
            open_ = None
        if event.what in ('start', 'stop'):
            end(event.log_ns, event.success)
        open_ = event if event.what == 'start' else None
    end(LATEST_NS, None)
    return episodes


def _topic_events(bag: Bag, name: str) -> Iterator[_Said]:
    topic = bag.find(name.lstrip('/'))
    if topic is None or topic.type != 'std_msgs/msg/String':
        texts = [t.name for t in bag.topics.values() if t.type == 'std_msgs/msg/String']
        raise BagError(
            f'{bag.path}: no std_msgs/String topic {name!r}; the bag has:'
            f' {", ".join(texts) or "none"}'
        )
    for message in bag.messages([topic.name]):
        what, _, text = bag.deserialize(message).data.strip().partition(':')
        what, text = what.strip().lower(), text.strip()
        if what not in ('start', 'stop', 'discard'):
            raise BagError(
                f'{bag.path}: {topic.name} at {message.log_ns} ns: {what!r} is not known;'
                ' allowed: start: <instruction>, stop, stop: success, stop: failure, discard'
            )
        success = {'success': True, 'failure': False}.get(text.lower()) if what == 'stop' else None
        yield _Said(
            _segment(bag, message), message.log_ns, what, text if what == 'start' else '', success
        )


def _service_events(bag: Bag) -> Iterator[_Said]:
    suffix = '/_service_event'
    kinds = {'StartEpisode': 'start', 'StopEpisode': 'stop', 'DiscardEpisode': 'discard'}
    topics = {
        name: kinds[service]
        for name, topic in bag.topics.items()
        if name.endswith(suffix)
        for service in [topic.type.rsplit('/', 1)[-1].removesuffix('_Event')]
        if service in kinds
    }
    if not topics:
        raise BagError(f'{bag.path}: no recorded StartEpisode or StopEpisode service events')
    requests: dict[tuple[bytes, int], Any] = {}
    for message in bag.messages(topics):
        event = bag.deserialize(message)
        call = (bytes(event.info.client_gid), int(event.info.sequence_number))
        if len(event.request):
            requests[call] = event.request[0]
        if event.info.event_type != _RESPONSE_SENT:
            continue
        request, what = requests.pop(call, None), topics[message.topic]
        answer = event.response[0] if len(event.response) else None
        if answer is not None and not getattr(answer, 'ok', getattr(answer, 'success', True)):
            continue  # the recorder refused
        text = getattr(request, 'instruction', '') if what == 'start' else ''
        success = getattr(request, 'success', None) if what == 'stop' else None
        yield _Said(_segment(bag, message), message.log_ns, what, text, success)


def _segment(bag: Bag, message: Message) -> int:
    return bisect_right(bag.cuts, message.place)
