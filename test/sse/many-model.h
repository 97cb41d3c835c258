/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_SSE_MANY_MODEL_H
#define JOBSRV_TEST_SSE_MANY_MODEL_H

/*
 * Streams of many jobs against a model: a sink that has had every event as it
 * was numbered. Watchers connect, read by the byte, are cut and come back by
 * their cursor; what they have at last is all of it, in order, but for what a
 * gap has told them is gone.
 */

#include "sse/world.h"

#include "jobsrv/sse_auth.h"
#include "jobsrv/testing_sse.h"

enum {
  MODEL_EVENTS = 40000,
  MODEL_JOBS = 600,
  MODEL_WATCHERS = 6,
  MODEL_NAMED = 5,
  MODEL_STEPS = 600
};

typedef struct {
  int job;
  int level;
  jobsrv_kind_t kind;
  uint64_t seq;
  char *json; /* NULL of an end */
} told_t;

typedef struct {
  jobsrv_job_t *job;   /* NULL once it has ended */
  char id[JOBSRV_ID_SIZE];
  uint64_t last;       /* seq */
  int has_ended;
  int is_private;
  int is_denied;
} known_t;

/* A client, however often it has been cut. */
typedef struct {
  jobsrv_memory_t *client; /* NULL: is away */
  int is_all;
  int is_lines;            /* NDJSON */
  int level;
  int n_named;
  int named[MODEL_NAMED];
  int is_done;             /* wants no more */
  int has_head;
  int is_resumed;
  char *body;              /* unchunked, what is not looked at yet */
  size_t len;
  char *raw;
  size_t raw_len;
  uint64_t at;             /* the number of its last id */
  int has_id;
  uint64_t had[MODEL_JOBS]; /* seq, told or told to be missing */
  uint8_t fresh[MODEL_JOBS]; /* nothing of it since it came back */
  uint8_t forgiven[MODEL_JOBS];
  uint64_t gaps;
  uint64_t events;
} client_t;

typedef struct {
  world w;
  told_t told[MODEL_EVENTS];
  uint64_t n_told;
  known_t jobs[MODEL_JOBS];
  int n_jobs;
  client_t clients[MODEL_WATCHERS];
  uint64_t random;
  uint64_t cuts;
  uint64_t gaps;
  uint64_t forgotten;
  uint64_t events;
} model_t;

enum { MODEL_BODY = 1 << 21 };

static inline unsigned int any(model_t *m, unsigned int below) {
  m->random ^= m->random << 13;
  m->random ^= m->random >> 7;
  m->random ^= m->random << 17;
  return (unsigned int) ((m->random >> 11) % below);
}

static inline int job_of(const model_t *m, const char *id) {
  for (int i = m->n_jobs - 1; i >= 0; i--)
    if (strncmp(m->jobs[i].id, id, strlen(m->jobs[i].id)) == 0)
      return i;
  fail_msg("nobody's: %.60s", id);
  return -1;
}

/* ---- what was told ---- */

static inline void model_hear(const jobsrv_event_t *event, void *data) {
  model_t *m = data;
  told_t *told;

  if (event->server_seq == 0 || event->job_id == NULL)
    return;
  assert_true(event->server_seq < MODEL_EVENTS);
  told = &m->told[event->server_seq];
  m->n_told = event->server_seq;
  if (event->seq == 1) {
    assert_true(m->n_jobs < MODEL_JOBS);
    snprintf(m->jobs[m->n_jobs++].id, JOBSRV_ID_SIZE, "%s", event->job_id);
  }
  told->job = job_of(m, event->job_id);
  told->kind = event->kind;
  told->level = event->level;
  told->seq = event->seq;
  m->jobs[told->job].last = event->seq;
  if (event->kind == JOBSRV_KIND_END)
    m->jobs[told->job].has_ended = 1;
  else
    told->json = strndup(event->json, event->json_len);
}

/* ---- what a client is to have ---- */

static inline int watches(const model_t *m, const client_t *c, int job) {
  if (m->jobs[job].is_private || m->jobs[job].is_denied)
    return 0;
  if (c->is_all)
    return 1;
  for (int i = 0; i < c->n_named; i++)
    if (c->named[i] == job)
      return 1;
  return 0;
}

static inline int passes(const client_t *c, const told_t *told) {
  return told->kind == JOBSRV_KIND_END || told->level >= c->level;
}

/* Between the two, both not among them, is nothing that it should have had. */
static inline void assert_none_between(const model_t *m,
                                       const client_t *c,
                                       int job,
                                       uint64_t from,
                                       uint64_t to) {
  for (uint64_t n = 1; n <= m->n_told && from + 1 < to; n++) {
    const told_t *told = &m->told[n];

    if (told->job == job && told->seq > from && told->seq < to &&
        passes(c, told))
      fail_msg("event %d (g%d) of %s is missing: %s%s, has had %d, is at g%d",
               (int) told->seq, (int) n, m->jobs[job].id,
               c->is_all ? "all" : "named", c->is_lines ? ", lines" : "",
               (int) from, (int) c->at);
  }
}

static inline void model_forgive(model_t *m, client_t *c) {
  jobsrv_job_t *job;

  for (int i = 0; i < m->n_jobs; i++)
    if (jobsrv_find(m->w.f.srv, m->jobs[i].id, &job) != 0)
      c->forgiven[i] = 1;
}

/* What is told to be gone is gone, and no more than that. */
static inline void model_gap(model_t *m, client_t *c, const char *json) {
  const char *id = strstr(json, "\"job_id\":\"");
  const char *from = strstr(json, "\"missed_from\":");
  const char *to = strstr(json, "\"missed_to\":");
  uint64_t first;
  uint64_t last;
  int job;

  c->gaps++;
  m->gaps++;
  if (strstr(json, "\"reason\":\"forgotten\"") != NULL) {
    assert_true(c->is_all);
    m->forgotten++;
    model_forgive(m, c);
    return;
  }
  assert_non_null(id);
  assert_non_null(from);
  assert_non_null(to);
  job = job_of(m, id + 10);
  assert_true(watches(m, c, job));
  first = strtoull(from + 14, NULL, 10);
  last = strtoull(to + 12, NULL, 10);
  assert_true(first <= last);
  assert_true(last > c->had[job]);
  if (c->level <= JOBSRV_TRACE && !(c->is_resumed && c->fresh[job]))
    assert_int_equal(first, c->had[job] + 1);
  assert_true(first <= c->had[job] + 1 || c->level > JOBSRV_TRACE);
  if (m->jobs[job].job != NULL)
    assert_true(last < fixture_info(m->jobs[job].job).first_seq);
  assert_none_between(m, c, job, c->had[job], first);
  c->had[job] = last;
  c->fresh[job] = 0;
}

static inline void model_event(model_t *m,
                               client_t *c,
                               uint64_t n,
                               const char *json) {
  const told_t *told = &m->told[n];
  int job = told->job;

  assert_in_range(n, 1, m->n_told);
  assert_true(watches(m, c, job));
  assert_true(passes(c, told));
  assert_true(told->seq > c->had[job]);
  assert_none_between(m, c, job, c->had[job], told->seq);
  if (told->kind == JOBSRV_KIND_END)
    assert_contains(json, "\"type\":\"end\"");
  else
    assert_string_equal(json + 1, told->json + 1);
  assert_contains(json, m->jobs[job].id);
  c->had[job] = told->seq;
  c->fresh[job] = 0;
  c->events++;
  m->events++;
}

/* ---- what comes ---- */

static inline void model_object(model_t *m,
                                client_t *c,
                                int has_id,
                                uint64_t n,
                                char *json) {
  if (has_id)
    assert_true(!c->has_id || n >= c->at);
  if (json == NULL || strstr(json, "\"type\":\"heartbeat\"") != NULL) {
    assert_true(has_id);
  } else if (strstr(json, "\"type\":\"gap\"") != NULL) {
    model_gap(m, c, json);
  } else if (strstr(json, "\"type\":\"progress\"") != NULL) {
    assert_false(has_id);
    assert_true(watches(m, c, job_of(m, strstr(json, "\"job_id\":\"") + 10)));
  } else if (strstr(json, "\"type\":\"state\"") == NULL ||
             strstr(json, "\"seq\":") != NULL) {
    assert_true(has_id && n > c->at);
    model_event(m, c, n, json);
  }
  if (has_id)
    c->at = n;
  c->has_id |= has_id;
}

/* One line of NDJSON, or the lines of an event. */
static inline void model_frame(model_t *m, client_t *c, char *text) {
  char *id;
  char *data;
  uint64_t n = 0;

  if (c->is_lines) {
    id = strncmp(text, "{\"id\":\"", 7) == 0 ? strstr(text, "-g") : NULL;
    if (id != NULL) {
      n = strtoull(id + 2, &data, 10);
      assert_memory_equal(data, "\",", 2);
      data[1] = '{';
      text = data + 1;
    }
    model_object(m, c, id != NULL, n, text);
    return;
  }
  if (text[0] == ':')
    return;
  id = strncmp(text, "id: ", 4) == 0 ? text : strstr(text, "\nid: ");
  data = strstr(text, "data: ");
  if (id != NULL)
    n = strtoull(strstr(id, "-g") + 2, NULL, 10);
  model_object(m, c, id != NULL, n, data != NULL ? data + 6 : NULL);
}

static inline void model_frames(model_t *m, client_t *c) {
  const char *mark = c->is_lines ? "\n" : "\n\n";
  const char *all = c->body + c->len;
  char *from = c->body;
  char *end;

  while ((end = memmem(from, (size_t) (all - from), mark, strlen(mark))) !=
         NULL) {
    *end = '\0';
    model_frame(m, c, from);
    from = end + strlen(mark);
  }
  c->len -= (size_t) (from - c->body);
  memmove(c->body, from, c->len);
}

static inline void model_away(client_t *c) {
  jobsrv_memory_free(c->client);
  c->client = NULL;
  c->len = 0;
  c->raw_len = 0;
}

/* Takes the chunks off. Returns 1 at the last one. */
static inline int model_unchunk(client_t *c) {
  size_t at = 0;
  int is_last = 0;

  while (c->raw_len - at >= JOBSRV_CHUNK_HEAD || (c->raw_len - at >= 5 &&
         memcmp(c->raw + at, "0\r\n\r\n", 5) == 0)) {
    char digits[7] = "";
    size_t size;

    /* sanitizers measure a text that is read from */
    memcpy(digits, c->raw + at, c->raw_len - at < 6 ? c->raw_len - at : 6);
    size = strtoul(digits, NULL, 16);
    is_last = size == 0;
    if (is_last || c->raw_len - at < size + 10)
      break;
    assert_memory_equal(c->raw + at + 6, "\r\n", 2);
    assert_memory_equal(c->raw + at + 8 + size, "\r\n", 2);
    assert_true(c->len + size < MODEL_BODY);
    memcpy(c->body + c->len, c->raw + at + 8, size);
    c->len += size;
    at += size + 10;
  }
  c->raw_len -= at;
  memmove(c->raw, c->raw + at, c->raw_len);
  return is_last;
}

/* The head, once it is there. Returns 0 when there is no stream behind it. */
static inline int model_head(client_t *c) {
  const char *end = memmem(c->raw, c->raw_len, "\r\n\r\n", 4);
  size_t len;

  if (end == NULL)
    return 1;
  len = (size_t) (end + 4 - c->raw);
  if (strncmp(c->raw, "HTTP/1.1 200", 12) != 0) {
    /* all is read, one of its jobs has gone, or there is no room */
    assert_true(strncmp(c->raw, "HTTP/1.1 204", 12) == 0 ||
                strncmp(c->raw, "HTTP/1.1 404", 12) == 0 ||
                strncmp(c->raw, "HTTP/1.1 410", 12) == 0);
    assert_false(c->is_all);
    c->is_done = 1;
    return 0;
  }
  c->has_head = 1;
  c->raw_len -= len;
  memmove(c->raw, c->raw + len, c->raw_len);
  return 1;
}

/* Looks at what has come. */
static inline void model_look(model_t *m, client_t *c) {
  size_t len;
  const char *bytes;
  int is_last = 0;
  int is_over;

  if (c->client == NULL)
    return;
  bytes = jobsrv_memory_output(c->client, &len);
  assert_true(c->raw_len + len < MODEL_BODY);
  memcpy(c->raw + c->raw_len, bytes, len);
  c->raw_len += len;
  jobsrv_memory_take(c->client, len);
  is_over = jobsrv_memory_state(c->client) != JOBSRV_MEMORY_OPEN;
  if (!c->has_head && !model_head(c)) {
    model_away(c);
    return;
  }
  if (c->has_head) {
    is_last = model_unchunk(c);
    model_frames(m, c);
  }
  if (is_last || is_over)
    model_away(c);
}

/* ---- what clients do ---- */

static inline void model_connect(model_t *m, client_t *c) {
  char text[600];
  int len;

  assert_ok(jobsrv_memory_open(&c->client, m->w.sse));
  len = snprintf(text, sizeof(text), "GET /v1/%s?%s",
                 c->is_all ? "events" : "stream", c->is_all ? "" : "jobs=");
  for (int i = 0; i < c->n_named; i++)
    len += snprintf(text + len, sizeof(text) - (size_t) len, "%s%s",
                    i > 0 ? "," : "", m->jobs[c->named[i]].id);
  len += snprintf(text + len, sizeof(text) - (size_t) len,
                  "%s%s HTTP/1.1\r\nHost: localhost\r\n%s",
                  c->level > JOBSRV_TRACE ? "&level=warn" : "",
                  any(m, 4) == 0 ? "&lag=break" : "",
                  c->is_lines ? "Accept: application/x-ndjson\r\n" : "");
  if (c->has_id)
    len += snprintf(text + len, sizeof(text) - (size_t) len,
                    "Last-Event-ID: %s-g%llu\r\n", jobsrv_boot(m->w.f.srv),
                    (unsigned long long) c->at);
  len += snprintf(text + len, sizeof(text) - (size_t) len, "\r\n");
  c->has_head = 0;
  c->is_resumed = c->has_id;
  memset(c->fresh, 1, sizeof(c->fresh));
  if (!c->has_id) /* told nothing yet that a cursor could be of */
    memset(c->had, 0, sizeof(c->had));
  assert_ok(jobsrv_memory_feed(c->client, text, (size_t) len));
  if (any(m, 2))
    jobsrv_memory_window(c->client, any(m, 3000));
  run_turns(&m->w.f.loop, 4);
  if (c->at == 0 && c->is_all) /* who has gone before it came is nobody */
    model_forgive(m, c);
}

static inline void model_new_client(model_t *m, client_t *c) {
  char *body = c->body;
  char *raw = c->raw;

  memset(c, 0, sizeof(*c));
  c->body = body;
  c->raw = raw;
  c->is_all = any(m, 2) == 0;
  c->is_lines = any(m, 3) == 0;
  c->level = any(m, 5) == 0 ? JOBSRV_WARN : JOBSRV_TRACE;
  for (int i = m->n_jobs; !c->is_all && i-- > 0 && c->n_named < MODEL_NAMED;)
    if (m->jobs[i].job != NULL && !m->jobs[i].is_private &&
        !m->jobs[i].is_denied)
      c->named[c->n_named++] = i;
  if (c->n_named == 0)
    c->is_all = 1;
  model_connect(m, c);
}

static inline void model_client_step(model_t *m) {
  client_t *c = &m->clients[any(m, MODEL_WATCHERS)];

  if (c->body == NULL || c->is_done) {
    if (c->body == NULL) {
      c->body = malloc(MODEL_BODY + 1);
      c->raw = malloc(MODEL_BODY + 1);
    }
    model_new_client(m, c);
  } else if (c->client == NULL) {
    model_connect(m, c);
  } else if (any(m, 3) == 0) { /* what it has not taken is lost */
    if (any(m, 2))
      model_look(m, c);
    model_away(c);
    m->cuts++;
  } else {
    model_look(m, c);
    if (c->client != NULL)
      jobsrv_memory_window(c->client, any(m, 3) ? any(m, 5000) : SIZE_MAX);
  }
}

/* ---- what jobs do ---- */

static inline jobsrv_sse_grant_t model_decide(jobsrv_sse_request_t *request,
                                              jobsrv_sse_verb_t verb,
                                              jobsrv_job_t *job,
                                              void *data) {
  model_t *m = data;
  char id[JOBSRV_ID_SIZE];

  (void) request;
  (void) verb;
  if (job == NULL)
    return JOBSRV_SSE_ALLOW;
  return m->jobs[job_of(m, jobsrv_job_id(job, id))].is_denied
             ? JOBSRV_SSE_DENY
             : JOBSRV_SSE_ALLOW;
}

static inline void model_begin(model_t *m) {
  jobsrv_spec_t spec;
  known_t *known = &m->jobs[m->n_jobs];

  if (m->n_jobs + 1 >= MODEL_JOBS)
    return;
  jobsrv_spec_init(&spec);
  spec.operation = "begun";
  spec.is_private = any(m, 8) == 0;
  known->is_private = spec.is_private;
  known->is_denied = any(m, 6) == 0;
  assert_ok(jobsrv_begin(m->w.f.srv, &spec, &known->job));
}

static inline known_t *model_live(model_t *m) {
  for (int i = 0; i < 20 && m->n_jobs > 0; i++) {
    int back = (int) any(m, 12);
    known_t *known = &m->jobs[m->n_jobs > back ? m->n_jobs - 1 - back : 0];

    if (known->job != NULL)
      return known;
  }
  return NULL;
}

static inline void model_end(model_t *m, known_t *known) {
  jobsrv_job_t *job = known->job;

  known->job = NULL;
  assert_ok(any(m, 2) ? jobsrv_job_complete(job, "{\"x\":1}", 0)
                      : jobsrv_job_fail(job, "bad", "it broke"));
}

static inline void model_job_step(model_t *m) {
  known_t *known = model_live(m);
  unsigned int what = any(m, 20);

  if (known == NULL || what == 0) {
    model_begin(m);
  } else if (what == 1) {
    model_end(m, known);
  } else if (what == 2) {
    assert_ok(jobsrv_progress(known->job, &(jobsrv_progress_t) {
        .done = any(m, 100), .total = 100 }));
  } else {
    for (unsigned int i = what == 3 ? 60 : any(m, 4); i > 0; i--)
      assert_ok(any(m, 4) ? jobsrv_narrate(known->job, "say", "%0*d",
                                           (int) any(m, 200), 7)
                          : jobsrv_warn(known->job, "say", "loud"));
  }
}

/* ---- a round ---- */

static inline void model_open(model_t *m, uint64_t seed) {
  jobsrv_sink_options_t heard;

  memset(m, 0, sizeof(*m));
  m->random = seed * 2654435761u + 88172645463325252u;
  m->w.f.options.max_events_per_job = 16 + any(m, 100);
  m->w.f.options.max_bytes_per_job = 8192 + any(m, 3) * 65536;
  m->w.f.options.max_bytes_total = any(m, 3) ? 0 : 65536;
  m->w.f.options.max_retained = 1 + any(m, 30);
  m->w.f.options.retain_ms = 1000 + any(m, 5000);
  m->w.options.all_events = 1;
  m->w.options.size = sizeof(m->w.options);
  fixture_open(&m->w.f);
  assert_ok(jobsrv_sse_new(&m->w.sse, m->w.f.srv, &m->w.options));
  jobsrv_sse_authorise(m->w.sse, model_decide, m);
  jobsrv_sink_options_init(&heard);
  heard.unredacted = 1;
  heard.level = JOBSRV_TRACE;
  assert_ok(jobsrv_callback_add(m->w.f.srv, model_hear, m, &heard, NULL));
}

/* Whoever is there at last has had all that is there. */
static inline void model_settle(model_t *m) {
  for (int k = 0; k < MODEL_JOBS && k < m->n_jobs; k++)
    if (m->jobs[k].job != NULL && any(m, 2))
      model_end(m, &m->jobs[k]);
  for (int n = 0; n < 40; n++) {
    for (int i = 0; i < MODEL_WATCHERS; i++) {
      client_t *c = &m->clients[i];

      if (c->body == NULL || c->is_done)
        continue;
      if (c->client == NULL)
        model_connect(m, c);
      jobsrv_memory_window(c->client, SIZE_MAX);
    }
    run_turns(&m->w.f.loop, 6);
    for (int i = 0; i < MODEL_WATCHERS; i++)
      model_look(m, &m->clients[i]);
  }
}

static inline void model_compare(model_t *m) {
  for (int i = 0; i < MODEL_WATCHERS; i++) {
    client_t *c = &m->clients[i];

    for (int k = 0; k < m->n_jobs; k++) {
      if (c->body == NULL || c->is_done || !watches(m, c, k) ||
          c->forgiven[k])
        continue;
      assert_none_between(m, c, k, c->had[k], m->jobs[k].last + 1);
    }
  }
}

static inline void model_close(model_t *m) {
  for (int i = 0; i < MODEL_WATCHERS; i++) {
    model_away(&m->clients[i]);
    free(m->clients[i].body);
    free(m->clients[i].raw);
  }
  fixture_close(&m->w.f);
  for (uint64_t n = 1; n <= m->n_told; n++)
    free(m->told[n].json);
}

static inline void model_round(model_t *m, uint64_t seed) {
  model_open(m, seed);
  for (int i = 0; i < MODEL_STEPS; i++) {
    switch (any(m, 6)) {
    case 0:
    case 1:
      run_turns(&m->w.f.loop, (int) any(m, 3));
      break;
    case 2:
      model_client_step(m);
      break;
    case 3:
      if (any(m, 8) == 0)
        fixture_ms(&m->w.f, any(m, 900));
      break;
    default:
      model_job_step(m);
    }
  }
  model_settle(m);
  model_compare(m);
  model_close(m);
}

#endif /* JOBSRV_TEST_SSE_MANY_MODEL_H */
