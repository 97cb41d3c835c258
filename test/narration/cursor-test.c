/* SPDX-License-Identifier: MIT */

#include "world.h"

static void three_readers_get_the_same_bytes(void **state) {
  jobsrv_cursor_t early = { 0 };
  jobsrv_cursor_t late = { 0 };
  jobsrv_cursor_t after = { 0 };
  bytes_t a = { 0 };
  bytes_t b = { 0 };
  bytes_t c = { 0 };
  jobsrv_job_t *job;
  world_t world;
  int i;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_cursor_attach(&early, job, 0, NULL));
  for (i = 0; i < 900; i++) {
    say(job, i, i);
    if (i % 7 == 0)
      assert_int_equal(read_events(&early, &a), JOBSRV_READ_NOTHING);
    if (i == 450)
      assert_ok(jobsrv_cursor_attach(&late, job, 0, NULL));
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_ok(jobsrv_cursor_attach(&after, job, 0, NULL));
  assert_int_equal(read_events(&early, &a), JOBSRV_READ_END);
  assert_int_equal(read_events(&late, &b), JOBSRV_READ_END);
  assert_int_equal(read_events(&after, &c), JOBSRV_READ_END);
  assert_int_equal(assert_frames(&world, &a, 1), last_seq(job));
  assert_same_bytes(&a, &b);
  assert_same_bytes(&a, &c);
  jobsrv_cursor_detach(&early);
  jobsrv_cursor_detach(&late);
  jobsrv_cursor_detach(&after);
  bytes_free(&a);
  bytes_free(&b);
  bytes_free(&c);
  world_close(&world);
}

/* Wherever a reader is cut, the seq it had is where the rest begins. */
static void a_reader_cut_at_any_byte_resumes_by_its_number(void **state) {
  jobsrv_cursor_t slow = { 0 };
  jobsrv_cursor_t again = { 0 };
  jobsrv_cursor_t whole = { 0 };
  bytes_t all = { 0 };
  jobsrv_view_t view;
  jobsrv_view_t rest;
  size_t boundary = 0;
  jobsrv_job_t *job;
  world_t world;
  size_t at;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  say(job, 1, 30);
  assert_ok(jobsrv_cursor_attach(&whole, job, 0, NULL));
  assert_int_equal(read_events(&whole, &all), JOBSRV_READ_NOTHING);
  assert_ok(jobsrv_cursor_attach(&slow, job, 0, NULL));
  for (at = 0; at < all.len; at++) {
    assert_int_equal(jobsrv_cursor_peek(&slow, &view), JOBSRV_READ_EVENTS);
    assert_memory_equal(view.data, all.data + at, view.len);
    if (!jobsrv_cursor_inside(&slow))
      boundary = at;
    assert_ok(jobsrv_cursor_attach(&again, job, jobsrv_cursor_seq(&slow),
                                   NULL));
    assert_int_equal(jobsrv_cursor_peek(&again, &rest), JOBSRV_READ_EVENTS);
    assert_memory_equal(rest.data, all.data + boundary, rest.len);
    jobsrv_cursor_detach(&again);
    jobsrv_cursor_advance(&slow, 1);
  }
  assert_int_equal(jobsrv_cursor_peek(&slow, &view), JOBSRV_READ_NOTHING);
  assert_int_equal(jobsrv_cursor_seq(&slow), last_seq(job));
  jobsrv_cursor_detach(&slow);
  jobsrv_cursor_detach(&whole);
  bytes_free(&all);
  world_close(&world);
}

static void a_reader_advances_by_any_stride(void **state) {
  static const size_t strides[] = { 2, 61, 997, 5003, 70000 };
  jobsrv_job_t *job;
  bytes_t all = { 0 };
  world_t world;
  size_t i;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  say(job, 1, 800);
  for (i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
    jobsrv_cursor_t cursor = { 0 };
    bytes_t bytes = { 0 };
    jobsrv_view_t view;

    assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
    while (jobsrv_cursor_peek(&cursor, &view) == JOBSRV_READ_EVENTS) {
      size_t len = view.len < strides[i] ? view.len : strides[i];

      bytes_add(&bytes, view.data, len);
      jobsrv_cursor_advance(&cursor, len);
    }
    assert_int_equal(jobsrv_cursor_seq(&cursor), last_seq(job));
    jobsrv_cursor_detach(&cursor);
    assert_int_equal(assert_frames(&world, &bytes, 1), last_seq(job) + 1);
    if (i == 0)
      bytes_add(&all, bytes.data, bytes.len);
    assert_same_bytes(&all, &bytes);
    bytes_free(&bytes);
  }
  bytes_free(&all);
  world_close(&world);
}

/* The rest of the frame comes first, and only then the gap. */
static void what_was_begun_is_finished_before_a_gap(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_view_t view;
  jobsrv_job_t *job;
  uint64_t next;
  world_t world;
  uint64_t held;

  (void) state;
  world_init(&world);
  world.options.max_events_per_job = 32;
  world_start(&world);
  job = begin_job(&world);
  say(job, 1, 1);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_EVENTS);
  bytes_add(&bytes, view.data, view.len / 2 + 5);
  jobsrv_cursor_advance(&cursor, view.len / 2 + 5);
  assert_true(jobsrv_cursor_inside(&cursor));

  say(job, 2, 500);
  held = world_log_bytes(&world);
  assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_GAP);
  assert_false(jobsrv_cursor_inside(&cursor));
  next = assert_frames(&world, &bytes, 1);
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_GAP);
  assert_int_equal(view.missed_from, next);
  assert_true(view.missed_to > next + 400);
  assert_true(world_log_bytes(&world) < held);

  /* the gap stays what it was said to be, whatever is trimmed meanwhile */
  next = view.missed_to + 1;
  say(job, 501, 600);
  jobsrv_cursor_advance(&cursor, 0);
  bytes_free(&bytes);
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_EVENTS);
  bytes_add(&bytes, view.data, view.len);
  assert_frames(&world, &bytes, next);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void a_reader_that_missed_nothing_sees_no_gap(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;
  int i;

  (void) state;
  world_init(&world);
  world.options.max_events_per_job = 1;
  world_start(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_cursor_attach(&cursor, job, last_seq(job), NULL));
  for (i = 0; i < 50; i++) {
    uint64_t next = last_seq(job) + 1;

    say(job, i, i);
    assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
    assert_int_equal(assert_frames(&world, &bytes, next), next + 1);
    bytes_free(&bytes);
  }
  jobsrv_cursor_detach(&cursor);
  world_close(&world);
}

static void a_slow_reader_holds_one_chunk_and_delays_nobody(void **state) {
  jobsrv_cursor_t slow[50];
  jobsrv_cursor_t fast = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  uint64_t next;
  world_t world;
  int i;

  (void) state;
  memset(slow, 0, sizeof(slow));
  world_init(&world);
  world.options.max_bytes_per_job = 64 * 1024;
  world_start(&world);
  job = begin_job(&world);
  for (i = 0; i < 50; i++)
    assert_ok(jobsrv_cursor_attach(&slow[i], job, 0, NULL));
  assert_ok(jobsrv_cursor_attach(&fast, job, 0, NULL));
  next = 1;
  for (i = 0; i < 3000; i++) {
    say(job, i, i);
    assert_int_equal(read_events(&fast, &bytes), JOBSRV_READ_NOTHING);
    next = assert_frames(&world, &bytes, next);
    bytes_free(&bytes);
  }
  assert_int_equal(next, last_seq(job) + 1);
  assert_true(world_log_bytes(&world) <= 64 * 1024 + 2 * 8 * 1024);
  for (i = 0; i < 50; i++)
    jobsrv_cursor_detach(&slow[i]);
  assert_true(world_log_bytes(&world) <= 64 * 1024);
  jobsrv_cursor_detach(&fast);
  world_close(&world);
}

/* ---- another thread ---- */

typedef struct {
  jobsrv_cursor_t cursor;
  bytes_t bytes;
  uint64_t missed;
  size_t stride;
} thread_reader_t;

static void read_in_thread(void *arg) {
  thread_reader_t *reader = arg;
  jobsrv_view_t view;
  jobsrv_read_t what;
  size_t len;

  do {
    what = jobsrv_cursor_peek(&reader->cursor, &view);
    if (what == JOBSRV_READ_EVENTS) {
      len = view.len < reader->stride ? view.len : reader->stride;
      bytes_add(&reader->bytes, view.data, len);
      jobsrv_cursor_advance(&reader->cursor, len);
    } else if (what == JOBSRV_READ_GAP) {
      reader->missed += view.missed_to - view.missed_from + 1;
      jobsrv_cursor_advance(&reader->cursor, 0);
    }
  } while (what != JOBSRV_READ_END);
}

/* Appending and trimming go on while others read: nothing is torn or lost. */
static void readers_in_other_threads_see_whole_frames(void **state) {
  static const size_t strides[3] = { 33, 4000, 100000 };
  thread_reader_t readers[3];
  uv_thread_t threads[3];
  jobsrv_job_t *job;
  world_t world;
  int i;

  (void) state;
  memset(readers, 0, sizeof(readers));
  world_init(&world);
  world.options.max_bytes_per_job = 64 * 1024;
  world_start(&world);
  job = begin_job(&world);
  for (i = 0; i < 3; i++) {
    readers[i].stride = strides[i];
    assert_ok(jobsrv_cursor_attach(&readers[i].cursor, job, 0, NULL));
    assert_int_equal(uv_thread_create(&threads[i], read_in_thread,
                                      &readers[i]), 0);
  }
  say(job, 1, 20000);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  for (i = 0; i < 3; i++) {
    uint64_t read = 0;
    uint64_t seq = 0;
    size_t at = 0;
    char id[64];

    uv_thread_join(&threads[i]);
    for (; at < readers[i].bytes.len; read++) {
      json_t *json = next_frame(&readers[i].bytes, &at, id);

      assert_true((uint64_t) int_of(json, "seq") > seq);
      seq = (uint64_t) int_of(json, "seq");
      json_decref(json);
    }
    assert_int_equal(seq, last_seq(job) - 1);
    assert_int_equal(read + readers[i].missed, seq);
    jobsrv_cursor_detach(&readers[i].cursor);
    bytes_free(&readers[i].bytes);
  }
  world_close(&world);
}

/* ---- being told ---- */

typedef struct {
  jobsrv_cursor_t cursor;
  int told;
  int read;                 /* to the end, when told */
  jobsrv_cursor_t *victims[3];
  jobsrv_job_t *attach;     /* a second cursor to it */
  jobsrv_cursor_t second;
  jobsrv_job_t *speak;
} reader_t;

static void on_told(jobsrv_cursor_t *cursor) {
  reader_t *reader = cursor->data;
  bytes_t bytes = { 0 };
  int i;

  reader->told++;
  if (reader->read)
    (void) read_events(cursor, &bytes);
  bytes_free(&bytes);
  if (reader->speak != NULL)
    say(reader->speak, 1, 1);
  if (reader->attach != NULL) {
    jobsrv_cursor_detach(&reader->second);
    reader->second.data = reader;
    assert_ok(jobsrv_cursor_attach(&reader->second, reader->attach, 0,
                                   on_told));
  }
  for (i = 0; i < 3; i++)
    if (reader->victims[i] != NULL)
      jobsrv_cursor_detach(reader->victims[i]);
}

static void reader_attach(reader_t *reader, jobsrv_job_t *job) {
  memset(reader, 0, sizeof(*reader));
  reader->cursor.data = reader;
  assert_ok(jobsrv_cursor_attach(&reader->cursor, job, last_seq(job),
                                 on_told));
}

static void a_reader_is_told_once_until_it_has_read_all(void **state) {
  reader_t reader;
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  reader_attach(&reader, job);
  world_turn(&world);
  assert_int_equal(reader.told, 0);
  say(job, 1, 5);
  assert_int_equal(reader.told, 0);
  world_turn(&world);
  assert_int_equal(reader.told, 1);
  say(job, 6, 9);
  world_turn(&world);
  assert_int_equal(reader.told, 1);
  assert_int_equal(read_events(&reader.cursor, &bytes), JOBSRV_READ_NOTHING);
  world_turn(&world);
  assert_int_equal(reader.told, 1);
  say(job, 10, 10);
  world_turn(&world);
  assert_int_equal(reader.told, 2);
  jobsrv_cursor_detach(&reader.cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void a_reader_that_read_by_itself_is_not_told_for_nothing(
    void **state) {
  reader_t reader;
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  reader_attach(&reader, job);
  say(job, 1, 5);
  assert_int_equal(read_events(&reader.cursor, &bytes), JOBSRV_READ_NOTHING);
  world_turn(&world);
  assert_int_equal(reader.told, 0);
  jobsrv_cursor_detach(&reader.cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void what_was_there_before_is_told_at_the_end_of_the_turn(
    void **state) {
  reader_t reader = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  reader.cursor.data = &reader;
  assert_ok(jobsrv_cursor_attach(&reader.cursor, job, 0, on_told));
  assert_int_equal(reader.told, 0);
  world_turn(&world);
  assert_int_equal(reader.told, 1);
  jobsrv_cursor_detach(&reader.cursor);
  world_close(&world);
}

static void a_reader_may_detach_itself_and_its_neighbours(void **state) {
  reader_t readers[5];
  jobsrv_job_t *job;
  world_t world;
  int i;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  for (i = 0; i < 5; i++)
    reader_attach(&readers[i], job);
  readers[1].victims[0] = &readers[0].cursor;
  readers[1].victims[1] = &readers[1].cursor;
  readers[1].victims[2] = &readers[2].cursor;
  readers[3].victims[0] = &readers[4].cursor;
  say(job, 1, 1);
  world_turn(&world);
  assert_int_equal(readers[0].told, 1);
  assert_int_equal(readers[1].told, 1);
  assert_int_equal(readers[2].told, 0);
  assert_int_equal(readers[3].told, 1);
  assert_int_equal(readers[4].told, 0);
  jobsrv_cursor_detach(&readers[3].cursor);
  world_close(&world);
}

static void one_that_attaches_while_others_are_told_waits_a_turn(
    void **state) {
  reader_t reader;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  reader_attach(&reader, job);
  reader.attach = job;
  say(job, 1, 1);
  run_turns(&world.loop, 1);
  assert_int_equal(reader.told, 1);
  run_turns(&world.loop, 1);
  assert_int_equal(reader.told, 2);
  reader.attach = NULL;
  jobsrv_cursor_detach(&reader.second);
  jobsrv_cursor_detach(&reader.cursor);
  world_close(&world);
}

static void what_is_said_while_being_told_is_told_next_turn(void **state) {
  reader_t reader;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  reader_attach(&reader, job);
  reader.read = 1;
  reader.speak = job;
  say(job, 1, 1);
  run_turns(&world.loop, 1);
  assert_int_equal(reader.told, 1);
  run_turns(&world.loop, 1);
  assert_int_equal(reader.told, 2);
  reader.speak = NULL;
  jobsrv_cursor_detach(&reader.cursor);
  world_close(&world);
}

/* ---- the ends of a log ---- */

static void a_number_beyond_the_last_is_no_cursor(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_view_t view;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  say(job, 1, 3);
  assert_err(jobsrv_cursor_attach(&cursor, job, last_seq(job) + 1, NULL),
             JOBSRV_EBADCURSOR);
  assert_ok(jobsrv_cursor_attach(&cursor, job, last_seq(job), NULL));
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_NOTHING);
  jobsrv_cursor_detach(&cursor);
  jobsrv_cursor_detach(&cursor);
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_NOTHING);
  jobsrv_cursor_advance(&cursor, 1);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_err(jobsrv_cursor_attach(&cursor, job, last_seq(job) + 1, NULL),
             JOBSRV_EBADCURSOR);
  assert_ok(jobsrv_cursor_attach(&cursor, job, last_seq(job), NULL));
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_END);
  jobsrv_cursor_detach(&cursor);
  world_close(&world);
}

static void the_end_repeats_and_is_told_once(void **state) {
  jobsrv_view_t view;
  bytes_t bytes = { 0 };
  reader_t reader;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  reader_attach(&reader, job);
  reader.read = 1;
  assert_ok(jobsrv_job_fail(job, "broken", "it broke"));
  world_turn(&world);
  assert_int_equal(reader.told, 1);
  assert_int_equal(read_events(&reader.cursor, &bytes), JOBSRV_READ_END);
  assert_int_equal(jobsrv_cursor_peek(&reader.cursor, &view),
                   JOBSRV_READ_END);
  world_turn(&world);
  assert_int_equal(reader.told, 1);
  assert_int_equal(jobsrv_cursor_seq(&reader.cursor), last_seq(job) - 1);
  jobsrv_cursor_detach(&reader.cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void an_ended_job_can_be_read_by_its_cursor_past_retention(
    void **state) {
  jobsrv_cursor_t cursor = { 0 };
  char id[JOBSRV_ID_SIZE];
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;
  uint64_t last;

  (void) state;
  world_init(&world);
  world.options.retain_ms = 1000;
  world_start(&world);
  job = begin_job(&world);
  say(job, 1, 400);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  last = last_seq(job);
  (void) jobsrv_job_id(job, id);
  world_pass(&world, 5000);
  assert_err(jobsrv_find(world.srv, id, &job), JOBSRV_EEXPIRED);
  assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_END);
  assert_int_equal(assert_frames(&world, &bytes, 1), last);
  assert_true(world_log_bytes(&world) > 0);
  jobsrv_cursor_detach(&cursor);
  assert_int_equal(world_log_bytes(&world), 0);
  bytes_free(&bytes);
  world_close(&world);
}

static void a_reader_is_told_of_the_close_and_can_read_on(void **state) {
  jobsrv_cursor_t late = { 0 };
  bytes_t bytes = { 0 };
  reader_t reader;
  jobsrv_job_t *job;
  uint64_t last;
  world_t world;
  size_t at = 0;
  char id[64];

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  last = last_seq(job);
  reader_attach(&reader, job);
  say(job, 1, 2);
  assert_int_equal(jobsrv_cursor_seq(&reader.cursor), last);
  jobsrv_close(world.srv, NULL, NULL);
  loop_end(&world.loop);
  world.srv = NULL;
  assert_int_equal(reader.told, 1);
  assert_err(jobsrv_cursor_attach(&late, job, 0, NULL), JOBSRV_ECLOSED);
  assert_int_equal(read_events(&reader.cursor, &bytes), JOBSRV_READ_END);
  for (; at < bytes.len; last++)
    json_decref(next_frame(&bytes, &at, id));
  assert_int_equal(last, jobsrv_cursor_seq(&reader.cursor));
  jobsrv_cursor_detach(&reader.cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void next_gives_the_events_without_their_framing(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_cursor_t whole = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  uint64_t server_seq = 0;
  jobsrv_job_t *job;
  uint64_t seq;
  world_t world;
  size_t at = 0;
  char id[64];

  (void) state;
  world_init(&world);
  world.options.max_events_per_job = 64;
  world_start(&world);
  job = begin_job(&world);
  say(job, 1, 300);
  assert_ok(jobsrv_warn(job, "say", "careful"));
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_ok(jobsrv_cursor_attach(&whole, job, 0, NULL));
  assert_int_equal(jobsrv_cursor_next(&cursor, &entry, &gap),
                   JOBSRV_READ_GAP);
  jobsrv_cursor_advance(&whole, 0);
  (void) jobsrv_cursor_peek(&whole, &gap);
  jobsrv_cursor_advance(&whole, 0);
  assert_int_equal(read_events(&whole, &bytes), JOBSRV_READ_NOTHING);

  for (seq = jobsrv_cursor_seq(&cursor) + 1; seq <= last_seq(job); seq++) {
    json_t *framed = next_frame(&bytes, &at, id);
    json_t *bare;

    assert_int_equal(jobsrv_cursor_next(&cursor, &entry, &gap),
                     JOBSRV_READ_EVENTS);
    bare = json_loadb(entry.json, entry.json_len, 0, NULL);
    assert_int_equal(json_equal(bare, framed), 1);
    assert_int_equal(entry.seq, seq);
    assert_int_equal(entry.kind, JOBSRV_KIND_NARRATION);
    assert_true(entry.server_seq > server_seq);
    server_seq = entry.server_seq;
    json_decref(bare);
    json_decref(framed);
  }
  assert_int_equal(entry.level, JOBSRV_WARN);
  assert_int_equal(jobsrv_cursor_next(&cursor, &entry, &gap),
                   JOBSRV_READ_NOTHING);
  jobsrv_cursor_detach(&cursor);
  jobsrv_cursor_detach(&whole);
  bytes_free(&bytes);
  world_close(&world);
}

static void a_log_dropped_after_the_end_is_one_gap_and_the_end(void **state) {
  jobsrv_cursor_t before = { 0 };
  jobsrv_cursor_t after = { 0 };
  jobsrv_view_t view;
  bytes_t bytes = { 0 };
  jobsrv_job_t *other;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_bytes_total = 96 * 1024;
  world_start(&world);
  job = begin_job(&world);
  say(job, 1, 100);
  assert_ok(jobsrv_cursor_attach(&before, job, 0, NULL));
  assert_int_equal(read_events(&before, &bytes), JOBSRV_READ_NOTHING);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  other = begin_job(&world);
  say(other, 1, 1000);
  assert_int_equal(jobsrv_cursor_peek(&before, &view), JOBSRV_READ_END);
  assert_ok(jobsrv_cursor_attach(&after, job, 5, NULL));
  assert_int_equal(jobsrv_cursor_peek(&after, &view), JOBSRV_READ_GAP);
  assert_int_equal(view.missed_from, 6);
  assert_int_equal(view.missed_to, last_seq(job) - 1);
  jobsrv_cursor_advance(&after, 0);
  assert_int_equal(jobsrv_cursor_peek(&after, &view), JOBSRV_READ_END);
  jobsrv_cursor_detach(&before);
  jobsrv_cursor_detach(&after);
  bytes_free(&bytes);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(three_readers_get_the_same_bytes),
  cmocka_unit_test(a_reader_cut_at_any_byte_resumes_by_its_number),
  cmocka_unit_test(a_reader_advances_by_any_stride),
  cmocka_unit_test(what_was_begun_is_finished_before_a_gap),
  cmocka_unit_test(a_reader_that_missed_nothing_sees_no_gap),
  cmocka_unit_test(a_slow_reader_holds_one_chunk_and_delays_nobody),
  cmocka_unit_test(readers_in_other_threads_see_whole_frames),
  cmocka_unit_test(a_reader_is_told_once_until_it_has_read_all),
  cmocka_unit_test(a_reader_that_read_by_itself_is_not_told_for_nothing),
  cmocka_unit_test(what_was_there_before_is_told_at_the_end_of_the_turn),
  cmocka_unit_test(a_reader_may_detach_itself_and_its_neighbours),
  cmocka_unit_test(one_that_attaches_while_others_are_told_waits_a_turn),
  cmocka_unit_test(what_is_said_while_being_told_is_told_next_turn),
  cmocka_unit_test(a_number_beyond_the_last_is_no_cursor),
  cmocka_unit_test(the_end_repeats_and_is_told_once),
  cmocka_unit_test(an_ended_job_can_be_read_by_its_cursor_past_retention),
  cmocka_unit_test(a_reader_is_told_of_the_close_and_can_read_on),
  cmocka_unit_test(next_gives_the_events_without_their_framing),
  cmocka_unit_test(a_log_dropped_after_the_end_is_one_gap_and_the_end),
};

RUN(tests);
