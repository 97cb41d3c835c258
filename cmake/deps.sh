# SPDX-License-Identifier: MIT
# Sourced. jobsrv_need WHAT... makes sure that the tools and libraries for it
# are there: installed where apt-get can do that, else named, and the script
# ends. Nothing is asked of the network when all is there.
#
#   build   to configure and compile
#   check   to run the tests as well
#   long    to run the tests that take longer
#   demo    to run the demo
#   ci      for everything in .ci/run

# One line each: Debian package, what it is needed for, how to see that it is
# there. What is seen counts, not who installed it.
jobsrv_packages() {
  cat <<'TABLE'
gcc            build  jobsrv_has_cc
libc6-dev      build  jobsrv_has_cc
cmake          build  command -v cmake
ninja-build    build  command -v ninja
pkg-config     build  command -v pkg-config
libuv1-dev     build  pkg-config --exists libuv
libjansson-dev build  pkg-config --exists jansson
node-llhttp    build  jobsrv_has_llhttp
zlib1g-dev     build  pkg-config --exists zlib
libcmocka-dev  check  pkg-config --exists cmocka
libglib2.0-dev check  pkg-config --exists glib-2.0
libevent-dev   check  pkg-config --exists libevent
libsystemd-dev check  pkg-config --exists libsystemd
locales        check  [ -f /usr/share/i18n/locales/de_DE ]
tzdata         check  [ -f /usr/share/zoneinfo/Europe/Berlin ]
g++            check  command -v c++
python3        check  command -v python3
python3-jsonschema check jobsrv_has_jsonschema
curl           check  command -v curl
chromium       long   command -v chromium
chromium-driver long  command -v chromedriver
nodejs         long   command -v node
npm            long   command -v npm
nginx          long   jobsrv_has_daemon nginx
haproxy        long   jobsrv_has_daemon haproxy
prometheus     long   command -v promtool
python3-prometheus-client long /usr/bin/python3 -c "import prometheus_client"
curl           demo   command -v curl
clang          ci     command -v clang
libclang-rt-14-dev ci jobsrv_has_clang_rt
clang-tidy     ci     command -v clang-tidy
cppcheck       ci     command -v cppcheck
valgrind       ci     command -v valgrind
TABLE
}

jobsrv_has_cc() {
  command -v cc || return 1
  printf '#include <stdio.h>\n' | cc -E - >/dev/null
}

jobsrv_has_llhttp() {
  [ -f /usr/share/llhttp/llhttp.c ] || [ -f /usr/local/share/llhttp/llhttp.c ] ||
    pkg-config --exists libllhttp
}

# For the interpreter that runs the tests, or for Debian's own.
jobsrv_has_jsonschema() {
  for jobsrv_python in python3 /usr/bin/python3; do
    "$jobsrv_python" -c 'from jsonschema import Draft202012Validator' \
      2>/dev/null && return 0
  done
  return 1
}

# Where another clang is the default one, its own runtime is the one to have:
# for ThreadSanitizer, and for libFuzzer, whose own library comes with it.
jobsrv_has_clang_rt() {
  for jobsrv_part in tsan fuzzer; do
    [ -n "$(find /usr/lib/llvm-* /usr/lib/clang \
      -name "libclang_rt.$jobsrv_part*" 2>/dev/null | head -n 1)" ] || return 1
  done
}

# Not all who may run it have its folder in their path.
jobsrv_has_daemon() {
  PATH=$PATH:/usr/sbin command -v "$1"
}

# Prints the packages that WHAT... needs and that are not there.
jobsrv_missing() {
  jobsrv_packages | while read -r package what test; do
    case " $* " in *" $what "*) ;; *) continue ;; esac
    eval "$test" >/dev/null 2>&1 || printf '%s\n' "$package"
  done | sort -u
}

# Runs a command as root, or says how it was not possible.
jobsrv_as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif ! command -v sudo >/dev/null 2>&1; then
    return 1
  elif sudo -n true 2>/dev/null; then
    sudo -n "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    return 1
  fi
}

jobsrv_apt() {
  jobsrv_as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"
}

jobsrv_need() {
  # Each needs the ones before it.
  case "$*" in
    *ci*) set -- build check demo ci ;;
    *long*) set -- build check demo long ;;
    *check*) set -- build check demo ;;
    *demo*) set -- build demo ;;
    *) set -- build ;;
  esac

  jobsrv_list=$(jobsrv_missing "$@" | tr '\n' ' ')
  [ -n "$jobsrv_list" ] || return 0
  if command -v apt-get >/dev/null 2>&1; then
    printf 'Installing what is missing: %s\n' "$jobsrv_list"
    # Package lists may be absent (the rehearsal tells) or out of date (then
    # the first attempt fails). The list is one of words.
    # shellcheck disable=SC2086
    if apt-get -s install --no-install-recommends $jobsrv_list \
      >/dev/null 2>&1 &&
      jobsrv_apt install --no-install-recommends $jobsrv_list; then
      :
    elif jobsrv_apt update; then
      jobsrv_apt install --no-install-recommends $jobsrv_list || :
    fi
    jobsrv_list=$(jobsrv_missing "$@" | tr '\n' ' ')
    [ -n "$jobsrv_list" ] || return 0
  fi
  printf 'Missing here, by their Debian names: %s\n' "$jobsrv_list" >&2
  printf 'Install them, then run this again.\n' >&2
  exit 1
}
