// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What kms-vault computes: the answers of codec/kvault_msg.h. The key-encryption key and, while a call lasts,
 * private keys, shares and combined keys are here and nowhere else. The vault keeps no state:
 * what it hands out sealed is bound by its associated data to what it is and whose (link, block, exchange,
 * segment), so the store cannot make it combine the wrong things.
 */
#include "codec/kvault_msg.h"
#include "crypt/envelope.h"

struct kms_vault {
	struct envelope_key kek;
	struct entropy entropy;
	struct kms_name site, peer_site;
};

/* One request. On an error, what `answer` holds is to be dropped. */
MUST_USE struct err kms_vault_serve(
	struct kms_vault *v, uint16_t type, struct span body, struct writer *answer);
