/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_BACKOFF_H_
#define JOBSRV_CORE_BACKOFF_H_

#include "jobsrv/job.h"

/*
 * How long to wait after attempt number `attempt`, from 1, has failed, in
 * milliseconds; saturates. `retry` has every default filled in; `random` is 64
 * bits that decide the jitter.
 */
uint64_t jobsrv__backoff_ms(const jobsrv_retry_t *retry,
                            uint32_t attempt,
                            uint64_t random);

#endif /* JOBSRV_CORE_BACKOFF_H_ */
