#!/usr/bin/env bash
# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Build the workspace: the Python packages editable in .venv (so `gr00t` and plain imports work without ROS), and
# everything by colcon into install/ (so ROS finds it). Python sources are linked, not copied: only a changed
# interface, setup.py, package.xml, launch or config file needs a build.
set -eo pipefail
cd "$(dirname "$0")/.."

venv=$PWD/.venv
[ -f "$venv/setup.bash" ] || { echo 'build: no .venv/setup.bash; run make setup' >&2; exit 1; }

# One at a time, also for two makes.
exec 9<setup/build.sh
flock 9

stamp=install/.build-stamp
state() {
  cat "$venv/.setup-stamp" colcon.meta setup/build.sh
  find gr00t_* rosbag_tools \( -name __pycache__ -o -name '*.egg-info' -o -name test \) -prune -o -type f \
    \( -path 'gr00t_msgs/*' -o -name package.xml -o -name setup.py -o -name setup.cfg -o -path '*/launch/*' -o -path '*/config/*' \) \
    -print | LC_ALL=C sort | while read -r file; do sha256sum "$file"; done
}
key=$(state | sha256sum | cut -d' ' -f1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then exit 0; fi

packages=()
for setup_py in */setup.py; do packages+=(-e "${setup_py%/setup.py}"); done
echo 'build: installing the Python packages editable into .venv'
PYTHONWARNINGS=ignore "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation "${packages[@]/#gr/./gr}"

if [ "$(cut -d' ' -f1 "$venv/.setup-choice")" = none ]; then
  echo 'build: no ROS here, so no colcon build; the Python packages are installed in .venv'
  mkdir -p install
  echo "# No ROS when this was made (setup/build.sh): nothing to add to .venv/setup.bash." >install/setup.bash
  echo "$key" >"$stamp"
  exit 0
fi

echo 'build: colcon build (1 to 3 min the first time)'
# shellcheck disable=SC1091
source "$venv/setup.bash"
# colcon tells ninja to wait for a low load average, which the set-up has just raised: it would compile one file at a time.
MAKEFLAGS=-j$(nproc) "$venv/bin/python" -m colcon --log-base log build --symlink-install --event-handlers console_cohesion- \
  --cmake-args -GNinja -DPython3_EXECUTABLE="$venv/bin/python" -DCMAKE_BUILD_TYPE=Release --no-warn-unused-cli

echo "$key" >"$stamp"
