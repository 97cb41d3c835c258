/* SPDX-License-Identifier: MIT */

#include "core/labels.h"

#include "base/alloc.h"
#include "core/server.h"
#include "core/trace.h"

#include <string.h>

enum { MAX_LABEL = 128, MAX_TAG_KEY = 64, MAX_TAG_VALUE = 256 };

static size_t size_of(const char *text) {
  return text != NULL ? strlen(text) + 1 : 0;
}

int jobsrv__labels_check(const jobsrv_t *srv, const jobsrv_spec_t *spec) {
  size_t key;

  if (size_of(spec->principal) > MAX_LABEL + 1 ||
      size_of(spec->correlation_id) > MAX_LABEL + 1 ||
      size_of(spec->request_id) > MAX_LABEL + 1 ||
      spec->ntags > srv->options.max_tags)
    return JOBSRV_ETOOBIG;
  if (jobsrv__trace_check(spec) != 0)
    return UV_EINVAL;
  for (size_t i = 0; i < spec->ntags; i++) {
    key = size_of(spec->tags[i].key);
    if (key > MAX_TAG_KEY + 1 ||
        size_of(spec->tags[i].value) > MAX_TAG_VALUE + 1)
      return JOBSRV_ETOOBIG;
    if (key <= 1 || spec->tags[i].value == NULL ||
        strspn(spec->tags[i].key,
               "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
               "0123456789._-") != key - 1)
      return UV_EINVAL;
  }
  return 0;
}

static char *put(char **at, const char *text) {
  char *here = *at;

  if (text == NULL)
    return NULL;
  memcpy(here, text, strlen(text) + 1);
  *at += strlen(text) + 1;
  return here;
}

/* What goes into the block: of the spec, or of the parent job. */
typedef struct kept_s {
  const char *correlation_id;
  const char *request_id;
  jobsrv__trace_t trace;
  int is_traced;
} kept_t;

static void look(const jobsrv_spec_t *spec, kept_t *kept) {
  const jobsrv__labels_t *above =
      spec->parent_job != NULL ? spec->parent_job->labels : NULL;

  kept->correlation_id = spec->correlation_id;
  kept->request_id = spec->request_id;
  if (above != NULL && kept->correlation_id == NULL)
    kept->correlation_id = above->correlation_id;
  if (above != NULL && kept->request_id == NULL)
    kept->request_id = above->request_id;
  kept->is_traced = jobsrv__trace_given(spec, &kept->trace);
}

/* Of all behind the tags. */
static size_t size_behind(const jobsrv_spec_t *spec,
                          const kept_t *kept,
                          const char *name) {
  size_t size = size_of(spec->principal) + size_of(kept->correlation_id) +
                size_of(kept->request_id) + size_of(name);

  if (kept->is_traced)
    size += sizeof(kept->trace) + size_of(kept->trace.state);
  for (size_t i = 0; i < spec->ntags; i++)
    size += size_of(spec->tags[i].key) + size_of(spec->tags[i].value);
  return size;
}

/* Behind the tags, which it is aligned as. */
static void put_trace(jobsrv__labels_t *labels,
                      const jobsrv__trace_t *trace,
                      char **at) {
  labels->trace = (jobsrv__trace_t *) (void *) *at;
  *at += sizeof(*trace);
  labels->trace->above = trace->above;
  labels->trace->state = put(at, trace->state);
}

int jobsrv__labels_copy(const jobsrv_alloc_t *alloc,
                        const jobsrv_spec_t *spec,
                        const char *name,
                        jobsrv__labels_t **out) {
  jobsrv__labels_t *labels;
  size_t size = sizeof(*labels) + spec->ntags * sizeof(jobsrv_tag_t);
  size_t behind;
  kept_t kept;
  char *at;

  *out = NULL;
  look(spec, &kept);
  behind = size_behind(spec, &kept, name);
  if (behind == 0)
    return 0;
  labels = jobsrv__malloc(alloc, size + behind);
  if (labels == NULL)
    return UV_ENOMEM;
  at = (char *) labels + size;
  labels->trace = NULL;
  if (kept.is_traced)
    put_trace(labels, &kept.trace, &at);
  labels->principal = put(&at, spec->principal);
  labels->correlation_id = put(&at, kept.correlation_id);
  labels->request_id = put(&at, kept.request_id);
  labels->name = put(&at, name);
  labels->ntags = spec->ntags;
  for (size_t i = 0; i < spec->ntags; i++) {
    labels->tags[i].key = put(&at, spec->tags[i].key);
    labels->tags[i].value = put(&at, spec->tags[i].value);
  }
  *out = labels;
  return 0;
}
