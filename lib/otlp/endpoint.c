/* SPDX-License-Identifier: MIT */

#include "otlp/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

/* What may stand in a name or in a path as it is (RFC 3986). */
static int all_in(const char *text, size_t len, const char *more) {
  for (size_t i = 0; i < len; i++) {
    char c = text[i];

    if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
        (c == '\0' || strchr(more, c) == NULL))
      return 0;
  }
  return 1;
}

static int copy(char *to, size_t cap, const char *from, size_t len) {
  if (len >= cap)
    return UV_ENAMETOOLONG;
  memcpy(to, from, len);
  to[len] = '\0';
  return 0;
}

static int parse_unix(const char *path, jobsrv__otlp_endpoint_t *out) {
  size_t len = strlen(path);

  if (len == 0)
    return UV_EINVAL;
  if (len >= sizeof(out->address.u.un.sun_path))
    return UV_ENAMETOOLONG;
  out->address.u.un.sun_family = AF_UNIX;
  memcpy(out->address.u.un.sun_path, path, len + 1);
  out->address.len =
      (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len + 1);
  return copy(out->authority, sizeof(out->authority), "localhost", 9);
}

/* 1..65535 in decimal, without sign or leading zeros. */
static int parse_port(const char *text, size_t len, unsigned int *port) {
  *port = 0;
  if (len == 0 || len > 5 || text[0] == '0')
    return UV_EINVAL;
  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9')
      return UV_EINVAL;
    *port = *port * 10 + (unsigned int) (text[i] - '0');
  }
  return *port <= 65535 ? 0 : UV_EINVAL;
}

/* An address in numbers needs no looking up. */
static void set_address(jobsrv__otlp_endpoint_t *out, unsigned int port) {
  jobsrv__otlp_address_t *to = &out->address;

  if (uv_inet_pton(AF_INET, out->host, &to->u.v4.sin_addr) == 0) {
    to->u.v4.sin_family = AF_INET;
    to->u.v4.sin_port = htons((uint16_t) port);
    to->len = sizeof(to->u.v4);
    return;
  }
  memset(to, 0, sizeof(*to));
  if (uv_inet_pton(AF_INET6, out->host, &to->u.v6.sin6_addr) == 0) {
    to->u.v6.sin6_family = AF_INET6;
    to->u.v6.sin6_port = htons((uint16_t) port);
    to->len = sizeof(to->u.v6);
    return;
  }
  memset(to, 0, sizeof(*to));
}

/* HOST[:PORT] */
static int parse_authority(const char *text,
                           size_t len,
                           jobsrv__otlp_endpoint_t *out) {
  const char *host = text;
  const char *end = text + len;
  const char *rest;
  unsigned int port = 80;
  int is_v6 = len > 0 && text[0] == '[';
  int err;

  rest = memchr(text, is_v6 ? ']' : ':', len);
  if (is_v6 && rest == NULL)
    return UV_EINVAL;
  host += is_v6;
  err = copy(out->host, sizeof(out->host), host,
             (size_t) ((rest != NULL ? rest : end) - host));
  if (err != 0)
    return err;
  if (out->host[0] == '\0' ||
      !all_in(out->host, strlen(out->host), is_v6 ? ":." : "-._"))
    return UV_EINVAL;
  rest = rest != NULL ? rest + is_v6 : end;
  if (rest < end && (*rest != ':' ||
                     parse_port(rest + 1, (size_t) (end - rest - 1), &port)))
    return UV_EINVAL;

  (void) snprintf(out->port, sizeof(out->port), "%u", port);
  (void) snprintf(out->authority, sizeof(out->authority),
                  is_v6 ? "[%s]:%u" : "%s:%u", out->host, port);
  set_address(out, port);
  if (is_v6 && out->address.u.any.sa_family != AF_INET6)
    return UV_EINVAL;
  return 0;
}

int jobsrv__otlp_endpoint_parse(const char *text,
                                jobsrv__otlp_endpoint_t *out) {
  size_t len;
  size_t path_len;
  const char *path;
  int err;

  memset(out, 0, sizeof(*out));
  if (strncmp(text, "unix:", 5) == 0)
    return parse_unix(text + 5, out);
  if (strncmp(text, "https://", 8) == 0)
    return UV_EPROTONOSUPPORT;
  if (strncmp(text, "http://", 7) != 0)
    return UV_EINVAL;
  text += 7;
  len = strcspn(text, "/");
  path = text + len;
  path_len = strlen(path);
  while (path_len > 0 && path[path_len - 1] == '/')
    path_len--;
  err = parse_authority(text, len, out);
  if (err != 0)
    return err;
  if (!all_in(path, path_len, "-._~!$&'()*+,;=:@/%"))
    return UV_EINVAL;
  return copy(out->path, sizeof(out->path), path, path_len);
}
