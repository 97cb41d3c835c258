/* SPDX-License-Identifier: MIT */

/*
 * A line of a child's: whatever it is, it is read without harm, and what comes
 * of it is an event like any other, of no job, number or kind that the line
 * could choose.
 */

#include "fuzz.h"

#include "base/alloc.h"
#include "jobsrv/error.h"
#include "jobsrv/json.h"
#include "narration/child_said.h"
#include "narration/encode.h"

#include <uv.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

enum { MAX_TEXT = 65536, MAX_EVENT = 262144 };

/* In checked JSON, at the top. */
static int has(const char *json, size_t len, const char *name) {
  const char *value;
  size_t n;

  return jobsrv_json_value(json, len, name, &value, &n) == 0;
}

static void check_json(const jobsrv__buf_t *buf, int is_data) {
  static const char *const never[] = {
    "seq", "job_id", "correlation_id", "request_id", "state", "progress",
  };
  jobsrv_json_error_t error;

  fuzz_check(jobsrv_json_check(buf->data, buf->len, 70, &error) == 0);
  for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
    fuzz_check(!has(buf->data, buf->len, never[i]));
  fuzz_check(has(buf->data, buf->len, "payload") == is_data);
  fuzz_check(has(buf->data, buf->len, "human") != is_data);
  for (size_t i = 0; i < buf->len; i++)
    fuzz_check((unsigned char) buf->data[i] >= 0x20);
}

static void check_event(jobsrv__said_t *said, size_t len) {
  jobsrv_event_t *event = &said->event;
  int is_data = event->kind == JOBSRV_KIND_DATA;
  jobsrv__buf_t buf;
  int err;

  fuzz_check(event->kind == JOBSRV_KIND_NARRATION || is_data);
  fuzz_check(event->level >= JOBSRV_TRACE && event->level <= JOBSRV_FATAL);
  fuzz_check(event->action != NULL && *event->action != '\0');
  fuzz_check(said->human_len <= len);
  fuzz_check(event->nfields <= JOBSRV__SAID_ROOM);
  fuzz_check(event->trace_id == NULL || strcmp(event->trace_id, TRACE) == 0);
  fuzz_check((event->trace_id == NULL) == (event->span_id == NULL));
  jobsrv__buf_init(&buf, NULL, 0);
  (void) jobsrv__buf_puts(&buf, "{\"type\":\"narration\",");
  err = jobsrv__encode_event(&buf, NULL, event, said->human_len, MAX_TEXT,
                             MAX_EVENT);
  /* a name that is there twice, in one way or another: it becomes plain */
  fuzz_check(err == 0 || err == UV_EINVAL || err == JOBSRV_EJSON);
  if (err == 0)
    check_json(&buf, is_data);
  jobsrv__buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  unsigned int how = fuzz_byte(&in);
  char *line = fuzz_copy((const char *) in.p, in.n);
  jobsrv__said_t said;
  jobsrv__buf_t room;

  jobsrv__buf_init(&room, NULL, 0);
  switch (jobsrv__said_read(&said, &room, how % JOBSRV_OUTPUT_MAX,
                            how & 64 ? TRACE : NULL, how & 128 ? 2 : 1, line,
                            in.n)) {
    case JOBSRV__SAID_EVENT:
      fuzz_check(how % JOBSRV_OUTPUT_MAX != JOBSRV_OUTPUT_PLAIN);
      check_event(&said, in.n);
      break;
    case JOBSRV__SAID_PROGRESS:
      fuzz_check(jobsrv__said_is_object(line, in.n));
      if (said.progress.unit != NULL)
        fuzz_check(strlen(said.progress.unit) <= in.n);
      if (said.progress.phase != NULL)
        fuzz_check(strlen(said.progress.phase) <= in.n);
      break;
    case JOBSRV__SAID_PLAIN:
      break;
  }
  fuzz_check(room.len <= room.cap && room.len <= 2 * in.n + 64);
  jobsrv__buf_free(&room);
  free(line);
  return 0;
}
