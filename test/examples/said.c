/* SPDX-License-Identifier: MIT */
#include <jobsrv/jobsrv.h>

static int copy(jobsrv_job_t *job, void *data) {
  unsigned int n = 3;
  (void) data;
  jobsrv_narrate(job, "begin", "%u files to copy", n);
  for (unsigned int i = 1; i <= n; i++) {
    jobsrv_progressed(job, i, n, .unit = "files", .phase = "copying", .to = 90);
    jobsrv_warn_limited(job, (2, 1000), "slow", "number %u takes long", i);
  }
  jobsrv_info_cute(job, "copied", "%u files", "%u treats in the bag", n);
  jobsrv_info_with(job, (.action = "check", .target = "disk 1",
                         JOBSRV_FIELDS(jobsrv_field_u64("bytes", 4096),
                                       jobsrv_field_bool("cached", 0))),
                   "all %u are there", n);
  jobsrv_table(job, "list", "[{\"name\":\"a.c\",\"bytes\":7}]", "as copied");
  jobsrv_tell(job, "done", jobsrv_field_u64("files", n)); /* for programs */
  if (jobsrv_job_watched(job))
    jobsrv_debug(job, "detail", "worth its cost, now that somebody looks");
  return 0;
}
