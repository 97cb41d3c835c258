/* SPDX-License-Identifier: MIT */

#include "core/attempt.h"

#include <string.h>

/* "JOBSRV_EJSON" gives "ejson", "ENOENT" gives "enoent". */
static void code_of(int err, char *to, size_t cap) {
  static const char prefix[] = "JOBSRV_";
  const char *name = jobsrv_err_name(err);
  size_t len = 0;

  if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
    name += sizeof(prefix) - 1;
  for (; name[len] != '\0' && len + 1 < cap; len++)
    to[len] = name[len] >= 'A' && name[len] <= 'Z'
                  ? (char) (name[len] - 'A' + 'a')
                  : name[len];
  to[len] = '\0';
}

void jobsrv__attempt_say(jobsrv_job_t *job, int result) {
  char code[32];

  if (result == 0) {
    jobsrv__job_say(job, 1, NULL, NULL);
  } else if (result == JOBSRV_CANCELLED) {
    jobsrv__job_say(job, 0, "cancelled", NULL);
  } else {
    code_of(result, code, sizeof(code));
    jobsrv__job_say(job, 0, code, jobsrv_strerror(result));
  }
}
