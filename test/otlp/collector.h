/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_OTLP_COLLECTOR_H
#define JOBSRV_TEST_OTLP_COLLECTOR_H

/*
 * An exporter that sends to a collector. Time of the server stands still, that
 * of the collector does not.
 */

#include "narration/world.h"
#include "otlp/collector_process.h"

#include "jobsrv/otlp.h"

#include <sys/socket.h>

static inline size_t count_of(const json_t *report, const char *what) {
  return json_array_size(json_object_get(report, what));
}

/* ---- the exporter ---- */

typedef struct {
  world_t world;
  jobsrv_otlp_options_t options;
  jobsrv_otlp_t *otlp;
  collector_t *collector;
  char path[16];      /* of its own: the one before may still send */
  char endpoint[192];
} exporter_t;

static int exporters;

/* Set `options` and `world.options` as wanted, then exporter_start(). */
static inline void exporter_init(exporter_t *e) {
  memset(e, 0, sizeof(*e));
  world_init(&e->world);
  e->collector = &collector;
  snprintf(e->path, sizeof(e->path), "/t%d", ++exporters);
  snprintf(e->endpoint, sizeof(e->endpoint), "%s%s", collector.address,
           e->path);
  jobsrv_otlp_options_init(&e->options);
  e->options.endpoint = e->endpoint;
}

/* The collector forgets what it knew; `remote` are ids of spans elsewhere. */
static inline void exporter_reset(exporter_t *e, const char *remote) {
  char command[256];

  snprintf(command, sizeof(command),
           "{'reset': true, 'path': '%s', 'remote': [%s]}", e->path, remote);
  collector_tell(e->collector, command);
}

static inline void exporter_start(exporter_t *e) {
  exporter_reset(e, "");
  world_start(&e->world);
  assert_ok(jobsrv_otlp_add(e->world.srv, &e->options, &e->otlp));
}

static inline void exporter_open(exporter_t *e) {
  exporter_init(e);
  exporter_start(e);
}

static inline void exporter_close(exporter_t *e) {
  world_close(&e->world);
}

static inline jobsrv_otlp_stats_t stats_of(const exporter_t *e) {
  jobsrv_otlp_stats_t stats = { .size = sizeof(stats) };

  jobsrv_otlp_stats(e->otlp, &stats);
  return stats;
}

static inline int all_is_sent(void *data) {
  return stats_of(data).waiting == 0;
}

/* Lets the batches close and all of it be sent. */
static inline void exporter_send(exporter_t *e) {
  world_pass(&e->world, e->options.delay_ms != 0 ? e->options.delay_ms : 1000);
  if (!run_until(&e->world.loop, all_is_sent, e, 10000))
    fail_msg("%d records still wait: %s", (int) stats_of(e).waiting,
             stats_of(e).last_error);
}

static inline json_t *exporter_report(exporter_t *e) {
  exporter_send(e);
  return collector_report(e->collector);
}

/* ---- what has come ---- */

/* The value of an attribute, an AnyValue; NULL when it is not there. */
static inline json_t *attr(const json_t *record, const char *key) {
  json_t *one;
  size_t i;

  json_array_foreach(json_object_get(record, "attributes"), i, one)
    if (strcmp(text_of(one, "key"), key) == 0)
      return json_object_get(one, "value");
  return NULL;
}

static inline const char *attr_text(const json_t *record, const char *key) {
  return text_of(attr(record, key), "stringValue");
}

static inline const char *attr_int(const json_t *record, const char *key) {
  return text_of(attr(record, key), "intValue");
}

/* The record of this kind whose body, or name, is `name`; the `n`th of them. */
static inline json_t *record_at(const json_t *report,
                                const char *what,
                                const char *name,
                                size_t n) {
  json_t *one;
  size_t i;

  json_array_foreach(json_object_get(report, what), i, one) {
    const char *text = text_of(one, "name");

    if (text == NULL)
      text = text_of(json_object_get(one, "body"), "stringValue");
    if (text != NULL && strcmp(text, name) == 0 && n-- == 0)
      return one;
  }
  return NULL;
}

static inline json_t *log_of(const json_t *report, const char *body) {
  json_t *record = record_at(report, "logs", body, 0);

  if (record == NULL)
    fail_msg("there is no log \"%s\"", body);
  return record;
}

static inline json_t *span_of(const json_t *report, const char *name) {
  json_t *record = record_at(report, "spans", name, 0);

  if (record == NULL)
    fail_msg("there is no span \"%s\"", name);
  return record;
}

static inline void assert_attr(const json_t *record,
                               const char *key,
                               const char *text) {
  const char *found = attr_text(record, key);

  if (found == NULL)
    found = attr_int(record, key);
  if (found == NULL || strcmp(found, text) != 0)
    fail_msg("%s is %s where %s was due", key, found != NULL ? found : "not",
             text);
}

static inline int status_of(const json_t *span) {
  return (int) int_of(json_object_get(span, "status"), "code");
}

#endif /* JOBSRV_TEST_OTLP_COLLECTOR_H */
