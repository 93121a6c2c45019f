// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Both ends of a link in one simulation: simulated optics, a modelled key store, a channel that loses nothing but may break, and
 * crashes wherever something leaves an end: before or after it left, before or after the store kept it.
 *
 * The store is a model of what kms-store promises (codec/qkd_msg.h). In its dishonest mode it answers "durable" and then
 * forgets in a crash: the properties below must then break, or they prove nothing.
 */
#include "base/secret.h"
#include "codec/qkd_pads.h"
#include "qkd/collect.h"
#include "qkd/link.h"
#include "qkd/optics_model.h"
#include "crypt/randomness.h"
#include "support/qkd_store_model.h"
#include "support/sim.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

enum { ALICE, BOB, WORLD }; /* nodes of the simulation */
enum { CHUNK = 8192, DETECTIONS = 20000, PADS_SEEN = 4096 };
enum {
	TIMER_OPTICS = 1,
	TIMER_CONNECT,
	TIMER_RESTART_ALICE,
	TIMER_RESTART_BOB,
	TIMER_STORE,
	TIMER_TICK
};

struct world;

struct end {
	struct world *world;
	size_t node;
	struct qkd_link *link;
	struct alarm_registry alarms;
	struct stored *kept, *durable; /* the same when the store is honest */
	uint8_t request[QKD_REQUEST_MAX];
	uint16_t request_type;
	size_t request_len;
	struct span asked; /* where the link held the request */
	uint32_t crash_in; /* effects until the crash; 0: none planned */
	bool is_crashing, has_driver, wants_disconnect, is_random_faulty;
	char report[2048];
	uint64_t finals, aborts;
	uint64_t pads_sent;
	bool pad_is_sent[PADS_SEEN];
};

struct world {
	struct sim *sim;
	struct prop *prop;
	struct optics optics;
	struct end ends[2];
	uint8_t epoch; /* of the connection */
	bool is_connected, is_honest, is_light_on;
	uint32_t crash_spread; /* effects between crashes; 0: none */
	uint64_t crashes, crashes_wanted, reused;
	double key_noise; /* errors more in the basis of the key, of which the test basis says nothing */
};

static struct link_parameters shared = {.protocol = QKD_TWO_DECOY,
	.detections_per_block = DETECTIONS,
	.intensity_micro = {650000, 250000, 200},
	.probability_micro = {150000, 600000, 250000},
	.basis_x_micro = 650000,
	.eps_sec_exponent = 1, /* blocks short enough for thousands of them: for this test alone */
	.eps_cor_exponent = 15};

static double misalignment = 0.002;
static struct sim_network network = {.delay_ms_min = 1, .delay_ms_max = 1};
static enum reconcile_mode correction[2];      /* as the setting; 0: by circumstances */
static bool are_corrections_hidden;            /* each HELLO says that its end takes any mode */
static bool is_bob_misnamed;                   /* and each HELLO is forged to hide it */
static bool is_bob_newer;                      /* his HELLO says so */
static const struct link_parameters *bob_says; /* in his HELLO; NULL: what he is set to */

static struct qkd_link_settings link_settings(size_t node)
{
	return (struct qkd_link_settings){.role = node == ALICE ? LINK_ALICE : LINK_BOB,
		.link = {'t', 'e', 's', is_bob_misnamed && node == BOB ? 's' : 't'},
		.shared = shared,
		.qber_max = 0.08,
		.key_bits_min = 4000,
		.test_bits_min = 500,
		.final_bits_min = 2056,
		.slots_max = 1 << 22,
		.ring_slots = 1 << 18,
		.frames_in_flight = 4,
		.mode = correction[node],
		.answer_ms_max = 5000,
		.driver_ms_max = 5000,
		.watch = {.mode = WATCH_AUTO,
			.alpha_exponent = 6,
			.unequal_max = 0.05,
			.intensity_tolerance = 0.05,
			.gate_centre_least = 0.9,
			.doubles_least = 0.5}};
}

static uint8_t bootstrap[2 * PAD_OCTETS + 2 * 32 * PAD_OCTETS];

/* Whether this effect is the one at which the end dies. What follows a crash has no effect. */
static bool dies(struct end *e)
{
	if (!e->is_crashing && e->crash_in > 0 && --e->crash_in == 0)
		e->is_crashing = true;
	return e->is_crashing;
}

/* Counts each pad that leaves an end; one number with two different tags is the end of all security. */
static void watch_tag(struct end *e, struct span body)
{
	struct link_message m;
	struct wire_fault fault = {0};

	assert_false(failed(link_decode(LINK_TAG, body, &m, &fault)));
	assert_true(m.pad_index < PADS_SEEN);
	if (e->pad_is_sent[m.pad_index])
		e->world->reused++;
	e->pad_is_sent[m.pad_index] = true;
	e->pads_sent++;
}

static struct span hello_forge(const struct end *e, struct span body)
{
	static uint8_t forged[LINK_BODY_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(forged));
	struct link_hello hello;
	struct wire_fault fault = {0};

	assert_false(failed(link_hello_decode(body, &hello, &fault)));
	memcpy(hello.link, link_settings(1 - e->node).link, sizeof hello.link);
	if (bob_says != NULL && e->node == BOB)
		hello.parameters = *bob_says;
	if (are_corrections_hidden)
		hello.error_correction = 0;
	link_hello_encode(&w, &hello);
	if (is_bob_newer && e->node == BOB)
		forged[0]++;
	return writer_span_done(&w);
}

static void send_to_peer(void *ctx, uint16_t type, struct span body)
{
	static uint8_t framed[SIM_MESSAGE_MAX];
	struct end *e = ctx;
	struct writer w = writer_of(SPAN_MUT_ARRAY(framed));

	if (e->is_crashing || !e->world->is_connected)
		return;
	/* The worst moment: the pad leaves, and nobody may have heard it. */
	if (type == LINK_TAG && e->crash_in > 0 && prop_below(e->world->prop, 4) == 0)
		e->crash_in = 1;
	const bool is_last = dies(e);
	if (is_last && prop_below(e->world->prop, 2) == 0)
		return;
	if (type == LINK_TAG)
		watch_tag(e, body);
	if (type == LINK_HELLO)
		body = hello_forge(e, body);
	writer_u8(&w, e->world->epoch);
	writer_u16(&w, type);
	writer_span(&w, body);
	sim_send(e->world->sim, e->node, 1 - e->node, writer_span_done(&w));
}

static void ask_store(void *ctx, uint16_t type, struct span body)
{
	struct end *e = ctx;

	if (e->is_crashing)
		return;
	assert_true(body.len <= sizeof e->request);
	memcpy(e->request, body.at, body.len);
	e->request_len = body.len;
	e->asked = body;
	e->request_type = type;
	sim_timer(e->world->sim, e->node, 1, TIMER_STORE);
}

static void disconnect(void *ctx)
{
	((struct end *)ctx)->wants_disconnect = true;
}

static void block_done(void *ctx, enum qkd_abort reason, const char *report)
{
	struct end *e = ctx;

	snprintf(e->report, sizeof e->report, "%s", report);
	e->finals += reason == QKD_GOES_ON;
	e->aborts += reason != QKD_GOES_ON;
}

/* The store. */

static void settle_effects(struct world *w);

static void store_commit(struct end *e)
{
	static uint8_t answer[QKD_REQUEST_MAX];
	struct qkd_request q;
	struct wire_fault fault = {0};
	struct span body = span_of(answer, 0);
	const uint16_t type = e->request_type;
	const bool is_last = dies(e);

	assert_false(
		failed(qkd_request_decode(type, span_of(e->request, e->request_len), &q, &fault)));
	/* Key and pads on their way to the store are left nowhere behind. */
	for (size_t i = 0; i < e->asked.len; i++)
		assert_int_equal(e->asked.at[i], 0);
	if (is_last && prop_below(e->world->prop, 2) == 0)
		return; /* the power went before the disk had it */
	struct err err = stored_apply(e->kept, type, &q);
	/* A dishonest disk writes when it likes. */
	if (!e->world->is_honest && prop_below(e->world->prop, 4) == 0)
		*e->durable = *e->kept;
	if (is_last)
		return;
	if (type == QKD_OPEN)
		body = stored_opened(e->kept, SPAN_MUT_ARRAY(answer));
	qkd_link_store_answered(e->link, sim_now(e->world->sim), err, body);
}

/* Life and death. */

static void on_message(void *ctx, struct sim *s, size_t from, struct span bytes)
{
	struct end *e = ctx;
	struct wire_fault fault = {0};
	struct reader r = reader_of(bytes, &fault);
	const uint8_t epoch = reader_u8(&r, "epoch");
	const uint16_t type = reader_u16(&r, "type");

	(void)from;
	if (epoch == e->world->epoch && e->world->is_connected)
		qkd_link_peer_message(e->link, sim_now(s), type, reader_rest(&r));
	settle_effects(e->world);
}

static void on_timer(void *ctx, struct sim *s, uint64_t tag)
{
	struct end *e = ctx;

	if (tag == TIMER_STORE)
		store_commit(e);
	if (tag == TIMER_TICK && !e->is_crashing) {
		qkd_link_tick(e->link, sim_now(s));
		sim_timer(s, e->node, 500, TIMER_TICK);
	}
	settle_effects(e->world);
}

/* What an end draws from: the world's generator, until the end's source fails. */
static struct err draw(void *ctx, struct span_mut out)
{
	struct end *e = ctx;

	if (e->is_random_faulty)
		return ERR(CRYPTO);
	prop_fill(e->world->prop, out);
	return OK;
}

static void end_start(struct end *e)
{
	struct world *w = e->world;
	const struct qkd_link_settings settings = link_settings(e->node);
	const struct qkd_link_port port = {e, send_to_peer, ask_store, disconnect, block_done};

	e->is_crashing = e->has_driver = e->wants_disconnect = false;
	e->crash_in = 0;
	if (w->crash_spread > 0 && w->crashes < w->crashes_wanted)
		e->crash_in = 1 + (uint32_t)prop_below(w->prop, w->crash_spread);
	assert_false(failed(qkd_link_open(&e->link, &settings, port, (struct entropy){e, draw},
		&e->alarms, SPAN_ARRAY(bootstrap), NULL)));
	sim_node_set(w->sim, e->node, (struct sim_node){e, on_message, on_timer});
	sim_timer(w->sim, e->node, 500, TIMER_TICK);
	qkd_link_store_up(e->link, sim_now(w->sim));
}

static void end_die(struct end *e)
{
	struct world *w = e->world;

	qkd_link_close(e->link);
	e->link = NULL;
	e->is_crashing = false;
	e->crash_in = 0;
	sim_crash(w->sim, e->node);
	if (!w->is_honest)
		*e->kept = *e->durable;
	w->crashes++;
	sim_timer(w->sim, WORLD, 20 + prop_below(w->prop, 50),
		e->node == ALICE ? TIMER_RESTART_ALICE : TIMER_RESTART_BOB);
}

static void connection_break(struct world *w)
{
	if (!w->is_connected)
		return;
	w->is_connected = false;
	w->epoch++;
	for (size_t i = 0; i < 2; i++)
		if (w->ends[i].link != NULL)
			qkd_link_peer_down(w->ends[i].link, sim_now(w->sim));
	sim_timer(w->sim, WORLD, 30, TIMER_CONNECT);
}

/* After each event: who crashed, who hung up. */
static void settle_effects(struct world *w)
{
	bool is_broken = false;

	for (size_t i = 0; i < 2; i++) {
		struct end *e = &w->ends[i];
		is_broken = is_broken || e->is_crashing || e->wants_disconnect;
		e->wants_disconnect = false;
		if (e->link != NULL && e->is_crashing)
			end_die(e);
	}
	if (is_broken)
		connection_break(w);
}

static void connect(struct world *w)
{
	if (w->is_connected)
		return;
	if (w->ends[0].link == NULL || w->ends[1].link == NULL) {
		sim_timer(w->sim, WORLD, 30, TIMER_CONNECT);
		return;
	}
	w->is_connected = true;
	for (size_t i = 0; i < 2; i++)
		qkd_link_peer_up(w->ends[i].link, sim_now(w->sim));
}

/* Light. */

static struct err device_tells(struct end *e, const struct writer *w)
{
	struct driver_record record;
	struct wire_fault fault = {0};

	assert_false(failed(driver_decode(writer_span_done(w), &record, &fault)));
	return qkd_link_driver_record(e->link, sim_now(e->world->sim), &record);
}

static void device_says(struct end *e, const struct writer *w)
{
	const struct err e_record = device_tells(e, w);

	/* The bit of a double click is drawn: without a source the device's stream is refused. */
	assert_true(!failed(e_record) || e->is_random_faulty);
}

static void greeting_write(const struct end *e, struct writer *w)
{
	struct driver_hello hello = {.role = e->node == ALICE ? DRIVER_ALICE : DRIVER_BOB,
		.is_simulated = true,
		.session = {1},
		.basis_x_micro = shared.basis_x_micro};

	memcpy(hello.intensity_micro, shared.intensity_micro, sizeof hello.intensity_micro);
	memcpy(hello.probability_micro, shared.probability_micro, sizeof hello.probability_micro);
	driver_hello_encode(w, &hello);
}

static void device_greet(struct end *e)
{
	uint8_t buffer[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	greeting_write(e, &w);
	e->has_driver = true;
	device_says(e, &w);
}

/* Who clicked alone in the basis of the key, and was the wrong one. */
static void key_spoil(struct world *w, struct driver_event *events, uint32_t count)
{
	for (uint32_t i = 0; w->key_noise > 0 && i < count; i++)
		if ((events[i].mask == 1 || events[i].mask == 2) &&
			prop_unit(w->prop) < w->key_noise)
			events[i].mask ^= 3;
}

static void light(struct world *w)
{
	static uint8_t nibbles[CHUNK / 2], buffer[DRIVER_RECORD_MAX];
	static struct driver_event events[CHUNK];
	const uint64_t first = w->optics.next_slot;
	uint32_t count;

	if (!w->is_light_on)
		return;
	sim_timer(w->sim, WORLD, 2, TIMER_OPTICS);
	for (size_t i = 0; i < 2; i++)
		if (w->ends[i].link == NULL || !qkd_link_driver_is_wanted(w->ends[i].link))
			return;
	assert_false(failed(optics_run(&w->optics, CHUNK, nibbles, events, &count)));
	key_spoil(w, events, count);
	for (size_t i = 0; i < 2; i++) {
		struct end *e = &w->ends[i];
		struct writer out = writer_of(SPAN_MUT_ARRAY(buffer));
		if (!e->has_driver)
			device_greet(e);
		if (i == ALICE)
			driver_slots_encode(&out, first, CHUNK, SPAN_ARRAY(nibbles));
		else
			driver_events_encode(&out, first, CHUNK, events, count);
		device_says(e, &out);
	}
	settle_effects(w);
}

static void on_world(void *ctx, struct sim *s, uint64_t tag)
{
	struct world *w = ctx;

	(void)s;
	if (tag == TIMER_OPTICS)
		light(w);
	if (tag == TIMER_CONNECT)
		connect(w);
	if (tag == TIMER_RESTART_ALICE)
		end_start(&w->ends[ALICE]);
	if (tag == TIMER_RESTART_BOB)
		end_start(&w->ends[BOB]);
	settle_effects(w);
}

/* Eight octets a draw: light is most of what this test computes. */
static struct err fill_quickly(void *ctx, struct span_mut out)
{
	for (size_t at = 0; at < out.len; at += 8) {
		const uint64_t v = prop_u64(ctx);
		memcpy(out.at + at, &v, out.len - at < 8 ? out.len - at : 8);
	}
	return OK;
}

static struct world *world_open(
	uint64_t seed, bool is_honest, uint32_t crash_spread, uint64_t crashes_wanted)
{
	struct world *w = calloc(1, sizeof *w);
	const struct optics_settings optics = {.attenuation_db_km = 0.2,
		.detector_efficiency = 1,
		.dark_count = 1e-6,
		.misalignment = misalignment,
		.intensity = {0.65, 0.25, 2e-4},
		.probability = {0.15, 0.6, 0.25},
		.basis_x = 0.65};

	assert_non_null(w);
	w->sim = sim_open(seed, network);
	w->prop = sim_prop(w->sim);
	w->is_honest = is_honest;
	w->is_light_on = true;
	w->crash_spread = crash_spread;
	w->crashes_wanted = crashes_wanted;
	prop_fill(w->prop, SPAN_MUT_ARRAY(bootstrap));
	assert_false(failed(
		optics_open(&w->optics, &optics, (struct entropy){w->prop, fill_quickly}, NULL)));
	for (size_t i = 0; i < 2; i++) {
		struct end *e = &w->ends[i];
		*e = (struct end){.world = w, .node = i};
		e->kept = calloc(1, sizeof *e->kept);
		e->durable = calloc(1, sizeof *e->durable);
		end_start(e);
	}
	sim_node_set(w->sim, WORLD, (struct sim_node){w, NULL, on_world});
	sim_timer(w->sim, WORLD, 5, TIMER_CONNECT);
	sim_timer(w->sim, WORLD, 5, TIMER_OPTICS);
	return w;
}

static void world_close(struct world *w)
{
	for (size_t i = 0; i < 2; i++) {
		qkd_link_close(w->ends[i].link);
		free(w->ends[i].kept);
		free(w->ends[i].durable);
	}
	sim_close(w->sim);
	free(w);
}

static void run_for(struct world *w, uint64_t ms)
{
	sim_run(w->sim, sim_now(w->sim).mono_ms + ms);
}

/* Runs until all wanted crashes happened, then lets it come to rest with the light off. */
static void run_to_rest(struct world *w)
{
	for (int i = 0; i < 4000 && w->crashes < w->crashes_wanted; i++)
		run_for(w, 50);
	w->ends[0].crash_in = w->ends[1].crash_in = 0;
	run_for(w, 600);
	w->is_light_on = false;
	run_for(w, 2000);
}

static void test_both_ends_get_the_same_keys_and_account_for_every_bit(void **state)
{
	struct world *w = world_open(1, true, 0, 0);

	(void)state;
	run_for(w, 2000);
	w->is_light_on = false;
	run_for(w, 2000);
	const struct qkd_link_status a = qkd_link_status(w->ends[ALICE].link),
				     b = qkd_link_status(w->ends[BOB].link);
	print_message("%d blocks, %d bits; last: %s\n", (int)a.blocks_final, (int)a.secret_bits,
		w->ends[ALICE].report);
	assert_true(a.blocks_final >= 5);
	assert_int_equal(a.blocks_final, b.blocks_final);
	assert_int_equal(a.secret_bits, b.secret_bits);
	assert_true(a.secret_bits > 0);
	assert_int_equal(stored_unequal(w->ends[0].kept, w->ends[1].kept), 0);
	assert_memory_equal(&a.ledger, &b.ledger, sizeof a.ledger);
	/* Both directions of Cascade are leak [arXiv:2307.00576]. */
	assert_true(
		a.ledger.answers > a.ledger.parities && a.ledger.answers < a.ledger.parities + 64);
	assert_true(a.ledger.parities > 0 && a.ledger.tag_bits == 128 &&
		    a.ledger.seed_bits == a.ledger.sifted - 1);
	assert_true(a.qber > 0.0005 && a.qber < 0.006);
	assert_true(a.is_simulated &&
		    strstr(w->ends[ALICE].report, "\"optics\":\"simulated\"") != NULL);
	assert_int_equal(w->reused, 0);
	/* Pools are refilled from the blocks themselves. */
	assert_true(a.pads_send >= 32 && a.pads_accept >= 32);
	world_close(w);
}

/* A sanity check of what comes out, and not a proof: crypt/randomness.h. */
static void test_keys_look_random(void **state)
{
	struct world *w = world_open(12, true, 0, 0);
	static uint8_t keys[1 << 16];
	static struct randomness_scratch scratch;
	size_t len = 0;

	(void)state;
	run_for(w, 3000);
	const struct stored *s = w->ends[BOB].kept;
	for (size_t i = 0; i < s->count && len + s->blocks[i].len <= sizeof keys; i++) {
		memcpy(keys + len, s->blocks[i].key, s->blocks[i].len);
		len += s->blocks[i].len;
	}
	print_message("%zu bits of key\n", len * 8);
	assert_true(len >= 2048);
	for (unsigned spoilt = 0; spoilt < 2; spoilt++) {
		struct randomness_tally t = {0};
		double p[RANDOMNESS_TESTS];
		bool are_plausible = true;
		randomness_all(span_of(keys, len), len * 8, &scratch, p);
		randomness_add(&t, p);
		for (unsigned i = 0; i < RANDOMNESS_TESTS; i++)
			are_plausible &= randomness_is_plausible(&t, (enum randomness_test)i);
		assert_int_equal(are_plausible, !spoilt);
		for (size_t i = 0; i < len; i += 3) /* it can fail: a bit in 24 is always set */
			keys[i] |= 1;
	}
	world_close(w);
}

/* Blocks long enough for LDPC, and light with so many errors. */
static struct world *world_open_long(enum reconcile_mode mode, double errors)
{
	correction[ALICE] = correction[BOB] = mode;
	shared.detections_per_block = 120000;
	misalignment = errors;
	return world_open(21, true, 0, 0);
}

static void world_close_long(struct world *w)
{
	world_close(w);
	shared.detections_per_block = DETECTIONS;
	misalignment = 0.002;
	correction[ALICE] = correction[BOB] = 0;
}

/* A code of LDPC reaches twice the errors that were expected, no further: the next block must know. */
static void errors_rise(enum reconcile_mode mode)
{
	struct world *w = world_open_long(mode, 0.008);

	run_for(w, 600);
	const struct qkd_link_status before = qkd_link_status(w->ends[BOB].link);
	assert_true(before.blocks_final >= 2);
	assert_non_null(strstr(w->ends[BOB].report, "\"mode\":\"ldpc\""));
	assert_true(before.qber < 0.012);
	optics_attack(&w->optics, OPTICS_INTERCEPT, 0.3);
	run_for(w, 1500);
	const struct qkd_link_status after = qkd_link_status(w->ends[BOB].link);
	print_message("%d blocks, %d more, %d aborted; %s\n", (int)before.blocks_final,
		(int)(after.blocks_final - before.blocks_final), (int)after.blocks_aborted,
		w->ends[BOB].report);
	assert_true(after.qber > 2.4 * before.qber);
	assert_true(after.blocks_final >= before.blocks_final + 2);
	world_close_long(w);
}

static void test_a_sudden_rise_of_errors_costs_blocks_not_the_link(void **state)
{
	(void)state;
	errors_rise(0);
	errors_rise(RECONCILE_LDPC);
}

/* Bob's next block: how its key was corrected, and what became of it. */
static void assert_next_block(struct world *w, enum reconcile_mode mode, enum qkd_abort reason)
{
	const struct end *bob = &w->ends[BOB];
	const uint64_t before = bob->finals + bob->aborts;
	char expected_mode[32], expected_reason[64];

	snprintf(expected_mode, sizeof expected_mode, "\"mode\":\"%s\"", reconciler_of(mode)->word);
	snprintf(expected_reason, sizeof expected_reason, "\"abort\":\"%s\"",
		qkd_abort_word(reason));
	for (int ms = 0; ms < 5000 && bob->finals + bob->aborts == before; ms++)
		run_for(w, 1);
	assert_int_equal(bob->finals + bob->aborts, before + 1);
	if (strstr(bob->report, expected_mode) == NULL ||
		strstr(bob->report, expected_reason) == NULL)
		fail_msg("not %s, %s: %s", expected_mode, expected_reason, bob->report);
}

/* The test basis gives no warning, and no code for what it shows reaches the errors of the key: without caution no block would be final again. */
static void test_after_a_block_that_was_not_corrected_the_link_is_cautious_until_one_is(
	void **state)
{
	(void)state;
	struct world *w = world_open_long(0, 0.008);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	w->key_noise = 0.03;
	assert_next_block(w, RECONCILE_LDPC, QKD_VERIFICATION_FAILED);
	assert_next_block(w, RECONCILE_CASCADE, QKD_GOES_ON);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	world_close_long(w);
	/* Where Cascade is not allowed, twice the errors are expected; then those that were found. */
	w = world_open_long(RECONCILE_LDPC, 0.008);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	w->key_noise = 0.02;
	assert_next_block(w, RECONCILE_LDPC, QKD_VERIFICATION_FAILED);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	world_close_long(w);
}

/* Seven times the errors of the key before, and nothing in the test basis: what is expected doubles until a code reaches them. */
static void test_caution_grows_with_each_block_that_was_not_corrected(void **state)
{
	(void)state;
	struct world *w = world_open_long(RECONCILE_LDPC, 0.008);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	w->key_noise = 0.05;
	assert_next_block(w, RECONCILE_LDPC, QKD_VERIFICATION_FAILED);
	assert_next_block(w, RECONCILE_LDPC, QKD_VERIFICATION_FAILED);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	world_close_long(w);
}

/* Most errors of the key come at once and are gone again: a block, and what the next one had of them already. */
static void noise_comes_and_goes(struct world *w)
{
	w->key_noise = 0.2;
	assert_next_block(w, RECONCILE_LDPC, QKD_VERIFICATION_FAILED);
	w->key_noise = 0;
	assert_next_block(w, RECONCILE_LDPC, QKD_QBER_TOO_HIGH);
}

/* Of twice 6.5 % there is no code: what is expected stays below, and the key is corrected, though nothing of it is left. */
static void test_caution_expects_no_more_than_there_are_codes_for(void **state)
{
	(void)state;
	struct world *w = world_open_long(RECONCILE_LDPC, 0.065);
	assert_next_block(w, RECONCILE_LDPC, QKD_NO_SECRET);
	noise_comes_and_goes(w);
	assert_next_block(w, RECONCILE_LDPC, QKD_NO_SECRET);
	world_close_long(w);
}

/* What twice the errors cost leaves nothing of a key, but it was corrected: the link does not stay where no block can be final. */
static void test_caution_ends_with_a_corrected_key_whatever_becomes_of_it(void **state)
{
	(void)state;
	struct world *w = world_open_long(RECONCILE_LDPC, 0.045);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	noise_comes_and_goes(w);
	assert_next_block(w, RECONCILE_LDPC, QKD_NO_SECRET);
	assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
	world_close_long(w);
}

static bool alarm_says(const struct end *e, const struct alarm_kind *kind, const char *text)
{
	for (size_t i = 0; i < ALARMS_MAX; i++)
		if (e->alarms.standing[i].kind == kind)
			return strcmp(e->alarms.standing[i].text, text) == 0;
	return false;
}

static void test_ends_set_to_different_modes_do_not_come_up_and_say_so(void **state)
{
	correction[ALICE] = RECONCILE_CASCADE;
	correction[BOB] = RECONCILE_LDPC;
	struct world *w = world_open(22, true, 0, 0);

	(void)state;
	run_for(w, 1000);
	/* Whoever reads the other's greeting first hangs up. */
	assert_true(alarm_says(&w->ends[ALICE], &qkd_alarm_ends_differ,
			    "error_correction: cascade here, ldpc at the peer") ||
		    alarm_says(&w->ends[BOB], &qkd_alarm_ends_differ,
			    "error_correction: ldpc here, cascade at the peer"));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(w->ends[i].finals + w->ends[i].aborts, 0);
	correction[BOB] = RECONCILE_CASCADE;
	end_die(&w->ends[BOB]);
	connection_break(w);
	run_for(w, 1000);
	for (size_t i = 0; i < 2; i++) {
		assert_false(alarm_stands(&w->ends[i].alarms, &qkd_alarm_ends_differ, "test"));
		assert_true(w->ends[i].finals > 0);
	}
	correction[ALICE] = correction[BOB] = 0;
	world_close(w);
}

static void test_ends_with_different_parameters_do_not_come_up_and_both_values_are_told(
	void **state)
{
	enum { CASES = 14 };
	struct link_parameters others[CASES];
	static const char *const texts[CASES] = {
		"protocol.kind: two-decoy here, one-decoy at the peer",
		"protocol.kind: two-decoy here, 9 at the peer",
		"protocol.mu1: 0.65 here, 0.6 at the peer",
		"protocol.mu2: 0.25 here, 0.250001 at the peer",
		"protocol.mu3: 0.0002 here, 0 at the peer",
		"protocol.p1: 0.15 here, 0.3 at the peer", "protocol.p2: 0.6 here, 0.3 at the peer",
		"protocol.p3: 0.25 here, 4294.967295 at the peer",
		"protocol.basis_x: 0.65 here, 0.9 at the peer",
		"protocol.basis_x: 0.65 here, 0.9 at the peer",
		"protocol.eps_sec_exponent: 1 here, 10 at the peer",
		"protocol.eps_cor_exponent: 15 here, 14 at the peer",
		"protocol.final_bits_fixed: 0 here, 8192 at the peer",
		"block_bits, in detections: 20000 here, 20001 at the peer"};
	struct world *w = world_open(26, true, 0, 0);

	(void)state;
	for (size_t i = 0; i < CASES; i++)
		others[i] = shared;
	others[0].protocol = QKD_ONE_DECOY;
	others[1].protocol = 9;
	others[2].intensity_micro[0] = 600000;
	others[3].intensity_micro[1]++;
	others[4].intensity_micro[2] = 0;
	others[5].probability_micro[0] = 300000;
	others[6].probability_micro[1] = 300000;
	others[7].probability_micro[2] = UINT32_MAX;
	others[8].basis_x_micro = others[9].basis_x_micro = 900000;
	others[9].detections_per_block = 1; /* follows from the former, and is not told */
	others[10].eps_sec_exponent = 10;
	others[11].eps_cor_exponent--;
	others[12].final_bits_fixed = 8192;
	others[13].detections_per_block++;
	for (size_t i = 0; i < CASES; i++) {
		bob_says = &others[i];
		connection_break(w);
		run_for(w, 200);
		if (!alarm_says(&w->ends[ALICE], &qkd_alarm_ends_differ, texts[i]))
			fail_msg("not told: %s", texts[i]);
		assert_int_equal(w->ends[ALICE].finals + w->ends[ALICE].aborts, 0);
	}
	bob_says = NULL;
	world_close(w);
}

/* It would make other codes and permutations, and each block would fail in verification. */
static void test_an_end_of_another_version_does_not_come_up_and_both_versions_are_told(void **state)
{
	char text[ALARM_TEXT_MAX];
	struct world *w = world_open(25, true, 0, 0);

	(void)state;
	is_bob_newer = true;
	run_for(w, 1000);
	snprintf(text, sizeof text, "version of the link's protocol: %d here, %d at the peer",
		LINK_VERSION, LINK_VERSION + 1);
	assert_true(alarm_says(&w->ends[ALICE], &qkd_alarm_ends_differ, text));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(w->ends[i].finals + w->ends[i].aborts, 0);
	is_bob_newer = false;
	connection_break(w);
	run_for(w, 1000);
	for (size_t i = 0; i < 2; i++) {
		assert_false(alarm_stands(&w->ends[i].alarms, &qkd_alarm_ends_differ, "test"));
		assert_true(w->ends[i].finals > 0);
	}
	world_close(w);
}

/* Alice took no memory for a mode that she is not set to. */
static void test_a_mode_that_was_not_agreed_is_refused(void **state)
{
	(void)state;
	are_corrections_hidden = true;
	for (enum reconcile_mode mode = RECONCILE_CASCADE; mode < RECONCILE_MODES; mode++) {
		struct world *w = world_open_long(mode, 0.008);
		correction[ALICE] = mode == RECONCILE_CASCADE ? RECONCILE_LDPC : RECONCILE_CASCADE;
		end_die(&w->ends[ALICE]);
		connection_break(w);
		assert_next_block(w, mode, QKD_PROTOCOL);
		assert_int_equal(w->ends[ALICE].finals, 0);
		world_close_long(w);
	}
	are_corrections_hidden = false;
}

static void test_a_greeting_that_cannot_be_read_is_told(void **state)
{
	struct world *w = world_open(24, true, 0, 0);
	struct end *e = &w->ends[ALICE];

	(void)state;
	connect(w);
	qkd_link_peer_message(e->link, sim_now(w->sim), LINK_HELLO, span_of("", 0));
	assert_true(alarm_says(e, &qkd_alarm_ends_differ, "the peer's greeting cannot be read"));
	assert_true(e->wants_disconnect);
	world_close(w);
}

static struct err device_monitors(struct end *e, uint64_t first, uint64_t length)
{
	const struct driver_monitor m = {.first = first, .length = length};
	uint8_t buffer[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	driver_monitor_encode(&w, &m);
	return device_tells(e, &w);
}

static void test_a_device_that_breaks_the_order_of_its_records_is_refused(void **state)
{
	struct world *w = world_open(26, true, 0, 0);
	struct end *e = &w->ends[BOB];
	uint8_t greeting[256];
	struct writer again = writer_of(SPAN_MUT_ARRAY(greeting));

	(void)state;
	assert_int_equal(device_monitors(e, 0, 10).kind, ERR_INPUT); /* before it greeted */
	device_greet(e);
	assert_false(failed(device_monitors(e, 0, 10)));
	assert_int_equal(device_monitors(e, 11, 10).kind, ERR_INPUT);
	assert_int_equal(device_monitors(e, 9, 10).kind, ERR_INPUT);
	assert_false(failed(device_monitors(e, 10, 10)));
	greeting_write(e, &again);
	assert_int_equal(device_tells(e, &again).kind, ERR_INPUT);
	qkd_link_driver_down(e->link, sim_now(w->sim));
	device_says(e, &again);
	assert_false(failed(device_monitors(e, 30, 10)));
	world_close(w);
}

/* Events in every slot, more than one message of gaps takes. */
static void device_floods(struct end *e, uint64_t first)
{
	static struct driver_event events[CHUNK];
	static uint8_t buffer[DRIVER_RECORD_MAX];

	for (uint32_t n = 0; n <= COLLECT_GAPS_MAX && qkd_link_driver_is_wanted(e->link);
		n += CHUNK, first += CHUNK) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		for (uint32_t i = 0; i < CHUNK; i++)
			events[i] = (struct driver_event){first + i, DRIVER_X0};
		driver_events_encode(&w, first, CHUNK, events, CHUNK);
		device_says(e, &w);
	}
}

/* Until a connection that was given up has closed, which may take seconds, the device speaks on: of that nothing is kept. */
static void test_what_comes_while_a_connection_closes_does_no_harm(void **state)
{
	const uint32_t detections = shared.detections_per_block;

	(void)state;
	shared.detections_per_block = 2 * COLLECT_GAPS_MAX;
	struct world *w = world_open(27, true, 0, 0);
	struct end *e = &w->ends[BOB];
	shared.detections_per_block = detections;
	run_for(w, 100);
	assert_string_equal(qkd_link_status(e->link).stage, "idle");
	qkd_link_store_down(e->link, sim_now(w->sim));
	assert_true(e->wants_disconnect);
	device_floods(e, w->optics.next_slot);
	qkd_link_store_up(e->link, sim_now(w->sim));
	/* The light goes on where it was. */
	qkd_link_driver_down(e->link, sim_now(w->sim));
	device_greet(e);
	settle_effects(w);
	const uint8_t epoch = w->epoch;
	run_for(w, 500);
	assert_int_equal(w->epoch, epoch); /* nobody hung up again */
	assert_string_equal(qkd_link_status(e->link).stage, "idle");
	world_close(w);
}

/* Keys for which Bob takes LDPC when nobody forbids it. */
static void test_an_end_that_takes_any_mode_takes_the_one_that_the_other_is_set_to(void **state)
{
	(void)state;
	for (size_t set = 0; set < 2; set++) {
		struct world *w = world_open_long(0, 0.008);
		assert_next_block(w, RECONCILE_LDPC, QKD_GOES_ON);
		correction[set] = RECONCILE_CASCADE;
		end_die(&w->ends[set]);
		connection_break(w);
		assert_next_block(w, RECONCILE_CASCADE, QKD_GOES_ON);
		world_close_long(w);
	}
}

/* The device here has no instruments: what its clicks alone give away. test_watch.c has the others. */
static void attack_gives_no_bit_and_the_alarm(enum optics_attack attack, enum qkd_abort reason)
{
	struct world *w = world_open(2, true, 0, 0);

	optics_attack(&w->optics, attack, 1);
	run_for(w, 1500);
	for (size_t i = 0; i < 2; i++) {
		const struct qkd_link_status s = qkd_link_status(w->ends[i].link);
		assert_int_equal(s.secret_bits, 0);
		assert_int_equal(w->ends[i].kept->count, 0);
		assert_true(alarm_stands(&w->ends[i].alarms, &qkd_alarm_eavesdropping, "test"));
		assert_true(s.blocks_aborted > 0);
		assert_int_equal(s.last_abort, reason);
		assert_true(attack != OPTICS_INTERCEPT || s.test_qber > 0.2);
	}
	/* The attack ends: key flows again, and the alarm is cleared. */
	optics_attack(&w->optics, OPTICS_HONEST, 0);
	run_for(w, 3000);
	for (size_t i = 0; i < 2; i++) {
		assert_true(qkd_link_status(w->ends[i].link).secret_bits > 0);
		assert_false(alarm_stands(&w->ends[i].alarms, &qkd_alarm_eavesdropping, "test"));
	}
	world_close(w);
}

static void test_attacks_give_no_bit_and_the_alarm_with_the_reason(void **state)
{
	(void)state;
	attack_gives_no_bit_and_the_alarm(OPTICS_INTERCEPT, QKD_QBER_TOO_HIGH);
	attack_gives_no_bit_and_the_alarm(OPTICS_BLIND, QKD_BLINDED);
	attack_gives_no_bit_and_the_alarm(OPTICS_SHIFT, QKD_DETECTORS_UNEQUAL);
}

static void test_a_failed_random_source_gives_no_bit_and_the_alarm(void **state)
{
	(void)state;
	for (size_t bad = 0; bad < 2; bad++) {
		struct world *w = world_open(11, true, 0, 0);
		w->ends[bad].is_random_faulty = true;
		run_for(w, 1500);
		for (size_t i = 0; i < 2; i++) {
			const struct qkd_link_status s = qkd_link_status(w->ends[i].link);
			assert_int_equal(s.blocks_final, 0);
			assert_int_equal(w->ends[i].kept->count, 0);
		}
		/* Bob's first draw is for a double click: his blocks do not even begin. */
		const struct qkd_link_status s = qkd_link_status(w->ends[bad].link);
		assert_int_equal(s.last_abort, bad == ALICE ? QKD_RANDOM_FAULT : QKD_GOES_ON);
		assert_int_equal(alarm_stands(&w->ends[bad].alarms, &qkd_alarm_random, "test"),
			bad == ALICE);
		world_close(w);
	}
}

static void test_a_changed_message_is_caught_by_the_tag(void **state)
{
	struct world *w = world_open(3, true, 0, 0);
	struct pads pads;
	struct wire_fault fault = {0};

	(void)state;
	/* One wrong bit in the hash key at one end is a changed transcript for both. */
	run_for(w, 30);
	struct stored *s = w->ends[BOB].kept;
	assert_false(failed(pads_decode(span_of(s->state, s->state_len), &pads, &fault)));
	pads.accept.hash_key[0] ^= 1;
	struct writer out = writer_of(SPAN_MUT_ARRAY(s->state));
	pads_encode(&out, &pads);
	connection_break(w); /* the state is read anew */
	run_for(w, 1000);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(qkd_link_status(w->ends[i].link).secret_bits, 0);
		assert_int_equal(stored_finals(w->ends[i].kept), 0);
		assert_true(alarm_stands(&w->ends[i].alarms, &qkd_alarm_authentication, "test"));
	}
	assert_int_equal(w->reused, 0);
	/* Each attempt burnt a pad; at the end the link refuses to begin a block. */
	run_for(w, 60000);
	assert_true(alarm_stands(&w->ends[BOB].alarms, &qkd_alarm_pads_low, "test"));
	assert_true(qkd_link_status(w->ends[ALICE].link).pads_send < 3);
	world_close(w);
}

/* HELLO is protected by TLS alone; what it says of the link is in the tags as well. */
static void test_a_forged_hello_is_caught_by_the_tag(void **state)
{
	(void)state;
	is_bob_misnamed = true;
	struct world *w = world_open(6, true, 0, 0);
	run_for(w, 1000);
	assert_true(alarm_stands(&w->ends[BOB].alarms, &qkd_alarm_authentication, "tess"));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(stored_finals(w->ends[i].kept), 0);
	world_close(w);
	is_bob_misnamed = false;
}

static void test_other_bootstrap_secrets_or_parameters_never_make_key(void **state)
{
	struct world *w = world_open(4, true, 0, 0);

	(void)state;
	/* Bob's state is gone but not his marks: the bootstrap pads may not be taken again. */
	run_for(w, 1000);
	w->is_light_on = false;
	run_for(w, 1000); /* nothing is on its way to the store */
	w->ends[BOB].kept->state_len = 0;
	const uint64_t before = w->ends[BOB].pads_sent;
	connection_break(w);
	run_for(w, 2000);
	assert_true(alarm_stands(&w->ends[BOB].alarms, &qkd_alarm_desynchronised, "test"));
	assert_int_equal(w->ends[BOB].pads_sent, before);
	assert_int_equal(w->reused, 0);
	world_close(w);
}

static void test_an_end_set_back_to_a_backup_is_refused(void **state)
{
	struct world *w = world_open(5, true, 0, 0);
	struct stored *backup = malloc(sizeof *backup);

	(void)state;
	assert_non_null(backup);
	run_for(w, 500);
	*backup = *w->ends[ALICE].kept;
	run_for(w, 1500);
	w->is_light_on = false;
	run_for(w, 1000);
	*w->ends[ALICE].kept = *backup;
	connection_break(w);
	run_for(w, 2000);
	/* Whoever reads the other's greeting first hangs up. */
	assert_true(alarm_stands(&w->ends[ALICE].alarms, &qkd_alarm_desynchronised, "test") ||
		    alarm_stands(&w->ends[BOB].alarms, &qkd_alarm_desynchronised, "test"));
	assert_int_equal(w->reused, 0);
	free(backup);
	world_close(w);
}

struct tally {
	uint64_t crashes, finals, unequal, reused;
};

static struct tally crash_many(uint64_t seeds, uint64_t crashes_each, bool is_honest)
{
	struct tally t = {0};

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		/* A block has some 50 effects at each end: messages and durable marks. */
		struct world *w = world_open(100 + seed, is_honest, 80, crashes_each);
		run_to_rest(w);
		t.crashes += w->crashes;
		t.finals += stored_finals(w->ends[ALICE].kept);
		t.unequal += stored_unequal(w->ends[0].kept, w->ends[1].kept);
		t.reused += w->reused;
		if (is_honest &&
			(stored_unequal(w->ends[0].kept, w->ends[1].kept) > 0 || w->reused > 0))
			print_message("seed %d: %d unequal, %d reused, %d final\n",
				(int)(100 + seed),
				(int)stored_unequal(w->ends[0].kept, w->ends[1].kept),
				(int)w->reused, (int)stored_finals(w->ends[ALICE].kept));
		world_close(w);
	}
	print_message("%s store: %d crashes, %d final blocks, %d unequal, %d pads used twice\n",
		is_honest ? "honest" : "dishonest", (int)t.crashes, (int)t.finals, (int)t.unequal,
		(int)t.reused);
	return t;
}

static void test_over_a_thousand_crashes_keys_are_equal_and_no_pad_is_used_twice(void **state)
{
	const struct tally t = crash_many(20, 51, true);

	(void)state;
	assert_true(t.crashes >= 1000);
	assert_true(t.finals >= 100);
	assert_int_equal(t.unequal, 0);
	assert_int_equal(t.reused, 0);
}

/*
 * TLS loses, repeats and reorders nothing; should the channel do it all the same, with crashes besides, blocks are lost and no keys differ:
 * a fault of the protocol, a wrong tag or silence ends the connection.
 */
static void test_on_a_channel_that_loses_repeats_and_reorders_keys_are_equal_or_there_are_none(
	void **state)
{
	static const struct sim_network bad[] = {
		{.loss_permille = 5, .delay_ms_min = 1, .delay_ms_max = 1},
		{.duplicate_permille = 5, .delay_ms_min = 1, .delay_ms_max = 1},
		{.delay_ms_min = 1, .delay_ms_max = 2}, /* every other pair that leaves at once */
		{.loss_permille = 5,
			.duplicate_permille = 5,
			.delay_ms_min = 1,
			.delay_ms_max = 2}};
	const struct sim_network good = network;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		network = bad[i];
		const struct tally t = crash_many(10, 12, true);
		assert_true(t.finals >= 5);
		assert_int_equal(t.unequal, 0);
		assert_int_equal(t.reused, 0);
	}
	network = good;
}

/* The proof that the test above can fail. */
static void test_with_a_store_that_lies_pads_are_used_twice(void **state)
{
	const struct tally t = crash_many(40, 4, false);

	(void)state;
	assert_true(t.reused > 0);
	assert_true(t.unequal > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ends_get_the_same_keys_and_account_for_every_bit),
		cmocka_unit_test(test_keys_look_random),
		cmocka_unit_test(test_a_sudden_rise_of_errors_costs_blocks_not_the_link),
		cmocka_unit_test(
			test_after_a_block_that_was_not_corrected_the_link_is_cautious_until_one_is),
		cmocka_unit_test(test_caution_grows_with_each_block_that_was_not_corrected),
		cmocka_unit_test(test_caution_expects_no_more_than_there_are_codes_for),
		cmocka_unit_test(test_caution_ends_with_a_corrected_key_whatever_becomes_of_it),
		cmocka_unit_test(test_ends_set_to_different_modes_do_not_come_up_and_say_so),
		cmocka_unit_test(
			test_ends_with_different_parameters_do_not_come_up_and_both_values_are_told),
		cmocka_unit_test(
			test_an_end_of_another_version_does_not_come_up_and_both_versions_are_told),
		cmocka_unit_test(test_a_mode_that_was_not_agreed_is_refused),
		cmocka_unit_test(test_a_greeting_that_cannot_be_read_is_told),
		cmocka_unit_test(test_a_device_that_breaks_the_order_of_its_records_is_refused),
		cmocka_unit_test(
			test_an_end_that_takes_any_mode_takes_the_one_that_the_other_is_set_to),
		cmocka_unit_test(test_attacks_give_no_bit_and_the_alarm_with_the_reason),
		cmocka_unit_test(test_what_comes_while_a_connection_closes_does_no_harm),
		cmocka_unit_test(test_a_failed_random_source_gives_no_bit_and_the_alarm),
		cmocka_unit_test(test_a_changed_message_is_caught_by_the_tag),
		cmocka_unit_test(test_a_forged_hello_is_caught_by_the_tag),
		cmocka_unit_test(test_other_bootstrap_secrets_or_parameters_never_make_key),
		cmocka_unit_test(test_an_end_set_back_to_a_backup_is_refused),
		cmocka_unit_test(
			test_over_a_thousand_crashes_keys_are_equal_and_no_pad_is_used_twice),
		cmocka_unit_test(
			test_on_a_channel_that_loses_repeats_and_reorders_keys_are_equal_or_there_are_none),
		cmocka_unit_test(test_with_a_store_that_lies_pads_are_used_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
