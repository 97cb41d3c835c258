/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CORE_MODEL_RUN_H
#define JOBSRV_TEST_CORE_MODEL_RUN_H

#include <stdint.h>

/* Takes that many random steps, and tells of the first mismatch. */
int model_run(uint64_t steps);

#endif /* JOBSRV_TEST_CORE_MODEL_RUN_H */
