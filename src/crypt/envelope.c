// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "envelope.h"
#include <assert.h>

/* Octets alone, so that it has no padding and no byte order. */
struct head {
	uint8_t version, algorithm;
	uint8_t key_id[4];
	uint8_t nonce[AEAD_NONCE];
};

static_assert(sizeof(struct head) == ENVELOPE_HEAD, "the head is on disk as it stands here");
static_assert(ENVELOPE_OVERHEAD == ENVELOPE_HEAD + AEAD_TAG, "");

static void key_id_put(uint8_t out[4], uint32_t id)
{
	for (size_t i = 0; i < 4; i++)
		out[i] = (uint8_t)(id >> (24 - 8 * i));
}

static uint32_t key_id_get(const uint8_t in[4])
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

/* What the tag covers besides the ciphertext: the head, then what the caller binds it to. */
struct bound {
	uint8_t bytes[ENVELOPE_HEAD + ENVELOPE_AAD_MAX];
};

static struct span bind(struct bound *b, const struct head *head, struct span aad)
{
	assert(aad.len <= ENVELOPE_AAD_MAX);
	memcpy(b->bytes, head, sizeof *head);
	if (aad.len > 0)
		memcpy(b->bytes + sizeof *head, aad.at, aad.len);
	return span_of(b->bytes, sizeof *head + aad.len);
}

struct err envelope_seal(const struct envelope_key *key, const struct entropy *entropy,
	struct span aad, struct span plain, struct span_mut out)
{
	struct head head = {.version = ENVELOPE_VERSION, .algorithm = ENVELOPE_AES_256_GCM};
	struct bound bound;

	assert(out.len == plain.len + ENVELOPE_OVERHEAD);
	key_id_put(head.key_id, key->id);
	struct err e = entropy_fill(entropy, SPAN_MUT_ARRAY(head.nonce));
	if (failed(e))
		return e;
	memcpy(out.at, &head, sizeof head);
	const struct span_mut sealed = span_mut_of(out.at + sizeof head, out.len - sizeof head);
	aad = bind(&bound, &head, aad);
	return key->keyed != NULL
		       ? aead_key_seal(key->keyed, SPAN_ARRAY(head.nonce), aad, plain, sealed)
		       : aead_seal(key->key, SPAN_ARRAY(head.nonce), aad, plain, sealed);
}

static struct err head_read(struct span sealed, struct head *head)
{
	if (sealed.len < ENVELOPE_OVERHEAD)
		return ERR(INPUT);
	memcpy(head, sealed.at, sizeof *head);
	if (head->version != ENVELOPE_VERSION || head->algorithm != ENVELOPE_AES_256_GCM)
		return ERR(VERSION);
	return OK;
}

struct err envelope_key_id(struct span sealed, uint32_t *key_id)
{
	struct head head;

	const struct err e = head_read(sealed, &head);
	*key_id = failed(e) ? 0 : key_id_get(head.key_id);
	return e;
}

struct err envelope_open(
	const struct envelope_key *key, struct span aad, struct span sealed, struct span_mut plain)
{
	struct head head;
	struct bound bound;

	struct err e = head_read(sealed, &head);
	if (failed(e))
		return e;
	if (key_id_get(head.key_id) != key->id)
		return ERR(ABSENT);
	assert(plain.len == sealed.len - ENVELOPE_OVERHEAD);
	sealed = span_of(sealed.at + sizeof head, sealed.len - sizeof head);
	aad = bind(&bound, &head, aad);
	return key->keyed != NULL
		       ? aead_key_unseal(key->keyed, SPAN_ARRAY(head.nonce), aad, sealed, plain)
		       : aead_open(key->key, SPAN_ARRAY(head.nonce), aad, sealed, plain);
}
