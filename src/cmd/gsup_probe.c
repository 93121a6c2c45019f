// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-gsup-probe: asks an authentication centre for vectors over GSUP, as a serving node would,
 * and plays the cards that get them. A card (lab/usim.h) shares no code with the centre: it
 * verifies AUTN, and takes no sequence number twice. Subscribers are the lab's: their keys follow
 * from their IMSI.
 *
 *     merlon-gsup-probe --address 127.0.0.1 --port 4222 --subscribers 50 --vectors 500 --json
 *
 * It goes on where the centre loses its connection or answers errors, until --seconds are over: so
 * it can watch a centre whose processes are killed. Exit status: 0 all asked for and right, 1
 * something wrong, 2 not reached.
 */
#include "cmd/lab/usim.h"
#include "codec/gsup.h"
#include "codec/ipa.h"
#include "host/metrics.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MS_MAX = 3000, PAUSE_US = 50000, SUBSCRIBERS_MAX = 1000000 };

struct probe {
	const char *address, *node;
	uint16_t port;
	uint64_t first_imsi, subscribers, vectors_wanted, seconds_max;
	uint64_t sqn_first; /* what each card has accepted already */
	uint8_t per_request;
	bool is_json, wants_resync;
	struct usim *cards;
	int fd; /* < 0: not connected */
	size_t len;
	uint8_t received[2 * IPA_FRAME_MAX];
	uint64_t verified, wrong, requests, errors, connections, causes[256];
	bool is_resynchronised;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void imsi_of(const struct probe *p, uint64_t subscriber, char imsi[static IMSI_TEXT])
{
	snprintf(imsi, IMSI_TEXT, "%015llu",
		(unsigned long long)(p->first_imsi + subscriber) % 1000000000000000ull);
}

/* ---- the connection ---- */

static void hang_up(struct probe *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->len = 0;
}

static bool send_all(struct probe *p, struct span bytes)
{
	while (bytes.len > 0) {
		const ssize_t n = send(p->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		bytes = span_of(bytes.at + n, bytes.len - (size_t)n);
	}
	return true;
}

static bool send_gsup(struct probe *p, const struct gsup *g)
{
	uint8_t buffer[IPA_FRAME_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	const size_t mark = ipa_gsup_open(&w);
	gsup_encode(&w, g);
	ipa_gsup_close(&w, mark);
	return send_all(p, writer_span_done(&w));
}

static bool receive_some(struct probe *p, uint64_t deadline_ms)
{
	const uint64_t now = now_ms();
	struct pollfd readable = {.fd = p->fd, .events = POLLIN};

	if (now >= deadline_ms || poll(&readable, 1, (int)(deadline_ms - now)) <= 0)
		return false;
	const ssize_t n = recv(p->fd, p->received + p->len, sizeof p->received - p->len, 0);
	p->len += n > 0 ? (size_t)n : 0;
	return n > 0;
}

/* The next whole frame into `frame` (whose payload lies in `bytes`). False: no more, or too late.
 */
static bool receive_frame(struct probe *p, uint64_t deadline_ms,
	uint8_t bytes[static IPA_FRAME_MAX], struct ipa_frame *frame)
{
	struct wire_fault fault = {0};
	size_t size = 0;

	for (;;) {
		if (failed(ipa_frame_size(span_of(p->received, p->len), &size)))
			return false;
		if (size > 0 && size <= p->len)
			break;
		if (!receive_some(p, deadline_ms))
			return false;
	}
	memcpy(bytes, p->received, size);
	memmove(p->received, p->received + size, p->len - size);
	p->len -= size;
	return !failed(ipa_decode(span_of(bytes, size), frame, &fault));
}

/* Answers who we are when asked, and pings; gives GSUP messages out. */
static bool receive_gsup(struct probe *p, struct gsup *g)
{
	const uint64_t deadline_ms = now_ms() + ANSWER_MS_MAX;
	uint8_t bytes[IPA_FRAME_MAX], buffer[256];
	struct ipa_frame frame;

	while (receive_frame(p, deadline_ms, bytes, &frame)) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		struct wire_fault fault = {0};
		if (frame.kind == IPA_GSUP)
			return !failed(gsup_decode(frame.payload, g, &fault));
		if (frame.kind == IPA_CCM && frame.ccm_type == IPA_CCM_PING)
			ipa_ccm_encode(&w, IPA_CCM_PONG);
		if (!send_all(p, writer_span_done(&w)))
			return false;
	}
	return false;
}

static bool introduce(struct probe *p)
{
	struct ipa_identity id = {.unit_id = "0/0/0"};
	uint8_t bytes[IPA_FRAME_MAX], buffer[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct ipa_frame frame;

	if (!receive_frame(p, now_ms() + ANSWER_MS_MAX, bytes, &frame) || frame.kind != IPA_CCM ||
		frame.ccm_type != IPA_CCM_ID_GET)
		return false;
	snprintf(id.serial, sizeof id.serial, "%s", p->node);
	snprintf(id.unit_name, sizeof id.unit_name, "%s", p->node);
	ipa_id_resp_encode(&w, &id);
	return send_all(p, writer_span_done(&w));
}

static bool connect_to(struct probe *p)
{
	const int one = 1;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->port)};

	hang_up(p);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || inet_pton(AF_INET, p->address, &to.sin_addr) != 1 ||
		connect(p->fd, (const struct sockaddr *)(const void *)&to, sizeof to) != 0) {
		hang_up(p);
		return false;
	}
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (!introduce(p)) {
		hang_up(p);
		return false;
	}
	p->connections++;
	return true;
}

/* ---- cards ---- */

/* c2 and c3 a second time [TS 33.102 §6.8.1.2]: RES is 64 bits here, so SRES adds two words. */
static bool triplet_is_right(const struct auth_vector *v)
{
	bool is_right = true;

	for (size_t i = 0; i < AUTH_SRES; i++)
		is_right = is_right && v->sres[i] == (uint8_t)(v->res[i] ^ v->res[i + 4]);
	for (size_t i = 0; i < AUTH_KC; i++)
		is_right = is_right &&
			   v->kc[i] == (uint8_t)(v->ck[i] ^ v->ck[i + 8] ^ v->ik[i] ^ v->ik[i + 8]);
	return is_right;
}

static void judge(struct probe *p, struct usim *card, const char *imsi, const struct auth_vector *v)
{
	static const char *const words[] = {
		"CK, IK, RES, SRES or Kc is wrong", "the MAC is wrong", "the number is not new"};
	struct usim_answer a;

	const struct err e = usim_challenge(card, v->rand, v->autn, &a);
	const bool is_right = !failed(e) && a.verdict == USIM_ACCEPTED && v->res_len == USIM_RES &&
			      memcmp(a.res, v->res, USIM_RES) == 0 &&
			      memcmp(a.ck, v->ck, sizeof a.ck) == 0 &&
			      memcmp(a.ik, v->ik, sizeof a.ik) == 0 && triplet_is_right(v);
	if (is_right) {
		p->verified++;
		return;
	}
	p->wrong++;
	fprintf(stderr, "%s: %s (SQN %llu, the card's %llu)\n", imsi,
		words[failed(e) ? 0 : a.verdict], (unsigned long long)a.sqn,
		(unsigned long long)card->sqn_highest);
}

/* One request; the answer's vectors go to the card. False: no answer. */
static bool ask(struct probe *p, const struct gsup *request, struct usim *card)
{
	struct gsup answer;

	p->requests++;
	if (!send_gsup(p, request) || !receive_gsup(p, &answer))
		return false;
	if (strcmp(answer.imsi, request->imsi) != 0) {
		p->wrong++;
		return true;
	}
	if (answer.type != GSUP_SEND_AUTH_INFO_RESULT) {
		p->errors++;
		p->causes[answer.cause]++;
		usleep(PAUSE_US);
		return true;
	}
	p->wrong += answer.vector_count != request->vectors_requested;
	for (size_t i = 0; i < answer.vector_count; i++)
		judge(p, card, request->imsi, &answer.vectors[i]);
	return true;
}

/* A card from elsewhere in the subscriber's place: it refuses, its AUTS goes to the centre, and it
 * accepts what comes then [TS 33.102 §6.3.5]. */
static bool resynchronise(struct probe *p, struct gsup *request, struct usim *card)
{
	struct usim_answer refused;
	struct gsup answer;

	card->sqn_highest += (uint64_t)1 << 30;
	request->vectors_requested = 1;
	if (!send_gsup(p, request) || !receive_gsup(p, &answer) || answer.vector_count != 1)
		return false;
	if (failed(usim_challenge(
		    card, answer.vectors[0].rand, answer.vectors[0].autn, &refused)) ||
		refused.verdict != USIM_SYNCH_FAILURE)
		return false;
	request->has_auts = request->has_rand = true;
	memcpy(request->rand, answer.vectors[0].rand, sizeof request->rand);
	memcpy(request->auts, refused.auts, sizeof request->auts);
	const uint64_t before = p->verified;
	if (!ask(p, request, card))
		return false;
	p->is_resynchronised = p->verified == before + 1;
	return true;
}

static void run(struct probe *p)
{
	const uint64_t end_ms = now_ms() + p->seconds_max * 1000;

	for (uint64_t i = 0; now_ms() < end_ms && p->verified + p->wrong < p->vectors_wanted; i++) {
		const uint64_t at = i % p->subscribers;
		struct gsup request = {.type = GSUP_SEND_AUTH_INFO_REQUEST,
			.domain = AUTH_PS,
			.vectors_requested = p->per_request};
		imsi_of(p, at, request.imsi);
		if (p->fd < 0 && !connect_to(p)) {
			usleep(PAUSE_US);
			continue;
		}
		const bool is_answered = p->wants_resync && i == 0
						 ? resynchronise(p, &request, &p->cards[at])
						 : ask(p, &request, &p->cards[at]);
		if (!is_answered)
			hang_up(p);
	}
}

/* ---- front door ---- */

static void report(const struct probe *p, uint64_t took_ms)
{
	char text[2048];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(text));

	json_open(&j, NULL, '{');
	json_u64(&j, "verified", p->verified);
	json_u64(&j, "wrong", p->wrong);
	json_u64(&j, "requests", p->requests);
	json_u64(&j, "errors", p->errors);
	json_u64(&j, "connections", p->connections);
	if (p->wants_resync)
		json_bool(&j, "resynchronised", p->is_resynchronised);
	json_open(&j, "causes", '{');
	for (unsigned i = 0; i < 256; i++) {
		char cause[8];
		snprintf(cause, sizeof cause, "%u", i);
		if (p->causes[i] > 0)
			json_u64(&j, cause, p->causes[i]);
	}
	json_close(&j, '}');
	json_f64(&j, "seconds", (double)took_ms / 1000.0);
	json_close(&j, '}');
	if (p->is_json)
		printf("%.*s\n", (int)json_done(&j).len, text);
	else
		printf("%llu vectors right, %llu wrong, %llu errors\n",
			(unsigned long long)p->verified, (unsigned long long)p->wrong,
			(unsigned long long)p->errors);
}

static const char usage[] =
	"merlon-gsup-probe [--address IP] [--port N] [--subscribers N] [--vectors N] "
	"[--per-request 1..5]\n"
	"                  [--first-imsi DIGITS] [--node NAME] [--seconds N] [--resync] [--json]\n"
	"                  [--sqn N]: what the cards have accepted already\n"
	"Asks for vectors of the lab's test subscribers over GSUP, and verifies each.\n";

static bool arguments(struct probe *p, int argc, char **argv)
{
	static const struct option options[] = {{"address", 1, NULL, 'a'}, {"port", 1, NULL, 'p'},
		{"subscribers", 1, NULL, 'n'}, {"vectors", 1, NULL, 'v'},
		{"per-request", 1, NULL, 'r'}, {"first-imsi", 1, NULL, 'i'}, {"node", 1, NULL, 'N'},
		{"sqn", 1, NULL, 'q'}, {"seconds", 1, NULL, 's'}, {"resync", 0, NULL, 'R'},
		{"json", 0, NULL, 'j'}, {"help", 0, NULL, 'h'}, {0}};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		const uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
		switch (o) {
		case 'a':
			p->address = optarg;
			break;
		case 'p':
			p->port = (uint16_t)number;
			break;
		case 'n':
			p->subscribers = number;
			break;
		case 'v':
			p->vectors_wanted = number;
			break;
		case 'r':
			p->per_request = (uint8_t)number;
			break;
		case 'i':
			p->first_imsi = number;
			break;
		case 'N':
			p->node = optarg;
			break;
		case 'q':
			p->sqn_first = number;
			break;
		case 's':
			p->seconds_max = number;
			break;
		case 'R':
			p->wants_resync = true;
			break;
		case 'j':
			p->is_json = true;
			break;
		default:
			return false;
		}
	}
	return optind == argc && p->subscribers >= 1 && p->subscribers <= SUBSCRIBERS_MAX &&
	       p->port != 0 && p->per_request >= 1 && p->per_request <= AUTH_VECTORS_MAX;
}

int main(int argc, char **argv)
{
	static struct probe p = {.address = "127.0.0.1",
		.node = "merlon-gsup-probe",
		.port = 4222,
		.first_imsi = 1010000000000,
		.subscribers = 50,
		.vectors_wanted = 150,
		.seconds_max = 15,
		.per_request = 1,
		.fd = -1};

	if (!arguments(&p, argc, argv)) {
		fputs(usage, stderr);
		return 64;
	}
	p.cards = calloc(p.subscribers, sizeof *p.cards);
	if (p.cards == NULL)
		return 2;
	for (uint64_t i = 0; i < p.subscribers; i++) {
		char imsi[IMSI_TEXT];
		imsi_of(&p, i, imsi);
		usim_test_keys(&p.cards[i], imsi);
		p.cards[i].sqn_highest = p.sqn_first;
	}
	const uint64_t started_ms = now_ms();
	run(&p);
	report(&p, now_ms() - started_ms);
	hang_up(&p);
	free(p.cards);
	if (p.wrong > 0)
		return 1;
	return p.verified >= p.vectors_wanted ? 0 : p.connections == 0 ? 2 : 1;
}
