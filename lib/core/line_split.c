/* SPDX-License-Identifier: MIT */

#include "core/line_split.h"

#include "base/alloc.h"

#include <string.h>

#include <uv.h>

int jobsrv__lines_init(jobsrv__lines_t *lines,
                       const jobsrv_alloc_t *alloc,
                       jobsrv__line_cb cb,
                       void *arg) {
  memset(lines, 0, sizeof(*lines));
  lines->cb = cb;
  lines->arg = arg;
  lines->data = jobsrv__malloc(alloc, JOBSRV__LINE_BUFFER);
  return lines->data != NULL ? 0 : UV_ENOMEM;
}

void jobsrv__lines_free(jobsrv__lines_t *lines, const jobsrv_alloc_t *alloc) {
  jobsrv__free(alloc, lines->data);
  lines->data = NULL;
}

char *jobsrv__lines_room(jobsrv__lines_t *lines, size_t *room) {
  *room = JOBSRV__LINE_BUFFER - lines->len;
  return lines->data + lines->len;
}

/* How many bytes a UTF-8 lead byte announces; 1 for any other. */
static size_t announced(unsigned char lead) {
  if (lead >= 0xf0 && lead <= 0xf4)
    return 4;
  if (lead >= 0xe0)
    return lead <= 0xef ? 3 : 1;
  return lead >= 0xc2 ? 2 : 1;
}

/* Where to cut a piece: at the limit, but not inside a character. */
static size_t cut_at(const char *text) {
  for (size_t back = 1; back <= 3; back++) {
    unsigned char c = (unsigned char) text[JOBSRV__LINE_MAX - back];

    if ((c & 0xc0) == 0x80)
      continue;
    return announced(c) > back ? JOBSRV__LINE_MAX - back : JOBSRV__LINE_MAX;
  }
  return JOBSRV__LINE_MAX;
}

static size_t piece_out(jobsrv__lines_t *lines, const char *text) {
  int part = lines->continued ? JOBSRV__LINE_MIDDLE : JOBSRV__LINE_FIRST;
  size_t len = cut_at(text);

  lines->continued = 1;
  lines->cb(lines->arg, part, text, len);
  return len;
}

/* The rest of a line, its end taken off. */
static void line_out(jobsrv__lines_t *lines, const char *text, size_t len) {
  int part;

  while (len > JOBSRV__LINE_MAX) {
    size_t cut = piece_out(lines, text);

    text += cut;
    len -= cut;
  }
  part = lines->continued ? JOBSRV__LINE_LAST : JOBSRV__LINE_WHOLE;
  lines->continued = 0;
  lines->cb(lines->arg, part, text, len);
}

/* 1 when `len` bytes without an end cannot be one whole line any more. */
static int too_long(const char *text, size_t len) {
  if (len == JOBSRV__LINE_MAX + 1)
    return text[len - 1] != '\r'; /* which the end may begin with */
  return len > JOBSRV__LINE_MAX;
}

void jobsrv__lines_added(jobsrv__lines_t *lines, size_t n) {
  const char *text = lines->data;
  const char *end = lines->data + lines->len + n;
  const char *from = lines->data + lines->scanned;
  const char *lf;
  size_t len;

  while ((lf = memchr(from, '\n', (size_t) (end - from))) != NULL) {
    len = (size_t) (lf - text);
    if (len > 0 && lf[-1] == '\r')
      len--;
    line_out(lines, text, len);
    text = from = lf + 1;
  }
  len = (size_t) (end - text);
  while (too_long(text, len)) {
    size_t cut = piece_out(lines, text);

    text += cut;
    len -= cut;
  }
  if (text != lines->data)
    memmove(lines->data, text, len);
  lines->len = len;
  lines->scanned = len;
}

void jobsrv__lines_end(jobsrv__lines_t *lines) {
  size_t len = lines->len;

  lines->len = 0;
  lines->scanned = 0;
  if (len > 0 || lines->continued)
    line_out(lines, lines->data, len);
}
