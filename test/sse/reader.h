/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_SSE_READER_H
#define JOBSRV_TEST_SSE_READER_H

/*
 * A client over a connection that is no socket, which takes HTTP's framing off
 * and, where the answer is compressed, has zlib take that off too: whatever was
 * sent is looked at at once, and the checksum at the end.
 */

#include "sse/watcher.h"

#include "jobsrv/testing_sse.h"

#define ZLIB_CONST
#include <zlib.h>

typedef struct {
  jobsrv_memory_t *memory;
  watcher_t *wire;  /* its body is what HTTP carries */
  watcher_t *plain; /* its body and its events are what that means */
  z_stream z;
  size_t inflated;  /* of the wire's body */
  int is_gzip;
  int is_chunked;
  int is_whole;     /* gzip's trailer has come, and was right */
} reader_t;

/* One that is given what was received, and has no connection. */
static inline reader_t *reader_new(void) {
  reader_t *reader = calloc(1, sizeof(*reader));

  assert_non_null(reader);
  reader->wire = watcher_new();
  reader->plain = watcher_new();
  /* gzip alone: its checksum and length are looked at */
  assert_int_equal(inflateInit2(&reader->z, 16 + MAX_WBITS), Z_OK);
  return reader;
}

static inline void reader_free(reader_t *reader) {
  jobsrv_memory_free(reader->memory);
  inflateEnd(&reader->z);
  watcher_free(reader->wire);
  watcher_free(reader->plain);
  free(reader);
}

/* ---- reading ---- */

static inline void reader_inflate(reader_t *reader) {
  watcher_t *to = reader->plain;
  int err = Z_OK;

  reader->z.next_in = (const Bytef *) reader->wire->body + reader->inflated;
  reader->z.avail_in = (uInt) (reader->wire->body_len - reader->inflated);
  while (reader->z.avail_in > 0) {
    assert_false(reader->is_whole);
    reader->z.next_out = (Bytef *) to->body + to->body_len;
    reader->z.avail_out = (uInt) (WATCHER_RAW - to->body_len);
    err = inflate(&reader->z, Z_SYNC_FLUSH);
    to->body_len = (size_t) ((char *) reader->z.next_out - to->body);
    if (err == Z_STREAM_END)
      reader->is_whole = 1;
    else if (err != Z_OK)
      fail_msg("inflate: %d, %s", err, reader->z.msg);
  }
  reader->inflated = reader->wire->body_len;
}

static inline void reader_head(reader_t *reader) {
  watcher_t *wire = reader->wire;
  char *end = memmem(wire->raw, wire->raw_len, "\r\n\r\n", 4);

  if (end == NULL)
    return;
  end[3] = '\0';
  wire->status = atoi(wire->raw + 9);
  wire->parsed = (size_t) (end + 4 - wire->raw);
  reader->is_gzip = strstr(wire->raw, "\r\nContent-Encoding: gzip\r") != NULL;
  reader->is_chunked =
      strstr(wire->raw, "\r\nTransfer-Encoding: chunked\r") != NULL;
}

/* Takes in what has been received. */
static inline void reader_give(reader_t *reader, const char *data, size_t n) {
  watcher_t *wire = reader->wire;
  watcher_t *plain = reader->plain;
  size_t left;

  assert_true(wire->raw_len + n < WATCHER_RAW);
  memcpy(wire->raw + wire->raw_len, data, n);
  wire->raw_len += n;
  if (wire->status == 0)
    reader_head(reader);
  if (wire->status == 0)
    return;
  if (reader->is_chunked) {
    watcher_unchunk(wire);
  } else {
    left = wire->raw_len - wire->parsed;
    memcpy(wire->body + wire->body_len, wire->raw + wire->parsed, left);
    wire->body_len += left;
    wire->parsed += left;
  }
  if (reader->is_gzip) {
    reader_inflate(reader);
  } else {
    memcpy(plain->body + reader->inflated, wire->body + reader->inflated,
           wire->body_len - reader->inflated);
    plain->body_len = reader->inflated = wire->body_len;
  }
  plain->body[plain->body_len] = '\0';
  watcher_dispatch(plain);
}

/* Takes in up to `max` of what was sent. */
static inline void reader_take(reader_t *reader, size_t max) {
  size_t n;
  const char *data = jobsrv_memory_output(reader->memory, &n);

  if (n > max)
    n = max;
  reader_give(reader, data, n);
  jobsrv_memory_take(reader->memory, n);
}

/* All of the body has come: nothing of it may be missing. */
static inline void reader_check_end(reader_t *reader) {
  if (reader->is_chunked)
    assert_true(reader->wire->ended);
  else
    assert_int_not_equal(jobsrv_memory_state(reader->memory),
                         JOBSRV_MEMORY_OPEN);
  assert_int_equal(reader->is_whole, reader->is_gzip);
}

/* ---- asking ---- */

#define GZIP "Accept-Encoding: gzip\r\n"

/* Sends a request and takes its head, if there is one by then. */
static inline reader_t *reader_ask(world *w,
                                   int minor,
                                   const char *line,
                                   const char *fields) {
  reader_t *reader = reader_new();
  char request[4096];
  int len = snprintf(request, sizeof(request),
                     "%s HTTP/1.%d\r\nHost: localhost\r\n%s\r\n", line, minor,
                     fields);

  assert_ok(jobsrv_memory_open(&reader->memory, w->sse));
  assert_ok(jobsrv_memory_feed(reader->memory, request, (size_t) len));
  run_turns(&w->f.loop, 4);
  reader_take(reader, SIZE_MAX);
  return reader;
}

/* Streams a job. */
static inline reader_t *reader_open(world *w,
                                    const jobsrv_job_t *job,
                                    const char *query,
                                    const char *fields) {
  char rest[400];

  snprintf(rest, sizeof(rest), "/stream%s", query);
  return reader_ask(w, 1, line_of("GET", job, rest), fields);
}

/* Both were sent the same, however. */
static inline void assert_same_body(const reader_t *a, const reader_t *b) {
  assert_int_equal(a->plain->body_len, b->plain->body_len);
  assert_memory_equal(a->plain->body, b->plain->body, a->plain->body_len);
}

#endif /* JOBSRV_TEST_SSE_READER_H */
