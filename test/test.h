/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_TEST_H
#define JOBSRV_TEST_TEST_H

/* cmocka.h uses what these declare and includes none of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobsrv/error.h"

#include <string.h>

/* The call returns 0; otherwise its error is told by name and text. */
#define assert_ok(call)                                                       \
  do {                                                                        \
    int err_ = (call);                                                        \
    if (err_ != 0)                                                            \
      fail_msg("%s: %s (%s, %d)", #call, jobsrv_strerror(err_),               \
               jobsrv_err_name(err_), err_);                                  \
  } while (0)

/* The call fails with exactly this code. */
#define assert_err(call, code)                                                \
  do {                                                                        \
    int err_ = (call);                                                        \
    if (err_ != (code))                                                       \
      fail_msg("%s: %d (%s) where %s was due", #call, err_,                   \
               err_ < 0 ? jobsrv_err_name(err_) : "no error", #code);         \
  } while (0)

/* The text holds `part` somewhere. */
#define assert_contains(text, part)                                           \
  do {                                                                        \
    const char *text_ = (text), *part_ = (part);                              \
    if (text_ == NULL || strstr(text_, part_) == NULL)                        \
      fail_msg("\"%s\" is not in \"%s\"", part_,                              \
               text_ == NULL ? "(null)" : text_);                             \
  } while (0)

/* `n` bytes at `p` are exactly this string. */
#define assert_bytes(p, n, text)                                              \
  do {                                                                        \
    const char *text_ = (text);                                               \
    size_t n_ = (n);                                                          \
    const char *p_ = (const char *) (p);                                      \
    if (n_ != strlen(text_) || memcmp(p_, text_, n_) != 0)                    \
      fail_msg("\"%.*s\" where \"%s\" was due", (int) n_, p_, text_);         \
  } while (0)

/*
 * The last line of a test file: RUN(tests) is its main(). `tests` is an array
 * of struct CMUnitTest. The count of failures is folded to 0 or 1, as an exit
 * status holds eight bits.
 */
#define RUN_GROUP(tests) cmocka_run_group_tests(tests, NULL, NULL)
#define RUN(tests)                                                            \
  int main(void) {                                                            \
    return RUN_GROUP(tests) != 0;                                             \
  }                                                                           \
  extern int run_takes_a_semicolon_

#endif /* JOBSRV_TEST_TEST_H */
