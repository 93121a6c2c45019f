// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_work.h"
#include "auc/resync.h"
#include "crypt/envelope.h"
#include <assert.h>
#include <stdio.h>

/* K || OPc || AMF || algorithm: octets alone, as they are sealed. */
static_assert(sizeof(struct auc_keys) == 35, "the form on disk is the form in memory");
enum { SEALED_KEYS = sizeof(struct auc_keys) + ENVELOPE_OVERHEAD };
static_assert((int)SEALED_KEYS <= (int)AUC_SEALED_MAX, "an envelope fits its field");

struct auc_vault_scratch {
	struct auc_keys keys;
	struct auc_clear_row rows[AUC_ROWS_MAX];
};

static struct auc_vault_scratch *scratch_of(struct auc_vault *v)
{
	return (struct auc_vault_scratch *)(void *)v->scratch.bytes;
}

struct err auc_vault_open(struct auc_vault *v, struct entropy entropy)
{
	v->entropy = entropy;
	v->engine = aes128_engine();
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
	struct auc_keys *keys = &scratch_of(v)->keys;
	struct owner owner;

	if (sealed.len != SEALED_KEYS)
		return ERR(INPUT);
	const struct err e = envelope_open(
		&kek, owner_of(&owner, imsi), sealed, span_mut_of(keys, sizeof *keys));
	return failed(e) ? e : keys->algorithm == AUC_MILENAGE ? OK : ERR(VERSION);
}

static void forget(struct auc_vault *v)
{
	secret_wipe(&scratch_of(v)->keys, sizeof(struct auc_keys));
}

static struct err compute(
	struct auc_vault *v, const struct auc_vectors_ask *ask, struct writer *answer)
{
	struct auth_vector vectors[AUTH_VECTORS_MAX] = {0};
	struct err e = OK;

	for (uint8_t i = 0; i < ask->count && !failed(e); i++) {
		e = entropy_fill(&v->entropy, SPAN_MUT_ARRAY(vectors[i].rand));
		if (!failed(e))
			vector_compute(v->engine, &scratch_of(v)->keys,
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
		e = resync_open(v->engine, &scratch_of(v)->keys, ask.rand, ask.auts, &sqn_ms);
	forget(v);
	if (!failed(e))
		auc_u64_encode(answer, sqn_ms);
	return e;
}

static struct err seal_row(
	struct auc_vault *v, const struct auc_clear_row *row, uint8_t out[static SEALED_KEYS])
{
	const struct envelope_key kek = {.id = v->kek_id, .key = secret_span(&v->kek)};
	struct auc_keys *keys = &scratch_of(v)->keys;
	struct owner owner;

	memcpy(keys->milenage.k, row->k, sizeof row->k);
	memcpy(keys->amf, row->amf, sizeof row->amf);
	keys->algorithm = (uint8_t)row->algorithm;
	if (row->is_op)
		milenage_opc(v->engine, row->k, row->op_or_opc, keys->milenage.opc);
	else
		memcpy(keys->milenage.opc, row->op_or_opc, sizeof row->op_or_opc);
	return envelope_seal(&kek, &v->entropy, owner_of(&owner, row->imsi),
		span_of(keys, sizeof *keys), span_mut_of(out, SEALED_KEYS));
}

static struct err on_seal(struct auc_vault *v, struct span body, struct writer *answer)
{
	static uint8_t sealed[AUC_ROWS_MAX][SEALED_KEYS];
	struct auc_clear_row *rows = scratch_of(v)->rows;
	struct span spans[AUC_ROWS_MAX];
	struct wire_fault fault = {0};
	size_t count = 0;

	struct err e = auc_clear_rows_decode(body, rows, &count, &fault);
	for (size_t i = 0; i < count && !failed(e); i++) {
		e = seal_row(v, &rows[i], sealed[i]);
		spans[i] = SPAN_ARRAY(sealed[i]);
	}
	if (!failed(e))
		auc_sealed_encode(answer, spans, count);
	secret_wipe(rows, AUC_ROWS_MAX * sizeof rows[0]);
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
