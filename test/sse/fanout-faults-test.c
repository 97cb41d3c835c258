/* SPDX-License-Identifier: MIT */

/* What fan-out loops cannot be given, and sockets that take little. */

#include "sse/watcher.h"

#include "sse/conn_state.h"
#include "sse/fanout.h"

#include <dirent.h>
#include <sys/resource.h>

static world w;
static jobsrv_faults_t faults;

/* What the transport sends goes through here; a test's own has other flags. */
static atomic_size_t most; /* bytes that a socket takes at once; 0: all */
static atomic_int is_full; /* it takes none */

ssize_t send(int fd, const void *data, size_t len, int flags) {
  size_t takes = atomic_load(&most);

  if (atomic_load(&is_full) && (flags & MSG_DONTWAIT)) {
    errno = EAGAIN;
    return -1;
  }
  if (takes > 0 && len > takes && (flags & MSG_DONTWAIT))
    len = takes;
  return sendto(fd, data, len, flags, NULL, 0);
}

static int count_in(const char *path) {
  DIR *dir = opendir(path);
  int n = 0;

  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    n += entry->d_name[0] != '.';
  closedir(dir);
  return n;
}

/* One that was joined can still be listed for a moment. */
static void wait_for_threads(int n) {
  for (uint64_t start = loop_now(); count_in("/proc/self/task") != n;)
    assert_true(loop_now() - start < 20000);
}

static void open_server(void) {
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  fixture_open(&w.f);
}

static void close_server(void) {
  fixture_close(&w.f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static int new_with(uint32_t loops) {
  w.options.size = sizeof(w.options);
  w.options.fanout_loops = loops;
  return jobsrv_sse_new(&w.sse, w.f.srv, &w.options);
}

static int is_away(void *data) {
  return w.sse->fanouts->lent == *(uint32_t *) data;
}

static void without_memory_nothing_is_made(void **state) {
  uint64_t live;
  int threads;
  int fds;
  int err;
  int n = 0;

  (void) state;
  open_server();
  live = jobsrv_faults_live(&faults);
  threads = count_in("/proc/self/task");
  fds = count_in("/proc/self/fd");
  do {
    jobsrv_faults_fail(&faults, (uint64_t) n++, 1);
    err = new_with(2);
    if (err == 0)
      break;
    assert_int_equal(err, UV_ENOMEM);
    assert_int_equal(jobsrv_faults_live(&faults), live);
    wait_for_threads(threads);
    assert_int_equal(count_in("/proc/self/fd"), fds);
  } while (1);
  assert_true(n > 10);
  jobsrv_faults_fail(&faults, 0, 0);
  assert_int_equal(count_in("/proc/self/task"), threads + 2);
  close_server();
}

static void without_descriptors_nothing_is_made(void **state) {
  struct rlimit before;
  struct rlimit limit;
  uint64_t live;
  int threads;
  int fds;
  int err;
  int refused = 0;

  (void) state;
  open_server();
  live = jobsrv_faults_live(&faults);
  threads = count_in("/proc/self/task");
  fds = count_in("/proc/self/fd");
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  limit = before;
  limit.rlim_cur = 3;
  do {
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    err = new_with(2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    limit.rlim_cur++;
    if (err == 0)
      break;
    refused++;
    assert_int_equal(err, UV_EMFILE);
    assert_int_equal(jobsrv_faults_live(&faults), live);
    wait_for_threads(threads);
    assert_int_equal(count_in("/proc/self/fd"), fds);
  } while (1);
  assert_true(refused > 8);
  close_server();
}

/* No thread has room for a stack of this size. */
static void without_a_thread_nothing_is_made(void **state) {
  pthread_attr_t before;
  pthread_attr_t huge;
  uint64_t live;
  int threads;
  int fds;
  int err;

  (void) state;
  open_server();
  live = jobsrv_faults_live(&faults);
  threads = count_in("/proc/self/task");
  fds = count_in("/proc/self/fd");
  assert_int_equal(pthread_getattr_default_np(&before), 0);
  assert_int_equal(pthread_getattr_default_np(&huge), 0);
  assert_int_equal(pthread_attr_setstacksize(&huge, (size_t) 1 << 46), 0);
  assert_int_equal(pthread_setattr_default_np(&huge), 0);
  err = new_with(2);
  assert_int_equal(pthread_setattr_default_np(&before), 0);
  assert_int_equal(err, UV_EAGAIN);
  assert_int_equal(jobsrv_faults_live(&faults), live);
  assert_int_equal(count_in("/proc/self/fd"), fds);
  wait_for_threads(threads);
  pthread_attr_destroy(&before);
  pthread_attr_destroy(&huge);
  assert_ok(new_with(2));
  close_server();
}

typedef struct {
  watcher_t *watcher;
  size_t n;
} enough_t;

static int is_enough(void *data) {
  enough_t *enough = data;

  watcher_read(enough->watcher, WATCHER_RAW);
  return enough->watcher->n >= enough->n || enough->watcher->eof ||
         (enough->watcher->status != 0 && enough->watcher->status != 200);
}

/* Whichever it is that fails: the stream is refused, or goes on. */
static void without_memory_a_stream_stays(void **state) {
  int stayed = 0;
  int went = 0;

  (void) state;
  for (uint64_t n = 0; went == 0; n++) {
    jobsrv_job_t *job;
    enough_t enough = { .n = 2 };

    open_server();
    assert_ok(new_with(1));
    assert_ok(jobsrv_sse_listen(w.sse, "127.0.0.1:0"));
    w.port = jobsrv_sse_port(w.sse, 0);
    job = fixture_begin(&w.f);
    enough.watcher = watch(&w, job, "", "");
    jobsrv_faults_fail(&faults, n, 1);
    assert_true(run_until(&w.f.loop, is_enough, &enough, 20000));
    run_turns(&w.f.loop, 3);
    if (enough.watcher->status == 200 && !enough.watcher->eof) {
      if (jobsrv_narrate(job, "say", "so it goes on") != 0) /* that one */
        assert_ok(jobsrv_narrate(job, "say", "so it goes on"));
      enough.n = enough.watcher->n + 1;
      assert_true(run_until(&w.f.loop, is_enough, &enough, 20000));
      stayed += jobsrv_faults_hit(&faults) && w.sse->fanouts->lent == 0;
      went += !jobsrv_faults_hit(&faults) && w.sse->fanouts->lent == 1;
    }
    jobsrv_faults_fail(&faults, 0, 0);
    watcher_free(enough.watcher);
    close_server();
    memset(&w, 0, sizeof(w));
  }
  assert_true(stayed >= 2);
}

static jobsrv_job_t *open_one(watcher_t **watcher) {
  uint32_t n = 1;
  jobsrv_job_t *job;

  open_server();
  assert_ok(new_with(1));
  assert_ok(jobsrv_sse_listen(w.sse, "127.0.0.1:0"));
  w.port = jobsrv_sse_port(w.sse, 0);
  job = fixture_begin(&w.f);
  *watcher = watch(&w, job, "", "");
  assert_true(run_until(&w.f.loop, is_away, &n, 20000));
  watcher_wait(&w, *watcher, 2);
  return job;
}

/* The end of one is sent from another loop than its beginning. */
static void what_is_taken_in_pieces_arrives_whole(void **state) {
  uint64_t seq = 0;
  watcher_t *watcher;
  jobsrv_job_t *job;
  size_t gaps = 0;

  (void) state;
  w.f.options.max_events_per_job = 32;
  job = open_one(&watcher);
  atomic_store(&most, 7);
  for (int i = 0; i < 300; i++) {
    assert_ok(jobsrv_narrate(job, "say", "number %d", i));
    if (i % 100 == 0)
      run_turns(&w.f.loop, 2);
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_int_equal(watcher->ended, 1);
  for (size_t i = 1; i < watcher->n - 2; i++) {
    const sse_event_t *event = &watcher->events[i];

    gaps += (size_t) is_gap(event);
    assert_true(is_gap(event) || event->seq == seq + 1);
    seq = event->seq;
  }
  assert_true(gaps > 0);
  assert_int_equal(seq + 1, fixture_info(job).last_seq);
  watcher_free(watcher);
  close_server();
}

static int has_no_streams(void *data) {
  (void) data;
  return world_stats(&w).streams == 0;
}

/* The loop is told of both at once, and may have lent the connection by then. */
static void room_and_the_clients_end_may_come_together(void **state) {
  watcher_t *watcher;
  watcher_t *late;
  jobsrv_job_t *job;

  (void) state;
  job = open_one(&watcher);
  atomic_store(&is_full, 1);
  late = watch(&w, job, "", "");
  for (int i = 0; i < 1000 && world_stats(&w).streams < 2; i++)
    run_turns(&w.f.loop, 1);
  assert_int_equal(world_stats(&w).streams, 2);
  watcher_free(watcher);
  watcher_free(late);
  atomic_store(&is_full, 0);
  assert_true(run_until(&w.f.loop, has_no_streams, NULL, 20000));
  close_server();
}

static void on_event(void *self, const jobsrv_event_t *event) {
  int *has_closed = self;

  if (*has_closed || event->action == NULL ||
      strcmp(event->action, "stream_end") != 0)
    return;
  *has_closed = 1;
  jobsrv_close(w.f.srv, fixture_on_closed, &w.f);
}

static void what_comes_home_may_close_the_server(void **state) {
  static const jobsrv_sink_ops_t ops = {
    .size = sizeof(ops),
    .event = on_event,
  };
  int has_closed = 0;
  watcher_t *watcher;
  jobsrv_job_t *job;

  (void) state;
  job = open_one(&watcher);
  assert_ok(jobsrv_sink_add(w.f.srv, &ops, &has_closed, NULL, NULL));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_true(has_closed);
  watcher_free(watcher);
  assert_true(run_until(&w.f.loop, fixture_is_closed, &w.f, 20000));
  close_server();
}

static int has_eof(void *data) {
  watcher_t *watcher = data;

  jobsrv_manual_clock_advance(&w.f.clock, UINT64_C(1000000000));
  watcher_read(watcher, WATCHER_RAW);
  return watcher->eof;
}

static void without_memory_for_the_rest_a_stream_is_cut(void **state) {
  watcher_t *watcher;
  jobsrv_job_t *job = open_one(&watcher);

  (void) state;
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  atomic_store(&most, 1);
  assert_true(run_until(&w.f.loop, has_eof, watcher, 20000));
  jobsrv_faults_fail(&faults, 0, 0);
  assert_int_equal(watcher->ended, 0);
  assert_int_equal(world_stats(&w).streams, 0);
  assert_int_equal(world_stats(&w).stalled, 0);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_free(watcher);
  close_server();
}

/* The one that is not away. */
static jobsrv__stream_t *at_home(void) {
  jobsrv__queue_t *link = jobsrv__queue_front(&w.sse->streams);
  jobsrv__stream_t *stream;

  do {
    assert_non_null(link);
    stream = JOBSRV__CONTAINER(link, jobsrv__stream_t, link);
    link = jobsrv__queue_next(&w.sse->streams, link);
  } while (stream->lent != NULL);
  return stream;
}

static void how_long_it_has_waited_for_room_comes_home_with_it(void **state) {
  const uint64_t stall_ns = UINT64_C(20000000000);
  const jobsrv__conn_t *conn;
  watcher_t *frozen;
  watcher_t *other;
  jobsrv_job_t *job;
  uint32_t n = 1;

  (void) state;
  w.options.send_buffer = 8192;
  w.options.fanout_loops = 1;
  w.options.write_stall_ms = stall_ns / 1000000;
  world_open(&w);
  job = fixture_begin(&w.f);
  frozen = watcher_open(&w, 4096);
  watcher_ask(frozen, job, 1, "", "");
  assert_true(run_until(&w.f.loop, is_away, &n, 20000));
  other = watch(&w, job, "", "");
  n = 2;
  assert_true(run_until(&w.f.loop, is_away, &n, 20000));
  for (int i = 0; i < 400; i++)
    assert_ok(jobsrv_narrate(job, "say", "%01000d", i));
  watcher_wait(&w, other, 402); /* behind the other */
  jobsrv_manual_clock_advance(&w.f.clock, stall_ns * 3 / 4);
  assert_int_equal(send(frozen->fd, "x", 1, MSG_NOSIGNAL), 1);
  n = 1;
  assert_true(run_until(&w.f.loop, is_away, &n, 20000));
  conn = at_home()->conn;
  assert_true(conn->is_blocked);
  /* the kernel may have found room for a little, which counts as well */
  assert_int_equal(conn->deadline_ns, conn->last_write_ns + stall_ns);
  watcher_free(frozen);
  watcher_free(other);
  world_close(&w);
}

static void *nothing(void *arg) {
  return arg;
}

/* A sanitizer may have a thread of its own from the first on. */
static int reset(void **state) {
  pthread_t thread;

  (void) state;
  memset(&w, 0, sizeof(w));
  atomic_store(&most, 0);
  if (pthread_create(&thread, NULL, nothing, NULL) != 0)
    return -1;
  return pthread_join(thread, NULL);
}

#define CASE(test) cmocka_unit_test_setup(test, reset)

int main(void) {
  const struct CMUnitTest tests[] = {
    CASE(without_memory_nothing_is_made),
    CASE(without_descriptors_nothing_is_made),
    CASE(without_a_thread_nothing_is_made),
    CASE(without_memory_a_stream_stays),
    CASE(what_is_taken_in_pieces_arrives_whole),
    CASE(room_and_the_clients_end_may_come_together),
    CASE(what_comes_home_may_close_the_server),
    CASE(without_memory_for_the_rest_a_stream_is_cut),
    CASE(how_long_it_has_waited_for_room_comes_home_with_it),
  };

  return RUN_GROUP(tests);
}
