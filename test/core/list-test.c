/* SPDX-License-Identifier: MIT */

/* Row 6: lists, filters and pages that stay put while jobs come and go. */

#include "fixture.h"

#include "jobsrv/list.h"

#include <stdlib.h>

static jobsrv_job_t *submit(fixture *f,
                            const char *operation,
                            const char *key,
                            const char *value,
                            const char *principal,
                            int is_private) {
  jobsrv_tag_t tag = { key, value };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = operation;
  spec.tags = &tag;
  spec.ntags = key != NULL;
  spec.principal = principal;
  spec.is_private = is_private;
  assert_ok(jobsrv_submit(f->srv, &spec, NULL, &job));
  return job;
}

static size_t count(fixture *f, const jobsrv_filter_t *filter) {
  jobsrv_page_t page = { 0 };
  jobsrv_job_t *jobs[100];
  size_t n = jobsrv_list(f->srv, filter, &page, jobs, 100);

  assert_int_equal(page.number, 0);
  return n;
}

static void the_newest_comes_first_live_and_retained(void **state) {
  jobsrv_page_t page = { 0 };
  jobsrv_job_t *jobs[4], *listed[8];
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  assert_int_equal(jobsrv_list(f.srv, NULL, &page, listed, 8), 0);
  for (int i = 0; i < 4; i++)
    jobs[i] = fixture_submit(&f, "op");
  assert_ok(jobsrv_job_cancel(jobs[2], NULL));
  assert_int_equal(jobsrv_list(f.srv, NULL, &page, listed, 8), 4);
  for (int i = 0; i < 4; i++)
    assert_ptr_equal(listed[i], jobs[3 - i]);
  assert_int_equal(page.number, 0);
  assert_int_equal(jobsrv_list(f.srv, NULL, &page, listed, 0), 0);
  fixture_close(&f);
}

static void a_page_says_whether_there_is_more_that_matches(void **state) {
  jobsrv_page_t page = { 0 };
  jobsrv_filter_t filter;
  jobsrv_job_t *jobs[5], *listed[5];
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  fixture_add(&f, "other", 0);
  for (int i = 0; i < 5; i++)
    jobs[i] = fixture_submit(&f, i == 0 ? "other" : "op");
  assert_int_equal(jobsrv_list(f.srv, NULL, &page, listed, 4), 4);
  assert_int_not_equal(page.number, 0);
  assert_int_equal(jobsrv_list(f.srv, NULL, &page, listed, 4), 1);
  assert_ptr_equal(listed[0], jobs[0]);
  assert_int_equal(page.number, 0);
  /* the last of "op" is followed by one that does not match */
  jobsrv_filter_init(&filter);
  filter.operation = "op";
  assert_int_equal(jobsrv_list(f.srv, &filter, &page, listed, 4), 4);
  assert_int_equal(page.number, 0);
  fixture_close(&f);
}

static void each_filter_counts(void **state) {
  jobsrv_filter_t filter;
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "a", 0);
  fixture_add(&f, "b", 0);
  submit(&f, "a", "colour", "red", "ann", 0);
  submit(&f, "a", "colour", "blue", "bob", 1);
  submit(&f, "b", "size", "red", NULL, 0);
  assert_ok(jobsrv_job_cancel(submit(&f, "b", NULL, NULL, "ann", 0), NULL));
  fixture_begin(&f);

  jobsrv_filter_init(&filter);
  assert_int_equal(count(&f, &filter), 5);
  filter.operation = "a";
  assert_int_equal(count(&f, &filter), 2);
  filter.public_only = 1;
  assert_int_equal(count(&f, &filter), 1);
  jobsrv_filter_init(&filter);
  filter.operation = "begun";
  assert_int_equal(count(&f, &filter), 1);
  filter.operation = "none";
  assert_int_equal(count(&f, &filter), 0);

  jobsrv_filter_init(&filter);
  filter.tag_key = "colour";
  assert_int_equal(count(&f, &filter), 2);
  filter.tag_value = "red";
  assert_int_equal(count(&f, &filter), 1);
  jobsrv_filter_init(&filter);
  filter.principal = "ann";
  assert_int_equal(count(&f, &filter), 2);

  jobsrv_filter_init(&filter);
  filter.states = JOBSRV_STATE_BIT(JOBSRV_STATE_QUEUED);
  assert_int_equal(count(&f, &filter), 3);
  filter.states |= JOBSRV_STATE_BIT(JOBSRV_STATE_CANCELLED);
  assert_int_equal(count(&f, &filter), 4);
  fixture_close(&f);
}

/* As a host that was built with a later header would. */
static void a_filter_from_the_future_matches_none(void **state) {
  struct {
    jobsrv_filter_t filter;
    uint64_t unknown;
  } later = { 0 };
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  fixture_begin(&f);
  later.filter.size = sizeof(later);
  assert_int_equal(count(&f, &later.filter), 1);
  later.unknown = 1;
  assert_int_equal(count(&f, &later.filter), 0);
  assert_int_equal(jobsrv_cancel_all(f.srv, &later.filter, NULL), 0);
  fixture_close(&f);
}

static void a_page_goes_on_behind_a_job_that_has_gone(void **state) {
  jobsrv_page_t page = { 0 };
  jobsrv_job_t *jobs[4], *listed[4];
  fixture f = { .options = { .retain_ms = 10 } };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  for (int i = 0; i < 4; i++)
    jobs[i] = fixture_submit(&f, "op");
  assert_int_equal(jobsrv_list(f.srv, NULL, &page, listed, 2), 2);
  assert_ptr_equal(listed[1], jobs[2]);
  assert_ok(jobsrv_job_cancel(jobs[2], NULL));
  fixture_ms(&f, 11);
  assert_int_equal(fixture_stats(&f).expired, 1);
  /* its slot is another's now, which is newer than all */
  fixture_submit(&f, "op");
  assert_int_equal(jobsrv_list(f.srv, NULL, &page, listed, 4), 2);
  assert_ptr_equal(listed[0], jobs[1]);
  assert_ptr_equal(listed[1], jobs[0]);
  /* a page that was sent round the world and back by somebody else */
  page.number = UINT64_MAX;
  assert_int_equal(jobsrv_list(f.srv, NULL, &page, listed, 4), 0);
  assert_int_equal(page.number, 0);
  fixture_close(&f);
}

/* ---- at random, against a list that is kept by hand ---- */

enum { KNOWN = 4096 };

typedef struct {
  fixture f;
  unsigned int random;
  uint64_t numbers;               /* jobs made so far */
  jobsrv_handle_t made[KNOWN];    /* 0: it has gone */
  char due[KNOWN];                /* was there when the list was begun */
  char seen[KNOWN];
  char kind[KNOWN];
} world;

static unsigned int dice(world *w, unsigned int sides) {
  w->random = w->random * 1103515245u + 12345u;
  return (w->random >> 16) % sides;
}

static void make_one(world *w) {
  jobsrv_job_t *job;

  if (w->numbers == KNOWN)
    return;
  w->kind[w->numbers] = (char) dice(w, 2);
  job = w->kind[w->numbers] ? fixture_submit(&w->f, "op")
                            : fixture_begin(&w->f);
  w->made[w->numbers++] = jobsrv_job_handle(job);
}

static void end_one(world *w) {
  size_t i = dice(w, (unsigned int) w->numbers);
  jobsrv_job_t *job = jobsrv_job_by_handle(w->f.srv, w->made[i]);

  if (job == NULL)
    return;
  if (dice(w, 2))
    (void) jobsrv_job_cancel(job, NULL);
  else
    (void) jobsrv_job_complete(job, NULL, 0);
}

static void stir(world *w) {
  for (unsigned int i = dice(w, 12); i > 0; i--)
    switch (dice(w, 4)) {
      case 0: fixture_ms(&w->f, dice(w, 4)); break;
      case 1: make_one(w); break;
      default: end_one(w); break;
    }
  for (size_t i = 0; i < w->numbers; i++)
    if (jobsrv_job_by_handle(w->f.srv, w->made[i]) == NULL)
      w->due[i] = 0;
}

static void mark(world *w, const jobsrv_job_t *job) {
  jobsrv_handle_t handle = jobsrv_job_handle(job);

  for (size_t i = 0; i < w->numbers; i++)
    if (w->made[i].index == handle.index &&
        w->made[i].generation == handle.generation) {
      assert_false(w->seen[i]);
      w->seen[i] = 1;
      return;
    }
  fail_msg("a job that was never made is listed");
}

static void list_all(world *w, const char *operation) {
  jobsrv_page_t page = { 0 };
  jobsrv_job_t *jobs[16];
  jobsrv_filter_t filter;
  size_t n, max;

  jobsrv_filter_init(&filter);
  filter.operation = operation;
  memset(w->seen, 0, sizeof(w->seen));
  for (size_t i = 0; i < w->numbers; i++)
    w->due[i] = jobsrv_job_by_handle(w->f.srv, w->made[i]) != NULL &&
                (operation == NULL || w->kind[i]);
  do {
    max = 1 + dice(w, 16);
    n = jobsrv_list(w->f.srv, &filter, &page, jobs, max);
    assert_true(n <= max);
    assert_true(n > 0 || page.number == 0);
    for (size_t i = 0; i < n; i++)
      mark(w, jobs[i]);
    stir(w);
  } while (page.number != 0);
  for (size_t i = 0; i < w->numbers; i++)
    if (w->due[i])
      assert_true(w->seen[i]);
}

static void no_job_is_missed_or_listed_twice_meanwhile(void **state) {
  world *w = calloc(1, sizeof(*w));

  (void) state;
  assert_non_null(w);
  w->f.options = (jobsrv_options_t) {
    .retain_ms = 20, .max_retained = 40, .max_queued = KNOWN, .grace_ms = 3
  };
  fixture_open(&w->f);
  fixture_add(&w->f, "op", 20);
  w->random = 7;
  while (w->numbers < KNOWN - 64) {
    for (int i = 0; i < 40; i++)
      make_one(w);
    list_all(w, dice(w, 2) ? "op" : NULL);
  }
  assert_true(fixture_stats(&w->f).expired > 1000);
  fixture_close(&w->f);
  free(w);
}

/* ---- all at once ---- */

static void cancel_all_says_how_many_it_asked(void **state) {
  jobsrv_reason_t reason = { JOBSRV_REASON_REQUESTED, "tidy up", "ops" };
  jobsrv_filter_t filter;
  jobsrv_job_t *jobs[5];
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 1);
  fixture_add(&f, "other", 0);
  for (int i = 0; i < 4; i++)
    jobs[i] = fixture_submit(&f, "op");
  jobs[4] = fixture_submit(&f, "other");
  run_turns(&f.loop, 1); /* the first runs */
  assert_ok(jobsrv_job_cancel(jobs[1], NULL));
  jobsrv_job_cancellable(jobs[2], 0);
  jobsrv_filter_init(&filter);
  filter.operation = "op";
  assert_int_equal(jobsrv_cancel_all(f.srv, &filter, &reason), 2);
  assert_int_equal(jobsrv_cancel_all(f.srv, &filter, &reason), 0);
  assert_string_equal(fixture_info(jobs[0]).cancel_reason->text, "tidy up");
  assert_string_equal(fixture_info(jobs[3]).cancel_reason->actor, "ops");
  assert_int_equal(jobsrv_job_state(jobs[3]), JOBSRV_STATE_CANCELLED);
  assert_null(fixture_info(jobs[2]).cancel_reason);
  assert_null(fixture_info(jobs[4]).cancel_reason);
  fixture_close(&f);
}

typedef struct {
  fixture *f;
  int made;
  int close_at;
  int ended;
} meddler;

static void meddle(jobsrv_hook_t *hook,
                   jobsrv_job_t *job,
                   jobsrv_state_t from,
                   jobsrv_state_t to) {
  meddler *m = hook->data;

  (void) job;
  if (from == to || to != JOBSRV_STATE_CANCELLED)
    return;
  m->ended++;
  if (m->ended == m->close_at)
    jobsrv_close(m->f->srv, fixture_on_closed, m->f);
  else if (m->close_at == 0 && m->made++ < 10)
    fixture_submit(m->f, "op");
}

static void what_a_hook_adds_to_cancel_all_is_not_cancelled(void **state) {
  fixture f = { .options = { .max_retained = 1 } };
  meddler m = { .f = &f };
  jobsrv_hook_t hook = { .data = &m };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  for (int i = 0; i < 20; i++)
    fixture_submit(&f, "op");
  jobsrv_hook_add(f.srv, &hook, meddle);
  assert_int_equal(jobsrv_cancel_all(f.srv, NULL, NULL), 20);
  assert_int_equal(fixture_stats(&f).live, 10);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static void a_hook_may_close_the_server_inside_cancel_all(void **state) {
  fixture f = { 0 };
  meddler m = { .f = &f, .close_at = 3 };
  jobsrv_hook_t hook = { .data = &m };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  for (int i = 0; i < 20; i++)
    fixture_submit(&f, "op");
  jobsrv_hook_add(f.srv, &hook, meddle);
  assert_int_equal(jobsrv_cancel_all(f.srv, NULL, NULL), 3);
  assert_int_equal(m.ended, 20);
  assert_true(run_until(&f.loop, fixture_is_closed, &f, 5000));
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_newest_comes_first_live_and_retained),
  cmocka_unit_test(a_page_says_whether_there_is_more_that_matches),
  cmocka_unit_test(each_filter_counts),
  cmocka_unit_test(a_filter_from_the_future_matches_none),
  cmocka_unit_test(a_page_goes_on_behind_a_job_that_has_gone),
  cmocka_unit_test(no_job_is_missed_or_listed_twice_meanwhile),
  cmocka_unit_test(cancel_all_says_how_many_it_asked),
  cmocka_unit_test(what_a_hook_adds_to_cancel_all_is_not_cancelled),
  cmocka_unit_test(a_hook_may_close_the_server_inside_cancel_all),
};

RUN(tests);
