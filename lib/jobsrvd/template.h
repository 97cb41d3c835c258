/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_TEMPLATE_H
#define JOBSRVD_TEMPLATE_H

/*
 * One argument of a command: text with ${name} where a member's value goes.
 * Whatever the value holds, the result is one argument: nothing is split, and
 * no shell sees it. A literal "${" is written "$${".
 */

#include "member.h"

#include <stddef.h>

typedef struct jobsrvd_piece_s {
  char *text;    /* NULL: the value of `member` */
  size_t member; /* index */
} jobsrvd_piece_t;

typedef struct jobsrvd_template_s {
  jobsrvd_piece_t *pieces;
  size_t count;
} jobsrvd_template_t;

/*
 * Reads `text` into a zeroed template, which is to be freed in either case,
 * and marks the members that it uses. Returns 0, or -1 after a complaint.
 */
int jobsrvd_template_parse(jobsrvd_template_t *tmpl,
                           const char *text,
                           jobsrvd_member_t *members,
                           size_t n_members,
                           const jobsrvd_place_t *place);

void jobsrvd_template_free(jobsrvd_template_t *tmpl);

/* 1 if a value goes into it. */
int jobsrvd_template_varies(const jobsrvd_template_t *tmpl);

/* The argument, for free(); NULL for want of memory. */
char *jobsrvd_template_expand(const jobsrvd_template_t *tmpl,
                              char *const *values);

#endif /* JOBSRVD_TEMPLATE_H */
