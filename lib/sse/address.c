/* SPDX-License-Identifier: MIT */

#include "sse/address.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <uv.h>

/* 0..65535, or -1. */
static int parse_port(const char *text) {
  int port = 0;
  size_t i;

  if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
    return -1;
  for (i = 0; text[i] != '\0'; i++) {
    if (text[i] < '0' || text[i] > '9')
      return -1;
    port = port * 10 + (text[i] - '0');
    if (port > 65535)
      return -1;
  }
  return port;
}

static int parse_unix(const char *path, jobsrv__address_t *out) {
  size_t len = strlen(path);

  if (len == 0)
    return UV_EINVAL;
  if (len >= sizeof(out->u.un.sun_path))
    return UV_ENAMETOOLONG;
  memset(out, 0, sizeof(*out));
  out->u.un.sun_family = AF_UNIX;
  memcpy(out->u.un.sun_path, path, len + 1);
  out->len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len + 1);
  return 0;
}

int jobsrv__address_is_fd(const char *text) {
  return strncmp(text, "fd:", 3) == 0;
}

int jobsrv__address_fd(const char *text) {
  int64_t fd = 0;
  size_t i;

  text += 3;
  if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
    return UV_EINVAL;
  for (i = 0; text[i] != '\0'; i++) {
    if (text[i] < '0' || text[i] > '9')
      return UV_EINVAL;
    fd = fd * 10 + (text[i] - '0');
    if (fd > INT_MAX)
      return UV_EINVAL;
  }
  return (int) fd;
}

int jobsrv__address_parse(const char *text, jobsrv__address_t *out) {
  char host[INET6_ADDRSTRLEN];
  jobsrv__address_t address;
  const char *colon;
  const char *from = text;
  size_t len;
  int port;

  if (strncmp(text, "unix:", 5) == 0)
    return parse_unix(text + 5, out);
  colon = strrchr(text, ':');
  if (colon == NULL)
    return UV_EINVAL;
  port = parse_port(colon + 1);
  len = (size_t) (colon - text);
  if (text[0] == '[') {
    if (len < 2 || text[len - 1] != ']')
      return UV_EINVAL;
    from++;
    len -= 2;
  }
  if (port < 0 || len == 0 || len >= sizeof(host))
    return UV_EINVAL;
  memcpy(host, from, len);
  host[len] = '\0';
  memset(&address, 0, sizeof(address));
  if (text[0] == '[') {
    address.u.v6.sin6_family = AF_INET6;
    address.u.v6.sin6_port = htons((uint16_t) port);
    address.len = sizeof(address.u.v6);
    if (inet_pton(AF_INET6, host, &address.u.v6.sin6_addr) != 1)
      return UV_EINVAL;
  } else {
    address.u.v4.sin_family = AF_INET;
    address.u.v4.sin_port = htons((uint16_t) port);
    address.len = sizeof(address.u.v4);
    if (inet_pton(AF_INET, host, &address.u.v4.sin_addr) != 1)
      return UV_EINVAL;
  }
  *out = address;
  return 0;
}

/* A path need not end with a NUL; an abstract name, here "@name", begins with
   one. */
static int format_unix(const jobsrv__address_t *address,
                       char *to,
                       size_t cap) {
  const char *path = address->u.un.sun_path;
  int max = (int) address->len -
            (int) offsetof(struct sockaddr_un, sun_path);

  if (max <= 0)
    return snprintf(to, cap, "unix:");
  if (path[0] == '\0')
    return snprintf(to, cap, "unix:@%.*s", max - 1, path + 1);
  return snprintf(to, cap, "unix:%.*s", max, path);
}

int jobsrv__address_format(const jobsrv__address_t *address,
                           char *to,
                           size_t cap) {
  char host[INET6_ADDRSTRLEN];
  int port = jobsrv__address_port(address);
  int n;

  switch (address->u.any.sa_family) {
  case AF_INET:
    inet_ntop(AF_INET, &address->u.v4.sin_addr, host, sizeof(host));
    n = snprintf(to, cap, "http://%s:%d", host, port);
    break;
  case AF_INET6:
    inet_ntop(AF_INET6, &address->u.v6.sin6_addr, host, sizeof(host));
    n = snprintf(to, cap, "http://[%s]:%d", host, port);
    break;
  default:
    n = format_unix(address, to, cap);
    break;
  }
  return n < 0 || (size_t) n >= cap ? UV_ENOBUFS : 0;
}

int jobsrv__address_port(const jobsrv__address_t *address) {
  if (address->u.any.sa_family == AF_INET)
    return ntohs(address->u.v4.sin_port);
  if (address->u.any.sa_family == AF_INET6)
    return ntohs(address->u.v6.sin6_port);
  return 0;
}
