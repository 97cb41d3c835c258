# SPDX-License-Identifier: MIT
# sh run.sh PROGRAM CORPUS FOUND: runs a libFuzzer program for ten seconds, or
# JOBSRV_FUZZ_SECONDS. What it finds new goes into the folder FOUND. The seed is
# fixed, since a run that fails by chance says nothing of a change; for another,
# JOBSRV_FUZZ_SEED (0: by chance). NAME.dict beside this has words to use.
# Without -entropic=0, half of the time of a whole server goes into statistics.
set -eu
mkdir -p "$3"
dict=$(dirname "$0")/$(basename "$2").dict
[ ! -f "$dict" ] || set -- "$@" "-dict=$dict"
exec "$1" ${4:+"$4"} -entropic=0 -seed="${JOBSRV_FUZZ_SEED:-1}" \
  -max_total_time="${JOBSRV_FUZZ_SECONDS:-10}" -timeout=20 \
  -max_len=4096 -print_final_stats=1 -verbosity=0 -rss_limit_mb=2048 \
  -artifact_prefix="$3-failed-" "$3" "$2"
