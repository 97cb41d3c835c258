/* SPDX-License-Identifier: MIT */

/* Events as lines: each form, each voice, and what is hostile in them. */

#include "test.h"

#include "jobsrv/emit.h"
#include "narration/layout.h"

#include <math.h>

#include <jansson.h>
#include <uv.h>

static const jobsrv_event_t sample = {
  .size = sizeof(sample),
  .level = JOBSRV_WARN,
  .actor = "fetcher",
  .action = "fetch",
  .target = "layer-17",
  .human = "got 1 of 7",
  .cute = "one treat in the bag",
  .story = "\"One\", said the fetcher",
  .function = "fetch_all",
  .file = "src/fetch.c",
  .line = 42,
  .job_id = "job-00000000-0000-4000-8000-000000abcdef",
  .seq = 3,
  .wall_ns = 1767225600123000000ull,
};

static const char *lay(jobsrv__layout_t layout, const jobsrv_event_t *event) {
  static char text[8192];
  jobsrv__buf_t buf;

  jobsrv__buf_init(&buf, NULL, 0);
  assert_ok(jobsrv__layout_put(&layout, &buf, event));
  assert_true(buf.len < sizeof(text));
  memcpy(text, buf.data, buf.len);
  text[buf.len] = '\0';
  jobsrv__buf_free(&buf);
  return text;
}

static const char *in_form(jobsrv_console_form_t form,
                           const jobsrv_event_t *event) {
  return lay((jobsrv__layout_t) { .form = form }, event);
}

/* N-22: exactly what the original prints, and the same without colour. */
static void the_block_form_is_the_original_s(void **state) {
  jobsrv__layout_t layout = { .form = JOBSRV_CONSOLE_BLOCK, .colour = 1 };
  jobsrv_event_t event = sample;

  (void) state;
  assert_string_equal(lay(layout, &event),
                      "\x1b[1mfetch_all                               \x1b[0m "
                      "\x1b[2mfetch               \x1b[0m\n"
                      "got 1 of 7\n");
  assert_string_equal(in_form(JOBSRV_CONSOLE_BLOCK, &event),
                      "fetch_all                                "
                      "fetch               \n"
                      "got 1 of 7\n");
  event.function = NULL; /* then the actor */
  assert_string_equal(in_form(JOBSRV_CONSOLE_BLOCK, &event),
                      "fetcher                                  "
                      "fetch               \n"
                      "got 1 of 7\n");
}

static void names_that_are_too_long_are_not_cut(void **state) {
  jobsrv_event_t event = sample;

  (void) state;
  event.function = "a_function_whose_name_takes_more_than_forty_columns";
  event.action = "an_action_of_more_than_twenty";
  assert_string_equal(in_form(JOBSRV_CONSOLE_BLOCK, &event),
                      "a_function_whose_name_takes_more_than_forty_columns "
                      "an_action_of_more_than_twenty\n"
                      "got 1 of 7\n");
  event.actor = "orchestratord";
  assert_string_equal(in_form(JOBSRV_CONSOLE_BRACKETS, &event),
                      "[orchestratord] an_action_of_more_than_twenty: "
                      "got 1 of 7\n");
}

/* N-23: a prefix of thirty columns. */
static void the_bracket_form_is_padded(void **state) {
  jobsrv__layout_t layout = { .form = JOBSRV_CONSOLE_BRACKETS, .colour = 1 };

  (void) state;
  assert_string_equal(in_form(JOBSRV_CONSOLE_BRACKETS, &sample),
                      "[fetcher   ] fetch          : got 1 of 7\n");
  assert_string_equal(lay(layout, &sample),
                      "\x1b[33m[fetcher   ]\x1b[0m fetch          : "
                      "got 1 of 7\n");
}

/* N-29: columns, not bytes and not characters. */
static void padding_counts_columns(void **state) {
  jobsrv_event_t event = sample;

  (void) state;
  event.actor = "\xf0\x9f\x91\x91 queen";       /* a crown: two columns */
  event.action = "\xe5\x8f\x96\xe3\x82\x8b";    /* two wide letters */
  assert_string_equal(in_form(JOBSRV_CONSOLE_BRACKETS, &event),
                      "[\xf0\x9f\x91\x91 queen  ] "
                      "\xe5\x8f\x96\xe3\x82\x8b           : got 1 of 7\n");
}

static void the_text_form_shows_time_level_job_and_who(void **state) {
  jobsrv__layout_t layout = { .colour = 1 };
  jobsrv_event_t event = sample;

  (void) state;
  assert_string_equal(in_form(JOBSRV_CONSOLE_TEXT, &event),
                      "2026-01-01T00:00:00.123Z warn  ...abcdef fetcher fetch: "
                      "got 1 of 7\n");
  assert_string_equal(lay(layout, &event),
                      "2026-01-01T00:00:00.123Z \x1b[33mwarn \x1b[0m "
                      "...abcdef fetcher fetch: got 1 of 7\n");
  event.job_id = NULL;
  event.actor = "";
  assert_string_equal(in_form(JOBSRV_CONSOLE_TEXT, &event),
                      "2026-01-01T00:00:00.123Z warn  - fetch: got 1 of 7\n");
}

static void each_level_has_its_colour(void **state) {
  static const char *const codes[] = {
    [JOBSRV_TRACE] = "\x1b[2mtrace\x1b[0m", [JOBSRV_DEBUG] = "\x1b[2mdebug",
    [JOBSRV_INFO] = "\x1b[32minfo ",        [JOBSRV_WARN] = "\x1b[33mwarn ",
    [JOBSRV_ERROR] = "\x1b[31merror",       [JOBSRV_FATAL] = "\x1b[31mfatal",
  };
  jobsrv__layout_t layout = { .colour = 1 };
  jobsrv_event_t event = sample;

  (void) state;
  for (int level = JOBSRV_TRACE; level < JOBSRV_MUTE; level++) {
    event.level = level;
    assert_contains(lay(layout, &event), codes[level]);
  }
}

/* N-24 */
static void an_id_is_shortened_by_characters(void **state) {
  static const struct {
    const char *id, *want;
  } cases[] = {
    { "job-abc123def456", "...def456" },
    { "abcdef", "abcdef" },
    { "abcdefg", "...bcdefg" },
    { "", "" },
    { "x\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x92\xbb",
      "...\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x92\xbb" },
    { "\xbf\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
  };
  jobsrv__buf_t buf;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    jobsrv__buf_init(&buf, NULL, 0);
    jobsrv__short_id(&buf, cases[i].id);
    assert_bytes(buf.len > 0 ? buf.data : "", buf.len, cases[i].want);
    jobsrv__buf_free(&buf);
  }
}

/* N-11: without the voice that is asked for, the plain one. */
static void the_reader_chooses_the_voice(void **state) {
  static const jobsrv_console_form_t forms[] = {
    JOBSRV_CONSOLE_TEXT, JOBSRV_CONSOLE_BRACKETS, JOBSRV_CONSOLE_BLOCK,
    JOBSRV_CONSOLE_MESSAGE,
  };
  jobsrv_event_t event = sample;
  jobsrv__layout_t layout = { .voice = JOBSRV_VOICE_HUMAN };

  (void) state;
  for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
    layout.form = forms[i];
    layout.voice = JOBSRV_VOICE_HUMAN;
    assert_contains(lay(layout, &sample), "got 1 of 7\n");
    layout.voice = JOBSRV_VOICE_CUTE;
    assert_contains(lay(layout, &sample), "one treat in the bag\n");
    assert_null(strstr(lay(layout, &sample), "got 1"));
    layout.voice = JOBSRV_VOICE_STORY;
    assert_contains(lay(layout, &sample), "\"One\", said the fetcher\n");
  }
  event.cute = NULL;
  event.story = NULL;
  assert_contains(lay(layout, &event), "got 1 of 7\n");
  layout.voice = JOBSRV_VOICE_CUTE;
  assert_contains(lay(layout, &event), "got 1 of 7\n");
}

static void the_message_form_is_the_text_alone(void **state) {
  jobsrv__layout_t layout = { .form = JOBSRV_CONSOLE_MESSAGE, .colour = 1 };
  jobsrv_event_t event = sample;

  (void) state;
  assert_string_equal(lay(layout, &event), "got 1 of 7\n");
  event.human = "";
  assert_string_equal(lay(layout, &event), "layer-17\n");
  event.target = NULL;
  assert_string_equal(lay(layout, &event), "\n");
  event.payload = "{\"a\":1}";
  event.payload_len = 7;
  assert_string_equal(lay(layout, &event), "{\"a\":1}\n");
}

static void the_json_form_is_what_the_event_has(void **state) {
  jobsrv__layout_t layout = { .form = JOBSRV_CONSOLE_JSON, .colour = 1 };
  jobsrv_event_t event = sample;
  jobsrv__buf_t buf;

  (void) state;
  event.json = "{\"type\":\"narration\"} and more";
  event.json_len = 20;
  assert_string_equal(lay(layout, &event), "{\"type\":\"narration\"}\n");
  event.json = NULL;
  jobsrv__buf_init(&buf, NULL, 0);
  assert_err(jobsrv__layout_put(&layout, &buf, &event), UV_ENOMEM);
  jobsrv__buf_free(&buf);
}

static void logfmt_has_all_there_is(void **state) {
  jobsrv_field_t fields[] = {
    jobsrv_field_string("worker_id", "worker 3"),
    jobsrv_field_u64("duration_ms", 18446744073709551615ull),
    jobsrv_field_i64("delta", -9),
    jobsrv_field_f64("ratio", 0.1),
    jobsrv_field_f64("none", NAN),
    jobsrv_field_bool("cached", 1),
    jobsrv_field_json("table", "[{\"a\":1}]"),
    jobsrv_field_string("empty", ""),
    jobsrv_field_string("absent", NULL),
    jobsrv_field_text("nul", "a\0b", 3),
  };
  jobsrv_event_t event = sample;

  (void) state;
  event.correlation_id = "corr-1";
  event.request_id = "req-2";
  event.trace_id = "0af7651916cd43dd8448eb211c80319c";
  event.span_id = "b7ad6b7169203331";
  event.parent_span_id = "00f067aa0ba902b7";
  event.fields = fields;
  event.nfields = sizeof(fields) / sizeof(fields[0]);
  event.payload = "[true, 1]";
  event.payload_len = 9;
  assert_string_equal(
      in_form(JOBSRV_CONSOLE_LOGFMT, &event),
      "time=2026-01-01T00:00:00.123Z type=narration "
      "job_id=job-00000000-0000-4000-8000-000000abcdef seq=3 level=warn "
      "actor=fetcher action=fetch target=layer-17 human=\"got 1 of 7\" "
      "cute=\"one treat in the bag\" "
      "story=\"\\\"One\\\", said the fetcher\" "
      "correlation_id=corr-1 request_id=req-2 "
      "trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331 "
      "parent_span_id=00f067aa0ba902b7 source=\"src/fetch.c:42\" "
      "fn_name=fetch_all payload=\"[true, 1]\" worker_id=\"worker 3\" "
      "duration_ms=18446744073709551615 delta=-9 ratio=0.1 none=null "
      "cached=true table=\"[{\\\"a\\\":1}]\" empty=\"\" absent=null "
      "nul=\"a\\u0000b\"\n");
}

static void what_logfmt_quotes_reads_back_the_same(void **state) {
  static const char *const texts[] = {
    "plain",        "two words", "a=b",       "\"",     "back\\slash",
    "a\nb\r\tc",    "\x1b[2J",   "\xc3\xa4",  "",       ("a\xe2\x80\xa8" "b"),
    "level=fatal human=\"forged\"", ("a\xe2\x80\x8b" "b"),
    "x\xf3\xa0\x81\xa9y", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7",
  };
  jobsrv_event_t event = { .human = "", .action = "a", .level = JOBSRV_INFO };

  (void) state;
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    const char *line, *value;
    size_t len;

    event.human = texts[i];
    line = in_form(JOBSRV_CONSOLE_LOGFMT, &event);
    value = strstr(line, " human=");
    assert_non_null(value);
    value += 7;
    len = strlen(value) - 1;
    assert_ptr_equal(strchr(line, '\n'), value + len);
    if (value[0] == '"') {
      json_t *json = json_loadb(value, len, JSON_DECODE_ANY, NULL);

      assert_non_null(json);
      assert_string_equal(json_string_value(json), texts[i]);
      json_decref(json);
    } else {
      assert_bytes(value, len, texts[i]);
    }
  }
}

/* Zero-width ones, a tag, what turns the direction; but emoji are whole. */
static void logfmt_hides_nothing_in_its_quotes(void **state) {
  jobsrv_field_t field = jobsrv_field_string(
      "note", "zero\xe2\x80\x8bwidth\xef\xbb\xbf \xc2\xad"
              "\xf3\xa0\x81\xa9 \xe2\x80\xae\xff");
  jobsrv_event_t event = {
    .human = "pass\xe2\x80\x8cword",
    .action = "adm\xe2\x81\xa0in",
    .target = "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7",
    .file = "a\xe2\x80\x8b.c",
    .fields = &field,
    .nfields = 1,
    .level = JOBSRV_INFO,
  };
  const char *line = in_form(JOBSRV_CONSOLE_LOGFMT, &event);

  (void) state;
  assert_contains(line, "human=\"pass\\u200cword\"");
  assert_contains(line, "action=\"adm\\u2060in\"");
  assert_contains(line,
                  "target=\"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7\"");
  assert_contains(line, "source=\"a\\u200b.c:0\"");
  assert_contains(line, "note=\"zero\\u200bwidth\\ufeff \\u00ad"
                        "\\udb40\\udc69 \\u202e\xef\xbf\xbd\"");
}

static void fields_follow_the_text_when_asked(void **state) {
  jobsrv_field_t fields[] = {
    jobsrv_field_u64("bytes", 7),
    jobsrv_field_json("table", "{\"k\":\"v\"}"),
    jobsrv_field_string("mirror", "de 1"),
  };
  jobsrv__layout_t layout = { .form = JOBSRV_CONSOLE_BRACKETS, .fields = 1 };
  jobsrv_event_t event = sample;

  (void) state;
  event.fields = fields;
  event.nfields = 3;
  assert_string_equal(lay(layout, &event),
                      "[fetcher   ] fetch          : got 1 of 7 "
                      "bytes=7 mirror=\"de 1\"\n"
                      "  k \xe2\x94\x82 v\n");
  layout.fields = 0;
  assert_string_equal(lay(layout, &event),
                      "[fetcher   ] fetch          : got 1 of 7\n"
                      "  k \xe2\x94\x82 v\n");
}

static void the_end_of_a_span_tells_how_it_went(void **state) {
  jobsrv_field_t fields[] = {
    jobsrv_field_string("outcome", "cancelled"),
    jobsrv_field_u64("duration_ms", 1200),
  };
  jobsrv_event_t event = sample;

  (void) state;
  event.action = "span_end";
  event.human = "";
  event.target = "unpack";
  event.fields = fields;
  event.nfields = 2;
  assert_string_equal(in_form(JOBSRV_CONSOLE_BRACKETS, &event),
                      "[fetcher   ] span_end       : unpack "
                      "(cancelled, 1200 ms)\n");
  event.nfields = 1;
  assert_string_equal(in_form(JOBSRV_CONSOLE_MESSAGE, &event),
                      "unpack (cancelled)\n");
}

/* Nothing of an event makes a line of its own, or moves the cursor. */
static void hostile_text_is_shown_escaped(void **state) {
  static const char evil[] = "\x1b]0;x\x07\r\n[root] pwned : \xc2\x9b"
                             "2J\xe2\x80\xae\xe2\x80\xa8\xff\x7f\xe2\x80\x8b";
  jobsrv_event_t event = sample;
  jobsrv_field_t field = jobsrv_field_string("outcome", evil);
  const char *text;

  (void) state;
  event.actor = event.action = event.target = event.human = evil;
  event.cute = event.story = event.function = event.file = evil;
  event.fields = &field;
  event.nfields = 1;
  for (int fields = 0; fields < 2; fields++)
    for (int form = 0; form <= JOBSRV_CONSOLE_MESSAGE; form++) {
      int lines = 0;

      if (form == JOBSRV_CONSOLE_JSON)
        continue;
      text = lay((jobsrv__layout_t) { .form = (jobsrv_console_form_t) form,
                                      .fields = fields },
                 &event);
      for (const char *p = text; *p != '\0'; p++) {
        assert_true((unsigned char) *p >= ' ' || *p == '\n');
        assert_true(*p != 0x7f);
        lines += *p == '\n';
      }
      assert_int_equal(lines, form == JOBSRV_CONSOLE_BLOCK ? 2 : 1);
      assert_null(strstr(text, "\xe2\x80\xae"));
      assert_null(strstr(text, "\xe2\x80\xa8"));
      assert_null(strstr(text, "\xc2\x9b"));
      assert_null(strchr(text, '\xff'));
    }
}

static void without_memory_there_is_no_line(void **state) {
  jobsrv__buf_t buf;

  (void) state;
  for (int form = 0; form <= JOBSRV_CONSOLE_MESSAGE; form++) {
    jobsrv_event_t event = sample;

    event.json = "{\"type\":\"narration\"}";
    event.json_len = strlen(event.json);
    for (size_t max = 1; max < 11; max++) { /* all are longer */
      jobsrv__buf_init(&buf, NULL, max);
      assert_err(jobsrv__layout_put(&(jobsrv__layout_t) {
                                        .form = (jobsrv_console_form_t) form },
                                    &buf, &event),
                 JOBSRV_ETOOBIG);
      jobsrv__buf_free(&buf);
    }
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_block_form_is_the_original_s),
  cmocka_unit_test(names_that_are_too_long_are_not_cut),
  cmocka_unit_test(the_bracket_form_is_padded),
  cmocka_unit_test(padding_counts_columns),
  cmocka_unit_test(the_text_form_shows_time_level_job_and_who),
  cmocka_unit_test(each_level_has_its_colour),
  cmocka_unit_test(an_id_is_shortened_by_characters),
  cmocka_unit_test(the_reader_chooses_the_voice),
  cmocka_unit_test(the_message_form_is_the_text_alone),
  cmocka_unit_test(the_json_form_is_what_the_event_has),
  cmocka_unit_test(logfmt_has_all_there_is),
  cmocka_unit_test(what_logfmt_quotes_reads_back_the_same),
  cmocka_unit_test(logfmt_hides_nothing_in_its_quotes),
  cmocka_unit_test(fields_follow_the_text_when_asked),
  cmocka_unit_test(the_end_of_a_span_tells_how_it_went),
  cmocka_unit_test(hostile_text_is_shown_escaped),
  cmocka_unit_test(without_memory_there_is_no_line),
};

RUN(tests);
