# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one place that decides which lifecycle transitions the policy node makes itself.

| state | what happened | transition |
|---|---|---|
| unconfigured | `autostart`, and the wait after the last attempt is over | configure |
| inactive | `autostart`, and the policy is loaded | activate |
| inactive | the load failed, or the inference thread crashed | cleanup |
| active | the load failed, or the inference thread crashed | deactivate |

All others come from clients of `change_state`. A client's transition ends `autostart`, until the
inference thread crashes. A reason that no further attempt can mend ends the process instead.
"""

# Waits between attempts to start (s); the last one repeats.
RETRY_S = (0.5, 1.0, 2.0, 4.0, 8.0)


class Supervisor:
    """Decides about the next transition; the node makes it.

    Attributes:
        failure: Why the last attempt failed, '' when none has since the policy was loaded.
        fatal: Why no further attempt can succeed, '' as long as one may.
    """

    def __init__(self, *, autostart: bool) -> None:
        """Start as soon as it is asked, or not at all."""
        self.failure = ''
        self.fatal = ''
        self._autostart = autostart
        self._starting = autostart
        self._attempts = 0
        self._next_s = 0.0

    def transition(self, state: str, *, is_ready: bool, is_broken: bool, now_s: float) -> str:
        """Return configure, activate, deactivate or cleanup, '' for none.

        Args:
            state: Label of the lifecycle state.
            is_ready: The policy is loaded.
            is_broken: The load failed, or the inference thread crashed.
            now_s: Monotonic time.
        """
        if is_broken:
            return {'active': 'deactivate', 'inactive': 'cleanup'}.get(state, '')
        if not self._starting or self.fatal:
            return ''
        if state == 'unconfigured' and now_s >= self._next_s:
            return 'configure'
        return 'activate' if state == 'inactive' and is_ready else ''

    def failed(self, reason: str, *, is_final: bool, now_s: float) -> None:
        """Note that an attempt failed; the next one comes later."""
        self.failure = reason
        self.fatal = reason if is_final and self._starting else ''
        self._next_s = now_s + RETRY_S[min(self._attempts, len(RETRY_S) - 1)]
        self._attempts += 1

    def crashed(self, reason: str, *, now_s: float) -> None:
        """Note that a policy that was loaded is lost; `autostart` holds again."""
        self.failure = reason
        self._starting = self._autostart
        self._next_s = now_s + RETRY_S[1]

    def loaded(self) -> None:
        """Note that the policy is loaded."""
        self.failure = ''

    def let_go(self) -> None:
        """Leave the transitions to others: the node is active, shut down, or a client's."""
        self._starting, self._attempts = False, 0
