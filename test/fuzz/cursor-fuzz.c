/* SPDX-License-Identifier: MIT */

/*
 * Cursors of every kind, in a header and in a query: what is none is refused,
 * and what is one leads to just what a stream from the beginning has behind it.
 */

#include "answers.h"
#include "served.h"

enum {
  CURSOR_ROOM = 200,
  QUERY_MOST = 110, /* three times that fits a request line */
  FRAMES = 200
};

typedef enum { BY_HEADER, BY_QUERY, BY_BOTH, BYS } by_t;

typedef enum {
  OF_JOB,
  OF_TRIMMED,
  OF_RUNNING,
  OF_MANY,
  OF_PAGE,
  OF_LIST,
  OFS
} of_t;

/* What a cursor says. */
typedef struct {
  int is_bad;
  int is_restart; /* of another boot */
  uint64_t after;
} cursor_t;

/* What was sent between two blank lines. */
typedef struct {
  const char *p;
  size_t len;
  uint64_t id;  /* of the first line that is one; without one 0 */
  int is_gap;
} frame_t;

typedef struct {
  answer_t answer;
  char *sent;
  char room[ANSWER_ROOM];
  frame_t frames[FRAMES];
  size_t n;
} reply_t;

static served_t served;
static reply_t firsts[OF_PAGE]; /* each stream from its beginning */
static reply_t reply;

/* ---- what a cursor says, read another way ---- */

static int all_of(const char *p, size_t n, const char *what) {
  for (size_t i = 0; i < n; i++)
    if (p[i] == '\0' || strchr(what, p[i]) == NULL)
      return 0;
  return n > 0;
}

#define DIGITS "0123456789"

static cursor_t read_number(const char *p, size_t n) {
  cursor_t c = { 1, 0, 0 };
  char text[24];

  if (!all_of(p, n, DIGITS) || n > 19 || (n > 1 && *p == '0'))
    return c;
  memcpy(text, p, n);
  text[n] = '\0';
  c.is_bad = 0;
  c.after = strtoull(text, NULL, 10);
  return c;
}

/* Of a job's: BOOT-SEQ or SEQ; of many: BOOT-gN, gN or N. */
static cursor_t read_cursor(const char *p, size_t n, int is_many) {
  const char *boot = jobsrv_boot(served.srv);
  cursor_t bad = { 1, 0, 0 }, c;
  size_t len = 0;

  while (len < n && p[len] != '-')
    len++;
  if (len == n) {
    if (is_many && n > 0 && *p == 'g')
      p++, n--;
    return read_number(p, n);
  }
  if (len > 16 || !all_of(p, len, DIGITS "abcdefghijklmnopqrstuvwxyz"))
    return bad;
  if (is_many && (n == len + 1 || p[len + 1] != 'g'))
    return bad;
  c = read_number(p + len + 1 + is_many, n - len - 1 - (size_t) is_many);
  if (!c.is_bad && (len != strlen(boot) || memcmp(p, boot, len) != 0)) {
    c.is_restart = 1;
    c.after = 0;
  }
  return c;
}

/* BOOT-NUMBER-INDEX-GENERATION, all in hexadecimal. */
static int list_cursor_ok(const char *p, size_t n) {
  static const size_t most[] = { 16, 8, 8 };
  const char *boot = jobsrv_boot(served.srv);
  size_t len = strlen(boot);
  int is_zero = 1;

  if (n < len || memcmp(p, boot, len) != 0)
    return 0;
  p += len;
  n -= len;
  for (int i = 0; i < 3; i++) {
    for (len = 1; len < n && p[len] != '-'; len++)
      is_zero &= i > 0 || p[len] == '0';
    if (n < 2 || *p != '-' || len - 1 > most[i] ||
        !all_of(p + 1, len - 1, DIGITS "abcdef"))
      return 0;
    p += len;
    n -= len;
  }
  return n == 0 && !is_zero;
}

/* ---- asking ---- */

static uint64_t id_of(const char *frame, size_t len) {
  const char *p = fuzz_find(frame, len, "id: ");
  const char *dash;

  if (p == NULL || (p != frame && p[-1] != '\n'))
    return 0;
  dash = memchr(p, '-', len - (size_t) (p - frame));
  fuzz_check(dash != NULL);
  return strtoull(dash + 1 + (dash[1] == 'g'), NULL, 10);
}

static void split(reply_t *r) {
  const char *p = r->answer.body;
  const char *end = p + r->answer.body_len;

  for (r->n = 0; p < end; r->n++) {
    const char *stop = fuzz_find(p, (size_t) (end - p), "\n\n");
    frame_t *frame = &r->frames[r->n];

    fuzz_check(stop != NULL && r->n < FRAMES);
    frame->p = p;
    frame->len = (size_t) (stop - p);
    frame->id = id_of(p, frame->len);
    frame->is_gap = strncmp(p, "event: gap\n", 11) == 0;
    p = stop + 2;
  }
}

static void ask(reply_t *r, const char *request, size_t len) {
  answers_t in = { NULL, 0, r->room, 0 };
  jobsrv_memory_t *client;
  const char *sent;

  fuzz_check(jobsrv_memory_open(&client, served.sse) == 0);
  fuzz_check(jobsrv_memory_feed(client, request, len) == 0);
  served.n_answers = 0;
  served_settle(&served, client);
  sent = jobsrv_memory_output(client, &in.n);
  free(r->sent);
  r->sent = fuzz_copy(sent, in.n);
  in.p = r->sent;
  fuzz_check(answer_next(&in, &r->answer, 0) && in.n == 0);
  answer_check(&r->answer, 0);
  r->n = 0;
  if (answer_has(&r->answer, "Content-Type", "text/event-stream"))
    split(r);
  jobsrv_memory_free(client);
}

static size_t put_path(char *to, size_t cap, of_t of) {
  const char *const formats[OFS] = {
    "/v1/jobs/%s/stream", "/v1/jobs/%s/stream", "/v1/jobs/%s/stream",
    "/v1/stream?jobs=%s,%s,%s", "/v1/jobs/%s/events", "/v1/jobs",
  };
  const int jobs[OFS] = { JOB_COMPLETED, JOB_TRIMMED, JOB_RUNNING,
                          JOB_COMPLETED, JOB_TRIMMED, 0 };

  return (size_t) snprintf(to, cap, formats[of], served.ids[jobs[of]],
                           served.ids[JOB_TRIMMED], served.ids[JOB_RUNNING]);
}

static size_t put_request(char *to, size_t cap, of_t of, by_t by,
                          const char *cursor, size_t len) {
  const char *name = of == OF_LIST ? "cursor" : "after";
  size_t at = (size_t) snprintf(to, cap, "GET ");

  at += put_path(to + at, cap - at, of);
  if (by != BY_HEADER)
    at += (size_t) snprintf(to + at, cap - at, "%c%s=",
                            of == OF_MANY ? '&' : '?', name);
  if (by == BY_BOTH) /* the header wins */
    at += (size_t) snprintf(to + at, cap - at, "1");
  for (size_t i = 0; by == BY_QUERY && i < len; i++)
    at += (size_t) snprintf(to + at, cap - at, "%%%02x",
                            (unsigned int) (unsigned char) cursor[i]);
  at += (size_t) snprintf(to + at, cap - at,
                          " HTTP/1.1\r\nHost: localhost\r\n");
  if (by != BY_QUERY) {
    at += (size_t) snprintf(to + at, cap - at, "Last-Event-ID: ");
    memcpy(to + at, cursor, len);
    at += len;
    at += (size_t) snprintf(to + at, cap - at, "\r\n");
  }
  return at + (size_t) snprintf(to + at, cap - at, "\r\n");
}

static void open_server(void) {
  char request[1024];
  size_t len;

  served_open(&served, SERVED_OPEN);
  for (int of = 0; of < OF_PAGE; of++) {
    len = put_request(request, sizeof(request), (of_t) of, BY_QUERY, "0", 1);
    ask(&firsts[of], request, len);
    fuzz_check(firsts[of].answer.status == 200 && firsts[of].n > 3);
  }
}

/* ---- what has to come ---- */

/* All that is behind the cursor, and nothing else; gaps are looked at apart. */
static void check_rest(const reply_t *first, size_t at, size_t opened,
                       uint64_t after) {
  for (size_t i = opened; i < first->n; i++) {
    const frame_t *want = &first->frames[i];
    const frame_t *got = &reply.frames[at];

    if (want->is_gap || (want->id != 0 && want->id <= after))
      continue;
    if (at < reply.n && got->is_gap)
      got = &reply.frames[++at];
    fuzz_check(at < reply.n);
    fuzz_check(got->len == want->len &&
               memcmp(got->p, want->p, want->len) == 0);
    at++;
  }
  fuzz_check(at == reply.n);
}

/* A gap is there if, and only if, what came before it was not all seen. */
static void check_gap(const reply_t *first, size_t at, size_t opened,
                      uint64_t after) {
  const frame_t *gap = NULL, *got = NULL;

  for (size_t i = opened; i < first->n; i++)
    if (first->frames[i].is_gap)
      gap = &first->frames[i];
  for (; at < reply.n; at++)
    if (reply.frames[at].is_gap) {
      fuzz_check(got == NULL);
      got = &reply.frames[at];
    }
  fuzz_check((got != NULL) == (gap != NULL && after < gap->id));
  if (got != NULL)
    fuzz_check(got->id == gap->id);
}

static void check_stream(of_t of, const cursor_t *c) {
  const reply_t *first = &firsts[of];
  size_t opened = of == OF_MANY ? 3 : 1;
  size_t at = opened;

  if (c->is_restart && of == OF_MANY)
    at = 0;
  fuzz_check(answer_has(&reply.answer, "Content-Type", "text/event-stream"));
  if (c->is_restart) {
    size_t gap = of == OF_MANY ? 0 : 1;

    fuzz_check(reply.n > gap && reply.frames[gap].is_gap &&
               reply.frames[gap].id == 0 &&
               fuzz_find(reply.frames[gap].p, reply.frames[gap].len,
                         "\"reason\":\"restart\"") != NULL);
    at = opened + 1;
  }
  fuzz_check(reply.n >= at);
  for (size_t i = 0; i < at; i++)
    fuzz_check(reply.frames[i].id == c->after);
  check_gap(first, at, opened, c->after);
  check_rest(first, at, opened, c->after);
}

static uint64_t last_of(of_t of) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  if (of == OF_MANY)
    return served_events(&served);
  jobsrv_job_info(served.jobs[of == OF_JOB       ? JOB_COMPLETED
                              : of == OF_RUNNING ? JOB_RUNNING
                                                 : JOB_TRIMMED], &info);
  return info.last_seq;
}

static void check_page(const cursor_t *c, uint64_t last) {
  const char *value;
  size_t len;
  uint64_t next;

  fuzz_check(reply.answer.status == 200);
  fuzz_check(answer_member(&reply.answer, "next_after", &value, &len));
  next = strtoull(value, NULL, 10);
  fuzz_check(next >= c->after && next <= last);
  fuzz_check((next == last) == (fuzz_find(reply.answer.body,
                                          reply.answer.body_len,
                                          "\"ended\":true") != NULL));
}

static void check_reply(of_t of, const char *cursor, size_t len) {
  cursor_t c = read_cursor(cursor, len, of == OF_MANY);
  uint64_t last = of == OF_LIST ? 0 : last_of(of);

  if (of == OF_LIST) {
    fuzz_check(reply.answer.status ==
               (list_cursor_ok(cursor, len) ? 200 : 400));
  } else if (c.is_bad || c.after > last) {
    fuzz_check(reply.answer.status == 400);
    fuzz_check(fuzz_find(reply.answer.body, reply.answer.body_len,
                         "\"code\":\"bad_cursor\"") != NULL);
  } else if (of == OF_PAGE) {
    check_page(&c, last);
  } else if ((of == OF_JOB || of == OF_TRIMMED) && !c.is_restart &&
             c.after == last) {
    fuzz_check(reply.answer.status == 204);
  } else {
    fuzz_check(reply.answer.status == 200);
    check_stream(of, &c);
  }
}

/* "@b" is the boot. */
static size_t fill_in(const fuzz_t *in, char *to, size_t cap) {
  const char *boot = jobsrv_boot(served.srv);
  size_t len = 0;

  for (size_t i = 0; i < in->n && len + 20 < cap; i++) {
    if (in->p[i] != '@' || i + 1 == in->n || in->p[i + 1] != 'b') {
      to[len++] = (char) in->p[i];
      continue;
    }
    memcpy(to + len, boot, strlen(boot));
    len += strlen(boot);
    i++;
  }
  return len;
}

/* It would end the field, and what follows be another one. */
static int ends_field(const char *p, size_t len) {
  return memchr(p, '\r', len) != NULL || memchr(p, '\n', len) != NULL;
}

/* A field with such a byte in it is refused whatever it says. */
static int is_field(const char *p, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (((unsigned char) p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
      return 0;
  return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  of_t of = (of_t) (fuzz_byte(&in) % OFS);
  by_t by = of == OF_LIST ? BY_QUERY : (by_t) (fuzz_byte(&in) % BYS);
  char cursor[CURSOR_ROOM];
  char request[1024];
  const char *p = cursor;
  size_t len;

  if (!served.is_open)
    open_server();
  len = fill_in(&in, cursor, sizeof(cursor));
  if (by == BY_QUERY && len > QUERY_MOST)
    len = QUERY_MOST;
  if (by != BY_QUERY && ends_field(cursor, len))
    return 0;
  ask(&reply, request,
      put_request(request, sizeof(request), of, by, cursor, len));
  if (by != BY_QUERY && !is_field(cursor, len)) {
    fuzz_check(reply.answer.status == 400 && reply.answer.closes);
    return 0;
  }
  for (; by != BY_QUERY && len > 0 && strchr(" \t", *p) != NULL; len--)
    p++;
  while (by != BY_QUERY && len > 0 && strchr(" \t", p[len - 1]) != NULL)
    len--;
  check_reply(of, p, len);
  return 0;
}
