/* SPDX-License-Identifier: MIT */

#include "core/unique.h"

#include "base/alloc.h"
#include "core/hold.h"
#include "core/plan.h"
#include "core/server.h"
#include "jobsrv/list.h"

#include <string.h>

/*
 * A small table with chains. What a job adds to it is allocated with the job's
 * plan, so taking and dropping a key cannot fail; a table that cannot grow only
 * gets slower. The jobs of one key form a line from the newest to the oldest,
 * of which the newest alone is in the table.
 */

enum { FIRST_BUCKETS = 16 };

struct jobsrv__unique_s {
  jobsrv_job_t *job;
  jobsrv__unique_t *chain;  /* in the table; of the newest */
  jobsrv__unique_t *older;  /* of the same key */
  jobsrv__unique_t *newer;
  uint64_t hash;
  int taken;
  char key[];
};

/* Who does not know the seed cannot choose keys that meet in one chain. */
static uint64_t hash_of(const jobsrv_t *srv,
                        const jobsrv__operation_t *operation,
                        const char *key) {
  uint64_t h = srv->uniques.seed ^ (uint64_t) (uintptr_t) operation;

  for (; *key != '\0'; key++) {
    h = (h ^ (unsigned char) *key) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 29;
  }
  return h ^ h >> 32;
}

static jobsrv__unique_t **bucket_of(const jobsrv__uniques_t *all,
                                    uint64_t hash) {
  return &all->buckets[hash & (all->nbuckets - 1)];
}

/* What points to the newest of a key; what is there may be NULL. */
static jobsrv__unique_t **place_of(const jobsrv_t *srv,
                                   const jobsrv__operation_t *operation,
                                   const char *key,
                                   uint64_t hash) {
  jobsrv__unique_t **at = bucket_of(&srv->uniques, hash);

  while (*at != NULL &&
         ((*at)->hash != hash || (*at)->job->operation != operation ||
          strcmp((*at)->key, key) != 0))
    at = &(*at)->chain;
  return at;
}

jobsrv_job_t *jobsrv__unique_find(const jobsrv_t *srv,
                                  const jobsrv__operation_t *operation,
                                  const char *key) {
  jobsrv__unique_t *newest;

  if (srv->uniques.count == 0)
    return NULL;
  newest = *place_of(srv, operation, key, hash_of(srv, operation, key));
  return newest != NULL ? newest->job : NULL;
}

int jobsrv__unique_look(const jobsrv_t *srv,
                        const jobsrv__operation_t *operation,
                        const jobsrv_spec_t *spec,
                        jobsrv_job_t **holder) {
  jobsrv_job_t *job;

  *holder = NULL;
  if (spec->unique_key == NULL)
    return 0;
  job = jobsrv__unique_find(srv, operation, spec->unique_key);
  if (job == NULL)
    return 0;
  switch (spec->on_conflict) {
    case JOBSRV_CONFLICT_EXISTING: *holder = job; return 0;
    case JOBSRV_CONFLICT_REJECT: return JOBSRV_ECONFLICT;
    default: break;
  }
  /* one that has been asked already lets go whatever it says now; one whose
     attempt is stopped by a clock may go on to the next */
  return atomic_load(&job->cancellable) ||
                 (jobsrv_job_cancelled(job) &&
                  !jobsrv__reason_of_attempt(jobsrv_token_reason(&job->token)))
             ? 0
             : JOBSRV_ENOTCANCELLABLE;
}

/* Room for one more key; fails only when there is no table at all. */
static int grow(jobsrv_t *srv) {
  jobsrv__uniques_t *all = &srv->uniques;
  jobsrv__uniques_t more = *all;

  if (all->count < all->nbuckets)
    return 0;
  more.nbuckets = all->nbuckets != 0 ? all->nbuckets * 2 : FIRST_BUCKETS;
  more.buckets = jobsrv__zalloc(&srv->alloc,
                                more.nbuckets * sizeof(*more.buckets));
  if (more.buckets == NULL)
    return all->nbuckets != 0 ? 0 : UV_ENOMEM;
  if (all->nbuckets == 0)
    more.seed = jobsrv__random_u64(srv);
  for (size_t i = 0; i < all->nbuckets; i++) {
    jobsrv__unique_t *one, *next;

    for (one = all->buckets[i]; one != NULL; one = next) {
      next = one->chain;
      one->chain = *bucket_of(&more, one->hash);
      *bucket_of(&more, one->hash) = one;
    }
  }
  jobsrv__free(&srv->alloc, all->buckets);
  *all = more;
  return 0;
}

int jobsrv__unique_plan(jobsrv_job_t *job, const char *key) {
  jobsrv_t *srv = job->srv;
  jobsrv__plan_t *plan = job->plan;
  size_t len = strlen(key);
  jobsrv__unique_t *mine;

  if (grow(srv) != 0)
    return UV_ENOMEM;
  mine = jobsrv__zalloc(&srv->alloc, sizeof(*mine) + len + 1);
  if (mine == NULL)
    return UV_ENOMEM;
  memcpy(mine->key, key, len + 1);
  mine->job = job;
  mine->hash = hash_of(srv, job->operation, key);
  plan->unique = mine;
  if (jobsrv__unique_find(srv, job->operation, key) != NULL)
    jobsrv__job_hold(job, JOBSRV__HOLD_UNIQUE);
  return 0;
}

void jobsrv__unique_take(jobsrv_job_t *job) {
  const jobsrv__plan_t *plan = job->plan;
  jobsrv__unique_t *mine = plan != NULL ? plan->unique : NULL;
  jobsrv__unique_t **at;

  if (mine == NULL)
    return;
  at = place_of(job->srv, job->operation, mine->key, mine->hash);
  mine->taken = 1;
  mine->older = *at;
  if (mine->older != NULL) {
    mine->chain = mine->older->chain;
    mine->older->newer = mine;
  } else {
    job->srv->uniques.count++;
  }
  *at = mine;
}

void jobsrv__unique_replace(jobsrv_job_t *job) {
  static const jobsrv_reason_t replaced = { .code = JOBSRV_REASON_REPLACED };
  const jobsrv__plan_t *plan = job->plan;
  jobsrv_job_t *before;

  if (plan == NULL || plan->unique == NULL || plan->unique->older == NULL)
    return; /* there is none any more, or a hook has ended the new one */
  before = jobsrv_job_ref(plan->unique->older->job);
  (void) jobsrv_job_cancel(before, &replaced);
  jobsrv_job_unref(before);
}

void jobsrv__unique_drop(jobsrv_job_t *job) {
  const jobsrv__plan_t *plan = job->plan;
  jobsrv__unique_t *mine = plan != NULL ? plan->unique : NULL;
  jobsrv__unique_t **at;

  if (mine == NULL || !mine->taken)
    return;
  mine->taken = 0;
  if (mine->newer != NULL) {
    mine->newer->older = mine->older;
    if (mine->older != NULL)
      mine->older->newer = mine->newer;
    mine->older = mine->newer = NULL;
    return;
  }
  at = place_of(job->srv, job->operation, mine->key, mine->hash);
  if (mine->older != NULL) {
    mine->older->newer = NULL;
    mine->older->chain = mine->chain;
    *at = mine->older;
    mine->older = NULL;
  } else {
    *at = mine->chain;
    job->srv->uniques.count--;
  }
}

/* Whoever comes in between ends at once, so that the line is short. */
void jobsrv__unique_next(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;
  const jobsrv__plan_t *plan = job->plan;
  jobsrv__unique_t *oldest;

  if (plan == NULL || plan->unique == NULL ||
      srv->phase == JOBSRV__CLOSING || srv->uniques.count == 0)
    return;
  oldest = *place_of(srv, job->operation, plan->unique->key,
                     plan->unique->hash);
  while (oldest != NULL && oldest->older != NULL)
    oldest = oldest->older;
  if (oldest != NULL)
    jobsrv__job_release(oldest->job, JOBSRV__HOLD_UNIQUE);
}

const char *jobsrv__unique_key(const jobsrv_job_t *job) {
  const jobsrv__plan_t *plan = job->plan;

  return plan != NULL && plan->unique != NULL ? plan->unique->key : NULL;
}

int jobsrv_find_unique(const jobsrv_t *srv,
                       const char *operation,
                       const char *unique_key,
                       jobsrv_job_t **out) {
  const jobsrv__operation_t *found = jobsrv__operation_find(srv, operation);
  jobsrv_job_t *job = NULL;

  JOBSRV__ASSERT_LOOP(srv);
  if (found != NULL)
    job = jobsrv__unique_find(srv, found, unique_key);
  if (job == NULL)
    return JOBSRV_ENOJOB;
  *out = job;
  return 0;
}
