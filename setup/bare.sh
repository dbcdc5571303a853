#!/usr/bin/env bash
# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Do what README.md says on a bare machine: a minimal chroot of each named distribution, the packages of README's apt line,
# a clone of HEAD, and README's commands; then print a table of times, sizes and results. Opt-in: it needs root,
# debootstrap, 10 GB and 10 to 40 min a distribution.
#
#   sudo setup/bare.sh trixie bookworm             Debian 13 and 12 (noble, jammy: Ubuntu 24.04 and 22.04, with the package
#                                                  ubuntu-keyring)
#   setup/bare.sh --inside SOURCE                  the same in this machine, which must be one to throw away (a container);
#                                                  SOURCE is a git repository, cloned to /root/gr00t
#   --steps demo,test     README's commands to run (default both; setup and build come first anyway)
#   --at FOLDER           where the chroots are made (default /var/tmp/gr00t-bare)
#   --keep                leave them there; the next run goes on in them
#   --ca FILE             certificates that pip shall trust, for a mirror with its own
#   --wheels FOLDER       wheels to copy in, shown to pip as PIP_FIND_LINKS
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

at=/var/tmp/gr00t-bare keep=no steps=demo,test ca='' wheels='' inside='' distributions=()
while [ $# -gt 0 ]; do
  case $1 in
    --at) at=$2; shift ;;
    --ca) ca=$2; shift ;;
    --wheels) wheels=$2; shift ;;
    --steps) steps=$2; shift ;;
    --inside) inside=$2; shift ;;
    --keep) keep=yes ;;
    -*) sed -n '5,19s/^# \{0,1\}//p' "$0"; exit 2 ;;
    *) distributions+=("$1") ;;
  esac
  shift
done
for step in ${steps//,/ }; do
  case $step in demo | test) ;; *) echo "bare: --steps $step: choose from demo, test" >&2; exit 2 ;; esac
done
head='| system | Python | packages | set-up | build | demo | test | .venv | result |'
line='|---|---|---|---|---|---|---|---|---|'

# --- in the bare machine -----------------------------------------------------------------------------
if [ -n "$inside" ]; then
  declare -A took=([packages]=- [setup]=- [build]=- [demo]=- [test]=-)
  result=ok
  # shellcheck disable=SC1091
  system=$(. /etc/os-release && echo "$PRETTY_NAME")
  timed() {  # step, command: its time, or the end of the row
    local began=$SECONDS name=$1
    [ "$result" = ok ] || return 0
    printf '\n##### %s: %s: %s\n' "$system" "$name" "${*:2}"
    if ! "${@:2}"; then result="$name FAILED"; fi
    took[$name]="$((SECONDS - began)) s"
  }
  export DEBIAN_FRONTEND=noninteractive
  # README's own line, as root has no sudo here.
  read -ra apt_line <<<"$(grep -m1 '^sudo apt-get install ' "$here/README.md")"
  packages() { apt-get -qq update && apt-get install -y -qq "${apt_line[@]:3}"; }
  timed packages packages >/root/packages.log 2>&1 || true
  if [ "$result" = ok ]; then
    git config --global --replace-all safe.directory '*'
    if [ ! -d /root/gr00t ]; then git clone -q "$inside" /root/gr00t; fi
    git -C /root/gr00t fetch -q "$inside" HEAD
    git -C /root/gr00t reset -q --hard FETCH_HEAD
    cd /root/gr00t
  fi
  for step in setup build ${steps//,/ }; do timed "$step" make --no-print-directory "$step"; done
  python=$(python3 -V 2>/dev/null | cut -d' ' -f2 || true)
  venv=$(du -sh /root/gr00t/.venv 2>/dev/null | cut -f1 || true)
  printf '\n%s\n%s\n' "$head" "$line"
  printf '| %s ' "$system" "${python:--}" "${took[packages]}" "${took[setup]}" "${took[build]}" "${took[demo]}" "${took[test]}" \
    "${venv:--}" "$result" | sed 's/$/|/' | tee /root/row
  [ "$result" = ok ]
  exit
fi

# --- the chroots -------------------------------------------------------------------------------------
if [ ${#distributions[@]} = 0 ]; then echo 'bare: name a distribution, for example trixie' >&2; exit 2; fi
if [ "$(id -u)" != 0 ]; then echo 'bare: this needs root' >&2; exit 2; fi
command -v debootstrap >/dev/null || { echo 'bare: sudo apt-get install debootstrap' >&2; exit 2; }
echo "bare: trying commit $(git -C "$here" log -1 --format='%h %s')"
if ! git -C "$here" diff --quiet HEAD; then echo 'bare: WARNING: uncommitted changes are not in it' >&2; fi
mkdir -p "$at"
rows=() failed=0

for name in "${distributions[@]}"; do
  root=$at/$name
  if [ ! -f "$root/etc/os-release" ]; then
    printf '\n##### %s: debootstrap (log: %s)\n' "$name" "$at/$name.debootstrap"
    components=main  # Ubuntu has python3-venv in universe
    if [[ $(readlink -f "/usr/share/debootstrap/scripts/$name") == */gutsy ]]; then components=main,universe; fi
    if ! debootstrap --variant=minbase --components="$components" "$name" "$root" >"$at/$name.debootstrap" 2>&1; then
      rows+=("| $name | - | - | - | - | - | - | - | not run: $(tail -n 1 "$at/$name.debootstrap") |")
      rm -rf --one-file-system "$root"
      failed=1
      continue
    fi
  fi
  rm -rf "$root/root/source.git" "$root/root/bare" "$root/root/wheels" "$root/root/row"
  git clone -q --bare "$here" "$root/root/source.git"
  git clone -q "$root/root/source.git" "$root/root/bare"
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  variables=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PIP_DEFAULT_TIMEOUT=180)
  if [ -n "$ca" ]; then cp -L "$ca" "$root/root/ca.crt"; variables+=(PIP_CERT=/root/ca.crt SSL_CERT_FILE=/root/ca.crt); fi
  if [ -n "$wheels" ]; then cp -rL "$wheels" "$root/root/wheels"; variables+=(PIP_FIND_LINKS=/root/wheels); fi
  # Mounts and processes live in name spaces of their own, and end with them.
  # shellcheck disable=SC2016
  unshare --mount --pid --ipc --fork --kill-child bash -ec '
    root=$1; shift
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys" || true
    mount -t tmpfs tmpfs "$root/dev"
    for device in null zero full random urandom; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
    ln -s /proc/self/fd "$root/dev/fd"
    mkdir "$root/dev/shm" "$root/dev/pts"; mount -t tmpfs -o size=1g tmpfs "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"; ln -s pts/ptmx "$root/dev/ptmx"
    # Both share one network: tests in there respect the ROS domains that tests out here hold (gr00t_sim/domain.py).
    mkdir -p -m 700 /tmp/gr00t_0 "$root/tmp/gr00t_0"; mount --bind /tmp/gr00t_0 "$root/tmp/gr00t_0"
    exec chroot "$root" env -i "$@"
  ' bare "$root" "${variables[@]}" /root/bare/setup/bare.sh --inside /root/source.git --steps "$steps" </dev/null || failed=1
  rows+=("$(cat "$root/root/row" 2>/dev/null || echo "| $name | - | - | - | - | - | - | - | ended early |")")
  if [ $keep = no ]; then rm -rf --one-file-system "$root"; fi
done

printf '\n%s\n%s\n' "$head" "$line"
printf '%s\n' "${rows[@]}"
exit $failed
