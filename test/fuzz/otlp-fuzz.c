/* SPDX-License-Identifier: MIT */

/*
 * What the exporter reads and writes: an answer in any pieces is the answer on
 * the whole; any JSON becomes an AnyValue that is JSON, and any text a string.
 */

#include "fuzz.h"

#include "otlp/internal.h"

static void read_answer(fuzz_t *in) {
  size_t step = 1 + fuzz_byte(in) % 32;
  char *text = fuzz_copy((const char *) in->p, in->n);
  jobsrv__otlp_response_t whole, pieces;
  char reason[32];
  int same = 0;
  int rc;

  jobsrv__otlp_response_init(&whole, NULL);
  jobsrv__otlp_response_init(&pieces, NULL);
  rc = jobsrv__otlp_response_feed(&whole, text, in->n);
  for (size_t at = 0; at < in->n && same == 0; at += step)
    same = jobsrv__otlp_response_feed(&pieces, text + at,
                                      in->n - at < step ? in->n - at : step);
  if (rc == 0 && same == 0) {
    rc = jobsrv__otlp_response_end(&whole);
    same = jobsrv__otlp_response_end(&pieces);
  }
  fuzz_check(rc == same && rc <= 1);
  if (rc == 1) {
    fuzz_check(whole.status >= 200 && whole.status == pieces.status);
    fuzz_check(whole.body.len == pieces.body.len);
    fuzz_check(whole.body.len == 0 || memcmp(whole.body.data, pieces.body.data,
                                             whole.body.len) == 0);
    fuzz_check(strcmp(whole.retry_after, pieces.retry_after) == 0);
    (void) jobsrv__otlp_rejected(whole.body.data, whole.body.len,
                                 JOBSRV__OTLP_LOG, reason, sizeof(reason));
    fuzz_check(strlen(reason) < sizeof(reason));
    fuzz_check(jobsrv__otlp_retry_after(whole.retry_after, 1) <= 86400000);
  }
  jobsrv__otlp_response_free(&whole);
  jobsrv__otlp_response_free(&pieces);
  free(text);
}

static void check_json(const jobsrv__buf_t *buf) {
  jobsrv_json_error_t error;

  fuzz_check(buf->failed == 0);
  fuzz_check(jobsrv_json_check(buf->data, buf->len, 1024, &error) == 0);
  fuzz_check(memchr(buf->data, '\n', buf->len) == NULL);
}

static void write_json(fuzz_t *in) {
  char *text = fuzz_copy((const char *) in->p, in->n);
  jobsrv__buf_t buf;

  jobsrv__buf_init(&buf, NULL, 0);
  if (jobsrv_json_check(text, in->n, 64, NULL) == 0) {
    jobsrv__otlp_any(&buf, text, in->n);
    check_json(&buf);
  }
  jobsrv__buf_free(&buf);
  free(text);
}

static void write_text(fuzz_t *in) {
  size_t max = fuzz_byte(in);
  char *text = fuzz_copy((const char *) in->p, in->n);
  jobsrv__buf_t buf;

  jobsrv__buf_init(&buf, NULL, 0);
  jobsrv__otlp_text(&buf, text, in->n, max);
  check_json(&buf);
  jobsrv__buf_free(&buf);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };

  switch (fuzz_byte(&in) % 3) {
  case 0:
    read_answer(&in);
    break;
  case 1:
    write_json(&in);
    break;
  default:
    write_text(&in);
    break;
  }
  return 0;
}
