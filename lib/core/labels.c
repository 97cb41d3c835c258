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

/* What the spec leaves open and a parent job has. */
static void inherit(jobsrv_spec_t *spec) {
  const jobsrv__labels_t *labels =
      spec->parent_job != NULL ? spec->parent_job->labels : NULL;

  if (labels == NULL)
    return;
  if (spec->correlation_id == NULL)
    spec->correlation_id = labels->correlation_id;
  if (spec->request_id == NULL)
    spec->request_id = labels->request_id;
}

static size_t texts_size(const jobsrv_spec_t *spec, const char *name) {
  size_t size = size_of(spec->principal) + size_of(spec->correlation_id) +
                size_of(spec->request_id) + size_of(name);

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
                        const jobsrv_spec_t *given,
                        const char *name,
                        jobsrv__labels_t **out) {
  jobsrv_spec_t spec = *given;
  jobsrv__labels_t *labels;
  jobsrv__trace_t trace = { 0 };
  size_t size = sizeof(*labels) + spec.ntags * sizeof(jobsrv_tag_t);
  size_t texts;
  int traced;
  char *at;

  *out = NULL;
  inherit(&spec);
  traced = jobsrv__trace_given(&spec, &trace);
  texts = texts_size(&spec, name);
  if (traced)
    texts += sizeof(trace) + size_of(trace.state);
  if (texts == 0)
    return 0;
  labels = jobsrv__malloc(alloc, size + texts);
  if (labels == NULL)
    return UV_ENOMEM;
  at = (char *) labels + size;
  labels->trace = NULL;
  if (traced)
    put_trace(labels, &trace, &at);
  labels->principal = put(&at, spec.principal);
  labels->correlation_id = put(&at, spec.correlation_id);
  labels->request_id = put(&at, spec.request_id);
  labels->name = put(&at, name);
  labels->ntags = spec.ntags;
  for (size_t i = 0; i < spec.ntags; i++) {
    labels->tags[i].key = put(&at, spec.tags[i].key);
    labels->tags[i].value = put(&at, spec.tags[i].value);
  }
  *out = labels;
  return 0;
}
