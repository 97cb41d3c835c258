/* SPDX-License-Identifier: MIT */

/* Row 54: redaction. */

#include "test.h"

#include "jobsrv/redact.h"
#include "jobsrv/testing.h"

#include <stdlib.h>
#include <time.h>

#include <uv.h>

typedef struct {
  const char *text;
  const char *want;
} sample;

static jobsrv_redactor_t *make(unsigned int classes) {
  jobsrv_redact_options_t options;
  jobsrv_redactor_t *redactor;

  jobsrv_redact_options_init(&options);
  options.classes = classes;
  assert_ok(jobsrv_redactor_new(&redactor, NULL, &options));
  return redactor;
}

static void assert_redacted(const jobsrv_redactor_t *redactor,
                            const char *text,
                            const char *want) {
  char to[2048], again[2048];
  size_t len = jobsrv_redact(redactor, text, strlen(text), to, sizeof(to) - 1);

  assert_true(len < sizeof(to));
  to[len] = '\0';
  assert_string_equal(to, want);
  assert_int_equal(jobsrv_redacts(redactor, text, strlen(text)),
                   strcmp(text, want) != 0);
  len = jobsrv_redact(redactor, to, len, again, sizeof(again) - 1);
  again[len] = '\0';
  assert_string_equal(again, want);
}

static void assert_all(const sample *samples, size_t n) {
  jobsrv_redactor_t *redactor = make(0);

  for (size_t i = 0; i < n; i++)
    assert_redacted(redactor, samples[i].text, samples[i].want);
  jobsrv_redactor_unref(redactor);
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define R "[REDACTED]"
#define CUT " \xe2\x80\xa6(+12 bytes)"

/*
 * What the original asserts, with two differences: the scheme of an
 * authorization goes with its token, as there, but a name stays in front of
 * its masked value, so that one can see what was masked.
 */
static void what_the_original_masks_is_masked(void **state) {
  static const sample samples[] = {
    { "Authorization: Bearer abc123xyz", "Authorization: " R },
    { "api_key=secret123", "api_key=" R },
    { "nothing to hide here", "nothing to hide here" },
    { "Bearer abc123xyz and api_key=secret123 and password: hunter2",
      "Bearer " R " and api_key=" R " and password: " R },
    { "BEARER ABC123XYZ API_KEY=SECRET123", "BEARER " R " API_KEY=" R },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

static void a_bearer_token_is_masked_and_the_word_alone_is_not(void **state) {
  static const sample samples[] = {
    { "bearer mF_9.B5f-4.1JqM", "bearer " R },
    { "x Bearer  a.b~c+d/e== y", "x Bearer  " R " y" },
    { "the bearer of news", "the bearer of news" },
    { "forbearer abcdefgh1234", "forbearer abcdefgh1234" },
    { "bearer", "bearer" },
    { "bearer ", "bearer " },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

static void values_of_secret_names_are_masked(void **state) {
  static const sample samples[] = {
    { "password=hunter2", "password=" R },
    { "PassWord = hunter2, rest", "PassWord = " R ", rest" },
    { "api-key: abc", "api-key: " R },
    { "x-api-key: abc", "x-api-key: " R },
    { "apiKey=abc&next=1", "apiKey=" R "&next=1" },
    { "client_secret='a b c' d", "client_secret='" R "' d" },
    { "{\"password\":\"hun\\\"ter2\",\"a\":1}",
      "{\"password\":\"" R "\",\"a\":1}" },
    { "{\"access-token\" : \"t\"}", "{\"access-token\" : \"" R "\"}" },
    { "{\"token\":null,\"secret\":12345}", "{\"token\":null,\"secret\":" R
                                           "}" },
    { "{\\\"password\\\":\\\"x\\\"}", "{\\\"password\\\":\\\"" R "\\\"}" },
    { "Set-Cookie: a=b; c=d\nnext", "Set-Cookie: " R "\nnext" },
    { "Proxy-Authorization: Digest username=\"a\", response=\"b,c\" end",
      "Proxy-Authorization: " R " end" },
    { "authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=c1, d",
      "authorization: " R ", d" },
    { "Authorization: Digest a=\"\"b end", "Authorization: " R " end" },
    { "-H 'Authorization: Digest a=b,c=d' x",
      "-H 'Authorization: " R "' x" },
    { "Proxy-Authorization: Basic dXNlcjpwYXNz== end",
      "Proxy-Authorization: " R " end" },
    { "Proxy-Authorization: Basic dXNlcjpwYXNz end",
      "Proxy-Authorization: " R " end" },
    { "password=\"never closed", "password=\"" R },
    { "token: \xc3\xa4\xc3\xb6 x", "token: " R " x" },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

static void what_only_looks_like_a_secret_is_left(void **state) {
  static const char *const texts[] = {
    "key=value",       "monkey: banana",      "tokens_in=12",
    "password=",       "password: \"\"",      "the password\n",
    "a = b == c",      "12:30:45",            "http://host/path",
    "keyboard: de",    "secretary: Mrs. Pym", "==== : ====",
    "PWD=/srv/me",     "-----BEGIN CERTIFICATE-----\nabc\n",
    "ssh://git@host",  "mail me@host",        "eyJ",
    "eyJhbGciOi.x",    "ghp_short",           "AKIA",
  };
  jobsrv_redactor_t *redactor = make(0);

  (void) state;
  for (size_t i = 0; i < COUNT(texts); i++)
    assert_redacted(redactor, texts[i], texts[i]);
  jobsrv_redactor_unref(redactor);
}

static void jwt_pem_url_and_vendors_tokens_are_masked(void **state) {
  static const sample samples[] = {
    { "t eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-_x, u", "t " R ", u" },
    { "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nx",
      R "\nx" },
    { "a -----BEGIN RSA PRIVATE KEY-----\nno end", "a " R },
    { "-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n"
      "-----END PGP PRIVATE KEY BLOCK-----",
      R },
    { "postgres://me:pass@db:5432/x", "postgres://" R "@db:5432/x" },
    { "https://ghs0123456789012345678@host", "https://" R "@host" },
    { "http://host/a?b=c@d", "http://host/a?b=c@d" },
    { "AKIAIOSFODNN7EXAMPLE!", R "!" },
    { "ghp_0123456789abcdefghij0123456789abcdef", R },
    { "xoxb-123456789012-abcdef", R },
    { "glpat-abcdefghij0123456789", R },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

/* A password may have what elsewhere ends a value, a @ included. */
static void credentials_of_a_url_go_to_its_last_at(void **state) {
  static const sample samples[] = {
    { "postgres://me:p@ss@db/x", "postgres://" R "@db/x" },
    { "http://me:a&b;c,d)e@host", "http://" R "@host" },
    { "x=\"http://me:pw@h\" y@z", "x=\"http://" R "@h\" y@z" },
    { "http://host:80/me:a@b", "http://host:80/me:a@b" },
    { "http://host:80 mail me@x", "http://host:80 mail me@x" },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

static void an_encrypted_token_of_five_parts_goes_whole(void **state) {
  static const sample samples[] = {
    { "eyJhbGciOiJ.eyJz-1_2.c.d.e f", R " f" },
    { "eyJhbGciOiJ.eyJz1.sig. End", R ". End" },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

/* The mask in front does not protect what somebody puts behind it. */
static void what_follows_the_mask_in_a_value_is_masked(void **state) {
  static const sample samples[] = {
    { "password=" R "hunter2", "password=" R },
    { "password=" R ", x", "password=" R ", x" },
    { "token=\"" R " and more\"", "token=\"" R "\"" },
    { "Cookie: " R "; b=secret\n", "Cookie: " R "\n" },
    { "Authorization: Bearer " R "x y", "Authorization: " R " y" },
    { "secret => 'a b'", "secret => '" R "'" },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

static void a_key_behind_a_name_is_masked_to_its_end(void **state) {
#define KEY "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"
  static const sample samples[] = {
    { "private_key=" KEY "\nx", "private_key=" R "\nx" },
    { "secret: a" KEY " x", "secret: " R " x" },
    { "private_key=\"" KEY "\"\nx", "private_key=\"" R "\"\nx" },
    { "--private-key " KEY "\nx", "--private-key " R "\nx" },
    { "--private-key -----BEGIN x", "--private-key " R " x" },
    { "private_key=-----BEGIN CERTIFICATE-----\nx",
      "private_key=" R " CERTIFICATE-----\nx" },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

static void the_value_behind_an_option_is_masked(void **state) {
  static const sample samples[] = {
    { "mysql --password hunter2 -h db", "mysql --password " R " -h db" },
    { "--token abc", "--token " R },
    { "x --api-key\tk,e;y&) z", "x --api-key\t" R " z" },
    { "a --DB_PASSWORD  hunter -v", "a --DB_PASSWORD  " R " -v" },
    { "--password 'a b' c", "--password '" R "' c" },
    { "--password \"a \\\" b\" c", "--password \"" R "\" c" },
    { "sh -c 'x --secret abc'", "sh -c 'x --secret " R "'" },
    { "['x', '--password', 'a b', 'c']", "['x', '--password', '" R "', 'c']" },
    { "[\"--password\",\"a b\",\"c\"]",
      "[\"--password\",\"" R "\",\"c\"]" },
    { "[\\\"--password\\\",\\\"a b\\\",\\\"c\\\"]",
      "[\\\"--password\\\",\\\"" R "\\\",\\\"c\\\"]" },
    { "[\"--token\", \"a\", 1]", "[\"--token\", \"" R "\", 1]" },
    { "{\\\"a\\\":[\\\"--token\\\", \\\"a\\\"]}",
      "{\\\"a\\\":[\\\"--token\\\", \\\"" R "\\\"]}" },
    { "--password --token abc", "--password --token " R },
    { "--password -Xa1 -v", "--password " R " -v" },
    { "--token Bearer a.b c", "--token " R " c" },
    { "--authorization Basic QWxh c", "--authorization " R " c" },
    { "--authorization Digest a=\"b\", c=d e", "--authorization " R " e" },
    { "--cookie a=b;c=d http://h/", "--cookie " R " http://h/" },
    { "--password " R "x " R, "--password " R " " R },
    { "--password=abc d", "--password=" R " d" },
    { "--password = abc d", "--password = " R " d" },
    { "--password options1", "--password " R },
    { "--password Is", "--password " R },
    { "--password f", "--password " R },
    { "--password abc" CUT, "--password " R CUT },
    { KEY "\n--token x", R "\n--token " R },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

static void an_option_that_is_only_spoken_of_keeps_what_follows(void **state) {
  static const char *const texts[] = {
    "the --password option is deprecated",
    "use --token or --password.",
    "give --password, then --user",
    "(--password)",
    "'--password' is missing",
    "missing \"--token\" argument",
    "--token must not be empty; --password and --secret neither",
    "expected --password instead: none",
    "--password",
    "--password ",
    "--password\nnext line",
    "--password --verbose",
    "--password -v",
    "['--password', '--verbose']",
    "['--password','--verbose']",
    "--password,secretive",
    "--password-file /etc/key",
    "--token-ttl 60",
    "--tokens 12",
    "--monkey banana",
    "--verbose password",
    "word--password hunter2",
    "---password hunter2",
    "-- password hunter2",
    "--password true",
    ("--password" CUT),
  };
  jobsrv_redactor_t *redactor = make(0);

  (void) state;
  for (size_t i = 0; i < COUNT(texts); i++)
    assert_redacted(redactor, texts[i], texts[i]);
  jobsrv_redactor_unref(redactor);
}

/* What was cut may have been a secret, though too little of it is left. */
static void half_a_secret_before_a_cut_is_masked(void **state) {
  static const sample samples[] = {
    { "to https://me:hunt" CUT, "to https://" R CUT },
    { "x eyJhbGciOiJ.ey" CUT, "x " R CUT },
    { "ghp_01" CUT, R CUT },
    { "bearer abc" CUT, "bearer " R CUT },
    { "password='ab" CUT, "password='" R },
    { "-----BEGIN PRIVATE KEY-----\nMI" CUT, R },
    { "the https://host/a:b" CUT, "the https://host/a:b" CUT },
    { "ghp_01 (+12 bytes)", "ghp_01 (+12 bytes)" },
  };

  (void) state;
  assert_all(samples, COUNT(samples));
}

static void a_class_that_is_not_asked_for_is_left(void **state) {
  static const char uuid[] = "id 123e4567-e89b-42d3-a456-426614174000.";
  static const struct {
    unsigned int class;
    const char *text;
  } samples[] = {
    { JOBSRV_REDACT_BEARER, "Bearer abc123xyz" },
    { JOBSRV_REDACT_NAMED, "password=x" },
    { JOBSRV_REDACT_JWT, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s" },
    { JOBSRV_REDACT_PEM, "-----BEGIN PRIVATE KEY-----\n" },
    { JOBSRV_REDACT_URL, "ftp://a:b@c" },
    { JOBSRV_REDACT_VENDOR, "AKIAIOSFODNN7EXAMPLE" },
    { JOBSRV_REDACT_UUID, uuid },
  };
  jobsrv_redactor_t *redactor;

  (void) state;
  for (size_t on = 0; on < COUNT(samples); on++) {
    redactor = make(samples[on].class);
    for (size_t i = 0; i < COUNT(samples); i++)
      assert_int_equal(jobsrv_redacts(redactor, samples[i].text,
                                      strlen(samples[i].text)),
                       i == on);
    jobsrv_redactor_unref(redactor);
  }
  redactor = make(JOBSRV_REDACT_NOTHING);
  for (size_t i = 0; i < COUNT(samples); i++)
    assert_redacted(redactor, samples[i].text, samples[i].text);
  jobsrv_redactor_unref(redactor);
  redactor = make(0);
  assert_redacted(redactor, uuid, uuid);
  jobsrv_redactor_unref(redactor);
}

static void a_host_adds_names_patterns_and_its_own_mask(void **state) {
  static const char *const names[] = { "pin", "Licence-Code" };
  static const jobsrv_redact_pattern_t patterns[] = {
    { "acme:", "0123456789", 4 },
    { "zz", NULL, 0 },
  };
  jobsrv_redact_options_t options;
  jobsrv_redactor_t *redactor;

  (void) state;
  jobsrv_redact_options_init(&options);
  options.replacement = "***";
  options.names = names;
  options.nnames = 2;
  options.patterns = patterns;
  options.npatterns = 2;
  assert_ok(jobsrv_redactor_new(&redactor, NULL, &options));
  assert_string_equal(jobsrv_redactor_replacement(redactor), "***");
  assert_redacted(redactor, "pin=1234", "pin=***");
  assert_redacted(redactor, "licence_code: x", "licence_code: ***");
  assert_redacted(redactor, "acme:12345x", "***x");
  assert_redacted(redactor, "acme:123x", "acme:123x");
  assert_redacted(redactor, "a zzq", "a ***");
  assert_redacted(redactor, "zz", "zz");
  assert_redacted(redactor, "password=x", "password=***");
  assert_true(jobsrv_redacts_name(redactor, "user-PIN", 8));
  assert_true(jobsrv_redacts_name(redactor, "Authorization", 13));
  assert_false(jobsrv_redacts_name(redactor, "pint", 4));
  assert_false(jobsrv_redacts_name(redactor, "", 0));
  jobsrv_redactor_unref(jobsrv_redactor_ref(redactor));
  jobsrv_redactor_unref(redactor);
}

static void bad_options_are_refused(void **state) {
  static const char *const names[] = { "a b" };
  jobsrv_redact_pattern_t patterns[] = { { "", NULL, 0 } };
  jobsrv_redactor_t *redactor = NULL;
  jobsrv_redact_options_t options;

  (void) state;
  jobsrv_redact_options_init(&options);
  options.names = names;
  options.nnames = 1;
  assert_err(jobsrv_redactor_new(&redactor, NULL, &options), UV_EINVAL);
  options.nnames = 65;
  assert_err(jobsrv_redactor_new(&redactor, NULL, &options), UV_EINVAL);
  jobsrv_redact_options_init(&options);
  options.patterns = patterns;
  options.npatterns = 1;
  assert_err(jobsrv_redactor_new(&redactor, NULL, &options), UV_EINVAL);
  patterns[0] = (jobsrv_redact_pattern_t) { "x", NULL, 129 };
  assert_err(jobsrv_redactor_new(&redactor, NULL, &options), UV_EINVAL);
  patterns[0].min = 128;
  assert_ok(jobsrv_redactor_new(&redactor, NULL, &options));
  jobsrv_redactor_unref(redactor);
  redactor = NULL;
  options.npatterns = 33;
  assert_err(jobsrv_redactor_new(&redactor, NULL, &options), UV_EINVAL);
  jobsrv_redact_options_init(&options);
  options.classes = 1u << 20;
  assert_err(jobsrv_redactor_new(&redactor, NULL, &options), UV_EINVAL);
  jobsrv_redact_options_init(&options);
  options.replacement = "";
  assert_err(jobsrv_redactor_new(&redactor, NULL, &options), UV_EINVAL);
  options.size = 1;
  assert_err(jobsrv_redactor_new(&redactor, NULL, &options), JOBSRV_EOPTIONS);
  assert_null(redactor);
}

static void making_one_may_fail_for_want_of_memory(void **state) {
  jobsrv_redactor_t *redactor = NULL;
  jobsrv_faults_t faults;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  jobsrv_faults_fail(&faults, 0, 1);
  assert_err(jobsrv_redactor_new(&redactor, &faults.alloc, NULL), UV_ENOMEM);
  assert_ok(jobsrv_redactor_new(&redactor, &faults.alloc, NULL));
  jobsrv_redactor_unref(redactor);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void the_length_is_told_whatever_fits(void **state) {
  jobsrv_redactor_t *redactor = make(0);
  char to[8];

  (void) state;
  memset(to, '#', sizeof(to));
  assert_int_equal(jobsrv_redact(redactor, "token=a b", 9, to, 4), 18);
  assert_memory_equal(to, "toke####", 8);
  assert_int_equal(jobsrv_redact(redactor, "token=a b", 9, NULL, 0), 18);
  jobsrv_redactor_unref(redactor);
}

/* ---- time ---- */

static double ms_of(const jobsrv_redactor_t *redactor,
                    const char *text,
                    size_t len) {
  struct timespec a, b;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
  (void) jobsrv_redact(redactor, text, len, NULL, 0);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
  return (double) (b.tv_sec - a.tv_sec) * 1e3 +
         (double) (b.tv_nsec - a.tv_nsec) / 1e6;
}

/* A tenth of a second for what takes a millisecond: a slow machine passes,
   what is quadratic does not. */
static void hostile_text_costs_what_its_length_costs(void **state) {
  static const char *const units[] = {
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "-", "=", ":", "://", "://a:",
    "a:", "eyJ", "eyJ.", "eyJaaaaaaaa.", "password=", "password=\"", "token: ",
    "\"", "\\\"", "bearer ", "ghp_", "sk-", "AKIA", " ", "password    ",
    "-----END ", "x=", "@", "aaaaaaaa-", "-----BEGIN A PRIVATE KEY----",
    "\xff", "token=null,", "cookie:" R " ", "cookie:'" R " ", "cookie:null ",
    "authorization:" R " ", "authorization: null ", "authorization: a ",
    "://a:b@", "://@", "=>", "secret=>", "eyJ-.eyJ-.", "password=" R "(",
    "-----BEGIN PRIVATE KEY-----END ", "\xe2\x80\xa6(+1 bytes)", "b", "B ",
    "\\", "'", "token='\\", "github_pat_-", "xoxb-xoxb-", "sk_live_",
    "--", "--a", "--token ", "--token", " --token", "--token option ",
    "--token -", "token=-----BEGIN ", "--token -----BEGIN ",
    "--token \"", "'--token', '", "'--token','", "--token --", "--token =",
    ("--cookie " R), "--authorization a ", "--authorization a, ",
    "--token                 ",
  };
  enum { SIZE = 100000 };
  jobsrv_redactor_t *redactor =
      make(JOBSRV_REDACT_UUID | JOBSRV_REDACT_BEARER | JOBSRV_REDACT_NAMED |
           JOBSRV_REDACT_JWT | JOBSRV_REDACT_PEM | JOBSRV_REDACT_URL |
           JOBSRV_REDACT_VENDOR);
  char *text = malloc(SIZE + 64);
  double worst = 0;

  (void) state;
  assert_non_null(text);
  for (size_t i = 0; i < COUNT(units); i++) {
    size_t unit = strlen(units[i]);
    double ms;

    for (size_t at = 0; at < SIZE; at += unit)
      memcpy(text + at, units[i], unit);
    ms = ms_of(redactor, text, SIZE);
    if (ms > worst)
      worst = ms;
    assert_true(ms < 100);
  }
  print_message("worst of %zu hostile texts of 100 kB: %.2f ms\n",
                COUNT(units), worst);
  free(text);
  jobsrv_redactor_unref(redactor);
}

/* Random text from the pieces of secrets: masked twice is masked once. */
static void masking_again_changes_nothing(void **state) {
  static const char *const pieces[] = {
    "password", "=", ":", " ", "\"", "\\", "'", "eyJ", "aaaaaaaaaa", ".",
    "-----BEGIN ", "PRIVATE KEY", "-----", "-----END ", "\n", "://", "@", "/",
    "Bearer ", "x1", "ghp_", "AKIA", "0123456789ABCDEFGHIJ", "-", "_", ",", "}",
    "[REDACTED]", "token", "null", "Cookie", "Authorization", "--", "--token ",
    " --cookie ", "\"--token\", ", "\"--token\",\"", "--authorization", " option ",
  };
  jobsrv_redactor_t *redactor = make(0);
  unsigned int seed = 20261123;
  char text[600], once[4096], twice[4096];

  (void) state;
  for (int round = 0; round < 20000; round++) {
    size_t len = 0, n, m;

    for (int i = 0; i < 24; i++) {
      const char *piece;

      seed = seed * 1103515245u + 12345u;
      piece = pieces[(seed >> 16) % COUNT(pieces)];
      memcpy(text + len, piece, strlen(piece));
      len += strlen(piece);
    }
    n = jobsrv_redact(redactor, text, len, once, sizeof(once));
    assert_true(n <= sizeof(once));
    m = jobsrv_redact(redactor, once, n, twice, sizeof(twice));
    if (m != n || memcmp(once, twice, n) != 0)
      fail_msg("\"%.*s\" became \"%.*s\", then \"%.*s\"", (int) len, text,
               (int) n, once, (int) m, twice);
  }
  jobsrv_redactor_unref(redactor);
}

/* Where a mask stands now, the end of a URL's authority stood before. */
static void a_mask_in_a_url_does_not_join_what_was_apart(void **state) {
  static const char key[] = "-----BEGIN PRIVATE KEY-----\nx\n"
                            "-----END PRIVATE KEY-----";
  static const char *const formats[] = {
    "://token:\\]@", "://token:\\n]@host", "https://token=a\\]:b@host",
    "https://authorization:a b]@host", "https://a:%s@host", "https://%s:b@host",
    "https://a:b%sc@host/", "https://a:%s", "https://%s",
  };
  jobsrv_redactor_t *redactor = make(0);
  char text[200], once[200], twice[200];

  (void) state;
  for (size_t i = 0; i < COUNT(formats); i++) {
    size_t n, m;

    snprintf(text, sizeof(text), formats[i], key);
    n = jobsrv_redact(redactor, text, strlen(text), once, sizeof(once));
    m = jobsrv_redact(redactor, once, n, twice, sizeof(twice));
    assert_true(n < strlen(text) + sizeof("[REDACTED]"));
    if (m != n || memcmp(once, twice, n) != 0)
      fail_msg("\"%s\" became \"%.*s\", then \"%.*s\"", text, (int) n, once,
               (int) m, twice);
    assert_null(memmem(once, n, "BEGIN", 5));
  }
  jobsrv_redactor_unref(redactor);
}

static void a_url_whose_password_was_masked_keeps_its_host(void **state) {
  static const char *const texts[] = {
    "https://token:[REDACTED]@host/", "https://me:[REDACTED]@host/",
    "https://token:[REDACTED]rest@host/", "https://me:[REDACTED]rest@host/",
  };
  jobsrv_redactor_t *redactor = make(0);
  char to[100];

  (void) state;
  for (size_t i = 0; i < COUNT(texts); i++) {
    size_t n = jobsrv_redact(redactor, texts[i], strlen(texts[i]), to,
                             sizeof(to) - 1);

    to[n] = '\0';
    assert_string_equal(to, "https://[REDACTED]@host/");
  }
  jobsrv_redactor_unref(redactor);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_the_original_masks_is_masked),
    cmocka_unit_test(a_bearer_token_is_masked_and_the_word_alone_is_not),
    cmocka_unit_test(values_of_secret_names_are_masked),
    cmocka_unit_test(what_only_looks_like_a_secret_is_left),
    cmocka_unit_test(jwt_pem_url_and_vendors_tokens_are_masked),
    cmocka_unit_test(credentials_of_a_url_go_to_its_last_at),
    cmocka_unit_test(an_encrypted_token_of_five_parts_goes_whole),
    cmocka_unit_test(what_follows_the_mask_in_a_value_is_masked),
    cmocka_unit_test(a_key_behind_a_name_is_masked_to_its_end),
    cmocka_unit_test(the_value_behind_an_option_is_masked),
    cmocka_unit_test(an_option_that_is_only_spoken_of_keeps_what_follows),
    cmocka_unit_test(half_a_secret_before_a_cut_is_masked),
    cmocka_unit_test(a_class_that_is_not_asked_for_is_left),
    cmocka_unit_test(a_host_adds_names_patterns_and_its_own_mask),
    cmocka_unit_test(bad_options_are_refused),
    cmocka_unit_test(making_one_may_fail_for_want_of_memory),
    cmocka_unit_test(the_length_is_told_whatever_fits),
    cmocka_unit_test(hostile_text_costs_what_its_length_costs),
    cmocka_unit_test(masking_again_changes_nothing),
    cmocka_unit_test(a_mask_in_a_url_does_not_join_what_was_apart),
    cmocka_unit_test(a_url_whose_password_was_masked_keeps_its_host),
  };

  return RUN_GROUP(tests);
}
