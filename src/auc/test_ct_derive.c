// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: CK, IK, RES, Kc and every key below them are secret. */
#include "auc/derive.h"
#include "base/ct.h"

static bool derives(enum derivation which)
{
	const struct derivation_row *row = &derivations[which];
	static const uint8_t zeros[255];
	struct span p[KDF_PARAMETERS_MAX];
	uint8_t key[DERIVE_KEY] = {1}, out[KDF_OCTETS], res[AUTH_RES_MAX] = {2};

	for (size_t i = 0; i < row->parameters; i++)
		p[i] = span_of(zeros, row->sizes[i].min);
	if (which == DERIVE_RES_STAR)
		p[2] = SPAN_ARRAY(res);
	ct_classify(key, sizeof key);
	ct_classify(res, sizeof res);
	return !failed(derive(which, SPAN_ARRAY(key), p, out));
}

static bool derives_the_others(void)
{
	uint8_t secret[AUTH_KEY] = {1}, rand[AUTH_RAND] = {2}, out[AUTH_KEY];
	struct eap_aka_prime keys;

	ct_classify(secret, sizeof secret);
	derive_c2(secret, out);
	derive_c3(secret, secret, out);
	derive_c4(secret, out);
	derive_c5(secret, out);
	return !failed(derive_hres_star(rand, secret, out)) &&
	       !failed(derive_eap_aka_prime(secret, secret, span_str("0555444333222111"), &keys));
}

int main(void)
{
	for (size_t i = 0; i < DERIVATIONS; i++)
		if (!derives((enum derivation)i))
			return 1;
	return derives_the_others() ? 0 : 1;
}
