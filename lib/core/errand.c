/* SPDX-License-Identifier: MIT */

#include "core/errand.h"

#include "base/alloc.h"
#include "core/server.h"

#include <string.h>

enum { MAX_DEPTH = 64 };

int jobsrv__json_fits(const char *json, size_t *len, size_t max) {
  jobsrv_json_error_t error;

  if (json == NULL) {
    *len = 0;
    return 0;
  }
  if (*len == 0)
    *len = strlen(json);
  if (*len > max)
    return JOBSRV_ETOOBIG;
  return jobsrv_json_check(json, *len, MAX_DEPTH, &error);
}

void jobsrv__errand_free(jobsrv__errand_t *errand) {
  jobsrv_job_t *job = errand->job;
  jobsrv_alloc_t alloc = job->srv->alloc;

  jobsrv__free(&alloc, errand->spare);
  jobsrv__free(&alloc, errand->text.data);
  jobsrv__free(&alloc, errand);
  jobsrv_job_unref(job); /* may be the end of the server's memory */
}

static void on_errand(jobsrv__mail_t *mail, void *owner) {
  jobsrv__errand_t *errand = JOBSRV__CONTAINER(mail, jobsrv__errand_t, mail);

  if (owner != NULL) {
    jobsrv__plan_take(errand->job, errand->spare);
    errand->spare = NULL;
  }
  errand->run(errand, owner == NULL);
  jobsrv__errand_free(errand);
}

jobsrv__errand_t *jobsrv__errand_new(jobsrv_job_t *job,
                                     jobsrv__errand_cb run,
                                     const char *json,
                                     size_t len) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;
  jobsrv__errand_t *errand = jobsrv__zalloc(alloc, sizeof(*errand));

  if (errand == NULL)
    return NULL;
  errand->job = jobsrv_job_ref(job);
  errand->run = run;
  errand->mail.run = on_errand;
  if (json != NULL) {
    errand->text.data = jobsrv__strndup(alloc, json, len);
    errand->text.len = len;
  }
  if (job->plan == NULL)
    errand->spare = jobsrv__zalloc(alloc, sizeof(*errand->spare));
  if ((json == NULL || errand->text.data != NULL) &&
      (job->plan != NULL || errand->spare != NULL))
    return errand;
  jobsrv__errand_free(errand);
  return NULL;
}

int jobsrv__errand_go(jobsrv__errand_t *errand) {
  jobsrv_t *srv = errand->job->srv;
  int err;

  if (jobsrv__on_loop(srv) && jobsrv__mailbox_empty(srv->mailbox)) {
    on_errand(&errand->mail, srv);
    return 0;
  }
  err = jobsrv__mailbox_post(srv->mailbox, &errand->mail);
  if (err != 0)
    jobsrv__errand_free(errand);
  return err;
}
