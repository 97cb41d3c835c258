/* SPDX-License-Identifier: MIT */

#include "jobsrv/testing.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <uv.h>

typedef struct faults_s {
  _Atomic uint64_t requests;
  _Atomic uint64_t after;
  _Atomic uint64_t count;
  _Atomic uint64_t every; /* 0: not used */
  _Atomic uint64_t live;
  _Atomic uint64_t bytes;
  atomic_int hit;
} faults_t;

/* Before each block: its size, in as much room as keeps it aligned. */
typedef union head_u {
  size_t size;
  max_align_t align;
} head_t;

/* Counts a request; 1 if it is one of those that fail. */
static int fails(faults_t *faults) {
  uint64_t n = atomic_fetch_add(&faults->requests, 1);
  uint64_t after = atomic_load(&faults->after);
  uint64_t count = atomic_load(&faults->count);
  uint64_t every = atomic_load(&faults->every);

  if (every != 0 ? (n + 1) % every != 0 : n < after || n - after >= count)
    return 0;
  atomic_store(&faults->hit, 1);
  return 1;
}

static void *resize(faults_t *faults, head_t *old, size_t size) {
  size_t before = old != NULL ? old->size : 0;
  head_t *head;

  if (fails(faults) || size > SIZE_MAX - sizeof(*head))
    return NULL;
  head = realloc(old, sizeof(*head) + size);
  if (head == NULL)
    return NULL;
  head->size = size;
  if (old == NULL)
    atomic_fetch_add(&faults->live, 1);
  atomic_fetch_add(&faults->bytes, size - before);
  return head + 1;
}

static void *on_malloc(void *ctx, size_t size) {
  return resize(ctx, NULL, size);
}

static void *on_realloc(void *ctx, void *ptr, size_t size) {
  return resize(ctx, ptr != NULL ? (head_t *) ptr - 1 : NULL, size);
}

static void on_free(void *ctx, void *ptr) {
  faults_t *faults = ctx;
  head_t *head = ptr;

  if (ptr == NULL)
    return;
  head--;
  atomic_fetch_sub(&faults->bytes, head->size);
  free(head);
  atomic_fetch_sub(&faults->live, 1); /* last: whoever sees 0 may free us */
}

int jobsrv_faults_init(jobsrv_faults_t *faults) {
  faults_t *state = calloc(1, sizeof(*state));

  if (state == NULL)
    return UV_ENOMEM;
  faults->alloc.malloc = on_malloc;
  faults->alloc.realloc = on_realloc;
  faults->alloc.free = on_free;
  faults->alloc.ctx = state;
  faults->state = state;
  return 0;
}

void jobsrv_faults_free(jobsrv_faults_t *faults) {
  free(faults->state);
  faults->state = NULL;
}

void jobsrv_faults_fail(jobsrv_faults_t *faults,
                        uint64_t after,
                        uint64_t count) {
  faults_t *state = faults->state;

  atomic_store(&state->count, 0);
  atomic_store(&state->every, 0);
  atomic_store(&state->requests, 0);
  atomic_store(&state->hit, 0);
  atomic_store(&state->after, after);
  atomic_store(&state->count, count);
}

void jobsrv_faults_every(jobsrv_faults_t *faults, uint64_t n) {
  jobsrv_faults_fail(faults, 0, 0);
  atomic_store(&((faults_t *) faults->state)->every, n);
}

uint64_t jobsrv_faults_requests(const jobsrv_faults_t *faults) {
  return atomic_load(&((faults_t *) faults->state)->requests);
}

uint64_t jobsrv_faults_live(const jobsrv_faults_t *faults) {
  return atomic_load(&((faults_t *) faults->state)->live);
}

uint64_t jobsrv_faults_bytes(const jobsrv_faults_t *faults) {
  return atomic_load(&((faults_t *) faults->state)->bytes);
}

int jobsrv_faults_hit(const jobsrv_faults_t *faults) {
  return atomic_load(&((faults_t *) faults->state)->hit);
}
