// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Everything that an operator brings to the two sites and the lab has to make: one certificate
 * authority, certificates of ECDSA P-384 that are valid for a day, key-encryption keys, the
 * bootstrap secret that both ends of the quantum link share, and a file of test subscribers (K||OPc
 * = SHA-256 of the IMSI: anybody can check their vectors; never use them elsewhere).
 *
 * In the folder of certificates: ca.crt; for each site SITE.crt (towards the other site),
 * SITE-kme.crt (ETSI 014, also for 127.0.0.1), SITE-ike.crt (tunnel), sae-SITE-1.crt (a local
 * client); each with its .key.
 */
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PKI_SUBSCRIBERS = 256, PKI_SECRET_MAX = 65536, PKI_DIGITS = 16 };
#define PKI_IMSI_FIRST 1010000000000ull /* 001010000000000 */

/* Keys are 0600 and belong to `uid`. The key of the authority is never written. */
MUST_USE struct err pki_certificates_write(const char *folder, uid_t uid, struct complaint *c);

enum pki_form { PKI_RAW, PKI_HEX };
/* Random octets into a file of 0600 that belongs to `uid`, and into `copy`. */
MUST_USE struct err pki_secret_write(const char *path, uint8_t *copy, size_t octets,
	enum pki_form form, uid_t uid, struct complaint *c);
/* The same octets once more, elsewhere. */
MUST_USE struct err pki_secret_write_copy(const char *path, const uint8_t *octets, size_t count,
	enum pki_form form, uid_t uid, struct complaint *c);

/* "imsi,k,opc,algorithm,msisdn" and a line for each of PKI_SUBSCRIBERS. */
MUST_USE struct err pki_subscribers_write(const char *path, uid_t uid, struct complaint *c);
void pki_imsi(char digits[static PKI_DIGITS], size_t index);
