/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#ifdef JOBSRV__HAVE_ZLIB
# include "sse/reader.h"

/*
 * Every allocation that compressed streams need fails in turn: an answer is
 * then not compressed, or says that there is no memory, or is cut, and who
 * comes back has the rest.
 */

static world w;
static int plain_answers; /* for want of memory */

/* All that can happen to it; what it has is right as far as it goes. */
static void judge(reader_t *reader, const reader_t *whole, int was_hit) {
  const sse_event_t *event;
  const sse_event_t *same = NULL;
  size_t at = 0;
  size_t i = 0;

  if (reader->wire->status != 200) {
    assert_true(was_hit);
    assert_true(reader->wire->status == 503 || reader->wire->status == 0);
    return;
  }
  plain_answers += !reader->is_gzip;
  while ((event = next_logged(reader->plain, &i)) != NULL) {
    do /* without memory a narration is not in the log at all */
      same = next_logged(whole->plain, &at);
    while (same != NULL && strcmp(same->text, event->text) != 0);
    assert_non_null(same);
  }
  if (reader->wire->ended)
    assert_int_equal(reader->is_whole, reader->is_gzip);
  else
    assert_true(was_hit);
}

/* Without memory there is no connection. */
static reader_t *try_to_open(const jobsrv_job_t *job, const char *query) {
  reader_t *reader = reader_new();
  char request[400];
  char rest[40];

  if (jobsrv_memory_open(&reader->memory, w.sse) != 0)
    return reader;
  snprintf(rest, sizeof(rest), "/stream%s", query);
  snprintf(request, sizeof(request),
           "%s HTTP/1.1\r\nHost: localhost\r\n" GZIP "\r\n",
           line_of("GET", job, rest));
  assert_ok(jobsrv_memory_feed(reader->memory, request, strlen(request)));
  run_turns(&w.f.loop, 4);
  reader_take(reader, SIZE_MAX);
  return reader;
}

static void window(reader_t *reader, size_t n) {
  if (reader->memory != NULL)
    jobsrv_memory_window(reader->memory, n);
}

static void take(reader_t *const *readers) {
  for (size_t i = 0; i < 3; i++)
    if (readers[i]->memory != NULL)
      reader_take(readers[i], SIZE_MAX);
}

/* A fast reader, a slow one, and one whose stream is rendered. */
static void tell(jobsrv_job_t *job, reader_t *const *readers) {
  static char text[1500];

  memset(text, 'y', sizeof(text) - 1);
  window(readers[1], 5);
  for (int i = 0; i < 6; i++) {
    (void) jobsrv_narrate(job, "say", "%d %s", i, text);
    run_turns(&w.f.loop, 2);
    take(readers);
    window(readers[1], i % 2 ? 2 : 4000);
  }
  (void) jobsrv_progress(job, &(jobsrv_progress_t) { .done = 1 });
  run_turns(&w.f.loop, 2);
  window(readers[1], 3);
  if (jobsrv_job_complete(job, NULL, 0) != 0)
    (void) jobsrv_job_fail(job, NULL, NULL);
  run_turns(&w.f.loop, 4);
  for (int i = 0; i < 40; i++) {
    window(readers[1], 100);
    run_turns(&w.f.loop, 2);
    take(readers);
  }
}

/* Returns 1 if a request for memory was refused. */
static int run_with(uint64_t after, uint64_t count) {
  jobsrv_faults_t faults;
  jobsrv_job_t *job;
  reader_t *readers[3];
  reader_t *whole;
  int hit;

  memset(&w, 0, sizeof(w));
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  w.options.gzip = 1;
  world_open(&w);
  job = fixture_begin(&w.f);
  for (size_t i = 0; i < 3; i++) {
    if (i == 0)
      jobsrv_faults_fail(&faults, after, count);
    readers[i] = try_to_open(job, i == 2 ? "?level=info" : "");
  }
  tell(job, readers);
  hit = jobsrv_faults_hit(&faults);
  jobsrv_faults_fail(&faults, 0, 0);
  whole = reader_open(&w, job, "", GZIP);
  reader_check_end(whole);
  assert_true(whole->is_gzip);
  for (size_t i = 0; i < 3; i++) {
    judge(readers[i], whole, hit);
    reader_free(readers[i]);
  }
  reader_free(whole);
  world_close(&w);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
  return hit;
}

static void each_allocation_may_fail_once(void **state) {
  uint64_t n = 0;

  (void) state;
  plain_answers = 0;
  while (run_with(n, 1))
    n++;
  assert_true(plain_answers > 0);
  print_message("%d allocations failed in turn\n", (int) n);
  assert_true(n > 20);
}

static void each_may_begin_a_time_without_memory(void **state) {
  uint64_t n = 0;

  (void) state;
  while (run_with(n, UINT64_MAX))
    n++;
  assert_true(n > 20);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(each_allocation_may_fail_once),
  cmocka_unit_test(each_may_begin_a_time_without_memory),
};

#else

static void what_is_refused_without_zlib_leaves_nothing(void **state) {
  static world w;
  jobsrv_faults_t faults;
  jobsrv_sse_t *sse = NULL;
  uint64_t before;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  world_open(&w);
  before = jobsrv_faults_live(&faults);
  w.options.gzip = 1;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &w.options), JOBSRV_EOPTIONS);
  assert_null(sse);
  assert_int_equal(jobsrv_faults_live(&faults), before);
  world_close(&w);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(what_is_refused_without_zlib_leaves_nothing),
};

#endif

RUN(tests);
