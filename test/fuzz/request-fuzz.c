/* SPDX-License-Identifier: MIT */

/*
 * The bytes of a connection against a whole server, twice: at once, and in
 * pieces to a client that may read slowly. Both are answered alike, each request
 * once and in its order, to the letter of HTTP; nothing is read behind an answer
 * that closes, and in the end the connection is closed and nothing is left of
 * it.
 *
 * "@0" to "@6" in the input stand for the ids of the jobs that there are, "@b"
 * for the boot.
 */

#include "answers.h"
#include "served.h"

enum {
  INPUT_ROOM = 4096,
  RUNS_A_SERVER = 5000,
  MAX_ANSWERS = SERVED_ANSWERS
};

/* One of two: at once, and in pieces. */
typedef struct {
  served_t served;
  char *sent;    /* all that came back */
  size_t sent_len;
  char room[ANSWER_ROOM];
  answer_t answers[MAX_ANSWERS];
  size_t n;
  uint64_t events, requests;
} side_t;

static side_t sides[SERVED_KINDS][2];
static unsigned int runs[SERVED_KINDS];

/* ---- what is sent ---- */

static const char *stands_for(const served_t *s, char c) {
  if (c == 'b')
    return jobsrv_boot(s->srv);
  return c >= '0' && c < '0' + SERVED_JOBS ? s->ids[c - '0'] : NULL;
}

static size_t fill_in(const served_t *s, const fuzz_t *in, char *to) {
  size_t len = 0;

  for (size_t i = 0; i < in->n && len + JOBSRV_ID_SIZE < INPUT_ROOM; i++) {
    const char *text = in->p[i] == '@' && i + 1 < in->n
                           ? stands_for(s, (char) in->p[i + 1]) : NULL;

    if (text == NULL) {
      to[len++] = (char) in->p[i];
    } else {
      memcpy(to + len, text, strlen(text));
      len += strlen(text);
      i++;
    }
  }
  return len;
}

/* 0: pieces of any length, which follow from `step`. */
static size_t next_piece(unsigned int *roll, unsigned int step) {
  if (step != 0)
    return step;
  *roll = *roll * 1103515245u + 12345u;
  return 1 + (*roll >> 16) % 48;
}

/* Who sends in pieces may read in pieces too, and not before the next is sent:
   what is owed, or streamed, waits for room as more comes in. */
static void read_some(jobsrv_memory_t *client, unsigned int roll) {
  static const size_t windows[] = { SIZE_MAX, 0, 1, 7, 40, 170, 600, 5000 };

  jobsrv_memory_window(client, windows[roll / 32 % 8]);
}

static void feed(side_t *side, jobsrv_memory_t *client, const char *data,
                 size_t len, unsigned int step, unsigned int first_roll) {
  unsigned int roll = first_roll;

  for (size_t at = 0; at < len;) {
    size_t n = step == UINT32_MAX ? len : next_piece(&roll, step);

    n = n < len - at ? n : len - at;
    if (jobsrv_memory_feed(client, data + at, n) != 0)
      break; /* it has closed */
    if (step != UINT32_MAX) {
      read_some(client, first_roll);
      jobsrv_run_turns(&side->served.loop, 1 + (roll & 1));
    }
    at += n;
  }
  jobsrv_memory_window(client, SIZE_MAX);
  served_settle(&side->served, client);
}

/* As long as anything could be waited for. */
static void wait_once(served_t *s, jobsrv_memory_t *client) {
  jobsrv_manual_clock_advance(&s->clock, UINT64_C(122000000000));
  served_settle(s, client);
}

/* The client's end cuts a stream, and how much of one is written by then would
   be a question of pieces while a request before it waits. */
static void wait_for_answers(const side_t *side, served_t *s,
                             jobsrv_memory_t *client) {
  for (int i = 0; i < MAX_ANSWERS; i++) {
    if (served_requests(s) - side->requests <= s->n_answers)
      break;
    wait_once(s, client);
  }
}

/* Closed by the time that all could have been waited for, one by one. */
static void wait_for_close(side_t *side, jobsrv_memory_t *client) {
  for (int i = 0; i < MAX_ANSWERS; i++) {
    wait_once(&side->served, client);
    if (jobsrv_memory_state(client) == JOBSRV_MEMORY_CLOSED)
      break;
  }
  fuzz_check(jobsrv_memory_state(client) == JOBSRV_MEMORY_CLOSED);
  fuzz_check(side->served.late == NULL);
}

static void play(side_t *side, const fuzz_t *in, unsigned int step,
                 unsigned int roll) {
  served_t *s = &side->served;
  char data[INPUT_ROOM + JOBSRV_ID_SIZE];
  size_t len = fill_in(s, in, data);
  jobsrv_memory_t *client;
  const char *sent;

  side->events = served_events(s);
  side->requests = served_requests(s);
  s->n_answers = 0;
  fuzz_check(jobsrv_memory_open(&client, s->sse) == 0);
  feed(side, client, data, len, step, roll);
  wait_for_answers(side, s, client);
  jobsrv_memory_end(client);
  served_settle(s, client);
  wait_for_close(side, client);
  sent = jobsrv_memory_output(client, &side->sent_len);
  side->sent = fuzz_copy(sent, side->sent_len);
  side->events = served_events(s) - side->events;
  side->requests = served_requests(s) - side->requests;
  jobsrv_memory_free(client);
}

/* ---- what came back ---- */

/* Interim answers are between the others, as many as were asked for. */
static void read_answers(side_t *side) {
  answers_t in = { side->sent, side->sent_len, side->room, 0 };
  const served_t *s = &side->served;
  answer_t answer;
  int is_head, interim = 0;

  side->n = 0;
  for (;;) {
    is_head = side->n < s->n_answers ? s->answers[side->n].is_head : -1;
    if (!answer_next(&in, &answer, is_head))
      break;
    if (answer.status == 100) {
      fuzz_check(++interim == 1 && answer.head_len == 0);
      continue;
    }
    interim = 0;
    fuzz_check(answer.status >= 200 && side->n < MAX_ANSWERS);
    if (answer.closes)
      fuzz_check(in.n == 0);
    answer_check(&answer, is_head > 0 || (is_head < 0 && in.n == 0 &&
                                          answer.body_len == 0));
    side->answers[side->n++] = answer;
  }
}

static void check_answers(const side_t *side) {
  const served_t *s = &side->served;

  fuzz_check(s->n_answers <= side->n && side->n <= s->n_answers + 1);
  fuzz_check(side->n <= side->requests + 1);
  for (size_t i = 0; i < side->n; i++) {
    const answer_t *answer = &side->answers[i];

    if (i == s->n_answers) { /* to no request that could be read */
      fuzz_check(answer->closes && answer->status >= 400);
      continue;
    }
    fuzz_check(answer->status == s->answers[i].status);
    fuzz_check(answer->status != 500 || s->answers[i].is_forgotten);
    fuzz_check(!answer->is_endless || i + 1 == side->n);
  }
}

static int same(const char *a, size_t a_len, const char *b, size_t b_len) {
  char *x, *y;
  size_t n, m;
  int is_same;

  if (a_len == b_len && memcmp(a, b, a_len) == 0)
    return 1;
  x = malloc(a_len + 1);
  y = malloc(b_len + 1);
  fuzz_check(x != NULL && y != NULL);
  n = answer_mask(x, a, a_len);
  m = answer_mask(y, b, b_len);
  is_same = n == m && memcmp(x, y, n) == 0;
  if (!is_same)
    fprintf(stderr, "at once:\n%.*s\nin pieces:\n%.*s\n", (int) n, x, (int) m,
            y);
  free(x);
  free(y);
  return is_same;
}

static void compare(const side_t *whole, const side_t *pieces) {
  fuzz_check(whole->n == pieces->n);
  fuzz_check(whole->requests == pieces->requests);
  fuzz_check(whole->events == pieces->events);
  for (size_t i = 0; i < whole->n; i++) {
    const answer_t *a = &whole->answers[i];
    const answer_t *b = &pieces->answers[i];

    fuzz_check(a->status == b->status && a->closes == b->closes &&
               a->is_endless == b->is_endless);
    if (i < whole->served.n_answers && whole->served.answers[i].is_measured)
      continue;
    fuzz_check(same(a->head, a->head_len, b->head, b->head_len));
    fuzz_check(same(a->body, a->body_len, b->body, b->body_len));
  }
}

static void renew(unsigned int kind) {
  for (int i = 0; i < 2; i++) {
    served_close(&sides[kind][i].served);
    served_open(&sides[kind][i].served, (served_kind_t) kind);
  }
  runs[kind] = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  unsigned int kind = fuzz_byte(&in) % SERVED_KINDS;
  unsigned int step = fuzz_byte(&in) % 16;
  unsigned int roll = fuzz_byte(&in);
  side_t *both = sides[kind];

  if (!both[0].served.is_open)
    renew(kind);
  for (int i = 0; i < 2; i++) {
    play(&both[i], &in, i == 0 ? UINT32_MAX : step, roll);
    read_answers(&both[i]);
    check_answers(&both[i]);
  }
  compare(&both[0], &both[1]);
  free(both[0].sent);
  free(both[1].sent);
  if (both[0].events > 0 || ++runs[kind] == RUNS_A_SERVER)
    renew(kind);
  return 0;
}
