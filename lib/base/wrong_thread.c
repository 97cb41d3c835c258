/* SPDX-License-Identifier: MIT */

#include "base/wrong_thread.h"

#include <stdio.h>
#include <stdlib.h>

#ifndef NDEBUG

void jobsrv__wrong_thread(const char *call) {
  fprintf(stderr, "%s() called off its server's loop thread\n", call);
  abort();
}

#endif
