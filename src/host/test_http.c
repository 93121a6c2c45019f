// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/http.h"
#include "host/sandbox.h"
#include "support/certs.h"
#include "support/prop.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const char *folder;

static int certs_open(void **state)
{
	static const struct certs_spec specs[] = {
		{"ca", NULL, "Test CA", NULL, -1, 30},
		{"kme", "ca", "kme.merlon.test", "DNS:kme.merlon.test,IP:127.0.0.1", -1, 30},
		{"sae", "ca", "sae-core-1", "DNS:sae-core-1,URI:urn:sae:1", -1, 30},
		{"expired", "ca", "sae-core-1", NULL, -30, -1},
	};

	(void)state;
	folder = certs_folder();
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		certs_make(folder, &specs[i]);
	return 0;
}

static int certs_close(void **state)
{
	(void)state;
	certs_remove(folder);
	return 0;
}

/* ---- A server whose handler says what it saw; a client that keeps what it got. ---- */

enum { KEPT = 256 };

struct world {
	struct loop loop;
	struct http_server *server;
	struct tls_profile *tls;
	struct loop_timer alarm, poll;
	bool is_late;
	struct pool_handle kept[KEPT];
	size_t kept_count, calls;
	/* the raw client */
	struct stream *client;
	bool is_closed;
	char got[1 << 16];
	size_t got_len;
	/* curl */
	uint16_t port; /* of a server elsewhere; 0: of ours */
	pid_t pid;
	int status;
};

static void answer_with_what_was_seen(struct world *w, const struct http_request *r)
{
	char text[1024];
	uint32_t sum = 0;

	for (size_t i = 0; i < r->body.len; i++)
		sum += r->body.at[i];
	const int len = snprintf(text, sizeof text, "%s %.200s?%.200s [%s] %zu:%u %s %s %s\n",
		r->method, r->path, r->query, r->content_type, r->body.len, sum,
		r->peer->common_name, r->peer->uri, r->peer->alpn);
	http_answer(w->server, r->handle, 200, "text/plain", span_of(text, (size_t)len));
}

static void handler(void *ctx, struct http_server *server, const struct http_request *r)
{
	struct world *w = ctx;
	static char large[1 << 20];

	assert_ptr_equal(server, w->server);
	w->calls++;
	if (strcmp(r->path, "/later") == 0)
		w->kept[w->kept_count++ % KEPT] = r->handle;
	else if (strcmp(r->path, "/large") == 0)
		http_answer(server, r->handle, 200, "text/plain",
			span_of(memset(large, 'x', sizeof large), sizeof large));
	else if (strcmp(r->path, "/empty") == 0)
		http_answer(server, r->handle, 204, NULL, (struct span){0});
	else
		answer_with_what_was_seen(w, r);
}

static void on_alarm(void *ctx)
{
	struct world *w = ctx;

	w->is_late = true;
	loop_stop(&w->loop);
}

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	assert_false(failed(loop_open(&w->loop)));
	loop_timer_open(&w->loop, &w->alarm, on_alarm, w);
	*state = w;
	return 0;
}

static void serve(struct world *w, bool has_tls, uint32_t requests_max, uint32_t idle_ms_max)
{
	struct complaint c = {0};
	const struct tls_settings tls = {.certificate_file = certs_path(folder, "kme", "pem"),
		.key_file = certs_path(folder, "kme", "key"),
		.ca_file = certs_path(folder, "ca", "pem"),
		.alpn = "h2,http/1.1"};

	if (has_tls)
		assert_false(failed(tls_profile_open(&w->tls, &tls, &c)));
	const struct http_settings settings = {.listen = {.address = "127.0.0.1",
						       .tls = w->tls,
						       .streams_max = 64,
						       .handshake_ms_max = 2000},
		.requests_max = requests_max,
		.idle_ms_max = idle_ms_max};
	assert_false(failed(http_server_open(&w->server, &w->loop, &settings, handler, w, &c)));
}

static void run_for(struct world *w, uint64_t ms)
{
	loop_timer_once(&w->alarm, ms);
	loop_run(&w->loop);
	loop_timer_stop(&w->alarm);
}

static void run(struct world *w)
{
	w->is_late = false;
	run_for(w, 8000);
	assert_false(w->is_late);
}

static int world_close(void **state)
{
	struct world *w = *state;

	if (w->client != NULL)
		stream_abort(w->client);
	if (w->server != NULL)
		http_server_close(w->server);
	run_for(w, 20);
	run_for(w, 20);
	tls_profile_close(w->tls);
	loop_close(&w->loop);
	free(w);
	return 0;
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	struct world *w = ctx;
	const size_t room = sizeof w->got - 1 - w->got_len;
	const size_t len = bytes.len < room ? bytes.len : room;

	(void)s;
	memcpy(w->got + w->got_len, bytes.at, len);
	w->got_len += len;
	w->got[w->got_len] = '\0';
}

static void on_closed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	struct world *w = ctx;

	(void)s, (void)why, (void)c;
	w->client = NULL;
	w->is_closed = true;
	loop_stop(&w->loop);
}

static const struct stream_events events = {.bytes = on_bytes, .closed = on_closed};

static void say(struct world *w, struct span bytes)
{
	if (w->client == NULL) {
		w->is_closed = false;
		w->got_len = 0;
		w->got[0] = '\0';
		assert_false(failed(stream_connect_tcp(&w->client, &w->loop, "127.0.0.1",
			http_server_port(w->server), NULL, NULL, &events, w)));
	}
	assert_false(failed(stream_send(w->client, bytes)));
}

/* Sends it on a connection of its own; the answer, after the server has closed. */
static const char *refused(struct world *w, struct span bytes)
{
	say(w, bytes);
	while (!w->is_closed)
		run(w);
	return w->got;
}

#define assert_starts(text, start) assert_memory_equal((text), (start), strlen(start))

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
		n++;
	return n;
}

/* ---- HTTP/1.1, octet by octet ---- */

/* [RFC 9112 §9.3.2] */
static void test_pipelined_requests_are_answered_in_order_one_at_a_time(void **state)
{
	struct world *w = *state;

	serve(w, false, 16, 2000);
	say(w, span_str("GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
			"POST /b?x=1 HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Length: "
			"3\r\n\r\nabc"
			"GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
	run_for(w, 100);
	assert_int_equal(w->calls, 1);
	assert_int_equal(w->got_len, 0);
	http_answer(w->server, w->kept[0], 200, "text/plain", span_str("first\n"));
	http_answer(w->server, w->kept[0], 200, "text/plain", span_str("twice\n"));
	while (!w->is_closed)
		run(w);
	const char *first = strstr(w->got, "first\n"),
		   *second = strstr(w->got, "POST /b?x=1 [a/b] 3:294"),
		   *third = strstr(w->got, "GET /c?");
	assert_true(first != NULL && second > first && third > second);
	assert_null(strstr(w->got, "twice"));
	assert_int_equal(count(w->got, "HTTP/1.1 200 OK\r\n"), 3);
	assert_int_equal(count(w->got, "Cache-Control: no-store\r\n"), 3);
	assert_int_equal(count(w->got, "Connection: close\r\n"), 1);
}

static void test_request_may_come_octet_by_octet(void **state)
{
	struct world *w = *state;
	static const char text[] =
		"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
		"Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

	serve(w, false, 16, 4000);
	for (size_t i = 0; i < sizeof text - 1; i++) {
		say(w, span_of(text + i, 1));
		run_for(w, 2);
	}
	while (!w->is_closed)
		run(w);
	assert_non_null(strstr(w->got, "POST /slow? [] 5:495"));
}

static const struct {
	const char *request, *answer;
} malformed[] = {
	{"\x16\x03\x01\x02", "HTTP/1.1 400 "},
	{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},                       /* no Host */
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "HTTP/1.1 400 "}, /* two */
	{"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},    /* not origin form */
	{"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
	{"GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", "HTTP/1.1 400 "},
	{"GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", "HTTP/1.1 400 "},
	{"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "},
	{"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 501 "},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400 "},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n", "HTTP/1.1 413 "},
	/* Two lengths: request smuggling [RFC 9112 §11.2]. */
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 400 "},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
		"HTTP/1.1 400 "},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400 "},
};

/* [RFC 9112] */
static void test_malformed_requests_are_refused_and_the_server_lives(void **state)
{
	struct world *w = *state;

	serve(w, false, 16, 1000);
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		const char *answer = refused(w, span_str(malformed[i].request));
		if (strncmp(answer, malformed[i].answer, strlen(malformed[i].answer)) != 0)
			fail_msg("%s was answered %s", malformed[i].request, answer);
	}
	assert_int_equal(w->calls, 0);
	assert_int_equal(http_server_counters(w->server)->refused, ARRAY_LEN(malformed));
	assert_starts(refused(w, span_str("GET / HTTP/1.0\r\n\r\n")), "HTTP/1.1 200 OK\r\n");
	assert_int_equal(w->calls, 1);
}

/* `head`, `len` times 'a', `tail` */
static struct span long_one(const char *head, size_t len, const char *tail)
{
	static char text[3 << 20];
	const size_t head_len = strlen(head);

	memcpy(text, head, head_len);
	memset(text + head_len, 'a', len);
	memcpy(text + head_len + len, tail, strlen(tail));
	return span_of(text, head_len + len + strlen(tail));
}

static void test_limits_at_and_over(void **state)
{
	struct world *w = *state;
	char many[8192] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";

	serve(w, false, 16, 1000);
	/* the target: '/' and 8191 more are the limit */
	assert_starts(refused(w, long_one("GET /", HTTP_TARGET_MAX - 1, " HTTP/1.0\r\n\r\n")),
		"HTTP/1.1 200 ");
	assert_starts(refused(w, long_one("GET /", HTTP_TARGET_MAX, " HTTP/1.0\r\n\r\n")),
		"HTTP/1.1 414 ");
	/* the headers, by size and by number */
	assert_starts(refused(w, long_one("GET / HTTP/1.0\r\nx: ", HTTP_HEAD_MAX - 1, "\r\n\r\n")),
		"HTTP/1.1 200 ");
	assert_starts(refused(w, long_one("GET / HTTP/1.0\r\nx: ", HTTP_HEAD_MAX, "\r\n\r\n")),
		"HTTP/1.1 431 ");
	for (int i = 0; i < HTTP_HEADERS_MAX - 2; i++)
		strcat(many, "x: y\r\n");
	const size_t len = strlen(many);
	strcat(many, "\r\n");
	assert_starts(refused(w, span_str(many)), "HTTP/1.1 200 ");
	many[len] = '\0';
	strcat(many, "x: y\r\n\r\n");
	assert_starts(refused(w, span_str(many)), "HTTP/1.1 431 ");
	/* the body: said, and not said beforehand */
	assert_starts(refused(w, long_one("POST / HTTP/1.0\r\nContent-Length: 1048576\r\n\r\n",
					 HTTP_BODY_MAX, "")),
		"HTTP/1.1 200 ");
	assert_starts(refused(w, long_one("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
					  "Transfer-Encoding: chunked\r\n\r\n100001\r\n",
					 HTTP_BODY_MAX + 1, "\r\n0\r\n\r\n")),
		"HTTP/1.1 413 ");
}

static void test_too_many_unanswered_get_503_until_one_is_answered(void **state)
{
	struct world *w = *state;
	static const char later[] = "GET /later HTTP/1.1\r\nHost: a\r\n\r\n";

	serve(w, false, 1, 1000);
	say(w, span_str(later));
	run_for(w, 50);
	assert_int_equal(w->kept_count, 1);
	struct stream *first = w->client;
	w->client = NULL;
	assert_starts(refused(w, span_str("GET / HTTP/1.0\r\n\r\n")), "HTTP/1.1 503 ");
	/* Its stream goes: the room still works on it, so it still counts, and its answer is
	 * dropped. */
	stream_abort(first);
	while (!w->is_closed)
		run(w);
	run_for(w, 50);
	assert_starts(refused(w, span_str("GET / HTTP/1.0\r\n\r\n")), "HTTP/1.1 503 ");
	http_answer(w->server, w->kept[0], 200, NULL, (struct span){0});
	assert_starts(refused(w, span_str("GET / HTTP/1.0\r\n\r\n")), "HTTP/1.1 200 ");
}

static void test_slow_requests_and_idle_streams_end(void **state)
{
	struct world *w = *state;

	serve(w, false, 16, 150);
	assert_starts(refused(w, span_str("GET / HTTP/1.1\r\nHos")), "HTTP/1.1 408 ");
	/* Kept alive, then idle: closed without a word. */
	refused(w, span_str("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
	assert_int_equal(count(w->got, "HTTP/1.1 "), 1);
	assert_starts(w->got, "HTTP/1.1 200 ");
}

static void test_head_and_empty_answers_have_no_body(void **state)
{
	struct world *w = *state;

	serve(w, false, 16, 500);
	const char *answer = refused(w, span_str("HEAD /x HTTP/1.0\r\n\r\n"));
	assert_non_null(strstr(answer, "Content-Length: "));
	assert_null(strstr(answer, "HEAD /x"));
	answer = refused(w, span_str("GET /empty HTTP/1.0\r\n\r\n"));
	assert_starts(answer, "HTTP/1.1 204 No Content\r\n");
	assert_null(strstr(answer, "Content-Length"));
}

static void test_drain_answers_the_rest_and_takes_nothing_new(void **state)
{
	struct world *w = *state;

	serve(w, false, 16, 2000);
	say(w, span_str("GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /new HTTP/1.1\r\nHost: "
			"a\r\n\r\n"));
	run_for(w, 50);
	http_server_drain(w->server);
	assert_false(http_server_is_idle(w->server));
	http_answer(w->server, w->kept[0], 200, "text/plain", span_str("the rest"));
	while (!w->is_closed)
		run(w);
	assert_non_null(strstr(w->got, "the rest"));
	assert_int_equal(w->calls, 1);
	run_for(w, 50);
	assert_true(http_server_is_idle(w->server));
}

/* ---- A foreign client: curl, over mutual TLS ---- */

static void on_poll(void *ctx)
{
	struct world *w = ctx;

	if (w->pid > 0 && waitpid(w->pid, &w->status, WNOHANG) == w->pid) {
		w->pid = 0;
		loop_stop(&w->loop);
	}
}

/* Runs a shell line in which $curl stands for curl with its certificate and $url for the server.
 * Returns the exit status. */
static int shell(struct world *w, const char *certificate, const char *line)
{
	const char *out = certs_path(folder, "curl", "out");

	w->pid = fork();
	if (w->pid == 0) {
		char curl[1024], url[64];
		snprintf(curl, sizeof curl, "curl -sS --max-time 6 --cacert %s --cert %s --key %s",
			certs_path(folder, "ca", "pem"), certs_path(folder, certificate, "pem"),
			certs_path(folder, certificate, "key"));
		snprintf(url, sizeof url, "https://127.0.0.1:%u",
			w->port != 0 ? w->port : http_server_port(w->server));
		setenv("curl", curl, 1);
		setenv("url", url, 1);
		if (freopen(out, "w", stdout) == NULL || dup2(1, 2) < 0)
			_exit(99);
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(99);
	}
	loop_timer_open(&w->loop, &w->poll, on_poll, w);
	loop_timer_every(&w->poll, 5);
	while (w->pid != 0)
		run(w);
	loop_timer_stop(&w->poll);
	FILE *file = fopen(out, "r");
	assert_non_null(file);
	w->got_len = fread(w->got, 1, sizeof w->got - 1, file);
	w->got[w->got_len] = '\0';
	fclose(file);
	assert_true(WIFEXITED(w->status));
	return WEXITSTATUS(w->status);
}

static void test_identity_reaches_the_handler_over_http1(void **state)
{
	struct world *w = *state;

	serve(w, true, 16, 4000);
	assert_int_equal(
		shell(w, "sae",
			"$curl --http1.1 -d 'abc' \"$url/api/v1/keys?number=2\" $url/again"),
		0);
	assert_string_equal(w->got,
		"POST /api/v1/keys?number=2 [application/x-www-form-urlencoded] 3:294 "
		"sae-core-1 urn:sae:1 http/1.1\n"
		"POST /again? [application/x-www-form-urlencoded] 3:294 "
		"sae-core-1 urn:sae:1 http/1.1\n");
	assert_int_equal(http_server_counters(w->server)->streams, 1);
}

static void test_identity_reaches_the_handler_over_http2(void **state)
{
	struct world *w = *state;

	serve(w, true, 16, 4000);
	assert_int_equal(shell(w, "sae",
				 "$curl --http2 -H 'Content-Type: a/b' -d 'abc' "
				 "\"$url/api/v1/keys?number=2\" $url/again"),
		0);
	assert_string_equal(w->got,
		"POST /api/v1/keys?number=2 [a/b] 3:294 sae-core-1 urn:sae:1 h2\n"
		"POST /again? [a/b] 3:294 sae-core-1 urn:sae:1 h2\n");
	assert_int_equal(http_server_counters(w->server)->streams, 1);
}

static void test_bodies_and_limits_over_http2(void **state)
{
	struct world *w = *state;
	static const char line[] =
		"t=$(mktemp) && "
		"head -c 1048576 /dev/zero >$t && $curl --http2 -o /dev/null -w '%{http_code} ' "
		"--data-binary @$t $url/ && "
		"head -c 1048577 /dev/zero >$t && $curl --http2 -o /dev/null -w '%{http_code} ' "
		"--data-binary @$t $url/ && "
		"head -c 40000 /dev/zero | tr '\\0' a >$t && $curl --http2 -o /dev/null -w "
		"'%{http_code} ' -H \"x: $(cat $t)\" $url/ && "
		"$curl --http2 -o /dev/null -w '%{http_code} ' \"$url/$(head -c 8192 $t)\" && "
		"$curl --http2 -o $t -w '%{http_code} %{size_download} ' $url/large && "
		"$curl --http2 -I -o /dev/null -w '%{http_code} ' $url/large && "
		"$curl --http2 -o /dev/null -w '%{http_code}' $url/empty; e=$?; rm -f $t; exit $e";

	serve(w, true, 16, 4000);
	assert_int_equal(shell(w, "sae", line), 0);
	assert_string_equal(w->got, "200 413 431 414 200 1048576 200 204");
}

/* [RFC 9113] */
static void test_many_requests_at_once_over_http2(void **state)
{
	struct world *w = *state;

	serve(w, true, 64, 4000);
	assert_int_equal(shell(w, "sae",
				 "$curl --http2 --parallel --parallel-max 50 \"$url/n?i=[1-300]\" "
				 "| sort -u | wc -l"),
		0);
	assert_int_equal(atoi(w->got), 300);
	assert_int_equal(http_server_counters(w->server)->answers, 300);
}

static void test_expired_client_is_refused(void **state)
{
	struct world *w = *state;

	serve(w, true, 16, 4000);
	assert_int_not_equal(shell(w, "expired", "$curl $url/"), 0);
	assert_non_null(strstr(w->got, "certificate expired"));
	assert_int_equal(w->calls, 0);
	assert_int_equal(shell(w, "sae", "$curl $url/"), 0);
	assert_int_equal(w->calls, 1);
}

/* A child that serves from inside the level of a front. */
static pid_t sandboxed_server(uint16_t *port)
{
	int fds[2];
	struct complaint c = {0};
	void *state;

	assert_int_equal(pipe(fds), 0);
	const pid_t pid = fork();
	if (pid != 0) {
		assert_int_equal(read(fds[0], port, sizeof *port), sizeof *port);
		close(fds[0]);
		close(fds[1]);
		return pid;
	}
	alarm(30);
	world_open(&state);
	struct world *w = state;
	serve(w, true, 16, 200);
	const struct sandbox_request request = {.level = SANDBOX_FRONT};
	if (failed(sandbox_enter(&request, &c))) {
		fprintf(stderr, "%s\n", c.text);
		_exit(98);
	}
	*port = http_server_port(w->server);
	if (write(fds[1], port, sizeof *port) == sizeof *port)
		loop_run(&w->loop);
	_exit(97);
}

static void test_tls_needs_no_file_once_inside_the_sandbox(void **state)
{
	struct world *w = *state;
	int status;
	const pid_t pid = sandboxed_server(&w->port);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			shell(w, "sae", "$curl --http2 $url/a && $curl --http1.1 $url/b"), 0);
		assert_string_equal(w->got, "GET /a? [] 0:0 sae-core-1 urn:sae:1 h2\n"
					    "GET /b? [] 0:0 sae-core-1 urn:sae:1 http/1.1\n");
		assert_int_not_equal(shell(w, "expired", "$curl $url/"), 0);
		assert_non_null(strstr(w->got, "certificate expired"));
		assert_int_equal(shell(w, "sae", "$curl --curves X25519 $url/"), 0);
		/* An idle stream is closed from inside, too. */
		assert_int_equal(
			shell(w, "sae",
				"(sleep 0.5; printf x) | $curl --http2 -T - $url/slow; true"),
			0);
	}
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM); /* SIGSYS: it asked for what it may not */
}

static void test_server_may_close_within_a_handshake(void **state)
{
	struct world *w = *state;

	serve(w, true, 16, 4000);
	say(w, span_str("\x16\x03\x01"));
	run_for(w, 50);
	http_server_close(w->server);
	w->server = NULL;
	while (!w->is_closed)
		run(w); /* at the deadline of the handshake, 2 s */
}

/* ---- Percent-decoding ---- */

/* [RFC 3986 §2.1] */
static void test_decode_refuses_what_has_two_readings(void **state)
{
	static const char *const bad[] = {"%", "%4", "%4g", "a%00b", "%%41", "%u0041"};
	char out[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(http_decode(span_mut_of(out, sizeof out), span_str(bad[i])).kind,
			ERR_INPUT);
	assert_false(failed(http_decode(span_mut_of(out, sizeof out), span_str("a%2Fb%2f+"))));
	assert_string_equal(out, "a/b/+");
	assert_false(failed(http_decode(span_mut_of(out, sizeof out), span_str("1234567"))));
	assert_int_equal(
		http_decode(span_mut_of(out, sizeof out), span_str("12345678")).kind, ERR_INPUT);
	assert_false(failed(http_decode(span_mut_of(out, sizeof out), span_str(""))));
	assert_string_equal(out, "");
}

static void test_decode_undoes_escapes(void **state)
{
	struct prop p = prop_from_environment(7);
	char encoded[256], out[128];
	uint8_t text[80];

	(void)state;
	for (int round = 0; round < 500; round++) {
		const size_t len = prop_below(&p, sizeof text);
		size_t n = 0;
		for (size_t i = 0; i < len; i++) {
			text[i] = (uint8_t)(1 + prop_below(&p, 255));
			const bool is_plain = text[i] != '%' && prop_below(&p, 2) == 0;
			if (is_plain)
				encoded[n++] = (char)text[i];
			else
				n += (size_t)snprintf(
					encoded + n, sizeof encoded - n, "%%%02x", text[i]);
		}
		assert_false(
			failed(http_decode(span_mut_of(out, sizeof out), span_of(encoded, n))));
		assert_int_equal(strlen(out), len);
		assert_memory_equal(out, text, len);
	}
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_pipelined_requests_are_answered_in_order_one_at_a_time),
		IN_WORLD(test_request_may_come_octet_by_octet),
		IN_WORLD(test_malformed_requests_are_refused_and_the_server_lives),
		IN_WORLD(test_limits_at_and_over),
		IN_WORLD(test_too_many_unanswered_get_503_until_one_is_answered),
		IN_WORLD(test_slow_requests_and_idle_streams_end),
		IN_WORLD(test_head_and_empty_answers_have_no_body),
		IN_WORLD(test_drain_answers_the_rest_and_takes_nothing_new),
		IN_WORLD(test_identity_reaches_the_handler_over_http1),
		IN_WORLD(test_identity_reaches_the_handler_over_http2),
		IN_WORLD(test_bodies_and_limits_over_http2),
		IN_WORLD(test_many_requests_at_once_over_http2),
		IN_WORLD(test_expired_client_is_refused),
		IN_WORLD(test_tls_needs_no_file_once_inside_the_sandbox),
		IN_WORLD(test_server_may_close_within_a_handshake),
		cmocka_unit_test(test_decode_refuses_what_has_two_readings),
		cmocka_unit_test(test_decode_undoes_escapes),
	};
	return cmocka_run_group_tests_name("http", tests, certs_open, certs_close);
}
