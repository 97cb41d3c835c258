/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_REDACT_FIND_H_
#define JOBSRV_NARRATION_REDACT_FIND_H_

/*
 * Finding secrets. A table of bytes says where to look closer: at the one
 * character of each kind of secret that plain text rarely has ('=', ':', the J
 * of "eyJ"). From there it looks back a bounded way, for a name or a prefix,
 * and forward over what it then masks, so that no byte is looked at more than
 * a fixed number of times.
 */

#include "jobsrv/redact.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
  JOBSRV__REDACT_NAMES = 96,
  JOBSRV__REDACT_NAME = 32,   /* bytes of a name, plain */
  JOBSRV__REDACT_PATTERNS = 64,
  JOBSRV__REDACT_PREFIX = 32,
  JOBSRV__REDACT_PATTERN_MIN = 128, /* bounds what is looked at in vain */
  JOBSRV__REDACT_REPLACEMENT = 64
};

/* What a byte may be the sign of. */
enum {
  JOBSRV__SIGN_VALUE = 1 << 0,  /* = or : */
  JOBSRV__SIGN_BEARER = 1 << 1, /* its b */
  JOBSRV__SIGN_JWT = 1 << 2,    /* the J of eyJ */
  JOBSRV__SIGN_DASH = 1 << 3,   /* of PEM, an option, a UUID */
  JOBSRV__SIGN_PATTERN = 1 << 4
};

/* Plain: in lower case, without '-' and '_'. */
typedef struct jobsrv__redact_name_s {
  char plain[JOBSRV__REDACT_NAME];
  uint8_t len;
  uint8_t until; /* jobsrv__until_t: how far its value goes */
} jobsrv__redact_name_t;

typedef struct jobsrv__redact_prefix_s {
  char text[JOBSRV__REDACT_PREFIX];
  uint8_t len;
  uint8_t sign;      /* index of the byte that is its sign */
  uint32_t min;
  uint32_t chars[8]; /* a bit for each byte */
} jobsrv__redact_prefix_t;

struct jobsrv_redactor_s {
  jobsrv_alloc_t alloc;
  atomic_uint refs;
  unsigned int classes;
  char replacement[JOBSRV__REDACT_REPLACEMENT + 1];
  size_t replacement_len;
  size_t nnames;
  size_t npatterns;
  uint8_t signs[256];
  uint8_t name_ends[256];            /* 1: the last byte of a listed name */
  uint8_t pattern_at[256];           /* first pattern with this sign, from 1 */
  uint8_t next_pattern[JOBSRV__REDACT_PATTERNS]; /* with the same; 0: none */
  jobsrv__redact_name_t names[JOBSRV__REDACT_NAMES];
  jobsrv__redact_prefix_t patterns[JOBSRV__REDACT_PATTERNS];
};

typedef enum {
  JOBSRV__UNTIL_DELIMITER,
  JOBSRV__UNTIL_CREDENTIALS, /* a scheme before it belongs to it */
  JOBSRV__UNTIL_LINE
} jobsrv__until_t;

/*
 * The next secret from `from` on: 1 with its place in [*start, *end), where
 * *start is not before `from`; or 0.
 */
int jobsrv__redact_find(const jobsrv_redactor_t *redactor,
                        const char *text,
                        size_t len,
                        size_t from,
                        size_t *start,
                        size_t *end);

/* The name's plain form; what does not fit is left out at the front. */
size_t jobsrv__redact_plain(char to[JOBSRV__REDACT_NAME],
                            const char *name,
                            size_t len);

/* The listed name that `plain` ends in, or NULL. */
const jobsrv__redact_name_t *
jobsrv__redact_name(const jobsrv_redactor_t *redactor,
                    const char *plain,
                    size_t len);

/* 1 if this follows an option in prose: "the --password option is new". */
int jobsrv__redact_prose(const char *text, size_t len);

#endif /* JOBSRV_NARRATION_REDACT_FIND_H_ */
