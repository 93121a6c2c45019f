// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Who a certificate says its holder is. */
#include "host/stream.h"
#include "crypt/openssl.h"
#include <openssl/x509.h>

/*
 * Fills CN, first DNS name and first URI. ERR_AUTH where a name cannot be shown as it is (an octet
 * NUL or not printable, too long, two CNs): a name that two readers read in two ways is an attack,
 * not a name.
 */
MUST_USE struct err identity_from_certificate(
	struct peer_identity *id, X509 *certificate, struct complaint *c);
/* Whether `name` is the CN or one of the DNS names; letter case does not count, no wildcards. */
bool certificate_has_name(X509 *certificate, const char *name);
