/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/options.h"
#include "core/schedule.h"

#include <string.h>

enum { MAX_CATCH_UP = 10000 };

static const uint64_t NS_PER_MS = 1000000;

static uint64_t ns_of(uint64_t ms) {
  return ms < UINT64_MAX / NS_PER_MS ? ms * NS_PER_MS : UINT64_MAX;
}

/* ---- checks ---- */

static int spec_ok(const jobsrv_spec_t *spec) {
  return spec->data == NULL && spec->release == NULL && spec->parent == NULL &&
         spec->parent_job == NULL && spec->after == NULL && spec->nafter == 0 &&
         spec->delay_ms == 0 && spec->run_at_wall_ns == 0 &&
         (spec->ntags == 0 || spec->tags != NULL);
}

static int options_ok(const jobsrv_schedule_options_t *options) {
  return (options->cron != NULL) != (options->every_ms != 0) &&
         (options->zone == NULL || options->cron != NULL) &&
         options->spec != NULL && options->misfire >= JOBSRV_MISFIRE_ONCE &&
         options->misfire <= JOBSRV_MISFIRE_CATCH_UP &&
         options->max_catch_up <= MAX_CATCH_UP &&
         options->overlap >= JOBSRV_OVERLAP_SKIP &&
         options->overlap <= JOBSRV_OVERLAP_CANCEL_PREVIOUS;
}

/* ---- the copy: one block, the tags behind the struct, then the texts ---- */

static const char *const *text_of(const jobsrv_spec_t *spec, size_t i) {
  const char *const *const texts[] = {
    &spec->operation, &spec->group,          &spec->unique_key,
    &spec->principal, &spec->correlation_id, &spec->request_id,
    &spec->traceparent,
    &spec->tracestate,
  };

  return i < sizeof(texts) / sizeof(texts[0]) ? texts[i] : NULL;
}

static size_t size_of(const char *text) {
  return text != NULL ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text, size_t size) {
  char *here = *at;

  if (text == NULL)
    return NULL;
  memcpy(here, text, size);
  *at += size;
  return here;
}

static size_t payload_size(const jobsrv_spec_t *spec) {
  return spec->payload != NULL ? spec->payload_len + 1 : 0;
}

static size_t texts_size(const jobsrv_schedule_options_t *options,
                         const jobsrv_spec_t *spec) {
  size_t size = size_of(options->cron) + size_of(options->zone) +
                payload_size(spec);

  for (size_t i = 0; text_of(spec, i) != NULL; i++)
    size += size_of(*text_of(spec, i));
  for (size_t i = 0; i < spec->ntags; i++)
    size += size_of(spec->tags[i].key) + size_of(spec->tags[i].value);
  return size;
}

/* A host need not end its payload with a NUL; the block is zeroed. */
static void copy_payload(jobsrv_spec_t *to, char **at) {
  char *here = *at;

  if (to->payload == NULL)
    return;
  memcpy(here, to->payload, to->payload_len);
  *at += to->payload_len + 1;
  to->payload = here;
}

static void copy(jobsrv__timetable_t *table,
                 const jobsrv_schedule_options_t *options,
                 const jobsrv_spec_t *spec) {
  jobsrv_tag_t *tags = (jobsrv_tag_t *) (void *) (table + 1);
  char *at = (char *) (tags + spec->ntags);

  table->spec = *spec;
  table->cron = put(&at, options->cron, size_of(options->cron));
  table->zone_name = put(&at, options->zone, size_of(options->zone));
  for (size_t i = 0; text_of(spec, i) != NULL; i++)
    *(const char **) (uintptr_t) text_of(&table->spec, i) =
        put(&at, *text_of(spec, i), size_of(*text_of(spec, i)));
  for (size_t i = 0; i < spec->ntags; i++) {
    tags[i].key = put(&at, spec->tags[i].key, size_of(spec->tags[i].key));
    tags[i].value = put(&at, spec->tags[i].value, size_of(spec->tags[i].value));
  }
  table->spec.tags = spec->ntags > 0 ? tags : NULL;
  copy_payload(&table->spec, &at);
}

static void fill(jobsrv__timetable_t *table,
                 const jobsrv_schedule_options_t *options) {
  table->refs = 1;
  table->every_ms = options->every_ms;
  table->every_ns = ns_of(options->every_ms);
  table->misfire = options->misfire;
  table->overlap = options->overlap;
  table->max_catch_up = options->max_catch_up != 0 ? options->max_catch_up : 10;
  table->misfire_after_ns = ns_of(
      options->misfire_after_ms != 0 ? options->misfire_after_ms : 1000);
}

int jobsrv__timetable_new(jobsrv__timetable_t **out,
                          jobsrv_t *srv,
                          const jobsrv_schedule_options_t *options,
                          jobsrv_cron_error_t *mistake) {
  jobsrv__timetable_t *table;
  jobsrv__cron_t sets = { 0 };
  jobsrv_spec_t spec;
  int err;

  if (!options_ok(options))
    return UV_EINVAL;
  err = jobsrv__options_read(&spec, sizeof(spec), sizeof(spec), options->spec);
  if (err != 0)
    return err;
  spec.size = sizeof(spec);
  if (!spec_ok(&spec))
    return UV_EINVAL;
  if (spec.payload != NULL && spec.payload_len == 0)
    spec.payload_len = strlen(spec.payload);
  if (spec.operation == NULL ||
      jobsrv__operation_find(srv, spec.operation) == NULL)
    return JOBSRV_ENOOPERATION;
  if (options->cron != NULL)
    err = jobsrv__cron_read(&sets, options->cron, mistake);
  if (err != 0)
    return err;

  table = jobsrv__zalloc(&srv->alloc, sizeof(*table) +
                                          spec.ntags * sizeof(jobsrv_tag_t) +
                                          texts_size(options, &spec));
  if (table == NULL)
    return UV_ENOMEM;
  copy(table, options, &spec);
  fill(table, options);
  table->sets = sets;
  if (options->zone != NULL)
    err = jobsrv__zone_load(&table->zone, &srv->alloc, srv->options.zoneinfo,
                            options->zone);
  if (err != 0) {
    jobsrv__timetable_unref(srv, table);
    return err;
  }
  *out = table;
  return 0;
}

void jobsrv__timetable_unref(jobsrv_t *srv, jobsrv__timetable_t *table) {
  if (--table->refs > 0)
    return;
  jobsrv__zone_free(table->zone);
  jobsrv__free(&srv->alloc, table);
}
