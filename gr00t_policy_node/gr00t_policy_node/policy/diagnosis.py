# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the policy node says about itself in `/diagnostics`: the whole, each topic, the backend."""

from diagnostic_msgs.msg import DiagnosticStatus

from gr00t_policy_node.policy.instruction_source import InstructionSource
from gr00t_policy_node.policy.loaded import Loaded
from gr00t_policy_node.policy.stream_diagnostics import ERROR, OK, stream_status, WARN
from gr00t_ros import diagnostics


def diagnosis(
    name: str, state: str, reason: str, instructions: InstructionSource, loaded: Loaded | None
) -> list[DiagnosticStatus]:
    """Return the statuses of one moment, that of the whole first.

    Args:
        name: Full name of the node.
        state: Label of its lifecycle state.
        reason: Why there is no chunk at present, '' when nothing is wrong.
        instructions: What it follows.
        loaded: What it holds, None while it is unconfigured.
    """
    robot = '' if loaded is None else loaded.robot.name
    problem, statuses = reason, []
    values: dict[str, object] = {
        'state': state,
        'instruction': instructions.current,
        'instructions dropped': instructions.dropped,
    }
    if loaded is not None:
        values |= loaded.values()
        if loaded.is_listening:
            loaded.observer.subscribe()  # to topics that have appeared since
            statuses += [stream_status(r, name, robot) for r in loaded.observer.report()]
        statuses.append(_backend_status(name, robot, loaded))
        # Topics first: a silent camera is the cause, a frame without observation its effect.
        failing = [
            f'{s.name.partition(": ")[2]}: {s.message}' for s in statuses if s.level == ERROR
        ]
        problem = '; '.join(failing) or problem
    level, message = _verdict(state, problem, instructions.current)
    return [diagnostics.status(f'{name}: policy', robot, level, message, values), *statuses]


def _backend_status(name: str, robot: str, loaded: Loaded) -> DiagnosticStatus:
    problem = loaded.backend.problem()
    if loaded.is_listening:
        level, message = (ERROR, problem) if problem else (OK, 'answers')
    else:
        level, message = WARN, problem or 'loads'
    return diagnostics.status(f'{name}: backend', robot, level, message, loaded.backend.about())


def _verdict(state: str, problem: str, instruction: str) -> tuple[bytes, str]:
    """Return level and message of the whole."""
    if state != 'active':
        level = ERROR if problem and state != 'inactive' else WARN
        return level, f'{state}: {problem}' if problem else state
    if problem:
        return ERROR, problem
    return OK, 'acting' if instruction else 'no instruction'
