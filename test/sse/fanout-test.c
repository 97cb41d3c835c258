/* SPDX-License-Identifier: MIT */

/* Streams on threads of their own. */

#include "sse/watcher.h"

#include "sse/fanout.h"

#include <dirent.h>

static world w;

/* ---- helpers ---- */

static jobsrv_job_t *open_with(uint32_t loops) {
  w.options.fanout_loops = loops;
  world_open(&w);
  return fixture_begin(&w.f);
}

static void say(jobsrv_job_t *job, int n) {
  for (int i = 0; i < n; i++)
    assert_ok(jobsrv_narrate(job, "say", "line %d of the story", i));
}

/* How many streams are on fan-out loops. */
static uint32_t away(void) {
  return w.sse->fanouts != NULL ? w.sse->fanouts->lent : 0;
}

static int is_away(void *data) {
  return away() == *(uint32_t *) data;
}

static void wait_away(uint32_t n) {
  assert_true(run_until(&w.f.loop, is_away, &n, 20000));
}

static watcher_t *watch_away(const jobsrv_job_t *job) {
  uint32_t n = away() + 1;
  watcher_t *watcher = watch(&w, job, "", "");

  wait_away(n);
  return watcher;
}

/* Reads without a turn of the loop, until there are `n` events. */
static void read_alone(watcher_t *watcher, size_t n) {
  struct pollfd fd = { .fd = watcher->fd, .events = POLLIN };

  while (watcher->n < n) {
    assert_int_equal(poll(&fd, 1, 20000), 1);
    watcher_read(watcher, WATCHER_RAW);
    assert_false(watcher->eof);
  }
}

static int count_threads(void) {
  DIR *tasks = opendir("/proc/self/task");
  int n = 0;

  assert_non_null(tasks);
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
    n += entry->d_name[0] != '.';
  closedir(tasks);
  return n;
}

/* One that was joined can still be listed for a moment. */
static int are_threads(void *data) {
  return count_threads() == *(int *) data;
}

static int has_comment(void *data) {
  watcher_t *watcher = data;

  watcher_read(watcher, WATCHER_RAW);
  return watcher->comments > 0;
}

static int has_eof(void *data) {
  watcher_t *watcher = data;

  watcher_read(watcher, WATCHER_RAW);
  return watcher->eof;
}

static int no_stream(void *data) {
  (void) data;
  return world_stats(&w).streams == 0;
}

/* ---- there ---- */

static void what_is_narrated_is_sent_while_the_loop_is_busy(void **state) {
  jobsrv_job_t *job = open_with(1);
  watcher_t *watcher = watch_away(job);
  uint64_t sent;

  (void) state;
  watcher_wait(&w, watcher, 2);
  sent = world_stats(&w).bytes_sent;
  say(job, 500);
  run_turns(&w.f.loop, 1);
  read_alone(watcher, 502);
  assert_int_equal(watcher->events[501].seq, 501);
  assert_true(world_stats(&w).bytes_sent > sent + 500 * 100);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_true(is_end(&watcher->events[watcher->n - 2]));
  assert_int_equal(world_stats(&w).bytes_sent, watcher->raw_len);
  watcher_free(watcher);
  world_close(&w);
}

static void without_the_option_all_stays_on_the_loop(void **state) {
  int threads = count_threads();
  jobsrv_job_t *job = open_with(0);
  watcher_t *watcher;

  (void) state;
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 2);
  assert_null(w.sse->fanouts);
  if (loop_mode() != LOOP_THREAD)
    assert_int_equal(count_threads(), threads);
  watcher_free(watcher);
  world_close(&w);
}

static void streams_go_to_where_the_fewest_are(void **state) {
  jobsrv_job_t *job = open_with(3);
  watcher_t *watchers[7];

  (void) state;
  for (int i = 0; i < 7; i++)
    watchers[i] = watch_away(job);
  assert_int_equal(w.sse->fanouts->loops[0].lent, 3);
  assert_int_equal(w.sse->fanouts->loops[1].lent, 2);
  assert_int_equal(w.sse->fanouts->loops[2].lent, 2);
  watcher_cut(watchers[1]);
  wait_away(6);
  watcher_cut(watchers[4]);
  wait_away(5);
  watcher_free(watchers[4]);
  watchers[4] = watch_away(job);
  assert_int_equal(w.sse->fanouts->loops[1].lent, 1);
  say(job, 5);
  for (int i = 0; i < 7; i++) {
    if (i != 1)
      watcher_wait(&w, watchers[i], 7);
    if (i > 1)
      assert_same_events(watchers[0], watchers[i]);
  }
  for (int i = 0; i < 7; i++)
    watcher_free(watchers[i]);
  world_close(&w);
}

static void what_is_rendered_for_one_watcher_stays(void **state) {
  static const char *const queries[] = { "?level=warn", "?format=text", "" };
  jobsrv_job_t *job = open_with(1);
  watcher_t *watchers[4];

  (void) state;
  for (int i = 0; i < 3; i++)
    watchers[i] = watch(&w, job, queries[i],
                        i == 2 ? "Accept: application/x-ndjson\r\n" : "");
  watchers[3] = watcher_open(&w, 0);
  watcher_ask(watchers[3], job, 0, "", "");
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  for (int i = 0; i < 4; i++) {
    watcher_wait(&w, watchers[i], 0);
    assert_int_equal(away(), 0);
    watcher_free(watchers[i]);
  }
  world_close(&w);
}

/* What waits of the log is much more than a turn's share. */
static void a_long_replay_is_sent_there(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  w.f.options.max_bytes_per_job = 16u << 20;
  w.f.options.max_events_per_job = 4000;
  job = open_with(2);
  for (int i = 0; i < 3000; i++)
    assert_ok(jobsrv_narrate(job, "say", "%01000d", i));
  watcher = watch(&w, job, "", "");
  wait_away(1);
  read_alone(watcher, 3002);
  assert_int_equal(watcher->events[3001].seq, 3001);
  watcher_free(watcher);
  world_close(&w);
}

static void a_beat_is_sent_there(void **state) {
  jobsrv_job_t *job = open_with(1);
  watcher_t *watcher = watch_away(job);

  (void) state;
  watcher_wait(&w, watcher, 2);
  jobsrv_manual_clock_advance(&w.f.clock, UINT64_C(14000000000));
  run_turns(&w.f.loop, 2);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(watcher->comments, 0);
  jobsrv_manual_clock_advance(&w.f.clock, UINT64_C(1100000000));
  assert_true(run_until(&w.f.loop, has_comment, watcher, 20000));
  assert_int_equal(away(), 1);
  watcher_free(watcher);
  world_close(&w);
}

static void a_beat_goes_by_the_machines_clock_too(void **state) {
  jobsrv_options_t options;
  jobsrv_sse_options_t sse;
  jobsrv_job_t *job;
  jobsrv_spec_t spec;
  watcher_t *watcher;
  uint32_t n = 1;

  (void) state;
  loop_open(&w.f.loop);
  jobsrv_options_init(&options);
  jobsrv_sse_options_init(&sse);
  sse.fanout_loops = 1;
  sse.heartbeat_ms = 5;
  assert_ok(loop_server(&w.f.loop, &w.f.srv, &options));
  assert_ok(jobsrv_sse_new(&w.sse, w.f.srv, &sse));
  assert_ok(jobsrv_sse_listen(w.sse, "127.0.0.1:0"));
  w.port = jobsrv_sse_port(w.sse, 0);
  jobsrv_spec_init(&spec);
  assert_ok(jobsrv_begin(w.f.srv, &spec, &job));
  watcher = watch(&w, job, "", "");
  assert_true(run_until(&w.f.loop, is_away, &n, 20000));
  while (watcher->comments < 3) {
    struct pollfd fd = { .fd = watcher->fd, .events = POLLIN };

    assert_int_equal(poll(&fd, 1, 20000), 1);
    watcher_read(watcher, WATCHER_RAW);
  }
  watcher_free(watcher);
  world_close(&w);
}

/* ---- and back ---- */

static void after_the_end_the_connection_serves_on(void **state) {
  jobsrv_job_t *job = open_with(1);
  watcher_t *watcher = watch_away(job);
  size_t first;

  (void) state;
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_int_equal(watcher->ended, 1);
  assert_int_equal(away(), 0);
  assert_int_equal(world_stats(&w).connections, 1);
  first = watcher->raw_len;
  assert_int_equal(send(watcher->fd,
                        "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 41,
                        MSG_NOSIGNAL), 41);
  watcher_wait_bytes(&w, watcher, first + 15);
  assert_memory_equal(watcher->raw + first, "HTTP/1.1 200 OK", 15);
  watcher_free(watcher);
  world_close(&w);
}

/* It comes home for that, and goes on as it was. */
static void what_is_sent_behind_the_request_is_answered(void **state) {
  jobsrv_job_t *job = open_with(1);
  watcher_t *watcher = watch_away(job);
  size_t first;

  (void) state;
  assert_int_equal(send(watcher->fd,
                        "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 41,
                        MSG_NOSIGNAL), 41);
  wait_away(0);
  say(job, 3);
  watcher_wait(&w, watcher, 5);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  first = watcher->parsed + 5; /* and the last chunk */
  watcher_wait_bytes(&w, watcher, first + 15);
  assert_memory_equal(watcher->raw + first, "HTTP/1.1 200 OK", 15);
  watcher_free(watcher);
  world_close(&w);
}

static void a_client_that_leaves_is_noticed_there(void **state) {
  jobsrv_job_t *job = open_with(2);
  watcher_t *one = watch_away(job);
  watcher_t *other = watch_away(job);

  (void) state;
  watcher_cut(one);
  wait_away(1);
  assert_int_equal(shutdown(other->fd, SHUT_WR), 0);
  wait_away(0);
  assert_true(run_until(&w.f.loop, no_stream, NULL, 20000));
  assert_int_equal(world_stats(&w).connections, 0);
  assert_int_equal(world_stats(&w).stalled, 0);
  watcher_free(one);
  watcher_free(other);
  world_close(&w);
}

/* The kernel may still find room for a little, which is progress. */
static int is_one_left(void *data) {
  (void) data;
  jobsrv_manual_clock_advance(&w.f.clock, UINT64_C(500000000));
  return away() == 1;
}

static void who_does_not_read_is_cut_in_time(void **state) {
  jobsrv_job_t *job;
  watcher_t *frozen;
  watcher_t *other;

  (void) state;
  w.options.send_buffer = 8192;
  job = open_with(1);
  frozen = watcher_open(&w, 4096);
  watcher_ask(frozen, job, 1, "", "");
  wait_away(1);
  other = watch_away(job);
  for (int i = 0; i < 400; i++)
    assert_ok(jobsrv_narrate(job, "say", "%01000d", i));
  watcher_wait(&w, other, 402);
  jobsrv_manual_clock_advance(&w.f.clock, UINT64_C(19000000000));
  run_turns(&w.f.loop, 3);
  assert_int_equal(away(), 2);
  say(job, 1);
  watcher_wait(&w, other, 403);
  assert_true(run_until(&w.f.loop, is_one_left, NULL, 20000));
  assert_int_equal(world_stats(&w).stalled, 1);
  assert_int_equal(world_stats(&w).streams, 1);
  watcher_free(frozen);
  watcher_free(other);
  world_close(&w);
}

/* Whatever it was that the socket took a part of. */
static void a_slow_reader_gets_all_or_is_told(void **state) {
  jobsrv_job_t *job;
  watcher_t *slow;
  uint64_t seq = 0;
  size_t i = 0;

  (void) state;
  w.f.options.max_events_per_job = 64;
  w.options.send_buffer = 4096;
  job = open_with(1);
  slow = watcher_open(&w, 4096);
  watcher_ask(slow, job, 1, "", "");
  wait_away(1);
  for (int round = 0; round < 400; round++) {
    for (int k = 0; k < 8; k++)
      assert_ok(jobsrv_narrate(job, "say", "%0800d", k));
    run_turns(&w.f.loop, 1);
    watcher_read(slow, slow->raw_len + 700);
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, slow, 0);
  for (const sse_event_t *event; (event = next_logged(slow, &i)) != NULL;) {
    if (is_gap(event)) {
      const char *from = strstr(event->text, "\"missed_from\":");

      assert_non_null(from);
      assert_int_equal(strtoull(from + 14, NULL, 10), seq + 1);
      seq = event->seq;
    } else if (event->seq != 0 && event->seq != fixture_info(job).last_seq) {
      assert_int_equal(event->seq, seq + 1);
      seq++;
    }
  }
  assert_int_equal(seq + 1, fixture_info(job).last_seq);
  watcher_free(slow);
  world_close(&w);
}

static void progress_is_sent_there(void **state) {
  jobsrv_job_t *job = open_with(1);
  watcher_t *watcher = watch_away(job);
  jobsrv_progress_t progress = { .total = 10 };
  size_t n = 0;

  (void) state;
  watcher_wait(&w, watcher, 2);
  for (int i = 1; i <= 10; i++) {
    progress.done = i;
    assert_ok(jobsrv_progress(job, &progress));
    fixture_ms(&w.f, 101);
    watcher_wait(&w, watcher, watcher->n + 1);
  }
  for (size_t i = 0; i < watcher->n; i++)
    n += (size_t) is_progress(&watcher->events[i]);
  assert_int_equal(n, 10);
  assert_contains(watcher->events[watcher->n - 1].text, "\"done\":10,");
  assert_int_equal(away(), 1);
  watcher_free(watcher);
  world_close(&w);
}

/* ---- ending ---- */

static int is_drained(void *data) {
  return *(int *) data;
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

static void a_drain_ends_every_stream_as_it_should(void **state) {
  enum { STREAMS = 60 };
  jobsrv_job_t *job;
  watcher_t *watchers[STREAMS];
  int drained = 0;

  (void) state;
  job = open_with(2);
  for (int i = 0; i < STREAMS; i++)
    watchers[i] = watch(&w, job, "", "");
  wait_away(STREAMS);
  say(job, 20);
  assert_ok(jobsrv_drain(w.f.srv, 5000, on_drained, &drained));
  fixture_ms(&w.f, 5001); /* the job does not let go by itself */
  for (int i = 0; i < STREAMS; i++) {
    watcher_wait(&w, watchers[i], 0);
    assert_int_equal(watchers[i]->ended, 1);
    assert_string_equal(strchr(watchers[i]->events[watchers[i]->n - 1].text,
                               '\n'), "\ndata: [CANCELLED]");
    watcher_free(watchers[i]);
  }
  assert_true(run_until(&w.f.loop, is_drained, &drained, 20000));
  world_close(&w);
}

static void closing_the_server_tells_the_ends(void **state) {
  enum { STREAMS = 20 };
  int threads = count_threads();
  watcher_t *watchers[STREAMS];
  jobsrv_job_t *job = open_with(3);

  (void) state;
  for (int i = 0; i < STREAMS; i++)
    watchers[i] = watch(&w, job, "", "");
  wait_away(STREAMS);
  for (int i = 0; i < STREAMS; i++)
    watcher_wait(&w, watchers[i], 2);
  say(job, 3);
  world_close(&w);
  for (int i = 0; i < STREAMS; i++) {
    struct pollfd fd = { .fd = watchers[i]->fd, .events = POLLIN };

    while (!watchers[i]->eof) {
      assert_int_equal(poll(&fd, 1, 20000), 1);
      watcher_read(watchers[i], WATCHER_RAW);
    }
    assert_int_equal(watchers[i]->ended, 1);
    assert_contains(watchers[i]->events[watchers[i]->n - 1].text,
                    "data: [CANCELLED]");
    watcher_free(watchers[i]);
  }
  for (uint64_t start = loop_now(); !are_threads(&threads);)
    assert_true(loop_now() - start < 20000);
}

static void on_closed(jobsrv_sse_t *sse, void *data) {
  (void) sse;
  *(int *) data = 1;
}

static void closing_the_transport_closes_all_at_once(void **state) {
  int threads;
  jobsrv_job_t *job = open_with(2);
  watcher_t *watchers[4];
  int closed = 0;

  (void) state;
  threads = count_threads();
  for (int i = 0; i < 4; i++)
    watchers[i] = watch_away(job);
  watcher_wait(&w, watchers[0], 2);
  jobsrv_sse_close(w.sse, on_closed, &closed);
  threads -= 2;
  assert_true(run_until(&w.f.loop, are_threads, &threads, 20000));
  assert_false(closed);
  assert_true(run_until(&w.f.loop, is_drained, &closed, 20000));
  for (int i = 0; i < 4; i++) {
    assert_true(run_until(&w.f.loop, has_eof, watchers[i], 20000));
    assert_int_equal(watchers[i]->ended, 0);
    watcher_free(watchers[i]);
  }
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  world_close(&w);
}

/* The client's last bytes are not read, the stream on its way, or not even. */
static void closing_meets_streams_wherever_they_are(void **state) {
  (void) state;
  for (unsigned int turns = 0; turns < 12; turns++) {
    jobsrv_job_t *job = open_with(2);
    watcher_t *watchers[3];

    for (int i = 0; i < 3; i++)
      watchers[i] = watch(&w, job, "", "");
    say(job, 10);
    run_turns(&w.f.loop, turns);
    if (turns % 2 == 0)
      assert_ok(jobsrv_job_complete(job, NULL, 0));
    if (turns % 3 == 0)
      watcher_cut(watchers[1]);
    world_close(&w);
    for (int i = 0; i < 3; i++)
      watcher_free(watchers[i]);
    memset(&w, 0, sizeof(w));
  }
}

static void threads_block_all_signals(void **state) {
  char path[300];
  char line[200];
  int blocking = 0;
  DIR *tasks;

  (void) state;
  (void) open_with(2);
  tasks = opendir("/proc/self/task");
  assert_non_null(tasks);
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
      if (strncmp(line, "SigBlk:", 7) == 0) /* all but KILL, STOP, and libc's */
        blocking += (strtoull(line + 7, NULL, 16) | 0x180040100) ==
                    UINT64_C(0xffffffffffffffff);
    if (file != NULL)
      fclose(file);
  }
  closedir(tasks);
  assert_true(blocking >= 2);
  world_close(&w);
}

static void the_option_has_its_bounds(void **state) {
  jobsrv_sse_options_t options;
  jobsrv_sse_t *sse;

  (void) state;
  fixture_open(&w.f);
  jobsrv_sse_options_init(&options);
  options.fanout_loops = 65;
  assert_int_equal(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.fanout_loops = 64;
  assert_ok(jobsrv_sse_new(&sse, w.f.srv, &options));
  assert_int_equal(sse->fanouts->n, 64);
  fixture_close(&w.f);
}

static int reset(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  return 0;
}

#define CASE(test) cmocka_unit_test_setup(test, reset)

int main(void) {
  const struct CMUnitTest tests[] = {
    CASE(what_is_narrated_is_sent_while_the_loop_is_busy),
    CASE(without_the_option_all_stays_on_the_loop),
    CASE(streams_go_to_where_the_fewest_are),
    CASE(what_is_rendered_for_one_watcher_stays),
    CASE(a_long_replay_is_sent_there),
    CASE(a_beat_is_sent_there),
    CASE(a_beat_goes_by_the_machines_clock_too),
    CASE(after_the_end_the_connection_serves_on),
    CASE(what_is_sent_behind_the_request_is_answered),
    CASE(a_client_that_leaves_is_noticed_there),
    CASE(who_does_not_read_is_cut_in_time),
    CASE(a_slow_reader_gets_all_or_is_told),
    CASE(progress_is_sent_there),
    CASE(a_drain_ends_every_stream_as_it_should),
    CASE(closing_the_server_tells_the_ends),
    CASE(closing_the_transport_closes_all_at_once),
    CASE(closing_meets_streams_wherever_they_are),
    CASE(threads_block_all_signals),
    CASE(the_option_has_its_bounds),
  };

  return RUN_GROUP(tests);
}
