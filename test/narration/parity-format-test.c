/* SPDX-License-Identifier: MIT */

/*
 * How the original formats, as a person sees it who reads the console. Where it
 * shows a table of an event, each of its lines begins with two spaces.
 */

#include "parity.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define BAR " \xe2\x94\x82 "
#define RULE "\xe2\x94\x80"
#define CROSS RULE "\xe2\x94\xbc" RULE

static char text[1 << 16];

/* All that the console has written once it has the line of the action. */
static const char *console_of(const jobsrv_console_options_t *given,
                              const char *json,
                              const char *human) {
  jobsrv_console_options_t options = *given;
  struct pollfd fd;
  size_t len = 0;
  int fds[2];
  jobsrv_sink_t *sink;

  assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
  options.fd = fds[1];
  assert_ok(jobsrv_console_add(p.world.srv, &options, &sink));
  if (json != NULL)
    assert_ok(jobsrv_table(p.job, "show", json, "%s", human));
  else
    assert_ok(jobsrv_narrate(p.job, "show", "%s", human));
  assert_ok(jobsrv_narrate(p.job, "behind", "it"));
  fd = (struct pollfd) { .fd = fds[0], .events = POLLIN };
  text[0] = '\0';
  while (strstr(text, "behind") == NULL) {
    ssize_t n;

    if (poll(&fd, 1, 5000) != 1)
      fail_msg("no more than %s", text);
    n = read(fds[0], text + len, sizeof(text) - 1 - len);
    assert_true(n > 0);
    len += (size_t) n;
    text[len] = '\0';
  }
  jobsrv_sink_remove(sink);
  close(fds[0]);
  close(fds[1]);
  return text;
}

static const char *shown(const char *json, const char *human) {
  jobsrv_console_options_t options;

  jobsrv_console_options_init(&options);
  return console_of(&options, json, human);
}

/* The lines below the event's own, up to the next event's. */
static void assert_table(const char *json, const char *want) {
  char *from = strchr(shown(json, "human"), '\n');
  char *end = strstr(text, "\n2026-01-01T00:00:00.000Z info  ...");

  assert_non_null(from);
  assert_non_null(end);
  end[1] = '\0';
  assert_string_equal(from + 1, want);
}

/*
 * N-24: three dots and the last six characters. Differs: an id is made by the
 * library, always "job-" and a UUID, so that there is no shorter one and none
 * that a cut could break; an event of no job has "-".
 */
static void a_job_id_is_shown_short(void **state) {
  char want[40];

  (void) state;
  assert_int_equal(strlen(p.id), 40);
  snprintf(want, sizeof(want), " ...%s ", p.id + 34);
  assert_contains(shown(NULL, "human"), want);
  assert_null(strstr(text, p.id));
}

static void the_id_of_no_job_is_no_id(void **state) {
  jobsrv_context_t context, none;

  (void) state;
  jobsrv_context_enter(&context, p.job);
  jobsrv_context_enter(&none, NULL);
  p.job = NULL;
  assert_contains(shown(NULL, "human"), " info  - ");
  assert_null(strstr(text, "..."));
  jobsrv_context_leave(&none);
  jobsrv_context_leave(&context);
}

/* N-25. */
static void a_table_without_rows_is_empty(void **state) {
  (void) state;
  assert_table("[]", "  (empty)\n");
}

static void a_table_without_objects_has_no_keys(void **state) {
  (void) state;
  assert_table("[1, 2]", "  (no keys)\n");
}

/*
 * Differs: inside one row, too, keys keep their order; the original's examples
 * show that, its code sorts them.
 */
static void columns_are_the_keys_as_first_seen(void **state) {
  (void) state;
  assert_table("[{\"z\":1,\"a\":2},{\"m\":3}]",
               "  z" BAR "a" BAR "m\n"
               "  " RULE CROSS RULE CROSS RULE "\n"
               "  1" BAR "2" BAR "-\n"
               "  -" BAR "-" BAR "3\n");
}

static void a_column_is_as_wide_as_its_longest_cell(void **state) {
  (void) state;
  assert_table("[{\"id\":\"x\",\"s\":\"up\"},"
               "{\"id\":\"long one\",\"s\":\"d\"}]",
               "  id      " BAR "s\n"
               "  " RULE RULE RULE RULE RULE RULE RULE RULE CROSS RULE RULE "\n"
               "  x       " BAR "up\n"
               "  long one" BAR "d\n");
}

static void rows_that_are_no_objects_are_skipped(void **state) {
  (void) state;
  assert_table("[7, {\"a\":1}, null, [2]]",
               "  a\n  " RULE "\n  1\n");
}

/*
 * N-26: a key, a bar, its value. Differs: keys are padded to the longest of
 * them, where the original pads to 20 whatever they are.
 */
static void an_object_is_a_line_for_each_key(void **state) {
  (void) state;
  assert_table("{\"name\":\"hive\",\"up\":true}",
               "  name" BAR "hive\n"
               "  up  " BAR "true\n");
}

/* N-27. */
static void values_are_compact(void **state) {
  (void) state;
  assert_table("{\"a\":null,\"b\":true,\"c\":false,\"d\":1.5,\"e\":\"bare\","
               "\"f\":[1,2,3],\"g\":{\"x\":1,\"y\":2}}",
               "  a" BAR "null\n"
               "  b" BAR "true\n"
               "  c" BAR "false\n"
               "  d" BAR "1.5\n"
               "  e" BAR "bare\n"
               "  f" BAR "[3]\n"
               "  g" BAR "{2}\n");
}

/*
 * N-28. Differs: the original appended a table to all three texts; ours leaves
 * them as they were said, so that a program still has the rows.
 */
static void a_table_is_beside_the_text_and_not_in_it(void **state) {
  json_t *json;

  (void) state;
  assert_contains(shown("[{\"a\":1}]", "two rows"), "show: two rows\n  a\n");
  json = said_json("show");
  assert_string_equal(text_of(json, "human"), "two rows");
  assert_true(json_is_array(json_object_get(json, "table")));
  json_decref(json);
}

/* N-29. Differs: there, widths are bytes and cells break their lines. */
static void columns_line_up_by_what_a_terminal_shows(void **state) {
  (void) state;
  assert_table("[{\"k\":\"\xe6\x97\xa5\xe6\x9c\xac\",\"v\":1},"
               "{\"k\":\"\xf0\x9f\x90\x9d\",\"v\":2}]",
               "  k   " BAR "v\n"
               "  " RULE RULE RULE RULE CROSS RULE "\n"
               "  \xe6\x97\xa5\xe6\x9c\xac" BAR "1\n"
               "  \xf0\x9f\x90\x9d  " BAR "2\n");
}

static void a_cell_is_one_line_and_no_longer_than_40(void **state) {
  char json[300], want[300];

  (void) state;
  assert_table("{\"a\":\"x\\ny\\u001b[2J\"}", "  a" BAR "x\\x0ay\\x1b[2J\n");
  snprintf(json, sizeof(json), "{\"a\":\"%0200d\"}", 0);
  snprintf(want, sizeof(want), "  a" BAR "%039d\xe2\x80\xa6\n", 0);
  assert_table(json, want);
}

/* N-22, N-30. Differs: the original shows neither time, level, job nor who. */
static void a_line_says_when_how_and_who(void **state) {
  char want[200];

  (void) state;
  (void) shown(NULL, "it is said");
  snprintf(want, sizeof(want),
           "2026-01-01T00:00:00.000Z info  ...%s work show: it is said\n",
           p.id + 34);
  assert_memory_equal(text, want, strlen(want));
}

/* N-30. Differs: the original always colours. */
static void colour_is_for_whom_asks(void **state) {
  jobsrv_console_options_t options;

  (void) state;
  assert_null(strchr(shown(NULL, "human"), '\x1b'));
  jobsrv_console_options_init(&options);
  options.colour = 1;
  assert_non_null(strchr(console_of(&options, NULL, "human"), '\x1b'));
}

static const struct CMUnitTest tests[] = {
  CASE(a_job_id_is_shown_short),
  CASE(the_id_of_no_job_is_no_id),
  CASE(a_table_without_rows_is_empty),
  CASE(a_table_without_objects_has_no_keys),
  CASE(columns_are_the_keys_as_first_seen),
  CASE(a_column_is_as_wide_as_its_longest_cell),
  CASE(rows_that_are_no_objects_are_skipped),
  CASE(an_object_is_a_line_for_each_key),
  CASE(values_are_compact),
  CASE(a_table_is_beside_the_text_and_not_in_it),
  CASE(columns_line_up_by_what_a_terminal_shows),
  CASE(a_cell_is_one_line_and_no_longer_than_40),
  CASE(a_line_says_when_how_and_who),
  CASE(colour_is_for_whom_asks),
};

RUN(tests);
