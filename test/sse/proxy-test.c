/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "base/alloc.h"
#include "sse/conn_state.h"
#include "sse/proxy.h"

#include "jobsrv/sse_auth.h"

/* Whom proxies speak for, and which of them are believed. */

static const char *const ours[] = { "127.0.0.1", "10.0.0.0/8", "192.0.2.0/25",
                                    "2001:db8::/33", "unix", NULL };

/* ---- one request, without a transport ---- */

static char peer_name[64];

static void on_peer(const jobsrv__conn_t *conn, char *to, size_t cap) {
  (void) conn;
  snprintf(to, cap, "%s", peer_name);
}

static const jobsrv__io_t io = { .peer = on_peer };

typedef struct {
  const char *header;
  const char *values[4]; /* of its fields, in order */
  const char *want;      /* NULL: who is connected, "127.0.0.1" */
} asked_t;

/* Who asks, from there; 1 when a proxy was believed. */
static int client_of(const char *peer,
                     int header,
                     const char *const *list,
                     const asked_t *asked,
                     char to[JOBSRV__CLIENT_SIZE]) {
  jobsrv_sse_t sse = { .options.proxy_header = header };
  jobsrv__conn_t conn = { .io = &io };
  jobsrv__header_t headers[6] = { { { "host", 4 }, { "localhost", 9 } } };
  jobsrv__request_t request = { .sse = &sse,
                                .conn = &conn,
                                .headers = headers,
                                .n_headers = 1 };
  char *copies[4] = { NULL };
  int believed;

  snprintf(peer_name, sizeof(peer_name), "%s", peer);
  assert_ok(jobsrv__proxies_new(&sse.proxies, jobsrv__alloc(NULL), list));
  for (size_t i = 0; i < 4 && asked->values[i] != NULL; i++) {
    size_t len = strlen(asked->values[i]);

    copies[i] = malloc(len > 0 ? len : 1); /* of that size: none is read past */
    assert_non_null(copies[i]);
    memcpy(copies[i], asked->values[i], len);
    headers[request.n_headers].name =
        jobsrv__span(asked->header, strlen(asked->header));
    headers[request.n_headers++].value = jobsrv__span(copies[i], len);
  }
  believed = jobsrv__client(&request, to);
  for (size_t i = 0; i < 4; i++)
    free(copies[i]);
  free(sse.proxies);
  return believed;
}

static void check(int header, const asked_t *cases, size_t n) {
  char client[JOBSRV__CLIENT_SIZE];

  for (size_t i = 0; i < n; i++) {
    const char *want = cases[i].want != NULL ? cases[i].want : "127.0.0.1";
    int believed = client_of("127.0.0.1:50000", header, ours, &cases[i],
                             client);

    if (strcmp(client, want) != 0 || believed != (cases[i].want != NULL))
      fail_msg("%s: %s %s is %s, not %s", cases[i].header, cases[i].values[0],
               cases[i].values[1] != NULL ? cases[i].values[1] : "", client,
               want);
  }
}

#define XFF "x-forwarded-for"

static void the_last_that_is_no_proxy_of_ours_is_the_client(void **state) {
  static const asked_t cases[] = {
    { XFF, { "198.51.100.7" }, "198.51.100.7" },
    { XFF, { "198.51.100.7:4711" }, "198.51.100.7" },
    { XFF, { "2001:DB8:8000::7" }, "2001:db8:8000::7" },
    { XFF, { "[2001:db8:8000::7]" }, "2001:db8:8000::7" },
    { XFF, { "[2001:db8:8000::7]:4711" }, "2001:db8:8000::7" },
    { XFF, { "::ffff:198.51.100.7" }, "198.51.100.7" },
    /* what a client has sent itself stands before it */
    { XFF, { "203.0.113.9, 198.51.100.7" }, "198.51.100.7" },
    { XFF, { "203.0.113.9,198.51.100.7\t" }, "198.51.100.7" },
    { XFF, { "203.0.113.9", "198.51.100.7" }, "198.51.100.7" },
    { XFF, { "127.0.0.1, 198.51.100.7" }, "198.51.100.7" },
    { XFF, { "\", 198.51.100.7" }, "198.51.100.7" },
    { XFF, { "garbage, , =;\\, 198.51.100.7" }, "198.51.100.7" },
    /* several proxies of ours */
    { XFF, { "203.0.113.9, 198.51.100.7, 10.1.2.3" }, "198.51.100.7" },
    { XFF, { "198.51.100.7, 10.1.2.3:80, 192.0.2.127" }, "198.51.100.7" },
    { XFF, { "198.51.100.7, [2001:db8:7fff::1]:1, 10.9.9.9" },
      "198.51.100.7" },
    { XFF, { "198.51.100.7", "10.1.2.3", "192.0.2.1" }, "198.51.100.7" },
    { XFF, { "203.0.113.9, 198.51.100.7", "10.1.2.3" }, "198.51.100.7" },
    /* just beside our networks */
    { XFF, { "203.0.113.9, 11.0.0.0" }, "11.0.0.0" },
    { XFF, { "203.0.113.9, 192.0.2.128" }, "192.0.2.128" },
    { XFF, { "203.0.113.9, 2001:db8:8000::" }, "2001:db8:8000::" },
    /* nobody else is there: one of ours asks by itself */
    { XFF, { "10.1.2.3" }, "10.1.2.3" },
    { XFF, { "10.7.7.7, 10.1.2.3" }, "10.7.7.7" },
    /* not believed any further than it can be read */
    { XFF, { "203.0.113.9, unknown, 10.1.2.3" }, "10.1.2.3" },
    { XFF, { "203.0.113.9, , 10.1.2.3" }, "10.1.2.3" },
    { XFF, { "203.0.113.9", "", "10.1.2.3" }, "10.1.2.3" },
  };

  (void) state;
  check(JOBSRV_SSE_X_FORWARDED_FOR, cases, sizeof(cases) / sizeof(cases[0]));
}

static void what_is_no_address_is_not_believed(void **state) {
  static const char *const values[] = {
    "", " ", ",", "unknown", "_hidden", "198.51.100", "198.51.100.7.1",
    "198.51.100.256", "198.51.100.07x", "0x7f.0.0.1", "198.51.100.7:",
    "198.51.100.7:x", "198.51.100.7:123456", "198.51.100.7 x",
    "\"198.51.100.7\"", "[198.51.100.7]", "[2001:db8:8000::7", "[]", "[::1]x",
    "[::1]:", "2001:db8:8000::7]", "2001:db8:8000:::7", "fe80::1%eth0",
    "for=198.51.100.7", "198.51.100.7;", "localhost", "203.0.113.9, ",
    "1111:1111:1111:1111:1111:1111:1111:1111:1111",
    "111111111111111111111111111111111111111111111111111111111111111111111",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    asked_t asked = { XFF, { values[i] }, NULL };

    check(JOBSRV_SSE_X_FORWARDED_FOR, &asked, 1);
  }
}

#define FWD "forwarded"

static void the_standard_s_header_is_read_likewise(void **state) {
  static const asked_t cases[] = {
    { FWD, { "for=198.51.100.7" }, "198.51.100.7" },
    { FWD, { "For=\"198.51.100.7:4711\"" }, "198.51.100.7" },
    { FWD, { "FOR=\"[2001:db8:8000::7]\"" }, "2001:db8:8000::7" },
    { FWD, { "for=\"[2001:db8:8000::7]:_port\"" }, "2001:db8:8000::7" },
    { FWD, { "proto=http;by=10.0.0.1; for=198.51.100.7;host=a" },
      "198.51.100.7" },
    { FWD, { "by=\"a;for=1.1.1.1\";for=198.51.100.7" }, "198.51.100.7" },
    { FWD, { "by=\"a,for=1.1.1.1\";for=198.51.100.7" }, "198.51.100.7" },
    { FWD, { "by=\"a\\\"b,for=1.1.1.1\";for=198.51.100.7" }, "198.51.100.7" },
    { FWD, { "for=198.51.100.7;by=\"\\\\\"" }, "198.51.100.7" },
    { FWD, { "for=203.0.113.9, for=198.51.100.7" }, "198.51.100.7" },
    { FWD, { "for=203.0.113.9", "for=198.51.100.7" }, "198.51.100.7" },
    { FWD, { "for=203.0.113.9, for=198.51.100.7;by=10.0.0.9, "
             "for=10.0.0.9;proto=https" }, "198.51.100.7" },
    /* an open string of the client's does not swallow what follows */
    { FWD, { "for=\"203.0.113.9, for=198.51.100.7" }, "198.51.100.7" },
    { FWD, { "\"", "for=198.51.100.7" }, "198.51.100.7" },
    { FWD, { "for=203.0.113.9, for=unknown, for=10.0.0.9" }, "10.0.0.9" },
    { FWD, { "for=203.0.113.9, by=1.1.1.1, for=10.0.0.9" }, "10.0.0.9" },
    /* no address, or not one */
    { FWD, { "" }, NULL },
    { FWD, { "for=" }, NULL },
    { FWD, { "for" }, NULL },
    { FWD, { "198.51.100.7" }, NULL },
    { FWD, { "for=unknown" }, NULL },
    { FWD, { "for=_hidden" }, NULL },
    { FWD, { "for=\"198.51.100.7" }, NULL },
    { FWD, { "for=198.51.100.7\"" }, NULL },
    { FWD, { "for=\"198.51.100.7\"x" }, NULL },
    { FWD, { "for=\"198\\.51.100.7\"" }, NULL },
    { FWD, { "for=198.51.100.7;for=198.51.100.8" }, NULL },
    { FWD, { "for=198.51.100.7 for=198.51.100.8" }, NULL },
    { FWD, { "for=198.51.100.7;by" }, NULL },
    { FWD, { "by=198.51.100.7" }, NULL },
    { FWD, { "xfor=198.51.100.7" }, NULL },
    { FWD, { "for=\"\\" }, NULL },
  };

  (void) state;
  check(JOBSRV_SSE_FORWARDED, cases, sizeof(cases) / sizeof(cases[0]));
}

/* It is passed on as the client made it by a proxy that writes the other. */
static void the_header_that_was_not_chosen_is_not_read(void **state) {
  static const asked_t forwarded = { FWD, { "for=198.51.100.7" }, NULL };
  static const asked_t other = { XFF, { "198.51.100.7" }, NULL };

  (void) state;
  check(JOBSRV_SSE_X_FORWARDED_FOR, &forwarded, 1);
  check(JOBSRV_SSE_FORWARDED, &other, 1);
}

static void only_proxies_of_ours_are_believed(void **state) {
  static const asked_t asked = { XFF, { "198.51.100.7" }, NULL };
  static const char *const only_unix[] = { "unix", NULL };
  static const char *const none[] = { NULL };
  static const struct {
    const char *peer;
    const char *const *list;
    const char *want;
    int believed;
  } cases[] = {
    { "127.0.0.1:1", NULL, "127.0.0.1", 0 },
    { "127.0.0.1:1", none, "127.0.0.1", 0 },
    { "127.0.0.1:1", only_unix, "127.0.0.1", 0 },
    { "127.0.0.2:1", ours, "127.0.0.2", 0 },
    { "[::1]:1", ours, "::1", 0 },
    { "unix", none, "unix", 0 },
    { "unix", NULL, "unix", 0 },
    { "", ours, "", 0 },
    { "memory", ours, "memory", 0 },
    { "unix", only_unix, "198.51.100.7", 1 },
    { "10.255.255.255:1", ours, "198.51.100.7", 1 },
    { "[::ffff:10.1.1.1]:1", ours, "198.51.100.7", 1 },
    { "[2001:db8::1]:1", ours, "198.51.100.7", 1 },
    { "[2001:db8:8000::1]:1", ours, "2001:db8:8000::1", 0 },
  };
  char client[JOBSRV__CLIENT_SIZE];

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    assert_int_equal(client_of(cases[i].peer, 0, cases[i].list, &asked, client),
                     cases[i].believed);
    assert_string_equal(client, cases[i].want);
  }
}

static void so_many_hops_are_looked_at(void **state) {
  static char list[4096];
  asked_t asked = { XFF, { list }, NULL };
  char client[JOBSRV__CLIENT_SIZE];

  (void) state;
  snprintf(list, sizeof(list), "198.51.100.7");
  for (int hops = 1; hops <= JOBSRV__HOPS_MAX + 1; hops++) {
    assert_true(client_of("127.0.0.1:1", 0, ours, &asked, client));
    assert_string_equal(client, hops <= JOBSRV__HOPS_MAX ? "198.51.100.7"
                                                         : "10.0.0.1");
    snprintf(list + strlen(list), sizeof(list) - strlen(list), ",10.0.0.%d",
             hops % 2 == 0 ? 2 : 1);
  }
}

static void networks_are_read(void **state) {
  static const char *const right[] = {
    "unix", "0.0.0.0/0", "::/0", "10.1.2.3/8", "10.1.2.3/32", "::1/128",
    "2001:DB8::/32", "::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "255.255.255.255"
  };
  static const char *const wrong[] = {
    "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08",
    "10.0.0.0/8x", "10.0.0.0/1000", "10.0.0.0/256", "10.0.0.0 /8", "10.0.0/8",
    "::1/129", "[::1]", "[::1]/128", "127.0.0.1:80", "localhost", "Unix",
    "unix:/x", "::ffff:10.0.0.0/95", "*", "fe80::1%lo"
  };
  jobsrv__proxies_t *proxies;

  (void) state;
  for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
    const char *const list[] = { "127.0.0.1", right[i], NULL };

    if (jobsrv__proxies_new(&proxies, jobsrv__alloc(NULL), list) != 0)
      fail_msg("refused: %s", right[i]);
    free(proxies);
  }
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    const char *const list[] = { "127.0.0.1", wrong[i], NULL };

    if (jobsrv__proxies_new(&proxies, jobsrv__alloc(NULL), list) != UV_EINVAL)
      fail_msg("taken: %s", wrong[i]);
    assert_null(proxies);
  }
}

static void all_addresses_of_a_family_may_be_proxies(void **state) {
  static const char *const v4[] = { "0.0.0.0/0", NULL };
  static const char *const v6[] = { "::/0", NULL };
  static const asked_t asked = { XFF, { "198.51.100.7" }, NULL };
  char client[JOBSRV__CLIENT_SIZE];

  (void) state;
  assert_true(client_of("203.0.113.1:1", 0, v4, &asked, client));
  assert_false(client_of("[::1]:1", 0, v4, &asked, client));
  assert_true(client_of("[::1]:1", 0, v6, &asked, client));
  assert_false(client_of("203.0.113.1:1", 0, v6, &asked, client));
}

/* ---- a whole transport ---- */

static world w;
static peer_t peer;
static char told[2048]; /* the last of http */
static char seen[64];   /* by the hook */

static void on_event(const jobsrv_event_t *event, void *data) {
  (void) data;
  if (event->actor != NULL && strcmp(event->actor, "http") == 0)
    snprintf(told, sizeof(told), "%.*s", (int) event->json_len, event->json);
}

static jobsrv_sse_grant_t look(jobsrv_sse_request_t *request,
                               jobsrv_sse_verb_t verb,
                               jobsrv_job_t *job,
                               void *data) {
  char peer_of[64];

  (void) verb;
  (void) job;
  (void) data;
  jobsrv_sse_client(request, seen, sizeof(seen));
  jobsrv_sse_peer(request, peer_of, sizeof(peer_of));
  assert_int_equal(strncmp(peer_of, "127.0.0.1:", 10), 0);
  return JOBSRV_SSE_ALLOW;
}

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.trust_proxies = (const char *const[]) { "127.0.0.0/8", NULL };
  world_open(&w);
  assert_ok(jobsrv_callback_add(w.f.srv, on_event, NULL, NULL, NULL));
  jobsrv_sse_authorise(w.sse, look, NULL);
  peer_open(&peer, w.port);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

static void the_hook_and_the_records_see_the_client(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs",
                       "X-Forwarded-For: 203.0.113.9, 198.51.100.7\r\n", NULL),
                   200);
  assert_string_equal(seen, "198.51.100.7");
  assert_contains(told, "\"peer\":\"127.0.0.1:");
  assert_contains(told, "\"client\":\"198.51.100.7\"");
  assert_null(strstr(told, "203.0.113.9"));
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", "", NULL), 200);
  assert_string_equal(seen, "127.0.0.1");
  assert_null(strstr(told, "\"client\""));
}

static void by_default_nobody_is_believed(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  assert_ok(jobsrv_callback_add(w.f.srv, on_event, NULL, NULL, NULL));
  jobsrv_sse_authorise(w.sse, look, NULL);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs",
                       "X-Forwarded-For: 198.51.100.7\r\n"
                       "Forwarded: for=198.51.100.7\r\n", NULL), 200);
  assert_string_equal(seen, "127.0.0.1");
  assert_null(strstr(told, "\"client\""));
  assert_contains(told, "\"forwarded_for\":\"198.51.100.7\"");
  (void) teardown(state);
}

static void the_header_is_an_option(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.trust_proxies = (const char *const[]) { "127.0.0.1", NULL };
  w.options.proxy_header = JOBSRV_SSE_FORWARDED;
  world_open(&w);
  jobsrv_sse_authorise(w.sse, look, NULL);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs",
                       "X-Forwarded-For: 203.0.113.9\r\n"
                       "Forwarded: for=\"[2001:db8::7]:80\"\r\n", NULL), 200);
  assert_string_equal(seen, "2001:db8::7");
  (void) teardown(state);
}

static void what_is_no_proxy_is_no_option(void **state) {
  const char *const wrong[] = { "10.0.0.0/8", "proxy.example", NULL };
  jobsrv_sse_options_t options;
  jobsrv_sse_t *sse;

  (void) state;
  jobsrv_sse_options_init(&options);
  options.trust_proxies = wrong;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.trust_proxies = NULL;
  options.proxy_header = JOBSRV_SSE_FORWARDED + 1;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.proxy_header = -1;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_last_that_is_no_proxy_of_ours_is_the_client),
  cmocka_unit_test(what_is_no_address_is_not_believed),
  cmocka_unit_test(the_standard_s_header_is_read_likewise),
  cmocka_unit_test(the_header_that_was_not_chosen_is_not_read),
  cmocka_unit_test(only_proxies_of_ours_are_believed),
  cmocka_unit_test(so_many_hops_are_looked_at),
  cmocka_unit_test(networks_are_read),
  cmocka_unit_test(all_addresses_of_a_family_may_be_proxies),
  CASE(the_hook_and_the_records_see_the_client),
  cmocka_unit_test(by_default_nobody_is_believed),
  cmocka_unit_test(the_header_is_an_option),
  CASE(what_is_no_proxy_is_no_option),
};

RUN(tests);
