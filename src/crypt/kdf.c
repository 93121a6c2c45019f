// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "kdf.h"
#include "base/secret.h"
#include "digest.h"
#include <assert.h>

static_assert((int)KDF_OCTETS == (int)SHA256_OCTETS, "the KDF is HMAC-SHA-256");

struct input {
	size_t len;
	uint8_t octets[KDF_INPUT_MAX];
};

static bool append(struct input *s, struct span from)
{
	if (from.len > sizeof s->octets - s->len)
		return false;
	if (from.len > 0)
		memcpy(s->octets + s->len, from.at, from.len);
	s->len += from.len;
	return true;
}

struct err kdf(struct span key, uint8_t fc, const struct span *parameters, size_t count,
	uint8_t out[static KDF_OCTETS])
{
	struct input s = {.len = 1, .octets = {fc}};
	bool is_within = true;

	for (size_t i = 0; i < count; i++) {
		const uint8_t len[2] = {
			(uint8_t)(parameters[i].len >> 8), (uint8_t)parameters[i].len};
		is_within = is_within && append(&s, parameters[i]) && append(&s, SPAN_ARRAY(len));
	}
	const struct err e =
		is_within ? hmac_sha256(key, span_of(s.octets, s.len), out) : ERR(LIMIT);
	secret_wipe(s.octets, s.len);
	return e;
}

struct err prf_prime(struct span key, struct span seed, struct span_mut out)
{
	uint8_t t[KDF_OCTETS];
	struct err e = OK;

	if (out.len > PRF_PRIME_MAX)
		return ERR(LIMIT);
	for (size_t done = 0; done < out.len && !failed(e); done += sizeof t) {
		const uint8_t n = (uint8_t)(done / sizeof t + 1);
		struct input s = {0};
		if (!append(&s, span_of(t, done == 0 ? 0 : sizeof t)) || !append(&s, seed) ||
			!append(&s, span_of(&n, 1)))
			e = ERR(LIMIT);
		else
			e = hmac_sha256(key, span_of(s.octets, s.len), t);
		const size_t left = out.len - done;
		memcpy(out.at + done, t, left < sizeof t ? left : sizeof t);
		secret_wipe(s.octets, s.len);
	}
	secret_wipe(t, sizeof t);
	if (failed(e))
		secret_wipe(out.at, out.len);
	return e;
}
