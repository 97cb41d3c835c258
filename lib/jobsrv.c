/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "narration/narration.h"

#include <uv.h>

/* Core runs jobs and narration tells of them; a server is the two together. */
int jobsrv_new(jobsrv_t **out,
               struct uv_loop_s *loop,
               const jobsrv_options_t *options) {
  const jobsrv_alloc_t *user = NULL;
  jobsrv__narration_t *narration;
  jobsrv_alloc_t alloc;
  jobsrv_t *srv;
  int err;

  if (options != NULL &&
      options->size >= offsetof(jobsrv_options_t, clock))
    user = options->alloc;
  alloc = *jobsrv__alloc(user);
  narration = jobsrv__narration_new(&alloc);
  if (narration == NULL)
    return UV_ENOMEM;
  err = jobsrv__server_new(&srv, loop, options);
  if (err != 0) {
    jobsrv__free(&alloc, narration); /* not attached: it holds nothing yet */
    return err;
  }
  jobsrv__narration_attach(narration, srv);
  *out = srv;
  return 0;
}
