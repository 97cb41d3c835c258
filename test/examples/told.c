/* SPDX-License-Identifier: MIT */
#include <jobsrv/jobsrv.h>
#include <jobsrv/sse.h>
#include <signal.h>
#include <uv.h>

static int count(jobsrv_job_t *job, void *data) { /* on a pool thread */
  (void) data;
  for (int i = 1; i <= 3; i++)
    jobsrv_info_cute(job, "count", "%d of 3", "%d of 3 sheep are over", i);
  return jobsrv_warn(job, "login", "with password=%s", "hunter2");
}

static void on_drained(jobsrv_t *srv, void *data) {
  uv_close(data, NULL);
  jobsrv_close(srv, NULL, NULL);
}

static void on_term(uv_signal_t *term, int number) {
  (void) number; /* streams get their end, sinks are flushed */
  jobsrv_drain(term->data, 5000, on_drained, term);
}

int main(int argc, char **argv) { /* ADDRESS FILE */
  jobsrv_file_options_t file = { .size = sizeof(file), .path = argv[argc - 1] };
  jobsrv_operation_t op = { .size = sizeof(op), .name = "count", .expose = 1,
                            .style = JOBSRV_THREAD, .run = count };
  uv_signal_t term;
  jobsrv_sse_t *sse;
  jobsrv_t *srv;
  if (jobsrv_new(&srv, uv_default_loop(), NULL) ||
      jobsrv_console_add(srv, NULL, NULL) || /* text, to standard error */
      jobsrv_file_add(srv, &file, NULL) ||   /* JSON lines */
      jobsrv_sse_new(&sse, srv, NULL) ||     /* a stream for each job */
      jobsrv_sse_listen(sse, argv[1]) || jobsrv_operation_add(srv, &op))
    return 1;
  uv_signal_init(uv_default_loop(), &term), term.data = srv;
  uv_signal_start(&term, on_term, SIGTERM);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
