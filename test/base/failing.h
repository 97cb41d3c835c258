/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_BASE_FAILING_H
#define JOBSRV_TEST_BASE_FAILING_H

/* An allocator that counts what lives and fails one call, counted from 0. */

#include "jobsrv/alloc.h"

#include <limits.h>
#include <stdlib.h>

typedef struct {
  int calls;
  int fail_at;
  int live;
} failing_t;

static int failing_next(failing_t *state) {
  return state->calls++ == state->fail_at;
}

static void *failing_malloc(void *ctx, size_t size) {
  failing_t *state = ctx;
  void *ptr = failing_next(state) ? NULL : malloc(size);

  state->live += ptr != NULL;
  return ptr;
}

static void *failing_realloc(void *ctx, void *ptr, size_t size) {
  failing_t *state = ctx;
  void *moved = failing_next(state) ? NULL : realloc(ptr, size);

  state->live += ptr == NULL && moved != NULL;
  return moved;
}

static void failing_free(void *ctx, void *ptr) {
  failing_t *state = ctx;

  state->live -= ptr != NULL;
  free(ptr);
}

/* `fail_at` of -1 never fails. */
static jobsrv_alloc_t failing_alloc(failing_t *state, int fail_at) {
  jobsrv_alloc_t alloc = { failing_malloc, failing_realloc, failing_free,
                           state };

  state->calls = 0;
  state->fail_at = fail_at;
  state->live = 0;
  return alloc;
}

#endif /* JOBSRV_TEST_BASE_FAILING_H */
