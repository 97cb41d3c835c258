/* SPDX-License-Identifier: MIT */

#include "jobsrv/args.h"

#include "base/alloc.h"
#include "base/json_get.h"
#include "base/json_scan.h"
#include "core/payload.h"
#include "core/server.h"

#include <string.h>

/*
 * A text of JSON is never shorter escaped than it is plain, and its closing
 * quote leaves room for a NUL. So in a copy of the payload every text can be
 * unescaped where it stands, all of them in one pass, and found again by the
 * place that it has in the original. Whoever needs one first makes the copy;
 * of two who do so at once one publishes his and the other frees his own.
 */

jobsrv__payload_t *jobsrv__payload_new(const jobsrv_alloc_t *alloc,
                                       const char *text,
                                       size_t len) {
  jobsrv__payload_t *payload = jobsrv__malloc(alloc,
                                              sizeof(*payload) + len + 1);

  if (payload == NULL)
    return NULL;
  atomic_init(&payload->plain, NULL);
  payload->len = (uint32_t) len;
  memcpy(payload->text, text, len);
  payload->text[len] = '\0';
  return payload;
}

void jobsrv__payload_drop(const jobsrv_alloc_t *alloc,
                          jobsrv__payload_t *payload) {
  if (payload == NULL)
    return;
  jobsrv__free(alloc, atomic_load(&payload->plain));
  jobsrv__free(alloc, payload);
}

static jobsrv__payload_t *payload_of(const jobsrv_job_t *job) {
  return atomic_load_explicit(&job->payload, memory_order_acquire);
}

const char *jobsrv_job_payload(const jobsrv_job_t *job, size_t *len) {
  const jobsrv__payload_t *payload = payload_of(job);

  if (len != NULL)
    *len = payload != NULL ? payload->len : 2;
  return payload != NULL ? payload->text : "{}";
}

static void unescape_all(char *to, const char *text, size_t len) {
  const char *end = text + len;
  const char *content, *behind;
  char *plain;

  for (const char *p = text; p < end; p = behind) {
    content = memchr(p, '"', (size_t) (end - p));
    if (content == NULL)
      return;
    behind = jobsrv__json_skip_string(content, end);
    content++;
    plain = to + (content - text);
    plain[jobsrv__json_unescape(plain, content,
                                (size_t) (behind - 1 - content))] = '\0';
  }
}

/* The copy, made if need be; NULL without memory. */
static const char *plain_of(const jobsrv_alloc_t *alloc,
                            jobsrv__payload_t *payload) {
  char *there = atomic_load_explicit(&payload->plain, memory_order_acquire);
  char *mine;

  if (there != NULL)
    return there;
  mine = jobsrv__malloc(alloc, (size_t) payload->len + 1);
  if (mine == NULL)
    return NULL;
  unescape_all(mine, payload->text, payload->len);
  if (atomic_compare_exchange_strong_explicit(&payload->plain, &there, mine,
                                              memory_order_acq_rel,
                                              memory_order_acquire))
    return mine;
  jobsrv__free(alloc, mine);
  return there;
}

int jobsrv_job_arg_string(const jobsrv_job_t *job,
                          const char *name,
                          const char **out,
                          size_t *len) {
  jobsrv__payload_t *payload = payload_of(job);
  jobsrv__json_raw_t raw;
  const char *plain;
  int err;

  if (payload == NULL)
    return jobsrv__json_get_raw("{}", 2, name, &raw);
  err = jobsrv__json_get_raw(payload->text, payload->len, name, &raw);
  if (err != 0)
    return err;
  if (raw.has_nul && len == NULL)
    return JOBSRV_EARGTYPE;
  plain = plain_of(&job->srv->alloc, payload);
  if (plain == NULL)
    return UV_ENOMEM;
  *out = plain + (raw.text - payload->text);
  if (len != NULL)
    *len = raw.plain_len;
  return 0;
}

int jobsrv_job_arg_i64(const jobsrv_job_t *job,
                       const char *name,
                       int64_t *out) {
  size_t len;
  const char *text = jobsrv_job_payload(job, &len);

  return jobsrv_json_i64(text, len, name, out);
}

int jobsrv_job_arg_double(const jobsrv_job_t *job,
                          const char *name,
                          double *out) {
  size_t len;
  const char *text = jobsrv_job_payload(job, &len);

  return jobsrv_json_double(text, len, name, out);
}

int jobsrv_job_arg_bool(const jobsrv_job_t *job, const char *name, int *out) {
  size_t len;
  const char *text = jobsrv_job_payload(job, &len);

  return jobsrv_json_bool(text, len, name, out);
}

int jobsrv_job_arg_json(const jobsrv_job_t *job,
                        const char *name,
                        const char **out,
                        size_t *len) {
  size_t text_len;
  const char *text = jobsrv_job_payload(job, &text_len);

  return jobsrv_json_value(text, text_len, name, out, len);
}

int jobsrv_job_payload_take(jobsrv_job_t *job, char **out, size_t *len) {
  jobsrv__payload_t *payload = atomic_exchange(&job->payload, NULL);

  if (payload == NULL)
    return JOBSRV_ENOARG;
  *out = payload->text;
  if (len != NULL)
    *len = payload->len;
  return 0;
}

void jobsrv_payload_free(const jobsrv_job_t *job, char *payload) {
  if (payload != NULL)
    jobsrv__payload_drop(
        &job->srv->alloc,
        JOBSRV__CONTAINER(payload, jobsrv__payload_t, text));
}
