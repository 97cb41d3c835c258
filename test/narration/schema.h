/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_NARRATION_SCHEMA_H
#define JOBSRV_TEST_NARRATION_SCHEMA_H

/*
 * One event that has everything an event can have, and what it has to look like
 * wherever it goes. Both follow from two lists: SCHEMA_MEMBERS here, which
 * must be all of jobsrv_event_t or this does not compile, and the library's
 * list of well-known fields. So a member or field that is added without a place
 * in the JSON, or that is lost on the way to one reader, is a test that fails.
 */

#include "test.h"

#include "jobsrv/jobsrv.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

/* type, member, how it is shown, and as what. In the order of the struct. */
#define SCHEMA_MEMBERS(XX)                                                    \
  XX(size_t, size, HIDDEN, "")                                                \
  XX(int, level, LEVEL, "level")                                              \
  XX(const char *, actor, TEXT, "actor")                                      \
  XX(const char *, action, TEXT, "action")                                    \
  XX(const char *, target, TEXT, "target")                                    \
  XX(const char *, human, TEXT, "human")                                      \
  XX(const char *, cute, TEXT, "cute")                                        \
  XX(const char *, story, TEXT, "story")                                      \
  XX(const char *, correlation_id, TEXT, "correlation_id")                    \
  XX(const char *, request_id, TEXT, "request_id")                            \
  XX(const char *, trace_id, TEXT, "trace_id")                                \
  XX(const char *, span_id, TEXT, "span_id")                                  \
  XX(const char *, parent_span_id, TEXT, "parent_span_id")                    \
  XX(const char *, file, SOURCE, "source")                                    \
  XX(int, line, HIDDEN, "") /* in `source` */                                 \
  XX(const char *, function, TEXT, "fn_name")                                 \
  XX(const jobsrv_field_t *, fields, FIELDS, "fields")                        \
  XX(size_t, nfields, HIDDEN, "")                                             \
  XX(const char *, payload, HIDDEN, "payload") /* of data alone */            \
  XX(size_t, payload_len, HIDDEN, "")                                         \
  XX(jobsrv_kind_t, kind, KIND, "type")                                       \
  XX(uint64_t, seq, NUMBER, "seq")                                            \
  XX(uint64_t, server_seq, HIDDEN, "") /* in ids of streams of many jobs */   \
  XX(uint64_t, wall_ns, TIME, "time")                                         \
  XX(const char *, job_id, TEXT, "job_id")                                    \
  XX(jobsrv_job_t *, job, HIDDEN, "")                                         \
  XX(const char *, json, HIDDEN, "")                                          \
  XX(size_t, json_len, HIDDEN, "")

#define XX(type, name, how, as) type name;
typedef struct {
  SCHEMA_MEMBERS(XX)
} schema_mirror_t;
#undef XX
_Static_assert(sizeof(schema_mirror_t) == sizeof(jobsrv_event_t),
               "SCHEMA_MEMBERS lists all of jobsrv_event_t");
#define XX(type, name, how, as)                                               \
  _Static_assert(offsetof(schema_mirror_t, name) ==                           \
                     offsetof(jobsrv_event_t, name),                          \
                 "SCHEMA_MEMBERS is in the order of jobsrv_event_t");
SCHEMA_MEMBERS(XX)
#undef XX

/* What the original's events have, and what those are called here. */
#define SCHEMA_TAXONOMY(XX)                                                   \
  XX(actor, "actor") XX(action, "action") XX(target, "target")                \
  XX(human, "human") XX(level, "level") XX(fn_name, "fn_name")                \
  XX(cute, "cute") XX(story, "story") XX(correlation_id, "correlation_id")    \
  XX(session_id, "session_id") XX(job_id, "job_id") XX(task_id, "task_id")    \
  XX(pool_id, "pool_id") XX(replica_id, "replica_id")                         \
  XX(worker_id, "worker_id") XX(hive_id, "hive_id")                           \
  XX(operation, "operation") XX(error_kind, "error_kind")                     \
  XX(retry_after_ms, "retry_after_ms") XX(backoff_ms, "backoff_ms")           \
  XX(duration_ms, "duration_ms")                                              \
  XX(predicted_start_ms, "predicted_start_ms")                                \
  XX(queue_position, "queue_position") XX(engine, "engine")                   \
  XX(engine_version, "engine_version") XX(model_ref, "model_ref")             \
  XX(device, "device") XX(tokens_in, "tokens_in")                             \
  XX(tokens_out, "tokens_out") XX(decode_time_ms, "decode_time_ms")           \
  XX(emitted_by, "emitted_by") XX(emitted_at_ms, "emitted_at_ms")             \
  XX(trace_id, "trace_id") XX(span_id, "span_id")                             \
  XX(parent_span_id, "parent_span_id") XX(source_location, "source")

/* Of the host's own: each type twice, where it has two sides. */
#define SCHEMA_EXTRAS(XX)                                                     \
  XX(text, STRING, .string = "\"q\" \\ ] = \xc3\xa9\xf0\x9f\x91\x8d")         \
  XX(none, STRING, .string = NULL)                                            \
  XX(least, I64, .i64 = INT64_MIN)                                            \
  XX(minus, I64, .i64 = -1)                                                   \
  XX(most, U64, .u64 = INT64_MAX)                                             \
  XX(tenth, DOUBLE, .f64 = 0.1)                                               \
  XX(tiny, DOUBLE, .f64 = -2.5e-300)                                          \
  XX(yes, BOOL, .boolean = 1)                                                 \
  XX(no, BOOL, .boolean = 0)                                                  \
  XX(list, JSON, .string = "[ 1, \"two\", {\"k\" : null} ]")                  \
  XX(object, JSON, .string = "{\"a\":{\"b\":[true,false]}}")                  \
  XX(dotted.key-x, STRING, .string = "d")

enum {
#define XX(name, type) +1
  SCHEMA_WELL_KNOWN = JOBSRV_WELL_KNOWN_MAP(XX),
#undef XX
#define XX(...) +1
  SCHEMA_FIELDS = SCHEMA_WELL_KNOWN SCHEMA_EXTRAS(XX)
#undef XX
};

typedef struct {
  jobsrv_event_t event;
  jobsrv_field_t fields[SCHEMA_FIELDS];
  char texts[SCHEMA_WELL_KNOWN][80];
} schema_t;

static inline void schema_well_known(schema_t *s, size_t i) {
  jobsrv_field_t *field = &s->fields[i];

  if (field->type == JOBSRV_FIELD_STRING) {
    snprintf(s->texts[i], sizeof(s->texts[i]),
             "the %s, \"q\" \\ ] \xc3\xa9 \xf0\x9f\x91\x8d", field->key);
    field->as.string = s->texts[i];
  } else if (field->type == JOBSRV_FIELD_JSON) {
    field->as.string = "[{\"name\":\"a\",\"n\":1}]";
  } else {
    /* this fails for a type of which none was well-known before */
    assert_int_equal(field->type, JOBSRV_FIELD_U64);
    field->as.u64 = UINT64_C(9000000000000000000) + i;
  }
}

/* What to narrate. */
static inline const jobsrv_event_t *schema_event(schema_t *s) {
#define XX(name, kind) { .key = #name, .type = JOBSRV_FIELD_##kind },
#define YY(name, kind, value)                                                 \
  { .key = #name, .type = JOBSRV_FIELD_##kind, .as = { value } },
  const jobsrv_field_t fields[] = {
    JOBSRV_WELL_KNOWN_MAP(XX) SCHEMA_EXTRAS(YY)
  };
#undef XX
#undef YY
  jobsrv_event_t event = {
    .level = JOBSRV_WARN, .actor = "the actor", .action = "an action",
    .target = "target \"t\" ] \\", .human = "human \xf0\x9f\x91\x8d, = \"h\"",
    .cute = "cute \xe2\x9c\xa8", .story = "\"story\", said he",
    .correlation_id = "corr-1", .request_id = "req-1",
    .trace_id = "0123456789abcdef0123456789abcdef",
    .span_id = "0123456789abcdef", .parent_span_id = "fedcba9876543210",
    .file = "some file.c", .line = 42, .function = "func",
    .fields = s->fields, .nfields = SCHEMA_FIELDS,
  };

  memcpy(s->fields, fields, sizeof(fields));
  for (size_t i = 0; i < SCHEMA_WELL_KNOWN; i++)
    schema_well_known(s, i);
  s->event = event;
  return &s->event;
}

/* What the library adds to it, by the clock of the tests. */
static inline void schema_arrived(schema_t *s, const char *id, uint64_t seq) {
  s->event.kind = JOBSRV_KIND_NARRATION;
  s->event.seq = seq;
  s->event.wall_ns = UINT64_C(1767225600000000000);
  s->event.job_id = id;
}

/* ---- what it looks like ---- */

static inline json_t *schema_value(const jobsrv_field_t *field) {
  switch (field->type) {
  case JOBSRV_FIELD_STRING:
    return field->as.string == NULL ? json_null()
                                    : json_string(field->as.string);
  case JOBSRV_FIELD_I64:
    return json_integer(field->as.i64);
  case JOBSRV_FIELD_U64:
    return json_integer((json_int_t) field->as.u64);
  case JOBSRV_FIELD_DOUBLE:
    return json_real(field->as.f64);
  case JOBSRV_FIELD_BOOL:
    return json_boolean(field->as.boolean);
  default:
    return json_loads(field->as.string, JSON_DECODE_ANY, NULL);
  }
}

static inline json_t *schema_json(const schema_t *s) {
  const jobsrv_event_t *event = &s->event;
  json_t *json = json_object();
  json_t *extras = json_object();

#define HIDDEN(name, as)
#define TEXT(name, as) json_object_set_new(json, as, json_string(event->name));
#define NUMBER(name, as)                                                      \
  json_object_set_new(json, as, json_integer((json_int_t) event->name));
#define LEVEL(name, as)                                                       \
  json_object_set_new(json, as, json_string(jobsrv_level_name(event->name)));
#define KIND(name, as)                                                        \
  json_object_set_new(json, as, json_string(jobsrv_kind_name(event->name)));
#define TIME(name, as)                                                        \
  json_object_set_new(json, as, json_string("2026-01-01T00:00:00.000Z"));
#define SOURCE(name, as)                                                      \
  json_object_set_new(json, as,                                               \
                      json_sprintf("%s:%d", event->name, event->line));
#define FIELDS(name, as) json_object_set_new(json, as, extras);
#define XX(type, name, how, as) how(name, as)
  SCHEMA_MEMBERS(XX)
#undef XX
#undef HIDDEN
#undef TEXT
#undef NUMBER
#undef LEVEL
#undef KIND
#undef TIME
#undef SOURCE
#undef FIELDS
  for (size_t i = 0; i < SCHEMA_FIELDS; i++)
    json_object_set_new(i < SCHEMA_WELL_KNOWN ? json : extras,
                        event->fields[i].key, schema_value(&event->fields[i]));
  return json;
}

/* Every member of the one is in the other, the same. */
static inline void schema_within(const char *where,
                                 json_t *these,
                                 json_t *those,
                                 const char *what) {
  const char *name;
  json_t *value;

  json_object_foreach(these, name, value) {
    json_t *other = json_object_get(those, name);

    if (!json_equal(value, other))
      fail_msg("%s, \"%s\": %s %s", where, name,
               json_dumps(value, JSON_ENCODE_ANY), what);
  }
}

/* `text` is that event, all of it and nothing more. */
static inline void schema_is(const char *where,
                             const schema_t *s,
                             const char *text,
                             size_t len) {
  json_error_t error;
  json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
  json_t *want = schema_json(s);

  if (json == NULL)
    fail_msg("%s: %s in %.*s", where, error.text, (int) len, text);
  schema_within(where, want, json, "was due");
  schema_within(where, json, want, "was not due");
  json_decref(json);
  json_decref(want);
}

/* ---- where all is text: a name, and a value that is written out ---- */

/* `text` is how a reader of text is shown that value. */
static inline void schema_shown(const char *where,
                                const char *name,
                                const json_t *value,
                                const char *text) {
  char *plain = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  json_t *read;
  int same;

  switch (json_typeof(value)) {
  case JSON_STRING:
    same = strcmp(text, json_string_value(value)) == 0;
    break;
  case JSON_REAL:
  case JSON_ARRAY:
  case JSON_OBJECT:
    read = json_loads(text, JSON_DECODE_ANY, NULL);
    same = read != NULL && json_equal(read, value);
    json_decref(read);
    break;
  default:
    same = strcmp(text, plain) == 0;
    break;
  }
  if (!same)
    fail_msg("%s, %s: %s where %s was due", where, name, text, plain);
  free(plain);
}

/* All of the event's names at one level; takes the event's JSON. */
static inline json_t *schema_flat(json_t *json) {
  json_t *extras = json_incref(json_object_get(json, "fields"));

  if (extras != NULL) {
    json_object_del(json, "fields");
    assert_int_equal(json_object_update_missing(json, extras), 0);
    json_decref(extras);
  }
  return json;
}

/* Each of them is among these texts, and these are no more. */
static inline void schema_all_shown(const char *where,
                                    json_t *want,
                                    json_t *texts) {
  const char *name;
  json_t *value;

  json_object_foreach(want, name, value) {
    json_t *text = json_object_get(texts, name);

    if (text == NULL)
      fail_msg("%s: no %s", where, name);
    schema_shown(where, name, value, json_string_value(text));
  }
  json_object_foreach(texts, name, value)
    if (json_object_get(want, name) == NULL)
      fail_msg("%s: %s was not due", where, name);
}

#endif /* JOBSRV_TEST_NARRATION_SCHEMA_H */
