// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "certs.h"
#include <dirent.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "test certificates: %s failed\n", what);
	abort();
}

const char *certs_folder(void)
{
	char *folder = strdup("/tmp/merlon-certs-XXXXXX");

	must(folder != NULL && mkdtemp(folder) != NULL, "mkdtemp");
	return folder;
}

const char *certs_path(const char *folder, const char *name, const char *ending)
{
	static char paths[8][256];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof paths[0], "%s/%s.%s", folder, name, ending);
	return path;
}

void certs_remove(const char *folder)
{
	DIR *dir = opendir(folder);
	char path[512];

	if (dir == NULL)
		return;
	for (const struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
		snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
		if (d->d_name[0] != '.')
			unlink(path);
	}
	closedir(dir);
	rmdir(folder);
	free((void *)(size_t)folder);
}

static void extend(X509 *x, const char *name, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf(NULL, &ctx, name, value);
	must(extension != NULL && X509_add_ext(x, extension, -1) == 1, name);
	X509_EXTENSION_free(extension);
}

static X509 *load_certificate(const char *path)
{
	FILE *file = fopen(path, "r");

	must(file != NULL, path);
	X509 *x = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	return x;
}

static EVP_PKEY *load_key(const char *path)
{
	FILE *file = fopen(path, "r");

	must(file != NULL, path);
	EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	return key;
}

static void save(const char *folder, const char *name, X509 *x, EVP_PKEY *key)
{
	FILE *file = fopen(certs_path(folder, name, "pem"), "w");

	must(file != NULL && PEM_write_X509(file, x) == 1, "writing a certificate");
	fclose(file);
	file = fopen(certs_path(folder, name, "key"), "w");
	must(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
		"writing a key");
	fclose(file);
}

static void fill(X509 *x, EVP_PKEY *key, const struct certs_spec *spec)
{
	long serial;

	must(RAND_bytes((unsigned char *)&serial, sizeof serial) == 1, "RAND_bytes");
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial & 0x7fffffff);
	X509_time_adj_ex(X509_getm_notBefore(x), spec->days_from, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(x), spec->days_until, 0, NULL);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
		(const unsigned char *)spec->common_name, -1, -1, 0);
	extend(x, "subjectKeyIdentifier", "hash");
	if (spec->issuer == NULL) {
		extend(x, "basicConstraints", "critical,CA:TRUE");
		extend(x, "keyUsage", "critical,keyCertSign,cRLSign");
	} else {
		extend(x, "basicConstraints", "critical,CA:FALSE");
		extend(x, "keyUsage", "critical,digitalSignature");
		extend(x, "extendedKeyUsage", "serverAuth,clientAuth");
	}
	if (spec->alternatives != NULL)
		extend(x, "subjectAltName", spec->alternatives);
}

void certs_make(const char *folder, const struct certs_spec *spec)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *issuer_key = key;
	X509 *x = X509_new(), *issuer = x;

	must(key != NULL && x != NULL, "making a key");
	fill(x, key, spec);
	if (spec->issuer != NULL) {
		issuer = load_certificate(certs_path(folder, spec->issuer, "pem"));
		issuer_key = load_key(certs_path(folder, spec->issuer, "key"));
	}
	must(X509_set_issuer_name(x, X509_get_subject_name(issuer)) == 1, "issuer");
	must(X509_sign(x, issuer_key, EVP_sha256()) > 0, "signing");
	save(folder, spec->name, x, key);
	if (issuer != x) {
		X509_free(issuer);
		EVP_PKEY_free(issuer_key);
	}
	X509_free(x);
	EVP_PKEY_free(key);
}
