// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault.h"
#include "combine.h"
#include "exchange.h"
#include "shelf.h"
#include "base/secret.h"
#include "crypt/aead.h"
#include <assert.h>

static_assert((int)KVAULT_ENVELOPE == (int)ENVELOPE_OVERHEAD, "codec and crypt agree");
static_assert((int)KVAULT_SEGMENT_OCTETS == (int)SEGMENT_SLOTS * (int)SLOT_OCTETS,
	"codec and room agree");
static_assert(KVAULT_SECRETS == sizeof(struct exchange_secrets) + ENVELOPE_OVERHEAD, "");
static_assert(KVAULT_SECRETS == sizeof(struct exchange_private) + ENVELOPE_OVERHEAD, "");

/* What an envelope is bound to. */
struct label {
	uint8_t bytes[ENVELOPE_AAD_MAX];
	size_t len;
};

static struct span label_span(const struct label *l)
{
	return span_of(l->bytes, l->len);
}

static struct label label_state(const struct kms_name *link)
{
	struct label l;
	struct writer w = writer_of(SPAN_MUT_ARRAY(l.bytes));

	writer_span(&w, span_str("merlon kms link state 1"));
	kms_name_write(&w, link);
	l.len = w.len;
	return l;
}

static struct label label_segment(const char *what, const struct kvault_segment *s)
{
	struct label l;
	struct writer w = writer_of(SPAN_MUT_ARRAY(l.bytes));

	writer_span(&w, span_str(what));
	writer_span(&w, SPAN_ARRAY(s->block_id));
	writer_u32(&w, s->slots);
	writer_u32(&w, s->number);
	l.len = w.len;
	return l;
}

static struct label label_exchange(const char *what, const uint8_t block_id[static PEER_ID],
	const uint8_t exchange_id[static PEER_ID])
{
	struct label l;
	struct writer w = writer_of(SPAN_MUT_ARRAY(l.bytes));

	writer_span(&w, span_str(what));
	writer_span(&w, span_of(block_id, PEER_ID));
	writer_span(&w, span_of(exchange_id, PEER_ID));
	l.len = w.len;
	return l;
}

static const char segment_key_label[] = "merlon kms segment key 1";
static const char segment_label[] = "merlon kms segment 1";
static const char private_label[] = "merlon kms exchange private 1";
static const char secrets_label[] = "merlon kms exchange secrets 1";

/* A place for `len` octets in the answer, to be filled by sealing or opening. */
static struct span_mut answer_place(struct writer *w, size_t len)
{
	if (w->is_full || w->limit - w->len < len) {
		w->is_full = true;
		return (struct span_mut){NULL, 0};
	}
	struct span_mut place = span_mut_of(w->base + w->len, len);
	w->len += len;
	return place;
}

static struct err serve_state_seal(struct kms_vault *v, struct span body, struct writer *answer)
{
	struct kvault_named m;
	struct wire_fault fault = {0};

	struct err e = kvault_named_decode(&m, body, &fault);
	if (failed(e))
		return e;
	const struct label l = label_state(&m.link);
	const struct span_mut out = answer_place(answer, m.bytes.len + ENVELOPE_OVERHEAD);
	if (out.at == NULL)
		return ERR(LIMIT);
	return envelope_seal(&v->kek, &v->entropy, label_span(&l), m.bytes, out);
}

static struct err serve_state_open(struct kms_vault *v, struct span body, struct writer *answer)
{
	struct kvault_named m;
	struct wire_fault fault = {0};

	struct err e = kvault_named_decode(&m, body, &fault);
	if (failed(e))
		return e;
	if (m.bytes.len < ENVELOPE_OVERHEAD)
		return ERR(INPUT);
	const struct label l = label_state(&m.link);
	const struct span_mut out = answer_place(answer, m.bytes.len - ENVELOPE_OVERHEAD);
	if (out.at == NULL)
		return ERR(LIMIT);
	return envelope_open(&v->kek, label_span(&l), m.bytes, out);
}

/* Draws a segment key, seals the plain segment under it and it under the key-encryption key. */
static struct err segment_seal(struct kms_vault *v, const struct kvault_segment *s,
	struct span plain, struct span_mut wrapped, struct span_mut sealed)
{
	uint8_t key[AEAD_KEY];
	const struct envelope_key segment_key = {.id = s->number, .key = SPAN_ARRAY(key)};
	const struct label key_label = label_segment(segment_key_label, s);
	const struct label label = label_segment(segment_label, s);

	struct err e = entropy_fill(&v->entropy, SPAN_MUT_ARRAY(key));
	if (!failed(e))
		e = envelope_seal(
			&v->kek, &v->entropy, label_span(&key_label), SPAN_ARRAY(key), wrapped);
	if (!failed(e))
		e = envelope_seal(&segment_key, &v->entropy, label_span(&label), plain, sealed);
	secret_wipe(key, sizeof key);
	return e;
}

/* The inverse. `plain` holds KVAULT_SEGMENT_OCTETS; *len is what the segment has. */
static struct err segment_open(struct kms_vault *v, const struct kvault_segment *s,
	uint8_t plain[static KVAULT_SEGMENT_OCTETS], size_t *len)
{
	uint8_t key[AEAD_KEY];
	const struct envelope_key segment_key = {.id = s->number, .key = SPAN_ARRAY(key)};
	const struct label key_label = label_segment(segment_key_label, s);
	const struct label label = label_segment(segment_label, s);

	if (s->wrapped.len != KVAULT_WRAPPED || s->sealed.len < ENVELOPE_OVERHEAD + SLOT_OCTETS ||
		s->sealed.len > KVAULT_SEALED_MAX)
		return ERR(INPUT);
	*len = s->sealed.len - ENVELOPE_OVERHEAD;
	struct err e =
		envelope_open(&v->kek, label_span(&key_label), s->wrapped, SPAN_MUT_ARRAY(key));
	if (!failed(e))
		e = envelope_open(
			&segment_key, label_span(&label), s->sealed, span_mut_of(plain, *len));
	secret_wipe(key, sizeof key);
	return e;
}

static struct err serve_block_seal(struct kms_vault *v, struct span body, struct writer *answer)
{
	struct kvault_block m;
	struct wire_fault fault = {0};

	struct err e = kvault_block_decode(&m, body, &fault);
	if (failed(e))
		return e;
	struct kvault_segment s = {.slots = (uint32_t)(m.key.len / SLOT_OCTETS)};
	if (s.slots < BLOCK_SLOTS_LEAST)
		return ERR(INPUT);
	memcpy(s.block_id, m.block_id, sizeof s.block_id);
	struct reader r = reader_of(span_of(m.key.at, (size_t)s.slots * SLOT_OCTETS), &fault);
	writer_u8(answer, (uint8_t)((s.slots + SEGMENT_SLOTS - 1) / SEGMENT_SLOTS));
	for (s.number = 0; reader_more(&r) && !failed(e); s.number++) {
		const size_t left = reader_left(&r);
		const struct span plain = reader_span(
			&r, left < KVAULT_SEGMENT_OCTETS ? left : KVAULT_SEGMENT_OCTETS, "segment");
		const struct span_mut wrapped = answer_place(answer, KVAULT_WRAPPED);
		writer_u32(answer, (uint32_t)(plain.len + ENVELOPE_OVERHEAD));
		const struct span_mut sealed = answer_place(answer, plain.len + ENVELOPE_OVERHEAD);
		if (answer->is_full)
			return ERR(LIMIT);
		e = segment_seal(v, &s, plain, wrapped, sealed);
	}
	return e;
}

static struct err serve_exchange_open(struct kms_vault *v, struct span body, struct writer *answer)
{
	struct kvault_opened m = {.public = {.initiator = v->site, .responder = v->peer_site}};
	struct exchange_private private;
	struct wire_fault fault = {0};
	struct reader r = reader_of(body, &fault);

	reader_copy(&r, SPAN_MUT_ARRAY(m.public.block_id), "block_id");
	reader_end(&r, "kvault_exchange_open");
	struct err e = wire_result(&fault);
	if (!failed(e))
		e = exchange_open(&v->entropy, &m.public, &private);
	if (!failed(e)) {
		const struct label l =
			label_exchange(private_label, m.public.block_id, m.public.exchange_id);
		e = envelope_seal(&v->kek, &v->entropy, label_span(&l),
			span_of(&private, sizeof private), SPAN_MUT_ARRAY(m.private));
	}
	if (!failed(e))
		kvault_opened_encode(answer, &m);
	secret_wipe(&private, sizeof private);
	return e;
}

static struct err secrets_seal(struct kms_vault *v, const struct peer_exchange *public,
	const struct exchange_secrets *secrets, struct kvault_agreed *agreed)
{
	const struct label l = label_exchange(secrets_label, public->block_id, public->exchange_id);

	memcpy(agreed->transcript, secrets->transcript, sizeof agreed->transcript);
	return envelope_seal(&v->kek, &v->entropy, label_span(&l),
		span_of(secrets, sizeof *secrets), SPAN_MUT_ARRAY(agreed->secrets));
}

/* The message is about this pair of sites and the segment about the block of the message. */
static bool is_ours(const struct peer_exchange *public, const struct kvault_segment *s,
	const struct kms_name *initiator, const struct kms_name *responder)
{
	return kms_name_equal(&public->initiator, initiator) &&
	       kms_name_equal(&public->responder, responder) && s->number == 0 &&
	       span_equal(SPAN_ARRAY(public->block_id), SPAN_ARRAY(s->block_id));
}

static struct err serve_exchange_answer(
	struct kms_vault *v, struct span body, struct writer *answer)
{
	struct kvault_answer m;
	struct kvault_answered out;
	struct exchange_secrets secrets;
	uint8_t plain[KVAULT_SEGMENT_OCTETS];
	size_t len = 0;
	struct wire_fault fault = {0};

	struct err e = kvault_answer_decode(&m, body, &fault);
	if (!failed(e) && !is_ours(&m.public, &m.segment, &v->peer_site, &v->site))
		e = ERR(INPUT);
	if (!failed(e))
		e = segment_open(v, &m.segment, plain, &len);
	if (!failed(e))
		e = exchange_answer(&v->entropy, &m.public, span_of(plain, SLOT_OCTETS),
			&out.answer, &secrets, out.agreed.proof);
	if (!failed(e))
		e = secrets_seal(v, &m.public, &secrets, &out.agreed);
	if (!failed(e))
		kvault_answered_encode(answer, &out);
	secret_wipe(plain, sizeof plain);
	secret_wipe(&secrets, sizeof secrets);
	return e;
}

static struct err private_open(
	struct kms_vault *v, const struct kvault_finish *m, struct exchange_private *private)
{
	const struct label l =
		label_exchange(private_label, m->public.block_id, m->public.exchange_id);

	return envelope_open(&v->kek, label_span(&l), SPAN_ARRAY(m->private),
		span_mut_of(private, sizeof *private));
}

static struct err serve_exchange_finish(
	struct kms_vault *v, struct span body, struct writer *answer)
{
	struct kvault_finish m;
	struct kvault_agreed agreed;
	struct exchange_private private;
	struct exchange_secrets secrets;
	uint8_t plain[KVAULT_SEGMENT_OCTETS];
	size_t len = 0;
	struct wire_fault fault = {0};

	struct err e = kvault_finish_decode(&m, body, &fault);
	if (!failed(e) && !is_ours(&m.public, &m.segment, &v->site, &v->peer_site))
		e = ERR(INPUT);
	if (!failed(e))
		e = segment_open(v, &m.segment, plain, &len);
	if (!failed(e))
		e = private_open(v, &m, &private);
	if (!failed(e))
		e = exchange_finish(&m.public, &m.answer, &private, span_of(plain, SLOT_OCTETS),
			&secrets, agreed.proof);
	if (!failed(e))
		e = secrets_seal(v, &m.public, &secrets, &agreed);
	if (!failed(e))
		kvault_agreed_encode(answer, &agreed);
	secret_wipe(plain, sizeof plain);
	secret_wipe(&private, sizeof private);
	secret_wipe(&secrets, sizeof secrets);
	return e;
}

/* Where the slot's share lies in its opened segment. Slot 0 and what is in no half are never shares. */
static struct err share_find(const struct kvault_segment *s, uint32_t slot, struct span segment,
	struct span *share, enum direction *direction)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(segment, &fault);

	if (!direction_of_slot(s->slots, slot, direction) || slot / SEGMENT_SLOTS != s->number)
		return ERR(INPUT);
	reader_span(&r, (size_t)(slot % SEGMENT_SLOTS) * SLOT_OCTETS, "slots before");
	*share = reader_span(&r, SLOT_OCTETS, "slot");
	return wire_result(&fault);
}

static struct err key_write(struct kms_vault *v, const struct kvault_run *run, size_t at,
	struct span segment, const struct exchange_secrets *secrets, struct writer *answer)
{
	struct combine_context context = {.site = &v->site, .other = &v->peer_site};
	struct combine_secrets sources = {
		.mlkem = SPAN_ARRAY(secrets->mlkem), .x25519 = SPAN_ARRAY(secrets->x25519)};
	const size_t key_octets = run->keys[at].size_bits / 8u;
	enum direction direction;

	struct err e =
		share_find(&run->segment, run->keys[at].slot, segment, &sources.qkd, &direction);
	if (!failed(e))
		e = key_id_derive(&context.id, SPAN_ARRAY(run->segment.block_id), direction,
			run->keys[at].slot);
	if (failed(e))
		return e;
	memcpy(context.transcript, secrets->transcript, sizeof context.transcript);
	writer_span(answer, SPAN_ARRAY(context.id.octets));
	writer_u8(answer, (uint8_t)key_octets);
	const struct span_mut key = answer_place(answer, key_octets);
	return key.at == NULL ? ERR(LIMIT) : key_combine(&context, &sources, key);
}

static struct err run_combine(
	struct kms_vault *v, const struct kvault_run *run, struct writer *answer)
{
	const struct label l =
		label_exchange(secrets_label, run->segment.block_id, run->exchange_id);
	struct exchange_secrets secrets;
	uint8_t plain[KVAULT_SEGMENT_OCTETS];
	size_t len = 0;

	if (run->secrets.len != KVAULT_SECRETS)
		return ERR(INPUT);
	struct err e = envelope_open(
		&v->kek, label_span(&l), run->secrets, span_mut_of(&secrets, sizeof secrets));
	if (!failed(e))
		e = segment_open(v, &run->segment, plain, &len);
	for (size_t i = 0; i < run->count && !failed(e); i++)
		e = key_write(v, run, i, span_of(plain, len), &secrets, answer);
	secret_wipe(plain, sizeof plain);
	secret_wipe(&secrets, sizeof secrets);
	return e;
}

/* Answers in the form of struct kms_keys, in the order asked. */
static struct err serve_combine(struct kms_vault *v, struct span body, struct writer *answer)
{
	struct kvault_run run;
	struct wire_fault fault = {0};
	struct reader r = reader_of(body, &fault);
	struct err e = OK;
	size_t count = 0;

	while (reader_more(&r)) {
		kvault_run_read(&r, &run);
		count += run.count;
	}
	e = wire_result(&fault);
	if (failed(e))
		return e;
	if (count == 0 || count > KMS_KEYS_MAX)
		return ERR(LIMIT);
	writer_u8(answer, (uint8_t)count);
	r = reader_of(body, &fault);
	while (reader_more(&r) && !failed(e)) {
		kvault_run_read(&r, &run);
		e = run_combine(v, &run, answer);
	}
	return e;
}

static struct err serve_ping(struct kms_vault *v, struct span body, struct writer *answer)
{
	(void)v, (void)answer;
	return body.len == 0 ? OK : ERR(INPUT);
}

static const struct {
	uint16_t type;
	struct err (*serve)(struct kms_vault *v, struct span body, struct writer *answer);
} services[] = {
	{KVAULT_STATE_SEAL, serve_state_seal},
	{KVAULT_STATE_OPEN, serve_state_open},
	{KVAULT_BLOCK_SEAL, serve_block_seal},
	{KVAULT_EXCHANGE_OPEN, serve_exchange_open},
	{KVAULT_EXCHANGE_ANSWER, serve_exchange_answer},
	{KVAULT_EXCHANGE_FINISH, serve_exchange_finish},
	{KVAULT_COMBINE, serve_combine},
	{KVAULT_PING, serve_ping},
};

struct err kms_vault_serve(
	struct kms_vault *v, uint16_t type, struct span body, struct writer *answer)
{
	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		if (services[i].type != type)
			continue;
		const struct err e = services[i].serve(v, body, answer);
		return failed(e) ? e : answer->is_full ? ERR(LIMIT) : OK;
	}
	return ERR(INPUT);
}
