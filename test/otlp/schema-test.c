/* SPDX-License-Identifier: MIT */

/*
 * One schema, for a collector of OpenTelemetry: what narration/schema-test
 * shows for readers of JSON holds for it, name by name.
 */

#include "collector.h"

#include "narration/schema.h"

static json_t *plain_of(const json_t *any);

static json_t *list_of(const json_t *list) {
  json_t *all = json_array();
  json_t *one;
  size_t i;

  json_array_foreach(json_object_get(list, "values"), i, one)
    json_array_append_new(all, plain_of(one));
  return all;
}

static json_t *object_of(const json_t *list) {
  json_t *all = json_object();
  json_t *one;
  size_t i;

  json_array_foreach(json_object_get(list, "values"), i, one)
    json_object_set_new(all, text_of(one, "key"),
                        plain_of(json_object_get(one, "value")));
  return all;
}

/* An AnyValue as the JSON that it stands for. */
static json_t *plain_of(const json_t *any) {
  const json_t *value;

  if ((value = json_object_get(any, "intValue")) != NULL)
    return json_integer(strtoll(json_string_value(value), NULL, 10));
  if ((value = json_object_get(any, "arrayValue")) != NULL)
    return list_of(value);
  if ((value = json_object_get(any, "kvlistValue")) != NULL)
    return object_of(value);
  value = json_object_iter_value(json_object_iter((json_t *) (uintptr_t) any));
  return value == NULL ? json_null()
                       : json_incref((json_t *) (uintptr_t) value);
}

/* What stands elsewhere than among the attributes. */
static void take_places(json_t *want, const json_t *log, const schema_t *s) {
  assert_string_equal(text_of(log, "severityText"), "warn");
  assert_string_equal(text_of(log, "traceId"), s->event.trace_id);
  assert_string_equal(text_of(log, "spanId"), s->event.span_id);
  assert_string_equal(text_of(log, "timeUnixNano"), "1767225600000000000");
  assert_attr(log, "code.file.path", s->event.file);
  assert_attr(log, "code.line.number", "42");
  assert_attr(log, "code.function.name", s->event.function);
  assert_attr(log, "jobsrv.kind", "narration");
  json_object_del(want, "human"); /* it was found by that */
  json_object_del(want, "level");
  json_object_del(want, "trace_id");
  json_object_del(want, "span_id");
  json_object_del(want, "time");
  json_object_del(want, "source");
  json_object_del(want, "fn_name");
  json_object_del(want, "type");
}

static void assert_there(const json_t *log, const char *key, json_t *value) {
  json_t *any = attr(log, key);
  json_t *got;

  if (any == NULL)
    fail_msg("no %s", key);
  got = plain_of(any);
  if (!json_equal(got, value))
    fail_msg("%s: %s where %s was due", key, json_dumps(got, JSON_ENCODE_ANY),
             json_dumps(value, JSON_ENCODE_ANY));
  json_decref(got);
}

static void a_collector_has_all_of_it(void **state) {
  char id[JOBSRV_ID_SIZE], key[80];
  json_t *report, *log, *want, *extras, *value;
  const char *name;
  exporter_t e;
  size_t n = 5; /* kind, server_seq and those of the code */
  jobsrv_job_t *job;
  static schema_t s;

  (void) state;
  exporter_open(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_narrate_event(job, schema_event(&s)));
  schema_arrived(&s, jobsrv_job_id(job, id), last_seq(job));
  exporter_send(&e);
  /* its span is another's: the collector need not know it */
  report = collector_ask(&collector, "{'report': true}");
  log = log_of(report, s.event.human);
  want = schema_json(&s);
  extras = json_incref(json_object_get(want, "fields"));
  json_object_del(want, "fields");
  take_places(want, log, &s);
  json_object_foreach(want, name, value) {
    snprintf(key, sizeof(key), "jobsrv.%s", name);
    assert_there(log, key, value);
    n++;
  }
  json_object_foreach(extras, name, value) {
    assert_there(log, name, value);
    n++;
  }
  assert_int_equal(json_array_size(json_object_get(log, "attributes")), n);
  json_decref(want);
  json_decref(extras);
  json_decref(report);
  exporter_close(&e);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_collector_has_all_of_it),
};

RUN_WITH_COLLECTOR(tests);
