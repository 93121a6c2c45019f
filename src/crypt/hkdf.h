// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * HKDF [RFC 5869] out of libcrypto: extract and expand in one. `salt` and `info` may be empty;
 * `out` is at most 255 hashes long.
 */
#include "base/err.h"
#include "base/span.h"

MUST_USE struct err hkdf_sha256(
	struct span secret, struct span salt, struct span info, struct span_mut out);
MUST_USE struct err hkdf_sha512(
	struct span secret, struct span salt, struct span info, struct span_mut out);
