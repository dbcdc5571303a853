#!/usr/bin/env bash
# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Run the tests in the sourced environment: those without ROS on two workers, then the ROS graphs on three (they mostly
# wait). Those that measure time run last, one at a time (they would starve each other). What fails runs once more, alone
# (decision 0097). Arguments go to pytest.
set -uo pipefail
cd "$(dirname "$0")/.."

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0

# The first run imports every test file and lists the tests of the others, which then import only theirs.
listed() { if [ -s "$out/$1" ]; then echo "@$out/$1"; else echo --collect-only; fi; }

run() {  # title, pytest arguments: 5 is pytest's "no tests selected"
  printf '\n===== %s =====\n' "$1"
  python -m pytest "${@:2}" 2>&1 | tee "$out/log"
  code=${PIPESTATUS[0]}
  printf '%-22s %s\n' "$1:" "$(tail -n 1 "$out/log" | tr -d =)" >>"$out/summary"
  if [ "$code" != 0 ] && [ "$code" != 5 ]; then failed=1; fi
}

run_twice() {  # title, threads, marker expression, more pytest arguments
  local before=$failed
  export OMP_NUM_THREADS=$2 MKL_NUM_THREADS=$2
  run "$1" -m "$3" "${@:4}"
  if [ "$code" = 1 ]; then  # a slow machine may starve them; a fault stays one
    failed=$before
    GR00T_TEST_LISTS='' run 'those failed, alone' --last-failed -m "$3" "${asked[@]}"
  fi
}

asked=("$@")
GR00T_TEST_LISTS=$out run_twice 'tests without ROS' 1 'not ros' -n 2 --dist worksteal "$@"
if [ "$(cut -d' ' -f1 .venv/.setup-choice)" = none ]; then
  printf '%-22s %s\n' 'tests with ROS:' 'not run: there is no ROS here (see make setup)' >>"$out/summary"
else
  run_twice 'tests with ROS' 1 'ros and not timing' -n 3 --dist worksteal "$(listed ros)" "$@"
  run_twice 'tests of timing' 2 'ros and timing' "$(listed timing)" "$@"
fi

printf '\n===== summary =====\n'
cat "$out/summary"
exit $failed
