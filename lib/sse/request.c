/* SPDX-License-Identifier: MIT */

#include "sse/request_parse.h"

#include "base/alloc.h"

#include <llhttp.h>
#include <uv.h>

/* Where llhttp's callbacks put the fields. */
typedef struct fields_s {
  jobsrv__request_t *request;
  size_t cap;
} fields_t;

static int on_field(llhttp_t *parser, const char *at, size_t len) {
  fields_t *fields = parser->data;
  jobsrv__request_t *request = fields->request;

  if (request->n_headers == fields->cap)
    return -1;
  request->headers[request->n_headers].name = jobsrv__span(at, len);
  request->headers[request->n_headers].value = jobsrv__span(at + len, 0);
  request->n_headers++;
  return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
  fields_t *fields = parser->data;
  jobsrv__request_t *request = fields->request;

  if (request->n_headers == 0)
    return -1;
  while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
    len--;
  request->headers[request->n_headers - 1].value = jobsrv__span(at, len);
  return 0;
}

static jobsrv__method_t method_of(jobsrv__span_t text) {
  static const char *const names[] = {"GET", "HEAD",   "POST",
                                      "PUT", "DELETE", "OPTIONS"};
  int i;

  for (i = 0; i < JOBSRV__OTHER - JOBSRV__GET; i++)
    if (jobsrv__span_is(text, names[i]))
      return (jobsrv__method_t) (JOBSRV__GET + i);
  return JOBSRV__OTHER;
}

static jobsrv__span_t span_of(const char *data, jobsrv__piece_t piece) {
  return jobsrv__span(piece.at != 0 ? data + piece.at : NULL, piece.len);
}

/* llhttp has a fixed list of methods; which are allowed is the routes' matter,
   so for one that it may not know it is told another. */
static int run_parser(jobsrv__request_t *request, size_t cap,
                      const char *head, size_t len) {
  llhttp_settings_t settings;
  llhttp_t parser;
  fields_t fields = {request, cap};
  size_t method_len = request->method_text.len;
  const char *rest = request->method_text.data + method_len;
  llhttp_errno_t rc;

  llhttp_settings_init(&settings);
  settings.on_header_field = on_field;
  settings.on_header_value = on_value;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = &fields;
  if (request->method == JOBSRV__OTHER)
    rc = llhttp_execute(&parser, "GET", 3);
  else
    rc = llhttp_execute(&parser, request->method_text.data, method_len);
  if (rc == HPE_OK)
    rc = llhttp_execute(&parser, rest, len - (size_t) (rest - head));
  if (rc != HPE_OK && rc != HPE_PAUSED_UPGRADE)
    return UV_EINVAL;
  return request->n_headers == cap ? 0 : UV_EINVAL;
}

static int is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* A tab behind a length or a coding is a blank, for all but llhttp. */
static void straighten(char *head, size_t len) {
  size_t i;
  size_t j;

  for (i = 0; i < len; i++)
    for (j = i; head[i] == '\r' && j > 0 && is_blank(head[j - 1]); j--)
      head[j - 1] = ' ';
}

int jobsrv__request_parse(jobsrv__request_t *request,
                          const jobsrv_alloc_t *alloc,
                          const jobsrv__head_t *head,
                          const char *data,
                          void **memory) {
  size_t table = head->n_fields * sizeof(jobsrv__header_t);
  char *copy;
  char *bytes;
  size_t i;
  size_t j;
  int err;

  copy = jobsrv__malloc(alloc, table + head->len);
  if (copy == NULL)
    return UV_ENOMEM;
  bytes = copy + table;
  memcpy(bytes, data, head->len);
  straighten(bytes, head->len);
  *memory = copy;
  request->headers = (jobsrv__header_t *) (void *) copy;
  request->method_text = jobsrv__span(bytes + head->method.at,
                                      head->method.len);
  request->method = method_of(request->method_text);
  request->path = head->path.len > 0 ? span_of(bytes, head->path)
                                     : jobsrv__span("/", 1);
  request->query = span_of(bytes, head->query);
  request->host = span_of(bytes, head->host);
  request->port = span_of(bytes, head->port);
  request->minor = head->minor;
  request->has_body = head->is_chunked || head->content_length > 0;
  request->keeps = head->minor == 1 ? !head->says_close
                                    : head->says_keep && !head->says_close;

  err = run_parser(request, head->n_fields, bytes, head->len);
  if (err != 0) {
    request->n_headers = 0;
    return err;
  }
  for (i = 0; i < request->n_headers; i++) {
    char *name = bytes + (request->headers[i].name.data - bytes);

    for (j = 0; j < request->headers[i].name.len; j++)
      name[j] = jobsrv__lower(name[j]);
  }
  request->has_head = 1;
  return 0;
}

jobsrv__span_t jobsrv__request_header(const jobsrv__request_t *request,
                                      const char *name,
                                      size_t *count) {
  jobsrv__span_t found = {NULL, 0};
  size_t n = 0;
  size_t i;

  for (i = 0; i < request->n_headers; i++) {
    if (!jobsrv__span_is(request->headers[i].name, name))
      continue;
    if (n == 0)
      found = request->headers[i].value;
    n++;
  }
  if (count != NULL)
    *count = n;
  return found;
}

int jobsrv__path_next(jobsrv__span_t *rest, jobsrv__span_t *segment) {
  const char *slash;
  size_t len;

  if (rest->len == 0 || rest->data[0] != '/')
    return 0;
  slash = memchr(rest->data + 1, '/', rest->len - 1);
  len = slash != NULL ? (size_t) (slash - rest->data) : rest->len;
  *segment = jobsrv__span(rest->data + 1, len - 1);
  *rest = jobsrv__span(rest->data + len, rest->len - len);
  return 1;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  c = jobsrv__lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode(jobsrv__span_t from, int plus_is_blank, char *to,
                  size_t cap) {
  size_t len = 0;
  size_t i;
  int hi;
  int lo;
  char c;

  for (i = 0; i < from.len; i++) {
    c = from.data[i];
    if (c == '+' && plus_is_blank)
      c = ' ';
    if (c == '%') {
      if (from.len - i < 3)
        return UV_EINVAL;
      hi = hex_value(from.data[i + 1]);
      lo = hex_value(from.data[i + 2]);
      if (hi < 0 || lo < 0 || hi + lo == 0)
        return UV_EINVAL;
      c = (char) (hi << 4 | lo);
      i += 2;
    }
    if (len + 1 >= cap)
      return UV_ENOBUFS;
    to[len++] = c;
  }
  if (cap == 0)
    return UV_ENOBUFS;
  to[len] = '\0';
  return (int) len;
}

int jobsrv__percent_decode(jobsrv__span_t from, char *to, size_t cap) {
  return decode(from, 0, to, cap);
}

/* Whether a raw name is `name` once decoded. */
static int names(jobsrv__span_t raw, const char *name) {
  char text[64];

  return decode(raw, 1, text, sizeof(text)) >= 0 && strcmp(text, name) == 0;
}

int jobsrv__query_find(jobsrv__span_t query,
                       const char *name,
                       char *to,
                       size_t cap) {
  const char *p = query.data;
  size_t left = query.len;

  while (p != NULL && left > 0) {
    const char *amp = memchr(p, '&', left);
    size_t len = amp != NULL ? (size_t) (amp - p) : left;
    const char *eq = memchr(p, '=', len);
    size_t name_len = eq != NULL ? (size_t) (eq - p) : len;

    if (names(jobsrv__span(p, name_len), name)) {
      if (eq == NULL)
        return decode(jobsrv__span(p, 0), 1, to, cap);
      return decode(jobsrv__span(eq + 1, len - name_len - 1), 1, to, cap);
    }
    if (amp == NULL)
      break;
    p = amp + 1;
    left -= len + 1;
  }
  return UV_ENOENT;
}
