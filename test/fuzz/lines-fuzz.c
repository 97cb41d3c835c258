/* SPDX-License-Identifier: MIT */

/*
 * The output of a child, in any pieces: its lines are those of the whole, each
 * byte of it once and in its place.
 */

#include "fuzz.h"

#include "base/alloc.h"
#include "core/line_split.h"

typedef struct {
  char *bytes; /* the lines, a LF behind each */
  size_t len;
  int inside;  /* the last was a piece that goes on */
} got_t;

static void on_line(void *arg, int part, const char *text, size_t len) {
  got_t *got = arg;

  fuzz_check(len <= JOBSRV__LINE_MAX);
  fuzz_check(got->inside ==
             (part == JOBSRV__LINE_MIDDLE || part == JOBSRV__LINE_LAST));
  fuzz_check(memchr(text, '\n', len) == NULL);
  got->inside = part == JOBSRV__LINE_FIRST || part == JOBSRV__LINE_MIDDLE;
  memcpy(got->bytes + got->len, text, len);
  got->len += len;
  if (!got->inside)
    got->bytes[got->len++] = '\n';
}

/* In pieces of `step` bytes. */
static void split(got_t *got, const char *data, size_t n, size_t step) {
  const jobsrv_alloc_t *alloc = jobsrv__alloc(NULL);
  jobsrv__lines_t lines;
  size_t room, take;
  char *to;

  memset(&lines, 0, sizeof(lines));
  fuzz_check(jobsrv__lines_init(&lines, alloc, on_line, got) == 0);
  for (size_t at = 0; at < n; at += take) {
    to = jobsrv__lines_room(&lines, &room);
    fuzz_check(room >= JOBSRV__LINE_ROOM);
    take = n - at < step ? n - at : step;
    if (take > room)
      take = room;
    memcpy(to, data + at, take);
    jobsrv__lines_added(&lines, take);
  }
  jobsrv__lines_end(&lines);
  jobsrv__lines_free(&lines, alloc);
  fuzz_check(!got->inside);
}

/* By the plain rule: LF ends a line, and so does CR LF. */
static void want_lines(got_t *want, const char *data, size_t n) {
  size_t from = 0;
  size_t len;

  while (from < n) {
    const char *lf = memchr(data + from, '\n', n - from);
    size_t end = lf != NULL ? (size_t) (lf - data) : n;

    len = end - from;
    if (len > 0 && data[end - 1] == '\r' && lf != NULL)
      len--;
    memcpy(want->bytes + want->len, data + from, len);
    want->len += len;
    want->bytes[want->len++] = '\n';
    from = end + 1;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  size_t step = 1 + fuzz_byte(&in);
  size_t times = 1 + (fuzz_byte(&in) & 3 ? 0 : 300);
  size_t n = in.n * times;
  char *text = malloc(n + 1);
  got_t got = { malloc(2 * n + 2), 0, 0 };
  got_t want = { malloc(2 * n + 2), 0, 0 };

  fuzz_check(text != NULL && got.bytes != NULL && want.bytes != NULL);
  for (size_t i = 0; in.n > 0 && i < times; i++)
    memcpy(text + i * in.n, in.p, in.n);
  split(&got, text, n, times > 1 ? 97 * step : step);
  want_lines(&want, text, n);
  fuzz_check(got.len == want.len);
  fuzz_check(memcmp(got.bytes, want.bytes, want.len) == 0);
  free(text);
  free(got.bytes);
  free(want.bytes);
  return 0;
}
