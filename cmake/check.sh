#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds everything and runs the tests: sh cmake/check.sh [--long]
#
#   JOBSRV_BUILD        build folder (default: build, in the source folder)
#   JOBSRV_CMAKE_ARGS   more arguments for the configuration
#   JOBSRV_CTEST_ARGS   more arguments for ctest
set -eu
cd "$(dirname "$0")/.."
. cmake/deps.sh

long=no
for argument in "$@"; do
  case "$argument" in
    --long) long=yes ;;
    *)
      echo "usage: sh cmake/check.sh [--long]" >&2
      exit 2
      ;;
  esac
done

if [ "$long" = yes ]; then
  jobsrv_need long
else
  jobsrv_need check
fi
build=${JOBSRV_BUILD:-build}
jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
export CTEST_OUTPUT_ON_FAILURE=1

# A folder that was configured keeps its generator.
generator=
[ -f "$build/CMakeCache.txt" ] || generator="-G Ninja"
# shellcheck disable=SC2086
cmake -S . -B "$build" $generator -DJOBSRV_WERROR=OFF -DBUILD_TESTING=ON \
  ${JOBSRV_CMAKE_ARGS:-}
cmake --build "$build" --parallel "$jobs"

set -- --test-dir "$build" --parallel "$jobs" --no-tests=error
[ "$long" = yes ] || set -- "$@" --label-exclude "^long\$"
# shellcheck disable=SC2086
exec ctest "$@" ${JOBSRV_CTEST_ARGS:-}
