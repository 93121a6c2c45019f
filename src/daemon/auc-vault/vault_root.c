// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_root.h"
#include "crypt/envelope.h"
#include "crypt/hkdf.h"
#include <assert.h>
#include <stdio.h>

static_assert((int)ARGON2_SALT == (int)AUC_WRAPPED_SALT, "the salt has its place");
static_assert((int)VAULT_KEY == (int)AEAD_KEY, "");

static const char *const words[] = {
	[AUC_ROOT_FILE] = "file", [AUC_ROOT_PASSPHRASE] = "passphrase", [AUC_ROOT_TOKEN] = "token"};

/* From 32 octets to the wrapping key and its id. */
static struct err derive(struct vault_root *r, struct span octets)
{
	uint8_t id[4] = {0};
	char info[64];

	struct err e = r->wrapping.bytes != NULL ? OK : secret_open(&r->wrapping, VAULT_KEY);
	snprintf(info, sizeof info, "merlon/auc/root/%s", words[r->kind]);
	if (!failed(e))
		e = hkdf_sha256(
			octets, span_of(NULL, 0), span_str(info), secret_span_mut(&r->wrapping));
	snprintf(info, sizeof info, "merlon/auc/root id/%s", words[r->kind]);
	if (!failed(e))
		e = hkdf_sha256(octets, span_of(NULL, 0), span_str(info), SPAN_MUT_ARRAY(id));
	if (failed(e))
		secret_close(&r->wrapping);
	r->id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
	return e;
}

static bool is_stretched(const struct vault_root *r, const uint8_t salt[static ARGON2_SALT],
	const struct argon2_cost *cost)
{
	return r->wrapping.bytes != NULL && memcmp(r->salt, salt, sizeof r->salt) == 0 &&
	       r->cost.memory_kib == cost->memory_kib && r->cost.passes == cost->passes &&
	       r->cost.lanes == cost->lanes;
}

static struct err stretch(struct vault_root *r, const uint8_t salt[static ARGON2_SALT],
	const struct argon2_cost *cost)
{
	uint8_t octets[VAULT_KEY];

	secret_close(&r->wrapping);
	struct err e = argon2id(secret_span(&r->passphrase), span_of(salt, ARGON2_SALT), cost,
		SPAN_MUT_ARRAY(octets));
	if (!failed(e))
		e = derive(r, SPAN_ARRAY(octets));
	secret_wipe(octets, sizeof octets);
	memcpy(r->salt, salt, sizeof r->salt);
	r->cost = *cost;
	return e;
}

struct err vault_roots_add(struct vault_roots *roots, enum auc_root kind, struct span source)
{
	if (roots->count == VAULT_ROOTS_MAX)
		return ERR(LIMIT);
	struct vault_root *r = &roots->items[roots->count];
	*r = (struct vault_root){.kind = kind};
	const struct err e = kind == AUC_ROOT_PASSPHRASE ? secret_copy(&r->passphrase, source)
							 : derive(r, source);
	roots->count += !failed(e);
	return e;
}

void vault_roots_close(struct vault_roots *roots)
{
	for (size_t i = 0; i < roots->count; i++) {
		secret_close(&roots->items[i].passphrase);
		secret_close(&roots->items[i].wrapping);
	}
	roots->count = 0;
}

/* What a wrapped key is bound to: what it is, its id, and the head that it stands behind. */
struct bound {
	char bytes[96];
};

static struct span bind(struct bound *b, uint32_t key_id, struct span head)
{
	const int n = snprintf(b->bytes, sizeof b->bytes, "merlon/auc/key-encryption key/%lu/",
		(unsigned long)key_id);

	assert(n > 0 && (size_t)n + head.len <= sizeof b->bytes);
	memcpy(b->bytes + n, head.at, head.len);
	return span_of(b->bytes, (size_t)n + head.len);
}

/* The salt and cost of what was stretched last stay; else they are new. */
static struct err stretched_for_wrapping(struct vault_root *r, const struct entropy *entropy)
{
	uint8_t salt[ARGON2_SALT];

	if (r->wrapping.bytes != NULL)
		return OK;
	const struct err e = entropy_fill(entropy, SPAN_MUT_ARRAY(salt));
	return failed(e) ? e : stretch(r, salt, &ARGON2_COST_DEFAULT);
}

struct err vault_root_wrap(struct vault_roots *roots, const struct entropy *entropy,
	uint32_t key_id, struct span key, struct writer *wrapped)
{
	struct vault_root *r = &roots->items[0];
	uint8_t head[AUC_WRAPPED_HEAD_MAX], sealed[VAULT_KEY + ENVELOPE_OVERHEAD];
	struct writer w = writer_of(SPAN_MUT_ARRAY(head));
	struct bound bound;

	assert(roots->count > 0 && key.len == VAULT_KEY);
	struct err e = r->kind == AUC_ROOT_PASSPHRASE ? stretched_for_wrapping(r, entropy) : OK;
	if (failed(e))
		return e;
	struct auc_wrapped form = {.root = r->kind,
		.memory_kib = r->cost.memory_kib,
		.passes = r->cost.passes,
		.lanes = r->cost.lanes};
	memcpy(form.salt, r->salt, sizeof form.salt);
	auc_wrapped_head_encode(&w, &form);
	const struct envelope_key wrapping = {.id = r->id, .key = secret_span(&r->wrapping)};
	e = envelope_seal(&wrapping, entropy, bind(&bound, key_id, writer_span_done(&w)), key,
		SPAN_MUT_ARRAY(sealed));
	writer_span(wrapped, writer_span_done(&w));
	writer_span(wrapped, SPAN_ARRAY(sealed));
	return e;
}

/* What is stretched for a key is kept where it opened the key, and nothing is wrapped with it before. */
static struct err open_under(
	struct vault_root *r, uint32_t key_id, const struct auc_wrapped *form, struct secret *key)
{
	const struct argon2_cost cost = {
		.memory_kib = form->memory_kib, .passes = form->passes, .lanes = form->lanes};
	struct vault_root trial = {.kind = r->kind, .passphrase = r->passphrase};
	struct bound bound;

	if (r->kind != form->root)
		return ERR(ABSENT);
	const bool is_trial = r->kind == AUC_ROOT_PASSPHRASE && !is_stretched(r, form->salt, &cost);
	struct vault_root *const with = is_trial ? &trial : r;
	struct err e = is_trial ? stretch(&trial, form->salt, &cost) : OK;
	if (failed(e))
		return e;
	const struct envelope_key wrapping = {.id = with->id, .key = secret_span(&with->wrapping)};
	e = envelope_open(
		&wrapping, bind(&bound, key_id, form->head), form->sealed, secret_span_mut(key));
	if (is_trial)
		secret_close(failed(e) ? &trial.wrapping : &r->wrapping);
	if (is_trial && !failed(e))
		*r = trial;
	return e;
}

struct err vault_root_unwrap(struct vault_roots *roots, uint32_t key_id, struct span wrapped,
	struct secret *key, bool *is_former)
{
	struct wire_fault fault = {0};
	struct auc_wrapped form;

	*key = (struct secret){0};
	if (failed(auc_wrapped_decode(wrapped, &form, &fault)) ||
		form.sealed.len != VAULT_KEY + ENVELOPE_OVERHEAD)
		return ERR(CRYPTO);
	struct err e = secret_open(key, VAULT_KEY);
	if (failed(e))
		return e;
	for (size_t i = 0; i < roots->count; i++) {
		*is_former = i > 0;
		if (!failed(open_under(&roots->items[i], key_id, &form, key)))
			return OK;
	}
	secret_close(key);
	return ERR(CRYPTO);
}
