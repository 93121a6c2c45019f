// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cascade_shape.h"
#include "link_inner.h"
#include <math.h>
#include <stdlib.h>

static const char *const stage_words[STAGES] = {
	[STAGE_AWAY] = "away",
	[STAGE_GREETING] = "greeting",
	[STAGE_SETTLING] = "settling",
	[STAGE_IDLE] = "idle",
	[STAGE_STORING] = "storing",
	[STAGE_A_MEASURED] = "sifting",
	[STAGE_A_SLOTS] = "sifting",
	[STAGE_A_RECONCILE] = "reconciling",
	[STAGE_A_QUESTION] = "reconciling",
	[STAGE_A_VERIFIED] = "verifying",
	[STAGE_A_TAG] = "authenticating",
	[STAGE_B_SIFTED] = "sifting",
	[STAGE_B_ANSWER] = "reconciling",
	[STAGE_B_VERIFY] = "verifying",
	[STAGE_B_AMPLIFY] = "amplifying",
	[STAGE_B_SEED] = "amplifying",
	[STAGE_B_TAG] = "authenticating",
	[STAGE_B_FINAL] = "finishing",
};

void link_stage_enter(struct qkd_link *l, enum link_stage stage)
{
	l->stage = stage;
	l->stage_since_ms = l->now.mono_ms;
}

/* Opening. */

static void parameters_fill(struct qkd_link *l)
{
	const struct link_parameters *shared = &l->settings.shared;
	struct qkd_parameters *p = &l->parameters;

	*p = (struct qkd_parameters){
		.protocol = (enum qkd_protocol)shared->protocol,
		.final_bits_fixed = shared->final_bits_fixed,
		.basis_x = shared->basis_x_micro * 1e-6,
		.eps_sec = pow(10, -(double)shared->eps_sec_exponent),
		.eps_cor = pow(10, -(double)shared->eps_cor_exponent),
		.qber_max = l->settings.qber_max,
		.key_bits_min = l->settings.key_bits_min,
		.test_bits_min = l->settings.test_bits_min,
		.final_bits_min = l->settings.final_bits_min,
	};
	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		p->intensity[k] = shared->intensity_micro[k] * 1e-6;
		p->probability[k] = shared->probability_micro[k] * 1e-6;
	}
}

static struct err settings_check(const struct qkd_link_settings *s, struct complaint *c)
{
	const uint32_t refill_bits = 2 * PADS_REFILL_STEP * PAD_OCTETS * 8;

	if (s->shared.detections_per_block < 64 ||
		s->shared.detections_per_block > LINK_DETECTIONS_MAX)
		return complain(c, ERR(INPUT), "detections_per_block must lie between 64 and %d",
			LINK_DETECTIONS_MAX);
	if (s->shared.final_bits_fixed % 8 != 0 ||
		(s->shared.final_bits_fixed > 0 && s->shared.final_bits_fixed < s->final_bits_min))
		return complain(c, ERR(INPUT),
			"final_bits_fixed must be a multiple of 8 and at least final_bits_min");
	if (s->frames_in_flight < 1 || s->frames_in_flight > RECONCILE_FRAMES_MAX)
		return complain(c, ERR(INPUT), "frames_in_flight must lie between 1 and %d",
			RECONCILE_FRAMES_MAX);
	if (s->mode != 0 && reconciler_of(s->mode) == NULL)
		return complain(c, ERR(INPUT), "there is no such mode of error correction");
	if (s->final_bits_min <= refill_bits)
		return complain(c, ERR(INPUT),
			"final_bits_min must exceed %u, the pads that a block may refill",
			refill_bits);
	return OK;
}

/* What state blobs take for a moment later: mapped now, while the limit on locked memory may still be a privileged user's. */
static struct err memory_reserve(void)
{
	struct secret reserve;
	struct err e = secret_open(&reserve, PADS_BLOB_MAX + 4096);

	if (!failed(e))
		secret_close(&reserve);
	return e;
}

static struct err collect_memory_open(struct qkd_link *l)
{
	const struct qkd_link_settings *s = &l->settings;
	const struct collect_settings settings = {.is_bob = link_is_bob(l),
		.detections_per_block = s->shared.detections_per_block,
		.slots_max = s->slots_max,
		.ring_slots = s->ring_slots};

	return collect_open(&l->collect, &settings, l->entropy);
}

static struct err modes_open(struct qkd_link *l)
{
	const uint32_t frames = l->key.bits_max / CASCADE_FRAME_BITS_MAX + 1,
		       most = l->settings.frames_in_flight;
	const struct reconcile_settings settings = {.is_bob = link_is_bob(l),
		.key_bits_max = l->key.bits_max,
		.frames_in_flight = frames < most ? frames : most};
	struct err e = OK;

	for (unsigned i = 0; i < RECONCILE_MODES && !failed(e); i++) {
		const struct reconciler *mode = reconciler_of((enum reconcile_mode)i);
		const bool may_be_used = l->settings.mode == 0 || l->settings.mode == i;
		if (mode != NULL && may_be_used)
			e = mode->open(&l->reconcile[i], &settings);
	}
	return e;
}

/* The key, at Bob the key as it was before correction, and the intensities of its bits. */
static struct err key_open(struct qkd_link *l)
{
	const uint32_t bits = l->settings.shared.detections_per_block < RECONCILE_BITS_MAX
				      ? l->settings.shared.detections_per_block
				      : RECONCILE_BITS_MAX;
	const size_t words = (bits + 63) / 64;
	struct err e = secret_open(&l->memory_key, words * 8 * (link_is_bob(l) ? 4 : 1));

	if (failed(e))
		return e;
	l->key.bits_max = bits;
	l->key.key.words = (uint64_t *)(void *)l->memory_key.bytes;
	if (link_is_bob(l)) {
		l->before = l->key.key.words + words;
		l->key.plane[0] = l->before + words;
		l->key.plane[1] = l->key.plane[0] + words;
	}
	return secret_open(&l->memory_final, words * 8);
}

static struct err memory_open(struct qkd_link *l, struct span bootstrap)
{
	const struct qkd_link_settings *s = &l->settings;
	struct err e = key_open(l);

	if (!failed(e))
		e = secret_open(&l->memory_request,
			l->settings.final_bits_max / 8 + QKD_STATE_MAX + QKD_REPORT_MAX + 256);
	if (!failed(e))
		e = secret_open(&l->memory_secrets, sizeof *l->secrets);
	if (!failed(e))
		e = secret_copy(&l->bootstrap, bootstrap);
	if (!failed(e))
		e = toeplitz_open(&l->amplifier, l->key.bits_max);
	if (!failed(e))
		e = memory_reserve();
	if (!failed(e))
		e = modes_open(l);
	if (!failed(e))
		e = collect_memory_open(l);
	l->out = calloc(1, LINK_BODY_MAX);
	l->items = calloc(1, LINK_BODY_MAX);
	l->seed = calloc(1, (size_t)l->key.bits_max / 8 + 1);
	l->measured = calloc(1, (size_t)s->shared.detections_per_block / 4 + 1);
	if (l->out == NULL || l->items == NULL || l->seed == NULL || l->measured == NULL)
		e = ERR(LIMIT);
	l->secrets = (struct link_secrets *)(void *)l->memory_secrets.bytes;
	return e;
}

struct err qkd_link_open(struct qkd_link **out, const struct qkd_link_settings *settings,
	struct qkd_link_port port, struct entropy entropy, struct alarm_registry *alarms,
	struct span bootstrap, struct complaint *c)
{
	struct qkd_link *l = calloc(1, sizeof *l);

	if (l == NULL)
		return complain(c, ERR(LIMIT), "no memory for the quantum link");
	*l = (struct qkd_link){
		.settings = *settings, .port = port, .entropy = entropy, .alarms = alarms};
	if (l->settings.final_bits_max == 0)
		l->settings.final_bits_max = QKD_KEY_MAX * 8;
	parameters_fill(l);
	qkd_watch_open(&l->watch, &settings->watch, &l->parameters);
	struct err e = settings_check(settings, c);
	if (!failed(e))
		e = qkd_parameters_check(&l->parameters, c);
	if (!failed(e) &&
		(bootstrap.len < BOOTSTRAP_OCTETS_MIN || bootstrap.len > BOOTSTRAP_OCTETS_MAX ||
			bootstrap.len % (2 * PAD_OCTETS) != 0))
		e = complain(c, ERR(INPUT),
			"the bootstrap secret must have %d to %d octets, a multiple of %d, not %zu",
			BOOTSTRAP_OCTETS_MIN, BOOTSTRAP_OCTETS_MAX, 2 * PAD_OCTETS, bootstrap.len);
	if (!failed(e))
		e = memory_open(l, bootstrap);
	if (failed(e)) {
		qkd_link_close(l);
		return complain(c, e, "no memory for blocks of so many bits");
	}
	*out = l;
	return OK;
}

void qkd_link_close(struct qkd_link *l)
{
	if (l == NULL)
		return;
	collect_close(&l->collect);
	for (unsigned i = 0; i < RECONCILE_MODES; i++)
		if (l->reconcile[i] != NULL)
			reconciler_of((enum reconcile_mode)i)->close(l->reconcile[i]);
	secret_close(&l->memory_key);
	secret_close(&l->memory_final);
	secret_close(&l->memory_request);
	secret_close(&l->memory_secrets);
	toeplitz_close(&l->amplifier);
	secret_close(&l->bootstrap);
	free(l->out);
	free(l->items);
	free(l->seed);
	free(l->measured);
	free(l);
}

/* Speaking. */

void link_send(struct qkd_link *l, uint16_t type, const struct link_message *m)
{
	struct writer w = writer_of(span_mut_of(l->out, LINK_BODY_MAX));

	link_encode(&w, type, m);
	l->port.send(l->port.ctx, type, writer_span_done(&w));
}

void link_disconnect(struct qkd_link *l)
{
	if (!l->is_peer_up)
		return;
	l->is_peer_up = false; /* nothing more is said or heard; qkd_link_peer_down() tidies up */
	l->collect.is_on = false; /* else what is not announced would pile up until then */
	l->port.disconnect(l->port.ctx);
}

void link_ask(
	struct qkd_link *l, uint16_t type, const struct qkd_request *request, link_after_fn *after)
{
	struct writer w = writer_of(secret_span_mut(&l->memory_request));
	struct qkd_request named = *request;

	if (!l->is_store_up) {
		link_disconnect(l);
		return;
	}
	memcpy(named.link, l->settings.link, sizeof named.link);
	qkd_request_encode(&w, type, &named);
	l->is_asking = true;
	l->after = after;
	l->port.ask(l->port.ctx, type, writer_span_done(&w));
	/* Else a block's key would stay there until the next one. */
	secret_wipe(l->memory_request.bytes, w.len);
}

void link_ask_state(
	struct qkd_link *l, uint16_t type, const uint8_t *block_id, link_after_fn *after)
{
	static const uint8_t none[QKD_BLOCK_ID];
	struct secret blob;
	struct qkd_request request = {.marks = l->marks};

	if (failed(secret_open(&blob, PADS_BLOB_MAX))) {
		link_disconnect(l);
		return;
	}
	struct writer w = writer_of(secret_span_mut(&blob));
	pads_encode(&w, &l->secrets->pads);
	memcpy(request.block_id, block_id == NULL ? none : block_id, QKD_BLOCK_ID);
	request.state = writer_span_done(&w);
	link_ask(l, type, &request, after);
	secret_close(&blob);
}

void link_ask_marks(struct qkd_link *l, struct qkd_marks marks, link_after_fn *after)
{
	l->marks = marks;
	link_ask(l, QKD_MARK, &(struct qkd_request){.marks = marks}, after);
}

void qkd_link_store_answered(
	struct qkd_link *l, struct moment now, struct err err, struct span body)
{
	link_after_fn *after = l->after;

	l->now = now;
	l->is_asking = false;
	l->after = NULL;
	if (after == NULL) {
		qkd_link_tick(
			l, now); /* a question of a connection that is gone: begin the next one */
		return;
	}
	if (failed(err)) {
		alarm_raise(
			l->alarms, &qkd_alarm_store, l->settings.link, now, "%s", err_word(err));
		if (link_block_runs(l))
			link_block_abort(l, QKD_STORE_REFUSED, true);
		link_disconnect(l);
		return;
	}
	after(l, body);
	secret_wipe_traces();
}

void link_pads_watch(struct qkd_link *l)
{
	const struct pads *pads = &l->secrets->pads;

	l->status.pads_send = pad_pool_left(&pads->send, l->marks.send);
	l->status.pads_accept = pad_pool_left(&pads->accept, l->marks.accept);
	if (l->status.pads_send < PADS_LOW || l->status.pads_accept < PADS_LOW)
		alarm_raise(l->alarms, &qkd_alarm_pads_low, l->settings.link, l->now,
			"%d to send, %d to accept, %d each are needed for a block",
			(int)l->status.pads_send, (int)l->status.pads_accept, PADS_NEEDED);
	else
		alarm_clear(l->alarms, &qkd_alarm_pads_low, l->settings.link);
}

static void begin(struct qkd_link *l)
{
	if (!l->is_store_up || !l->is_peer_up || l->is_asking || l->stage != STAGE_AWAY)
		return;
	link_ask(l, QKD_OPEN, &(struct qkd_request){0}, link_opened);
}

/* Events. */

static void reset(struct qkd_link *l)
{
	if (link_block_runs(l))
		link_block_abort(l, QKD_PEER_SILENT, false);
	l->after = NULL;
	l->has_hello = l->is_peer_ready = l->is_ready_sent = false;
	l->collect.is_on = false;
	collect_reset(&l->collect);
	link_stage_enter(l, STAGE_AWAY);
}

void qkd_link_store_up(struct qkd_link *l, struct moment now)
{
	l->now = now;
	l->is_store_up = true;
	l->is_asking = false;
	l->after = NULL;
	begin(l);
}

void qkd_link_store_down(struct qkd_link *l, struct moment now)
{
	l->now = now;
	l->is_store_up = l->is_asking = false;
	l->after = NULL;
	alarm_raise(l->alarms, &qkd_alarm_store, l->settings.link, now, "the key store is away");
	link_disconnect(l);
}

void qkd_link_peer_up(struct qkd_link *l, struct moment now)
{
	l->now = now;
	reset(l);
	l->is_peer_up = true;
	begin(l);
}

void qkd_link_peer_down(struct qkd_link *l, struct moment now)
{
	l->now = now;
	reset(l);
	l->is_peer_up = false;
	alarm_raise(l->alarms, &qkd_alarm_link_down, l->settings.link, now,
		"the connection to the peer is down");
}

void qkd_link_peer_message(struct qkd_link *l, struct moment now, uint16_t type, struct span body)
{
	l->now = now;
	if (!l->is_peer_up)
		return;
	if (type == LINK_HELLO)
		link_hello(l, body);
	else if (type == LINK_READY)
		link_ready(l, body);
	else if (l->stage >= STAGE_IDLE)
		link_block_message(l, type, body);
	else
		link_disconnect(l);
	secret_wipe_traces();
}

static struct err take_driver_hello(struct qkd_link *l, const struct driver_hello *hello)
{
	const struct link_parameters *p = &l->settings.shared;
	const bool is_same = memcmp(hello->intensity_micro, p->intensity_micro,
				     sizeof p->intensity_micro) == 0 &&
			     memcmp(hello->probability_micro, p->probability_micro,
				     sizeof p->probability_micro) == 0 &&
			     hello->basis_x_micro == p->basis_x_micro;

	if (l->status.has_driver || hello->role != (uint8_t)l->settings.role || !is_same)
		return ERR(INPUT);
	l->status.has_driver = true;
	l->status.is_simulated = hello->is_simulated;
	collect_session(&l->collect, hello->session);
	qkd_watch_session(&l->watch, hello);
	return OK;
}

struct err qkd_link_driver_record(
	struct qkd_link *l, struct moment now, const struct driver_record *record)
{
	l->now = now;
	l->driver_heard_ms = now.mono_ms;
	alarm_clear(l->alarms, &qkd_alarm_driver_silent, l->settings.link);
	if (record->type == DRIVER_HELLO)
		return take_driver_hello(l, &record->hello);
	if (!l->status.has_driver)
		return ERR(INPUT);
	if (record->type == DRIVER_MONITOR)
		return qkd_watch_record(&l->watch, &record->monitor);
	struct err e = collect_record(&l->collect, record);
	if (failed(e))
		return e;
	link_block_collect(l, false);
	link_block_tick(l);
	secret_wipe_traces();
	return OK;
}

void qkd_link_driver_down(struct qkd_link *l, struct moment now)
{
	l->now = now;
	l->status.has_driver = false;
	alarm_raise(l->alarms, &qkd_alarm_driver_silent, l->settings.link, now,
		"the device's connection is down");
}

bool qkd_link_driver_is_wanted(const struct qkd_link *l)
{
	return collect_is_wanted(&l->collect);
}

void qkd_link_tick(struct qkd_link *l, struct moment now)
{
	const uint64_t driver_ms = now.mono_ms - l->driver_heard_ms;

	l->now = now;
	begin(l);
	if (l->status.has_driver && driver_ms > l->settings.driver_ms_max &&
		qkd_link_driver_is_wanted(l))
		alarm_raise(l->alarms, &qkd_alarm_driver_silent, l->settings.link, now,
			"no record for %d ms", (int)driver_ms);
	if (l->stage != STAGE_AWAY && l->stage != STAGE_IDLE &&
		now.mono_ms - l->stage_since_ms > l->settings.answer_ms_max) {
		if (link_block_runs(l))
			link_block_abort(l, QKD_PEER_SILENT, true);
		link_disconnect(l);
		return;
	}
	link_block_collect(l, true);
	link_block_tick(l);
	secret_wipe_traces();
}

struct qkd_link_status qkd_link_status(const struct qkd_link *l)
{
	struct qkd_link_status status = l->status;

	status.stage = stage_words[l->stage];
	status.round_trip_seconds = l->round_trip_ms / 1000;
	status.watch = l->watch.figures;
	return status;
}
