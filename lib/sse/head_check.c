/* SPDX-License-Identifier: MIT */

#include "sse/head_check.h"

#include "sse/host_check.h"

#include <stddef.h>

enum {
  STAGE_START, /* before the request line; one empty line may come */
  STAGE_REQUEST,
  STAGE_FIELDS
};

static int refuse(jobsrv__head_t *head, int status, const char *detail) {
  head->status = (uint16_t) status;
  head->detail = detail;
  return JOBSRV__HEAD_REFUSED;
}

static jobsrv__piece_t piece(size_t at, size_t len) {
  jobsrv__piece_t p = {(uint32_t) at, (uint32_t) len};

  return p;
}

static jobsrv__span_t bytes(const char *data, jobsrv__piece_t p) {
  return jobsrv__span(data + p.at, p.len);
}

int jobsrv__is_token_char(unsigned char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
      (c >= '0' && c <= '9'))
    return 1;
  return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static size_t token_len(const char *p, size_t len) {
  size_t n = 0;

  while (n < len && jobsrv__is_token_char((unsigned char) p[n]))
    n++;
  return n;
}

const char *jobsrv__field_check(const char *line,
                                size_t len,
                                size_t *name_len) {
  size_t n;

  if (line[0] == ' ' || line[0] == '\t')
    return "obsolete line folding";
  if (line[0] == ':')
    return "field without a name";
  n = token_len(line, len);
  if (n == len)
    return "field line without a colon";
  if (line[n] == ' ' || line[n] == '\t')
    return "blank in a field name or before its colon";
  if (line[n] != ':')
    return "field name with a character that is not allowed";
  *name_len = n;
  return NULL;
}

/* Methods of other protocols that look like HTTP but for their name. */
static int is_foreign_method(jobsrv__span_t method) {
  static const char *const foreign[] = {
      "PRI", "DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "PAUSE", "TEARDOWN",
      "GET_PARAMETER", "SET_PARAMETER", "REDIRECT", "RECORD", "FLUSH",
      "SOURCE"};
  size_t i;

  for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
    if (jobsrv__span_is(method, foreign[i]))
      return 1;
  return 0;
}

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

static int check_version(jobsrv__head_t *head, const char *p, size_t len) {
  if (len != 8 || memcmp(p, "HTTP/", 5) != 0 || !is_digit(p[5]) ||
      p[6] != '.' || !is_digit(p[7]))
    return refuse(head, 400, "request line without a proper HTTP version");
  if (p[5] != '1' || p[7] > '1')
    return refuse(head, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  head->minor = (uint8_t) (p[7] - '0');
  return JOBSRV__HEAD_MORE;
}

static void split_query(jobsrv__head_t *head, const char *data) {
  const char *path = data + head->path.at;
  const char *mark = memchr(path, '?', head->path.len);
  size_t n;

  if (mark == NULL)
    return;
  n = (size_t) (mark - path);
  head->query = piece(head->path.at + n + 1, head->path.len - n - 1);
  head->path.len = (uint32_t) n;
}

static int check_target(jobsrv__head_t *head,
                        const char *data,
                        size_t at,
                        size_t len) {
  const char *p = data + at;
  jobsrv__span_t method = bytes(data, head->method);
  size_t n;

  for (n = 0; n < len; n++)
    if (p[n] <= ' ' || p[n] == 0x7f || p[n] == '#')
      return refuse(head, 400,
                    "target with a character that must be percent-encoded");
  if (jobsrv__span_is(method, "CONNECT"))
    return refuse(head, 400, "this is no proxy");
  head->path = piece(at, len);
  if (len == 1 && p[0] == '*') {
    if (!jobsrv__span_is(method, "OPTIONS"))
      return refuse(head, 400, "\"*\" is a target for OPTIONS only");
    return JOBSRV__HEAD_MORE;
  }
  if (p[0] != '/') {
    if (len < 7 || !jobsrv__span_is_nocase(jobsrv__span(p, 7), "http://"))
      return refuse(head, 400, "target is neither a path nor an http URI");
    for (n = 7; n < len && p[n] != '/' && p[n] != '?'; n++)
      continue;
    head->authority = piece(at + 7, n - 7);
    head->path = piece(at + n, len - n);
  }
  split_query(head, data);
  return JOBSRV__HEAD_MORE;
}

static int check_request_line(jobsrv__head_t *head,
                              const char *data,
                              size_t len) {
  const char *p = data + head->start;
  size_t method = token_len(p, len);
  const char *target;
  const char *blank;
  size_t rest;
  int rc;

  if (method == 0 || method == len || p[method] != ' ')
    return refuse(head, 400, "request line does not begin with a method");
  head->method = piece(head->start, method);
  if (is_foreign_method(bytes(data, head->method)))
    return refuse(head, 400, "a method of another protocol");
  target = p + method + 1;
  rest = len - method - 1;
  blank = memchr(target, ' ', rest);
  if (blank == NULL)
    return refuse(head, 400, "request line without an HTTP version");
  if (blank == target)
    return refuse(head, 400, "request line without a target");
  rc = check_version(head, blank + 1,
                     rest - (size_t) (blank - target) - 1);
  if (rc != JOBSRV__HEAD_MORE)
    return rc;
  return check_target(head, data, (size_t) (target - data),
                      (size_t) (blank - target));
}

static void note_connection(jobsrv__head_t *head, jobsrv__span_t value) {
  size_t at = 0;
  size_t n;
  jobsrv__span_t word;

  while (at < value.len) {
    n = token_len(value.data + at, value.len - at);
    word = jobsrv__span(value.data + at, n);
    if (jobsrv__span_is_nocase(word, "close"))
      head->says_close = 1;
    else if (jobsrv__span_is_nocase(word, "keep-alive"))
      head->says_keep = 1;
    at += n > 0 ? n : 1;
  }
}

static void note_expect(jobsrv__head_t *head, jobsrv__span_t value) {
  if (jobsrv__span_is_nocase(value, "100-continue"))
    head->expects_continue = 1;
  else
    head->expects_other = 1;
}

/* Keeps what the end of the head is judged by. */
static int check_field(jobsrv__head_t *head,
                       const char *data,
                       size_t len,
                       const jobsrv__head_limits_t *limits) {
  const char *p = data + head->line;
  const char *wrong;
  size_t name_len = 0;
  size_t from;
  jobsrv__span_t name;
  jobsrv__piece_t value;

  if (head->n_fields == limits->max_fields)
    return refuse(head, 431, "too many header fields");
  head->n_fields++;
  wrong = jobsrv__field_check(p, len, &name_len);
  if (wrong != NULL)
    return refuse(head, 400, wrong);
  for (from = name_len + 1; from < len && (p[from] == ' ' || p[from] == '\t');)
    from++;
  while (len > from && (p[len - 1] == ' ' || p[len - 1] == '\t'))
    len--;
  name = jobsrv__span(p, name_len);
  value = piece(head->line + from, len - from);
  if (jobsrv__span_is_nocase(name, "host")) {
    head->n_hosts++;
    head->host_field = value;
  } else if (jobsrv__span_is_nocase(name, "content-length")) {
    head->n_lengths++;
    head->length_field = value;
  } else if (jobsrv__span_is_nocase(name, "transfer-encoding")) {
    head->n_codings++;
    head->coding_field = value;
  } else if (jobsrv__span_is_nocase(name, "connection")) {
    note_connection(head, bytes(data, value));
  } else if (jobsrv__span_is_nocase(name, "expect")) {
    note_expect(head, bytes(data, value));
  }
  return JOBSRV__HEAD_MORE;
}

/* 1 for a list of tokens of which one is not "chunked". */
static int names_other_coding(jobsrv__span_t value) {
  size_t at = 0;
  size_t n;
  int other = 0;

  while (at < value.len) {
    n = token_len(value.data + at, value.len - at);
    if (n == 0 && strchr(", \t", value.data[at]) == NULL)
      return 0;
    if (n > 0 && !jobsrv__span_is_nocase(jobsrv__span(value.data + at, n),
                                         "chunked"))
      other = 1;
    at += n > 0 ? n : 1;
  }
  return other;
}

static int check_coding(jobsrv__head_t *head, const char *data) {
  jobsrv__span_t value = bytes(data, head->coding_field);

  if (head->n_codings == 0)
    return JOBSRV__HEAD_MORE;
  if (head->minor == 0)
    return refuse(head, 400, "Transfer-Encoding in HTTP/1.0");
  if (head->n_lengths > 0)
    return refuse(head, 400, "Transfer-Encoding together with Content-Length");
  if (head->n_codings > 1)
    return refuse(head, 400, "more than one Transfer-Encoding");
  if (!jobsrv__span_is_nocase(value, "chunked"))
    return names_other_coding(value)
               ? refuse(head, 501, "no transfer coding but chunked is known")
               : refuse(head, 400, "malformed Transfer-Encoding");
  head->is_chunked = 1;
  return JOBSRV__HEAD_MORE;
}

static int check_length(jobsrv__head_t *head, const char *data) {
  jobsrv__span_t value = bytes(data, head->length_field);
  uint64_t length = 0;
  size_t i;

  if (head->n_lengths == 0)
    return JOBSRV__HEAD_MORE;
  if (head->n_lengths > 1)
    return refuse(head, 400, "more than one Content-Length");
  if (value.len == 0 || value.len > 19) /* 19 digits always fit 64 bits */
    return refuse(head, 400, "malformed Content-Length");
  for (i = 0; i < value.len; i++) {
    if (!is_digit(value.data[i]))
      return refuse(head, 400, "malformed Content-Length");
    length = length * 10 + (uint64_t) (value.data[i] - '0');
  }
  head->has_length = 1;
  head->content_length = length;
  return JOBSRV__HEAD_MORE;
}

static int check_host(jobsrv__head_t *head, const char *data) {
  jobsrv__span_t value = bytes(data, head->host_field);
  size_t host_len = 0;

  if (head->n_hosts > 1)
    return refuse(head, 400, "more than one Host");
  if (head->n_hosts == 0 && head->minor == 1)
    return refuse(head, 400, "no Host");
  if (head->n_hosts == 1 &&
      !jobsrv__host_check(value.data, value.len, &host_len))
    return refuse(head, 400, "malformed Host");
  if (head->authority.at != 0) {
    jobsrv__span_t authority = bytes(data, head->authority);

    if (!jobsrv__host_check(authority.data, authority.len, &host_len))
      return refuse(head, 400, "malformed authority in the target");
    if (head->n_hosts == 1 && !jobsrv__span_equal_nocase(authority, value))
      return refuse(head, 400, "Host is not the authority of the target");
    head->host_field = head->authority;
  } else if (head->n_hosts == 0) {
    return JOBSRV__HEAD_MORE;
  }
  head->host = piece(head->host_field.at, host_len);
  if (host_len < head->host_field.len)
    head->port = piece(head->host_field.at + host_len + 1,
                       head->host_field.len - host_len - 1);
  return JOBSRV__HEAD_MORE;
}

static int check_whole(jobsrv__head_t *head, const char *data) {
  int rc;

  rc = check_coding(head, data);
  if (rc == JOBSRV__HEAD_MORE)
    rc = check_length(head, data);
  if (rc == JOBSRV__HEAD_MORE)
    rc = check_host(head, data);
  if (rc != JOBSRV__HEAD_MORE)
    return rc;
  if (head->minor == 0) { /* 1.0 knows no expectations */
    head->expects_continue = 0;
    head->expects_other = 0;
  }
  return JOBSRV__HEAD_DONE;
}

/* One byte inside a line, told at once so that nobody waits for the rest. */
static int check_byte(jobsrv__head_t *head,
                      const char *data,
                      const jobsrv__head_limits_t *limits) {
  unsigned char c = (unsigned char) data[head->pos];

  if (head->pos > head->line && data[head->pos - 1] == '\r')
    return refuse(head, 400, "carriage return without a line feed");
  if (c == '\r')
    return JOBSRV__HEAD_MORE;
  if ((c < 0x20 && c != '\t') || c == 0x7f)
    return refuse(head, 400, "control byte in the head");
  if (head->stage != STAGE_FIELDS) {
    if (c == '\t' || c >= 0x80)
      return refuse(head, 400, "request line is not visible ASCII");
    if (head->pos - head->line >= limits->max_line)
      return refuse(head, 414, "request line too long");
  } else if (head->pos - head->fields_at + 3 > limits->max_bytes) {
    return refuse(head, 431, "header too large"); /* 3: itself and its CRLF */
  }
  return JOBSRV__HEAD_MORE;
}

static int end_line(jobsrv__head_t *head,
                    const char *data,
                    const jobsrv__head_limits_t *limits) {
  size_t len;
  int rc = JOBSRV__HEAD_MORE;

  if (head->pos == head->line || data[head->pos - 1] != '\r')
    return refuse(head, 400, "line feed without a carriage return");
  len = head->pos - 1 - head->line;
  if (head->stage == STAGE_FIELDS) {
    if (len == 0)
      rc = check_whole(head, data);
    else
      rc = check_field(head, data, len, limits);
  } else if (len > 0) {
    head->start = head->line;
    head->stage = STAGE_FIELDS;
    head->fields_at = head->pos + 1;
    rc = check_request_line(head, data, len);
  } else if (head->stage == STAGE_START) {
    head->stage = STAGE_REQUEST;
  } else {
    return refuse(head, 400, "empty lines instead of a request");
  }
  head->line = head->pos + 1;
  return rc;
}

int jobsrv__head_check(jobsrv__head_t *head,
                       const char *data,
                       size_t len,
                       const jobsrv__head_limits_t *limits) {
  int rc = JOBSRV__HEAD_MORE;

  while (head->pos < len && rc == JOBSRV__HEAD_MORE) {
    if (data[head->pos] == '\n')
      rc = end_line(head, data, limits);
    else
      rc = check_byte(head, data, limits);
    head->pos++;
  }
  if (rc == JOBSRV__HEAD_DONE)
    head->len = head->pos;
  return rc;
}
