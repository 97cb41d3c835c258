/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "jobsrv/job.h"

static void every_state_but_the_ends_leads_somewhere(void **state) {
  (void) state;
  for (int from = 0; from < JOBSRV_STATE_MAX; from++) {
    int ways = 0;

    for (int to = 0; to < JOBSRV_STATE_MAX; to++)
      ways += jobsrv_state_allowed((jobsrv_state_t) from, (jobsrv_state_t) to);
    assert_int_equal(jobsrv_state_terminal((jobsrv_state_t) from), ways == 0);
  }
}

static void every_state_can_be_reached_from_the_first(void **state) {
  unsigned int seen = 1u << JOBSRV_STATE_SCHEDULED;

  (void) state;
  for (int round = 0; round < JOBSRV_STATE_MAX; round++)
    for (int from = 0; from < JOBSRV_STATE_MAX; from++)
      for (int to = 0; to < JOBSRV_STATE_MAX; to++)
        if ((seen & (1u << from)) &&
            jobsrv_state_allowed((jobsrv_state_t) from, (jobsrv_state_t) to))
          seen |= 1u << to;
  assert_int_equal(seen, (1u << JOBSRV_STATE_MAX) - 1);
}

static void an_end_can_be_reached_from_every_other_state(void **state) {
  (void) state;
  for (int from = 0; from < JOBSRV_STATE_COMPLETED; from++) {
    assert_true(jobsrv_state_allowed((jobsrv_state_t) from,
                                     JOBSRV_STATE_FAILED));
    assert_true(jobsrv_state_allowed((jobsrv_state_t) from,
                                     JOBSRV_STATE_CANCELLED));
    assert_int_equal(jobsrv_state_allowed((jobsrv_state_t) from,
                                          JOBSRV_STATE_COMPLETED),
                     from == JOBSRV_STATE_RUNNING);
  }
}

/* Row 2: each is named here, whatever the table says of itself. */
static void the_three_ends_and_no_others_absorb(void **state) {
  (void) state;
  for (int from = 0; from < JOBSRV_STATE_MAX; from++) {
    int ends = from == JOBSRV_STATE_COMPLETED || from == JOBSRV_STATE_FAILED ||
               from == JOBSRV_STATE_CANCELLED;

    assert_int_equal(jobsrv_state_terminal((jobsrv_state_t) from), ends);
    for (int to = 0; ends && to < JOBSRV_STATE_MAX; to++)
      assert_false(jobsrv_state_allowed((jobsrv_state_t) from,
                                        (jobsrv_state_t) to));
  }
}

static void numbers_that_are_no_states_lead_nowhere(void **state) {
  (void) state;
  for (int other = -2; other < 40; other++) {
    if (other >= 0 && other < JOBSRV_STATE_MAX)
      continue;
    for (int at = 0; at < JOBSRV_STATE_MAX; at++) {
      assert_false(jobsrv_state_allowed((jobsrv_state_t) at,
                                        (jobsrv_state_t) other));
      assert_false(jobsrv_state_allowed((jobsrv_state_t) other,
                                        (jobsrv_state_t) at));
    }
  }
}

static void no_state_leads_to_itself(void **state) {
  (void) state;
  for (int at = 0; at < JOBSRV_STATE_MAX; at++)
    assert_false(jobsrv_state_allowed((jobsrv_state_t) at,
                                      (jobsrv_state_t) at));
}

static void names_are_distinct_and_numbers_beyond_are_unknown(void **state) {
  (void) state;
  for (int a = 0; a < JOBSRV_STATE_MAX; a++)
    for (int b = 0; b < a; b++)
      assert_string_not_equal(jobsrv_state_name((jobsrv_state_t) a),
                              jobsrv_state_name((jobsrv_state_t) b));
  assert_string_equal(jobsrv_state_name(JOBSRV_STATE_MAX), "unknown");
  assert_string_equal(jobsrv_state_name((jobsrv_state_t) -1), "unknown");
  assert_false(jobsrv_state_terminal(JOBSRV_STATE_MAX));
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_state_but_the_ends_leads_somewhere),
  cmocka_unit_test(every_state_can_be_reached_from_the_first),
  cmocka_unit_test(an_end_can_be_reached_from_every_other_state),
  cmocka_unit_test(the_three_ends_and_no_others_absorb),
  cmocka_unit_test(numbers_that_are_no_states_lead_nowhere),
  cmocka_unit_test(no_state_leads_to_itself),
  cmocka_unit_test(names_are_distinct_and_numbers_beyond_are_unknown),
};

RUN(tests);
