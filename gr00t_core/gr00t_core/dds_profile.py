# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say in which variable Fast DDS looks for its profile, such as that of the shared memory.

Fast DDS 2 (Humble, Jazzy) reads one; Fast DDS 3 (Kilted on) reads another, and every node of it
warns of the older one. `python -m gr00t_core.dds_profile FILE` prints the line for a shell.
"""

import os
from pathlib import Path
import shlex
import sys

FAST_DDS_2, FAST_DDS_3 = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'


def profile_variable() -> str:
    """Return the variable that the ROS distribution of the environment reads."""
    return FAST_DDS_2 if os.environ.get('ROS_DISTRO') in ('humble', 'jazzy') else FAST_DDS_3


def profile_environment(profile: Path) -> dict[str, str]:
    """Return what to add to the environment so that nodes use a profile; the user's own is kept.

    Args:
        profile: An XML file of Fast DDS.
    """
    variable = profile_variable()
    read = {variable, FAST_DDS_2}  # Fast DDS 3 still reads the older one, too
    return {} if read & os.environ.keys() else {variable: str(profile)}


if __name__ == '__main__':
    for name, value in profile_environment(Path(sys.argv[1]).resolve()).items():
        print(f'export {name}={shlex.quote(value)}')
