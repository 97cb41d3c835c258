/* SPDX-License-Identifier: MIT */

#include "demo_fields.h"

#include "place.h"

#include <stdio.h>
#include <string.h>

static const jobsrvd_field_t *find_field(const jobsrvd_field_t *fields,
                                         const char *name) {
  for (; fields->name != NULL; fields++)
    if (strcmp(fields->name, name) == 0)
      return fields;
  return NULL;
}

static int must_be(jobsrv_mistake_t *mistake,
                    const jobsrvd_field_t *field,
                    const char *what,
                    const json_t *value) {
  snprintf(mistake->detail, sizeof(mistake->detail), "must be %s, not %s",
           what, jobsrvd_type_name(value));
  return jobsrvd_payload_mistake(mistake, field->name, NULL);
}

static int check_integer(const jobsrvd_field_t *field,
                         const json_t *value,
                         jobsrv_mistake_t *mistake) {
  if (!json_is_integer(value))
    return must_be(mistake, field, "an integer", value);
  if (json_integer_value(value) >= field->min &&
      json_integer_value(value) <= field->max)
    return 0;
  snprintf(mistake->detail, sizeof(mistake->detail),
           "must be %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT,
           field->min, field->max);
  return jobsrvd_payload_mistake(mistake, field->name, NULL);
}

static int check_text(const jobsrvd_field_t *field,
                      const json_t *value,
                      jobsrv_mistake_t *mistake) {
  if (!json_is_string(value))
    return must_be(mistake, field, "a string", value);
  if (strlen(json_string_value(value)) == json_string_length(value))
    return 0;
  return jobsrvd_payload_mistake(mistake, field->name,
                                 "must be a string without U+0000");
}

static int check_lines(const jobsrvd_field_t *field,
                       const json_t *value,
                       jobsrv_mistake_t *mistake) {
  size_t n = json_array_size(value);

  if (!json_is_array(value))
    return must_be(mistake, field, "an array of strings", value);
  if (n > (size_t) field->max) {
    snprintf(mistake->detail, sizeof(mistake->detail),
             "must have at most %" JSON_INTEGER_FORMAT " lines", field->max);
    return jobsrvd_payload_mistake(mistake, field->name, NULL);
  }
  for (size_t i = 0; i < n; i++) {
    if (check_text(field, json_array_get(value, i), mistake) == 0)
      continue;
    snprintf(mistake->pointer, sizeof(mistake->pointer), "/%s/%zu",
             field->name, i);
    return JOBSRV_EPAYLOAD;
  }
  return 0;
}

static int check_field(const jobsrvd_field_t *field,
                       const json_t *value,
                       jobsrv_mistake_t *mistake) {
  if (value == NULL && field->type == JOBSRVD_FIELD_INTEGER &&
      field->fallback >= 0)
    return 0;
  if (value == NULL)
    return jobsrvd_payload_mistake(mistake, field->name, "is missing");
  switch (field->type) {
    case JOBSRVD_FIELD_INTEGER:
      return check_integer(field, value, mistake);
    case JOBSRVD_FIELD_TEXT:
      return check_text(field, value, mistake);
    case JOBSRVD_FIELD_LINES:
      return check_lines(field, value, mistake);
    default:
      return 0;
  }
}

static int check_fields(const jobsrvd_field_t *fields,
                        json_t *payload,
                        jobsrv_mistake_t *mistake) {
  const char *name;
  json_t *value;
  int err = 0;

  json_object_foreach(payload, name, value)
    if (find_field(fields, name) == NULL)
      return jobsrvd_payload_mistake(mistake, name, "unknown member");
  for (; fields->name != NULL && err == 0; fields++)
    err = check_field(fields, json_object_get(payload, fields->name), mistake);
  return err;
}

int jobsrvd_fields_check(const char *payload,
                         size_t len,
                         jobsrv_mistake_t *mistake,
                         void *data) {
  json_t *object;
  int err = jobsrvd_payload_load(&object, payload, len, mistake);

  if (err != 0)
    return err;
  err = check_fields(data, object, mistake);
  json_decref(object);
  return err;
}

int jobsrvd_fields_load(json_t **out, const jobsrv_job_t *job) {
  jobsrv_mistake_t mistake;
  size_t len = 0;
  const char *text = jobsrv_job_payload(job, &len);

  return jobsrvd_payload_load(out, text, len, &mistake);
}

uint64_t jobsrvd_fields_u64(const jobsrvd_field_t *fields,
                            const json_t *payload,
                            const char *name) {
  const json_t *value = json_object_get(payload, name);

  if (value == NULL)
    return (uint64_t) find_field(fields, name)->fallback;
  return (uint64_t) json_integer_value(value);
}
