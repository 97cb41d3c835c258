/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_ALLOC_H
#define JOBSRV_ALLOC_H

#include <stddef.h>

/*
 * Where an object takes its memory from. Copied by whoever is given it; `ctx`
 * must outlive every object made with it. NULL in place of the whole struct
 * means the C library.
 *
 * The functions are called from every thread that narrates, finishes or drops
 * a reference, so they must be thread-safe. `realloc` must behave as malloc
 * for a NULL `ptr`, `free` must accept NULL. What libuv, jansson and llhttp
 * allocate for themselves does not pass through here: their hooks are global
 * to the process and belong to the host.
 */
typedef struct jobsrv_alloc_s {
  void *(*malloc)(void *ctx, size_t size);
  void *(*realloc)(void *ctx, void *ptr, size_t size);
  void (*free)(void *ctx, void *ptr);
  void *ctx;
} jobsrv_alloc_t;

#endif /* JOBSRV_ALLOC_H */
