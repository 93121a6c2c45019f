// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * SHA-256 [FIPS 180-4] and HMAC-SHA-256 [RFC 2104] out of libcrypto, whole messages.
 */
#include "base/err.h"
#include "base/span.h"

enum { SHA256_OCTETS = 32 };

MUST_USE struct err sha256(struct span message, uint8_t digest[static SHA256_OCTETS]);
MUST_USE struct err hmac_sha256(
	struct span key, struct span message, uint8_t mac[static SHA256_OCTETS]);
