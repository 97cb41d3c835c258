/* SPDX-License-Identifier: MIT */

#include "sse/frames.h"

#include "base/clock.h"
#include "base/format.h"
#include "base/utf8.h"
#include "sse/text_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Everything but a record and a marker's text fits well within this. */
enum { PIECE = 1024 };

static char *put(char *to, const char *text) {
  size_t len = strlen(text);

  memcpy(to, text, len);
  return to + len;
}

static char *putf(char *to, const char *format, ...) JOBSRV_PRINTF(2, 3);

static char *putf(char *to, const char *format, ...) {
  va_list args;

  va_start(args, format);
  to += jobsrv__vformat(to, PIECE, format, args);
  va_end(args);
  return to;
}

/* "id: <boot>-<n>" and its line end. */
static char *put_id(const jobsrv__frames_t *frames, uint64_t id, char *to) {
  return putf(to, "id: %s-%s%" PRIu64 "\n", jobsrv_boot(frames->srv),
              frames->is_global ? "g" : "", id);
}

size_t jobsrv__json_id(const jobsrv__frames_t *frames, uint64_t id, char *to) {
  if (!frames->is_global || frames->form != JOBSRV__FORM_NDJSON)
    return 0;
  return (size_t) (putf(to, "\"id\":\"%s-g%" PRIu64 "\",",
                        jobsrv_boot(frames->srv), id) -
                   to);
}

/* ---- chunks ---- */

static char *chunk_begin(const jobsrv__frames_t *frames, char *to) {
  return frames->chunked ? to + JOBSRV_CHUNK_HEAD : to;
}

void jobsrv__chunk_head(char *to, size_t len) {
  char head[JOBSRV_CHUNK_HEAD + 1];

  (void) snprintf(head, sizeof(head), "%06x\r\n",
                  (unsigned int) len & 0xffffff);
  memcpy(to, head, JOBSRV_CHUNK_HEAD);
}

size_t jobsrv__chunk_len(const char *head) {
  size_t len = 0;

  for (int i = 0; i < JOBSRV_CHUNK_HEAD - 2; i++) {
    char c = head[i];

    len = len << 4 | (size_t) (c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return len;
}

/* `start` is where the chunk began, `to` the end of its content. */
static char *chunk_end(const jobsrv__frames_t *frames, char *start, char *to) {
  if (!frames->chunked)
    return to;
  jobsrv__chunk_head(start, (size_t) (to - start) - JOBSRV_CHUNK_HEAD);
  return put(to, "\r\n");
}

/* ---- what the data consists of ---- */

size_t jobsrv__links(const char *prefix, const jobsrv_job_t *job, char *to) {
  char id[JOBSRV_ID_SIZE];

  jobsrv_job_id(job, id);
  return (size_t) (putf(to,
                        "\"links\":{\"self\":\"%s/jobs/%s\","
                        "\"stream\":\"%s/jobs/%s/stream\","
                        "\"cancel\":\"%s/jobs/%s/cancel\"}",
                        prefix, id, prefix, id, prefix, id) -
                   to);
}

static const char *time_text(char to[JOBSRV__RFC3339_SIZE], uint64_t wall_ns) {
  jobsrv__rfc3339(to, wall_ns);
  return to;
}

/* The record's members behind the ones that are there, and the links. */
static char *put_record(const jobsrv__frames_t *frames, char *to) {
  size_t len = jobsrv_job_record(frames->job, JOBSRV_RECORD_BRIEF, to,
                                 JOBSRV_RECORD_MAX);

  /* its opening brace is the comma that is due here, its closing one too */
  *to = ',';
  to += len - 1;
  *to++ = ',';
  to += jobsrv__links(frames->prefix, frames->job, to);
  *to++ = '}';
  return to;
}

/* "build job-...: running", for people. */
static char *put_job(const jobsrv__frames_t *frames, char *to) {
  char id[JOBSRV_ID_SIZE];

  return putf(to, "%s %s: %s", jobsrv_job_operation(frames->job),
              jobsrv_job_id(frames->job, id),
              jobsrv_state_name(jobsrv_job_state(frames->job)));
}

static const char *end_of(const jobsrv__frames_t *frames) {
  return frames->form == JOBSRV__FORM_NDJSON ? "\n" : "\n\n";
}

size_t jobsrv__frame_opening(const jobsrv__frames_t *frames,
                             uint64_t after,
                             unsigned int retry_ms,
                             char *to) {
  char time[JOBSRV__RFC3339_SIZE];
  char *p = chunk_begin(frames, to);

  if (frames->form != JOBSRV__FORM_NDJSON)
    p = put(put_id(frames, after,
                   putf(p, "event: state\nretry: %u\n", retry_ms)),
            "data: ");
  if (frames->form == JOBSRV__FORM_TEXT) {
    p = put_job(frames, p);
  } else {
    *p++ = '{';
    p += jobsrv__json_id(frames, after, p);
    p = putf(p, "\"type\":\"state\",\"time\":\"%s\"",
             time_text(time, jobsrv_wall_now(frames->srv)));
    p = put_record(frames, p);
  }
  p = put(p, end_of(frames));
  return (size_t) (chunk_end(frames, to, p) - to);
}

/* ---- gaps ---- */

static char *put_gap(const jobsrv__frames_t *frames, uint64_t id, char *to) {
  char time[JOBSRV__RFC3339_SIZE];
  char job_id[JOBSRV_ID_SIZE];

  *to++ = '{';
  to += jobsrv__json_id(frames, id, to);
  to = putf(to, "\"type\":\"gap\",\"time\":\"%s\"",
            time_text(time, jobsrv_wall_now(frames->srv)));
  if (frames->job == NULL)
    return to;
  return putf(to, ",\"job_id\":\"%s\"", jobsrv_job_id(frames->job, job_id));
}

static char *put_trimmed(const jobsrv__frames_t *frames,
                         uint64_t missed_from,
                         uint64_t missed_to,
                         uint64_t id,
                         char *to) {
  return putf(put_gap(frames, id, to),
              ",\"missed_from\":%" PRIu64 ",\"missed_to\":%" PRIu64
              ",\"reason\":\"trimmed\"}",
              missed_from, missed_to);
}

size_t jobsrv__json_trimmed(const jobsrv__frames_t *frames,
                            uint64_t missed_from,
                            uint64_t missed_to,
                            char *to) {
  return (size_t) (put_trimmed(frames, missed_from, missed_to, 0, to) - to);
}

size_t jobsrv__json_restart(const jobsrv__frames_t *frames, char *to) {
  return (size_t) (put(put_gap(frames, 0, to), ",\"reason\":\"restart\"}") -
                   to);
}

static char *gap_head(const jobsrv__frames_t *frames, uint64_t id, char *to) {
  if (frames->form == JOBSRV__FORM_NDJSON)
    return to;
  return put(put_id(frames, id, put(to, "event: gap\n")), "data: ");
}

size_t jobsrv__frame_trimmed(const jobsrv__frames_t *frames,
                             uint64_t missed_from,
                             uint64_t missed_to,
                             char *to) {
  return jobsrv__frame_trimmed_at(frames, missed_from, missed_to, missed_to,
                                  to);
}

size_t jobsrv__frame_trimmed_at(const jobsrv__frames_t *frames,
                                uint64_t missed_from,
                                uint64_t missed_to,
                                uint64_t id,
                                char *to) {
  char *p = gap_head(frames, id, chunk_begin(frames, to));
  char job_id[JOBSRV_ID_SIZE];

  if (frames->form == JOBSRV__FORM_TEXT) {
    if (frames->is_global)
      p = putf(p, "%s: ", jobsrv_job_id(frames->job, job_id));
    p = putf(p, "events %" PRIu64 " to %" PRIu64 " are no longer kept",
             missed_from, missed_to);
  } else {
    p = put_trimmed(frames, missed_from, missed_to, id, p);
  }
  p = put(p, end_of(frames));
  return (size_t) (chunk_end(frames, to, p) - to);
}

size_t jobsrv__frame_restart(const jobsrv__frames_t *frames, char *to) {
  char *p = gap_head(frames, 0, chunk_begin(frames, to));

  if (frames->form == JOBSRV__FORM_TEXT)
    p = put(p, "the server was started anew");
  else
    p += jobsrv__json_restart(frames, p);
  p = put(p, end_of(frames));
  return (size_t) (chunk_end(frames, to, p) - to);
}

size_t jobsrv__frame_forgotten(const jobsrv__frames_t *frames,
                               uint64_t id,
                               char *to) {
  char *p = gap_head(frames, id, chunk_begin(frames, to));

  if (frames->form == JOBSRV__FORM_TEXT)
    p = put(p, "events of jobs that have gone are no longer kept");
  else
    p = put(put_gap(frames, id, p), ",\"reason\":\"forgotten\"}");
  p = put(p, end_of(frames));
  return (size_t) (chunk_end(frames, to, p) - to);
}

/* ---- the end ---- */

/*
 * Text for a line that is shown as it is: line ends become spaces, other
 * controls their escapes, so that none of them acts on who shows it.
 */
static char *put_text(char *to, const char *text) {
  const char *end = to + JOBSRV__MARKER_TEXT - 8;
  size_t left = strlen(text);
  uint32_t cp;
  size_t n;

  for (; left > 0 && to < end; text += n, left -= n) {
    n = jobsrv__utf8_decode(text, left, &cp);
    if (cp == '\r' || cp == '\n')
      *to++ = ' ';
    else
      to += jobsrv__shown(to, cp);
  }
  return to;
}

static char *put_marker(const jobsrv_job_info_t *info, char *to) {
  if (info->state == JOBSRV_STATE_COMPLETED)
    return put(to, "[DONE]");
  if (info->state == JOBSRV_STATE_CANCELLED)
    return put(to, "[CANCELLED]");
  to = put(to, "[ERROR] ");
  if (info->error_message != NULL && *info->error_message != '\0')
    return put_text(to, info->error_message);
  return put_text(to, info->error_code != NULL ? info->error_code : "failed");
}

static char *put_end(const jobsrv__frames_t *frames, uint64_t id, char *to) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  char time[JOBSRV__RFC3339_SIZE];

  jobsrv_job_info(frames->job, &info);
  *to++ = '{';
  to += jobsrv__json_id(frames, id, to);
  to = putf(to, "\"type\":\"end\",\"seq\":%" PRIu64 ",\"time\":\"%s\"",
            info.last_seq, time_text(time, info.finished_wall_ns));
  return put_record(frames, to);
}

size_t jobsrv__json_end(const jobsrv__frames_t *frames, char *to) {
  return (size_t) (put_end(frames, 0, to) - to);
}

static char *put_last_chunk(const jobsrv__frames_t *frames, char *to) {
  return frames->chunked ? put(to, "0\r\n\r\n") : to;
}

/* The id is the end's: whoever has it has seen everything. */
static char *put_marker_frame(const jobsrv__frames_t *frames, char *to) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  char *p = chunk_begin(frames, to);

  jobsrv_job_info(frames->job, &info);
  p = put(put_id(frames, info.last_seq, p), "data: ");
  p = put(put_marker(&info, p), "\n\n");
  return chunk_end(frames, to, p);
}

size_t jobsrv__frames_end(const jobsrv__frames_t *frames, char *to) {
  char *p = chunk_begin(frames, to);

  if (frames->form != JOBSRV__FORM_NDJSON)
    p = put(p, "event: end\ndata: ");
  if (frames->form == JOBSRV__FORM_TEXT)
    p = put_job(frames, p);
  else
    p += jobsrv__json_end(frames, p);
  p = put(p, end_of(frames));
  p = chunk_end(frames, to, p);
  if (frames->form != JOBSRV__FORM_NDJSON)
    p = put_marker_frame(frames, p);
  return (size_t) (put_last_chunk(frames, p) - to);
}

size_t jobsrv__frame_end_of(const jobsrv__frames_t *frames,
                            uint64_t id,
                            char *to) {
  char *p = chunk_begin(frames, to);

  if (frames->form != JOBSRV__FORM_NDJSON)
    p = put(put_id(frames, id, put(p, "event: end\n")), "data: ");
  if (frames->form == JOBSRV__FORM_TEXT)
    p = put_job(frames, p);
  else
    p = put_end(frames, id, p);
  return (size_t) (chunk_end(frames, to, put(p, end_of(frames))) - to);
}

/* ---- in between ---- */

size_t jobsrv__frame_heartbeat(const jobsrv__frames_t *frames,
                               const uint64_t *after,
                               char *to) {
  char *p = chunk_begin(frames, to);
  char time[JOBSRV__RFC3339_SIZE];
  char id[JOBSRV_ID_SIZE];

  if (frames->form != JOBSRV__FORM_NDJSON) {
    p = after != NULL ? put(put_id(frames, *after, p), "\n")
                      : put(p, ":\n\n");
    return (size_t) (chunk_end(frames, to, p) - to);
  }
  *p++ = '{';
  if (after != NULL)
    p += jobsrv__json_id(frames, *after, p);
  p = putf(p, "\"type\":\"heartbeat\",\"time\":\"%s\"",
           time_text(time, jobsrv_wall_now(frames->srv)));
  if (frames->job != NULL)
    p = putf(p, ",\"job_id\":\"%s\"", jobsrv_job_id(frames->job, id));
  if (after != NULL && !frames->is_global)
    p = putf(p, ",\"after\":%" PRIu64, *after);
  p = put(p, "}\n");
  return (size_t) (chunk_end(frames, to, p) - to);
}

size_t jobsrv__frame_begin(const jobsrv__frames_t *frames,
                           uint64_t after,
                           unsigned int retry_ms,
                           char *to) {
  char *p;

  if (frames->form == JOBSRV__FORM_NDJSON)
    return jobsrv__frame_heartbeat(frames, &after, to);
  p = putf(put_id(frames, after, chunk_begin(frames, to)), "retry: %u\n\n",
           retry_ms);
  return (size_t) (chunk_end(frames, to, p) - to);
}

size_t jobsrv__frames_break(const jobsrv__frames_t *frames,
                            uint64_t after,
                            unsigned int retry_ms,
                            char *to) {
  char *p = to;

  if (frames->form != JOBSRV__FORM_NDJSON)
    p += jobsrv__frame_begin(frames, after, retry_ms, to);
  return (size_t) (put_last_chunk(frames, p) - to);
}
