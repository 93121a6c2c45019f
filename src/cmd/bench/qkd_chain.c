// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The whole chain: two ends of a link (qkd/link.h) in this process, from device records to blocks in a store that answers at once.
 * Each end's own processor time is taken around every call into it; making light (SIMULATED), decoding the device's stream, and the
 * network are outside. What counts is sifted key over the time of the slower end.
 */
#include "cmd/bench/bench.h"
#include "cmd/bench/rate.h"
#include "codec/qkd_pads.h"
#include "qkd/link.h"
#include "qkd/optics_model.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { ALICE, BOB, CHUNK = 1 << 16, RING_SLOTS = 1 << 24, FRAMES_IN_FLIGHT = 64 };

/* Short blocks need more of the test basis; the shortest makes key only for a test's epsilon, 0.1. */
static const struct row {
	enum reconcile_mode mode;
	uint32_t block_bits;
	double misalignment, basis_x;
	uint8_t eps_sec_exponent;
	uint32_t blocks_min;
} rows[] = {
	{RECONCILE_CASCADE, 10000, 0.002, 0.65, 1, 20},
	{RECONCILE_CASCADE, 100000, 0.01, 0.7, 10, 4},
	{RECONCILE_CASCADE, 1000000, 0.01, 0.85, 10, 4},
	{RECONCILE_CASCADE, 1000000, 0.02, 0.85, 10, 4},
	{RECONCILE_CASCADE, 1000000, 0.03, 0.8, 10, 4},
	{RECONCILE_CASCADE, 10000000, 0.01, 0.9, 10, 1},
	{RECONCILE_LDPC, 1000000, 0.01, 0.85, 10, 4},
	{RECONCILE_LDPC, 1000000, 0.02, 0.85, 10, 4},
	{RECONCILE_LDPC, 1000000, 0.03, 0.8, 10, 4},
};

/* Making the light for one block takes minutes. */
static const struct row long_rows[] = {{RECONCILE_CASCADE, 100000000, 0.01, 0.95, 10, 1}};

enum { ALICE_S, BOB_S, SIFTED, FINAL, CORRECTED, ABORTED };

struct letter { /* a message on its way to the peer */
	struct letter *next;
	uint16_t type;
	size_t len;
	uint8_t body[];
};

struct chain;

struct end {
	struct chain *chain;
	struct qkd_link *link;
	struct alarm_registry alarms;
	struct letter *first, **last; /* to this end */
	bool is_asked;
	uint16_t asked;
	double cpu_s;
};

struct chain {
	const struct row *row;
	struct end ends[2];
	struct optics optics;
	struct moment now;
	uint8_t *nibbles, *record;
	struct driver_event *events;
	uint64_t blocks, aborted;
};

static const struct link_parameters shared_like = {.protocol = QKD_TWO_DECOY,
	.intensity_micro = {600000, 220000, 200},
	.probability_micro = {200000, 550000, 250000},
	.eps_cor_exponent = 15};

/* ---- ports ---- */

static void send_letter(void *ctx, uint16_t type, struct span body)
{
	struct end *from = ctx;
	struct end *to = &from->chain->ends[from == &from->chain->ends[ALICE] ? BOB : ALICE];
	struct letter *l = malloc(sizeof *l + body.len);

	if (l == NULL)
		abort();
	*l = (struct letter){.type = type, .len = body.len};
	if (body.len > 0)
		memcpy(l->body, body.at, body.len);
	*to->last = l;
	to->last = &l->next;
}

static void ask_store(void *ctx, uint16_t type, struct span body)
{
	struct end *e = ctx;

	(void)body;
	e->is_asked = true;
	e->asked = type;
}

static void hang_up(void *ctx)
{
	(void)ctx;
}

static void block_done(void *ctx, enum qkd_abort reason, const char *report)
{
	struct end *e = ctx;

	(void)report;
	if (e == &e->chain->ends[BOB]) {
		e->chain->blocks++;
		e->chain->aborted += reason != QKD_GOES_ON;
	}
}

static struct err fill(void *ctx, struct span_mut out)
{
	(void)ctx;
	for (size_t at = 0; at < out.len;) {
		const ssize_t n = getrandom(out.at + at, out.len - at, 0);
		if (n <= 0)
			return ERR(IO);
		at += (size_t)n;
	}
	return OK;
}

/* For light alone: nature has no need of good randomness. */
static struct err fill_fast(void *ctx, struct span_mut out)
{
	static uint64_t state = 1;

	(void)ctx;
	for (size_t at = 0; at < out.len; at += 8) {
		uint64_t z = state += 0x9e3779b97f4a7c15u;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		z ^= z >> 31;
		memcpy(out.at + at, &z, out.len - at < 8 ? out.len - at : 8);
	}
	return OK;
}

/* ---- two ends ---- */

static uint32_t basis_micro(const struct row *row)
{
	return (uint32_t)(row->basis_x * 1e6 + 0.5);
}

static struct err end_open(struct chain *c, size_t i, struct complaint *why)
{
	static const uint8_t bootstrap[BOOTSTRAP_OCTETS_MAX] = {1}; /* of this bench alone */
	struct end *e = &c->ends[i];
	const double share = c->row->basis_x;
	struct qkd_link_settings s = {.role = i == ALICE ? LINK_ALICE : LINK_BOB,
		.link = "bench",
		.shared = shared_like,
		.qber_max = 0.11,
		.key_bits_min = 1000,
		.test_bits_min = 50,
		.final_bits_min = 2056,
		.final_bits_max = 1 << 26,
		.slots_max = UINT64_MAX / 4,
		.ring_slots = RING_SLOTS,
		.mode = c->row->mode,
		.frames_in_flight = FRAMES_IN_FLIGHT,
		.answer_ms_max = UINT32_MAX,
		.driver_ms_max = UINT32_MAX};
	const struct qkd_link_port port = {e, send_letter, ask_store, hang_up, block_done};

	s.shared.detections_per_block = (uint32_t)(c->row->block_bits / (share * share));
	s.shared.basis_x_micro = basis_micro(c->row);
	s.shared.eps_sec_exponent = c->row->eps_sec_exponent;
	e->chain = c;
	e->last = &e->first;
	return qkd_link_open(&e->link, &s, port, (struct entropy){NULL, fill}, &e->alarms,
		SPAN_ARRAY(bootstrap), why);
}

static struct err chain_open(struct chain *c, struct complaint *why)
{
	const struct optics_settings light = {.attenuation_db_km = 0.2,
		.detector_efficiency = 1,
		.dark_count = 1e-6,
		.misalignment = c->row->misalignment,
		.intensity = {0.6, 0.22, 2e-4},
		.probability = {0.2, 0.55, 0.25},
		.basis_x = c->row->basis_x};
	struct err e = optics_open(&c->optics, &light, (struct entropy){NULL, fill_fast}, why);

	c->nibbles = malloc(CHUNK / 2);
	c->record = malloc(DRIVER_RECORD_MAX);
	c->events = malloc(CHUNK * sizeof c->events[0]);
	if (c->nibbles == NULL || c->record == NULL || c->events == NULL)
		return complain(why, ERR(LIMIT), "no memory");
	c->now.mono_ms = 1;
	for (size_t i = 0; i < 2 && !failed(e); i++)
		e = end_open(c, i, why);
	return e;
}

static void chain_close(struct chain *c)
{
	for (size_t i = 0; i < 2; i++) {
		if (c->ends[i].link != NULL)
			qkd_link_close(c->ends[i].link);
		while (c->ends[i].first != NULL) {
			struct letter *l = c->ends[i].first;
			c->ends[i].first = l->next;
			free(l);
		}
	}
	free(c->nibbles);
	free(c->record);
	free(c->events);
}

static void store_answer(struct end *e)
{
	static uint8_t text[4096];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));
	const struct qkd_opened nothing = {0};

	e->is_asked = false;
	if (e->asked == QKD_OPEN)
		qkd_opened_encode(&w, &nothing);
	const double from = bench_clocks().cpu_s;
	qkd_link_store_answered(e->link, e->chain->now, OK, writer_span_done(&w));
	e->cpu_s += bench_clocks().cpu_s - from;
}

static void letter_read(struct end *e)
{
	struct letter *l = e->first;

	e->first = l->next;
	if (e->first == NULL)
		e->last = &e->first;
	const double from = bench_clocks().cpu_s;
	qkd_link_peer_message(e->link, e->chain->now, l->type, span_of(l->body, l->len));
	e->cpu_s += bench_clocks().cpu_s - from;
	free(l);
}

static bool is_busy(const struct chain *c)
{
	const struct end *a = &c->ends[ALICE], *b = &c->ends[BOB];

	return a->is_asked || b->is_asked || a->first != NULL || b->first != NULL;
}

/* Until neither end has anything to do. */
static void settle(struct chain *c)
{
	while (is_busy(c))
		for (size_t i = 0; i < 2; i++) {
			struct end *e = &c->ends[i];
			if (e->is_asked)
				store_answer(e);
			else if (e->first != NULL)
				letter_read(e);
		}
}

static struct err device_says(struct end *e, const struct writer *w)
{
	struct driver_record record;
	struct wire_fault fault = {0};
	struct err err = driver_decode(writer_span_done(w), &record, &fault);

	if (failed(err))
		return err;
	const double from = bench_clocks().cpu_s;
	err = qkd_link_driver_record(e->link, e->chain->now, &record);
	e->cpu_s += bench_clocks().cpu_s - from;
	return err;
}

static struct err greet(struct chain *c)
{
	struct err e = OK;

	for (size_t i = 0; i < 2; i++) {
		qkd_link_store_up(c->ends[i].link, c->now);
		qkd_link_peer_up(c->ends[i].link, c->now);
	}
	settle(c);
	for (size_t i = 0; i < 2 && !failed(e); i++) {
		struct writer w = writer_of(span_mut_of(c->record, DRIVER_RECORD_MAX));
		struct driver_hello hello = {.role = i == ALICE ? DRIVER_ALICE : DRIVER_BOB,
			.is_simulated = true,
			.session = {1},
			.basis_x_micro = basis_micro(c->row)};
		memcpy(hello.intensity_micro, shared_like.intensity_micro,
			sizeof hello.intensity_micro);
		memcpy(hello.probability_micro, shared_like.probability_micro,
			sizeof hello.probability_micro);
		driver_hello_encode(&w, &hello);
		e = device_says(&c->ends[i], &w);
	}
	return e;
}

static struct err shine(struct chain *c)
{
	const uint64_t first = c->optics.next_slot;
	struct writer w = writer_of(span_mut_of(c->record, DRIVER_RECORD_MAX));
	uint32_t count;
	struct err e = optics_run(&c->optics, CHUNK, c->nibbles, c->events, &count);

	if (failed(e))
		return e;
	driver_slots_encode(&w, first, CHUNK, span_of(c->nibbles, CHUNK / 2));
	e = device_says(&c->ends[ALICE], &w);
	w = writer_of(span_mut_of(c->record, DRIVER_RECORD_MAX));
	driver_events_encode(&w, first, CHUNK, c->events, count);
	if (!failed(e))
		e = device_says(&c->ends[BOB], &w);
	settle(c);
	return e;
}

/* ---- a row ---- */

/* One block. */
static struct err turn(void *ctx, unsigned worker, struct bench_account *account)
{
	struct chain *c = ctx;
	struct complaint why = {0};
	struct err e = OK;

	(void)worker;
	bench_aside_begin(account);
	if (c->nibbles == NULL) {
		e = chain_open(c, &why);
		if (!failed(e))
			e = greet(c);
	}
	const struct qkd_link_status before =
		failed(e) ? (struct qkd_link_status){0} : qkd_link_status(c->ends[BOB].link);
	const double alice_s = c->ends[ALICE].cpu_s, bob_s = c->ends[BOB].cpu_s;
	const uint64_t blocks = c->blocks;
	while (!failed(e) && c->blocks == blocks)
		e = shine(c);
	bench_aside_end(account);
	if (failed(e))
		return e;
	const struct qkd_link_status after = qkd_link_status(c->ends[BOB].link);
	account->sum[ALICE_S] += c->ends[ALICE].cpu_s - alice_s;
	account->sum[BOB_S] += c->ends[BOB].cpu_s - bob_s;
	account->sum[ABORTED] += (double)(after.blocks_aborted - before.blocks_aborted);
	if (after.blocks_final == before.blocks_final)
		return OK;
	account->bits += after.ledger.sifted;
	account->sum[SIFTED] += (double)after.ledger.sifted;
	account->sum[FINAL] += (double)after.ledger.final_bits;
	account->sum[CORRECTED] += (double)after.ledger.corrected;
	return OK;
}

static void write_row(struct json_writer *j, const struct row *row, const struct bench_rate *rate)
{
	const double *sum = rate->sum, mbits = sum[SIFTED] * 1e-6;
	const double slower = sum[ALICE_S] > sum[BOB_S] ? sum[ALICE_S] : sum[BOB_S];

	json_open(j, NULL, '{');
	json_text(j, "mode", reconciler_of(row->mode)->word);
	json_u64(j, "block_bits", row->block_bits);
	json_f64(j, "qber", sum[CORRECTED] / sum[SIFTED]);
	json_f64(j, "mbit_per_s", mbits / slower);
	json_f64(j, "alice_mbit_per_s", mbits / sum[ALICE_S]);
	json_f64(j, "bob_mbit_per_s", mbits / sum[BOB_S]);
	json_f64(j, "secret_fraction", sum[FINAL] / sum[SIFTED]);
	json_u64(j, "blocks", rate->turns);
	json_f64(j, "aborted", sum[ABORTED]);
	json_f64(j, "peak_memory_mib", rate->peak_mib);
	json_close(j, '}');
}

static struct err run_rows(const struct row *row, size_t count, const char *name,
	const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	json_open(j, name, '[');
	for (; count > 0 && !*o->is_over; row++, count--) {
		struct chain chain = {.row = row};
		struct bench_rate rate;
		const struct err e = bench_rate(o, row->blocks_min, turn, &chain, &rate);
		chain_close(&chain);
		if (failed(e))
			return complain(c, e, "chain: %s of %u bits",
				reconciler_of(row->mode)->word, row->block_bits);
		write_row(j, row, &rate);
	}
	json_close(j, ']');
	return OK;
}

struct err bench_qkd_chain(
	const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	return run_rows(rows, ARRAY_LEN(rows), "chain", o, j, c);
}

struct err bench_qkd_chain_long(
	const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	return run_rows(long_rows, ARRAY_LEN(long_rows), "chain-long", o, j, c);
}
