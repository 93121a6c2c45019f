// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Certificates for tests, made when a test runs: nothing in the tree expires, and no key is
 * committed. NAME becomes FOLDER/NAME.pem and FOLDER/NAME.key (P-256). Failure aborts the test.
 */
struct certs_spec {
	const char *name;
	const char *issuer; /* name of a CA made before; NULL: it is a CA, signed by itself */
	const char *common_name;
	const char *alternatives;  /* "DNS:a.test,URI:urn:x"; NULL: none */
	int days_from, days_until; /* counted from now, may be negative */
};

/* Makes a folder under /tmp; certs_remove() takes it away with all it holds. */
const char *certs_folder(void);
void certs_remove(const char *folder);
void certs_make(const char *folder, const struct certs_spec *spec);
/* The path of FOLDER/NAME.pem or .key, in one of eight buffers that take turns. */
const char *certs_path(const char *folder, const char *name, const char *ending);
