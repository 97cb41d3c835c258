/* SPDX-License-Identifier: MIT */

#include "collector.h"

#include <math.h>

static void an_event_arrives_with_all_that_it_has(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *log;
  char text[64];

  (void) state;
  exporter_open(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_narrate_event(job, &(const jobsrv_event_t) {
    .level = JOBSRV_WARN, .actor = "downloader", .action = "fetch",
    .target = "layer-17", .human = "got it", .cute = "yum", .story = "said he",
    .correlation_id = "corr-1", .request_id = "req-1",
    .trace_id = "0af7651916cd43dd8448eb211c80319c",
    .span_id = "b7ad6b7169203331", .parent_span_id = "00f067aa0ba902b7",
    .file = "a/b.c", .line = 42, .function = "fetch_layer",
  }));
  exporter_send(&e);
  report = collector_ask(&collector, "{'report': true}");
  log = log_of(report, "got it");
  assert_int_equal(int_of(log, "severityNumber"), 13);
  assert_string_equal(text_of(log, "severityText"), "warn");
  snprintf(text, sizeof(text), "%llu",
           (unsigned long long) jobsrv_wall_now(e.world.srv) - 1000000000);
  assert_string_equal(text_of(log, "timeUnixNano"), text);
  assert_string_equal(text_of(log, "observedTimeUnixNano"), text);
  assert_string_equal(text_of(log, "traceId"),
                      "0af7651916cd43dd8448eb211c80319c");
  assert_string_equal(text_of(log, "spanId"), "b7ad6b7169203331");
  assert_attr(log, "jobsrv.kind", "narration");
  assert_attr(log, "jobsrv.seq", "3");
  assert_attr(log, "jobsrv.server_seq", "3");
  assert_attr(log, "jobsrv.job_id", jobsrv_job_id(job, text));
  assert_attr(log, "jobsrv.actor", "downloader");
  assert_attr(log, "jobsrv.action", "fetch");
  assert_attr(log, "jobsrv.target", "layer-17");
  assert_attr(log, "jobsrv.cute", "yum");
  assert_attr(log, "jobsrv.story", "said he");
  assert_attr(log, "jobsrv.correlation_id", "corr-1");
  assert_attr(log, "jobsrv.request_id", "req-1");
  assert_attr(log, "jobsrv.parent_span_id", "00f067aa0ba902b7");
  assert_attr(log, "code.file.path", "a/b.c");
  assert_attr(log, "code.line.number", "42");
  assert_attr(log, "code.function.name", "fetch_layer");
  json_decref(report);
  exporter_close(&e);
}

/* A value for each well-known field, and where it is to be found. */
static void every_well_known_field_arrives_by_its_name(void **state) {
  static const struct {
    const char *key;
    jobsrv_field_type_t type;
  } known[] = {
#define XX(name, type) { #name, JOBSRV_FIELD_##type },
    JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  };
  enum { N = sizeof(known) / sizeof(known[0]) };
  jobsrv_field_t fields[N];
  char texts[N][32], key[96];
  exporter_t e;
  json_t *report, *log;

  (void) state;
  for (size_t i = 0; i < N; i++) {
    snprintf(texts[i], sizeof(texts[i]),
             known[i].type == JOBSRV_FIELD_JSON ? "[%zu]" : "value-%zu", i);
    fields[i] = known[i].type == JOBSRV_FIELD_U64
                    ? jobsrv_field_u64(known[i].key, 1000 + i)
                : known[i].type == JOBSRV_FIELD_JSON
                    ? jobsrv_field_json(known[i].key, texts[i])
                    : jobsrv_field_string(known[i].key, texts[i]);
  }
  exporter_open(&e);
  assert_ok(jobsrv_narrate_event(begin_job(&e.world),
                                 &(const jobsrv_event_t) {
    .human = "all", .fields = fields, .nfields = N }));
  report = exporter_report(&e);
  log = log_of(report, "all");
  for (size_t i = 0; i < N; i++) {
    snprintf(key, sizeof(key), "jobsrv.%s", known[i].key);
    if (known[i].type == JOBSRV_FIELD_U64) {
      snprintf(texts[i], sizeof(texts[i]), "%zu", 1000 + i);
      assert_attr(log, key, texts[i]);
    } else if (known[i].type == JOBSRV_FIELD_STRING) {
      assert_attr(log, key, texts[i]);
    } else {
      json_t *list = json_object_get(attr(log, key), "arrayValue");

      snprintf(texts[i], sizeof(texts[i]), "%zu", i);
      assert_string_equal(
          text_of(json_array_get(json_object_get(list, "values"), 0),
                  "intValue"), texts[i]);
    }
  }
  json_decref(report);
  exporter_close(&e);
}

static void the_hosts_fields_keep_their_names_and_types(void **state) {
  exporter_t e;
  json_t *report, *log;

  (void) state;
  exporter_open(&e);
  assert_ok(jobsrv_info_with(
      begin_job(&e.world),
      (.action = "a",
       JOBSRV_FIELDS(jobsrv_field_string("http.route", "/x"),
                     jobsrv_field_i64("below", INT64_MIN),
                     jobsrv_field_u64("most", INT64_MAX),
                     jobsrv_field_u64("beyond", UINT64_MAX),
                     jobsrv_field_f64("half", 0.5),
                     jobsrv_field_f64("none", NAN),
                     jobsrv_field_f64("up", INFINITY),
                     jobsrv_field_f64("down", -INFINITY),
                     jobsrv_field_bool("yes", 1), jobsrv_field_bool("no", 0),
                     jobsrv_field_string("span", NULL),
                     jobsrv_field_i64("task_id", 7),
                     jobsrv_field_i64("jobsrv.seq", 8),
                     jobsrv_field_i64("code.line.number", 9))),
      "typed"));
  report = exporter_report(&e);
  log = log_of(report, "typed");
  assert_attr(log, "http.route", "/x");
  assert_string_equal(attr_int(log, "below"), "-9223372036854775808");
  assert_string_equal(attr_int(log, "most"), "9223372036854775807");
  assert_string_equal(attr_text(log, "beyond"), "18446744073709551615");
  assert_true(json_real_value(json_object_get(attr(log, "half"),
                                              "doubleValue")) == 0.5);
  assert_string_equal(text_of(attr(log, "none"), "doubleValue"), "NaN");
  assert_string_equal(text_of(attr(log, "up"), "doubleValue"), "Infinity");
  assert_string_equal(text_of(attr(log, "down"), "doubleValue"), "-Infinity");
  assert_true(json_is_true(json_object_get(attr(log, "yes"), "boolValue")));
  assert_true(json_is_false(json_object_get(attr(log, "no"), "boolValue")));
  assert_int_equal(json_object_size(attr(log, "jobsrv.span")), 0);
  assert_attr(log, "task_id", "7"); /* of another type than the known one */
  assert_attr(log, "field.jobsrv.seq", "8"); /* nor are ours to be had */
  assert_attr(log, "field.code.line.number", "9");
  json_decref(report);
  exporter_close(&e);
}

static void the_payload_of_data_is_the_body(void **state) {
  static const char payload[] =
      " {\"a\" : [1, -2, 3.5, 1e2, true, false, null, \"x\\u00e9\\n\"],\n"
      "\"b\":{}, \"c\":[], \"\\\"d\\\"\": {\"e\":[[]]}, "
      "\"big\":18446744073709551615} ";
  static const char want[] =
      "{\"kvlistValue\":{\"values\":["
      "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":["
      "{\"intValue\":\"1\"},{\"intValue\":\"-2\"},{\"doubleValue\":3.5},"
      "{\"doubleValue\":100.0},{\"boolValue\":true},{\"boolValue\":false},{},"
      "{\"stringValue\":\"x\\u00e9\\n\"}]}}},"
      "{\"key\":\"b\",\"value\":{\"kvlistValue\":{\"values\":[]}}},"
      "{\"key\":\"c\",\"value\":{\"arrayValue\":{\"values\":[]}}},"
      "{\"key\":\"\\\"d\\\"\",\"value\":{\"kvlistValue\":{\"values\":["
      "{\"key\":\"e\",\"value\":{\"arrayValue\":{\"values\":["
      "{\"arrayValue\":{\"values\":[]}}]}}}]}}},"
      "{\"key\":\"big\",\"value\":{\"stringValue\":\"18446744073709551615\"}}"
      "]}}";
  json_t *wanted = json_loads(want, 0, NULL);
  exporter_t e;
  json_t *report, *log;

  (void) state;
  assert_non_null(wanted);
  exporter_open(&e);
  assert_ok(jobsrv_data_event(begin_job(&e.world), "loaded", payload, 0));
  report = exporter_report(&e);
  log = json_array_get(json_object_get(report, "logs"), 2);
  assert_attr(log, "jobsrv.kind", "data");
  assert_attr(log, "jobsrv.action", "loaded");
  if (!json_equal(json_object_get(log, "body"), wanted))
    fail_msg("%s", json_dumps(json_object_get(log, "body"), 0));
  json_decref(report);
  json_decref(wanted);
  exporter_close(&e);
}

static void what_is_nested_too_deep_is_told_as_text(void **state) {
  enum { DEPTH = 60 };
  char payload[2 * DEPTH + 1], *text;
  exporter_t e;
  json_t *report, *at;
  int depth = 0;

  (void) state;
  memset(payload, '[', DEPTH);
  memset(payload + DEPTH, ']', DEPTH);
  payload[2 * DEPTH] = '\0';
  exporter_open(&e);
  assert_ok(jobsrv_data_event(begin_job(&e.world), "deep", payload, 0));
  report = exporter_report(&e);
  at = json_object_get(json_array_get(json_object_get(report, "logs"), 2),
                       "body");
  while (json_object_get(at, "arrayValue") != NULL) {
    at = json_array_get(json_object_get(json_object_get(at, "arrayValue"),
                                        "values"), 0);
    depth++;
  }
  text = payload + depth;
  text[2 * (DEPTH - depth)] = '\0';
  assert_string_equal(text_of(at, "stringValue"), text);
  assert_true(depth * 3 < 90);
  json_decref(report);
  exporter_close(&e);
}

static void hostile_text_arrives_repaired(void **state) {
  static const struct {
    const char *given;
    const char *want;
  } texts[] = {
    { "a\"b\\c\r\nd\te\x01\x7f", "a\"b\\c\r\nd\te\x01\x7f" },
    { "\xc3\x28 \xff\xfe \xed\xa0\x80",
      "\xef\xbf\xbd( \xef\xbf\xbd\xef\xbf\xbd "
      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { "\xc2\x85 \xe2\x80\xa8 \xe2\x80\xae",
      "\xc2\x85 \xe2\x80\xa8 \xe2\x80\xae" },
    { "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7",
      "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7" },
    { "data: [DONE]\n\nid: 7", "data: [DONE]\n\nid: 7" },
  };
  enum { N = sizeof(texts) / sizeof(texts[0]) };
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *log;

  (void) state;
  exporter_open(&e);
  job = begin_job(&e.world);
  for (size_t i = 0; i < N; i++)
    assert_ok(jobsrv_narrate_event(job, &(const jobsrv_event_t) {
      .human = texts[i].given, .target = texts[i].given,
      JOBSRV_FIELDS(jobsrv_field_string("own", texts[i].given)) }));
  report = exporter_report(&e);
  for (size_t i = 0; i < N; i++) {
    log = log_of(report, texts[i].want);
    assert_attr(log, "jobsrv.target", texts[i].want);
    assert_attr(log, "own", texts[i].want);
  }
  json_decref(report);
  exporter_close(&e);
}

static void long_texts_are_cut_with_a_mark(void **state) {
  exporter_t e;
  json_t *report;

  (void) state;
  exporter_init(&e);
  e.world.options.max_text = 16;
  exporter_start(&e);
  assert_ok(jobsrv_narrate(begin_job(&e.world), "a",
                           "0123456789abcde\xc3\xa9\xc3\xa9"));
  report = exporter_report(&e);
  (void) log_of(report, "0123456789abcde \xe2\x80\xa6(+4 bytes)");
  json_decref(report);
  exporter_close(&e);
}

static void attributes_beyond_their_bound_are_counted(void **state) {
  enum { N = 150 };
  jobsrv_field_t fields[N];
  char keys[N][16];
  exporter_t e;
  json_t *report, *log;
  size_t n;

  (void) state;
  for (int i = 0; i < N; i++) {
    snprintf(keys[i], sizeof(keys[i]), "k%d", i);
    fields[i] = jobsrv_field_i64(keys[i], i);
  }
  exporter_open(&e);
  assert_ok(jobsrv_narrate_event(begin_job(&e.world),
                                 &(const jobsrv_event_t) {
    .human = "many", .fields = fields, .nfields = N }));
  report = exporter_report(&e);
  log = log_of(report, "many");
  n = json_array_size(json_object_get(log, "attributes"));
  assert_int_equal(n, 128);
  assert_attr(log, "jobsrv.action", "say");
  assert_int_equal(int_of(log, "droppedAttributesCount"),
                   N + (6 - 0) - 128);
  json_decref(report);
  exporter_close(&e);
}

static void ids_that_are_none_are_not_sent_as_such(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *log;

  (void) state;
  exporter_open(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_narrate_event(job, &(const jobsrv_event_t) {
    .human = "bad", .trace_id = "what?", .span_id = "0000000000000000" }));
  assert_ok(jobsrv_narrate_event(job, &(const jobsrv_event_t) {
    .human = "upper", .trace_id = "0AF7651916CD43DD8448EB211C80319C",
    .span_id = "B7AD6B7169203331" }));
  exporter_send(&e);
  report = collector_ask(&collector, "{'report': true}");
  assert_int_equal(count_of(report, "faults"), 0);
  log = log_of(report, "bad");
  assert_int_equal(strlen(text_of(log, "traceId")), 32);
  log = log_of(report, "upper");
  assert_string_equal(text_of(log, "traceId"),
                      "0af7651916cd43dd8448eb211c80319c");
  assert_string_equal(text_of(log, "spanId"), "b7ad6b7169203331");
  json_decref(report);
  exporter_close(&e);
}

static void levels_have_their_numbers(void **state) {
  static const int numbers[] = { 1, 5, 9, 13, 17, 21 };
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;

  (void) state;
  exporter_init(&e);
  e.world.options.level = JOBSRV_TRACE;
  e.options.level = JOBSRV_TRACE;
  exporter_start(&e);
  job = begin_job(&e.world);
  for (int level = JOBSRV_TRACE; level <= JOBSRV_FATAL; level++)
    assert_ok(jobsrv_narrate_event(job, &(const jobsrv_event_t) {
      .level = level, .human = jobsrv_level_name(level) }));
  report = exporter_report(&e);
  for (int level = JOBSRV_TRACE; level <= JOBSRV_FATAL; level++)
    assert_int_equal(int_of(log_of(report, jobsrv_level_name(level)),
                            "severityNumber"),
                     numbers[level - JOBSRV_TRACE]);
  json_decref(report);
  exporter_close(&e);
}

static void what_a_job_lost_is_told_with_its_count(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *log;
  size_t i, n = 0;

  (void) state;
  exporter_open(&e);
  job = begin_job(&e.world);
  world_turn(&e.world);
  for (uint64_t after = 0; n == 0 && after < 50; after++) {
    jobsrv_faults_fail(&e.world.faults, after, 3);
    if (jobsrv_narrate(job, "a", "%02000d", 1) == UV_ENOMEM)
      n++;
    jobsrv_faults_fail(&e.world.faults, 0, 0);
  }
  assert_int_equal(n, 1);
  assert_ok(jobsrv_narrate(job, "a", "again"));
  report = exporter_report(&e);
  n = 0;
  json_array_foreach(json_object_get(report, "logs"), i, log)
    if (strcmp(attr_text(log, "jobsrv.kind"), "dropped") == 0 &&
        attr(log, "jobsrv.job_id") != NULL) {
      assert_attr(log, "jobsrv.count", "1");
      n++;
    }
  assert_int_equal(n, 1);
  json_decref(report);
  exporter_close(&e);
}

static void the_level_is_that_of_logs_alone(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;

  (void) state;
  exporter_init(&e);
  e.options.level = JOBSRV_ERROR;
  exporter_start(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_warn(job, "a", "below"));
  assert_ok(jobsrv_error(job, "a", "at"));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "logs"), 1);
  (void) log_of(report, "at");
  assert_int_equal(count_of(report, "spans"), 2);
  json_decref(report);
  exporter_close(&e);
}

static void one_signal_can_be_had_alone(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;

  (void) state;
  for (int i = 0; i < 2; i++) {
    exporter_init(&e);
    e.options.signals = i == 0 ? JOBSRV_OTLP_LOGS : JOBSRV_OTLP_SPANS;
    exporter_start(&e);
    job = begin_job(&e.world);
    assert_ok(jobsrv_narrate(job, "a", "b"));
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    world_turn(&e.world);
    exporter_send(&e);
    report = collector_ask(&collector, "{'report': true}");
    assert_int_equal(count_of(report, "faults"), 0);
    assert_int_equal(count_of(report, "logs"), i == 0 ? 4 : 0);
    assert_int_equal(count_of(report, "spans"), i == 0 ? 0 : 2);
    json_decref(report);
    exporter_close(&e);
  }
}

static void a_filter_keeps_away_what_it_does_not_name(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;

  (void) state;
  exporter_init(&e);
  e.options.filter.action = "fetch*";
  exporter_start(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_narrate(job, "fetched", "one"));
  assert_ok(jobsrv_narrate(job, "sent", "two"));
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "logs"), 1);
  (void) log_of(report, "one");
  json_decref(report);
  exporter_close(&e);
}

static void secrets_stay_here_unless_they_are_to_go(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  jobsrv_spec_t spec;
  jobsrv_tag_t tags[] = { { "api_key", "hunter2" }, { "place", "here" } };
  json_t *report;
  char *text;

  (void) state;
  for (int i = 0; i < 2; i++) {
    exporter_init(&e);
    e.options.unredacted = i;
    exporter_start(&e);
    jobsrv_spec_init(&spec);
    spec.tags = tags;
    spec.ntags = 2;
    spec.correlation_id = spec.request_id = "token=hunter2";
    assert_ok(jobsrv_begin(e.world.srv, &spec, &job));
    assert_ok(jobsrv_narrate(job, "a", "password=hunter2"));
    assert_ok(jobsrv_tell(job, "b", jobsrv_field_string("secret", "hunter2")));
    assert_ok(jobsrv_job_fail(job, "bad", "Bearer hunter2hunter2hunter2"));
    world_turn(&e.world);
    report = exporter_report(&e);
    text = json_dumps(report, 0);
    assert_int_equal(strstr(text, "hunter2") != NULL, i);
    assert_attr(span_of(report, "job"), "jobsrv.tag.place", "here");
    assert_attr(span_of(report, "job"), "jobsrv.tag.api_key",
                i ? "hunter2" : "[REDACTED]");
    free(text);
    json_decref(report);
    exporter_close(&e);
  }
}

static void a_redactor_of_the_hosts_does_it_too(void **state) {
  static const char *const names[] = { "petname" };
  jobsrv_redact_options_t how;
  jobsrv_redactor_t *redactor;
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;
  char *text;

  (void) state;
  jobsrv_redact_options_init(&how);
  how.names = names;
  how.nnames = 1;
  how.replacement = "<none of yours>";
  assert_ok(jobsrv_redactor_new(&redactor, NULL, &how));
  exporter_init(&e);
  e.options.redactor = redactor;
  exporter_start(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_narrate(job, "a", "petname=rex"));
  assert_ok(jobsrv_job_fail(job, "bad", "petname=rex"));
  world_turn(&e.world);
  report = exporter_report(&e);
  (void) log_of(report, "petname=<none of yours>");
  assert_string_equal(text_of(json_object_get(span_of(report, "work"),
                                              "status"), "message"),
                      "petname=<none of yours>");
  text = json_dumps(report, 0);
  assert_null(strstr(text, "rex"));
  free(text);
  json_decref(report);
  exporter_close(&e);
  jobsrv_redactor_unref(redactor);
}

static void an_event_of_no_job_is_a_log_of_no_span(void **state) {
  exporter_t e;
  json_t *report, *log;
  jobsrv_context_t context = { 0 };

  (void) state;
  exporter_open(&e);
  context.srv = e.world.srv;
  jobsrv_context_merge(&context);
  assert_ok(jobsrv_narrate(NULL, "a", "alone"));
  jobsrv_context_leave(&context);
  world_turn(&e.world);
  report = exporter_report(&e);
  log = log_of(report, "alone");
  assert_null(text_of(log, "traceId"));
  assert_null(text_of(log, "spanId"));
  assert_null(attr(log, "jobsrv.job_id"));
  json_decref(report);
  exporter_close(&e);
}

static void the_resource_says_whose_it_is(void **state) {
  const jobsrv_field_t fields[] = {
    jobsrv_field_string("deployment.environment.name", "test"),
    jobsrv_field_json("zones", "[\"a\"]"),
  };
  exporter_t e;
  json_t *report, *resource;

  (void) state;
  for (int i = 0; i < 2; i++) {
    exporter_init(&e);
    if (i == 1) {
      e.options.service_name = "tiny";
      e.options.service_version = "1.2";
      e.options.service_instance_id = "i-1";
      e.options.resource = fields;
      e.options.nresource = 2;
    }
    exporter_start(&e);
    (void) begin_job(&e.world);
    report = exporter_report(&e);
    resource = json_object_get(json_array_get(json_object_get(report, "logs"),
                                              0), "resource");
    assert_attr(resource, "service.name", i ? "tiny" : "unknown_service");
    assert_attr(resource, "service.instance.id",
                i ? "i-1" : jobsrv_boot(e.world.srv));
    assert_attr(resource, "telemetry.sdk.name", "jobsrv");
    if (i == 1) {
      assert_attr(resource, "service.version", "1.2");
      assert_attr(resource, "deployment.environment.name", "test");
      assert_non_null(json_object_get(attr(resource, "zones"), "arrayValue"));
    } else {
      assert_null(attr(resource, "service.version"));
    }
    json_decref(report);
    exporter_close(&e);
  }
}

static void its_requests_have_the_hosts_headers(void **state) {
  const jobsrv_tag_t headers[] = { { "X-Api-Key", "k1" }, { "X-Org", "o" } };
  exporter_t e;
  json_t *report, *request;

  (void) state;
  exporter_init(&e);
  e.options.headers = headers;
  e.options.nheaders = 2;
  exporter_start(&e);
  (void) begin_job(&e.world);
  report = exporter_report(&e);
  request = json_array_get(json_object_get(report, "requests"), 0);
  assert_string_equal(text_of(request, "path") + strlen(e.path), "/v1/logs");
  request = json_object_get(request, "headers");
  assert_string_equal(text_of(request, "X-Api-Key"), "k1");
  assert_string_equal(text_of(request, "X-Org"), "o");
  assert_string_equal(text_of(request, "Content-Type"), "application/json");
  json_decref(report);
  exporter_close(&e);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(an_event_arrives_with_all_that_it_has),
  cmocka_unit_test(every_well_known_field_arrives_by_its_name),
  cmocka_unit_test(the_hosts_fields_keep_their_names_and_types),
  cmocka_unit_test(the_payload_of_data_is_the_body),
  cmocka_unit_test(what_is_nested_too_deep_is_told_as_text),
  cmocka_unit_test(hostile_text_arrives_repaired),
  cmocka_unit_test(long_texts_are_cut_with_a_mark),
  cmocka_unit_test(attributes_beyond_their_bound_are_counted),
  cmocka_unit_test(ids_that_are_none_are_not_sent_as_such),
  cmocka_unit_test(levels_have_their_numbers),
  cmocka_unit_test(what_a_job_lost_is_told_with_its_count),
  cmocka_unit_test(the_level_is_that_of_logs_alone),
  cmocka_unit_test(one_signal_can_be_had_alone),
  cmocka_unit_test(a_filter_keeps_away_what_it_does_not_name),
  cmocka_unit_test(secrets_stay_here_unless_they_are_to_go),
  cmocka_unit_test(a_redactor_of_the_hosts_does_it_too),
  cmocka_unit_test(an_event_of_no_job_is_a_log_of_no_span),
  cmocka_unit_test(the_resource_says_whose_it_is),
  cmocka_unit_test(its_requests_have_the_hosts_headers),
};

RUN_WITH_COLLECTOR(tests);
