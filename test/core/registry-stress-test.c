/* SPDX-License-Identifier: MIT */

#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/*
 * A hundred thousand jobs from submit to expiry, while two other threads hold
 * references, ask what may be asked from any thread and drop the last of them.
 * Slots are used again, and at the end no memory is left.
 */

enum { JOBS = 100000, LIVE = 256, HOLDERS = 2, SHELF = 64 };

typedef struct {
  _Atomic(jobsrv_job_t *) shelf[SHELF]; /* each holds a reference */
  atomic_int stop;
  atomic_ulong asked;
} holder;

typedef struct {
  fixture f;
  holder holders[HOLDERS];
  unsigned long created, running, ended;
  unsigned long submitted;
  atomic_ulong released;
} stress;

static void on_release(void *data) {
  atomic_fetch_add(&((stress *) data)->released, 1);
}

static void hand_to(holder *h, unsigned long number, jobsrv_job_t *job) {
  jobsrv_job_t *old = atomic_exchange(&h->shelf[number % SHELF],
                                      jobsrv_job_ref(job));

  if (old != NULL)
    jobsrv_job_unref(old);
}

static void on_transition(jobsrv_hook_t *hook,
                          jobsrv_job_t *job,
                          jobsrv_state_t from,
                          jobsrv_state_t to) {
  stress *s = hook->data;

  if (from == to && to == JOBSRV_STATE_QUEUED) {
    hand_to(&s->holders[s->created % HOLDERS], s->created / HOLDERS, job);
    s->created++;
  } else if (from != to && to == JOBSRV_STATE_RUNNING) {
    s->running++;
  } else if (jobsrv_state_terminal(to)) {
    s->ended++;
  }
}

/* Every fourth is left to a holder to finish; the rest end where they start. */
static int start(jobsrv_job_t *job, void *data) {
  stress *s = data;

  return s->running % 4 == 0 ? 0 : jobsrv_job_complete(job, "{\"n\":1}", 7);
}

static void *hold(void *arg) {
  holder *h = arg;
  char id[JOBSRV_ID_SIZE];
  unsigned long asked = 0;
  jobsrv_job_t *job;

  while (!atomic_load(&h->stop)) {
    for (int i = 0; i < SHELF; i++) {
      job = atomic_exchange(&h->shelf[i], NULL);
      if (job == NULL)
        continue;
      asked += strlen(jobsrv_job_id(job, id)) == JOBSRV_ID_SIZE - 1 &&
               strcmp(jobsrv_job_operation(job), "op") == 0;
      if (jobsrv_job_state(job) == JOBSRV_STATE_RUNNING) {
        if (i % 2 == 0)
          (void) jobsrv_job_complete(job, NULL, 0);
        else
          (void) jobsrv_job_cancel(job, NULL);
      }
      jobsrv_job_unref(job);
    }
    sched_yield();
  }
  atomic_store(&h->asked, asked);
  return NULL;
}

static void submit_some(stress *s) {
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.payload = "{\"a\":[1,2,3]}";
  spec.data = s;
  spec.release = on_release;
  while (s->submitted < JOBS && fixture_stats(&s->f).live < LIVE) {
    assert_ok(jobsrv_submit(s->f.srv, &spec, NULL, NULL));
    s->submitted++;
  }
}

static void open_stress(stress *s, jobsrv_faults_t *faults) {
  jobsrv_operation_t op;

  assert_ok(jobsrv_faults_init(faults));
  s->f.options = (jobsrv_options_t) {
    .alloc = &faults->alloc,
    .max_retained = 100,
    .max_expired = 1000,
    .retain_ms = 5,
    .timeout_ms = 3,
    .grace_ms = 2,
  };
  fixture_open(&s->f);
  jobsrv_operation_init(&op);
  op.name = "op";
  op.start = start;
  op.data = s;
  assert_ok(jobsrv_operation_add(s->f.srv, &op));
}

/* What a holder is behind with would only be held the longer. */
static void empty_shelves(stress *s) {
  for (int i = 0; i < HOLDERS; i++)
    for (int at = 0; at < SHELF; at++) {
      jobsrv_job_t *job = atomic_exchange(&s->holders[i].shelf[at], NULL);

      if (job != NULL)
        jobsrv_job_unref(job);
    }
}

static void run(stress *s, jobsrv_faults_t *faults) {
  uint64_t half = 0;

  while (s->ended < JOBS) {
    submit_some(s);
    fixture_ms(&s->f, 1);
    if (half == 0 && s->ended >= JOBS / 2)
      half = jobsrv_faults_bytes(faults);
    assert_true(fixture_stats(&s->f).retained <= 100);
  }
  assert_true(half > 0);
  /* as much as was live half way, give or take what threads have in hand */
  assert_true(jobsrv_faults_bytes(faults) < half + half / 2);
}

static void a_hundred_thousand_jobs_leave_nothing_behind(void **state) {
  stress *s = calloc(1, sizeof(*s));
  pthread_t threads[HOLDERS];
  jobsrv_faults_t faults;
  jobsrv_hook_t hook = { .data = s };
  jobsrv_stats_t stats;

  (void) state;
  assert_non_null(s);
  open_stress(s, &faults);
  jobsrv_hook_add(s->f.srv, &hook, on_transition);
  for (int i = 0; i < HOLDERS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, hold, &s->holders[i]),
                     0);
  run(s, &faults);
  for (int i = 0; i < HOLDERS; i++) {
    atomic_store(&s->holders[i].stop, 1);
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(atomic_load(&s->holders[i].asked) > 0);
  }
  empty_shelves(s);
  fixture_ms(&s->f, 10);

  stats = fixture_stats(&s->f);
  assert_int_equal(s->created, JOBS);
  assert_int_equal(stats.created, JOBS);
  assert_int_equal(stats.completed + stats.failed + stats.cancelled, JOBS);
  assert_int_equal(stats.expired, JOBS);
  assert_int_equal(stats.live + stats.queued + stats.running, 0);
  assert_int_equal(stats.retained, 0);
  assert_int_equal(atomic_load(&s->released), JOBS);
  assert_true(stats.completed > 0);
  jobsrv_hook_remove(&hook);
  fixture_close(&s->f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
  free(s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_hundred_thousand_jobs_leave_nothing_behind),
};

RUN(tests);
