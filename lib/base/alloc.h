/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_ALLOC_H_
#define JOBSRV_BASE_ALLOC_H_

#include "jobsrv/alloc.h"

#include <stddef.h>

/* `user`, or the C library's allocator when it is NULL. */
const jobsrv_alloc_t *jobsrv__alloc(const jobsrv_alloc_t *user);

/* NULL when there is no memory; a size of 0 gets a pointer of its own. */
void *jobsrv__malloc(const jobsrv_alloc_t *alloc, size_t size);

/* The same, zeroed. */
void *jobsrv__zalloc(const jobsrv_alloc_t *alloc, size_t size);

/* NULL leaves `ptr` as it was. A `ptr` of NULL allocates. */
void *jobsrv__realloc(const jobsrv_alloc_t *alloc, void *ptr, size_t size);

/* NULL is harmless. */
void jobsrv__free(const jobsrv_alloc_t *alloc, void *ptr);

/* Copies exactly `len` bytes, NUL bytes too, and ends them with a NUL. */
char *jobsrv__strndup(const jobsrv_alloc_t *alloc, const char *s, size_t len);

/* NULL for NULL, so a caller asks `copy == NULL && s != NULL`. */
char *jobsrv__strdup(const jobsrv_alloc_t *alloc, const char *s);

#endif /* JOBSRV_BASE_ALLOC_H_ */
