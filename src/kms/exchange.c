// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange.h"
#include "shelf.h"
#include "base/ct.h"
#include "base/secret.h"
#include "crypt/digest.h"
#include "crypt/hkdf.h"
#include "crypt/kem.h"
#include <assert.h>

static_assert((int)PEER_MLKEM_PUBLIC == (int)MLKEM768_PUBLIC, "codec and crypt agree");
static_assert((int)PEER_MLKEM_CIPHERTEXT == (int)MLKEM768_CIPHERTEXT, "codec and crypt agree");
static_assert((int)PEER_X25519 == (int)X25519_OCTETS && (int)PEER_DIGEST == (int)SHA256_OCTETS,
	"codec and crypt agree");
static_assert(sizeof(struct exchange_private) == 96, "sealed as it stands");
static_assert(sizeof(struct exchange_secrets) == 96, "sealed as it stands");

enum role { ROLE_INITIATOR = 1, ROLE_RESPONDER = 2 };

static struct err transcript_hash(const struct peer_exchange *message,
	const struct peer_exchange_answer *answer, uint8_t transcript[static PEER_DIGEST])
{
	uint8_t text[4096];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));

	writer_span(&w, span_str("merlon exchange 1"));
	peer_exchange_write(&w, message); /* its fields are of fixed length, or length-prefixed */
	writer_span(&w, SPAN_ARRAY(answer->mlkem));
	writer_span(&w, SPAN_ARRAY(answer->x25519));
	assert(!w.is_full);
	return sha256(writer_span_done(&w), transcript);
}

/* One role's proof over the transcript. */
static struct err proof(enum role role, struct span slot0, const struct exchange_secrets *secrets,
	uint8_t out[static PEER_DIGEST])
{
	uint8_t joined[3 * SLOT_OCTETS], key[SHA256_OCTETS], info[64];
	struct writer w = writer_of(SPAN_MUT_ARRAY(joined)), i = writer_of(SPAN_MUT_ARRAY(info));

	assert(slot0.len == SLOT_OCTETS);
	writer_span(&w, slot0);
	writer_span(&w, SPAN_ARRAY(secrets->mlkem));
	writer_span(&w, SPAN_ARRAY(secrets->x25519));
	writer_span(&i, span_str("merlon exchange proof 1"));
	writer_u8(&i, (uint8_t)role);
	struct err e = hkdf_sha256(writer_span_done(&w), SPAN_ARRAY(secrets->transcript),
		writer_span_done(&i), SPAN_MUT_ARRAY(key));
	if (!failed(e))
		e = hmac_sha256(SPAN_ARRAY(key), SPAN_ARRAY(secrets->transcript), out);
	secret_wipe(joined, sizeof joined);
	secret_wipe(key, sizeof key);
	return e;
}

struct err exchange_open(const struct entropy *entropy, struct peer_exchange *message,
	struct exchange_private *private)
{
	struct err e = entropy_fill(entropy, SPAN_MUT_ARRAY(message->exchange_id));

	if (!failed(e))
		e = entropy_fill(entropy, span_mut_of(private, sizeof *private));
	if (!failed(e))
		e = mlkem768_public(SPAN_ARRAY(private->seed), SPAN_MUT_ARRAY(message->mlkem));
	if (!failed(e))
		e = x25519_public(SPAN_ARRAY(private->scalar), SPAN_MUT_ARRAY(message->x25519));
	return e;
}

/* The responder's halves of both agreements. */
static struct err agree(const struct entropy *entropy, const struct peer_exchange *message,
	struct peer_exchange_answer *answer, struct exchange_secrets *secrets)
{
	uint8_t random[MLKEM768_RANDOM], scalar[X25519_OCTETS];

	struct err e = entropy_fill(entropy, SPAN_MUT_ARRAY(random));
	if (!failed(e))
		e = entropy_fill(entropy, SPAN_MUT_ARRAY(scalar));
	if (!failed(e))
		e = mlkem768_encaps(SPAN_ARRAY(message->mlkem), SPAN_ARRAY(random),
			SPAN_MUT_ARRAY(answer->mlkem), SPAN_MUT_ARRAY(secrets->mlkem));
	if (!failed(e))
		e = x25519_public(SPAN_ARRAY(scalar), SPAN_MUT_ARRAY(answer->x25519));
	if (!failed(e))
		e = x25519_derive(SPAN_ARRAY(scalar), SPAN_ARRAY(message->x25519),
			SPAN_MUT_ARRAY(secrets->x25519));
	secret_wipe(random, sizeof random);
	secret_wipe(scalar, sizeof scalar);
	return e;
}

struct err exchange_answer(const struct entropy *entropy, const struct peer_exchange *message,
	struct span slot0, struct peer_exchange_answer *answer, struct exchange_secrets *secrets,
	uint8_t initiator_proof[static PEER_DIGEST])
{
	struct err e = agree(entropy, message, answer, secrets);

	if (!failed(e))
		e = transcript_hash(message, answer, secrets->transcript);
	if (!failed(e))
		e = proof(ROLE_RESPONDER, slot0, secrets, answer->proof);
	if (!failed(e))
		e = proof(ROLE_INITIATOR, slot0, secrets, initiator_proof);
	return e;
}

struct err exchange_finish(const struct peer_exchange *message,
	const struct peer_exchange_answer *answer, const struct exchange_private *private,
	struct span slot0, struct exchange_secrets *secrets,
	uint8_t initiator_proof[static PEER_DIGEST])
{
	uint8_t expected[PEER_DIGEST];

	struct err e = mlkem768_decaps(SPAN_ARRAY(private->seed), SPAN_ARRAY(answer->mlkem),
		SPAN_MUT_ARRAY(secrets->mlkem));
	if (!failed(e))
		e = x25519_derive(SPAN_ARRAY(private->scalar), SPAN_ARRAY(answer->x25519),
			SPAN_MUT_ARRAY(secrets->x25519));
	if (!failed(e))
		e = transcript_hash(message, answer, secrets->transcript);
	if (!failed(e))
		e = proof(ROLE_RESPONDER, slot0, secrets, expected);
	if (!failed(e) && !ct_equal(expected, answer->proof, sizeof expected))
		e = ERR(AUTH);
	if (!failed(e))
		e = proof(ROLE_INITIATOR, slot0, secrets, initiator_proof);
	return e;
}
