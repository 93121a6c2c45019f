// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: what is sealed, the key that seals it, and what HKDF and
 * HMAC are given are secret; a key that is set up once as well as one that is given at each call. That libcrypto keeps them so on this machine is tested here, not
 * believed. */
#include "base/ct.h"
#include "crypt/digest.h"
#include "crypt/envelope.h"
#include "crypt/hkdf.h"

static struct err nonce_fill(void *ctx, struct span_mut out)
{
	(void)ctx;
	memset(out.at, 7, out.len);
	return OK;
}

/* As vaults do it: sealed and opened by a key that is set up once. What comes out is plain again.
 * Whether the tag verifies is public: tools/ct.supp. */
static bool keyed_seals_and_opens(const struct entropy *entropy, struct span key, struct span plain)
{
	uint8_t sealed[64], again[sizeof sealed];
	const struct span_mut out = span_mut_of(sealed, plain.len + ENVELOPE_OVERHEAD);
	struct aead_key keyed;

	if (failed(aead_key_open(&keyed, key)))
		return false;
	const struct envelope_key sealing = {.id = 3, .key = key, .keyed = &keyed};
	struct err e = envelope_seal(&sealing, entropy, span_str("c"), plain, out);
	if (!failed(e))
		e = envelope_open(&sealing, span_str("c"), span_of(sealed, out.len),
			span_mut_of(again, plain.len));
	ct_declassify(again, plain.len);
	ct_declassify(plain.at, plain.len);
	const bool is_same = !failed(e) && memcmp(again, plain.at, plain.len) == 0;
	aead_key_close(&keyed);
	return is_same;
}

int main(void)
{
	const struct entropy entropy = {.fill = nonce_fill};
	uint8_t source[32] = {1}, key[32], plain[29] = {2}, mac[SHA256_OCTETS];
	uint8_t sealed[sizeof plain + ENVELOPE_OVERHEAD];

	ct_classify(source, sizeof source);
	ct_classify(plain, sizeof plain);
	const struct envelope_key sealing = {.id = 3, .key = SPAN_ARRAY(key)};
	const bool is_done = !failed(hkdf_sha256(SPAN_ARRAY(source), span_of(NULL, 0),
				     span_str("a"), SPAN_MUT_ARRAY(key))) &&
			     !failed(hkdf_sha512(SPAN_ARRAY(key), SPAN_ARRAY(source), span_str("b"),
				     SPAN_MUT_ARRAY(key))) &&
			     !failed(hmac_sha256(SPAN_ARRAY(key), SPAN_ARRAY(plain), mac)) &&
			     !failed(envelope_seal(&sealing, &entropy, span_str("c"),
				     SPAN_ARRAY(plain), SPAN_MUT_ARRAY(sealed))) &&
			     keyed_seals_and_opens(&entropy, SPAN_ARRAY(key), SPAN_ARRAY(plain));
	return is_done ? 0 : 1;
}
