# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spread the calls of a policy service over replicas of its policy, which Ray Serve runs.

Addresses, wire formats, tokens and checks stay those of the one server that clients know; only the
network runs elsewhere. A replica is a process of Ray with the whole policy, on a GPU of its own.
Ray places it, on this machine or on another of its cluster, and starts it again when it fails.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
import logging
import os
from typing import Any
import uuid

from gr00t_core.errors import BackendError, DeviceLostError, Gr00tError, ServingError

LOG = logging.getLogger(__name__)

INSTALL = 'pip install -r requirements/ray.txt'
ANSWER_SECONDS = 60.0  # a replica that takes longer hangs; clients give up long before

# Gives a policy, warmed up, and what `ping` tells about it.
Load = Callable[[], tuple[Any, dict[str, Any]]]


@dataclass(frozen=True)
class Share:
    """What a replica gets.

    Attributes:
        gpus: GPUs, 0 or 1.
        cpus: CPUs that Ray keeps for it.
    """

    gpus: int
    cpus: int


class Replica:
    """One policy in a process of Ray; calls come one at a time."""

    def __init__(self, load: Load) -> None:
        self._policy, self._about = load()
        self._lost: DeviceLostError | None = None

    def describe(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what `ping` tells about the policy, and its modality configs."""
        return self._about, self._policy.get_modality_config()

    def get_action(self, observation: dict[str, Any], options: Mapping[str, Any]) -> Any:
        """Return an action map, or the error that its client gets.

        Errors are returned: what is raised here reaches the server with a traceback in its text.
        """
        try:
            return self._policy.get_action(observation, **options)
        except DeviceLostError as error:
            self._lost = error
            return ServingError(f'a replica lost its GPU, and Ray starts another one: {error}')
        except Gr00tError as error:
            return error

    def check_health(self) -> None:
        """Raise where the device is lost; Ray asks now and then, and starts another replica."""
        if self._lost is not None:
            raise self._lost


class Replicas:
    """A policy whose calls Ray Serve gives to its replicas; may be called from several threads.

    Noise without a seed is that of the replica that answers. There is no `head_only`: the last
    full call of a replica may be another client's.

    Args:
        load: Makes the policy, in each replica.
        count: Replicas.
        share: What each gets.

    Raises:
        BackendError: Ray is not installed, or the cluster has too few GPUs or CPUs.
    """

    def __init__(self, load: Load, count: int, share: Share) -> None:
        try:
            import ray
            from ray import serve
        except ImportError as error:
            raise BackendError(f'--replicas needs Ray Serve ({error}): {INSTALL}') from None
        self._lost_call = (TimeoutError, ray.exceptions.RayError)
        os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # Ray reports to its makers, else
        # Joins the cluster that RAY_ADDRESS names; without it there is one on this machine.
        ray.init(include_dashboard=False, logging_level=logging.WARNING, log_to_driver=False)
        for kind, each in (('GPU', share.gpus), ('CPU', share.cpus)):
            if (has := ray.cluster_resources().get(kind, 0)) < each * count:
                ray.shutdown()
                raise BackendError(
                    f'{count} replicas need {each * count} {kind}s, but the Ray cluster has'
                    f' {has:g}: fewer --replicas, fewer --threads, or RAY_ADDRESS of a larger one'
                )
        self._name = f'gr00t-{uuid.uuid4().hex[:8]}'  # others may serve on the same cluster
        serve.start(proxy_location='Disabled', logging_config={'log_level': 'WARNING'})
        deployment = serve.deployment(
            Replica,
            num_replicas=count,
            max_ongoing_requests=1,
            ray_actor_options={'num_gpus': share.gpus, 'num_cpus': share.cpus},
        )
        self._handle = serve.run(deployment.bind(load), name=self._name, route_prefix=None)
        self.about, self._configs = self._handle.describe.remote().result()
        self.about |= {'replicas': count}

    def get_action(
        self,
        observation: dict[str, Any],
        *,
        seed: int | None = None,
        prefix: Mapping[str, Any] | None = None,
        prefix_weight: Any = None,
    ) -> dict[str, Any]:
        """Return the answer of a replica that is free; see `Gr00tPolicy.get_action`.

        Raises:
            ServingError: The replica ended or hangs; Ray starts another one.
            ObservationError: As `Gr00tPolicy.get_action`.
        """
        options = {'seed': seed, 'prefix': prefix, 'prefix_weight': prefix_weight}
        try:
            asked = self._handle.get_action.remote(observation, options)
            answer = asked.result(timeout_s=ANSWER_SECONDS)
        except self._lost_call as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ServingError(f'a replica gave no answer: {reason}; ask again') from error
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def get_modality_config(self) -> dict[str, Any]:
        """Return the modality configs of the policy."""
        return dict(self._configs)

    def close(self) -> None:
        """End the replicas, and the cluster where it was started here."""
        import ray
        from ray import serve

        serve.delete(self._name)
        ray.shutdown()


def share_of(device: str, threads: int | None) -> Share:
    """Return what each replica gets; `device` is the one of its policy.

    Raises:
        BackendError: The device names one GPU for all.
    """
    if ':' in device:
        raise BackendError(
            f'--device is {device!r}, but Ray gives each replica a GPU of its own: say cuda'
        )
    return Share(int(device == 'cuda'), threads or 1)
