// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_work.h"
#include "auc/resync.h"
#include "crypt/envelope.h"
#include <assert.h>
#include <stdio.h>

static_assert((int)AUC_KEYS_MAX + (int)ENVELOPE_OVERHEAD <= (int)AUC_SEALED_MAX,
	"an envelope fits its field");

struct auc_vault_scratch {
	struct auc_keys keys;
	uint8_t plain[AUC_KEYS_MAX];
	struct auc_clear_rows rows;
};

static struct auc_vault_scratch *scratch_of(struct auc_vault *v)
{
	return (struct auc_vault_scratch *)(void *)v->scratch.bytes;
}

struct err auc_vault_open(struct auc_vault *v, struct entropy entropy)
{
	v->entropy = entropy;
	v->algorithms.engine = aes128_engine();
	return secret_open(&v->scratch, sizeof(struct auc_vault_scratch));
}

void auc_vault_close(struct auc_vault *v)
{
	secret_close(&v->scratch);
	secret_close(&v->kek);
}

/* Sealed keys are bound to what they are and whose. */
struct owner {
	char text[64];
};

static struct span owner_of(struct owner *o, const char *imsi)
{
	snprintf(o->text, sizeof o->text, "merlon/auc/subscriber/%s", imsi);
	return span_str(o->text);
}

static struct err unseal(struct auc_vault *v, const char *imsi, struct span sealed)
{
	const struct envelope_key kek = {.id = v->kek_id, .key = secret_span(&v->kek)};
	struct auc_vault_scratch *s = scratch_of(v);
	struct wire_fault fault = {0};
	struct owner owner;

	if (sealed.len < AUC_KEYS_MIN + ENVELOPE_OVERHEAD ||
		sealed.len > AUC_KEYS_MAX + ENVELOPE_OVERHEAD)
		return ERR(INPUT);
	const size_t len = sealed.len - ENVELOPE_OVERHEAD;
	const struct err e =
		envelope_open(&kek, owner_of(&owner, imsi), sealed, span_mut_of(s->plain, len));
	return failed(e) ? e : auc_keys_decode(span_of(s->plain, len), &s->keys, &fault);
}

static void forget(struct auc_vault *v)
{
	struct auc_vault_scratch *s = scratch_of(v);

	secret_wipe(&s->keys, sizeof s->keys);
	secret_wipe(s->plain, sizeof s->plain);
}

static struct err compute(
	struct auc_vault *v, const struct auc_vectors_ask *ask, struct writer *answer)
{
	struct auth_vector vectors[AUTH_VECTORS_MAX] = {0};
	struct err e = OK;

	for (uint8_t i = 0; i < ask->count && !failed(e); i++) {
		e = entropy_fill(&v->entropy, SPAN_MUT_ARRAY(vectors[i].rand));
		if (!failed(e))
			e = vector_compute(&v->algorithms, &scratch_of(v)->keys,
				ask->sqn_first + (uint64_t)i * ask->sqn_step, ask->radio,
				&vectors[i]);
	}
	if (!failed(e))
		auc_vectors_encode(answer, vectors, ask->count);
	secret_wipe(vectors, sizeof vectors);
	return e;
}

static struct err on_vectors(struct auc_vault *v, struct span body, struct writer *answer)
{
	struct wire_fault fault = {0};
	struct auc_vectors_ask ask;

	struct err e = auc_vectors_ask_decode(body, &ask, &fault);
	if (!failed(e))
		e = unseal(v, ask.imsi, ask.sealed);
	if (!failed(e))
		e = compute(v, &ask, answer);
	forget(v);
	return e;
}

static struct err on_resync(struct auc_vault *v, struct span body, struct writer *answer)
{
	struct wire_fault fault = {0};
	struct auc_resync_ask ask;
	uint64_t sqn_ms = 0;

	struct err e = auc_resync_ask_decode(body, &ask, &fault);
	if (!failed(e))
		e = unseal(v, ask.imsi, ask.sealed);
	/* An envelope that does not open is our fault, not the card's: ERR_AUTH means MAC-S alone.
	 */
	if (e.kind == ERR_AUTH)
		e = ERR(CRYPTO);
	if (!failed(e))
		e = resync_open(&v->algorithms, &scratch_of(v)->keys, ask.rand, ask.auts, &sqn_ms);
	forget(v);
	if (!failed(e))
		auc_u64_encode(answer, sqn_ms);
	return e;
}

static struct err seal_row(struct auc_vault *v, struct auc_clear_row *row,
	uint8_t out[static AUC_SEALED_MAX], struct span *sealed)
{
	const struct envelope_key kek = {.id = v->kek_id, .key = secret_span(&v->kek)};
	struct auc_vault_scratch *s = scratch_of(v);
	struct writer w = writer_of(SPAN_MUT_ARRAY(s->plain));
	struct owner owner;
	struct span plain;

	struct err e = row->is_op ? auc_keys_derive_opc(&v->algorithms, &row->keys) : OK;
	auc_keys_encode(&w, &row->keys);
	if (!failed(e))
		e = writer_result(&w, &plain);
	if (failed(e))
		return e;
	*sealed = span_of(out, plain.len + ENVELOPE_OVERHEAD);
	return envelope_seal(&kek, &v->entropy, owner_of(&owner, row->imsi), plain,
		span_mut_of(out, sealed->len));
}

static struct err on_seal(struct auc_vault *v, struct span body, struct writer *answer)
{
	static uint8_t sealed[AUC_ROWS_MAX][AUC_SEALED_MAX];
	struct auc_clear_rows *rows = &scratch_of(v)->rows;
	struct span spans[AUC_ROWS_MAX];
	struct wire_fault fault = {0};

	struct err e = auc_clear_rows_decode(body, rows, &fault);
	if (!failed(e) && rows->transport[0] != '\0')
		e = ERR(ABSENT);
	for (size_t i = 0; i < rows->count && !failed(e); i++)
		e = seal_row(v, &rows->rows[i], sealed[i], &spans[i]);
	if (!failed(e))
		auc_sealed_encode(answer, spans, rows->count);
	secret_wipe(rows, sizeof *rows);
	forget(v);
	return e;
}

struct err auc_vault_serve(void *ctx, uint16_t type, struct span body, struct writer *answer)
{
	switch (type) {
	case AUC_VECTORS:
		return on_vectors(ctx, body, answer);
	case AUC_RESYNC:
		return on_resync(ctx, body, answer);
	case AUC_SEAL:
		return on_seal(ctx, body, answer);
	default:
		return ERR(INPUT);
	}
}
