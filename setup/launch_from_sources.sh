#!/usr/bin/env bash
# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Build `ros2 launch` where it cannot be installed (PyPI has no launch), to test the launch files for real:
#
#   setup/launch_from_sources.sh SOURCES FOLDER
#
# SOURCES holds clones of ros2/launch, ros2/launch_ros, ros2/ros2cli, ros2/rcl_interfaces and osrf/osrf_pycommon, as work
# trees (launch, launch_ros, ...) or git directories (launch.git, or ros2+launch/repo). The branch of $ROS_DISTRO is taken where
# there is one. Everything is made in FOLDER; nothing is installed into .venv. Source FOLDER/install/local_setup.bash afterwards,
# between .venv/setup.bash and install/setup.bash, with FOLDER/python on the PYTHONPATH.
set -eo pipefail
sources=$(realpath "$1")
folder=$(realpath -m "$2")
root=$(realpath "$(dirname "$0")/..")
# Only the packages that are needed: colcon wants the test dependencies of all others, too.
declare -A packages=(
  [osrf_pycommon]=. [launch]='launch launch_xml launch_yaml' [launch_ros]='launch_ros ros2launch'
  [ros2cli]='ros2cli ros2pkg ros2run' [rcl_interfaces]=composition_interfaces
)

if [ -f "$folder/.built" ]; then exit 0; fi
# shellcheck disable=SC1091
source "$root/.venv/setup.bash"
mkdir -p "$folder/src"
for name in "${!packages[@]}"; do
  found=''
  for place in "$sources/$name" "$sources/$name.git" "$sources/ros2+$name/repo" "$sources/osrf+$name/repo"; do
    [ -d "$place" ] && found=$place && break
  done
  [ -n "$found" ] || { echo "launch_from_sources: no $name in $sources; clone github.com/ros2/$name there" >&2; exit 1; }
  mkdir -p "$folder/src/$name"
  branch=HEAD
  for each in "$ROS_DISTRO" "origin/$ROS_DISTRO"; do
    if git -C "$found" rev-parse -q --verify "$each^{commit}" >/dev/null; then branch=$each; break; fi
  done
  # shellcheck disable=SC2086
  git -C "$found" archive "$branch" ${packages[$name]} | tar -x -C "$folder/src/$name"
done
python -m pip install -qq --disable-pip-version-check --target "$folder/python" argcomplete importlib_metadata
cd "$folder"
python -m colcon --log-base log build --event-handlers console_cohesion- \
  --cmake-args -GNinja -DPython3_EXECUTABLE="$root/.venv/bin/python" -DBUILD_TESTING=OFF --no-warn-unused-cli
touch .built
