/* SPDX-License-Identifier: MIT */

#include "world.h"

#include "narration/tail.h"

/*
 * What is there when a tail begins is looked for over turns, while jobs tell,
 * end, are trimmed and go.
 */

enum {
  JOBS = 3000,
  RECORDS = 4000, /* of jobs there ever were, in one round */
  ROUNDS = 30
};

static jobsrv_job_t *job;
static jobsrv_entry_t entry;
static jobsrv_view_t gap;

static jobsrv_read_t next(jobsrv_tail_t *tail) {
  jobsrv_read_t what = jobsrv_tail_peek(tail, &job, &entry, &gap);

  jobsrv_tail_advance(tail);
  return what;
}

static uint64_t newest(const world_t *world) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(world->srv, &stats);
  return stats.events;
}

/* ---- a turn's work ---- */

static void all_jobs_are_looked_at_over_turns(void **state) {
  static jobsrv_job_t *jobs[JOBS];
  jobsrv_tail_t tail = { 0 };
  jobsrv_tail_t late = { 0 };
  uint64_t number = 0;
  uint64_t most = 0;
  uint64_t before;
  uint64_t events;
  int turns = 0;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_bytes_total = 64u << 20;
  world_start(&world);
  for (int i = 0; i < JOBS; i++)
    jobs[i] = begin_job(&world);
  before = world_log_bytes(&world);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  assert_int_equal(world_log_bytes(&world), before);
  while (next(&tail) == JOBSRV_READ_NOTHING) {
    uint64_t now = world_log_bytes(&world);

    most = now - before > most ? now - before : most;
    before = now;
    say(jobs[turns * 997 % JOBS], turns, turns);
    assert_true(turns++ < 100);
    world_turn(&world);
  }
  assert_true(turns > 3);
  assert_true(most < before / 2);
  events = newest(&world);
  for (number = entry.server_seq; number < events; number++) {
    assert_int_equal(next(&tail), JOBSRV_READ_EVENTS);
    assert_int_equal(entry.server_seq, number + 1); /* not one is missing */
  }
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);

  /* and who comes to the newest has nothing to look for */
  assert_ok(jobsrv_tail_attach(&late, world.srv, events, NULL));
  jobsrv__logs(world.srv)->tails.looks = 0;
  say(jobs[7], 1, 1);
  assert_int_equal(next(&late), JOBSRV_READ_EVENTS);
  assert_int_equal(entry.server_seq, events + 1);
  jobsrv_tail_detach(&late);
  jobsrv_tail_detach(&tail);
  world_close(&world);
}

static void those_that_go_all_at_once_take_turns(void **state) {
  enum { GOING = 5000 };
  jobsrv_tail_t tail = { 0 };
  jobsrv_job_t *one;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_retained = GOING;
  world.options.retain_ms = 1000;
  world_start(&world);
  for (int i = 0; i < GOING; i++) {
    one = begin_job(&world);
    assert_ok(jobsrv_job_complete(one, NULL, 0));
  }
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  jobsrv__logs(world.srv)->tails.looks = 100 * GOING;
  assert_int_equal(next(&tail), JOBSRV_READ_EVENTS);
  world_pass(&world, 2000);
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  assert_true(jobsrv_tail_after(&tail) < newest(&world));
  assert_int_equal(next(&tail), JOBSRV_READ_GAP); /* of all of them */
  assert_null(job);
  assert_int_equal(gap.server_seq, newest(&world));
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  assert_int_equal(jobsrv_tail_after(&tail), newest(&world));
  jobsrv_tail_detach(&tail);
  world_close(&world);
}

static void on_news(jobsrv_tail_t *tail) {
  (void) jobsrv_tail_peek(tail, &job, &entry, &gap);
}

static void tails_look_by_turns(void **state) {
  enum { MANY = 20000 };
  jobsrv_tail_t tails[3] = { { 0 } };
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_jobs = MANY;
  world_start(&world);
  for (int i = 0; i < MANY; i++)
    begin_job(&world);
  for (int i = 0; i < 3; i++)
    assert_ok(jobsrv_tail_attach(&tails[i], world.srv, 0, on_news));
  for (int i = 0; i < 4; i++)
    world_turn(&world);
  for (int i = 0; i < 3; i++) {
    assert_true(tails[i].ahead->is_walking);
    assert_true(tails[i].ahead->walked > 0);
    jobsrv_tail_detach(&tails[i]);
  }
  world_close(&world);
}

/* ---- without memory ---- */

static void what_one_has_no_memory_for_others_read(void **state) {
  jobsrv_tail_t one = { 0 };
  jobsrv_tail_t other = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  begin_job(&world);
  begin_job(&world);
  assert_ok(jobsrv_tail_attach(&one, world.srv, 0, NULL));
  assert_ok(jobsrv_tail_attach(&other, world.srv, 0, NULL));
  jobsrv_faults_fail(&world.faults, 0, UINT64_MAX);
  assert_int_equal(next(&one), JOBSRV_READ_GAP);
  assert_null(job);
  jobsrv_faults_fail(&world.faults, 0, 0);
  for (uint64_t number = 1; number <= newest(&world); number++) {
    assert_int_equal(next(&other), JOBSRV_READ_EVENTS);
    assert_int_equal(entry.server_seq, number);
  }
  assert_int_equal(next(&other), JOBSRV_READ_NOTHING);
  jobsrv_tail_detach(&one);
  jobsrv_tail_detach(&other);
  assert_ok(jobsrv_tail_attach(&other, world.srv, 1, NULL));
  assert_int_equal(next(&other), JOBSRV_READ_EVENTS);
  jobsrv_tail_detach(&other);
  world_close(&world);
}

static void without_memory_what_is_ahead_is_found_in_parts(void **state) {
  enum { FEW = 100 };
  static jobsrv_job_t *jobs[FEW];
  jobsrv_tail_t tail = { 0 };
  uint64_t number = 0;
  uint64_t events;
  int turns = 0;
  world_t world;

  (void) state;
  world_open(&world);
  for (int i = 0; i < FEW; i++)
    jobs[i] = begin_job(&world);
  for (int i = 0; i < 10 * FEW; i++)
    say(jobs[i * 7 % FEW], i, i);
  jobsrv_faults_fail(&world.faults, 0, 1);
  assert_int_equal(jobsrv_tail_attach(&tail, world.srv, 0, NULL), UV_ENOMEM);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  events = newest(&world);
  jobsrv_faults_fail(&world.faults, 0, UINT64_MAX);
  while (number < events) {
    if (next(&tail) == JOBSRV_READ_NOTHING) {
      assert_true(turns++ < 1000);
      jobsrv__logs(world.srv)->tails.looks = 4096;
      continue;
    }
    assert_int_equal(entry.server_seq, number + 1);
    number = entry.server_seq;
  }
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  jobsrv_faults_fail(&world.faults, 0, 0);
  jobsrv_tail_detach(&tail);
  world_close(&world);
}

/* ---- anything, in any order ---- */

typedef struct {
  jobsrv_handle_t handle;
  jobsrv_job_t *job; /* NULL: it has ended */
  uint64_t last;     /* its end's seq */
  uint64_t had;
} record_t;

typedef struct {
  world_t world;
  jobsrv_tail_t tail;
  record_t records[RECORDS];
  size_t n;
  uint64_t began;    /* the number that the tail began behind */
  uint64_t forgotten; /* up to here, as it was told */
  uint64_t seed;
  int events;
  int gaps;
} model_t;

static uint32_t any(model_t *m, uint32_t below) {
  m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t) (m->seed >> 33) % below;
}

static record_t *record_of(model_t *m, const jobsrv_job_t *of) {
  jobsrv_handle_t handle = jobsrv_job_handle(of);

  for (size_t i = m->n; i-- > 0;)
    if (m->records[i].handle.index == handle.index &&
        m->records[i].handle.generation == handle.generation)
      return &m->records[i];
  fail_msg("a job that there never was");
  return NULL;
}

static void do_something(model_t *m) {
  record_t *record = m->n > 0 ? &m->records[any(m, (uint32_t) m->n)] : NULL;
  int what = (int) any(m, 10);

  if (record == NULL || (what < 2 && m->n < RECORDS)) {
    record = &m->records[m->n++];
    memset(record, 0, sizeof(*record));
    record->job = begin_job(&m->world);
    record->handle = jobsrv_job_handle(record->job);
  } else if (record->job == NULL) {
    return;
  } else if (what < 4) {
    record->last = last_seq(record->job) + 1;
    assert_ok(jobsrv_job_complete(record->job, NULL, 0));
    record->job = NULL;
  } else {
    say(record->job, 1, 1 + (int) any(m, 60));
  }
}

static void look_at(model_t *m, jobsrv_read_t what, uint64_t *number) {
  record_t *record;

  if (what == JOBSRV_READ_GAP && job == NULL) {
    assert_true(gap.server_seq > m->forgotten);
    m->forgotten = gap.server_seq;
    m->gaps++;
    return;
  }
  record = record_of(m, job);
  if (what == JOBSRV_READ_GAP) {
    assert_true(gap.server_seq > *number);
    if (record->had > 0 || m->began == 0)
      assert_true(gap.missed_from <= record->had + 1);
    assert_true(gap.missed_to > record->had);
    record->had = gap.missed_to;
    *number = gap.server_seq;
    m->gaps++;
    return;
  }
  assert_true(entry.server_seq > *number);
  *number = entry.server_seq;
  if (record->had > 0 || m->began == 0)
    assert_int_equal(entry.seq, record->had + 1);
  record->had = entry.seq;
  m->events++;
}

/* Reads some; looks at few jobs. Returns 0 when there is nothing now. */
static int read_some(model_t *m, uint64_t *number, int most) {
  jobsrv_read_t what;

  for (; most > 0; most--) {
    what = next(&m->tail);
    if (what == JOBSRV_READ_NOTHING)
      return 0;
    look_at(m, what, number);
  }
  return 1;
}

/* All that is there was read; what is not was told to be gone. */
static void look_back(model_t *m) {
  for (size_t i = 0; i < m->n; i++) {
    const record_t *record = &m->records[i];
    uint64_t last = record->job != NULL ? last_seq(record->job) : record->last;

    if (record->had > 0 && (m->forgotten == 0 || record->job != NULL))
      assert_int_equal(record->had, last);
    else if (record->had == 0 && m->began == 0)
      assert_null(record->job); /* it had gone before */
  }
}

static void play(model_t *m, uint64_t seed) {
  jobsrv__tails_t *tails;
  uint64_t number;

  memset(m, 0, sizeof(*m));
  m->seed = seed;
  world_init(&m->world);
  m->world.options.max_events_per_job = 64;
  m->world.options.max_retained = 3 + any(m, 20);
  world_start(&m->world);
  tails = &jobsrv__logs(m->world.srv)->tails;
  for (int i = 0; i < 200; i++)
    do_something(m);
  m->began = any(m, 2) ? 0 : any(m, (uint32_t) newest(&m->world));
  number = m->began;
  assert_ok(jobsrv_tail_attach(&m->tail, m->world.srv, m->began, NULL));
  for (int i = 0; i < 300; i++) {
    tails->looks = any(m, 12);
    if (any(m, 3) != 0)
      do_something(m);
    (void) read_some(m, &number, (int) any(m, 40));
    if (any(m, 4) == 0)
      run_turns(&m->world.loop, 1);
  }
  for (int i = 0; jobsrv_tail_after(&m->tail) < newest(&m->world); i++) {
    assert_true(i < 1000);
    run_turns(&m->world.loop, 1);
    (void) read_some(m, &number, 100000);
  }
  look_back(m);
  jobsrv_tail_detach(&m->tail);
  world_close(&m->world);
}

static void jobs_may_do_anything_while_it_looks(void **state) {
  static model_t m;
  int events = 0;
  int gaps = 0;

  (void) state;
  for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
    play(&m, seed);
    events += m.events;
    gaps += m.gaps;
  }
  print_message("%d events, %d gaps\n", events, gaps);
  assert_true(events > 1000 && gaps > 50);
}

/* ---- what is not for who reads ---- */

static int hides(const jobsrv_tail_t *tail, const jobsrv_job_t *of) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  (void) tail;
  jobsrv_job_info(of, &info);
  return info.is_private;
}

static void end_many(world_t *world, int is_private, int n) {
  jobsrv_spec_t spec;
  jobsrv_job_t *one;

  jobsrv_spec_init(&spec);
  spec.is_private = is_private;
  for (int i = 0; i < n; i++) {
    assert_ok(jobsrv_begin(world->srv, &spec, &one));
    assert_ok(jobsrv_job_complete(one, NULL, 0));
  }
  world_turn(world);
}

static void jobs_that_are_hidden_go_untold(void **state) {
  jobsrv_tail_t tail = { .hides = hides };
  jobsrv_tail_t other = { 0 };
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_retained = 1;
  world_start(&world);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  assert_ok(jobsrv_tail_attach(&other, world.srv, 0, NULL));
  end_many(&world, 1, 1500);
  assert_int_equal(next(&tail), JOBSRV_READ_EVENTS);
  assert_int_equal(next(&other), JOBSRV_READ_GAP);
  assert_null(job);
  while (next(&tail) != JOBSRV_READ_NOTHING)
    assert_non_null(job);
  end_many(&world, 0, 1500);
  assert_int_equal(next(&tail), JOBSRV_READ_GAP);
  assert_null(job);
  jobsrv_tail_detach(&tail);
  jobsrv_tail_detach(&other);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(all_jobs_are_looked_at_over_turns),
  cmocka_unit_test(those_that_go_all_at_once_take_turns),
  cmocka_unit_test(tails_look_by_turns),
  cmocka_unit_test(what_one_has_no_memory_for_others_read),
  cmocka_unit_test(without_memory_what_is_ahead_is_found_in_parts),
  cmocka_unit_test(jobs_may_do_anything_while_it_looks),
  cmocka_unit_test(jobs_that_are_hidden_go_untold),
};

RUN(tests);
