#!/usr/bin/env bash
# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Make .venv: the pinned requirements, ROS 2 from PyPI unless a ROS distribution is sourced, and .venv/setup.bash.
# Does nothing when .venv already is what these files ask for.
#
#   PYTHON=python3.12     interpreter of a new .venv (default python3, 3.10 or later)
#   ROS_WHEELS=kilted     ROS distribution of the wheels (default jazzy)
#   TORCH=cpu or cuda     build of PyTorch (default cuda where there is an NVIDIA GPU, else cpu)
#   EXTRAS=yes            install what only some machines run, too: OpenVINO, TensorRT-RTX. Without it their tests skip
#
# .venv keeps what was chosen: a later set-up needs none of these again. Another choice needs a new .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$PWD/.venv
log=$venv/setup.log
cpu_index=https://download.pytorch.org/whl/cpu

fail() {
  printf 'setup: %s\n' "$1" >&2
  printf '       %s\n' "${@:2}" >&2
  exit 1
}
packages() {  # purpose: the Debian packages for it
  while read -r purpose package _; do
    if [ "$purpose" = "$1" ]; then printf '%s ' "$package"; fi
  done <gr00t_core/gr00t_core/system_packages.txt
}
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# One at a time, also for two makes.
exec 9<setup/setup.sh
flock 9

# --- what was chosen, now or before ---------------------------------------------------------------
had_ros='' had_torch='' had_extras=''
if [ ! -x "$venv/bin/python" ]; then :
elif [ -f "$venv/.setup-choice" ]; then read -r had_ros had_torch had_extras <"$venv/.setup-choice"
else  # made before there was that file
  had_ros=$(compgen -G "$venv/lib/python3.*/site-packages/ros_*_rclpy-*" | sed -E 's/.*ros_([a-z]+)_rclpy.*/\1-wheels/' || true)
fi
# ROS_DISTRO alone says nothing: .venv/setup.bash sets it, too.
if [[ ":${AMENT_PREFIX_PATH:-}:" == *":/opt/ros/${ROS_DISTRO:-none}:"* ]]; then
  ros=/opt/ros/$ROS_DISTRO
elif [ -n "${ROS_WHEELS:-}" ]; then ros=$ROS_WHEELS-wheels
elif [ -n "$had_ros" ] && [ "$had_ros" != none ]; then ros=$had_ros
else ros=jazzy-wheels
fi
if [ -n "$had_ros" ] && [ "$had_ros" != none ] && [ "$had_ros" != "$ros" ]; then
  fail ".venv holds ROS 2 $had_ros, asked for is $ros: they cannot share an environment" 'make clean; rm -r .venv; make setup'
fi
if [ -n "${PYTHON:-}" ] && [ -n "$had_ros" ] && [ "$(version "$PYTHON")" != "$(version "$venv/bin/python")" ]; then
  fail ".venv has Python $(version "$venv/bin/python"), PYTHON=$PYTHON is another" 'make clean; rm -r .venv; make setup'
fi
gpu=no
if nvidia-smi -L >/dev/null 2>&1; then gpu=yes; fi
if [ $gpu = yes ]; then build=cuda; else build=cpu; fi
build=${TORCH:-${had_torch:-$build}}
case $build in cpu | cuda) ;; *) fail "TORCH=$build: choose cpu or cuda" 'TORCH=cpu make setup' ;; esac
if [ -n "$had_torch" ] && [ "$had_torch" != "$build" ]; then
  fail ".venv was made for PyTorch's $had_torch build, asked for is $build" "make clean; rm -r .venv; TORCH=$build make setup"
fi
extras=${EXTRAS:-${had_extras:-no}}

# --- off-screen rendering for the simulator ----------------------------------------------------------
offscreen() { PYTHONPATH=gr00t_core "$venv/bin/python" -c '
import sys
from gr00t_core.commands.doctor import offscreen_gl
check = offscreen_gl()
sys.exit(None if check.present else check.detail)' 2>&1; }
install_rendering() {
  if offscreen >/dev/null; then rm -f "$venv/.no-rendering"; return; fi
  local wanted sudo=() reason
  read -ra wanted <<<"$(packages render)"
  if [ "$(id -u)" != 0 ]; then sudo=(sudo -n); fi
  echo "setup: MuJoCo cannot render off screen; trying: apt-get install ${wanted[*]}"
  local apt_get=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
  { step 'package lists' "${apt_get[@]}" update &&
    step 'off-screen OpenGL' "${apt_get[@]}" install -y --no-install-recommends "${wanted[@]}"; } || true
  if reason=$(offscreen); then rm -f "$venv/.no-rendering"; return; fi
  touch "$venv/.no-rendering"
  echo 'setup: WARNING: MuJoCo still cannot render off screen. The simulator and `make demo` need it; all else works.' >&2
  echo "         $reason" >&2
  echo "         sudo apt-get install ${wanted[*]}     (or libosmesa6)" >&2
}
step() { "$venv/bin/python" setup/progress.py "$log" "$@"; }

# --- nothing to do? --------------------------------------------------------------------------------
stamp=$venv/.setup-stamp
state() {
  cat requirements/*.txt setup/setup.sh setup/ros_wheels.py gr00t_core/gr00t_core/system_packages.txt
  echo "$ros gpu=$gpu torch=$build extras=$extras $venv"
}
key=$(state | sha256sum | cut -d' ' -f1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ]; then
  if [ -f "$venv/.no-rendering" ]; then install_rendering; fi
  exit 0
fi

# --- what has to be there first ----------------------------------------------------------------------
python=${PYTHON:-python3}
missing=()
if ! command -v "$python" >/dev/null; then missing+=("$python")
else
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$python is $("$python" -V 2>&1), needed is Python 3.10 or later" 'PYTHON=/path/to/python3.x make setup'
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("the venv module of $python")
  "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    missing+=("the C headers of $python")
fi
for tool in g++ make; do command -v $tool >/dev/null || missing+=($tool); done
if [ ${#missing[@]} -gt 0 ]; then
  fail "this machine lacks $(printf '%s, ' "${missing[@]}" | sed 's/, $//')" \
    "sudo apt-get install $(packages build | sed 's/ $//')"
fi

# --- the environment ---------------------------------------------------------------------------------
options=()
case $ros in
  jazzy-wheels | kilted-wheels) ;;
  *-wheels) fail "ROS_WHEELS=${ros%-wheels}: there are wheels of jazzy and kilted only" 'ROS_WHEELS=jazzy make setup' ;;
  *)
    [ -f "$ros/setup.bash" ] || fail ".venv was made on top of $ros, which is gone" 'make clean; rm -r .venv; make setup'
    options+=(--system-site-packages) ;;
esac
has_cuda_torch() { "$1" -c 'import torch; assert torch.version.cuda' 2>/dev/null; }
if [ $gpu = yes ] && has_cuda_torch "$python"; then options+=(--system-site-packages); fi

began=$SECONDS
if [ ! -x "$venv/bin/python" ]; then
  echo "setup: making .venv ($("$python" -V), ROS: $ros, NVIDIA GPU: $gpu)"
  "$python" -m venv "${options[@]}" "$venv"
fi
touch "$venv/COLCON_IGNORE"
# Byte code comes last, on all cores, and not for what is never imported: 100 MB less than pip makes.
pip_install=("$venv/bin/python" -m pip install --no-compile --prefer-binary --progress-bar off --disable-pip-version-check)
# The pip of older Pythons takes many minutes to resolve the pins.
step pip "${pip_install[@]}" pip==26.3 || fail 'pip could not be updated (its words are above)' \
  'Is a package index reachable? PIP_INDEX_URL and PIP_FIND_LINKS point pip to a mirror.'

# Whether pip finds a release for this Python and machine, in the places where the user's settings make it look.
offered() {  # name version, more options of pip
  "$venv/bin/python" -m pip index versions "$1" --json --retries 1 --timeout 15 "${@:3}" 2>>"$log" | grep -qF "\"$2\""
}
pinned() { sed -nE "s/^$1(\[[a-z]+\])?==([^ ]+).*/\2/p" "requirements/$2.txt" | head -n 1; }
installed() {
  "$venv/bin/python" -c 'import importlib.metadata as m, sys; print(m.version(sys.argv[1]))' "$1" 2>/dev/null || true
}

# ROS from wheels only where there are any for this Python: without it all that needs no ROS works.
roles=(core train sim console so101 test build)
if [[ $ros == *-wheels ]]; then
  distribution=${ros%-wheels} role=ros
  if [ "$distribution" != jazzy ]; then role=ros_$distribution; fi
  rclpy=ros-$distribution-rclpy
  if [ -n "$(installed "$rclpy")" ] || offered "$rclpy" "$(pinned "$rclpy" "$role")"; then roles+=("$role")
  elif ! offered pyyaml "$(pinned pyyaml core)"; then
    fail 'pip finds no package index' 'Is one reachable? PIP_INDEX_URL and PIP_FIND_LINKS point pip to a mirror.' "pip's words: $log"
  elif [ -n "${ROS_WHEELS:-}" ]; then
    fail "there are no wheels of ROS 2 $distribution for Python $(version "$venv/bin/python") on $(uname -m)" \
      'PYTHON=/path/to/another/python3 make setup, or source /opt/ros/<distribution>/setup.bash first'
  else
    echo "setup: NO ROS: there are no wheels of ROS 2 $distribution for Python $(version "$venv/bin/python") on $(uname -m)."
    echo '       Training, conversion and serving work without it; nodes, simulator runs and `make demo` do not. For them:'
    echo '       source /opt/ros/<distribution>/setup.bash (https://docs.ros.org), or PYTHON=<Python 3.10 to 3.13>; rm -r .venv; make setup'
    ros=none
  fi
fi

# PyTorch: PyPI serves the CUDA build (on x86-64), PyTorch's own index the CPU build, as version +cpu.
torch=$(pinned torch core)
cpu="$torch+cpu"
has=$(installed torch)
requirements=$(mktemp)
trap 'rm -f "$requirements"' EXIT
for role in "${roles[@]}"; do cat "requirements/$role.txt"; done >"$requirements"
if [ "${has%%+*}" = "$torch" ]; then
  echo "setup: keeping PyTorch $has of .venv"
elif [ $build = cuda ] && has_cuda_torch "$venv/bin/python"; then
  echo "setup: keeping PyTorch $has, a CUDA build that is there"
  sed -i '/^torch==/d' "$requirements"
elif [ $build = cuda ]; then
  echo "setup: PyTorch $torch, the CUDA build: about 2.8 GB to download, 4.4 GB on disk"
else
  where=()
  if ! offered torch "$cpu"; then where=(--extra-index-url "$cpu_index"); fi
  if [ ${#where[@]} = 0 ] || offered torch "$cpu" "${where[@]}"; then
    echo "setup: PyTorch $cpu, the CPU build${where[1]:+ of ${where[1]}}: 0.2 GB to download, 0.7 GB on disk"
    step 'PyTorch (CPU)' "${pip_install[@]}" --no-deps "${where[@]}" "torch==$cpu" || fail 'pip could not install PyTorch'
  else
    echo "setup: pip finds no CPU build of PyTorch $torch for this Python, and $cpu_index does not offer it here (no answer?)."
    echo '       pip takes what the package index has, on x86-64 the CUDA build, which computes on the CPU, too:'
    echo '       about 2.8 GB to download, 4.4 GB on disk. Otherwise: Ctrl-C, then PIP_FIND_LINKS=<folder with the wheel> make setup'
  fi
fi
if [ $gpu = yes ] && [ $build = cpu ]; then
  echo 'setup: WARNING: .venv has the CPU build of PyTorch, and this machine has an NVIDIA GPU.' >&2
  echo '       For the CUDA build: rm -r .venv; TORCH=cuda make setup' >&2
fi

step "requirements/{$(IFS=,; echo "${roles[*]}")}.txt" "${pip_install[@]}" --requirement "$requirements" ||
  fail "pip could not install the pinned requirements (its words are above, all of them in $log)" \
    'Is a package index reachable? PIP_INDEX_URL and PIP_FIND_LINKS point pip to a mirror.'

if [ "$extras" = yes ]; then
  for extra in openvino tensorrt_rtx; do
    step "requirements/$extra.txt" "${pip_install[@]}" --requirement requirements/$extra.txt 2>>"$log" ||
      echo "setup: no $extra for this machine (optional)"
  done
elif [ $gpu = yes ]; then  # TensorRT-RTX is for GeForce and RTX GPUs
  step requirements/tensorrt_rtx.txt "${pip_install[@]}" --requirement requirements/tensorrt_rtx.txt 2>>"$log" ||
    echo 'setup: no TensorRT-RTX for this machine (optional: see docs/how-to/tensorrt.md)'
fi

"$venv/bin/python" setup/ros_wheels.py "$venv" "$ros" ||
  fail 'the environment could not be made a ROS 2 prefix (see above)' 'rm -r .venv; make setup'
echo "$ros $build $extras" >"$venv/.setup-choice"
# Some packages hold templates that do not compile, hence `true`.
step 'byte code' bash -c '"$0" -m compileall -qq -j 0 -x "/tests?/|/transformers/models/" "$1"/lib || true' "$venv/bin/python" "$venv"

install_rendering

echo "$key" >"$stamp"
echo "setup: done after $((SECONDS - began)) s, .venv is $(du -sh "$venv" | cut -f1). Use it: source .venv/setup.bash (after make build: && source install/setup.bash)"
