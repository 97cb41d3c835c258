/* SPDX-License-Identifier: MIT */

/* Cursors that are read on other threads. */

#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- on one thread: what is told when ---- */

typedef struct {
  jobsrv_cursor_t cursor;
  bytes_t bytes;
  int told;
  int told_here;
  jobsrv_read_t last;
} lent_t;

static void count_wake(jobsrv_reader_t *reader, void *data) {
  (void) reader;
  ++*(int *) data;
}

static void on_told(jobsrv_cursor_t *cursor) {
  lent_t *lent = cursor->data;

  lent->told++;
  lent->last = read_events(cursor, &lent->bytes);
}

static void on_told_here(jobsrv_cursor_t *cursor) {
  lent_t *lent = cursor->data;

  lent->told_here++;
  lent->last = read_events(cursor, &lent->bytes);
}

static void lend(lent_t *lent, jobsrv_job_t *job, jobsrv_reader_t *reader) {
  lent->cursor.data = lent;
  assert_ok(jobsrv_cursor_attach(&lent->cursor, job, 0, on_told_here));
  assert_ok(jobsrv_cursor_lend(&lent->cursor, reader));
  jobsrv_cursor_take(&lent->cursor, on_told);
  lent->last = read_events(&lent->cursor, &lent->bytes);
}

/* What was said before it was lent may be told once more. */
static void settle_down(world_t *world, jobsrv_reader_t *reader, int *wakes) {
  world_turn(world);
  jobsrv_reader_run(reader);
  *wakes = 0;
}

static void give_up(lent_t *lent) {
  jobsrv_cursor_give(&lent->cursor);
  jobsrv_cursor_detach(&lent->cursor);
  bytes_free(&lent->bytes);
}

static void a_lent_cursor_is_told_by_its_reader_alone(void **state) {
  jobsrv_reader_t *reader;
  lent_t lent = { 0 };
  int wakes = 0;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  say(job, 1, 2);
  assert_ok(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes));
  lend(&lent, job, reader);
  assert_int_equal(lent.last, JOBSRV_READ_NOTHING);
  settle_down(&world, reader, &wakes);
  lent.told = 0;
  world_turn(&world);
  assert_int_equal(wakes, 0);

  say(job, 3, 4);
  assert_int_equal(wakes, 0); /* at the end of the turn, not before */
  world_turn(&world);
  assert_int_equal(wakes, 1);
  assert_int_equal(lent.told, 0);
  jobsrv_reader_run(reader);
  assert_int_equal(lent.told, 1);
  jobsrv_reader_run(reader);
  assert_int_equal(lent.told, 1);
  assert_int_equal(assert_frames(&world, &lent.bytes, 1), last_seq(job) + 1);

  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&world);
  jobsrv_reader_run(reader);
  assert_int_equal(lent.last, JOBSRV_READ_END);
  assert_int_equal(lent.told_here, 0);
  give_up(&lent);
  jobsrv_reader_free(reader);
  world_close(&world);
}

static void a_reader_is_woken_once_a_turn_for_all_that_it_has(void **state) {
  enum { JOBS = 3, EACH = 20 };
  static lent_t lent[JOBS][EACH];
  jobsrv_reader_t *reader;
  jobsrv_job_t *jobs[JOBS];
  int wakes = 0;
  world_t world;

  (void) state;
  memset(lent, 0, sizeof(lent));
  world_open(&world);
  assert_ok(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes));
  for (int i = 0; i < JOBS; i++) {
    jobs[i] = begin_job(&world);
    for (int k = 0; k < EACH; k++)
      lend(&lent[i][k], jobs[i], reader);
  }
  settle_down(&world, reader, &wakes);
  for (int i = 0; i < JOBS * EACH; i++)
    lent[i / EACH][i % EACH].told = 0;
  for (int turn = 1; turn <= 4; turn++) {
    for (int i = 0; i < JOBS; i++)
      say(jobs[i], 1, 5);
    world_turn(&world);
    assert_int_equal(wakes, turn);
    jobsrv_reader_run(reader);
  }
  /* who does not come for it is not woken again */
  for (int turn = 0; turn < 3; turn++) {
    say(jobs[0], 1, 1);
    world_turn(&world);
  }
  assert_int_equal(wakes, 5);
  jobsrv_reader_run(reader);
  for (int i = 0; i < JOBS; i++)
    for (int k = 0; k < EACH; k++) {
      assert_int_equal(lent[i][k].told, i == 0 ? 5 : 4);
      assert_same_bytes(&lent[i][k].bytes, &lent[i][0].bytes);
      if (k > 0)
        give_up(&lent[i][k]);
    }
  for (int i = 0; i < JOBS; i++)
    give_up(&lent[i][0]);
  jobsrv_reader_free(reader);
  world_close(&world);
}

static void a_cursor_comes_back_and_goes_on_where_it_stands(void **state) {
  jobsrv_reader_t *reader;
  lent_t lent = { 0 };
  int wakes = 0;
  jobsrv_view_t view;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes));
  lend(&lent, job, reader);
  settle_down(&world, reader, &wakes);
  lent.told = 0;
  say(job, 1, 3);
  /* it stands inside of a frame, and is to be told */
  assert_int_equal(jobsrv_cursor_peek(&lent.cursor, &view),
                   JOBSRV_READ_EVENTS);
  bytes_add(&lent.bytes, view.data, 30);
  jobsrv_cursor_advance(&lent.cursor, 30);
  assert_true(jobsrv_cursor_inside(&lent.cursor));
  jobsrv_cursor_give(&lent.cursor);
  jobsrv_cursor_return(&lent.cursor, on_told_here);
  world_turn(&world);
  assert_int_equal(lent.told_here, 1);
  say(job, 4, 6);
  world_turn(&world);
  assert_int_equal(lent.told_here, 2);
  assert_int_equal(wakes, 0);
  jobsrv_reader_run(reader);
  assert_int_equal(lent.told, 0);
  assert_int_equal(assert_frames(&world, &lent.bytes, 1), last_seq(job) + 1);

  /* and there again */
  assert_ok(jobsrv_cursor_lend(&lent.cursor, reader));
  jobsrv_cursor_take(&lent.cursor, on_told);
  say(job, 7, 9);
  world_turn(&world);
  assert_int_equal(wakes, 1);
  jobsrv_reader_run(reader);
  assert_int_equal(lent.told, 1);
  assert_int_equal(lent.told_here, 2);
  assert_int_equal(assert_frames(&world, &lent.bytes, 1), last_seq(job) + 1);
  give_up(&lent);
  jobsrv_reader_free(reader);
  world_close(&world);
}

static void a_lent_cursor_that_was_never_taken_is_let_go(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_reader_t *reader;
  int wakes = 0;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes));
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_ok(jobsrv_cursor_lend(&cursor, reader));
  say(job, 1, 1);
  world_turn(&world); /* what is in the reader's queue goes with it */
  assert_int_equal(wakes, 1);
  jobsrv_cursor_detach(&cursor);
  jobsrv_reader_free(reader);
  world_close(&world);
}

static lent_t given[4];

static void give_all_others(jobsrv_cursor_t *cursor) {
  for (int i = 0; i < 4; i++)
    if (&given[i].cursor != cursor)
      jobsrv_cursor_give(&given[i].cursor);
  given[0].told++;
}

static void a_notification_may_give_back_any_cursor(void **state) {
  for (int first = 0; first < 4; first++) {
    jobsrv_reader_t *reader;
    int wakes = 0;
    jobsrv_job_t *job;
    world_t world;

    (void) state;
    memset(given, 0, sizeof(given));
    world_open(&world);
    job = begin_job(&world);
    assert_ok(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes));
    for (int i = 0; i < 4; i++) {
      assert_ok(jobsrv_cursor_attach(&given[i].cursor, job, 0, NULL));
      assert_ok(jobsrv_cursor_lend(&given[i].cursor, reader));
      jobsrv_cursor_take(&given[i].cursor, give_all_others);
    }
    /* the one that is told first stands at any place */
    for (int i = 0; i < first; i++) {
      jobsrv_cursor_give(&given[i].cursor);
      jobsrv_cursor_take(&given[i].cursor, give_all_others);
    }
    say(job, 1, 1);
    world_turn(&world);
    jobsrv_reader_run(reader);
    assert_int_equal(given[0].told, 1);
    jobsrv_cursor_give(&given[first % 4].cursor);
    for (int i = 0; i < 4; i++)
      jobsrv_cursor_detach(&given[i].cursor);
    jobsrv_reader_free(reader);
    world_close(&world);
  }
}

static void without_memory_a_cursor_stays(void **state) {
  jobsrv_reader_t *reader;
  lent_t lent = { 0 };
  int wakes = 0;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_faults_fail(&world.faults, 0, UINT64_MAX);
  assert_int_equal(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes),
                   UV_ENOMEM);
  jobsrv_faults_fail(&world.faults, 0, 0);
  assert_ok(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes));
  job = begin_job(&world);
  lent.cursor.data = &lent;
  assert_ok(jobsrv_cursor_attach(&lent.cursor, job, 0, on_told_here));
  jobsrv_faults_fail(&world.faults, 0, UINT64_MAX);
  assert_int_equal(jobsrv_cursor_lend(&lent.cursor, reader), UV_ENOMEM);
  jobsrv_faults_fail(&world.faults, 0, 0);
  say(job, 1, 3);
  world_turn(&world);
  assert_int_equal(lent.told_here, 1);
  assert_int_equal(wakes, 0);
  assert_int_equal(assert_frames(&world, &lent.bytes, 1), last_seq(job) + 1);
  jobsrv_cursor_detach(&lent.cursor);
  bytes_free(&lent.bytes);
  jobsrv_reader_free(reader);
  world_close(&world);
}

/* What a cursor held is given back elsewhere, and counted here. */
static void memory_that_a_reader_lets_go_of_is_not_counted(void **state) {
  jobsrv_reader_t *reader;
  lent_t lent = { 0 };
  int wakes = 0;
  jobsrv_view_t view;
  uint64_t pinned;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_events_per_job = 16;
  world_start(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes));
  lent.cursor.data = &lent;
  assert_ok(jobsrv_cursor_attach(&lent.cursor, job, 0, NULL));
  assert_ok(jobsrv_cursor_lend(&lent.cursor, reader));
  jobsrv_cursor_take(&lent.cursor, on_told);
  assert_int_equal(jobsrv_cursor_peek(&lent.cursor, &view),
                   JOBSRV_READ_EVENTS);
  say(job, 1, 100);
  pinned = world_log_bytes(&world);
  jobsrv_cursor_give(&lent.cursor);
  jobsrv_cursor_detach(&lent.cursor);
  assert_true(world_log_bytes(&world) < pinned);
  jobsrv_reader_free(reader);
  world_close(&world);
}

/* All of it has been trimmed: nothing but the numbers is left to tell. */
static void the_gap_of_a_log_without_a_chunk_is_told_whole(void **state) {
  jobsrv_reader_t *reader;
  lent_t lent = { 0 };
  int wakes = 0;
  jobsrv_view_t view;
  jobsrv_job_t *first;
  jobsrv_job_t *second;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_bytes_total = 8 * 1024;
  world.options.max_bytes_per_job = 8 * 1024;
  world_start(&world);
  first = begin_job(&world);
  say(first, 1, 5);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  assert_ok(jobsrv_reader_new(&reader, world.srv, count_wake, &wakes));
  second = begin_job(&world);
  say(second, 1, 200);
  assert_ok(jobsrv_cursor_attach(&lent.cursor, first, 0, NULL));
  assert_ok(jobsrv_cursor_lend(&lent.cursor, reader));
  jobsrv_cursor_take(&lent.cursor, on_told);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(jobsrv_cursor_peek(&lent.cursor, &view),
                     JOBSRV_READ_GAP);
    assert_int_equal(view.missed_from, 1);
    assert_int_equal(view.missed_to, last_seq(first) - 1);
    assert_int_equal(view.server_seq, last_seq(first) - 1);
  }
  jobsrv_cursor_advance(&lent.cursor, 0);
  assert_int_equal(jobsrv_cursor_peek(&lent.cursor, &view), JOBSRV_READ_END);
  give_up(&lent);
  jobsrv_reader_free(reader);
  world_close(&world);
}

/* ---- on threads of their own ---- */

enum { DESKS = 3, SEATS = 8 };

/* What a cursor has been given, checked as it comes. */
typedef struct {
  jobsrv_cursor_t cursor;
  uint64_t seq;      /* the last that was read or told of as missing */
  uint64_t events;
  uint64_t missed;
  double done;       /* of the last progress */
  atomic_int state;  /* 0: at home; 1: on its way there; 2: there; 3: back */
  atomic_int wanted; /* back */
  int ended;
  int broken;        /* what it was given was not in order */
} seat_t;

typedef struct {
  pthread_t thread;
  jobsrv_reader_t *reader;
  int pipe[2];
  atomic_int stops;
  seat_t seats[SEATS];
} desk_t;

static void desk_wake(desk_t *desk) {
  ssize_t n;

  do
    n = write(desk->pipe[1], "", 1);
  while (n < 0 && errno == EINTR);
}

static void on_wake(jobsrv_reader_t *reader, void *data) {
  (void) reader;
  desk_wake(data);
}

static double done_of(const jobsrv_entry_t *entry) {
  const char *at = memmem(entry->json, entry->json_len, "\"done\":", 7);

  return at != NULL ? strtod(at + 7, NULL) : -1;
}

static void read_seat(jobsrv_cursor_t *cursor) {
  seat_t *seat = cursor->data;
  jobsrv_entry_t entry;
  jobsrv_view_t gap;

  for (;;) {
    switch (jobsrv_cursor_next(cursor, &entry, &gap)) {
    case JOBSRV_READ_EVENTS:
      seat->broken |= entry.seq != seat->seq + 1;
      seat->broken |= entry.json[0] != '{';
      seat->broken |= entry.json[entry.json_len - 1] != '}';
      seat->seq = entry.seq;
      seat->events++;
      break;
    case JOBSRV_READ_GAP:
      seat->broken |= gap.missed_from != seat->seq + 1;
      seat->broken |= gap.missed_to < gap.missed_from;
      seat->missed += gap.missed_to - seat->seq;
      seat->seq = gap.missed_to;
      break;
    case JOBSRV_READ_PROGRESS:
      seat->broken |= done_of(&entry) < seat->done;
      seat->done = done_of(&entry);
      break;
    case JOBSRV_READ_END:
      seat->broken |= entry.seq != seat->seq + 1;
      seat->ended = 1;
      return;
    default:
      return;
    }
  }
}

static void look_at(seat_t *seat, int stops) {
  if (atomic_load(&seat->state) == 1) {
    jobsrv_cursor_take(&seat->cursor, read_seat);
    atomic_store(&seat->state, 2);
    read_seat(&seat->cursor);
  }
  if (atomic_load(&seat->state) == 2 &&
      (stops || atomic_load(&seat->wanted))) {
    jobsrv_cursor_give(&seat->cursor);
    atomic_store(&seat->state, 3);
  }
}

static void *sit(void *arg) {
  desk_t *desk = arg;
  char drop[64];
  int stops;

  do {
    ssize_t n = read(desk->pipe[0], drop, sizeof(drop));

    if (n < 0 && errno != EINTR)
      return NULL;
    stops = atomic_load(&desk->stops);
    jobsrv_reader_run(desk->reader);
    for (int i = 0; i < SEATS; i++)
      look_at(&desk->seats[i], stops);
  } while (!stops);
  return NULL;
}

static void desk_open(desk_t *desk, world_t *world) {
  memset(desk, 0, sizeof(*desk));
  assert_int_equal(pipe(desk->pipe), 0);
  assert_ok(jobsrv_reader_new(&desk->reader, world->srv, on_wake, desk));
  for (int i = 0; i < SEATS; i++)
    desk->seats[i].cursor.data = &desk->seats[i];
  assert_int_equal(pthread_create(&desk->thread, NULL, sit, desk), 0);
}

/* All that are there are given back, and read to their end here. */
static void desk_close(desk_t *desk) {
  atomic_store(&desk->stops, 1);
  desk_wake(desk);
  assert_int_equal(pthread_join(desk->thread, NULL), 0);
  for (int i = 0; i < SEATS; i++) {
    seat_t *seat = &desk->seats[i];

    if (atomic_load(&seat->state) != 0) {
      jobsrv_cursor_return(&seat->cursor, read_seat);
      read_seat(&seat->cursor);
      jobsrv_cursor_detach(&seat->cursor);
    }
  }
  jobsrv_reader_free(desk->reader);
  close(desk->pipe[0]);
  close(desk->pipe[1]);
}

/* One seat of each desk changes sides. */
static void move_some(desk_t *desks, jobsrv_job_t **jobs, int round) {
  for (int i = 0; i < DESKS; i++) {
    seat_t *seat = &desks[i].seats[round % SEATS];

    switch (atomic_load(&seat->state)) {
    case 0:
      assert_ok(jobsrv_cursor_attach(&seat->cursor, jobs[round % 2],
                                     seat->seq, read_seat));
      assert_ok(jobsrv_cursor_lend(&seat->cursor, desks[i].reader));
      atomic_store(&seat->wanted, 0);
      atomic_store(&seat->state, 1);
      desk_wake(&desks[i]);
      break;
    case 2:
      atomic_store(&seat->wanted, 1);
      desk_wake(&desks[i]);
      break;
    case 3:
      jobsrv_cursor_return(&seat->cursor, read_seat);
      jobsrv_cursor_detach(&seat->cursor);
      atomic_store(&seat->state, 0);
      break;
    default:
      break;
    }
  }
}

static void progress_to(jobsrv_job_t *job, int done, int total) {
  jobsrv_progress_t progress = { .done = done, .total = total };

  assert_ok(jobsrv_progress(job, &progress));
}

/*
 * Logs that are trimmed all the time, written to from the loop; cursors that
 * come and go; progress; the end. What each cursor has read and what it was
 * told to have missed are together all there was, in order.
 */
static void cursors_on_threads_see_all_or_are_told(void **state) {
  enum { ROUNDS = 400 };
  static desk_t desks[DESKS];
  jobsrv_job_t *jobs[2];
  uint64_t events = 0;
  uint64_t last[2];
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_events_per_job = 64;
  world_start(&world);
  for (int i = 0; i < 2; i++)
    jobs[i] = jobsrv_job_ref(begin_job(&world));
  for (int i = 0; i < DESKS; i++)
    desk_open(&desks[i], &world);
  for (int round = 0; round < ROUNDS; round++) {
    move_some(desks, jobs, round);
    for (int i = 0; i < 2; i++) {
      say(jobs[i], 1, 1 + round % 13);
      progress_to(jobs[i], round, ROUNDS);
    }
    world_pass(&world, 40);
  }
  for (int i = 0; i < 2; i++) {
    assert_ok(jobsrv_job_complete(jobs[i], NULL, 0));
    last[i] = last_seq(jobs[i]);
  }
  world_turn(&world);
  for (int i = 0; i < DESKS; i++)
    desk_close(&desks[i]);
  for (int i = 0; i < DESKS; i++)
    for (int k = 0; k < SEATS; k++) {
      seat_t *seat = &desks[i].seats[k];

      assert_false(seat->broken);
      assert_int_equal(seat->events + seat->missed, seat->seq);
      if (seat->ended) /* round and seat have the same parity: so has the job */
        assert_int_equal(seat->seq + 1, last[k % 2]);
      events += seat->events;
    }
  assert_true(events > 0);
  for (int i = 0; i < 2; i++)
    jobsrv_job_unref(jobs[i]);
  world_close(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_lent_cursor_is_told_by_its_reader_alone),
    cmocka_unit_test(a_reader_is_woken_once_a_turn_for_all_that_it_has),
    cmocka_unit_test(a_cursor_comes_back_and_goes_on_where_it_stands),
    cmocka_unit_test(a_lent_cursor_that_was_never_taken_is_let_go),
    cmocka_unit_test(a_notification_may_give_back_any_cursor),
    cmocka_unit_test(without_memory_a_cursor_stays),
    cmocka_unit_test(memory_that_a_reader_lets_go_of_is_not_counted),
    cmocka_unit_test(the_gap_of_a_log_without_a_chunk_is_told_whole),
    cmocka_unit_test(cursors_on_threads_see_all_or_are_told),
  };

  return RUN_GROUP(tests);
}
