// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_profiles.h"
#include <stdio.h>

static bool read_r(uint8_t r[static MILENAGE_OUTS], const char *text)
{
	unsigned v[MILENAGE_OUTS];
	char end;

	if (sscanf(text, "%3u,%3u,%3u,%3u,%3u%c", &v[0], &v[1], &v[2], &v[3], &v[4], &end) !=
		MILENAGE_OUTS)
		return false;
	for (size_t i = 0; i < MILENAGE_OUTS; i++) {
		if (v[i] > 127)
			return false;
		r[i] = (uint8_t)v[i];
	}
	return true;
}

static bool read_c(uint8_t c[static MILENAGE_OUTS][AES128_BLOCK], const char *text)
{
	const size_t each = (size_t)2 * AES128_BLOCK;

	if (strlen(text) != MILENAGE_OUTS * (each + 1) - 1)
		return false;
	for (size_t i = 0; i < MILENAGE_OUTS; i++) {
		const char *at = text + i * (each + 1);
		if (!hex_digits_to_span(span_mut_of(c[i], AES128_BLOCK), span_of(at, each)) ||
			(i + 1 < MILENAGE_OUTS && at[each] != ','))
			return false;
	}
	return true;
}

struct err vault_profile_add(struct auc_algorithms *algorithms,
	struct milenage_constants constants[static AUC_PROFILES_MAX],
	const struct vault_profile_setting *s, struct complaint *c)
{
	if (s->number < 1 || s->number >= AUC_PROFILES_MAX)
		return complain(c, ERR(INPUT), "profile: a number from 1 to %d is expected",
			AUC_PROFILES_MAX - 1);
	const unsigned number = (unsigned)s->number;
	struct milenage_constants *m = &constants[number];
	if (algorithms->profiles[number] != NULL)
		return complain(c, ERR(INPUT), "profile %u: stands twice", number);
	if (!read_r(m->r, s->r))
		return complain(c, ERR(INPUT),
			"profile %u: r: five numbers from 0 to 127 are expected", number);
	if (!read_c(m->c, s->c))
		return complain(c, ERR(INPUT),
			"profile %u: c: five times 32 hex digits are expected", number);
	if (failed(milenage_constants_check(m)))
		return complain(c, ERR(INPUT),
			"profile %u: two of the five pairs of r and c are equal [TS 35.206 §5.3]",
			number);
	algorithms->profiles[number] = m;
	return OK;
}
