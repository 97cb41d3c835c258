/* SPDX-License-Identifier: MIT */

#include "sse/many-model.h"

/* The same rounds each time; many-model-long-test has others. */

enum { ROUNDS = 200 };

static model_t m;

static void many_agree_with_what_was_told(void **state) {
  uint64_t events = 0;
  uint64_t cuts = 0;
  uint64_t gaps = 0;
  uint64_t forgotten = 0;

  (void) state;
  for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
    model_round(&m, seed);
    events += m.events;
    cuts += m.cuts;
    gaps += m.gaps;
    forgotten += m.forgotten;
  }
  print_message("%llu events, %llu cuts, %llu gaps, %llu of them forgotten\n",
                (unsigned long long) events, (unsigned long long) cuts,
                (unsigned long long) gaps, (unsigned long long) forgotten);
  assert_true(events > 1000 && cuts > 100 && gaps > 50 && forgotten > 2);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(many_agree_with_what_was_told),
};

RUN(tests);
