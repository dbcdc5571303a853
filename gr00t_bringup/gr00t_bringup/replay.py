# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Play a bag to a policy node once it is active: `python -m gr00t_bringup.replay NODE ROBOT BAG`.

A policy takes seconds to minutes to load. What a bag plays before is lost.
"""

from collections.abc import Callable
import os
import sys
import time
from typing import Any

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
import rclpy
from rclpy.signals import SignalHandlerOptions

from gr00t_bringup.play import DELAY_S, play_command

ASK_S = 0.5
SAY_S = 10.0


def wait_until_active(name: str, say: Callable[[str], None]) -> None:
    """Return when a lifecycle node is active; say now and then what is awaited.

    Args:
        name: Full name of the node, e.g. /left/policy_node.
        say: Called with a line of text.
    """
    node = rclpy.create_node(f'replay_{os.getpid()}')
    client = node.create_client(GetState, f'{name}/get_state')
    said = -SAY_S
    try:
        while True:
            if time.monotonic() > said + SAY_S:
                said = time.monotonic()
                say(f'waiting until {name} is active')
            if client.wait_for_service(ASK_S):
                answer: Any = client.call_async(GetState.Request())
                rclpy.spin_until_future_complete(node, answer, timeout_sec=ASK_S)
                if (
                    answer.done()
                    and answer.result().current_state.id == State.PRIMARY_STATE_ACTIVE
                ):
                    return
                time.sleep(0.1)
    finally:
        node.destroy_node()


def main() -> None:
    """Wait for the node and become the player."""
    name, robot, bag = sys.argv[1:]
    command = play_command(bag, robot, name.rpartition('/')[0])
    # Without handlers of rclpy's, so that SIGTERM ends this process at once.
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        wait_until_active(name, lambda text: print(text, flush=True))
    except KeyboardInterrupt:
        return
    finally:
        rclpy.try_shutdown()
    print(f'{name} is active; first message in {DELAY_S} s: {" ".join(command)}', flush=True)
    os.execvp(command[0], command)


if __name__ == '__main__':
    main()
