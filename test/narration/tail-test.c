/* SPDX-License-Identifier: MIT */

#include "world.h"

#include "base/map.h"

/* All jobs of a server read as one. */

enum { MANY = 1500 };

static jobsrv_job_t *job;
static jobsrv_entry_t entry;
static jobsrv_view_t gap;

static jobsrv_read_t peek(jobsrv_tail_t *tail) {
  return jobsrv_tail_peek(tail, &job, &entry, &gap);
}

static jobsrv_read_t next(jobsrv_tail_t *tail) {
  jobsrv_read_t what = peek(tail);

  jobsrv_tail_advance(tail);
  return what;
}

/* Reads to the end; returns how many events and ends there were. */
static int read_all(jobsrv_tail_t *tail) {
  uint64_t after = jobsrv_tail_after(tail);
  jobsrv_read_t what;
  int n = 0;

  while ((what = next(tail)) != JOBSRV_READ_NOTHING) {
    if (what == JOBSRV_READ_GAP || what == JOBSRV_READ_PROGRESS)
      continue;
    assert_true(entry.server_seq > after);
    after = entry.server_seq;
    n++;
  }
  return n;
}

static void what_all_jobs_tell_comes_in_the_order_of_the_server(void **state) {
  jobsrv_tail_t tail = { 0 };
  jobsrv_job_t *a;
  jobsrv_job_t *b;
  world_t world;

  (void) state;
  world_open(&world);
  a = begin_job(&world);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  b = begin_job(&world);
  say(a, 1, 1);
  say(b, 1, 1);
  say(a, 2, 2);
  assert_ok(jobsrv_job_complete(b, NULL, 0));
  for (uint64_t n = 1; n <= 8; n++) {
    jobsrv_job_t *whose = n <= 2 || n == 5 || n == 7 ? a : b;

    assert_int_equal(peek(&tail), n == 8 ? JOBSRV_READ_END
                                         : JOBSRV_READ_EVENTS);
    assert_int_equal(next(&tail), n == 8 ? JOBSRV_READ_END
                                         : JOBSRV_READ_EVENTS);
    assert_ptr_equal(job, whose);
    assert_int_equal(entry.server_seq, n);
    assert_int_equal(jobsrv_tail_after(&tail), n);
  }
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  jobsrv_tail_detach(&tail);
  jobsrv_tail_detach(&tail);
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  world_close(&world);
}

static void it_begins_behind_any_number(void **state) {
  jobsrv_tail_t tail = { 0 };
  jobsrv_job_t *jobs[3];
  world_t world;

  (void) state;
  world_open(&world);
  for (int i = 0; i < 3; i++)
    jobs[i] = begin_job(&world);
  for (int i = 0; i < 30; i++)
    say(jobs[i % 3], i, i);
  for (uint64_t after = 0; after <= 36; after++) {
    assert_ok(jobsrv_tail_attach(&tail, world.srv, after, NULL));
    assert_int_equal(read_all(&tail), 36 - after);
    jobsrv_tail_detach(&tail);
  }
  assert_int_equal(jobsrv_tail_attach(&tail, world.srv, 37, NULL),
                   JOBSRV_EBADCURSOR);
  world_close(&world);
}

/* ---- being told ---- */

static int told;
static jobsrv_tail_t *other;

static void on_told(jobsrv_tail_t *tail) {
  (void) tail;
  told++;
}

static void it_is_told_once_a_turn_until_it_has_read(void **state) {
  jobsrv_tail_t tail = { 0 };
  jobsrv_job_t *a;
  world_t world;

  (void) state;
  world_open(&world);
  told = 0;
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, on_told));
  world_turn(&world);
  assert_int_equal(told, 1); /* so that it looks at what there was */
  assert_int_equal(read_all(&tail), 0);
  a = begin_job(&world);
  say(a, 1, 10);
  world_turn(&world);
  say(a, 11, 20);
  world_turn(&world);
  assert_int_equal(told, 2);
  assert_int_equal(read_all(&tail), 22);
  world_turn(&world);
  assert_int_equal(told, 2);
  say(a, 21, 21);
  world_turn(&world);
  assert_int_equal(told, 3);
  jobsrv_tail_detach(&tail);
  say(a, 22, 22);
  world_turn(&world);
  assert_int_equal(told, 3);
  world_close(&world);
}

static void on_told_detach(jobsrv_tail_t *tail) {
  told++;
  jobsrv_tail_detach(other);
  jobsrv_tail_detach(tail);
}

static void one_may_detach_itself_and_another_when_told(void **state) {
  jobsrv_tail_t first = { 0 };
  jobsrv_tail_t second = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  told = 0;
  other = &second;
  assert_ok(jobsrv_tail_attach(&first, world.srv, 0, on_told_detach));
  assert_ok(jobsrv_tail_attach(&second, world.srv, 0, on_told_detach));
  begin_job(&world);
  world_turn(&world);
  assert_int_equal(told, 1);
  world_close(&world);
}

static void on_told_close(jobsrv_tail_t *tail) {
  world_t *world = tail->data;

  told++;
  jobsrv_close(world->srv, NULL, NULL);
  assert_int_equal(next(tail), JOBSRV_READ_NOTHING);
}

static void one_may_close_the_server_when_told(void **state) {
  jobsrv_tail_t first = { 0 };
  jobsrv_tail_t second = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  told = 0;
  first.data = &world;
  assert_ok(jobsrv_tail_attach(&first, world.srv, 0, on_told_close));
  assert_ok(jobsrv_tail_attach(&second, world.srv, 0, on_told));
  begin_job(&world);
  world_turn(&world);
  assert_in_range(told, 1, 2); /* the other has the ends to read */
  assert_int_equal(next(&second), JOBSRV_READ_NOTHING);
  jobsrv_tail_detach(&first);
  jobsrv_tail_detach(&second);
  world.srv = NULL;
  world_close(&world);
}

/* ---- what goes ---- */

static void what_is_trimmed_meanwhile_is_missing_from_where_it_was(
    void **state) {
  jobsrv_tail_t tail = { 0 };
  jobsrv_tail_t late = { 0 };
  jobsrv_job_t *a;
  jobsrv_job_t *b;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_events_per_job = 40;
  world_start(&world);
  a = begin_job(&world);
  b = begin_job(&world);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  say(a, 1, 10);
  assert_int_equal(read_all(&tail), 14);
  say(a, 11, 20);
  assert_int_equal(peek(&tail), JOBSRV_READ_EVENTS);
  say(b, 1, 1);
  say(a, 21, 300);
  assert_int_equal(next(&tail), JOBSRV_READ_EVENTS);
  assert_ptr_equal(job, b);
  assert_int_equal(next(&tail), JOBSRV_READ_GAP);
  assert_ptr_equal(job, a);
  assert_int_equal(gap.missed_from, 13);
  assert_int_equal(next(&tail), JOBSRV_READ_EVENTS);
  assert_int_equal(entry.seq, gap.missed_to + 1);
  assert_true(entry.server_seq > gap.server_seq);
  assert_ok(jobsrv_tail_attach(&late, world.srv, 20, NULL));
  assert_int_equal(next(&late), JOBSRV_READ_EVENTS);
  assert_ptr_equal(job, b);
  assert_int_equal(next(&late), JOBSRV_READ_GAP);
  assert_int_equal(gap.missed_from, 1); /* nobody knows what it has had */
  jobsrv_tail_detach(&tail);
  jobsrv_tail_detach(&late);
  world_close(&world);
}

static jobsrv_handle_t end_one(world_t *world) {
  jobsrv_job_t *one = begin_job(world);
  jobsrv_handle_t handle = jobsrv_job_handle(one);

  assert_ok(jobsrv_job_complete(one, NULL, 0));
  return handle;
}

static void what_is_unread_outlives_its_retention(void **state) {
  jobsrv_tail_t tail = { 0 };
  uint64_t bytes;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_retained = 1;
  world_start(&world);
  end_one(&world);
  world_turn(&world);
  bytes = world_log_bytes(&world);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  assert_int_equal(read_all(&tail), 3);
  for (int i = 0; i < 50; i++)
    end_one(&world);
  world_turn(&world);
  assert_int_equal(read_all(&tail), 50 * 3);
  world_turn(&world);
  assert_true(world_log_bytes(&world) <= bytes + 2048);
  jobsrv_tail_detach(&tail);
  world_close(&world);
}

static void only_so_much_is_kept_for_who_does_not_read(void **state) {
  jobsrv_tail_t tail = { 0 };
  uint64_t forgotten;
  world_t world;
  int n;

  (void) state;
  world_init(&world);
  world.options.max_retained = 1;
  world_start(&world);
  begin_job(&world);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  assert_int_equal(read_all(&tail), 2);
  for (int i = 0; i < MANY; i++) {
    end_one(&world);
    if (i % 100 == 0)
      world_turn(&world);
  }
  world_turn(&world);
  assert_true(world_log_bytes(&world) < 1200 * 2048);
  assert_int_equal(next(&tail), JOBSRV_READ_GAP);
  assert_null(job);
  forgotten = gap.server_seq;
  n = read_all(&tail);
  assert_in_range(n, 1000 * 3, 1030 * 3);
  assert_true(forgotten + (uint64_t) n >= 2 + 3 * MANY);
  jobsrv_tail_detach(&tail);

  /* who comes back is told so, who comes anew is not */
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 2, NULL));
  assert_int_equal(next(&tail), JOBSRV_READ_GAP);
  assert_null(job);
  jobsrv_tail_detach(&tail);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  assert_int_equal(next(&tail), JOBSRV_READ_EVENTS);
  jobsrv_tail_detach(&tail);
  world_close(&world);
}

static void where_it_was_is_forgotten_with_the_job(void **state) {
  jobsrv_tail_t tail = { 0 };
  jobsrv_job_t *a;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_retained = 1;
  world.options.max_events_per_job = 40;
  world_start(&world);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
  a = begin_job(&world);
  say(a, 1, 300);
  assert_non_null(tail.missed);
  assert_int_equal(tail.missed->count, 1);
  assert_ok(jobsrv_job_complete(a, NULL, 0));
  for (int i = 0; i < MANY; i++) {
    end_one(&world);
    if (i % 100 == 0)
      world_turn(&world);
  }
  assert_int_equal(tail.missed->count, 0);
  jobsrv_tail_detach(&tail);
  world_close(&world);
}

static void who_has_gone_is_not_kept_by_anybody(void **state) {
  jobsrv_tail_t tail = { 0 };
  uint64_t live;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_retained = 1;
  world_start(&world);
  end_one(&world);
  world_turn(&world);
  live = jobsrv_faults_live(&world.faults);
  for (int i = 0; i < 3; i++) {
    assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
    for (int k = 0; k < 20; k++)
      end_one(&world);
    jobsrv_tail_detach(&tail);
    assert_ok(jobsrv_tail_attach(&tail, world.srv, 0, NULL));
    jobsrv_tail_detach(&tail); /* before what was kept is let go of */
    world_turn(&world);
  }
  assert_true(jobsrv_faults_live(&world.faults) <= live + 20);
  world_close(&world);
}

/* ---- progress ---- */

static void report(jobsrv_job_t *of, double done) {
  assert_ok(jobsrv_progress(of, &(jobsrv_progress_t) { .done = done,
                                                       .total = 100 }));
}

static void progress_is_the_newest_of_each_behind_what_is_told(void **state) {
  jobsrv_tail_t tail = { 0 };
  jobsrv_job_t *a;
  jobsrv_job_t *b;
  world_t world;

  (void) state;
  world_open(&world);
  a = begin_job(&world);
  b = begin_job(&world);
  report(a, 1);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 4, NULL));
  report(b, 2);
  report(a, 3);
  world_pass(&world, 200);
  say(b, 1, 1);
  assert_int_equal(next(&tail), JOBSRV_READ_EVENTS);
  assert_int_equal(next(&tail), JOBSRV_READ_PROGRESS);
  assert_ptr_equal(job, b);
  assert_int_equal(next(&tail), JOBSRV_READ_PROGRESS);
  assert_ptr_equal(job, a);
  assert_non_null(memmem(entry.json, entry.json_len, "\"done\":3", 8));
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  report(a, 4);
  assert_ok(jobsrv_job_complete(a, NULL, 0));
  say(b, 2, 2);
  assert_int_equal(next(&tail), JOBSRV_READ_PROGRESS);
  assert_non_null(memmem(entry.json, entry.json_len, "\"done\":4", 8));
  assert_int_equal(next(&tail), JOBSRV_READ_END);
  assert_int_equal(next(&tail), JOBSRV_READ_EVENTS);
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  jobsrv_tail_detach(&tail);
  world_close(&world);
}

static void progress_may_go_on_while_it_is_read(void **state) {
  jobsrv_tail_t tail = { 0 };
  jobsrv_job_t *jobs[4];
  world_t world;

  (void) state;
  world_open(&world);
  for (int i = 0; i < 4; i++)
    jobs[i] = begin_job(&world);
  assert_ok(jobsrv_tail_attach(&tail, world.srv, 8, NULL));
  for (int i = 0; i < 4; i++)
    report(jobs[i], i + 1);
  assert_int_equal(next(&tail), JOBSRV_READ_PROGRESS);
  assert_ptr_equal(job, jobs[0]);
  assert_int_equal(peek(&tail), JOBSRV_READ_PROGRESS);
  assert_ptr_equal(job, jobs[1]);
  world_pass(&world, 200);
  report(jobs[0], 50); /* behind all others, once more */
  report(jobs[1], 60); /* and this while it was looked at */
  jobsrv_tail_advance(&tail);
  assert_int_equal(next(&tail), JOBSRV_READ_PROGRESS);
  assert_ptr_equal(job, jobs[2]);
  assert_ok(jobsrv_job_complete(jobs[3], NULL, 0));
  assert_int_equal(next(&tail), JOBSRV_READ_PROGRESS);
  assert_ptr_equal(job, jobs[3]); /* its last, before its end */
  assert_int_equal(next(&tail), JOBSRV_READ_END);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(next(&tail), JOBSRV_READ_PROGRESS);
    assert_ptr_equal(job, jobs[i]);
  }
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  report(jobs[2], 70);
  assert_int_equal(next(&tail), JOBSRV_READ_PROGRESS);
  assert_ptr_equal(job, jobs[2]);
  assert_int_equal(next(&tail), JOBSRV_READ_NOTHING);
  jobsrv_tail_detach(&tail);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(what_all_jobs_tell_comes_in_the_order_of_the_server),
  cmocka_unit_test(it_begins_behind_any_number),
  cmocka_unit_test(it_is_told_once_a_turn_until_it_has_read),
  cmocka_unit_test(one_may_detach_itself_and_another_when_told),
  cmocka_unit_test(one_may_close_the_server_when_told),
  cmocka_unit_test(what_is_trimmed_meanwhile_is_missing_from_where_it_was),
  cmocka_unit_test(what_is_unread_outlives_its_retention),
  cmocka_unit_test(only_so_much_is_kept_for_who_does_not_read),
  cmocka_unit_test(where_it_was_is_forgotten_with_the_job),
  cmocka_unit_test(who_has_gone_is_not_kept_by_anybody),
  cmocka_unit_test(progress_may_go_on_while_it_is_read),
  cmocka_unit_test(progress_is_the_newest_of_each_behind_what_is_told),
};

RUN(tests);
