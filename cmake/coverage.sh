#!/bin/sh
# SPDX-License-Identifier: MIT
# How much of lib/ the tests run: sh cmake/coverage.sh [--keep]
#
# Prints lines and branches by folder. What was not run is listed in the build
# folder, in coverage.txt: lines, and branches by their number. With --keep, what
# earlier runs have seen counts as well, and no test is run.
#
#   JOBSRV_BUILD        build folder (default: build-coverage, in the source
#                       folder)
#   JOBSRV_CTEST_ARGS   more arguments for ctest
#
# As deployed: assert() and JOBSRV__ASSERT_LOOP() are not compiled in. Nothing
# else is left out. What looks at whole packages is not run, nor what takes long.
set -eu
cd "$(dirname "$0")/.."
. cmake/deps.sh
jobsrv_need check

keep=no
case "$*" in
  '') ;;
  --keep) keep=yes ;;
  *)
    echo "usage: sh cmake/coverage.sh [--keep]" >&2
    exit 2
    ;;
esac
build=${JOBSRV_BUILD:-build-coverage}
jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

if [ "$keep" = no ]; then
  CC=gcc cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DJOBSRV_COVERAGE=ON -DJOBSRV_BENCH=OFF -DBUILD_TESTING=ON >/dev/null
  cmake --build "$build" --parallel "$jobs" >"$build/build.log"
  find "$build" -name '*.gcda' -delete
  # shellcheck disable=SC2086
  ctest --test-dir "$build" --parallel "$jobs" --label-exclude '^long$' \
    --no-tests=error --output-on-failure ${JOBSRV_CTEST_ARGS:-} \
    >"$build/coverage.log" || tail -n 40 "$build/coverage.log"
fi
exec python3 -B cmake/coverage.py "$build"
