/* SPDX-License-Identifier: MIT */

#include "fixture.h"
#include "peer.h"

#include "jobsrv/sse.h"

#include <signal.h>
#include <sys/wait.h>

/* A host that sets no signal disposition at all, SIGPIPE included. */

static void remember(struct sigaction *actions) {
  for (int i = 1; i < NSIG; i++)
    (void) sigaction(i, NULL, &actions[i]);
}

static int noop(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static int echo_prepare(jobsrv_job_t *job,
                        jobsrv_process_t *process,
                        void *data) {
  (void) job;
  (void) data;
  return jobsrv_process_arg(process, "/bin/true");
}

static int one_left(void *data) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(data, &stats);
  return stats.live == 1;
}

static void host(void) {
  static struct sigaction before[NSIG], after[NSIG];
  static peer_t peers[20];
  loop_t loop;
  jobsrv_operation_t op;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  jobsrv_sse_t *sse;
  jobsrv_t *srv;
  char id[JOBSRV_ID_SIZE];

  remember(before);
  loop_open(&loop);
  assert_ok(loop_server(&loop, &srv, NULL));
  assert_ok(jobsrv_sse_new(&sse, srv, NULL));
  assert_ok(jobsrv_sse_listen(sse, "127.0.0.1:0"));
  jobsrv_operation_init(&op);
  op.name = "thread";
  op.style = JOBSRV_THREAD;
  op.run = noop;
  assert_ok(jobsrv_operation_add(srv, &op));
  op.name = "process";
  op.style = JOBSRV_PROCESS;
  op.prepare = echo_prepare;
  assert_ok(jobsrv_operation_add(srv, &op));
  jobsrv_spec_init(&spec);
  assert_ok(jobsrv_begin(srv, &spec, &job));
  spec.operation = "thread";
  assert_ok(jobsrv_submit(srv, &spec, NULL, NULL));
  spec.operation = "process";
  assert_ok(jobsrv_submit(srv, &spec, NULL, NULL));
  assert_true(run_until(&loop, one_left, srv, 5000));

  jobsrv_job_id(job, id);
  for (size_t i = 0; i < 20; i++) {
    peer_open(&peers[i], jobsrv_sse_port(sse, 0));
    peer_stream(&peers[i], id);
    assert_true(peer_wait(&peers[i], &loop, "event: state", 5000));
  }
  for (int round = 0; round < 400; round++) {
    if (round % 20 == 10) /* with bytes unread: the server's writes are reset */
      peer_close(&peers[round / 20]);
    for (int i = 0; i < 10; i++)
      (void) jobsrv_narrate(job, "flood", "%0900d", i);
    run_turns(&loop, 1);
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  jobsrv_close(srv, NULL, NULL);
  run_turns(&loop, 20);
  loop_close(&loop);
  remember(after);
  for (int i = 1; i < NSIG; i++) {
    assert_int_equal(before[i].sa_flags, after[i].sa_flags);
    assert_ptr_equal(before[i].sa_handler, after[i].sa_handler);
  }
}

static void a_default_host_survives_peers_that_go_away(void **state) {
  (void) state;
  assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  host();
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_default_host_survives_peers_that_go_away),
};

RUN(tests);
