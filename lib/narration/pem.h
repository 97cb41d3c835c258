/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_PEM_H_
#define JOBSRV_NARRATION_PEM_H_

/*
 * Private keys in PEM: -----BEGIN ... PRIVATE KEY----- to its END line. One
 * that is told line by line is several events, of which only the first can be
 * known by what it holds: the others are known by what came before them.
 */

#include "jobsrv/narrate.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The end of the block that begins at `at`: behind its END line, or `len` with
 * `*open` set when there is none. 0 if no private key begins there.
 */
size_t jobsrv__pem_end(const char *text, size_t len, size_t at, int *open);

/* Blocks of one job that are open, each told by one source. Zeroed: none. */
enum { JOBSRV__PEM_SOURCES = 2 };

typedef struct jobsrv__pem_s {
  uint32_t source[JOBSRV__PEM_SOURCES]; /* its actor and action */
  uint8_t stage[JOBSRV__PEM_SOURCES];   /* 0: none is open */
} jobsrv__pem_t;

/*
 * Takes note of the job's next event; each once, in their order. Returns 1 if
 * its text is a line of a key that an event before it has begun. A block ends
 * with its END line, or where the lines cease to look like one: at the second
 * that is not full, so that a key without an end hides little else.
 */
int jobsrv__pem_follow(jobsrv__pem_t *pem, const jobsrv_event_t *event);

#endif /* JOBSRV_NARRATION_PEM_H_ */
