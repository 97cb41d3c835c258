/* SPDX-License-Identifier: MIT */

#include "parity.h"

static void assert_voices(const char *action,
                          const char *human,
                          const char *cute,
                          const char *story) {
  const jobsrv_event_t *event = said(action);
  json_t *json = said_json(action);

#define VOICE(name)                                                           \
  if (name == NULL) {                                                         \
    assert_null(event->name);                                                 \
    assert_null(json_object_get(json, #name));                                \
  } else {                                                                    \
    assert_string_equal(event->name, name);                                   \
    assert_string_equal(text_of(json, #name), name);                          \
  }
  VOICE(human)
  VOICE(cute)
  VOICE(story)
#undef VOICE
  json_decref(json);
}

/*
 * N-10 to N-12. Differs: there the mode is one for the process and is chosen
 * when something is said, so that in cute mode the plain words are lost for
 * everybody. Ours has no mode to set: all three voices travel, and each reader
 * chooses.
 */
static void all_voices_travel_and_none_is_written_over(void **state) {
  (void) state;
  assert_ok(jobsrv_info_voices(p.job, "all", "got %d files", "%d treats",
                               "\"%d!\" it said", 3));
  assert_voices("all", "got 3 files", "3 treats", "\"3!\" it said");
}

/* N-11: what a reader falls back to is there. */
static void an_event_without_variants_has_its_plain_words(void **state) {
  (void) state;
  assert_ok(jobsrv_narrate(p.job, "plain", "only %s", "this"));
  assert_voices("plain", "only this", NULL, NULL);
}

/* N-13, form by form; all the variants share one list of arguments. */
static void action_and_text(void **state) {
  (void) state;
  assert_ok(jobsrv_narrate(p.job, "text", "starts"));
  assert_voices("text", "starts", NULL, NULL);
}

static void action_format_and_arguments(void **state) {
  (void) state;
  assert_ok(jobsrv_narrate(p.job, "format", "%s on %d, %.1f%%", "up", 80, 2.5));
  assert_voices("format", "up on 80, 2.5%", NULL, NULL);
}

static void human_and_cute(void **state) {
  (void) state;
  assert_ok(jobsrv_info_cute(p.job, "cute", "%s is up", "%s woke \xf0\x9f\x90"
                                                        "\x9d", "hive"));
  assert_voices("cute", "hive is up", "hive woke \xf0\x9f\x90\x9d", NULL);
}

static void human_and_story(void **state) {
  (void) state;
  assert_ok(jobsrv_info_story(p.job, "story", "%s asks", "\"You?\" says %s",
                              "queen"));
  assert_voices("story", "queen asks", NULL, "\"You?\" says queen");
}

static void a_table(void **state) {
  json_t *json;

  (void) state;
  assert_ok(jobsrv_table(p.job, "rows", "[{\"a\":1}]", "%d row", 1));
  assert_voices("rows", "1 row", NULL, NULL);
  json = said_json("rows");
  assert_int_equal(json_array_size(json_object_get(json, "table")), 1);
  json_decref(json);
}

/* N-13: one voice alone is the plain words too, so that none reads nothing. */
static void a_single_variant_is_the_plain_words_too(void **state) {
  (void) state;
  assert_ok(jobsrv_narrate_event(p.job, &(jobsrv_event_t) {
                                            .action = "one", .cute = "yay" }));
  assert_ok(jobsrv_narrate_event(p.job, &(jobsrv_event_t) {
                                            .action = "two",
                                            .story = "\"Once\"" }));
  assert_voices("one", "yay", "yay", NULL);
  assert_voices("two", "\"Once\"", NULL, "\"Once\"");
}

/* Differs: cute and story without human, which the original has no form for. */
static void cute_and_story_alone_are_told_plainly_by_the_first(void **state) {
  (void) state;
  assert_ok(jobsrv_narrate_event(p.job, &(jobsrv_event_t) {
                                            .action = "both", .cute = "yay",
                                            .story = "\"Once\"" }));
  assert_voices("both", "yay", "yay", "\"Once\"");
}

/* Plain words that are empty on purpose stay so. */
static void an_empty_text_is_a_text(void **state) {
  (void) state;
  assert_ok(jobsrv_narrate_event(p.job, &(jobsrv_event_t) {
                                            .action = "empty", .human = "",
                                            .cute = "yay" }));
  assert_voices("empty", "", "yay", NULL);
}

/* N-14 knows no bound but a guideline: nothing short of max_text is cut. */
static void no_guideline_of_length_cuts_a_voice(void **state) {
  char text[1001];

  (void) state;
  memset(text, 'x', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  assert_ok(jobsrv_fatal_voices(p.job, "long", "%s", "%s", "%s", text));
  assert_voices("long", text, text, text);
}

static const struct CMUnitTest tests[] = {
  CASE(all_voices_travel_and_none_is_written_over),
  CASE(an_event_without_variants_has_its_plain_words),
  CASE(action_and_text),
  CASE(action_format_and_arguments),
  CASE(human_and_cute),
  CASE(human_and_story),
  CASE(a_table),
  CASE(a_single_variant_is_the_plain_words_too),
  CASE(cute_and_story_alone_are_told_plainly_by_the_first),
  CASE(an_empty_text_is_a_text),
  CASE(no_guideline_of_length_cuts_a_voice),
};

RUN(tests);
