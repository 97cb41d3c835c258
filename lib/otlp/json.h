/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_OTLP_JSON_H_
#define JOBSRV_OTLP_JSON_H_

/*
 * Writing the JSON of OTLP: protobuf's mapping with ids in hexadecimal.
 * Integers of 64 bits are strings of decimal digits, names lowerCamelCase.
 * Failure sticks to the buffer.
 */

#include "base/buf.h"
#include "jobsrv/narrate.h"

/* `text` in quotes; what is not UTF-8 is repaired, controls are escaped. */
void jobsrv__otlp_string(jobsrv__buf_t *buf, const char *text, size_t len);

/* The same, at most `max` bytes of it and a mark that says what was cut. */
void jobsrv__otlp_text(jobsrv__buf_t *buf,
                       const char *text,
                       size_t len,
                       size_t max);

/* `"123"` */
void jobsrv__otlp_u64(jobsrv__buf_t *buf, uint64_t value);
void jobsrv__otlp_i64(jobsrv__buf_t *buf, int64_t value);

/*
 * An AnyValue of a JSON value that has been checked. What is nested deeper than
 * the readers of protobuf like stands as a string of its JSON.
 */
void jobsrv__otlp_any(jobsrv__buf_t *buf, const char *json, size_t len);

/* An AnyValue of a text. */
void jobsrv__otlp_any_text(jobsrv__buf_t *buf,
                           const char *text,
                           size_t len,
                           size_t max);

/* ---- attributes ---- */

enum { JOBSRV__OTLP_ATTRIBUTES = 128 };

typedef struct jobsrv__otlp_attrs_s {
  jobsrv__buf_t *buf;
  size_t max_text;
  uint32_t n;
  uint32_t dropped;
} jobsrv__otlp_attrs_t;

/* `"attributes":[` ... `]`, and how many did not fit if some did not. */
void jobsrv__otlp_attrs_begin(jobsrv__otlp_attrs_t *attrs,
                              jobsrv__buf_t *buf,
                              size_t max_text);
void jobsrv__otlp_attrs_end(jobsrv__otlp_attrs_t *attrs);

/* A NULL `text` is left out. */
void jobsrv__otlp_attr_text(jobsrv__otlp_attrs_t *attrs,
                            const char *key,
                            const char *text);
void jobsrv__otlp_attr_i64(jobsrv__otlp_attrs_t *attrs,
                           const char *key,
                           int64_t value);
void jobsrv__otlp_attr_u64(jobsrv__otlp_attrs_t *attrs,
                           const char *key,
                           uint64_t value);
void jobsrv__otlp_attr_bool(jobsrv__otlp_attrs_t *attrs,
                            const char *key,
                            int value);

/*
 * As jobsrv.KEY when it is well known, else by its own key; one that is like
 * ours as field.KEY.
 */
void jobsrv__otlp_attr_field(jobsrv__otlp_attrs_t *attrs,
                             const jobsrv_field_t *field);

#endif /* JOBSRV_OTLP_JSON_H_ */
