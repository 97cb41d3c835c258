/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/wheel.h"

#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

static jobsrv__wheel_t wheel;
static char fired[4096];

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static int reset(void **state) {
  (void) state;
  jobsrv__wheel_init(&wheel, 0);
  fired[0] = '\0';
  return 0;
}

/* `data` is a string of one letter. */
static void note(jobsrv_timer_t *timer) {
  assert_false(jobsrv__wheel_armed(timer));
  strcat(fired, timer->data);
}

static void expect(uint64_t now, const char *want) {
  size_t n;

  fired[0] = '\0';
  n = jobsrv__wheel_run(&wheel, now);
  assert_string_equal(fired, want);
  assert_int_equal(n, strlen(want));
}

static void a_timer_never_fires_early(void **state) {
  jobsrv_timer_t timer = { .data = "a" };
  uint64_t deadline;

  (void) state;
  for (deadline = 5 * MS - 2; deadline <= 5 * MS + 2; deadline++) {
    jobsrv__wheel_init(&wheel, 0);
    jobsrv__wheel_arm(&wheel, &timer, deadline, note);
    expect(deadline - 1, "");
    assert_true(jobsrv__wheel_next(&wheel) >= deadline);
    assert_true(jobsrv__wheel_next(&wheel) < deadline + MS);
    expect(jobsrv__wheel_next(&wheel), "a");
    assert_true(jobsrv__wheel_next(&wheel) == UINT64_MAX);
  }
}

static void a_tick_fires_by_deadline_then_by_arming(void **state) {
  jobsrv_timer_t a = { .data = "a" }, b = { .data = "b" }, c = { .data = "c" };
  jobsrv_timer_t d = { .data = "d" };

  (void) state;
  jobsrv__wheel_arm(&wheel, &d, 9 * MS + 3, note);
  jobsrv__wheel_arm(&wheel, &b, 9 * MS + 2, note);
  jobsrv__wheel_arm(&wheel, &c, 9 * MS + 2, note);
  jobsrv__wheel_arm(&wheel, &a, 9 * MS + 1, note);
  expect(9 * MS, "");
  expect(10 * MS, "abcd");
}

static void order_survives_the_way_down_the_levels(void **state) {
  static const char *const names[] = { "a", "b", "c", "d", "e", "f" };
  jobsrv_timer_t timers[6] = { { 0 } };
  uint64_t t = UINT64_C(123456789) * MS;
  uint64_t now;
  int i;

  (void) state;
  for (i = 0; i < 6; i++) {
    timers[i].data = (void *) names[i];
    jobsrv__wheel_arm(&wheel, &timers[i], t, note);
    /* Each is armed at another distance, so on another level. */
    now = t - (t >> (4 + 4 * i));
    expect(now, "");
  }
  expect(t - 1, "");
  expect(t, "abcdef");
}

static void arming_an_armed_timer_moves_it(void **state) {
  jobsrv_timer_t a = { .data = "a" }, b = { .data = "b" };

  (void) state;
  jobsrv__wheel_arm(&wheel, &a, 5 * MS, note);
  jobsrv__wheel_arm(&wheel, &b, 5 * MS, note);
  jobsrv__wheel_arm(&wheel, &a, 7 * MS, note);
  assert_int_equal(jobsrv__wheel_count(&wheel), 2);
  expect(6 * MS, "b");
  expect(7 * MS, "a");

  jobsrv__wheel_arm(&wheel, &a, 9 * MS, note);
  jobsrv__wheel_arm(&wheel, &b, 9 * MS, note);
  jobsrv__wheel_arm(&wheel, &a, 9 * MS, note);
  expect(9 * MS, "ba");
}

static void a_disarmed_timer_stays_quiet(void **state) {
  jobsrv_timer_t a = { .data = "a" }, b = { .data = "b" }, c = { .data = "c" };

  (void) state;
  jobsrv__wheel_disarm(&wheel, &a);
  jobsrv__wheel_arm(&wheel, &a, 5 * MS, note);
  jobsrv__wheel_arm(&wheel, &b, 5 * MS, note);
  jobsrv__wheel_arm(&wheel, &c, 5 * MS, note);
  assert_true(jobsrv__wheel_armed(&b));
  jobsrv__wheel_disarm(&wheel, &b);
  jobsrv__wheel_disarm(&wheel, &b);
  assert_false(jobsrv__wheel_armed(&b));
  assert_int_equal(jobsrv__wheel_count(&wheel), 2);
  expect(5 * MS, "ac");
  assert_int_equal(jobsrv__wheel_count(&wheel), 0);

  jobsrv__wheel_arm(&wheel, &a, 100 * MS, note);
  jobsrv__wheel_disarm(&wheel, &a);
  assert_true(jobsrv__wheel_next(&wheel) == UINT64_MAX);
  expect(UINT64_MAX, "");
}

static void a_deadline_that_has_passed_fires_at_the_next_run(void **state) {
  jobsrv_timer_t a = { .data = "a" }, b = { .data = "b" }, c = { .data = "c" };

  (void) state;
  expect(1000 * MS, "");
  jobsrv__wheel_arm(&wheel, &a, 1000 * MS, note);
  jobsrv__wheel_arm(&wheel, &b, 0, note);
  jobsrv__wheel_arm(&wheel, &c, 999 * MS, note);
  assert_true(jobsrv__wheel_next(&wheel) <= 1000 * MS);
  expect(1000 * MS, "bca");
}

static void time_that_goes_back_counts_as_standing(void **state) {
  jobsrv_timer_t a = { .data = "a" }, b = { .data = "b" };

  (void) state;
  expect(1000 * MS, "");
  jobsrv__wheel_arm(&wheel, &a, 1001 * MS, note);
  jobsrv__wheel_arm(&wheel, &b, 500 * MS, note);
  expect(3 * MS, "b");
  expect(1001 * MS, "a");
}

static void the_last_deadline_of_all_can_be_reached(void **state) {
  jobsrv_timer_t a = { .data = "a" }, b = { .data = "b" };

  (void) state;
  jobsrv__wheel_arm(&wheel, &a, UINT64_MAX, note);
  jobsrv__wheel_arm(&wheel, &b, UINT64_MAX - MS, note);
  expect(UINT64_MAX / 2, "");
  expect(UINT64_MAX - MS - 1, "");
  expect(UINT64_MAX - 1, "b");
  expect(UINT64_MAX, "a");
}

static void far_deadlines_cost_one_early_run_a_level_at_most(void **state) {
  jobsrv_timer_t a = { .data = "a" };
  uint64_t start, distance, now, next;
  int i, runs;

  (void) state;
  for (i = 0; i < 2000; i++) {
    start = next_random() >> (1 + next_random() % 60);
    distance = next_random() >> (1 + next_random() % 60);
    jobsrv__wheel_init(&wheel, start);
    jobsrv__wheel_arm(&wheel, &a, start + distance, note);
    now = start;
    for (runs = 0; jobsrv__wheel_count(&wheel) > 0; runs++) {
      next = jobsrv__wheel_next(&wheel);
      assert_true(runs == 0 || next > now);
      assert_true(next < start + distance + MS);
      now = next;
      fired[0] = '\0';
      jobsrv__wheel_run(&wheel, now);
    }
    assert_true(now >= start + distance);
    assert_true(runs <= JOBSRV__WHEEL_LEVELS);
  }
}

typedef struct {
  jobsrv_timer_t timer;
  jobsrv_timer_t *other;
  uint64_t deadline;
  char *name;
} actor_t;

static void disarms_the_other(jobsrv_timer_t *timer) {
  actor_t *actor = timer->data;

  strcat(fired, actor->name);
  jobsrv__wheel_disarm(&wheel, actor->other);
}

static void frees_both(jobsrv_timer_t *timer) {
  actor_t *actor = timer->data;
  actor_t *other = actor->other->data;

  strcat(fired, actor->name);
  jobsrv__wheel_disarm(&wheel, &other->timer);
  free(other);
  free(actor);
}

static void arms_the_other(jobsrv_timer_t *timer) {
  actor_t *actor = timer->data;

  strcat(fired, actor->name);
  jobsrv__wheel_arm(&wheel, actor->other, actor->deadline, note);
}

static void runs_again(jobsrv_timer_t *timer) {
  strcat(fired, timer->data);
  assert_int_equal(jobsrv__wheel_run(&wheel, UINT64_MAX), 0);
}

static void a_callback_may_disarm_another_that_is_due(void **state) {
  jobsrv_timer_t b = { .data = "b" }, c = { .data = "c" };
  actor_t a = { .other = &b, .name = "a" };

  (void) state;
  a.timer.data = &a;
  jobsrv__wheel_arm(&wheel, &a.timer, MS, disarms_the_other);
  jobsrv__wheel_arm(&wheel, &b, MS, note);
  jobsrv__wheel_arm(&wheel, &c, MS, note);
  fired[0] = '\0';
  assert_int_equal(jobsrv__wheel_run(&wheel, MS), 2);
  assert_string_equal(fired, "ac");
  assert_int_equal(jobsrv__wheel_count(&wheel), 0);
}

static void a_callback_may_free_itself_and_another_that_is_due(void **state) {
  actor_t *a = calloc(1, sizeof(*a));
  actor_t *b = calloc(1, sizeof(*b));
  jobsrv_timer_t c = { .data = "c" };

  (void) state;
  assert_non_null(a);
  assert_non_null(b);
  *a = (actor_t){ .timer.data = a, .other = &b->timer, .name = "a" };
  *b = (actor_t){ .timer.data = b, .name = "b" };
  jobsrv__wheel_arm(&wheel, &a->timer, MS, frees_both);
  jobsrv__wheel_arm(&wheel, &b->timer, MS, note);
  jobsrv__wheel_arm(&wheel, &c, MS, note);
  fired[0] = '\0';
  assert_int_equal(jobsrv__wheel_run(&wheel, MS), 2);
  assert_string_equal(fired, "ac");
}

static void what_a_callback_arms_fires_in_a_later_run(void **state) {
  jobsrv_timer_t b = { .data = "b" };
  actor_t a = { .other = &b, .name = "a", .deadline = 0 };

  (void) state;
  a.timer.data = &a;
  jobsrv__wheel_arm(&wheel, &a.timer, 5 * MS, arms_the_other);
  expect(5 * MS, "a");
  assert_true(jobsrv__wheel_next(&wheel) <= 5 * MS);
  expect(5 * MS, "b");

  /* Another that is due and is moved to the past is due no more either. */
  jobsrv__wheel_arm(&wheel, &a.timer, 6 * MS, arms_the_other);
  jobsrv__wheel_arm(&wheel, &b, 6 * MS, note);
  expect(6 * MS, "a");
  expect(6 * MS, "b");
}

static void a_timer_that_arms_itself_does_not_hold_the_run(void **state) {
  actor_t a = { .name = "a", .deadline = 0 };

  (void) state;
  a.timer.data = &a;
  a.other = &a.timer;
  jobsrv__wheel_arm(&wheel, &a.timer, MS, arms_the_other);
  expect(MS, "a");
  assert_int_equal(jobsrv__wheel_count(&wheel), 1);
  jobsrv__wheel_disarm(&wheel, &a.timer);
}

static void a_run_within_a_run_does_nothing(void **state) {
  jobsrv_timer_t a = { .data = "a" }, b = { .data = "b" }, c = { .data = "c" };

  (void) state;
  jobsrv__wheel_arm(&wheel, &a, MS, runs_again);
  jobsrv__wheel_arm(&wheel, &b, MS, note);
  jobsrv__wheel_arm(&wheel, &c, 2 * MS, note);
  expect(MS, "ab");
  expect(2 * MS, "c");
}

/*
 * The model: a plain array. Deadlines of every magnitude, moved, disarmed and
 * armed out of callbacks; time goes in steps of every magnitude.
 */
enum { TIMERS = 400 };

static struct {
  jobsrv_timer_t timer;
  uint64_t deadline;
  uint64_t order;
  int armed;
} model[TIMERS];

static uint64_t orders;
static uint64_t now_ns;
static uint64_t last_deadline;
static uint64_t last_order;
static uint64_t orders_at_run;

static uint64_t random_span(void) {
  return next_random() >> (1 + next_random() % 63);
}

static void on_model(jobsrv_timer_t *timer);

static void model_arm(size_t i, uint64_t deadline) {
  model[i].deadline = deadline;
  model[i].order = ++orders;
  model[i].armed = 1;
  jobsrv__wheel_arm(&wheel, &model[i].timer, deadline, on_model);
}

static void model_disarm(size_t i) {
  model[i].armed = 0;
  jobsrv__wheel_disarm(&wheel, &model[i].timer);
}

static uint64_t random_deadline(void) {
  uint64_t span = random_span();

  if (next_random() % 8 == 0)
    return next_random() % 4 == 0 ? UINT64_MAX - span % 4 : span;
  return span < UINT64_MAX - now_ns ? now_ns + span : UINT64_MAX;
}

static void on_model(jobsrv_timer_t *timer) {
  size_t i = (size_t) (uintptr_t) timer->data;

  assert_true(model[i].armed);
  assert_true(model[i].deadline <= now_ns);
  assert_true(model[i].order <= orders_at_run);
  assert_true(model[i].deadline > last_deadline ||
              (model[i].deadline == last_deadline &&
               model[i].order > last_order));
  last_deadline = model[i].deadline;
  last_order = model[i].order;
  model[i].armed = 0;

  if (next_random() % 4 == 0)
    model_arm(next_random() % TIMERS, random_deadline());
  if (next_random() % 4 == 0)
    model_disarm(next_random() % TIMERS);
}

/* What no run may leave behind, and what the next one is due for. */
static void check_model(void) {
  uint64_t earliest = UINT64_MAX;
  uint64_t next = jobsrv__wheel_next(&wheel);
  size_t i, armed = 0;

  for (i = 0; i < TIMERS; i++) {
    assert_int_equal(model[i].armed, jobsrv__wheel_armed(&model[i].timer));
    if (!model[i].armed)
      continue;
    armed++;
    if (model[i].deadline < earliest)
      earliest = model[i].deadline;
    assert_true(model[i].order > orders_at_run ||
                model[i].deadline > now_ns - now_ns % MS);
  }
  assert_int_equal(jobsrv__wheel_count(&wheel), armed);
  if (earliest <= now_ns - now_ns % MS)
    assert_true(next <= now_ns);
  else if (earliest < UINT64_MAX - MS)
    assert_true(next < earliest + MS && next > now_ns - now_ns % MS);
}

static void it_agrees_with_a_plain_list(void **state) {
  int round, i;
  uint64_t next;

  (void) state;
  for (round = 0; round < 300; round++) {
    memset(model, 0, sizeof(model));
    for (i = 0; i < TIMERS; i++)
      model[i].timer.data = (void *) (uintptr_t) i;
    now_ns = random_span();
    jobsrv__wheel_init(&wheel, now_ns);

    for (i = 0; i < 200; i++) {
      switch (next_random() % 4) {
        case 0:
          model_disarm(next_random() % TIMERS);
          continue;
        case 1:
          next = jobsrv__wheel_next(&wheel);
          if (next > now_ns)
            now_ns = next;
          break;
        case 2:
          next = random_span();
          now_ns = next < UINT64_MAX - now_ns ? now_ns + next : UINT64_MAX;
          break;
        default:
          model_arm(next_random() % TIMERS, random_deadline());
          continue;
      }
      last_deadline = 0;
      last_order = 0;
      orders_at_run = orders;
      jobsrv__wheel_run(&wheel, now_ns);
      check_model();
    }
  }
}

static void many_in_any_order_fire_sorted(void **state) {
  enum { N = 20000 };
  jobsrv_timer_t *timers = calloc(N, sizeof(*timers));
  size_t i;

  (void) state;
  assert_non_null(timers);
  memset(model, 0, sizeof(model));
  for (i = 0; i < TIMERS; i++)
    model[i].timer.data = (void *) (uintptr_t) i;
  now_ns = 1000 * MS;
  for (i = 0; i < 400; i++)
    model_arm(i, next_random() % (1000 * MS));
  orders_at_run = orders;
  last_deadline = last_order = 0;
  /* Callbacks of the model arm others, which must wait for the next run. */
  assert_true(jobsrv__wheel_run(&wheel, now_ns) > 200);
  check_model();

  jobsrv__wheel_init(&wheel, 0);
  for (i = 0; i < N; i++) {
    timers[i].data = "";
    jobsrv__wheel_arm(&wheel, &timers[i], next_random() % (50 * MS), note);
  }
  assert_int_equal(jobsrv__wheel_run(&wheel, 50 * MS), N);
  free(timers);
}

/* Against the plain truth: a run fires what its time has reached. */
static void a_clock_set_back_moves_no_deadline(void **state) {
  enum { N = 300 };
  static jobsrv_timer_t timers[N];
  static char name[2] = "x";
  uint64_t now = UINT64_C(1) << 50;
  size_t due, armed = 0;

  (void) state;
  memset(timers, 0, sizeof(timers));
  jobsrv__wheel_init(&wheel, now);
  for (int step = 0; step < 400; step++) {
    jobsrv_timer_t *timer = &timers[next_random() % N];
    uint64_t span = UINT64_C(1) << (next_random() % 45 + 5);

    armed += !jobsrv__wheel_armed(timer);
    timer->data = name;
    jobsrv__wheel_arm(&wheel, timer, now + next_random() % span, note);
    if (step % 3 == 0) {
      now -= next_random() % (now / 4);
      jobsrv__wheel_set_back(&wheel, now);
    } else {
      now += next_random() % span;
    }
    due = 0;
    for (int i = 0; i < N; i++)
      due += jobsrv__wheel_armed(&timers[i]) &&
             (timers[i].deadline_ns + MS - 1) / MS <= now / MS;
    fired[0] = '\0';
    assert_int_equal(jobsrv__wheel_run(&wheel, now), due);
    armed -= due;
    assert_int_equal(jobsrv__wheel_count(&wheel), armed);
    assert_true(jobsrv__wheel_next(&wheel) > now);
  }
}

/* Also what had been armed for a time that was past, and is ahead again. */
static void what_was_past_is_not_due_after_a_set_back(void **state) {
  jobsrv_timer_t a = { .data = "a" }, b = { .data = "b" }, c = { .data = "c" };

  (void) state;
  jobsrv__wheel_init(&wheel, 1000 * MS);
  jobsrv__wheel_arm(&wheel, &b, 900 * MS, note);
  jobsrv__wheel_arm(&wheel, &c, 900 * MS, note);
  jobsrv__wheel_arm(&wheel, &a, 800 * MS, note);
  jobsrv__wheel_set_back(&wheel, 2000 * MS); /* is not one */
  jobsrv__wheel_set_back(&wheel, 700 * MS);
  expect(750 * MS, "");
  assert_true(jobsrv__wheel_next(&wheel) <= 800 * MS);
  jobsrv__wheel_disarm(&wheel, &a);
  expect(899 * MS, "");
  expect(900 * MS, "bc");
}

static void due_is_when_the_first_timer_fires(void **state) {
  enum { N = 40 };
  static jobsrv_timer_t timers[N];

  (void) state;
  for (int round = 0; round < 500; round++) {
    uint64_t now = next_random() >> (next_random() % 50);
    uint64_t first = UINT64_MAX;

    now -= now % MS;
    memset(timers, 0, sizeof(timers));
    jobsrv__wheel_init(&wheel, now);
    assert_true(jobsrv__wheel_due(&wheel) == UINT64_MAX);
    for (int i = 0; i < N; i++) {
      uint64_t span = (next_random() >> (next_random() % 60 + 4)) + 1;
      uint64_t deadline = span < UINT64_MAX / 2 - now / 2 ? now + span : now;

      if (deadline < first)
        first = deadline;
      timers[i].data = "";
      jobsrv__wheel_arm(&wheel, &timers[i], deadline, note);
    }
    first += (MS - first % MS) % MS;
    assert_true(jobsrv__wheel_due(&wheel) == first);
    assert_true(jobsrv__wheel_next(&wheel) <= first);
    if (first > now)
      assert_int_equal(jobsrv__wheel_run(&wheel, first - 1), 0);
    assert_true(jobsrv__wheel_due(&wheel) == first);
    assert_true(jobsrv__wheel_run(&wheel, first) > 0);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test_setup(due_is_when_the_first_timer_fires, reset),
  cmocka_unit_test_setup(a_timer_never_fires_early, reset),
  cmocka_unit_test_setup(a_tick_fires_by_deadline_then_by_arming, reset),
  cmocka_unit_test_setup(order_survives_the_way_down_the_levels, reset),
  cmocka_unit_test_setup(arming_an_armed_timer_moves_it, reset),
  cmocka_unit_test_setup(a_disarmed_timer_stays_quiet, reset),
  cmocka_unit_test_setup(a_deadline_that_has_passed_fires_at_the_next_run,
                         reset),
  cmocka_unit_test_setup(time_that_goes_back_counts_as_standing, reset),
  cmocka_unit_test_setup(the_last_deadline_of_all_can_be_reached, reset),
  cmocka_unit_test_setup(far_deadlines_cost_one_early_run_a_level_at_most,
                         reset),
  cmocka_unit_test_setup(a_callback_may_disarm_another_that_is_due, reset),
  cmocka_unit_test_setup(a_callback_may_free_itself_and_another_that_is_due,
                         reset),
  cmocka_unit_test_setup(what_a_callback_arms_fires_in_a_later_run, reset),
  cmocka_unit_test_setup(a_timer_that_arms_itself_does_not_hold_the_run, reset),
  cmocka_unit_test_setup(a_run_within_a_run_does_nothing, reset),
  cmocka_unit_test_setup(it_agrees_with_a_plain_list, reset),
  cmocka_unit_test_setup(many_in_any_order_fire_sorted, reset),
  cmocka_unit_test_setup(a_clock_set_back_moves_no_deadline, reset),
  cmocka_unit_test_setup(what_was_past_is_not_due_after_a_set_back, reset),
};

RUN(tests);
