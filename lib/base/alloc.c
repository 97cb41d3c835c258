/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *libc_malloc(void *ctx, size_t size) {
  (void) ctx;
  return malloc(size);
}

static void *libc_realloc(void *ctx, void *ptr, size_t size) {
  (void) ctx;
  return realloc(ptr, size);
}

static void libc_free(void *ctx, void *ptr) {
  (void) ctx;
  free(ptr);
}

static const jobsrv_alloc_t libc_alloc = {
  .malloc = libc_malloc,
  .realloc = libc_realloc,
  .free = libc_free,
};

const jobsrv_alloc_t *jobsrv__alloc(const jobsrv_alloc_t *user) {
  return user != NULL ? user : &libc_alloc;
}

/* Allocators differ about a size of 0, and NULL has to mean one thing. */
static size_t at_least_one(size_t size) {
  return size > 0 ? size : 1;
}

void *jobsrv__malloc(const jobsrv_alloc_t *alloc, size_t size) {
  return alloc->malloc(alloc->ctx, at_least_one(size));
}

void *jobsrv__zalloc(const jobsrv_alloc_t *alloc, size_t size) {
  void *ptr = jobsrv__malloc(alloc, size);

  if (ptr != NULL)
    memset(ptr, 0, size);
  return ptr;
}

void *jobsrv__realloc(const jobsrv_alloc_t *alloc, void *ptr, size_t size) {
  return alloc->realloc(alloc->ctx, ptr, at_least_one(size));
}

void jobsrv__free(const jobsrv_alloc_t *alloc, void *ptr) {
  alloc->free(alloc->ctx, ptr);
}

char *jobsrv__strndup(const jobsrv_alloc_t *alloc, const char *s, size_t len) {
  char *copy;

  if (len == SIZE_MAX)
    return NULL;
  copy = jobsrv__malloc(alloc, len + 1);
  if (copy == NULL)
    return NULL;
  if (len > 0)
    memcpy(copy, s, len);
  copy[len] = '\0';
  return copy;
}

char *jobsrv__strdup(const jobsrv_alloc_t *alloc, const char *s) {
  return s != NULL ? jobsrv__strndup(alloc, s, strlen(s)) : NULL;
}
