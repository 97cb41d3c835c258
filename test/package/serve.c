/* SPDX-License-Identifier: MIT */
#include <jobsrv/jobsrv.h>
#include <jobsrv/sse.h>
#include <uv.h>

static int greet(jobsrv_job_t *job, void *data) {
  (void) data;
  jobsrv_narrate(job, "greet", "hello from %s", jobsrv_job_operation(job));
  return jobsrv_job_complete(job, "{\"greeted\":true}", 16);
}

int main(void) {
  jobsrv_t *srv;
  jobsrv_sse_t *sse;
  jobsrv_operation_t operation;

  jobsrv_operation_init(&operation);
  operation.name = "greet";
  operation.start = greet;
  operation.expose = 1;
  if (jobsrv_new(&srv, uv_default_loop(), NULL) != 0 ||
      jobsrv_operation_add(srv, &operation) != 0 ||
      jobsrv_sse_new(&sse, srv, NULL) != 0 ||
      jobsrv_sse_listen(sse, "127.0.0.1:7070") != 0)
    return 1;
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
