/* SPDX-License-Identifier: MIT */

/*
 * Rounds of many-model.h that are others each time. JOBSRV_MODEL_SEED plays
 * them again, JOBSRV_MODEL_ROUNDS says how many.
 */

#include "sse/many-model.h"

static model_t m;

static uint64_t number_from(const char *name, uint64_t fallback) {
  const char *text = getenv(name);

  return text != NULL ? strtoull(text, NULL, 10) : fallback;
}

static void many_agree_with_what_was_told_for_long(void **state) {
  uint64_t seed = number_from("JOBSRV_MODEL_SEED", uv_hrtime() % 1000000007);
  uint64_t rounds = number_from("JOBSRV_MODEL_ROUNDS", 5000);
  uint64_t events = 0;

  (void) state;
  print_message("JOBSRV_MODEL_SEED=%llu\n", (unsigned long long) seed);
  for (uint64_t i = 0; i < rounds; i++) {
    model_round(&m, seed + i);
    events += m.events;
  }
  print_message("%llu events were compared\n", (unsigned long long) events);
  assert_true(events > rounds);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(many_agree_with_what_was_told_for_long),
};

RUN(tests);
