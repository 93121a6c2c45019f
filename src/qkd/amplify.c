// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "amplify.h"
#include <math.h>

enum qkd_abort amplify_length(const struct estimate *e, const struct qkd_parameters *p,
	const struct qkd_ledger *ledger, uint32_t bits_max, uint32_t *final_bits)
{
	/* Never less than Lim has for verification, whatever the tag's length. */
	const double verify_bits = fmax((double)ledger->tag_bits, log2(2 / p->eps_cor));
	const double published = (double)(ledger->parities + ledger->answers);
	const double bits = estimate_final_bits(e, p, published, verify_bits);

	*final_bits = 0;
	if (verify_collision((uint32_t)ledger->sifted) > p->eps_cor)
		return QKD_NO_SECRET; /* the block is too long for this tag */
	if (!(bits >= 8) || bits < p->final_bits_min || bits >= (double)ledger->sifted)
		return QKD_NO_SECRET;
	if (p->final_bits_fixed > 0) {
		if (p->final_bits_fixed > bits || p->final_bits_fixed > bits_max)
			return QKD_NO_SECRET;
		*final_bits = p->final_bits_fixed;
		return QKD_GOES_ON;
	}
	*final_bits = (uint32_t)fmin(bits, bits_max) / 8 * 8;
	return QKD_GOES_ON;
}

enum qkd_abort amplify_key(
	struct toeplitz *workspace, struct span_mut out, struct key_words key, struct span seed)
{
	const struct err e =
		toeplitz_hash_in(workspace, out, out.len * 8, key_octets(key), key.bits, seed);

	toeplitz_wipe(workspace);
	return failed(e) ? QKD_NO_ENTROPY : QKD_GOES_ON;
}
