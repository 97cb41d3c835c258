/* SPDX-License-Identifier: MIT */

#include "sse/job_body.h"

#include "base/format.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "jobsrv/error.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

/* Appends one token. 0 when it does not fit; what is there is then spoiled. */
static int put_token(char *to, char *end, const jobsrv__member_t *name) {
  const char *p = name->name;
  const char *name_end = p + name->name_len;

  *to++ = '/';
  while (p < name_end) {
    unsigned long cp = jobsrv__json_string_next(&p, name_end);

    if (end - to < 5)
      return 0;
    if (cp == '~' || cp == '/') {
      *to++ = '~';
      *to++ = cp == '~' ? '0' : '1';
    } else {
      /* a NUL would end the text for who reads it as a string */
      to += jobsrv__utf8_encode(to, cp != 0 ? (uint32_t) cp : 0xfffd);
    }
  }
  *to = '\0';
  return 1;
}

int jobsrv__mistake(jobsrv_mistake_t *mistake,
                    const char *parent,
                    const jobsrv__member_t *name,
                    const char *detail) {
  size_t cap = sizeof(mistake->pointer);
  size_t used;

  (void) snprintf(mistake->detail, sizeof(mistake->detail), "%s", detail);
  used = jobsrv__format(mistake->pointer, cap, "%s", parent);
  /* a token that does not fit is stood for by its parent */
  if (name != NULL &&
      !put_token(mistake->pointer + used, mistake->pointer + cap, name))
    mistake->pointer[used] = '\0';
  return JOBSRV_EPAYLOAD;
}

static int read_operation(jobsrv__job_body_t *body,
                          const jobsrv__member_t *member,
                          jobsrv_mistake_t *mistake) {
  size_t len;

  if (!jobsrv__json_is_string(member->value))
    return jobsrv__mistake(mistake, "/operation", NULL, "must be a string");
  if (jobsrv__json_text(body->operation, sizeof(body->operation),
                        member->value + 1, member->value_len - 2, &len) != 0)
    return JOBSRV_ENOOPERATION;
  return len != 0 ? 0 : JOBSRV_ENOOPERATION;
}

int jobsrv__job_body_read(jobsrv__job_body_t *body,
                          jobsrv__buf_t *payload,
                          const char *text,
                          size_t len,
                          jobsrv_mistake_t *mistake) {
  jobsrv__members_t members;
  jobsrv__member_t member;
  int named = 0;
  int err;

  memset(body, 0, sizeof(*body));
  if (!jobsrv__members_init(&members, text, len))
    return jobsrv__mistake(mistake, "", NULL, "must be a JSON object");

  jobsrv__buf_putc(payload, '{');
  while (jobsrv__members_next(&members, &member)) {
    if (jobsrv__member_is(&member, "operation")) {
      named = 1;
      err = read_operation(body, &member, mistake);
      if (err != 0)
        return err;
      continue;
    }
    if (jobsrv__member_is(&member, "options")) {
      body->options = member.value;
      body->options_len = member.value_len;
      continue;
    }
    if (payload->len > 1)
      jobsrv__buf_putc(payload, ',');
    jobsrv__buf_append(payload, member.start,
                       (size_t) (member.value - member.start) +
                           member.value_len);
  }
  jobsrv__buf_putc(payload, '}');
  (void) jobsrv__buf_str(payload); /* for checks that look for its end */

  if (!named)
    return jobsrv__mistake(mistake, "", NULL,
                           "must have a member operation, a string");
  return payload->failed;
}

int jobsrv__job_body_operation(char to[JOBSRV__OPERATION_SIZE],
                               const char *text,
                               size_t len) {
  jobsrv__members_t members;
  jobsrv__member_t member;
  jobsrv__job_body_t body;
  jobsrv_mistake_t ignored;

  if (!jobsrv__members_init(&members, text, len))
    return 0;
  while (jobsrv__members_next(&members, &member)) {
    if (!jobsrv__member_is(&member, "operation"))
      continue;
    if (read_operation(&body, &member, &ignored) != 0)
      return 0;
    memcpy(to, body.operation, sizeof(body.operation));
    return 1;
  }
  return 0;
}

int jobsrv__cancel_body_read(char reason[JOBSRV__REASON_SIZE],
                             const char *text,
                             size_t len,
                             jobsrv_mistake_t *mistake) {
  jobsrv__members_t members;
  jobsrv__member_t member;
  size_t used;
  int err;

  reason[0] = '\0';
  if (!jobsrv__members_init(&members, text, len))
    return jobsrv__mistake(mistake, "", NULL, "must be a JSON object");
  while (jobsrv__members_next(&members, &member)) {
    if (!jobsrv__member_is(&member, "reason"))
      return jobsrv__mistake(mistake, "", &member, "unknown member");
    if (!jobsrv__json_is_string(member.value))
      return jobsrv__mistake(mistake, "/reason", NULL, "must be a string");
    err = jobsrv__json_text(reason, JOBSRV__REASON_SIZE, member.value + 1,
                            member.value_len - 2, &used);
    if (err != 0)
      return jobsrv__mistake(mistake, "/reason", NULL,
                             err == UV_EINVAL ? "must not hold a NUL"
                                              : "must have at most 1,024 "
                                                "bytes");
  }
  return 0;
}
