/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#ifdef JOBSRV__HAVE_ZLIB
# include "sse/reader.h"

/* Streams that are compressed, against the same as they are. */

static world w;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.gzip = 1;
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

static unsigned int seed;

static unsigned int dice(unsigned int n) {
  seed = seed * 1103515245u + 12345u;
  return (seed >> 16) % n;
}

/* Some of all that a log can hold, and some turns. */
static void tell(jobsrv_job_t *job, int n) {
  static char text[6000];

  for (int i = 0; i < n; i++) {
    size_t len = dice(8) == 0 ? dice(sizeof(text) - 1) : dice(60);

    for (size_t k = 0; k < len; k++)
      text[k] = (char) ('a' + dice(dice(2) ? 3 : 26));
    text[len] = '\0';
    if (dice(9) == 0)
      assert_ok(jobsrv_data_event(job, "rows", "[1, {\"a\": \"b\"}]", 0));
    else if (dice(9) == 0)
      assert_ok(jobsrv_progress(
          job, &(jobsrv_progress_t) { .done = i, .total = n }));
    else
      assert_ok(jobsrv_narrate(job, "say", "%d %s", i, text));
    if (dice(3) == 0)
      run_turns(&w.f.loop, 1 + dice(2));
    if (dice(20) == 0)
      fixture_ms(&w.f, 200);
  }
}

static void finish(jobsrv_job_t *job) {
  assert_ok(jobsrv_job_complete(job, "{\"n\":1}", 0));
  run_turns(&w.f.loop, 6);
}

typedef struct {
  uint64_t made;
  uint64_t shared;
  uint64_t plain;
  uint64_t packed;
} counts_t;

static int append(const char *text, size_t len, void *data) {
  strncat(data, text, len);
  return 0;
}

static uint64_t value_of(const char *metrics, const char *name) {
  const char *at = strstr(metrics, name);

  assert_non_null(at);
  return strtoull(at + strlen(name), NULL, 10);
}

static counts_t counts(void) {
  static char text[1 << 17];
  counts_t all;

  text[0] = '\0';
  assert_ok(jobsrv_sse_metrics_write(w.sse, JOBSRV_METRICS_TEXT, append,
                                     text));
  all.made = value_of(text, "\njobsrv_stream_gzip_pieces_total{how=\"made\"} ");
  all.shared =
      value_of(text, "\njobsrv_stream_gzip_pieces_total{how=\"shared\"} ");
  all.plain = value_of(text, "\njobsrv_stream_gzip_plain_bytes_total ");
  all.packed = value_of(text, "\njobsrv_stream_gzip_packed_bytes_total ");
  return all;
}

/* ---- who gets it ---- */

static const struct {
  const char *fields;
  int gzip;
} asked[] = {
  { "", 0 },
  { "Accept-Encoding:\r\n", 0 },
  { "Accept-Encoding: gzip\r\n", 1 },
  { "Accept-Encoding: x-gzip\r\n", 1 },
  { "Accept-Encoding: GZip\r\n", 1 },
  { "accept-encoding: deflate, br , gzip\r\n", 1 },
  { "Accept-Encoding: br, deflate, zstd\r\n", 0 },
  { "Accept-Encoding: gzip;q=0\r\n", 0 },
  { "Accept-Encoding: gzip;q=0.000\r\n", 0 },
  { "Accept-Encoding: gzip ; q=0.001\r\n", 1 },
  { "Accept-Encoding: gzip;Q=0\r\n", 0 },
  { "Accept-Encoding: *\r\n", 1 },
  { "Accept-Encoding: *;q=0\r\n", 0 },
  { "Accept-Encoding: gzip;q=0, *\r\n", 0 },
  { "Accept-Encoding: gzip, *;q=0\r\n", 1 },
  { "Accept-Encoding: identity\r\n", 0 },
  { "Accept-Encoding: identity;q=0\r\n", 0 },
  { "Accept-Encoding: identity, gzip\r\n", 1 },
  { "Accept-Encoding: identity;q=1, gzip;q=0.5\r\n", 0 },
  { "Accept-Encoding: identity;q=0.5, gzip;q=0.5\r\n", 1 },
  { "Accept-Encoding: identity;q=0.4, gzip;q=0.5\r\n", 1 },
  { "Accept-Encoding: identity;q=0.4, *;q=0.5\r\n", 1 },
  { "Accept-Encoding: gzip;q=0.4, *;q=0.5\r\n", 0 },
  { "Accept-Encoding: gzip, gzip;q=0\r\n", 0 },
  { "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n", 1 },
  { "Accept-Encoding: gzipped\r\n", 0 },
  { "Accept-Encoding: , ,gzip,\r\n", 1 },
};

enum { ASKED = sizeof(asked) / sizeof(asked[0]) };

/* The head but for the id of the request. */
static void head_of(const reader_t *reader, char to[2000]) {
  const char *from = reader->wire->raw;
  const char *id = strstr(from, "X-Request-Id: ");
  const char *other = strstr(from, "X-Correlation-Id: ");

  to[0] = '\0';
  for (const char *end; (end = strchr(from, '\n')) != NULL; from = end + 1)
    if (from != id && from != other)
      strncat(to, from, (size_t) (end + 1 - from));
}

static void it_is_for_those_who_ask_and_head_says_so(void **state) {
  jobsrv_job_t *job;
  char get_head[2000];
  char head[2000];

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  for (size_t i = 0; i < ASKED; i++) {
    reader_t *get = reader_open(&w, job, "", asked[i].fields);
    reader_t *ask = reader_ask(&w, 1, line_of("HEAD", job, "/stream"),
                               asked[i].fields);

    if (get->is_gzip != asked[i].gzip)
      fail_msg("%s gets %s", asked[i].fields, get->wire->raw);
    assert_contains(get->wire->raw, "\r\nVary: Accept, Accept-Encoding\r\n");
    head_of(get, get_head);
    head_of(ask, head);
    assert_string_equal(get_head, head);
    assert_int_equal(ask->wire->raw_len, ask->wire->parsed);
    assert_true(get->plain->n > 0);
    reader_free(get);
    reader_free(ask);
  }
}

static void nobody_gets_it_unless_the_host_says_so(void **state) {
  jobsrv_job_t *job;
  reader_t *reader;

  (void) state;
  w.options.gzip = 0;
  world_open(&w);
  job = fixture_begin(&w.f);
  for (size_t i = 0; i < ASKED; i++) {
    reader = reader_open(&w, job, "", asked[i].fields);
    assert_false(reader->is_gzip);
    assert_contains(reader->wire->raw, "\r\nVary: Accept\r\n");
    reader_free(reader);
  }
  reader = reader_ask(&w, 1, "GET /metrics", "");
  assert_null(strstr(reader->plain->body, "gzip"));
  reader_free(reader);
}

/* ---- the same as without ---- */

/* A pair of each way to see a job. */
static const struct {
  const char *query;
  const char *fields;
  int minor;
} ways[] = {
  { "", "", 1 },
  { "", "", 0 },
  { "?level=info", "", 1 },
  { "?format=text", "", 1 },
  { "?format=text", "", 0 },
  { "", "Accept: application/x-ndjson\r\n", 1 },
  { "", "Accept: application/x-ndjson\r\n", 0 },
  { "?after=2", "", 1 },
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static reader_t *open_way(const jobsrv_job_t *job, size_t i, int gzip) {
  char fields[200];
  char rest[100];

  snprintf(rest, sizeof(rest), "/stream%s", ways[i].query);
  snprintf(fields, sizeof(fields), "%s%s", ways[i].fields, gzip ? GZIP : "");
  return reader_ask(&w, ways[i].minor, line_of("GET", job, rest), fields);
}

static void each_way_to_see_a_job_is_the_same_compressed(void **state) {
  reader_t *as_it_is[WAYS];
  reader_t *packed[WAYS];
  jobsrv_job_t *job;

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  seed = 7;
  run_turns(&w.f.loop, 3);
  tell(job, 10);
  for (size_t i = 0; i < WAYS; i++) {
    as_it_is[i] = open_way(job, i, 0);
    packed[i] = open_way(job, i, 1);
    assert_true(packed[i]->is_gzip);
  }
  for (int round = 0; round < 30; round++) {
    tell(job, 10);
    run_turns(&w.f.loop, 4);
    for (size_t i = 0; i < WAYS; i++) {
      reader_take(as_it_is[i], SIZE_MAX);
      reader_take(packed[i], SIZE_MAX);
      assert_same_body(as_it_is[i], packed[i]);
    }
  }
  finish(job);
  for (size_t i = 0; i < WAYS; i++) {
    reader_take(as_it_is[i], SIZE_MAX);
    reader_take(packed[i], SIZE_MAX);
    assert_same_body(as_it_is[i], packed[i]);
    reader_check_end(as_it_is[i]);
    reader_check_end(packed[i]);
    assert_true(packed[i]->wire->body_len < packed[i]->plain->body_len);
    reader_free(as_it_is[i]);
    reader_free(packed[i]);
  }
}

enum { JOBS = 3, MANY_WAYS = 6 };

static reader_t *open_many(jobsrv_job_t *const *jobs, size_t way, int gzip) {
  static const char ndjson[] = "Accept: application/x-ndjson\r\n";
  char line[600];
  char fields[200];
  char id[JOBSRV_ID_SIZE];

  snprintf(line, sizeof(line), "GET /v1/%s",
           way % 2 ? "events?" : "stream?jobs=");
  for (size_t i = 0; way % 2 == 0 && i < JOBS; i++) {
    strcat(line, i > 0 ? "," : "");
    strcat(line, jobsrv_job_id(jobs[i], id));
  }
  strcat(line, way / 2 == 1 ? "&format=text" : "");
  snprintf(fields, sizeof(fields), "%s%s", way / 2 == 2 ? ndjson : "",
           gzip ? GZIP : "");
  return reader_ask(&w, 1, line, fields);
}

static void many_jobs_on_one_stream_are_the_same(void **state) {
  jobsrv_job_t *jobs[JOBS];
  reader_t *as_it_is[MANY_WAYS];
  reader_t *packed[MANY_WAYS];

  (void) state;
  w.options.all_events = 1;
  world_open(&w);
  for (size_t i = 0; i < JOBS; i++)
    jobs[i] = fixture_begin(&w.f);
  seed = 3;
  for (size_t i = 0; i < MANY_WAYS; i++) {
    as_it_is[i] = open_many(jobs, i, 0);
    packed[i] = open_many(jobs, i, 1);
    assert_int_equal(packed[i]->wire->status, 200);
    assert_true(packed[i]->is_gzip);
  }
  for (int round = 0; round < 60; round++) {
    tell(jobs[dice(JOBS)], 4);
    run_turns(&w.f.loop, 3);
    for (size_t i = 0; i < MANY_WAYS; i++) {
      reader_take(as_it_is[i], SIZE_MAX);
      reader_take(packed[i], SIZE_MAX);
      assert_same_body(as_it_is[i], packed[i]);
    }
  }
  for (size_t i = 0; i < JOBS; i++)
    finish(jobs[i]);
  for (size_t i = 0; i < MANY_WAYS; i++) {
    reader_take(as_it_is[i], SIZE_MAX);
    reader_take(packed[i], SIZE_MAX);
    assert_same_body(as_it_is[i], packed[i]);
    if (i % 2 == 0) {
      reader_check_end(as_it_is[i]);
      reader_check_end(packed[i]);
    }
    reader_free(as_it_is[i]);
    reader_free(packed[i]);
  }
}

static void the_answer_to_a_post_can_be_compressed(void **state) {
  static const char body[] = "{\"operation\":\"work\"}";
  jobsrv_job_t *job;
  reader_t *reader;
  char fields[300];
  char id[JOBSRV_ID_SIZE];
  const char *at;

  (void) state;
  world_open(&w);
  snprintf(fields, sizeof(fields),
           JSON_TYPE "Accept: text/event-stream\r\n" GZIP
                     "Content-Length: %zu\r\n\r\n%s",
           strlen(body), body);
  reader = reader_new();
  assert_ok(jobsrv_memory_open(&reader->memory, w.sse));
  at = "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n";
  assert_ok(jobsrv_memory_feed(reader->memory, at, strlen(at)));
  assert_ok(jobsrv_memory_feed(reader->memory, fields, strlen(fields)));
  run_turns(&w.f.loop, 6);
  reader_take(reader, SIZE_MAX);
  assert_int_equal(reader->wire->status, 200);
  assert_true(reader->is_gzip);
  at = strstr(reader->wire->raw, "\r\nLocation: /v1/jobs/");
  assert_non_null(at);
  snprintf(id, sizeof(id), "%.*s", JOBSRV_ID_SIZE - 1, at + 21);
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  finish(job);
  reader_take(reader, SIZE_MAX);
  reader_check_end(reader);
  assert_contains(reader->plain->events[reader->plain->n - 1].text, "[DONE]");
  reader_free(reader);
}

/* ---- at once ---- */

static void what_is_told_in_a_turn_can_be_read_in_it(void **state) {
  jobsrv_job_t *job;
  reader_t *reader;
  char text[40];

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  reader = reader_open(&w, job, "", GZIP);
  for (int i = 0; i < 200; i++) {
    size_t n = reader->plain->n;

    snprintf(text, sizeof(text), "line %d of many", i);
    assert_ok(jobsrv_narrate(job, "count", "%s", text));
    run_turns(&w.f.loop, 2);
    reader_take(reader, SIZE_MAX);
    assert_int_equal(reader->plain->n, n + 1);
    assert_contains(reader->plain->events[n].text, text);
    assert_int_equal(reader->plain->dispatched, reader->plain->body_len);
  }
  fixture_ms(&w.f, 15001);
  reader_take(reader, SIZE_MAX);
  assert_int_equal(reader->plain->comments, 1); /* a beat, too */
  reader_free(reader);
}

/* ---- cut, and back ---- */

/* What was had before the cut and what came after it is the whole. */
static void come_back(const char *received,
                      size_t len,
                      const jobsrv_job_t *job,
                      const reader_t *whole) {
  reader_t *cut = reader_new();
  reader_t *again;
  char fields[200] = GZIP;
  const sse_event_t *event;
  size_t at = 0;
  size_t i = 0;

  reader_give(cut, received, len);
  if (cut->plain->last_id[0] != '\0')
    snprintf(fields, sizeof(fields), GZIP "Last-Event-ID: %s\r\n",
             cut->plain->last_id);
  again = reader_open(&w, job, "", fields);
  while ((event = next_logged(cut->plain, &i)) != NULL && event->seq != 0)
    assert_string_equal(event->text, next_logged(whole->plain, &at)->text);
  if (again->wire->status != 204) {
    assert_true(again->is_gzip);
    reader_check_end(again);
    for (i = 0; (event = next_logged(again->plain, &i)) != NULL;)
      assert_string_equal(event->text, next_logged(whole->plain, &at)->text);
  }
  assert_null(next_logged(whole->plain, &at));
  reader_free(again);
  reader_free(cut);
}

static void cut_anywhere_it_comes_back_to_the_same(void **state) {
  const char *text = getenv("JOBSRV_CUT_STEP");
  size_t step = text != NULL ? (size_t) atoi(text) : 1;
  jobsrv_job_t *job;
  reader_t *whole;

  (void) state;
  w.options.max_connections = 16;
  world_open(&w);
  job = fixture_begin(&w.f);
  whole = reader_open(&w, job, "", GZIP);
  for (int i = 0; i < 6; i++) {
    assert_ok(jobsrv_narrate(job, "count", "line %d", i));
    run_turns(&w.f.loop, i % 2);
  }
  finish(job);
  reader_take(whole, SIZE_MAX);
  reader_check_end(whole);
  for (size_t at = 0; at <= whole->wire->raw_len; at += step > 0 ? step : 1)
    come_back(whole->wire->raw, at, job, whole);
  reader_free(whole);
}

/* ---- made once ---- */

enum { CROWD = 1000 };

static void a_thousand_watchers_cost_one_compression_a_turn(void **state) {
  jobsrv_job_t *job;
  counts_t before;
  counts_t after;
  jobsrv_memory_t *memory[CROWD];
  char request[400];
  reader_t *first;

  (void) state;
  w.options.max_connections = w.options.max_streams = CROWD + 8;
  w.options.max_streams_per_job = CROWD + 8;
  world_open(&w);
  job = fixture_begin(&w.f);
  /* what lies on both sides of a border of the log is two pieces: by now it
     is far off */
  for (int i = 0; i < 80; i++)
    assert_ok(jobsrv_narrate(job, "count", "%01000d", i));
  first = reader_open(&w, job, "", GZIP);
  snprintf(request, sizeof(request),
           "%s HTTP/1.1\r\nHost: localhost\r\n" GZIP "\r\n",
           line_of("GET", job, "/stream"));
  for (size_t i = 1; i < CROWD; i++) {
    assert_ok(jobsrv_memory_open(&memory[i], w.sse));
    assert_ok(jobsrv_memory_feed(memory[i], request, strlen(request)));
  }
  run_turns(&w.f.loop, 80);
  assert_int_equal(world_stats(&w).streams, CROWD);
  before = counts();
  for (uint64_t turn = 1; turn <= 20; turn++) {
    for (int i = 0; i < 2; i++)
      assert_ok(jobsrv_narrate(job, "count", "line %d", i));
    run_turns(&w.f.loop, 2);
    after = counts();
    assert_int_equal(after.made - before.made, turn);
    assert_int_equal(after.shared - before.shared, turn * (CROWD - 1));
  }
  assert_true(after.packed - before.packed < after.plain - before.plain);
  finish(job);
  reader_take(first, SIZE_MAX);
  reader_check_end(first);
  for (size_t i = 1; i < CROWD; i++) {
    reader_t *reader = reader_new();
    size_t n;
    const char *data = jobsrv_memory_output(memory[i], &n);

    reader_give(reader, data, n);
    assert_same_body(first, reader);
    assert_true(reader->is_whole);
    reader_free(reader);
    jobsrv_memory_free(memory[i]);
  }
  reader_free(first);
}

static void who_comes_late_shares_from_the_next_turn_on(void **state) {
  jobsrv_job_t *job;
  reader_t *early;
  reader_t *late;
  counts_t before;

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  early = reader_open(&w, job, "", GZIP);
  for (int i = 0; i < 50; i++) {
    assert_ok(jobsrv_narrate(job, "count", "line %d", i));
    run_turns(&w.f.loop, 2);
  }
  late = reader_open(&w, job, "?after=7", GZIP);
  before = counts();
  for (uint64_t i = 1; i <= 10; i++) {
    assert_ok(jobsrv_narrate(job, "count", "late %d", (int) i));
    run_turns(&w.f.loop, 2);
    assert_int_equal(counts().made - before.made, i);
    assert_int_equal(counts().shared - before.shared, i);
  }
  /* what all are shown in between is made once, too */
  assert_ok(jobsrv_progress(job, &(jobsrv_progress_t) { .done = 1 }));
  run_turns(&w.f.loop, 2);
  assert_int_equal(counts().made - before.made, 11);
  assert_int_equal(counts().shared - before.shared, 11);
  finish(job);
  reader_take(early, SIZE_MAX);
  reader_take(late, SIZE_MAX);
  reader_check_end(early);
  reader_check_end(late);
  assert_string_equal(early->plain->events[early->plain->n - 1].text,
                      late->plain->events[late->plain->n - 1].text);
  reader_free(early);
  reader_free(late);
}

/* They stand at the same numbers in the same turn. */
static void what_is_one_jobs_is_never_sent_for_anothers(void **state) {
  enum { OWNERS = 40 };
  jobsrv_job_t *jobs[OWNERS];
  reader_t *readers[OWNERS][2];
  char text[40];

  (void) state;
  world_open(&w);
  for (int i = 0; i < OWNERS; i++) {
    jobs[i] = fixture_begin(&w.f);
    readers[i][0] = reader_open(&w, jobs[i], "", GZIP);
    readers[i][1] = reader_open(&w, jobs[i], "", GZIP);
  }
  for (int turn = 0; turn < 10; turn++) {
    for (int i = 0; i < OWNERS; i++)
      assert_ok(jobsrv_narrate(jobs[i], "say", "of number %d", i));
    run_turns(&w.f.loop, 2);
  }
  for (int i = 0; i < OWNERS; i++)
    finish(jobs[i]);
  for (int i = 0; i < OWNERS; i++) {
    size_t found = 0;

    reader_take(readers[i][0], SIZE_MAX);
    reader_take(readers[i][1], SIZE_MAX);
    assert_same_body(readers[i][0], readers[i][1]);
    reader_check_end(readers[i][0]);
    snprintf(text, sizeof(text), "\"of number %d\"", i);
    for (size_t k = 0; k < readers[i][0]->plain->n; k++)
      found += strstr(readers[i][0]->plain->events[k].text, text) != NULL;
    assert_int_equal(found, 10);
    reader_free(readers[i][0]);
    reader_free(readers[i][1]);
  }
}

/* ---- readers of every kind ---- */

static void a_slow_reader_gets_the_same_a_few_bytes_at_a_time(void **state) {
  jobsrv_job_t *job;
  reader_t *fast;
  reader_t *slow;
  reader_t *old; /* HTTP/1.0 */

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  fast = reader_open(&w, job, "", GZIP);
  slow = reader_open(&w, job, "", GZIP);
  old = reader_ask(&w, 0, line_of("GET", job, "/stream"), GZIP);
  seed = 11;
  jobsrv_memory_window(slow->memory, 0);
  jobsrv_memory_window(old->memory, 0);
  for (int i = 0; i < 200; i++) {
    tell(job, 3);
    jobsrv_memory_window(slow->memory, dice(300));
    jobsrv_memory_window(old->memory, dice(300));
    run_turns(&w.f.loop, 2);
    reader_take(slow, SIZE_MAX);
    reader_take(old, SIZE_MAX);
  }
  finish(job);
  reader_take(fast, SIZE_MAX);
  reader_check_end(fast);
  for (int i = 0; i < 200000 && !(slow->is_whole && old->is_whole); i++) {
    jobsrv_memory_window(slow->memory, 1 + dice(700));
    jobsrv_memory_window(old->memory, 1 + dice(700));
    run_turns(&w.f.loop, 2);
    reader_take(slow, SIZE_MAX);
    reader_take(old, SIZE_MAX);
  }
  run_turns(&w.f.loop, 4);
  reader_check_end(slow);
  reader_check_end(old);
  assert_same_events(fast->plain, slow->plain);
  assert_same_events(fast->plain, old->plain);
  reader_free(fast);
  reader_free(slow);
  reader_free(old);
}

/* Each stands somewhere else, and none of them reads any more. */
static void who_does_not_read_holds_one_piece(void **state) {
  enum { FROZEN = 60, LOG = 128 * 1024, A_PIECE = 24 * 1024 };
  jobsrv_faults_t faults;
  jobsrv_job_t *job;
  reader_t *frozen[FROZEN];
  reader_t *fast;
  uint64_t before;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  w.f.options.max_bytes_per_job = LOG;
  w.options.write_stall_ms = 3600000;
  world_open(&w);
  job = fixture_begin(&w.f);
  fast = reader_open(&w, job, "", GZIP);
  seed = 13;
  tell(job, 50);
  run_turns(&w.f.loop, 4);
  before = jobsrv_faults_bytes(&faults);
  for (int i = 0; i < FROZEN; i++) {
    frozen[i] = reader_open(&w, job, "", GZIP);
    jobsrv_memory_window(frozen[i]->memory, 3);
    tell(job, 50);
    reader_take(fast, SIZE_MAX);
  }
  assert_true(fast->plain->body_len > 8 * LOG);
  assert_in_range(jobsrv_faults_bytes(&faults), before,
                  before + 2 * LOG + FROZEN * A_PIECE);
  finish(job);
  reader_take(fast, SIZE_MAX);
  reader_check_end(fast);
  for (int i = 0; i < FROZEN; i++) {
    jobsrv_memory_window(frozen[i]->memory, SIZE_MAX);
    run_turns(&w.f.loop, 8);
    reader_take(frozen[i], SIZE_MAX);
    reader_check_end(frozen[i]);
    reader_free(frozen[i]);
  }
  reader_free(fast);
  world_close(&w);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
  memset(&w, 0, sizeof(w));
  world_open(&w); /* for what closes it */
}

static void who_is_too_slow_is_told_of_the_gap(void **state) {
  static char text[2001];
  jobsrv_job_t *job;
  reader_t *slow;
  size_t gaps = 0;

  (void) state;
  w.f.options.max_bytes_per_job = 64 * 1024;
  world_open(&w);
  job = fixture_begin(&w.f);
  slow = reader_open(&w, job, "", GZIP);
  jobsrv_memory_window(slow->memory, 10);
  memset(text, 'z', sizeof(text) - 1);
  for (int i = 0; i < 300; i++) {
    assert_ok(jobsrv_narrate(job, "say", "%d %s", i, text));
    run_turns(&w.f.loop, 1);
  }
  finish(job);
  jobsrv_memory_window(slow->memory, SIZE_MAX);
  run_turns(&w.f.loop, 10);
  reader_take(slow, SIZE_MAX);
  reader_check_end(slow);
  for (size_t i = 0; i < slow->plain->n; i++)
    gaps += is_gap(&slow->plain->events[i]);
  assert_int_equal(gaps, 1);
  reader_free(slow);
}

static void a_stream_that_breaks_off_is_whole_as_a_body(void **state) {
  jobsrv_job_t *job;
  reader_t *reader;

  (void) state;
  w.options.max_stream_ms = 1000;
  world_open(&w);
  job = fixture_begin(&w.f);
  reader = reader_open(&w, job, "", GZIP);
  fixture_ms(&w.f, 1001);
  assert_ok(jobsrv_narrate(job, "say", "late"));
  run_turns(&w.f.loop, 3);
  reader_take(reader, SIZE_MAX);
  reader_check_end(reader);
  assert_contains(reader->plain->events[reader->plain->n - 1].text,
                  "\nretry: 2000");
  reader_free(reader);
}

/* What cannot be shared is done a part in each turn, for all of them. */
static void a_turn_is_not_spent_on_compressing(void **state) {
  enum { READERS = 12, A_TURN = 1100 * 1024 };
  jobsrv_memory_t *memory[READERS];
  jobsrv_job_t *job;
  reader_t *as_it_is;
  char request[400];
  uint64_t before;
  uint64_t most = 0;

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  seed = 9;
  for (int i = 0; i < 800; i++)
    assert_ok(jobsrv_narrate(job, "say", "%d %0700d", i, i));
  finish(job);
  as_it_is = reader_open(&w, job, "", "");
  run_turns(&w.f.loop, 20);
  reader_take(as_it_is, SIZE_MAX);
  snprintf(request, sizeof(request),
           "%s HTTP/1.1\r\nHost: localhost\r\n" GZIP "\r\n",
           line_of("GET", job, "/stream?level=info"));
  for (size_t i = 0; i < READERS; i++) {
    assert_ok(jobsrv_memory_open(&memory[i], w.sse));
    assert_ok(jobsrv_memory_feed(memory[i], request, strlen(request)));
  }
  do {
    before = counts().plain;
    run_turns(&w.f.loop, 1);
    if (counts().plain - before > most)
      most = counts().plain - before;
  } while (world_stats(&w).streams > 0 || before == 0);
  assert_true(counts().plain > READERS * 500 * 1024);
  assert_in_range(most, 1, A_TURN);
  for (size_t i = 0; i < READERS; i++) {
    reader_t *reader = reader_new();
    size_t n;
    const char *data = jobsrv_memory_output(memory[i], &n);

    reader_give(reader, data, n);
    reader_check_end(reader);
    assert_same_events(as_it_is->plain, reader->plain);
    reader_free(reader);
    jobsrv_memory_free(memory[i]);
  }
  reader_free(as_it_is);
}

static void events_of_any_size_are_the_same(void **state) {
  enum { LARGE = 2 * 1024 * 1024 };
  char *json = malloc(LARGE + 3);
  jobsrv_job_t *job;
  reader_t *as_it_is;
  reader_t *packed;

  (void) state;
  assert_non_null(json);
  w.f.options.max_event_bytes = 4 * 1024 * 1024;
  w.f.options.max_bytes_per_job = 16 * 1024 * 1024;
  world_open(&w);
  job = fixture_begin(&w.f);
  as_it_is = reader_open(&w, job, "", "");
  packed = reader_open(&w, job, "", GZIP);
  seed = 5;
  for (size_t size = 1; size <= LARGE; size *= 4) {
    json[0] = '"';
    for (size_t i = 1; i <= size; i++) /* hardly to be compressed */
      json[i] = (char) ('#' + dice(48));
    memcpy(json + size + 1, "\"", 2);
    assert_ok(jobsrv_data_event(job, "big", json, 0));
    run_turns(&w.f.loop, 6);
    reader_take(as_it_is, SIZE_MAX);
    reader_take(packed, SIZE_MAX);
    assert_same_body(as_it_is, packed);
  }
  finish(job);
  reader_take(as_it_is, SIZE_MAX);
  reader_take(packed, SIZE_MAX);
  reader_check_end(packed);
  assert_same_body(as_it_is, packed);
  free(json);
  reader_free(as_it_is);
  reader_free(packed);
}

/* ---- counted ---- */

static uint64_t told_bytes;

static void on_record(const jobsrv_event_t *event, void *data) {
  (void) data;
  if (event->action == NULL || strcmp(event->action, "stream_end") != 0)
    return;
  for (size_t i = 0; i < event->nfields; i++)
    if (strcmp(event->fields[i].key, "bytes") == 0)
      told_bytes = event->fields[i].as.u64;
}

static void what_is_counted_is_what_was_sent(void **state) {
  jobsrv_job_t *job;
  reader_t *reader;
  counts_t all;

  (void) state;
  world_open(&w);
  assert_ok(jobsrv_callback_add(w.f.srv, on_record, NULL, NULL, NULL));
  told_bytes = 0;
  job = fixture_begin(&w.f);
  reader = reader_open(&w, job, "", GZIP);
  seed = 1;
  tell(job, 50);
  finish(job);
  reader_take(reader, SIZE_MAX);
  reader_check_end(reader);
  assert_int_equal(told_bytes, reader->wire->raw_len -
                                   (size_t) (strstr(reader->wire->raw,
                                                    "\r\n\r") +
                                             4 - reader->wire->raw));
  assert_int_equal(world_stats(&w).bytes_sent, reader->wire->raw_len);
  all = counts();
  assert_int_equal(all.plain, reader->plain->body_len);
  assert_int_equal(all.packed, reader->wire->body_len);
  reader_free(reader);
}

static const struct CMUnitTest tests[] = {
# define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  CASE(it_is_for_those_who_ask_and_head_says_so),
  CASE(nobody_gets_it_unless_the_host_says_so),
  CASE(each_way_to_see_a_job_is_the_same_compressed),
  CASE(many_jobs_on_one_stream_are_the_same),
  CASE(the_answer_to_a_post_can_be_compressed),
  CASE(what_is_told_in_a_turn_can_be_read_in_it),
  CASE(cut_anywhere_it_comes_back_to_the_same),
  CASE(a_thousand_watchers_cost_one_compression_a_turn),
  CASE(who_comes_late_shares_from_the_next_turn_on),
  CASE(what_is_one_jobs_is_never_sent_for_anothers),
  CASE(a_slow_reader_gets_the_same_a_few_bytes_at_a_time),
  CASE(who_does_not_read_holds_one_piece),
  CASE(who_is_too_slow_is_told_of_the_gap),
  CASE(a_stream_that_breaks_off_is_whole_as_a_body),
  CASE(a_turn_is_not_spent_on_compressing),
  CASE(events_of_any_size_are_the_same),
  CASE(what_is_counted_is_what_was_sent),
};

#else

static void a_build_without_zlib_says_so(void **state) {
  static world w;
  jobsrv_sse_t *sse = NULL;

  (void) state;
  world_open(&w);
  w.options.gzip = 1;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &w.options), JOBSRV_EOPTIONS);
  assert_null(sse);
  world_close(&w);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_build_without_zlib_says_so),
};

#endif

RUN(tests);
