# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a virtual environment a ROS 2 prefix: relocated CMake exports and `setup.bash`.

Usage: VENV/bin/python setup/ros_wheels.py VENV ROS
with ROS one of jazzy-wheels, kilted-wheels, /opt/ros/<distribution>, none.
"""

from pathlib import Path
import re
import sys
import sysconfig

# The folders of the machine that the wheels were built on, as written into their CMake exports.
BUILD_MACHINE = re.compile(
    r'/opt/python/cp\d+-cp\d+/(?P<what>include/python3\.\d+|lib/python3\.\d+/site-packages)'
)


def relocate_cmake_exports(venv: Path) -> int:
    """Point the wheels' CMake exports into this environment; return how many changed."""
    ours = {
        'include': sysconfig.get_path('include'),
        'lib': sysconfig.get_path('purelib'),
    }
    changed = 0
    for path in venv.glob('share/**/*.cmake'):
        text = path.read_text()
        fixed = BUILD_MACHINE.sub(lambda match: ours[match['what'].split('/')[0]], text)
        if fixed != text:
            path.unlink()  # it may be a hard link into an installer's cache
            path.write_text(fixed)
            changed += 1
    return changed


def wheels_setup(venv: Path, distribution: str) -> str:
    """Write what `local_setup.sh` has to say for the wheels (POSIX shell)."""
    site_packages = Path(sysconfig.get_path('purelib'))
    # The wheels' RPATHs find only some of their libraries, the loader needs all folders by name.
    libraries = [venv / 'lib', *sorted(site_packages.glob('ros_*.libs'))]
    prepend = [('PATH', venv / 'bin'), ('AMENT_PREFIX_PATH', venv), ('CMAKE_PREFIX_PATH', venv)]
    prepend += [('LD_LIBRARY_PATH', library) for library in reversed(libraries)]
    return '\n'.join(
        [
            'export ROS_VERSION=2',
            'export ROS_PYTHON_VERSION=3',
            f'export ROS_DISTRO={distribution}',
            '# The wheels re-execute every Python to set LD_LIBRARY_PATH unless this is set.',
            'export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1',
            *(f"_gr00t_prepend {name} '{folder}'" for name, folder in prepend),
        ]
    )


def plain_setup(venv: Path) -> str:
    """Write what `local_setup.sh` has to say beside a ROS distribution, or without any ROS."""
    return f"_gr00t_prepend PATH '{venv / 'bin'}'"


SHELL = """\
# Made by setup/ros_wheels.py; `make setup` makes it again.
_gr00t_prepend() {{
  eval "_gr00t_value=\\${{$1:-}}"
  case ":$_gr00t_value:" in
    *":$2:"*) ;;
    *) eval "export $1=\\"$2\\${{_gr00t_value:+:\\$_gr00t_value}}\\"" ;;
  esac
  unset _gr00t_value
}}
{body}
unset -f _gr00t_prepend
"""


def main(venv: Path, ros: str) -> None:
    """Relocate the exports and write `setup.bash`, `local_setup.sh` and `local_setup.bash`."""
    local = f". '{venv / 'local_setup.sh'}'\n"
    if ros.endswith('-wheels'):
        print(f'setup: {relocate_cmake_exports(venv)} CMake exports of the wheels relocated')
        body, first = wheels_setup(venv, ros.removesuffix('-wheels')), ''
    else:
        body, first = plain_setup(venv), '' if ros == 'none' else f". '{ros}/setup.bash'\n"
    (venv / 'local_setup.sh').write_text(SHELL.format(body=body))
    (venv / 'local_setup.bash').write_text(local)
    (venv / 'setup.bash').write_text(first + local)


if __name__ == '__main__':
    main(Path(sys.argv[1]), sys.argv[2])
