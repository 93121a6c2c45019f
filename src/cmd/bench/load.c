// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench/load.h"
#include "codec/gsup.h"
#include "codec/ipa.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OUT_MAX = 256 << 10, IN_MAX = 256 << 10, REQUEST_OCTETS_MAX = 64, CONNECT_MS_MAX = 5000 };
/* Latencies: a bucket a microsecond up to 1024, then 64 to each power of two. */
enum { BUCKET_FINE = 1024, BUCKET_STEPS = 64, BUCKETS = BUCKET_FINE + 22 * BUCKET_STEPS };

#define SECOND_NS UINT64_C(1000000000)
#define LOST_NS ((uint64_t)LOAD_LOST_MS * 1000000)

struct connection {
	struct load *load;
	int fd;
	unsigned in_flight;
	size_t out_len, out_at;
	uint8_t *out;
	struct ipa_assembly assembly;
	bool is_identified;
};

struct load {
	const struct load_settings *settings;
	struct load_result *result;
	struct connection connections[LOAD_CONNECTIONS_MAX];
	uint64_t *sent_ns; /* by subscriber; 0: none in flight */
	uint8_t *via;      /* by subscriber: its connection */
	uint32_t *idle;    /* a ring of subscribers, the one that has waited longest first */
	uint32_t idle_at, idle_count;
	unsigned next_connection;
	uint64_t now_ns, begin_ns, scheduled;
	uint32_t sweep;
	bool is_measuring, is_closed;
	uint64_t buckets[BUCKETS];
	struct gsup request, answer;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* ---- latencies ---- */

static size_t bucket_of(uint64_t us)
{
	if (us < BUCKET_FINE)
		return (size_t)us;
	const unsigned power = 63 - (unsigned)__builtin_clzll(us);
	const size_t at = BUCKET_FINE + (power - 10) * BUCKET_STEPS +
			  (size_t)(us >> (power - 6) & (BUCKET_STEPS - 1));
	return at < BUCKETS ? at : BUCKETS - 1;
}

static double bucket_us(size_t bucket)
{
	if (bucket < BUCKET_FINE)
		return (double)bucket;
	const size_t power = 10 + (bucket - BUCKET_FINE) / BUCKET_STEPS;
	const size_t step = (bucket - BUCKET_FINE) % BUCKET_STEPS;
	return (double)((uint64_t)1 << power) * (1.0 + (double)step / (double)BUCKET_STEPS);
}

static double percentile(const struct load *l, double share)
{
	uint64_t seen = 0, all = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		all += l->buckets[i];
	for (size_t i = 0; i < BUCKETS; i++) {
		seen += l->buckets[i];
		if (all > 0 && (double)seen >= share * (double)all)
			return bucket_us(i);
	}
	return 0;
}

/* ---- sending ---- */

static void flush(struct connection *c)
{
	while (c->out_at < c->out_len) {
		const ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			c->load->is_closed = true;
		if (n <= 0)
			break;
		c->out_at += (size_t)n;
	}
	if (c->out_at == c->out_len)
		c->out_at = c->out_len = 0;
}

static bool has_room(const struct connection *c)
{
	return OUT_MAX - c->out_len >= REQUEST_OCTETS_MAX;
}

/* The next subscriber who waits for nothing; false where all of them do. */
static bool next_idle(struct load *l, uint32_t *subscriber)
{
	if (l->idle_count == 0)
		return false;
	*subscriber = l->idle[l->idle_at];
	l->idle_at = (l->idle_at + 1) % l->settings->subscribers;
	l->idle_count--;
	return true;
}

static void become_idle(struct load *l, uint32_t subscriber)
{
	l->idle[(l->idle_at + l->idle_count++) % l->settings->subscribers] = subscriber;
}

static bool issue(struct load *l, struct connection *c)
{
	uint32_t subscriber;

	if (!has_room(c) || !next_idle(l, &subscriber))
		return false;
	struct writer w = writer_of(span_mut_of(c->out + c->out_len, OUT_MAX - c->out_len));
	snprintf(l->request.imsi, sizeof l->request.imsi, "%015llu",
		(unsigned long long)((l->settings->imsi_first + subscriber) % 1000000000000000ull));
	const size_t mark = ipa_gsup_open(&w);
	gsup_encode(&w, &l->request);
	ipa_gsup_close(&w, mark);
	c->out_len += w.len;
	c->in_flight++;
	l->sent_ns[subscriber] = l->now_ns;
	l->via[subscriber] = (uint8_t)(c - l->connections);
	l->result->sent += l->is_measuring;
	return true;
}

static void fill_closed(struct load *l)
{
	for (unsigned i = 0; i < l->settings->connections; i++)
		while (l->connections[i].in_flight < l->settings->window &&
			issue(l, &l->connections[i]))
			;
}

static void fill_open(struct load *l)
{
	const double elapsed_s = (double)(l->now_ns - l->begin_ns) / (double)SECOND_NS;
	const uint64_t due = (uint64_t)(elapsed_s * l->settings->rate_per_s);

	unsigned refused = 0; /* in a row */

	for (; l->scheduled < due && refused < l->settings->connections; l->scheduled++) {
		struct connection *c = &l->connections[l->next_connection];
		l->next_connection = (l->next_connection + 1) % l->settings->connections;
		refused = issue(l, c) ? 0 : refused + 1;
		l->result->held_back += refused > 0 && l->is_measuring;
	}
	/* No connection takes more: to try each of the rest would only take the server's time. */
	l->result->held_back += l->is_measuring ? due - l->scheduled : 0;
	l->scheduled = due;
}

/* ---- receiving ---- */

static void release(struct load *l, uint32_t subscriber)
{
	l->connections[l->via[subscriber]].in_flight--;
	l->sent_ns[subscriber] = 0;
	become_idle(l, subscriber);
}

static void count_answer(struct load *l, uint64_t latency_ns)
{
	struct load_result *r = l->result;
	const struct gsup *g = &l->answer;
	const bool is_ok = g->type == GSUP_SEND_AUTH_INFO_RESULT && g->vector_count > 0;

	if (!l->is_measuring)
		return;
	if (is_ok) {
		r->ok++;
		r->vectors += g->vector_count;
		l->buckets[bucket_of(latency_ns / 1000)]++;
	} else {
		r->refused++;
		r->causes[g->cause]++;
	}
}

static void on_gsup(struct load *l, struct span message)
{
	struct wire_fault fault = {0};

	if (failed(gsup_decode(message, &l->answer, &fault))) {
		l->result->malformed++;
		return;
	}
	const uint64_t at = strtoull(l->answer.imsi, NULL, 10) - l->settings->imsi_first;
	if (at >= l->settings->subscribers || l->sent_ns[at] == 0)
		return; /* it was given up */
	count_answer(l, l->now_ns - l->sent_ns[at]);
	release(l, (uint32_t)at);
}

static void identify(struct connection *c)
{
	struct writer w = writer_of(span_mut_of(c->out + c->out_len, OUT_MAX - c->out_len));
	struct ipa_identity id = {.unit_id = "0/0/0"};

	snprintf(id.serial, sizeof id.serial, "bench-%d", (int)(c - c->load->connections));
	memcpy(id.unit_name, id.serial, sizeof id.unit_name);
	ipa_id_resp_encode(&w, &id);
	c->out_len += w.len;
	c->is_identified = true;
}

static bool take_frame(void *ctx, struct span bytes)
{
	struct connection *c = ctx;
	struct wire_fault fault = {0};
	struct ipa_frame frame;

	if (failed(ipa_decode(bytes, &frame, &fault)))
		c->load->result->malformed++;
	else if (frame.kind == IPA_GSUP)
		on_gsup(c->load, frame.payload);
	else if (frame.kind == IPA_CCM && frame.ccm_type == IPA_CCM_ID_GET)
		identify(c);
	return true;
}

static void receive(struct connection *c)
{
	static uint8_t in[IN_MAX];
	const ssize_t n = recv(c->fd, in, sizeof in, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		c->load->is_closed = true;
	else if (n > 0 && failed(ipa_assemble(&c->assembly, span_of(in, (size_t)n), take_frame, c)))
		c->load->is_closed = true;
}

/* A part of the subscribers at each turn: who waits for too long is given up. */
static void sweep(struct load *l)
{
	enum { PER_TURN = 256 };

	for (unsigned i = 0; i < PER_TURN; i++) {
		const uint32_t at = l->sweep;
		l->sweep = (l->sweep + 1) % l->settings->subscribers;
		if (l->sent_ns[at] == 0 || l->now_ns - l->sent_ns[at] < LOST_NS)
			continue;
		l->result->lost += l->is_measuring;
		release(l, at);
	}
}

/* ---- the loop ---- */

/* Sends what waits and takes what has come, once. */
static void turn(struct load *l, int wait_ms)
{
	struct pollfd polled[LOAD_CONNECTIONS_MAX];
	const unsigned count = l->settings->connections;

	for (unsigned i = 0; i < count; i++) {
		struct connection *c = &l->connections[i];
		flush(c);
		polled[i] = (struct pollfd){
			.fd = c->fd, .events = (short)(POLLIN | (c->out_len > 0 ? POLLOUT : 0))};
	}
	poll(polled, count, wait_ms);
	l->now_ns = now_ns();
	for (unsigned i = 0; i < count; i++)
		if (polled[i].revents != 0)
			receive(&l->connections[i]);
	sweep(l);
}

static bool is_identified(const struct load *l)
{
	for (unsigned i = 0; i < l->settings->connections; i++)
		if (!l->connections[i].is_identified || l->connections[i].out_len > 0)
			return false;
	return true;
}

static struct err run(
	struct load *l, void (*measured)(void *, bool), void *ctx, struct complaint *c)
{
	const struct load_settings *s = l->settings;
	const uint64_t opened_ns = now_ns();

	while (!is_identified(l) && !l->is_closed)
		if (turn(l, 10), l->now_ns - opened_ns > CONNECT_MS_MAX * UINT64_C(1000000))
			return complain(c, ERR(TIMEOUT), "the server asks for no identity");
	l->begin_ns = now_ns();
	const uint64_t from_ns = l->begin_ns + (uint64_t)(s->warm_s * (double)SECOND_NS);
	const uint64_t end_ns = from_ns + (uint64_t)(s->seconds * (double)SECOND_NS);
	for (l->now_ns = l->begin_ns; l->now_ns < end_ns && !l->is_closed;) {
		if (s->is_over != NULL && *s->is_over)
			return complain(c, ERR(STATE), "interrupted");
		if (!l->is_measuring && l->now_ns >= from_ns) {
			l->is_measuring = true;
			measured(ctx, false);
		}
		if (s->rate_per_s > 0)
			fill_open(l);
		else
			fill_closed(l);
		turn(l, s->rate_per_s > 0 ? 1 : 10);
	}
	measured(ctx, true);
	l->result->seconds = (double)(l->now_ns - from_ns) / (double)SECOND_NS;
	return l->is_closed ? complain(c, ERR(IO), "the server closed a connection") : OK;
}

static struct err open_one(struct load *l, struct connection *c, struct complaint *complaint)
{
	const struct load_settings *s = l->settings;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(s->port)};
	const int one = 1;

	*c = (struct connection){.load = l, .out = malloc(OUT_MAX)};
	inet_pton(AF_INET, s->address, &to.sin_addr);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->out == NULL || c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
		return complain(complaint, ERR(IO), "cannot connect to %s port %u: %s", s->address,
			s->port, strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return OK;
}

static void close_all(struct load *l)
{
	for (unsigned i = 0; i < l->settings->connections; i++) {
		if (l->connections[i].out != NULL && l->connections[i].fd >= 0)
			close(l->connections[i].fd);
		free(l->connections[i].out);
	}
	free(l->sent_ns);
	free(l->via);
	free(l->idle);
	free(l);
}

struct err load_run(const struct load_settings *settings, void (*measured)(void *ctx, bool is_end),
	void *ctx, struct load_result *result, struct complaint *c)
{
	struct load *l = calloc(1, sizeof *l);
	struct err e = OK;

	*result = (struct load_result){0};
	if (l == NULL)
		return complain(c, ERR(LIMIT), "out of memory");
	l->settings = settings;
	l->result = result;
	l->request = (struct gsup){.type = GSUP_SEND_AUTH_INFO_REQUEST,
		.domain = AUTH_PS,
		.vectors_requested = settings->vectors};
	l->sent_ns = calloc(settings->subscribers, sizeof *l->sent_ns);
	l->via = calloc(settings->subscribers, sizeof *l->via);
	l->idle = calloc(settings->subscribers, sizeof *l->idle);
	if (l->sent_ns == NULL || l->via == NULL || l->idle == NULL)
		e = complain(c, ERR(LIMIT), "out of memory");
	for (uint32_t i = 0; i < settings->subscribers && !failed(e); i++)
		become_idle(l, i);
	for (unsigned i = 0; i < settings->connections && !failed(e); i++)
		e = open_one(l, &l->connections[i], c);
	if (!failed(e))
		e = run(l, measured, ctx, c);
	result->ok_per_s = result->seconds > 0 ? (double)result->ok / result->seconds : 0;
	result->p50_us = percentile(l, 0.50);
	result->p90_us = percentile(l, 0.90);
	result->p99_us = percentile(l, 0.99);
	result->p999_us = percentile(l, 0.999);
	close_all(l);
	return e;
}
