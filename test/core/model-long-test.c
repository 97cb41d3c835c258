/* SPDX-License-Identifier: MIT */

/*
 * The library against the model of model.h: random steps, everything compared
 * after each of them. JOBSRV_MODEL_SEED plays a run again, JOBSRV_MODEL_EPISODE
 * begins it further on, JOBSRV_MODEL_STEPS sets its length.
 */

#include "test.h"

#include "core/model-run.h"

static void it_agrees_with_the_model_for_long(void **state) {
  (void) state;
  assert_int_equal(model_run(10000000), 0);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(it_agrees_with_the_model_for_long),
};

RUN(tests);
