// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/gb.h"
#include "base/log.h"
#include "codec/gb.h"
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { NSEI = 101, NSVCI = 101, BVCI_SIGNALLING = 0, BVCI_CELL = 2, TLLI = 0x78a1b2c3 };
enum { CAUSE_OM_INTERVENTION = 0x01, CAUSE_BVC_OM = 0x08, RESEND_MS = 1500 };

/* MCC 001, MNC 01, LAC 1, RAC 0, cell 1. */
static const uint8_t cell[GB_CELL_OCTETS] = {0x00, 0xf1, 0x10, 0x00, 0x01, 0x00, 0x00, 0x01};
static const char imeisv[] = "4900000000000100";
static const char imei[] = "490000000000010";

enum stage { STAGE_NS, STAGE_BVC_SIGNALLING, STAGE_BVC_CELL, STAGE_ATTACH, STAGE_DONE };

struct driver {
	struct gb_settings *settings;
	struct gb_outcome *outcome;
	struct complaint *complaint;
	enum stage stage;
	int fd;
	uint16_t nu;
	struct err err; /* what ends it early */
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void say(const struct driver *d, const char *what)
{
	if (d->settings->is_verbose)
		fprintf(stderr, "gb: %s\n", what);
}

/* Lost datagrams are asked for again by the SGSN or by our own deadline; only a local refusal is an
 * error. */
static void ns_send(struct driver *d, const struct gb_ns *ns)
{
	uint8_t buffer[GB_MESSAGE_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span message;

	gb_ns_encode(&w, ns);
	if (failed(writer_result(&w, &message)))
		d->err = complain(d->complaint, ERR(BUG), "a Gb message does not fit");
	else if (send(d->fd, message.at, message.len, 0) < 0 && errno != ECONNREFUSED)
		d->err = complain(
			d->complaint, ERR(IO), "cannot send to the SGSN: %s", strerror(errno));
}

static void bssgp_send(struct driver *d, uint16_t bvci, const struct gb_bssgp *bssgp)
{
	uint8_t buffer[GB_MESSAGE_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	gb_bssgp_encode(&w, bssgp);
	ns_send(d, &(struct gb_ns){
			   .type = GB_NS_UNITDATA, .bvci = bvci, .bssgp = writer_span_done(&w)});
}

static void bvc_reset(struct driver *d, uint16_t bvci)
{
	struct gb_bssgp reset = {.type = GB_BSSGP_BVC_RESET, .bvci = bvci, .cause = CAUSE_BVC_OM};

	reset.has_cell = bvci != BVCI_SIGNALLING;
	memcpy(reset.cell, cell, sizeof cell);
	bssgp_send(d, BVCI_SIGNALLING, &reset);
}

static void gmm_send(struct driver *d, const struct writer *gmm)
{
	uint8_t buffer[GB_MESSAGE_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct gb_bssgp unit = {.type = GB_BSSGP_UL_UNITDATA, .tlli = TLLI, .has_cell = true};

	gb_llc_encode(&w,
		&(struct gb_llc){
			.sapi = GB_SAPI_GMM, .nu = d->nu, .information = writer_span_done(gmm)});
	d->nu = (d->nu + 1) & GB_LLC_NU_MAX;
	memcpy(unit.cell, cell, sizeof cell);
	unit.llc = writer_span_done(&w);
	bssgp_send(d, BVCI_CELL, &unit);
}

static void attach_request(struct driver *d)
{
	uint8_t buffer[128];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	say(d, "-> ATTACH REQUEST");
	gb_attach_request_encode(&w, d->settings->imsi);
	gmm_send(d, &w);
}

static void identity_answer(struct driver *d, uint8_t type)
{
	uint8_t buffer[32];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	const char *digits = type == GB_IMSI ? d->settings->imsi : type == GB_IMEI ? imei : imeisv;

	say(d, "<- IDENTITY REQUEST, -> IDENTITY RESPONSE");
	gb_identity_response_encode(&w, (enum gb_identity)type, digits);
	gmm_send(d, &w);
}

static struct err challenge_refuse(struct driver *d, const char *why)
{
	return complain(d->complaint, ERR(AUTH), "%s", why);
}

static void challenge_answer(struct driver *d, const struct gb_gmm *gmm)
{
	uint8_t buffer[64];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct usim_answer a;

	d->outcome->challenges++;
	if (!gmm->has_rand || !gmm->has_autn) {
		d->err = challenge_refuse(
			d, "the SGSN's challenge has no AUTN: it got no UMTS vector");
		return;
	}
	d->err = usim_challenge(&d->settings->usim, gmm->rand, gmm->autn, &a);
	if (failed(d->err))
		return;
	d->outcome->autn_mac_ok = a.verdict != USIM_MAC_FAILURE;
	switch (a.verdict) {
	case USIM_ACCEPTED:
		say(d, "<- AUTHENTICATION REQUEST, AUTN holds, -> RESPONSE");
		d->outcome->sqn = a.sqn;
		gb_auth_response_encode(
			&w, gmm->reference, SPAN_ARRAY(a.res), gmm->wants_imeisv ? imeisv : NULL);
		break;
	case USIM_SYNCH_FAILURE:
		say(d, "<- AUTHENTICATION REQUEST, SQN not fresh, -> FAILURE with AUTS");
		d->outcome->synch_failures++;
		gb_auth_failure_encode(&w, GB_CAUSE_SYNCH_FAILURE, SPAN_ARRAY(a.auts));
		break;
	case USIM_MAC_FAILURE:
		gb_auth_failure_encode(&w, GB_CAUSE_MAC_FAILURE, (struct span){0});
		d->err = challenge_refuse(
			d, "the MAC in the SGSN's AUTN is wrong for this subscriber");
		break;
	}
	gmm_send(d, &w);
}

static void on_gmm(struct driver *d, const struct gb_gmm *gmm)
{
	uint8_t buffer[16];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	switch (gmm->type) {
	case GB_GMM_IDENTITY_REQUEST:
		identity_answer(d, gmm->identity_type);
		break;
	case GB_GMM_AUTH_REQUEST:
		challenge_answer(d, gmm);
		break;
	case GB_GMM_ATTACH_ACCEPT:
		say(d, "<- ATTACH ACCEPT, -> ATTACH COMPLETE");
		gb_attach_complete_encode(&w);
		gmm_send(d, &w);
		d->outcome->attach_accepted = true;
		d->stage = STAGE_DONE;
		break;
	case GB_GMM_ATTACH_REJECT:
		d->outcome->reject_cause = gmm->cause;
		d->err = complain(
			d->complaint, ERR(AUTH), "ATTACH REJECT, GMM cause %u", gmm->cause);
		break;
	case GB_GMM_AUTH_REJECT:
		d->err = complain(d->complaint, ERR(AUTH), "AUTHENTICATION AND CIPHERING REJECT");
		break;
	default: /* information, status …: nothing to answer */
		break;
	}
}

static void on_unitdata(struct driver *d, struct span frame)
{
	struct wire_fault fault = {0};
	struct gb_llc llc;
	struct gb_gmm gmm;

	if (failed(gb_llc_decode(frame, &llc, &fault)) || !llc.is_ui || llc.sapi != GB_SAPI_GMM)
		return;
	if (failed(gb_gmm_decode(llc.information, &gmm, &fault)) || !gmm.is_gmm)
		return;
	on_gmm(d, &gmm);
}

static void on_bvc_reset_ack(struct driver *d)
{
	if (d->stage == STAGE_BVC_SIGNALLING) {
		d->stage = STAGE_BVC_CELL;
		bvc_reset(d, BVCI_CELL);
	} else if (d->stage == STAGE_BVC_CELL) {
		d->stage = STAGE_ATTACH;
		attach_request(d);
	}
}

static void on_bssgp(struct driver *d, struct span message)
{
	struct wire_fault fault = {0};
	struct gb_bssgp bssgp;

	if (failed(gb_bssgp_decode(message, &bssgp, &fault)))
		return;
	if (bssgp.type == GB_BSSGP_BVC_RESET_ACK)
		on_bvc_reset_ack(d);
	else if (bssgp.type == GB_BSSGP_DL_UNITDATA)
		on_unitdata(d, bssgp.llc);
}

static void ns_reset(struct driver *d)
{
	ns_send(d, &(struct gb_ns){.type = GB_NS_RESET,
			   .cause = CAUSE_OM_INTERVENTION,
			   .nsvci = NSVCI,
			   .nsei = NSEI});
}

/* The SGSN may reset and test us at any time, too [TS 48.016 §7.3, §7.4]. */
static void on_ns(struct driver *d, const struct gb_ns *ns)
{
	switch (ns->type) {
	case GB_NS_RESET_ACK:
		ns_send(d, &(struct gb_ns){.type = GB_NS_ALIVE});
		ns_send(d, &(struct gb_ns){.type = GB_NS_UNBLOCK});
		break;
	case GB_NS_UNBLOCK_ACK:
		if (d->stage == STAGE_NS) {
			d->stage = STAGE_BVC_SIGNALLING;
			bvc_reset(d, BVCI_SIGNALLING);
		}
		break;
	case GB_NS_RESET:
		ns_send(d, &(struct gb_ns){.type = GB_NS_RESET_ACK, .nsvci = NSVCI, .nsei = NSEI});
		break;
	case GB_NS_ALIVE:
		ns_send(d, &(struct gb_ns){.type = GB_NS_ALIVE_ACK});
		break;
	case GB_NS_UNBLOCK:
		ns_send(d, &(struct gb_ns){.type = GB_NS_UNBLOCK_ACK});
		break;
	case GB_NS_BLOCK:
		ns_send(d, &(struct gb_ns){.type = GB_NS_BLOCK_ACK, .nsvci = NSVCI});
		break;
	case GB_NS_UNITDATA:
		on_bssgp(d, ns->bssgp);
		break;
	default:
		break;
	}
}

static void resend(struct driver *d)
{
	switch (d->stage) {
	case STAGE_NS:
		ns_reset(d);
		break;
	case STAGE_BVC_SIGNALLING:
		bvc_reset(d, BVCI_SIGNALLING);
		break;
	case STAGE_BVC_CELL:
		bvc_reset(d, BVCI_CELL);
		break;
	case STAGE_ATTACH: /* T3310 is 15 s: the SGSN repeats its own questions before */
	case STAGE_DONE:
		break;
	}
}

static void receive(struct driver *d)
{
	uint8_t buffer[GB_MESSAGE_MAX];
	struct wire_fault fault = {0};
	struct gb_ns ns;
	const ssize_t len = recv(d->fd, buffer, sizeof buffer, 0);

	if (len > 0 && !failed(gb_ns_decode(span_of(buffer, (size_t)len), &ns, &fault)))
		on_ns(d, &ns);
}

static struct err socket_open(struct driver *d)
{
	const struct gb_settings *s = d->settings;
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(s->local_port)};
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(s->sgsn_port)};

	if (inet_pton(AF_INET, s->local_address, &local.sin_addr) != 1 ||
		inet_pton(AF_INET, s->sgsn_address, &remote.sin_addr) != 1)
		return complain(d->complaint, ERR(INPUT), "%s, %s: not two IPv4 addresses",
			s->local_address, s->sgsn_address);
	d->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (d->fd < 0 || bind(d->fd, (struct sockaddr *)&local, sizeof local) != 0 ||
		connect(d->fd, (struct sockaddr *)&remote, sizeof remote) != 0)
		return complain(d->complaint, ERR(IO), "UDP %s:%u to %s:%u: %s", s->local_address,
			s->local_port, s->sgsn_address, s->sgsn_port, strerror(errno));
	return OK;
}

struct err gb_attach(struct gb_settings *settings, struct gb_outcome *outcome, struct complaint *c)
{
	static const char *const waiting_for[] = {"NS-RESET ACK or UNBLOCK ACK", "BVC-RESET ACK",
		"BVC-RESET ACK of the cell", "ATTACH ACCEPT", "nothing"};
	struct driver d = {.settings = settings, .outcome = outcome, .complaint = c, .fd = -1};
	const uint64_t end = now_ms() + settings->deadline_ms;

	*outcome = (struct gb_outcome){0};
	d.err = socket_open(&d);
	if (!failed(d.err))
		ns_reset(&d);
	while (!failed(d.err) && d.stage != STAGE_DONE) {
		const uint64_t now = now_ms();
		struct pollfd p = {.fd = d.fd, .events = POLLIN};

		if (now >= end) {
			d.err = complain(c, ERR(TIMEOUT),
				"the SGSN did not answer: still waiting for %s",
				waiting_for[d.stage]);
			break;
		}
		if (poll(&p, 1, end - now < RESEND_MS ? (int)(end - now) : RESEND_MS) > 0)
			receive(&d);
		else
			resend(&d);
	}
	if (d.fd >= 0)
		close(d.fd);
	return d.err;
}

static const char usage[] =
	"usage: merlon-gb [--sgsn ADDRESS] [--port N] [--local ADDRESS] [--local-port N] "
	"[--seconds N]\n"
	"                 [--sqn N] [--verbose] IMSI\n"
	"Attaches one test mobile at an SGSN over Gb (NS over UDP). K||OPc = SHA-256(IMSI).\n"
	"--sqn: the highest sequence number that the card has seen (a lower one is answered by "
	"AUTS).\n";

static void outcome_print(
	const struct gb_settings *s, const struct gb_outcome *o, const struct complaint *c)
{
	char masked[17];

	imsi_mask(masked, s->imsi);
	printf("{\"attach_accepted\":%s,\"autn_mac_ok\":%s,\"sqn\":%llu,\"challenges\":%u,"
	       "\"synch_failures\":%u,\"imsi_masked\":\"%s\",\"error\":\"%s\"}\n",
		o->attach_accepted ? "true" : "false", o->autn_mac_ok ? "true" : "false",
		(unsigned long long)o->sqn, o->challenges, o->synch_failures, masked, c->text);
}

static bool options_read(int argc, char **argv, struct gb_settings *s)
{
	static const struct option options[] = {{"sgsn", required_argument, NULL, 'r'},
		{"port", required_argument, NULL, 'p'}, {"local", required_argument, NULL, 'l'},
		{"local-port", required_argument, NULL, 'P'},
		{"seconds", required_argument, NULL, 't'}, {"sqn", required_argument, NULL, 'q'},
		{"verbose", no_argument, NULL, 'v'}, {0}};
	uint64_t sqn = 0;

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'r':
			s->sgsn_address = optarg;
			break;
		case 'l':
			s->local_address = optarg;
			break;
		case 'p':
			s->sgsn_port = (uint16_t)atoi(optarg);
			break;
		case 'P':
			s->local_port = (uint16_t)atoi(optarg);
			break;
		case 't':
			s->deadline_ms = (unsigned)atoi(optarg) * 1000;
			break;
		case 'q':
			sqn = strtoull(optarg, NULL, 10);
			break;
		case 'v':
			s->is_verbose = true;
			break;
		default:
			return false;
		}
	if (optind + 1 != argc || strlen(argv[optind]) != GB_IMSI_DIGITS ||
		strspn(argv[optind], "0123456789") != GB_IMSI_DIGITS)
		return false;
	s->imsi = argv[optind];
	usim_test_keys(&s->usim, s->imsi);
	s->usim.sqn_highest = sqn;
	return true;
}

int gb_main(int argc, char **argv)
{
	struct gb_settings s = {.local_address = "127.0.0.1",
		.sgsn_address = "127.0.0.1",
		.local_port = GB_PORT + 100,
		.sgsn_port = GB_PORT,
		.deadline_ms = 15000};
	struct gb_outcome o;
	struct complaint c = {0};

	if (!options_read(argc, argv, &s)) {
		fputs(usage, stderr);
		return 2;
	}
	const struct err e = gb_attach(&s, &o, &c);
	outcome_print(&s, &o, &c);
	return failed(e) ? 1 : 0;
}
