// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-qkd: one end of one quantum link. It joins qkd/link.h to the world: the device's socket,
 * the peer (mutual TLS, X25519MLKEM768 required), the key store, the clock. Nothing durable is kept
 * here: what dies with this process is asked from the store again.
 */
#include "base/secret.h"
#include "daemon/qkd/device.h"
#include "daemon/qkd/figures.h"
#include "daemon/qkd/reports.h"
#include "host/process.h"
#include "host/random.h"
#include "qkd/link.h"
#include "codec/qkd_pads.h"
#include <unistd.h>

enum {
	TICK_MS = 100,
	STORE_MS_MAX = 20000,
	BACK_OFF_MS_MIN = 250,
	BACK_OFF_MS_MAX = 8000,
	ALONE_MS_MAX = 5000, /* without peer or device: alarm */
	HANDSHAKE_MS_MAX = 5000,
	ALIVE_MS = 2000,
	ALIVE_MS_MAX = 10000, /* a long block may keep the peer busy for seconds */
};

/* Something that is connected again and again. */
struct retry {
	struct loop_timer timer;
	uint64_t wait_ms, gone_since_ms;
};

struct qkd {
	struct process *p;
	struct options options;
	struct random_source random; /* what the link draws from */
	struct qkd_link *link;
	struct qkd_link_status status; /* as of the last tick: what metrics read */
	struct loop_timer tick, alive;
	struct tls_profile *tls;
	struct listener *listener;
	struct channel *peer, *store;
	struct device device;
	struct retry peer_retry, device_retry;
	uint64_t refused_peers, malformed, given_up;
};

static struct qkd the;
static struct reports reports;

static struct moment now(void)
{
	return clock_now(&the.p->clock);
}

static void retry_later(struct retry *r)
{
	r->wait_ms = r->wait_ms == 0 ? BACK_OFF_MS_MIN : r->wait_ms * 2;
	if (r->wait_ms > BACK_OFF_MS_MAX)
		r->wait_ms = BACK_OFF_MS_MAX;
	r->gone_since_ms = r->gone_since_ms == 0 ? now().mono_ms : r->gone_since_ms;
	loop_timer_once(&r->timer, r->wait_ms);
}

static void retry_over(struct retry *r)
{
	r->wait_ms = r->gone_since_ms = 0;
}

/* ---- The device ---- */

static void device_watch(struct qkd *q)
{
	device_pause(&q->device, !qkd_link_driver_is_wanted(q->link));
}

static void device_opened(void *ctx)
{
	retry_over(&((struct qkd *)ctx)->device_retry);
}

static struct err device_record(void *ctx, const struct driver_record *record)
{
	struct qkd *q = ctx;
	struct err e = qkd_link_driver_record(q->link, now(), record);

	device_watch(q);
	return e;
}

static void device_closed(void *ctx, bool is_over, struct err why)
{
	struct qkd *q = ctx;
	struct log_record r;

	if (is_over || failed(why)) {
		log_begin(&r, &q->p->log, failed(why) ? LOG_WARN : LOG_NOTICE, "qkd",
			failed(why) ? "driver_refused" : "recording_over");
		log_text(&r, "cause", err_word(why));
		log_end(&r);
	}
	qkd_link_driver_down(q->link, now());
	if (!is_over)
		retry_later(&q->device_retry);
}

static void device_unrecorded(void *ctx, int error)
{
	struct qkd *q = ctx;
	struct log_record r;

	log_begin(&r, &q->p->log, LOG_WARN, "qkd", "recording_ended");
	log_text(&r, "file", q->options.driver_record);
	log_text(&r, "cause", strerror(error));
	log_end(&r);
}

static void device_retry(void *ctx)
{
	struct qkd *q = ctx;

	if (failed(device_connect(&q->device)))
		retry_later(&q->device_retry);
}

static struct err device_begin(struct qkd *q, struct complaint *c)
{
	const struct device_port port = {
		q, device_opened, device_record, device_closed, device_unrecorded};
	struct err e =
		device_open(&q->device, q->p, &q->options, port, random_entropy(&q->random), c);
	struct log_record r;

	if (failed(e) || q->device.record_fd < 0)
		return e;
	log_begin(&r, &q->p->log, LOG_WARN, "qkd", "recording");
	log_text(&r, "file", q->options.driver_record);
	log_text(&r, "warning", "raw key material is written to this file");
	log_end(&r);
	return e;
}

/* ---- The peer ---- */

/* From the peer by its certificate, and yet no message of a link; or none at all. */
static void peer_note(struct qkd *q, const struct channel *c, uint64_t *count, const char *event,
	const char *cause)
{
	struct log_record r;

	++*count;
	log_begin(&r, &q->p->log, LOG_WARN, "qkd", event);
	log_text(&r, "peer", channel_peer(c)->common_name);
	log_text(&r, "address", channel_peer(c)->address);
	log_text(&r, "cause", cause);
	log_end(&r);
}

static void peer_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct qkd *q = ctx;

	if (c == q->peer && frame->kind == IPC_NOTICE && (frame->type & 0xff00) == IPC_BLOCK_LINK)
		qkd_link_peer_message(q->link, now(), frame->type, frame->body);
	else if (c == q->peer && frame->kind == IPC_REQUEST && frame->type == LINK_ALIVE)
		channel_answer(c, frame->request_id, frame->type, OK, span_of(NULL, 0));
	else if (c == q->peer) {
		peer_note(q, c, &q->malformed, "malformed", "a frame that no end of a link sends");
		channel_close(c);
	}
}

static bool is_connecting(const struct qkd *q)
{
	return strcmp(q->options.channel_role, "connect") == 0;
}

static void peer_lost(struct qkd *q)
{
	q->peer = NULL;
	loop_timer_stop(&q->alive);
	qkd_link_peer_down(q->link, now());
	q->peer_retry.gone_since_ms = now().mono_ms;
	if (is_connecting(q))
		retry_later(&q->peer_retry);
}

static void peer_closed(void *ctx, struct channel *c, struct err why)
{
	struct qkd *q = ctx;

	if (why.kind == ERR_INPUT || why.kind == ERR_VERSION)
		peer_note(q, c, &q->malformed, "malformed", "what came is no frame");
	if (c != q->peer)
		return; /* an older connection that a newer one replaced */
	peer_lost(q);
}

/*
 * Between blocks nothing is said, and a peer that has vanished without a word (power, path, a
 * frozen process) would never be missed.
 */
static void alive_answered(void *ctx, struct err err, struct span body)
{
	struct channel *c = ctx;

	(void)body;
	if (c != the.peer || err.kind == ERR_IO)
		return; /* another connection by now, or closed anyway */
	if (err.kind != ERR_TIMEOUT) {
		loop_timer_once(&the.alive, ALIVE_MS);
		return;
	}
	peer_note(&the, c, &the.given_up, "peer_given_up", "no sign of life");
	peer_lost(&the);
	channel_close(c);
}

static void alive_ask(void *ctx)
{
	struct qkd *q = ctx;

	if (q->peer != NULL && failed(channel_ask(q->peer, LINK_ALIVE, span_of(NULL, 0),
				       ALIVE_MS_MAX, alive_answered, q->peer)))
		loop_timer_once(&q->alive, ALIVE_MS);
}

static bool is_peer(const struct qkd *q, const struct peer_identity *id)
{
	return id->is_authenticated && (strcmp(id->common_name, q->options.peer_name) == 0 ||
					       strcmp(id->dns_name, q->options.peer_name) == 0);
}

static void peer_opened(void *ctx, struct stream *s, const struct peer_identity *id)
{
	static const struct channel_events events = {peer_frame, peer_closed};
	struct qkd *q = ctx;
	struct channel *channel, *old = q->peer;
	struct log_record r;

	const bool is_right = is_peer(q, id);
	log_begin(&r, &q->p->log, is_right ? LOG_NOTICE : LOG_WARN, "qkd",
		is_right ? "peer_connected" : "peer_refused");
	log_text(&r, "peer", id->common_name);
	log_text(&r, "address", id->address);
	log_text(&r, "group", id->tls_group);
	log_end(&r);
	q->refused_peers += !is_right;
	if (!is_right || failed(channel_open_stream(&channel, &q->p->loop, s, &events, q))) {
		stream_abort(s);
		return;
	}
	/* The peer has begun anew: what is left of its old connection is of no use. */
	q->peer = channel;
	if (old != NULL) {
		channel_close(old);
		qkd_link_peer_down(q->link, now());
	}
	retry_over(&q->peer_retry);
	loop_timer_once(&q->alive, ALIVE_MS);
	qkd_link_peer_up(q->link, now());
}

/* Before it became a channel. */
static void peer_failed(void *ctx, struct stream *s, struct err why, const struct complaint *c)
{
	struct qkd *q = ctx;
	struct log_record r;

	if (!is_connecting(q)) {
		q->refused_peers += failed(why);
		log_begin(&r, &q->p->log, LOG_NOTICE, "qkd", "peer_not_connected");
		log_text(&r, "address", stream_peer(s)->address);
		log_text(&r, "cause", c != NULL ? c->text : err_word(why));
		log_end(&r);
	}
	if (q->peer != NULL)
		return; /* a stranger at the door, while the peer is here */
	alarm_raise(&q->p->alarms, &qkd_alarm_link_down, q->options.link, now(), "%s",
		c != NULL && c->text[0] != '\0' ? c->text : err_word(why));
	if (is_connecting(q))
		retry_later(&q->peer_retry);
}

static const struct stream_events peer_events = {peer_opened, NULL, peer_failed};

static void peer_connect(void *ctx)
{
	struct qkd *q = ctx;
	struct stream *s;

	if (failed(stream_connect_tcp(&s, &q->p->loop, q->options.channel_address,
		    (uint16_t)q->options.channel_port, q->tls, q->options.peer_name, &peer_events,
		    q)))
		retry_later(&q->peer_retry);
}

static void peer_accepted(void *ctx, struct stream *s)
{
	stream_set_context(s, &peer_events, ctx);
}

/* ---- The port ---- */

static void send_to_peer(void *ctx, uint16_t type, struct span body)
{
	struct qkd *q = ctx;

	if (q->peer != NULL)
		channel_notice(q->peer, type, body);
}

/* The link found the peer out of step, or waited too long for it. */
static void disconnect(void *ctx)
{
	struct qkd *q = ctx;

	if (q->peer == NULL)
		return;
	peer_note(q, q->peer, &q->given_up, "peer_given_up", "out of step, or silent for too long");
	channel_close(q->peer);
}

static void store_answered(void *ctx, struct err err, struct span body)
{
	struct qkd *q = ctx;

	qkd_link_store_answered(q->link, now(), err, body);
}

static void ask_store(void *ctx, uint16_t type, struct span body)
{
	struct qkd *q = ctx;
	struct err e = q->store == NULL
			       ? ERR(IO)
			       : channel_ask(q->store, type, body, STORE_MS_MAX, store_answered, q);

	if (failed(e))
		qkd_link_store_answered(q->link, now(), e, span_of(NULL, 0));
}

static void block_done(void *ctx, enum qkd_abort reason, const char *report)
{
	struct qkd *q = ctx;
	const struct qkd_link_status s = qkd_link_status(q->link);
	struct log_record r;

	if (reason != QKD_GOES_ON) /* else it went with the block to the store */
		reports_add(&reports, now().unix_ms, report);
	log_begin(&r, &q->p->log, reason == QKD_GOES_ON ? LOG_INFO : LOG_WARN, "qkd",
		reason == QKD_GOES_ON ? "block_final" : "block_aborted");
	log_text(&r, "optics", s.is_simulated ? "simulated" : "device");
	log_text(&r, "reason", qkd_abort_word(reason));
	log_f64(&r, "qber", s.qber);
	log_f64(&r, "test_qber", s.test_qber);
	log_u64(&r, "secret_bits", s.secret_bits);
	log_u64(&r, "blocks_final", s.blocks_final);
	log_u64(&r, "blocks_aborted", s.blocks_aborted);
	log_end(&r);
}

/* ---- The store ---- */

static void store_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx, (void)c, (void)frame; /* the store never asks us anything */
}

static void store_closed(void *ctx, struct channel *c, struct err why)
{
	struct qkd *q = ctx;

	(void)why;
	if (c != q->store)
		return;
	q->store = NULL;
	qkd_link_store_down(q->link, now());
}

static void on_channel(struct process *p, const char *peer, int fd)
{
	static const struct channel_events events = {store_frame, store_closed};
	struct channel *old = the.store;

	if (strcmp(peer, "kms-store") != 0) {
		close(fd);
		return;
	}
	if (old != NULL) {
		the.store = NULL;
		channel_close(old);
		qkd_link_store_down(the.link, now());
	}
	if (failed(channel_open_fd(&the.store, &p->loop, fd, &events, &the))) {
		the.store = NULL;
		return;
	}
	qkd_link_store_up(the.link, now());
}

/* ---- Randomness ---- */

enum { RANDOM_ALPHA_EXPONENT = 40 };

static struct err random_begin(struct qkd *q, struct complaint *c)
{
	const struct options *o = &q->options;
	const struct health_claim claim = {.sample_bits = (unsigned)o->random_sample_bits,
		.min_entropy = o->random_min_entropy,
		.alpha_exponent = RANDOM_ALPHA_EXPONENT};

	return random_open(&q->random, o->random_device, &claim, q->p->entropy, c);
}

static void random_watch(struct qkd *q)
{
	if (q->random.fault != NULL &&
		!alarm_stands(&q->p->alarms, &qkd_alarm_random, q->options.link))
		alarm_raise(&q->p->alarms, &qkd_alarm_random, q->options.link, now(), "%s: %s",
			q->random.fd < 0 ? "the system's generator" : q->options.random_device,
			q->random.fault);
}

static void random_status(const struct qkd *q, struct json_writer *j)
{
	const struct random_source *r = &q->random;

	json_open(j, "random", '{');
	json_text(j, "device", r->fd < 0 ? NULL : q->options.random_device);
	json_text(j, "fault", r->fault);
	json_u64(j, "samples", r->health.samples);
	json_u64(j, "octets", r->octets);
	json_close(j, '}');
}

/* ---- Start ---- */

static void on_tick(void *ctx)
{
	struct qkd *q = ctx;
	const struct moment t = now();

	qkd_link_tick(q->link, t);
	device_watch(q);
	random_watch(q);
	q->status = qkd_link_status(q->link);
	if (q->peer == NULL && t.mono_ms - q->peer_retry.gone_since_ms > ALONE_MS_MAX &&
		!alarm_stands(&q->p->alarms, &qkd_alarm_link_down, q->options.link))
		alarm_raise(&q->p->alarms, &qkd_alarm_link_down, q->options.link, t,
			"no connection to the peer");
	if (!q->device.is_there && t.mono_ms - q->device_retry.gone_since_ms > ALONE_MS_MAX &&
		!alarm_stands(&q->p->alarms, &qkd_alarm_driver_silent, q->options.link))
		alarm_raise(&q->p->alarms, &qkd_alarm_driver_silent, q->options.link, t,
			"no connection to %s", q->options.driver);
}

static struct err network_open(struct qkd *q, struct complaint *c)
{
	const struct options *o = &q->options;
	struct err e = tls_profile_open(&q->tls,
		&(struct tls_settings){.certificate_file = o->certificate,
			.key_file = o->key,
			.ca_file = o->ca,
			.require_hybrid = true},
		c);

	if (failed(e) || is_connecting(q))
		return e;
	return listener_open(&q->listener, &q->p->loop,
		&(struct listener_settings){.address = o->channel_address,
			.port = (uint16_t)o->channel_port,
			.tls = q->tls,
			.streams_max = 4,
			.handshake_ms_max = HANDSHAKE_MS_MAX},
		peer_accepted, q, c);
}

static struct err on_start(struct process *p, struct complaint *c)
{
	struct qkd *q = &the;
	struct secret bootstrap = {0};

	p->state = q;
	q->p = p;
	struct err e = options_read(&q->p->settings, &q->options, c);
	if (!failed(e))
		e = options_bootstrap(q->options.bootstrap_file, &bootstrap, c);
	if (!failed(e))
		e = random_begin(q, c);
	if (!failed(e))
		e = device_begin(q, c);
	if (failed(e))
		return e;
	const struct qkd_link_settings settings = options_link(&q->options);
	const struct qkd_link_port port = {q, send_to_peer, ask_store, disconnect, block_done};
	e = qkd_link_open(&q->link, &settings, port, random_entropy(&q->random), &p->alarms,
		secret_span(&bootstrap), c);
	secret_close(&bootstrap);
	if (!failed(e))
		e = network_open(q, c);
	if (!failed(e))
		figures_open(&p->metrics, &q->status);
	return e;
}

static struct err on_begin(struct process *p, struct complaint *c)
{
	struct qkd *q = &the;

	(void)c;
	q->peer_retry.gone_since_ms = q->device_retry.gone_since_ms = now().mono_ms;
	loop_timer_open(&p->loop, &q->tick, on_tick, q);
	loop_timer_open(&p->loop, &q->alive, alive_ask, q);
	loop_timer_open(&p->loop, &q->device_retry.timer, device_retry, q);
	loop_timer_open(&p->loop, &q->peer_retry.timer, peer_connect, q);
	loop_timer_every(&q->tick, TICK_MS);
	q->device.driver.tls = q->tls;
	device_retry(q);
	if (is_connecting(q))
		peer_connect(q);
	return OK;
}

/* ---- Status ---- */

static void ledger_status(struct json_writer *j, const struct qkd_ledger *g)
{
	json_open(j, "ledger", '{');
	json_u64(j, "detections", g->detections);
	json_u64(j, "sifted", g->sifted);
	json_u64(j, "revealed", g->revealed);
	json_u64(j, "corrected", g->corrected);
	json_u64(j, "parities", g->parities);
	json_u64(j, "answers", g->answers);
	json_u64(j, "tag_bits", g->tag_bits);
	json_u64(j, "seed_bits", g->seed_bits);
	json_u64(j, "final_bits", g->final_bits);
	json_u64(j, "refill_bits", g->refill_bits);
	json_close(j, '}');
}

static void on_status(struct process *p, struct json_writer *j)
{
	const struct qkd_link_status s = qkd_link_status(the.link);

	(void)p;
	json_text(j, "link", the.options.link);
	json_text(j, "role", the.options.role);
	json_text(j, "optics", !s.has_driver ? NULL : s.is_simulated ? "simulated" : "device");
	json_text(j, "driver", the.options.driver_kind);
	json_u64(j, "recorded_octets", the.device.recorded);
	json_text(j, "stage", s.stage);
	json_bool(j, "peer_connected", the.peer != NULL);
	json_u64(j, "refused_peers", the.refused_peers);
	json_u64(j, "malformed", the.malformed);
	json_u64(j, "given_up", the.given_up);
	json_u64(j, "blocks_final", s.blocks_final);
	json_u64(j, "blocks_aborted", s.blocks_aborted);
	json_u64(j, "blocks_void", s.blocks_void);
	json_text(j, "last_abort", qkd_abort_word(s.last_abort));
	json_f64(j, "qber", s.qber);
	json_f64(j, "test_qber", s.test_qber);
	json_u64(j, "secret_bits", s.secret_bits);
	json_f64(j, "bits_per_second", s.bits_per_second);
	json_f64(j, "block_seconds", s.block_seconds);
	json_u64(j, "pads_send", s.pads_send);
	json_u64(j, "pads_accept", s.pads_accept);
	json_u64(j, "pads_burnt", s.pads_burnt);
	random_status(&the, j);
	ledger_status(j, &s.ledger);
}

static void on_query(
	struct process *p, const char *verb, const char *argument, struct process_query *q)
{
	(void)p;
	reports_query(&reports, the.options.link, verb, argument, q);
}

static const struct process_kind kind = {
	.name = "qkd",
	.sandbox = SANDBOX_LINK,
	.start = on_start,
	.begin = on_begin,
	.channel = on_channel,
	.status = on_status,
	.query = on_query,
};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &kind);
}
