/* SPDX-License-Identifier: MIT */

#include "sse/frames.h"

#include "base/clock.h"
#include "base/utf8.h"

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
  int len;

  va_start(args, format);
  len = vsnprintf(to, PIECE, format, args);
  va_end(args);
  return len > 0 ? to + (len < PIECE ? len : PIECE - 1) : to;
}

/* ---- chunks ---- */

static char *chunk_begin(const jobsrv__frames_t *frames, char *to) {
  return frames->chunked ? to + JOBSRV_CHUNK_HEAD : to;
}

/* `start` is where the chunk began, `to` the end of its content. */
static char *chunk_end(const jobsrv__frames_t *frames, char *start, char *to) {
  char head[JOBSRV_CHUNK_HEAD + 1];

  if (!frames->chunked)
    return to;
  (void) snprintf(head, sizeof(head), "%06x\r\n",
                  (unsigned int) (to - start - JOBSRV_CHUNK_HEAD) & 0xffffff);
  memcpy(start, head, JOBSRV_CHUNK_HEAD);
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

size_t jobsrv__frame_opening(const jobsrv__frames_t *frames,
                             uint64_t after,
                             unsigned int retry_ms,
                             char *to) {
  char time[JOBSRV__RFC3339_SIZE];
  char *p = chunk_begin(frames, to);

  p = putf(p,
           "event: state\nretry: %u\nid: %s-%" PRIu64
           "\ndata: {\"type\":\"state\",\"time\":\"%s\"",
           retry_ms, jobsrv_boot(frames->srv), after,
           time_text(time, jobsrv_wall_now(frames->srv)));
  p = put(put_record(frames, p), "\n\n");
  return (size_t) (chunk_end(frames, to, p) - to);
}

/* ---- gaps ---- */

static char *put_gap(const jobsrv__frames_t *frames, uint64_t id, char *to) {
  char time[JOBSRV__RFC3339_SIZE];
  char job_id[JOBSRV_ID_SIZE];

  return putf(to,
              "event: gap\nid: %s-%" PRIu64
              "\ndata: {\"type\":\"gap\",\"time\":\"%s\",\"job_id\":\"%s\"",
              jobsrv_boot(frames->srv), id,
              time_text(time, jobsrv_wall_now(frames->srv)),
              jobsrv_job_id(frames->job, job_id));
}

size_t jobsrv__frame_trimmed(const jobsrv__frames_t *frames,
                             uint64_t missed_from,
                             uint64_t missed_to,
                             char *to) {
  char *p = chunk_begin(frames, to);

  p = put_gap(frames, missed_to, p);
  p = putf(p,
           ",\"missed_from\":%" PRIu64 ",\"missed_to\":%" PRIu64
           ",\"reason\":\"trimmed\"}\n\n",
           missed_from, missed_to);
  return (size_t) (chunk_end(frames, to, p) - to);
}

size_t jobsrv__frame_restart(const jobsrv__frames_t *frames, char *to) {
  char *p = put_gap(frames, 0, chunk_begin(frames, to));

  p = put(p, ",\"reason\":\"restart\"}\n\n");
  return (size_t) (chunk_end(frames, to, p) - to);
}

/* ---- the end ---- */

/* What ends lines elsewhere, or turns the direction of writing. */
static int is_turn(uint32_t cp) {
  return cp == 0x61c || cp == 0x200e || cp == 0x200f ||
         (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

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
    else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
      to += snprintf(to, 5, "\\x%02x", (unsigned int) cp);
    else if (is_turn(cp))
      to += snprintf(to, 7, "\\u%04x", (unsigned int) cp);
    else
      to += jobsrv__utf8_encode(to, cp);
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

size_t jobsrv__frames_end(const jobsrv__frames_t *frames, char *to) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  char time[JOBSRV__RFC3339_SIZE];
  char *start = to;
  char *p = chunk_begin(frames, start);

  jobsrv_job_info(frames->job, &info);
  p = putf(p,
           "event: end\ndata: {\"type\":\"end\",\"seq\":%" PRIu64
           ",\"time\":\"%s\"",
           info.last_seq, time_text(time, info.finished_wall_ns));
  p = put(put_record(frames, p), "\n\n");
  p = chunk_end(frames, start, p);

  /* the id is the end's: whoever has it has seen everything */
  start = p;
  p = chunk_begin(frames, start);
  p = putf(p, "id: %s-%" PRIu64 "\ndata: ", jobsrv_boot(frames->srv),
           info.last_seq);
  p = put(put_marker(&info, p), "\n\n");
  p = chunk_end(frames, start, p);
  if (frames->chunked)
    p = put(p, "0\r\n\r\n");
  return (size_t) (p - to);
}

size_t jobsrv__frame_heartbeat(int chunked, char *to) {
  const char *text = chunked ? "000003\r\n:\n\n\r\n" : ":\n\n";

  return (size_t) (put(to, text) - to);
}
