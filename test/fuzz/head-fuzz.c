/* SPDX-License-Identifier: MIT */

/*
 * The head of a request, in any pieces: the verdict is that on the whole, and
 * what it points at is inside.
 */

#include "fuzz.h"

#include "sse/head_check.h"

static void check_piece(const jobsrv__head_t *head,
                        const jobsrv__piece_t *piece) {
  fuzz_check((size_t) piece->at + piece->len <= head->len);
}

static void check_done(const jobsrv__head_t *head, const char *p, size_t n) {
  fuzz_check(head->len <= n);
  check_piece(head, &head->method);
  check_piece(head, &head->path);
  check_piece(head, &head->query);
  check_piece(head, &head->host);
  check_piece(head, &head->port);
  fuzz_check(head->minor <= 1);
  fuzz_check(head->method.len > 0);
  fuzz_check(!(head->is_chunked && head->has_length));
  fuzz_check(!(head->is_chunked && head->minor == 0));
  fuzz_check(head->len >= 4 && memcmp(p + head->len - 4, "\r\n\r\n", 4) == 0);
  fuzz_check(memchr(p, '\0', head->len) == NULL);
  for (size_t i = 0; i < head->len; i++) {
    fuzz_check(p[i] != '\r' || p[i + 1] == '\n');
    fuzz_check(p[i] != '\n' || (i > 0 && p[i - 1] == '\r'));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const jobsrv__head_limits_t limits = { 256, 1024, 16 };
  fuzz_t in = { data, size };
  size_t step = 1 + fuzz_byte(&in) % 32;
  char *text = fuzz_copy((const char *) in.p, in.n);
  jobsrv__head_t whole, pieces;
  int verdict, same = JOBSRV__HEAD_MORE;

  memset(&whole, 0, sizeof(whole));
  memset(&pieces, 0, sizeof(pieces));
  verdict = jobsrv__head_check(&whole, text, in.n, &limits);
  for (size_t at = 0; at < in.n && same == JOBSRV__HEAD_MORE;) {
    at = in.n - at < step ? in.n : at + step;
    same = jobsrv__head_check(&pieces, text, at, &limits);
  }
  fuzz_check(same == verdict || in.n == 0);
  if (verdict == JOBSRV__HEAD_DONE) {
    check_done(&whole, text, in.n);
    fuzz_check(whole.len == pieces.len && whole.n_fields == pieces.n_fields &&
               whole.content_length == pieces.content_length);
  } else if (verdict == JOBSRV__HEAD_REFUSED) {
    fuzz_check(whole.status >= 400 && whole.status < 600);
    fuzz_check(whole.status == pieces.status);
    fuzz_check(whole.detail != NULL && whole.detail == pieces.detail);
  }
  free(text);
  return 0;
}
