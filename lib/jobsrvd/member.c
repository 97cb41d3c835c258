/* SPDX-License-Identifier: MIT */

#include "member.h"

#include "settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In characters of up to 4 bytes: below the kernel's 128 KiB an argument. */
enum { MAX_LENGTH = 32000 };

static const char *const type_names[] = { "string", "integer", "number",
                                          "boolean" };

static const char *const type_phrases[] = { "a string", "an integer",
                                            "a number", "true or false" };

enum { TYPES = sizeof(type_names) / sizeof(type_names[0]) };

static const char *const member_names[] = {
  "type",    "enum",    "min_length", "max_length", "minimum",
  "maximum", "pattern", "default",    "dash",       NULL
};

/* ---- values ---- */

static int has_type(const jobsrvd_member_t *member, const json_t *value) {
  switch (member->type) {
    case JOBSRVD_STRING: return json_is_string(value);
    case JOBSRVD_INTEGER: return json_is_integer(value);
    case JOBSRVD_NUMBER: return json_is_number(value);
    default: return json_is_boolean(value);
  }
}

/* Negative, 0 or positive; integers are compared exactly. */
static int compare(const json_t *a, const json_t *b) {
  double x = json_number_value(a), y = json_number_value(b);

  if (json_is_integer(a) && json_is_integer(b))
    return (json_integer_value(a) > json_integer_value(b)) -
           (json_integer_value(a) < json_integer_value(b));
  return (x > y) - (x < y);
}

static size_t characters(const char *text) {
  size_t n = 0;

  for (; *text != '\0'; text++)
    n += ((unsigned char) *text & 0xc0) != 0x80;
  return n;
}

static int check_string(const jobsrvd_member_t *member,
                        const json_t *value,
                        char *detail,
                        size_t cap) {
  const char *text = json_string_value(value);
  size_t n = characters(text);

  if (strlen(text) != json_string_length(value))
    snprintf(detail, cap, "must be a string without U+0000");
  else if (n < member->min_length || n > member->max_length)
    snprintf(detail, cap, "must have %llu to %llu characters, not %zu",
             (unsigned long long) member->min_length,
             (unsigned long long) member->max_length, n);
  else if (member->has_pattern &&
           regexec(&member->pattern, text, 0, NULL, 0) != 0)
    snprintf(detail, cap, "must match the pattern declared for it");
  else
    return 0;
  return -1;
}

static int check_number(const jobsrvd_member_t *member,
                        const json_t *value,
                        char *detail,
                        size_t cap) {
  const json_t *bound = NULL;
  const char *words = "at least";
  char *text;

  if (member->minimum != NULL && compare(value, member->minimum) < 0) {
    bound = member->minimum;
  } else if (member->maximum != NULL && compare(value, member->maximum) > 0) {
    bound = member->maximum;
    words = "at most";
  }
  if (bound == NULL)
    return 0;
  text = jobsrvd_member_text(bound);
  snprintf(detail, cap, "must be %s %s", words, text != NULL ? text : "");
  free(text);
  return -1;
}

static int is_choice(const jobsrvd_member_t *member, const json_t *value) {
  for (size_t i = 0; i < json_array_size(member->choices); i++) {
    const json_t *choice = json_array_get(member->choices, i);
    if (json_is_number(value) && json_is_number(choice)
            ? compare(value, choice) == 0
            : json_equal(value, choice))
      return 1;
  }
  return 0;
}

static int check_choice(const jobsrvd_member_t *member,
                        const json_t *value,
                        char *detail,
                        size_t cap) {
  char *list;

  if (member->choices == NULL || is_choice(member, value))
    return 0;
  list = json_dumps(member->choices, JSON_ENCODE_ANY);
  snprintf(detail, cap, "must be one of %.200s", list != NULL ? list : "");
  free(list);
  return -1;
}

/* Wherever in an argument it ends up: nobody has to think about that. */
static int check_dash(const jobsrvd_member_t *member,
                      const json_t *value,
                      char *detail,
                      size_t cap) {
  int begins = json_is_string(value)   ? json_string_value(value)[0] == '-'
               : json_is_number(value) ? signbit(json_number_value(value)) != 0
                                       : 0; /* -0.0 is written "-0" */

  if (member->dash || !begins)
    return 0;
  snprintf(detail, cap, "may not begin with '-'");
  return -1;
}

int jobsrvd_member_check(const jobsrvd_member_t *member,
                         const json_t *value,
                         char *detail,
                         size_t cap) {
  if (!has_type(member, value)) {
    snprintf(detail, cap, "must be %s, not %s", type_phrases[member->type],
             jobsrvd_type_name(value));
    return -1;
  }
  if (check_dash(member, value, detail, cap) != 0 ||
      check_choice(member, value, detail, cap) != 0)
    return -1;
  if (json_is_string(value))
    return check_string(member, value, detail, cap);
  if (json_is_number(value))
    return check_number(member, value, detail, cap);
  return 0;
}

static int same(double a, double b) {
  return !(a < b) && !(a > b);
}

char *jobsrvd_member_text(const json_t *value) {
  char text[40];

  if (json_is_string(value))
    return strdup(json_string_value(value));
  if (json_is_integer(value)) {
    snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
             json_integer_value(value));
  } else if (json_is_real(value)) {
    /* The fewest digits that read back as the same number. */
    for (int digits = 15; digits <= 17; digits++) {
      snprintf(text, sizeof(text), "%.*g", digits, json_real_value(value));
      if (same(strtod(text, NULL), json_real_value(value)))
        break;
    }
  } else {
    snprintf(text, sizeof(text), "%s", json_is_true(value) ? "true" : "false");
  }
  return strdup(text);
}

/* ---- declarations ---- */

static int parse_type(jobsrvd_member_t *member,
                      json_t *spec,
                      jobsrvd_place_t *place) {
  const char *name = type_names[JOBSRVD_STRING];

  if (jobsrvd_place_text(place, spec, "type", &name) != 0)
    return -1;
  for (size_t i = 0; i < TYPES; i++)
    if (strcmp(type_names[i], name) == 0) {
      member->type = (jobsrvd_type_t) i;
      return 0;
    }
  return jobsrvd_place_error_in(
      place, "type", "expected \"string\", \"integer\", \"number\" or "
      "\"boolean\"");
}

/* What says nothing about a value of the type is a misunderstanding. */
static int refuse_foreign(const jobsrvd_member_t *member,
                          json_t *spec,
                          jobsrvd_place_t *place) {
  static const struct {
    const char *name;
    const char *types; /* first letters */
  } uses[] = {
    { "min_length", "s" }, { "max_length", "s" }, { "pattern", "s" },
    { "minimum", "in" },   { "maximum", "in" },   { "dash", "sin" },
    { "enum", "sin" },
  };
  const char *type = type_names[member->type];

  for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
    if (json_object_get(spec, uses[i].name) != NULL &&
        strchr(uses[i].types, type[0]) == NULL)
      return jobsrvd_place_error_in(place, uses[i].name,
                                    "\"%s\" says nothing about the type %s",
                                    uses[i].name, type);
  return 0;
}

static int parse_lengths(jobsrvd_member_t *member,
                         json_t *spec,
                         jobsrvd_place_t *place) {
  member->max_length = MAX_LENGTH;
  if (jobsrvd_place_u64(place, spec, "min_length", 0, MAX_LENGTH,
                        &member->min_length) != 0)
    return -1;
  return jobsrvd_place_u64(place, spec, "max_length", member->min_length,
                           MAX_LENGTH, &member->max_length);
}

static int parse_bound(const jobsrvd_member_t *member,
                       json_t *spec,
                       const char *name,
                       jobsrvd_place_t *place,
                       json_t **out) {
  json_t *value = json_object_get(spec, name);

  if (value == NULL)
    return 0;
  if (!has_type(member, value))
    return jobsrvd_place_error_in(place, name, "expected %s, not %s",
                                  type_phrases[member->type],
                                  jobsrvd_type_name(value));
  *out = json_incref(value);
  return 0;
}

static int parse_bounds(jobsrvd_member_t *member,
                        json_t *spec,
                        jobsrvd_place_t *place) {
  if (parse_bound(member, spec, "minimum", place, &member->minimum) != 0 ||
      parse_bound(member, spec, "maximum", place, &member->maximum) != 0)
    return -1;
  if (member->minimum != NULL && member->maximum != NULL &&
      compare(member->maximum, member->minimum) < 0)
    return jobsrvd_place_error_in(place, "maximum",
                                  "expected no less than \"minimum\"");
  return 0;
}

static int parse_pattern(jobsrvd_member_t *member,
                         json_t *spec,
                         jobsrvd_place_t *place) {
  const char *text = NULL;
  char why[128];
  int err;

  if (jobsrvd_place_text(place, spec, "pattern", &text) != 0)
    return -1;
  if (text == NULL)
    return 0;
  err = regcomp(&member->pattern, text, REG_EXTENDED | REG_NOSUB);
  if (err != 0) {
    regerror(err, &member->pattern, why, sizeof(why));
    return jobsrvd_place_error_in(
        place, "pattern", "expected an extended regular expression: %s", why);
  }
  member->has_pattern = 1;
  return 0;
}

/* Its own rules hold for what the declaration itself offers. */
static int parse_offered(const jobsrvd_member_t *member,
                         const json_t *value,
                         const jobsrvd_place_t *place) {
  char detail[256];

  if (jobsrvd_member_check(member, value, detail, sizeof(detail)) == 0)
    return 0;
  return jobsrvd_place_error(place, "%s", detail);
}

static int parse_choices(jobsrvd_member_t *member,
                         json_t *spec,
                         jobsrvd_place_t *place) {
  json_t *choices = json_object_get(spec, "enum");
  size_t mark, inner;
  int err = 0;

  if (choices == NULL)
    return 0;
  if (!json_is_array(choices) || json_array_size(choices) == 0)
    return jobsrvd_place_error_in(place, "enum",
                                  "expected an array of at least one value");
  mark = jobsrvd_place_enter(place, "enum");
  for (size_t i = 0; i < json_array_size(choices) && err == 0; i++) {
    inner = jobsrvd_place_enter_index(place, i);
    err = parse_offered(member, json_array_get(choices, i), place);
    jobsrvd_place_leave(place, inner);
  }
  jobsrvd_place_leave(place, mark);
  member->choices = json_incref(choices);
  return err;
}

static int parse_default(jobsrvd_member_t *member,
                         json_t *spec,
                         jobsrvd_place_t *place) {
  json_t *value = json_object_get(spec, "default");
  size_t mark;
  int err;

  if (value == NULL)
    return 0;
  mark = jobsrvd_place_enter(place, "default");
  err = parse_offered(member, value, place);
  jobsrvd_place_leave(place, mark);
  member->fallback = json_incref(value);
  return err;
}

static int name_ok(const char *name) {
  size_t len = strlen(name);

  return len >= 1 && len <= 64 &&
         strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789._-") == len;
}

int jobsrvd_member_parse(jobsrvd_member_t *member,
                         const char *name,
                         json_t *spec,
                         jobsrvd_place_t *place) {
  member->name = jobsrvd_must_copy(name, strlen(name));
  if (!name_ok(name))
    return jobsrvd_place_error(
        place, "expected a member's name of 1 to 64 letters, digits, '.', '_' "
               "and '-'");
  if (strcmp(name, "operation") == 0 || strcmp(name, "options") == 0)
    return jobsrvd_place_error(place, "\"%s\" belongs to the request itself",
                               name);
  if (jobsrvd_place_only(place, spec, member_names) != 0 ||
      parse_type(member, spec, place) != 0 ||
      refuse_foreign(member, spec, place) != 0 ||
      jobsrvd_place_flag(place, spec, "dash", &member->dash) != 0 ||
      parse_lengths(member, spec, place) != 0 ||
      parse_bounds(member, spec, place) != 0 ||
      parse_pattern(member, spec, place) != 0 ||
      parse_choices(member, spec, place) != 0)
    return -1;
  return parse_default(member, spec, place);
}

void jobsrvd_member_free(jobsrvd_member_t *member) {
  free(member->name);
  json_decref(member->choices);
  json_decref(member->fallback);
  json_decref(member->minimum);
  json_decref(member->maximum);
  if (member->has_pattern)
    regfree(&member->pattern);
}
