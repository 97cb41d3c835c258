/* SPDX-License-Identifier: MIT */

#include "core/backoff.h"

/* backoff * factor^(attempt - 1), at most the cap. */
static uint64_t delay_ms(const jobsrv_retry_t *retry, uint32_t attempt) {
  uint64_t cap = retry->max_backoff_ms;
  uint64_t ms = retry->backoff_ms;

  if (retry->factor <= 1) /* however many attempts: it does not grow */
    return ms < cap ? ms : cap;
  for (uint32_t n = 1; n < attempt && ms < cap; n++)
    ms = ms > UINT64_MAX / retry->factor ? UINT64_MAX : ms * retry->factor;
  return ms < cap ? ms : cap;
}

/* From 0 to `most`, each as likely but for one part in 2^64 / most. */
static uint64_t up_to(uint64_t most, uint64_t random) {
  return most == UINT64_MAX ? random : random % (most + 1);
}

uint64_t jobsrv__backoff_ms(const jobsrv_retry_t *retry,
                            uint32_t attempt,
                            uint64_t random) {
  uint64_t ms = delay_ms(retry, attempt);

  switch (retry->jitter) {
    case JOBSRV_JITTER_NONE: return ms;
    case JOBSRV_JITTER_FULL: return up_to(ms, random);
    default: return ms - up_to(ms / 2, random);
  }
}
