/* SPDX-License-Identifier: MIT */

/*
 * traceparent and tracestate from bytes: what is read comes out again as what
 * it was, and what is passed on can stand in a header.
 */

#include "fuzz.h"

#include "base/traceparent.h"

static void check_parent(const char *text, size_t len) {
  jobsrv__traceparent_t read, again;
  char out[JOBSRV__TRACEPARENT_SIZE];

  if (jobsrv__traceparent_read(text, len, &read) != 0)
    return;
  fuzz_check(read.hi != 0 || read.lo != 0);
  fuzz_check(read.span != 0);
  jobsrv__traceparent_write(out, &read);
  fuzz_check(strlen(out) == JOBSRV__TRACEPARENT_LEN);
  fuzz_check(jobsrv__traceparent_read(out, strlen(out), &again) == 0);
  fuzz_check(again.hi == read.hi && again.lo == read.lo);
  fuzz_check(again.span == read.span && again.flags == read.flags);
  fuzz_check(memcmp(out + 3, text + 3, 49) == 0);
}

static void check_state(const char *text, size_t len) {
  size_t equals = 0;

  if (!jobsrv__tracestate_ok(text, len))
    return;
  fuzz_check(len <= JOBSRV__TRACESTATE_MAX);
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char) text[i];

    fuzz_check(c == '\t' || (c >= 0x20 && c <= 0x7e));
    equals += c == '=';
  }
  fuzz_check(equals >= 1 && equals <= 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  char *text = fuzz_copy((const char *) in.p, in.n);

  check_parent(text, in.n);
  check_state(text, in.n);
  free(text);
  return 0;
}
