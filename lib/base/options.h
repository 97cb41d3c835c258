/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_OPTIONS_H_
#define JOBSRV_BASE_OPTIONS_H_

#include "jobsrv/error.h"

#include <stddef.h>
#include <string.h>

/*
 * Reads an options struct that begins with `size_t size`, which says how much
 * of it the host knew when it was compiled. `known` is the size known here and
 * `oldest` that of the first published version. What the host did not know is
 * zero in `*to`; what it sets beyond `known` cannot be honoured and is refused.
 * `to->size` is the host's afterwards.
 *
 * Returns 0, or JOBSRV_EOPTIONS with `*to` untouched.
 */
static inline int jobsrv__options_read(void *to,
                                       size_t known,
                                       size_t oldest,
                                       const void *from) {
  const unsigned char *bytes = from;
  size_t given;
  size_t i;

  memcpy(&given, from, sizeof(given));
  if (given < oldest)
    return JOBSRV_EOPTIONS;
  for (i = known; i < given; i++)
    if (bytes[i] != 0)
      return JOBSRV_EOPTIONS;

  memset(to, 0, known);
  memcpy(to, from, given < known ? given : known);
  return 0;
}

#endif /* JOBSRV_BASE_OPTIONS_H_ */
