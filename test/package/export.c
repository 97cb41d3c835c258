/* SPDX-License-Identifier: MIT */

/* A host that ends well when a collector has its job and what it said. */

#include <jobsrv/jobsrv.h>
#include <jobsrv/otlp.h>
#include <uv.h>

static jobsrv_otlp_t *otlp;
static int taken;

static void on_drained(jobsrv_t *srv, void *data) {
  jobsrv_otlp_stats_t stats;

  (void) data;
  stats.size = sizeof(stats);
  jobsrv_otlp_stats(otlp, &stats);
  taken = stats.spans == 2 && stats.logs >= 3;
  jobsrv_close(srv, NULL, NULL);
}

int main(void) {
  jobsrv_t *srv;
  jobsrv_job_t *job;
  jobsrv_spec_t spec;
  jobsrv_otlp_options_t options;

  jobsrv_otlp_options_init(&options);
  options.endpoint = "http://127.0.0.1:4318";
  options.service_name = "greeter";
  jobsrv_spec_init(&spec);
  if (jobsrv_new(&srv, uv_default_loop(), NULL) ||
      jobsrv_otlp_add(srv, &options, &otlp) || jobsrv_begin(srv, &spec, &job))
    return 1;
  jobsrv_narrate(job, "greet", "hello");
  jobsrv_job_complete(job, NULL, 0);
  jobsrv_drain(srv, 5000, on_drained, NULL);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return taken ? 0 : 2;
}
