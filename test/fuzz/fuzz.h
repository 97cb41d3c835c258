/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_FUZZ_H
#define JOBSRV_TEST_FUZZ_H

/*
 * A fuzz target is a file NAME-fuzz.c that defines LLVMFuzzerTestOneInput().
 * In a build with JOBSRV_FUZZ libFuzzer drives it; in any other, replay.c runs
 * it over the inputs in corpus/NAME and over changed copies of them.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_check(what)                                                      \
  do {                                                                        \
    if (!(what)) {                                                            \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #what);\
      abort();                                                                \
    }                                                                         \
  } while (0)

/* The input, taken from its front. */
typedef struct {
  const uint8_t *p;
  size_t n;
} fuzz_t;

/* 0 when there are no more. */
static inline unsigned int fuzz_byte(fuzz_t *in) {
  if (in->n == 0)
    return 0;
  in->n--;
  return *in->p++;
}

/* A length in a byte, then so many; 255 stands for all that is left. */
static inline const char *fuzz_bytes(fuzz_t *in, size_t *len) {
  const char *p;
  size_t n = fuzz_byte(in);

  p = (const char *) in->p;
  if (n == 255 || n > in->n)
    n = in->n;
  in->p += n;
  in->n -= n;
  *len = n;
  return p;
}

/* The same in memory of its own, so that a read past it is seen. */
static inline char *fuzz_copy(const char *p, size_t len) {
  char *copy = calloc(len > 0 ? len : 1, 1);

  fuzz_check(copy != NULL);
  if (len > 0)
    memcpy(copy, p, len);
  return copy;
}

/* A string; NUL ends it early. */
static inline char *fuzz_string(fuzz_t *in) {
  size_t len;
  const char *p = fuzz_bytes(in, &len);
  char *copy = malloc(len + 1);

  fuzz_check(copy != NULL);
  memcpy(copy, p, len);
  copy[len] = '\0';
  return copy;
}

/* Where `what` is in `p`, or NULL. */
static inline const char *fuzz_find(const char *p,
                                    size_t len,
                                    const char *what) {
  return memmem(p, len, what, strlen(what));
}

#endif /* JOBSRV_TEST_FUZZ_H */
