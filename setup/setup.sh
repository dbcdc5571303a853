#!/usr/bin/env bash
# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Make .venv: the pinned requirements, ROS 2 from PyPI unless a ROS distribution is sourced, and .venv/setup.bash.
# Does nothing when .venv already is what these files ask for.
#
#   PYTHON=python3.12     interpreter for the environment (default python3, 3.10 or later)
#   ROS_WHEELS=kilted     ROS distribution of the wheels (default jazzy)
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
venv=$PWD/.venv

fail() {
  printf 'setup: %s\n' "$1" >&2
  printf '       %s\n' "${@:2}" >&2
  exit 1
}

# One at a time, also for two makes.
exec 9<setup/setup.sh
flock 9

# --- what this machine offers ---------------------------------------------------------------------
# ROS_DISTRO alone says nothing: .venv/setup.bash sets it, too.
if [[ ":${AMENT_PREFIX_PATH:-}:" == *":/opt/ros/${ROS_DISTRO:-none}:"* ]]; then
  ros=/opt/ros/$ROS_DISTRO
else
  ros=${ROS_WHEELS:-jazzy}-wheels
fi
gpu=no
if nvidia-smi -L >/dev/null 2>&1; then gpu=yes; fi

# --- nothing to do? --------------------------------------------------------------------------------
stamp=$venv/.setup-stamp
state() {
  cat requirements/*.txt setup/setup.sh setup/ros_wheels.py
  echo "$ros gpu=$gpu ${PYTHON:-} $venv"
}
key=$(state | sha256sum | cut -d' ' -f1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then exit 0; fi

# --- what has to be there first ----------------------------------------------------------------------
command -v "$python" >/dev/null || fail "no $python found" 'sudo apt-get install python3 python3-venv python3-dev'
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  fail "$python is $("$python" -V 2>&1), needed is Python 3.10 or later" 'PYTHON=/path/to/python3.x make setup'
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "$python lacks the venv module" 'sudo apt-get install python3-venv'
"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
  fail "$python lacks its C headers, which gr00t_msgs is built with" 'sudo apt-get install python3-dev'
for tool in g++ make; do
  command -v $tool >/dev/null || fail "no $tool found, which gr00t_msgs is built with" 'sudo apt-get install g++ make'
done
if [[ $ros == *-wheels && $(uname -m) != x86_64 ]]; then
  fail "ROS wheels exist for x86_64 only, this is $(uname -m)" \
    'Install ROS 2 (https://docs.ros.org/en/jazzy/Installation.html), source /opt/ros/jazzy/setup.bash, make setup'
fi
if [ -x "$venv/bin/python" ]; then
  version='import sys; print("%d.%d" % sys.version_info[:2])'
  if [ -n "${PYTHON:-}" ] && [ "$("$python" -c "$version")" != "$("$venv/bin/python" -c "$version")" ]; then
    fail ".venv has Python $("$venv/bin/python" -c "$version"), PYTHON=$PYTHON is another" 'make clean; rm -r .venv; make setup'
  fi
  for other in jazzy kilted; do
    if compgen -G "$venv/lib/python3.*/site-packages/ros_${other}_rclpy-*" >/dev/null && [ "$ros" != $other-wheels ]; then
      fail ".venv holds ROS 2 $other, asked for is $ros: they cannot share an environment" \
        'make clean; rm -r .venv; make setup'
    fi
  done
fi

# --- the environment ---------------------------------------------------------------------------------
roles=(core train sim test build)
options=()
case $ros in
  jazzy-wheels) roles+=(ros) ;;
  kilted-wheels) roles+=(ros_kilted) ;;
  *-wheels) fail "ROS_WHEELS=${ROS_WHEELS:-}: there are wheels of jazzy and kilted only" 'ROS_WHEELS=jazzy make setup' ;;
  *) options+=(--system-site-packages) ;;
esac
has_cuda_torch() { "$1" -c 'import torch; assert torch.version.cuda' 2>/dev/null; }
if [ $gpu = yes ] && has_cuda_torch "$python"; then options+=(--system-site-packages); fi

if [ ! -x "$venv/bin/python" ]; then
  echo "setup: making .venv ($("$python" -V), ROS: $ros, GPU: $gpu)"
  "$python" -m venv "${options[@]}" "$venv"
  # The pip of older Pythons takes many minutes to resolve the pins.
  "$venv/bin/python" -m pip install -qq --disable-pip-version-check pip==26.3
fi
touch "$venv/COLCON_IGNORE"

requirements=$(mktemp)
trap 'rm -f "$requirements"' EXIT
for role in "${roles[@]}"; do cat "requirements/$role.txt"; done >"$requirements"
if [ $gpu = yes ] && has_cuda_torch "$venv/bin/python"; then
  echo "setup: keeping the CUDA torch that is there"
  sed -i '/^torch==/d' "$requirements"
fi
echo "setup: installing requirements/{$(IFS=,; echo "${roles[*]}")}.txt (a minute or two the first time)"
"$venv/bin/python" -m pip install -qq --prefer-binary --disable-pip-version-check --requirement "$requirements" ||
  fail 'pip could not install the pinned requirements (its words are above)' \
    'Is a package index reachable? PIP_INDEX_URL and PIP_FIND_LINKS point pip to a mirror.'

# Optional: without it `make test` skips the tests that build TensorRT engines, and says so.
"$venv/bin/python" -m pip install -qq --prefer-binary --disable-pip-version-check \
  --requirement requirements/tensorrt_rtx.txt 2>/dev/null ||
  echo 'setup: no TensorRT-RTX for this machine (optional: see docs/how-to/tensorrt.md)'

"$venv/bin/python" setup/ros_wheels.py "$venv" "$ros" ||
  fail 'the environment could not be made a ROS 2 prefix (see above)' 'rm -r .venv; make setup'

# --- off-screen rendering for the simulator ----------------------------------------------------------
can_render='import sys; from gr00t_core.doctor import offscreen_gl; sys.exit(not offscreen_gl().present)'
if ! PYTHONPATH=gr00t_core "$venv/bin/python" -c "$can_render"; then
  packages='libegl1 libegl-mesa0 libgl1-mesa-dri'
  if [ "$(id -u)" = 0 ]; then sudo=; else sudo='sudo -n'; fi
  echo "setup: MuJoCo cannot render off screen, trying: apt-get install $packages"
  if ! { $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends $packages; } >/dev/null 2>&1; then
    echo 'setup: WARNING: could not. The simulator and `make demo` need it; all else works. To get it:' >&2
    echo "         sudo apt-get install $packages     (or libosmesa6)" >&2
  fi
fi

echo "$key" >"$stamp"
echo 'setup: done. A shell with everything: source .venv/setup.bash (and install/setup.bash after make build)'
