/* SPDX-License-Identifier: MIT */

#include "jobsrv/job.h"

#define BIT(state) (1u << JOBSRV_STATE_##state)
#define ENDS (BIT(COMPLETED) | BIT(FAILED) | BIT(CANCELLED))

/* Row: from; bits: to. A job that never ran cannot have completed. */
static const uint8_t allowed[JOBSRV_STATE_MAX] = {
  [JOBSRV_STATE_SCHEDULED] = BIT(QUEUED) | BIT(FAILED) | BIT(CANCELLED),
  [JOBSRV_STATE_QUEUED] = BIT(SCHEDULED) | BIT(RUNNING) | BIT(RETRYING) |
                          BIT(FAILED) | BIT(CANCELLED),
  [JOBSRV_STATE_RUNNING] = BIT(RETRYING) | BIT(SUSPENDED) | ENDS,
  [JOBSRV_STATE_RETRYING] = BIT(QUEUED) | BIT(FAILED) | BIT(CANCELLED),
  [JOBSRV_STATE_SUSPENDED] = BIT(QUEUED) | BIT(RUNNING) | BIT(FAILED) |
                             BIT(CANCELLED),
};

static const char *const names[JOBSRV_STATE_MAX] = {
#define XX(name, text) [JOBSRV_STATE_##name] = text,
  JOBSRV_STATE_MAP(XX)
#undef XX
};

const char *jobsrv_state_name(jobsrv_state_t state) {
  return (unsigned int) state < JOBSRV_STATE_MAX ? names[state] : "unknown";
}

int jobsrv_state_terminal(jobsrv_state_t state) {
  return (unsigned int) state < JOBSRV_STATE_MAX && allowed[state] == 0;
}

int jobsrv_state_allowed(jobsrv_state_t from, jobsrv_state_t to) {
  if ((unsigned int) from >= JOBSRV_STATE_MAX ||
      (unsigned int) to >= JOBSRV_STATE_MAX)
    return 0;
  return (allowed[from] >> to) & 1;
}
