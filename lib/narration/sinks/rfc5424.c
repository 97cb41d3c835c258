/* SPDX-License-Identifier: MIT */

#include "narration/sinks/rfc5424.h"

#include "base/clock.h"
#include "base/format.h"
#include "base/utf8.h"
#include "narration/show.h"
#include "narration/sinks/members.h"

#include <stdio.h>
#include <string.h>

enum {
  MSGID = 33,
  PARAM_NAME = 32,
  TIME = JOBSRV__RFC3339_SIZE + 3,
  RESERVE = 24 /* of the structured data, for what says that it was cut */
};

static const char bom[] = "\xef\xbb\xbf";
static const char dots[] = "\xe2\x80\xa6";
static const char truncated[] = " truncated=\"1\"";

typedef struct message_s {
  jobsrv__buf_t *buf;
  jobsrv__buf_t *shown;
  size_t start;     /* of the message */
  size_t limit;     /* of it, at the end of the structured data */
  size_t most;      /* of one value */
  int cut;
} message_t;

void jobsrv__rfc5424_name(char *to, size_t cap, const char *from) {
  size_t n = 0;

  for (; from != NULL && from[n] != '\0' && n < cap - 1; n++)
    to[n] = from[n] > ' ' && from[n] <= '~' ? from[n] : '_';
  if (n == 0)
    to[n++] = '-';
  to[n] = '\0';
}

/* With microseconds. */
static void time_of(char to[TIME], uint64_t wall_ns) {
  unsigned int us = (unsigned int) (wall_ns / 1000 % 1000);

  jobsrv__rfc3339(to, wall_ns);
  (void) snprintf(to + JOBSRV__RFC3339_SIZE - 2, 5, "%03uZ", us);
}

/* Shown, and at most `max` bytes of that, cut at a character. 1 if it was. */
static int show(jobsrv__buf_t *shown,
                const char *text,
                size_t len,
                size_t max) {
  size_t n = len;
  size_t mark = sizeof(dots) - 1;

  for (;;) {
    jobsrv__buf_reset(shown);
    jobsrv__show(shown, text, n);
    if (n < len)
      (void) jobsrv__buf_append(shown, dots, mark);
    if (shown->len <= max || n == 0 || shown->failed != 0)
      break;
    /* by as much as it is too long, and never by nothing */
    max = max > mark ? max : mark;
    n = jobsrv__utf8_cut(text, len,
                         (size_t) ((double) n * (double) max /
                                   (double) (shown->len + mark)));
  }
  return n < len;
}

/* ---- structured data ---- */

static void name_put(jobsrv__buf_t *buf, const char *name) {
  size_t len = strlen(name);
  char *to = jobsrv__buf_reserve(buf, PARAM_NAME);

  if (to == NULL)
    return;
  len = len < PARAM_NAME ? len : PARAM_NAME;
  for (size_t i = 0; i < len; i++)
    to[i] = name[i] > ' ' && name[i] <= '~' && strchr("=]\"", name[i]) == NULL
                ? name[i]
                : '_';
  buf->len += len;
}

static void value_put(jobsrv__buf_t *buf, const char *text, size_t len) {
  size_t from = 0;

  for (size_t i = 0; i < len; i++) {
    if (text[i] != '"' && text[i] != '\\' && text[i] != ']')
      continue;
    (void) jobsrv__buf_append(buf, text + from, i - from);
    (void) jobsrv__buf_putc(buf, '\\');
    from = i;
  }
  (void) jobsrv__buf_append(buf, text + from, len - from);
}

/* ` name="value"`, all of it, or as much of the value as there is room for. */
static void param_put(message_t *message,
                      const char *name,
                      const char *text,
                      size_t len) {
  jobsrv__buf_t *buf = message->buf;
  size_t from = buf->len;
  size_t most = message->most;
  int cut = 0;

  for (;; most /= 2) {
    cut |= show(message->shown, text, len, most);
    (void) jobsrv__buf_putc(buf, ' ');
    name_put(buf, name);
    (void) jobsrv__buf_puts(buf, "=\"");
    value_put(buf, message->shown->data, message->shown->len);
    (void) jobsrv__buf_putc(buf, '"');
    if (buf->failed != 0 || buf->len - message->start <= message->limit)
      break;
    buf->len = from; /* escapes, or what stands before it, take too much */
    cut = 1;
    if (most < RESERVE)
      break;
    if (most > message->shown->len)
      most = message->shown->len;
  }
  message->cut |= cut;
}

/* What is in the header or is the text itself is not said again. */
static void on_member(void *arg,
                      const char *name,
                      const char *text,
                      size_t len) {
  if (strcmp(name, "human") != 0 && strcmp(name, "time") != 0 &&
      strcmp(name, "payload") != 0)
    param_put(arg, name, text, len);
}

/* ---- the message ---- */

static void head_put(jobsrv__buf_t *buf,
                     const jobsrv__identity_t *identity,
                     const jobsrv_event_t *event) {
  char time[TIME];
  char id[MSGID];

  time_of(time, event->wall_ns);
  jobsrv__rfc5424_name(id, sizeof(id), event->action);
  (void) jobsrv__buf_printf(buf, "<%d>1 %s %s %s %s %s [%s",
                            identity->facility * 8 +
                                jobsrv__severity(event->level),
                            time, identity->host, identity->app, identity->pid,
                            id, identity->sd_id);
}

/* Its length, were there no limits. */
static void put(message_t *message,
                const jobsrv__identity_t *identity,
                const jobsrv_event_t *event,
                size_t max,
                jobsrv__buf_t *scratch) {
  const char *text = event->payload != NULL ? event->payload : event->human;
  size_t len =
      event->payload != NULL ? event->payload_len : strlen(event->human);
  jobsrv__buf_t *buf = message->buf;
  size_t used;

  head_put(buf, identity, event);
  if (jobsrv__members_each(event, scratch, on_member, message) != 0)
    buf->failed = scratch->failed;
  if (message->cut)
    (void) jobsrv__buf_puts(buf, truncated);
  (void) jobsrv__buf_puts(buf, "] ");
  (void) jobsrv__buf_append(buf, bom, 3);
  used = buf->len - message->start;
  message->cut |=
      show(message->shown, text, len, max > used ? max - used : 0);
  (void) jobsrv__buf_append(buf, message->shown->data, message->shown->len);
  if (message->shown->failed != 0)
    buf->failed = message->shown->failed;
}

void jobsrv__rfc5424_put(jobsrv__buf_t *buf,
                         const jobsrv__identity_t *identity,
                         const jobsrv_event_t *event,
                         size_t max,
                         jobsrv__buf_t *scratch,
                         jobsrv__buf_t *shown) {
  message_t message = {
    .buf = buf,
    .shown = shown,
    .start = buf->len,
    .limit = SIZE_MAX,
    .most = SIZE_MAX,
  };
  size_t text;

  put(&message, identity, event, SIZE_MAX, scratch);
  if (buf->failed != 0 || buf->len - message.start <= max)
    return;
  text = shown->len < max / 4 ? shown->len : max / 4;
  buf->len = message.start;
  message.cut = 1; /* something will be */
  message.limit = max - text - RESERVE;
  message.most = max / 8;
  put(&message, identity, event, max, scratch);
}

size_t jobsrv__rfc5424_notice(const void *arg,
                              char to[JOBSRV__NOTICE_MAX],
                              uint64_t count,
                              uint64_t wall_ns) {
  const jobsrv__identity_t *identity = arg;
  char time[TIME];

  time_of(time, wall_ns);
  return jobsrv__format(
      to, JOBSRV__NOTICE_MAX,
      "<%d>1 %s %s %s %s dropped [%s type=\"dropped\" count=\"%llu\"] "
      "%s%llu events were dropped",
      identity->facility * 8 + jobsrv__severity(JOBSRV_WARN), time,
      identity->host, identity->app, identity->pid, identity->sd_id,
      (unsigned long long) count, bom, (unsigned long long) count);
}
