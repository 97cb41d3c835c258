/* SPDX-License-Identifier: MIT */

#include "jobsrv/list.h"

#include "base/options.h"
#include "core/server.h"

#include <string.h>

/*
 * All jobs stand in one list, in order of creation, and a page remembers the
 * number of a job: so what comes, ends or goes between two pages moves nothing.
 */

static int has_tag(const jobsrv_job_t *job, const jobsrv_filter_t *filter) {
  const jobsrv__labels_t *labels = job->labels;

  if (filter->tag_key == NULL)
    return 1;
  for (size_t i = 0; labels != NULL && i < labels->ntags; i++)
    if (strcmp(labels->tags[i].key, filter->tag_key) == 0 &&
        (filter->tag_value == NULL ||
         strcmp(labels->tags[i].value, filter->tag_value) == 0))
      return 1;
  return 0;
}

static int matches(const jobsrv_job_t *job, const jobsrv_filter_t *filter) {
  const char *principal = job->labels != NULL ? job->labels->principal : NULL;

  if (filter->states != 0 &&
      !(filter->states & JOBSRV_STATE_BIT(jobsrv_job_state(job))))
    return 0;
  if (filter->operation != NULL &&
      strcmp(filter->operation, jobsrv_job_operation(job)) != 0)
    return 0;
  if (filter->principal != NULL &&
      (principal == NULL || strcmp(filter->principal, principal) != 0))
    return 0;
  if (filter->public_only && (job->flags & JOBSRV__JOB_PRIVATE))
    return 0;
  return has_tag(job, filter);
}

static jobsrv_job_t *job_of(const jobsrv__queue_t *link) {
  return JOBSRV__CONTAINER((uintptr_t) link, jobsrv_job_t, in_all);
}

/* The next older one, or NULL. */
static jobsrv_job_t *older(const jobsrv_t *srv, const jobsrv__queue_t *link) {
  return link->prev != &srv->registry.all ? job_of(link->prev) : NULL;
}

/* The newest that is older than the page, or NULL. */
static jobsrv_job_t *behind(const jobsrv_t *srv, const jobsrv_page_t *page) {
  jobsrv_job_t *job = older(srv, &srv->registry.all);

  if (page->number == 0)
    return job;
  if (page->number > srv->registry.number) /* not from here */
    return NULL;
  /* found at once as long as it is there */
  if (jobsrv_job_by_handle(srv, page->job) != NULL &&
      jobsrv_job_by_handle(srv, page->job)->number == page->number)
    return older(srv, &jobsrv_job_by_handle(srv, page->job)->in_all);
  while (job != NULL && job->number >= page->number)
    job = older(srv, &job->in_all);
  return job;
}

/* 0 for a filter that asks for what is not known here: it matches none. */
static int filter_read(jobsrv_filter_t *to, const jobsrv_filter_t *from) {
  memset(to, 0, sizeof(*to));
  return from == NULL ||
         jobsrv__options_read(to, sizeof(*to), sizeof(*to), from) == 0;
}

size_t jobsrv_list(const jobsrv_t *srv,
                   const jobsrv_filter_t *filter,
                   jobsrv_page_t *page,
                   jobsrv_job_t **jobs,
                   size_t max) {
  jobsrv_page_t at = *page;
  jobsrv_filter_t mine;
  jobsrv_job_t *job;
  size_t n = 0;

  JOBSRV__ASSERT_LOOP(srv);
  if (max == 0)
    return 0;
  memset(page, 0, sizeof(*page));
  if (!filter_read(&mine, filter))
    return 0;
  for (job = behind(srv, &at); job != NULL; job = older(srv, &job->in_all)) {
    if (matches(job, &mine)) {
      if (n == max) { /* there is more, from here on */
        *page = at;
        break;
      }
      jobs[n++] = job;
    }
    at.number = job->number;
    at.job = jobsrv_job_handle(job);
  }
  return n;
}

size_t jobsrv_cancel_all(jobsrv_t *srv,
                         const jobsrv_filter_t *filter,
                         const jobsrv_reason_t *reason) {
  jobsrv_page_t page = { 0 };
  jobsrv_job_t *job;
  size_t asked = 0;

  JOBSRV__ASSERT_LOOP(srv);
  do {
    if (jobsrv_list(srv, filter, &page, &job, 1) == 0)
      break;
    jobsrv_job_ref(job); /* its hooks may have it forgotten */
    asked += jobsrv_job_cancel(job, reason) == 0;
    jobsrv_job_unref(job);
  } while (page.number != 0 && !atomic_load(&srv->closed));
  return asked;
}
