/* SPDX-License-Identifier: MIT */

#include "base/format.h"
#include "sse/api.h"

void jobsrv__health(jobsrv__request_t *request, void *data) {
  char json[128];
  size_t len = jobsrv__format(
      json, sizeof(json),
      "{\"status\":\"ok\",\"version\":\"%s\",\"boot\":\"%s\"}",
      jobsrv_version_string(), jobsrv_boot(request->sse->srv));

  (void) data;
  jobsrv__respond_json(request, 200, NULL, json, len);
}

void jobsrv__ready(jobsrv__request_t *request, void *data) {
  static const char json[] = "{\"status\":\"ready\"}";
  const jobsrv_t *srv = request->sse->srv;
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  (void) data;
  if (jobsrv_draining(srv)) {
    jobsrv__refuse_draining(request);
    return;
  }
  jobsrv_stats(srv, &stats);
  if (stats.lost_threads > jobsrv_options(srv)->max_lost_threads) {
    jobsrv__refuse(request, 503, "lost_threads", JOBSRV__RETRY_LATER,
                   "too many threads are stuck in operations");
    return;
  }
  jobsrv__respond_json(request, 200, NULL, json, sizeof(json) - 1);
}
