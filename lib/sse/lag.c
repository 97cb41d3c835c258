/* SPDX-License-Identifier: MIT */

#include "sse/lag.h"

#include "sse/fanout.h"
#include "sse/many.h"

#include <string.h>

/* Of all jobs it is what has been numbered, seen or not. */
static uint64_t lag_of_all(const jobsrv_sse_t *sse,
                           const jobsrv__many_t *many) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(sse->srv, &stats);
  return stats.events - jobsrv__many_after(many);
}

static uint64_t lag_of_many(const jobsrv_sse_t *sse,
                            const jobsrv__many_t *many) {
  uint64_t events = 0;

  if (many->all != NULL)
    return lag_of_all(sse, many);
  for (size_t i = 0; i < many->n; i++) {
    const jobsrv__source_t *source = &many->sources[i];

    if (source->is_done)
      continue;
    events += jobsrv_cursor_lag(&source->cursor);
    events += source->what == JOBSRV_READ_EVENTS; /* read, and not sent yet */
  }
  return events;
}

static uint64_t lag_of(const jobsrv__stream_t *stream) {
  if (stream->lent != NULL)
    return jobsrv__fanout_lag(stream->lent);
  return stream->many != NULL ? lag_of_many(stream->sse, stream->many)
                              : jobsrv_cursor_lag(&stream->cursor);
}

static void count(jobsrv__lag_t *lag, uint64_t events) {
  uint64_t least = 1;

  if (events > lag->most)
    lag->most = events;
  for (size_t i = 0; i < JOBSRV__LAG_STEPS && events >= least; i++) {
    lag->behind[i]++;
    least *= 10;
  }
}

void jobsrv__lag_look(const jobsrv_sse_t *sse, jobsrv__lag_t *lag) {
  jobsrv__queue_t *link;

  memset(lag, 0, sizeof(*lag));
  for (link = jobsrv__queue_front(&sse->streams); link != NULL;
       link = jobsrv__queue_next(&sse->streams, link)) {
    const jobsrv__stream_t *stream =
        JOBSRV__CONTAINER(link, jobsrv__stream_t, link);

    lag->bytes += stream->bytes;
    if (stream->lent != NULL)
      lag->bytes += jobsrv__fanout_bytes(stream->lent);
    count(lag, lag_of(stream));
  }
}
