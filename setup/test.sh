#!/usr/bin/env bash
# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Run the tests in the sourced environment: those without ROS on two workers, then the ROS graphs on three (they mostly
# wait); what fails beside others runs once more, alone (decision 0097). Those that measure time run last, one at a time
# (they would starve each other). Arguments go to pytest.
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

run_beside_others() {  # title, workers, marker expression, more pytest arguments
  local before=$failed
  OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 run "$1" -n "$2" --dist worksteal -m "$3" "${@:4}"
  if [ "$code" = 1 ]; then  # on a slow machine they may starve each other; a fault stays one alone
    failed=$before
    GR00T_TEST_LISTS='' OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 run 'those failed, alone' --last-failed -m "$3" "${asked[@]}"
  fi
}

asked=("$@")
GR00T_TEST_LISTS=$out run_beside_others 'tests without ROS' 2 'not ros' "$@"
if [ "$(cut -d' ' -f1 .venv/.setup-choice)" = none ]; then
  printf '%-22s %s\n' 'tests with ROS:' 'not run: there is no ROS here (see make setup)' >>"$out/summary"
else
  run_beside_others 'tests with ROS' 3 'ros and not timing' "$(listed ros)" "$@"
  OMP_NUM_THREADS=2 MKL_NUM_THREADS=2 run 'tests of timing' -m 'ros and timing' "$(listed timing)" "$@"
fi

printf '\n===== summary =====\n'
cat "$out/summary"
exit $failed
