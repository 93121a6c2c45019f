// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* An operator's own MILENAGE constants [TS 35.206 §5.3], from settings to what the room computes
 * with. No secret of a subscriber, but many operators keep them to themselves: never logged. */
#include "auc/vector.h"

/* As settings, a list: profiles.0.number … */
struct vault_profile_setting {
	uint64_t number; /* 1 … AUC_PROFILES_MAX - 1 */
	char r[32];      /* five numbers of bits, with commas between */
	char c[5 * (2 * AES128_BLOCK + 1)];
};

/* `constants` must live as long as `algorithms`, which gets them. */
MUST_USE struct err vault_profile_add(struct auc_algorithms *algorithms,
	struct milenage_constants constants[static AUC_PROFILES_MAX],
	const struct vault_profile_setting *setting, struct complaint *c);
