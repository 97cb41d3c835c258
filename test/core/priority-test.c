/* SPDX-License-Identifier: MIT */

/* Row 16: priorities, and how long a lower one may have to wait. */

#include "starts.h"

#include "core/server.h"

enum {
  LOW = JOBSRV_PRIORITY_LOW,
  NORMAL = JOBSRV_PRIORITY_NORMAL,
  HIGH = JOBSRV_PRIORITY_HIGH,
  CRITICAL = JOBSRV_PRIORITY_CRITICAL
};

static char letter_of(int priority) {
  return " lnhc"[priority];
}

static jobsrv_job_t *add(starts *s, const char *name, int priority) {
  return starts_job(s, name, letter_of(priority), priority, 0, NULL);
}

static size_t running(const starts *s) {
  size_t n = 0;

  for (size_t i = 0; i < s->n; i++)
    n += jobsrv_job_state(s->job[i]) == JOBSRV_STATE_RUNNING;
  return n;
}

/* Ends the one that was started last, and has the next start. */
static void step(starts *s) {
  starts_complete(s, s->job[s->n - 1]);
}

static void the_highest_starts_first_and_in_it_the_oldest(void **state) {
  static const struct {
    char letter;
    int priority;
  } jobs[] = { { 'a', LOW }, { 'b', HIGH }, { 'c', CRITICAL }, { 'd', NORMAL },
               { 'e', HIGH }, { 'f', LOW }, { 'g', CRITICAL }, { 'h', 0 } };
  starts s = { .f.options.max_running = 1 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  for (size_t i = 0; i < 8; i++)
    starts_job(&s, "op", jobs[i].letter, jobs[i].priority, 0, NULL);
  starts_turn(&s);
  for (int i = 0; i < 7; i++)
    step(&s);
  assert_string_equal(s.log, "cgbedhaf");
  starts_close(&s);
}

static void it_is_the_specs_else_the_operations_else_normal(void **state) {
  starts s = { 0 };
  jobsrv_operation_t op = { .priority = HIGH };

  (void) state;
  starts_open(&s);
  starts_add(&s, "plain", 0);
  starts_add_op(&s, &op, "high");
  assert_int_equal(fixture_info(add(&s, "plain", 0)).priority, NORMAL);
  assert_int_equal(fixture_info(add(&s, "high", 0)).priority, HIGH);
  assert_int_equal(fixture_info(add(&s, "high", LOW)).priority, LOW);
  assert_int_equal(fixture_info(add(&s, "plain", CRITICAL)).priority,
                   CRITICAL);
  starts_refuse(&s, "plain", -1, 0);
  starts_refuse(&s, "plain", JOBSRV_PRIORITY_MAX, 0);
  assert_string_equal(jobsrv_priority_name(LOW), "low");
  assert_string_equal(jobsrv_priority_name(NORMAL), "normal");
  assert_string_equal(jobsrv_priority_name(HIGH), "high");
  assert_string_equal(jobsrv_priority_name(CRITICAL), "critical");
  assert_string_equal(jobsrv_priority_name(0), "unknown");
  assert_string_equal(jobsrv_priority_name(5), "unknown");
  starts_close(&s);
}

static void one_low_job_waits_for_16_starts_of_endless_criticals(void **state) {
  starts s = { .f.options.max_running = 1 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  add(&s, "op", LOW);
  add(&s, "op", CRITICAL);
  starts_turn(&s);
  for (int i = 0; i < 40; i++) {
    add(&s, "op", CRITICAL);
    step(&s);
  }
  assert_string_equal(s.log, "cccccccccccccccclcccccccccccccccccccccccc");
  starts_close(&s);
}

/* The longest run of others between two starts of a letter. */
static size_t longest_wait(const char *log, char letter) {
  size_t wait = 0, longest = 0;

  for (; *log != '\0'; log++) {
    wait = *log == letter ? 0 : wait + 1;
    if (wait > longest)
      longest = wait;
  }
  return longest;
}

static void no_class_waits_for_more_than_18_starts(void **state) {
  starts s = { .f.options.max_running = 3 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  for (int priority = LOW; priority <= CRITICAL; priority++)
    for (int i = 0; i < 1500; i++)
      add(&s, "op", priority);
  starts_turn(&s);
  for (size_t i = 0; i < 1400; i++)
    starts_complete(&s, s.job[i]);
  assert_int_equal(longest_wait(s.log, 'l'), 18);
  assert_int_equal(longest_wait(s.log, 'n'), 18);
  assert_int_equal(longest_wait(s.log, 'h'), 18);
  assert_int_equal(longest_wait(s.log, 'c'), 3);
  starts_close(&s);
}

/* Any mix of caps, and of what is there: whoever may start never waits long. */
static void nor_with_caps_of_operations_in_between(void **state) {
  static const char *const names[] = { "one", "two", "any" };
  starts s = { .f.options.max_running = 4 };
  uint32_t waited[5] = { 0 }, seed = 7, longest = 0;
  size_t seen = 0;

  (void) state;
  starts_open(&s);
  starts_add(&s, "one", 1);
  starts_add(&s, "two", 2);
  starts_add(&s, "any", 0);
  for (int i = 0; i < 1500; i++) {
    seed = seed * 1664525 + 1013904223;
    add(&s, names[seed >> 20 & 1], CRITICAL - (int) (seed >> 28) % 2);
    add(&s, "any", seed >> 27 & 1 ? CRITICAL : HIGH);
    if (i % 30 == 0) /* one of each waits where nothing else is in its way */
      for (int p = LOW; p <= NORMAL; p++)
        add(&s, "any", p);
    starts_turn(&s);
    starts_complete(&s, s.job[(size_t) i]);
    for (; seen < s.n; seen++)
      for (int p = LOW; p <= CRITICAL; p++) {
        waited[p]++;
        if (s.log[seen] == letter_of(p))
          waited[p] = 0;
        if (p <= NORMAL && waited[p] > longest)
          longest = waited[p];
      }
    for (int p = LOW; p <= NORMAL; p++)
      if (s.f.srv->in_class[p - 1] == 0)
        waited[p] = 0;
  }
  assert_true(longest >= 16);
  assert_true(longest <= 18);
  starts_close(&s);
}

static void who_may_not_start_is_not_passed_over(void **state) {
  starts s = { .f.options.max_running = 2 };
  jobsrv_job_t *holder;

  (void) state;
  starts_open(&s);
  starts_add(&s, "capped", 1);
  starts_add(&s, "any", 0);
  holder = add(&s, "capped", HIGH);
  starts_turn(&s);
  add(&s, "capped", LOW);
  add(&s, "any", CRITICAL);
  starts_turn(&s);
  for (int i = 0; i < 30; i++) {
    add(&s, "any", CRITICAL);
    step(&s);
  }
  add(&s, "any", CRITICAL);
  starts_complete(&s, holder);
  assert_int_equal(s.log[s.n - 1], 'c'); /* it has waited, but for its cap */
  assert_int_equal(running(&s), 2);
  starts_close(&s);
}

static void a_class_that_was_empty_begins_to_count_anew(void **state) {
  starts s = { .f.options.max_running = 1 };
  jobsrv_job_t *low;

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  low = add(&s, "op", LOW);
  add(&s, "op", CRITICAL);
  starts_turn(&s);
  for (int i = 0; i < 10; i++) {
    add(&s, "op", CRITICAL);
    step(&s);
  }
  assert_ok(jobsrv_job_cancel(low, NULL));
  add(&s, "op", LOW);
  for (int i = 0; i < 20; i++) {
    add(&s, "op", CRITICAL);
    step(&s);
  }
  assert_string_equal(s.log + 11, "cccccccccccccccclccc");
  starts_close(&s);
}

/*
 * An operation with a cap of one that always has criticals, beside another that
 * always has low ones: the class is served, and still nobody may be forgotten.
 */
static void no_job_starves_in_its_operation(void **state) {
  starts s = { .f.options.max_running = 2 };
  jobsrv_job_t *capped[256], *low;
  size_t seen = 0, n = 0;
  int waited = -1;

  (void) state;
  starts_open(&s);
  starts_add(&s, "capped", 1);
  starts_add(&s, "other", 0);
  low = starts_job(&s, "capped", 'L', LOW, 0, NULL);
  add(&s, "capped", CRITICAL);
  add(&s, "other", LOW);
  starts_turn(&s);
  for (int i = 0; i < 40 && waited < 0; i++) {
    add(&s, "capped", CRITICAL);
    add(&s, "other", LOW);
    for (; seen < s.n; seen++)
      if (s.log[seen] == 'c' || s.log[seen] == 'L')
        capped[n++] = s.job[seen];
    if (jobsrv_job_state(low) == JOBSRV_STATE_RUNNING) {
      waited = (int) n - 1;
    } else { /* the other's ends as well, and its next starts */
      starts_complete(&s, capped[n - 1]);
      for (size_t k = 0; k < s.n; k++)
        if (s.log[k] == 'l' &&
            jobsrv_job_state(s.job[k]) == JOBSRV_STATE_RUNNING) {
          starts_complete(&s, s.job[k]);
          break;
        }
    }
  }
  assert_int_equal(waited, 16);
  starts_close(&s);
}

static void a_new_priority_puts_a_job_behind_those_of_it(void **state) {
  starts s = { .f.options.max_running = 1 };
  jobsrv_job_t *b, *c;

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  starts_job(&s, "op", 'a', HIGH, 0, NULL);
  starts_turn(&s);
  b = starts_job(&s, "op", 'b', LOW, 0, NULL);
  c = starts_job(&s, "op", 'c', HIGH, 0, NULL);
  starts_job(&s, "op", 'd', HIGH, 0, NULL);
  jobsrv__dispatch_reprioritise(b, HIGH);
  jobsrv__dispatch_reprioritise(c, HIGH); /* which it has: it stays in front */
  assert_int_equal(fixture_info(b).queue_position, 3);
  assert_int_equal(fixture_info(c).queue_position, 1);
  jobsrv__dispatch_reprioritise(s.job[0], LOW); /* it runs: only its number */
  assert_int_equal(fixture_info(s.job[0]).priority, LOW);
  for (int i = 0; i < 3; i++)
    step(&s);
  assert_string_equal(s.log, "acdb");
  starts_close(&s);
}

static void the_position_counts_by_priority_and_then_by_time(void **state) {
  starts s = { .f.options.max_running = 1 };
  jobsrv_job_t *job[6];
  static const uint32_t due[] = { 4, 2, 5, 1, 6, 3 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  starts_add(&s, "other", 1);
  add(&s, "op", 0);
  starts_turn(&s);
  job[0] = add(&s, "op", NORMAL);
  job[1] = add(&s, "other", HIGH);
  job[2] = starts_job(&s, "other", 'x', NORMAL, 0, "g");
  job[3] = add(&s, "op", CRITICAL);
  job[4] = add(&s, "op", NORMAL);
  job[5] = starts_job(&s, "op", 'x', HIGH, 0, "g");
  for (int i = 0; i < 6; i++)
    assert_int_equal(fixture_info(job[i]).queue_position, due[i]);
  assert_int_equal(fixture_info(s.job[0]).queue_position, 0);
  assert_ok(jobsrv_job_cancel(job[1], NULL));
  assert_int_equal(fixture_info(job[1]).queue_position, 0);
  assert_int_equal(fixture_info(job[4]).queue_position, 5);
  starts_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_highest_starts_first_and_in_it_the_oldest),
  cmocka_unit_test(it_is_the_specs_else_the_operations_else_normal),
  cmocka_unit_test(one_low_job_waits_for_16_starts_of_endless_criticals),
  cmocka_unit_test(no_class_waits_for_more_than_18_starts),
  cmocka_unit_test(nor_with_caps_of_operations_in_between),
  cmocka_unit_test(who_may_not_start_is_not_passed_over),
  cmocka_unit_test(a_class_that_was_empty_begins_to_count_anew),
  cmocka_unit_test(no_job_starves_in_its_operation),
  cmocka_unit_test(a_new_priority_puts_a_job_behind_those_of_it),
  cmocka_unit_test(the_position_counts_by_priority_and_then_by_time),
};

RUN(tests);
