/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_POLICY_H
#define JOBSRVD_POLICY_H

/*
 * How the jobs of an operation in the config file run: for how long, in what
 * order and company, how often. Every member is that of jobsrv_operation_t
 * with its name; "concurrency" is another name of "max_running".
 */

#include "place.h"

#include <jobsrv/operation.h>

/* Their names, for the list of what an operation may have. */
#define JOBSRVD_POLICY_NAMES                                                  \
  "timeout_ms", "deadline_ms", "queue_ms", "silence_ms", "grace_ms",          \
      "retain_ms", "retain_failed_ms", "retain_cancelled_ms", "concurrency",  \
      "max_running", "weight", "priority", "group", "rate", "breaker",        \
      "retry", "on_drain", "on_last_watcher", "last_watcher_grace_ms",        \
      "cancellable"

/*
 * Reads them into `operation`, whose `group` is lent by `spec`. Returns 0, or
 * -1 after a complaint.
 */
int jobsrvd_policy_parse(jobsrv_operation_t *operation,
                         json_t *spec,
                         jobsrvd_place_t *place);

#endif /* JOBSRVD_POLICY_H */
