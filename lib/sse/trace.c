/* SPDX-License-Identifier: MIT */

#include "sse/trace.h"

#include <string.h>

/* All fields of the name as one, with commas. 0 when they do not fit. */
static size_t join(const jobsrv__request_t *request,
                   const char *name,
                   char to[JOBSRV__TRACESTATE_MAX]) {
  size_t len = 0;

  for (size_t i = 0; i < request->n_headers; i++) {
    jobsrv__span_t value = request->headers[i].value;

    if (!jobsrv__span_is(request->headers[i].name, name))
      continue;
    if (len + (len > 0) + value.len > JOBSRV__TRACESTATE_MAX)
      return 0;
    if (len > 0)
      to[len++] = ',';
    if (value.len > 0)
      memcpy(to + len, value.data, value.len);
    len += value.len;
  }
  return len;
}

void jobsrv__trace_read(const jobsrv__request_t *request,
                        jobsrv__given_trace_t *lent,
                        jobsrv_spec_t *spec) {
  jobsrv__traceparent_t read;
  size_t count = 0;
  jobsrv__span_t given = jobsrv__request_header(request, "traceparent", &count);
  size_t len;

  if (count != 1 || jobsrv__traceparent_read(given.data, given.len, &read) != 0)
    return;
  jobsrv__traceparent_write(lent->traceparent, &read);
  spec->traceparent = lent->traceparent;
  len = join(request, "tracestate", lent->tracestate);
  lent->tracestate[len] = '\0';
  if (jobsrv__tracestate_ok(lent->tracestate, len))
    spec->tracestate = lent->tracestate;
}
