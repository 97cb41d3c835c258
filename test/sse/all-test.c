/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

#include "jobsrv/sse_auth.h"
#include "sse/request.h"

/* GET P/events: all jobs that the caller may see, live and from the start. */

enum { JOBS = 4 };

static world w;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.all_events = 1;
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

static watcher_t *ask_all(const char *query, const char *fields) {
  watcher_t *watcher = watcher_open(&w, 0);
  char text[600];
  int len = snprintf(text, sizeof(text),
                     "GET /v1/events%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                     query, fields);

  assert_int_equal(send(watcher->fd, text, (size_t) len, MSG_NOSIGNAL), len);
  return watcher;
}

static int status_of(const char *query, const char *fields) {
  watcher_t *watcher = ask_all(query, fields);
  int status;

  watcher_wait(&w, watcher, 0);
  status = watcher->status;
  watcher_free(watcher);
  return status;
}

static unsigned long long number_of(const sse_event_t *event) {
  const char *id = strncmp(event->text, "id: ", 4) == 0
                       ? event->text + 4
                       : strstr(event->text, "\nid: ");

  if (id == NULL)
    return 0;
  id = strstr(id, "-g");
  assert_non_null(id);
  return strtoull(id + 2, NULL, 10);
}

static int is_of(const sse_event_t *event, const jobsrv_job_t *job) {
  char mine[100];
  char id[JOBSRV_ID_SIZE];

  snprintf(mine, sizeof(mine), "\"job_id\":\"%s\"", jobsrv_job_id(job, id));
  return strstr(event->text, mine) != NULL;
}

static size_t count_of(const watcher_t *watcher, const jobsrv_job_t *job) {
  size_t n = 0;

  for (size_t i = 0; i < watcher->n; i++)
    n += (size_t) is_of(&watcher->events[i], job);
  return n;
}

/* What it has of one job is what the job's own stream has. */
static void assert_has_all_of(const watcher_t *all, jobsrv_job_t *job) {
  watcher_t *alone = watch(&w, job, "", "");
  size_t k = 1;

  watcher_wait(&w, alone, 0);
  for (size_t i = 0; i < all->n; i++) {
    if (!is_of(&all->events[i], job))
      continue;
    assert_true(k < alone->n - 1);
    assert_string_equal(strstr(all->events[i].text, "data: "),
                        strstr(alone->events[k].text, "data: "));
    k++;
  }
  assert_int_equal(k, alone->n - 1); /* all but the marker */
  watcher_free(alone);
}

static void assert_in_order(const watcher_t *watcher) {
  unsigned long long before = 0;

  for (size_t i = 1; i < watcher->n; i++) {
    unsigned long long now = number_of(&watcher->events[i]);

    assert_true(now == 0 || now > before);
    before = now == 0 ? before : now;
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

static void tell(jobsrv_job_t **jobs, unsigned int seed, int rounds) {
  for (int i = 0; i < rounds; i++) {
    seed = seed * 1103515245u + 12345u;
    assert_ok(jobsrv_narrate(jobs[(seed >> 16) % JOBS], "count", "line %d", i));
    if (seed & 4096)
      run_turns(&w.f.loop, 1);
  }
}

static void it_is_off_unless_it_is_turned_on(void **state) {
  static peer_t peer;

  (void) state;
  w.options.all_events = 0;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /v1/events", "", NULL), 404);
  peer_close(&peer);
}

static void jobs_are_there_join_and_end_in_the_order_of_the_server(
    void **state) {
  jobsrv_job_t *jobs[JOBS];
  jobsrv_job_t *more[JOBS];
  watcher_t *live;
  watcher_t *late;

  (void) state;
  world_open(&w);
  begin_all(jobs);
  tell(jobs, 1, 40);
  live = ask_all("", "");
  watcher_wait(&w, live, 1 + 40);
  begin_all(more);
  tell(more, 7, 60);
  tell(jobs, 9, 30);
  end_all(more);
  tell(jobs, 11, 30);
  end_all(jobs);
  watcher_wait(&w, live, 1 + fixture_stats(&w.f).events);
  late = ask_all("", "");
  watcher_wait(&w, late, live->n);
  assert_contains(live->events[0].text, "-g0\nretry: 2000");
  assert_in_order(live);
  for (size_t i = 0; i < JOBS; i++) {
    assert_has_all_of(live, jobs[i]);
    assert_has_all_of(live, more[i]);
    assert_has_all_of(late, more[i]);
  }
  for (size_t i = 0; i < live->n; i++) {
    assert_string_equal(live->events[i].text, late->events[i].text);
    assert_null(strstr(live->events[i].text, "data: ["));
  }
  run_turns(&w.f.loop, 5);
  assert_false(live->ended);
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
  whole = ask_all("", "");
  watcher_wait(&w, whole, 1 + fixture_stats(&w.f).events);
  for (size_t at = 300; at < whole->raw_len; at += 61) {
    watcher_t *cut = ask_all("", "");
    watcher_t *again;
    char field[120];
    size_t had = 0;

    watcher_wait_bytes(&w, cut, at);
    watcher_cut(cut);
    snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", cut->last_id);
    while (cut->last_id[0] != '\0' && had < whole->n &&
           number_of(&whole->events[had]) <= number_of(&cut->events[cut->n - 1]))
      had++;
    again = ask_all("", cut->last_id[0] != '\0' ? field : "");
    watcher_wait(&w, again, 1 + whole->n - (had > 0 ? had : 1));
    for (size_t i = 1; i < again->n; i++)
      assert_string_equal(again->events[i].text,
                          whole->events[i + (had > 0 ? had : 1) - 1].text);
    watcher_free(again);
    watcher_free(cut);
  }
  watcher_free(whole);
}

static void only_its_own_ids_are_cursors(void **state) {
  static const char *const bad[] = { "0", "3", "12-3", "x", "-g1", "g99999" };
  char query[80];
  watcher_t *watcher;

  (void) state;
  world_open(&w);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    snprintf(query, sizeof(query), "?after=%s", bad[i]);
    if (status_of(query, "") != 400)
      fail_msg("%s was taken", bad[i]);
  }
  snprintf(query, sizeof(query), "?after=%s-1", jobsrv_boot(w.f.srv));
  assert_int_equal(status_of(query, ""), 400);
  fixture_begin(&w.f);
  watcher = ask_all("?after=g1", "");
  watcher_wait(&w, watcher, 1);
  assert_contains(watcher->events[0].text, "-g1\n");
  watcher_free(watcher);
}

static void another_boot_is_a_gap_and_then_everything(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;

  (void) state;
  world_open(&w);
  begin_all(jobs);
  end_all(jobs);
  watcher = ask_all("", "Last-Event-ID: zzz-g9\r\n");
  watcher_wait(&w, watcher, 2 + fixture_stats(&w.f).events);
  assert_true(is_gap(&watcher->events[1]));
  assert_contains(watcher->events[1].text, "\"reason\":\"restart\"}");
  assert_contains(watcher->events[1].text, "-g0\n");
  for (size_t i = 0; i < JOBS; i++)
    assert_has_all_of(watcher, jobs[i]);
  watcher_free(watcher);
}

static void what_is_missing_is_a_gap_of_its_job(void **state) {
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
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 40);
  for (size_t i = 0; i < watcher->n; i++) {
    if (!is_gap(&watcher->events[i]))
      continue;
    gaps++;
    assert_contains(watcher->events[i].text, jobsrv_job_id(jobs[0], id));
    assert_contains(watcher->events[i].text, "\"missed_from\":1,");
  }
  assert_int_equal(gaps, 1);
  assert_in_order(watcher);
  assert_int_equal(count_of(watcher, jobs[1]), 3);
  watcher_free(watcher);
}

static void jobs_that_have_gone_unread_are_told_to_be_gone(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  w.f.options.retain_ms = 1000;
  world_open(&w);
  job = fixture_begin(&w.f);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  fixture_ms(&w.f, 1500);
  fixture_begin(&w.f);
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 2);
  assert_contains(watcher->events[1].text, "\"seq\":1,");
  watcher_free(watcher);
  watcher = ask_all("?after=g1", "");
  watcher_wait(&w, watcher, 3);
  assert_true(is_gap(&watcher->events[1]));
  assert_contains(watcher->events[1].text, ",\"reason\":\"forgotten\"}");
  assert_contains(watcher->events[1].text, "-g1\n");
  assert_null(strstr(watcher->events[1].text, "job_id"));
  watcher_free(watcher);
}

/* ---- who may see what ---- */

typedef struct {
  const jobsrv_job_t *hidden;
  int events;
  int reads;
  char seen[80];
} asked_t;

static jobsrv_sse_grant_t all_but_one(jobsrv_sse_request_t *request,
                                      jobsrv_sse_verb_t verb,
                                      jobsrv_job_t *job,
                                      void *data) {
  asked_t *asked = data;
  jobsrv_sse_text_t who = jobsrv_sse_header(request, "x-who", NULL);

  if (verb == JOBSRV_SSE_EVENTS) {
    asked->events++;
    return who.len > 0 && who.data[0] == 'n' ? JOBSRV_SSE_DENY
                                             : JOBSRV_SSE_ALLOW;
  }
  assert_int_equal(verb, JOBSRV_SSE_READ);
  asked->reads++;
  snprintf(asked->seen, sizeof(asked->seen), "%.*s", (int) who.len, who.data);
  return job == asked->hidden ? JOBSRV_SSE_DENY : JOBSRV_SSE_ALLOW;
}

static void each_job_is_decided_once(void **state) {
  jobsrv_job_t *jobs[JOBS];
  jobsrv_job_t *more[JOBS];
  watcher_t *watcher;
  asked_t asked = { 0 };

  (void) state;
  world_open(&w);
  begin_all(jobs);
  asked.hidden = jobs[2];
  jobsrv_sse_authorise(w.sse, all_but_one, &asked);
  assert_int_equal(status_of("", "X-Who: nobody\r\n"), 403);
  watcher = ask_all("", "X-Who: me\r\n");
  watcher_wait(&w, watcher, JOBS);
  begin_all(more);
  tell(jobs, 5, 50);
  tell(more, 6, 50);
  watcher_wait(&w, watcher, 1 + 3 + 4 + 50);
  end_all(jobs);
  end_all(more);
  watcher_wait(&w, watcher, 60);
  run_turns(&w.f.loop, 20);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(asked.events, 2);
  assert_int_equal(asked.reads, 2 * JOBS);
  assert_string_equal(asked.seen, "me");
  assert_int_equal(count_of(watcher, jobs[2]), 0);
  jobsrv_sse_authorise(w.sse, NULL, NULL);
  for (size_t i = 0; i < JOBS; i++) {
    if (i != 2)
      assert_has_all_of(watcher, jobs[i]);
    assert_has_all_of(watcher, more[i]);
  }
  watcher_free(watcher);
}

static size_t header_bytes; /* of the stream's request, before it is asked */

static jobsrv_sse_grant_t add_header(jobsrv_sse_request_t *request,
                                     jobsrv_sse_verb_t verb,
                                     jobsrv_job_t *job,
                                     void *data) {
  (void) job;
  *(int *) data += verb == JOBSRV_SSE_READ;
  header_bytes = request->extra.len;
  assert_ok(jobsrv_sse_add_header(request, "X-Asked",
                                  jobsrv_sse_verb_name(verb)));
  return JOBSRV_SSE_ALLOW;
}

static void headers_that_are_added_for_a_job_are_not_kept(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;
  int reads = 0;

  (void) state;
  world_open(&w);
  begin_all(jobs);
  jobsrv_sse_authorise(w.sse, add_header, &reads);
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 1 + 2 * JOBS);
  assert_int_equal(reads, JOBS);
  assert_int_equal(header_bytes, 0);
  watcher_free(watcher);
}

static jobsrv_sse_request_t *waits;

static jobsrv_sse_grant_t later(jobsrv_sse_request_t *request,
                                jobsrv_sse_verb_t verb,
                                jobsrv_job_t *job,
                                void *data) {
  if (verb == JOBSRV_SSE_EVENTS) {
    waits = request;
    return JOBSRV_SSE_DECIDE_LATER;
  }
  return job == data ? JOBSRV_SSE_DECIDE_LATER : JOBSRV_SSE_ALLOW;
}

static void a_stream_may_be_decided_later_but_no_job_of_it(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;

  (void) state;
  world_open(&w);
  begin_all(jobs);
  jobsrv_sse_authorise(w.sse, later, jobs[1]);
  waits = NULL;
  watcher = ask_all("", "");
  run_turns(&w.f.loop, 10);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(watcher->status, 0);
  assert_non_null(waits);
  jobsrv_sse_decide(waits, JOBSRV_SSE_ALLOW);
  watcher_wait(&w, watcher, 1 + 2 * (JOBS - 1));
  jobs[0] = fixture_begin(&w.f);
  watcher_wait(&w, watcher, 1 + 2 * JOBS);
  assert_int_equal(count_of(watcher, jobs[1]), 0);
  assert_int_equal(count_of(watcher, jobs[0]), 2);
  watcher_free(watcher);
}

static void private_jobs_are_never_shown(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *hidden;
  jobsrv_job_t *shown;
  watcher_t *watcher;

  (void) state;
  world_open(&w);
  jobsrv_spec_init(&spec);
  spec.is_private = 1;
  assert_ok(jobsrv_begin(w.f.srv, &spec, &hidden));
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 1);
  assert_ok(jobsrv_narrate(hidden, "say", "secret"));
  shown = fixture_begin(&w.f);
  assert_ok(jobsrv_job_complete(hidden, NULL, 0));
  assert_ok(jobsrv_job_complete(shown, NULL, 0));
  watcher_wait(&w, watcher, 4);
  run_turns(&w.f.loop, 5);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(watcher->n, 4);
  assert_int_equal(count_of(watcher, shown), 3);
  watcher_free(watcher);
}

/* ---- its life ---- */

static void it_watches_no_job(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *waits;
  jobsrv_job_t *goes_on;
  watcher_t *watcher;
  watcher_t *other;

  (void) state;
  w.options.max_streams_per_job = 1;
  world_open(&w);
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.start = JOBSRV_START_ON_STREAM;
  assert_ok(jobsrv_submit(w.f.srv, &spec, NULL, &waits));
  spec.start = JOBSRV_START_NOW;
  spec.on_last_watcher = JOBSRV_LAST_WATCHER_CANCEL;
  assert_ok(jobsrv_submit(w.f.srv, &spec, NULL, &goes_on));
  watcher = ask_all("", "");
  other = ask_all("", "");
  watcher_wait(&w, watcher, 4);
  watcher_wait(&w, other, 4);
  assert_int_equal(jobsrv_job_state(waits), JOBSRV_STATE_SCHEDULED);
  watcher_free(watcher);
  watcher_free(other);
  run_turns(&w.f.loop, 10);
  assert_int_equal(world_stats(&w).streams, 0);
  assert_int_equal(jobsrv_job_state(goes_on), JOBSRV_STATE_RUNNING);
  assert_null(fixture_info(goes_on).cancel_reason);
}

static void a_silent_one_is_told_where_it_is(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *hidden;
  watcher_t *watcher;
  char id[80];

  (void) state;
  world_open(&w);
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 1);
  jobsrv_spec_init(&spec);
  spec.is_private = 1;
  assert_ok(jobsrv_begin(w.f.srv, &spec, &hidden));
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, 15001);
  watcher_wait(&w, watcher, 2);
  snprintf(id, sizeof(id), "id: %s-g2", jobsrv_boot(w.f.srv));
  assert_string_equal(watcher->events[1].text, id);
  watcher_free(watcher);
}

static void it_goes_on_until_the_drain_is_over(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;
  const sse_event_t *last;

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 2);
  assert_ok(jobsrv_drain(w.f.srv, 60000, NULL, NULL));
  run_turns(&w.f.loop, 5);
  watcher_read(watcher, WATCHER_RAW);
  assert_false(watcher->ended);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_true(watcher->ended);
  last = &watcher->events[watcher->n - 1];
  assert_contains(last->text, "\nretry: 2000");
  assert_true(is_end(last - 1));
  assert_int_equal(number_of(last), number_of(last - 1));
  watcher_free(watcher);
}

static void old_ones_break_off_to_be_resumed(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  w.options.max_stream_ms = 1000;
  world_open(&w);
  job = fixture_begin(&w.f);
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 2);
  fixture_ms(&w.f, 1000);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  watcher_wait(&w, watcher, 0);
  assert_contains(watcher->events[watcher->n - 1].text, "\nretry: 2000");
  watcher_free(watcher);
}

static void its_head_attaches_nothing(void **state) {
  static peer_t peer;

  (void) state;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "HEAD /v1/events", "", NULL), 200);
  assert_contains(peer.text, "Content-Type: text/event-stream");
  assert_int_equal(world_stats(&w).streams, 0);
  assert_int_equal(ask(&w, &peer, "POST /v1/events", "", ""), 405);
  peer_close(&peer);
}

static void there_are_only_so_many(void **state) {
  watcher_t *watcher;

  (void) state;
  w.options.max_streams = 1;
  world_open(&w);
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 1);
  assert_int_equal(status_of("", ""), 503);
  watcher_free(watcher);
}

/* ---- lines ---- */

/* The answer to a GET of that path, as NDJSON, up to `part`. */
static void ask_lines(peer_t *peer, const char *path, const char *part) {
  char text[400];

  peer_open(peer, w.port);
  snprintf(text, sizeof(text),
           "GET %s HTTP/1.1\r\nHost: localhost\r\n"
           "Accept: application/x-ndjson\r\n\r\n", path);
  peer_send(peer, text);
  assert_true(peer_wait(peer, &w.f.loop, part, 10000));
  assert_contains(peer->text, "Content-Type: application/x-ndjson\r\n");
}

/* `{"id":"<boot>-g<N>","type":"<type>"` begins a line. */
static void assert_has_line(const peer_t *peer, int n, const char *type) {
  char text[100];

  snprintf(text, sizeof(text), "\r\n{\"id\":\"%s-g%d\",\"type\":\"%s\",",
           jobsrv_boot(w.f.srv), n, type);
  assert_contains(peer->text, text);
}

static void lines_have_their_ids_in_them(void **state) {
  static peer_t peer;
  jobsrv_job_t *job;
  char path[200];
  char id[JOBSRV_ID_SIZE];

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_ok(jobsrv_progress(job, &(jobsrv_progress_t) { .done = 1 }));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  ask_lines(&peer, "/v1/events", "\"type\":\"end\"");
  assert_has_line(&peer, 0, "heartbeat");
  assert_has_line(&peer, 1, "state");
  assert_has_line(&peer, 3, "narration");
  assert_contains(peer.text, "\r\n{\"type\":\"progress\",");
  assert_has_line(&peer, 4, "end");
  fixture_ms(&w.f, 15001);
  assert_true(peer_wait(&peer, &w.f.loop, "-g4\",\"type\":\"heartbeat\"",
                        10000));
  peer_close(&peer);

  snprintf(path, sizeof(path), "/v1/events?after=%s-g2", jobsrv_boot(w.f.srv));
  ask_lines(&peer, path, "\"type\":\"end\"");
  assert_null(strstr(peer.text, "\"type\":\"state\""));
  assert_has_line(&peer, 3, "narration");
  peer_close(&peer);
  ask_lines(&peer, "/v1/events?after=zz-g2", "\"type\":\"end\"");
  assert_has_line(&peer, 0, "gap");
  peer_close(&peer);

  snprintf(path, sizeof(path), "/v1/stream?jobs=%s", jobsrv_job_id(job, id));
  ask_lines(&peer, path, "\r\n0\r\n\r\n");
  assert_has_line(&peer, 0, "state");
  assert_has_line(&peer, 1, "state");
  assert_has_line(&peer, 3, "narration");
  assert_has_line(&peer, 4, "end");
  assert_null(strstr(peer.text, "[DONE]"));
  peer_close(&peer);
}

/* ---- how it is shown ---- */

static void http_1_0_has_it_without_chunks(void **state) {
  static peer_t peer;
  jobsrv_job_t *job;
  char text[100];

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  peer_open(&peer, w.port);
  peer_send(&peer, "GET /v1/events HTTP/1.0\r\n\r\n");
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_true(peer_wait(&peer, &w.f.loop, "event: end\n", 10000));
  snprintf(text, sizeof(text), "\r\n\r\nid: %s-g0\nretry: 2000\n\nid: ",
           jobsrv_boot(w.f.srv));
  assert_contains(peer.text, text);
  peer_close(&peer);
}

static void a_floor_and_text_are_for_all_too(void **state) {
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
  watcher = ask_all("?level=warn&format=text", "");
  watcher_wait(&w, watcher, 1 + 1 + JOBS);
  assert_contains(watcher->events[1].text, "] b : loud");
  assert_contains(watcher->events[1].text, line);
  watcher_free(watcher);
  assert_int_equal(status_of("?level=x", ""), 400);
  assert_int_equal(status_of("", "Accept: text/html\r\n"), 406);
}

static void progress_is_the_newest_of_each(void **state) {
  jobsrv_job_t *jobs[JOBS];
  watcher_t *watcher;
  size_t n = 0;

  (void) state;
  world_open(&w);
  begin_all(jobs);
  for (int i = 1; i <= 3; i++)
    assert_ok(jobsrv_progress(jobs[1], &(jobsrv_progress_t) {
                                           .done = i, .total = 10 }));
  fixture_ms(&w.f, 200);
  watcher = ask_all("", "");
  watcher_wait(&w, watcher, 1 + 2 * JOBS + 1);
  assert_true(is_progress(&watcher->events[1 + 2 * JOBS]));
  assert_contains(watcher->events[1 + 2 * JOBS].text, "\"done\":3");
  assert_ok(jobsrv_progress(jobs[1], &(jobsrv_progress_t) {
                                         .done = 7, .total = 10 }));
  fixture_ms(&w.f, 200);
  watcher_wait(&w, watcher, 1 + 2 * JOBS + 2);
  assert_ok(jobsrv_progress(jobs[1], &(jobsrv_progress_t) {
                                         .done = 9, .total = 10 }));
  assert_ok(jobsrv_job_complete(jobs[1], NULL, 0));
  watcher_wait(&w, watcher, 1 + 2 * JOBS + 4);
  run_turns(&w.f.loop, 5);
  watcher_read(watcher, WATCHER_RAW);
  for (size_t i = 0; i < watcher->n; i++)
    n += (size_t) is_progress(&watcher->events[i]);
  assert_int_equal(n, 3);
  assert_contains(watcher->events[watcher->n - 2].text, "\"done\":9");
  assert_true(is_end(&watcher->events[watcher->n - 1]));
  watcher_free(watcher);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(it_is_off_unless_it_is_turned_on),
  CASE(jobs_are_there_join_and_end_in_the_order_of_the_server),
  CASE(cut_anywhere_it_comes_back_to_the_same),
  CASE(only_its_own_ids_are_cursors),
  CASE(another_boot_is_a_gap_and_then_everything),
  CASE(what_is_missing_is_a_gap_of_its_job),
  CASE(jobs_that_have_gone_unread_are_told_to_be_gone),
  CASE(each_job_is_decided_once),
  CASE(headers_that_are_added_for_a_job_are_not_kept),
  CASE(a_stream_may_be_decided_later_but_no_job_of_it),
  CASE(private_jobs_are_never_shown),
  CASE(it_watches_no_job),
  CASE(a_silent_one_is_told_where_it_is),
  CASE(it_goes_on_until_the_drain_is_over),
  CASE(old_ones_break_off_to_be_resumed),
  CASE(its_head_attaches_nothing),
  CASE(there_are_only_so_many),
  CASE(lines_have_their_ids_in_them),
  CASE(http_1_0_has_it_without_chunks),
  CASE(a_floor_and_text_are_for_all_too),
  CASE(progress_is_the_newest_of_each),
};

RUN(tests);
