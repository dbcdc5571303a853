# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offer the recorder's services: start an episode, stop it, discard it.

A service answers whether it went well, else why not, and names the episode.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node

from gr00t_msgs.srv import DiscardEpisode, StartEpisode, StopEpisode
from rosbag_tools.record.session import Session

Attempt = Callable[[Callable[[], Any]], tuple[bool, str]]


class EpisodeServices:
    """`~/start_episode`, `~/stop_episode` and `~/discard_episode` of a recorder."""

    def __init__(
        self,
        node: Node,
        session: Session,
        attempt: Attempt,
        start: Callable[..., str],
        stop: Callable[..., Path],
        discard: Callable[[str], Path],
    ) -> None:
        """Offer the services.

        Args:
            node: Creates them.
            session: Says which episode is being recorded.
            attempt: Calls an action; returns whether it went well, and a remark or the reason.
            start: Begins an episode, told an instruction and tags.
            stop: Completes it, told the outcome and a note.
            discard: Moves it to the trash, told why.
        """
        self._session, self._attempt = session, attempt
        self._start, self._stop, self._discard = start, stop, discard
        node.create_service(StartEpisode, '~/start_episode', self._on_start)
        node.create_service(StopEpisode, '~/stop_episode', self._on_stop)
        node.create_service(DiscardEpisode, '~/discard_episode', self._on_discard)

    def _on_start(self, request: Any, response: Any) -> Any:
        response.success, response.message = self._attempt(
            lambda: self._start(request.instruction, request.tags)
        )
        response.episode = self._session.bag.path.name if self._session.bag else ''
        return response

    def _on_stop(self, request: Any, response: Any) -> Any:
        bag = self._session.bag
        response.ok, response.message = self._attempt(
            lambda: self._stop(request.success, request.note)
        )
        response.episode = bag.path.name if bag else ''
        return response

    def _on_discard(self, request: Any, response: Any) -> Any:
        done: list[Path] = []
        response.ok, response.message = self._attempt(
            lambda: done.append(self._discard(request.reason))
        )
        response.episode = done[0].name if done else ''
        return response
