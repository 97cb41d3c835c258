/* SPDX-License-Identifier: MIT */

#include "sse/json_member.h"

#include "base/json_scan.h"
#include "base/utf8.h"
#include "jobsrv/error.h"

#include <string.h>

#include <uv.h>

int jobsrv__members_init(jobsrv__members_t *members,
                         const char *text,
                         size_t len) {
  const char *end = text + len;
  const char *p = jobsrv__json_skip_space(text, end);

  if (p == end || *p != '{')
    return 0;
  members->at = p + 1;
  members->end = end;
  return 1;
}

int jobsrv__members_next(jobsrv__members_t *members,
                         jobsrv__member_t *member) {
  const char *end = members->end;
  const char *p = jobsrv__json_skip_space(members->at, end);

  if (p < end && *p == ',')
    p = jobsrv__json_skip_space(p + 1, end);
  if (p == end || *p != '"')
    return 0;

  member->start = p;
  member->name = p + 1;
  p = jobsrv__json_skip_string(p, end);
  member->name_len = (size_t) (p - 1 - member->name);
  p = jobsrv__json_skip_space(p, end);
  if (p < end && *p == ':')
    p = jobsrv__json_skip_space(p + 1, end);
  member->value = p;
  p = jobsrv__json_skip_value(p, end);
  member->value_len = (size_t) (p - member->value);
  members->at = p;
  return member->value_len != 0;
}

int jobsrv__member_is(const jobsrv__member_t *member, const char *name) {
  const char *p = member->name;
  const char *end = p + member->name_len;

  /* the names asked for are ASCII */
  while (p < end && *name != '\0')
    if (jobsrv__json_string_next(&p, end) != (unsigned char) *name++)
      return 0;
  return p == end && *name == '\0';
}

int jobsrv__json_text(char *to,
                      size_t cap,
                      const char *raw,
                      size_t len,
                      size_t *out) {
  const char *end = raw + len;
  char one[4];
  size_t used = 0;
  size_t n;

  if (cap == 0)
    return JOBSRV_ETOOBIG;
  while (raw < end) {
    unsigned long cp = jobsrv__json_string_next(&raw, end);

    if (cp == 0)
      return UV_EINVAL;
    n = jobsrv__utf8_encode(one, (uint32_t) cp);
    if (n >= cap - used)
      return JOBSRV_ETOOBIG;
    memcpy(to + used, one, n);
    used += n;
  }
  to[used] = '\0';
  *out = used;
  return 0;
}

int jobsrv__json_u64(const char *value, size_t len, uint64_t *out) {
  uint64_t number = 0;
  size_t i = 0;

  if (len > 0 && value[0] == '-')
    i = 1;
  if (i == len)
    return JOBSRV_EJSON;
  for (size_t k = i; k < len; k++)
    if (value[k] < '0' || value[k] > '9')
      return JOBSRV_EJSON;
  if (i == 1)
    return JOBSRV_ETOOBIG;
  for (; i < len; i++) {
    unsigned int digit = (unsigned int) (value[i] - '0');

    if (number > (UINT64_MAX - digit) / 10)
      return JOBSRV_ETOOBIG;
    number = number * 10 + digit;
  }
  *out = number;
  return 0;
}
