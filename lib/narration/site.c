/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/clock.h"
#include "jobsrv/emit.h"
#include "narration/narration.h"

#include <string.h>

#include <uv.h>

/*
 * How often a place may narrate. `next_ns` is when the site would be empty
 * again if nothing more came: each event moves it on by its share of the time,
 * and passes while it is no further off than all of it. One word, so that one
 * compare-and-swap decides; the count of the others is a word of its own.
 */

/* 1 if there is room for one more at `now`, which it has then taken. */
static int takes(jobsrv_site_t *site, uint64_t now) {
  uint64_t count = site->count != 0 ? site->count : 1;
  uint64_t all = (site->per_ms != 0 ? site->per_ms : 1000) * UINT64_C(1000000);
  uint64_t share = all / count;
  uint64_t next = __atomic_load_n(&site->next_ns, __ATOMIC_RELAXED);
  uint64_t then;

  do {
    /* never further than that, but for a server of another clock */
    then = next < now || next - now > all ? now : next;
    if (then - now > share * (count - 1))
      return 0;
  } while (!__atomic_compare_exchange_n(&site->next_ns, &next, then + share, 1,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return 1;
}

/* The fields and one more, of memory that is the caller's; NULL: none. */
static jobsrv_field_t *with_count(const jobsrv_alloc_t *alloc,
                                  jobsrv_event_t *event,
                                  uint64_t count) {
  jobsrv_field_t *fields =
      jobsrv__malloc(alloc, (event->nfields + 1) * sizeof(*fields));

  if (fields == NULL)
    return NULL;
  if (event->nfields > 0)
    memcpy(fields, event->fields, event->nfields * sizeof(*fields));
  fields[event->nfields] = jobsrv_field_u64("suppressed", count);
  event->fields = fields;
  event->nfields++;
  return fields;
}

static int say(jobsrv_t *srv,
               jobsrv_job_t *job,
               jobsrv_site_t *site,
               jobsrv_event_t *event,
               const char *human,
               va_list args) {
  const char *const formats[JOBSRV__VOICES] = { human };
  const jobsrv_alloc_t alloc = srv->alloc;
  jobsrv_field_t *fields = NULL;
  uint64_t count = 0;
  int err;

  if (__atomic_load_n(&site->suppressed, __ATOMIC_RELAXED) != 0)
    count = __atomic_exchange_n(&site->suppressed, 0, __ATOMIC_RELAXED);
  if (count > 0)
    fields = with_count(&alloc, event, count);
  err = jobsrv__say(job, event, formats, args);
  if (count > 0 && (err != 0 || fields == NULL)) /* the next one will tell */
    (void) __atomic_fetch_add(&site->suppressed, count, __ATOMIC_RELAXED);
  if (fields != NULL)
    jobsrv__free(&alloc, fields);
  return err;
}

int jobsrv_narrate_limited(jobsrv_job_t *job,
                           jobsrv_site_t *site,
                           const jobsrv_event_t *event,
                           const char *human,
                           ...) {
  jobsrv_event_t mine;
  jobsrv_t *srv;
  va_list args;
  int err;

  if (jobsrv__event_read(&mine, event) != 0)
    return UV_EINVAL;
  if (job == NULL)
    job = jobsrv_context_job();
  if (!jobsrv_narrates(job, mine.level))
    return 0;
  if (job != NULL && jobsrv__job_ended(job))
    return JOBSRV_EENDED;
  srv = job != NULL ? job->srv : jobsrv__context_server();
  if (srv == NULL)
    return JOBSRV_ENOCONTEXT;
  if (!takes(site, jobsrv__now(srv->clock))) {
    (void) __atomic_fetch_add(&site->suppressed, 1, __ATOMIC_RELAXED);
    return 0;
  }
  va_start(args, human);
  err = say(srv, job, site, &mine, human, args);
  va_end(args);
  return err;
}
