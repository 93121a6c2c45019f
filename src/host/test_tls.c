// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/stream.h"
#include "support/certs.h"
#include "crypt/openssl.h"
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <netinet/in.h>
#include <unistd.h>
#include <cmocka.h>

static const char *folder;

static const struct certs_spec specs[] = {
	{"ca", NULL, "Test CA", NULL, -1, 30},
	{"foreign-ca", NULL, "Foreign CA", NULL, -1, 30},
	{"core", "ca", "core.merlon.test", "DNS:core.merlon.test,DNS:second.test", -1, 30},
	{"radio", "ca", "radio.merlon.test", "DNS:radio.merlon.test,URI:urn:merlon:radio", -1, 30},
	{"expired", "ca", "radio.merlon.test", NULL, -30, -1},
	{"early", "ca", "radio.merlon.test", NULL, 10, 30},
	{"foreign", "foreign-ca", "radio.merlon.test", NULL, -1, 30},
};

static int certs_open(void **state)
{
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

static struct tls_profile *profile(const char *name, const char *ca, bool require_hybrid)
{
	struct tls_profile *p = NULL;
	struct complaint c = {0};
	const struct tls_settings settings = {.certificate_file = certs_path(folder, name, "pem"),
		.key_file = certs_path(folder, name, "key"),
		.ca_file = certs_path(folder, ca, "pem"),
		.require_hybrid = require_hybrid,
		.alpn = "h2,http/1.1"};

	const struct err e = tls_profile_open(&p, &settings, &c);
	if (failed(e))
		fail_msg("%s", c.text);
	return p;
}

struct side {
	struct loop *loop;
	struct stream *s;
	size_t opened, closed, got, stop_at;
	struct err why;
	struct complaint complaint;
	struct peer_identity peer;
};

static void on_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	struct side *side = ctx;

	side->s = s;
	side->opened++;
	side->peer = *id;
}

static void on_bytes(void *ctx, struct stream *s, struct span bytes)
{
	struct side *side = ctx;

	(void)s;
	side->got += bytes.len;
	if (side->stop_at > 0 && side->got >= side->stop_at)
		loop_stop(side->loop);
}

static void on_closed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	struct side *side = ctx;

	(void)s;
	side->closed++;
	side->s = NULL;
	side->why = why;
	side->complaint = *c;
	loop_stop(side->loop);
}

static const struct stream_events events = {on_opened, on_bytes, on_closed};

struct world {
	struct loop loop;
	struct side client, server;
	struct tls_profile *client_tls, *server_tls;
	struct listener *listener;
	struct loop_timer alarm;
	bool is_late;
};

static void on_alarm(void *ctx)
{
	struct world *w = ctx;

	w->is_late = true;
	loop_stop(&w->loop);
}

static void on_accepted(void *ctx, struct stream *s)
{
	struct world *w = ctx;

	stream_set_context(s, &events, &w->server);
}

static int world_open(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	assert_false(failed(loop_open(&w->loop)));
	w->client.loop = w->server.loop = &w->loop;
	loop_timer_open(&w->loop, &w->alarm, on_alarm, w);
	*state = w;
	return 0;
}

static void run(struct world *w)
{
	w->is_late = false;
	loop_timer_once(&w->alarm, 5000);
	loop_run(&w->loop);
	loop_timer_stop(&w->alarm);
	assert_false(w->is_late);
}

static void run_for(struct world *w, uint64_t ms)
{
	loop_timer_once(&w->alarm, ms);
	loop_run(&w->loop);
	loop_timer_stop(&w->alarm);
}

static int world_close(void **state)
{
	struct world *w = *state;

	if (w->listener != NULL)
		listener_close(w->listener);
	if (w->client.s != NULL)
		stream_abort(w->client.s);
	if (w->server.s != NULL)
		stream_abort(w->server.s);
	run_for(w, 20);
	run_for(w, 20);
	tls_profile_close(w->client_tls);
	tls_profile_close(w->server_tls);
	loop_close(&w->loop);
	free(w);
	return 0;
}

static void listen_tls(struct world *w, struct tls_profile *tls, uint32_t handshake_ms_max)
{
	struct complaint c = {0};
	const struct listener_settings settings = {.address = "127.0.0.1",
		.streams_max = 8,
		.tls = tls,
		.handshake_ms_max = handshake_ms_max};

	w->server_tls = tls;
	assert_false(failed(listener_open(&w->listener, &w->loop, &settings, on_accepted, w, &c)));
}

static void connect_tls(struct world *w, struct tls_profile *tls, const char *expect_name)
{
	w->client_tls = tls;
	assert_false(failed(stream_connect_tcp(&w->client.s, &w->loop, "127.0.0.1",
		listener_port(w->listener), tls, expect_name, &events, &w->client)));
}

/* Both sides end; what each says of it. */
static void run_to_the_end(struct world *w)
{
	while (w->client.closed == 0 || w->server.closed == 0)
		run(w);
	assert_int_equal(w->server.opened, 0);
}

static void test_both_sides_learn_who_the_other_is(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", true), 2000);
	connect_tls(w, profile("radio", "ca", true), "core.merlon.test");
	assert_false(failed(stream_send(w->client.s, span_str("early words wait"))));
	w->server.stop_at = 16;
	run(w);
	assert_int_equal(w->client.opened + w->server.opened, 2);
	assert_true(w->server.peer.is_authenticated);
	assert_string_equal(w->server.peer.common_name, "radio.merlon.test");
	assert_string_equal(w->server.peer.dns_name, "radio.merlon.test");
	assert_string_equal(w->server.peer.uri, "urn:merlon:radio");
	assert_string_equal(w->server.peer.tls_group, "X25519MLKEM768");
	assert_string_equal(w->server.peer.alpn, "h2");
	assert_true(w->client.peer.is_authenticated);
	assert_string_equal(w->client.peer.common_name, "core.merlon.test");
	stream_close(w->client.s);
	while (w->client.closed == 0 || w->server.closed == 0)
		run(w);
	assert_false(failed(w->client.why));
	assert_false(failed(w->server.why));
}

static void test_second_dns_name_is_a_name_too(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", true), 2000);
	connect_tls(w, profile("radio", "ca", true), "SECOND.test");
	assert_false(failed(stream_send(w->client.s, span_str("x"))));
	w->server.stop_at = 1;
	run(w);
	assert_int_equal(w->client.opened, 1);
}

static void test_large_transfer_arrives_whole(void **state)
{
	struct world *w = *state;
	const size_t len = 8 << 20;
	uint8_t *bytes = calloc(1, len);

	listen_tls(w, profile("core", "ca", true), 2000);
	connect_tls(w, profile("radio", "ca", true), "core.merlon.test");
	assert_false(failed(stream_send(w->client.s, span_of(bytes, len))));
	stream_pause(w->client.s, true);
	w->server.stop_at = len;
	run(w);
	assert_int_equal(w->server.got, len);
	free(bytes);
}

static void test_pause_holds_decrypted_octets_back(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", true), 2000);
	connect_tls(w, profile("radio", "ca", true), NULL);
	run_for(w, 100);
	assert_int_equal(w->server.opened, 1);
	stream_pause(w->server.s, true);
	run_for(w, 20);
	assert_false(failed(stream_send(w->client.s, span_str("later"))));
	run_for(w, 50);
	assert_int_equal(w->server.got, 0);
	stream_pause(w->server.s, false);
	w->server.stop_at = 5;
	run(w);
	assert_int_equal(w->server.got, 5);
}

static const struct refusal {
	const char *client, *client_ca, *server, *expect_name;
	const char *client_says,
		*server_says; /* the side that refuses, first; the other hears an alert */
} refusals[] = {
	{"expired", "ca", "core", NULL, "peer refused us: certificate expired",
		"peer certificate has expired"},
	{"early", "ca", "core", NULL, NULL, "peer certificate is not valid yet"},
	{"foreign", "ca", "core", NULL, "peer refused us: unknown CA",
		"peer certificate is of a foreign CA"},
	{"radio", "ca", "expired", NULL, "peer certificate has expired",
		"peer refused us: certificate expired"},
	{"radio", "foreign-ca", "core", NULL, "peer certificate is of a foreign CA",
		"peer refused us: unknown CA"},
};

static void test_certificates_that_do_not_hold_are_refused_with_a_sentence(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		const struct refusal *r = &refusals[i];
		world_open(state);
		struct world *w = *state;

		listen_tls(w, profile(r->server, "ca", true), 2000);
		connect_tls(w, profile(r->client, r->client_ca, true), r->expect_name);
		run_to_the_end(w);
		assert_int_equal(w->client.why.kind, ERR_AUTH);
		assert_int_equal(w->server.why.kind, ERR_AUTH);
		assert_string_equal(w->server.complaint.text, r->server_says);
		if (r->client_says != NULL)
			assert_string_equal(w->client.complaint.text, r->client_says);
		world_close(state);
	}
}

static void test_wrong_name_is_refused(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", true), 2000);
	connect_tls(w, profile("radio", "ca", true), "radio.merlon.test");
	while (w->client.closed == 0)
		run(w);
	assert_int_equal(w->client.opened, 0);
	assert_int_equal(w->client.why.kind, ERR_AUTH);
	assert_string_equal(w->client.complaint.text,
		"peer certificate is for core.merlon.test, not for radio.merlon.test");
}

/* The first would fit any certificate without a CN, the second would be cut to another name. */
static void test_names_that_cannot_be_expected_are_refused(void **state)
{
	struct world *w = *state;
	char long_name[IDENTITY_NAME_MAX + 1] = "";
	struct stream *s;

	memset(long_name, 'a', IDENTITY_NAME_MAX);
	w->client_tls = profile("radio", "ca", true);
	assert_int_equal(
		stream_connect_tcp(&s, &w->loop, "127.0.0.1", 1, w->client_tls, "", NULL, NULL)
			.kind,
		ERR_INPUT);
	assert_int_equal(stream_connect_tcp(
				 &s, &w->loop, "127.0.0.1", 1, w->client_tls, long_name, NULL, NULL)
				 .kind,
		ERR_INPUT);
}

/*
 * A foreign client: `openssl s_client`, told what to offer. Its exit status is what it thinks of
 * the connection.
 */
static pid_t s_client(
	const struct world *w, const char *certificate, const char *option, const char *value)
{
	char to[32];
	const pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(to, sizeof to, "127.0.0.1:%u", listener_port(w->listener));
	if (freopen("/dev/null", "r", stdin) == NULL || freopen("/dev/null", "w", stdout) == NULL ||
		freopen("/dev/null", "w", stderr) == NULL)
		_exit(99);
	if (certificate == NULL)
		execlp("openssl", "openssl", "s_client", "-connect", to, option, value,
			(char *)NULL);
	else
		execlp("openssl", "openssl", "s_client", "-connect", to, option, value, "-cert",
			certs_path(folder, certificate, "pem"), "-key",
			certs_path(folder, certificate, "key"), (char *)NULL);
	_exit(99);
}

static void expect_refusal(struct world *w, pid_t pid, const char *sentence)
{
	int status = 0;

	while (w->server.closed == 0)
		run(w);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 99);
	assert_int_equal(w->server.opened, 0);
	assert_int_equal(w->server.why.kind, ERR_AUTH);
	assert_string_equal(w->server.complaint.text, sentence);
}

static void test_x25519_alone_is_refused_where_hybrid_is_required(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", true), 4000);
	expect_refusal(w, s_client(w, "radio", "-groups", "X25519"),
		"peer offers no key exchange that we accept: X25519MLKEM768 is required");
}

static void test_x25519_alone_is_taken_where_hybrid_is_not_required(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", false), 4000);
	const pid_t pid = s_client(w, "radio", "-groups", "X25519");
	while (w->server.closed == 0)
		run(w);
	waitpid(pid, NULL, 0);
	assert_int_equal(w->server.opened, 1);
	assert_string_equal(w->server.peer.tls_group, "x25519");
}

static void test_tls_1_2_is_refused(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", false), 4000);
	expect_refusal(w, s_client(w, "radio", "-tls1_2", NULL), "peer does not speak TLS 1.3");
}

/* [ETSI GS QKD 014 §5.1] */
static void test_peer_without_certificate_is_refused(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", false), 4000);
	expect_refusal(w, s_client(w, NULL, "-tls1_3", NULL), "peer showed no certificate");
}

static int clear_socket(const struct world *w)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(listener_port(w->listener)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	return fd;
}

static void test_half_open_handshake_ends_at_its_deadline(void **state)
{
	struct world *w = *state;
	/* The head of a ClientHello record that never comes whole. */
	static const uint8_t head[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00};

	listen_tls(w, profile("core", "ca", true), 200);
	const int fd = clear_socket(w);
	assert_int_equal(send(fd, head, sizeof head, 0), sizeof head);
	const struct clock_port clock = clock_posix();
	const uint64_t start = clock_now(&clock).mono_ms;
	while (w->server.closed == 0)
		run(w);
	assert_in_range(clock_now(&clock).mono_ms - start, 190, 1500);
	assert_int_equal(w->server.why.kind, ERR_TIMEOUT);
	assert_string_equal(w->server.complaint.text, "TLS handshake took longer than 200 ms");
	close(fd);
}

static void test_those_who_say_nothing_keep_nobody_out(void **state)
{
	struct world *w = *state;
	int idle[8]; /* as many as there are places */

	listen_tls(w, profile("core", "ca", true), 60000);
	for (size_t i = 0; i < ARRAY_LEN(idle); i++)
		idle[i] = clear_socket(w);
	run_for(w, 50);
	connect_tls(w, profile("radio", "ca", true), "core.merlon.test");
	for (int i = 0; i < 20 && w->server.opened == 0; i++)
		run_for(w, 100);
	assert_int_equal(w->client.opened, 1);
	assert_int_equal(w->server.opened, 1);
	assert_int_equal(w->server.closed, 1); /* the oldest alone made room */
	assert_int_equal(w->server.why.kind, ERR_LIMIT);
	for (size_t i = 0; i < ARRAY_LEN(idle); i++)
		close(idle[i]);
	run_for(w, 50);
}

/* [RFC 8446 §5.1] */
static void test_noise_is_refused(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", true), 2000);
	const int fd = clear_socket(w);
	assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	while (w->server.closed == 0)
		run(w);
	assert_int_equal(w->server.opened, 0);
	assert_int_equal(w->server.why.kind, ERR_AUTH);
	close(fd);
}

/* A client with a good certificate that asks for key updates and reads none of the answers. Exits
 * with 0 when it was let go. */
_Noreturn static void updates_main(const struct world *w)
{
	enum { UPDATES_MAX = 1000000 };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	bool goes_on;

	alarm(60);
	SSL_use_certificate_file(ssl, certs_path(folder, "radio", "pem"), SSL_FILETYPE_PEM);
	SSL_use_PrivateKey_file(ssl, certs_path(folder, "radio", "key"), SSL_FILETYPE_PEM);
	SSL_set_fd(ssl, clear_socket(w));
	goes_on = SSL_connect(ssl) == 1;
	for (int i = 0; i < UPDATES_MAX && goes_on; i++)
		goes_on = SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
			  SSL_do_handshake(ssl) == 1;
	_exit(goes_on ? 1 : 0);
}

/* [RFC 8446 §4.6.3] */
static void test_who_asks_for_key_updates_without_end_is_let_go(void **state)
{
	struct world *w = *state;
	int status = -1;

	listen_tls(w, profile("core", "ca", true), 2000);
	const pid_t pid = fork();
	if (pid == 0)
		updates_main(w);
	for (int i = 0; i < 60 && w->server.closed == 0; i++)
		run_for(w, 1000);
	assert_int_equal(w->server.opened, 1);
	assert_int_equal(w->server.why.kind, ERR_LIMIT);
	assert_string_equal(w->server.complaint.text, "peer does not read what TLS answers");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* [RFC 8446 §6.1] */
static void test_cut_without_the_end_of_tls_is_an_error(void **state)
{
	struct world *w = *state;

	listen_tls(w, profile("core", "ca", true), 2000);
	connect_tls(w, profile("radio", "ca", true), NULL);
	run_for(w, 100);
	assert_int_equal(w->server.opened, 1);
	stream_abort(w->client.s);
	while (w->server.closed == 0)
		run(w);
	assert_int_equal(w->server.why.kind, ERR_IO);
}

static void test_files_that_do_not_fit_are_named(void **state)
{
	struct complaint c = {0};
	struct tls_profile *p;
	struct tls_settings s = {.certificate_file = certs_path(folder, "core", "pem"),
		.key_file = certs_path(folder, "radio", "key"),
		.ca_file = certs_path(folder, "ca", "pem")};

	(void)state;
	assert_true(failed(tls_profile_open(&p, &s, &c)));
	assert_non_null(strstr(c.text, "radio.key does not belong to certificate"));
	c.text[0] = '\0';
	s.key_file = "/nowhere/key.pem";
	assert_true(failed(tls_profile_open(&p, &s, &c)));
	assert_non_null(strstr(c.text, "key file /nowhere/key.pem"));
	c.text[0] = '\0';
	s.key_file = certs_path(folder, "core", "key");
	s.ca_file = s.key_file;
	assert_true(failed(tls_profile_open(&p, &s, &c)));
	assert_non_null(strstr(c.text, "CA file"));
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_open, world_close)
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_both_sides_learn_who_the_other_is),
		IN_WORLD(test_second_dns_name_is_a_name_too),
		IN_WORLD(test_large_transfer_arrives_whole),
		IN_WORLD(test_pause_holds_decrypted_octets_back),
		cmocka_unit_test(test_certificates_that_do_not_hold_are_refused_with_a_sentence),
		IN_WORLD(test_wrong_name_is_refused),
		IN_WORLD(test_names_that_cannot_be_expected_are_refused),
		IN_WORLD(test_x25519_alone_is_refused_where_hybrid_is_required),
		IN_WORLD(test_x25519_alone_is_taken_where_hybrid_is_not_required),
		IN_WORLD(test_tls_1_2_is_refused),
		IN_WORLD(test_peer_without_certificate_is_refused),
		IN_WORLD(test_half_open_handshake_ends_at_its_deadline),
		IN_WORLD(test_those_who_say_nothing_keep_nobody_out),
		IN_WORLD(test_noise_is_refused),
		IN_WORLD(test_who_asks_for_key_updates_without_end_is_let_go),
		IN_WORLD(test_cut_without_the_end_of_tls_is_an_error),
		cmocka_unit_test(test_files_that_do_not_fit_are_named),
	};
	return cmocka_run_group_tests_name("tls", tests, certs_open, certs_close);
}
