/* SPDX-License-Identifier: MIT */

#include "place.h"

#include "settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void jobsrvd_place_init(jobsrvd_place_t *place,
                        const char *file,
                        const char *text,
                        size_t len) {
  memset(place, 0, sizeof(*place));
  place->file = file;
  place->text = text;
  place->len = len;
}

/* A name that does not fit is left out: its object is reported instead. */
size_t jobsrvd_place_enter(jobsrvd_place_t *place, const char *name) {
  size_t mark = place->used;
  size_t at = mark;

  place->pointer[at++] = '/';
  for (; *name != '\0' && at + 3 < sizeof(place->pointer); name++) {
    if (*name == '~' || *name == '/') {
      place->pointer[at++] = '~';
      place->pointer[at++] = *name == '~' ? '0' : '1';
    } else {
      place->pointer[at++] = *name;
    }
  }
  if (*name == '\0')
    place->used = at;
  place->pointer[place->used] = '\0';
  return mark;
}

size_t jobsrvd_place_enter_index(jobsrvd_place_t *place, size_t index) {
  char text[24];

  snprintf(text, sizeof(text), "%zu", index);
  return jobsrvd_place_enter(place, text);
}

void jobsrvd_place_leave(jobsrvd_place_t *place, size_t mark) {
  place->used = mark;
  place->pointer[mark] = '\0';
}

JOBSRV_PRINTF(2, 0)
static int complain(const jobsrvd_place_t *place,
                    const char *format,
                    va_list args) {
  jobsrv_json_error_t where;
  char text[1024];

  vsnprintf(text, sizeof(text), format, args);
  (void) jobsrv_json_locate(place->text, place->len, place->pointer, &where);
  jobsrvd_complain("%s:%u:%u: %s", place->file, where.line, where.column, text);
  return -1;
}

int jobsrvd_place_error(const jobsrvd_place_t *place, const char *format, ...) {
  va_list args;

  va_start(args, format);
  (void) complain(place, format, args);
  va_end(args);
  return -1;
}

int jobsrvd_place_error_in(jobsrvd_place_t *place,
                           const char *name,
                           const char *format,
                           ...) {
  size_t mark = jobsrvd_place_enter(place, name);
  va_list args;

  va_start(args, format);
  (void) complain(place, format, args);
  va_end(args);
  jobsrvd_place_leave(place, mark);
  return -1;
}

const char *jobsrvd_type_name(const json_t *value) {
  switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    default: return "null";
  }
}

static int is_one_of(const char *name, const char *const *names) {
  for (; *names != NULL; names++)
    if (strcmp(*names, name) == 0)
      return 1;
  return 0;
}

int jobsrvd_place_only(jobsrvd_place_t *place,
                       json_t *object,
                       const char *const *names) {
  char list[512] = "";
  const char *name;
  json_t *value;

  if (!json_is_object(object))
    return jobsrvd_place_error(place, "expected an object, not %s",
                               jobsrvd_type_name(object));
  json_object_foreach(object, name, value) {
    if (is_one_of(name, names))
      continue;
    for (size_t i = 0, at = 0; names[i] != NULL && at < sizeof(list); i++)
      at += (size_t) snprintf(list + at, sizeof(list) - at, "%s%s",
                              i > 0 ? ", " : "", names[i]);
    return jobsrvd_place_error_in(
        place, name, "unknown member \"%.64s\": expected one of %s", name,
        list);
  }
  return 0;
}

int jobsrvd_place_string(const jobsrvd_place_t *place,
                         const json_t *value,
                         const char **out) {
  if (!json_is_string(value))
    return jobsrvd_place_error(place, "expected a string, not %s",
                               jobsrvd_type_name(value));
  if (strlen(json_string_value(value)) != json_string_length(value))
    return jobsrvd_place_error(place, "expected a string without U+0000");
  *out = json_string_value(value);
  return 0;
}

int jobsrvd_place_text(jobsrvd_place_t *place,
                       const json_t *object,
                       const char *name,
                       const char **out) {
  const json_t *value = json_object_get(object, name);
  size_t mark;
  int err;

  if (value == NULL)
    return 0;
  mark = jobsrvd_place_enter(place, name);
  err = jobsrvd_place_string(place, value, out);
  jobsrvd_place_leave(place, mark);
  return err;
}

int jobsrvd_place_u64(jobsrvd_place_t *place,
                      const json_t *object,
                      const char *name,
                      uint64_t min,
                      uint64_t max,
                      uint64_t *out) {
  const json_t *value = json_object_get(object, name);

  if (value == NULL)
    return 0;
  if (!json_is_integer(value) || json_integer_value(value) < 0 ||
      (uint64_t) json_integer_value(value) < min ||
      (uint64_t) json_integer_value(value) > max)
    return jobsrvd_place_error_in(
        place, name, "expected a whole number from %llu to %llu",
        (unsigned long long) min, (unsigned long long) max);
  *out = (uint64_t) json_integer_value(value);
  return 0;
}

int jobsrvd_place_flag(jobsrvd_place_t *place,
                       const json_t *object,
                       const char *name,
                       int *out) {
  const json_t *value = json_object_get(object, name);

  if (value == NULL)
    return 0;
  if (!json_is_boolean(value))
    return jobsrvd_place_error_in(place, name,
                                  "expected true or false, not %s",
                                  jobsrvd_type_name(value));
  *out = json_is_true(value);
  return 0;
}
