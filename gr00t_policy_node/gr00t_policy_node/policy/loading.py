# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Load the policy on a thread of its own, so that the node answers meanwhile.

A model takes seconds to minutes to load. Until then the node is configured, and may be active, but
has no frames to answer: its observer subscribes when the load is done.
"""

from collections.abc import Callable
import threading
import time
import traceback
from typing import Any

from gr00t_core.errors import Gr00tError, ServingError
from gr00t_core.robot.description import Robot
from gr00t_policy_node.policy.backends import action_values, Backend, check_modality
from gr00t_policy_node.policy.observing import zero_observation


class Loading(threading.Thread):
    """Has a backend load its policy and answer once.

    Attributes:
        is_ready: The policy has answered; from then on other threads may use the backend.
        failure: Why it was not loaded, '' while it may still be.
        is_final: Whether a further attempt would fail, too.
    """

    def __init__(
        self, backend: Backend, robot: Robot, logger: Any, wake: Callable[[], None]
    ) -> None:
        """Prepare; `start` begins to load.

        Args:
            backend: This thread alone calls it until `is_ready`.
            robot: What the policy is checked and warmed up with.
            logger: Of the node.
            wake: Called when `is_ready` or `failure` is set.
        """
        super().__init__(name='loading', daemon=True)
        self.is_ready = False
        self.failure = ''
        self.is_final = False
        self._backend = backend
        self._robot = robot
        self._logger = logger
        self._wake = wake
        self._stopping = threading.Event()
        self._has_ended = False
        self._ending = threading.Lock()  # of _has_ended and _stopping

    def run(self) -> None:
        """Load; the reason of a failure is kept."""
        failure, is_final = '', False
        try:
            self._load()
        except Gr00tError as error:
            failure, is_final = str(error), not isinstance(error, ServingError)
        except Exception:
            failure, is_final = traceback.format_exc(), True
        with self._ending:
            self._has_ended = True
            is_left_behind = self._stopping.is_set()
        if is_left_behind:
            self._backend.close()
            return
        self.is_final, self.failure, self.is_ready = is_final, failure, not failure
        self._wake()

    def stop(self, patience_s: float) -> bool:
        """End the load; return False when a call still runs, after which this thread frees all.

        Args:
            patience_s: How long to wait for a call under way.
        """
        with self._ending:
            self._stopping.set()
            has_ended = self._has_ended
        if not has_ended and self.ident is not None:
            self.join(patience_s)
            return False
        return True

    def _load(self) -> None:
        robot = self._robot
        self._backend.wait_ready(lambda: not self._stopping.is_set())
        check_modality(self._backend.get_modality_config(), robot)
        began = time.perf_counter()
        observation = zero_observation(robot, robot.instruction)
        warm = action_values(self._backend.warm_up(observation), robot)
        self._logger.info(
            f'warmed up in {time.perf_counter() - began:.1f} s: chunks of {len(warm)} steps'
        )


def still_runs() -> bool:
    """Return whether a thread of this process still loads a policy, wanted or not."""
    return any(isinstance(thread, Loading) for thread in threading.enumerate())
