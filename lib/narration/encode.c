/* SPDX-License-Identifier: MIT */

#include "narration/encode.h"

#include "base/clock.h"

#include <string.h>

#include <uv.h>

/* What stands before a body: `{"type":"narration","seq":<20 digits>,`. */
enum { HEAD = 48, SMALLEST_TEXT = 32, TIME_LEN = JOBSRV__RFC3339_SIZE - 1 };

#define PUT(buf, text) jobsrv__buf_append(buf, text, sizeof(text) - 1)

/* `"time":"...","job_id":"..."`, the latter only with a job. */
enum { STAMP = 9 + TIME_LEN + 11 + JOBSRV__ID_LEN + 1 };

/*
 * The last one that this thread has made: most come again, of the same job or
 * in the same millisecond. It is what anyone would make of the two.
 */
typedef struct stamped_s {
  uint64_t wall_ms;
  jobsrv__id_t id;
  char time[JOBSRV__RFC3339_SIZE]; /* "": none yet, of either */
  char id_text[JOBSRV__ID_SIZE];
} stamped_t;

static _Thread_local stamped_t stamped;

static size_t stamp(char to[STAMP], const jobsrv_job_t *job, uint64_t wall_ns) {
  stamped_t *last = &stamped;
  uint64_t wall_ms = wall_ns / 1000000;
  char *at = to;

  if (last->wall_ms != wall_ms || last->time[0] == '\0') {
    jobsrv__rfc3339(last->time, wall_ns);
    last->wall_ms = wall_ms;
  }
  memcpy(at, "\"time\":\"", 8);
  memcpy(at + 8, last->time, TIME_LEN);
  at += 8 + TIME_LEN;
  *at++ = '"';
  if (job == NULL)
    return (size_t) (at - to);
  if (last->id_text[0] == '\0' ||
      memcmp(&last->id, &job->id, sizeof(last->id)) != 0) {
    jobsrv__id_format(&job->id, last->id_text);
    last->id = job->id;
  }
  memcpy(at, ",\"job_id\":\"", 11);
  memcpy(at + 11, last->id_text, JOBSRV__ID_LEN);
  at += 11 + JOBSRV__ID_LEN;
  *at++ = '"';
  return (size_t) (at - to);
}

static char *copy(char *at, const char *text) {
  size_t len = strlen(text);

  memcpy(at, text, len);
  return at + len;
}

size_t jobsrv__encode_state(char to[JOBSRV__STATE_BODY],
                            const jobsrv_job_t *job,
                            const jobsrv__note_t *note,
                            uint64_t wall_ns,
                            uint32_t attempt,
                            int created) {
  char *at = to + stamp(to, job, wall_ns);

  at = copy(at, ",\"state\":\"");
  at = copy(at, jobsrv_state_name((jobsrv_state_t) note->to));
  if (!created) {
    at = copy(at, "\",\"previous\":\"");
    at = copy(at, jobsrv_state_name((jobsrv_state_t) note->from));
  }
  at = copy(at, "\",\"attempt\":");
  at += jobsrv__u64_format(at, attempt);
  at = copy(at, note->cancel_requested ? ",\"cancel_requested\":true}"
                                       : ",\"cancel_requested\":false}");
  return (size_t) (at - to);
}

size_t jobsrv__encode_dropped(char to[JOBSRV__STATE_BODY],
                              const jobsrv_job_t *job,
                              uint64_t wall_ns,
                              uint64_t count) {
  char *at = to + stamp(to, job, wall_ns);

  at = copy(at, ",\"count\":");
  at += jobsrv__u64_format(at, count);
  *at++ = '}';
  return (size_t) (at - to);
}

/* `,"key":"text"`, nothing without a text. `key` brings its punctuation. */
static inline void member(jobsrv__buf_t *buf,
                          const char *key,
                          size_t key_len,
                          const char *text,
                          size_t max) {
  if (text != NULL)
    jobsrv__json_member(buf, key, key_len, text, strlen(text), max);
}

#define MEMBER(name)                                                          \
  member(buf, ",\"" #name "\":", sizeof(",\"" #name "\":") - 1, event->name,  \
         max)

static void put_source(jobsrv__buf_t *buf,
                       const jobsrv_event_t *event,
                       size_t max) {
  if (event->file == NULL)
    return;
  member(buf, ",\"source\":", 10, event->file, max);
  if (event->line <= 0 || buf->failed)
    return;
  buf->len--; /* into the string again */
  (void) jobsrv__buf_putc(buf, ':');
  (void) jobsrv__buf_puti64(buf, event->line);
  (void) jobsrv__buf_putc(buf, '"');
}

static int put_narration(jobsrv__buf_t *buf,
                         const jobsrv_event_t *event,
                         size_t human_len,
                         size_t max) {
  member(buf, ",\"level\":", 9, jobsrv_level_name(event->level), max);
  MEMBER(actor);
  MEMBER(action);
  MEMBER(target);
  jobsrv__json_member(buf, ",\"human\":", 9, event->human, human_len, max);
  MEMBER(cute);
  MEMBER(story);
  MEMBER(correlation_id);
  MEMBER(request_id);
  MEMBER(trace_id);
  MEMBER(span_id);
  MEMBER(parent_span_id);
  member(buf, ",\"fn_name\":", 11, event->function, max);
  put_source(buf, event, max);
  return jobsrv__fields_put(buf, event->fields, event->nfields, max);
}

static int put_data(jobsrv__buf_t *buf,
                    const jobsrv_event_t *event,
                    size_t max) {
  MEMBER(action);
  (void) PUT(buf, ",\"payload\":");
  return jobsrv__raw_put(buf, event->payload, event->payload_len);
}

static int encode(jobsrv__buf_t *buf,
                  const jobsrv_job_t *job,
                  const jobsrv_event_t *event,
                  size_t human_len,
                  size_t max) {
  char *to = jobsrv__buf_reserve(buf, STAMP);
  int err;

  if (to == NULL)
    return buf->failed;
  buf->len += stamp(to, job, event->wall_ns);
  err = event->kind == JOBSRV_KIND_DATA
            ? put_data(buf, event, max)
            : put_narration(buf, event, human_len, max);
  if (err != 0)
    return err;
  return jobsrv__buf_putc(buf, '}');
}

int jobsrv__encode_event(jobsrv__buf_t *buf,
                         const jobsrv_job_t *job,
                         const jobsrv_event_t *event,
                         size_t human_len,
                         uint32_t max_text,
                         uint32_t max_event_bytes) {
  size_t most = max_event_bytes > HEAD ? max_event_bytes - HEAD : 0;
  size_t max = max_text;
  size_t from = buf->len;
  int err = jobsrv__fields_check(event->fields, event->nfields);

  if (err == 0 && event->payload_len > most)
    err = JOBSRV_ETOOBIG;
  if (err != 0)
    return err;
  for (;;) {
    err = encode(buf, job, event, human_len, max);
    if (err == 0 && buf->len - from <= most)
      return 0;
    buf->len = from;
    buf->failed = 0;
    if (err != 0)
      return err;
    /* Too long: once more with shorter texts, each by at least a half. */
    if (max <= SMALLEST_TEXT)
      return JOBSRV_ETOOBIG;
    max = (max < most ? max : most) / 2;
  }
}
