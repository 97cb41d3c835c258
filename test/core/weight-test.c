/* SPDX-License-Identifier: MIT */

/* Row 17: caps count weights, and what is too heavy is waited for. */

#include "starts.h"

static jobsrv_job_t *add(starts *s, const char *name, char c, uint32_t weight) {
  return starts_job(s, name, c, 0, weight, NULL);
}

static uint64_t running_weight(const starts *s, const char *name) {
  jobsrv_operation_stats_t stats = { .size = sizeof(stats) };

  assert_ok(jobsrv_operation_stats(s->f.srv, name, &stats));
  return stats.running_weight;
}

static void it_is_the_specs_else_the_operations_else_one(void **state) {
  starts s = { 0 };
  jobsrv_operation_t op = { .weight = 3 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "plain", 0);
  starts_add_op(&s, &op, "heavy");
  assert_int_equal(fixture_info(add(&s, "plain", 'a', 0)).weight, 1);
  assert_int_equal(fixture_info(add(&s, "heavy", 'b', 0)).weight, 3);
  assert_int_equal(fixture_info(add(&s, "heavy", 'c', 7)).weight, 7);
  starts_refuse(&s, "plain", 0, 65536);
  starts_turn(&s);
  assert_int_equal(running_weight(&s, "plain"), 1);
  assert_int_equal(running_weight(&s, "heavy"), 10);
  starts_close(&s);
}

static void both_caps_count_weights(void **state) {
  starts s = { .f.options.max_running = 6 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 4);
  starts_add(&s, "any", 0);
  add(&s, "op", 'a', 3);
  add(&s, "op", 'b', 1);
  add(&s, "op", 'c', 1);
  add(&s, "any", 'd', 2);
  add(&s, "any", 'e', 1);
  assert_started(&s, 0, "abd");
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "abdce");
  assert_int_equal(running_weight(&s, "op"), 2);
  starts_close(&s);
}

static void heavier_than_a_cap_is_alone_in_it(void **state) {
  starts s = { .f.options.max_running = 4 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 2);
  starts_add(&s, "any", 0);
  add(&s, "op", 'a', 3);
  add(&s, "op", 'b', 1);
  add(&s, "any", 'c', 1);
  assert_started(&s, 0, "ac"); /* alone in its operation */
  add(&s, "any", 'd', 65535);
  add(&s, "any", 'e', 1);
  starts_complete(&s, s.job[1]);
  assert_string_equal(s.log, "ac"); /* 'b' is capped, 'd' waited for */
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "acb");
  starts_complete(&s, s.job[2]);
  assert_string_equal(s.log, "acbd"); /* alone in the server */
  starts_complete(&s, s.job[3]);
  assert_string_equal(s.log, "acbde");
  starts_close(&s);
}

static void for_room_in_the_server_all_wait_behind_it(void **state) {
  starts s = { .f.options.max_running = 4 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  starts_add(&s, "other", 0);
  add(&s, "op", 'a', 2);
  add(&s, "op", 'b', 1);
  assert_started(&s, 0, "ab");
  add(&s, "op", 'c', 3);
  add(&s, "op", 'd', 1);
  add(&s, "other", 'e', 1);
  starts_job(&s, "other", 'f', JOBSRV_PRIORITY_LOW, 1, NULL);
  assert_started(&s, 0, "ab");
  starts_job(&s, "other", 'g', JOBSRV_PRIORITY_HIGH, 1, NULL);
  assert_started(&s, 0, "abg"); /* is not behind it */
  starts_complete(&s, s.job[1]);
  starts_complete(&s, s.job[2]);
  assert_string_equal(s.log, "abg");
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "abgcd");
  starts_close(&s);
}

static void for_room_in_an_operation_only_its_own_wait_behind_it(
    void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 3);
  starts_add(&s, "other", 0);
  add(&s, "op", 'a', 2);
  add(&s, "op", 'b', 2);
  add(&s, "op", 'c', 1);
  add(&s, "other", 'd', 1);
  starts_job(&s, "op", 'e', JOBSRV_PRIORITY_LOW, 1, NULL);
  assert_started(&s, 0, "ad");
  starts_job(&s, "op", 'f', JOBSRV_PRIORITY_HIGH, 1, NULL);
  assert_started(&s, 0, "adf"); /* is not behind it */
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "adfb");
  starts_complete(&s, s.job[2]);
  assert_string_equal(s.log, "adfbc");
  starts_complete(&s, s.job[3]);
  assert_string_equal(s.log, "adfbce");
  starts_close(&s);
}

static void higher_ones_let_it_wait_for_16_starts_at_most(void **state) {
  static const char *const names[] = { "any", "op" };

  (void) state;
  for (int i = 0; i < 2; i++) { /* for the server's cap; for the operation's */
    starts s = { .f.options.max_running = i == 0 ? 3 : 0 };
    size_t done = 0;

    starts_open(&s);
    starts_add(&s, "any", 0);
    starts_add(&s, "op", 3);
    for (int k = 0; k < 3; k++)
      add(&s, names[i], 'a', 1);
    starts_turn(&s);
    add(&s, names[i], 'H', 3);
    for (int k = 0; k < 40; k++) {
      starts_job(&s, names[i], 'c', JOBSRV_PRIORITY_CRITICAL, 1, NULL);
      if (jobsrv_job_state(s.job[done]) == JOBSRV_STATE_RUNNING)
        starts_complete(&s, s.job[done++]);
      if (done == s.n)
        done--;
      if (s.log[s.n - 1] == 'H')
        break;
    }
    assert_string_equal(s.log, "aaaccccccccccccccccH");
    starts_close(&s);
  }
}

static void the_sum_of_the_greatest_does_not_wrap(void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  for (int i = 0; i < 3; i++)
    add(&s, "op", 'a', 65535);
  assert_started(&s, 0, "aaa");
  assert_int_equal(running_weight(&s, "op"), 3 * UINT64_C(65535));
  starts_complete(&s, s.job[1]);
  assert_int_equal(running_weight(&s, "op"), 2 * UINT64_C(65535));
  assert_ok(jobsrv_job_cancel(s.job[0], NULL));
  assert_ok(jobsrv_job_fail(s.job[0], NULL, NULL));
  starts_complete(&s, s.job[2]);
  assert_int_equal(running_weight(&s, "op"), 0);
  starts_close(&s);
}

static void a_heavy_job_that_is_cancelled_lets_the_others_start(void **state) {
  starts s = { .f.options.max_running = 2 };
  jobsrv_job_t *heavy;

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  add(&s, "op", 'a', 1);
  heavy = add(&s, "op", 'b', 2);
  add(&s, "op", 'c', 1);
  assert_started(&s, 0, "a");
  assert_ok(jobsrv_job_cancel(heavy, NULL));
  assert_started(&s, 0, "ac");
  starts_close(&s);
}

/* Whether its weight is still counted while it waits for an answer. */
static void suspend_one(int keeps_slot, const char *due) {
  starts s = { .f.options.max_running = 4 };
  jobsrv_operation_t op = { .keeps_slot = keeps_slot, .weight = 3 };

  starts_open(&s);
  starts_add_op(&s, &op, "op");
  starts_add(&s, "any", 0);
  add(&s, "op", 'a', 0);
  add(&s, "any", 'b', 2);
  assert_started(&s, 0, "a");
  assert_ok(jobsrv_job_suspend(s.job[0], NULL, 0));
  assert_started(&s, 0, due);
  assert_int_equal(running_weight(&s, "op"), keeps_slot ? 3 : 0);
  assert_ok(jobsrv_job_answer(s.job[0], NULL, 0));
  starts_turn(&s);
  assert_int_equal(jobsrv_job_state(s.job[0]),
                   keeps_slot ? JOBSRV_STATE_RUNNING : JOBSRV_STATE_QUEUED);
  if (!keeps_slot)
    starts_complete(&s, s.job[1]);
  assert_int_equal(jobsrv_job_state(s.job[0]), JOBSRV_STATE_RUNNING);
  assert_int_equal(running_weight(&s, "op"), 3);
  starts_complete(&s, s.job[0]);
  assert_int_equal(running_weight(&s, "op"), 0);
  starts_close(&s);
}

static void a_suspended_job_gives_up_its_weight_with_its_slot(void **state) {
  (void) state;
  suspend_one(0, "ab");
  suspend_one(1, "a");
}

static void a_retrying_job_has_no_weight(void **state) {
  starts s = { .f.options.max_running = 3 };
  jobsrv_spec_t spec = { .weight = 3, .retry.max_attempts = 2,
                         .retry.jitter = JOBSRV_JITTER_NONE };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  starts_submit(&s, &spec, "op", 'a');
  assert_started(&s, 0, "a");
  add(&s, "op", 'b', 3);
  assert_ok(jobsrv_job_fail(s.job[0], NULL, NULL));
  assert_started(&s, 0, "ab");
  assert_int_equal(running_weight(&s, "op"), 3);
  fixture_ms(&s.f, 1000);
  assert_string_equal(s.log, "ab");
  starts_complete(&s, s.job[1]);
  assert_string_equal(s.log, "aba");
  starts_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(it_is_the_specs_else_the_operations_else_one),
  cmocka_unit_test(both_caps_count_weights),
  cmocka_unit_test(heavier_than_a_cap_is_alone_in_it),
  cmocka_unit_test(for_room_in_the_server_all_wait_behind_it),
  cmocka_unit_test(for_room_in_an_operation_only_its_own_wait_behind_it),
  cmocka_unit_test(higher_ones_let_it_wait_for_16_starts_at_most),
  cmocka_unit_test(the_sum_of_the_greatest_does_not_wrap),
  cmocka_unit_test(a_suspended_job_gives_up_its_weight_with_its_slot),
  cmocka_unit_test(a_retrying_job_has_no_weight),
  cmocka_unit_test(a_heavy_job_that_is_cancelled_lets_the_others_start),
};

RUN(tests);
