#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds jobsrvd and shows it at work: sh cmake/demo.sh
#
#   JOBSRV_BUILD        build folder (default: build, in the source folder)
#   JOBSRV_CMAKE_ARGS   more arguments for the configuration
#   JOBSRV_DEMO_TREE    folder to checksum (default: /usr/include)
#
# It needs no terminal, leaves nothing running and nothing behind but the build.
set -eu
cd "$(dirname "$0")/.."
. cmake/deps.sh

build=${JOBSRV_BUILD:-build}
tree=${JOBSRV_DEMO_TREE:-/usr/include}
daemon=
curl=
scratch=

say() {
  printf '\n== %s\n' "$*"
}

give_up() {
  printf '\nThe demo failed: %s\n' "$*" >&2
  if [ -n "$scratch" ] && [ -s "$scratch/log" ]; then
    printf 'The last lines of the daemon:\n' >&2
    tail -n 20 "$scratch/log" >&2
  fi
  exit 1
}

alive() {
  kill -0 "$1" 2>/dev/null
}

# Waits for a command to succeed: wait_for SECONDS WHAT COMMAND...
wait_for() {
  tries=$(($1 * 20))
  what=$2
  shift 2
  until "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || give_up "waited too long for $what"
    sleep 0.05
  done
}

gone() {
  ! alive "$1"
}

clean_up() {
  [ -z "$curl" ] || kill "$curl" 2>/dev/null || :
  if [ -n "$daemon" ] && alive "$daemon"; then
    kill "$daemon" 2>/dev/null || :
    tries=200
    while alive "$daemon" && [ "$tries" -gt 0 ]; do
      tries=$((tries - 1))
      sleep 0.05
    done
    kill -9 "$daemon" 2>/dev/null || :
  fi
  [ -z "$scratch" ] || rm -rf "$scratch"
}

# "PID PARENT GROUP NAME" of every process.
processes() {
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    name=${line#*(}
    # shellcheck disable=SC2086
    set -- ${line##*) }
    [ "$1" = Z ] || echo "${line%% *} $2 $3 ${name%)*}"
  done
}

in_group() {
  processes | awk -v group="$1" '$3 == group'
}

two_in_group_of_child() {
  group=$(processes | awk -v parent="$daemon" '$2 == parent { print $3; exit }')
  [ -n "$group" ] && [ "$(in_group "$group" | wc -l)" -ge 2 ]
}

# call METHOD PATH [BODY]: the answer's body; fails on 400 and above.
call() {
  if [ $# -gt 2 ]; then
    curl -sS --fail-with-body --max-time 20 -X "$1" "$url$2" \
      -H 'Content-Type: application/json' -d "$3"
  else
    curl -sS --fail-with-body --max-time 20 -X "$1" "$url$2"
  fi || give_up "$1 $2 was refused"
}

# member NAME: the string member of the JSON object on standard input.
member() {
  sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

in_state() {
  [ "$(call GET "/v1/jobs/$1" | member state)" = "$2" ]
}

has_address() {
  alive "$daemon" || give_up "jobsrvd did not start"
  url=$(sed -n 's/^listening on \(http:.*\)$/\1/p' "$scratch/address")
  [ -n "$url" ]
}

jobsrv_need demo
[ -d "$tree" ] || give_up "there is no folder $tree"
[ -r /proc/self/stat ] || give_up "it looks at processes in /proc, not there"

say "Building jobsrvd in $build"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/jobsrv-demo.XXXXXX")
trap clean_up EXIT
trap 'exit 1' HUP INT TERM
# A folder that was configured keeps its settings.
fresh=
[ -f "$build/CMakeCache.txt" ] || fresh="-G Ninja -DBUILD_TESTING=OFF"
# shellcheck disable=SC2086
if ! { cmake -S . -B "$build" $fresh ${JOBSRV_CMAKE_ARGS:-} &&
       cmake --build "$build" --target jobsrvd --parallel; } \
    >"$scratch/build" 2>&1; then
  tail -n 40 "$scratch/build" >&2
  give_up "the build did"
fi
echo "Built: $build/jobsrvd, $("$build/jobsrvd" --version)."

say "Starting it with the operations of lib/jobsrvd/checksum.json"
"$build/jobsrvd" --config lib/jobsrvd/checksum.json --listen 127.0.0.1:0 \
  >"$scratch/address" 2>"$scratch/log" </dev/null &
daemon=$!
wait_for 10 "the address" has_address
echo "Process $daemon is listening on $url."

say "Creating a job: checksums of every file in $tree"
call POST /v1/jobs "{\"operation\":\"checksum\",\"path\":\"$tree\"}" \
  >"$scratch/created"
job=$(member job_id <"$scratch/created")
[ -n "$job" ] || give_up "no job_id in the answer"
cat "$scratch/created"
echo

say "Streaming it live: curl -N $url/v1/jobs/$job/stream"
curl -sSN --max-time 120 "$url/v1/jobs/$job/stream" >"$scratch/stream" \
  2>"$scratch/curl" &
curl=$!
some_lines() {
  [ "$(grep -c '^data:' "$scratch/stream")" -ge 6 ]
}
wait_for 30 "the first events" some_lines
echo "The first lines, as they come:"
head -n 20 "$scratch/stream" | cut -c 1-200
wait_for 120 "the end of the stream" gone "$curl"
wait "$curl" || give_up "curl: $(cat "$scratch/curl")"
curl=
echo "..."
echo "The last lines:"
tail -n 9 "$scratch/stream" | cut -c 1-200
lines=$(grep -c '"action":"stdout"' "$scratch/stream" || :)
files=$(find -H "$tree" -type f | wc -l)
events=$(grep -c '^data:' "$scratch/stream")
echo "$events events came, $lines of them checksums, of $files files."
[ "$lines" -eq "$files" ] || give_up "some lines are missing"
grep -q '^data: \[DONE\]' "$scratch/stream" || give_up "no [DONE] at the end"

say "Its record afterwards: GET /v1/jobs/$job"
call GET "/v1/jobs/$job"
echo
in_state "$job" completed || give_up "the job has not completed"

say "Creating a second job, which would take ten minutes"
call POST /v1/jobs '{"operation":"wait","seconds":600}' >"$scratch/created"
job=$(member job_id <"$scratch/created")
wait_for 10 "its processes" two_in_group_of_child
echo "Its processes (process, parent, group, name):"
in_group "$group"

say "Cancelling it: DELETE /v1/jobs/$job"
call DELETE "/v1/jobs/$job" >"$scratch/cancelled"
wait_for 10 "the job to end" in_state "$job" cancelled
call GET "/v1/jobs/$job"
echo
[ -z "$(in_group "$group")" ] || give_up "processes of the job are left"
echo "Processes of its group $group now: none."

say "Draining the daemon: kill -TERM $daemon"
kill -TERM "$daemon"
wait_for 10 "the daemon to end" gone "$daemon"
status=0
wait "$daemon" || status=$?
daemon=
[ "$status" -eq 0 ] || give_up "jobsrvd ended with status $status"
echo "It ended with status 0. Nothing is left running."
