# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sum up what all publishers of the e-stop topics say: pressed if any of them says so."""

from collections.abc import Collection
from dataclasses import dataclass, replace

# A publisher that the graph does not list for so long is gone.
GONE_NS = 1_000_000_000


@dataclass(frozen=True)
class _Said:
    pressed: bool
    heard_ns: int
    missing_ns: int | None = None  # since when the graph does not list it
    gone: bool = False


class Buttons:
    """The e-stop buttons, one per topic and publisher."""

    def __init__(self, topics: Collection[str], required: bool, timeout_ns: int) -> None:
        """Know none yet.

        Args:
            topics: Topics on which buttons speak.
            required: Each topic must have a button that says "released", and goes on saying so.
            timeout_ns: Longest silence of a required button; 0: no limit.
        """
        self._topics = tuple(topics)
        self._required = required
        self._timeout_ns = timeout_ns if required else 0
        self._said: dict[tuple[str, str], _Said] = {}

    def hear(self, topic: str, publisher: str, pressed: bool, now_ns: int) -> None:
        """Take a message of a publisher."""
        self._said[topic, publisher] = _Said(pressed, now_ns)
        if not pressed:
            # A person who releases by another program answers for those that have ended.
            for key in [key for key, said in self._said.items() if said.gone and key[0] == topic]:
                del self._said[key]

    def present(self, topic: str, publishers: Collection[str], now_ns: int) -> None:
        """Take note which publishers of a topic the graph lists; the others are gone soon."""
        for key, said in list(self._said.items()):
            if key[0] != topic:
                continue
            missing_ns = None
            if key[1] not in publishers:
                missing_ns = now_ns if said.missing_ns is None else said.missing_ns
            gone = missing_ns is not None and now_ns - missing_ns >= GONE_NS
            self._said[key] = replace(said, missing_ns=missing_ns, gone=gone)

    def pressed(self, now_ns: int) -> str | None:
        """Return why the e-stop counts as pressed, None when it does not."""
        for key, said in self._said.items():
            if said.heard_ns > now_ns:  # the clock was set back since
                self._said[key] = replace(said, heard_ns=now_ns)
        for (topic, _), said in self._said.items():
            if said.pressed:
                return f'e-stop pressed on {topic}'
            if self._required and said.gone:
                return f'the e-stop on {topic} is required, and its publisher is gone'
            silent_ns = now_ns - said.heard_ns
            if self._timeout_ns and silent_ns > self._timeout_ns:
                return (
                    f'e-stop: nothing came on {topic} for {silent_ns * 1e-9:.2f} s, allowed'
                    f' {self._timeout_ns * 1e-9:g} (e_stop_timeout_s)'
                )
        return None

    def missing(self) -> str | None:
        """Return what is required and did not speak yet, None when nothing is."""
        heard = {topic for topic, _ in self._said}
        silent = [topic for topic in self._topics if topic not in heard]
        if self._required and silent:
            return f'nothing came on {silent[0]}, which is required (e_stop_required)'
        return None

    def forget_gone(self) -> None:
        """Forget publishers that are gone and had released: a person re-arms without them."""
        for key, said in list(self._said.items()):
            if said.gone and not said.pressed:
                del self._said[key]

    def rebase(self, now_ns: int) -> None:
        """Count all silences from now: the clock was set back."""
        for key, said in self._said.items():
            missing_ns = None if said.missing_ns is None else now_ns
            self._said[key] = replace(said, heard_ns=now_ns, missing_ns=missing_ns)
