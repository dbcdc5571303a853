# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Talk to the robot side of one namespace: goals, instruction, stop, re-arm, what it reports.

Every method returns at once; the caller spins the node. The verbs do so in `session`, a console
may do so in an executor of its own.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
import json
import time
from typing import Any

from action_msgs.srv import CancelGoal
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import String
from std_srvs.srv import Trigger

from gr00t_msgs.action import ExecuteInstruction
from gr00t_msgs.msg import TaskOutcome
from gr00t_msgs.srv import EndGoal
from gr00t_ros.node_names import node_of, UNKNOWN_NODE
from gr00t_ros.qos import latched

GOAL = 'execute_instruction'
TRIGGER = 'std_srvs/srv/Trigger'
CHUNK = 'gr00t_msgs/msg/ActionChunk'
DIAGNOSTICS = '/diagnostics'
# Names that launch gives to our nodes: a policy node that is not configured shows nothing else.
OUR_NAMES = ('policy_node', 'chunk_executor')
LATCHED = latched(1)


@dataclass(frozen=True)
class Status:
    """One status of `/diagnostics`.

    Attributes:
        node: Full name of the node, e.g. `/left/policy_node`.
        subject: What of it, e.g. `policy` or a topic.
        level: 0 ok, 1 warning, 2 error, 3 stale.
        message: For people.
        values: Key → value, in the node's order.
        heard_at: `time.monotonic()` of its arrival (s).
    """

    node: str
    subject: str
    level: int
    message: str
    values: dict[str, str]
    heard_at: float


class RobotClient:
    """The robot side as a person sees it.

    Attributes:
        namespace: With a leading slash, '' for the root.
        statuses: Name → newest status, of every node that reports below the namespace.
        recorders: What recorders of this namespace tell, by host and process id.
        ended: How the last goal of this namespace ended, None before one has.
    """

    def __init__(self, node: Node) -> None:
        """Listen with a node that is in the robot's namespace."""
        self._node = node
        self.namespace = node.get_namespace().rstrip('/')
        self.statuses: dict[str, Status] = {}
        self._reporting_elsewhere: set[str] = set()
        self.recorders: dict[tuple[Any, Any], tuple[float, dict[str, Any]]] = {}
        self.ended: TaskOutcome | None = None
        self._goals: ActionClient[Any, Any, Any] | Any = ActionClient(
            node, ExecuteInstruction, GOAL
        )
        self._instruction: Any = None
        self._clients: dict[str, Any] = {}
        self._canceling = self._client(CancelGoal, f'{GOAL}/_action/cancel_goal')
        node.create_subscription(DiagnosticArray, DIAGNOSTICS, self._diagnosed, 50)
        node.create_subscription(String, 'recorders', self._recorded, 10)
        node.create_subscription(TaskOutcome, 'goal_ended', self._goal_ended, 10)

    # Goals and instructions

    @property
    def takes_goals(self) -> bool:
        """Return whether a policy node offers its action here."""
        return bool(self._goals.server_is_ready())

    def send_goal(
        self, instruction: str, time_limit_s: float, on_feedback: Callable[[Any], None]
    ) -> Future:
        """Ask for an instruction to be followed; the future gives rclpy's goal handle."""
        goal = ExecuteInstruction.Goal(instruction=instruction, time_limit=time_limit_s)
        future: Future = self._goals.send_goal_async(goal, lambda each: on_feedback(each.feedback))
        return future

    @property
    def offers_goals(self) -> bool:
        """Return whether the graph shows a policy node's action here; it may not answer yet."""
        return bool(self._node.count_services(f'{GOAL}/_action/cancel_goal'))

    def cancel_goals(self) -> Future | None:
        """Cancel whatever goal runs; None until the action of a policy node is ready."""
        if not self._canceling.service_is_ready():
            return None
        future: Future = self._canceling.call_async(CancelGoal.Request())  # zeros: all goals
        return future

    def end_goal(self, success: bool, note: str) -> Future | None:
        """End the running goal as succeeded or failed; None where no policy node offers it."""
        return self.call(EndGoal, 'end_goal', EndGoal.Request(success=success, note=note))

    def instruct(self, instruction: str) -> None:
        """Publish what to do on the topic `instruction`, latched; '' ends that."""
        if self._instruction is None:
            self._instruction = self._node.create_publisher(String, 'instruction', LATCHED)
        self._instruction.publish(String(data=instruction))

    # Stop and re-arm

    def executors(self, *, below: bool = False) -> list[str]:
        """Return the full names of the executors here: what offers both `~/stop` and `~/rearm`.

        Args:
            below: Those of the namespaces below this one as well.
        """
        found = self._all_executors()
        if below:
            return [name for name in found if name.startswith(f'{self.namespace}/')]
        return [name for name in found if name.rpartition('/')[0] == self.namespace]

    @property
    def elsewhere(self) -> set[str]:
        """Return the other namespaces in which a policy node or an executor was found."""
        found = {name.rpartition('/')[0] for name in self._all_executors()}
        return (found | self._reporting_elsewhere) - {self.namespace}

    def e_stop(self, executor: str) -> Future | None:
        """E-stop an executor, None until it is ready; `~/stop` where it is too old for that."""
        service = 'e_stop' if self._node.count_services(f'{executor}/e_stop') else 'stop'
        return self.trigger(executor, service)

    def trigger(self, executor: str, service: str) -> Future | None:
        """Call `stop` or `rearm` of an executor; None until its service is ready."""
        return self.call(Trigger, f'{executor}/{service}', Trigger.Request())

    # Services of other nodes

    def is_ready(self, kind: Any, name: str) -> bool:
        """Return whether a service of this namespace is offered."""
        return bool(self._client(kind, name).service_is_ready())

    def call(self, kind: Any, name: str, request: Any) -> Future | None:
        """Call a service of this namespace, e.g. `recorder/start_episode`; None: it is not ready.

        Args:
            kind: Type of the service.
            name: Relative to the namespace.
            request: What is asked.
        """
        client = self._client(kind, name)
        if not client.service_is_ready():
            return None
        future: Future = client.call_async(request)
        return future

    # What it reports

    def reporting(self) -> set[str]:
        """Return the full names of our nodes below the namespace that publish diagnostics.

        Ours are nodes that publish or take action chunks, or have the names that launch gives.
        """
        kinds = self._node.get_topic_names_and_types()
        chunks = [topic for topic, found in kinds if CHUNK in found]
        listed = [self._node.get_publishers_info_by_topic(topic) for topic in chunks]
        listed += [self._node.get_subscriptions_info_by_topic(topic) for topic in chunks]
        ours = {node_of(endpoint) for found in listed for endpoint in found}
        publishers = self._node.get_publishers_info_by_topic(DIAGNOSTICS)
        return {
            name
            for each in publishers
            if (name := node_of(each)).startswith(f'{self.namespace}/')
            and each.node_name != UNKNOWN_NODE
            and (name in ours or each.node_name in OUR_NAMES)
        }

    def unheard(self) -> list[str]:
        """Return the full names of our nodes that the graph shows and that said nothing yet."""
        spoken = {each.node for each in self.statuses.values()}
        silent = self.reporting() - spoken
        topic = self._node.resolve_topic_name('recorders')
        recorders = sorted(map(node_of, self._node.get_publishers_info_by_topic(topic)))
        # A recorder tells its process id, not its node's name: only their number can be compared.
        return [*sorted(silent), *recorders[len(self.recorders) :]]

    def status(self, subject: str) -> Status | None:
        """Return the newest status of a subject (`policy`, `commands`) of this very namespace."""
        found = [
            each
            for each in self.statuses.values()
            if each.subject == subject and each.node.rpartition('/')[0] == self.namespace
        ]
        return max(found, key=lambda each: each.heard_at, default=None)

    def _all_executors(self) -> list[str]:
        services = self._node.get_service_names_and_types()
        triggers = {name for name, kinds in services if TRIGGER in kinds}
        return [
            name.removesuffix('/stop')
            for name in sorted(triggers)
            if name.endswith('/stop')
            and name.removesuffix('/stop') + '/rearm' in triggers
            # A client alone shows its service, too.
            and self._node.count_services(name)
        ]

    def _client(self, kind: Any, name: str) -> Any:
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        return self._clients[name]

    def _diagnosed(self, message: DiagnosticArray) -> None:
        now = time.monotonic()
        for each in message.status:
            node, _, subject = each.name.partition(': ')
            if not node.startswith('/'):
                continue  # another convention: none of ours
            if not node.startswith(f'{self.namespace}/'):
                if subject in ('policy', 'commands'):
                    self._reporting_elsewhere.add(node.rpartition('/')[0])
                continue
            values = {value.key: value.value for value in each.values}
            level = int.from_bytes(each.level, 'little')
            self.statuses[each.name] = Status(node, subject, level, each.message, values, now)

    def _goal_ended(self, message: TaskOutcome) -> None:
        self.ended = message

    def _recorded(self, message: String) -> None:
        told: Any = None
        with suppress(json.JSONDecodeError):  # not ours: another use of the topic's name
            told = json.loads(message.data)
        if isinstance(told, dict) and 'records' in told:
            key = (told.get('host'), told.get('pid'))
            self.recorders[key] = (time.monotonic(), told)
