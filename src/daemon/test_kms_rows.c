// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Two sites whose machines lose power at arbitrary calls of their disks. At each of them everything
 * between the quantum link and the disk is what runs in the daemons: qkd/link.h, the key store's
 * engine, the vault's answers, the rows in SQL, SQLite. Recorders outside see every pad that is
 * used, every block that is called final and every key that is handed out. With a store that does
 * not sync, the same test sees pads and keys used twice.
 *
 * Simulated are time, the connection between the sites, the audit log, and the light: recorded
 * once, and seen again by every block (final keys differ nevertheless: each has a seed of its own).
 */
#include "codec/qkd_pads.h"
#include "crypt/digest.h"
#include "daemon/kms-store/rows.h"
#include "kms/vault.h"
#include "qkd/link.h"
#include "qkd/optics_model.h"
#include "support/powerloss.h"
#include "support/sim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
enum { IS_SLOW = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
enum { IS_SLOW = 1 };
#else
enum { IS_SLOW = 0 };
#endif
#else
enum { IS_SLOW = 0 };
#endif

enum { ALICE, BOB, WORLD }; /* nodes of the simulation; the first two are sites, too */
enum {
	LOSSES_EACH = 51,
	WORLDS = IS_SLOW ? 5 : 20,
	WORLDS_UNSAFE = IS_SLOW ? 20 : 30,
	LOSSES_EACH_UNSAFE = 6
};
enum { CALLS_UNTIL_LOSS = 80, CALLS_UNTIL_LOSS_UNSAFE = 120 }; /* at most, of one life */
enum { LIGHT_MS = 4, CHUNK = 8192, SLOTS = 73728, CHUNKS = 2 * SLOTS / CHUNK, DETECTIONS = 15000 };
enum { PADS_SEEN = 4096, BLOCKS_SEEN = 1024, KEYS_SEEN = 4096, TICK_MS = 100 };
enum { TIMER_LIGHT = 1, TIMER_CONNECT, TIMER_RESTART_ALICE, TIMER_RESTART_BOB }; /* of the world */
enum { TIMER_STORE = 1, TIMER_LATER, TIMER_LINK_ASKS, TIMER_TICK, TIMER_SAE };   /* of a site */
enum { TO_LINK, TO_KMS, ANSWER_OF_KMS }; /* what a message is */

/* --- the recorders: outside of all that can crash --- */

struct seen_block {
	uint8_t id[QKD_BLOCK_ID], digest[SHA256_OCTETS];
	bool is_final; /* the link was told that it is, durably */
};

struct seen_key {
	struct kms_key_id id;
	bool is_master;
	size_t len;
	uint8_t octets[SLOT_OCTETS];
};

struct recorder {
	bool pad_is_sent[PADS_SEEN], pad_is_accepted[PADS_SEEN];
	struct qkd_marks durable; /* highest that the store called durable */
	size_t block_count, key_count;
	struct seen_block blocks[BLOCKS_SEEN];
	struct seen_key keys[KEYS_SEEN];
};

struct tally {
	uint64_t losses, damaged;
	uint64_t sent, accepted, reused, fallen; /* pads; marks that were lower than before */
	uint64_t finals, finals_lost, unequal;   /* blocks */
	uint64_t keys, collected, twice, differing, forgotten;
};

static void see_pad(bool used[static PADS_SEEN], uint64_t index, uint64_t *count, uint64_t *reused)
{
	assert_true(index < PADS_SEEN);
	*reused += used[index];
	++*count;
	used[index] = true;
}

static struct seen_block *block_of(struct recorder *r, const uint8_t *id)
{
	for (size_t i = 0; i < r->block_count; i++)
		if (memcmp(r->blocks[i].id, id, QKD_BLOCK_ID) == 0)
			return &r->blocks[i];
	return NULL;
}

/* --- the world --- */

struct later {
	struct later *next;
	kms_done_fn *done;
	void *ctx;
	uint64_t id;
	struct err err;
	size_t len;
	uint8_t body[];
};

/* Who waits for an answer of the engine; a loss takes them along. */
struct asked {
	struct asked *next;
	struct site *site;
	uint64_t id;
	uint16_t type;
	uint8_t epoch;
};

struct site {
	struct world *world;
	size_t node;
	struct powerloss *disk;
	struct recorder seen;
	struct kms_config config;
	struct kms_vault vault;
	uint64_t lives;

	/* From here on, what a loss of power takes. */
	struct store *store;
	struct kms *kms;
	struct qkd_link *link;
	struct alarm_registry alarms;
	struct later *soon, **soon_end; /* answers of vault and audit log, on their way */
	struct later *peer_waits;       /* for answers of the other site */
	struct asked *asked;
	struct qkd_marks marks;
	bool is_lost, is_store_due, has_driver, wants_disconnect;
	uint16_t request_type;
	size_t request_len;
	uint8_t request[QKD_REQUEST_MAX];
};

struct world {
	struct sim *sim;
	struct prop *prop;
	struct site sites[2];
	uint64_t next_slot, next_id;
	uint8_t epoch; /* of the connection */
	bool is_connected, is_light_on, is_unsafe;
	uint64_t losses_wanted;
	size_t collectable_count[2];
	struct kms_key_id
		collectable[2][KEYS_SEEN]; /* keys that masters got: to be collected at that site */
	uint8_t bootstrap[BOOTSTRAP_OCTETS_MAX];
	struct tally tally;
};

static bool is_dead(const struct site *s)
{
	return s->is_lost || powerloss_is_off(s->disk);
}

static struct site *other_site(struct site *s)
{
	return &s->world->sites[1 - s->node];
}

static bool is_more_to_lose(const struct world *w)
{
	return w->tally.losses < w->losses_wanted;
}

/* The worst moment: something has left the site, and nobody else knows yet. */
static void lose_power_once_in(struct site *s, uint64_t times)
{
	const struct world *w = s->world;

	if (is_more_to_lose(w) && !is_dead(s) && prop_below(w->prop, times) == 0)
		powerloss_crash(s->disk);
}

/* --- the engine's ports --- */

static struct later *later_new(kms_done_fn *done, void *ctx, struct err e, struct span body)
{
	struct later *l = calloc(1, sizeof *l + body.len);

	assert_non_null(l);
	*l = (struct later){.done = done, .ctx = ctx, .err = e, .len = body.len};
	if (body.len > 0)
		memcpy(l->body, body.at, body.len);
	return l;
}

static void later_free(struct later *l)
{
	while (l != NULL) {
		struct later *next = l->next;
		free(l);
		l = next;
	}
}

static void answer_soon(struct site *s, struct later *l)
{
	*s->soon_end = l;
	s->soon_end = &l->next;
	sim_timer(s->world->sim, s->node, 1, TIMER_LATER);
}

static void port_vault(
	void *ctx, uint16_t type, struct span body, kms_done_fn *done, void *done_ctx)
{
	static uint8_t out[KVAULT_MESSAGE_MAX];
	struct site *s = ctx;
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));
	const struct err e = kms_vault_serve(&s->vault, type, body, &w);

	answer_soon(s,
		later_new(done, done_ctx, e, failed(e) ? span_of(NULL, 0) : writer_span_done(&w)));
}

static void port_audit(void *ctx, struct span json, kms_done_fn *done, void *done_ctx)
{
	(void)json;
	answer_soon(ctx, later_new(done, done_ctx, OK, span_of(NULL, 0)));
}

struct saving {
	struct site *site;
	kms_done_fn *done;
	void *ctx;
};

/* As kms-store does: an error that is no refusal ends the process, and nobody hears of it. */
static void on_saved(void *ctx, struct err e, const struct store_result *result)
{
	const struct saving saving = *(struct saving *)ctx;

	(void)result;
	free(ctx);
	if (failed(e) && e.kind != ERR_STATE)
		saving.site->is_lost = true;
	if (!is_dead(saving.site))
		saving.done(saving.ctx, e, span_of(NULL, 0));
}

static void port_save(void *ctx, const struct kms_change *changes, size_t count, kms_done_fn *done,
	void *done_ctx)
{
	struct site *s = ctx;
	struct world *w = s->world;
	struct saving *saving = malloc(sizeof *saving);

	assert_non_null(saving);
	*saving = (struct saving){s, done, done_ctx};
	if (failed(store_submit(s->store, rows_batch(changes, count, sim_now(w->sim).unix_ms),
		    on_saved, saving))) {
		free(saving);
		s->is_lost = true;
	} else if (!s->is_store_due) {
		s->is_store_due = true;
		sim_timer(w->sim, s->node, 1 + prop_below(w->prop, 3), TIMER_STORE);
	}
}

/* --- the connection: epoch, what it is, type, and the rest --- */

static void say(struct site *s, uint8_t what, uint16_t type, struct span head, struct span body)
{
	static uint8_t framed[SIM_MESSAGE_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(framed));

	writer_u8(&w, s->world->epoch);
	writer_u8(&w, what);
	writer_u16(&w, type);
	writer_span(&w, head);
	writer_span(&w, body);
	sim_send(s->world->sim, s->node, 1 - s->node, writer_span_done(&w));
}

static void send_to_kms(
	struct site *s, uint8_t what, uint16_t type, uint64_t id, struct err e, struct span body)
{
	uint8_t head[9];
	struct writer w = writer_of(SPAN_MUT_ARRAY(head));

	writer_u64(&w, id);
	writer_u8(&w, (uint8_t)e.kind);
	say(s, what, type, writer_span_done(&w), body);
}

static void port_peer(void *ctx, uint16_t type, struct span body, kms_done_fn *done, void *done_ctx)
{
	struct site *s = ctx;

	if (is_dead(s))
		return;
	if (!s->world->is_connected) {
		done(done_ctx, ERR(IO), span_of(NULL, 0));
		return;
	}
	struct later *l = later_new(done, done_ctx, OK, span_of(NULL, 0));
	l->id = ++s->world->next_id;
	l->next = s->peer_waits;
	s->peer_waits = l;
	send_to_kms(s, TO_KMS, type, l->id, OK, body);
}

static void peer_answered(struct site *s, uint64_t id, struct err e, struct span body)
{
	struct later **at = &s->peer_waits;

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->next;
	struct later *l = *at;
	if (l == NULL)
		return;
	*at = l->next;
	l->done(l->ctx, e, body);
	free(l);
}

static struct asked *asked_new(struct site *s, uint16_t type, uint64_t id)
{
	struct asked *a = calloc(1, sizeof *a);

	assert_non_null(a);
	*a = (struct asked){
		.next = s->asked, .site = s, .id = id, .type = type, .epoch = s->world->epoch};
	s->asked = a;
	return a;
}

static void asked_end(struct asked *a)
{
	struct asked **at = &a->site->asked;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	free(a);
}

static void answer_peer(void *ctx, struct err e, struct span body)
{
	struct asked *a = ctx;

	if (!is_dead(a->site) && a->epoch == a->site->world->epoch)
		send_to_kms(a->site, ANSWER_OF_KMS, a->type, a->id, e, body);
	asked_end(a);
}

/* --- the link's port --- */

static void link_sends(void *ctx, uint16_t type, struct span body)
{
	struct site *s = ctx;
	struct tally *t = &s->world->tally;
	struct link_message m;
	struct wire_fault fault = {0};

	if (is_dead(s) || !s->world->is_connected)
		return;
	say(s, TO_LINK, type, span_of(NULL, 0), body);
	if (type != LINK_TAG)
		return;
	assert_false(failed(link_decode(LINK_TAG, body, &m, &fault)));
	see_pad(s->seen.pad_is_sent, m.pad_index, &t->sent, &t->reused);
	lose_power_once_in(s, 4);
}

static void link_asks(void *ctx, uint16_t type, struct span body)
{
	struct site *s = ctx;

	assert_true(body.len <= sizeof s->request);
	memcpy(s->request, body.at, body.len);
	s->request_len = body.len;
	s->request_type = type;
	sim_timer(s->world->sim, s->node, 1, TIMER_LINK_ASKS);
}

static void link_disconnects(void *ctx)
{
	((struct site *)ctx)->wants_disconnect = true;
}

static void link_block_done(void *ctx, enum qkd_abort reason, const char *report)
{
	(void)ctx, (void)reason, (void)report;
}

/* What was durable once is there after any loss. */
static void see_opened(struct site *s, struct span body)
{
	struct qkd_opened opened;
	struct wire_fault fault = {0};

	assert_false(failed(qkd_opened_decode(body, &opened, &fault)));
	s->world->tally.fallen += opened.marks.send < s->seen.durable.send;
	s->world->tally.fallen += opened.marks.accept < s->seen.durable.accept;
	s->marks = opened.marks;
}

/* A mark raised for the other's pad is durable: now its tag is checked. */
static void see_marks(struct site *s, const struct qkd_request *q)
{
	struct tally *t = &s->world->tally;

	if (s->request_type == QKD_MARK && q->marks.accept > s->marks.accept)
		see_pad(s->seen.pad_is_accepted, q->marks.accept - 1, &t->accepted, &t->reused);
	assert_true(q->marks.send >= s->marks.send && q->marks.accept >= s->marks.accept);
	s->marks = q->marks;
	if (q->marks.send > s->seen.durable.send)
		s->seen.durable.send = q->marks.send;
	if (q->marks.accept > s->seen.durable.accept)
		s->seen.durable.accept = q->marks.accept;
}

static void see_pending(struct site *s, const struct qkd_request *q)
{
	struct recorder *r = &s->seen;

	assert_true(r->block_count < BLOCKS_SEEN);
	struct seen_block *b = &r->blocks[r->block_count++];
	memcpy(b->id, q->block_id, QKD_BLOCK_ID);
	assert_false(failed(sha256(q->key, b->digest)));
}

static void see_final(struct site *s, const struct qkd_request *q)
{
	struct seen_block *b = block_of(&s->seen, q->block_id);

	assert_non_null(b);
	s->world->tally.finals += !b->is_final;
	b->is_final = true;
}

static void link_is_answered(void *ctx, struct err e, struct span body)
{
	struct site *s = ctx;
	struct qkd_request q;
	struct wire_fault fault = {0};
	const uint16_t type = s->request_type;

	if (is_dead(s))
		return;
	assert_false(
		failed(qkd_request_decode(type, span_of(s->request, s->request_len), &q, &fault)));
	if (!failed(e) && type == QKD_OPEN)
		see_opened(s, body);
	if (!failed(e) && (type == QKD_MARK || type == QKD_STATE || type == QKD_BLOCK_FINAL))
		see_marks(s, &q);
	if (!failed(e) && type == QKD_BLOCK_FINAL)
		see_final(s, &q);
	qkd_link_store_answered(s->link, sim_now(s->world->sim), e, body);
}

static void link_request(struct site *s)
{
	struct qkd_request q;
	struct wire_fault fault = {0};
	const struct span body = span_of(s->request, s->request_len);

	assert_false(failed(qkd_request_decode(s->request_type, body, &q, &fault)));
	if (s->request_type == QKD_BLOCK_PENDING)
		see_pending(s, &q);
	kms_request(s->kms, s->request_type, body, sim_now(s->world->sim), link_is_answered, s);
}

/* --- SAEs: a master and a slave at each site --- */

static const char *const site_names[2] = {"core", "radio"};
static const char *const masters[2] = {"core-master", "radio-master"};
static const char *const slaves[2] = {"core-slave", "radio-slave"};

static void see_key(struct site *s, bool is_master, const struct kms_key *key)
{
	const struct recorder *far = &other_site(s)->seen;
	struct recorder *r = &s->seen;
	struct tally *t = &s->world->tally;

	for (size_t i = 0; i < r->key_count; i++)
		t->twice += memcmp(&r->keys[i].id, &key->id, sizeof key->id) == 0;
	for (size_t i = 0; i < far->key_count; i++)
		t->differing +=
			memcmp(&far->keys[i].id, &key->id, sizeof key->id) == 0 &&
			!span_equal(span_of(far->keys[i].octets, far->keys[i].len), key->key);
	assert_true(r->key_count < KEYS_SEEN && key->key.len <= SLOT_OCTETS);
	struct seen_key *seen = &r->keys[r->key_count++];
	*seen = (struct seen_key){.id = key->id, .is_master = is_master, .len = key->key.len};
	memcpy(seen->octets, key->key.at, key->key.len);
	t->keys++;
	t->collected += !is_master;
}

static void keys_answered(void *ctx, struct err e, struct span body)
{
	struct asked *a = ctx;
	struct site *s = a->site;
	struct world *w = s->world;
	const bool is_master = a->type == KMS_ENC_KEYS;
	struct kms_keys keys;
	struct wire_fault fault = {0};

	asked_end(a);
	if (failed(e) || is_dead(s))
		return;
	assert_false(failed(kms_keys_decode(&keys, body, &fault)));
	for (size_t i = 0; i < keys.count; i++) {
		size_t *count = &w->collectable_count[1 - s->node];
		see_key(s, is_master, &keys.items[i]);
		if (is_master && *count < KEYS_SEEN)
			w->collectable[1 - s->node][(*count)++] = keys.items[i].id;
	}
	lose_power_once_in(s, w->is_unsafe && !is_master ? 2 : 8);
}

static void ask_keys(struct site *s)
{
	struct kms_enc_request m = {.slave_count = 1,
		.number = 1 + (uint32_t)prop_below(s->world->prop, 3),
		.size_bits = 256};
	uint8_t body[1024];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	assert_true(kms_name_set(&m.master, masters[s->node]));
	assert_true(kms_name_set(&m.slaves[0], slaves[1 - s->node]));
	kms_enc_request_encode(&w, &m);
	kms_request(s->kms, KMS_ENC_KEYS, writer_span_done(&w), sim_now(s->world->sim),
		keys_answered, asked_new(s, KMS_ENC_KEYS, 0));
}

/* Mostly one of the newest, and whether it was collected already or not. */
static void collect_key(struct site *s)
{
	struct world *w = s->world;
	const size_t count = w->collectable_count[s->node];
	const size_t newest = count < 6 || prop_below(w->prop, 4) == 0 ? count : 6;
	struct kms_dec_request m = {.count = 1};
	uint8_t body[1024];
	struct writer out = writer_of(SPAN_MUT_ARRAY(body));

	if (count == 0)
		return;
	assert_true(kms_name_set(&m.master, masters[1 - s->node]));
	assert_true(kms_name_set(&m.caller, slaves[s->node]));
	m.ids[0] = w->collectable[s->node][count - 1 - prop_below(w->prop, newest)];
	kms_dec_request_encode(&out, &m);
	kms_request(s->kms, KMS_DEC_KEYS, writer_span_done(&out), sim_now(w->sim), keys_answered,
		asked_new(s, KMS_DEC_KEYS, 0));
}

static void saes_work(struct site *s)
{
	if (!s->world->is_light_on)
		return;
	if (prop_below(s->world->prop, 2) == 0)
		ask_keys(s);
	collect_key(s);
	sim_timer(s->world->sim, s->node, 5 + prop_below(s->world->prop, 30), TIMER_SAE);
}

/* --- life and death --- */

static void settle_effects(struct world *w);

static void on_message(void *ctx, struct sim *sim, size_t from, struct span bytes)
{
	struct site *s = ctx;
	struct wire_fault fault = {0};
	struct reader r = reader_of(bytes, &fault);
	const bool is_current = reader_u8(&r, "epoch") == s->world->epoch && s->world->is_connected;
	const uint8_t what = reader_u8(&r, "what");
	const uint16_t type = reader_u16(&r, "type");

	(void)from;
	if (is_current && what == TO_LINK) {
		qkd_link_peer_message(s->link, sim_now(sim), type, reader_rest(&r));
	} else if (is_current) {
		const uint64_t id = reader_u64(&r, "id");
		const struct err e = {(enum err_kind)reader_u8(&r, "err")};
		if (what == TO_KMS)
			kms_request(s->kms, type, reader_rest(&r), sim_now(sim), answer_peer,
				asked_new(s, type, id));
		else
			peer_answered(s, id, e, reader_rest(&r));
	}
	settle_effects(s->world);
}

static void answer_first(struct site *s)
{
	struct later *l = s->soon;

	s->soon = l->next;
	if (s->soon == NULL)
		s->soon_end = &s->soon;
	l->done(l->ctx, l->err, span_of(l->body, l->len));
	free(l);
}

static void on_timer(void *ctx, struct sim *sim, uint64_t tag)
{
	struct site *s = ctx;

	if (tag == TIMER_STORE) {
		s->is_store_due = false;
		store_step(s->store);
	} else if (tag == TIMER_LATER) {
		answer_first(s);
	} else if (tag == TIMER_LINK_ASKS) {
		link_request(s);
	} else if (tag == TIMER_SAE) {
		saes_work(s);
	} else {
		qkd_link_tick(s->link, sim_now(sim));
		kms_tick(s->kms, sim_now(sim));
		sim_timer(sim, s->node, TICK_MS, TIMER_TICK);
	}
	settle_effects(s->world);
}

static const struct link_parameters shared = {.protocol = QKD_TWO_DECOY,
	.detections_per_block = DETECTIONS,
	.intensity_micro = {650000, 250000, 200},
	.probability_micro = {150000, 600000, 250000},
	.basis_x_micro = 650000,
	.eps_sec_exponent = 1, /* blocks short enough for hundreds of them: for this test alone */
	.eps_cor_exponent = 15};

static struct err link_start(struct site *s)
{
	const struct qkd_link_settings settings = {.role = s->node == ALICE ? LINK_ALICE : LINK_BOB,
		.link = "test",
		.shared = shared,
		.qber_max = 0.08,
		.key_bits_min = 4000,
		.test_bits_min = 500,
		.final_bits_min = 2056,
		.slots_max = 1 << 22,
		.ring_slots = 1 << 18,
		.frames_in_flight = 4,
		.answer_ms_max = 5000,
		.driver_ms_max = 5000};
	const struct qkd_link_port port = {
		s, link_sends, link_asks, link_disconnects, link_block_done};

	const struct err e = qkd_link_open(&s->link, &settings, port, prop_entropy(s->world->prop),
		&s->alarms, SPAN_ARRAY(s->world->bootstrap), NULL);
	if (!failed(e))
		qkd_link_store_up(s->link, sim_now(s->world->sim));
	return e;
}

/* In the unsafe world, too, the first life is safe: so there is something to lose. */
static struct err store_start(struct site *s)
{
	const struct store_settings on_disk = {.path = "kms.db",
		.schema = &rows_schema,
		.vfs = s->node == ALICE ? "pads-alice" : "pads-bob",
		.unsafe_no_sync = s->world->is_unsafe && s->lives > 0};
	const uint64_t calls =
		1 + prop_below(s->world->prop,
			    s->world->is_unsafe ? CALLS_UNTIL_LOSS_UNSAFE : CALLS_UNTIL_LOSS);
	const bool is_plagued = is_more_to_lose(s->world);
	struct complaint c;

	powerloss_restart(s->disk);
	if (is_plagued && s->lives > 0)
		powerloss_fault(s->disk, POWERLOSS_ANY, POWERLOSS_POWER_OFF, calls);
	const struct err e = store_open(&s->store, NULL, &on_disk, &c);
	if (is_plagued && s->lives == 0)
		powerloss_fault(s->disk, POWERLOSS_ANY, POWERLOSS_POWER_OFF, calls);
	return e;
}

static void site_start(struct site *s)
{
	struct world *w = s->world;
	const struct kms_ports ports = {s, port_save, port_vault, port_peer, port_audit};
	struct complaint c;

	s->soon_end = &s->soon;
	sim_node_set(w->sim, s->node, (struct sim_node){s, on_message, on_timer});
	struct err e = store_start(s);
	if (!failed(e))
		e = kms_open(&s->kms, &s->config, &ports, &c);
	if (!failed(e))
		e = rows_load(s->store, s->kms, &c);
	if (!failed(e)) {
		kms_start(s->kms, sim_now(w->sim));
		kms_delivery(s->kms, true);
		e = link_start(s);
	}
	s->is_lost = failed(e);
	sim_timer(w->sim, s->node, TICK_MS, TIMER_TICK);
	sim_timer(w->sim, s->node, 10, TIMER_SAE);
}

static void site_stop(struct site *s)
{
	s->is_lost = true; /* completions of the store reach nobody any more */
	store_close(s->store);
	qkd_link_close(s->link);
	if (s->kms != NULL)
		kms_close(s->kms);
	later_free(s->soon);
	later_free(s->peer_waits);
	while (s->asked != NULL)
		asked_end(s->asked);
	s->store = NULL;
	s->kms = NULL;
	s->link = NULL;
	s->soon = s->peer_waits = NULL;
	s->is_lost = s->is_store_due = s->has_driver = s->wants_disconnect = false;
	sim_crash(s->world->sim, s->node);
}

static void site_die(struct site *s)
{
	struct world *w = s->world;

	w->tally.damaged += !powerloss_is_off(s->disk); /* an error, but nobody cut the power */
	if (!powerloss_is_off(s->disk))
		powerloss_crash(s->disk);
	site_stop(s);
	s->lives++;
	w->tally.losses++;
	sim_timer(w->sim, WORLD, 5 + prop_below(w->prop, 30),
		s->node == ALICE ? TIMER_RESTART_ALICE : TIMER_RESTART_BOB);
}

static void site_is_cut_off(struct site *s)
{
	struct later *waits = s->peer_waits;
	const struct moment now = sim_now(s->world->sim);

	s->peer_waits = NULL;
	if (s->link == NULL)
		return;
	kms_peer_link(s->kms, false, now);
	for (struct later *l = waits; l != NULL; l = l->next)
		l->done(l->ctx, ERR(IO), span_of(NULL, 0));
	later_free(waits);
	qkd_link_peer_down(s->link, now);
}

static void connection_break(struct world *w)
{
	if (!w->is_connected)
		return;
	w->is_connected = false;
	w->epoch++;
	for (size_t i = 0; i < 2; i++)
		site_is_cut_off(&w->sites[i]);
	sim_timer(w->sim, WORLD, 10, TIMER_CONNECT);
}

/* After each event: who lost power, who hung up. */
static void settle_effects(struct world *w)
{
	bool is_broken = false;

	for (size_t i = 0; i < 2; i++) {
		struct site *s = &w->sites[i];
		const bool is_dying = s->store != NULL && is_dead(s);
		is_broken = is_broken || is_dying || s->wants_disconnect;
		s->wants_disconnect = false;
		if (is_dying || s->is_lost)
			site_die(s);
	}
	if (is_broken)
		connection_break(w);
}

static void join(struct world *w)
{
	if (w->is_connected)
		return;
	if (w->sites[0].link == NULL || w->sites[1].link == NULL) {
		sim_timer(w->sim, WORLD, 10, TIMER_CONNECT);
		return;
	}
	w->is_connected = true;
	for (size_t i = 0; i < 2; i++) {
		qkd_link_peer_up(w->sites[i].link, sim_now(w->sim));
		kms_peer_link(w->sites[i].kms, true, sim_now(w->sim));
	}
}

/* --- light --- */

static struct chunk {
	uint8_t nibbles[CHUNK / 2];
	uint32_t count;
	struct driver_event events[CHUNK];
} recorded[CHUNKS];

static struct err fill_quickly(void *ctx, struct span_mut out)
{
	for (size_t at = 0; at < out.len; at += 8) {
		const uint64_t v = prop_u64(ctx);
		memcpy(out.at + at, &v, out.len - at < 8 ? out.len - at : 8);
	}
	return OK;
}

static int light_record(void **state)
{
	const struct optics_settings settings = {.attenuation_db_km = 0.2,
		.detector_efficiency = 1,
		.dark_count = 1e-6,
		.misalignment = 0.002,
		.intensity = {0.65, 0.25, 2e-4},
		.probability = {0.15, 0.6, 0.25},
		.basis_x = 0.65};
	struct prop prop = prop_seeded(1);
	struct optics optics;

	(void)state;
	assert_false(failed(
		optics_open(&optics, &settings, (struct entropy){&prop, fill_quickly}, NULL)));
	for (size_t i = 0; i < CHUNKS; i++) {
		struct chunk *c = &recorded[i];
		assert_false(failed(optics_run(&optics, CHUNK, c->nibbles, c->events, &c->count)));
		for (uint32_t n = 0; n < c->count; n++)
			c->events[n].slot -= i * CHUNK;
	}
	return 0;
}

static void device_says(struct site *s, const struct writer *w)
{
	struct driver_record record;
	struct wire_fault fault = {0};

	assert_false(failed(driver_decode(writer_span_done(w), &record, &fault)));
	assert_false(failed(qkd_link_driver_record(s->link, sim_now(s->world->sim), &record)));
}

static void device_greet(struct site *s)
{
	uint8_t buffer[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct driver_hello hello = {.role = s->node == ALICE ? DRIVER_ALICE : DRIVER_BOB,
		.is_simulated = true,
		.session = {1},
		.basis_x_micro = shared.basis_x_micro};

	memcpy(hello.intensity_micro, shared.intensity_micro, sizeof hello.intensity_micro);
	memcpy(hello.probability_micro, shared.probability_micro, sizeof hello.probability_micro);
	driver_hello_encode(&w, &hello);
	s->has_driver = true;
	device_says(s, &w);
}

static void device_reports(struct site *s, uint64_t first, const struct chunk *c)
{
	static uint8_t buffer[DRIVER_RECORD_MAX];
	static struct driver_event events[CHUNK];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (!s->has_driver)
		device_greet(s);
	for (uint32_t i = 0; i < c->count; i++)
		events[i] = (struct driver_event){
			.slot = first + c->events[i].slot, .mask = c->events[i].mask};
	if (s->node == ALICE)
		driver_slots_encode(&w, first, CHUNK, SPAN_ARRAY(c->nibbles));
	else
		driver_events_encode(&w, first, CHUNK, events, c->count);
	device_says(s, &w);
}

static void light(struct world *w)
{
	const uint64_t first = w->next_slot;

	if (!w->is_light_on)
		return;
	sim_timer(w->sim, WORLD, LIGHT_MS, TIMER_LIGHT);
	for (size_t i = 0; i < 2; i++)
		if (!w->is_connected || !qkd_link_driver_is_wanted(w->sites[i].link))
			return;
	w->next_slot += CHUNK;
	for (size_t i = 0; i < 2; i++)
		device_reports(&w->sites[i], first, &recorded[first / CHUNK % CHUNKS]);
}

/* --- one world --- */

static void on_world(void *ctx, struct sim *sim, uint64_t tag)
{
	struct world *w = ctx;

	(void)sim;
	if (tag == TIMER_LIGHT)
		light(w);
	if (tag == TIMER_CONNECT)
		join(w);
	if (tag == TIMER_RESTART_ALICE)
		site_start(&w->sites[ALICE]);
	if (tag == TIMER_RESTART_BOB)
		site_start(&w->sites[BOB]);
	settle_effects(w);
}

static void site_make(struct world *w, size_t node, uint64_t seed)
{
	static const uint8_t kek[2][32] = {{1}, {2}};
	struct site *s = &w->sites[node];

	s->world = w;
	s->node = node;
	s->disk = powerloss_open(node == ALICE ? "pads-alice" : "pads-bob", 2 * seed + node);
	s->config = (struct kms_config){
		.key_bits = 256, .offer_ms_max = 300, .retry_ms = 30, .collect_ms_max = 5000};
	assert_true(kms_name_set(&s->config.site, site_names[node]));
	assert_true(kms_name_set(&s->config.peer_site, site_names[1 - node]));
	s->vault = (struct kms_vault){.kek = {.id = 1, .key = SPAN_ARRAY(kek[node])},
		.entropy = prop_entropy(w->prop),
		.site = s->config.site,
		.peer_site = s->config.peer_site};
	site_start(s);
}

static struct world *world_open(uint64_t seed, bool is_unsafe, uint64_t losses_wanted)
{
	struct world *w = calloc(1, sizeof *w);

	assert_non_null(w);
	w->sim = sim_open(seed, (struct sim_network){.delay_ms_min = 1, .delay_ms_max = 1});
	w->prop = sim_prop(w->sim);
	w->is_unsafe = is_unsafe;
	w->is_light_on = true;
	w->losses_wanted = losses_wanted;
	prop_fill(w->prop, SPAN_MUT_ARRAY(w->bootstrap));
	for (size_t i = 0; i < 2; i++)
		site_make(w, i, seed);
	sim_node_set(w->sim, WORLD, (struct sim_node){w, NULL, on_world});
	sim_timer(w->sim, WORLD, 5, TIMER_CONNECT);
	sim_timer(w->sim, WORLD, 5, TIMER_LIGHT);
	return w;
}

static void run_for(struct world *w, uint64_t ms)
{
	sim_run(w->sim, sim_now(w->sim).mono_ms + ms);
}

/* --- what is on the disks at the end --- */

static const char *const nothing[] = {NULL};
static const struct store_statement looks[] = {
	{"blocks", "SELECT id, state FROM block"}, {"keys", "SELECT id, state FROM issued"}};
enum { LOOK_BLOCKS, LOOK_KEYS };

struct found {
	size_t count;
	struct {
		uint8_t id[PEER_ID];
		int64_t state;
	} items[2 * KEYS_SEEN];
};

static void found_rows(void *ctx, struct err err, const struct store_result *result)
{
	struct found *f = ctx;

	assert_false(failed(err));
	for (f->count = 0; f->count < store_result_rows(result, 0); f->count++) {
		const struct store_value *v = store_result_row(result, 0, f->count)->columns;
		assert_true(f->count < ARRAY_LEN(f->items) && v[0].bytes.len == PEER_ID);
		memcpy(f->items[f->count].id, v[0].bytes.at, PEER_ID);
		f->items[f->count].state = v[1].i64;
	}
}

static int64_t state_of(const struct found *f, const void *id)
{
	for (size_t i = 0; i < f->count; i++)
		if (memcmp(f->items[i].id, id, PEER_ID) == 0)
			return f->items[i].state;
	return -1;
}

/* The same database with other statements; the power stays. */
static void look(struct site *s, size_t statement, struct found *f)
{
	const struct store_schema schema = {.name = rows_schema.name,
		.version = rows_schema.version,
		.create = nothing,
		.statements = looks,
		.statement_count = ARRAY_LEN(looks)};
	const struct store_settings on_disk = {.path = "kms.db",
		.schema = &schema,
		.vfs = s->node == ALICE ? "pads-alice" : "pads-bob"};
	struct store_batch *b = store_batch_open();
	struct store *store;
	struct complaint c;

	assert_false(failed(store_open(&store, NULL, &on_disk, &c)));
	store_batch_add(b, statement, NULL, 0);
	assert_false(failed(store_run(store, b, found_rows, f)));
	store_close(store);
}

static bool is_kept(int64_t state)
{
	return state >= BLOCK_FINAL && state <= BLOCK_SPENT;
}

/* After the last greeting a block is kept at both ends, the same octets, or at none. */
static void count_blocks(struct site *s, const struct found *ours, const struct found *theirs)
{
	struct tally *t = &s->world->tally;

	for (size_t i = 0; i < ours->count; i++) {
		const uint8_t *id = ours->items[i].id;
		const struct seen_block *a = block_of(&s->seen, id),
					*b = block_of(&other_site(s)->seen, id);
		if (ours->items[i].state == BLOCK_VOID)
			continue;
		if (!is_kept(ours->items[i].state) || !is_kept(state_of(theirs, id)) || a == NULL ||
			b == NULL || memcmp(a->digest, b->digest, sizeof a->digest) != 0)
			t->unequal++;
	}
	for (size_t i = 0; i < s->seen.block_count; i++)
		t->finals_lost += s->seen.blocks[i].is_final &&
				  !is_kept(state_of(ours, s->seen.blocks[i].id));
}

static void count_keys(struct site *s)
{
	static struct found keys;

	look(s, LOOK_KEYS, &keys);
	for (size_t i = 0; i < s->seen.key_count; i++)
		s->world->tally.forgotten += state_of(&keys, &s->seen.keys[i].id) != KEY_DELIVERED;
}

static void examine(struct world *w)
{
	static struct found blocks[2];

	for (size_t i = 0; i < 2; i++)
		look(&w->sites[i], LOOK_BLOCKS, &blocks[i]);
	for (size_t i = 0; i < 2; i++) {
		count_blocks(&w->sites[i], &blocks[i], &blocks[1 - i]);
		count_keys(&w->sites[i]);
	}
}

/* Runs until there were losses enough, then lets it come to rest with the light off. */
static struct tally play(uint64_t seed, bool is_unsafe, uint64_t losses)
{
	struct world *w = world_open(seed, is_unsafe, losses);

	/* Ends whose marks fell refuse each other, for ever. */
	for (int i = 0;
		i < 2000 && is_more_to_lose(w) && w->tally.damaged == 0 && w->tally.fallen < 40;
		i++)
		run_for(w, 10);
	for (size_t i = 0; i < 2; i++)
		powerloss_fault_clear(w->sites[i].disk);
	w->losses_wanted = 0;
	if (!is_unsafe) {
		run_for(w, 300);
		w->is_light_on = false;
		run_for(w, 1000);
	}
	for (size_t i = 0; i < 2; i++)
		site_stop(&w->sites[i]);
	if (!is_unsafe && w->tally.damaged == 0)
		examine(w);
	const struct tally t = w->tally;
	for (size_t i = 0; i < 2; i++)
		powerloss_close(w->sites[i].disk);
	sim_close(w->sim);
	free(w);
	return t;
}

static struct tally play_many(uint64_t seed, size_t worlds, bool is_unsafe, uint64_t losses_each)
{
	struct tally sum = {0};
	uint64_t *to = (uint64_t *)&sum;

	for (uint64_t i = 0; i < worlds; i++) {
		const struct tally t = play(seed + i, is_unsafe, losses_each);
		for (size_t n = 0; n < sizeof t / sizeof *to; n++)
			to[n] += ((const uint64_t *)&t)[n];
	}
	print_message(
		"seed %d: %d losses; pads: %d sent, %d accepted, %d used twice, %d marks fell; "
		"blocks: %d final, %d lost, %d unequal; keys: %d handed out, %d to slaves, %d "
		"twice, "
		"%d differ, %d forgotten; %d damaged\n",
		(int)seed, (int)sum.losses, (int)sum.sent, (int)sum.accepted, (int)sum.reused,
		(int)sum.fallen, (int)sum.finals, (int)sum.finals_lost, (int)sum.unequal,
		(int)sum.keys, (int)sum.collected, (int)sum.twice, (int)sum.differing,
		(int)sum.forgotten, (int)sum.damaged);
	return sum;
}

static void no_pad_and_no_key_is_used_twice_over_a_thousand_power_losses(void **state)
{
	const struct prop prop = prop_from_environment(20);
	const struct tally t = play_many(prop.seed, WORLDS, false, LOSSES_EACH);

	(void)state;
	assert_int_equal(t.damaged, 0);
	assert_int_equal(t.reused, 0);
	assert_int_equal(t.fallen, 0);
	assert_int_equal(t.finals_lost, 0);
	assert_int_equal(t.unequal, 0);
	assert_int_equal(t.twice, 0);
	assert_int_equal(t.differing, 0);
	assert_int_equal(t.forgotten, 0);
	/* And it went on all the time. */
	assert_true(t.losses >= (uint64_t)WORLDS * LOSSES_EACH);
	assert_true(IS_SLOW || t.losses >= 1000);
	assert_true(t.sent >= t.losses / 4 && t.accepted >= t.losses / 4);
	assert_true(
		t.finals >= t.losses / 10 && t.keys >= t.losses / 2 && t.collected >= t.losses / 8);
}

/* The same test must be able to fail. */
static void without_syncs_pads_and_keys_are_used_twice(void **state)
{
	const struct tally t = play_many(1, WORLDS_UNSAFE, true, LOSSES_EACH_UNSAFE);

	(void)state;
	assert_true(t.reused > 0);
	assert_true(t.fallen > 0);
	assert_true(t.twice > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_pad_and_no_key_is_used_twice_over_a_thousand_power_losses),
		cmocka_unit_test(without_syncs_pads_and_keys_are_used_twice),
	};

	return cmocka_run_group_tests(tests, light_record, NULL);
}
