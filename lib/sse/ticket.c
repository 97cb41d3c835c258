/* SPDX-License-Identifier: MIT */

#include "sse/ticket.h"

#include "base/alloc.h"
#include "base/format.h"
#include "sse/api.h"
#include "sse/authorise.h"
#include "sse/frames.h"
#include "sse/route_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
  TIME_LEN = 16,
  PROOF_LOW = 2 * TIME_LEN,
  PROOF_SIZE = JOBSRV__SIPHASH_SIZE,
  LOOKS = 2 /* at old ones for each that is new */
};

/* One that has been used in time. */
typedef struct {
  jobsrv__queue_t link; /* in sse->tickets */
  jobsrv__id_t proof;
  jobsrv_handle_t job;
} used_t;

/* ---- what it says ---- */

static uint64_t now_ms(const jobsrv_sse_t *sse) {
  return jobsrv_now(sse->srv) / 1000000;
}

static jobsrv__id_t prove(const jobsrv_sse_t *sse,
                          const jobsrv_job_t *job,
                          uint64_t made_ms) {
  unsigned char proof[PROOF_SIZE];
  char text[JOBSRV_ID_SIZE + TIME_LEN + 1];
  char id[JOBSRV_ID_SIZE];
  jobsrv__id_t to;
  size_t len = jobsrv__format(text, sizeof(text), "%s%016" PRIx64,
                              jobsrv_job_id(job, id), made_ms);

  jobsrv__siphash(proof, sse->ticket_key, text, len);
  memcpy(&to, proof, sizeof(to));
  return to;
}

void jobsrv__ticket_make(const jobsrv_sse_t *sse,
                         const jobsrv_job_t *job,
                         char to[JOBSRV__TICKET_SIZE]) {
  uint64_t made_ms = now_ms(sse);
  jobsrv__id_t proof = prove(sse, job, made_ms);

  (void) snprintf(to, JOBSRV__TICKET_SIZE,
                  "%016" PRIx64 "%016" PRIx64 "%016" PRIx64, made_ms,
                  proof.hi, proof.lo);
}

static int read_hex(const char *text, uint64_t *to) {
  static const char digits[] = "0123456789abcdef";

  *to = 0;
  for (size_t i = 0; i < TIME_LEN; i++) {
    const char *digit = memchr(digits, text[i], 16);

    if (digit == NULL)
      return 0;
    *to = *to << 4 | (uint64_t) (digit - digits);
  }
  return 1;
}

/* ---- which were used ---- */

static void forget(jobsrv_sse_t *sse, used_t *used) {
  (void) jobsrv__map_del(&sse->tickets_by_proof, used->proof);
  jobsrv__queue_remove(&used->link);
  jobsrv__free(sse->alloc, used);
}

/* A job that is gone takes its tickets with it, sooner or later: by looking at
   two for each that is added, there are never more than a few too many. */
static void forget_some(jobsrv_sse_t *sse) {
  for (int i = 0; i < LOOKS; i++) {
    jobsrv__queue_t *link = jobsrv__queue_pop(&sse->tickets);
    used_t *used;

    if (link == NULL)
      return;
    jobsrv__queue_push_back(&sse->tickets, link);
    used = JOBSRV__CONTAINER(link, used_t, link);
    if (jobsrv_job_by_handle(sse->srv, used->job) == NULL)
      forget(sse, used);
  }
}

/* Returns 1, or 0 when there is no memory to know it by later. */
static int keep(jobsrv_sse_t *sse,
                jobsrv__id_t proof,
                const jobsrv_job_t *job) {
  used_t *used;

  forget_some(sse);
  used = jobsrv__zalloc(sse->alloc, sizeof(*used));
  if (used == NULL)
    return 0;
  used->proof = proof;
  used->job = jobsrv_job_handle(job);
  if (jobsrv__map_put(&sse->tickets_by_proof, proof, 1) != 0) {
    jobsrv__free(sse->alloc, used);
    return 0;
  }
  jobsrv__queue_push_back(&sse->tickets, &used->link);
  return 1;
}

void jobsrv__tickets_free(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_pop(&sse->tickets)) != NULL)
    jobsrv__free(sse->alloc, JOBSRV__CONTAINER(link, used_t, link));
  jobsrv__map_free(&sse->tickets_by_proof);
}

/* ---- using one ---- */

/* All of both is looked at, wherever they differ. */
static int same(jobsrv__id_t a, jobsrv__id_t b) {
  return ((a.hi ^ b.hi) | (a.lo ^ b.lo)) == 0;
}

static int holds(jobsrv_sse_t *sse, const char *text, const char *id) {
  jobsrv__id_t given;
  uint64_t made_ms;
  uint64_t age_ms;
  jobsrv_job_t *job;

  if (strlen(text) != JOBSRV__TICKET_LEN || !read_hex(text, &made_ms) ||
      !read_hex(text + TIME_LEN, &given.hi) ||
      !read_hex(text + PROOF_LOW, &given.lo) ||
      jobsrv_find(sse->srv, id, &job) != 0 ||
      !same(given, prove(sse, job, made_ms)))
    return 0;
  if (jobsrv__map_get(&sse->tickets_by_proof, given) != NULL)
    return 1;
  age_ms = now_ms(sse) - made_ms;
  return age_ms <= sse->options.ticket_ttl_ms && keep(sse, given, job);
}

jobsrv_sse_verdict_t jobsrv__ticket_request(void *self,
                                            jobsrv__request_t *request) {
  char text[JOBSRV__TICKET_SIZE];
  char id[JOBSRV__SEGMENT_SIZE];

  (void) self;
  if (request->route != NULL &&
      request->route->handler == jobsrv__jobs_stream &&
      jobsrv__query_find(request->query, "ticket", text, sizeof(text)) > 0 &&
      jobsrv__route_id(request, id))
    request->has_ticket = (uint8_t) holds(request->sse, text, id);
  return JOBSRV_SSE_NEXT;
}

/* ---- asking for one ---- */

static void on_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  const jobsrv_sse_t *sse = request->sse;
  char ticket[JOBSRV__TICKET_SIZE];
  char id[JOBSRV_ID_SIZE];
  char json[JOBSRV__PREFIX_MAX + JOBSRV_ID_SIZE + 2 * JOBSRV__TICKET_SIZE +
            80];
  size_t len;

  jobsrv__ticket_make(sse, job, ticket);
  len = jobsrv__format(json, sizeof(json),
                       "{\"ticket\":\"%s\",\"ttl_ms\":%u,"
                       "\"sse_url\":\"%s/jobs/%s/stream?ticket=%s\"}",
                       ticket, sse->options.ticket_ttl_ms, sse->prefix,
                       jobsrv_job_id(job, id), ticket);
  jobsrv__respond_json(request, 200, NULL, json, len);
}

void jobsrv__jobs_ticket(jobsrv__request_t *request, void *data) {
  jobsrv_job_t *job = jobsrv__jobs_find(request);

  (void) data;
  if (job != NULL)
    jobsrv__authorise(request, JOBSRV_SSE_STREAM, job, on_allowed);
}
