// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of a TLS profile, for tls.c alone. */
#include "host/tls.h"
#include "crypt/openssl.h"
#include <openssl/ssl.h>

enum { ALPN_WIRE_MAX = 64 };

struct tls_profile {
	SSL_CTX *ctx;
	uint32_t users;
	bool require_hybrid;
	uint8_t alpn[ALPN_WIRE_MAX]; /* as on the wire: length, name, length, name … */
	size_t alpn_len;
};
