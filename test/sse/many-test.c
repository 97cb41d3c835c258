/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

#include "jobsrv/sse_auth.h"

/* Many jobs on one stream, against what each stream alone has. */

enum { JOBS = 5 };

static world w;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

static watcher_t *ask_many(const char *query, const char *fields) {
  watcher_t *watcher = watcher_open(&w, 0);
  char text[1200];

  snprintf(text, sizeof(text),
           "GET /v1/stream%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", query,
           fields);
  watcher_send(watcher, text);
  return watcher;
}

/* "?jobs=a,b,c" and what follows. */
static const char *naming(jobsrv_job_t *const *jobs, size_t n,
                          const char *more) {
  static char query[1000];
  char id[JOBSRV_ID_SIZE];
  size_t len = (size_t) snprintf(query, sizeof(query), "?jobs=");

  for (size_t i = 0; i < n; i++)
    len += (size_t) snprintf(query + len, sizeof(query) - len, "%s%s",
                             i > 0 ? "," : "", jobsrv_job_id(jobs[i], id));
  snprintf(query + len, sizeof(query) - len, "%s", more);
  return query;
}

static unsigned long long global_of(const sse_event_t *event) {
  const char *id = strncmp(event->text, "id: ", 4) == 0
                       ? event->text + 4
                       : strstr(event->text, "\nid: ");

  if (id == NULL)
    return 0;
  id = strstr(id, "-g");
  assert_non_null(id);
  return strtoull(id + 2, NULL, 10);
}

/* The JSON of an event, without the line of its id. */
static const char *data_of(const sse_event_t *event) {
  return strstr(event->text, "data: ") + 6;
}

static int same_data(const sse_event_t *a, const sse_event_t *b) {
  return strcmp(data_of(a), data_of(b)) == 0;
}

/* What the stream has of one job is what the job's own stream has. */
static void assert_has_all_of(const watcher_t *many, jobsrv_job_t *job) {
  watcher_t *alone = watch(&w, job, "", "");
  char mine[100];
  char id[JOBSRV_ID_SIZE];
  size_t k = 1;

  snprintf(mine, sizeof(mine), "\"job_id\":\"%s\"", jobsrv_job_id(job, id));
  watcher_wait(&w, alone, 0);
  for (size_t i = 0; i < many->n; i++) {
    if (strstr(many->events[i].text, mine) == NULL ||
        is_opening(&many->events[i]))
      continue;
    assert_true(k < alone->n - 1);
    if (!same_data(&many->events[i], &alone->events[k]))
      fail_msg("%s\nis not\n%s", many->events[i].text, alone->events[k].text);
    k++;
  }
  assert_int_equal(k, alone->n - 1); /* all but the marker */
  watcher_free(alone);
}

static void assert_in_order(const watcher_t *watcher) {
  unsigned long long before = 0;

  for (size_t i = 0; i < watcher->n; i++) {
    unsigned long long now = global_of(&watcher->events[i]);

    if (is_opening(&watcher->events[i]) || now == 0)
      continue;
    assert_true(now > before);
    before = now;
  }
}

/* Jobs that tell in turns, some of them to their end. */
static void tell(jobsrv_job_t **jobs, unsigned int seed, int rounds) {
  for (int i = 0; i < rounds; i++) {
    seed = seed * 1103515245u + 12345u;
    assert_ok(jobsrv_narrate(jobs[(seed >> 16) % JOBS], "count", "line %d", i));
    if (seed & 4096)
      run_turns(&w.f.loop, 1);
  }
}

static void begin_all(jobsrv_job_t **jobs) {
  for (size_t i = 0; i < JOBS; i++)
    jobs[i] = fixture_begin(&w.f);
}

static void end_all(jobsrv_job_t **jobs) {
  for (size_t i = 0; i < JOBS; i++)
    assert_ok(i % 2 ? jobsrv_job_fail(jobs[i], "bad", "it \n broke")
                    : jobsrv_job_complete(jobs[i], NULL, 0));
}

static void all_jobs_are_told_in_the_order_of_the_server(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *live;
  watcher_t *late;

  (void) state;
  world_open(&w);
  begin_all(jobs);
  tell(jobs, 1, 50);
  live = ask_many(naming(jobs, JOBS, ""), "");
  watcher_wait(&w, live, JOBS);
  tell(jobs, 7, 150);
  end_all(jobs);
  watcher_wait(&w, live, 0); /* closes, as all have ended */
  late = ask_many(naming(jobs, JOBS, ""), "");
  watcher_wait(&w, late, 0);
  for (size_t i = 0; i < JOBS; i++) {
    assert_true(is_opening(&live->events[i]));
    assert_has_all_of(live, jobs[i]);
    assert_has_all_of(late, jobs[i]);
  }
  assert_same_events(live, late);
  assert_in_order(live);
  assert_true(is_end(&live->events[live->n - 1]));
  live->body[live->body_len] = '\0';
  for (size_t i = 0; i < live->n; i++)
    assert_null(strstr(live->events[i].text, "data: ["));
  watcher_free(live);
  watcher_free(late);
}

static void cut_anywhere_it_comes_back_to_the_same(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *whole;

  (void) state;
  world_open(&w);
  begin_all(jobs);
  tell(jobs, 3, 20);
  end_all(jobs);
  whole = ask_many(naming(jobs, JOBS, ""), "");
  watcher_wait(&w, whole, 0);
  for (size_t at = 300; at < whole->raw_len; at += 61) {
    watcher_t *cut = ask_many(naming(jobs, JOBS, ""), "");
    watcher_t *again;
    char field[120] = "";
    unsigned long long had = 0;
    size_t i = 0;
    size_t k = 0;

    watcher_wait_bytes(&w, cut, at);
    watcher_cut(cut);
    for (size_t e = 0; e < cut->n; e++)
      if (global_of(&cut->events[e]) > had)
        had = global_of(&cut->events[e]);
    if (cut->last_id[0] != '\0')
      snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", cut->last_id);
    again = ask_many(naming(jobs, JOBS, ""), field);
    watcher_wait(&w, again, 0);
    if (again->status == 204) {
      assert_int_equal(had, global_of(&whole->events[whole->n - 1]));
    } else {
      const sse_event_t *theirs;
      const sse_event_t *ours;

      do {
        theirs = next_logged(whole, &i);
      } while (theirs != NULL && global_of(theirs) <= had);
      while ((ours = next_logged(again, &k)) != NULL) {
        assert_non_null(theirs);
        assert_string_equal(ours->text, theirs->text);
        theirs = next_logged(whole, &i);
      }
      assert_null(theirs);
    }
    watcher_free(again);
    watcher_free(cut);
  }
  watcher_free(whole);
}

static void what_was_trimmed_is_a_gap_of_its_job(void **state) {
  jobsrv_job_t *jobs[2];
  watcher_t *watcher;
  char id[JOBSRV_ID_SIZE];
  size_t gaps = 0;

  (void) state;
  w.f.options.max_events_per_job = 40;
  world_open(&w);
  jobs[0] = fixture_begin(&w.f);
  jobs[1] = fixture_begin(&w.f);
  for (int i = 0; i < 500; i++)
    assert_ok(jobsrv_narrate(jobs[0], "say", "%d", i));
  assert_ok(jobsrv_narrate(jobs[1], "say", "once"));
  assert_ok(jobsrv_job_complete(jobs[0], NULL, 0));
  assert_ok(jobsrv_job_complete(jobs[1], NULL, 0));
  watcher = ask_many(naming(jobs, 2, ""), "");
  watcher_wait(&w, watcher, 0);
  assert_in_order(watcher);
  for (size_t i = 0; i < watcher->n; i++) {
    if (!is_gap(&watcher->events[i]))
      continue;
    gaps++;
    assert_contains(watcher->events[i].text, jobsrv_job_id(jobs[0], id));
    assert_contains(watcher->events[i].text, "\"missed_from\":1,");
  }
  assert_int_equal(gaps, 1);
  assert_has_all_of(watcher, jobs[1]);
  watcher_free(watcher);
}

enum { TOLD = 300, KNOWN = 2 * TOLD };

static unsigned long long number_of(const sse_event_t *event,
                                    const char *member) {
  char text[40];
  const char *at;

  snprintf(text, sizeof(text), "\"%s\":", member);
  at = strstr(event->text, text);
  return at != NULL ? strtoull(at + strlen(text), NULL, 10) : 0;
}

/* Which events of a job one knows of: was given, or told that they are gone. */
static void learn(const sse_event_t *events,
                  size_t n,
                  const jobsrv_job_t *job,
                  char known[KNOWN]) {
  char id[JOBSRV_ID_SIZE];

  jobsrv_job_id(job, id);
  for (size_t i = 0; i < n; i++) {
    unsigned long long from = number_of(&events[i], "seq");
    unsigned long long to = from;

    if (strstr(events[i].text, id) == NULL || is_opening(&events[i]))
      continue;
    if (is_gap(&events[i])) {
      from = number_of(&events[i], "missed_from");
      to = number_of(&events[i], "missed_to");
    }
    for (; from != 0 && from <= to && from < KNOWN; from++)
      known[from] = 1;
  }
}

/* The job's log begins behind events of others, which come before its gap. */
static void cut_before_a_gap_it_is_told_of_it_yet(void **state) {
  jobsrv_job_t *jobs[2];
  watcher_t *whole;

  (void) state;
  w.f.options.max_events_per_job = 40;
  world_open(&w);
  jobs[0] = fixture_begin(&w.f);
  jobs[1] = fixture_begin(&w.f);
  for (int i = 0; i < TOLD; i++) {
    assert_ok(jobsrv_narrate(jobs[0], "say", "%d", i));
    if (i >= TOLD - 60)
      assert_ok(jobsrv_narrate(jobs[1], "say", "%d", i));
  }
  assert_ok(jobsrv_job_complete(jobs[0], NULL, 0));
  assert_ok(jobsrv_job_complete(jobs[1], NULL, 0));
  whole = ask_many(naming(jobs, 2, ""), "");
  watcher_wait(&w, whole, 0);
  for (size_t n = 2; n < whole->n; n++) {
    char known[2][KNOWN] = { { 0 } };
    watcher_t *again;
    char field[120];
    char id[80];

    assert_non_null(strstr(whole->events[n - 1].text, "id: "));
    assert_int_equal(sscanf(strstr(whole->events[n - 1].text, "id: "),
                            "id: %79s", id), 1);
    snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", id);
    again = ask_many(naming(jobs, 2, ""), field);
    watcher_wait(&w, again, 0);
    for (size_t k = 0; k < 2; k++) {
      learn(whole->events, n, jobs[k], known[k]);
      learn(again->events, again->n, jobs[k], known[k]);
      for (uint64_t seq = 1; seq <= fixture_info(jobs[k]).last_seq; seq++)
        if (!known[k][seq])
          fail_msg("cut behind %s: %d of job %zu is lost", id, (int) seq, k);
    }
    watcher_free(again);
  }
  watcher_free(whole);
}

static void another_boot_is_a_gap_and_then_everything(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;

  (void) state;
  world_open(&w);
  begin_all(jobs);
  end_all(jobs);
  watcher = ask_many(naming(jobs, JOBS, ""), "Last-Event-ID: zzz-g9\r\n");
  watcher_wait(&w, watcher, 0);
  assert_true(is_gap(&watcher->events[0]));
  assert_contains(watcher->events[0].text, "\"reason\":\"restart\"}");
  assert_contains(watcher->events[0].text, "-g0\n");
  for (size_t i = 0; i < JOBS; i++)
    assert_has_all_of(watcher, jobs[i]);
  watcher_free(watcher);
}

static void who_has_had_all_is_sent_away(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;
  char field[120];

  (void) state;
  world_open(&w);
  begin_all(jobs);
  end_all(jobs);
  watcher = ask_many(naming(jobs, JOBS, ""), "");
  watcher_wait(&w, watcher, 0);
  snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", watcher->last_id);
  watcher_free(watcher);
  watcher = ask_many(naming(jobs, JOBS, ""), field);
  watcher_wait(&w, watcher, 0);
  assert_int_equal(watcher->status, 204);
  watcher_free(watcher);
}

static void a_floor_and_text_are_for_many_too(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;
  char id[JOBSRV_ID_SIZE];
  char line[60];

  (void) state;
  world_open(&w);
  begin_all(jobs);
  jobsrv_job_id(jobs[2], id);
  snprintf(line, sizeof(line), "\ndata: ...%s warn [", id + strlen(id) - 6);
  assert_ok(jobsrv_narrate(jobs[1], "a", "quiet"));
  assert_ok(jobsrv_warn(jobs[2], "b", "loud"));
  end_all(jobs);
  watcher = ask_many(naming(jobs, JOBS, "&level=warn&format=text"), "");
  watcher_wait(&w, watcher, 0);
  assert_int_equal(watcher->n, JOBS + 1 + JOBS);
  assert_contains(watcher->events[JOBS].text, "] b : loud");
  assert_contains(watcher->events[JOBS].text, line);
  watcher_free(watcher);
}

static int status_of(const char *query, const char *fields) {
  watcher_t *watcher = ask_many(query, fields);
  int status;

  watcher_wait(&w, watcher, 0);
  status = watcher->status;
  watcher_free(watcher);
  return status;
}

static jobsrv_sse_grant_t all_but_one(jobsrv_sse_request_t *request,
                                      jobsrv_sse_verb_t verb,
                                      jobsrv_job_t *job,
                                      void *data) {
  (void) request;
  (void) verb;
  return job == data ? JOBSRV_SSE_DENY : JOBSRV_SSE_ALLOW;
}

static void what_cannot_be_watched_is_refused(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;

  (void) state;
  w.options.max_jobs_per_stream = JOBS - 1;
  world_open(&w);
  begin_all(jobs);
  assert_int_equal(status_of("", ""), 400);
  assert_int_equal(status_of("?jobs=", ""), 400);
  assert_int_equal(status_of("?jobs=,", ""), 404);
  assert_int_equal(status_of(naming(jobs, JOBS, ""), ""), 400);
  assert_int_equal(status_of(naming(jobs, 2, ",job-x"), ""), 404);
  assert_int_equal(status_of(naming(jobs, 2, "&after=1-2"), ""), 400);
  assert_int_equal(status_of(naming(jobs, 2, "&after=g99999"), ""), 400);
  assert_int_equal(status_of(naming(jobs, 2, "&level=x"), ""), 400);
  jobsrv_sse_authorise(w.sse, all_but_one, jobs[3]);
  assert_int_equal(status_of(naming(jobs, 4, ""), ""), 404);
  assert_int_equal(world_stats(&w).streams, 0);
  watcher = ask_many(naming(jobs, 3, ""), "");
  watcher_wait(&w, watcher, 3);
  assert_int_equal(world_stats(&w).streams, 1);
  watcher_free(watcher);
}

static void a_job_that_is_named_twice_is_watched_once(void **state) {
  jobsrv_job_t *jobs[3];
  watcher_t *watcher;

  (void) state;
  world_open(&w);
  jobs[0] = jobs[2] = fixture_begin(&w.f);
  jobs[1] = fixture_begin(&w.f);
  assert_ok(jobsrv_job_complete(jobs[0], NULL, 0));
  assert_ok(jobsrv_job_complete(jobs[1], NULL, 0));
  watcher = ask_many(naming(jobs, 3, ""), "");
  watcher_wait(&w, watcher, 0);
  assert_has_all_of(watcher, jobs[0]);
  assert_has_all_of(watcher, jobs[1]);
  watcher_free(watcher);
}

static void a_watcher_that_leaves_leaves_all_of_its_jobs(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;

  (void) state;
  w.options.max_streams_per_job = 1;
  world_open(&w);
  begin_all(jobs);
  watcher = ask_many(naming(jobs, JOBS, ""), "");
  watcher_wait(&w, watcher, JOBS);
  assert_int_equal(status_of(naming(jobs + 1, 1, ""), ""), 429);
  watcher_free(watcher);
  run_turns(&w.f.loop, 10);
  assert_int_equal(world_stats(&w).streams, 0);
  watcher = ask_many(naming(jobs, JOBS, ""), "");
  watcher_wait(&w, watcher, JOBS);
  watcher_free(watcher);
}

static void old_streams_of_many_break_off(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;
  const sse_event_t *last;

  (void) state;
  w.options.max_stream_ms = 1000;
  world_open(&w);
  begin_all(jobs);
  watcher = ask_many(naming(jobs, JOBS, ""), "");
  watcher_wait(&w, watcher, 3 * JOBS);
  fixture_ms(&w.f, 1000);
  assert_ok(jobsrv_narrate(jobs[0], "a", "b"));
  watcher_wait(&w, watcher, 0);
  last = &watcher->events[watcher->n - 1];
  assert_contains(last->text, "\nretry: 2000");
  assert_int_equal(global_of(last), global_of(last - 1));
  watcher_free(watcher);
}

static void an_id_of_all_jobs_is_no_id_of_one(void **state) {
  static const char *const bad[] = { "", "g", "-g1", "zz-1", "zz-", "g01",
                                     "zz-gg1", "ZZ-g1", "g-1", "g1x" };
  uint64_t n = 0;
  char text[40];

  (void) state;
  world_open(&w);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    if (jobsrv_server_id_parse(w.f.srv, bad[i], strlen(bad[i]), &n) !=
        JOBSRV_EBADCURSOR)
      fail_msg("%s is an id", bad[i]);
  assert_int_equal(jobsrv_server_id_parse(w.f.srv, "zz-g7", 5, &n), 1);
  assert_int_equal(n, 7);
  assert_int_equal(jobsrv_server_id_parse(w.f.srv, "g12", 3, &n), 0);
  assert_int_equal(n, 12);
  assert_int_equal(jobsrv_server_id_parse(w.f.srv, "13", 2, &n), 0);
  assert_int_equal(n, 13);
  snprintf(text, sizeof(text), "%s-g14", jobsrv_boot(w.f.srv));
  assert_int_equal(jobsrv_server_id_parse(w.f.srv, text, strlen(text), &n), 0);
  assert_int_equal(n, 14);
  assert_int_equal(jobsrv_event_id_parse(w.f.srv, text, strlen(text), &n),
                   JOBSRV_EBADCURSOR);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(all_jobs_are_told_in_the_order_of_the_server),
  CASE(cut_anywhere_it_comes_back_to_the_same),
  CASE(what_was_trimmed_is_a_gap_of_its_job),
  CASE(cut_before_a_gap_it_is_told_of_it_yet),
  CASE(another_boot_is_a_gap_and_then_everything),
  CASE(who_has_had_all_is_sent_away),
  CASE(a_floor_and_text_are_for_many_too),
  CASE(what_cannot_be_watched_is_refused),
  CASE(a_job_that_is_named_twice_is_watched_once),
  CASE(a_watcher_that_leaves_leaves_all_of_its_jobs),
  CASE(old_streams_of_many_break_off),
  CASE(an_id_of_all_jobs_is_no_id_of_one),
};

RUN(tests);
