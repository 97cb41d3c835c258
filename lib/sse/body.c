/* SPDX-License-Identifier: MIT */

#include "sse/body.h"

#include <string.h>

enum {
  LENGTH_DATA, /* of a body without chunks */
  SIZE,
  EXTENSION,
  SIZE_LF,
  CHUNK_DATA,
  CHUNK_CR,
  CHUNK_LF,
  TRAILER_START,
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  LAST_LF,
  DONE
};

enum {
  MAX_DIGITS = 16
};

static int refuse(jobsrv__body_t *body, int status, const char *detail) {
  body->status = (uint16_t) status;
  body->detail = detail;
  return JOBSRV__BODY_REFUSED;
}

static int go(jobsrv__body_t *body, int stage) {
  body->stage = (uint8_t) stage;
  return stage == DONE ? JOBSRV__BODY_DONE : JOBSRV__BODY_MORE;
}

int jobsrv__body_init(jobsrv__body_t *body,
                      const jobsrv__head_t *head,
                      const jobsrv__body_limits_t *limits) {
  memset(body, 0, sizeof(*body));
  body->limits = *limits;
  if (head->is_chunked)
    return go(body, SIZE);
  if (head->content_length == 0)
    return go(body, DONE);
  if (head->content_length > limits->max_body)
    return refuse(body, 413, "body larger than the limit");
  body->left = head->content_length;
  return go(body, LENGTH_DATA);
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c = jobsrv__lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int feed_size(jobsrv__body_t *body, char c) {
  int value = hex_value(c);

  if (value >= 0) {
    if (body->digits == MAX_DIGITS)
      return refuse(body, 400, "chunk size too long");
    body->digits++;
    body->left = body->left << 4 | (uint64_t) value;
    return JOBSRV__BODY_MORE;
  }
  if (body->digits == 0 || (c != '\r' && c != ';'))
    return refuse(body, 400, "malformed chunk size");
  if (body->left > body->limits.max_body - body->total)
    return refuse(body, 413, "body larger than the limit");
  body->total += body->left;
  return go(body, c == ';' ? EXTENSION : SIZE_LF);
}

static int is_bad_control(char c) {
  return ((unsigned char) c < 0x20 && c != '\t') || c == 0x7f;
}

static int feed_extension(jobsrv__body_t *body, char c) {
  if (c == '\r')
    return go(body, SIZE_LF);
  if (is_bad_control(c))
    return refuse(body, 400, "control byte in a chunk extension");
  if (body->extension == body->limits.max_extension)
    return refuse(body, 413, "chunk extensions too large");
  body->extension++;
  return JOBSRV__BODY_MORE;
}

static int feed_lf(jobsrv__body_t *body, char c, int next) {
  if (c != '\n')
    return refuse(body, 400, "carriage return without a line feed");
  return go(body, next);
}

/* Fields that would change how this message, or who it is for, was read. */
static int is_forbidden_trailer(const jobsrv__body_t *body) {
  static const char *const names[] = {
      "content-length", "transfer-encoding", "host", "trailer", "te",
      "connection", "expect", "content-type", "content-encoding",
      "authorization"};
  jobsrv__span_t name = jobsrv__span(body->name, body->name_len);
  size_t i;

  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (jobsrv__span_is(name, names[i]))
      return 1;
  return 0;
}

static int feed_trailer_name(jobsrv__body_t *body, char c) {
  if (c == ':') {
    if (body->name_len == 0)
      return refuse(body, 400, "trailer field without a name");
    if (is_forbidden_trailer(body))
      return refuse(body, 400, "a trailer field that may not be one");
    return go(body, TRAILER_VALUE);
  }
  if (!jobsrv__is_token_char((unsigned char) c))
    return refuse(body, 400, "malformed trailer field");
  if (body->name_len < JOBSRV__BODY_NAME_MAX)
    body->name[body->name_len++] = jobsrv__lower(c);
  return go(body, TRAILER_NAME);
}

static int feed_trailer(jobsrv__body_t *body, char c) {
  if (body->stage == TRAILER_START && c == '\r')
    return go(body, LAST_LF);
  /* 3: this byte and the CRLF that its line will have at least */
  if (body->stage != TRAILER_LF && c != '\r' &&
      body->trailer + 3 > body->limits.max_trailer)
    return refuse(body, 431, "trailer too large");
  body->trailer++;
  if (body->stage == TRAILER_LF) {
    body->name_len = 0;
    return feed_lf(body, c, TRAILER_START);
  }
  if (body->stage != TRAILER_VALUE)
    return feed_trailer_name(body, c);
  if (c == '\r')
    return go(body, TRAILER_LF);
  if (is_bad_control(c))
    return refuse(body, 400, "control byte in a trailer field");
  return JOBSRV__BODY_MORE;
}

static int feed_byte(jobsrv__body_t *body, char c) {
  switch (body->stage) {
  case SIZE:
    return feed_size(body, c);
  case EXTENSION:
    return feed_extension(body, c);
  case SIZE_LF:
    return feed_lf(body, c, body->left == 0 ? TRAILER_START : CHUNK_DATA);
  case CHUNK_CR:
    if (c != '\r')
      return refuse(body, 400, "chunk longer than its size");
    return go(body, CHUNK_LF);
  case CHUNK_LF:
    body->digits = 0;
    return feed_lf(body, c, SIZE);
  case LAST_LF:
    return feed_lf(body, c, DONE);
  default:
    return feed_trailer(body, c);
  }
}

static size_t feed_data(jobsrv__body_t *body,
                        const char *data,
                        size_t len,
                        jobsrv__buf_t *to) {
  size_t n = len < body->left ? len : (size_t) body->left;

  if (to != NULL)
    (void) jobsrv__buf_append(to, data, n);
  body->left -= n;
  if (body->left == 0)
    body->stage = body->stage == LENGTH_DATA ? DONE : CHUNK_CR;
  return n;
}

int jobsrv__body_feed(jobsrv__body_t *body,
                      const char *data,
                      size_t len,
                      size_t *used,
                      jobsrv__buf_t *to) {
  size_t at = 0;
  int rc = body->stage == DONE ? JOBSRV__BODY_DONE : JOBSRV__BODY_MORE;

  while (at < len && rc == JOBSRV__BODY_MORE) {
    if (body->stage == LENGTH_DATA || body->stage == CHUNK_DATA) {
      at += feed_data(body, data + at, len - at, to);
      rc = body->stage == DONE ? JOBSRV__BODY_DONE : JOBSRV__BODY_MORE;
    } else {
      rc = feed_byte(body, data[at]);
      at++;
    }
  }
  *used = at;
  return rc;
}
