/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_SIPHASH_H_
#define JOBSRV_BASE_SIPHASH_H_

/*
 * SipHash-2-4 with 128 bits (Aumasson and Bernstein, 2012): a keyed hash of
 * short messages. Who does not know the key can neither make the hash of a
 * message nor find two with the same.
 */

#include <stddef.h>
#include <stdint.h>

enum {
  JOBSRV__SIPHASH_KEY = 16,
  JOBSRV__SIPHASH_SIZE = 16
};

void jobsrv__siphash(unsigned char to[JOBSRV__SIPHASH_SIZE],
                     const unsigned char key[JOBSRV__SIPHASH_KEY],
                     const void *data,
                     size_t len);

#endif /* JOBSRV_BASE_SIPHASH_H_ */
