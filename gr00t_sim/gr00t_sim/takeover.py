# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Have the scene's expert take over in a person's place, when the supervisor says so.

It publishes on the teleoperation topics until the episode ends. So the executor limits what it
commands and says that a person decided, and a recording under way becomes a correction.
"""

from typing import Any, TYPE_CHECKING

from gr00t_core.errors import Gr00tError
from gr00t_sim.messages import message_class, message_of
from gr00t_sim.scenes.interface import Expert
from gr00t_sim.supervisor import Patience, Sight, verdict

if TYPE_CHECKING:
    from gr00t_sim.node import SimNode


class Takeover:
    """The supervisor of the node's episodes, and the expert while it drives.

    Args:
        node: The simulator.

    Raises:
        Gr00tError: The scene has no expert that can take over, or the node's expert drives.
    """

    def __init__(self, node: 'SimNode') -> None:
        if node.kind.sight is None:
            raise Gr00tError(
                f'supervisor: no expert of the scene {node.kind.name} can take over; use so101'
            )
        if node.value('expert') or node.value('expert_chunks'):
            raise Gr00tError(
                'supervisor: the expert drives from the start; set expert and expert_chunks to'
                ' false'
            )
        self._node = node
        self._see = node.kind.sight
        types = node.binding.command_types
        self._publishers = {
            topic: node.create_publisher(message_class(kind), f'teleop/{topic}', 10)
            for topic, kind in types.items()
        }
        self._patience = Patience()
        self.begin()

    def begin(self) -> None:
        """Begin an episode: the policy acts."""
        self._seen: list[Sight] = []
        self._expert: Expert | None = None
        self._why = ''
        self._when_s: float | None = None

    def look(self, time_s: float) -> None:
        """Look at the episode, `time_s` after it began, and take over if that is due."""
        if self._why:
            return
        self._seen.append(self._see(self._node.scene, time_s))
        self._why = verdict(self._seen, self._patience)
        if self._why:
            self._when_s = time_s
            node = self._node
            self._expert = node.scene.expert(node.episode.seed, node.pace.expert_period_s)
            node.pace.expect()
            node.get_logger().info(f'the supervisor takes over after {time_s:.1f} s: {self._why}')

    def act(self, stamp: int) -> None:
        """Publish what the expert wants now, if it drives."""
        if self._expert is None:
            return
        values = self._expert.act()
        for topic, publisher in self._publishers.items():
            groups = self._node.binding.command_groups[topic]
            publisher.publish(message_of(groups, values, stamp))

    def report(self) -> dict[str, Any]:
        """Return why and when it took over, for the report of the episode."""
        return {'takeover': self._why, 'takeover_s': self._when_s}
