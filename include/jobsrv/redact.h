/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_REDACT_H
#define JOBSRV_REDACT_H

/*
 * Redaction: taking secrets out of text before it goes where more than its
 * owner may read it. One pass from left to right, in time that grows with the
 * text and nothing else.
 *
 *   BEARER  the token behind "Bearer "
 *   NAMED   the value of name=value, name: value and "name":"value", where the
 *           name ends in one of: password passwd passphrase secret token apikey
 *           accesskey secretkey privatekey authkey signingkey encryptionkey
 *           masterkey sharedkey credential credentials authorization cookie;
 *           any case, with or without '-' and '_' inside; also name => value,
 *           and --name value, unless that is a word of prose ("the --password
 *           option is")
 *   JWT     three to five parts of base64url, of which the first begins "eyJ"
 *   PEM     a PRIVATE KEY block of any kind and size, up to its END line, or
 *           all that follows if there is none. Sinks that get a block line by
 *           line, in events of one job, actor and action, have its lines masked
 *           too, until one after the last full line that is not its END
 *   URL     user and password (or a long user) before the last '@' of
 *           scheme://...@host
 *   VENDOR  tokens that name their maker: AKIA, ghp_, glpat-, xoxb-, sk_live_,
 *           and the like
 *   UUID    only when asked for
 *
 * In JSON, strings and names of members are looked at with their escapes undone
 * and what is behind a name of NAMED is masked whole, also in an array behind a
 * string that is "--name" or "-name"; it stays JSON. Where a text has been cut
 * at max_text, half a secret before the mark of that counts as one.
 */

#include "jobsrv/alloc.h"
#include "jobsrv/error.h"

#include <stddef.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  JOBSRV_REDACT_BEARER = 1 << 0,
  JOBSRV_REDACT_NAMED = 1 << 1,
  JOBSRV_REDACT_JWT = 1 << 2,
  JOBSRV_REDACT_PEM = 1 << 3,
  JOBSRV_REDACT_URL = 1 << 4,
  JOBSRV_REDACT_VENDOR = 1 << 5,
  JOBSRV_REDACT_UUID = 1 << 6,
  JOBSRV_REDACT_NOTHING = 1 << 30 /* of these; names and patterns still count */
};

/*
 * At least `min` (0: 1; at most 128) of `chars` behind `prefix`, where a word
 * begins.
 */
typedef struct jobsrv_redact_pattern_s {
  const char *prefix; /* 1..32 bytes */
  const char *chars;  /* NULL: [A-Za-z0-9_-] */
  size_t min;
} jobsrv_redact_pattern_t;

/* All is copied. */
typedef struct jobsrv_redact_options_s {
  size_t size;               /* set by jobsrv_redact_options_init() */
  unsigned int classes;      /* of the above; 0: all but UUID */
  const char *replacement;   /* NULL: "[REDACTED]"; at most 64 bytes */
  const char *const *names;  /* more of them for NAMED; letters and digits */
  size_t nnames;             /* at most 64 */
  const jobsrv_redact_pattern_t *patterns;
  size_t npatterns;          /* at most 32 */
} jobsrv_redact_options_t;

static inline void
jobsrv_redact_options_init(jobsrv_redact_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/* Does not change once made; for any number of threads and servers. */
typedef struct jobsrv_redactor_s jobsrv_redactor_t;

/*
 * Makes one, with one reference. `alloc` (NULL: the C library) and `options`
 * (NULL: as zeroed) may be NULL.
 *
 * Returns 0; UV_EINVAL for a name with other characters, an empty prefix or
 * one that is too long, or past a bound; JOBSRV_EOPTIONS; UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_redactor_new(jobsrv_redactor_t **out,
                        const jobsrv_alloc_t *alloc,
                        const jobsrv_redact_options_t *options);

/* [any] Adds a reference; returns `redactor`. */
JOBSRV_EXTERN jobsrv_redactor_t *
jobsrv_redactor_ref(jobsrv_redactor_t *redactor);

/* [any] Drops one; the last frees it. */
JOBSRV_EXTERN void jobsrv_redactor_unref(jobsrv_redactor_t *redactor);

/*
 * [any] Writes `len` bytes of `text`, its secrets replaced, to `to`, `cap` of
 * them at most and no NUL. A text that holds none is written as it is, and so
 * is what was redacted before.
 *
 * Returns the length of all of it, which may be above `cap`.
 */
JOBSRV_EXTERN size_t jobsrv_redact(const jobsrv_redactor_t *redactor,
                                   const char *text,
                                   size_t len,
                                   char *to,
                                   size_t cap);

/* [any] 1 if the text holds a secret. */
JOBSRV_EXTERN int jobsrv_redacts(const jobsrv_redactor_t *redactor,
                                 const char *text,
                                 size_t len);

/* [any] 1 if a member or field of this name is masked as a whole. */
JOBSRV_EXTERN int jobsrv_redacts_name(const jobsrv_redactor_t *redactor,
                                      const char *name,
                                      size_t len);

/* [any] What stands in place of a secret. */
JOBSRV_EXTERN const char *
jobsrv_redactor_replacement(const jobsrv_redactor_t *redactor);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_REDACT_H */
