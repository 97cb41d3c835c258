/* SPDX-License-Identifier: MIT */

#include "sse/idempotency.h"

#include "base/alloc.h"

#include <string.h>

enum {
  LOOKS = 2 /* at old ones for each that is new */
};

/* A key that has made a job. */
typedef struct {
  jobsrv__queue_t link; /* in sse->keys */
  jobsrv__id_t key;     /* a hash of principal and key */
  jobsrv__id_t body;    /* a hash */
  jobsrv_handle_t job;
} kept_t;

/* ---- the request's ---- */

static int is_visible(jobsrv__span_t text) {
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] <= ' ' || text.data[i] > '~')
      return 0;
  return text.len > 0 && text.len <= JOBSRV__IDEMPOTENCY_KEY_MAX;
}

static jobsrv__id_t hash(const jobsrv_sse_t *sse, const void *data,
                         size_t len) {
  unsigned char bytes[JOBSRV__SIPHASH_SIZE];
  jobsrv__id_t to;

  jobsrv__siphash(bytes, sse->keys_secret, data, len);
  memcpy(&to, bytes, sizeof(to));
  return to;
}

/* The principal ends with a NUL, which no key has: none reads as another's. */
static jobsrv__id_t hash_key(const jobsrv__request_t *request,
                             jobsrv__span_t key) {
  char text[JOBSRV__PRINCIPAL_MAX + 1 + JOBSRV__IDEMPOTENCY_KEY_MAX];
  size_t len = strlen(request->principal) + 1;

  memcpy(text, request->principal, len);
  memcpy(text + len, key.data, key.len);
  return hash(request->sse, text, len + key.len);
}

static jobsrv__span_t key_of(const jobsrv__request_t *request, size_t *count) {
  return jobsrv__request_header(request, "idempotency-key", count);
}

/* ---- what is kept ---- */

static kept_t *find(const jobsrv_sse_t *sse, jobsrv__id_t key) {
  const uint64_t *at = jobsrv__map_get(&sse->keys_by_hash, key);

  return at != NULL ? (kept_t *) (uintptr_t) *at : NULL;
}

static void forget(jobsrv_sse_t *sse, kept_t *kept) {
  (void) jobsrv__map_del(&sse->keys_by_hash, kept->key);
  jobsrv__queue_remove(&kept->link);
  jobsrv__free(sse->alloc, kept);
}

/* As with tickets: a job that is gone takes its keys with it, in time. */
static void forget_some(jobsrv_sse_t *sse) {
  for (int i = 0; i < LOOKS; i++) {
    jobsrv__queue_t *link = jobsrv__queue_pop(&sse->keys);
    kept_t *kept;

    if (link == NULL)
      return;
    jobsrv__queue_push_back(&sse->keys, link);
    kept = JOBSRV__CONTAINER(link, kept_t, link);
    if (jobsrv_job_by_handle(sse->srv, kept->job) == NULL)
      forget(sse, kept);
  }
}

void jobsrv__keys_free(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_pop(&sse->keys)) != NULL)
    jobsrv__free(sse->alloc, JOBSRV__CONTAINER(link, kept_t, link));
  jobsrv__free(sse->alloc, sse->spare_key);
  jobsrv__map_free(&sse->keys_by_hash);
}

jobsrv__known_t jobsrv__key_find(const jobsrv__request_t *request,
                                 jobsrv_job_t **job) {
  const jobsrv_sse_t *sse = request->sse;
  size_t count = 0;
  jobsrv__span_t key = key_of(request, &count);
  kept_t *kept;

  if (count == 0)
    return JOBSRV__KEY_NONE;
  if (count > 1 || !is_visible(key))
    return JOBSRV__KEY_BAD;
  kept = find(sse, hash_key(request, key));
  *job = kept != NULL ? jobsrv_job_by_handle(sse->srv, kept->job) : NULL;
  if (*job == NULL)
    return JOBSRV__KEY_NEW;
  return jobsrv__id_equal(kept->body, hash(sse, request->body.data,
                                           request->body.len))
             ? JOBSRV__KEY_SAME
             : JOBSRV__KEY_OTHER;
}

int jobsrv__key_reserve(jobsrv_sse_t *sse) {
  if (sse->spare_key == NULL)
    sse->spare_key = jobsrv__zalloc(sse->alloc, sizeof(kept_t));
  if (sse->spare_key == NULL)
    return UV_ENOMEM;
  return jobsrv__map_reserve(&sse->keys_by_hash, sse->keys_by_hash.count + 1);
}

void jobsrv__key_keep(const jobsrv__request_t *request,
                      const jobsrv_job_t *job) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__id_t key = hash_key(request, key_of(request, NULL));
  kept_t *kept = find(sse, key);

  if (kept != NULL) /* of a job that is gone */
    forget(sse, kept);
  kept = sse->spare_key;
  sse->spare_key = NULL;
  kept->key = key;
  kept->body = hash(sse, request->body.data, request->body.len);
  kept->job = jobsrv_job_handle(job);
  (void) jobsrv__map_put(&sse->keys_by_hash, key,
                         (uint64_t) (uintptr_t) kept); /* there is room */
  jobsrv__queue_push_back(&sse->keys, &kept->link);
  forget_some(sse);
}
