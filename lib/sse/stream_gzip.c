/* SPDX-License-Identifier: MIT */

#include "sse/stream.h"

/* Streams that are compressed, as gzip.h tells. */

/* Without memory for a packer the answer is not compressed. */
jobsrv__coding_t jobsrv__coding_of(const jobsrv__request_t *request) {
  jobsrv_sse_t *sse = request->sse;

  if (!sse->options.gzip)
    return JOBSRV__CODING_NONE;
  if (!jobsrv__media_wants_gzip(request))
    return JOBSRV__CODING_IDENTITY;
  if (sse->packer == NULL)
    sse->packer = jobsrv__packer_new(sse->alloc, sse->scratch_cap);
  return sse->packer != NULL ? JOBSRV__CODING_GZIP : JOBSRV__CODING_IDENTITY;
}

int jobsrv__stream_pack(jobsrv__stream_t *stream,
                        int is_last,
                        jobsrv__span_t *data) {
  if (stream->gzip == NULL)
    return 0;
  return jobsrv__gzip_pack(stream->sse->packer, stream->gzip, *data,
                           stream->chunked, is_last, data);
}

static void on_packer_turn(jobsrv_turn_t *turn) {
  jobsrv_sse_t *sse = JOBSRV__CONTAINER(turn, jobsrv_sse_t, packer_turn);

  jobsrv__packer_rested(sse->packer);
}

/* The packer rests before the stream goes on: turns are in order of asking. */
int jobsrv__stream_may_pack(jobsrv__stream_t *stream) {
  jobsrv_sse_t *sse = stream->sse;

  if (stream->gzip == NULL || !jobsrv__packer_is_tired(sse->packer))
    return 1;
  jobsrv_turn_ask(sse->srv, &sse->packer_turn, on_packer_turn);
  jobsrv__stream_ask(stream);
  return 0;
}

int jobsrv__stream_send_piece(jobsrv__stream_t *stream) {
  jobsrv__gzip_t *gzip = stream->gzip;
  jobsrv__span_t rest;
  int64_t taken;

  if (gzip == NULL || gzip->piece == NULL)
    return 1;
  rest = jobsrv__gzip_rest(gzip, stream->chunked);
  taken = jobsrv__stream_put(stream, rest.data, rest.len);
  if (taken < 0)
    return 0;
  gzip->sent += (uint32_t) taken;
  if ((size_t) taken < rest.len)
    return 0;
  jobsrv__gzip_drop(stream->sse->packer, gzip);
  return 1;
}

/* A piece holds whole frames: the log is left behind at once, and not pinned
   for the sake of who reads slowly. */
int jobsrv__stream_send_packed(jobsrv__stream_t *stream,
                               const jobsrv_view_t *view,
                               int is_progress,
                               size_t *share) {
  jobsrv__gzip_t *gzip = stream->gzip;
  size_t len;

  if (jobsrv__gzip_take(stream->sse->packer, gzip,
                        jobsrv__span(view->data, view->len),
                        jobsrv_cursor_seq(&stream->cursor), is_progress) != 0) {
    jobsrv__stream_cut(stream);
    return 0;
  }
  len = gzip->piece->log_len;
  *share -= len < *share ? len : *share;
  jobsrv_cursor_advance(&stream->cursor, len);
  return jobsrv__stream_send_piece(stream);
}
