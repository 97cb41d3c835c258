/* SPDX-License-Identifier: MIT */

#include "sse/host_check.h"

#include <string.h>

#include <arpa/inet.h>

static int is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9');
}

static int is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
         (c >= 'A' && c <= 'F');
}

/* The length of the literal with its brackets, 0 when it is none. */
static size_t ipv6_literal(const char *p, size_t len) {
  const char *end = memchr(p, ']', len);
  char text[INET6_ADDRSTRLEN];
  unsigned char address[16];
  size_t n;

  if (end == NULL)
    return 0;
  n = (size_t) (end - p) - 1;
  if (n == 0 || n >= sizeof(text))
    return 0;
  memcpy(text, p + 1, n);
  text[n] = '\0';
  if (inet_pton(AF_INET6, text, address) != 1)
    return 0;
  return n + 2;
}

/* reg-name, which every dotted quad is too; 0 when it is none. */
static size_t reg_name(const char *p, size_t len) {
  size_t i = 0;

  while (i < len && p[i] != ':') {
    if (p[i] == '%') {
      if (len - i < 3 || !is_hex(p[i + 1]) || !is_hex(p[i + 2]))
        return 0;
      i += 3;
    } else if (is_alnum(p[i]) ||
               (p[i] != '\0' && strchr("-._~!$&'()*+;=", p[i]) != NULL)) {
      i++;
    } else {
      return 0;
    }
  }
  return i;
}

static int is_port(const char *p, size_t len) {
  unsigned long port = 0;
  size_t i;

  for (i = 0; i < len; i++) {
    if (p[i] < '0' || p[i] > '9')
      return 0;
    port = port * 10 + (unsigned long) (p[i] - '0');
    if (port > 65535)
      return 0;
  }
  return 1;
}

int jobsrv__host_check(const char *text, size_t len, size_t *host_len) {
  size_t n;

  if (len == 0)
    return 0;
  n = text[0] == '[' ? ipv6_literal(text, len) : reg_name(text, len);
  if (n == 0)
    return 0;
  if (n < len && (text[n] != ':' || !is_port(text + n + 1, len - n - 1)))
    return 0;
  *host_len = n;
  return 1;
}
