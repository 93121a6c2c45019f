// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_work.h"
#include "auc/resync.h"
#include "host/kek_file.h"
#include <assert.h>

static_assert((int)AUC_KEYS_MAX + (int)ENVELOPE_OVERHEAD <= (int)AUC_SEALED_MAX,
	"an envelope fits its field");
static_assert(
	(int)AUC_WRAPPED_HEAD_MAX + (int)VAULT_KEY + (int)ENVELOPE_OVERHEAD <= (int)AUC_WRAPPED_MAX,
	"a wrapped key fits its field");

struct auc_vault_scratch {
	struct auc_keys keys;
	uint8_t plain[AUC_KEYS_MAX];
	struct auc_clear_rows rows;
};

/* Sealed rows on their way out: nothing in clear. */
static uint8_t sealed_out[AUC_ROWS_MAX][AUC_SEALED_MAX];

static struct auc_vault_scratch *scratch_of(struct auc_vault *v)
{
	return (struct auc_vault_scratch *)(void *)v->scratch.bytes;
}

struct err auc_vault_open(struct auc_vault *v, const struct auc_vault_options *options)
{
	*v = (struct auc_vault){.role = options->role};
	v->algorithms.engine = aes128_engine();
	vault_keys_open(&v->keys);
	struct err e = secret_open(&v->scratch, sizeof(struct auc_vault_scratch));
	if (!failed(e))
		e = vault_random_open(&v->random, options->entropy);
	v->entropy = vault_random_entropy(&v->random);
	if (!failed(e))
		e = vault_limits_open(&v->limits, &options->limits, options->clock, &v->entropy);
	if (failed(e))
		auc_vault_close(v);
	return e;
}

void auc_vault_close(struct auc_vault *v)
{
	vault_limits_close(&v->limits);
	vault_random_close(&v->random);
	secret_close(&v->scratch);
	vault_keys_close(&v->keys);
	vault_transports_close(&v->transports);
	vault_roots_close(&v->roots);
}

struct err auc_vault_former_key_add(struct auc_vault *v, struct span octets)
{
	struct secret key;
	uint32_t id;

	const struct err e = kek_derive(octets, "auc", &key, &id);
	return failed(e) ? e : vault_keys_add(&v->keys, id, &key, true);
}

/* ---- rows ---- */

/* Sealed keys are bound to what they are and whose. */
#define OWNER_KIND "merlon/auc/subscriber/"
struct owner {
	char text[sizeof OWNER_KIND + IMSI_TEXT];
};

static struct span owner_of(struct owner *o, const char imsi[static IMSI_TEXT])
{
	const size_t len = strnlen(imsi, IMSI_TEXT);

	memcpy(o->text, OWNER_KIND, sizeof OWNER_KIND - 1);
	memcpy(o->text + sizeof OWNER_KIND - 1, imsi, len);
	return span_of(o->text, sizeof OWNER_KIND - 1 + len);
}

/* A row's keys become s->keys; `key` is what sealed it. */
static struct err unseal(
	struct auc_vault *v, const char *imsi, struct span sealed, struct envelope_key *key)
{
	struct auc_vault_scratch *s = scratch_of(v);
	struct wire_fault fault = {0};
	struct owner owner;

	if (sealed.len < AUC_KEYS_MIN + ENVELOPE_OVERHEAD ||
		sealed.len > AUC_KEYS_MAX + ENVELOPE_OVERHEAD)
		return ERR(INPUT);
	struct err e = vault_keys_find(&v->keys, sealed, key);
	if (failed(e))
		return e;
	const size_t len = sealed.len - ENVELOPE_OVERHEAD;
	e = envelope_open(key, owner_of(&owner, imsi), sealed, span_mut_of(s->plain, len));
	if (failed(e))
		return e;
	return len == AUC_KEYS_FORMER
		       ? auc_keys_decode_former(span_of(s->plain, len), &s->keys, &fault)
		       : auc_keys_decode(span_of(s->plain, len), &s->keys, &fault);
}

static void forget(struct auc_vault *v)
{
	struct auc_vault_scratch *s = scratch_of(v);

	secret_wipe(&s->keys, sizeof s->keys);
	secret_wipe(s->plain, sizeof s->plain);
}

/* `keys` sealed for `imsi` under the newest key. */
static struct err seal(struct auc_vault *v, const char *imsi, const struct auc_keys *keys,
	uint8_t out[static AUC_SEALED_MAX], struct span *sealed)
{
	struct auc_vault_scratch *s = scratch_of(v);
	struct writer w = writer_of(SPAN_MUT_ARRAY(s->plain));
	struct envelope_key key;
	struct owner owner;
	struct span plain;

	auc_keys_encode(&w, keys);
	struct err e = writer_result(&w, &plain);
	if (!failed(e))
		e = vault_keys_newest(&v->keys, &key);
	if (failed(e))
		return e;
	*sealed = span_of(out, plain.len + ENVELOPE_OVERHEAD);
	return envelope_seal(
		&key, &v->entropy, owner_of(&owner, imsi), plain, span_mut_of(out, sealed->len));
}

/* ---- vectors ---- */

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
	secret_wipe(vectors, ask->count * sizeof vectors[0]);
	return e;
}

static struct err on_vectors(struct auc_vault *v, struct span body, struct writer *answer)
{
	struct wire_fault fault = {0};
	struct auc_vectors_ask ask;
	struct envelope_key key;

	struct err e = auc_vectors_ask_decode(body, &ask, &fault);
	if (!failed(e))
		e = vault_limits_vectors(&v->limits, ask.imsi, ask.count);
	if (!failed(e))
		e = unseal(v, ask.imsi, ask.sealed, &key);
	if (!failed(e))
		e = compute(v, &ask, answer);
	forget(v);
	return e;
}

static struct err on_resync(struct auc_vault *v, struct span body, struct writer *answer)
{
	struct wire_fault fault = {0};
	struct auc_resync_ask ask;
	struct envelope_key key;
	uint64_t sqn_ms = 0;

	struct err e = auc_resync_ask_decode(body, &ask, &fault);
	if (!failed(e))
		e = vault_limits_auts(&v->limits, ask.imsi);
	if (!failed(e))
		e = unseal(v, ask.imsi, ask.sealed, &key);
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

/* ---- sealing ---- */

/* What could not be computed with is not sealed either: ERR_INPUT. */
static struct err seal_row(struct auc_vault *v, const struct vault_transport *transport,
	struct auc_clear_row *row, uint8_t out[static AUC_SEALED_MAX], struct span *sealed)
{
	struct err e = vault_transport_decrypt(transport, &row->keys);
	if (!failed(e) && auc_keys_refusal(&v->algorithms, &row->keys) != NULL)
		e = ERR(INPUT);
	if (!failed(e) && row->is_op)
		e = auc_keys_derive_opc(&v->algorithms, &row->keys);
	return failed(e) ? e : seal(v, row->imsi, &row->keys, out, sealed);
}

static struct err on_seal(struct auc_vault *v, struct span body, struct writer *answer)
{
	struct auc_clear_rows *clear = &scratch_of(v)->rows;
	const struct vault_transport *transport = NULL;
	struct span spans[AUC_ROWS_MAX];
	struct wire_fault fault = {0};

	struct err e = auc_clear_rows_decode(body, clear, &fault);
	if (!failed(e))
		e = vault_transport_find(&v->transports, clear->transport, &transport);
	for (size_t i = 0; i < clear->count && !failed(e); i++)
		e = seal_row(v, transport, &clear->rows[i], sealed_out[i], &spans[i]);
	if (!failed(e))
		auc_sealed_encode(answer, spans, clear->count);
	secret_wipe(clear, sizeof *clear);
	forget(v);
	return e;
}

/* A row under the newest key already stays as it is. */
static struct err reseal_row(struct auc_vault *v, const struct auc_sealed_row *row,
	uint8_t out[static AUC_SEALED_MAX], struct span *sealed)
{
	struct envelope_key newest, key;

	struct err e = vault_keys_newest(&v->keys, &newest);
	if (!failed(e))
		e = unseal(v, row->imsi, row->sealed, &key);
	if (failed(e))
		return e;
	if (key.id != newest.id)
		return seal(v, row->imsi, &scratch_of(v)->keys, out, sealed);
	*sealed = row->sealed;
	return OK;
}

static struct err on_reseal(struct auc_vault *v, struct span body, struct writer *answer)
{
	static struct auc_sealed_rows rows;
	struct span spans[AUC_ROWS_MAX];
	struct wire_fault fault = {0};

	struct err e = auc_sealed_rows_decode(body, &rows, &fault);
	for (size_t i = 0; i < rows.count && !failed(e); i++)
		e = reseal_row(v, &rows.rows[i], sealed_out[i], &spans[i]);
	if (!failed(e))
		auc_sealed_encode(answer, spans, rows.count);
	forget(v);
	return e;
}

/* ---- key-encryption keys ---- */

static struct err wrap(struct auc_vault *v, uint32_t id, const struct secret *key,
	uint8_t out[static AUC_WRAPPED_MAX], struct auc_wrapped_keys *keys)
{
	struct auc_wrapped_key *entry = &keys->keys[keys->count];
	struct writer w = writer_of(span_mut_of(out, AUC_WRAPPED_MAX));

	struct err e = vault_root_wrap(&v->roots, &v->entropy, id, secret_span(key), &w);
	if (!failed(e))
		e = writer_result(&w, &entry->wrapped);
	entry->id = id;
	keys->count += !failed(e);
	return e;
}

/* Not in the ring yet: the store makes it durable, and then loads it. */
static struct err on_key_make(struct auc_vault *v, struct span body, struct writer *answer)
{
	struct auc_wrapped_keys made = {0};
	struct wire_fault fault = {0};
	uint8_t wrapped[AUC_WRAPPED_MAX];
	struct secret key = {0};
	uint64_t id;

	struct err e = auc_u64_decode(body, &id, &fault);
	if (!failed(e) && (id == 0 || id > UINT32_MAX))
		e = ERR(INPUT);
	if (!failed(e))
		e = secret_open(&key, VAULT_KEY);
	if (!failed(e))
		e = entropy_fill(&v->random.source, secret_span_mut(&key));
	if (!failed(e))
		e = wrap(v, (uint32_t)id, &key, wrapped, &made);
	if (!failed(e))
		auc_wrapped_keys_encode(answer, &made);
	secret_close(&key);
	return e;
}

static struct err load_key(struct auc_vault *v, const struct auc_wrapped_key *entry,
	uint8_t out[static AUC_WRAPPED_MAX], struct auc_wrapped_keys *anew)
{
	struct secret key;
	bool is_former = false;

	struct err e = vault_root_unwrap(&v->roots, entry->id, entry->wrapped, &key, &is_former);
	if (!failed(e) && is_former)
		e = wrap(v, entry->id, &key, out, anew);
	if (failed(e)) {
		secret_close(&key);
		return e;
	}
	return vault_keys_add(&v->keys, entry->id, &key, false);
}

static struct err on_keys_load(struct auc_vault *v, struct span body, struct writer *answer)
{
	static struct auc_wrapped_keys keys;
	struct auc_wrapped_keys anew = {0};
	uint8_t wrapped[AUC_WRAPPED_KEYS_MAX][AUC_WRAPPED_MAX];
	struct wire_fault fault = {0};

	struct err e = auc_wrapped_keys_decode(body, &keys, &fault);
	for (size_t i = 0; i < keys.count && !failed(e); i++)
		e = load_key(v, &keys.keys[i], wrapped[i], &anew);
	if (!failed(e))
		auc_wrapped_keys_encode(answer, &anew);
	return e;
}

static const struct {
	uint16_t type;
	unsigned roles;
	struct err (*on)(struct auc_vault *v, struct span body, struct writer *answer);
} rows[] = {
	{AUC_VECTORS, AUC_VAULT_SERVES, on_vectors},
	{AUC_RESYNC, AUC_VAULT_SERVES, on_resync},
	{AUC_KEY_MAKE, AUC_VAULT_SERVES, on_key_make},
	{AUC_RESEAL, AUC_VAULT_SERVES, on_reseal},
	{AUC_SEAL, AUC_VAULT_IMPORTS, on_seal},
	{AUC_KEYS_LOAD, AUC_VAULT_SERVES | AUC_VAULT_IMPORTS, on_keys_load},
};

struct err auc_vault_serve(void *ctx, uint16_t type, struct span body, struct writer *answer)
{
	struct auc_vault *v = ctx;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].type == type && (rows[i].roles & v->role) != 0)
			return rows[i].on(v, body, answer);
	return ERR(INPUT);
}
