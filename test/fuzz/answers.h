/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_FUZZ_ANSWERS_H
#define JOBSRV_TEST_FUZZ_ANSWERS_H

/*
 * Reads what a server has sent, and lets nothing pass that is not to the letter
 * of RFC 9112: one answer after the other, none of them in doubt.
 */

#include "fuzz.h"

#include "jobsrv/json.h"

enum { ANSWER_ROOM = 1 << 20 };

typedef struct {
  int status;
  const char *head; /* its field lines, each with its line end */
  size_t head_len;
  const char *body; /* what the chunks hold, if it came in chunks */
  size_t body_len;
  int closes;
  int is_chunked;
  int is_endless;   /* a stream that may go on */
} answer_t;

/* What is left to be read. */
typedef struct {
  const char *p;
  size_t n;
  char *room; /* for what came in chunks, ANSWER_ROOM bytes */
  size_t used;
} answers_t;

static inline int answer_token(unsigned char c) {
  return c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

/* The next line without its end; the end has to be there. */
static inline const char *answer_line(answers_t *in, size_t *len) {
  const char *line = in->p;
  const char *end = fuzz_find(line, in->n, "\r\n");

  fuzz_check(end != NULL);
  *len = (size_t) (end - line);
  in->p = end + 2;
  in->n -= *len + 2;
  return line;
}

/* The value of the only field of that name, or NULL. */
static inline const char *answer_field(const answer_t *answer,
                                       const char *name,
                                       size_t *len) {
  const char *p = answer->head;
  const char *end = p + answer->head_len;
  size_t n = strlen(name);
  const char *found = NULL;

  while (p < end) {
    const char *stop = fuzz_find(p, (size_t) (end - p), "\r\n");

    if ((size_t) (stop - p) > n + 1 && memcmp(p, name, n) == 0 &&
        p[n] == ':') {
      fuzz_check(found == NULL);
      found = p + n + 2;
      *len = (size_t) (stop - found);
    }
    p = stop + 2;
  }
  return found;
}

/* `value` NULL: any. */
static inline int answer_has(const answer_t *answer,
                             const char *name,
                             const char *value) {
  size_t len = 0;
  const char *found = answer_field(answer, name, &len);

  return found != NULL && (value == NULL || (len == strlen(value) &&
                                             memcmp(found, value, len) == 0));
}

static inline void answer_start(answers_t *in, answer_t *answer) {
  size_t len;
  const char *line = answer_line(in, &len);

  fuzz_check(len > 13 && memcmp(line, "HTTP/1.1 ", 9) == 0);
  fuzz_check(line[9] >= '1' && line[9] <= '5' && line[12] == ' ');
  for (int i = 9; i < 12; i++) {
    fuzz_check(line[i] >= '0' && line[i] <= '9');
    answer->status = answer->status * 10 + (line[i] - '0');
  }
  for (size_t i = 13; i < len; i++)
    fuzz_check(line[i] >= ' ' && line[i] < 0x7f);
  fuzz_check(fuzz_find(line + 13, len - 13, "Unknown") == NULL);
}

static inline void answer_head(answers_t *in, answer_t *answer) {
  const char *line;
  size_t len, at;

  answer->head = in->p;
  while ((line = answer_line(in, &len)), len > 0) {
    for (at = 0; at < len && answer_token((unsigned char) line[at]); at++)
      ;
    fuzz_check(at > 0 && len > at + 2 && line[at] == ':' &&
               line[at + 1] == ' ' && line[at + 2] != ' ');
    for (; at < len; at++)
      fuzz_check(((unsigned char) line[at] >= ' ' && line[at] != 0x7f) ||
                 line[at] == '\t');
    answer->head_len = (size_t) (in->p - answer->head);
  }
}

static inline size_t answer_number(const char *p, size_t len, int base) {
  size_t n = 0;

  fuzz_check(len > 0 && len < 8);
  for (size_t i = 0; i < len; i++) {
    int digit = p[i] >= '0' && p[i] <= '9'   ? p[i] - '0'
                : p[i] >= 'a' && p[i] <= 'f' ? p[i] - 'a' + 10
                                             : 99;

    fuzz_check(digit < base);
    n = n * (size_t) base + (size_t) digit;
  }
  return n;
}

static inline void answer_chunks(answers_t *in, answer_t *answer) {
  const char *line;
  size_t len, n;

  answer->body = in->room + in->used;
  answer->is_endless = 1;
  while (in->n > 0) {
    line = answer_line(in, &len);
    n = answer_number(line, len, 16);
    fuzz_check(n + 2 <= in->n && memcmp(in->p + n, "\r\n", 2) == 0);
    fuzz_check(in->used + n <= ANSWER_ROOM);
    memcpy(in->room + in->used, in->p, n);
    in->used += n;
    answer->body_len += n;
    in->p += n + 2;
    in->n -= n + 2;
    if (n == 0) {
      answer->is_endless = 0;
      return;
    }
  }
}

static inline void answer_body(answers_t *in, answer_t *answer, int is_head) {
  size_t len = 0;
  const char *length = answer_field(answer, "Content-Length", &len);

  answer->is_chunked = answer_has(answer, "Transfer-Encoding", NULL);
  if (answer->is_chunked)
    fuzz_check(answer_has(answer, "Transfer-Encoding", "chunked"));
  fuzz_check(!(answer->is_chunked && length != NULL));
  answer->body = in->p;
  if (answer->status == 204 || answer->status < 200) {
    fuzz_check(length == NULL && !answer->is_chunked);
    return;
  }
  if (is_head)
    return;
  if (answer->is_chunked) {
    answer_chunks(in, answer);
    return;
  }
  if (length == NULL) { /* of HTTP/1.0: until it closes */
    fuzz_check(answer->closes);
    answer->is_endless = 1;
    answer->body_len = in->n;
  } else {
    answer->body_len = answer_number(length, len, 10);
    fuzz_check(answer->body_len <= in->n);
  }
  in->p += answer->body_len;
  in->n -= answer->body_len;
}

/*
 * Takes the next answer: 1, or 0 when there is none. Of the last, that closes
 * and has nothing behind it, `is_head` may be -1: it is not known.
 */
static inline int answer_next(answers_t *in, answer_t *answer, int is_head) {
  memset(answer, 0, sizeof(*answer));
  if (in->n == 0)
    return 0;
  answer_start(in, answer);
  answer_head(in, answer);
  answer->closes = answer_has(answer, "Connection", "close");
  answer_body(in, answer, is_head < 0 ? in->n == 0 : is_head);
  return 1;
}

/* ---- what is in it ---- */

/* The text of a member of checked JSON, with its quotes. */
static inline int answer_member(const answer_t *answer,
                                const char *name,
                                const char **value,
                                size_t *len) {
  return jobsrv_json_value(answer->body, answer->body_len, name, value, len) ==
         0;
}

static inline void answer_check_problem(const answer_t *answer) {
  static const char *const members[] = { "type", "title", "detail", "code" };
  const char *value;
  char status[16];
  size_t len;

  for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
    fuzz_check(answer_member(answer, members[i], &value, &len));
    fuzz_check(len > 2 && *value == '"');
  }
  fuzz_check(answer_member(answer, "status", &value, &len));
  snprintf(status, sizeof(status), "%d", answer->status);
  fuzz_check(len == strlen(status) && memcmp(value, status, len) == 0);
}

/* Every line of a stream is a field that there is, and what it begins whole. */
static inline void answer_check_events(const answer_t *answer) {
  static const char *const fields[] = { "data: ", "id: ", "event: ", "retry: ",
                                        ":" };
  const char *p = answer->body;
  const char *end = p + answer->body_len;

  if (p == end)
    return;
  fuzz_check(answer->body_len > 1 && memcmp(end - 2, "\n\n", 2) == 0);
  while (p < end) {
    const char *stop = memchr(p, '\n', (size_t) (end - p));
    size_t i = 0;

    while (stop > p && i < 5 && strncmp(p, fields[i], strlen(fields[i])) != 0)
      i++;
    fuzz_check(i < 5);
    for (; p < stop; p++)
      fuzz_check((unsigned char) *p >= ' ' && *p != 0x7f);
    p = stop + 1;
  }
}

static inline void answer_check(const answer_t *answer, int is_head) {
  jobsrv_json_error_t error;

  fuzz_check(answer_has(answer, "X-Request-Id", NULL));
  fuzz_check(answer_has(answer, "X-Correlation-Id", NULL));
  if (answer->status >= 400)
    fuzz_check(answer_has(answer, "Content-Type", "application/problem+json"));
  if (answer->status == 401)
    fuzz_check(answer_has(answer, "WWW-Authenticate", NULL));
  if (answer->status == 405)
    fuzz_check(answer_has(answer, "Allow", NULL));
  if (answer->status == 429 || answer->status == 503)
    fuzz_check(answer_has(answer, "Retry-After", NULL));
  if (is_head || answer->status == 204 ||
      answer_has(answer, "Content-Encoding", NULL))
    return;
  if (answer->status >= 400 ||
      answer_has(answer, "Content-Type", "application/json"))
    fuzz_check(jobsrv_json_check(answer->body, answer->body_len, 64, &error) ==
               0);
  if (answer->status >= 400)
    answer_check_problem(answer);
  if (answer_has(answer, "Content-Type", "text/event-stream"))
    answer_check_events(answer);
}

/*
 * Makes two answers to the same comparable: random numbers, which are in
 * hexadecimal and long, become one character. Returns the new length.
 */
static inline size_t answer_mask(char *to, const char *p, size_t len) {
  size_t out = 0;

  for (size_t at = 0; at < len;) {
    size_t n = 0;

    while (at + n < len && (memchr("0123456789abcdef-", p[at + n], 17)))
      n++;
    if (n >= 32) {
      to[out++] = '#';
    } else {
      n = n > 0 ? n : 1;
      memcpy(to + out, p + at, n);
      out += n;
    }
    at += n;
  }
  return out;
}

#endif /* JOBSRV_TEST_FUZZ_ANSWERS_H */
