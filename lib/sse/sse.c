/* SPDX-License-Identifier: MIT */

#include "jobsrv/sse.h"

#include "base/alloc.h"
#include "base/options.h"
#include "sse/api.h"
#include "sse/chain.h"
#include "sse/cors.h"
#include "sse/fanout.h"
#include "sse/frames.h"
#include "sse/gzip.h"
#include "sse/hold.h"
#include "sse/idempotency.h"
#include "sse/listener.h"
#include "sse/proxy.h"
#include "sse/route_table.h"
#include "sse/ticket.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The transport and its own copy of what it frees itself with. */
typedef struct {
  jobsrv_sse_t sse;
  jobsrv_alloc_t alloc;
} owner_t;

/* field, default, least, most */
#define LIMIT_MAP(XX)                                                         \
  XX(max_request_line, 8u << 10, 16, 1u << 20)                                \
  XX(max_header_bytes, 32u << 10, 64, 16u << 20)                              \
  XX(max_header_fields, 100, 1, 65535)                                        \
  XX(max_body, 1u << 20, 1, 1u << 30)                                         \
  XX(max_chunk_extension, 16u << 10, 1, 16u << 20)                            \
  XX(max_trailer_bytes, 8u << 10, 1, 16u << 20)                               \
  XX(max_json_depth, 64, 1, 1024)                                             \
  XX(max_connections, 1024, 1, 1u << 24)                                      \
  XX(max_streams_per_job, 256, 1, 1u << 24)                                   \
  XX(max_jobs_per_stream, 64, 1, 1024)                                        \
  XX(max_pipelined, 100, 1, 1u << 16)                                         \
  XX(head_timeout_ms, 10000, 1, INT_MAX)                                      \
  XX(body_timeout_ms, 30000, 1, INT_MAX)                                      \
  XX(silent_timeout_ms, 10000, 1, INT_MAX)                                    \
  XX(keepalive_idle_ms, 60000, 1, INT_MAX)                                    \
  XX(answer_timeout_ms, 120000, 1, INT_MAX)                                   \
  XX(write_stall_ms, 20000, 1, INT_MAX)                                       \
  XX(heartbeat_ms, 15000, 1, INT_MAX)                                         \
  XX(retry_ms, 2000, 1000, 60000)                                             \
  XX(cors_max_age_s, 600, 1, 86400)                                           \
  XX(ticket_ttl_ms, 60000, 1, INT_MAX)

/* ---- options ---- */

static int set_limit(uint32_t *limit,
                     uint32_t fallback,
                     uint32_t least,
                     uint32_t most) {
  if (*limit == 0)
    *limit = fallback;
  return *limit >= least && *limit <= most ? 0 : UV_EINVAL;
}

static int set_limits(jobsrv_sse_options_t *options) {
#define XX(field, fallback, least, most)                                      \
  if (set_limit(&options->field, fallback, least, most) != 0)                 \
    return UV_EINVAL;
  LIMIT_MAP(XX)
#undef XX
  if (options->send_buffer > INT_MAX || options->max_stream_ms > INT_MAX ||
      options->fanout_loops > JOBSRV__FANOUT_MAX ||
      options->lag < JOBSRV_SSE_LAG_GAP ||
      options->lag > JOBSRV_SSE_LAG_BREAK || options->proxy_header < 0 ||
      options->proxy_header > JOBSRV_SSE_FORWARDED)
    return UV_EINVAL;
  return 0;
}

/* "/" and segments of what a path may hold as it is (RFC 3986, pchar). */
static int prefix_ok(const char *prefix) {
  static const char more[] = "-._~!$&'()*+,;=:@/";
  size_t len = strlen(prefix);

  if (len < 2 || len > JOBSRV__PREFIX_MAX || prefix[0] != '/' ||
      prefix[len - 1] == '/' || strstr(prefix, "//") != NULL)
    return 0;
  for (size_t i = 0; i < len; i++) {
    char c = prefix[i];

    if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
        strchr(more, c) == NULL)
      return 0;
  }
  return 1;
}

static int token_ok(const char *token) {
  if (*token == '\0')
    return 0;
  for (; *token != '\0'; token++)
    if (*token <= ' ' || *token > '~')
      return 0;
  return 1;
}

static int options_read(jobsrv_sse_options_t *to,
                        const jobsrv_sse_options_t *from) {
  int err = 0;

  if (from != NULL)
    err = jobsrv__options_read(to, sizeof(*to), sizeof(*to), from);
  else
    jobsrv_sse_options_init(to);
  if (err != 0)
    return err;
  if (to->prefix == NULL)
    to->prefix = "/v1";
  if (!prefix_ok(to->prefix))
    return UV_EINVAL;
  if ((to->bearer_token != NULL && !token_ok(to->bearer_token)) ||
      (to->metrics_token != NULL && !token_ok(to->metrics_token)))
    return UV_EINVAL;
  if (jobsrv__origins_check(to->allow_origins, to->cors_credentials) != 0)
    return UV_EINVAL;
  if (to->gzip && !jobsrv__packer_is_built())
    return JOBSRV_EOPTIONS;
  return set_limits(to);
}

/* ---- copies ---- */

static void list_free(const jobsrv_alloc_t *alloc, char **list) {
  for (char **at = list; at != NULL && *at != NULL; at++)
    jobsrv__free(alloc, *at);
  jobsrv__free(alloc, list);
}

/* Copies a NULL-ended list; a NULL one stays it. */
static int list_copy(const jobsrv_alloc_t *alloc,
                     const char *const *from,
                     char ***out) {
  size_t n = 0;
  char **list;

  if (from == NULL)
    return 0;
  while (from[n] != NULL)
    n++;
  list = jobsrv__zalloc(alloc, (n + 1) * sizeof(*list));
  if (list == NULL)
    return UV_ENOMEM;
  for (size_t i = 0; i < n; i++) {
    list[i] = jobsrv__strdup(alloc, from[i]);
    if (list[i] == NULL) {
      list_free(alloc, list);
      return UV_ENOMEM;
    }
  }
  *out = list;
  return 0;
}

static int copy_texts(jobsrv_sse_t *sse, const jobsrv_sse_options_t *options) {
  int err = jobsrv__proxies_new(&sse->proxies, sse->alloc,
                                options->trust_proxies);

  if (err != 0)
    return err;
  sse->prefix = jobsrv__strdup(sse->alloc, options->prefix);
  sse->token = jobsrv__strdup(sse->alloc, options->bearer_token);
  sse->metrics_token = jobsrv__strdup(sse->alloc, options->metrics_token);
  sse->scratch = jobsrv__malloc(sse->alloc, JOBSRV__FRAMES_MAX);
  if (sse->prefix == NULL || sse->scratch == NULL ||
      (sse->token == NULL && options->bearer_token != NULL) ||
      (sse->metrics_token == NULL && options->metrics_token != NULL) ||
      list_copy(sse->alloc, options->allow_hosts, &sse->allow_hosts) != 0 ||
      list_copy(sse->alloc, options->allow_origins, &sse->allow_origins) != 0)
    return UV_ENOMEM;

  sse->prefix_len = strlen(sse->prefix);
  sse->token_len = sse->token != NULL ? strlen(sse->token) : 0;
  sse->scratch_cap = JOBSRV__FRAMES_MAX;
  /* the caller's own are not ours to keep */
  sse->options.prefix = sse->prefix;
  sse->options.bearer_token = sse->token;
  sse->options.metrics_token = sse->metrics_token;
  sse->options.allow_hosts = NULL;
  sse->options.allow_origins = NULL;
  sse->options.trust_proxies = NULL;
  return 0;
}

static void free_texts(jobsrv_sse_t *sse) {
  jobsrv__free(sse->alloc, sse->prefix);
  jobsrv__free(sse->alloc, sse->token);
  jobsrv__free(sse->alloc, sse->metrics_token);
  jobsrv__free(sse->alloc, sse->proxies);
  jobsrv__free(sse->alloc, sse->scratch);
  list_free(sse->alloc, sse->allow_hosts);
  list_free(sse->alloc, sse->allow_origins);
}

static void free_all(jobsrv_sse_t *sse) {
  owner_t *owner = JOBSRV__CONTAINER(sse, owner_t, sse);
  jobsrv_alloc_t alloc = owner->alloc;

  jobsrv__chain_free(sse);
  jobsrv__holds_free(sse);
  jobsrv__keys_free(sse);
  jobsrv__tickets_free(sse);
  jobsrv__routes_free(sse);
  jobsrv__map_free(&sse->streams_by_job);
  jobsrv__buf_free(&sse->render);
  jobsrv__packer_free(sse->packer);
  jobsrv__fanouts_free(sse);
  free_texts(sse);
  jobsrv__free(&alloc, owner);
}

/* ---- as a part of the server ---- */

static void on_finishing(jobsrv_part_t *part) {
  jobsrv_sse_t *sse = part->data;

  jobsrv__http_finish(sse);
  jobsrv__streams_finish(sse);
}

static void on_closing(jobsrv_part_t *part) {
  jobsrv_sse_close(part->data, NULL, NULL);
}

void jobsrv__http_finished(jobsrv_sse_t *sse) {
  if (sse->is_part_done)
    return;
  sse->is_part_done = 1;
  jobsrv_part_done(&sse->part);
}

/* ---- public ---- */

int jobsrv_sse_new(jobsrv_sse_t **out,
                   jobsrv_t *srv,
                   const jobsrv_sse_options_t *options) {
  jobsrv_sse_options_t read;
  jobsrv_sse_t *sse;
  owner_t *owner;
  uint64_t seed = 0;
  int err;

  JOBSRV__ASSERT_LOOP(srv);
  err = options_read(&read, options);
  if (err != 0)
    return err;
  owner = jobsrv__zalloc(jobsrv_allocator(srv), sizeof(*owner));
  if (owner == NULL)
    return UV_ENOMEM;
  owner->alloc = *jobsrv_allocator(srv);
  sse = &owner->sse;
  sse->alloc = &owner->alloc;
  sse->srv = srv;
  sse->loop = jobsrv_loop(srv);
  sse->options = read;
  sse->stats.size = sizeof(sse->stats);
  jobsrv__buf_init(&sse->render, sse->alloc, 0);
  jobsrv__queue_init(&sse->routes);
  jobsrv__queue_init(&sse->chain);
  jobsrv__queue_init(&sse->tickets);
  jobsrv__queue_init(&sse->streams);
  jobsrv__queue_init(&sse->leaving);
  jobsrv__id_pool_init(&sse->ids, jobsrv_options(srv)->random,
                       jobsrv_options(srv)->random_data);
  err = jobsrv__id_random(&sse->ids, &seed, sizeof(seed));
  jobsrv__map_init(&sse->streams_by_job, sse->alloc, seed);
  jobsrv__map_init(&sse->tickets_by_proof, sse->alloc, seed);
  jobsrv__map_init(&sse->keys_by_hash, sse->alloc, seed);
  jobsrv__map_init(&sse->holds_by_job, sse->alloc, seed);
  jobsrv__queue_init(&sse->keys);
  jobsrv__queue_init(&sse->holds_due);
  if (err == 0)
    err = jobsrv__id_random(&sse->ids, sse->ticket_key,
                            sizeof(sse->ticket_key));
  if (err == 0)
    err = jobsrv__id_random(&sse->ids, sse->keys_secret,
                            sizeof(sse->keys_secret));
  if (err == 0)
    err = copy_texts(sse, &read);
  if (err == 0)
    err = jobsrv__chain_init(sse);
  if (err == 0)
    err = jobsrv__routes_init(sse);
  if (err == 0)
    err = jobsrv__http_init(sse);
  if (err == 0) /* last: it has threads and a handle */
    err = jobsrv__fanouts_init(sse);
  if (err != 0) {
    jobsrv__http_free(sse);
    free_all(sse);
    return err;
  }

  if (sse->options.max_streams == 0)
    sse->options.max_streams = (sse->max_connections * 3 + 3) / 4;
  jobsrv__holds_begin(sse);
  sse->part.data = sse;
  sse->part.finishing = on_finishing;
  sse->part.closing = on_closing;
  jobsrv_part_attach(srv, &sse->part);
  *out = sse;
  return 0;
}

jobsrv_t *jobsrv_sse_server(const jobsrv_sse_t *sse) {
  return sse->srv;
}

int jobsrv_sse_listen_with(jobsrv_sse_t *sse,
                           const jobsrv_sse_listen_options_t *options) {
  jobsrv_sse_listen_options_t read;
  int err;

  JOBSRV__ASSERT_LOOP(sse->srv);
  err = jobsrv__options_read(&read, sizeof(read), sizeof(read), options);
  if (err != 0)
    return err;
  if (sse->is_closing || jobsrv_draining(sse->srv))
    return JOBSRV_EDRAINING;
  return jobsrv__http_listen(sse, &read);
}

int jobsrv_sse_listen(jobsrv_sse_t *sse, const char *address) {
  jobsrv_sse_listen_options_t options;

  JOBSRV__ASSERT_LOOP(sse->srv);
  jobsrv_sse_listen_options_init(&options);
  options.address = address;
  return jobsrv_sse_listen_with(sse, &options);
}

int jobsrv_sse_address(const jobsrv_sse_t *sse,
                       size_t index,
                       char *to,
                       size_t cap) {
  const jobsrv__listener_t *listener = jobsrv__http_listener(sse, index);

  JOBSRV__ASSERT_LOOP(sse->srv);
  if (listener == NULL)
    return UV_ENOENT;
  return jobsrv__address_format(&listener->address, to, cap);
}

int jobsrv_sse_port(const jobsrv_sse_t *sse, size_t index) {
  const jobsrv__listener_t *listener = jobsrv__http_listener(sse, index);

  JOBSRV__ASSERT_LOOP(sse->srv);
  return listener != NULL ? jobsrv__address_port(&listener->address) : 0;
}

void jobsrv__http_closed(jobsrv_sse_t *sse) {
  jobsrv_turn_cancel(&sse->leave_turn);
  jobsrv_turn_cancel(&sse->packer_turn);
  jobsrv__streams_leave(sse);
  if (sse->close_cb != NULL)
    sse->close_cb(sse, sse->close_data);
  jobsrv__http_free(sse);
  free_all(sse);
}

void jobsrv_sse_close(jobsrv_sse_t *sse, jobsrv_sse_close_cb cb, void *data) {
  JOBSRV__ASSERT_LOOP(sse->srv);
  if (sse->is_closing)
    return;
  sse->close_cb = cb;
  sse->close_data = data;
  jobsrv__http_close(sse);
  sse->is_part_done = 1;
  jobsrv_part_detach(&sse->part);
  /* without a handle nothing is left to wait for */
  if (sse->handles == 0)
    jobsrv__http_closed(sse);
}

void jobsrv_sse_stats(const jobsrv_sse_t *sse, jobsrv_sse_stats_t *stats) {
  jobsrv_sse_stats_t all = sse->stats;
  size_t size = stats->size < sizeof(all) ? stats->size : sizeof(all);

  JOBSRV__ASSERT_LOOP(sse->srv);
  all.bytes_sent = jobsrv__fanouts_sent(sse);
  all.size = stats->size;
  memcpy(stats, &all, size);
}
